"""Tensors on their way to the device: constants, and what is read ahead."""

import pytest
import torch

from tsal.data.device import ReadAhead, constant, to_device

CPU = torch.device("cpu")


def test_a_constant_of_a_prediction_serves_a_training_too():
    """Tensors that are made in inference mode cannot be kept for a gradient."""
    with torch.inference_mode():
        made = constant((1.5, 2.5), CPU)
    assert constant((1.5, 2.5), CPU) is made and made.tolist() == [1.5, 2.5]
    weight = torch.ones(2, requires_grad=True)
    (weight * made).sum().backward()
    assert torch.equal(weight.grad, made)


def test_on_a_cpu_nothing_is_copied():
    tensor = torch.ones(3)
    assert to_device(tensor, CPU) is tensor and to_device(tensor, None) is tensor


def test_what_is_read_ahead_is_what_each_step_asks_for():
    """In order, from any step on, and when a step is asked for again; kinds do not mix."""
    ahead, plain, calls = ReadAhead(True), ReadAhead(False), []

    def read(step):
        calls.append(step)
        return step**2

    for step in (0, 1, 2, 5, 5, 6, 3):
        assert ahead.get("squares", step, read) == plain.get("squares", step, lambda step: step**2)
        assert ahead.get("negative", step, lambda step: -step) == -step
    assert {3, 4, 7} & set(calls), "nothing was read before it was asked for"


def test_an_error_of_what_reads_ahead_is_raised_at_its_step():
    def read(step):
        if step == 1:
            raise OSError("the disk is gone")
        return step

    ahead = ReadAhead(True)
    assert ahead.get("one", 0, read) == 0
    with pytest.raises(OSError, match="the disk is gone"):
        ahead.get("one", 1, read)

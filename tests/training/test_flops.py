"""What a training computes is counted where the environment asks for it, and that changes nothing else."""

import os
import subprocess
import sys

import pytest
import torch
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode, flop_registry

from tsal.detectors import build
from tsal.training import flops
from tsal.training.flops import FlopCounter, counted, counting


@pytest.fixture
def asked(tmp_path, monkeypatch):
    """The file that is to be added to, as for a process that counts nothing yet."""
    monkeypatch.setenv(flops.VARIABLE, str(tmp_path / "flops"))
    monkeypatch.setattr(flops, "_counter", None)
    return tmp_path / "flops"


def step(detector, images):
    detector.zero_grad()
    output = detector(images)
    loss = output.stages[-1].square().mean() + output.centre.square().mean() + output.offsets.square().mean()
    loss.backward()
    with torch.inference_mode():
        detector(images[:1])
    return [parameter.grad.clone() for parameter in detector.parameters()]


def test_the_count_is_that_of_pytorchs_counter_and_the_gradients_are_the_same():
    torch.manual_seed(0)
    detector, images = build("compact", 3, width=8), torch.rand(2, 3, 32, 32)
    plain = step(detector, images)
    with FlopCounterMode(display=False) as expected:
        step(detector, images)
    with FlopCounter() as counter:
        found = step(detector, images)
    assert counter.flops == expected.get_total_flops() > 0
    assert all(torch.equal(*pair) for pair in zip(plain, found, strict=True))


def test_a_product_of_matrices_takes_two_operations_for_each_term():
    with FlopCounter() as counter:
        functional.linear(torch.rand(5, 7), torch.rand(11, 7))
    assert counter.flops == 2 * 5 * 7 * 11


def test_each_training_adds_a_line_that_names_it(asked):
    @counted
    def train(settings, out):
        return torch.rand(1000, 1000) @ torch.rand(1000, 500)

    assert train(None, "a.safetensors").shape == train(None, out="b.safetensors").shape == (1000, 500)
    assert asked.read_text() == "0.001000 train a.safetensors\n0.001000 train b.safetensors\n"


def test_what_is_counted_within_another_count_is_counted_once(asked):
    with counting("outer"), counting("inner"):
        torch.rand(1000, 1000) @ torch.rand(1000, 1000)
    assert asked.read_text() == "0.002000 outer\n"


def test_an_interrupted_training_counts_as_far_as_it_came(asked):
    with pytest.raises(KeyboardInterrupt), counting("killed"):
        torch.rand(1000, 1000) @ torch.rand(1000, 500)
        raise KeyboardInterrupt
    assert asked.read_text() == "0.001000 killed\n"


def test_unless_it_is_asked_for_nothing_is_counted(asked, monkeypatch):
    monkeypatch.delenv(flops.VARIABLE)
    with counting("nothing"):
        assert flops._counter is None
    assert not asked.exists()


def test_a_count_that_fails_fails_no_training(asked, monkeypatch, caplog):
    def broken(*_, **__):
        raise ValueError

    monkeypatch.setattr("torch.utils.flop_counter.flop_registry", dict.fromkeys(flop_registry, broken))
    asked.mkdir()  # and cannot be written to
    with counting("training"):
        total = (torch.ones(2, 2) @ torch.ones(2, 2)).sum()
    assert total == 8 and str(asked) in caplog.text


def test_the_count_of_these_tests_includes_what_they_compute_and_what_their_processes_train():
    assert flops._counter is not None
    before = flops._counter.flops
    torch.rand(2, 3) @ torch.rand(3, 4)
    assert flops._counter.flops - before == 2 * 2 * 3 * 4
    code = "import os; print(os.environ['TSAL_COUNT_FLOPS'])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == os.environ[flops.VARIABLE]

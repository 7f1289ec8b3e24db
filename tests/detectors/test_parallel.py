"""Processes that share the images of a forward pass: what each then holds is what one process alone computes."""

import pytest
import together
import torch
from torch import nn

from tsal.detectors import parallel
from tsal.detectors.compact import compact
from tsal.detectors.parallel import SharedBatchNorm
from tsal.errors import InputError

TOLERANCE = {"rtol": 1e-12, "atol": 1e-13}  # of float64: any image or process that counts wrongly is far beyond it


@pytest.mark.parametrize("images", [2, 5, 8])
def test_outputs_gradients_and_batch_statistics_are_those_of_the_whole_batch(two_processes, images):
    """Of parameters within the network, and of one whose gradient passes into it and around it."""
    alone = together.passes(images)
    both = two_processes.run(together.passes, images)
    assert set(alone) == set(both[0])
    for name, expected in alone.items():
        for found in both:
            torch.testing.assert_close(found[name], expected, **TOLERANCE, msg=lambda text, n=name: f"{n}: {text}")
        assert torch.equal(both[0][name], both[1][name])


def test_flow_that_is_shared_has_its_gradient_through_a_detector_that_is_shared(two_processes):
    alone = together.adapts_flow()
    largest = max(float(gradient.abs().max()) for name, gradient in alone.items() if name != "loss")
    assert largest > 0
    for found in two_processes.run(together.adapts_flow):
        for name, expected in alone.items():
            torch.testing.assert_close(found[name], expected, rtol=1e-4, atol=1e-5 * largest)


def test_batch_normalisation_alone_is_that_of_pytorch():
    x = torch.randn(4, 3, 5, 5)
    own, theirs = SharedBatchNorm(3), nn.BatchNorm2d(3)
    for _ in range(2):
        assert torch.equal(own(x), theirs(x))
    assert all(torch.equal(value, theirs.state_dict()[name]) for name, value in own.state_dict().items())


def test_one_that_says_yes_is_heard_by_all(two_processes):
    for yes_in, expected in ((None, False), (0, True), (1, True)):
        assert two_processes.run(together.says, yes_in) == [expected, expected]
    assert parallel.any_says(True) and not parallel.any_says(False)


def test_the_weights_of_the_first_are_given_to_all(two_processes):
    first, second = two_processes.run(together.takes_from_first)
    assert all(torch.equal(value, second[name]) for name, value in first.items())


@pytest.mark.parametrize("most", [1, 8, 100])
def test_gradients_are_averaged_whatever_their_sizes(two_processes, most):
    for found in two_processes.run(together.buckets, most):
        assert all(bool((gradient == 1.5).all()) for gradient in found[:-1]) and found[-1] is None


def test_a_batch_of_fewer_images_than_processes_is_refused(monkeypatch):
    monkeypatch.setattr(parallel, "count", lambda: 3)
    network = compact(5, width=8).train()
    with pytest.raises(InputError, match="a batch of 2 images for 3 processes"):
        network(torch.zeros(2, 3, 32, 32))
    assert network.eval()(torch.zeros(2, 3, 32, 32)).centre.shape == (2, 1, 4, 4)  # each computes all

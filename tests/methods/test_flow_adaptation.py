"""The flow network within TSAL's loop: where the gradient goes, and what it does."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from tsal.data.landmarks import SCHEMES
from tsal.detectors import build
from tsal.flow.pwc import FlowNetwork
from tsal.methods.flow_adaptation import adaptation_loss, flow_between
from tsal.methods.signals import compute_signals
from tsal.training.batches import Frames

SCHEME, SIDE, INPUT = SCHEMES["68"], 64, 48


@pytest.fixture(scope="module", params=["compact", "vgg16_cpm"])
def detector(request):
    torch.manual_seed(0)
    options = {"width": 8} if request.param == "compact" else {}
    return build(request.param, SCHEME.n_points, weights=None, **options)


@pytest.fixture
def network():
    torch.manual_seed(1)
    return FlowNetwork("float32")


@pytest.fixture
def crops():
    noise = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    frames = functional.interpolate(noise, size=(SIDE, SIDE), mode="bicubic").clamp(0, 1)
    images = (255 * frames).byte().permute(0, 2, 3, 1)
    return images, images.roll((1, 2), (1, 2))


def loss_of(network, detector, crops, tracked=(True, True), **weights):
    return adaptation_loss(network, detector, *crops, torch.tensor(tracked), SCHEME, INPUT, **weights)


def test_the_gradient_reaches_the_flow_network_and_no_parameter_of_the_detector(network, detector, crops):
    detector.train()
    before = {name: tensor.clone() for name, tensor in detector.state_dict().items()}
    loss_of(network, detector, crops, smoothness=0.0).backward()
    assert network.context[-1].weight.grad.abs().max() > 0
    assert all(parameter.grad is None and parameter.requires_grad for parameter in detector.parameters())
    assert all(torch.equal(before[name], tensor) for name, tensor in detector.state_dict().items())
    assert detector.training


def test_only_tracked_frames_count(network, detector, crops):
    images, neighbours = crops
    both = loss_of(network, detector, crops, (True, False))
    alone = loss_of(network, detector, (images[:1], neighbours[:1]), (True,))
    assert both.item() == pytest.approx(alone.item(), rel=1e-3)
    nothing = loss_of(network, detector, crops, (False, False))
    nothing.backward()
    assert nothing.item() == 0 and all(not p.grad.any() for p in network.parameters() if p.grad is not None)


def test_a_frame_and_itself_agree(network, detector, crops):
    for head in (network.context[-1], *(estimator.flow for estimator in network.estimators)):
        torch.nn.init.zeros_(head.weight)
    same, moved = (loss_of(network, detector, pair, smoothness=0.0) for pair in ((crops[0], crops[0]), crops))
    assert same.abs() < 0.02 * moved


def test_steps_make_the_heatmaps_of_both_frames_agree(network, detector, crops):
    optimizer = torch.optim.Adam(network.parameters(), 1e-3)
    found = []
    for _ in range(15):
        loss = loss_of(network, detector, crops, smoothness=0.0)
        found.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if min(found[5:], default=found[0]) < 0.8 * found[0]:
            break
    assert min(found[5:]) < 0.8 * found[0]


def test_flow_of_the_moment_fits_the_frames_of_the_sources(network, detector, crops):
    there, back = flow_between(network, *crops)
    assert there.shape == back.shape == (2, 2, SIDE // 2, SIDE // 2) and not there.requires_grad
    frames = Frames(*crops, there, back, torch.tensor([True, True]))
    signals, _ = compute_signals(detector, frames, ("tracking",), SCHEME, INPUT)
    assert np.isfinite(signals["tracking"].points.numpy()).all()
    swapped = flow_between(network, *crops[::-1])
    assert torch.allclose(swapped[0], back, atol=1e-4) and torch.allclose(swapped[1], there, atol=1e-4)

"""The supervision signals and their fusion."""

from dataclasses import replace

import pytest
import torch
from views import mirror

from tsal.data.augment import draw_view, to_view
from tsal.data.landmarks import SCHEMES
from tsal.detectors import build
from tsal.detectors.heatmaps import decode_peaks, encode_distribution
from tsal.methods.signals import (
    LEAST_VARIANCE,
    MOTION_NOISE,
    ROUND_TRIP_NOISE,
    SPREAD_NOISE,
    Signal,
    claimed_deviation,
    compute_signals,
    fuse,
    maps_in_view,
)
from tsal.settings.models import NO_AUGMENTATION, Augmentation
from tsal.training.batches import Frames

SCHEME = SCHEMES["68"]


def signal(points, variance):
    return Signal(torch.tensor(points).view(1, -1, 2), torch.tensor(variance).view(1, -1))


def test_the_papers_fusion_is_mu_tracking_plus_the_rest_offsets():
    signals = {"tracking": signal([10.0, 20.0], [1.0]), "offsets": signal([14.0, 10.0], [1.0])}
    assert fuse(signals, 0.5).points.flatten().tolist() == [12.0, 15.0]
    assert fuse(signals, 0.25).points.flatten().tolist() == [13.0, 12.5]


def test_the_papers_fusion_knows_nothing_where_a_source_knows_nothing():
    signals = {"tracking": signal([0.0, 0.0], [torch.inf]), "offsets": signal([1.0, 1.0], [1.0])}
    assert fuse(signals, 0.5).variance.item() == torch.inf


def test_agreeing_signals_are_fused_by_their_inverse_variances():
    signals = {"a": signal([10.0, 10.0], [1.0]), "b": signal([10.3, 10.0], [3.0])}
    fused = fuse(signals, "confidence")
    # first mean 10.075; the variances grow by .075^2 and .225^2
    weights = [1 / (1 + 0.075**2), 1 / (3 + 0.225**2)]
    expected = (10 * weights[0] + 10.3 * weights[1]) / sum(weights)
    assert fused.points[0, 0, 0].item() == pytest.approx(expected, rel=1e-6)


def test_a_signal_far_from_the_others_is_hardly_believed_and_lowers_the_confidence():
    near = {"a": signal([10.0, 10.0], [1.0]), "b": signal([10.2, 10.0], [1.0])}
    fused = fuse(near | {"c": signal([30.0, 10.0], [1.0])}, "confidence")
    mean = (10 + 10.2 + 30) / 3
    assert fused.points[0, 0, 0] < 13 < mean
    assert fused.variance.item() > 5 * fuse(near, "confidence").variance.item()


def test_a_signal_that_knows_nothing_changes_nothing():
    near = {"a": signal([10.0, 10.0], [1.0]), "b": signal([10.2, 10.0], [2.0])}
    alone, more = fuse(near, "confidence"), fuse(near | {"c": signal([99.0, 0.0], [torch.inf])}, "confidence")
    assert torch.allclose(alone.points, more.points) and torch.allclose(alone.variance, more.variance)
    nothing = fuse({"c": signal([99.0, 0.0], [torch.inf])}, "confidence")
    assert nothing.variance.item() == torch.inf and nothing.points.isfinite().all()


class Follower(torch.nn.Module):
    """Stands for a detector: finds the brightest spot of the picture, for every landmark."""

    distribution, heatmap_stride, sigma = True, 4, 4.0

    def __init__(self, detector):
        super().__init__()
        self.detector = detector

    def forward(self, images):
        output = self.detector(images)
        bright = torch.nn.functional.avg_pool2d(images.mean(1, keepdim=True), 4)
        bright = (bright - bright.amin((2, 3), keepdim=True) + 1e-3).log()
        return type(output)([bright.expand(-1, 68, -1, -1)], output.centre, output.offsets)

    def maps(self, output):
        return output.stages[-1].flatten(2).softmax(-1).view_as(output.stages[-1])

    def decode(self, output):
        return decode_peaks(self.maps(output), 4, 4.0)

    def decode_offsets(self, output, near):
        return self.detector.decode_offsets(output, near)


def spot(x, y):
    """A crop (1, 128, 128, 3) with one soft bright spot."""
    axis = torch.arange(128.0)
    value = torch.exp(-((axis[None] - x) ** 2 + (axis[:, None] - y) ** 2) / (2 * 5**2))
    return (value * 255).to(torch.uint8)[None, :, :, None].expand(-1, -1, -1, 3).contiguous()


def moved(tracked=True, back=12.0):
    """A spot that moves from (60, 70) to (72, 70), with the true flow."""
    flow = torch.zeros(1, 2, 64, 64)
    there, backwards = flow.clone(), flow.clone()
    there[:, 0], backwards[:, 0] = -12.0, back
    view = draw_view(1, 128, 96, Augmentation(flip=0.0), torch.Generator().manual_seed(0))
    return Frames(spot(72, 70), spot(60, 70), there, backwards, torch.tensor([tracked]), view)


@pytest.fixture(scope="module")
def follower():
    return Follower(build("compact", 68))


def test_every_source_finds_the_spot_where_it_is_in_this_frame(follower):
    names = ("tracking", "detection", "turned", "view")
    signals, _ = compute_signals(follower, moved(), names, SCHEME, 96)
    for name in names:
        assert signals[name].points[0, 0].tolist() == pytest.approx([72, 70], abs=0.7), name
        assert signals[name].variance.isfinite().all()


def test_tracking_knows_nothing_where_the_way_back_fails_or_there_is_no_neighbour(follower):
    lost, _ = compute_signals(follower, moved(back=-12.0), ("tracking", "detection"), SCHEME, 96)
    assert lost["tracking"].variance.isinf().all() and lost["detection"].variance.isfinite().all()
    alone, _ = compute_signals(follower, moved(tracked=False), ("tracking",), SCHEME, 96)
    assert alone["tracking"].variance.isinf().all()


def test_the_round_trip_error_adds_to_the_variance_of_tracking(follower):
    exact, _ = compute_signals(follower, moved(), ("tracking",), SCHEME, 96)
    off, _ = compute_signals(follower, moved(back=12.5), ("tracking",), SCHEME, 96)
    added = off["tracking"].variance - exact["tracking"].variance
    assert added.flatten().tolist() == pytest.approx([ROUND_TRIP_NOISE * 0.25] * 68, abs=0.3)


def test_tracking_has_the_less_confidence_the_further_the_face_moved(follower):
    signals, _ = compute_signals(follower, moved(), ("tracking", "detection"), SCHEME, 96)
    added = signals["tracking"].variance - signals["detection"].variance
    assert added.flatten().tolist() == pytest.approx([MOTION_NOISE * 12**2] * 68, abs=0.5)


def test_computing_signals_leaves_no_gradient_and_no_trace_in_the_detector():
    detector = build("compact", 68).train()
    before = {name: value.clone() for name, value in detector.state_dict().items()}
    names = ("tracking", "offsets", "detection", "turned", "view")
    signals, passes = compute_signals(detector, moved(), names, SCHEME, 96)
    assert not any(s.points.requires_grad or s.variance.requires_grad for s in signals.values())
    assert not any(forward.output.stages[-1].requires_grad for forward in passes.values())
    assert detector.training
    assert all(torch.equal(before[name], value) for name, value in detector.state_dict().items())


def test_the_claimed_uncertainty_grows_with_excess_spread_or_as_the_peak_falls():
    detector = build("compact", 2, sigma=6.0)
    maps = encode_distribution(torch.tensor([[[40.0, 40.0], [50.0, 50.0]]]), (24, 24), 4, 6.0)
    output = detector(torch.zeros(1, 3, 96, 96))
    sharp = type(output)([maps.clamp_min(1e-30).log()], output.centre, output.offsets)
    assert claimed_deviation(detector, sharp).flatten().tolist() == pytest.approx([LEAST_VARIANCE**0.5] * 2, rel=2e-2)
    detector.sigma = 4.0  # trained sharper than the maps are now: 6^2 - 4^2 = 20 px^2 more
    expected = (LEAST_VARIANCE + 20 * SPREAD_NOISE) ** 0.5
    assert claimed_deviation(detector, sharp).flatten().tolist() == pytest.approx([expected] * 2, rel=2e-2)
    detector.sigma = 6.0
    detector.distribution = False
    peaks = torch.zeros(1, 3, 24, 24)
    peaks[0, 0, 5, 5], peaks[0, 1, 5, 5] = 1.0, 0.5
    flat = type(output)([peaks], output.centre, output.offsets)
    assert claimed_deviation(detector, flat).flatten().tolist() == [6.0, 12.0]


@pytest.mark.parametrize("mirror_shift", [0.0, 0.04])
@pytest.mark.parametrize("mirrored", [False, True])
def test_heatmaps_are_carried_to_another_view_with_their_landmarks(mirrored, mirror_shift):
    points = torch.rand(4, 68, 2, generator=torch.Generator().manual_seed(0)) * 40 + 44
    strong = Augmentation(scale=0.1, rotation=20, shift=0.05, flip=0.5, mirror_shift=mirror_shift, colour=0)
    plain = draw_view(4, 128, 96, NO_AUGMENTATION, torch.Generator())
    own = replace(mirror(plain, 96) if mirrored else plain, mirror_shift=mirror_shift * 96)
    view = draw_view(4, 128, 96, strong, torch.Generator().manual_seed(2))
    maps = encode_distribution(to_view(points, own, SCHEME), (24, 24), 4, 6.0)
    carried = maps_in_view(maps, 4, own, view, SCHEME)
    assert (decode_peaks(carried, 4, 6.0) - to_view(points, view, SCHEME)).abs().max() < 0.6

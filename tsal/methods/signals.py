"""The supervision signals for frames without labels, and their fusion into one target.

Each signal places the landmarks of a frame, in store px of its crop, with a variance. A signal is computed in a plain
view of the frame (no rotation, no change of colour) and without gradient; the student then has to find the same places
in an augmented view.

- tracking: the neighbouring frame of the clip, warped onto this frame by optical flow, decoded by its heatmaps.
- offsets: the same warped frame, decoded by facial centre and offsets (the paper's detection source).
- detection: the frame itself, decoded by its heatmaps.
- turned: the frame turned by a known angle, decoded by its heatmaps.
- view: the frame under a known warp that is drawn anew each time, decoded by its heatmaps.
- tracks: earlier estimates of the frames around it, carried along the clip; see tsal.methods.memory.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from tsal.data.augment import (
    View,
    as_float,
    draw_view,
    flip,
    from_view,
    landmarks_from_px,
    landmarks_to_px,
    normalise,
    rename_mirrored,
    sample,
    sampling_grid,
    turn,
)
from tsal.data.landmarks import Scheme
from tsal.detectors import Detector, Output
from tsal.detectors.heatmaps import cell_centres, spread
from tsal.flow.fields import follow, warp
from tsal.settings.models import NO_AUGMENTATION
from tsal.training.batches import Frames

TURN = 15.0  # degrees

# Squared error (px^2, a coordinate) against what a signal claims of itself, fitted on the validation people of ytf; see
# docs/reproduction.md. Fusion depends on the ratios only.
LEAST_VARIANCE = 0.25
SPREAD_NOISE = 0.09  # times the excess variance of a heatmap
ROUND_TRIP_NOISE = 20.0  # times the squared forward-backward error
MOTION_NOISE = 0.1  # times the squared motion


@dataclass(frozen=True)
class Signal:
    """Landmarks (N, K, 2) in store px and their variance (N, K) in store px^2, infinite where nothing is known."""

    points: Tensor
    variance: Tensor


@dataclass(frozen=True)
class ForwardPass:
    """One forward pass of a detector: its output, and the view of the frames that was its input."""

    output: Output
    view: View


def compute_signals(
    detector: Detector, frames: Frames, names: tuple[str, ...], scheme: Scheme, input_px: int
) -> tuple[dict[str, Signal], dict[str, ForwardPass]]:
    """Compute the named signals of some frames with one detector, without gradient; all but tracks.

    Returns:
        The signals by name, and the forward passes that they were read from, by name.
    """
    was_training = detector.training
    detector.eval()
    with torch.no_grad():
        passes = _forward_views(detector, frames, names, input_px)
        signals = {name: _read(detector, name, passes[name], frames, scheme) for name in names}
    detector.train(was_training)
    return signals, passes


def _forward_views(detector: Detector, frames: Frames, names: tuple[str, ...], input_px: int) -> dict[str, ForwardPass]:
    """One forward pass on every picture that the signals need, in one batch."""
    n, store_px = frames.images.shape[:2]
    plain = draw_view(n, store_px, input_px, NO_AUGMENTATION, torch.Generator()).to(frames.images.device)
    pictures: dict[str, tuple[Tensor, View]] = {}
    if "tracking" in names or "offsets" in names:
        warped = warp(as_float(frames.neighbours), frames.there, frames.back, sampling_grid(plain, input_px))
        pictures["warped"] = normalise(warped), plain
    views = {"detection": plain, "view": frames.view}
    if "turned" in names:
        views["turned"] = turn(plain, input_px, TURN)
    for name in (name for name in ("detection", "turned", "view") if name in names):
        grid = sampling_grid(views[name], input_px)
        pictures[name] = normalise(sample(as_float(frames.images), grid)), views[name]
    batch = torch.cat([picture for picture, _ in pictures.values()])
    outputs = detector(batch).split(*(len(picture) for picture, _ in pictures.values()))
    passes = {
        name: ForwardPass(output, view) for (name, (_, view)), output in zip(pictures.items(), outputs, strict=True)
    }
    if "warped" in passes:
        passes["tracking"] = passes["offsets"] = passes.pop("warped")
    return passes


def _read(detector: Detector, name: str, forward: ForwardPass, frames: Frames, scheme: Scheme) -> Signal:
    points = detector.decode(forward.output)
    if name == "offsets":
        points = detector.decode_offsets(forward.output, points)
    scale = forward.view.scale.unsqueeze(1)
    variance = (claimed_deviation(detector, forward.output) / scale).square()
    points = from_view(points, forward.view, scheme)
    variance = rename_mirrored(variance, forward.view, scheme)
    if name in ("tracking", "offsets"):
        arrived, round_trip, visible = follow(points, frames.there, frames.back)
        noise = carrying_noise(points, arrived, round_trip)
        known = visible & frames.tracked.unsqueeze(1)
        variance = torch.where(known, variance + noise, torch.inf)
    return Signal(points, variance)


def carrying_noise(points: Tensor, arrived: Tensor, round_trip: Tensor) -> Tensor:
    """Variance (...) in px^2 that a step along flow adds: of points (..., 2) and where `follow` has them arrive."""
    motion = (arrived - points).square().sum(-1)
    return ROUND_TRIP_NOISE * round_trip.square() + MOTION_NOISE * motion


def claimed_deviation(detector: Detector, output: Output) -> Tensor:
    """Standard deviation (N, K) in network px that the heatmaps claim for their landmarks.

    Distributions: from the spread beyond that of the maps they were trained with. Regressed Gaussians: the sigma
    they were trained with over the height of the peak.
    """
    maps = detector.maps(output)
    if detector.distribution:
        excess = spread(maps, detector.heatmap_stride).square() - detector.sigma**2
        return (LEAST_VARIANCE + SPREAD_NOISE * excess.clamp_min(0)).sqrt()
    return detector.sigma / maps.flatten(2).amax(-1).clamp(0.05, 1.0)


def fuse_fixed(signals: dict[str, Signal], mu: float) -> Signal:
    """The paper's fusion, mu * tracking + (1 - mu) * offsets; unknown where either is.

    A signal that mu gives no weight is not needed.
    """
    points = mu * signals["tracking"].points + (1 - mu) * signals["offsets"].points
    variance = mu**2 * signals["tracking"].variance + (1 - mu) ** 2 * signals["offsets"].variance
    return Signal(points, variance.nan_to_num(nan=torch.inf, posinf=torch.inf))


def fuse_by_confidence(signals: dict[str, Signal]) -> Signal:
    """Product of Gaussians of all signals, those that disagree with the rest with less confidence.

    First the inverse-variance mean; then each variance grows by the squared distance of its signal from that mean,
    and the mean is taken again. The variance returned is that of the signals around the mean: where they disagree
    it is large, however confident each of them is.
    """
    points = torch.stack([s.points for s in signals.values()])  # (M, N, K, 2)
    variance = torch.stack([s.variance for s in signals.values()])  # (M, N, K)
    weight = 1 / variance.clamp_min(1e-6)
    mean = _weighted_mean(points, weight)
    distance = (points - mean).square().sum(-1)
    weight = 1 / (variance + distance).clamp_min(1e-6)
    mean = _weighted_mean(points, weight)
    around = (points - mean).square().sum(-1) / 2 + variance.nan_to_num(posinf=0.0)
    total = weight.sum(0)
    spread_of_all = (weight * around).sum(0) / total.clamp_min(1e-12)
    return Signal(mean, torch.where(total > 0, spread_of_all, torch.inf))


def _weighted_mean(points: Tensor, weight: Tensor) -> Tensor:
    return (weight.unsqueeze(-1) * points).sum(0) / weight.sum(0).clamp_min(1e-12).unsqueeze(-1)


def fuse(signals: dict[str, Signal], rule: float | str) -> Signal:
    """Fuse signals by a fixed mu (a number) or by "confidence"."""
    return fuse_by_confidence(signals) if rule == "confidence" else fuse_fixed(signals, float(rule))


def maps_in_view(maps: Tensor, stride: int, own: View, view: View, scheme: Scheme) -> Tensor:
    """Heatmaps (N, M, h, w) of one view resampled to another view of the same crops.

    Args:
        maps: of the K landmarks, with or without a last background map.
        stride: network px a cell.
        own: the view the maps belong to; view: the one they are wanted for.
    """
    size = maps.shape[-1]
    axis = cell_centres(size, stride, maps.device)
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    cells = torch.stack([x, y], -1).reshape(1, -1, 2)
    pixels = landmarks_to_px(landmarks_from_px(cells, view), own)  # maps show landmarks
    grid = ((pixels - (stride - 1) / 2) / stride).unflatten(1, (size, size))
    resampled = sample(maps, grid)
    order = torch.arange(maps.shape[1], device=maps.device)
    order[: scheme.n_points] = flip(scheme, maps.device)
    renamed = (own.mirrored != view.mirrored).view(-1, 1, 1, 1)
    return torch.where(renamed, resampled[:, order], resampled)

"""What a detector makes of unlabelled frames: how much the signals of the method disagree on each, and its features."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from tsal.data.augment import apply_view, draw_view
from tsal.data.crops import CropStore
from tsal.data.randomness import generator
from tsal.detectors.predict import BATCH, LandmarkDetector
from tsal.flow.tracking import open_tracker
from tsal.methods.signals import Signal, compute_signals
from tsal.progress import Progress
from tsal.settings.models import NO_AUGMENTATION, Augmentation
from tsal.training.batches import Frames

_FROM_ONE_FRAME = ("detection", "turned", "view")
_DRAWS = 2  # of the signal `view`
_GRID = 2  # cells a side of the features of a frame, each the mean of its part of the coarse map


@dataclass(frozen=True)
class Evidence:
    """Of N frames.

    Attributes:
        points: (N, K, 2) float64, the landmarks that the detector finds, in store px.
        confidences: (N, K) of them, in [0, 1].
        disagreement: (N,) root mean square distance of the signals from their mean, in per cent of the face box.
        features: (N, D) float32, the network's coarse features, each of mean 0 and variance 1 over the frames.
    """

    points: np.ndarray
    confidences: np.ndarray
    disagreement: np.ndarray
    features: np.ndarray


def gather_evidence(
    detector: LandmarkDetector, store: CropStore, rows: np.ndarray, device: torch.device, seed: int = 0
) -> Evidence:
    """Run a detector on some frames of a store, under known warps too, and on their neighbours.

    The signals are those of tsal.methods.signals: detection, turned, view, and of frames of a clip also tracking, from
    the next frame or else the one before, by the optical flow that needs no training.

    Args:
        rows: (N,) of the store.
        seed: of the warps.
    """
    neighbours = _neighbours(store)[rows]
    found: list[tuple[np.ndarray, ...]] = []
    with Progress(len(rows), "look", "frame") as progress:
        for number, start in enumerate(range(0, len(rows), BATCH)):
            some = slice(start, start + BATCH)
            random = generator(seed, "suggest", number)
            found.append(_of_batch(detector, store, rows[some], neighbours[some], device, random))
            progress.update(len(rows[some]))
    k = detector.scheme.n_points
    if not found:
        return Evidence(np.empty((0, k, 2)), np.empty((0, k)), np.empty(0), np.empty((0, 1), np.float32))
    points, confidences, disagreement, features = (np.concatenate(parts) for parts in zip(*found, strict=True))
    size = detector.settings.input_px / (1 + 2 * detector.settings.expand)
    spread = features.std(0)
    features = (features - features.mean(0)) / np.where(spread > 0, spread, 1)
    return Evidence(points, confidences, 100 * disagreement / size, features.astype(np.float32))


def _of_batch(
    detector: LandmarkDetector,
    store: CropStore,
    rows: np.ndarray,
    neighbours: np.ndarray,
    device: torch.device,
    random: torch.Generator,
) -> tuple[np.ndarray, ...]:
    images = np.ascontiguousarray(store.images[rows])
    others = np.ascontiguousarray(store.images[np.where(neighbours >= 0, neighbours, rows)])
    arrays = (images, others, *_flow(images, others, neighbours >= 0), neighbours >= 0)
    frames = Frames(*(torch.from_numpy(array).to(device) for array in arrays))
    signals, own = [], None
    for draw in range(_DRAWS):
        view = draw_view(len(rows), store.size, store.input_px, _augmentation(detector), random).to(device)
        names = ("view",) if draw else (*_FROM_ONE_FRAME, *(["tracking"] if (neighbours >= 0).any() else []))
        seen = replace(frames, view=view)
        found, passes = compute_signals(detector.network, seen, names, detector.scheme, store.input_px)
        own = own or (found["detection"].points, detector.network.confidence(passes["detection"].output))
        signals += found.values()
    points, confidences = (part.double().cpu().numpy() for part in own)
    return points, confidences, _disagreement(signals), _features(detector, images, device)


def _augmentation(detector: LandmarkDetector) -> Augmentation:
    """The usual views, mirrored as in its training; none is where that mirrored none."""
    return Augmentation(mirror_shift=detector.mirror_shift) if detector.mirrors else Augmentation(flip=0.0)


def _neighbours(store: CropStore) -> np.ndarray:
    """(N,) row of the clip's next frame, or else of the one before, or -1."""
    before = np.full(len(store), -1, np.int64)
    at = np.flatnonzero(store.next >= 0)
    before[store.next[at]] = at
    return np.where(store.next >= 0, store.next, before)


def _flow(images: np.ndarray, others: np.ndarray, moved: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Flow (N, 2, S / 2, S / 2) from frames to their neighbours and back; 0 where there is none."""
    half = images.shape[1] // 2
    flow = np.zeros((2, len(images), 2, half, half), np.float32)
    at = np.flatnonzero(moved)
    if len(at):
        tracker = open_tracker("dis", None, torch.device("cpu"))
        for start in range(0, len(at), tracker.batch):
            some = at[start : start + tracker.batch]
            flow[:, some] = np.asarray(tracker.track(images[some], others[some])).swapaxes(0, 1)
    return flow[0], flow[1]


def _disagreement(signals: list[Signal]) -> np.ndarray:
    """(N,) root mean square distance in px of the signals that know of a frame from their mean, over all landmarks."""
    points = torch.stack([signal.points for signal in signals])  # (M, N, K, 2)
    known = torch.stack([signal.variance.isfinite() for signal in signals]).unsqueeze(-1)
    count = known.sum(0).clamp_min(1)
    mean = torch.where(known, points, 0.0).sum(0) / count
    squared = torch.where(known, (points - mean).square(), 0.0).sum(-1).sum(0) / count.squeeze(-1)
    return squared.mean(-1).sqrt().double().cpu().numpy()


def _features(detector: LandmarkDetector, images: np.ndarray, device: torch.device) -> np.ndarray:
    """(N, D) of crops (N, S, S, 3): the coarse map of the trunk, averaged over a few cells."""
    network, input_px = detector.network, detector.settings.input_px
    view = draw_view(len(images), images.shape[1], input_px, NO_AUGMENTATION, torch.Generator()).to(device)
    was_training = network.training
    network.eval()
    with torch.inference_mode():
        coarse: Tensor = network.trunk(apply_view(torch.from_numpy(images).to(device), view, input_px))[1]
        cells = torch.nn.functional.adaptive_avg_pool2d(coarse.float(), _GRID)
    network.train(was_training)
    return cells.flatten(1).cpu().numpy()

"""Optical flow between the frames of a clip: trackers, warping, occlusion.

Flow is computed once per clip on the packed crops, in store pixels, and stored at half resolution:
`flow[p, 0]` leads from frame t to t+1 (forward), `flow[p, 1]` from t+1 back to t (backward), for the pair p of the
store's p-th face that has a following frame.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from tsal.augment import sample
from tsal.crops import CropStore
from tsal.errors import InputError
from tsal.files import atomic_path, new_mapped_array
from tsal.progress import Progress

REDUCTION = 2  # stored flow is this much smaller than the crops
Tracker = Callable[[np.ndarray, np.ndarray], np.ndarray]


def dis(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Dense inverse search (Kroeger et al. 2016) by OpenCV: flow (S, S, 2) from `first` to `second` (S, S) uint8."""
    tracker = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    return tracker.calc(first, second, None)


TRACKERS: dict[str, Tracker] = {"dis": dis}


def pairs(store: CropStore) -> np.ndarray:
    """Rows (P, 2) of frames t and t+1 of one clip, ordered by t's row."""
    rows = np.flatnonzero(store.next >= 0)
    return np.stack([rows, store.next[rows]], 1)


def _both_ways(tracker: Tracker, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    first, second = (cv2.cvtColor(np.ascontiguousarray(i), cv2.COLOR_RGB2GRAY) for i in (first, second))
    size = tuple(s // REDUCTION for s in first.shape)
    flows = [tracker(first, second), tracker(second, first)]
    small = [cv2.resize(flow, size[::-1], interpolation=cv2.INTER_AREA) for flow in flows]
    return np.stack(small).transpose(0, 3, 1, 2)


def write_flow(store: CropStore, out: Path, tracker: str, workers: int) -> None:
    """Compute and store the flow of all pairs: float16 (P, 2 directions, 2 (x, y), S / 2, S / 2), store pixels.

    Raises:
        InputError: unknown tracker.
    """
    if tracker not in TRACKERS:
        raise InputError(f"tracker {tracker!r} is not known; known: {', '.join(TRACKERS)}")
    rows = pairs(store)
    half = store.size // REDUCTION
    cv2.setNumThreads(1)
    with atomic_path(out) as temporary:
        flow = new_mapped_array(temporary, np.float16, (len(rows), 2, 2, half, half))
        with ThreadPoolExecutor(workers) as pool, Progress(len(rows), f"flow {tracker}", "pair") as progress:
            jobs = pool.map(lambda r: _both_ways(TRACKERS[tracker], store.images[r[0]], store.images[r[1]]), rows)
            for index, both in enumerate(jobs):
                flow[index] = both
                progress.update()
        flow.flush()


def open_flow(path: Path, store: CropStore) -> np.ndarray:
    """Memory-map the flow of a store's pairs.

    Raises:
        InputError: missing, broken, or made for other crops.
    """
    try:
        flow = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read as flow ({error}); delete it and run `tsal flow` again") from error
    half = store.size // REDUCTION
    expected = (len(pairs(store)), 2, 2, half, half)
    if flow.shape != expected:
        raise InputError(f"{path}: found flow of shape {flow.shape}, expected {expected} for these crops; delete it")
    return flow


def flow_at(flow: Tensor, positions: Tensor) -> Tensor:
    """Flow (B, ..., 2) in store px at positions (B, ..., 2) in store px, from stored flow (B, 2, S/2, S/2)."""
    shape = positions.shape
    grid = (positions.reshape(shape[0], -1, 1, 2) - (REDUCTION - 1) / 2) / REDUCTION
    return sample(flow.float(), grid).squeeze(-1).transpose(1, 2).reshape(shape)


def follow(positions: Tensor, there: Tensor, back: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Follow positions along the flow and test the way back.

    Args:
        positions: (B, ..., 2) in store px.
        there, back: stored flow (B, 2, S/2, S/2) of the two directions.

    Returns:
        Arrived positions (B, ..., 2); round-trip error |f + b| (B, ...) in store px; whether the point is visible in
        both frames (B, ...) by the test |f + b|^2 <= 0.01 (|f|^2 + |b|^2) + 0.5 (Sundaram et al. 2010).
    """
    f = flow_at(there, positions)
    arrived = positions + f
    b = flow_at(back, arrived)
    error = (f + b).square().sum(-1)
    visible = error <= 0.01 * (f.square().sum(-1) + b.square().sum(-1)) + 0.5
    return arrived, error.sqrt(), visible


def warp(neighbour: Tensor, there: Tensor, back: Tensor, grid: Tensor) -> Tensor:
    """A neighbouring frame warped onto a frame, seen through a view of that frame.

    Args:
        neighbour: float (B, 3, S, S) crops of the neighbouring frame (frame t, to be warped onto t+1).
        there: stored flow (B, 2, S/2, S/2) from the frame to its neighbour (from t+1 to t); back: the other way.
        grid: (B, h, w, 2) store px of the frame that the view shows, see `augment.sampling_grid`.

    Returns:
        The warped view (B, 3, h, w).
    """
    source, _, _ = follow(grid, there, back)
    return sample(neighbour, source)


def to_tensor(flow: np.ndarray, rows: np.ndarray, device: torch.device) -> Tensor:
    """Rows of memory-mapped flow as a float tensor on a device."""
    return torch.from_numpy(np.ascontiguousarray(flow[rows])).to(device).float()

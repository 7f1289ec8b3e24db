"""Flow on disk: the pairs of a crop store, and the file that holds their flow in both directions."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import torch

from tsal.data.crops import CropStore
from tsal.errors import InputError
from tsal.files import atomic_path, new_mapped_array
from tsal.flow.fields import REDUCTION
from tsal.flow.tracking import open_tracker
from tsal.progress import Progress

CPU = torch.device("cpu")
BATCHES_AHEAD = 4  # of each worker: enough to keep it busy, few enough to keep memory flat


def pairs(store: CropStore) -> np.ndarray:
    """Rows (P, 2) of frames t and t+1 of one clip, ordered by t's row."""
    rows = np.flatnonzero(store.next >= 0)
    return np.stack([rows, store.next[rows]], 1)


def write_flow(
    store: CropStore,
    out: Path,
    tracker: str,
    workers: int,
    *,
    network: Path | None = None,
    device: torch.device | None = None,
) -> None:
    """Compute and store the flow of all pairs: float16 (P, 2 directions, 2 (x, y), S / 2, S / 2), store pixels.

    Args:
        tracker: by name, see `tsal.flow.TRACKERS`.
        workers: threads that the CPU may use.
        network: weights of the tracker's network, where it has one; see `open_tracker`.
        device: that the network runs on; default the CPU.

    Raises:
        InputError: unknown tracker; its weights are missing or do not fit; the device is full.
    """
    opened = open_tracker(tracker, network, device or CPU)
    rows = pairs(store)
    half = store.size // REDUCTION
    batches = [rows[start : start + opened.batch] for start in range(0, len(rows), opened.batch)]
    at_once = workers * BATCHES_AHEAD if opened.one_thread else 1
    cv2.setNumThreads(1)
    before = torch.get_num_threads()
    torch.set_num_threads(workers)
    try:
        with atomic_path(out) as temporary:
            flow = new_mapped_array(temporary, np.float16, (len(rows), 2, 2, half, half))
            done = 0
            with ThreadPoolExecutor(workers) as pool, Progress(len(rows), f"flow {tracker}", "pair") as progress:
                for start in range(0, len(batches), at_once):
                    jobs = batches[start : start + at_once]
                    for both in pool.map(lambda pair: opened.track(*(store.images[r] for r in pair.T)), jobs):
                        flow[done : done + len(both)] = both
                        done += len(both)
                        progress.update(len(both))
            flow.flush()
    finally:
        torch.set_num_threads(before)


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

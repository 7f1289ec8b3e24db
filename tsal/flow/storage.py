"""Flow on disk: the pairs of a crop store, and the shards that hold their flow in both directions."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import torch

from tsal.data.crops import CropStore
from tsal.data.shards import Layout, ShardedArray, ShardWriter, digest, open_index
from tsal.errors import InputError
from tsal.files import sha256
from tsal.flow.fields import REDUCTION
from tsal.flow.tracking import open_tracker
from tsal.progress import Progress

CPU = torch.device("cpu")
KIND = "flow, version 1"
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

    A run that was killed goes on after the shards that it had finished.

    Args:
        out: path of the index, which ends in .json.
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
    layout = Layout.new(out, len(rows), (2, 2, half, half), np.float16)
    about = f"{KIND} {tracker} {sha256(network) if network else ''} {store.identity}"
    made_of = [digest(about, rows[layout.rows_of(shard)]) for shard in range(layout.shards)]
    at_once = workers * BATCHES_AHEAD if opened.one_thread else 1
    cv2.setNumThreads(1)
    before = torch.get_num_threads()
    torch.set_num_threads(workers)
    try:
        with ShardWriter(layout, made_of) as writer, ThreadPoolExecutor(workers) as pool:
            missing = writer.missing(np.arange(len(rows)))
            done = len(rows) - len(missing)
            with Progress(len(rows), f"flow {tracker}", "pair", initial=done) as progress:
                for some in _blocks(missing, opened.batch * at_once):
                    jobs = list(_blocks(some, opened.batch))
                    both = pool.map(lambda job: opened.track(*(store.images[r] for r in rows[job].T)), jobs)
                    for job, flows in zip(jobs, both, strict=True):
                        for pair, flow in zip(job.tolist(), flows, strict=True):
                            writer.write(pair, flow.astype(np.float16))
                        progress.update(len(job))
        writer.write_index(KIND, {"tracker": tracker, "crops": store.identity})
    finally:
        torch.set_num_threads(before)


def _blocks(array: np.ndarray, size: int) -> Iterator[np.ndarray]:
    return (array[start : start + size] for start in range(0, len(array), size))


def open_flow(path: Path, store: CropStore) -> ShardedArray:
    """Open the flow of a store's pairs, which stays on disk until it is used.

    Raises:
        InputError: missing, broken, or made for other crops.
    """
    again = "Delete it and run `tsal flow` again"
    flow, about, _ = open_index(path, KIND, again)
    half = store.size // REDUCTION
    expected = (int((store.next >= 0).sum()), 2, 2, half, half)
    if flow.shape != expected:
        raise InputError(f"{path}: found flow of shape {flow.shape}, expected {expected} for these crops. {again}")
    if about.get("crops") != store.identity:
        raise InputError(f"{path}: found the flow of other crops of the same size. {again}")
    return flow

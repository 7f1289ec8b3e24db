"""What a frame costs in each stage, in seconds, disk and memory: python benchmarks/scale.py OUT_DIR [--frames 10000]

Renders a quarter of the frames, and then all of them, and takes both through index, crop, flow, the batches of a
training, predict and score, each stage in a process of its own on one core. The slope between the two is the cost of
one more frame; what a stage costs whatever the number of frames drops out. The second table holds what these slopes
give for more frames than were measured; the third is measured, on pools of zeros that take no space on disk.
"""

import argparse
import json
import multiprocessing
import os
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from tsal.data.columns import write_columns
from tsal.data.crops import KIND as CROPS
from tsal.data.crops import open_crops, write_crops
from tsal.data.faces import read_faces, write_faces
from tsal.data.landmarks import SCHEMES
from tsal.data.shards import Layout, ShardWriter, digest
from tsal.datasets import synth

CLIP_FRAMES, PER_PERSON = 10, 50  # half of a person's frames are stills
GEOMETRY = {"input_px": 96, "expand": 0.2, "margin": 4 / 3}
STEPS = 30  # of which batches are drawn
POOLS = (10_000, 100_000, 1_000_000)  # frames of zeros
EXTRAPOLATED = (1_000_000, 100_000_000)


@dataclass(frozen=True)
class Cost:
    """Of a stage: seconds, peak memory and what it left on disk, the latter in bytes."""

    seconds: float
    peak: float
    disk: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out_dir", type=Path, help="a new folder; some 300 kB a frame")
    parser.add_argument("--frames", type=int, default=10_000, help="a multiple of 200 (default 10,000)")
    arguments = parser.parse_args()
    counts = arguments.frames // 4 // PER_PERSON * PER_PERSON, arguments.frames // PER_PERSON * PER_PERSON
    costs = [all_stages(arguments.out_dir / str(count), count) for count in counts]
    print_slopes(counts, *costs)
    print_extrapolated(counts, *costs)
    print_pools(arguments.out_dir / "pools")


# --- the stages ---


def all_stages(folder: Path, count: int) -> dict[str, Cost]:
    """Measure every stage on so many frames, each on what the stage before left."""
    folder.mkdir(parents=True)
    stages: dict[str, tuple[Callable[[Path, int], None], list[str]]] = {
        "render": (render, ["shard.zip"]),
        "index": (index, ["faces.parquet", "images"]),
        "crop": (crop, ["train.json", "train"]),
        "flow": (flow, ["flow.json", "flow"]),
        f"batches ({STEPS} steps)": (batches, []),
        "predict": (predict, ["predictions.csv"]),
        "score": (score, ["scores.csv"]),
    }
    costs = {}
    for name, (work, files) in stages.items():
        if name == "score":
            write_faces(read_faces(folder / "faces.parquet").assign(split="test"), folder / "test.parquet")
        seconds, peak = in_own_process(work, folder, count)
        costs[name] = Cost(seconds, peak, sum(size(folder / file) for file in files))
        print(f"{name}, {count:,} frames: {seconds:.1f} s, {peak / 1e6:.0f} MB", flush=True)
    return costs


def render(folder: Path, count: int) -> None:
    people, half = count // PER_PERSON, count // 2
    settings = {"people": people, "stills": half, "clips": half // CLIP_FRAMES, "clip_frames": CLIP_FRAMES}
    settings |= {"image_px": 128, "challenging": 0.3, "seed": 0}
    (folder / "index.yaml").write_text(json.dumps({"settings": settings}))
    synth.render(folder / "index.yaml", 0, 1, folder / "shard.zip")


def index(folder: Path, count: int) -> None:
    synth.index([folder / "shard.zip"], folder / "images", folder / "faces.parquet")


def crop(folder: Path, count: int) -> None:
    write_crops(read_faces(folder / "faces.parquet"), folder / "train.json", workers=1, **GEOMETRY)


def flow(folder: Path, count: int) -> None:
    from tsal.flow.storage import write_flow

    write_flow(open_crops(folder, "train"), folder / "flow.json", "dis", 1)


def batches(folder: Path, count: int) -> None:
    data = training_data(folder, folder / "flow.json")
    for step in range(STEPS):
        data.labelled_batch(step)
        data.unlabelled_batch(step)


def training_data(folder: Path, flow: Path | None):
    """As a training of tsal with 5 % of the labels opens it, with the memory of targets."""
    import torch

    from tsal.flow.storage import open_flow
    from tsal.methods.memory import Memory
    from tsal.methods.tsal import Options
    from tsal.settings.models import Settings
    from tsal.training.batches import TrainingData

    torch.set_num_threads(1)
    store = open_crops(folder, "train")
    about = {"benchmark": "synth", "method": "tsal", "algorithm": "tsal", "labels": 0.05}
    settings = Settings(**about, options=Options())
    opened = open_flow(flow, store) if flow else None
    data = TrainingData(settings, store, opened, 0, torch.device("cpu"))
    data.memory = Memory(data)
    data.unlabelled_batch(0)
    data.labelled_batch(0)
    return data


def predict(folder: Path, count: int) -> None:
    import torch

    from tsal.detectors.predict import LandmarkDetector, create_network, predict_crops, write_predictions
    from tsal.settings.models import DetectorSettings

    torch.set_num_threads(1)
    settings = DetectorSettings(weights="none")
    network = create_network(settings, SCHEMES["68"], "float32")
    detector = LandmarkDetector(network, settings, SCHEMES["68"])
    found = predict_crops(detector, open_crops(folder, "train"), torch.device("cpu"))
    write_predictions(found, folder / "predictions.csv")


def score(folder: Path, count: int) -> None:
    from tsal.evaluation.runs import write_scores

    files = folder / "predictions.csv", folder / "test.parquet", folder / "scores.csv"
    write_scores(*files, scheme=SCHEMES["68"], normalisers=["inter-ocular"], is_video=True)


# --- pools of zeros ---


def sparse_pool(folder: Path, count: int) -> None:
    """Make the crops of a pool of clips whose images are holes of files: they read as zeros and take no space.

    The last frame is white. All landmarks are at the middle, and visible.

    Args:
        folder: gets train.json and its shards.
        count: frames, a multiple of CLIP_FRAMES.
    """
    side = round(GEOMETRY["input_px"] * GEOMETRY["margin"])
    layout = Layout.new(folder / "train.json", count, (side, side, 3), np.uint8)
    layout.folder.mkdir(parents=True)
    made_of = [digest(str(shard)) for shard in range(layout.shards)]
    for shard in range(layout.shards):
        images = np.lib.format.open_memmap(layout.path(shard), "w+", np.uint8, layout.shape_of(shard))
        if shard == layout.shards - 1:
            images[-1] = 255
        del images
        with open(layout.path(shard), "ab") as file:
            file.write(bytes.fromhex(made_of[shard]))
    frame = np.arange(count) % CLIP_FRAMES
    faces = pd.Series([f"some folder/face {row:09d}" for row in range(count)])
    clips = pd.Series([f"some folder/clip {row // CLIP_FRAMES:08d}" for row in range(count)])
    arrays = {
        "frame": frame,
        "box": np.tile([0.0, 0.0, side, side], (count, 1)),
        "to_image": np.tile([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]], (count, 1, 1)),
        "points": np.full((count, 68, 2), (side - 1) / 2, np.float32),
        "visible": np.ones((count, 68), bool),
        "next": np.where(frame < CLIP_FRAMES - 1, np.arange(1, count + 1), -1),
    }
    shared = {"clip": clips, "person": clips}
    about = write_columns(layout.folder / "faces.arrow", {"face": faces}, shared, arrays)
    with ShardWriter(layout, made_of) as writer:  # which finds all shards to be there
        writer.write_index(CROPS, {**GEOMETRY, "landmarks": 68, "faces": about}, ["faces.arrow"])


def start(folder: Path, count: int) -> None:
    training_data(folder, None)


def print_pools(folder: Path) -> None:
    """How long a training takes to begin, and what memory, by the size of its pool."""
    print("\n| frames of the pool | s to the first batches | peak MB |\n|---:|---:|---:|")
    for count in POOLS:
        sparse_pool(folder, count)
        seconds, peak = in_own_process(start, folder, count)
        print(f"| {count:,} | {seconds:.1f} | {peak / 1e6:.0f} |", flush=True)
        shutil.rmtree(folder)


# --- measuring and printing ---


def in_own_process(work: Callable[[Path, int], None], folder: Path, count: int) -> tuple[float, float]:
    """Seconds and peak memory in bytes of a new process that does this work; its start is not counted."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_measured, (work, folder, count))


def _measured(work: Callable[[Path, int], None], folder: Path, count: int) -> tuple[float, float]:
    import tsal.training.batches  # noqa: F401 its import is no part of a stage

    start = time.perf_counter()
    work(folder, count)
    seconds = time.perf_counter() - start
    status = Path("/proc/self/status").read_text().splitlines()
    return seconds, 1024 * int(next(line for line in status if line.startswith("VmHWM")).split()[1])


def size(path: Path) -> int:
    """Bytes that a file, or a folder's files, take."""
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())


def slope(counts: tuple[int, int], small: float, large: float) -> float:
    return (large - small) / (counts[1] - counts[0])


def print_slopes(counts: tuple[int, int], small: dict[str, Cost], large: dict[str, Cost]) -> None:
    few, many = (f"{count:,}" for count in counts)
    print(f"\n| stage | s, {few} | s, {many} | ms a frame | disk, kB a frame | MB, {few} | MB, {many} | kB a frame |")
    print("|---|---:|---:|---:|---:|---:|---:|---:|")
    for name, cost in large.items():
        before = small[name]
        seconds = 1e3 * slope(counts, before.seconds, cost.seconds)
        disk, held = (slope(counts, *both) / 1e3 for both in ((before.disk, cost.disk), (before.peak, cost.peak)))
        print(
            f"| {name} | {before.seconds:.1f} | {cost.seconds:.1f} | {seconds:.2f} | {disk:.2f} "
            f"| {before.peak / 1e6:.0f} | {cost.peak / 1e6:.0f} | {held:.2f} |"
        )


def print_extrapolated(counts: tuple[int, int], small: dict[str, Cost], large: dict[str, Cost]) -> None:
    print("\nExtrapolated, not measured: hours of one core, GB on disk, GB of memory\n")
    print("| stage | " + " | ".join(f"{count:,}: h | disk | memory" for count in EXTRAPOLATED) + " |")
    print("|---|" + "---:|" * 3 * len(EXTRAPOLATED))
    for name, cost in large.items():
        cells = []
        for count in EXTRAPOLATED:
            more = count - counts[1]
            kinds = [(getattr(small[name], kind), getattr(cost, kind)) for kind in ("seconds", "disk", "peak")]
            seconds, disk, held = (both[1] + more * max(slope(counts, *both), 0) for both in kinds)
            cells += [f"{seconds / 3600:.2g}", f"{disk / 1e9:.2g}", f"{held / 1e9:.2g}"]
        print(f"| {name} | {' | '.join(cells)} |")


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()

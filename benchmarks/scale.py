"""What a frame costs in each stage, in CPU seconds, disk and memory.

    OMP_NUM_THREADS=1 python benchmarks/scale.py OUT_DIR [--frames 10000] [--rendered 400] [--predicted 1000]

Renders some frames; a data set of all frames is then made of these, again and again under other names, and taken
through index, crop, flow, the batches of a training and score, each stage in a process of its own on one core; some
frames are predicted. The same is done with a quarter of the frames: the slope between both is the cost of one more
frame, without what a stage costs whatever their number. The second table is computed from these slopes for more frames
than were measured. The third is measured again: how a training begins, on pools of zeros that take no space on disk.
"""

import argparse
import io
import json
import multiprocessing
import os
import shutil
import time
import zipfile
from collections.abc import Callable
from dataclasses import asdict, astuple, dataclass, fields
from itertools import cycle, islice
from pathlib import Path

import numpy as np
import pandas as pd

from tsal.data.columns import write_columns
from tsal.data.crops import KIND as CROPS
from tsal.data.crops import open_crops, write_crops
from tsal.data.faces import point_columns, read_faces, write_faces
from tsal.data.landmarks import SCHEMES
from tsal.data.shards import Layout, ShardWriter, digest
from tsal.datasets import synth
from tsal.synth import RENDERER, shards
from tsal.synth.plan import SynthSettings

CLIP_FRAMES, PER_PERSON = 10, 50  # half of a person's frames are stills
GEOMETRY = {"input_px": 96, "expand": 0.2, "margin": 4 / 3}
STEPS = 30  # of which batches are drawn
POOLS = (10_000, 100_000, 1_000_000)  # frames of zeros
EXTRAPOLATED = (1_000_000, 100_000_000)


@dataclass(frozen=True)
class Cost:
    """Of a stage: CPU seconds, peak memory and what it left on disk, the latter in bytes."""

    seconds: float
    peak: float
    disk: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out_dir", type=Path, help="a new folder; some 200 kB a frame")
    parser.add_argument("--frames", type=int, default=10_000, help="of the data set (default 10,000)")
    parser.add_argument("--rendered", type=int, default=400, help="of these that are rendered (default 400)")
    parser.add_argument("--predicted", type=int, default=1000, help="of these that are predicted (default 1,000)")
    arguments = parser.parse_args()
    out = arguments.out_dir
    rendered, counts = quarter_and_all(arguments.rendered), quarter_and_all(arguments.frames)
    stages = {
        "render": (rendered, [measured("render", render, out / f"rendered{n}", n, ["shard.zip"]) for n in rendered])
    }
    costs = [all_stages(out / str(count), count, out / f"rendered{rendered[1]}/shard.zip") for count in counts]
    stages |= {name: (counts, [cost[name] for cost in costs]) for name in costs[0]}
    predicted, folder = quarter_and_all(arguments.predicted), out / str(counts[1])
    costs = [measured("predict", predict, folder, count, ["predictions.csv"]) for count in predicted]
    stages["predict"] = predicted, costs
    print_slopes(stages)
    print_extrapolated(stages)
    print_pools(out / "pools")


def quarter_and_all(frames: int) -> tuple[int, int]:
    """Numbers of frames that are those of whole people."""
    return frames // 4 // PER_PERSON * PER_PERSON, frames // PER_PERSON * PER_PERSON


# --- the stages ---


def all_stages(folder: Path, count: int, rendered: Path) -> dict[str, Cost]:
    """Measure every stage but the first on so many frames, each on what the stage before left."""
    repeat(rendered, folder / "shard.zip", count)
    stages: dict[str, tuple[Callable[[Path, int], None], list[str]]] = {
        "index": (index, ["faces.parquet", "images"]),
        "crop": (crop, ["train.json", "train"]),
        "flow": (flow, ["flow.json", "flow"]),
        f"batches ({STEPS} steps)": (batches, []),
        "score": (score, ["scores.csv"]),
    }
    costs = {}
    for name, (work, files) in stages.items():
        if name == "score":
            guess(folder)
        costs[name] = measured(name, work, folder, count, files)
    return costs


def measured(name: str, work: Callable[[Path, int], None], folder: Path, count: int, files: list[str]) -> Cost:
    folder.mkdir(parents=True, exist_ok=True)
    seconds, peak, _ = in_own_process(work, folder, count)
    print(f"{name}, {count:,} frames: {seconds:.1f} s, {peak / 1e6:.0f} MB", flush=True)
    return Cost(seconds, peak, sum(size(folder / file) for file in files))


def settings_of(count: int) -> SynthSettings:
    """So many frames, half of them stills."""
    half = count // 2
    amounts = {"people": count // PER_PERSON, "stills": half, "clips": half // CLIP_FRAMES}
    return SynthSettings(**amounts, clip_frames=CLIP_FRAMES, image_px=128, challenging=0.3, seed=0)


def render(folder: Path, count: int) -> None:
    shards.write_shard(settings_of(count), 0, 1, folder / "shard.zip")


def repeat(rendered: Path, out: Path, count: int) -> None:
    """Write a shard as if all of so many frames had been rendered, made of the shots of one that was."""
    before, tables = shards.read_shard_tables([rendered])
    shots, row_of = list(shards.all_shots(before)), {name: row for row, name in enumerate(tables.name.tolist())}
    alike = {frames: cycle([shot for shot in shots if shot.frames == frames]) for frames in (1, CLIP_FRAMES)}
    made_of = {"renderer": RENDERER, "settings": asdict(settings_of(count)), "shard": 0, "shards": 1}
    names, rows = [], []
    out.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(rendered) as source, zipfile.ZipFile(out, "w") as archive:
        archive.writestr("settings.json", json.dumps(made_of))
        for shot in shards.all_shots(settings_of(count)):
            for name, old in zip(shot.frame_names(), next(alike[shot.frames]).frame_names(), strict=True):
                archive.writestr(f"{shards.IMAGES}{name}.jpg", source.read(f"{shards.IMAGES}{old}.jpg"))
                names.append(name)
                rows.append(row_of[old])
        arrays = {field.name: getattr(tables, field.name)[rows] for field in fields(tables) if field.name != "name"}
        file = io.BytesIO()
        np.savez(file, name=np.array(names), **arrays)
        archive.writestr("faces.npz", file.getvalue())


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

    from tsal.detectors.predict import BATCH, LandmarkDetector, create_network, predict_crops, write_predictions
    from tsal.settings.models import DetectorSettings

    torch.set_num_threads(1)
    settings = DetectorSettings(weights="none")
    network = create_network(settings, SCHEMES["68"].n_points, "float32")
    detector = LandmarkDetector(network, settings, SCHEMES["68"])
    found = predict_crops(detector, open_crops(folder, "train"), torch.device("cpu"))
    write_predictions(islice(found, count // BATCH), folder / "predictions.csv")


def guess(folder: Path) -> None:
    """Make what a detector might find in all faces of a table, and the table of these as test faces."""
    faces = read_faces(folder / "faces.parquet").assign(split="test")
    write_faces(faces, folder / "test.parquet")
    places = faces[point_columns(68)]
    found = places + np.random.default_rng(0).normal(0, 2, places.shape)
    found.insert(0, "face", faces["face"])
    found.to_csv(folder / "guessed.csv", index=False, float_format="%.3f")


def score(folder: Path, count: int) -> None:
    from tsal.evaluation.runs import write_scores

    files = folder / "guessed.csv", folder / "test.parquet", folder / "scores.csv"
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
        writer.write_index(CROPS, {**GEOMETRY, "landmarks": 68, "faces": about})


def start(folder: Path, count: int) -> None:
    training_data(folder, None)


def print_pools(folder: Path) -> None:
    """How long a training takes to begin, and what memory, by the size of its pool."""
    print("\n| frames of the pool | CPU s to the first batches | MB, at most | MB of its own, at the end |")
    print("|---:|---:|---:|---:|")
    for count in POOLS:
        sparse_pool(folder, count)
        seconds, peak, own = in_own_process(start, folder, count)
        print(f"| {count:,} | {seconds:.1f} | {peak / 1e6:.0f} | {own / 1e6:.0f} |", flush=True)
        shutil.rmtree(folder)


# --- measuring and printing ---


def in_own_process(work: Callable[[Path, int], None], folder: Path, count: int) -> tuple[float, float, float]:
    """CPU seconds of a new process that does this work, without its start; and bytes of memory: at most, with the pages
    of files that it has mapped, and at the end without them.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tsal.training.batches", "tsal.methods.tsal", "tsal.detectors.predict"])
    with context.Pool(1) as pool:
        return pool.apply(_measured, (work, folder, count))


def _measured(work: Callable[[Path, int], None], folder: Path, count: int) -> tuple[float, float, float]:
    start = time.process_time()
    work(folder, count)
    seconds = time.process_time() - start
    status = dict(line.split(":") for line in Path("/proc/self/status").read_text().splitlines())
    return seconds, *(1024 * int(status[field].split()[0]) for field in ("VmHWM", "RssAnon"))


def size(path: Path) -> int:
    """Bytes that a file, or a folder's files, take."""
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())


def slopes(counts: tuple[int, int], costs: list[Cost]) -> Cost:
    """Of one more frame; what is measured to be less than nothing is nothing."""
    few, many = map(astuple, costs)
    return Cost(*(max(0.0, (b - a) / (counts[1] - counts[0])) for a, b in zip(few, many, strict=True)))


Stages = dict[str, tuple[tuple[int, int], list[Cost]]]  # numbers of frames, and the costs of each


def print_slopes(stages: Stages) -> None:
    print("\n| stage | frames | CPU s | MB of memory | ms a frame | kB of memory a frame | kB on disk a frame |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    for name, (counts, costs) in stages.items():
        more = slopes(counts, costs)
        frames, seconds, memory = (
            " / ".join(f"{value:{form}}" for value in values)
            for values, form in (
                (counts, ","),
                ([cost.seconds for cost in costs], ".1f"),
                ([cost.peak / 1e6 for cost in costs], ".0f"),
            )
        )
        print(
            f"| {name} | {frames} | {seconds} | {memory} | {1e3 * more.seconds:.2f} | {more.peak / 1e3:.2f} "
            f"| {more.disk / 1e3:.1f} |"
        )


def print_extrapolated(stages: Stages) -> None:
    print("\nExtrapolated, not measured: hours of one core, GB of memory, GB on disk\n")
    print("| stage | " + " | ".join(f"{count:,}: h | GB of memory | GB on disk" for count in EXTRAPOLATED) + " |")
    print("|---|" + "---:|" * 3 * len(EXTRAPOLATED))
    for name, (counts, costs) in stages.items():
        if name.startswith("batches"):
            continue  # as large pools are measured; here much is of the first frames alone
        cells = []
        for count in EXTRAPOLATED:
            at_all, more = astuple(costs[1]), astuple(slopes(counts, costs))
            seconds, held, disk = (a + (count - counts[1]) * b for a, b in zip(at_all, more, strict=True))
            cells += [f"{seconds / 3600:.2g}", f"{held / 1e9:.2g}", f"{disk / 1e9:.2g}"]
        print(f"| {name} | {' | '.join(cells)} |")


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()

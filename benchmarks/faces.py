"""Which face detector finds faces best: python benchmarks/faces.py RAW_DIR [--videos FOLDER] [--only NAME ...].

RAW_DIR/300w holds the archives of 300W (see docs/datasets.md). Prints three tables in Markdown: the faces of the test
sets, faces made harder, and videos, for the face detectors of tsal and the candidates that are installed.

- A face is found if a box overlaps the bounds of its landmarks by over half (intersection over union): the raw box,
  and the box after a calibration that is fitted here, for each detector alike, on training pictures.
- Pictures are cut to 2.4 times one annotated face; others stand beside it. A box "beside" overlaps no annotated face by
  over half: it may be another person's face, so that precision is a lower bound.
- Pictures are used as they are, at most 640 px a side: what detectors are mostly run at, and larger than any here.
- Milliseconds are processor time of one thread, the median over the pictures of `common`. Memory is what a process
  needs at its peak beyond what it had before the detector was loaded.
"""

import argparse
import multiprocessing
import platform
import tempfile
import time
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import cv2
import face_candidates
import numpy as np
import pandas as pd

from tsal import face_detectors
from tsal.data.cropping import apply_affine
from tsal.data.faces import boxes_of, points_of, read_faces
from tsal.data.pictures import read_image
from tsal.data.video import SUFFIXES, count_frames, frames
from tsal.datasets import ibug_300w
from tsal.face_detectors.boxes import overlap
from tsal.face_detectors.calibration import Calibration, fit
from tsal.face_detectors.detector import Search

LIMIT_PX = 640
SETS = {"common": ("helen/testset/", "lfpw/testset/"), "ibug": ("ibug/",), "afw": ("afw/",)}
TRAINING = ("helen/trainset/", "lfpw/trainset/")
VARIANTS = {"blazeface, smallest 0.15": ("blazeface", {"smallest": 0.15})}
SIZES = (0.05, 0.07, 0.1, 0.25, 0.5, 1.0)  # of the picture's height
GREY = 110


def faces_of(raw_dir: Path, folder: Path) -> pd.DataFrame:
    """The face table of 300W, with the bounds of the landmarks as boxes."""
    sources = {path.name: path for path in (raw_dir / "300w").iterdir()}
    options = ibug_300w.Options(box="GTL", counts=None, validation=0.0).model_dump()
    ibug_300w.index(sources, folder, folder / "faces.parquet", options)
    return read_faces(folder / "faces.parquet")


def part_of(table: pd.DataFrame, folders: tuple[str, ...], limit: int) -> pd.DataFrame:
    """The faces of some folders, at most `limit`, spread evenly."""
    part = table[table["face"].str.startswith(folders)]
    return part.iloc[np.linspace(0, len(part) - 1, min(limit, len(part))).astype(int)]


def limited(image: np.ndarray) -> np.ndarray:
    """The picture, at most LIMIT_PX on its longer side."""
    factor = LIMIT_PX / max(image.shape[:2])
    return image if factor >= 1 else cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)


def create(name: str) -> Search:
    if name in face_candidates.installed():
        return face_candidates.installed()[name]()
    return face_detectors.create(*VARIANTS.get(name, (name, {}))).search


def calibrate(search: Search, table: pd.DataFrame) -> Calibration:
    """Fitted on the faces that are found at all."""
    pairs = []
    for path, box in zip(table["image"], boxes_of(table), strict=True):
        boxes, _ = search(read_image(path))
        near = overlap(box[None], boxes)[0]
        if len(near) and near.max() > 0.25:
            pairs.append((boxes[near.argmax()], box))
    found, wanted = map(np.array, zip(*pairs, strict=True))
    return fit(found, wanted)


def scores_of(search: Search, calibration: Calibration, table: pd.DataFrame) -> dict[str, float]:
    """Recall, boxes beside, overlap and milliseconds on the pictures of a set."""
    best, raw, beside, times = [], [], [], []
    for path, box in zip(table["image"], boxes_of(table), strict=True):
        image = read_image(path)
        start = time.process_time()
        boxes, _ = search(image)
        times.append(time.process_time() - start)
        near = overlap(box[None], calibration.apply(boxes))[0]
        best.append(near.max(initial=0))
        raw.append(overlap(box[None], boxes)[0].max(initial=0))
        beside.append((near <= 0.5).sum())
    found = np.array(best) > 0.5
    boxes = found.sum() + np.sum(beside)
    return {
        "faces": len(table),
        "recall": found.mean(),
        "raw recall": (np.array(raw) > 0.5).mean(),
        "precision": found.sum() / max(boxes, 1),
        "beside": np.sum(beside),
        "overlap": np.mean(np.array(best)[found]),
        "ms": np.median(times) * 1e3,
    }


def placed(image: np.ndarray, points: np.ndarray, share: float, degrees: float, centre: np.ndarray) -> tuple:
    """A face of a share of the height of a grey picture of 640 x 480 px, turned, at a place of it; and its bounds."""
    low, high = points.min(axis=0), points.max(axis=0)
    factor = share * 480 / (high[1] - low[1])
    if factor < 1:
        image = cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
        points, low, high, factor = points * factor, low * factor, high * factor, 1.0
    turn = cv2.getRotationMatrix2D(tuple((low + high) / 2), degrees, factor)
    turn[:, 2] += centre - (low + high) / 2
    picture = cv2.warpAffine(image, turn, (640, 480), borderMode=cv2.BORDER_CONSTANT, borderValue=(GREY,) * 3)
    moved = apply_affine(turn, points)
    return picture, np.concatenate([moved.min(axis=0), moved.max(axis=0)])


def harder(
    image: np.ndarray, points: np.ndarray, rng: np.random.Generator
) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Names of conditions, the pictures, and the bounds of their landmarks."""
    middle = np.array([320.0, 240.0])
    for share in SIZES:
        room = np.maximum(middle - 480 * share / 2, 0)
        yield f"{share:.0%} high", *placed(image, points, share, 0, middle + rng.uniform(-room, room))
    for degrees in (-30, 30):
        yield "turned 30°", *placed(image, points, 0.4, degrees, middle)
    width = np.ptp(points[:, 0]) / np.ptp(points[:, 1]) * 0.4 * 480
    yield "at the border", *placed(image, points, 0.4, 0, np.array([width / 2, 240.0]))
    picture, bounds = placed(image, points, 0.4, 0, middle)
    yield "grey", cv2.cvtColor(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB), bounds
    yield "dark", (picture * 0.15).astype(np.uint8), bounds


def recall_when_harder(search: Search, calibration: Calibration, table: pd.DataFrame) -> dict[str, float]:
    """Share of the faces found under each condition."""
    found: dict[str, list[bool]] = {}
    rng = np.random.default_rng(0)
    for path, points in zip(table["image"], points_of(table), strict=True):
        for name, picture, bounds in harder(read_image(path), points, rng):
            near = overlap(bounds[None], calibration.apply(search(picture)[0]))[0]
            found.setdefault(name, []).append(near.max(initial=0) > 0.5)
    return {name: float(np.mean(hits)) for name, hits in found.items()}


def video_scores(search: Search, videos: list[Path], limit: int) -> dict[str, float]:
    """Share of frames with exactly one face, and jitter of its size: mean |s(t+1) - 2 s(t) + s(t-1)| / s(t)."""
    counts, jitter, times = [], [], []
    for video in videos:
        sides = []
        for _, image in frames(video, range(min(limit, count_frames(video)))):
            start = time.process_time()
            boxes, _ = search(limited(image))
            times.append(time.process_time() - start)
            counts.append(len(boxes))
            sides.append(np.sqrt(np.prod(boxes[0, 2:] - boxes[0, :2])) if len(boxes) == 1 else np.nan)
        sides = np.array(sides)
        jitter.extend(np.abs(sides[2:] - 2 * sides[1:-1] + sides[:-2]) / sides[1:-1])
    counts = np.array(counts)
    return {
        "frames": len(counts),
        "one face": (counts == 1).mean(),
        "none": (counts == 0).mean(),
        "more": (counts > 1).mean(),
        "jitter": np.nanmean(jitter),
        "ms": np.median(times) * 1e3,
    }


def memory_mib(kind: str) -> float:
    """Memory of this process, now (VmRSS) or at its peak (VmHWM); NaN where the system does not tell."""
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.exists() else []
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith(kind)), float("nan"))


def measure(task: tuple[str, pd.DataFrame, list[Path], argparse.Namespace]) -> dict[str, dict[str, float]]:
    """All of one face detector, in a process of its own."""
    name, table, videos, chosen = task
    cv2.setNumThreads(1)
    before = memory_mib("VmRSS")
    search = create(name)
    calibration = calibrate(search, part_of(table, TRAINING, chosen.calibrate))
    found = {
        kind: scores_of(search, calibration, part_of(table, of, chosen.limit or len(table)))
        for kind, of in SETS.items()
    }
    found["harder"] = recall_when_harder(search, calibration, part_of(table, SETS["common"], chosen.harder))
    found["videos"] = video_scores(search, videos, chosen.frames) if videos else {}
    found["memory"] = {"MiB": memory_mib("VmHWM") - before}
    return found


def print_table(head: list[str], rows: list[list[str]]) -> None:
    """In Markdown; all but the first column are numbers."""
    print("\n|", " | ".join(head), "|\n|---|" + "---:|" * (len(head) - 1))
    for row in rows:
        print("|", " | ".join(row), "|")


def report(results: dict[str, dict[str, dict[str, float]]]) -> None:
    head = ["face detector, set", "faces", "recall", "with its raw box", "precision, at least", "boxes beside"]
    rows = []
    for name, result in results.items():
        for kind in SETS:
            s, memory = result[kind], f"{result['memory']['MiB']:.0f}"
            shares = [f"{s[key]:.1%}" for key in ("recall", "raw recall", "precision")]
            rest = [str(s["beside"]), f"{s['overlap']:.3f}", f"{s['ms']:.0f}", memory]
            rows.append([f"{name}, {kind}", str(s["faces"]), *shares, *rest])
    print_table([*head, "mean overlap", "ms", "MiB"], rows)
    conditions = list(next(iter(results.values()))["harder"])
    rows = [[name, *(f"{result['harder'][key]:.0%}" for key in conditions)] for name, result in results.items()]
    print_table(["recall", *conditions], rows)
    rows = []
    for name, v in ((name, result["videos"]) for name, result in results.items() if result["videos"]):
        shares = [f"{v[key]:.1%}" for key in ("one face", "none", "more")]
        rows.append([name, str(v["frames"]), *shares, f"{v['jitter']:.2%}", f"{v['ms']:.0f}"])
    print_table(["videos", "frames", "one face", "none", "more", "jitter of size", "ms"], rows)


def processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    return next((line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.processor())


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("raw_dir", type=Path, metavar="RAW_DIR")
    options.add_argument("--videos", type=Path, help="folder of videos that show one face each")
    options.add_argument("--only", nargs="+", help="face detectors to measure")
    options.add_argument("--limit", type=int, help="pictures of a set; default: all")
    options.add_argument("--calibrate", type=int, default=150, help="training pictures that calibrate")
    options.add_argument("--harder", type=int, default=40, help="faces that are made harder")
    options.add_argument("--frames", type=int, default=40, help="frames of a video, its first")
    options.add_argument("--processes", type=int, default=1, help="face detectors measured side by side")
    chosen = options.parse_args()
    known = ["blazeface", *VARIANTS, *face_candidates.installed()]
    videos = sorted(path for path in chosen.videos.iterdir() if path.suffix in SUFFIXES) if chosen.videos else []
    print(f"{processor()}, one thread each, OpenCV {cv2.__version__}, tsal {metadata.version('tsal')}")
    with tempfile.TemporaryDirectory() as folder:
        table = faces_of(chosen.raw_dir, Path(folder))
        names = chosen.only or known
        tasks = [(name, table, videos, chosen) for name in names]
        with multiprocessing.get_context("spawn").Pool(chosen.processes, maxtasksperchild=1) as pool:
            report(dict(zip(names, pool.map(measure, tasks, chunksize=1), strict=True)))


if __name__ == "__main__":
    main()

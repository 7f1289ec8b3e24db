"""What `tsal track` does: speed, memory, jitter, what confidence and likeness tell, and what smoothing costs.

    python benchmarks/following.py CHECKPOINT --videos FOLDER [--raw RAW_DIR] [--only TABLE ...]

FOLDER holds videos of talking faces, which need no labels; RAW_DIR the archive of ytf (see docs/datasets.md), of whose
training people alone the tables `confidence` and `likeness` are made. Each table names what it needs:

- speed: the first video, brought to 1280 x 720 px, with one face; processor time of each part, and frames a second;
- memory: the peak of a process of its own that tracks this video, and one five times as long; and when its first
  frame is done, counted from the start of the command;
- jitter: the mean of |p(t+1) - 2 p(t) + p(t-1)| over all landmarks, in per cent of the distance between the outer eye
  corners, and of dlib's predictor in the same frames, where it is installed (`pip install dlib-bin
  face-recognition-models`);
- smoothing: jitter that is left by the One Euro filter, and its lag: the delay at which landmarks that are not
  smoothed fit those that are best;
- confidence: of faces, and of windows beside them; and how well it ranks the errors of landmarks;
- boxes: error on 300W (RAW_DIR/300w, see benchmarks/faces.py) with true boxes, with found ones, and with the bounds of
  the landmarks that were found so, as in the next frame of a video;
- likeness: of a face in two frames of a video, in two pictures of a clip, which lie further apart, at another time of
  the clip, and of two people.
"""

import argparse
import importlib.util
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import cv2
import numpy as np
import pandas as pd
import torch
from faces import SETS, TRAINING, faces_of, part_of

from tsal import datasets, face_detectors
from tsal.data.faces import bounds_of, boxes_of, points_of, read_faces
from tsal.data.pictures import read_image
from tsal.data.video import all_frames, is_video
from tsal.detectors.predict import load_detector
from tsal.face_detectors.boxes import overlap
from tsal.tracking.follow import Follower, Following
from tsal.tracking.looks import likeness, look_of
from tsal.tracking.smooth import OneEuro, Smoother
from tsal.tracking.track import locator

CPU = torch.device("cpu")
LEFT_EYE, RIGHT_EYE = 36, 45  # outer corners
HELD, FREE = Following(), Following(hold_shift=0.0, hold_size=0.0)
FILTERS = [
    (0.5, 5.0),
    (1.0, 2.0),
    (1.0, 5.0),
    (1.0, 10.0),
    (2.0, 2.0),
    (2.0, 5.0),
    (4.0, 5.0),
]  # cut-off at rest in Hz, beta


def table(title: str, columns: list[str], rows: list[list]) -> None:
    print(f"\n{title}\n\n| {' | '.join(columns)} |\n|{'---|' * len(columns)}")
    for row in rows:
        print(f"| {' | '.join(str(value) for value in row)} |")


def as_720p(source: Path, target: Path, times: int = 1) -> Path:
    """A video brought to 720 lines, with bars at its sides, and played several times."""
    with av.open(str(target), "w") as file:
        stream = file.add_stream("libx264", rate=25, options={"preset": "veryfast", "crf": "18"})
        stream.width, stream.height, stream.pix_fmt = 1280, 720, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 25)
        number = 0
        for _ in range(times):
            for _, _, image in all_frames(source)[1]:
                factor = 720 / image.shape[0]
                image = cv2.resize(image, None, fx=factor, fy=factor)[:, :1280]
                left = (1280 - image.shape[1]) // 2
                right = 1280 - image.shape[1] - left
                wide = cv2.copyMakeBorder(image, 0, 0, left, right, cv2.BORDER_CONSTANT, value=(128, 128, 128))
                picture = av.VideoFrame.from_ndarray(wide, "rgb24")
                picture.pts = number
                file.mux(stream.encode(picture))
                number += 1
        file.mux(stream.encode())
    return target


class Timed:
    """A function that adds up the processor time of its calls."""

    def __init__(self, function: Callable) -> None:
        self.function, self.seconds, self.calls = function, 0.0, 0

    def __call__(self, *arguments):
        start = time.process_time()
        try:
            return self.function(*arguments)
        finally:
            self.seconds += time.process_time() - start
            self.calls += 1


def speed(checkpoint: Path, video: Path, folder: Path) -> None:
    source = as_720p(video, folder / "720p.mp4")
    rows = []
    for name, options in (("default", {}), ("smallest: 0.15", {"smallest": 0.15})):
        find = Timed(face_detectors.create(options=options).find_calibrated)
        locate = Timed(locator(load_detector(checkpoint, CPU), CPU))
        follower = Follower(find, locate)
        start, start_cpu = time.perf_counter(), time.process_time()
        count = sum(1 for _, _, image in all_frames(source)[1] if follower.follow(image) is not None)
        wall, cpu = time.perf_counter() - start, time.process_time() - start_cpu
        decode = cpu - find.seconds - locate.seconds
        parts = [1000 * seconds / count for seconds in (decode, find.seconds, locate.seconds, cpu)]
        once = 1000 * find.seconds / find.calls
        rows.append([name, count, *(f"{part:.1f}" for part in parts), f"{once:.0f}", f"{count / wall:.1f}"])
    columns = ["face detector", "frames", "decode and follow", "search", "landmarks", "all", "one search", "frames/s"]
    table("Speed, 1280 x 720 px; ms of processor time a frame", columns, rows)


def memory(checkpoint: Path, video: Path, folder: Path) -> None:
    rows = []
    for times in (1, 5):
        source = as_720p(video, folder / f"times{times}.mp4", times)
        output = folder / "out.csv"
        command = [sys.executable, "-m", "tsal.cli", "track", str(source), "--checkpoint", str(checkpoint), "-o"]
        start = time.perf_counter()
        process = subprocess.run([*command, str(output)], capture_output=True, text=True, check=True)
        wall = time.perf_counter() - start
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
        rows.append([times, len(pd.read_csv(output)), f"{peak:.0f}", f"{wall:.1f}"])
        print(process.stderr.strip().splitlines()[-1], file=sys.stderr)
    one = folder / "one.mp4"
    with av.open(str(one), "w") as file:
        stream = file.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 1280, 720, "yuv420p"
        file.mux(stream.encode(av.VideoFrame.from_ndarray(next(all_frames(source)[1])[2], "rgb24")))
        file.mux(stream.encode())
    start = time.perf_counter()
    subprocess.run([*command[:4], str(one), *command[5:], str(output)], capture_output=True, check=True)
    rows.append(["one frame", 1, "", f"{time.perf_counter() - start:.1f}"])
    table("Memory, and the whole command", ["times the video", "rows", "peak MiB", "s"], rows)


def landmarks_of(
    checkpoint: Path, video: Path, settings: Following, flip_test: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """(T, K, 2) of the face with the lowest id, and times (T,), over the frames that have it."""
    finder = face_detectors.create(options={"smallest": 0.15})
    detector = load_detector(checkpoint, CPU)
    locate = locator(detector.with_flip_test() if flip_test else detector, CPU)
    follower = Follower(finder.find_calibrated, locate, settings)
    points, times = [], []
    for _, seconds, image in all_frames(video)[1]:
        for face in follower.follow(image)[:1]:
            points.append(face.points)
            times.append(seconds)
    return np.array(points), np.array(times)


def dlib_landmarks(video: Path) -> np.ndarray | None:
    """(T, 68, 2) by dlib's detector and predictor; None where they are not installed."""
    if not all(map(importlib.util.find_spec, ("dlib", "face_recognition_models"))):
        return None
    import dlib

    package = Path(importlib.util.find_spec("face_recognition_models").submodule_search_locations[0])
    predictor = dlib.shape_predictor(str(package / "models" / "shape_predictor_68_face_landmarks.dat"))
    detector = dlib.get_frontal_face_detector()
    points = []
    for _, _, image in all_frames(video)[1]:
        for box in list(detector(image, 1))[:1]:
            points.append([(point.x, point.y) for point in predictor(image, box).parts()])
    return np.array(points, float)


def jitter_of(points: np.ndarray) -> float:
    """In per cent of the distance between the outer eye corners."""
    size = np.linalg.norm(points[:, LEFT_EYE] - points[:, RIGHT_EYE], axis=1).mean()
    return float(100 * np.linalg.norm(points[2:] - 2 * points[1:-1] + points[:-2], axis=2).mean() / size)


def smoothed(points: np.ndarray, times: np.ndarray, filter: OneEuro) -> np.ndarray:
    smoother = Smoother(filter)
    return np.array([smoother.apply(face, seconds) for face, seconds in zip(points, times, strict=True)])


def lag_of(points: np.ndarray, filtered: np.ndarray, times: np.ndarray) -> float:
    """Milliseconds by which the filtered landmarks come later: the delay at which the others fit them best."""
    flat = points.reshape(len(points), -1)
    delays = np.arange(0, 0.4, 0.005)
    inside = times > times[0] + delays[-1]
    errors = []
    for delay in delays:
        late = np.stack([np.interp(times - delay, times, column) for column in flat.T], axis=1)
        errors.append(np.square(late - filtered.reshape(len(points), -1))[inside].mean())
    return float(1000 * delays[int(np.argmin(errors))])


def jitter(checkpoint: Path, videos: list[Path]) -> None:
    rows = []
    for video in videos:
        free, held = (landmarks_of(checkpoint, video, settings) for settings in (FREE, HELD))
        flips = landmarks_of(checkpoint, video, HELD, flip_test=True)
        peer = dlib_landmarks(video)
        filtered = smoothed(*held, OneEuro())
        ours = [jitter_of(points) for points in (free[0], held[0], flips[0], filtered, held[0].round())]
        rows.append([video.name, len(held[0]), *(f"{value:.3f}" for value in ours)])
        rows[-1].append("" if peer is None else f"{jitter_of(peer):.3f}")
    kinds = ["window moves", "window held (default)", "with --flip-test", "with --smooth", "default, whole px"]
    columns = ["video", "frames", *kinds, "dlib"]
    table("Jitter, % of the distance between the outer eye corners", columns, rows)


def smoothing(checkpoint: Path, videos: list[Path]) -> None:
    found = [landmarks_of(checkpoint, video, HELD) for video in videos]
    before = np.mean([jitter_of(points) for points, _ in found])
    rows = []
    for min_cutoff, beta in FILTERS:
        filter = OneEuro(min_cutoff, beta)
        filtered = [smoothed(*one, filter) for one in found]
        left = np.mean([jitter_of(points) for points in filtered]) / before
        lag = np.mean([lag_of(points, late, times) for (points, times), late in zip(found, filtered, strict=True)])
        rows.append([f"{min_cutoff:g}", f"{beta:g}", f"{100 * left:.0f}%", f"{lag:.0f}"])
    table(f"One Euro filter, mean of {len(videos)} videos", ["cut-off, Hz", "beta", "jitter left", "lag, ms"], rows)


def training_faces(raw_dir: Path, folder: Path) -> pd.DataFrame:
    """Faces of ytf's training people, with labels."""
    datasets.get("ytf").index(raw_dir, folder / "images", folder / "faces.parquet", {})
    faces = read_faces(folder / "faces.parquet", split="train")
    return faces[np.isfinite(points_of(faces)).all(axis=(1, 2))].reset_index(drop=True)


def beside(box: np.ndarray, image: np.ndarray, random: np.random.Generator) -> np.ndarray | None:
    """A window in the picture that hardly overlaps a face's box."""
    height, width = image.shape[:2]
    for _ in range(50):
        side = random.uniform(0.3, 1.0) * (box[2:] - box[:2]).max()
        x, y = random.uniform(0, width - side), random.uniform(0, height - side)
        window = np.array([x, y, x + side, y + side])
        if side < min(height, width) and overlap(window[None], box[None])[0, 0] < 0.05:
            return window
    return None


def confidence(checkpoint: Path, faces: pd.DataFrame, limit: int) -> None:
    random = np.random.default_rng(0)
    locate = locator(load_detector(checkpoint, CPU), CPU)
    some = faces.iloc[np.linspace(0, len(faces) - 1, min(limit, len(faces))).astype(int)]
    there, nothing, errors, confidences = [], [], [], []
    for path, box, truth in zip(some["image"], boxes_of(some), points_of(some), strict=True):
        image = read_image(path)
        window = beside(box, image, random)
        points, found = locate(image, np.array([box] if window is None else [box, window]))
        size = np.linalg.norm(truth[LEFT_EYE] - truth[RIGHT_EYE])
        errors.append(np.linalg.norm(points[0] - truth, axis=1) / size)
        confidences.append(found[0])
        there.append(found[0].mean())
        nothing += [found[1].mean()] if window is not None else []
    shares = [["a face", len(there), *_quantiles(there)], ["beside it", len(nothing), *_quantiles(nothing)]]
    table("Confidence of a face: mean of its landmarks", ["window", "windows", "1%", "5%", "50%", "95%", "99%"], shares)
    error, trust = np.concatenate(errors), np.concatenate(confidences)
    rows = []
    for low, high in pairwise([0, 0.3, 0.5, 0.7, 0.8, 0.9, 1.0001]):
        of = (trust >= low) & (trust < high)
        means = [of.mean(), *([error[of].mean(), (error[of] > 0.1).mean()] if of.any() else [np.nan, np.nan])]
        figures = [f"{100 * mean:.1f}%" for mean in means]
        rows.append([f"{low:g} to {min(high, 1):g}", *figures])
    table("Confidence of a landmark", ["confidence", "landmarks", "mean error", "error over 10 %"], rows)


def _quantiles(values: list[float]) -> list[str]:
    return [f"{value:.2f}" for value in np.quantile(values, [0.01, 0.05, 0.5, 0.95, 0.99])]


def looks_of(checkpoint: Path, video: Path) -> list[np.ndarray]:
    """Of the first face of each frame."""
    follower = Follower(
        face_detectors.create(options={"smallest": 0.15}).find_calibrated,
        locator(load_detector(checkpoint, CPU), CPU),
        Following(alike=-1.0),
    )
    faces = ((image, follower.follow(image)) for _, _, image in all_frames(video)[1])
    return [look_of(image, found[0].box) for image, found in faces if found]


def likenesses(faces: pd.DataFrame, limit: int, checkpoint: Path, videos: list[Path]) -> None:
    """`clip` is PERSON_CLIP/FOLDER, of which both folders have frames of another time."""
    looks, bounds = {}, bounds_of(points_of(faces))
    rows_of = dict(list(faces.groupby("clip", sort=True).indices.items())[: 2 * limit])
    for rows in rows_of.values():
        for row in rows:
            looks[row] = look_of(read_image(faces["image"][row]), bounds[row])
    clips = list(rows_of)
    next_to = [likeness(looks[a], looks[b]) for rows in rows_of.values() for a, b in pairwise(rows)]
    key = [clip.split("/")[0] for clip in clips]
    person = [faces["person"][rows_of[clip][0]] for clip in clips]
    in_videos = [likeness(*two) for video in videos for two in pairwise(looks_of(checkpoint, video))]
    later, others = [], []
    random = np.random.default_rng(0)
    for a, clip in enumerate(clips):
        for b in range(a + 1, len(clips)):
            if key[a] == key[b]:
                later.append(likeness(looks[rows_of[clip][0]], looks[rows_of[clips[b]][0]]))
        b = int(random.integers(len(clips)))
        if person[a] != person[b]:
            others.append(likeness(looks[rows_of[clip][0]], looks[rows_of[clips[b]][0]]))
    rows = [
        [name, len(values), *(_quantiles(values) if values else [""] * 5)]
        for name, values in (
            ("next frames of a video", in_videos),
            ("next pictures of a clip", next_to),
            ("another time", later),
            ("another person", others),
        )
    ]
    table("Likeness", ["of", "pairs", "1%", "5%", "50%", "95%", "99%"], rows)


def boxes(checkpoint: Path, raw_dir: Path, folder: Path, limit: int) -> None:
    """Inter-ocular NME, the mean over the faces that are found: by a box that overlaps theirs by over half."""
    faces = faces_of(raw_dir, folder)
    find = face_detectors.create(options={"smallest": 0.15}).find_calibrated
    locate = locator(load_detector(checkpoint, CPU), CPU)
    rows = []
    for name, folders in ({"training": TRAINING} | SETS).items():
        part = part_of(faces, folders, limit)
        errors = []
        for path, box, truth in zip(part["image"], boxes_of(part), points_of(part), strict=True):
            image = read_image(path)
            found, _ = find(image)
            near = overlap(box[None], found)[0]
            if near.max(initial=0) <= 0.5:
                continue
            first = locate(image, np.array([box, found[near.argmax()]]))[0]
            second = locate(image, bounds_of(first[1:]))[0]
            size = np.linalg.norm(truth[LEFT_EYE] - truth[RIGHT_EYE])
            errors.append(np.linalg.norm(np.concatenate([first, second]) - truth, axis=2).mean(axis=1) / size)
        true, once, twice = 100 * np.mean(errors, axis=0)
        share = f"{100 * len(errors) / len(part):.1f}%"
        more = [f"{100 * (error / true - 1):+.1f}%" for error in (once, twice)]
        rows.append([name, len(part), share, f"{true:.2f}", f"{once:.2f}", more[0], f"{twice:.2f}", more[1]])
    columns = ["set", "faces", "found", "true boxes", "found boxes", "", "as followed", ""]
    table("Inter-ocular NME on 300W, %", columns, rows)


def videos_in(folder: Path) -> Iterator[Path]:
    return filter(is_video, sorted(folder.iterdir()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--videos", type=Path)
    parser.add_argument("--raw", type=Path)
    parser.add_argument("--limit", type=int, default=300)
    parser.add_argument("--threads", type=int, default=2)
    names = ("speed", "memory", "jitter", "smoothing", "confidence", "likeness", "boxes")
    parser.add_argument("--only", nargs="+", choices=names, default=names)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    cv2.setNumThreads(arguments.threads)
    versions = f"OpenCV {cv2.__version__}, PyTorch {torch.__version__}"
    print(f"{platform.processor() or platform.machine()}, {versions}, {arguments.threads} threads")
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        videos = list(videos_in(arguments.videos)) if arguments.videos else []
        if videos:
            parts = {"speed": speed, "memory": memory}
            for name in parts.keys() & set(arguments.only):
                parts[name](arguments.checkpoint, videos[0], folder)
            for name, function in (("jitter", jitter), ("smoothing", smoothing)):
                if name in arguments.only:
                    function(arguments.checkpoint, videos)
        if arguments.raw and "boxes" in arguments.only:
            boxes(arguments.checkpoint, arguments.raw, folder, arguments.limit)
        if arguments.raw and {"confidence", "likeness"} & set(arguments.only):
            faces = training_faces(arguments.raw, folder)
            if "confidence" in arguments.only:
                confidence(arguments.checkpoint, faces, arguments.limit)
            if "likeness" in arguments.only:
                likenesses(faces, arguments.limit, arguments.checkpoint, videos)


if __name__ == "__main__":
    main()

"""Small archives of 300VW, in the layout in which its owners publish it: videos with a .pts file for each frame."""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from archives import draw_face, mean_face, write_folder, write_zip

ARCHIVE = "300VW_Dataset_2015_12_14.zip"
TOP = "300VW_Dataset_2015_12_14"

# (seed, width, height, frames) -> images (H, W, 3) uint8 BGR, points (frames, 68, 2) in px, 0-based.
Scene = Callable[[int, int, int, int], tuple[list[np.ndarray], np.ndarray]]


@dataclass(frozen=True)
class VideoPlan:
    """A video to write: how many frames it gets, and how many annotations; codec: as cv2.VideoWriter names it."""

    frames: int = 6
    annotations: int = 6
    codec: str = "MJPG"


# Of every list; 019 is shorter than a clip of training, 114 has a frame more and 203 a frame less than annotations.
PLANS: dict[str, VideoPlan] = {
    "001": VideoPlan(12, 12),
    "002": VideoPlan(12, 12, "XVID"),
    "019": VideoPlan(3, 3),
    "114": VideoPlan(7, 6, "XVID"),
    "203": VideoPlan(5, 6),
    "410": VideoPlan(6, 6),
}
COUNTS = {"train": 3, "A": 1, "B": 1, "C": 1}


@dataclass(frozen=True)
class Written:
    """What an archive holds: its files, and the truth, (annotations, 68, 2) in px by video, 0-based."""

    files: dict[str, bytes]
    points: dict[str, np.ndarray]


def drawn_scene(seed: int, width: int, height: int, frames: int) -> tuple[list[np.ndarray], np.ndarray]:
    """A drawn face that moves a little in a straight line and grows."""
    random = np.random.default_rng(seed)
    face, side = mean_face(), 0.5 * min(width, height)
    start, speed = random.uniform(0.35, 0.4, 2) * (width, height), random.uniform(-1, 1, 2)
    points = np.stack([(face - 0.5) * side * (1 + 0.005 * t) + start + side / 4 + speed * t for t in range(frames)])
    return [draw_face(of_frame, width, height, 60 + seed % 90) for of_frame in points], points


def video_bytes(images: Sequence[np.ndarray], codec: str, suffix: str = ".avi") -> bytes:
    """Frames (BGR) in a video file."""
    height, width = images[0].shape[:2]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"vid{suffix}"
        writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*codec), 25, (width, height))
        assert writer.isOpened(), codec
        for image in images:
            writer.write(image)
        writer.release()
        return path.read_bytes()


def pts_bytes(points: np.ndarray) -> bytes:
    """0-based points (K, 2) as a .pts file, which counts from 1."""
    lines = [f"{x:.6f} {y:.6f}" for x, y in points + 1]
    return "\n".join(["version: 1", f"n_points:  {len(points)}", "{", *lines, "}", ""]).encode()


def ibug_300vw_files(
    plans: Mapping[str, VideoPlan] = PLANS,
    scene: Scene = drawn_scene,
    size: tuple[int, int] = (96, 80),
    top: str = TOP,
) -> Written:
    """The content of an archive: a folder for each planned video, all in the folder `top` ('' for none).

    Args:
        scene: makes the frames and the points of a video, by the video's number.
        size: width and height of the videos in px.
    """
    files: dict[str, bytes] = {}
    truth = {}
    for name, plan in plans.items():
        images, points = scene(int(name), *size, max(plan.frames, plan.annotations))
        folder = f"{top}/{name}" if top else name
        files[f"{folder}/vid.avi"] = video_bytes(images[: plan.frames], plan.codec)
        truth[name] = points[: plan.annotations]
        for number, of_frame in enumerate(truth[name], start=1):
            files[f"{folder}/annot/{number:06d}.pts"] = pts_bytes(of_frame)
    return Written(files, truth)


def ibug_300vw_raw_dir(raw_dir: Path, files: Mapping[str, bytes], unpacked: bool = False) -> Path:
    """Put 300VW, as archive or unpacked, into a raw_dir, which is returned."""
    if unpacked:
        write_folder(files, raw_dir / "300vw")
    else:
        write_zip(files, raw_dir / "300vw" / ARCHIVE)
    return raw_dir

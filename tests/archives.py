"""Small benchmark archives, made on the fly in the layouts in which their owners publish them."""

import csv
import io
import zipfile
from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np


def mean_face() -> np.ndarray:
    """A symmetric frontal face in the 68-point order, (68, 2): x and y in [0, 1], mirrored by x -> 1 - x."""
    angle = np.linspace(np.pi, 0, 17)
    jaw = np.stack([0.5 + 0.5 * np.cos(angle), 0.25 + 0.75 * np.sin(angle)], 1)
    brow = np.stack([np.linspace(0.08, 0.40, 5), 0.12 - 0.08 * np.sin(np.linspace(0.3, np.pi, 5))], 1)
    bridge = np.stack([np.full(4, 0.5), np.linspace(0.25, 0.5, 4)], 1)
    nostrils = np.stack([np.linspace(0.4, 0.6, 5), [0.56, 0.575, 0.58, 0.575, 0.56]], 1)
    eye = np.array([[0.18, 0.27], [0.24, 0.23], [0.32, 0.23], [0.38, 0.27], [0.32, 0.30], [0.24, 0.30]])
    outer = np.array([[0.32, 0.74], [0.38, 0.70], [0.45, 0.68], [0.5, 0.69]])
    lower = np.array([[0.44, 0.82], [0.38, 0.79]])
    lips = [
        outer,
        _mirror(outer[2::-1]),
        _mirror(lower[::-1]),
        [[0.5, 0.83]],
        lower,
        [[0.35, 0.74], [0.45, 0.72], [0.5, 0.72], [0.55, 0.72], [0.65, 0.74]],
        [[0.55, 0.77], [0.5, 0.78], [0.45, 0.77]],
    ]
    right_eye = _mirror(eye)[[3, 2, 1, 0, 5, 4]]
    return np.concatenate([jaw, brow, _mirror(brow[::-1]), bridge, nostrils, eye, right_eye, *lips])


def _mirror(points: np.ndarray) -> np.ndarray:
    return np.asarray(points) * [-1, 1] + [1, 0]


def draw_face(points: np.ndarray, width: int, height: int, background: int = 90) -> np.ndarray:
    """An image (height, width, 3) uint8 BGR of a face whose parts lie at the points (68, 2) in px."""
    image = np.full((height, width, 3), background, np.uint8)
    skin = np.concatenate([points[:17], points[26:16:-1]])
    parts = [
        (skin, (150, 180, 220)),
        (points[36:42], (250, 250, 250)),
        (points[42:48], (250, 250, 250)),
        (points[48:60], (80, 80, 200)),
    ]
    for outline, colour in parts:
        cv2.fillPoly(image, [np.round(outline * 16).astype(np.int32)], colour, cv2.LINE_AA, 4)
    for chain in (points[17:22], points[22:27], points[27:31], points[31:36]):
        cv2.polylines(image, [np.round(chain * 16).astype(np.int32)], False, (40, 60, 80), 1, cv2.LINE_AA, 4)
    return image


def encode(image: np.ndarray, format: str = "png") -> bytes:
    """An image (BGR) in a file of that format; 'png' gets an alpha channel, as in the public ytf archive."""
    if format == "png":
        image = cv2.cvtColor(image, cv2.COLOR_BGR2BGRA)
    done, data = cv2.imencode(f".{format}", image)
    assert done
    return data.tobytes()


def ytf_files(
    people: int = 12, clips: int = 1, *, format: str = "png", size: tuple[int, int] = (60, 56), seed: int = 0
) -> dict[str, bytes]:
    """The content of a ytf archive: path -> bytes.

    Each clip has three frames (all labelled) in training/ and two in test/, of which the second has no label.
    The people are First_A, First_B, ...; images are `size` (width, height) px.
    """
    random = np.random.default_rng(seed)
    width, height = size
    files: dict[str, bytes] = {}
    rows: dict[str, list[list[str]]] = {"training": [], "test": []}
    for number in range(people):
        for clip in range(clips):
            scale = random.uniform(0.5, 0.6) * min(size)
            corner = (np.array(size) - scale) / 2
            for folder, frames, labelled in (("training", 3, 3), ("test", 2, 1)):
                for frame in range(frames):
                    corner = corner + random.uniform(-2, 2, 2)
                    points = np.round(mean_face() * scale + corner)
                    name = f"First_{chr(ord('A') + number)}_{clip}{frame}.jpg"
                    files[f"{folder}/{name}"] = encode(draw_face(points, width, height, 10 * number), format)
                    if frame < labelled:
                        rows[folder].append([name, *(f"{value:.1f}" for value in points.ravel())])
    for folder, table in rows.items():
        files[f"{folder}_frames_keypoints.csv"] = csv_bytes([["", *map(str, range(136))], *table])
    return files


def csv_bytes(rows: list[list[str]]) -> bytes:
    """A csv table as bytes."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()


def csv_rows(content: bytes) -> list[list[str]]:
    """The rows of a csv table, its column names first."""
    return list(csv.reader(io.StringIO(content.decode())))


def write_zip(files: Mapping[str, bytes], path: Path) -> Path:
    """Pack path -> bytes into a zip archive."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def write_folder(files: Mapping[str, bytes], folder: Path) -> Path:
    """Write path -> bytes as files under a folder."""
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def ytf_raw_dir(raw_dir: Path, files: Mapping[str, bytes] | None = None, **options: object) -> Path:
    """Put an archive of ytf, `files` or else `ytf_files(**options)`, into a raw_dir, which is returned."""
    write_zip(ytf_files(**options) if files is None else files, raw_dir / "ytf" / "train-test-data.zip")
    return raw_dir

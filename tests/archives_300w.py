"""Small archives of 300W, in the layouts in which its owners publish it: images, .pts, and boxes in Matlab files."""

import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from archives import encode, write_folder, write_zip
from archives_300vw import Scene, drawn_scene, pts_bytes
from PIL import Image
from scipy.io import savemat

SETS = {"afw": ("afw",), "helen": ("trainset", "testset"), "ibug": ("ibug",), "lfpw": ("trainset", "testset")}
PER_FOLDER = {
    "afw": 3,
    "helen/trainset": 6,
    "lfpw/trainset": 4,
    "helen/testset": 3,
    "lfpw/testset": 2,
    "ibug": 3,
}
COUNTS = PER_FOLDER | {"train": 13, "common": 5, "challenging": 3}
BOXES = "bounding_boxes.zip"


@dataclass(frozen=True)
class Written:
    """What the archives hold.

    Attributes:
        files: archive -> path in it -> bytes.
        points: face such as helen/trainset/100_1 -> (68, 2) in px, 0-based.
        boxes: DET or GTB -> face -> (4,) in px, 0-based.
    """

    files: dict[str, dict[str, bytes]]
    points: dict[str, np.ndarray]
    boxes: dict[str, dict[str, np.ndarray]]


def name_of(folder: str, number: int) -> str:
    """File name of a set's image, as its owners call it."""
    if folder.startswith("lfpw"):
        return f"image_{number + 1:04d}.png"
    if folder == "ibug":
        return ["image_092 _01.jpg", "image_003_1.jpg"][number] if number < 2 else f"image_{number:03d}.jpg"
    if folder == "afw":
        return f"13421{number // 2}_{number % 2 + 1}.jpg"  # two faces a photograph
    return f"{100 + number}_1.{'JPG' if number == 1 else 'jpg'}"


def image_bytes(image: np.ndarray, name: str, number: int) -> bytes:
    """An image (BGR) in the format of its name; of the first JPEGs one is grey, one CMYK, and one has broken EXIF."""
    if name.endswith(".png"):
        return encode(image, "png")
    if number == 0:
        return encode(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), "jpg")
    if number == 1:
        cmyk = Image.fromarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB)).convert("CMYK")
        cmyk.save(content := io.BytesIO(), "JPEG", quality=95)
        return content.getvalue()
    content = encode(image, "jpg")
    if number == 2:
        exif = b"Exif\0\0II*\0\xff\xff\xff\x7f"  # the offset of its first entries leads nowhere
        return content[:2] + b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif + content[2:]
    return content


def box_records(names: list[str], detected: np.ndarray, truth: np.ndarray, as_cells: bool = True) -> np.ndarray:
    """What the owners' Matlab files hold: 1 x N cells of structures, or a 1 x N structure array; boxes are 1-based."""
    fields = ("imgName", "bb_detector", "bb_ground_truth")
    rows = [(name, det[None] + 1, gt[None] + 1) for name, det, gt in zip(names, detected, truth, strict=True)]
    records = np.empty((1, len(rows)), object if as_cells else [(field, object) for field in fields])
    for number, row in enumerate(rows):
        records[0, number] = dict(zip(fields, row, strict=True)) if as_cells else row
    return records


def mat_bytes(**variables: object) -> bytes:
    """Variables in a compressed Matlab file of version 7."""
    savemat(content := io.BytesIO(), variables, do_compression=True)
    return content.getvalue()


def ibug_300w_files(
    per_folder: Mapping[str, int] = PER_FOLDER,
    scene: Scene = drawn_scene,
    size: tuple[int, int] = (96, 80),
    *,
    top: bool = True,
    as_cells: bool = True,
) -> Written:
    """The content of the five archives.

    Args:
        per_folder: how many faces each folder gets.
        scene: makes image and points of a face.
        size: width and height of the images in px.
        top: whether an archive holds a folder of its name; False: afw.zip holds 1.jpg, helen.zip trainset/1.jpg.
        as_cells: see box_records.
    """
    files: dict[str, dict[str, bytes]] = {f"{name}.zip": {} for name in SETS} | {BOXES: {}}
    points: dict[str, np.ndarray] = {}
    boxes: dict[str, dict[str, np.ndarray]] = {"DET": {}, "GTB": {}}
    for place, (folder, count) in enumerate(per_folder.items()):
        name, _, part = folder.partition("/")
        prefix = "".join(f"{part}/" for part in ((name if top else ""), part) if part)
        images = [name_of(folder, number) for number in range(count)]
        for number, image in enumerate(images):
            (pixels,), (truth,) = scene(100 * place + number, *size, 1)
            stem = image.rpartition(".")[0]
            files[f"{name}.zip"][prefix + image] = image_bytes(pixels, image, number)
            files[f"{name}.zip"][f"{prefix}{stem}.pts"] = pts_bytes(truth)
            points[f"{folder}/{stem}"] = truth
            bounds = np.concatenate([truth.min(axis=0), truth.max(axis=0)])
            boxes["GTB"][f"{folder}/{stem}"] = bounds + [-1, -2, 1, 2]
            boxes["DET"][f"{folder}/{stem}"] = bounds + [-5, 3, 4, -2]
        ids = [f"{folder}/{image.rpartition('.')[0]}" for image in images]
        detected, of_truth = (np.array([boxes[kind][face] for face in ids]) for kind in ("DET", "GTB"))
        records = box_records(images, detected, of_truth, as_cells)
        path = f"Bounding Boxes/bounding_boxes_{folder.replace('/', '_')}.mat"
        files[BOXES][path] = mat_bytes(bounding_boxes=records)
    return Written(files, points, boxes)


def ibug_300w_raw_dir(raw_dir: Path, files: Mapping[str, Mapping[str, bytes]], unpacked: bool = False) -> Path:
    """Put 300W, as archives or unpacked, into a raw_dir, which is returned."""
    for archive, content in files.items():
        if unpacked:
            write_folder(content, raw_dir / "300w")
        else:
            write_zip(content, raw_dir / "300w" / archive)
    return raw_dir

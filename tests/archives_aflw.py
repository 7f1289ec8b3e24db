"""A small AFLW, in the layout in which its owners publish it: a tar archive of images, and a Matlab file."""

import io
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from archives import encode, write_folder
from archives_300vw import Scene, drawn_scene
from archives_300w import mat_bytes

IMAGES, INFO = "aflw.tar.gz", "AFLWinfo_release.mat"
FLICKR = "aflw/data/flickr"
COUNTS = {"train": 12, "test": 6, "frontal": 4}

# Groups of the 68 points of which the means are AFLW's 19, in their order.
_OF_68 = (
    *((17,), (19,), (21,), (22,), (24,), (26,)),
    *((36,), (36, 37, 38, 39, 40, 41), (39,), (42,), (42, 43, 44, 45, 46, 47), (45,)),
    *((31,), (30,), (35,), (48,), (62, 66), (54,), (8,)),
)


@dataclass(frozen=True)
class Written:
    """What the archives hold.

    Attributes:
        images: path in the tar archive -> bytes.
        mat: the variables of the Matlab file.
        names: N images, 0/image00002.jpg.
        points: (N, 19, 2) in px, 0-based, of all points whether annotated or not.
        annotated: (N, 19) bool.
        boxes: (N, 4) x0, y0, x1, y1 in px.
    """

    images: dict[str, bytes]
    mat: dict[str, np.ndarray]
    names: list[str]
    points: np.ndarray
    annotated: np.ndarray
    boxes: np.ndarray


def points_19(points: np.ndarray) -> np.ndarray:
    """AFLW's points (..., 19, 2) of a face with 68."""
    return np.stack([points[..., group, :].mean(axis=-2) for group in _OF_68], axis=-2)


def aflw_files(
    faces: int = 18, scene: Scene = drawn_scene, size: tuple[int, int] = (96, 80), *, side_by_side: int = 2
) -> Written:
    """The content of both files; the owners' order is 1, 2, 3, ... backwards.

    Every image shows `side_by_side` faces; every third face, from the second on, lacks a point of its brow. One more
    image is named by no face.
    """
    images: dict[str, bytes] = {f"{FLICKR}/0/image99999.jpg": b"of no face"}
    names, points, boxes = [], [], []
    for first in range(0, faces, side_by_side):
        name = f"{(0, 2, 3)[first // side_by_side % 3]}/image{first + 2:05d}.jpg"
        shots = [scene(seed, *size, 1) for seed in range(first, min(first + side_by_side, faces))]
        images[f"{FLICKR}/{name}"] = encode(np.concatenate([pixels[0] for pixels, _ in shots], axis=1), "jpg")
        for number, (_, truth) in enumerate(shots):
            names.append(name)
            points.append(points_19(truth[0]) + [number * size[0], 0])
            boxes.append(np.concatenate([points[-1].min(axis=0) - 1, points[-1].max(axis=0) + 2]))
    annotated = np.ones((faces, 19), bool)
    annotated[1::3, 2] = False
    truth, of_box = np.array(points), np.array(boxes)
    cells = np.empty((faces, 1), object)
    cells[:, 0] = names
    shown = np.where(annotated[..., None], truth, 0)
    mat = {
        "nameList": cells,
        "data": np.concatenate([shown[..., 0], shown[..., 1]], axis=1),
        "mask_new": annotated.astype(float),
        "bbox": of_box[:, [0, 2, 1, 3]],
        "ra": np.arange(faces, 0, -1.0)[None],
    }
    return Written(images, mat, names, truth, annotated, of_box)


def tar_bytes(files: Mapping[str, bytes], compressed: bool = True) -> bytes:
    """Path -> bytes as a tar archive."""
    with tarfile.open(fileobj=(content := io.BytesIO()), mode="w:gz" if compressed else "w") as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return content.getvalue()


def aflw_raw_dir(raw_dir: Path, written: Written, unpacked: bool = False) -> Path:
    """Put AFLW, as archive or unpacked, into a raw_dir, which is returned."""
    folder = raw_dir / "aflw"
    if unpacked:
        write_folder(written.images, folder)
    else:
        write_folder({IMAGES: tar_bytes(written.images)}, folder)
    write_folder({INFO: mat_bytes(**written.mat)}, folder)
    return raw_dir

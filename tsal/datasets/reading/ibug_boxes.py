"""Boxes of the faces of 300W: bounding_boxes.zip, a .mat for each folder of images.

Each holds for every image its name, the box that the owners' detector found and the box of its points, 1-based.
"""

import re
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath

import numpy as np

from tsal.bounds import MAT_BYTES
from tsal.bounds.archives import read_file, read_member
from tsal.data.archives import open_zip
from tsal.datasets.reading.matlab import Value, read_mat
from tsal.datasets.reading.pts import FIRST_PIXEL
from tsal.errors import InputError, one_line

_FIELDS = {"DET": "bb_detector", "GTB": "bb_ground_truth"}
_MOST_MISSES = 0.01  # share of a folder's boxes that may be of no use


def read_boxes(source: Path, faces: Sequence[str], bounds: np.ndarray, kind: str) -> np.ndarray:
    """The boxes (N, 4) of faces, in px, 0-based; the bounds of a face's points wherever these are of no use.

    Says how many these are, and which.

    Args:
        source: bounding_boxes.zip, or the folder that it was unpacked into.
        faces: N images by folder and name without suffix, such as helen/trainset/100032540_1.
        bounds: (N, 4) of their points.
        kind: "DET" (detected) or "GTB" (ground truth).

    Raises:
        InputError: no file of the owners', one of other images, or two boxes of an image; names the file.
    """
    boxes, places = bounds.copy(), [face.rpartition("/") for face in faces]
    folders = sorted({folder for folder, _, _ in places})
    members = _box_members(source, folders)
    fallen_back = []
    for name in folders:
        rows = [row for row, (folder, _, _) in enumerate(places) if folder == name]
        where = f"{source}: {members[name]}"
        known = _read_mat_boxes(_read_member(source, members[name]), where, _FIELDS[kind])
        own = _match_boxes([places[row][2] for row in rows], known, where)
        useless = [row for row, box in zip(rows, own, strict=True) if not _touches(box, bounds[row])]
        if len(useless) > max(1, _MOST_MISSES * len(rows)):
            raise InputError(
                f"{where}: {len(useless):,} of {len(rows):,} faces have no box, or one that misses them, such as "
                f"{faces[useless[0]]}; are the boxes of other images? With box: GTL they are not needed"
            )
        boxes[rows] = np.where(np.isin(rows, useless)[:, None], boxes[rows], own)
        fallen_back += [faces[row] for row in useless]
    if fallen_back:
        print(
            f"300w: {len(fallen_back)} faces have no box {kind}, or one that misses them, and get the bounds of their "
            f"points: {one_line(', '.join(fallen_back))}",
            file=sys.stderr,
        )
    return boxes


def plain_name(path: str) -> str:
    """What is the same of the names of an image, its annotation and its box where they are not written alike."""
    return re.sub(r"\s|\.(?:jpe?g|png|bmp|pts)$", "", path.casefold())


def _box_members(source: Path, folders: Iterable[str]) -> dict[str, str]:
    """Folder of faces -> its .mat in bounding_boxes.zip, or in the folder that this was unpacked into."""
    if source.is_dir():
        members = [path.name for path in source.iterdir()]
    else:
        with open_zip(source) as archive:
            members = [name for name in archive.namelist() if "__MACOSX" not in name]
    found = {}
    for folder in folders:
        name = mat_name(folder)
        matching = [member for member in members if member.replace("\\", "/").rpartition("/")[2] == name]
        if len(matching) != 1:
            raise InputError(
                f"{source}: holds {len(matching)} files {name}, expected one; is it bounding_boxes.zip as its owners "
                "publish it?"
            )
        found[folder] = matching[0]
    return found


def mat_name(folder: str) -> str:
    """The .mat with the boxes of a folder of faces, such as helen/trainset."""
    return f"bounding_boxes_{folder.replace('/', '_')}.mat"


def _read_member(source: Path, member: str) -> bytes:
    if source.is_dir():
        return read_file(source / member, MAT_BYTES)
    with open_zip(source) as archive:
        return read_member(archive, member, MAT_BYTES, source)


def _read_mat_boxes(content: bytes, where: str, field: str) -> list[tuple[str, np.ndarray]]:
    """Name of an image, without suffix, and its box, (4,) in px, 0-based; a box of NaN is no box."""
    (records,) = read_mat(content, where, ["bounding_boxes"])
    if isinstance(records, str) or records.dtype != object:
        raise InputError(f"{where}: 'bounding_boxes' is no array of structures; is it the owners' file?")
    numbered = enumerate(records.ravel(order="F"), 1)
    return [_read_record(record, f"{where}: box {number}", field) for number, record in numbered]


def _read_record(record: Value | dict[str, Value], where: str, field: str) -> tuple[str, np.ndarray]:
    if isinstance(record, np.ndarray) and record.shape == (1, 1):
        record = record[0, 0]  # a cell that holds a structure
    if not isinstance(record, dict) or not {"imgName", field} <= set(record):
        raise InputError(f"{where} has no fields imgName and {field}; is it the owners' file?")
    name, box = record["imgName"], record[field]
    if not isinstance(name, str) or not isinstance(box, np.ndarray) or box.dtype == object or box.size not in (0, 4):
        raise InputError(f"{where}: expected imgName as a text and {field} as x1 y1 x2 y2; is it the owners' file?")
    return PurePosixPath(name).stem, box.ravel().astype(float) - FIRST_PIXEL if box.size else np.full(4, np.nan)


def _match_boxes(stems: list[str], known: list[tuple[str, np.ndarray]], where: str) -> np.ndarray:
    """(N, 4) the boxes of N images: of the same name, or else of a like one (see plain_name) that is no other's."""
    boxes = np.full((len(stems), 4), np.nan)
    free, waiting = dict(enumerate(known)), list(enumerate(stems))
    for name_of in (str, plain_name):
        numbers: dict[str, list[int]] = {}
        for number, (name, _) in free.items():
            numbers.setdefault(name_of(name), []).append(number)
        unmatched = []
        for row, stem in waiting:
            candidates = numbers.pop(name_of(stem), [])
            if len(candidates) > 1:
                first, second = (known[number][0] for number in candidates[:2])
                raise InputError(f"{where}: {stem} has two boxes, of {first!r} and {second!r}; expected one")
            if candidates:
                boxes[row] = free.pop(candidates[0])[1]
            else:
                unmatched.append((row, stem))
        waiting = unmatched
    return boxes


def _touches(box: np.ndarray, bounds: np.ndarray) -> bool:
    """Whether two boxes (4,) overlap; False of a box of NaN or without area."""
    low, high = np.maximum(box[:2], bounds[:2]), np.minimum(box[2:], bounds[2:])
    return bool((high > low).all() and (box[2:] > box[:2]).all())

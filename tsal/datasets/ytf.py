"""ytf: YouTube Faces with 68 keypoints, the data of Udacity's P1_Facial_Keypoints (MIT licence).

Layout of the archive: `training/` and `test/` with face images `First_Last_CF.jpg` (C: number of the person's
clip, F: one digit, number of the frame in it) and beside them `training_frames_keypoints.csv` and
`test_frames_keypoints.csv`: image name, then x0, y0, ..., x67, y67 in px. An image without a row is
unlabelled.

Both folders show the same people, and number their frames independently: `training/X_00.jpg` and
`test/X_00.jpg` are different frames. So the split is made anew, by person, and the frames of each folder are
a clip of their own.
"""

import csv
import io
import math
import os
import re
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from pydantic import Field

from tsal.bounds import CSV_BYTES, PICTURE_BYTES
from tsal.bounds.archives import read_file, read_member
from tsal.bounds.pictures import picture_header
from tsal.data.archives import extract_zip, open_zip
from tsal.data.faces import bounds_of, make_faces, write_faces
from tsal.data.landmarks import SCHEMES
from tsal.data.splits import FEWEST_PEOPLE, split_people
from tsal.datasets import Dataset, Published
from tsal.errors import InputError, disk_full, is_disk_full
from tsal.progress import Progress
from tsal.settings.section import Section

_ARCHIVE = "train-test-data.zip"
_URL = "https://s3.amazonaws.com/video.udacity-data.com/topher/2018/May/5aea1b91_train-test-data/train-test-data.zip"
_KEYPOINTS = {"training": "training_frames_keypoints.csv", "test": "test_frames_keypoints.csv"}
_NAME = re.compile(r"(?P<person>.+)_(?P<clip>\d+)(?P<frame>\d)\.jpg")
_N_POINTS = SCHEMES["68"].n_points
_AGAIN = "the archive is damaged: download or copy it again"


@dataclass(frozen=True)
class _Face:
    """One image of the archive."""

    folder: str  # training or test
    name: str  # of the file
    person: str
    clip: str  # First_Last_C, of both folders
    frame: int

    @property
    def path(self) -> str:
        return f"{self.folder}/{self.name}"


class Options(Section):
    """What a configuration may say of ytf."""

    max_people: int | None = Field(
        None, ge=FEWEST_PEOPLE, description="only the first so many people of the alphabetical list; null: all of them"
    )


def index(sources: Mapping[str, Path], images_dir: Path, out_parquet: Path, options: Mapping[str, Any]) -> None:
    """Write the face table of the archive (or unpacked folder) and put its images into `images_dir`.

    Args:
        options: max_people: keep only the first so many people of the alphabetical list, None for all.

    Raises:
        InputError: see Dataset.index; names the file and, in a table of keypoints, the line.
    """
    raw, max_people = sources[_ARCHIVE], options["max_people"]
    files = _list_folder(raw) if raw.is_dir() else _list_archive(raw)
    tables = _read_tables(raw, files)
    faces = _parse_names(raw, files)
    _check_rows_have_images(raw, tables, faces)
    split_of = split_people(_choose_people(raw, faces, max_people))
    faces = [face for face in faces if face.person in split_of]
    _unpack(raw, images_dir, {files[face.path]: face.path for face in faces})
    sizes = _image_sizes(images_dir, faces)
    points = np.full((len(faces), _N_POINTS, 2), np.nan)
    for row, face in enumerate(faces):
        labels = tables[face.folder].get(face.name)
        if labels is not None:
            points[row] = labels
    table = make_faces(
        [str(images_dir / face.path) for face in faces],
        face_boxes(points, sizes, [face.clip for face in faces], [face.person for face in faces]),
        points,
        face=[face.path.removesuffix(".jpg") for face in faces],
        video=[face.clip for face in faces],
        frame=[face.frame for face in faces],
        clip=[f"{face.clip}/{face.folder}" for face in faces],
        person=[face.person for face in faces],
        split=[split_of[face.person] for face in faces],
    )
    write_faces(table, out_parquet)


def face_boxes(points: np.ndarray, sizes: np.ndarray, clips: list[str], people: list[str]) -> np.ndarray:
    """The faces' boxes, (N, 4) in px.

    A labelled face's box is the tight bounds of its points. An unlabelled face gets the mean box, relative to
    the image's size, of the labelled faces of its clip; else of its person; else of all.

    Args:
        points: (N, 68, 2) in px, NaN for unlabelled faces.
        sizes: (N, 2) width and height of the images in px.
        clips, people: N names each.
    """
    labelled = np.isfinite(points).all(axis=(1, 2))
    boxes = bounds_of(points)
    relative = boxes / np.tile(sizes, 2)
    # Should nothing at all be labelled, the face is the image.
    overall = relative[labelled].mean(axis=0) if labelled.any() else np.array([0.0, 0.0, 1.0, 1.0])
    of_clip, of_person = _group_means(relative, labelled, clips), _group_means(relative, labelled, people)
    for row in np.flatnonzero(~labelled):
        mean = of_clip.get(clips[row], of_person.get(people[row], overall))
        boxes[row] = mean * np.tile(sizes[row], 2)
    return boxes


def _group_means(values: np.ndarray, chosen: np.ndarray, groups: list[str]) -> dict[str, np.ndarray]:
    """The mean of the chosen rows of each group that has any."""
    rows: dict[str, list[int]] = {}
    for row in np.flatnonzero(chosen):
        rows.setdefault(groups[row], []).append(int(row))
    return {group: values[members].mean(axis=0) for group, members in rows.items()}


def _list_archive(raw: Path) -> dict[str, str]:
    """Path within the layout -> member of the archive, which may hold the layout in a folder of its own."""
    with open_zip(raw) as archive:
        return _locate(archive.namelist())


def _list_folder(raw: Path) -> dict[str, str]:
    """Path within the layout -> path under the folder `raw`."""
    names = [entry.name for entry in os.scandir(raw) if entry.is_file()]
    for folder in _KEYPOINTS:
        if (raw / folder).is_dir():
            names += [f"{folder}/{entry.name}" for entry in os.scandir(raw / folder) if entry.is_file()]
    return _locate(names)


def _locate(names: Iterable[str]) -> dict[str, str]:
    """The layout's tables and .jpg images among `names`, sorted, without what macOS adds to archives."""
    found = {}
    for name in names:
        path = PurePosixPath(name)
        if "__MACOSX" in path.parts or path.name.startswith("."):
            continue
        if path.name in _KEYPOINTS.values():
            found[path.name] = name
        elif len(path.parts) > 1 and path.parts[-2] in _KEYPOINTS and path.suffix == ".jpg":
            found["/".join(path.parts[-2:])] = name
    return dict(sorted(found.items()))


def _read_tables(raw: Path, files: Mapping[str, str]) -> dict[str, dict[str, np.ndarray]]:
    """Folder -> image name -> (68, 2) points in px."""
    missing = [name for name in _KEYPOINTS.values() if name not in files]
    if missing:
        raise InputError(f"{raw}: holds no {missing[0]}; expected the layout of train-test-data.zip")
    if raw.is_dir():
        contents = {name: read_file(raw / files[name], CSV_BYTES) for name in _KEYPOINTS.values()}
    else:
        with open_zip(raw) as archive:
            contents = {name: read_member(archive, files[name], CSV_BYTES, raw) for name in _KEYPOINTS.values()}
    return {folder: _read_keypoints(f"{raw}: {name}", contents[name]) for folder, name in _KEYPOINTS.items()}


def _read_keypoints(where: str, content: bytes) -> dict[str, np.ndarray]:
    """Parse one table of keypoints: image name -> (68, 2) points in px."""
    try:
        rows = csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""), strict=True)
        next(rows, None)  # column names
        return _parse_rows(where, rows)
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{where}: not a readable csv table ({error}); take it from the archive again") from error


def _parse_rows(where: str, rows: Iterable[list[str]]) -> dict[str, np.ndarray]:
    width = 1 + 2 * _N_POINTS
    table: dict[str, np.ndarray] = {}
    for line, row in enumerate(rows, start=2):
        if not row:
            continue
        if len(row) != width:
            raise InputError(
                f"{where}, line {line}: {len(row)} columns; expected {width}: image name, x0, y0, ..., y67"
            )
        if row[0] in table:
            raise InputError(f"{where}, line {line}: a second row for {row[0]}; expected one row an image")
        try:
            values = [float(cell) for cell in row[1:]]
        except ValueError as error:
            raise InputError(f"{where}, line {line} ({row[0]}): {error}; expected numbers in px") from None
        if not all(map(math.isfinite, values)):
            raise InputError(f"{where}, line {line} ({row[0]}): a cell is not finite; expected numbers in px")
        table[row[0]] = np.array(values).reshape(_N_POINTS, 2)
    return table


def _parse_names(raw: Path, files: Mapping[str, str]) -> list[_Face]:
    """The images, in the order of folder and name."""
    faces = []
    for path in files:
        folder, _, name = path.rpartition("/")
        if not folder:
            continue
        match = _NAME.fullmatch(name)
        if not match:
            raise InputError(f"{raw}: image {path} has an unknown name; expected First_Last_CF.jpg with digits C and F")
        person = match["person"]
        faces.append(_Face(folder, name, person, f"{person}_{match['clip']}", int(match["frame"])))
    return faces


def _check_rows_have_images(raw: Path, tables: Mapping[str, Mapping[str, np.ndarray]], faces: list[_Face]) -> None:
    images = {face.path for face in faces}
    for folder, table in tables.items():
        absent = [name for name in table if f"{folder}/{name}" not in images]
        if absent:
            raise InputError(
                f"{raw}: {_KEYPOINTS[folder]} has a row for {absent[0]}, but {folder}/{absent[0]} is missing "
                f"({len(absent)} such rows). The archive is not complete: download or copy it again"
            )


def _choose_people(raw: Path, faces: list[_Face], max_people: int | None) -> list[str]:
    people = sorted({face.person for face in faces})
    if max_people is not None:
        people = people[:max_people]
    if len(people) < FEWEST_PEOPLE:
        raise InputError(
            f"{raw}: {len(people)} people to split; expected {FEWEST_PEOPLE} at least "
            f"(of which 2 test and 1 validation)" + (": raise max_people" if max_people is not None else "")
        )
    return people


def _unpack(raw: Path, images_dir: Path, members: Mapping[str, str]) -> None:
    """Put the images into `images_dir`, from the archive or the user's folder, which is left as it is."""
    if not raw.is_dir():
        extract_zip(raw, images_dir, members, PICTURE_BYTES)
        return
    try:
        for source, target in members.items():
            (images_dir / target).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(raw / source, images_dir / target)
    except OSError as error:
        raise disk_full(images_dir) if is_disk_full(error) else error from None


def _image_sizes(images_dir: Path, faces: list[_Face]) -> np.ndarray:
    """Width and height of the images in px, (N, 2), from their headers alone."""
    sizes = np.empty((len(faces), 2))
    with Progress(len(faces), "index ytf", "face") as progress:
        for row, face in enumerate(faces):
            header = picture_header(images_dir / face.path, _AGAIN)
            if header is None:
                raise InputError(f"{images_dir / face.path}: cannot be decoded as an image; {_AGAIN}")
            sizes[row] = header.size
            progress.update()
    return sizes


DATASET = Dataset(
    name="ytf",
    title="YouTube Faces keypoints",
    archives={_ARCHIVE: (*_KEYPOINTS.values(), *_KEYPOINTS)},
    urls={_ARCHIVE: _URL},
    published={_URL: Published(size=338_613_624)},  # as the logs of others' downloads say; nobody publishes a digest
    indexer=index,
    options=Options,
    scheme="68",
    normalisers=("inter-ocular",),
    labels_by_machine=True,
)

"""What `tsal track` writes, by suffix; each row or file as soon as its frame is done, so that memory stays flat.

.csv, .parquet: a face table, as `tsal find` writes it, with the landmarks and their confidences. .json: COCO keypoints.
.dlc.csv: the table of DeepLabCut. .pts: a folder of that name, with a file a face, as in 300W.
"""

import csv
import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tsal.data.faces import BOX_COLUMNS, face_name
from tsal.data.landmarks import Scheme
from tsal.errors import InputError
from tsal.files import atomic_folder, atomic_path, check_file, follow_link, temporary_path
from tsal.tracking.follow import Face

_HEAD = ("face", "image", "frame", "seconds", "clip", "track", *BOX_COLUMNS, "confidence")
_ROWS = 500  # of a parquet file that are written at a time
_DIGITS = 3  # of px
_FRAME = "frame_"  # what names of frames begin with, in COCO


@dataclass(frozen=True)
class Frame:
    """A picture, or a frame of a video, and the faces on it.

    Attributes:
        image: path of the file.
        number: of the frame, from 0 on; -1 of a picture.
        seconds: since the first frame; NaN of a picture.
        size: width and height in px.
    """

    image: str
    number: int
    seconds: float
    size: tuple[int, int]
    faces: list[Face]

    @property
    def name(self) -> str:
        return self.image if self.number < 0 else f"{self.image}:{self.number}"


Write = Callable[[Frame], None]
_Open = Callable[[Path, Scheme], AbstractContextManager[Write]]


def open_writer(path: Path, scheme: Scheme) -> AbstractContextManager[Write]:
    """A function that takes frames in order; in the end the file is there, or, after an error, nothing.

    Raises:
        InputError: an unknown suffix; a folder that holds something else; the device is full.
    """
    return _format_of(path)(path, scheme)


def check_format(path: Path) -> None:
    """Refuse what cannot be written before the work begins.

    Raises:
        InputError: an unknown suffix; what is there is no file, or of .pts no folder of such files alone.
    """
    if _format_of(path) is not _pts:
        check_file(path)
    elif follow_link(path).exists():
        _pts_files(path)


def _format_of(path: Path) -> _Open:
    for suffix, format in _FORMATS.items():
        if path.name.lower().endswith(suffix):
            return format
    raise InputError(f"{path}: found suffix {path.suffix or 'none'!r}, expected one of {', '.join(sorted(_FORMATS))}")


# --- face tables ---


def _columns(scheme: Scheme) -> list[str]:
    return [*_HEAD, *(f"{part}{k}" for k in range(scheme.n_points) for part in "xyc")]


def _rows(frame: Frame, scheme: Scheme) -> Iterator[list]:
    """Of each face; of a frame without one a row without box and landmarks."""
    if not frame.faces:
        empty = [np.nan] * (3 * scheme.n_points)
        yield [frame.name, frame.image, frame.number, frame.seconds, "", "", *[np.nan] * 5, *empty]
    for face in frame.faces:
        name = face_name(frame.name, face.id)
        values = np.column_stack([face.points, face.confidences]).ravel().tolist()
        head = [name, frame.image, frame.number, frame.seconds, f"{frame.image}#{face.id}", str(face.id)]
        yield [*head, *face.box.tolist(), face.confidence, *values]


@contextmanager
def _csv(path: Path, scheme: Scheme) -> Iterator[Write]:
    with atomic_path(path) as temporary, open(temporary, "w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(_columns(scheme))

        def write(frame: Frame) -> None:
            for row in _rows(frame, scheme):
                table.writerow([_text(value) for value in row])

        yield write


def _text(value: object) -> object:
    """Numbers to a thousandth; an empty cell where there is none."""
    if not isinstance(value, float):
        return value
    return "" if np.isnan(value) else f"{value:.{_DIGITS}f}"


@contextmanager
def _parquet(path: Path, scheme: Scheme) -> Iterator[Write]:
    types = {"frame": pa.int64()} | dict.fromkeys(("face", "image", "clip", "track"), pa.string())
    schema = pa.schema([(name, types.get(name, pa.float64())) for name in _columns(scheme)])
    rows: list[list] = []
    with atomic_path(path) as temporary, pq.ParquetWriter(temporary, schema) as table:

        def flush() -> None:
            columns = list(zip(*rows, strict=True)) or [()] * len(schema)
            table.write_table(pa.table([pa.array(c, t) for c, t in zip(columns, schema.types, strict=True)], schema))
            rows.clear()

        def write(frame: Frame) -> None:
            rows.extend(_rows(frame, scheme))
            if len(rows) >= _ROWS:
                flush()

        yield write
        flush()


# --- COCO keypoints ---


@contextmanager
def _coco(path: Path, scheme: Scheme) -> Iterator[Write]:
    """Images and annotations, which follow each other in the file, are written beside each other."""
    with (
        temporary_path(path) as beside,
        atomic_path(path) as temporary,
        open(beside, "w+", encoding="utf-8") as annotations,
        open(temporary, "w", encoding="utf-8") as file,
    ):
        file.write(f'{{"categories": [{json.dumps(_category(scheme))}],\n"images": [')
        images = faces = 0
        videos: dict[str, str] = {}  # by the folder that the names of their frames have; of pictures ""

        def write(frame: Frame) -> None:
            nonlocal images, faces
            images += 1
            image = _image(frame, images)
            folder, _, name = image["file_name"].rpartition("/")
            video = frame.image if frame.number >= 0 else ""
            if name.startswith(_FRAME) and videos.setdefault(folder, video) != video:
                raise InputError(
                    f"{path}: two pictures would be called {image['file_name']}; expected files of different names"
                )
            file.write((",\n" if images > 1 else "\n") + json.dumps(image))
            for face in frame.faces:
                faces += 1
                annotations.write((",\n" if faces > 1 else "\n") + json.dumps(_annotation(face, faces, images)))

        yield write
        file.write('],\n"annotations": [')
        annotations.seek(0)
        shutil.copyfileobj(annotations, file)
        file.write("]}\n")
        beside.unlink()


def _category(scheme: Scheme) -> dict:
    skeleton = [[a + 1, b + 1] for chain in scheme.edges for a, b in pairwise(chain)]
    return {"id": 1, "name": "face", "keypoints": _point_names(scheme), "skeleton": skeleton}


def _point_names(scheme: Scheme) -> list[str]:
    """Those of the scheme, or the points' numbers."""
    return list(scheme.names) or [str(k) for k in range(scheme.n_points)]


def _image(frame: Frame, number: int) -> dict:
    head = {"id": number, "file_name": frame.image, "width": frame.size[0], "height": frame.size[1]}
    if frame.number < 0:
        return head
    # One name a picture: as tools call the frames of a video that they take apart.
    return head | {
        "file_name": f"{Path(frame.image).stem}/{_FRAME}{frame.number:06d}.png",
        "video": frame.image,
        "frame": frame.number,
        "seconds": round(frame.seconds, 6),
    }


def _annotation(face: Face, number: int, image: int) -> dict:
    """Landmarks that are not known, NaN, are as COCO has those that are not labelled."""
    x0, y0, x1, y1 = (round(value, _DIGITS) for value in face.box.tolist())
    points = face.points.round(_DIGITS).tolist()
    return {
        "id": number,
        "image_id": image,
        "category_id": 1,
        "track_id": face.id,
        "iscrowd": 0,
        "bbox": [x0, y0, round(x1 - x0, _DIGITS), round(y1 - y0, _DIGITS)],
        "area": round((x1 - x0) * (y1 - y0), _DIGITS),
        "num_keypoints": sum(x == x for x, _ in points),
        "keypoints": [value for x, y in points for value in ((x, y, 2) if x == x else (0, 0, 0))],
        "score": round(face.confidence, 4),
        "keypoint_scores": face.confidences.round(4).tolist(),
    }


# --- DeepLabCut ---


@contextmanager
def _deeplabcut(path: Path, scheme: Scheme) -> Iterator[Write]:
    """A row a frame, three columns a landmark and face: only the end tells how many faces there are."""
    record = np.dtype([("frame", np.int64), ("id", np.int64), ("values", np.float32, 3 * scheme.n_points)])
    with atomic_path(path) as temporary, temporary_path(path) as beside, open(beside, "wb") as spill:
        images: set[str] = set()
        ids: set[int] = set()

        def write(frame: Frame) -> None:
            images.add(frame.image)
            if len(images) > 1 or frame.number < 0:
                raise InputError(f"{path}: found {frame.image}, expected one video, of which this table has the frames")
            ids.update(face.id for face in frame.faces)
            for face in frame.faces or [None]:
                empty = face is None
                values = np.nan if empty else np.column_stack([face.points, face.confidences]).ravel()
                spill.write(np.array((frame.number, -1 if empty else face.id, values), record).tobytes())

        yield write
        spill.flush()
        records = np.memmap(beside, record, "r") if beside.stat().st_size else np.empty(0, record)
        _write_deeplabcut(temporary, records, sorted(ids) or [0], scheme)
        beside.unlink()


def _write_deeplabcut(path: Path, records: np.ndarray, ids: list[int], scheme: Scheme) -> None:
    names = _point_names(scheme)
    parts = [(f"face{id}", name, part) for id in ids for name in names for part in ("x", "y", "likelihood")]
    individuals, points, coords = map(list, zip(*parts, strict=True))
    place = {id: number * 3 * scheme.n_points for number, id in enumerate(ids)}
    with open(path, "w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["scorer", *["tsal"] * len(parts)])
        if len(ids) > 1:
            table.writerow(["individuals", *individuals])
        table.writerow(["bodyparts", *points])
        table.writerow(["coords", *coords])
        starts = np.flatnonzero(np.diff(records["frame"], prepend=-1)).tolist()
        for start, stop in pairwise([*starts, len(records)]):
            row = np.full(len(parts), np.nan)
            for record in records[start:stop]:
                if record["id"] >= 0:
                    at = place[int(record["id"])]
                    row[at : at + 3 * scheme.n_points] = record["values"]
            table.writerow([int(records["frame"][start]), *(_text(value) for value in row.tolist())])


# --- .pts ---


@contextmanager
def _pts(path: Path, scheme: Scheme) -> Iterator[Write]:
    """A folder; its files are called as the picture, with the frame's and, beyond the first face, the face's number."""
    with atomic_folder(path, _pts_files) as temporary:
        temporary.mkdir()

        def write(frame: Frame) -> None:
            for face in frame.faces:
                stem = Path(frame.image).stem + (f"_{frame.number:06d}" if frame.number >= 0 else "")
                file = temporary / (f"{stem}_{face.id}.pts" if face.id else f"{stem}.pts")
                if file.exists():
                    raise InputError(
                        f"{path}: two faces would be called {file.name}; expected files of different names"
                    )
                file.write_text(_pts_text(face.points))

        yield write


def _pts_files(folder: Path) -> list[Path]:
    """The files of a folder of .pts files.

    Raises:
        InputError: it is none, or something else is in it, such as a folder or a link of that name.
    """
    files = list(folder.iterdir()) if folder.is_dir() else [folder]
    for file in files:
        if file.suffix != ".pts" or file.is_symlink() or not file.is_file() or file == folder:
            raise InputError(
                f"{folder}: found other things there ({file.name}), expected a new folder or one of .pts files alone"
            )
    return files


def _pts_text(points: np.ndarray) -> str:
    """Coordinates are 1-based, as those of 300W."""
    lines = [f"{x:.{_DIGITS}f} {y:.{_DIGITS}f}" for x, y in (points + 1).tolist()]
    return "\n".join(["version: 1", f"n_points: {len(lines)}", "{", *lines, "}", ""])


# The longer suffix before its end.
_FORMATS: dict[str, _Open] = {
    ".dlc.csv": _deeplabcut,
    ".csv": _csv,
    ".parquet": _parquet,
    ".json": _coco,
    ".pts": _pts,
}

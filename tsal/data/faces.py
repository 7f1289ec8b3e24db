"""The face table: one row per face, the only thing that later steps know of a benchmark.

Columns, in this order:

- `face`: unique id; `image`: path of the image or video file, absolute or relative to the current folder;
- `video`, `frame`: name of the video ('' for a still image) and number of the frame in it (-1 for a still
  image), where `image` is a video file 0-based;
- `clip`: faces of one clip share it and follow one another by `frame`; `person`;
- `split`: train, validation or test; `subset`: such as 'full', several joined as in 'common+full';
- `box_x0`, `box_y0`, `box_x1`, `box_y1`: the face's box, not expanded;
- `x0`, `y0`, `x1`, `y1`, ...: the K landmarks; NaN where not annotated; `v0`, `v1`, ...: annotated and
  visible.

Coordinates are px of the upright image, as viewers show it (see tsal.data.pictures), 0-based, with pixel centres at
integers; they may lie outside the image. A face without any annotation is "unlabelled".
"""

import os
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from tsal.bounds import reading
from tsal.bounds.tables import check_csv, check_parquet
from tsal.data.cells import cell_error, frames_in, numbers_in, texts_in, visibility_in
from tsal.errors import InputError
from tsal.files import atomic_path

TEXT_COLUMNS = ("face", "image", "video", "clip", "person", "split", "subset")
BOX_COLUMNS = ("box_x0", "box_y0", "box_x1", "box_y1")
HEAD_COLUMNS = ("face", "image", "video", "frame", "clip", "person", "split", "subset", *BOX_COLUMNS)
_SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "bars"}
_SHOWN = 12  # columns, in errors
_SMALLEST_BOX, _SMALLEST_OF_A_BENCHMARK = 2.0, 1.0  # px: nothing is seen of a smaller face, but some are annotated
_LARGEST_SHARE = 1.5  # of an image, of a box that reaches beyond it
SPLITS = ("train", "validation", "test")


def point_columns(n_points: int) -> list[str]:
    """["x0", "y0", "x1", "y1", ...] for `n_points` landmarks."""
    return [f"{axis}{k}" for k in range(n_points) for axis in "xy"]


def visibility_columns(n_points: int) -> list[str]:
    """["v0", "v1", ...] for `n_points` landmarks."""
    return [f"v{k}" for k in range(n_points)]


def n_points(faces: pd.DataFrame) -> int:
    """The number K of landmarks of a face table; 0 if it has none."""
    count = 0
    while f"x{count}" in faces.columns and f"y{count}" in faces.columns:
        count += 1
    return count


def points_of(faces: pd.DataFrame) -> np.ndarray:
    """The landmarks, (N, K, 2) float64 in image px, NaN where not annotated."""
    count = n_points(faces)
    return faces[point_columns(count)].to_numpy(np.float64).reshape(len(faces), count, 2)


def visibility_of(faces: pd.DataFrame) -> np.ndarray:
    """Which landmarks are annotated and visible, (N, K) bool."""
    return faces[visibility_columns(n_points(faces))].to_numpy(bool)


def boxes_of(faces: pd.DataFrame) -> np.ndarray:
    """The face boxes x0, y0, x1, y1, (N, 4) float64 in image px, not expanded."""
    return faces[list(BOX_COLUMNS)].to_numpy(np.float64)


def bounds_of(points: np.ndarray) -> np.ndarray:
    """The bounds x0, y0, x1, y1 (..., 4) of landmarks (..., K, 2); NaN where one is."""
    return np.concatenate([points.min(axis=-2), points.max(axis=-2)], axis=-1)


def face_name(picture: str, number: int = 0) -> str:
    """The name of a face of a picture, which from its second face on has the face's number."""
    return f"{picture}#{number}" if number else picture


def labelled_of(faces: pd.DataFrame) -> np.ndarray:
    """Which faces have at least one annotated landmark, (N,) bool."""
    return np.isfinite(points_of(faces)).all(axis=2).any(axis=1)


def keep_points(table: pd.DataFrame, kept: np.ndarray) -> pd.DataFrame:
    """A face table or predictions with the landmarks `kept` (K,) alone, numbered anew from 0."""
    new = {}
    for number, old in enumerate(kept.tolist()):
        new |= {f"{letter}{old}": f"{letter}{number}" for letter in "xyv"}
    count = n_points(table)
    gone = {f"{letter}{k}" for letter in "xyv" for k in range(count)} - set(new)
    return table.drop(columns=gone & set(table.columns)).rename(columns=new)


def make_faces(
    image: Sequence[str],
    boxes: np.ndarray,
    points: np.ndarray | None = None,
    visible: np.ndarray | None = None,
    *,
    face: Sequence[str] | None = None,
    video: Sequence[str] | str = "",
    frame: Sequence[int] | int = -1,
    clip: Sequence[str] | None = None,
    person: Sequence[str] | str = "",
    split: Sequence[str] | str = "test",
    subset: Sequence[str] | str = "full",
) -> pd.DataFrame:
    """Build a face table of N faces from arrays.

    Args:
        image: N image paths.
        boxes: (N, 4) x0, y0, x1, y1 in image px.
        points: (N, K, 2) in image px, NaN where not annotated; default K = 0.
        visible: (N, K); default: wherever a point is annotated.
        face: N ids; default the image's path, with '#1', '#2', ... for the further faces of one image.
        clip: N clips; default every face its own.
        video, frame, person, split, subset: N values, or one for all.

    Raises:
        ValueError: the lengths or shapes do not fit.
    """
    image = [str(path) for path in image]
    count = len(image)
    points = np.empty((count, 0, 2)) if points is None else np.asarray(points, np.float64)
    boxes = np.asarray(boxes, np.float64).reshape(-1, 4)
    if len(points) != count or len(boxes) != count or points.ndim != 3 or points.shape[2] != 2:
        raise ValueError(f"{count} images do not fit boxes {boxes.shape} and points {points.shape}")
    annotated = np.isfinite(points).all(axis=2)
    visible = annotated if visible is None else np.asarray(visible, bool) & annotated
    face = _face_ids(image) if face is None else face
    head = {
        "face": face,
        "image": image,
        "video": video,
        "frame": frame,
        "clip": face if clip is None else clip,
        "person": person,
        "split": split,
        "subset": subset,
    }
    size = points.shape[1]
    table = pd.concat(
        [
            pd.DataFrame(head, index=range(count)),
            pd.DataFrame(boxes, columns=list(BOX_COLUMNS)),
            pd.DataFrame(points.reshape(count, 2 * size), columns=point_columns(size)),
            pd.DataFrame(visible, columns=visibility_columns(size)),
        ],
        axis=1,
    )
    return table.astype({column: "str" for column in TEXT_COLUMNS} | {"frame": np.int64})


def _face_ids(image: Sequence[str]) -> list[str]:
    """The image's path, numbered from its second face on."""
    seen: dict[str, int] = {}
    ids = []
    for path in image:
        number = seen[path] = seen.get(path, -1) + 1
        ids.append(face_name(path, number))
    return ids


def write_faces(faces: pd.DataFrame, path: str | os.PathLike[str]) -> None:
    """Write a face table as .parquet or .csv; the file appears only when it is complete.

    Raises:
        InputError: another suffix, an invalid table (see read_faces), or the device is full.
    """
    faces = check_faces(faces, path)
    if table_suffix(path) == ".csv":
        faces = faces.astype(dict.fromkeys(visibility_columns(n_points(faces)), np.int8))
    write_table(faces, path)


def write_table(table: pd.DataFrame, path: str | os.PathLike[str]) -> None:
    """Write a table of faces as .parquet or .csv, whole or not at all.

    Raises:
        InputError: another suffix, or the device is full.
    """
    suffix = table_suffix(path)
    with atomic_path(path) as temporary:
        table.to_csv(temporary, index=False) if suffix == ".csv" else table.to_parquet(temporary, index=False)


def read_faces(path: str | os.PathLike[str], need_points: bool = True, split: str | None = None) -> pd.DataFrame:
    """Read and check a face table, .parquet or .csv.

    Args:
        split: whose faces alone to read; of a .parquet file the others take no memory.
        need_points: False accepts a minimal table, of which only `image` and the box are needed; the other
            columns get the defaults of make_faces, and an empty box, NaN, is a frame without a face.

    Raises:
        InputError: names the file, the column and the row of what is wrong.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such file; expected a face table (.parquet or .csv)")
    suffix = table_suffix(path)
    with reading(path, "a face table", "Make it anew"):
        if suffix == ".csv":
            check_csv(path)
            faces = _read_csv(path)
        else:
            check_parquet(path)
            faces = pd.read_parquet(path, filters=[("split", "==", split)] if split else None)
        faces = check_faces(faces, path, need_points)
    return faces[faces["split"] == split].reset_index(drop=True) if split else faces


def table_suffix(path: str | os.PathLike[str]) -> str:
    """.csv or .parquet, as the name of a table ends.

    Raises:
        InputError: it ends with something else.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in (".parquet", ".csv"):
        raise InputError(f"{path}: a face table is a .parquet or .csv file, not {suffix or 'a file without suffix'}")
    return suffix


def _read_csv(path: Path) -> pd.DataFrame:
    """Text columns stay text: a person called '007' or 'nan' keeps the name, an empty cell is ''."""
    with open(path, encoding="utf-8-sig") as file:
        first = file.readline()
    found = next((name for mark, name in _SEPARATORS.items() if mark in first and "," not in first), None)
    if found:
        raise InputError(f"{path}: found columns separated by {found}, expected commas")
    # A blank after each comma is no part of a name; that a file's name begins with one, a table without them may say.
    blanks = ", " in first
    # Packed tables, whatever they are called, are not read.
    header = pd.read_csv(path, nrows=0, compression=None, skipinitialspace=blanks)
    numeric = [name for name in header.columns if name not in TEXT_COLUMNS]
    with warnings.catch_warnings():
        warnings.simplefilter("error", pd.errors.ParserWarning)  # rows longer than the header
        return pd.read_csv(
            path,
            dtype=dict.fromkeys(TEXT_COLUMNS, str),
            keep_default_na=False,
            na_values={name: ["", "nan", "NaN"] for name in numeric},
            index_col=False,
            compression=None,
            skipinitialspace=blanks,
        )


def check_faces(faces: pd.DataFrame, path: str | os.PathLike[str], need_points: bool = True) -> pd.DataFrame:
    """Check a face table and return it with its columns in order and of the right types.

    Args:
        path: the file to name in errors.
        need_points: whether the columns besides `image` and the box are required.

    Raises:
        InputError: see read_faces.
    """
    count = n_points(faces)
    required = [*HEAD_COLUMNS, "x0", "y0", "v0"] if need_points else ["image", *BOX_COLUMNS]
    missing = [column for column in required if column not in faces.columns]
    if missing:
        found = ", ".join(map(str, faces.columns[:_SHOWN]))
        raise InputError(f"{path}: column {missing[0]!r} is missing; found {found}; expected {', '.join(required)}")
    beyond = {f"{axis}{k}" for axis in "xyv" for k in range(count, len(faces.columns))} & set(faces.columns)
    if beyond:
        raise InputError(f"{path}: column {min(beyond)!r} has no partner; expected x, y (and v) of points 0, 1, 2, ...")
    numbers = numbers_in(faces, path, [*BOX_COLUMNS, *point_columns(count)])
    boxes, points = numbers[:, :4], numbers[:, 4:].reshape(len(faces), count, 2)
    table = make_faces(
        texts_in(faces, "image", path),
        boxes,
        points,
        visibility_in(faces, path, points),
        **{name: texts_in(faces, name, path) for name in TEXT_COLUMNS if name in faces.columns and name != "image"},
        frame=frames_in(faces, path),
    )
    _check_boxes(table, path, empty=not need_points)
    _check_rows(table, path)
    return table


def _check_boxes(faces: pd.DataFrame, path: str | os.PathLike[str], empty: bool) -> None:
    """Refuse boxes that can be none.

    Args:
        empty: whether a frame without a face, whose box is left empty, may be among them.
    """
    boxes, smallest = boxes_of(faces), _SMALLEST_BOX if empty else _SMALLEST_OF_A_BENCHMARK
    counted = ~np.isnan(boxes).all(axis=1) | (not empty)
    for low, high in ((0, 2), (1, 3)):
        bad = ~(boxes[:, high] > boxes[:, low]) & counted  # also where either is NaN
        if bad.any():
            row = int(bad.argmax())
            expected = f"expected more than {BOX_COLUMNS[low]}, {boxes[row, low]:g}"
            raise cell_error(path, BOX_COLUMNS[high], row, f"{boxes[row, high]:g}; {expected}")
        bad = (boxes[:, high] - boxes[:, low] < smallest) & counted
        if bad.any():
            row = int(bad.argmax())
            shares = np.nanmin(boxes) >= 0 and np.nanmax(boxes) <= _LARGEST_SHARE
            hint = "these boxes seem to be shares of the image; " if shares else ""
            side = boxes[row, high] - boxes[row, low]
            expected = f"{hint}expected {smallest:g} px at least"
            raise cell_error(path, BOX_COLUMNS[high], row, f"a box of {side:.3g} px; {expected}")


def _check_rows(faces: pd.DataFrame, path: str | os.PathLike[str]) -> None:
    """What must hold between the rows of a complete table."""
    twice = faces["face"].duplicated().to_numpy()
    if twice.any():
        row = int(twice.argmax())
        raise cell_error(path, "face", row, f"{faces['face'].iloc[row]!r} occurs twice; expected unique ids")
    bad = ~faces["split"].isin(SPLITS).to_numpy()
    if bad.any():
        row = int(bad.argmax())
        raise cell_error(path, "split", row, f"{faces['split'].iloc[row]!r}; expected one of {', '.join(SPLITS)}")
    twice = (faces.duplicated(["clip", "frame"]) & (faces["frame"] >= 0)).to_numpy()
    if twice.any():
        row = int(twice.argmax())
        clip, frame = faces["clip"].iloc[row], faces["frame"].iloc[row]
        raise cell_error(path, "frame", row, f"clip {clip!r} has frame {frame} twice; expected one face a frame")

"""Cells of a face table that a file held, as values of the right types; what is wrong is told by column and row."""

import os
from datetime import date, timedelta

import numpy as np
import pandas as pd

from tsal.errors import InputError

_FARTHEST = 10_000_000  # px, or frames, from the origin: no picture and no video reaches as far

# What pandas would turn into numbers: True into 1, times into nanoseconds.
_NO_NUMBERS = (bool, np.bool_, date, timedelta)


def cell_error(path: str | os.PathLike[str], column: str, row: int, problem: str) -> InputError:
    """The error of a cell, by its column and its row, which is counted from 1."""
    return InputError(f"{path}: column {column!r}, row {row + 1}: {problem}")


def numbers_in(faces: pd.DataFrame, path: str | os.PathLike[str], columns: list[str]) -> np.ndarray:
    """Columns as (N, len(columns)) float64; NaN where a cell is empty.

    Raises:
        InputError: a cell holds no number, or one beyond all pictures and videos.
    """
    values = faces[columns].reset_index(drop=True)
    for name in columns:
        column = values[name]
        if _numpy_kind(column.dtype).kind in "fiu":
            continue
        other = np.array([isinstance(value, _NO_NUMBERS) for value in column], bool)
        parsed = pd.to_numeric(column, errors="coerce")
        bad = (parsed.isna() & column.notna()).to_numpy() | other
        if bad.any():
            row = int(bad.argmax())
            raise cell_error(path, name, row, f"{repr(column.iloc[row])[:80]} is not a number")
        values[name] = parsed
    array = values.to_numpy(np.float64)
    rows, places = np.nonzero(np.isinf(array))
    if len(rows):
        raise cell_error(path, columns[places[0]], int(rows[0]), "infinite; expected a position in px, or nothing")
    rows, places = np.nonzero(np.abs(array) > _FARTHEST)
    if len(rows):
        found = array[rows[0], places[0]]
        raise cell_error(path, columns[places[0]], int(rows[0]), f"{found:g}; expected at most {_FARTHEST:,}")
    return array


def _numpy_kind(dtype: object) -> np.dtype:
    return dtype if isinstance(dtype, np.dtype) else np.dtype(object)


def texts_in(faces: pd.DataFrame, name: str, path: str | os.PathLike[str]) -> list[str]:
    """A column of N texts; '' where a cell is empty.

    Raises:
        InputError: a face has no id, or no image.
    """
    column = faces[name]
    missing = column.isna().to_numpy()
    if name in ("face", "image"):
        empty = missing | (column.astype("str") == "").to_numpy()
        if empty.any():
            raise cell_error(path, name, int(empty.argmax()), "empty; every face needs one")
    return ["" if gap else str(value) for value, gap in zip(column, missing, strict=True)]


def frames_in(faces: pd.DataFrame, path: str | os.PathLike[str]) -> np.ndarray | int:
    """The numbers of the frames, (N,) int64; -1 for a still image, or for all where there is no such column.

    Raises:
        InputError: a cell holds something else.
    """
    if "frame" not in faces.columns:
        return -1
    frames = numbers_in(faces, path, ["frame"])[:, 0]
    frames = np.where(np.isnan(frames), -1, frames)
    bad = (frames != np.floor(frames)) | (frames < -1)
    if bad.any():
        row = int(bad.argmax())
        raise cell_error(path, "frame", row, f"{frames[row]:g}; expected 0, 1, 2, ..., or -1 for a still image")
    return frames.astype(np.int64)


def visibility_in(faces: pd.DataFrame, path: str | os.PathLike[str], points: np.ndarray) -> np.ndarray:
    """Which landmarks are visible, (N, K) bool; where there is no such column, whatever is annotated.

    Args:
        points: (N, K, 2), NaN where not annotated.

    Raises:
        InputError: a point has one coordinate alone; or a cell holds anything but 0, or 1 of an annotated point.
    """
    annotated = np.isfinite(points).all(axis=2)
    half = np.isfinite(points).any(axis=2) & ~annotated
    if half.any():
        row, k = (int(index) for index in np.argwhere(half)[0])
        axis = "x" if np.isnan(points[row, k, 0]) else "y"
        raise cell_error(path, f"{axis}{k}", row, "empty, while the point's other coordinate is not")
    visible = annotated.copy()
    for k in range(points.shape[1]):
        name = f"v{k}"
        if name not in faces.columns:
            continue
        column = faces[name]
        is_bool = pd.api.types.is_bool_dtype(column)
        values = column.to_numpy(np.float64, na_value=np.nan) if is_bool else numbers_in(faces, path, [name])[:, 0]
        bad = ~np.isin(values, (0, 1)) | ((values == 1) & ~annotated[:, k])
        if bad.any():
            row = int(bad.argmax())
            raise cell_error(path, name, row, f"{values[row]}; expected 1 for an annotated, visible point, else 0")
        visible[:, k] = values == 1
    return visible

"""Landmark files (.pts) of the iBUG group, in which 300W and 300VW are annotated."""

import re

import numpy as np

from tsal.bounds import PTS_BYTES, check
from tsal.errors import InputError

FIRST_PIXEL = 1.0  # in a .pts, the centre of the top left pixel is (1, 1)

_COMMENT = re.compile(r"(?://|#).*")
_LAYOUT = re.compile(r"(?P<head>[^{}]*)\{(?P<points>[^{}]*)\}\s*")
_COUNT = re.compile(r"n_points\s*:\s*(\d+)\s*$", re.IGNORECASE | re.MULTILINE)


def read_pts(content: bytes, where: str, n_points: int = 68) -> np.ndarray:
    """The landmarks of a .pts file, (n_points, 2) float64 in px, 0-based: (0, 0) is the centre of the top left pixel.

    The file is text: `version: 1`, `n_points: 68`, then between braces x and y of a point on each line, 1-based.
    Upper-case keys, blank lines, comments (# or //), any line ends and a byte order mark do no harm. Some public copies
    lost all but the lines with the points; without the braces nothing but their number says that they are whole.

    Args:
        where: the name of the file, for errors.
        n_points: the number that has to be there.

    Raises:
        InputError: it is no such file, or it has another number of points, or one that is no position.
    """
    check(where, len(content), PTS_BYTES, "bytes")
    text = _COMMENT.sub("", "\n".join(_decode(content, where).splitlines()))
    layout = _LAYOUT.fullmatch(text)
    head, lines = (layout["head"], layout["points"]) if layout else ("", text)
    rows = [line.split() for line in lines.splitlines() if line.strip()]
    if not layout and not (rows and all(map(_position, rows))):
        raise InputError(
            f"{where}: is no .pts file; expected 'n_points: {n_points}' and points in braces, or {n_points} points "
            "alone; get it again"
        )
    declared = _COUNT.search(head)
    if declared and declared[1].lstrip("0") != str(len(rows)):
        raise InputError(
            f"{where}: {len(rows)} points found, but it says n_points: {declared[1][:40]}; get the file again"
        )
    if len(rows) != n_points:
        bare = "" if layout else " in a file that has neither a header nor braces"
        raise InputError(f"{where}: {len(rows)} points found{bare}, expected {n_points}; is it of another benchmark?")
    return np.array([_point(row, number, where) for number, row in enumerate(rows, 1)]) - FIRST_PIXEL


def _decode(content: bytes, where: str) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{where}: is no text ({error.reason} at byte {error.start}); get the file again") from None


def _point(row: list[str], number: int, where: str) -> list[float]:
    point = _position(row)
    if point is None:
        raise InputError(
            f"{where}: point {number} is {' '.join(row)[:80]!r}; expected x and y in px; get the file again"
        )
    return point


def _position(row: list[str]) -> list[float] | None:
    """x and y of a line; None where these are not what it holds."""
    try:
        point = [float(value) for value in row]
    except ValueError:
        return None
    return point if len(point) == 2 and np.isfinite(point).all() else None

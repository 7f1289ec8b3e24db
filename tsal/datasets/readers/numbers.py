"""Values that a file has as text, or should have as numbers: each is one, or an error that names the place."""

import math
from typing import Any

from tsal.bounds import FRAMES, check
from tsal.errors import InputError, one_line

FARTHEST = 10_000_000  # px from the origin: no picture reaches as far


def number(value: Any, where: str, what: str) -> float:
    """A coordinate in px.

    Raises:
        InputError: it is no number, not finite, or farther away than any picture reaches.
    """
    try:
        found = math.nan if isinstance(value, bool) or (isinstance(value, str) and len(value) > 100) else float(value)
    except (TypeError, ValueError, OverflowError):
        found = math.nan
    if not abs(found) <= FARTHEST:
        raise InputError(f"{where}: {what}: found {shown(value)}, expected a number of px; correct the file")
    return found


def frame_number(value: Any, where: str) -> int:
    """The number of a frame of a video, from 0 on.

    Raises:
        InputError: it is none.
    """
    text = str(value)
    if isinstance(value, bool) or not text.isascii() or not text.isdecimal() or len(text) > 9:
        raise InputError(f"{where}: frame: found {shown(value)}, expected 0, 1, 2, ...; correct the file")
    check(f"{where}: frame", int(text), FRAMES, "as the number of a frame")
    return int(text)


def picture_size(width: Any, height: Any, where: str) -> tuple[int, int] | None:
    """Width and height in px that labels give of a picture, as whole numbers or texts of them; None where they do not.

    Raises:
        InputError: only one is given, or one is no whole number of px from 1 on.
    """
    if width is None and height is None:
        return None
    found = []
    for what, value in (("width", width), ("height", height)):
        side = math.nan if value is None else number(value, where, what)
        if side % 1 != 0 or side < 1:  # also of NaN
            raise InputError(f"{where}: {what}: found {shown(value)}, expected 1, 2, 3, ... px; correct the file")
        found.append(int(side))
    return found[0], found[1]


def shown(value: Any) -> str:
    """A value in an error."""
    return one_line(repr(value)[:60])

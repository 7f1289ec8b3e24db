"""Frames of video files: decoded in order and only once, or a single one.

A frame's number is how many frames decode before it, from the file's start: 0, 1, 2, ... What a container says
of its length, and where it seeks to, is believed only where the times of its frames confirm it.

Frames are upright, as players show them: turned as the file says. What a file is comes from its content, not from its
name. Animated pictures (GIF, PNG, WebP) and pages of a TIFF are frames too.
"""

import logging
import os
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image

from tsal.bounds import FRAMES, check, reading
from tsal.bounds.pictures import picture_header
from tsal.data.decoding import BEGIN, Decoder, opened
from tsal.data.pictures import count_pictures, is_jpeg_stream, upright_picture
from tsal.errors import InputError

SUFFIXES = (".avi", ".mp4", ".m4v", ".mov", ".mkv", ".webm", ".mpg", ".mpeg", ".mts", ".wmv", ".flv", ".3gp", ".ogv")

logger = logging.getLogger(__name__)
_NEARLY = 0.95  # of the frames that a header declares
_RATE = 25.0  # frames a second of what does not say its own
_HIGHEST_RATE = 1000.0  # above it, what a container says is a clock's rate
# What containers of videos, and streams without one, begin with.
_SIGNATURES = (
    *(b"\x1a\x45\xdf\xa3", b"FLV\1", b"OggS", b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", b"\x06\x0e\x2b\x34"),
    *(b"DKIF", b"YUV4MPEG2", b"\x1f\x07\x00"),
)
_ATOMS = (b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot")  # of QuickTime before it said what it is
_PICTURE_BRANDS = (b"avif", b"avis", b"heic", b"heix", b"heif", b"mif1", b"msf1")  # of ftyp
_ANIMATED = (b"GIF8", b"\x89PNG", b"II*\0", b"MM\0*")  # formats that may hold several pictures; WebP too
_JPEG_SUFFIXES = (".jpg", ".jpeg", ".jpe", ".jfif")


def is_video(path: str | os.PathLike[str]) -> bool:
    """Whether a file holds several pictures, told apart by their number: by its content; of one that is missing, or of
    which the content says nothing, by its name.
    """
    try:
        about = os.stat(path)
        return _is_video(os.fspath(path), about.st_mtime_ns, about.st_size)
    except (OSError, ValueError):
        return is_named_video(path)


@lru_cache(maxsize=1 << 16)
def _is_video(path: str, time: int, size: int) -> bool:
    with open(path, "rb") as file:
        begin = file.read(BEGIN)
    if _is_container(begin) or _holds_pictures(path, begin):
        return True
    return is_named_video(path) and not _is_picture(begin)


def is_named_video(path: str | os.PathLike[str]) -> bool:
    """Whether the name of a file says that it is a video."""
    return Path(path).suffix.lower() in SUFFIXES


def _is_container(begin: bytes) -> bool:
    """Whether a file that begins so is one of videos, or a bare stream of one."""
    if begin[4:8] == b"ftyp":
        return begin[8:12] not in _PICTURE_BRANDS
    packets = any(begin[start::step][:3] == b"GGG" for start, step in ((0, 188), (4, 192)))
    start_code = begin[:3] == b"\0\0\1" or begin[:4] == b"\0\0\0\1"
    unit = begin.partition(b"\1")[2][:1]
    return (
        begin.startswith(_SIGNATURES)
        or (begin.startswith(b"RIFF") and begin[8:12] == b"AVI ")
        or begin[4:8] in _ATOMS
        or packets
        or (start_code and unit not in (b"", b"\0"))  # of a zero, it is an icon
    )


def _holds_pictures(path: str, begin: bytes) -> bool:
    if begin.startswith(_ANIMATED) or (begin.startswith(b"RIFF") and begin[8:12] == b"WEBP"):
        return count_pictures(path) > 1
    # Of what is called a JPEG read_image finds out that it is many: all of a file has to be read for it.
    return Path(path).suffix.lower() not in _JPEG_SUFFIXES and is_jpeg_stream(path)


def _is_picture(begin: bytes) -> bool:
    """Whether a file that begins so is a picture of a common format."""
    return begin.startswith((*_ANIMATED, b"\xff\xd8\xff", b"BM")) or begin[8:12] == b"WEBP"


def count_frames(path: str | os.PathLike[str]) -> int:
    """How many frames of a video decode from its start on.

    Where the frames follow each other at one rate, and the first and the last decode at their times, those between
    are counted without decoding them: damage among them shows when they are read. Else all are decoded.

    Raises:
        InputError: missing, no video, or not one frame decodes.
    """
    if _is_animated(path):
        return count_pictures(path)
    times = _frame_times(path)
    count = len(times) if times is not None else _count_decoded(path)
    if not count:
        raise InputError(f"{path}: no frame of this video can be decoded; expected one at least. Get the file again")
    return count


def frames(path: str | os.PathLike[str], wanted: Iterable[int], threads: int = 1) -> Iterator[tuple[int, np.ndarray]]:
    """Decode a video once, in order, and hand out some of its frames.

    Args:
        wanted: frame numbers, each larger than the one before; the first is 0 or more.
        threads: of the decoder, each of which holds a frame.

    Yields:
        (number, image (H, W, 3) uint8 RGB).

    Raises:
        InputError: missing, no video, or it ends (or is damaged) before a wanted frame.
        ValueError: the numbers are not in order.
    """
    if _is_animated(path):
        yield from ((number, image) for number, image, _ in _pictures(path, wanted))
        return
    following = 0
    with opened(path, threads) as decoder:
        for number in wanted:
            if number < following:
                raise ValueError(f"frame {number} of {path} comes before {following}; expected rising numbers")
            while following <= number:
                if not decoder.grab():
                    raise _too_short(path, following, number)
                following += 1
            yield number, decoder.retrieve()
        _warn_of_damage(path, decoder)


def all_frames(
    path: str | os.PathLike[str], threads: int = 1
) -> tuple[int | None, Iterator[tuple[int, float, np.ndarray]]]:
    """Decode a whole video once, in order, with the time of each frame.

    Args:
        threads: of the decoder, each of which holds a frame.

    Returns:
        How many frames there are, None where only decoding can tell, and an iterator over (number, seconds since the
        first frame, image (H, W, 3) uint8 RGB). Times rise from frame to frame: where a file has none they follow from
        its rate.

    Raises:
        InputError: missing, no video, or not one frame decodes; from the iterator: it is damaged.
    """
    if _is_animated(path):
        return count_pictures(path), _timed_pictures(path)
    times = _frame_times(path)
    count = None if times is None else len(times)
    return count, _timed(path, count, threads)


def _timed(path: str | os.PathLike[str], count: int | None, threads: int) -> Iterator[tuple[int, float, np.ndarray]]:
    with opened(path, threads) as decoder:
        step = 1 / (decoder.rate if 0 < decoder.rate < _HIGHEST_RATE else _RATE)
        number, seconds, start = 0, -step, None
        while decoder.grab():
            check(path, number + 1, FRAMES, "frames")
            found = decoder.seconds
            start = found if start is None else start
            is_later = found is not None and found - start > seconds
            seconds = found - start if is_later else seconds + step
            yield number, seconds, decoder.retrieve()
            number += 1
        if not number or (count is not None and number < count):
            raise _too_short(path, number, max((count or 1) - 1, 0))
        _warn_of_damage(path, decoder)
        # Some containers tell it but roughly, and where the rate changes it is made of the highest one.
        if count is not None and number + 1 < _NEARLY * decoder.declared:
            logger.warning(
                "%s: found %s frames, expected some %s, as its header says: the end may be missing; get the file again",
                *(path, f"{number:,}", f"{decoder.declared:,}"),
            )


def _warn_of_damage(path: str | os.PathLike[str], decoder: Decoder) -> None:
    if decoder.damaged or decoder.lost:
        logger.warning(
            "%s: damaged: of its frames %s are wrong in part, and some %s are missing, which those behind them do not "
            "count; get the file again",
            *(path, f"{decoder.damaged:,}", f"{decoder.lost:,}"),
        )


def _timed_pictures(path: str | os.PathLike[str]) -> Iterator[tuple[int, float, np.ndarray]]:
    seconds = 0.0
    for number, image, shown in _pictures(path, range(count_pictures(path))):
        yield number, seconds, image
        seconds += shown


def read_frame(path: str | os.PathLike[str], number: int) -> np.ndarray:
    """One frame of a video, (H, W, 3) uint8 RGB: that which `frames` gives.

    Raises:
        InputError: missing, no video, or it has no such frame.
    """
    if _is_animated(path):
        return next(_pictures(path, [number]))[1]
    times = _frame_times(path)
    if times is not None and 0 <= number < len(times):
        with opened(path) as decoder:
            if decoder.seek(times[number]) and decoder.time == times[number]:
                return decoder.retrieve()
    return next(frames(path, [number]))[1]


def _is_animated(path: str | os.PathLike[str]) -> bool:
    """Whether a file is a picture format that holds several, which Pillow takes apart."""
    return Path(path).is_file() and count_pictures(path) > 1


def _pictures(path: str | os.PathLike[str], wanted: Iterable[int]) -> Iterator[tuple[int, np.ndarray, float]]:
    """As `frames`, of pictures that are decoded one after the other; with the seconds that each is shown for."""
    header = picture_header(path, "get the file again")
    with Image.open(path) as image:
        check(path, count := header.count, FRAMES, "frames")
        last = -1
        for number in wanted:
            if number < last:
                raise ValueError(f"frame {number} of {path} comes before {last}; expected rising numbers")
            if number >= count:
                raise _too_short(path, count, number)
            with reading(f"{path}, frame {number}", "a picture", "Get the file again"):
                image.seek(last := number)
                shown = image.info.get("duration") or 0
                yield number, upright_picture(image, header), shown / 1000 if shown > 0 else 1 / _RATE


def _frame_times(path: str | os.PathLike[str]) -> list[int] | None:
    """The times of all frames in the file's ticks; None where the container's are not those at which they decode."""
    with opened(path) as decoder:
        times, tick = decoder.times(), decoder.milliseconds
    if not times:
        return None
    times.sort()
    steps = np.diff(times) * tick
    # A gap is a frame that was never stored, or one that players repeat: its place in the count is not certain.
    # Some containers round times to whole ms.
    if len(steps) and (steps.min() <= 0 or np.ptp(steps) > 1.01):
        return None
    with opened(path) as decoder:
        starts = decoder.grab() and decoder.time == times[0]
        ends = starts and decoder.seek(times[-1]) and decoder.time == times[-1]
        return times if ends and not decoder.grab() else None


def _count_decoded(path: str | os.PathLike[str]) -> int:
    count = 0
    with opened(path) as decoder:
        while decoder.grab():
            count += 1
            check(path, count, FRAMES, "frames")
    return count


def _too_short(path: str | os.PathLike[str], count: int, number: int) -> InputError:
    return InputError(
        f"{path}: {count:,} frames of this video can be decoded, expected frame {number} (counted from 0) as well; "
        "it is damaged, or shorter than its faces say: get the file again, or leave those faces out"
    )

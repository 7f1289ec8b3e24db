"""Frames of video files: decoded in order and only once, or a single one.

A frame's number is how many frames decode before it, from the file's start: 0, 1, 2, ... What a container says
of its length, and where it seeks to, is believed only where the times of its frames confirm it.

As of still images, a rotation noted in the file is not applied.
"""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock

import cv2
import numpy as np

from tsal.bounds import FRAMES, PIXELS, check
from tsal.errors import InputError

SUFFIXES = (".avi", ".mp4", ".m4v", ".mov", ".mkv", ".webm", ".mpg", ".mpeg", ".mts", ".wmv", ".flv", ".3gp", ".ogv")

# FFmpeg's own remarks on damaged files say nothing that the errors below do not say.
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
# FFmpeg goes by the content: a playlist that is called a video would make it read the files that it names.
_FORMATS = (
    *("mov", "mp4", "m4a", "3gp", "3g2", "mj2", "avi", "matroska", "webm", "mpeg", "mpegts", "mpegvideo", "asf", "flv"),
    *("ogg", "h264", "hevc", "m4v", "mjpeg", "gif", "dv", "mxf", "nut", "ivf", "av1", "obu", "vc1", "yuv4mpegpipe"),
)
os.environ["OPENCV_FFMPEG_CAPTURE_OPTIONS"] = f"protocol_whitelist;file|format_whitelist;{','.join(_FORMATS)}"
_opening = Lock()
_BEGIN = 256  # bytes, among which every container of videos has some that no text has


def is_video(path: str | os.PathLike[str]) -> bool:
    """Whether the name of a file says that it is a video."""
    return Path(path).suffix.lower() in SUFFIXES


def count_frames(path: str | os.PathLike[str]) -> int:
    """How many frames of a video decode from its start on.

    Where the frames follow each other at one rate, and the first and the last decode at their times, those between
    are counted without decoding them: damage among them shows when they are read. Else all are decoded.

    Raises:
        InputError: missing, no video, or not one frame decodes.
    """
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
    following = 0
    with _opened(path, threads) as capture:
        for number in wanted:
            if number < following:
                raise ValueError(f"frame {number} of {path} comes before {following}; expected rising numbers")
            while following <= number:
                if not capture.grab():
                    raise _too_short(path, following, number)
                following += 1
            yield number, _retrieve(path, capture, number)


def read_frame(path: str | os.PathLike[str], number: int) -> np.ndarray:
    """One frame of a video, (H, W, 3) uint8 RGB: that which `frames` gives.

    Raises:
        InputError: missing, no video, or it has no such frame.
    """
    times = _frame_times(path)
    if times is not None and 0 <= number < len(times):
        with _opened(path) as capture:
            if _seek(capture, number) and capture.get(cv2.CAP_PROP_POS_MSEC) == times[number]:
                return _retrieve(path, capture, number)
    return next(frames(path, [number]))[1]


def _frame_times(path: str | os.PathLike[str]) -> np.ndarray | None:
    """The times of all frames in ms, (N,); None where the container's are not those at which the frames decode."""
    with _opened(path, packets=True) as capture:
        found = []
        while capture.grab():
            found.append(capture.get(cv2.CAP_PROP_POS_MSEC))
            check(path, len(found), FRAMES, "frames")
    times = np.sort(found)
    steps = np.diff(times)
    # A gap is a frame that was never stored, or one that players repeat: its place in the count is not certain.
    # Some containers round times to whole ms.
    if not len(times) or (len(steps) and (steps.min() <= 0 or np.ptp(steps) > 1.01)):
        return None
    with _opened(path) as capture:
        starts = capture.grab() and capture.get(cv2.CAP_PROP_POS_MSEC) == times[0]
        ends = starts and _seek(capture, len(times) - 1) and capture.get(cv2.CAP_PROP_POS_MSEC) == times[-1]
        return times if ends and not capture.grab() else None


def _seek(capture: cv2.VideoCapture, number: int) -> bool:
    """Go to a frame and decode it."""
    return capture.set(cv2.CAP_PROP_POS_FRAMES, number) and capture.grab()


def _count_decoded(path: str | os.PathLike[str]) -> int:
    count = 0
    with _opened(path) as capture:
        while capture.grab():
            count += 1
            check(path, count, FRAMES, "frames")
    return count


def _retrieve(path: str | os.PathLike[str], capture: cv2.VideoCapture, number: int) -> np.ndarray:
    """The frame that was decoded last, RGB."""
    done, image = capture.retrieve()
    if not done:
        raise _too_short(path, number, number)
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def _too_short(path: str | os.PathLike[str], count: int, number: int) -> InputError:
    return InputError(
        f"{path}: {count:,} frames of this video can be decoded, expected frame {number} (counted from 0) as well; "
        "it is damaged, or shorter than its faces say: get the file again, or leave those faces out"
    )


@contextmanager
def _opened(path: str | os.PathLike[str], threads: int = 1, *, packets: bool = False) -> Iterator[cv2.VideoCapture]:
    """Open a video for decoding, or for reading its packets without decoding them."""
    if not Path(path).is_file():
        raise InputError(f"{path}: no such video; paths are relative to the current folder")
    _refuse_text(path)
    wanted = [cv2.CAP_PROP_N_THREADS, threads, *([cv2.CAP_PROP_FORMAT, -1] if packets else [])]
    with _opening:  # the level of OpenCV's log is one for all threads
        level = cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
        try:
            # A whole path, since FFmpeg takes what stands before a colon for a way to get the rest.
            capture = cv2.VideoCapture(os.path.abspath(path), cv2.CAP_FFMPEG, wanted)
        finally:
            cv2.utils.logging.setLogLevel(level)
    try:
        if not capture.isOpened():
            raise InputError(
                f"{path}: cannot be opened as a video ({Path(path).stat().st_size:,} bytes found); "
                "expected a file that FFmpeg can decode. Get it again, or convert it"
            )
        sides = [capture.get(side) for side in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT)]
        check(f"{path}: {sides[0]:,.0f} x {sides[1]:,.0f} px", int(sides[0] * sides[1]), PIXELS, "pixels a frame")
        capture.set(cv2.CAP_PROP_ORIENTATION_AUTO, 0)
        yield capture
    finally:
        capture.release()


def _refuse_text(path: str | os.PathLike[str]) -> None:
    """FFmpeg goes by the content: a playlist that is called a video would make it read the files that it names."""
    with open(path, "rb") as file:
        begin = file.read(_BEGIN)
    if begin and not any(byte < 9 or byte > 126 for byte in begin):
        raise InputError(
            f"{path}: cannot be opened as a video ({Path(path).stat().st_size:,} bytes found): it is a text, such as a "
            "playlist. Get it again"
        )

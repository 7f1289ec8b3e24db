"""The picture or video with its landmarks drawn, and with its sound."""

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

from tsal.bounds import reason
from tsal.data.decoding import OPTIONS
from tsal.data.landmarks import Scheme
from tsal.data.video import is_video
from tsal.errors import InputError
from tsal.files import atomic_path
from tsal.tracking.follow import Face
from tsal.tracking.formats import Frame

logger = logging.getLogger(__name__)
_VIDEOS = (".mp4", ".mov", ".mkv")
_PICTURES = (".png", ".jpg", ".jpeg", ".webp")
_CLOCK = 90_000  # ticks a second, into which the times of all common rates divide
_AAC_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)  # Hz that every player knows
# RGB, of which neighbours differ, also to the colour-blind: Okabe and Ito 2008.
_COLOURS = ((86, 180, 233), (230, 159, 0), (0, 158, 115), (240, 228, 66), (204, 121, 167), (213, 94, 0), (0, 114, 178))
_UNSURE = 0.5  # confidence below which a landmark is a ring
_SHIFT = 4  # binary digits after the point, in OpenCV's coordinates

Draw = Callable[[np.ndarray, Frame], None]


def colour_of(id: int) -> tuple[int, int, int]:
    """RGB of a face, in all frames of its video."""
    return _COLOURS[id % len(_COLOURS)]


def draw(image: np.ndarray, faces: list[Face], scheme: Scheme) -> np.ndarray:
    """A copy of a picture (H, W, 3) uint8 RGB with landmarks, and each face's id where there are several.

    A landmark that is not confident is a ring; a face has one colour all through a video.
    """
    image = np.ascontiguousarray(image).copy()
    for face in faces:
        colour = colour_of(face.id)
        side = float((face.box[2:] - face.box[:2]).max())
        width, radius = max(1, round(side / 200)), max(1.2, side / 90)
        points = np.round(face.points * (1 << _SHIFT)).astype(np.int32)
        chains = [points[list(chain)].reshape(-1, 1, 2) for chain in scheme.edges]
        cv2.polylines(image, chains, False, colour, width, cv2.LINE_AA, _SHIFT)
        for point, confidence in zip(points.tolist(), face.confidences.tolist(), strict=True):
            thickness = -1 if confidence >= _UNSURE else width
            cv2.circle(image, point, round(radius * (1 << _SHIFT)), colour, thickness, cv2.LINE_AA, _SHIFT)
        if len(faces) > 1:
            place = (round(float(face.box[0])), round(float(face.box[1]) - side / 12))
            cv2.putText(image, str(face.id), place, cv2.FONT_HERSHEY_SIMPLEX, max(side / 250, 0.4), colour, width + 1)
    return image


def check_overlay(path: Path, source: str) -> None:
    """Refuse a suffix that does not fit before the work begins.

    Raises:
        InputError: it is unknown, or that of a video for a picture, or the other way round.
    """
    expected = _VIDEOS if is_video(source) else _PICTURES
    if path.suffix.lower() not in expected:
        raise InputError(f"{path}: found suffix {path.suffix or 'none'!r}, expected one of {', '.join(expected)}")


def open_overlay(path: Path, source: str, scheme: Scheme) -> AbstractContextManager[Draw]:
    """A function that takes frames, with their pixels, in order; in the end the file is there, or nothing.

    Args:
        source: the picture or video; its sound is kept.

    Raises:
        InputError: a suffix that does not fit; the device is full.
    """
    check_overlay(path, source)
    return _video(path, source, scheme) if is_video(source) else _picture(path, scheme)


@contextmanager
def _picture(path: Path, scheme: Scheme) -> Iterator[Draw]:
    with atomic_path(path) as temporary:

        def write(image: np.ndarray, frame: Frame) -> None:
            drawn = cv2.cvtColor(draw(image, frame.faces, scheme), cv2.COLOR_RGB2BGR)
            done, data = cv2.imencode(path.suffix.lower(), drawn)
            if not done:
                raise InputError(f"{path}: a picture of {image.shape[1]} x {image.shape[0]} px cannot be written so")
            temporary.write_bytes(data.tobytes())

        yield write


@contextmanager
def _video(path: Path, source: str, scheme: Scheme) -> Iterator[Draw]:
    with ExitStack() as stack:
        temporary = stack.enter_context(atomic_path(path))
        stack.enter_context(_av_errors(path))
        output = stack.enter_context(av.open(os.fspath(temporary), "w"))
        sound = _Sound(source, output, stack)
        stream = None

        def write(image: np.ndarray, frame: Frame) -> None:
            nonlocal stream
            drawn = _even(draw(image, frame.faces, scheme))
            if stream is None:
                stream = _add_stream(output, drawn)
            picture = av.VideoFrame.from_ndarray(drawn, "rgb24")
            picture.pts, picture.time_base = round(frame.seconds * _CLOCK), Fraction(1, _CLOCK)
            output.mux(stream.encode(picture))
            sound.until(frame.seconds)

        yield write
        if stream is not None:
            output.mux(stream.encode())
        sound.until(float("inf"))


@contextmanager
def _av_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except av.FFmpegError as error:
        if isinstance(error, OSError):  # such as a full device
            raise OSError(error.errno, error.strerror, os.fspath(path)) from error
        raise InputError(f"{path}: could not be written ({reason(error)})") from error


def _even(image: np.ndarray) -> np.ndarray:
    """With one more row or column where there is an odd number, as H.264 cannot have."""
    height, width = image.shape[:2]
    return cv2.copyMakeBorder(image, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE)


def _add_stream(output: av.container.OutputContainer, image: np.ndarray) -> av.VideoStream:
    """H.264 as every player and browser shows it."""
    stream = output.add_stream("libx264", options={"crf": "18", "preset": "veryfast"})
    stream.height, stream.width = image.shape[:2]
    stream.pix_fmt = "yuv420p"
    stream.codec_context.time_base = Fraction(1, _CLOCK)
    return stream


class _Sound:
    """The sound of a video, encoded anew as AAC, which every container here takes."""

    def __init__(self, source: str, output: av.container.OutputContainer, stack: ExitStack) -> None:
        self._source, self._output, self._frames, self._stream = source, output, iter(()), None
        self._next = None
        try:
            container = stack.enter_context(av.open(os.path.abspath(source), options=OPTIONS))
        except (av.FFmpegError, ValueError):
            return  # what shows pictures and no more, such as a GIF
        if not container.streams.audio:
            return
        audio = container.streams.audio[0]
        pictures = container.streams.video[0] if container.streams.video else None
        begin = pictures.start_time * pictures.time_base if pictures is not None and pictures.start_time else 0
        self._begin = float(begin)
        self._frames = container.decode(audio)
        self._stream = output.add_stream("aac", rate=audio.rate if audio.rate in _AAC_RATES else max(_AAC_RATES))
        self._stream.layout = "mono" if audio.channels == 1 else "stereo"

    def until(self, seconds: float) -> None:
        """Write what is heard before a time, in seconds since the first frame."""
        while self._stream is not None:
            try:
                frame = self._next or next(self._frames, None)
                self._next = None
                if frame is None:
                    self._output.mux(self._stream.encode(None))
                    self._stream = None
                    return
                time = (frame.time or 0.0) - self._begin
                if time > seconds:
                    self._next = frame
                    return
                if time >= 0:
                    frame.pts, frame.time_base = round(time * frame.sample_rate), Fraction(1, frame.sample_rate)
                    self._output.mux(self._stream.encode(frame))
            except (av.FFmpegError, ValueError) as error:
                logger.warning("%s: its sound ends early in what is drawn (%s)", self._source, reason(error))
                self._stream = None

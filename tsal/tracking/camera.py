"""The newest picture of a camera: those that come while the last one is worked on are dropped, so that none is late."""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Condition, Thread
from typing import NamedTuple, Protocol

import cv2
import numpy as np

from tsal.errors import InputError

_OPENING = 10.0  # seconds after which a camera that is silent counts as none


class Capture(Protocol):
    """What pictures are read from, as `cv2.VideoCapture` does it."""

    def read(self) -> tuple[bool, np.ndarray | None]:
        """Whether there is another picture, which is waited for, and the picture (H, W, 3) uint8 BGR."""

    def release(self) -> None: ...


class Shot(NamedTuple):
    """A picture of a camera.

    number: of all that the camera gave, from 0 on; a gap are those that were dropped.
    seconds: since the first one.
    image: (H, W, 3) uint8 RGB.
    """

    number: int
    seconds: float
    image: np.ndarray


class Camera:
    """Reads a camera in a thread of its own, and holds the newest picture alone.

    Attributes:
        name: for messages and tables.
    """

    def __init__(self, capture: Capture, name: str) -> None:
        self.name = name
        self._capture, self._news = capture, Condition()
        self._newest: tuple[int, float, np.ndarray] | None = None
        self._given, self._ended, self._closing = -1, False, False
        self._start = 0.0
        self._reader = Thread(target=self._read, name="camera", daemon=True)  # a read that hangs hinders no ending
        self._reader.start()

    def _read(self) -> None:
        number = 0
        while not self._closing:
            done, image = self._capture.read()
            now = time.monotonic()
            with self._news:
                if done:
                    self._start = self._start if number else now
                    self._newest = number, now - self._start, image
                    number += 1
                self._ended = not done
                self._news.notify_all()
            if not done:
                return

    @property
    def ended(self) -> bool:
        """Whether no more pictures come, and the last one has been given."""
        with self._news:
            return self._ended and not self._is_new()

    def _is_new(self) -> bool:
        return self._newest is not None and self._newest[0] > self._given

    def gives_pictures(self, seconds: float) -> bool:
        """Whether one has come, or comes within some seconds."""
        with self._news:
            self._news.wait_for(lambda: self._newest is not None or self._ended, seconds)
            return self._newest is not None

    def newest(self, seconds: float) -> Shot | None:
        """The newest picture that has not been given yet; None if none comes within some seconds, or none any more."""
        with self._news:
            self._news.wait_for(lambda: self._is_new() or self._ended, seconds)
            if not self._is_new():
                return None
            number, moment, image = self._newest
            self._given = number
        return Shot(number, moment, cv2.cvtColor(image, cv2.COLOR_BGR2RGB))

    def close(self) -> None:
        """Let the camera go."""
        self._closing = True
        self._reader.join(1.0)
        if not self._reader.is_alive():  # one that hangs in a read must not lose what it reads from
            self._capture.release()


@contextmanager
def open_camera(number: int) -> Iterator[Camera]:
    """The camera of a number, as the system counts them.

    Raises:
        InputError: there is none, it may not be read, or it gives no pictures.
    """
    level = cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    try:
        capture = cv2.VideoCapture(number)
    finally:
        cv2.utils.logging.setLogLevel(level)
    if not capture.isOpened():
        raise InputError(f"no camera {number}: {_why(number)}")
    capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)  # what waits in a buffer is late; not every system heeds it
    camera = Camera(capture, f"camera {number}")
    try:
        if not camera.gives_pictures(_OPENING):
            raise InputError(f"no camera {number}: it gives no pictures; another program may use it")
        yield camera
    finally:
        camera.close()


def _why(number: int, devices: Path = Path("/dev")) -> str:
    """Why a camera cannot be opened, as far as files of Linux tell."""
    device = devices / f"video{number}"
    if sys.platform != "linux":
        return "it cannot be opened; it may be in use, or not allowed for this program"
    if not device.exists():
        others = sorted(path.name.removeprefix("video") for path in devices.glob("video[0-9]*"))
        return f"{device} is not there" + (f"; there are {', '.join(others)}" if others else "")
    if not os.access(device, os.R_OK | os.W_OK):
        return f"{device} may not be read by you; the group `video` may"
    return f"{device} cannot be opened; another program may use it, or it is no camera"

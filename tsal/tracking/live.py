"""Faces before a camera, followed and shown as they come."""

import logging
import time
from collections import deque
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np

from tsal.data.landmarks import Scheme
from tsal.tracking.camera import Camera
from tsal.tracking.follow import Find, Follower, Following, Locate
from tsal.tracking.formats import Frame, open_writer
from tsal.tracking.overlay import draw
from tsal.tracking.smooth import OneEuro
from tsal.tracking.track import Count, Seen, pass_on, smoothed

_WAIT = 0.03  # seconds for a picture, between two looks at keys
_RATE_OF = 30  # frames that the rate is the mean of

logger = logging.getLogger(__name__)


class Screen(Protocol):
    """What pictures are shown on, such as a `Window`."""

    closed: bool

    def show(self, image: np.ndarray) -> None: ...

    def refresh(self) -> None: ...


def track_camera(
    camera: Camera,
    screen: Screen,
    find: Find,
    locate: Locate,
    scheme: Scheme,
    output: Path | None = None,
    *,
    following: Following | None = None,
    smooth: OneEuro | None = None,
    keep_empty: bool = True,
) -> Count:
    """Show a camera's pictures with the landmarks of all faces, until the screen is closed or no more pictures come.

    Each time the newest picture is taken. On Ctrl-C it ends as if the screen was closed, so that no table is lost.

    Args:
        find, locate: see `Follower`.
        output: landmarks of the frames that were shown, see `formats`; None: nothing is written.
        keep_empty: whether a frame without a face is written, without landmarks.

    Raises:
        InputError: an output that cannot be written.
    """
    count = Count()
    seen = _seen(camera, screen, Follower(find, locate, following))
    with nullcontext(_nowhere) if output is None else open_writer(output, scheme) as write:
        try:
            show = _shower(screen, scheme)
            pass_on(smoothed(seen, smooth) if smooth is not None else seen, write, [show], keep_empty, count)
        except KeyboardInterrupt as error:
            if error.args:  # another signal than that of Ctrl-C
                raise
    return count


def _nowhere(frame: Frame) -> None:
    """Write nothing."""


def _seen(camera: Camera, screen: Screen, follower: Follower) -> Seen:
    """The pixels of the newest picture, again and again, and what is on it."""
    while not screen.closed:
        shot = camera.newest(_WAIT)
        if shot is not None:
            faces = follower.follow(shot.image)
            yield shot.image, Frame(camera.name, shot.number, shot.seconds, shot.image.shape[1::-1], faces)
        elif camera.ended:
            logger.warning("%s: gives no more pictures", camera.name)
            return
        else:
            screen.refresh()


def _shower(screen: Screen, scheme: Scheme) -> Callable[[np.ndarray, Frame], None]:
    times: deque[float] = deque(maxlen=_RATE_OF + 1)

    def show(image: np.ndarray, frame: Frame) -> None:
        times.append(time.monotonic())
        drawn = draw(image, frame.faces, scheme)
        if len(times) > 1:
            _write_rate(drawn, (len(times) - 1) / (times[-1] - times[0]))
        screen.show(drawn)

    return show


def _write_rate(image: np.ndarray, rate: float) -> None:
    """Into a corner, on a ground of its own."""
    text, font, scale = f"{rate:.1f} frames/s", cv2.FONT_HERSHEY_SIMPLEX, max(image.shape[0] / 720, 0.4)
    (width, height), below = cv2.getTextSize(text, font, scale, 1)
    cv2.rectangle(image, (0, 0), (width + 2 * below, height + 2 * below), (0, 0, 0), cv2.FILLED)
    cv2.putText(image, text, (below, height + below), font, scale, (255, 255, 255), 1, cv2.LINE_AA)

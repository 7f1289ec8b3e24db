"""The One Euro filter (Casiez, Roussel, Vogel 2012): landmarks at rest are smoothed much, fast ones hardly."""

import math
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class OneEuro:
    """Its parameters, for speeds in face sizes a second, so that they hold for faces of any size.

    Attributes:
        min_cutoff: cut-off frequency at rest, in Hz: lower is smoother, and lags more.
        beta: by how much the cut-off rises with speed, in Hz for one face size a second.
        speed_cutoff: cut-off frequency of the speed itself, in Hz.
    """

    min_cutoff: float = 2.0
    beta: float = 5.0
    speed_cutoff: float = 1.0


class Smoother:
    """Filters the landmarks of one face; `apply` takes them in order of time.

    Each landmark has one speed, that of both its coordinates together: turning the picture changes nothing.
    """

    def __init__(self, filter: OneEuro) -> None:
        self._filter = filter
        self._seconds: float | None = None

    def apply(self, points: np.ndarray, seconds: float) -> np.ndarray:
        """Filtered landmarks (K, 2) in px.

        Args:
            points: (K, 2) in px; those of the first call are returned as they are.
            seconds: their time, later than that of the call before.
        """
        if self._seconds is None:
            self._points, self._speed = points, np.zeros_like(points)
        else:
            step = seconds - self._seconds
            size = max(float(np.ptp(points, axis=0).max()), 1.0)
            weight = _weight(self._filter.speed_cutoff, step)
            self._speed = self._speed + weight * ((points - self._points) / (size * step) - self._speed)
            speed = np.linalg.norm(self._speed, axis=1, keepdims=True)
            weight = _weight(self._filter.min_cutoff + self._filter.beta * speed, step)
            self._points = self._points + weight * (points - self._points)
        self._seconds = seconds
        return self._points


def _weight(cutoff, step: float):
    """Of the new value, of a low-pass filter with a cut-off in Hz and a step in seconds (equations 2 and 3)."""
    return 1 / (1 + 1 / (2 * math.pi * cutoff * step))

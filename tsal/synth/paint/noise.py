"""Noise of several grains, made once and cut at random: what keeps painted things from looking smooth."""

from functools import cache

import cv2
import numpy as np

SIZE = (512, 768)  # height, width
LARGEST = (352, 704)  # of a cut


@cache
def noises() -> np.ndarray:
    """(6, H, W) float32 tileable noise of unit variance: blurred by 48, 20, 8, 3, 1.2 and 0 texels."""
    random = np.random.default_rng(20201206)
    fields = []
    for blur in (48, 20, 8, 3, 1.2, 0):
        field = random.standard_normal(SIZE).astype(np.float32)
        if blur:
            pad = int(3 * blur) + 1
            field = cv2.GaussianBlur(np.pad(field, pad, mode="wrap"), (0, 0), blur)[pad:-pad, pad:-pad]
        fields.append((field - field.mean()) / field.std())
    return np.stack(fields)


def noise(random: np.random.Generator, level: int, width: int, height: int) -> np.ndarray:
    """A random cut (height, width) of the noise of a level, see `noises`; at most LARGEST."""
    down, right = random.integers(0, 500, 2)
    top, left = -down % SIZE[0], -right % SIZE[1]
    cut = _wrapped()[level, top : top + height, left : left + width]
    return cut[:: random.choice([-1, 1]), :: random.choice([-1, 1])]


@cache
def _wrapped() -> np.ndarray:
    """The noises, going on beyond their lower and right edge as far as any cut reaches."""
    return np.pad(noises(), ((0, 0), (0, LARGEST[0]), (0, LARGEST[1])), mode="wrap")

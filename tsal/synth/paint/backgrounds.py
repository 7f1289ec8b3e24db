"""What is behind a person."""

import cv2
import numpy as np

from tsal.synth.paint.noise import noise
from tsal.synth.paint.things import random_colour


def background(random: np.random.Generator, size: int) -> np.ndarray:
    """A picture (size, size, 3) float32 linear RGB of what may be behind a person: walls, rooms, foliage, lights,
    mostly out of focus."""
    kind = random.choice(["wall", "room", "foliage", "lights", "street"], p=[0.22, 0.3, 0.2, 0.13, 0.15])
    v, u = np.mgrid[0:size, 0:size].astype(np.float32) / size
    base, other = random_colour(random), random_colour(random)
    slope = random.uniform(-1, 1, 2)
    share = np.clip(0.5 + slope[0] * (u - 0.5) + slope[1] * (v - 0.5), 0, 1)[..., None]
    picture = (base * (1 - share) + (0.5 * base + 0.5 * other) * share).astype(np.float32)
    if kind in ("room", "street"):
        for _ in range(random.integers(5, 16)):
            colour = tuple(float(c) for c in random_colour(random))
            corner = random.uniform(-0.2, 1.0, 2) * size
            extent = random.gamma(1.5, 0.15, 2) * size
            angle = random.choice([0.0, 0.0, 0.0, random.uniform(-30, 30)])
            box = cv2.boxPoints(((corner + extent / 2).tolist(), extent.tolist(), float(angle)))
            cv2.fillPoly(picture, [np.round(box * 16).astype(np.int32)], colour, cv2.LINE_AA, 4)
        for _ in range(random.integers(2, 9)):
            start, end = random.uniform(0, size, 2), random.uniform(0, size, 2)
            if random.uniform() < 0.6:
                end[random.integers(2)] = start[random.integers(2)]
            colour = tuple(float(c) for c in random_colour(random))
            cv2.line(
                picture, tuple(int(c) for c in start), tuple(int(c) for c in end), colour, int(random.integers(1, 6))
            )
    if kind in ("foliage", "lights"):
        for _ in range(random.integers(30, 90)):
            colour = np.clip(random_colour(random) * 0.5 + other * 0.7, 0, 1)
            if kind == "foliage":
                colour = colour * np.array([0.7, 1.0, 0.4]) * random.uniform(0.2, 1.3)
            centre = random.uniform(0, size, 2).astype(int)
            axes = np.maximum(random.gamma(2, 0.02, 2) * size, 1).astype(int)
            if kind == "lights":
                colour, axes = colour * random.uniform(0.2, 3.0), np.repeat(axes[:1], 2)
            cv2.ellipse(
                picture, (int(centre[0]), int(centre[1])), (int(axes[0]), int(axes[1])), float(random.uniform(0, 180)),
                0, 360, tuple(float(c) for c in colour), -1, cv2.LINE_AA,
            )  # fmt: skip
    texture = sum(random.uniform(0, 0.14) * noise(random, level, size, size) for level in (1, 2, 3, 4))
    picture = picture * np.exp(texture)[..., None] * random.uniform(0.5, 1.5)
    blur = random.choice([0.0, random.uniform(0.5, 2.0), random.uniform(2, 6)], p=[0.2, 0.35, 0.45]) * size / 256
    return cv2.GaussianBlur(picture, (0, 0), blur) if blur > 0.3 else picture.astype(np.float32)

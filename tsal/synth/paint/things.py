"""The pictures of other things than skin: eyes, strands of hair, cloth, and what is behind a person."""

import cv2
import numpy as np

from tsal.synth.paint.noise import noise
from tsal.synth.people import Person, linear

EYE, STRANDS, CLOTH = (128, 128), (48, 256), (256, 256)  # width, height in texels
IRIS = 0.29  # radius of the iris on the eyes' texture, whose disc of radius 0.5 is an angle of EYE_ANGLE
EYE_ANGLE = np.radians(50.0)


def paint_eye(person: Person, random: np.random.Generator) -> tuple[np.ndarray, None]:
    """The left eye seen from the front, (128, 128, 3) float32 linear RGB, and no bumps."""
    size = EYE[0]
    y, x = (np.mgrid[0:size, 0:size] + 0.5) / size - 0.5
    radius, angle = np.hypot(x, y), np.arctan2(y, x)
    white = linear(np.array([0.86, 0.82, 0.79]) * random.uniform(0.85, 1.0))
    veins = np.clip(noise(random, 3, size, size) - 0.9, 0, 2) * np.clip((radius - IRIS) * 5, 0, 1)
    picture = white * np.exp(-veins[..., None] * np.array([0.05, 0.35, 0.3]) * random.uniform(0.2, 1))
    picture = picture * np.exp(-np.clip(radius - IRIS, 0, 1)[..., None] * np.array([0.6, 1.3, 1.4]))
    fibres = np.interp(
        (angle + np.pi) / (2 * np.pi) * 180, np.arange(181), np.resize(random.uniform(0.6, 1.4, 180), 181)
    )
    share = radius / IRIS
    ring = 1 - 0.75 * np.clip((share - 0.78) / 0.22, 0, 1) ** 2
    warm = np.exp(-((share - 0.45) ** 2) / 0.02)[..., None] * np.array([0.3, 0.12, -0.1])
    iris = person.eyes * (fibres * ring * (0.8 + 0.4 * share))[..., None] * np.exp(warm)
    edge = np.clip((IRIS - radius) * size / 3 + 0.5, 0, 1)[..., None]
    picture = picture * (1 - edge) + iris * edge
    pupil = random.uniform(0.28, 0.5) * IRIS
    edge = np.clip((pupil - radius) * size / 2 + 0.5, 0, 1)[..., None]
    return (picture * (1 - edge) + 0.002 * edge).astype(np.float32), None


def paint_strands(random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Grey strands from root (below) to tip, with darker gaps; the ribbons' tint colours them."""
    width, height = STRANDS
    across = random.standard_normal(width).astype(np.float32)
    wander = cv2.GaussianBlur(random.standard_normal((height, width)).astype(np.float32), (0, 0), sigmaX=0.6, sigmaY=24)
    wander /= wander.std()
    value = np.exp(0.25 * across[None] + 0.25 * wander)
    value *= np.linspace(1.15, 0.75, height)[:, None]  # row 0 is the tip: darker at the root
    bumps = np.stack([0.25 * np.gradient(value, axis=1), np.zeros_like(value), np.clip(value, 0.3, 1.6)], -1)
    return np.repeat(value[..., None], 3, 2).astype(np.float32), bumps.astype(np.float32)


def random_colour(random: np.random.Generator) -> np.ndarray:
    """A linear RGB colour as cloth, walls and things have: mostly muted, some bright, some near grey."""
    value, saturation = random.beta(1.2, 1.6), random.beta(1.0, 3.0)
    hue = random.uniform(0, 360)
    bgr = cv2.cvtColor(np.array([[[hue, saturation, value]]], np.float32), cv2.COLOR_HSV2RGB)[0, 0]
    return linear(0.03 + 0.92 * bgr)


def paint_cloth(random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A patterned or plain cloth: (256, 256, 3) float32 linear RGB, and its bumps and gloss as of Atlas.relief."""
    width, height = CLOTH
    v, u = np.mgrid[0:height, 0:width].astype(np.float32)
    first, second = random_colour(random), random_colour(random)
    kind = random.choice(["plain", "stripes", "check", "dots", "blotches"], p=[0.5, 0.18, 0.12, 0.08, 0.12])
    period = random.uniform(10, 40)
    turn = random.choice([0.0, np.pi / 2, random.uniform(0, np.pi)])
    along = u * np.cos(turn) + v * np.sin(turn)
    across = v * np.cos(turn) - u * np.sin(turn)
    wave = np.sin(2 * np.pi * along / period)
    if kind == "stripes":
        share = wave > random.uniform(-0.6, 0.6)
    elif kind == "check":
        share = 0.5 * (wave > 0) + 0.5 * (np.sin(2 * np.pi * across / period) > 0)
    elif kind == "dots":
        share = (wave + np.sin(2 * np.pi * across / period)) > 1.1
    elif kind == "blotches":
        share = noise(random, 2, width, height) > 0.3
    else:
        share = np.zeros_like(u)
    share = cv2.GaussianBlur(share.astype(np.float32), (0, 0), 0.8)[..., None]
    weave = 0.08 * noise(random, 5, width, height) + 0.12 * noise(random, 1, width, height)
    picture = (first * (1 - share) + second * share) * np.exp(weave)[..., None]
    folds = np.float32(3) * noise(random, 1, width, height)
    bumps = np.stack(
        [cv2.Sobel(folds, cv2.CV_32F, 1, 0, scale=0.125), -cv2.Sobel(folds, cv2.CV_32F, 0, 1, scale=0.125)], -1
    )
    return np.clip(picture, 0.005, 0.95), np.concatenate([bumps * 1.2, np.ones((height, width, 1), np.float32)], -1)


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

"""Solids that things are made of: bars, pipes, balls, plates and curved surfaces; lengths in dm. And their colours."""

from dataclasses import dataclass

import cv2
import numpy as np

from tsal.synth.attachment import FINISH_NUMBERS, Attachment
from tsal.synth.people import linear

# sRGB palettes.
CLOTHES = ((28, 28, 30), (60, 62, 66), (200, 198, 192), (40, 52, 84), (120, 30, 36), (44, 74, 56), (150, 120, 86))
PLASTICS = ((14, 14, 15), (14, 14, 15), (58, 34, 22), (96, 60, 32), (40, 44, 70), (110, 24, 30), (190, 188, 184))
MEDICAL = ((150, 190, 214), (226, 230, 232), (30, 30, 32), (176, 208, 200))
DARK_GLASS = ((14, 14, 16), (12, 20, 16), (38, 25, 16), (26, 30, 52))  # of sunglasses
METALS = ((150, 150, 152), (186, 158, 104), (40, 40, 42), (176, 134, 112))


@dataclass(frozen=True)
class Solid:
    """points: (n, 3); triangles: (m, 3), anticlockwise from outside; uv: (m, 3, 2)."""

    points: np.ndarray
    triangles: np.ndarray
    uv: np.ndarray

    def moved(self, rotation: np.ndarray, shift: np.ndarray) -> "Solid":
        return Solid(self.points @ rotation.T + shift, self.triangles, self.uv)

    def mirrored(self) -> "Solid":
        return Solid(self.points * [-1, 1, 1], self.triangles[:, ::-1], self.uv[:, ::-1])


def join(*parts: Solid) -> Solid:
    """One solid of several."""
    starts = np.cumsum([0, *(len(part.points) for part in parts)])
    return Solid(
        np.concatenate([part.points for part in parts]),
        np.concatenate([part.triangles + start for part, start in zip(parts, starts, strict=False)]),
        np.concatenate([part.uv for part in parts]),
    )


def attach(
    solid: Solid, tint: np.ndarray, finish: str, anchors: np.ndarray | None = None, neutral: np.ndarray | None = None
) -> Attachment:
    """An attachment of one colour (3,) or (m, 3); with anchors (n,) into `neutral` (V, 3), or all on the skull."""
    count, points = len(solid.triangles), solid.points
    if anchors is None:
        anchors = np.full(len(points), -1)
    else:
        points = points - np.where(anchors[:, None] >= 0, neutral[anchors], 0)
    return Attachment(
        anchors.astype(int),
        points.astype(np.float32),
        solid.triangles.astype(np.int32),
        solid.uv.astype(np.float32),
        np.broadcast_to(np.asarray(tint, np.float32), (count, 3)).copy(),
        np.full(count, FINISH_NUMBERS[finish]),
        np.zeros((len(points), 3), np.float32),
    )


def grid(points: np.ndarray) -> Solid:
    """A surface through points (R, C, 3); its outside is where columns grow to the right when rows grow upwards."""
    rows, columns = points.shape[:2]
    number = np.arange(rows * columns).reshape(rows, columns)
    a, b, c, d = number[:-1, :-1], number[:-1, 1:], number[1:, 1:], number[1:, :-1]
    triangles = np.stack([np.stack([a, b, c], -1), np.stack([a, c, d], -1)], 2).reshape(-1, 3)
    v, u = np.meshgrid(np.linspace(0, 1, rows), np.linspace(0, 1, columns), indexing="ij")
    uv = np.stack([u, v], -1).reshape(-1, 2)
    return Solid(points.reshape(-1, 3), triangles, uv[triangles])


def fan(outline: np.ndarray, centre: np.ndarray) -> Solid:
    """A closed outline (K, 3), anticlockwise from outside, filled from a centre (3,)."""
    count = len(outline)
    ring = np.arange(count)
    triangles = np.stack([np.full(count, count), ring, (ring + 1) % count], 1)
    angle = 2 * np.pi * ring / count
    uv = np.concatenate([0.5 + 0.5 * np.stack([np.cos(angle), np.sin(angle)], 1), [[0.5, 0.5]]])
    return Solid(np.concatenate([outline, centre[None]]), triangles, uv[triangles])


def bar(path: np.ndarray, across: np.ndarray, deep: np.ndarray, width: float, depth: float, closed: bool) -> Solid:
    """A bar of rectangular section with hard edges along a path (K, 3).

    Args:
        across, deep: (K, 3) unit directions of its width and depth (dm); across x deep points along the path.
    """
    w, d = across * (width / 2), deep * (depth / 2)
    corners = [path + w + d, path - w + d, path - w - d, path + w - d]
    if closed:
        corners = [np.concatenate([corner, corner[:1]]) for corner in corners]
    sides = [grid(np.stack([corners[k], corners[(k + 1) % 4]], 1)) for k in range(4)]
    if not closed:
        sides.append(fan(np.stack([corners[k][0] for k in (3, 2, 1, 0)]), path[0]))
        sides.append(fan(np.stack([corner[-1] for corner in corners]), path[-1]))
    return join(*sides)


def directions(path: np.ndarray) -> np.ndarray:
    """(K, 3) of length 1, in which a path (K, 3) leads at each of its points."""
    along = np.gradient(path, axis=0)
    return along / np.linalg.norm(along, axis=1, keepdims=True)


def strap(path: np.ndarray, upwards: np.ndarray, width: float, depth: float) -> Solid:
    """A bar along a path (K, 3) whose width points roughly `upwards`."""
    along = directions(path)
    deep = np.cross(along, upwards)
    deep /= np.linalg.norm(deep, axis=1, keepdims=True)
    return bar(path, np.cross(deep, along), deep, width, depth, closed=False)


def pipe(path: np.ndarray, radius: np.ndarray, sides: int = 10) -> Solid:
    """A round pipe with flat ends along a path (K, 3) of radii (K,)."""
    along = directions(path)
    reference = np.eye(3)[np.abs(along.mean(0)).argmin()]
    first = np.cross(reference, along)
    first /= np.linalg.norm(first, axis=1, keepdims=True)
    second = np.cross(along, first)
    angle = np.linspace(0, 2 * np.pi, sides + 1)[None, :, None]
    ring = np.cos(angle) * first[:, None] + np.sin(angle) * second[:, None]
    wall = path[:, None] + ring * np.broadcast_to(radius, len(path))[:, None, None]
    return join(grid(wall), fan(wall[0, -1:0:-1], path[0]), fan(wall[-1, :-1], path[-1]))


def lathe(profile: np.ndarray, sides: int = 18) -> Solid:
    """A solid of revolution about y of a profile (K, 2) of radius and height, from the bottom upwards outside."""
    angle = np.linspace(0, 2 * np.pi, sides + 1)
    ring = np.stack([np.sin(angle), np.zeros_like(angle), np.cos(angle)], 1)
    return grid(profile[:, :1, None] * ring[None] + profile[:, 1:, None] * [0.0, 1.0, 0.0])


def ball(radius: float, sides: int = 14) -> Solid:
    """A ball about the origin."""
    angle = np.linspace(-np.pi / 2, np.pi / 2, sides // 2 + 1)
    return lathe(radius * np.stack([np.cos(angle), np.sin(angle)], 1), sides)


def plate(width: float, height: float, depth: float, rounding: float) -> Solid:
    """A flat box about the origin in the plane of x and y, with rounded corners."""
    angle = np.linspace(0, np.pi / 2, 4)
    corner = rounding * np.stack([np.cos(angle), np.sin(angle)], 1)
    half = np.array([width, height]) / 2 - rounding
    outline = np.concatenate(
        [
            corner @ np.array([[np.cos(q), np.sin(q)], [-np.sin(q), np.cos(q)]]) + half * sign
            for q, sign in zip(np.arange(4) * np.pi / 2, ([1, 1], [-1, 1], [-1, -1], [1, -1]), strict=True)
        ]
    )
    near, far = (np.c_[outline, np.full(len(outline), z)] for z in (depth / 2, -depth / 2))
    loop = np.r_[np.arange(len(outline)), 0]
    front = fan(near, np.array([0, 0, depth / 2]))
    flat = front.points[front.triangles]
    front = Solid(front.points, front.triangles, flat[..., :2] / [width, height] + 0.5)
    return join(front, fan(far[::-1], np.array([0, 0, -depth / 2])), grid(np.stack([far[loop], near[loop]])))


def rotation(axis: str, degrees: float) -> np.ndarray:
    """(3, 3) rotation about x, y or z, anticlockwise for who looks against the axis."""
    vector = np.zeros(3)
    vector["xyz".index(axis)] = np.radians(degrees)
    return cv2.Rodrigues(vector)[0]


def draw_colour(random: np.random.Generator, palette: tuple[tuple[int, int, int], ...]) -> np.ndarray:
    """(3,) linear RGB near one of some sRGB colours; cloth sometimes has any colour."""
    if palette is CLOTHES and random.uniform() < 0.4:
        hue, saturation, value = random.uniform(0, 360), random.uniform(0.2, 0.9), random.uniform(0.15, 0.95)
        pixel = np.array([[[hue, saturation, value]]], np.float32)
        return linear(cv2.cvtColor(pixel, cv2.COLOR_HSV2RGB)[0, 0])
    return linear(np.clip(np.array(palette[random.integers(len(palette))]) / 255 * random.uniform(0.85, 1.15), 0, 1))

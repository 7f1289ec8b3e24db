"""Where hair and beards grow on the neutral mesh: outlines, and the places on the skin from which ribbons grow."""

from dataclasses import dataclass
from functools import cache

import numpy as np

from tsal.synth.anatomy import Anatomy, load

CENTRE = np.array([0.0, 7.55, 0.45])  # of the neutral skull: the axis runs down from here
# Height (dm, neutral mesh) above which hair grows, by degrees around the axis from the front.
_HAIRLINE = np.array([
    (0, 7.95), (25, 7.92), (40, 7.76), (48, 7.60), (58, 7.50), (64, 7.22), (71, 7.14), (76, 7.38), (85, 7.44),
    (102, 7.44), (111, 7.30), (119, 7.00), (140, 6.90), (180, 6.88),
])  # fmt: skip
# The same for the upper edge of a beard on the cheeks, and its lower edge on the throat.
_CHEEK = np.array([(0, 6.44), (11, 6.47), (17, 6.62), (26, 6.68), (40, 6.76), (55, 6.88), (66, 7.12), (74, 7.12)])
_THROAT = np.array([(0, 6.04), (30, 6.08), (50, 6.22), (62, 6.36), (74, 6.55)])
_BEARD_END = 74.0  # degrees: in front of the ears
_MOUTH = np.array([0.0, 6.61, 0.30, 0.135])  # centre x, y and half axes of what a beard leaves free
CANDIDATES = 1200  # roots on the scalp, each far from all before it
_BEARD_CANDIDATES, _MOUSTACHE_CANDIDATES = 430, 130


def hairline(points: np.ndarray) -> np.ndarray:
    """How far places of the neutral mesh (..., 3) lie inside the area where hair of the head grows, (...,) about dm.

    Negative outside. What paints the scalp can use it, so that paint and ribbons agree.
    """
    relative = points - CENTRE
    degrees = np.degrees(np.abs(np.arctan2(relative[..., 0], relative[..., 2])))
    return points[..., 1] - np.interp(degrees, *_HAIRLINE.T)


def beard_area(points: np.ndarray) -> np.ndarray:
    """The same as `hairline` for the area of beard and moustache, without the lips."""
    relative = points - CENTRE
    degrees = np.degrees(np.abs(np.arctan2(relative[..., 0], relative[..., 2])))
    x, y = np.abs(points[..., 0]), points[..., 1]
    edge = np.minimum(np.interp(degrees, *_CHEEK.T) - y, y - np.interp(degrees, *_THROAT.T))
    edge = np.minimum(edge, (_BEARD_END - degrees) * 0.012)
    moustache = np.minimum(np.minimum(y - 6.55, 6.815 - y - 0.25 * np.maximum(x - 0.1, 0)), 0.36 - x)
    from_lips = np.hypot((x - _MOUTH[0]) / _MOUTH[2], (y - _MOUTH[1]) / _MOUTH[3])
    return np.where(points[..., 2] > 0.3, np.minimum(np.maximum(edge, moustache), (from_lips - 1) * 0.15), -1.0)


def on_ear(points: np.ndarray) -> np.ndarray:
    """Which places of the neutral mesh (..., 3) lie on an ear, where no hair grows, (...,) bool."""
    x, y, z = np.abs(points[..., 0]), points[..., 1], points[..., 2]
    return (y < 7.42) & (z > 0.12) & (z < 0.7) & (x > 0.6)


def under_nose(points: np.ndarray) -> np.ndarray:
    """Which places of the beard's area (..., 3) are a moustache's: above the mouth, (...,) bool."""
    return (points[..., 1] > 6.6) & (np.abs(points[..., 0]) < 0.34) & (points[..., 2] > 1.2)


@dataclass(frozen=True)
class Roots:
    """Places on the skin: (n, 3) vertex rows and weights, where they are on the neutral mesh (n, 3), and the vertex
    nearest to each (n,). The first k are spread evenly, whatever k is."""

    rows: np.ndarray
    weights: np.ndarray
    place: np.ndarray
    nearest: np.ndarray


@cache
def scalp_roots() -> Roots:
    """Roots of the hair of the head."""
    return _spread_roots(load(), lambda points: hairline(points) * ~on_ear(points), CANDIDATES, 7)


@cache
def beard_roots() -> Roots:
    """Roots of the beard, without the moustache."""
    return _spread_roots(
        load(), lambda points: np.where(under_nose(points), -1, beard_area(points)), _BEARD_CANDIDATES, 8
    )


@cache
def moustache_roots() -> Roots:
    """Roots of the moustache, closer together than the beard's."""
    return _spread_roots(
        load(), lambda points: np.where(under_nose(points), beard_area(points), -1), _MOUSTACHE_CANDIDATES, 9
    )


def _spread_roots(anatomy: Anatomy, area, count: int, seed: int) -> Roots:
    """Roots where `area` of their place is positive, spread by always taking the candidate farthest from the others."""
    random = np.random.default_rng(seed)
    triangles = anatomy.triangles[anatomy.faces_of("skin")]
    corners = anatomy.vertices[triangles].astype(np.float64)
    triangles = triangles[(area(corners) > 0).any(1)]
    corners = anatomy.vertices[triangles].astype(np.float64)
    size = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    picked = random.choice(len(triangles), 8 * count, p=size / size.sum())
    weights = random.dirichlet(np.ones(3), 8 * count)
    place = (corners[picked] * weights[..., None]).sum(1)
    inside = area(place) > 0
    picked, weights, place = picked[inside], weights[inside], place[inside]
    chosen = np.zeros(count, int)
    distance = np.full(len(place), np.inf)
    for k in range(1, count):
        distance = np.minimum(distance, ((place - place[chosen[k - 1]]) ** 2).sum(1))
        chosen[k] = distance.argmax()
    rows = triangles[picked[chosen]]
    nearest = rows[np.arange(count), weights[chosen].argmax(1)]
    return Roots(rows, weights[chosen].astype(np.float32), place[chosen].astype(np.float32), nearest)

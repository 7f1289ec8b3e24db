"""Places on the skin from which ribbons grow, found once on the neutral mesh."""

from dataclasses import dataclass
from functools import cache

import numpy as np

from tsal.synth.anatomy import Anatomy, load
from tsal.synth.hair.areas import beard_area, hairline, on_ear, under_nose

CANDIDATES = 1200  # roots on the scalp, each far from all before it
_BEARD_CANDIDATES, _MOUSTACHE_CANDIDATES = 430, 130


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

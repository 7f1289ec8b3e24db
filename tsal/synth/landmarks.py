"""iBUG-68 landmarks on the mesh.

Points 17 to 67 are fixed places on the skin (means of a few vertices), so they follow shape and expression.
Points 0 to 16 follow the visible contour, as annotators of 2D landmarks do: each has a curve on the skin, from
the jaw bone forwards over the cheek or chin, and lies where that curve sticks out farthest in the picture
("landmark marching", Zhu et al., High-Fidelity Pose and Expression Normalization, CVPR 2015).
"""

from dataclasses import dataclass
from functools import cache

import numpy as np

from tsal.synth.anatomy import Anatomy, load

# The points of the person's right side and of the middle, as vertices of the body mesh; the others mirror them.
_RIGHT = {
    17: (262, 255),
    18: (231, 224),
    19: (229, 222),
    20: (208, 223),
    21: (208, 209),
    27: (132,),
    28: (131,),
    29: (201, 291),
    30: (297,),
    31: (358, 286),
    32: (359, 285),
    33: (317,),
    48: (402,),
    49: (410,),
    50: (450, 456),
    51: (455,),
    57: (492,),
    58: (486, 480),
    59: (406,),
    60: (431,),
    61: (470,),
    62: (474,),
    66: (493,),
    67: (481,),
}
_LEFT_EYE = {42: (6850,), 43: (6838,), 44: (6784,), 45: (6805,), 46: (6825,), 47: (6831,)}  # its lid margin
_MIRROR = {17: 26, 18: 25, 19: 24, 20: 23, 21: 22, 31: 35, 32: 34, 48: 54, 49: 53, 50: 52, 58: 56, 59: 55, 60: 64}
_MIRROR |= {61: 63, 67: 65, 42: 39, 43: 38, 44: 37, 45: 36, 46: 41, 47: 40}
# Jaw points 0 to 8 (the person's right, then the chin): a centre (y in dm), the outward direction (x, y) in which
# the curve is looked for from there, and the depths z (dm) at which it begins, on the jaw bone, and ends.
_JAW = (
    (7.30, (-1.0, 0.0), 0.68, 1.32),
    (7.12, (-1.0, 0.0), 0.67, 1.38),
    (6.94, (-1.0, 0.0), 0.66, 1.40),
    (6.76, (-1.0, 0.0), 0.73, 1.42),
    (6.58, (-1.0, 0.0), 0.75, 1.42),
    (6.62, (-0.47, -0.22), 0.72, 1.42),
    (6.62, (-0.33, -0.35), 0.88, 1.44),
    (6.62, (-0.17, -0.43), 1.02, 1.46),
    (6.62, (0.0, -1.0), 1.08, 1.48),
)
_SAMPLES = 20  # along each curve
# Where on its curve a point rests, as a share of it, and by how many dm the other end would have to reach farther to
# draw it there: the underside of a chin is flat, and without a hold its points would leap along it as the head nods.
_HOME = np.array([0, 0, 0, 0, 0, 0.25, 0.3, 0.45, 0.5])
_HOLD = np.array([0.06, 0.06, 0.06, 0.06, 0.06, 0.09, 0.12, 0.16, 0.18])
_SHARP = 0.012  # dm: parts of a curve that reach less far than its farthest by this count e times less
_EAR = 0.61  # dm: depth at which the ears begin


@dataclass(frozen=True)
class LandmarkMap:
    """Where the landmarks are on the mesh of Anatomy.

    inner: (51, 4) vertex rows of points 17 to 67, each point the mean of its four (some repeated).
    curves: (17, S, 3) vertex rows and weights: (17, S, 3) barycentric weights of the jaw's curves.
    outward: (17, 3) the directions, in the head's frame, in which the curves may stick out.
    """

    inner: np.ndarray
    curves: np.ndarray
    weights: np.ndarray
    outward: np.ndarray

    def points(self, vertices: np.ndarray, head_rotation: np.ndarray) -> np.ndarray:
        """The 68 landmarks in the camera's frame, (68, 3).

        Args:
            vertices: (V, 3) of the mesh in the camera's frame (x right, y up, z to the viewer, origin at the lens).
            head_rotation: (3, 3) from the head's frame to the camera's.
        """
        inner = vertices[self.inner].mean(1)
        curves = (vertices[self.curves] * self.weights[..., None]).sum(2)
        # What the camera sees of a direction is what it does to the picture: perspective included, a shift of X/Z.
        middle = curves.mean(1)
        direction = self.outward @ head_rotation.T
        picture = direction[:, :2] - middle[:, :2] / middle[:, 2:] * direction[:, 2:]
        picture /= np.linalg.norm(picture, axis=1, keepdims=True) + 1e-9
        reach = ((curves[..., :2] / curves[..., 2:]) * picture[:, None]).sum(-1) * middle[:, 2:]
        home, hold = (np.concatenate([side, side[-2::-1]])[:, None] for side in (_HOME, _HOLD))
        reach -= hold * (np.linspace(0, 1, reach.shape[1]) - home) ** 2
        return np.concatenate([_farthest(curves, reach), inner])


def _farthest(curves: np.ndarray, reach: np.ndarray) -> np.ndarray:
    """The point of each sampled curve (N, S, 3) with the largest `reach` (N, S), dm.

    It is the mean place of the samples weighted by exp(reach): where two parts of a curve reach equally far, the point
    glides from one to the other as the head turns instead of jumping.
    """
    weight = np.exp((reach - reach.max(1, keepdims=True)) / _SHARP)
    place = (weight * np.arange(reach.shape[1])).sum(1) / weight.sum(1)
    rows, low = np.arange(len(curves)), np.minimum(place.astype(int), reach.shape[1] - 2)
    share = (place - low)[:, None]
    return curves[rows, low] * (1 - share) + curves[rows, low + 1] * share


@cache
def landmark_map() -> LandmarkMap:
    """Find the landmarks on the neutral mesh (once a process)."""
    anatomy = load()
    mirror = _mirrored(anatomy)
    inner: dict[int, np.ndarray] = {}
    for number, originals in (_RIGHT | _LEFT_EYE).items():
        rows = anatomy.rows(np.array(originals))
        inner[number] = np.resize(rows, 4)
        if number in _MIRROR:
            inner[_MIRROR[number]] = mirror[inner[number]]
    curves, weights, outward = [], [], []
    corners = _jaw_surface(anatomy)
    for y, direction, start, end in _JAW:
        unit = np.array([*direction, 0.0]) / np.hypot(*direction)
        depths = np.linspace(start, end, _SAMPLES)
        rows, barycentric = _outermost(anatomy, corners, np.array([0.0, y, 0.0]), unit, depths)
        curves.append(rows)
        weights.append(barycentric)
        outward.append(unit)
    for k in range(7, -1, -1):
        curves.append(mirror[curves[k]])
        weights.append(weights[k])
        outward.append(outward[k] * [-1, 1, 1])
    return LandmarkMap(
        np.stack([inner[number] for number in range(17, 68)]),
        np.stack(curves),
        np.stack(weights).astype(np.float32),
        np.stack(outward).astype(np.float32),
    )


def _mirrored(anatomy: Anatomy) -> np.ndarray:
    """(V,) the row of each vertex's mirror image in the neutral, symmetric mesh."""
    mirror = np.empty(len(anatomy.vertices), int)
    flipped = anatomy.vertices * [-1, 1, 1]
    for start in range(0, len(flipped), 256):
        distances = ((flipped[start : start + 256, None] - anatomy.vertices[None]) ** 2).sum(-1)
        mirror[start : start + 256] = distances.argmin(1)
    return mirror


def _jaw_surface(anatomy: Anatomy) -> np.ndarray:
    """(n, 3) vertex rows of the skin triangles that jaw curves can run on: of the lower head, without the ears."""
    triangles = anatomy.triangles[anatomy.faces_of("skin")]
    corners = anatomy.vertices[triangles]
    y, z = corners[..., 1], corners[..., 2]
    return triangles[(y.max(1) < 7.6) & (y.min(1) > 5.8) & ((z.min(1) > _EAR) | (y.max(1) < 6.8))]


def _outermost(
    anatomy: Anatomy, triangles: np.ndarray, centre: np.ndarray, direction: np.ndarray, depths: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """For each depth z, the surface point farthest from the centre line in a direction: (S, 3) rows and weights."""
    a, b, c = (anatomy.vertices[triangles[:, k]].astype(np.float64) for k in range(3))
    rows, weights = [], []
    normal = np.cross(b - a, c - a)
    across = normal @ direction
    safe = np.where(np.abs(across) > 1e-9, across, np.inf)
    for depth in depths:
        origin = centre + [0, 0, depth]
        distance = ((a - origin) * normal).sum(1) / safe
        hit = origin + distance[:, None] * direction
        area = (normal**2).sum(1)
        beta = (np.cross(hit - a, c - a) * normal).sum(1) / area
        gamma = (np.cross(b - a, hit - a) * normal).sum(1) / area
        inside = (beta >= -1e-6) & (gamma >= -1e-6) & (beta + gamma <= 1 + 1e-6) & (distance > 0)
        if not inside.any():
            raise ValueError(f"no skin at depth {depth:.2f} dm from {centre} towards {direction}")
        best = int(np.where(inside, distance, -1).argmax())
        rows.append(triangles[best])
        barycentric = np.array([1 - beta[best] - gamma[best], beta[best], gamma[best]])
        weights.append(np.clip(barycentric, 0, 1))
    return np.stack(rows), np.stack(weights)

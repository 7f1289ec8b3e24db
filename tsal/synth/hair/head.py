"""A person's head as a map of its surface around an upright axis, on which hair is traced."""

from dataclasses import dataclass, replace
from functools import cache

import cv2
import numpy as np

from tsal.synth import raster
from tsal.synth.anatomy import load
from tsal.synth.hair.roots import CENTRE, hairline
from tsal.synth.hair.vectors import length_of, unit
from tsal.synth.landmarks import landmark_map
from tsal.synth.people import Person

_POLAR, _DOWN, _AROUND = 18, 26, 72  # rows of the map above and below the centre, and columns
_DROP = 0.1  # dm a row below the centre
_PAD = 4  # columns that the map repeats at each end, so that sampling needs no wrapping


@dataclass(frozen=True)
class _Map:
    """The neutral surface around the axis: (rows, columns, 3) vertices and weights of what each direction meets.

    skull: vertices by which size and place of a person's head are measured; their mean and spread on the neutral mesh.
    left, right, share: (rows, columns) between which columns, and how far, the skull lies below what is met: the
    columns beside an ear, elsewhere the column itself.
    """

    vertices: np.ndarray
    weights: np.ndarray
    skull: np.ndarray
    mean: np.ndarray
    spread: float
    left: np.ndarray
    right: np.ndarray
    share: np.ndarray


@cache
def _neutral_map() -> _Map:
    anatomy = load()
    skin = anatomy.triangles[anatomy.faces_of("skin")]
    corners = anatomy.vertices[skin].astype(np.float64)
    vertices = np.zeros((_POLAR + _DOWN, _AROUND, 3), int)
    weights = np.zeros((_POLAR + _DOWN, _AROUND, 3))
    polar = np.minimum(np.arange(_POLAR + _DOWN) / _POLAR, 1) * np.pi / 2
    origin = np.repeat(CENTRE[None], _POLAR + _DOWN, 0)
    origin[:, 1] -= np.maximum(np.arange(_POLAR + _DOWN) - _POLAR, 0) * _DROP
    for column in range(_AROUND):
        angle = (column - _AROUND // 2) / _AROUND * 2 * np.pi
        forward = np.array([np.sin(angle), 0, np.cos(angle)])
        aside = (corners - CENTRE) @ [np.cos(angle), 0, -np.sin(angle)]
        near = (aside.min(1) <= 0) & (aside.max(1) >= 0) & (((corners - CENTRE) @ forward).max(1) > -0.3)
        ray = np.sin(polar)[:, None] * forward + np.cos(polar)[:, None] * [0, 1, 0]
        vertices[:, column], weights[:, column] = _farthest_hit(skin[near], corners[near], origin, ray)
    place = (anatomy.vertices[vertices] * weights[..., None]).sum(2)
    ear = (place[..., 1] > 6.74) & (place[..., 1] < 7.46) & (place[..., 2] > 0.1) & (place[..., 2] < 0.74)
    left, right = np.zeros(ear.shape, int), np.zeros(ear.shape, int)
    for row in range(len(ear)):
        free = np.flatnonzero(~ear[row])
        after = np.searchsorted(free, np.arange(_AROUND))
        right[row] = free[after % len(free)]
        left[row] = np.where(ear[row], free[after - 1], right[row])
    reach = np.maximum(right - left, 1)
    share = np.where(ear, (np.arange(_AROUND) - left) / reach, 0)
    used = np.unique(skin)
    skull = used[(anatomy.vertices[used, 1] > 6.9) & (hairline(anatomy.vertices[used]) > -0.1)]
    mean = anatomy.vertices[skull].mean(0)
    return _Map(
        vertices, weights.astype(np.float32), skull, mean, _spread(anatomy.vertices[skull]), left, right,
        share.astype(np.float32),
    )  # fmt: skip


def _spread(points: np.ndarray) -> float:
    return float(np.sqrt(points.var(0).sum()))


def _farthest_hit(
    triangles: np.ndarray, corners: np.ndarray, origin: np.ndarray, ray: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Vertices and weights, (n, 3) each, of the last triangle that each of n rays meets."""
    a, b, c = (corners[None, :, k] - origin[:, None] for k in range(3))
    ray = ray[:, None]
    weights = np.stack(
        [(np.cross(b, c) * ray).sum(-1), (np.cross(c, a) * ray).sum(-1), (np.cross(a, b) * ray).sum(-1)], -1
    )
    total = weights.sum(-1)
    weights /= np.where(np.abs(total) > 1e-12, total, np.inf)[..., None]
    distance = ((weights[..., :1] * a + weights[..., 1:2] * b + weights[..., 2:] * c) * ray).sum(-1)
    hit = (weights >= -1e-6).all(-1) & (np.abs(total) > 1e-12) & (distance > 0)
    best = np.where(hit, distance, -1).argmax(1)
    if not hit[np.arange(len(hit)), best].all():
        raise ValueError("the mesh of the head has a hole: a ray from its inside meets no skin")
    return triangles[best], np.clip(weights[np.arange(len(hit)), best], 0, 1)


@dataclass(frozen=True)
class Head:
    """A person's surface around the axis.

    centre: (3,), size: relative to the neutral head. skull, eared: (rows, columns + padding, 4) float32 maps of the
    distance from the axis and the outward normal, without and with ears. brow: height of the brows, face: from there
    to the chin, dm.
    """

    centre: np.ndarray
    size: float
    skull: np.ndarray
    eared: np.ndarray
    brow: float
    face: float

    def locate(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Columns and rows of the map (n, 2) float32 of points (n, 3), and the vectors (n, 3) to them from the axis."""
        arm = points - self.centre
        drop = np.minimum(arm[:, 1], 0)
        arm[:, 1] -= drop
        flat = np.hypot(arm[:, 0], arm[:, 2])
        column = np.arctan2(arm[:, 0], arm[:, 2]) * (_AROUND / (2 * np.pi)) + (_AROUND // 2 + _PAD)
        row = np.arctan2(flat, arm[:, 1]) * (_POLAR / (np.pi / 2)) - drop / (_DROP * self.size)
        return np.stack([column, row], 1).astype(np.float32), arm

    def sample(self, points: np.ndarray, eared: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Of points (n, 3): distance of the surface from the axis (n,), its normal (n, 3), and the arm (n, 3)."""
        pixels, arm = self.locate(points)
        found = raster.sample(self.eared if eared else self.skull, pixels)
        return found[:, 0], found[:, 1:], arm

    def clear(self, paths: np.ndarray, height: float | np.ndarray, eared: bool = False) -> np.ndarray:
        """Paths (n, k, 3) pushed out wherever they are less than `height` (dm of a neutral head) above the surface."""
        surface, _, arm = self.sample(paths.reshape(-1, 3), eared)
        surface, arm = surface.reshape(paths.shape[:2]), arm.reshape(paths.shape)
        reach = length_of(arm) + 1e-9
        return paths + arm * (np.maximum(surface + height * self.size, reach) / reach - 1)[..., None]


def measure_head(person: Person) -> Head:
    """Measure a person's head: what the neutral map meets, moved on to even directions around the person's own axis."""
    neutral = _neutral_map()
    vertices = person.neutral
    skull = vertices[neutral.skull]
    size = _spread(skull) / neutral.spread
    centre = (skull.mean(0) + size * (CENTRE - neutral.mean)).astype(np.float32)
    brow_points = vertices[landmark_map().inner[:10]].mean(1)
    chin = vertices[landmark_map().curves[8]].mean(1)[:, 1].min()
    brow = float(brow_points[:, 1].mean())
    head = Head(centre, size, np.empty(0), np.empty(0), brow, brow - float(chin))
    surface = np.einsum("rcvx,rcv->rcx", vertices[neutral.vertices], neutral.weights)
    pixels, arm = head.locate(surface.reshape(-1, 3))
    column, row = pixels.T
    radius = length_of(arm).reshape(surface.shape[:2])
    rows, columns = np.indices(radius.shape, np.float32)
    shift_column = (column.reshape(radius.shape) - _PAD - columns + _AROUND / 2) % _AROUND - _AROUND / 2
    shift_column[:3] = 0  # around the pole directions mean little
    shift = np.stack([radius, shift_column, row.reshape(radius.shape) - rows], -1).astype(np.float32)
    shift = np.clip(shift, -4, 4)
    padded = _padded(shift)
    # Where is the point that lies in an even direction now? Twice a step against the shift found there.
    at = np.stack([columns + _PAD, rows], -1).reshape(-1, 2)
    found = shift.reshape(-1, 3)
    for _ in range(2):
        found = raster.sample(padded, at - found[:, 1:])
    eared = found[:, 0].reshape(radius.shape)
    start = _POLAR + 9  # below the ears the shoulders begin: let hair slide on to them, not jump
    slope = np.arange(_DOWN - 9)[:, None] * (0.6 * _DROP * size)
    eared[start:] = np.minimum.accumulate(eared[start:] - slope, 0) + slope
    line = np.arange(len(eared))[:, None]
    bare = eared[line, neutral.left] * (1 - neutral.share) + eared[line, neutral.right] * neutral.share
    eared = cv2.dilate(eared, np.ones((3, 3), np.uint8))
    return replace(head, skull=_with_normals(head, bare), eared=_with_normals(head, np.maximum(eared, bare)))


def _padded(image: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(np.concatenate([image[:, -_PAD:], image, image[:, :_PAD]], 1), np.float32)


@cache
def _directions() -> np.ndarray:
    """(rows, columns + padding, 3) float32 unit vectors from the axis."""
    polar = (np.minimum(np.arange(_POLAR + _DOWN) / _POLAR, 1) * np.pi / 2)[:, None]
    angle = ((np.arange(-_PAD, _AROUND + _PAD) - _AROUND // 2) / _AROUND * 2 * np.pi)[None]
    flat = np.sin(polar)
    return np.stack([flat * np.sin(angle), np.cos(polar) + 0 * angle, flat * np.cos(angle)], -1).astype(np.float32)


def _with_normals(head: Head, radius: np.ndarray) -> np.ndarray:
    """(rows, columns + padding, 4) map of radius and normals, from the radii (rows, columns) of even directions."""
    radius = _padded(radius)
    points = _directions() * radius[..., None]
    points[_POLAR:, :, 1] -= (np.arange(_DOWN) * _DROP * head.size)[:, None]
    across = np.empty_like(points)
    across[:, 1:-1] = points[:, 2:] - points[:, :-2]
    across[:, 0], across[:, -1] = across[:, -1 - 2 * _PAD + 1], across[:, 2 * _PAD - 1]
    along = np.empty_like(points)
    along[1:-1] = points[2:] - points[:-2]
    along[0], along[-1] = along[1], along[-2]
    normals = np.cross(along, across)
    normals[0] = normals[1].mean(0)
    # Half the direction from the axis: ears and nostrils are no slopes that hair follows.
    normals = unit(unit(normals) + 0.5 * _directions())
    return np.concatenate([radius[..., None], normals], -1).astype(np.float32)

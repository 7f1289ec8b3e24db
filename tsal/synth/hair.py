"""Hair, beards and moustaches: opaque ribbons that follow a combing field close to the skull.

A ribbon tapers to a point, so that many of them end raggedly without any transparency. Hair of the head is traced step
by step in a map of the head's surface around an upright axis: combed along it, pulled down where it hangs, pushed out
wherever it would be inside, and cut where the haircut says. Lengths are in dm of the neutral mesh and scale with the
person's head.
"""

from dataclasses import dataclass, replace
from functools import cache

import cv2
import numpy as np

from tsal.synth.anatomy import Anatomy, load
from tsal.synth.attachment import FINISH_NUMBERS, Attachment
from tsal.synth.landmarks import landmark_map
from tsal.synth.people import Person

CUTS = (
    "bald", "ring", "receding", "buzz", "parted", "swept", "fringe", "spiky", "medium", "bob", "long", "long fringe",
    "wavy", "curly", "afro", "ponytail", "bun", "side fringe",
)  # fmt: skip
BEARDS = ("", "stubble", "moustache", "goatee", "short beard", "long beard")

_CENTRE = np.array([0.0, 7.55, 0.45])  # of the neutral skull: the axis runs down from here
_POLAR, _DOWN, _AROUND = 18, 26, 72  # rows of the map above and below the centre, and columns
_DROP = 0.1  # dm a row below the centre
_PAD = 4  # columns that the map repeats at each end, so that sampling needs no wrapping
_STEPS = 9  # in which hair is traced, before it is cut and resampled
_CANDIDATES = 1200  # roots on the scalp, each far from all before it
_BEARD_CANDIDATES, _MOUSTACHE_CANDIDATES = 430, 130
_GREY = np.array([0.45, 0.44, 0.43], np.float32)  # linear RGB of single white hairs
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


@dataclass(frozen=True)
class Hair:
    """How one person's hair is worn.

    worn: the ribbons, of finish "hair"; those of the head hang on the skull, those of a beard on the skin's vertices.
    scalp: 0 (bald) to 1, how densely the scalp is to be painted in the hair's colour below the ribbons.
    stubble: 0 to 1, density of the beard's painted shadow.
    style: name of the cut (see CUTS), and " + " and the name of the beard, if any (see BEARDS).
    """

    worn: Attachment
    scalp: float
    stubble: float
    style: str


def hairline(points: np.ndarray) -> np.ndarray:
    """How far places of the neutral mesh (..., 3) lie inside the area where hair of the head grows, (...,) about dm.

    Negative outside. What paints the scalp can use it, so that paint and ribbons agree.
    """
    relative = points - _CENTRE
    degrees = np.degrees(np.abs(np.arctan2(relative[..., 0], relative[..., 2])))
    return points[..., 1] - np.interp(degrees, *_HAIRLINE.T)


def beard_area(points: np.ndarray) -> np.ndarray:
    """The same as `hairline` for the area of beard and moustache, without the lips."""
    relative = points - _CENTRE
    degrees = np.degrees(np.abs(np.arctan2(relative[..., 0], relative[..., 2])))
    x, y = np.abs(points[..., 0]), points[..., 1]
    edge = np.minimum(np.interp(degrees, *_CHEEK.T) - y, y - np.interp(degrees, *_THROAT.T))
    edge = np.minimum(edge, (_BEARD_END - degrees) * 0.012)
    moustache = np.minimum(np.minimum(y - 6.55, 6.815 - y - 0.25 * np.maximum(x - 0.1, 0)), 0.36 - x)
    from_lips = np.hypot((x - _MOUTH[0]) / _MOUTH[2], (y - _MOUTH[1]) / _MOUTH[3])
    return np.where(points[..., 2] > 0.3, np.minimum(np.maximum(edge, moustache), (from_lips - 1) * 0.15), -1.0)


# ---------------------------------------------------------------------------------------------------------------------
# What is found once, on the neutral mesh


@dataclass(frozen=True)
class _Roots:
    """Places on the skin: (n, 3) vertex rows and weights, where they are on the neutral mesh (n, 3), and the vertex
    nearest to each (n,). The first k are spread evenly, whatever k is."""

    rows: np.ndarray
    weights: np.ndarray
    place: np.ndarray
    nearest: np.ndarray


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
def _scalp() -> _Roots:
    return _spread_roots(load(), lambda points: hairline(points) * ~_on_ear(points), _CANDIDATES, 7)


@cache
def _chin() -> _Roots:
    return _spread_roots(load(), lambda points: np.where(_is_lip(points), -1, beard_area(points)), _BEARD_CANDIDATES, 8)


@cache
def _upper_lip() -> _Roots:
    """Roots of the moustache, closer together than the beard's."""
    return _spread_roots(
        load(), lambda points: np.where(_is_lip(points), beard_area(points), -1), _MOUSTACHE_CANDIDATES, 9
    )


def _is_lip(points: np.ndarray) -> np.ndarray:
    return (points[..., 1] > 6.6) & (np.abs(points[..., 0]) < 0.34) & (points[..., 2] > 1.2)


def _on_ear(points: np.ndarray) -> np.ndarray:
    x, y, z = np.abs(points[..., 0]), points[..., 1], points[..., 2]
    return (y < 7.42) & (z > 0.12) & (z < 0.7) & (x > 0.6)


def _spread_roots(anatomy: Anatomy, area, count: int, seed: int) -> _Roots:
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
    return _Roots(rows, weights[chosen].astype(np.float32), place[chosen].astype(np.float32), nearest)


@cache
def _neutral_map() -> _Map:
    anatomy = load()
    skin = anatomy.triangles[anatomy.faces_of("skin")]
    corners = anatomy.vertices[skin].astype(np.float64)
    vertices = np.zeros((_POLAR + _DOWN, _AROUND, 3), int)
    weights = np.zeros((_POLAR + _DOWN, _AROUND, 3))
    polar = np.minimum(np.arange(_POLAR + _DOWN) / _POLAR, 1) * np.pi / 2
    origin = np.repeat(_CENTRE[None], _POLAR + _DOWN, 0)
    origin[:, 1] -= np.maximum(np.arange(_POLAR + _DOWN) - _POLAR, 0) * _DROP
    for column in range(_AROUND):
        angle = (column - _AROUND // 2) / _AROUND * 2 * np.pi
        forward = np.array([np.sin(angle), 0, np.cos(angle)])
        aside = (corners - _CENTRE) @ [np.cos(angle), 0, -np.sin(angle)]
        near = (aside.min(1) <= 0) & (aside.max(1) >= 0) & (((corners - _CENTRE) @ forward).max(1) > -0.3)
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


# ---------------------------------------------------------------------------------------------------------------------
# One person's head


@dataclass(frozen=True)
class _Head:
    """A person's surface around the axis.

    centre: (3,), size: relative to the neutral head. skull, eared: (rows, columns, 4) float32 maps of the distance
    from the axis and the outward normal, without and with ears. brow: height of the brows, face: from there to the
    chin, dm.
    """

    centre: np.ndarray
    size: float
    skull: np.ndarray
    eared: np.ndarray
    brow: float
    face: float

    def locate(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Map columns and rows (2, n) float32 of points (n, 3), and the vectors (n, 3) to them from the axis."""
        arm = points - self.centre
        drop = np.minimum(arm[:, 1], 0)
        arm[:, 1] -= drop
        flat = np.hypot(arm[:, 0], arm[:, 2])
        column = np.arctan2(arm[:, 0], arm[:, 2]) * (_AROUND / (2 * np.pi)) + (_AROUND // 2 + _PAD)
        row = np.arctan2(flat, arm[:, 1]) * (_POLAR / (np.pi / 2)) - drop / (_DROP * self.size)
        return np.stack([column, row]).astype(np.float32), arm

    def sample(self, points: np.ndarray, eared: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Of points (n, 3): distance of the surface from the axis (n,), its normal (n, 3), and the arm (n, 3)."""
        (column, row), arm = self.locate(points)
        found = _look_up(self.eared if eared else self.skull, column, row)
        return found[:, 0], found[:, 1:], arm

    def clear(self, paths: np.ndarray, height: float | np.ndarray, eared: bool = False) -> np.ndarray:
        """Paths (n, k, 3) pushed out wherever they are less than `height` (dm of a neutral head) above the surface."""
        surface, _, arm = self.sample(paths.reshape(-1, 3), eared)
        surface, arm = surface.reshape(paths.shape[:2]), arm.reshape(paths.shape)
        reach = _length(arm) + 1e-9
        return paths + arm * (np.maximum(surface + height * self.size, reach) / reach - 1)[..., None]


def _look_up(image: np.ndarray, column: np.ndarray, row: np.ndarray) -> np.ndarray:
    """(n, C) values of an image between its pixels."""
    found = cv2.remap(
        image, column.reshape(-1, 1), row.reshape(-1, 1), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return found.reshape(len(column), -1)


def _head(person: Person) -> _Head:
    """Measure a person's head: what the neutral map meets, moved on to even directions around the person's own axis."""
    neutral = _neutral_map()
    vertices = person.neutral
    skull = vertices[neutral.skull]
    size = _spread(skull) / neutral.spread
    centre = (skull.mean(0) + size * (_CENTRE - neutral.mean)).astype(np.float32)
    brow_points = vertices[landmark_map().inner[:10]].mean(1)
    chin = vertices[landmark_map().curves[8]].mean(1)[:, 1].min()
    brow = float(brow_points[:, 1].mean())
    head = _Head(centre, size, np.empty(0), np.empty(0), brow, brow - float(chin))
    surface = np.einsum("rcvx,rcv->rcx", vertices[neutral.vertices], neutral.weights)
    (column, row), arm = head.locate(surface.reshape(-1, 3))
    radius = _length(arm).reshape(surface.shape[:2])
    rows, columns = np.indices(radius.shape, np.float32)
    shift_column = (column.reshape(radius.shape) - _PAD - columns + _AROUND / 2) % _AROUND - _AROUND / 2
    shift_column[:3] = 0  # around the pole directions mean little
    shift = np.stack([radius, shift_column, row.reshape(radius.shape) - rows], -1).astype(np.float32)
    shift = np.clip(shift, -4, 4)
    padded = _padded(shift)
    # Where is the point that lies in an even direction now? Twice a step against the shift found there.
    at_column, at_row = (columns + _PAD).ravel(), rows.ravel()
    found = shift.reshape(-1, 3)
    for _ in range(2):
        found = _look_up(padded, at_column - found[:, 1], at_row - found[:, 2])
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


def _with_normals(head: _Head, radius: np.ndarray) -> np.ndarray:
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
    normals = _unit(_unit(normals) + 0.5 * _directions())
    return np.concatenate([radius[..., None], normals], -1).astype(np.float32)


# ---------------------------------------------------------------------------------------------------------------------
# Ribbons


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / (_length(vectors)[..., None] + 1e-9)


def _length(vectors: np.ndarray) -> np.ndarray:
    return np.sqrt(np.einsum("...x,...x->...", vectors, vectors))  # several times as fast as np.linalg.norm


def _smooth(low: float, high: float, value: np.ndarray) -> np.ndarray:
    """0 below low, 1 above high, smooth between; high may be the lower one."""
    share = np.clip((value - low) / (high - low), 0, 1)
    return share * share * (3 - 2 * share)


def _colours(random: np.random.Generator, person: Person, count: int, shades: np.ndarray) -> np.ndarray:
    """(count, 3) linear RGB of ribbons: the person's, some lighter or darker, some white on who turns grey."""
    tint = person.hair * (1 + random.uniform(-0.15, 0.15, (count, 1))) * (1 + random.normal(0, 0.02, (count, 3)))
    white = random.uniform(size=count) < 0.45 * person.grey * (1.25 - person.grey)
    tint[white] = 0.65 * tint[white] + 0.35 * _GREY
    return (tint * shades[:, None]).astype(np.float32)


def _ribbons(
    random: np.random.Generator, path: np.ndarray, normals: np.ndarray, width: np.ndarray, colours: np.ndarray,
    anchors: np.ndarray | None = None, places: np.ndarray | None = None, root_shade: float = 0.75, tilt: float = 0.3,
) -> Attachment:  # fmt: skip
    """Ribbons along paths (n, k + 1, 3) with normals of that shape, of widths (n,) dm and colours (n, 3).

    Each has 2 k - 1 triangles, its tip being a point. anchors: (n,) vertex rows, at places (n, 3), or the skull.
    root_shade: light at the root, where other hair is in the way. tilt: radians by which ribbons lean at random.
    """
    count, knots = path.shape[:2]
    along = np.empty_like(path)
    along[:, 1:-1] = path[:, 2:] - path[:, :-2]
    along[:, 0], along[:, -1] = path[:, 1] - path[:, 0], path[:, -1] - path[:, -2]
    along = _unit(along)
    across = _unit(np.cross(along, normals))
    outward = np.cross(across, along)
    lean = random.normal(0, tilt, (count, 1, 1)).astype(np.float32)
    share = np.linspace(0, 1, knots, dtype=np.float32)
    profile = (0.35 + 0.9 * share - 0.25 * share**2) * np.sqrt(1 - share**2.5) * 1.2
    half = 0.5 * width[:, None, None] * profile[:, None]
    # Leaning edges are lifted only, so that none dips below the surface.
    edge = half * np.cos(lean) * across
    lift = half * np.sin(lean) * outward
    points = np.empty((count, 2 * knots - 1, 3), np.float32)
    points[:, 0:-1:2] = (path - edge + np.maximum(-lean, 0) / (np.abs(lean) + 1e-9) * -2 * lift)[:, :-1]
    points[:, 1:-1:2] = (path + edge + np.maximum(lean, 0) / (np.abs(lean) + 1e-9) * 2 * lift)[:, :-1]
    points[:, -1] = path[:, -1]
    strand = np.empty_like(points)
    strand[:, 0:-1:2] = strand[:, 1:-1:2] = along[:, :-1]
    strand[:, -1] = along[:, -1]
    faces, u, v = _ribbon_faces(knots)
    start = (np.arange(count) * (2 * knots - 1))[:, None, None]
    window = random.uniform(0, 0.5, (count, 1, 1)).astype(np.float32)
    uv = np.empty((count, *faces.shape, 2), np.float32)
    uv[..., 0] = 0.5 * u + window
    uv[..., 1] = v
    light = root_shade + (1 - root_shade) * np.minimum(2 * v.mean(1), 1)
    tint = colours[:, None] * light[:, None]
    amount = count * (2 * knots - 1)
    if anchors is None:
        hang = np.full(amount, -1)
    else:
        hang = np.repeat(anchors, 2 * knots - 1)
        points -= places[:, None]
    return Attachment(
        anchors=hang,
        offsets=points.reshape(-1, 3),
        triangles=(faces + start).reshape(-1, 3).astype(np.int32),
        uv=uv.reshape(-1, 3, 2),
        tint=tint.reshape(-1, 3).astype(np.float32),
        finish=np.full(count * len(faces), FINISH_NUMBERS["hair"]),
        strand=_unit(strand.reshape(-1, 3)).astype(np.float32),
    )


@cache
def _ribbon_faces(knots: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(m, 3) vertices of a ribbon's triangles, which face outwards, and u and v of their corners."""
    faces = []
    for k in range(knots - 2):
        faces += [(2 * k, 2 * k + 1, 2 * k + 2), (2 * k + 1, 2 * k + 3, 2 * k + 2)]
    faces.append((2 * knots - 4, 2 * knots - 3, 2 * knots - 2))
    faces = np.array(faces)
    u = np.where(faces == 2 * knots - 2, 0.5, faces % 2).astype(np.float32)
    return faces, u, (faces // 2 / (knots - 1)).astype(np.float32)


# ---------------------------------------------------------------------------------------------------------------------
# Cuts


@dataclass(frozen=True)
class _Cut:
    """How hair of the head is combed and cut. Lengths in dm of a head of neutral size.

    comb: "whorl" (from the crown all round), "parted", "across" (the forehead), "swept" (back), "gathered" (to a knot).
    ribbons: how many; quads: of each; width: of each; length: at the top; sides: length at the sides and the nape.
    volume: how high it stands; gravity: 0 to 1, how readily it hangs; ears: whether it covers them.
    edge: (n, 2) degrees around the axis, from -180 (towards the person's right) to 180, and the height to which it is
    cut there, in faces (brows to chin) below the brows; from 0 on if both sides are the same.
    wave: amplitude, and period: length of its waves.
    part: x of the parting, or of the fringe's side. knot: (3,) where gathered hair leads, from the centre.
    """

    comb: str
    ribbons: int = 350
    quads: int = 5
    width: float = 0.08
    length: float = 0.6
    sides: float = 0.3
    volume: float = 0.06
    gravity: float = 0.4
    ears: bool = False
    edge: tuple[tuple[float, float], ...] = ((0, 0.0), (180, 0.9))
    wave: float = 0.0
    period: float = 0.6
    part: float = 0.25
    knot: tuple[float, float, float] = (0.0, 0.4, -0.8)


_BARE_FACE = ((0, -0.38), (28, -0.36), (44, -0.2), (58, 0.05))  # short hair: nothing below the hairline in front


def _mirror(*edge: tuple[float, float]) -> tuple[tuple[float, float], ...]:
    return tuple((-degrees, below) for degrees, below in reversed(edge)) + edge


def _comb(cut: _Cut, place: np.ndarray) -> np.ndarray:
    """Where hair is combed (n, 3), not yet along the surface, at places (n, 3) from the centre of a neutral head."""
    x, _, z = place.T
    away = place - np.array([0.0, 0.86, -0.35], np.float32)  # from the crown's whorl
    away = _unit(away)
    if cut.comb == "parted":
        aside = np.tanh((x - cut.part) / 0.06)
        back = -0.35 - 0.4 * _smooth(0.6, 0.1, np.abs(x))
        flow = np.stack([aside, -0.3 - 0.6 * _smooth(0.35, 0.65, np.abs(x)), back], 1)
        share = _smooth(-0.45, -0.1, z)[:, None]
        return flow * share + away * (1 - share)
    if cut.comb == "across":
        side = -np.sign(cut.part)
        aside = side * np.tanh((x - cut.part) * side / 0.06)
        flow = np.stack([aside, -0.5 + 0 * x, 0.75 - 1.2 * _smooth(0.5, 0.75, np.abs(x))], 1)
        share = _smooth(-0.1, 0.3, z)[:, None]
        return flow * share + away * (1 - share)
    if cut.comb == "swept":
        down = _smooth(0.1, -0.6, z) + 0.45 * _smooth(0.5, 0.7, np.abs(x))
        return np.stack([0.15 * np.tanh(x / 0.2), -down, -1 + 0.6 * _smooth(-0.3, -0.8, z)], 1)
    if cut.comb == "gathered":
        return np.array(cut.knot, np.float32) - place
    return away


def _grow_cut(
    random: np.random.Generator, person: Person, head: _Head, cut: _Cut, keep: np.ndarray | None = None
) -> Attachment:
    """Ribbons of a cut. keep: (_CANDIDATES,) bool, where hair grows; everywhere on the scalp if None."""
    every = _scalp()
    wanted = cut.ribbons if keep is None else int(cut.ribbons * keep.mean())
    allowed = np.arange(_CANDIDATES) if keep is None else np.flatnonzero(keep)
    # Of the first ones, which are spread evenly, a few more than wanted: so no two heads have the same roots.
    chosen = random.permutation(allowed[: int(wanted * 1.3)])[:wanted]
    root = np.einsum("nvx,nv->nx", person.neutral[every.rows[chosen]], every.weights[chosen])
    count = len(root)
    top = _smooth(0.0, 0.45, every.place[chosen, 1] - _CENTRE[1])
    length = (cut.sides + (cut.length - cut.sides) * top) * random.uniform(0.8, 1.15, count) * head.size
    layer = random.uniform(size=count).astype(np.float32) ** 0.7
    path = _trace(head, cut, root, length, layer)
    path, kept = _trim(random, head, cut, path)
    layer, count = layer[kept], int(kept.sum())
    _, normals, _ = head.sample(path.reshape(-1, 3), cut.ears)
    normals = normals.reshape(path.shape)
    if cut.wave:
        travelled = np.cumsum(np.linalg.norm(np.diff(path, axis=1), axis=2), 1) / head.size
        travelled = np.concatenate([np.zeros((count, 1)), travelled], 1)
        phase = 5 * path[:, :1, 0] + random.normal(0, 0.7, (count, 1))  # neighbours swing together
        sway = (
            np.sin(2 * np.pi * travelled / cut.period + phase) * np.minimum(travelled / 0.4, 1) * cut.wave * head.size
        )
        sideways = _unit(np.cross(path[:, -1:] - path[:, :1], normals))
        path = path + (sway[..., None] * sideways).astype(np.float32)
    path = head.clear(path, 0.02, cut.ears)
    # Short ribbons are narrower, or they would look like scales.
    width = cut.width * head.size * random.uniform(0.75, 1.25, count) * np.clip(length[kept] / 0.4, 0.5, 1)
    return _ribbons(random, path, normals, width, _colours(random, person, count, 0.72 + 0.33 * layer))


def _trace(head: _Head, cut: _Cut, root: np.ndarray, length: np.ndarray, layer: np.ndarray) -> np.ndarray:
    """Paths (n, _STEPS + 1, 3) of uncut hair from roots (n, 3)."""
    step = (length / _STEPS)[:, None].astype(np.float32)
    _, normal, _ = head.sample(root, False)
    at = root + 0.012 * normal
    path = [at]
    heading = None
    for k in range(_STEPS):
        place = (at - head.centre) / head.size
        comb = _comb(cut, place)
        comb = comb - np.einsum("nx,nx->n", comb, normal)[:, None] * normal
        comb = _unit(comb)
        # Hair hangs once it has come down the side of the head; on top it lies as it is combed.
        hang = cut.gravity * _smooth(0.35, -0.25, place[:, 1])[:, None] * min(1.0, (k + 1) / 3)
        comb = comb * (1 - hang) + hang * np.array([0, -1, 0], np.float32)
        heading = comb if heading is None else 0.4 * heading + 0.6 * comb
        heading = _unit(heading)
        at = at + step * heading
        surface, normal, arm = head.sample(at, cut.ears)
        stand = np.minimum((k + 1) / 3, 1) * (0.02 + cut.volume * layer) * head.size
        free = 9 * _smooth(0.05, -0.3, (at[:, 1] - head.centre[1]) / head.size) * cut.gravity
        reach = _length(arm) + 1e-9
        at = at + arm * (np.clip(reach, surface + 0.8 * stand, surface + stand + free) / reach - 1)[:, None]
        path.append(at)
    return np.stack(path, 1).astype(np.float32)


def _trim(random: np.random.Generator, head: _Head, cut: _Cut, path: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Paths (m, quads + 1, 3) cut at the haircut's edge, and which of n are left, (n,) bool."""
    arm = path - head.centre
    degrees = np.degrees(np.arctan2(arm[..., 0], arm[..., 2]))
    angles, below = np.array(_mirror(*cut.edge) if cut.edge[0][0] == 0 else cut.edge).T
    edge = head.brow - head.face * np.interp(degrees, angles, below)
    edge += random.normal(0, 0.035, (len(path), 1)) * head.size
    above = path[..., 1] - edge
    if cut.comb == "gathered":
        knot = head.centre + head.size * np.array(cut.knot)
        above = np.minimum(above, np.linalg.norm(path - knot, axis=2) - 0.16 * head.size)
    inside = above > 0
    inside[:, 0] = True
    end = np.where(inside.all(1), _STEPS, inside.argmin(1) - 1)
    after = np.minimum(end + 1, _STEPS)
    line = np.arange(len(path))
    here, there = above[line, end], above[line, after]
    part = np.where(after > end, np.clip(here / np.where(here > there, here - there, 1), 0, 1), 0)
    stop = end + part
    kept = stop > 0.12 * _STEPS
    place = (stop[kept, None] * np.linspace(0, 1, cut.quads + 1)).astype(np.float32)
    low = np.minimum(place.astype(int), _STEPS - 1)
    share = (place - low)[..., None]
    line = np.flatnonzero(kept)[:, None]
    return path[line, low] * (1 - share) + path[line, low + 1] * share, kept


def _curls(
    random: np.random.Generator, person: Person, head: _Head, volume: float, ring: float, ribbons: int
) -> Attachment:
    """Curly hair: arcs at all heights up to `volume` dm, with radii about `ring` dm, over a darker shell if high."""
    every = _scalp()
    chosen = random.permutation(int(min(ribbons * 1.2, _CANDIDATES)))[:ribbons]
    root = np.einsum("nvx,nv->nx", person.neutral[every.rows[chosen]], every.weights[chosen])
    _, normal, arm = head.sample(root, False)
    inside = hairline(every.place[chosen])
    # Full height only well inside the hairline: a rounded outline, not a step.
    full = (
        volume
        * (0.25 + 0.75 * _smooth(0.0, 0.5, inside))
        * (0.75 + 0.25 * _smooth(-0.6, 0.2, every.place[chosen, 1] - 7.55))
    )
    layer = np.sqrt(random.uniform(0.05, 1, ribbons))
    outward = _unit(normal + _unit(arm) * [1, 1, 0.6] * 0.6)
    radius = ring * head.size * random.uniform(0.7, 1.3, ribbons)
    height = np.maximum(full * layer * head.size, 0.03)
    middle = root + outward * height[:, None]
    aside = _unit(np.cross(outward, random.normal(size=(ribbons, 3))))
    lean = random.uniform(-0.6, 0.6, ribbons)[:, None]
    other = np.cos(lean) * np.cross(outward, aside) + np.sin(lean) * outward
    quads = 4
    angle = (np.linspace(0, 1, quads + 1) * random.uniform(2.5, 4.5, (ribbons, 1)))[..., None]
    path = middle[:, None] + radius[:, None, None] * (np.cos(angle) * aside[:, None] + np.sin(angle) * other[:, None])
    path = path + np.linspace(-0.3, 0.3, quads + 1)[None, :, None] * (radius[:, None] * outward)[:, None]
    path = head.clear(path.astype(np.float32), 0.03)
    normals = np.repeat(outward[:, None], quads + 1, 1).astype(np.float32)
    width = (1.1 * radius * random.uniform(0.7, 1.2, ribbons)).astype(np.float32)
    colours = _colours(random, person, ribbons, 0.6 + 0.45 * layer)
    curls = _ribbons(random, path, normals, width, colours, root_shade=0.9, tilt=0.5)
    if volume < 0.3:  # the painted scalp is near enough
        return curls
    return Attachment.join([_shell(random, person, head, 0.65 * volume), curls])


@cache
def _shell_faces() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Vertex rows of the scalp (n,), its triangles (m, 3) of those, and how far inside the hairline they are (n,)."""
    anatomy = load()
    triangles = anatomy.triangles[anatomy.faces_of("skin")]
    inside = hairline(anatomy.vertices) * ~_on_ear(anatomy.vertices)
    rows, flat = np.unique(triangles[(inside[triangles] > 0.02).all(1)], return_inverse=True)
    return rows, flat.reshape(-1, 3).astype(np.int32), inside[rows]


def _shell(random: np.random.Generator, person: Person, head: _Head, volume: float) -> Attachment:
    """The scalp raised by up to `volume` dm: what is seen between curls."""
    rows, faces, inside = _shell_faces()
    points = person.neutral[rows]
    _, normal, _ = head.sample(points, False)
    height = volume * head.size * _smooth(0.0, 0.45, inside) * random.uniform(0.8, 1.2, len(rows)) + 0.01
    points = points + normal * height[:, None]
    strand = _unit(np.cross(normal, random.normal(size=points.shape)))
    tint = np.tile(person.hair * 0.6, (len(faces), 1))
    uv = np.tile(np.array([[0, 0.3], [1, 0.3], [0.5, 0.7]], np.float32), (len(faces), 1, 1))
    return Attachment(
        np.full(len(rows), -1), points.astype(np.float32), faces, uv, tint.astype(np.float32),
        np.full(len(faces), FINISH_NUMBERS["hair"]), strand.astype(np.float32),
    )  # fmt: skip


def _spikes(random: np.random.Generator, person: Person, head: _Head, length: float) -> Attachment:
    """Short hair that stands up at the top."""
    every = _scalp()
    chosen = random.permutation(420)[:330]
    chosen = chosen[every.place[chosen, 1] > 7.7]
    root = np.einsum("nvx,nv->nx", person.neutral[every.rows[chosen]], every.weights[chosen])
    count = len(root)
    _, normal, _ = head.sample(root, False)
    top = _smooth(0.15, 0.7, every.place[chosen, 1] - _CENTRE[1])
    lean = np.array([random.normal(0, 0.15), 0.35, random.normal(0.1, 0.2)])
    way = _unit(normal + lean + random.normal(0, 0.28, (count, 3)))
    reach = length * (0.35 + 0.65 * top) * random.uniform(0.7, 1.2, count) * head.size
    share = np.linspace(0, 1, 4)[None, :, None]
    bend = _unit(np.cross(way, random.normal(size=(count, 3))))
    path = root[:, None] + reach[:, None, None] * (share * way[:, None] + 0.12 * share**2 * bend[:, None])
    path = path + 0.02 * normal[:, None]
    face = _unit(np.cross(way, np.cross(random.normal(size=(count, 3)) + [0, 0, 1], way)))
    normals = np.repeat(face[:, None], 4, 1)
    width = 0.09 * head.size * random.uniform(0.7, 1.3, count)
    colours = _colours(random, person, count, np.full(count, 1.0))
    return _ribbons(random, path.astype(np.float32), normals, width, colours, root_shade=0.6)


def _tail(random: np.random.Generator, person: Person, head: _Head, cut: _Cut, length: float) -> Attachment:
    """A ponytail that falls from the knot."""
    count, quads = 75, 7
    knot = head.centre + head.size * np.array(cut.knot)
    _, normal, _ = head.sample(knot[None].astype(np.float32), False)
    start = knot + 0.05 * head.size * random.normal(size=(count, 3))
    spread = random.normal(0, 0.11, (count, 3)) * [1, 0.3, 0.6]
    fall = length * head.size * random.uniform(0.8, 1.1, count)
    path, at, out = [start], start, normal[0]
    low = (0.06 + 0.2 * random.uniform(size=count)).astype(np.float32)
    for k in range(quads):
        sinking = min(1.0, 0.25 + k / 3)
        way = _unit((1 - sinking) * (out + [0, 0.2, 0]) + sinking * np.array([0, -1.0, -0.05]) + spread * (k < 4))
        at = at + way * (fall / quads)[:, None]
        path.append(at)
    path = head.clear(np.stack(path, 1).astype(np.float32), low[:, None])
    away = path - path.mean(0, keepdims=True) + 0.05 * out
    width = 0.1 * head.size * random.uniform(0.7, 1.3, count)
    return _ribbons(random, path, _unit(away), width, _colours(random, person, count, random.uniform(0.8, 1.05, count)))


def _bun(random: np.random.Generator, person: Person, head: _Head, cut: _Cut, radius: float) -> Attachment:
    """A ball of hair wound around the knot."""
    count, quads = 80, 6
    knot = (head.centre + head.size * np.array(cut.knot)).astype(np.float32)
    _, out, _ = head.sample(knot[None], False)
    # Arcs on a flattened ball, most of them around the axis that leads away from the head.
    pole = _unit(out + random.normal(0, 0.55, (count, 3)))
    first = _unit(np.cross(pole, random.normal(size=(count, 3))))
    second = np.cross(pole, first)
    offset = random.uniform(-0.75, 0.95, count)
    angle = np.linspace(0, 1, quads + 1)[None, :, None] * random.uniform(1.5, 3.0, (count, 1, 1))
    ring = np.sqrt(1 - offset**2)[:, None, None]
    ball = ring * (np.cos(angle) * first[:, None] + np.sin(angle) * second[:, None]) + (offset[:, None] * pole)[:, None]
    size = radius * head.size * random.uniform(0.9, 1.08, (count, 1, 1))
    path = head.clear((knot + out * 0.75 * radius * head.size + size * ball).astype(np.float32), 0.02)
    width = 0.1 * head.size * random.uniform(0.7, 1.3, count)
    colours = _colours(random, person, count, random.uniform(0.75, 1.05, count))
    return _ribbons(random, path, _unit(ball), width, colours, root_shade=0.85, tilt=0.2)


def _pick(random: np.random.Generator, weights: dict[str, float]) -> str:
    names = list(weights)
    shares = np.array([weights[name] for name in names])
    return names[int(random.choice(len(names), p=shares / shares.sum()))]


def _draw_cut(random: np.random.Generator, person: Person) -> str:
    """The name of a cut, by age, sex and chance."""
    curly = 0.05 + 0.25 * max(0.0, person.tone - 0.5)
    if person.male > 0.5:
        weights = {
            "buzz": 0.12, "parted": 0.16, "swept": 0.13, "fringe": 0.12, "spiky": 0.09, "medium": 0.07, "long": 0.03,
            "wavy": 0.03, "curly": curly, "afro": curly, "ponytail": 0.02, "bun": 0.02, "side fringe": 0.07,
        }  # fmt: skip
        if person.age > 22:
            weights |= {"bald": 0.05 + 0.002 * max(0.0, person.age - 30)}
        if person.age > 35:
            weights |= {
                "ring": 0.004 * (person.age - 35), "receding": 0.07 + 0.003 * (person.age - 35), "spiky": 0.03
            }  # fmt: skip
        return _pick(random, weights)
    weights = {
        "bob": 0.15, "medium": 0.08, "long": 0.16, "long fringe": 0.12, "wavy": 0.16, "curly": curly * 1.2,
        "afro": curly * 0.8, "ponytail": 0.10, "bun": 0.09, "side fringe": 0.10, "fringe": 0.05, "parted": 0.04,
        "swept": 0.04, "buzz": 0.015, "bald": 0.01,
    }  # fmt: skip
    if person.age > 60:
        weights |= {"long": 0.06, "long fringe": 0.03, "wavy": 0.12, "parted": 0.12, "curly": curly * 2}
    return _pick(random, weights)


def _wear(random: np.random.Generator, person: Person, head: _Head, name: str) -> tuple[list[Attachment], float]:
    """Ribbons of a cut by name, and how densely the scalp is painted."""
    if name == "bald":
        return [], float(random.choice([0.0, 0.0, 0.15, 0.3]))
    if name == "buzz":
        return [], 1.0
    if name == "curly":
        return [_curls(random, person, head, random.uniform(0.15, 0.3), random.uniform(0.05, 0.08), 460)], 1.0
    if name == "afro":
        return [_curls(random, person, head, random.uniform(0.35, 0.75), random.uniform(0.08, 0.12), 380)], 1.0
    if name in ("ponytail", "bun"):
        return _gathered(random, person, head, name), 1.0
    if name in ("medium", "bob", "long", "long fringe", "wavy"):
        return [_grow_cut(random, person, head, _long_cut(random, name))], 1.0
    cut = _short_cut(random, name)
    if name == "spiky":
        return [_grow_cut(random, person, head, cut), _spikes(random, person, head, random.uniform(0.18, 0.4))], 1.0
    place = _scalp().place - _CENTRE
    if name == "receding":
        # The temples go first, then the forehead.
        temples = _smooth(0.1, 0.3, np.abs(place[:, 0])) * _smooth(0.65, 0.55, np.abs(place[:, 0]))
        bare = random.uniform(0.08, 0.3) * (1 + random.uniform(0.2, 0.9) * temples) * _smooth(0.1, 0.6, place[:, 2])
        return [_grow_cut(random, person, head, cut, hairline(_scalp().place) > bare)], 0.25
    if name == "ring":
        keep = (place[:, 1] < random.uniform(0.15, 0.4)) & (place[:, 2] < 0.55)
        return [_grow_cut(random, person, head, cut, keep)], 0.0
    return [_grow_cut(random, person, head, cut)], 1.0


def _short_cut(random: np.random.Generator, name: str) -> _Cut:
    """A cut that ends above the jaw."""
    side = float(random.choice([-1, 1]))
    sides = random.uniform(0.14, 0.3)
    cut = _Cut(
        "parted", length=random.uniform(0.4, 0.7), sides=sides, volume=random.uniform(0.03, 0.1),
        part=side * random.uniform(0.0, 0.38), edge=(*_BARE_FACE, (66, 0.3), (100, 0.3), (120, 0.75), (180, 0.85)),
    )  # fmt: skip
    if name == "swept":
        return replace(cut, comb="swept", length=random.uniform(0.5, 0.9), volume=random.uniform(0.04, 0.16))
    if name == "receding":
        comb = str(random.choice(["swept", "parted"]))
        return replace(cut, comb=comb, length=random.uniform(0.4, 0.7), sides=sides + 0.1, volume=0.03, ribbons=460)
    if name == "ring":
        return replace(cut, comb="whorl", length=0.4, sides=sides + 0.1, volume=0.05, ribbons=950, quads=3)
    if name == "spiky":
        return replace(cut, comb="whorl", length=0.22, sides=sides, volume=0.03, ribbons=260, quads=3)
    if name == "fringe":
        brow = random.uniform(-0.2, 0.02)
        edge = ((0, brow), (35, brow), (50, 0.0), (66, 0.35), (100, 0.3), (120, 0.7), (180, 0.85))
        return replace(cut, comb="whorl", length=random.uniform(1.0, 1.5), sides=sides + 0.1, edge=edge)
    if name == "side fringe":
        # Combed over from the far side, so that it hangs across one temple, the brow and rarely an eye.
        deep = float(random.choice([-0.12, 0.0, 0.06, 0.25], p=[0.3, 0.35, 0.25, 0.1]))
        edge = (
            (-180, 0.8), (-110, 0.5), (-60, 0.1), (-44, -0.15), (-20, -0.34), (0, -0.25), (18, deep - 0.1), (40, deep),
            (58, deep + 0.15), (70, 0.4), (110, 0.6), (180, 0.8),
        )  # fmt: skip
        if side < 0:
            edge = tuple((-degrees, below) for degrees, below in reversed(edge))
        return replace(
            cut, comb="across", length=random.uniform(1.2, 1.6), sides=random.uniform(0.3, 0.8), part=-side * 0.3,
            edge=edge, ears=True, gravity=0.5,
        )  # fmt: skip
    return cut


def _long_cut(random: np.random.Generator, name: str) -> _Cut:
    """A cut that hangs over the ears."""
    opening = random.uniform(40, 58)  # degrees at which it begins to hang beside the face
    part = float(random.choice([-1, 1]) * random.uniform(0.0, 0.35))
    fringe = name == "long fringe" or (name in ("bob", "medium") and random.uniform() < 0.3)
    brow = random.uniform(-0.2, -0.03)
    front = ((0, brow), (30, brow), (37, 0.1)) if fringe else ((0, -0.38), (28, -0.36), (opening - 6, -0.1))
    cut = _Cut(
        "whorl" if fringe else "parted", part=part, length=2.0, sides=1.1, ears=True, gravity=0.9, ribbons=350, quads=6,
        volume=random.uniform(0.05, 0.15), width=0.09,
    )  # fmt: skip
    if name in ("medium", "bob"):
        low = random.uniform(0.35, 0.6) if name == "medium" else random.uniform(0.65, 1.0)
        wave = random.uniform(0.01, 0.035) * (random.uniform() < 0.4)
        edge = (*front, (opening + 4, low * 0.7), (opening + 14, low), (180, max(low, 0.75)))
        return replace(cut, wave=wave, edge=edge)
    low = random.uniform(1.3, 2.1)
    edge = (*front, (opening + 2, 0.35), (opening + 10, 1.0), (opening + 18, low), (180, low))
    cut = replace(cut, length=3.2, sides=2.3, gravity=1.0, ribbons=300, quads=7, width=0.1, edge=edge)
    if name == "wavy":
        return replace(
            cut, wave=random.uniform(0.05, 0.09), period=random.uniform(0.9, 1.3), quads=9, ribbons=245,
            volume=random.uniform(0.1, 0.2), width=0.115,
        )  # fmt: skip
    return cut


def _gathered(random: np.random.Generator, person: Person, head: _Head, name: str) -> list[Attachment]:
    """Hair combed to a knot at the back or the top of the head, and what hangs or sits there."""
    rise = random.uniform(-0.5, 1.2) if name == "ponytail" else random.uniform(-0.6, 1.5)  # radians, 0: at the back
    knot = np.array([0.0, 0.92 * np.sin(max(rise, 0)) + 0.6 * min(rise, 0), -0.1 - 0.78 * np.cos(rise)])
    surface, _, arm = head.sample((head.centre + head.size * knot)[None].astype(np.float32), False)
    knot += arm[0] * ((surface[0] + 0.04) / np.linalg.norm(arm[0]) - 1) / head.size
    cut = _Cut(
        "gathered", length=1.7, sides=1.5, volume=0.05, gravity=0.0, knot=tuple(knot.tolist()), ribbons=250, quads=6,
        width=0.1, edge=((0, -0.3), (58, -0.3), (66, 0.3), (180, 2.0)),
    )  # fmt: skip
    if name == "ponytail":
        extra = _tail(random, person, head, cut, random.uniform(0.6, 1.8))
    else:
        extra = _bun(random, person, head, cut, random.uniform(0.16, 0.3))
    return [_grow_cut(random, person, head, cut), extra]


# ---------------------------------------------------------------------------------------------------------------------
# Beards


def _draw_beard(random: np.random.Generator, person: Person) -> str:
    chance = random.uniform()  # always drawn, so that the hair does not depend on the beard
    if person.male <= 0.5 or person.age <= 18:
        return ""
    limits = np.cumsum([0.42, 0.2, 0.07, 0.1, 0.14, 0.07])
    return BEARDS[int(np.searchsorted(limits, chance))]


def _grow_beard(random: np.random.Generator, person: Person, head: _Head, name: str) -> list[Attachment]:
    """Ribbons that hang on the skin's vertices, so that they follow jaw and lips."""
    if name in ("", "stubble"):
        return []
    thick = random.uniform(0.75, 1.0)
    parts = []
    if random.uniform() < {"moustache": 1.0, "goatee": 0.8, "short beard": 0.95, "long beard": 0.95}[name]:
        roots = _upper_lip()
        x, y = roots.place[:, 0], roots.place[:, 1]
        way = np.stack([np.tanh(x / 0.05), np.full(len(x), -0.55), np.zeros(len(x))], 1)
        # It ends above the lip: shorter the lower it grows, except beside the mouth.
        length = np.where(np.abs(x) < 0.25, np.clip((y - 6.74) / 0.45, 0.025, 0.15), 0.13)
        parts.append(_beard_ribbons(random, person, head, roots, thick, way, length, 0.05, 2))
    if name == "moustache":
        return parts
    roots = _chin()
    x, y, z = roots.place.T
    chin = _smooth(6.75, 6.3, y)
    low, high, quads = {"goatee": (0.12, 0.3, 3), "short beard": (0.13, 0.22, 2), "long beard": (0.22, 0.85, 3)}[name]
    length = low + (high - low) * chin * random.uniform(0.6, 1.0)
    if name == "goatee":
        length = np.where((np.abs(x) < 0.33) & (y > 6.1) & (z > 0.95), length, 0)
    way = np.stack([0.35 * np.tanh(x / 0.1), np.full(len(x), -1.0), np.zeros(len(x))], 1)
    if name == "long beard":
        thick *= 0.65  # long ribbons cover more
    parts.append(_beard_ribbons(random, person, head, roots, thick, way, length, 0.065, quads))
    return parts


def _beard_ribbons(
    random: np.random.Generator, person: Person, head: _Head, roots: _Roots, thick: float, way: np.ndarray,
    length: np.ndarray, width: float, quads: int,
) -> Attachment:  # fmt: skip
    """Ribbons from a share `thick` of n roots, the way (n, 3) they are combed, of lengths (n,) dm, 0: none there."""
    chosen = np.flatnonzero((length > 0) & (random.uniform(size=len(length)) < thick))
    count = len(chosen)
    corners = person.neutral[roots.rows[chosen]]
    root = (corners * roots.weights[chosen][..., None]).sum(1)
    normal = _unit(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]))
    reach = (length[chosen] * random.uniform(0.75, 1.15, count))[:, None, None]
    way = way[chosen] + random.normal(0, 0.15, (count, 3))
    way = way - (way * normal).sum(1, keepdims=True) * normal
    way = _unit(way) + normal * random.uniform(0.15, 0.4, count)[:, None]
    share = np.linspace(0, 1, quads + 1)[None, :, None]
    # Long hair bends down as it leaves the chin.
    sink = 0.5 * np.clip(reach / 0.4 - 0.4, 0, 1) * share
    path = root[:, None] + reach * head.size * share * ((1 - sink) * way[:, None] + sink * np.array([0, -1, 0.05]))
    path = (path + 0.012 * normal[:, None]).astype(np.float32)
    normals = np.repeat(normal[:, None], quads + 1, 1)
    widths = width * head.size * random.uniform(0.7, 1.3, count) * (1 + 0.3 * np.minimum(reach[:, 0, 0], 1))
    colours = _colours(random, person, count, random.uniform(0.8, 1.05, count))
    nearest = roots.nearest[chosen]
    return _ribbons(random, path, normals, widths, colours, nearest, person.neutral[nearest], root_shade=0.8, tilt=0.2)


def grow(person: Person, random: np.random.Generator) -> Hair:
    """Hair of the head and beard of a person; a function of the person and of the state of `random` only."""
    head = _head(person)
    cut = _draw_cut(random, person)
    beard = _draw_beard(random, person)
    ribbons, scalp = _wear(random, person, head, cut)
    shadow = {"": 0.0, "stubble": random.uniform(0.35, 1.0)}.get(beard, random.uniform(0.5, 0.9))
    return Hair(
        worn=Attachment.join([*ribbons, *_grow_beard(random, person, head, beard)]),
        scalp=scalp,
        stubble=float(shadow),
        style=f"{cut} + {beard}" if beard else cut,
    )

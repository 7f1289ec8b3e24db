"""What people wear on their heads, and what they hold in front of their faces.

Everything is built from a person's neutral shape at fixed places of the mesh, so it fits each head. Lengths are dm in
the frame of Person.neutral; sizes are those of real things, of which a child's glasses and masks are smaller.
"""

import json
from dataclasses import dataclass, replace
from functools import cache, cached_property

import cv2
import numpy as np

from tsal.synth.anatomy import data_folder, load, read_obj
from tsal.synth.attachment import FINISH_NUMBERS, Attachment
from tsal.synth.landmarks import landmark_map
from tsal.synth.people import Person, linear
from tsal.synth.raster import FAR, depth_map

GLASSES, DARK = 0.20, 0.2  # share of people with glasses, and of glasses that are sunglasses
HATS, HEADSCARVES, HEADBANDS, HEADPHONES = 0.08, 0.03, 0.02, 0.015
MASKS, MASKS_CHALLENGING = 0.02, 0.12
EARRINGS = 0.3  # of women
FASTEST = 0.1  # dm a frame: the speed of held things
_TRIANGLES = 1400  # of a hand with its forearm


@dataclass(frozen=True)
class Worn:
    """What a person wears.

    things: frames, dark lenses, hats, masks and so on.
    clear_lenses: of clear glasses, to be drawn as a faint reflection; they hide nothing.
    hides_hair: a hat or scarf covers the hair above `hair_below`, a height (dm, y in the frame of Person.neutral).
    """

    things: Attachment
    clear_lenses: Attachment | None
    hides_hair: bool
    hair_below: float | None


@dataclass(frozen=True)
class Held:
    """What is held in front of a face.

    thing: all anchors -1: placed in the head's frame as at frame 0 without motion.
    motion: (T, 3) float32 dm in the head's frame, how far the whole thing is from there at each frame.
    """

    thing: Attachment
    motion: np.ndarray


def wear(person: Person, random: np.random.Generator, challenging: bool) -> Worn:
    """Draw what a person wears; masks are common in challenging shots."""
    face = _Face.of(person)
    parts: list[Attachment] = []
    clear = None
    hair_below = None
    if random.uniform() < GLASSES:
        dark = random.uniform() < DARK
        frame, lenses = _glasses(face, random, dark)
        parts.append(frame)
        if dark:
            parts.append(lenses)
        else:
            clear = lenses
    on_head = random.uniform()
    if on_head < HATS:
        hat, hair_below = (_beanie, _beanie, _cap, _cap, _brimmed)[random.integers(5)](face, random)
        parts.append(hat)
    elif on_head < HATS + HEADSCARVES:
        scarf, hair_below = _headscarf(face, random)
        parts.append(scarf)
    elif on_head < HATS + HEADSCARVES + HEADBANDS:
        parts.append(_headband(face, random))
    elif on_head < HATS + HEADSCARVES + HEADBANDS + HEADPHONES:
        parts.append(_headphones(face, random))
    elif random.uniform() < EARRINGS * (person.male < 0.5):
        parts.append(_earrings(face, random))
    if random.uniform() < (MASKS_CHALLENGING if challenging else MASKS):
        parts.append(_mask(face, random))
    return Worn(Attachment.join(parts), clear, hair_below is not None, hair_below)


def hold(person: Person, random: np.random.Generator, frames: int) -> Held:
    """Draw something that is held in front of the face for a number of frames (25 a second)."""
    face = _Face.of(person)
    makers = (_hand_on_face, _phone, _microphone, _cup, _sheet, _shawl)
    maker = makers[random.choice(len(makers), p=[0.45, 0.1, 0.13, 0.12, 0.15, 0.05])]
    thing, away = maker(person, face, random)
    return Held(thing, _motion(random, frames, away))


def _motion(random: np.random.Generator, frames: int, away: np.ndarray) -> np.ndarray:
    """(T, 3) offsets: a slow wander, and often an arrival from, or departure to, the direction `away` (3,)."""
    time = np.arange(frames)[:, None] / 25
    rate = random.uniform(0.15, 0.6, (3, 3))
    phase = random.uniform(0, 2 * np.pi, (3, 3))
    reach = random.uniform(0.005, 0.02)
    waves = np.sin(2 * np.pi * rate * time[:, None] + phase).sum(2) * reach  # (T, 3), of three waves each
    motion = waves - waves[:1]
    # Away from the face rather than into it.
    motion += away * np.sqrt((motion**2).sum(1, keepdims=True) + reach**2)
    kind = random.choice(["steady", "arrives", "leaves", "passes"], p=[0.5, 0.2, 0.2, 0.1])
    if kind != "steady":
        distance = random.uniform(1.2, 2.2)
        # A cosine ramp is fastest in its middle, pi / 2 times its mean speed; the wander needs some of the limit.
        length = distance * np.pi / 2 / random.uniform(0.35, 0.65) / FASTEST
        number = np.arange(frames)
        begin = random.uniform(-0.3 * length, max(frames - 0.8 * length, 0))
        out = 0.5 + 0.5 * np.cos(np.pi * np.clip((number - begin) / length, 0, 1))
        if kind == "leaves":
            out = out[::-1]
        if kind == "passes":
            rest = begin + length + random.uniform(5, 30)
            out = np.maximum(out, 0.5 - 0.5 * np.cos(np.pi * np.clip((number - rest) / length, 0, 1)))
        motion = motion + out[:, None] * distance * away
    return motion.astype(np.float32)


# ---- Solids -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Solid:
    """points: (n, 3); triangles: (m, 3), anticlockwise from outside; uv: (m, 3, 2)."""

    points: np.ndarray
    triangles: np.ndarray
    uv: np.ndarray

    def moved(self, rotation: np.ndarray, shift: np.ndarray) -> "_Solid":
        return _Solid(self.points @ rotation.T + shift, self.triangles, self.uv)

    def mirrored(self) -> "_Solid":
        return _Solid(self.points * [-1, 1, 1], self.triangles[:, ::-1], self.uv[:, ::-1])


def _join(*parts: _Solid) -> _Solid:
    starts = np.cumsum([0, *(len(part.points) for part in parts)])
    return _Solid(
        np.concatenate([part.points for part in parts]),
        np.concatenate([part.triangles + start for part, start in zip(parts, starts, strict=False)]),
        np.concatenate([part.uv for part in parts]),
    )


def _made(solid: _Solid, tint: np.ndarray, finish: str, anchors: np.ndarray | None = None, neutral=None) -> Attachment:
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


def _grid(points: np.ndarray) -> _Solid:
    """A surface through points (R, C, 3); its outside is where columns grow to the right when rows grow upwards."""
    rows, columns = points.shape[:2]
    number = np.arange(rows * columns).reshape(rows, columns)
    a, b, c, d = number[:-1, :-1], number[:-1, 1:], number[1:, 1:], number[1:, :-1]
    triangles = np.stack([np.stack([a, b, c], -1), np.stack([a, c, d], -1)], 2).reshape(-1, 3)
    v, u = np.meshgrid(np.linspace(0, 1, rows), np.linspace(0, 1, columns), indexing="ij")
    uv = np.stack([u, v], -1).reshape(-1, 2)
    return _Solid(points.reshape(-1, 3), triangles, uv[triangles])


def _fan(outline: np.ndarray, centre: np.ndarray) -> _Solid:
    """A closed outline (K, 3), anticlockwise from outside, filled from a centre (3,)."""
    count = len(outline)
    ring = np.arange(count)
    triangles = np.stack([np.full(count, count), ring, (ring + 1) % count], 1)
    angle = 2 * np.pi * ring / count
    uv = np.concatenate([0.5 + 0.5 * np.stack([np.cos(angle), np.sin(angle)], 1), [[0.5, 0.5]]])
    return _Solid(np.concatenate([outline, centre[None]]), triangles, uv[triangles])


def _bar(path: np.ndarray, across: np.ndarray, deep: np.ndarray, width: float, depth: float, closed: bool) -> _Solid:
    """A bar of rectangular section with hard edges along a path (K, 3).

    Args:
        across, deep: (K, 3) unit directions of its width and depth (dm); across x deep points along the path.
    """
    w, d = across * (width / 2), deep * (depth / 2)
    corners = [path + w + d, path - w + d, path - w - d, path + w - d]
    if closed:
        corners = [np.concatenate([corner, corner[:1]]) for corner in corners]
    sides = [_grid(np.stack([corners[k], corners[(k + 1) % 4]], 1)) for k in range(4)]
    if not closed:
        sides.append(_fan(np.stack([corners[k][0] for k in (3, 2, 1, 0)]), path[0]))
        sides.append(_fan(np.stack([corner[-1] for corner in corners]), path[-1]))
    return _join(*sides)


def _pipe(path: np.ndarray, radius: np.ndarray, sides: int = 10) -> _Solid:
    """A round pipe with flat ends along a path (K, 3) of radii (K,)."""
    along = np.gradient(path, axis=0)
    along /= np.linalg.norm(along, axis=1, keepdims=True)
    reference = np.eye(3)[np.abs(along.mean(0)).argmin()]
    first = np.cross(reference, along)
    first /= np.linalg.norm(first, axis=1, keepdims=True)
    second = np.cross(along, first)
    angle = np.linspace(0, 2 * np.pi, sides + 1)[None, :, None]
    ring = np.cos(angle) * first[:, None] + np.sin(angle) * second[:, None]
    wall = path[:, None] + ring * np.broadcast_to(radius, len(path))[:, None, None]
    return _join(_grid(wall), _fan(wall[0, -1:0:-1], path[0]), _fan(wall[-1, :-1], path[-1]))


def _turned(profile: np.ndarray, sides: int = 18) -> _Solid:
    """A solid of revolution about y of a profile (K, 2) of radius and height, from the bottom upwards outside."""
    angle = np.linspace(0, 2 * np.pi, sides + 1)
    ring = np.stack([np.sin(angle), np.zeros_like(angle), np.cos(angle)], 1)
    return _grid(profile[:, :1, None] * ring[None] + profile[:, 1:, None] * [0.0, 1.0, 0.0])


def _ball(radius: float, sides: int = 14) -> _Solid:
    angle = np.linspace(-np.pi / 2, np.pi / 2, sides // 2 + 1)
    return _turned(radius * np.stack([np.cos(angle), np.sin(angle)], 1), sides)


def _plate(width: float, height: float, depth: float, rounding: float) -> _Solid:
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
    front = _fan(near, np.array([0, 0, depth / 2]))
    flat = front.points[front.triangles]
    front = _Solid(front.points, front.triangles, flat[..., :2] / [width, height] + 0.5)
    return _join(front, _fan(far[::-1], np.array([0, 0, -depth / 2])), _grid(np.stack([far[loop], near[loop]])))


def _rotation(axis: str, degrees: float) -> np.ndarray:
    """(3, 3) rotation about x, y or z, anticlockwise for who looks against the axis."""
    vector = np.zeros(3)
    vector["xyz".index(axis)] = np.radians(degrees)
    return cv2.Rodrigues(vector)[0]


_CLOTHES = ((28, 28, 30), (60, 62, 66), (200, 198, 192), (40, 52, 84), (120, 30, 36), (44, 74, 56), (150, 120, 86))
_PLASTICS = ((14, 14, 15), (14, 14, 15), (58, 34, 22), (96, 60, 32), (40, 44, 70), (110, 24, 30), (190, 188, 184))
_MEDICAL = ((150, 190, 214), (226, 230, 232), (30, 30, 32), (176, 208, 200))
_DARK = ((14, 14, 16), (12, 20, 16), (38, 25, 16), (26, 30, 52))  # of sunglasses
_METALS = ((150, 150, 152), (186, 158, 104), (40, 40, 42), (176, 134, 112))


def _colour(random: np.random.Generator, palette: tuple[tuple[int, int, int], ...]) -> np.ndarray:
    """(3,) linear RGB near one of some sRGB colours; cloth sometimes has any colour."""
    if palette is _CLOTHES and random.uniform() < 0.4:
        hue, saturation, value = random.uniform(0, 360), random.uniform(0.2, 0.9), random.uniform(0.15, 0.95)
        pixel = np.array([[[hue, saturation, value]]], np.float32)
        return linear(cv2.cvtColor(pixel, cv2.COLOR_HSV2RGB)[0, 0])
    return linear(np.clip(np.array(palette[random.integers(len(palette))]) / 255 * random.uniform(0.85, 1.15), 0, 1))


# ---- Places on the head -------------------------------------------------------------------------------------------

_ELEVATIONS = np.arange(-60, 91, 4.0)  # degrees
_AZIMUTHS = np.arange(-180, 181, 4.0)  # from the face towards the person's left; both ends are the same
_SAMPLES, _SPAN = 128, 2.6  # of the face's relief, and its side in dm
_NOWHERE = -1000.0  # dm: where there is no face
_CENTRE = np.array([0.0, 7.2, 0.45])  # of the template, from which it is seen in these directions


@dataclass(frozen=True)
class _Places:
    """Rows of the mesh that things are fitted to.

    shells: rows and weights, (E, A, 3) each, of the outermost skin in every direction, without and with ears.
    pupils: rows of the person's right and left eyeball. temples: rows between eyes and ears, of both sides.
    ear: (2,) rows of the ears' tops; above: (2,) rows of the skull there; lobe: (2,) of the lowest points.
    halfway: (2,) rows of the cheeks that move half as far as the chin when the jaw opens, to the right and left.
    solid: (F, 3) triangles that lie behind everything worn: skin, eyes, lashes; bare: those without the ears.
    low: rows of neck and shoulders.
    """

    shells: tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]
    pupils: tuple[np.ndarray, np.ndarray]
    temples: tuple[np.ndarray, np.ndarray]
    ear: np.ndarray
    above: np.ndarray
    lobe: np.ndarray
    behind: np.ndarray
    halfway: np.ndarray
    chin: int
    solid: np.ndarray
    low: np.ndarray


@cache
def _places() -> _Places:
    anatomy = load()
    place = anatomy.vertices.astype(np.float64)
    skin = anatomy.triangles[anatomy.faces_of("skin")]
    on_skin = np.zeros(len(place), bool)
    on_skin[skin] = True
    ears, tops, above, lobes, behind, temples, halfway = [], [], [], [], [], [], []
    opening = anatomy.morphs[anatomy.names["face/jawOpen"]]
    smile = np.linalg.norm(
        sum(anatomy.morphs[anatomy.names[f"face/mouth{n}"]] for n in ("SmileLeft", "SmileRight", "Pucker", "Left")),
        axis=1,
    )
    chin = _nearest(place, np.array([0.0, 6.4, 1.5]), on_skin)
    half = np.linalg.norm(opening - 0.5 * opening[chin], axis=1) + 0.3 * smile
    for side, sign in (("r", -1), ("l", 1)):
        pinna = np.linalg.norm(anatomy.morphs[anatomy.names[f"ears/{side}-ear-wing-incr"]], axis=1)
        ear = pinna > 0.3 * pinna.max()
        ears.append(ear)
        tops.append(int(np.where(ear, place[:, 1], -np.inf).argmax()))
        lobes.append(int(np.where(ear, place[:, 1], np.inf).argmin()))
        bare = on_skin & (pinna == 0) & (place[:, 0] * sign > 0.4)
        above.append(_nearest(place, place[tops[-1]] + [-0.08 * sign, 0.04, -0.03], bare))
        behind.append(_nearest(place, place[tops[-1]] + [-0.1 * sign, -0.1, -0.22], bare))
        side_x = place[:, 0] * sign
        inside = (side_x > 0.4) & (place[:, 2] > 0.1) & (place[:, 2] < 1.45) & (np.abs(place[:, 1] - 7.35) < 0.3)
        temples.append(np.flatnonzero(on_skin & ~ear & inside))
        cheek = on_skin & (side_x > 0.3) & (place[:, 2] > 0.9)
        halfway.append(int(np.where(cheek, half, np.inf).argmin()))
    is_ear = ears[0] | ears[1]
    head = skin[(place[skin][..., 1].min(1) > 5.95)]
    eyes = [np.unique(anatomy.triangles[anatomy.faces_of(part)]) for part in ("right_eye", "left_eye")]
    return _Places(
        shells=(_cast(place, head[~is_ear[head].any(1)]), _cast(place, head)),
        pupils=(eyes[0], eyes[1]),
        temples=(temples[0], temples[1]),
        ear=np.array(tops),
        above=np.array(above),
        lobe=np.array(lobes),
        behind=np.array(behind),
        halfway=np.array(halfway),
        chin=chin,
        solid=anatomy.triangles[anatomy.faces_of("skin", "left_eye", "right_eye", "lashes")],
        low=np.flatnonzero(on_skin & (place[:, 1] < 6.1)),
    )


def _nearest(place: np.ndarray, point: np.ndarray, allowed: np.ndarray) -> int:
    return int(np.where(allowed, ((place - point) ** 2).sum(1), np.inf).argmin())


def _cast(place: np.ndarray, triangles: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows and weights (E, A, 3) of the outermost points in all directions; gaps take the nearest direction's."""
    elevation, azimuth = np.radians(np.meshgrid(_ELEVATIONS, _AZIMUTHS, indexing="ij"))
    directions = np.stack(
        [np.cos(elevation) * np.sin(azimuth), np.sin(elevation), np.cos(elevation) * np.cos(azimuth)], -1
    ).reshape(-1, 3)
    corners = place[triangles] - _CENTRE
    middle = corners.mean(1)
    near = directions @ (middle / np.linalg.norm(middle, axis=1, keepdims=True)).T > np.cos(np.radians(15))
    ray, triangle = np.nonzero(near)
    a, b, c = (corners[triangle, k] for k in range(3))
    along = directions[ray]
    weights = np.stack([(np.cross(p, q) * along).sum(1) for p, q in ((b, c), (c, a), (a, b))], 1)
    total = weights.sum(1)
    weights /= np.where(np.abs(total) < 1e-12, 1, total)[:, None]
    distance = ((weights[:, :, None] * corners[triangle]).sum(1) * along).sum(1)
    hit = (weights >= -1e-6).all(1) & (distance > 0)
    ray, triangle, weights, distance = ray[hit], triangle[hit], weights[hit], distance[hit]
    order = np.argsort(distance)  # so that the farthest hit is written last
    best = np.full(len(directions), -1)
    best[ray[order]] = order
    known = np.flatnonzero(best >= 0)
    for lost in np.flatnonzero(best < 0):
        best[lost] = best[known[(directions[known] @ directions[lost]).argmax()]]
    shape = (len(_ELEVATIONS), len(_AZIMUTHS), 3)
    return triangles[triangle[best]].reshape(shape), weights[best].reshape(shape)


@dataclass(frozen=True)
class _Face:
    """A person's neutral head with the places that things are fitted to.

    points: (51, 3) landmarks 17 to 67; pupils: (2, 3) centres of the eyeballs, the person's right first.
    size: distance of the eyes relative to an adult's. centre: (3,) amid the head.
    """

    neutral: np.ndarray
    points: np.ndarray
    pupils: np.ndarray
    size: float
    centre: np.ndarray

    @staticmethod
    def of(person: Person) -> "_Face":
        places, neutral = _places(), person.neutral
        points = neutral[landmark_map().inner].mean(1).astype(np.float64)
        pupils = np.stack([neutral[rows].mean(0) for rows in places.pupils]).astype(np.float64)
        size = float(np.clip((pupils[1, 0] - pupils[0, 0]) / 0.6, 0.75, 1.2))
        ears = neutral[places.ear].mean(0).astype(np.float64)
        # Where _CENTRE lies between the ears' tops and the bridge of the nose on the template.
        centre = np.array([ears[0], 0.5 * (ears[1] + points[11, 1]) - 0.08, ears[2] + 0.12])
        return _Face(neutral, points, pupils, size, centre)

    def landmark(self, number: int) -> np.ndarray:
        return self.points[number - 17]

    @property
    def brow(self) -> float:
        """Height of the brows."""
        return float(self.points[:10, 1].max())

    def shell(self, ears: bool, fill: int) -> tuple[np.ndarray, np.ndarray]:
        """The head seen from its centre: directions (E, A, 3) and distances (E, A), the hollows filled.

        Args:
            fill: how often each distance is raised to the mean of its neighbours'.
        """
        rows, weights = _places().shells[ears]
        places = (self.neutral[rows] * weights[..., None]).sum(2) - self.centre
        distance = np.linalg.norm(places, axis=2)
        directions = places / distance[..., None]
        for _ in range(fill):
            wide = np.concatenate([distance[:, -6:-1], distance, distance[:, 1:6]], 1)
            distance = np.maximum(distance, cv2.blur(wide, (5, 5), borderType=cv2.BORDER_REPLICATE)[:, 5:-5])
        return directions, distance

    @cached_property
    def relief(self) -> np.ndarray:
        """(_SAMPLES, _SAMPLES) z of the face over _SPAN dm about the centre, rows downwards; _NOWHERE beside it."""
        far = 200.0  # so far away that it is seen in parallel
        transform = np.eye(4, dtype=np.float32)
        transform[:3, 3] = [-self.centre[0], -self.centre[1], -far]
        depth = depth_map(self.neutral, _places().solid, _SAMPLES * far / _SPAN, _SAMPLES, transform)
        height = np.where(depth < FAR / 2, far - depth, _NOWHERE).astype(np.float32)
        # The largest of the neighbourhood, so that what lies between the samples is not missed.
        return cv2.dilate(height, np.ones((3, 3), np.uint8))

    def front(self, points: np.ndarray) -> np.ndarray:
        """(n,) z of the face at the x and y of points (n, 3); -inf beside it."""
        x, y = points[:, 0] - self.centre[0], points[:, 1] - self.centre[1]
        column = np.round((_SAMPLES - 1) / 2 + x / _SPAN * _SAMPLES).astype(int)
        row = np.round((_SAMPLES - 1) / 2 - y / _SPAN * _SAMPLES).astype(int)
        inside = (row >= 0) & (row < _SAMPLES) & (column >= 0) & (column < _SAMPLES)
        height = self.relief[row * inside, column * inside]
        return np.where(inside & (height > _NOWHERE), height, -np.inf)


def _look_up(values: np.ndarray, azimuth: np.ndarray, elevation: np.ndarray) -> np.ndarray:
    """Values (E, A, ...) of a shell at directions (R, C) in degrees."""
    step = _AZIMUTHS[1] - _AZIMUTHS[0]
    x = ((azimuth + 180) % 360 / step).astype(np.float32)
    y = ((elevation - _ELEVATIONS[0]) / step).astype(np.float32)
    return cv2.remap(values.astype(np.float32), x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def _elevation(face: _Face, shell: tuple[np.ndarray, np.ndarray], azimuth: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Degrees (n,) at which a shell has the heights y (n,) in dm in the directions `azimuth` (n,)."""
    directions, distance = shell
    height = _look_up(
        directions[..., 1] * distance + face.centre[1],
        np.tile(azimuth, (len(_ELEVATIONS), 1)),
        np.repeat(_ELEVATIONS[:, None], len(azimuth), 1),
    )
    first = (height > y).argmax(0)
    last = np.maximum(first - 1, 0)
    column = np.arange(len(azimuth))
    low, high = height[last, column], height[first, column]
    share = np.clip((y - low) / np.maximum(high - low, 1e-3), 0, 1)
    return _ELEVATIONS[last] + share * (_ELEVATIONS[first] - _ELEVATIONS[last])


def _on_shell(
    face: _Face, shell: tuple[np.ndarray, np.ndarray], azimuth: np.ndarray, elevation: np.ndarray, off: np.ndarray
) -> np.ndarray:
    """Points (R, C, 3), `off` dm (broadcast to (R, C)) outside a shell in directions (R, C) in degrees."""
    directions, distance = shell
    direction = _look_up(directions, azimuth, elevation)
    direction /= np.linalg.norm(direction, axis=2, keepdims=True)
    return face.centre + direction * (_look_up(distance, azimuth, elevation) + off)[..., None]


# ---- Glasses ------------------------------------------------------------------------------------------------------

# Width and height of a lens in dm, roundness (exponent of a superellipse), how much narrower its lower part is, and
# how far its upper outer corner is pulled up.
_LENSES = {
    "round": (0.47, 0.44, 2.0, 0.0, 0.0),
    "panto": (0.48, 0.42, 2.4, 0.12, 0.0),
    "rectangular": (0.53, 0.34, 4.5, 0.06, 0.0),
    "narrow": (0.51, 0.27, 3.6, 0.04, 0.0),
    "square": (0.53, 0.43, 4.0, 0.08, 0.0),
    "aviator": (0.57, 0.50, 2.5, 0.28, 0.0),
    "cat-eye": (0.53, 0.38, 2.8, 0.12, 0.09),
}


def _glasses(face: _Face, random: np.random.Generator, dark: bool) -> tuple[Attachment, Attachment]:
    """Frame with temples, and the lenses."""
    name = list(_LENSES)[random.integers(len(_LENSES))]
    width, height, power, narrowing, corner = _LENSES[name]
    scale = face.size**0.7 * random.uniform(0.96, 1.08) * (1.08 if dark else 1.0)
    width, height, corner = width * scale, height * scale * (1.1 if dark else 1.0), corner * scale
    metal = name == "aviator" or random.uniform() < (0.6 if name in ("round", "narrow") else 0.3)
    thick = random.uniform(0.022, 0.032) if metal else random.uniform(0.035, 0.075)
    deep = 0.025 if metal else random.uniform(0.03, 0.045)
    half_rim = name in ("rectangular", "narrow") and random.uniform() < 0.25
    tint = _colour(random, _METALS if metal else _PLASTICS)
    gap = random.uniform(0.17, 0.22) * scale  # between the lenses
    middle_x = face.pupils[:, 0].mean()
    # Lenses sit a little below the pupils.
    middle_y = face.pupils[:, 1].mean() - random.uniform(-0.02, 0.06) * scale
    angle = np.linspace(0, 2 * np.pi, 28, endpoint=False)
    x, y = (np.sign(f) * np.abs(f) ** (2 / power) / 2 for f in (np.cos(angle), np.sin(angle)))
    outline = np.stack([x * width * (1 + narrowing * y), y * height], 1)
    outline[:, 1] += corner * np.clip(2 * x, 0, 1) ** 2 * np.clip(0.3 + 2 * y, 0, 1)
    centre_x = (gap + width) / 2
    curve = random.uniform(0.1, 0.22)

    def place(x: np.ndarray, y: np.ndarray, forwards: np.ndarray | float = 0.0) -> np.ndarray:
        """The glasses' surface: bent round the face, its lower edge nearer to the cheeks."""
        return np.stack([middle_x + x, middle_y + y, -curve * x**2 + 0.13 * y + forwards], -1)

    flat = outline + [centre_x, 0]
    grown = np.roll(flat, -1, 0) - np.roll(flat, 1, 0)
    normal = np.stack([grown[:, 1], -grown[:, 0]], 1) / np.linalg.norm(grown, axis=1, keepdims=True)
    across = np.c_[normal, 0.13 * normal[:, 1]]
    across /= np.linalg.norm(across, axis=1, keepdims=True)
    outwards = np.broadcast_to([0.0, 0.0, 1.0], across.shape)
    rim = place(*(flat + normal * thick * 0.4).T)
    shown = np.roll(np.arange(28), 3)[:20] if half_rim else slice(None)
    rims = _bar(rim[shown], -across[shown], outwards[shown], thick, deep, closed=not half_rim)
    # Lenses bulge a little.
    lens = _fan(place(*flat.T), place(centre_x, 0.0, 0.015))
    arch = np.linspace(-1, 1, 7)
    top = 0.25 * height
    bridges = []
    for level in (top, 0.46 * height) if name == "aviator" else (top,):
        edge = gap / 2 + thick * 0.2 + width * 0.02 * (level > top) * 6
        bridge = place(arch * edge, level + 0.04 * scale * (1 - arch**2), 0.012)
        bridges.append(_straight(bridge, np.array([0.0, 1.0, 0.0]), max(thick * 0.9, 0.025), deep))
    both = [rims, lens, _mirror_x(rims, middle_x), _mirror_x(lens, middle_x)]
    # How far forwards: nothing of it may lie in the face.
    every = np.concatenate([part.points for part in (*both, *bridges)])
    forwards = float((face.front(every) - every[:, 2]).max()) + 0.015 + deep / 2
    every_part = [part.moved(np.eye(3), np.array([0, 0, forwards])) for part in (*both, *bridges)]
    rims, lens, rims_right, lens_right, *bridges = every_part
    hinge_y = 0.5 * height * (0.5 if metal else 0.6) + corner * 0.6
    outer = np.abs(flat[:, 1] - hinge_y) + 9 * (flat[:, 0] < centre_x)
    hinge_x = flat[outer.argmin(), 0] + thick * 0.8
    temples = [
        _temple(face, place(np.array(hinge_x * sign), np.array(hinge_y), forwards), side, metal, thick)
        for side, sign in ((0, -1), (1, 1))
    ]
    frame = _made(_join(rims, rims_right, *bridges, *temples), tint, "metal" if metal else "plastic")
    colour = _colour(random, _DARK) if dark else np.array([0.03, 0.035, 0.04])
    return frame, _made(_join(lens, lens_right), colour, "lens")


def _mirror_x(solid: _Solid, middle: float) -> _Solid:
    mirrored = solid.mirrored()
    return _Solid(mirrored.points + [2 * middle, 0, 0], mirrored.triangles, mirrored.uv)


def _straight(path: np.ndarray, upwards: np.ndarray, width: float, depth: float) -> _Solid:
    """A bar along a path (K, 3) whose width points roughly `upwards`."""
    along = np.gradient(path, axis=0)
    along /= np.linalg.norm(along, axis=1, keepdims=True)
    deep = np.cross(along, upwards)
    deep /= np.linalg.norm(deep, axis=1, keepdims=True)
    return _bar(path, np.cross(deep, along), deep, width, depth, closed=False)


def _temple(face: _Face, hinge: np.ndarray, side: int, metal: bool, thick: float) -> _Solid:
    """From the frame outwards and back over the ear, then down behind it."""
    places, sign = _places(), (-1, 1)[side]
    neutral = face.neutral.astype(np.float64)
    rest, end = neutral[places.above[side]], neutral[places.behind[side]]
    near = neutral[places.temples[side]]
    share = np.linspace(0, 1, 9)[:, None]
    wide = max(abs(hinge[0]) + 0.05, abs(rest[0]))
    # The end piece goes outwards before the temple turns back.
    turn = np.array([sign * wide, hinge[1], hinge[2] - 0.07])
    path = np.concatenate([[hinge - [0, 0, 0.01]], turn + share * (rest - [0, 0.03, 0] - turn), [end]])
    distance = np.linalg.norm(path[1:, None, 1:] - near[None, :, 1:], axis=2)
    skin = np.where(distance < 0.12, near[:, 0] * sign, -np.inf).max(1)
    path[1:, 0] = sign * np.maximum(path[1:, 0] * sign, skin + 0.025)
    height = thick * 0.8 + 0.01 if metal else min(thick * 1.3, 0.09)
    return _straight(path, np.array([0.0, 1.0, 0.0]), height, 0.025 if metal else 0.035)


# ---- Hats, scarves, masks -----------------------------------------------------------------------------------------


def _round(face: _Face, shell: tuple, front: float, side: float, back: float) -> tuple[np.ndarray, np.ndarray]:
    """Azimuths (A,) and elevations (A,) of a line round the head with the given heights y."""
    azimuth = np.linspace(-180, 180, 49)
    turn = np.radians(azimuth)
    ends = np.where(np.abs(azimuth) < 90, front, back)
    height = side + (ends - side) * np.cos(turn) ** 2
    return azimuth, _elevation(face, shell, azimuth, height)


def _crown(face: _Face, shell: tuple, azimuth: np.ndarray, rim: np.ndarray, rows: np.ndarray, off: np.ndarray):
    """Points (R, C, 3) of a cap above a rim (C,); rows (R,) from 0 at the rim to 1 at the top, off (R,) outwards."""
    elevation = rim + (90 - rim) * rows[:, None]
    return _on_shell(face, shell, np.broadcast_to(azimuth, elevation.shape), elevation, off[:, None])


def _heights(face: _Face) -> tuple[float, float]:
    """y of the top of the ears and of the top of the head."""
    return float(face.neutral[_places().ear, 1].mean()), float(face.neutral[_places().shells[0][0][-1, 0], 1].mean())


def _beanie(face: _Face, random: np.random.Generator) -> tuple[Attachment, float]:
    shell = face.shell(ears=True, fill=4)
    ear, _ = _heights(face)
    front = face.brow + random.uniform(0.08, 0.4)
    side = ear + random.uniform(-0.25, 0.1)
    azimuth, rim = _round(face, shell, front, side, side - 0.1)
    off = random.uniform(0.07, 0.12)
    cuff = random.uniform(0.12, 0.2) if random.uniform() < 0.7 else 0.0
    tint = _colour(random, _CLOTHES)
    rows = np.linspace(0, 1, 11)
    points = _crown(face, shell, azimuth, rim, rows, np.r_[-0.02, np.full(10, off)])
    slouch = random.uniform(0, 0.35)
    bulge = np.clip(rows - 0.5, 0, 1)[:, None] ** 1.5 * 2
    points += bulge[..., None] * slouch * np.array([0, 0.8, -0.5])
    parts = [_made(_grid(points), tint, "cloth")]
    if cuff:
        band = _crown(
            face,
            shell,
            azimuth,
            rim,
            np.array([0.0, 0.01, 0.05, cuff, cuff + 0.03]),
            off + np.array([-off - 0.02, 0.03, 0.06, 0.06, 0.0]),
        )
        band[0, :, 1] -= 0.01
        parts.append(_made(_grid(band), tint * random.uniform(0.7, 1.0), "cloth"))
    if random.uniform() < 0.25:
        ball = _ball(random.uniform(0.2, 0.3)).moved(np.eye(3), points[-1].mean(0) + [0, 0.15, 0])
        parts.append(_made(ball, _colour(random, _CLOTHES), "cloth"))
    return Attachment.join(parts), 0.5 * (front + side)


def _cap(face: _Face, random: np.random.Generator) -> tuple[Attachment, float]:
    shell = face.shell(ears=False, fill=4)
    ear, _ = _heights(face)
    front = face.brow + random.uniform(0.15, 0.4) * face.size
    side = max(ear + random.uniform(0.05, 0.2), front - 0.25)
    azimuth, rim = _round(face, shell, front, side, side - 0.15)
    off = random.uniform(0.08, 0.13)
    rows = np.linspace(0, 1, 10)
    points = _crown(face, shell, azimuth, rim, rows, np.r_[-0.02, np.full(9, off)])
    backwards = random.uniform() < 0.12
    if not backwards:
        # The front of a cap stands up.
        points[..., 2] += 0.06 * np.sin(np.pi * rows)[:, None] * np.clip(np.cos(np.radians(azimuth)), 0, 1)
    tint = _colour(random, _CLOTHES)
    parts = [_made(_grid(points), tint, "cloth")]
    # Half a turn about the upright axis, there and back, for a peak behind.
    turn = np.array([-1, 1, -1]) if backwards else np.ones(3)
    edge = np.concatenate([points[1, 24:], points[1, 1:25]]) if backwards else points[1]
    peak = _peak(edge * turn, face.size * random.uniform(0.6, 0.78), random.uniform(0.05, 0.28))
    peak = replace(peak, points=peak.points * turn)
    parts.append(_made(peak, tint if random.uniform() < 0.6 else _colour(random, _CLOTHES), "cloth"))
    parts.append(_made(_ball(0.05, 8).moved(np.eye(3), points[-1].mean(0)), tint, "cloth"))
    return Attachment.join(parts), 0.5 * (front + side)


def _peak(rim: np.ndarray, length: float, droop: float) -> _Solid:
    """The peak of a cap at the front of a rim (49, 3), a thin closed sheet."""
    inner = rim[15:34]
    share = np.linspace(-1, 1, len(inner))
    depth = length * np.sqrt(np.clip(1 - np.abs(share) ** 2.6, 0, 1))
    outwards = np.stack([0.12 * share, -droop * np.ones_like(share), np.ones_like(share)], 1)
    steps = np.array([-0.05, 0.25, 0.5, 0.75, 0.95, 1.0])
    top = inner[None] + steps[:, None, None] * depth[:, None] * outwards
    top[0, :, 2] -= 0.04 * (1 - share**2)
    top[..., 0] -= 0.03 * share**7  # its ends go under the crown
    # Bent down on both sides.
    top[..., 1] -= 0.22 * length * share**2 * steps[:, None]
    thick = np.array([0.0, 0.03, 0.0])
    return _join(_grid(top[::-1]), _grid(top - thick), _grid(np.stack([top[-1] - thick, top[-1]])))


def _brimmed(face: _Face, random: np.random.Generator) -> tuple[Attachment, float]:
    """A hat with a brim all round: of felt or straw."""
    shell = face.shell(ears=False, fill=6)
    ear, top = _heights(face)
    front = face.brow + random.uniform(0.15, 0.4)
    side = max(ear + 0.1, front - 0.1)
    azimuth, rim = _round(face, shell, front, side, side - 0.02)
    line = _crown(face, shell, azimuth, rim, np.zeros(1), np.full(1, 0.1))[0]
    middle = 0.5 * (line.max(0) + line.min(0))
    radial = (line - middle) * [1, 0, 1]
    height = top + random.uniform(0.12, 0.35) - line[:, 1]
    taper = random.uniform(0.75, 0.92)
    shares = np.array([(1.0, 0.0), (0.99, 0.3), (0.5 * (1 + taper), 0.7), (taper, 0.93), (taper - 0.08, 1.0)])
    crown = np.stack([middle * [1, 0, 1] + radial * a + np.stack([0 * height, line[:, 1] + b * height, 0 * height], 1)
                      for a, b in shares])  # fmt: skip
    dent = random.uniform(0, 0.15)
    lid = _fan(crown[-1, :-1], crown[-1, :-1].mean(0) - [0, dent, 0])
    width = random.uniform(0.35, 0.9)
    outwards = radial / np.linalg.norm(radial, axis=1, keepdims=True)
    turn = np.radians(azimuth)
    droop = random.uniform(-0.15, 0.25) + random.uniform(-0.15, 0.15) * np.cos(2 * turn)
    # From within the hair's edge, so that one does not look into the crown.
    steps = np.array([-0.18 / width, 0.0, 0.35, 0.7, 1.0])[:, None, None]
    brim = line + steps * width * outwards
    brim[..., 1] -= (droop * np.clip(steps[..., 0], 0, 1) ** 1.6) * width
    felt = random.uniform() < 0.6
    tint = _colour(random, _CLOTHES) if felt else linear(np.array([214, 184, 132]) / 255)
    band = crown[:2] + outwards * 0.012
    under = brim - [0, 0.025, 0]
    hat = _join(_grid(crown), lid, _grid(brim[::-1]), _grid(under), _grid(np.stack([under[-1], brim[-1]])))
    parts = [_made(hat, tint, "plain" if felt else "cloth")]
    parts.append(_made(_grid(band), _colour(random, _CLOTHES), "cloth"))
    return Attachment.join(parts), 0.5 * (front + side)


def _headband(face: _Face, random: np.random.Generator) -> Attachment:
    shell = face.shell(ears=False, fill=4)
    ear, _ = _heights(face)
    front = face.brow + random.uniform(0.12, 0.5)
    azimuth, rim = _round(face, shell, front, max(ear, front - 0.25), ear - 0.05)
    width = random.uniform(8, 17)
    steps = np.array([0.0, 0.02, 0.5, 0.98, 1.0])[:, None]
    off = 0.07 + np.array([-0.07, 0.0, 0.015, 0.0, -0.07])[:, None]
    elevation = rim + steps * width
    band = _on_shell(face, shell, np.broadcast_to(azimuth, elevation.shape), elevation, off)
    return _made(_grid(band), _colour(random, _CLOTHES), "cloth")


def _headscarf(face: _Face, random: np.random.Generator) -> tuple[Attachment, float]:
    """A scarf round the face, over the ears and down to the shoulders."""
    shell = face.shell(ears=True, fill=6)
    chin = face.neutral[_places().chin].astype(np.float64)
    chin_y = float(face.neutral[:, 1][_places().shells[0][0][:, len(_AZIMUTHS) // 2, 0]].min())
    front = face.brow + random.uniform(0.15, 0.55)
    off = random.uniform(0.05, 0.09)
    # The hood: rows from the edge, which runs beside the face and across the forehead, to the back of the head.
    angle = np.radians(np.linspace(-90, 270, 45))  # round the face, from under the chin over the forehead
    wide = random.uniform(52, 62)  # degrees from the middle of the face to the edge at the side
    upper = float(_elevation(face, shell, np.zeros(1), np.array([front]))[0])
    under = 60.0
    edge = 1 / np.hypot(np.cos(angle) / wide, np.sin(angle) / np.where(np.sin(angle) > 0, upper, under))
    steps = np.array([0.0, 0.004, 0.06, 0.15, 0.27, 0.4, 0.53, 0.67, 0.84, 1.0])[:, None]
    polar = np.radians(edge + steps * (179 - edge))
    x, y, z = np.sin(polar) * np.cos(angle), np.sin(polar) * np.sin(angle), np.cos(polar)
    azimuth, elevation = np.degrees(np.arctan2(x, z)), np.degrees(np.arcsin(np.clip(y, -1, 1)))
    elevation = np.maximum(elevation, -56)  # below is the neck, which the drape covers
    outside = np.r_[0.0, 0.7, 1.15, np.ones(7)][:, None] * off
    hood = _on_shell(face, shell, azimuth, elevation, outside)
    # The edge lies on the skin.
    hood[0] = _on_shell(face, face.shell(ears=False, fill=0), azimuth[:1], elevation[:1], np.full(1, -0.03))[0]
    # The drape: from under the chin and behind the cheeks down over the shoulders; its first row is tucked in.
    around = np.linspace(-180, 180, 49)
    turn = np.radians(around)
    ear = face.neutral[_places().ear].mean(0).astype(np.float64)
    ahead = np.clip(np.cos(turn), 0, 1) ** 0.7
    rows = np.array([0.0, 0.0, 0.1, 0.25, 0.4, 0.6, 0.8, 1.0])[:, None]
    begin = (ear[1] - 0.4) * (1 - ahead) + (chin_y + 0.04) * ahead
    height = begin + rows * (chin_y - 1.5 - begin)
    axis = ear[2] + 0.12
    behind = axis - float(face.neutral[_places().shells[0][0][:, 0, 0], 2].min()) + 0.1  # the back of the head
    ahead_by = max(float(chin[2]) - axis + 0.04, 0.7)
    knots = [0, 0.2, 0.45, 0.7, 1]
    cheeks = hood[np.abs(hood[..., 1] - ear[1] + 0.5) < 0.2]
    side = float(np.abs(cheeks[:, 0] - face.centre[0]).max()) + 0.02
    wide = np.interp(rows, knots, [side, 0.97 * side, 0.82, 0.95, 1.35])
    back = np.interp(rows, knots, [behind, 0.95 * behind, 0.85 * behind, 0.9 * behind, 1.1 * behind])
    ahead_by = np.interp(rows, knots, np.array([1.0, 0.94, 0.84, 0.86, 1.0]) * ahead_by)
    folds = np.sin(turn * random.integers(5, 9) + 4 * rows + random.uniform(0, 6)) * np.clip(3 * rows, 0, 1) * 0.03
    reach = np.stack([wide + folds, np.where(np.cos(turn) > 0, ahead_by, back) + folds])
    reach[:, 0] *= 0.72
    drape = np.stack(
        [face.centre[0] + reach[0] * np.sin(turn), height, axis + reach[1] * np.cos(turn) - 0.1 * rows], -1
    )[::-1]
    tint = _colour(random, _CLOTHES)
    finish = "print" if random.uniform() < 0.3 else "cloth"
    low = _places().low[::3]
    points = drape.reshape(-1, 3)
    nearest = low[((points[:, None] - face.neutral[low][None]) ** 2).sum(2).argmin(1)]
    anchors = np.where(points[:, 1] > chin_y - 0.4, -1, nearest)
    parts = [_made(_grid(hood[:, ::-1]), tint, finish), _made(_grid(drape), tint, finish, anchors, face.neutral)]
    return Attachment.join(parts), chin_y - 5.0


def _headphones(face: _Face, random: np.random.Generator) -> Attachment:
    places = _places()
    ears = 0.45 * face.neutral[places.ear] + 0.55 * face.neutral[places.lobe]
    _, top = _heights(face)
    tint = _colour(random, _PLASTICS)
    parts = []
    for ear, sign in zip(ears, (-1, 1), strict=True):
        out = max(abs(float(ear[0])), 0.7) - 0.02
        profile = [(0.0, -0.02), (0.34, -0.02), (0.38, 0.05), (0.36, 0.18), (0.25, 0.24), (0.0, 0.25)]
        cup = _turned(np.array(profile), 16)
        turned = cup.moved(_rotation("z", -90 * sign), np.array([sign * out, ear[1], ear[2]]))
        parts.append(_made(turned, tint, "plastic"))
    angle = np.linspace(-np.pi / 2, np.pi / 2, 17)
    middle = ears.mean(0)
    half = 0.5 * (ears[1, 0] - ears[0, 0]) + 0.12
    height = top + 0.16 - middle[1]
    wide = half * np.sin(angle) * (1 + 0.08 * np.cos(angle) ** 2)
    path = middle + np.stack([wide, height * np.cos(angle), 0 * angle], 1)
    forwards = np.broadcast_to([0.0, 0.0, 1.0], path.shape)
    along = np.gradient(path, axis=0)
    deep = np.cross(along / np.linalg.norm(along, axis=1, keepdims=True), forwards)
    parts.append(_made(_bar(path, forwards, deep, random.uniform(0.15, 0.3), 0.07, closed=False), tint, "plastic"))
    return Attachment.join(parts)


def _earrings(face: _Face, random: np.random.Generator) -> Attachment:
    drop = random.uniform() < 0.5
    radius = random.uniform(0.06, 0.2) if drop else random.uniform(0.025, 0.045)
    angle = np.linspace(0, 2 * np.pi, 13)
    tint = _colour(random, _METALS)
    parts = []
    for row, sign in zip(_places().lobe, (-1, 1), strict=True):
        lobe = face.neutral[row].astype(np.float64) + [0.02 * sign, 0.03, 0.02]
        if drop:
            ring = np.stack([0 * angle, np.cos(angle) - 1, np.sin(angle)], 1) * radius
            parts.append(_pipe(lobe + ring, np.full(13, 0.016), 6))
        else:
            parts.append(_ball(radius, 8).moved(np.eye(3), lobe))
    return _made(_join(*parts), tint, "metal")


def _mask(face: _Face, random: np.random.Generator) -> Attachment:
    """A medical or cloth mask over nose, mouth and chin, with loops round the ears."""
    places, neutral = _places(), face.neutral
    shell = face.shell(ears=False, fill=1)
    medical = random.uniform() < 0.65
    low = float(face.points[:, 1][48 - 17 :].min())  # of the lower lip
    chin_y = neutral[places.chin, 1] - 0.17 * face.size
    bridge = face.landmark(28)[1] + random.uniform(-0.12, 0.04)
    if random.uniform() < 0.12:
        bridge = face.landmark(33)[1] - 0.04  # worn below the nose
    share = np.linspace(-1, 1, 23)
    azimuth = share * random.uniform(58, 66)
    top_y = bridge + (face.landmark(30)[1] + 0.02 - bridge) * np.abs(share) ** 1.3
    bottom_y = chin_y + (0.5 * (low + chin_y) + 0.12 - chin_y) * np.abs(share) ** 2
    top, bottom = (_elevation(face, shell, azimuth, y) for y in (np.minimum(top_y, bridge), bottom_y))
    rows = np.linspace(0, 1, 15)[:, None]
    elevation = bottom + rows * (top - bottom)
    columns = np.broadcast_to(azimuth, elevation.shape)
    points = _on_shell(face, shell, columns, elevation, np.zeros(1))
    distance = np.linalg.norm(points - face.centre, axis=2).astype(np.float32)
    direction = (points - face.centre) / distance[..., None]
    # Cloth spans hollows; the edges lie close.
    spanned = distance.copy()
    for _ in range(14):
        spanned = np.maximum(spanned, cv2.blur(spanned, (5, 5), borderType=cv2.BORDER_REPLICATE))
    hem = np.clip(np.minimum(rows, 1 - rows) * 6, 0, 1) * np.clip((1 - np.abs(share)) * 8, 0, 1)
    off = 0.03 + 0.035 * hem
    if medical:
        off = off + 0.012 * hem * np.abs(np.sin(np.pi * 3 * rows)) ** 0.5
    points = face.centre + direction * (distance + (spanned - distance) * (0.3 + 0.7 * hem) + off)[..., None]
    # Tucked under the chin and to the skin, so that no gap shows.
    tuck = points[:1] - 0.06 * direction[:1] + [0, -0.03, -0.12]
    points = np.concatenate([tuck, points])
    height = np.r_[0, rows[:, 0]]
    # The lower part follows the chin, the middle the cheeks, the upper part stays.
    side = places.halfway[(share > 0).astype(int)]
    anchors = np.where(height[:, None] > 0.62, -1, np.where(height[:, None] > 0.36, side, places.chin))
    if medical:
        tint, finish = _colour(random, _MEDICAL), "plain"
    else:
        tint, finish = _colour(random, _CLOTHES), "print" if random.uniform() < 0.4 else "cloth"
    parts = [_made(_grid(points), tint, finish, anchors.ravel(), neutral)]
    loops = []
    for side_number, column, sign in ((0, 0, -1), (1, -1, 1)):
        root = neutral[places.above[side_number]].astype(np.float64) + [0.03 * sign, -0.04, 0.0]
        bare = neutral[places.temples[side_number]]
        lobe = neutral[places.lobe[side_number]].astype(np.float64)
        under = np.array([root[0], lobe[1], lobe[2] - 0.05])
        for corner, goal in ((points[-2, column], root), (points[2, column], under)):
            path = corner + np.linspace(0, 1, 7)[:, None] * (goal - corner)
            distance = ((path[:, None, 1:] - bare[None, :, 1:]) ** 2).sum(2)
            skin = np.where(distance < 0.09**2, bare[:, 0] * sign, -np.inf).max(1)
            path[:, 0] = sign * np.maximum(path[:, 0] * sign, skin + 0.02)
            loops.append(_straight(path, np.array([0.0, 1.0, 0.0]), 0.03, 0.015))
    parts.append(_made(_join(*loops), np.full(3, 0.7), "plain"))
    return Attachment.join(parts)


# ---- Hands --------------------------------------------------------------------------------------------------------

_FINGERS = [(finger, joint) for finger in range(1, 6) for joint in range(1, 4)]  # 1: the thumb


@dataclass(frozen=True)
class _Hand:
    """A left hand with its forearm: fingers along y, the palm towards -z, the thumb at +x; its origin is in the palm.

    points: (n, 3) dm; triangles: (m, 3); weights: (n, 17) shares of forearm, hand and the 15 bones of _FINGERS.
    joints: (15, 3) where these bones begin; axes: (15, 3) about which they curl; wrist, elbow: (3,).
    """

    points: np.ndarray
    triangles: np.ndarray
    weights: np.ndarray
    joints: np.ndarray
    axes: np.ndarray
    wrist: np.ndarray
    elbow: np.ndarray

    def posed(self, curl: np.ndarray, spread: np.ndarray, wrist: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Points (n, 3) and elbow (3,) of a pose.

        Args:
            curl: (5, 3) degrees by which each joint of each finger is bent; spread: (5,) of the whole finger sideways.
            wrist: (3, 3) rotation of the forearm about the wrist.
        """
        moves = [(wrist, self.wrist - wrist @ self.wrist), (np.eye(3), np.zeros(3))]
        for number, (finger, joint) in enumerate(_FINGERS):
            turn = cv2.Rodrigues(self.axes[number] * np.radians(curl[finger - 1, joint - 1]))[0]
            if joint == 1:
                turn = _rotation("z", spread[finger - 1]) @ turn
                parent = (np.eye(3), np.zeros(3))
            else:
                parent = moves[-1]
            start = self.joints[number]
            moves.append((parent[0] @ turn, parent[0] @ (start - turn @ start) + parent[1]))
        turns = np.tensordot(self.weights, np.stack([move[0] for move in moves]), 1)
        shifts = self.weights @ np.stack([move[1] for move in moves])
        points = np.einsum("nij,nj->ni", turns, self.points) + shifts
        return points, wrist @ (self.elbow - self.wrist) + self.wrist


@cache
def _hand() -> _Hand:
    """The hand of the base mesh, coarsened."""
    folder = data_folder()
    vertices, _, quads, groups = read_obj(folder / "mpfb2/3dobjs/base.obj")
    body = quads[groups == "body"][..., 0]
    used, flat = np.unique(body[vertices[body][..., 0].min(1) > 2.9], return_inverse=True)
    triangles = flat.reshape(-1, 4)[:, [[0, 1, 2], [0, 2, 3]]].reshape(-1, 3)

    def joint(name: str) -> np.ndarray:
        return vertices[np.unique(quads[groups == f"joint-l-{name}"][..., 0])].mean(0)

    joints = np.stack([joint(f"finger-{finger}-{number}") for finger, number in _FINGERS])
    tips = np.stack([joint(f"finger-{finger}-4") for finger in range(1, 6)])
    wrist, elbow = joint("hand"), joint("elbow")
    y = joint("finger-3-2") - wrist
    y /= np.linalg.norm(y)
    x = joint("finger-2-1") - joint("finger-5-1")  # towards the thumb
    x -= (x @ y) * y
    x /= np.linalg.norm(x)
    frame = np.stack([x, y, np.cross(x, y)])  # of a left hand, x cross y leads out of its back
    origin = 0.5 * (joint("finger-3-1") + wrist)
    table = json.loads((folder / "mpfb2/rigs/standard/weights.default.json").read_text("utf-8"))["weights"]
    weights = np.zeros((len(vertices), 17))
    for bone, pairs in table.items():
        if not bone.endswith(".L") or not pairs:
            continue
        if bone.startswith("finger"):
            column = 2 + _FINGERS.index((int(bone[6]), int(bone[8])))
        elif bone.startswith(("lowerarm", "upperarm", "wrist", "metacarpal")):
            column = int(bone.startswith(("wrist", "metacarpal")))
        else:
            continue
        numbers, shares = np.array(pairs).T
        np.add.at(weights[:, column], numbers.astype(int), shares)
    weights = weights[used]
    weights /= np.maximum(weights.sum(1, keepdims=True), 1e-9)
    points = (vertices[used] - origin) @ frame.T
    points, triangles, weights = _coarsened(points, triangles, weights, _TRIANGLES)
    joints, tips = (joints - origin) @ frame.T, (tips - origin) @ frame.T
    axes = np.tile([-1.0, 0.0, 0.0], (15, 1))  # about which y turns towards -z
    for finger in range(5):
        for number in range(3):
            along = (np.r_[joints[3 * finger : 3 * finger + 3], tips[finger : finger + 1]])[number : number + 2]
            along = (along[1] - along[0]) / np.linalg.norm(along[1] - along[0])
            # The thumb bends towards the little finger.
            axis = np.cross(along, [-0.6, 0.2, -0.8] if finger == 0 else [0.0, 0.0, -1.0])
            axes[3 * finger + number] = axis / np.linalg.norm(axis)
    return _Hand(points, triangles, weights, joints, axes, (wrist - origin) @ frame.T, (elbow - origin) @ frame.T)


def _coarsened(
    points: np.ndarray, triangles: np.ndarray, weights: np.ndarray, wanted: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """At most about `wanted` triangles: the shortest edges are collapsed, those across bends last."""
    points, weights, triangles = points.copy(), weights.copy(), triangles.copy()
    while len(triangles) > wanted:
        edges = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])
        edges, count = np.unique(np.sort(edges, 1), axis=0, return_counts=True)
        border = np.unique(edges[count == 1])
        neighbours: list[set[int]] = [set() for _ in points]
        for a, b in edges.tolist():
            neighbours[a].add(b)
            neighbours[b].add(a)
        corners = points[triangles]
        faces = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        normals = np.zeros_like(points)
        for k in range(3):
            np.add.at(normals, triangles[:, k], faces)
        normals /= np.linalg.norm(normals, axis=1, keepdims=True) + 1e-12
        bend = 1 - (normals[edges[:, 0]] * normals[edges[:, 1]]).sum(1)
        cost = np.linalg.norm(points[edges[:, 0]] - points[edges[:, 1]], axis=1) * (0.3 + bend)
        locked = np.zeros(len(points), bool)
        locked[border] = True
        target = np.arange(len(points))
        # A pass takes the cheapest fifth of what is left, and no two edges that touch.
        allowed = max(min((len(triangles) - wanted) // 2, len(triangles) // 12), 1)
        for a, b in edges[np.argsort(cost, kind="stable")].tolist():
            if allowed == 0:
                break
            # Two common neighbours: otherwise the surface would fold onto itself.
            if locked[a] or locked[b] or len(neighbours[a] & neighbours[b]) != 2:
                continue
            target[b] = a
            points[a] = 0.5 * (points[a] + points[b])
            weights[a] = 0.5 * (weights[a] + weights[b])
            locked[list(neighbours[a] | neighbours[b])] = True
            allowed -= 1
        before = len(triangles)
        triangles = target[triangles]
        a, b, c = triangles.T
        triangles = triangles[(a != b) & (b != c) & (c != a)]
        if len(triangles) == before:
            break
    used, flat = np.unique(triangles, return_inverse=True)
    return points[used], flat.reshape(-1, 3), weights[used]


def _arm(person: Person, random: np.random.Generator, curl: np.ndarray, wrist: np.ndarray) -> list[tuple]:
    """A posed left hand with forearm and sleeve in the hand's frame: (solid, tint, finish) of each."""
    hand = _hand()
    # From spread fingers, as the mesh has them, to closed ones.
    points, elbow = hand.posed(curl, random.uniform(-0.2, 1.1) * np.array([18.0, 6.0, 0.0, -6.0, -13.0]), wrist)
    solid = _Solid(points, hand.triangles, np.zeros((len(hand.triangles), 3, 2)))
    along = elbow - hand.wrist
    length = np.linalg.norm(along)
    along = along / length
    begin = random.uniform(0.12, 0.8)  # of the forearm, where the sleeve ends
    rows = np.array([begin, begin + 0.002, begin + 0.04, 0.75 + 0.25 * begin, 1.15, 1.6])
    radius = np.interp(rows, [0, 0.35, 0.8, 1.6], [0.34, 0.42, 0.58, 0.66])
    radius[0] -= 0.04
    sleeve = _pipe(hand.wrist + rows[:, None] * length * along, radius + random.uniform(0, 0.06), 14)
    skin = np.asarray(person.skin, float) * random.uniform(0.9, 1.05)
    return [(solid, skin, "limb"), (sleeve, _colour(random, _CLOTHES), "cloth")]


def _flat_hand(random: np.random.Generator) -> np.ndarray:
    """(5, 3) degrees of a flat, slightly bent, or partly closed hand."""
    bend = random.uniform(-4, 18)
    curl = np.tile([bend * 0.8, bend, bend * 0.7], (5, 1)) + random.normal(0, 4, (5, 3))
    kind = random.uniform()
    if kind < 0.25:  # the outer fingers folded: one or two fingers touch the face
        curl[4 - random.integers(2) :] = [55, 70, 45]
        curl[3, :] = [50, 65, 40]
        curl[4, :] = [60, 70, 40]
    elif kind < 0.35:  # a loose fist
        curl[1:] = np.array([55, 75, 45]) + random.normal(0, 5, (4, 3))
    curl[0] = random.normal([4, 8, 10], 5)
    return curl


def _place(parts: list[tuple], right: bool, rotation: np.ndarray, shift: np.ndarray) -> Attachment:
    """Parts in a left hand's frame, mirrored for a right hand, then turned and moved."""
    made = []
    for solid, tint, finish in parts:
        sided = solid.mirrored() if right else solid
        made.append(_made(sided.moved(rotation, shift), tint, finish))
    return Attachment.join(made)


def _lift(face: _Face, points: np.ndarray, sink: float = 0.05) -> tuple[float, float]:
    """How far points (n, 3) must move along z to lie in front of the face, and how far from it they are then, in dm.

    Args:
        sink: the share of the points in front of the face that may lie deeper, as skin gives way.
    """
    deep = face.front(points) - points[:, 2]
    deep = deep[np.isfinite(deep)]
    if not len(deep):
        return 0.0, np.inf
    lift = float(np.quantile(deep, 1 - sink))
    return lift, float(np.clip(lift - deep, 0, None).mean())


def _unit(x: float, y: float, z: float) -> np.ndarray:
    return np.array([x, y, z]) / np.sqrt(x * x + y * y + z * z)


def _hand_on_face(person: Person, face: _Face, random: np.random.Generator) -> tuple[Attachment, np.ndarray]:
    """A hand on cheek, chin, mouth, nose or eye, with the forearm leading away."""
    right = random.uniform() < 0.5
    sign = -1 if right else 1
    mouth = 0.5 * (face.landmark(51) + face.landmark(57))
    eye = face.pupils[0 if right else 1]
    kind = random.choice(["cheek", "chin", "mouth", "eye", "nose"], p=[0.3, 0.2, 0.25, 0.15, 0.1])
    # In-plane angle of a left hand's fingers from upwards towards the face's middle; where the palm's centre lies
    # relative to a point of the face, in the hand's own plane; and how far the palm turns to face the cheek.
    x, y, angles, turns = {
        "cheek": (0.62, mouth[1] + 0.1, (-10, 35), (15, 45)),
        "chin": (0.15, mouth[1] - 0.6, (25, 70), (0, 20)),
        "mouth": (0.35, mouth[1] - 0.12, (35, 75), (0, 25)),
        "eye": (0.45, eye[1] - 0.25, (-5, 40), (5, 25)),
        "nose": (0.15, mouth[1] - 0.35, (-15, 50), (0, 15)),
    }[kind]
    goal, angle, turn = np.array([sign * x, y, 0.0]), random.uniform(*angles), random.uniform(*turns)
    goal[:2] += random.normal(0, 0.07, 2)
    goal[0] += face.pupils[:, 0].mean()
    goal[2] = mouth[2]
    # Elbows hang: the forearm bends downwards where the hand lies sideways.
    bend = random.uniform(0.4, 0.7) * max(angle - 10, 0)
    wrist = _rotation("z", -bend) @ _rotation("x", random.uniform(-30, 10))
    parts = _arm(person, random, _flat_hand(random), wrist)
    # The palm is turned so that the hand lies closest, once it is clear of the face.
    best, least = None, np.inf
    for tip in (-12, 4):
        for turned in turn + np.array([-24.0, -8.0, 8.0, 24.0]):
            rotation = _rotation("y", sign * turned) @ _rotation("z", sign * angle) @ _rotation("x", tip)
            shift, gap = _lift(face, parts[0][0].points * [sign, 1, 1] @ rotation.T + goal)
            if gap < least:
                best, least = (rotation, goal + [0, 0, shift]), gap
    thing = _place(parts, right, *best)
    return thing, _unit(sign * random.uniform(0.1, 0.8), -1.0, random.uniform(0.35, 0.8))


def _grip(radius: float) -> np.ndarray:
    """(5, 3) degrees of fingers round something of that radius in dm."""
    tight = float(np.interp(radius, [0.12, 0.45], [1.0, 0.55]))
    curl = np.tile(np.array([62.0, 78.0, 45.0]) * tight, (5, 1))
    curl[0] = np.array([18.0, 22.0, 25.0]) * tight
    return curl


def _held_in_hand(
    person: Person, face: _Face, random: np.random.Generator, parts: list[tuple], radius: float, goal: np.ndarray,
    tilt: np.ndarray, right: bool,
) -> Attachment:  # fmt: skip
    """Something of a hand's frame, along x from the little finger to the thumb, put with its hand at a place.

    Args:
        parts: (solid, tint, finish) about an axis along x through the hollow of the hand.
        radius: of the thing in dm. goal: (3,) of the hollow. tilt: (3, 3) rotation in the head's frame of what stands.
    """
    hollow = np.array([0.0, 0.12, -0.18 - radius])
    moved = [(solid.moved(np.eye(3), hollow), tint, finish) for solid, tint, finish in parts]
    # A grip is diagonal: what is held stands while the forearm hangs.
    slant = _rotation("z", -random.uniform(25, 45))
    wrist = _rotation("z", -random.uniform(5, 30)) @ _rotation("x", random.uniform(-15, 25))
    arm = _arm(person, random, _grip(radius), wrist)
    every = [*((solid.moved(slant, hollow - slant @ hollow), tint, finish) for solid, tint, finish in arm), *moved]
    sign = -1 if right else 1
    # The thumb's side up: x to y; then fingers run from the hand's side across the picture, the palm to the face.
    stand = _rotation("z", sign * 90)
    upright = tilt @ _rotation("y", sign * random.uniform(-10, 55)) @ stand
    shift = goal - upright @ (hollow * [sign, 1, 1])
    return _place(every, right, upright, shift)


def _microphone(person: Person, face: _Face, random: np.random.Generator) -> tuple[Attachment, np.ndarray]:
    right = random.uniform() < 0.5
    head = random.uniform(0.22, 0.32)
    onto_x = _rotation("z", -90)  # what is turned about y lies along x
    stick = _turned(np.array([(0.0, -1.1), (0.11, -1.1), (0.12, -0.4), (0.16, 0.55), (0.0, 0.56)]), 12)
    ball = _ball(head, 16).moved(np.eye(3), np.array([0, 0.55 + 0.8 * head, 0]))
    foam = random.uniform() < 0.4
    parts = [
        (stick.moved(onto_x, np.zeros(3)), _colour(random, ((20, 20, 22), (30, 30, 34))), "plastic"),
        (ball.moved(onto_x, np.zeros(3)), _colour(random, _CLOTHES if foam else _METALS), "plain" if foam else "metal"),
    ]
    chin = face.landmark(57)
    tilt = _rotation("z", random.uniform(-25, 25)) @ _rotation("x", random.uniform(-35, -5))
    # So that the ball ends in front of the lips or the chin.
    ball_at = chin + [random.normal(0, 0.08), random.uniform(-0.25, 0.15), 0.35 + head]
    goal = ball_at - tilt @ np.array([0, 0.55 + 0.8 * head, 0])
    thing = _held_in_hand(person, face, random, parts, 0.13, goal, tilt, right)
    return _pushed(face, thing, 0.02), _unit(random.uniform(-0.6, 0.6), -1.0, 0.6)


def _cup(person: Person, face: _Face, random: np.random.Generator) -> tuple[Attachment, np.ndarray]:
    right = random.uniform() < 0.5
    radius, height = random.uniform(0.33, 0.42), random.uniform(0.8, 1.3)
    narrow = random.uniform(0.7, 1.0)
    outside = [(0.0, -0.5), (narrow, -0.5), (1.0, 0.5), (0.96, 0.5), (narrow * 0.95, -0.4), (0.0, -0.4)]
    profile = np.array(outside) * [radius, height]
    cup = _turned(np.repeat(profile, 2, 0)[1:-1], 20)
    finish = "plastic" if random.uniform() < 0.5 else "print"
    parts = [(cup.moved(_rotation("z", -90), np.zeros(3)), _colour(random, _CLOTHES), finish)]
    lip = face.landmark(66)
    # Tilted towards the mouth as when drinking.
    tilt = _rotation("z", random.uniform(-8, 8)) @ _rotation("x", random.uniform(-50, -5))
    rim = tilt @ np.array([0, 0.5 * height, -radius])
    goal = lip + [random.normal(0, 0.04), random.uniform(-0.06, 0.04), 0.06] - rim
    thing = _held_in_hand(person, face, random, parts, radius, goal, tilt, right)
    return _pushed(face, thing, 0.0), _unit(random.uniform(-0.5, 0.5), -1.0, 0.6)


def _phone(person: Person, face: _Face, random: np.random.Generator) -> tuple[Attachment, np.ndarray]:
    """At the ear and along the cheek, or in front of the face as for a picture."""
    right = random.uniform() < 0.5
    sign = -1 if right else 1
    body = _plate(0.74, 1.5, 0.09, 0.09)
    colour = _colour(random, ((16, 16, 18), (30, 32, 36), (210, 208, 204), (120, 40, 50), (60, 80, 120)))
    if random.uniform() < 0.5:
        screen = _plate(0.68, 1.42, 0.094, 0.06)
    else:
        screen = _plate(0.2, 0.2, 0.12, 0.06).moved(np.eye(3), np.array([0.2, 0.58, 0.0]))
    # In the hand's frame its length lies along x and its face to the palm.
    along = _rotation("z", -90)
    parts = [(body.moved(along, np.zeros(3)), colour, "plastic"),
             (screen.moved(along, np.zeros(3)), np.full(3, 0.008), "plastic")]  # fmt: skip
    if random.uniform() < 0.5:
        ear = face.neutral[_places().lobe[0 if right else 1]].astype(np.float64)
        corner = face.landmark(48 if right else 54)
        goal = 0.45 * ear + 0.55 * corner + [sign * 0.22, 0.05, 0.2]
        tilt = _rotation("y", sign * random.uniform(35, 60)) @ _rotation("z", sign * random.uniform(-30, -5))
    else:
        aside = [sign * random.uniform(-0.1, 0.6), random.uniform(-0.5, 0.3), random.uniform(0.5, 1.2)]
        goal = face.landmark(30) + aside
        tilt = _rotation("z", random.uniform(-15, 15)) @ _rotation("x", random.uniform(-15, 5))
    thing = _held_in_hand(person, face, random, parts, 0.3, goal, tilt, right)
    return _pushed(face, thing, 0.02), _unit(sign * random.uniform(0.2, 0.9), -0.8, 0.7)


def _sheet(person: Person, face: _Face, random: np.random.Generator) -> tuple[Attachment, np.ndarray]:
    """Paper, a book or a card that covers a part of the face, with the hand that holds it below."""
    right = random.uniform() < 0.5
    sign = -1 if right else 1
    kind = random.choice(["paper", "book", "card"])
    width, height = {"paper": (2.1, 2.97), "book": (2.6, 2.0), "card": (0.86, 0.54)}[kind]
    if kind == "paper" and random.uniform() < 0.5:
        width, height = height, width
    x, y = np.meshgrid(np.linspace(-0.5, 0.5, 9), np.linspace(-0.5, 0.5, 7))
    fold = random.uniform(0.1, 0.5)
    if kind == "book":
        z = -fold * (1 - np.abs(2 * x)) + fold * 0.5
    else:
        z = random.uniform(-0.3, 0.3) * (x + random.uniform(-0.5, 0.5) * y) ** 2 * (kind == "paper")
    points = np.stack([x * width, y * height, z], -1)
    solid = _join(_grid(points), _grid((points - [0, 0, 0.015 if kind != "book" else 0.06])[:, ::-1]))
    tint = linear(np.array([236, 234, 228]) / 255) if kind == "paper" else _colour(random, _CLOTHES)
    finish = "plain" if kind == "paper" and random.uniform() < 0.5 else "print"
    # Its upper edge ends somewhere between the chin and the eyes; or it covers one side.
    slant = _rotation("z", random.uniform(-18, 18)) @ _rotation("y", random.uniform(-25, 25))
    slant = slant @ _rotation("x", random.uniform(-25, 10))
    if kind == "card":
        spot = face.points[random.integers(len(face.points))] + [0, 0, 0.2]
        centre = spot + [random.normal(0, 0.1), random.normal(0, 0.1), 0]
    elif random.uniform() < 0.65:
        upper = random.uniform(face.landmark(57)[1] - 0.1, face.landmark(28)[1])
        centre = np.array([random.normal(0, 0.25), upper - height / 2, face.landmark(30)[2] + 0.1])
    else:
        inner = random.uniform(-0.15, 0.35)
        centre = face.landmark(30) + [sign * (inner + width / 2), random.normal(0, 0.3), 0.1]
    thing = _pushed(face, _made(solid.moved(slant, centre), tint, finish), 0.03)
    # Fingers behind, thumb in front of the lower edge.
    centre = thing.offsets.reshape(2, -1, 3)[0].mean(0)
    hold_at = centre + slant @ np.array([sign * width * random.uniform(0.0, 0.35), -0.45 * height, 0.0])
    curl = np.tile([18.0, 20.0, 12.0], (5, 1))
    arm = _arm(person, random, curl, _rotation("x", random.uniform(-30, 5)))
    turn = slant @ _rotation("z", sign * random.uniform(5, 40))
    hand = _place(arm, right, turn, hold_at + slant @ np.array([0.0, -0.55, 0.22]))
    return Attachment.join([thing, hand]), _unit(sign * random.uniform(0.0, 0.8), -1.0, 0.5)


def _shawl(person: Person, face: _Face, random: np.random.Generator) -> tuple[Attachment, np.ndarray]:
    """A scarf drawn up over the chin, mouth or nose."""
    goal = (57, 51, 30, 28)[random.integers(4)]
    upper = face.landmark(goal)[1] + random.uniform(-0.08, 0.08)
    shell = face.shell(ears=False, fill=2)
    azimuth = np.linspace(-150, 150, 41)
    chin = float(face.neutral[_places().chin, 1]) - 0.1
    height = upper - 0.35 * np.clip(np.abs(azimuth) / 100, 0, 1) ** 1.5
    rows = np.array([0.0, 0.1, 0.25, 0.4, 0.55, 0.75, 0.9, 0.99, 1.0])[:, None]
    level = chin - 0.9 + rows * (height - chin + 0.9)
    elevation = np.stack([_elevation(face, shell, azimuth, row) for row in np.maximum(level, chin)])
    folds = 0.04 * np.sin(6 * np.pi * rows + 0.04 * azimuth + random.uniform(0, 6)) * (1 - rows)
    off = np.where(rows == 1.0, -0.02, 0.09) + folds
    points = _on_shell(face, shell, np.broadcast_to(azimuth, elevation.shape), elevation, off)
    # Below the chin it narrows towards the neck.
    below = np.clip((chin - level) / 0.9, 0, 1)
    middle = face.centre * [1, 0, 1] + [0, 0, 0.1]
    points[..., [0, 2]] = (middle + (points - middle) * (1 - 0.22 * np.sin(np.pi * below))[..., None])[..., [0, 2]]
    points[..., 1] -= 0.9 * below
    return _made(_grid(points), _colour(random, _CLOTHES), "cloth"), _unit(0.2, -1.0, 0.9)


def _pushed(face: _Face, thing: Attachment, gap: float) -> Attachment:
    """Moved along z just so far that nothing of it lies in the face, `gap` dm in front of it."""
    before = thing.offsets[:, 2] > face.centre[2] - 0.4  # arms may pass beside and below the head
    if not before.any():
        return thing
    shift = max(_lift(face, thing.offsets[before], 0.01)[0] + gap, 0.0)
    return replace(thing, offsets=thing.offsets + np.array([0, 0, shift], np.float32))

"""What things are fitted to: places of the mesh (ears, temples, cheeks, chin, the outermost skin all round), and one
person's head with its measures, a shell round it, and pushing things out of it."""

from dataclasses import dataclass, replace
from functools import cache, cached_property

import cv2
import numpy as np

from tsal.synth.anatomy import load
from tsal.synth.attachment import Attachment
from tsal.synth.landmarks import landmark_map
from tsal.synth.people import Person
from tsal.synth.raster import FAR, depth_map

ELEVATIONS = np.arange(-60, 91, 4.0)  # degrees
AZIMUTHS = np.arange(-180, 181, 4.0)  # from the face towards the person's left; both ends are the same
_CENTRE = np.array([0.0, 7.2, 0.45])  # of the template, from which it is seen in these directions
_SAMPLES, _SPAN = 128, 2.6  # of the face's relief, and its side in dm
_NOWHERE = -1000.0  # dm: where there is no face


@dataclass(frozen=True)
class Places:
    """Rows of the mesh that things are fitted to.

    shells: rows and weights, (E, A, 3) each, of the outermost skin in every direction, without and with ears.
    pupils: rows of the person's right and left eyeball. temples: rows between eyes and ears, of both sides.
    ear: (2,) rows of the ears' tops; above, behind: (2,) rows of the skull there, and lower down behind the ears;
    lobe: (2,) of the ears' lowest points. chin: the row of its middle.
    halfway: (2,) rows of the cheeks that move half as far as the chin when the jaw opens, to the right and left.
    solid: (F, 3) triangles that lie behind everything worn: skin, eyes, lashes. low: rows of neck and shoulders.
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
def find_places() -> Places:
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
    return Places(
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
    elevation, azimuth = np.radians(np.meshgrid(ELEVATIONS, AZIMUTHS, indexing="ij"))
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
    shape = (len(ELEVATIONS), len(AZIMUTHS), 3)
    return triangles[triangle[best]].reshape(shape), weights[best].reshape(shape)


@dataclass(frozen=True)
class Face:
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
    def of(person: Person) -> "Face":
        places, neutral = find_places(), person.neutral
        points = neutral[landmark_map().inner].mean(1).astype(np.float64)
        pupils = np.stack([neutral[rows].mean(0) for rows in places.pupils]).astype(np.float64)
        size = float(np.clip((pupils[1, 0] - pupils[0, 0]) / 0.6, 0.75, 1.2))
        ears = neutral[places.ear].mean(0).astype(np.float64)
        # As _CENTRE lies to the ears' tops and the bridge of the template's nose.
        centre = np.array([ears[0], 0.5 * (ears[1] + points[11, 1]) - 0.08, ears[2] + 0.12])
        return Face(neutral, points, pupils, size, centre)

    def landmark(self, number: int) -> np.ndarray:
        return self.points[number - 17]

    @property
    def brow(self) -> float:
        """Height of the brows."""
        return float(self.points[:10, 1].max())

    def shell(self, ears: bool, fill: int) -> tuple[np.ndarray, np.ndarray]:
        """The head seen from its centre: directions (E, A, 3) and distances (E, A), the hollows filled.

        Args:
            ears: with them.
            fill: how often each distance is raised to the mean of its neighbours'.
        """
        rows, weights = find_places().shells[ears]
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
        depth = depth_map(self.neutral, find_places().solid, _SAMPLES * far / _SPAN, _SAMPLES, transform)
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
    step = AZIMUTHS[1] - AZIMUTHS[0]
    x = ((azimuth + 180) % 360 / step).astype(np.float32)
    y = ((elevation - ELEVATIONS[0]) / step).astype(np.float32)
    return cv2.remap(values.astype(np.float32), x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def elevation_at(face: Face, shell: tuple[np.ndarray, np.ndarray], azimuth: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Degrees (n,) at which a shell has the heights y (n,) in dm in the directions `azimuth` (n,)."""
    directions, distance = shell
    height = _look_up(
        directions[..., 1] * distance + face.centre[1],
        np.tile(azimuth, (len(ELEVATIONS), 1)),
        np.repeat(ELEVATIONS[:, None], len(azimuth), 1),
    )
    first = (height > y).argmax(0)
    last = np.maximum(first - 1, 0)
    column = np.arange(len(azimuth))
    low, high = height[last, column], height[first, column]
    share = np.clip((y - low) / np.maximum(high - low, 1e-3), 0, 1)
    return ELEVATIONS[last] + share * (ELEVATIONS[first] - ELEVATIONS[last])


def on_shell(
    face: Face, shell: tuple[np.ndarray, np.ndarray], azimuth: np.ndarray, elevation: np.ndarray, off: np.ndarray
) -> np.ndarray:
    """Points (R, C, 3), `off` dm (broadcast to (R, C)) outside a shell in directions (R, C) in degrees."""
    directions, distance = shell
    direction = _look_up(directions, azimuth, elevation)
    direction /= np.linalg.norm(direction, axis=2, keepdims=True)
    return face.centre + direction * (_look_up(distance, azimuth, elevation) + off)[..., None]


def lift_off(face: Face, points: np.ndarray, sink: float = 0.05) -> tuple[float, float]:
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


def pushed(face: Face, thing: Attachment, gap: float) -> Attachment:
    """Moved along z just so far that nothing of it lies in the face, `gap` dm in front of it."""
    before = thing.offsets[:, 2] > face.centre[2] - 0.4  # arms may pass beside and below the head
    if not before.any():
        return thing
    shift = max(lift_off(face, thing.offsets[before], 0.01)[0] + gap, 0.0)
    return replace(thing, offsets=thing.offsets + np.array([0, 0, shift], np.float32))

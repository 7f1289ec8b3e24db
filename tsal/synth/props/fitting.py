"""One person's head as things are fitted to it: its measures, a shell round it, and pushing things out of it."""

from dataclasses import dataclass, replace
from functools import cached_property

import cv2
import numpy as np

from tsal.synth.attachment import Attachment
from tsal.synth.landmarks import landmark_map
from tsal.synth.people import Person
from tsal.synth.props.places import AZIMUTHS, ELEVATIONS, find_places
from tsal.synth.raster import FAR, depth_map

_SAMPLES, _SPAN = 128, 2.6  # of the face's relief, and its side in dm
_NOWHERE = -1000.0  # dm: where there is no face


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
        # As the centre in tsal.synth.props.places lies to the ears' tops and the bridge of the template's nose.
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

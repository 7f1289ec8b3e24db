"""Videos of square 'faces', each with a texture of its own, and detectors that know where they are."""

from collections.abc import Collection

import cv2
import numpy as np

from tsal.data.faces import bounds_of
from tsal.face_detectors.boxes import overlap

SIZE = 48  # px of a face
WIDTH, HEIGHT = 320, 200
_GRID = np.stack(np.meshgrid([0.0, 0.5, 1.0], [0.0, 0.5, 1.0]), axis=-1).reshape(-1, 2)  # 9 landmarks


def texture(person: int) -> np.ndarray:
    """What a person looks like, (2 SIZE, 2 SIZE, 3) uint8."""
    small = np.random.default_rng(person).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    return cv2.resize(small, (2 * SIZE, 2 * SIZE), interpolation=cv2.INTER_CUBIC)


class Scene:
    """Frames, and what is where on them.

    Args:
        frames: of each frame the persons and the centres (x, y) of their faces.
        missed: persons that the face detector does not see, by frame.
        unsure: frames in which landmarks are not confident.
    """

    def __init__(
        self,
        frames: list[dict[int, tuple[float, float]]],
        missed: dict[int, set[int]] | None = None,
        unsure: Collection[int] = (),
    ) -> None:
        self.frames, self.missed, self.unsure = frames, missed or {}, unsure
        self.number = -1
        self.searches: list[int] = []
        self.windows: list[np.ndarray] = []

    def next_image(self) -> np.ndarray:
        self.number += 1
        image = np.full((HEIGHT, WIDTH, 3), 128, np.uint8)
        for person, (x, y) in self.frames[self.number].items():
            move = np.array([[1.0, 0, x - SIZE], [0, 1.0, y - SIZE]])
            cv2.warpAffine(
                texture(person), move, (WIDTH, HEIGHT), image, cv2.INTER_LINEAR, borderMode=cv2.BORDER_TRANSPARENT
            )
        return image

    def points(self) -> dict[int, np.ndarray]:
        """The true landmarks (9, 2) by person."""
        corner = np.array([SIZE, SIZE]) / 2
        return {person: _GRID * SIZE + place - corner for person, place in self.frames[self.number].items()}

    def find(self, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        self.searches.append(self.number)
        seen = [p for person, p in self.points().items() if person not in self.missed.get(self.number, set())]
        return bounds_of(np.array(seen).reshape(-1, 9, 2)), np.ones(len(seen))

    def locate(self, image: np.ndarray, boxes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The landmarks of the face that a box overlaps most; without one points in it that are not confident."""
        self.windows += list(boxes)
        there = np.array(list(self.points().values())).reshape(-1, 9, 2)
        points, confidences = [], []
        for box in boxes:
            shares = overlap(box[None], bounds_of(there))[0] if len(there) else np.zeros(1)
            hit = shares.max() > 0.2
            points.append(there[shares.argmax()] if hit else box[:2] + _GRID * (box[2:] - box[:2]))
            confidences.append(np.full(9, 0.05 if not hit else 0.3 if self.number in self.unsure else 0.9))
        return np.array(points), np.array(confidences)

"""The faces of a video, frame by frame: each is found once, then followed by its own landmarks, and keeps its id.

In each frame the landmark detector looks where a face's landmarks were in the frame before. The face detector is asked
again every few frames, and at once when a face is lost: when its landmarks are not confident any more, when it looks
like another one, as after a cut, or when there is none. What it finds is a face, however confident its landmarks are.
A face that comes back gets its id again if it looks as it did.
"""

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from tsal.data.cropping import is_outside
from tsal.data.faces import bounds_of
from tsal.face_detectors.boxes import area, overlap
from tsal.tracking.looks import likeness, look_of

Find = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]
Locate = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True)
class Following:
    """How faces are followed.

    Attributes:
        search_every: frames after which the face detector is asked again although all is well.
        confidence: mean of a face's landmarks below which it is lost.
        same_face: share of overlap beyond which two boxes are of one face.
        alike: likeness below which another face is in a face's place, as after a cut, and from which on a face that was
            lost gets its id again. benchmarks/following.py measures how well it tells people apart.
        unseen: searches in a row that may miss a face whose landmarks are confident.
        hold_shift, hold_size: the window that the landmark detector sees stays where it is until the face has moved by
            more than this share of its side, or changed its size by it: then the landmarks of a still face do not
            move for the window's sake.
        most: faces in a frame, the largest first; None: all.
    """

    search_every: int = 15
    confidence: float = 0.6
    same_face: float = 0.4
    alike: float = 0.75
    unseen: int = 3
    hold_shift: float = 0.02
    hold_size: float = 0.04
    most: int | None = None


@dataclass(frozen=True)
class Face:
    """A face in one frame.

    Attributes:
        id: its number in the video, from 0 on.
        box: (4,) the bounds of its landmarks, in px.
        confidence: the mean of `confidences`.
        points: (K, 2) px of the upright picture, pixel centres at integers.
        confidences: (K,) in [0, 1].
    """

    id: int
    box: np.ndarray
    confidence: float
    points: np.ndarray
    confidences: np.ndarray


def _can_be_seen(box: np.ndarray, image: np.ndarray) -> bool:
    """Whether a box (4,) has area, and lies on the picture at least in part."""
    return (box[2:] - box[:2]).min() >= 1 and not is_outside(box, image.shape[1::-1])


@dataclass
class _Track:
    id: int
    window: np.ndarray  # (4,) box around which the landmark detector looks
    look: np.ndarray  # in the last frame
    looks: list[np.ndarray] = field(default_factory=list)  # that differ from each other, for when it comes back
    unseen: int = 0


@dataclass
class _Found:
    """A face in the frame at hand, before its id is known."""

    box: np.ndarray
    points: np.ndarray
    confidences: np.ndarray

    @property
    def confidence(self) -> float:
        return float(self.confidences.mean())


_LOOKS = 8  # of a track
_DIFFERS = 0.85  # likeness below which a look is a new one
_REMEMBERED = 200  # tracks that were lost


class Follower:
    """Follows the faces of one video; `follow` takes its frames in order.

    Args:
        find: face boxes (N, 4), as the landmark detector was trained with, and confidences (N,), of a picture.
        locate: landmarks (N, K, 2) and confidences (N, K), of a picture and boxes (N, 4).
    """

    def __init__(self, find: Find, locate: Locate, settings: Following | None = None) -> None:
        self._find, self._locate, self._settings = find, locate, settings or Following()
        self._active: list[_Track] = []
        self._lost: list[_Track] = []
        self._ids = itertools.count()
        self._since_search = 0

    def follow(self, image: np.ndarray) -> list[Face]:
        """The faces of the next frame, (H, W, 3) uint8 RGB, by id."""
        faces, lost = self._follow_active(image)
        self._since_search += 1
        if lost or not faces or self._since_search >= self._settings.search_every:
            self._search(image, faces)
            self._since_search = 0
        return sorted(faces.values(), key=lambda face: face.id)

    def _follow_active(self, image: np.ndarray) -> tuple[dict[int, Face], bool]:
        """The faces that are where they were, by id, and whether another one was lost."""
        faces: dict[int, Face] = {}
        before = self._active
        self._active = []
        for track, found in zip(before, self._landmarks(image, [track.window for track in before]), strict=True):
            look = look_of(image, found.box) if _can_be_seen(found.box, image) else None
            sure = look is not None and found.confidence >= self._settings.confidence
            if sure and likeness(look, track.look) >= self._settings.alike and not self._is_taken(found.box, faces):
                self._keep(image, track, found, look, faces)
            else:
                self._lost.append(track)
        self._lost = self._lost[-_REMEMBERED:]
        return faces, len(self._active) < len(before)

    def _search(self, image: np.ndarray, faces: dict[int, Face]) -> None:
        """Ask the face detector, and add to `faces` those that are not followed yet."""
        boxes, _ = self._find(image)
        boxes = np.array([box for box in boxes if _can_be_seen(box, image)]).reshape(-1, 4)
        boxes = boxes[np.argsort(-area(boxes), kind="stable")]
        for track in list(self._active):
            seen = len(boxes) and overlap(faces[track.id].box[None], boxes).max() > self._settings.same_face
            track.unseen = 0 if seen else track.unseen + 1
            if track.unseen >= self._settings.unseen:
                self._active.remove(track)
                self._lost.append(track)
                del faces[track.id]
        for found in self._landmarks(image, [box for box in boxes if not self._is_taken(box, faces)]):
            if self._settings.most is not None and len(faces) >= self._settings.most:
                return
            if _can_be_seen(found.box, image) and not self._is_taken(found.box, faces):
                look = look_of(image, found.box)
                track = self._known(look) or _Track(next(self._ids), found.box, look)
                self._keep(image, track, found, look, faces)

    def _landmarks(self, image: np.ndarray, windows: list[np.ndarray]) -> list[_Found]:
        if not windows:
            return []
        points, confidences = self._locate(image, np.array(windows))
        return [_Found(*face) for face in zip(bounds_of(points), points, confidences, strict=True)]

    def _is_taken(self, box: np.ndarray, faces: dict[int, Face]) -> bool:
        others = np.array([face.box for face in faces.values()]).reshape(-1, 4)
        return bool((overlap(box[None], others) > self._settings.same_face).any())

    def _keep(self, image: np.ndarray, track: _Track, found: _Found, look: np.ndarray, faces: dict[int, Face]) -> None:
        window = self._held(track.window, found.box)
        track.window = window if _can_be_seen(window, image) else found.box
        track.look = look
        if len(track.looks) < _LOOKS and all(likeness(look, other) < _DIFFERS for other in track.looks):
            track.looks.append(look)
        self._active.append(track)
        faces[track.id] = Face(track.id, found.box, found.confidence, found.points, found.confidences)

    def _held(self, window: np.ndarray, box: np.ndarray) -> np.ndarray:
        """The window for the next frame: the same, unless the face has left it by more than it may."""
        side, new_side = ((some[2:] - some[:2]).max() for some in (window, box))
        moved = np.abs(window[:2] + window[2:] - box[:2] - box[2:]).max() / 2
        still = moved <= self._settings.hold_shift * side and abs(new_side / side - 1) <= self._settings.hold_size
        return window if still else box

    def _known(self, look: np.ndarray) -> _Track | None:
        """The lost track that looks most like this, if it does so enough; it is lost no more."""
        likenesses = [max(likeness(look, other) for other in track.looks) for track in self._lost]
        if not likenesses or max(likenesses) < self._settings.alike:
            return None
        track = self._lost.pop(int(np.argmax(likenesses)))
        track.unseen = 0
        return track

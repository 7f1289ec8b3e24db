"""Landmark schemes: which points a benchmark annotates, how they mirror, connect and measure a face."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from tsal.errors import InputError

Normaliser = Callable[[np.ndarray, np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Scheme:
    """A set of K landmarks.

    Attributes:
        name: the number of points as users write it, such as "68".
        n_points: K.
        flip: (K,) int64. Point k of a mirrored face is point flip[k] of the face: mirrored = points[flip].
        edges: chains of point numbers to draw as lines; a closed chain ends with its first point.
        normalisers: name -> function of points (N, K, 2) and boxes (N, 4), both in image px, that returns the
            (N,) distances in px by which errors are divided; NaN where a point it needs is not annotated.
        of_68: (K,) the same points' numbers in the 68-point scheme; empty if the scheme is no subset of it.
    """

    name: str
    n_points: int
    flip: np.ndarray
    edges: tuple[tuple[int, ...], ...]
    normalisers: dict[str, Normaliser]
    of_68: np.ndarray = field(default_factory=lambda: np.empty(0, np.int64))


def face_size(points: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """sqrt(w h) of each face box (N, 4), in px: the normaliser of AFLW."""
    return np.sqrt((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]))


def distance_between(left: Sequence[int], right: Sequence[int]) -> Normaliser:
    """A normaliser: the distance between the means of two groups of points.

    With one point each these are the outer eye corners ("inter-ocular"), with all points of both eyes their
    centres ("inter-pupil").
    """

    def distance(points: np.ndarray, boxes: np.ndarray) -> np.ndarray:
        return np.linalg.norm(points[:, left].mean(axis=1) - points[:, right].mean(axis=1), axis=-1)

    return distance


def part_of(part: Scheme, whole: Scheme) -> np.ndarray:
    """(K,) numbers in the scheme `whole` of the points of `part`.

    Raises:
        InputError: `whole` has not all of them.
    """
    place = {point: number for number, point in enumerate(whole.of_68.tolist())}
    missing = [point for point in part.of_68.tolist() if point not in place]
    if missing or not len(part.of_68):
        raise InputError(f"the {part.name} points are not part of the {whole.name} that are annotated")
    return np.array([place[point] for point in part.of_68.tolist()])


# The iBUG-68 mark-up of 300-W (Sagonas et al. 2013, figure 1), 0-based.
_JAW, _LEFT_BROW, _RIGHT_BROW = range(17), range(17, 22), range(22, 27)
_BRIDGE, _NOSTRILS = range(27, 31), range(31, 36)
_LEFT_EYE, _RIGHT_EYE = range(36, 42), range(42, 48)
_OUTER_LIP, _INNER_LIP = range(48, 60), range(60, 68)

_MIRROR_PAIRS = (
    *((k, 16 - k) for k in range(8)),
    *((17 + k, 26 - k) for k in range(5)),
    *((31 + k, 35 - k) for k in range(2)),
    *((36, 45), (37, 44), (38, 43), (39, 42), (40, 47), (41, 46)),
    *((48, 54), (49, 53), (50, 52), (55, 59), (56, 58)),
    *((60, 64), (61, 63), (65, 67)),
)


def _flip_68() -> np.ndarray:
    flip = np.arange(68)
    for left, right in _MIRROR_PAIRS:
        flip[left], flip[right] = right, left
    return flip


def _edges(number: dict[int, int]) -> tuple[tuple[int, ...], ...]:
    """The chains of those of the 68 points that have a number in the scheme, by that number."""
    edges = []
    for chain in (_JAW, _LEFT_BROW, _RIGHT_BROW, _BRIDGE, _NOSTRILS):
        edges.append(tuple(number[point] for point in chain if point in number))
    for outline in (_LEFT_EYE, _RIGHT_EYE, _OUTER_LIP, _INNER_LIP):
        chain = tuple(number[point] for point in outline if point in number)
        edges.append((*chain, *chain[:1]))
    return tuple(chain for chain in edges if len(chain) > 1)


def _subset_of_68(name: str, points: Sequence[int]) -> Scheme:
    """The scheme of some of the 68 points, which must contain both eyes and each point's mirror partner."""
    number = {point: k for k, point in enumerate(points)}
    return Scheme(
        name=name,
        n_points=len(points),
        flip=np.array([number[point] for point in _flip_68()[list(points)]], np.int64),
        edges=_edges(number),
        normalisers={
            "inter-ocular": distance_between([number[36]], [number[45]]),
            "inter-pupil": distance_between([number[k] for k in _LEFT_EYE], [number[k] for k in _RIGHT_EYE]),
            "face-size": face_size,
        },
        of_68=np.array(points, np.int64),
    )


# The mark-up of AFLW (Koestinger et al. 2011, figure 2) without its ears, in the order of AFLWinfo_release.mat. Left is
# that of the image, in the corners as in the parts.
AFLW_NAMES = (
    *("LeftBrowLeftCorner", "LeftBrowCenter", "LeftBrowRightCorner"),
    *("RightBrowLeftCorner", "RightBrowCenter", "RightBrowRightCorner"),
    *("LeftEyeLeftCorner", "LeftEyeCenter", "LeftEyeRightCorner"),
    *("RightEyeLeftCorner", "RightEyeCenter", "RightEyeRightCorner"),
    *("NoseLeft", "NoseCenter", "NoseRight"),
    *("MouthLeftCorner", "MouthCenter", "MouthRightCorner"),
    "ChinCenter",
)
_OTHER_SIDE = {"Left": "Right", "Right": "Left"}


def _aflw() -> Scheme:
    mirrored = [re.sub("Left|Right", lambda side: _OTHER_SIDE[side[0]], name) for name in AFLW_NAMES]
    number = {name: k for k, name in enumerate(AFLW_NAMES)}
    corners = [number["LeftEyeLeftCorner"]], [number["RightEyeRightCorner"]]
    centres = [number["LeftEyeCenter"]], [number["RightEyeCenter"]]
    return Scheme(
        name="19",
        n_points=len(AFLW_NAMES),
        flip=np.array([number[name] for name in mirrored], np.int64),
        # Brows, eyes, nose and mouth from left to right; the chin hangs on the mouth's centre.
        edges=(*((k, k + 1, k + 2) for k in range(0, 18, 3)), (16, 18)),
        normalisers={
            "face-size": face_size,
            "inter-ocular": distance_between(*corners),
            "inter-pupil": distance_between(*centres),
        },
    )


# "51" leaves out the jaw line; "49", of 300VW and many trackers, the inner lip's corners as well. "19" is that of AFLW.
SCHEMES: dict[str, Scheme] = {
    "68": _subset_of_68("68", range(68)),
    "51": _subset_of_68("51", range(17, 68)),
    "49": _subset_of_68("49", [k for k in range(17, 68) if k not in (60, 64)]),
    "19": _aflw(),
}

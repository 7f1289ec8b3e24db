"""Landmark schemes: which points a data set annotates, how they mirror, connect and measure a face.

A scheme is data, so that settings and checkpoints carry it whole: `Scheme.to_dict` and `Scheme.from_dict`.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from operator import index
from typing import Any

import numpy as np

from tsal.bounds import POINTS, check
from tsal.errors import InputError
from tsal.settings.models import Augmentation

BOX = "box"
Group = tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Scheme:
    """A set of K landmarks, numbered from 0.

    Attributes:
        name: as users write it; of the built-in ones the number of points, such as "68".
        n_points: K.
        normalisers: name -> the distance by which errors are divided, "box" for the size of the face box, or two groups
            of points for the distance between their means. The first one measures progress in training.
        mirror_pairs: points that change places in a mirrored face; all others are their own mirror images. None: a
            mirrored face is no face of this data set, and training never mirrors one.
        edges: chains of points to draw as lines; a closed chain ends with its first point.
        names: K names of points, or none.
        of_68: (K,) the same points' numbers in the 68-point scheme; empty if the scheme is no subset of it.

    Raises:
        InputError: a point that is not there, twice in mirror_pairs or twice in of_68; names or of_68 of another length
            than K; a normaliser of another form, or none.
    """

    name: str
    n_points: int
    normalisers: Mapping[str, str | tuple[Group, Group]]
    mirror_pairs: tuple[tuple[int, int], ...] | None = ()
    edges: tuple[Group, ...] = ()
    names: tuple[str, ...] = ()
    of_68: Group = ()

    def __post_init__(self) -> None:
        for name, value in _checked(self).items():
            object.__setattr__(self, name, value)

    @cached_property
    def flip(self) -> np.ndarray:
        """(K,) int64. Point k of a mirrored face is point flip[k] of the face; 0 ... K - 1 where none is mirrored."""
        flip = np.arange(self.n_points)
        for left, right in self.mirror_pairs or ():
            flip[left], flip[right] = right, left
        return flip

    def distances(self, normaliser: str, points: np.ndarray, boxes: np.ndarray) -> np.ndarray:
        """The (N,) distances in px of a normaliser, NaN where a point that it needs is not annotated.

        "box" is sqrt(w h) of the face box, the normaliser of AFLW. With one point in each group the distance is that of
        the outer eye corners ("inter-ocular"), say, with all points of both eyes that of their centres ("inter-pupil").

        Args:
            points: (N, K, 2) in image px.
            boxes: (N, 4) x0, y0, x1, y1 in image px.

        Raises:
            InputError: the scheme has no such normaliser.
        """
        if normaliser not in self.normalisers:
            raise InputError(f"no normaliser '{normaliser}' in scheme '{self.name}': {', '.join(self.normalisers)}")
        between = self.normalisers[normaliser]
        if between == BOX:
            return np.sqrt((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]))
        left, right = (points[:, list(group)].mean(axis=1) for group in between)
        return np.linalg.norm(left - right, axis=-1)

    def same_points(self, other: "Scheme") -> bool:
        """Whether both name the same landmarks in the same order, so that what finds the one's finds the other's."""
        return (self.name, self.n_points) == (other.name, other.n_points)

    def to_dict(self) -> dict[str, Any]:
        """The scheme as plain lists and texts, for YAML and JSON; normalisers as a list, whose order is kept."""
        values = {field.name: _plain(getattr(self, field.name)) for field in fields(self)}
        normalisers = [{"name": name, "between": _plain(between)} for name, between in self.normalisers.items()]
        return {**values, "normalisers": normalisers}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Scheme":
        """The scheme that `to_dict` wrote.

        Raises:
            InputError: a key is unknown or missing, or see Scheme.
        """
        known = [field.name for field in fields(cls)]
        unknown = [name for name in values if name not in known]
        missing = [name for name in ("name", "n_points", "normalisers") if name not in values]
        if unknown or missing:
            found = f"unknown key {unknown[0]!r}" if unknown else f"{missing[0]!r} is missing"
            raise InputError(f"scheme: {found}; known: {', '.join(known)}")
        listed = values["normalisers"]
        if isinstance(listed, list):
            try:
                listed = {entry["name"]: entry["between"] for entry in listed}
            except (TypeError, KeyError):
                raise InputError(
                    f"scheme: normalisers: found {listed}; expected 'name' and 'between' of each"
                ) from None
        return cls(**{**values, "normalisers": listed})


def scheme_of(scheme: str | Mapping[str, Any] | Scheme) -> Scheme:
    """A scheme by the name of a built-in one, or as `Scheme.to_dict` writes it.

    Raises:
        InputError: there is none of that name, or it is not valid.
    """
    if isinstance(scheme, Scheme):
        return scheme
    if isinstance(scheme, Mapping):
        return Scheme.from_dict(scheme)
    if not isinstance(scheme, str) or scheme not in SCHEMES:
        raise InputError(f"scheme: found {scheme!r}; expected a built-in one ({', '.join(SCHEMES)}) or a whole Scheme")
    return SCHEMES[scheme]


def as_setting(scheme: Scheme) -> str | dict[str, Any]:
    """What `scheme_of` reads, as short as can be: the name of a built-in scheme, or all of one that is none."""
    return scheme.name if SCHEMES.get(scheme.name) == scheme else scheme.to_dict()


def _plain(value: Any) -> Any:
    return [_plain(item) for item in value] if isinstance(value, (tuple, list)) else value


def _checked(scheme: Scheme) -> dict[str, Any]:
    """The attributes of a scheme but for its name and size, lists as tuples."""
    where, count = f"scheme {scheme.name!r}", scheme.n_points
    if not isinstance(scheme.name, str) or not scheme.name:
        raise InputError(f"{where}: name: expected a text")
    if type(count) is int:
        check(f"{where}: n_points", count, POINTS, "points")
    if type(count) is not int or count < 1:
        raise InputError(f"{where}: n_points: found {repr(count)[:40]}, expected a whole number of at least 1")
    pairs = scheme.mirror_pairs
    if pairs is not None:
        pairs = _groups(pairs, count, f"{where}: mirror_pairs", 2)
        _refuse_twice([point for pair in pairs for point in pair], f"{where}: mirror_pairs: point")
    for key, values in (("names", scheme.names), ("of_68", scheme.of_68)):
        if values and len(values) != count:
            raise InputError(f"{where}: {key}: found {len(values)}, expected one for each of the {count} points")
        _refuse_twice(values, f"{where}: {key}:")
    return {
        "normalisers": _checked_normalisers(scheme.normalisers, count, f"{where}: normalisers"),
        "mirror_pairs": pairs,
        "edges": _groups(scheme.edges, count, f"{where}: edges"),
        "names": tuple(map(str, scheme.names)),
        "of_68": _groups([scheme.of_68], 68, f"{where}: of_68")[0] if scheme.of_68 else (),
    }


def _checked_normalisers(normalisers: Any, count: int, where: str) -> dict[str, str | tuple[Group, Group]]:
    if not isinstance(normalisers, Mapping) or not normalisers:
        raise InputError(f"{where}: found {normalisers!r}, expected at least one name: distance")
    checked = {}
    for name, between in normalisers.items():
        checked[name] = between if between == BOX else _groups(between, count, f"{where}: {name}")
        if between != BOX and len(checked[name]) != 2:
            raise InputError(f"{where}: {name}: found {between!r}, expected {BOX!r} or two groups of points")
    return checked


def _groups(values: Any, count: int, where: str, size: int | None = None) -> tuple[Group, ...]:
    """Groups of points, each 0 to count - 1, as tuples; of `size` points where it is given."""
    try:
        groups = tuple(tuple(map(index, group)) for group in values)
    except TypeError:
        raise InputError(f"{where}: found {values!r}, expected groups of points such as [[0, 1], [2, 3]]") from None
    for group in groups:
        wrong = [point for point in group if not 0 <= point < count]
        if wrong or not group or len(group) != (size or len(group)):
            raise InputError(f"{where}: found {list(group)}, expected {size or 'some'} of the points 0 to {count - 1}")
    return groups


def _refuse_twice(values: Sequence[Any], where: str) -> None:
    seen = set()
    for value in values:
        if value in seen:
            raise InputError(f"{where} {value!r} is there twice, expected once at most")
        seen.add(value)


def mirror_shift_of(scheme: Scheme, augmentation: Augmentation) -> float | None:
    """The shift about which a training mirrors faces, as a share of the network's input; None: it mirrors none, since
    it is not told to, or since its landmarks have no mirror images.
    """
    return None if scheme.mirror_pairs is None or not augmentation.flip else augmentation.mirror_shift


def part_of(part: Scheme, whole: Scheme) -> np.ndarray:
    """(K,) numbers in the scheme `whole` of the points of `part`.

    Raises:
        InputError: `whole` has not all of them.
    """
    place = {point: number for number, point in enumerate(whole.of_68)}
    missing = [point for point in part.of_68 if point not in place]
    if missing or not part.of_68:
        raise InputError(f"the {part.name} points are not part of the {whole.name} that are annotated")
    return np.array([place[point] for point in part.of_68])


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
        mirror_pairs=tuple((number[left], number[right]) for left, right in _MIRROR_PAIRS if left in number),
        edges=_edges(number),
        normalisers={
            "inter-ocular": ((number[36],), (number[45],)),
            "inter-pupil": (tuple(number[k] for k in _LEFT_EYE), tuple(number[k] for k in _RIGHT_EYE)),
            "face-size": BOX,
        },
        of_68=tuple(points),
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


def _aflw() -> Scheme:
    number = {name: k for k, name in enumerate(AFLW_NAMES)}
    other_side = {"Left": "Right", "Right": "Left"}
    mirrored = {name: re.sub("Left|Right", lambda side: other_side[side[0]], name) for name in AFLW_NAMES}
    return Scheme(
        name="19",
        n_points=len(AFLW_NAMES),
        names=AFLW_NAMES,
        mirror_pairs=tuple((number[a], number[b]) for a, b in mirrored.items() if number[a] < number[b]),
        # Brows, eyes, nose and mouth from left to right; the chin hangs on the mouth's centre.
        edges=(*((k, k + 1, k + 2) for k in range(0, 18, 3)), (16, 18)),
        normalisers={
            "face-size": BOX,
            "inter-ocular": ((number["LeftEyeLeftCorner"],), (number["RightEyeRightCorner"],)),
            "inter-pupil": ((number["LeftEyeCenter"],), (number["RightEyeCenter"],)),
        },
    )


# "51" leaves out the jaw line; "49", of 300VW and many trackers, the inner lip's corners as well. "19" is that of AFLW.
SCHEMES: dict[str, Scheme] = {
    "68": _subset_of_68("68", range(68)),
    "51": _subset_of_68("51", range(17, 68)),
    "49": _subset_of_68("49", [k for k in range(17, 68) if k not in (60, 64)]),
    "19": _aflw(),
}

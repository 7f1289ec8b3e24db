"""The landmarks of one's own data: a built-in scheme or one of its own, and which points of a file are which."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from tsal.data.landmarks import BOX, SCHEMES, Scheme
from tsal.datasets.own.options import Landmarks, OwnData
from tsal.datasets.readers.annotations import Points, is_number, numbered
from tsal.errors import InputError, one_line

_BUILT_IN = {68: "68", 19: "19"}
_FACE_SIZE = "face-size"
_SHOWN = 5


def own_scheme(name: str, options: OwnData, found: Points | None) -> tuple[Scheme, str]:
    """The landmarks of a section, and the normaliser by which it is scored, which is the scheme's first.

    Args:
        name: of the data set, which a scheme of its own is called by.
        found: what the labels say of their points; None where they are not there.

    Raises:
        InputError: names the key that does not fit, or what does not fit in the file.
    """
    section = options.landmarks
    built_in = _BUILT_IN.get(section) if isinstance(section, int) else None
    if built_in:
        scheme, kept = SCHEMES[built_in], dict(SCHEMES[built_in].normalisers)
    else:
        scheme, kept = _scheme(name, options, found), {_FACE_SIZE: BOX}
    chosen, between = _normaliser(options, scheme, kept, missing=found is None)
    normalisers = {chosen: between} | {name: points for name, points in kept.items() if name != chosen}
    same = list(normalisers) == list(scheme.normalisers)
    return (scheme if same else replace(scheme, normalisers=normalisers)), chosen


def _scheme(name: str, options: OwnData, found: Points | None) -> Scheme:
    section = options.landmarks if isinstance(options.landmarks, Landmarks) else Landmarks(points=options.landmarks)
    names, count = section.names or _names_of(found), section.count
    if names and len(names) != count:
        raise InputError(
            f"{options.label_path}: found {len(names)} points ({_some(names)}), expected {count}, as `landmarks` says"
        )
    missing = found is None and not names
    lines = tuple((a, b) for a, b in found.edges) if found and section.lines is None else section.lines or ()
    mirror = section.mirror
    return Scheme(
        name=name,
        n_points=count,
        names=names,
        mirror_pairs=None if mirror is None else tuple(_numbers(mirror, names, count, "mirror", missing)),
        edges=tuple(_numbers(lines, names, count, "lines", missing)),
        normalisers={_FACE_SIZE: BOX},
    )


def _names_of(found: Points | None) -> tuple[str, ...]:
    """Names that say more than the points' numbers."""
    return () if found is None or found.names == numbered(len(found.names)) else found.names


def _normaliser(options: OwnData, scheme: Scheme, kept: dict, missing: bool) -> tuple[str, object]:
    wanted = options.normaliser or ("inter-ocular" if options.landmarks == 68 else BOX)
    if wanted == BOX:
        return _FACE_SIZE, BOX
    if isinstance(wanted, str):
        if wanted not in kept:
            known = ", ".join([BOX, *kept])
            raise InputError(f"normaliser: found {one_line(wanted)!r}, expected {known}, or two points such as [0, 1]")
        return wanted, kept[wanted]
    pairs = list(_numbers([wanted], scheme.names, scheme.n_points, "normaliser", missing))
    if not pairs:
        return _FACE_SIZE, BOX  # of labels that are not there
    between = tuple((point,) for point in pairs[0])
    if between[0] == between[1]:
        raise InputError(f"normaliser: found the point {wanted[0]!r} twice, expected two points")
    known = next((name for name, points in kept.items() if points == between), None)
    return known or "-".join(str(point).replace("-", " ") for point in wanted), between


def _numbers(groups: Sequence[Sequence[int | str]], names: Sequence[str], count: int, key: str, missing: bool):
    """Groups of points, by number.

    Args:
        missing: whether names cannot be known yet; groups with one are left out then.
    """
    place = {name: number for number, name in enumerate(names)}
    for group in groups:
        wrong = [point for point in group if not (point in place if isinstance(point, str) else 0 <= point < count)]
        if wrong and missing and isinstance(wrong[0], str):
            continue
        if wrong:
            known = f"a number from 0 to {count - 1}" + (f", or one of {_some(names)}" if names else "")
            raise InputError(f"landmarks: {key}: found the point {wrong[0]!r}, expected {known}")
        yield tuple(place[point] if isinstance(point, str) else point for point in group)


def order_of(scheme: Scheme, names: Sequence[str], where: str) -> np.ndarray:
    """For each of the K points of a scheme its place among those of a file, (K,), -1 of one that the file lacks.

    By name where both have names; else by number, as the file counts from 0 or 1; else in the file's order.

    Args:
        where: the file, for errors.

    Raises:
        InputError: another number of points, or other names.
    """
    count, names = scheme.n_points, list(names)
    if scheme.names and set(names) != set(scheme.names) and not all(map(is_number, names)):
        extra = [name for name in names if name not in scheme.names]
        lacking = [name for name in scheme.names if name not in names]
        found = f"the point {one_line(extra[0])!r}" if extra else f"no point {one_line(lacking[0])!r}"
        raise InputError(f"{where}: found {found}, expected those of the landmarks: {_some(scheme.names)}")
    if scheme.names and set(names) == set(scheme.names):
        return np.array([names.index(name) for name in scheme.names], np.int64)
    if names and all(map(is_number, names)):
        numbers = [int(name) for name in names]
        first = 1 if 0 not in numbers and count in numbers else 0
        if len(set(numbers)) == len(numbers) and first <= min(numbers) and max(numbers) < count + first:
            order = np.full(count, -1)
            order[np.array(numbers) - first] = np.arange(len(names))
            return order
    if len(names) != count:
        raise InputError(f"{where}: found {len(names)} points ({_some(names)}), expected {count}, as `landmarks` says")
    return np.arange(count)


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(one_line(name)[:40] for name in names[:_SHOWN])
    return f"{shown}, ..." if len(names) > _SHOWN else shown or "none"

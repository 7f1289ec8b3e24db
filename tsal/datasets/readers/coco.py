"""coco: keypoints in JSON, as COCO publishes them, and annotation tools and `tsal track` write them."""

from collections.abc import Container, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field

from tsal.bounds.texts import read_json
from tsal.datasets.readers.annotations import Annotations, Points
from tsal.datasets.readers.numbers import frame_number, number, picture_size, shown
from tsal.datasets.readers.pictures import Pictures
from tsal.datasets.readers.reader import Reader
from tsal.errors import InputError, one_line
from tsal.settings.section import Section

_EXPECTED = "keypoints as COCO has them: images, annotations and categories"
_PARTS = ("images", "annotations", "categories")


class Options(Section):
    """Keys of coco."""

    category: str | None = Field(None, description="by name; null: the only one that has keypoints")


def read(labels: Path, pictures: Pictures, options: Options, n_landmarks: int) -> Annotations:
    """The faces of a category. Crowds, and annotations without a labelled point, are left out."""
    parts = _read(labels)
    category, identifier = _category(parts, options, labels)
    names = _names(category, labels)
    places, sizes = _places(parts["images"], pictures, labels)
    categories = {entry["id"] for entry in parts["categories"] if _is_id(entry.get("id"))}
    files, frames, values, boxes, tracks = [], [], [], [], []
    for place, annotation in enumerate(parts["annotations"]):
        where = f"{labels}: annotations.{place}"
        if annotation.get("iscrowd"):
            continue
        if _known(annotation, "category_id", categories, "categories", where) != identifier:
            continue
        keypoints = _keypoints(annotation.get("keypoints"), len(names), where)
        if keypoints is None:
            continue
        file, frame = places[_known(annotation, "image_id", places, "images", where)]
        files.append(file)
        frames.append(frame)
        values.append(keypoints)
        boxes.append(_box(annotation.get("bbox"), where))
        track = annotation.get("track_id")
        tracks.append("" if track is None else str(track)[:100])
    array = np.array(values).reshape(-1, len(names), 3)
    return Annotations(
        names=names,
        files=files,
        frames=np.array(frames, np.int64),
        points=np.where(array[..., 2:] > 0, array[..., :2], np.nan),
        visible=array[..., 2] == 2,
        boxes=np.array(boxes).reshape(-1, 4),
        tracks=tracks,
        sizes=sizes,
    )


def points(labels: Path, options: Options) -> Points:
    """The keypoints of the category, and its skeleton."""
    category, _ = _category(_read(labels), options, labels)
    names = _names(category, labels)
    return Points(names, _edges(category.get("skeleton"), len(names), labels))


def _read(labels: Path) -> dict[str, list[dict]]:
    values = read_json(labels, _EXPECTED)
    if not isinstance(values, dict):
        raise InputError(f"{labels}: found {type(values).__name__}, expected {_EXPECTED}; export it again")
    for part in _PARTS:
        listed = values.get(part)
        if not isinstance(listed, list) or not all(isinstance(entry, dict) for entry in listed):
            found = "nothing" if listed is None else f"{shown(listed)}"
            raise InputError(f"{labels}: {part}: found {found}, expected a list of them, as COCO has; export it again")
    return {part: values[part] for part in _PARTS}


def _category(parts: Mapping[str, list[dict]], options: Options, labels: Path) -> tuple[dict, Any]:
    """The category that has the keypoints, and its id."""
    having = [entry for entry in parts["categories"] if isinstance(entry.get("keypoints"), list) and entry["keypoints"]]
    named = [entry for entry in having if options.category in (None, entry.get("name"))]
    if len(named) != 1:
        found = ", ".join(one_line(entry.get("name"))[:40] for entry in having[:10]) or "none"
        wanted = "one" if options.category is None else f"one called {options.category}"
        raise InputError(
            f"{labels}: categories with keypoints: found {found}; expected {wanted}: name it as `category`"
        )
    return named[0], named[0].get("id")


def _names(category: Mapping[str, Any], labels: Path) -> tuple[str, ...]:
    found = tuple(str(name) for name in category["keypoints"])
    if len(set(found)) < len(found):
        twice = next(name for name in found if found.count(name) > 1)
        raise InputError(f"{labels}: categories: keypoint {one_line(twice)[:80]!r} is there twice, expected it once")
    return found


def _is_id(value: Any) -> bool:
    return isinstance(value, int | float | str) and not isinstance(value, bool)


def _known(annotation: Mapping[str, Any], key: str, ids: Container[Any], of: str, where: str) -> int | float | str:
    """The id of what an annotation refers to."""
    found = annotation.get(key)
    if not _is_id(found) or found not in ids:
        raise InputError(f"{where}: {key}: found {shown(found)}, expected the id of one of the {of}; correct the file")
    return found


def _places(
    images: list[dict], pictures: Pictures, labels: Path
) -> tuple[dict[int | float | str, tuple[str, int]], dict[tuple[str, int], tuple[int, int]]]:
    """File and frame of each image, by its id; and the size that each is said to have, by its file and frame."""
    places, ids, sizes = {}, {}, {}
    for place, image in enumerate(images):
        where = f"{labels}: images.{place}"
        identifier, name = image.get("id"), image.get("file_name")
        if not _is_id(identifier) or not isinstance(name, str):
            raise InputError(f"{where}: found {shown(image)}, expected an id and a file_name")
        if identifier in places:
            raise InputError(f"{where}: id: found {shown(identifier)} twice, expected each once")
        found = _find(image, name, pictures, where)
        if found in ids:
            raise InputError(f"{where}: file_name: found {one_line(name)[:200]!r} twice, expected each picture once")
        places[identifier], ids[found] = found, identifier
        size = picture_size(image.get("width"), image.get("height"), where)
        if size is not None:
            sizes[found] = size
    return places, sizes


def _find(image: Mapping[str, Any], name: str, pictures: Pictures, where: str) -> tuple[str, int]:
    """`tsal track` says of a frame which video it is of, besides a name as tools give it."""
    video = image.get("video")
    if isinstance(video, str) and "frame" in image:
        try:
            return pictures.find(video, where)[0], frame_number(image["frame"], where)
        except InputError:
            return pictures.find(name, where)
    return pictures.find(name, where)


def _keypoints(values: Any, count: int, where: str) -> list[float] | None:
    """x, y and visibility of each point; None where none is labelled."""
    if values is None or values == []:
        return None
    if not isinstance(values, list) or len(values) != 3 * count:
        found = f"{len(values):,} values" if isinstance(values, list) else shown(values)
        raise InputError(f"{where}: keypoints: found {found}, expected x, y and visibility of {count} points")
    found = [number(value, where, "keypoints") for value in values]
    wrong = next((seen for seen in found[2::3] if seen not in (0, 1, 2)), None)
    if wrong is not None:
        raise InputError(f"{where}: keypoints: found visibility {wrong:g}, expected 0 (not labelled), 1 (hidden) or 2")
    return found if any(found[2::3]) else None


def _box(values: Any, where: str) -> list[float]:
    """x0, y0, x1, y1 of a box x, y, width, height; NaN where it has no area."""
    if values is None or values == []:
        return [np.nan] * 4
    if not isinstance(values, list) or len(values) != 4:
        raise InputError(f"{where}: bbox: found {shown(values)}, expected x, y, width and height")
    x, y, width, height = (number(value, where, "bbox") for value in values)
    return [x, y, x + width, y + height] if width > 0 and height > 0 else [np.nan] * 4


def _edges(skeleton: Any, count: int, labels: Path) -> tuple[tuple[int, int], ...]:
    """Pairs of points, which COCO counts from 1."""
    if not isinstance(skeleton, list):
        return ()
    for edge in skeleton:
        if not isinstance(edge, list) or len(edge) != 2 or not all(type(k) is int and 1 <= k <= count for k in edge):
            raise InputError(f"{labels}: skeleton: found {shown(edge)}, expected two of the points 1 to {count}")
    return tuple((a - 1, b - 1) for a, b in skeleton)


READER = Reader(
    title="COCO keypoints",
    about="pixel centres at integers, from 0 on; CVAT and others export centres at halves: `first_pixel: 0.5`",
    first_pixel=0.0,
    read=read,
    points=points,
    options=Options,
)

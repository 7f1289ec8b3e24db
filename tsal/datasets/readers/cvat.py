"""cvat: "CVAT for images 1.1" and "CVAT for video 1.1", with points or skeletons.

A face is a skeleton; or a shape of several points, which are then called by their numbers; or the single points of one
group, which are called by their labels (without groups: those of a picture are one face).
"""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from xml.etree.ElementTree import Element

from pydantic import Field

from tsal.bounds.xml import xml_elements
from tsal.datasets.readers.annotations import Annotations, Collector, Points, in_order, is_number
from tsal.datasets.readers.numbers import frame_number, number, picture_size, shown
from tsal.datasets.readers.pictures import Pictures
from tsal.datasets.readers.reader import Reader
from tsal.errors import InputError, one_line
from tsal.settings.section import Section

_EXPECTED = "annotations as CVAT exports them: 'CVAT for images 1.1' or 'CVAT for video 1.1'"
_SHAPES = ("skeleton", "points", "box")
_TAG = re.compile(r"<[^<>]*>")
_ATTRIBUTE = re.compile(r'(data-[a-z-]+)="([^"]*)"')
_FRAME = re.compile(r"frame_([0-9]{1,9})(\.[A-Za-z]{1,5})?")
Point = tuple[str, float, float, bool]


class Options(Section):
    """Keys of cvat."""

    label: str | None = Field(None, description="of the skeletons, or of the shapes of points; null: any")
    interpolated: bool = Field(
        False, description="of videos: whether frames count, too, that CVAT fills in between those that a person drew"
    )


class _Meta:
    """What stands before the annotations: labels, their order, and the videos of tasks with their sizes."""

    def __init__(self) -> None:
        self.points: dict[str, list[str]] = {}  # of each skeleton
        self.edges: dict[str, list[tuple[str, str]]] = {}
        self.single: list[str] = []  # labels of their own
        self.sources: dict[str, str] = {}  # by the task's id
        self.sizes: dict[str, tuple[int, int]] = {}  # width and height in px, of the source of that name

    def read(self, meta: Element, labels: Path) -> None:
        for label in meta.iter("label"):
            name, parent = label.findtext("name") or "", label.findtext("parent")
            if parent:
                self.points.setdefault(parent, []).append(name)
            elif label.findtext("type") == "skeleton":
                self.points.setdefault(name, [])
                self.edges[name] = _edges(label.findtext("svg") or "")
            else:
                self.single.append(name)
        for task in (*meta.iter("task"), *meta.iter("job"), meta):
            if source := task.findtext("source"):
                self.sources.setdefault(task.findtext("id") or "", source)
                sides = (task.findtext(f"original_size/{side}") for side in ("width", "height"))
                size = picture_size(*sides, f"{labels}: original_size")
                if size is not None:
                    self.sizes.setdefault(source, size)

    def video(self, task: str | None) -> str | None:
        """The video of a task, as CVAT was given it; None where it does not say."""
        if task in self.sources:
            return self.sources[task]
        return next(iter(self.sources.values())) if len(self.sources) == 1 else None


def read(labels: Path, pictures: Pictures, options: Options, n_landmarks: int) -> Annotations:
    """The faces of all images or tracks. Points that are `outside` are not annotated, `occluded` ones are hidden."""
    collector, meta, found = Collector(), _Meta(), False
    for element, outer in xml_elements(labels, ("meta", "image", *_SHAPES), _EXPECTED):
        if not outer or outer[0].tag != "annotations":
            raise InputError(f"{labels}: found <{outer[0].tag if outer else element.tag}>, expected {_EXPECTED}")
        if element.tag == "meta":
            meta.read(element, labels)
        elif element.tag == "image":
            found = True
            _read_image(element, meta, pictures, options, collector, labels)
        elif outer[-1].tag == "track":
            found = True
            _read_shape(element, outer[-1], meta, pictures, options, collector, labels)
    if not found:
        raise InputError(f"{labels}: found no <image> and no <track> in it, expected {_EXPECTED}")
    return collector.done(_points(meta, options).names)


def points(labels: Path, options: Options) -> Points:
    """The points of the skeleton, and what its drawing connects; without a skeleton only the shapes tell."""
    meta = _Meta()
    for element, _ in xml_elements(labels, ("meta", "image", *_SHAPES), _EXPECTED):
        if element.tag != "meta":
            break
        meta.read(element, labels)
    return _points(meta, options)


def _points(meta: _Meta, options: Options) -> Points:
    """In the order of the labels, numbers in their own."""
    skeletons = [name for name in meta.points if options.label in (None, name) and meta.points[name]]
    if len(skeletons) != 1:
        return Points()
    found = list(dict.fromkeys(meta.points[skeletons[0]]))
    found = in_order(found) if all(map(is_number, found)) else found
    place = {name: number for number, name in enumerate(found)}
    edges = [(place[a], place[b]) for a, b in meta.edges.get(skeletons[0], []) if a in place and b in place]
    return Points(tuple(found), tuple(edges))


def _edges(svg: str) -> list[tuple[str, str]]:
    """Pairs of points that the drawing of a skeleton connects, by name."""
    name_of, pairs = {}, []
    for tag in _TAG.findall(svg):
        values = dict(_ATTRIBUTE.findall(tag))
        if "data-node-from" in values:
            pairs.append((values["data-node-from"], values.get("data-node-to", "")))
        elif "data-label-name" in values:
            name_of[values.get("data-node-id", "")] = values["data-label-name"]
    return [(name_of[a], name_of[b]) for a, b in pairs if a in name_of and b in name_of]


def _read_image(
    image: Element, meta: _Meta, pictures: Pictures, options: Options, collector: Collector, labels: Path
) -> None:
    name = image.get("name")
    if name is None:
        raise InputError(f"{labels}: image: found no name, expected {_EXPECTED}")
    where = f"{labels}: image {one_line(name)[:200]}"
    faces = list(_faces_of_image(image, options, where))
    if not faces:
        return
    file, frame = _picture(name, image, meta, pictures, where)
    size = picture_size(image.get("width"), image.get("height"), where)
    boxes = [(box.get("group_id"), _box(box, where)) for box in image.findall("box")]
    for group, points in faces:
        own = [box for other, box in boxes if other == group] if group else []
        alone = [box for _, box in boxes if len(faces) == len(boxes) == 1 and _holds_some(box, points)]
        collector.add(file, frame, points, where, box=next(iter(own or alone), None), size=size)


def _picture(name: str, image: Element, meta: _Meta, pictures: Pictures, where: str) -> tuple[str, int]:
    """Frames of a video are images `frame_000012` to CVAT."""
    video = meta.video(image.get("task_id"))
    if video and (frame := _FRAME.fullmatch(name)):
        try:
            return pictures.find(name, where)
        except InputError:
            return pictures.find(video, where)[0], frame_number(int(frame[1]), where)
    return pictures.find(name, where)


def _faces_of_image(image: Element, options: Options, where: str) -> Iterator[tuple[str | None, list[Point]]]:
    """Group and points of each face."""
    for skeleton in image.findall("skeleton"):
        if options.label in (None, skeleton.get("label")):
            yield skeleton.get("group_id"), list(_of_skeleton(skeleton, where))
    single: dict[str | None, list[Point]] = {}
    for shape in image.findall("points"):
        places = _places(shape, where)
        if len(places) == 1:
            single.setdefault(shape.get("group_id"), []).extend(_of_point(shape, where))
        elif options.label in (None, shape.get("label")):
            yield shape.get("group_id"), _of_shape(shape, places)
    yield from single.items()


def _read_shape(
    shape: Element,
    track: Element,
    meta: _Meta,
    pictures: Pictures,
    options: Options,
    collector: Collector,
    labels: Path,
) -> None:
    """One frame of a track."""
    where = f"{labels}: track {one_line(track.get('id', ''))[:40]}"
    if shape.tag == "box" or shape.get("outside") == "1" or options.label not in (None, track.get("label")):
        return
    drawn = [shape, *shape.findall("points")]
    if not options.interpolated and not any(part.get("keyframe") == "1" for part in drawn):
        return
    frame = frame_number(shape.get("frame"), where)
    points = list(_of_skeleton(shape, where)) if shape.tag == "skeleton" else _of_shape(shape, _places(shape, where))
    video = meta.video(track.get("task_id"))
    file, of_name = pictures.find(video, where) if video else (pictures.only_video(where), -1)
    frame, size = frame if of_name < 0 else of_name, meta.sizes.get(video or "")
    collector.add(file, frame, points, where, track=track.get("id", ""), size=size)


def _of_skeleton(skeleton: Element, where: str) -> Iterator[Point]:
    for part in skeleton.findall("points"):
        yield from _of_point(part, where)


def _of_point(part: Element, where: str) -> Iterable[Point]:
    """One point, called by its label; none where it is outside."""
    if part.get("outside") == "1":
        return
    places = _places(part, where)
    if len(places) != 1:
        raise InputError(f"{where}: points {shown(part.get('label'))}: found {len(places)} places, expected one")
    yield part.get("label", ""), *places[0], part.get("occluded") != "1"


def _of_shape(shape: Element, places: list[tuple[float, float]]) -> list[Point]:
    """Several points, called by their numbers."""
    return [(str(number), x, y, shape.get("occluded") != "1") for number, (x, y) in enumerate(places)]


def _places(shape: Element, where: str) -> list[tuple[float, float]]:
    pairs = [pair.split(",") for pair in shape.get("points", "").split(";")]
    if any(len(pair) != 2 for pair in pairs):
        raise InputError(f"{where}: points: found {shown(shape.get('points'))}, expected x,y;x,y;...")
    return [(number(x, where, "points"), number(y, where, "points")) for x, y in pairs]


def _holds_some(box: tuple[float, ...], points: list[Point]) -> bool:
    """Whether a box without a group can be that of a face, not of something else."""
    return any(box[0] <= x <= box[2] and box[1] <= y <= box[3] for _, x, y, _ in points)


def _box(box: Element, where: str) -> tuple[float, ...]:
    return tuple(number(box.get(side), where, f"box {side}") for side in ("xtl", "ytl", "xbr", "ybr"))


READER = Reader(
    title="CVAT",
    about="the picture's corner at 0, so that the centre of its first pixel is at 0.5",
    first_pixel=0.5,
    read=read,
    points=points,
    options=Options,
)

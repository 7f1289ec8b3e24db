"""dlib: the XML of imglab, and of dlib's training of shape predictors."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element

from tsal.bounds.xml import xml_elements
from tsal.datasets.readers.annotations import Annotations, Collector, Points, in_order
from tsal.datasets.readers.numbers import number, picture_size
from tsal.datasets.readers.pictures import Pictures
from tsal.datasets.readers.reader import Reader
from tsal.errors import InputError, one_line

_EXPECTED = "the XML of imglab: <image file> with <box> and <part name x y>"


def read(labels: Path, pictures: Pictures, options: Any, n_landmarks: int) -> Annotations:
    """The faces of all images. Boxes that imglab ignores, or without parts, are left out."""
    collector = Collector()
    for place, image in enumerate(_images(labels)):
        where = f"{labels}: image {place + 1}"
        if "file" not in image.attrib:
            raise InputError(f"{where}: found no `file`, expected {_EXPECTED}")
        file, frame = pictures.find(image.attrib["file"], where)
        size = picture_size(image.get("width"), image.get("height"), where)
        for box in image.iter("box"):
            if box.get("ignore") in ("1", "true"):
                continue
            points = [_point(part, f"{where}, {one_line(file)}") for part in box.iter("part")]
            collector.add(file, frame, points, f"{where}, {one_line(file)}", box=_box(box, where), size=size)
    return collector.done()


def points(labels: Path, options: Any) -> Points:
    """All parts by name, numbers in their order, texts in that of the alphabet, as dlib's trainer has them."""
    found = {part.get("name", "") for image in _images(labels) for part in image.iter("part")}
    return Points(tuple(in_order(found)))


def _images(labels: Path) -> Iterator[Element]:
    found = False
    for image, outer in xml_elements(labels, ("image",), _EXPECTED):
        found = True
        if not outer or outer[0].tag != "dataset":
            raise InputError(f"{labels}: found <{outer[0].tag if outer else 'image'}>, expected {_EXPECTED}")
        yield image
    if not found:
        raise InputError(f"{labels}: found no <image> in it, expected {_EXPECTED}")


def _point(part: Element, where: str) -> tuple[str, float, float, bool]:
    name = part.get("name")
    if name is None:
        raise InputError(f"{where}: part: found no name, expected one; correct the file")
    x, y = (number(part.get(axis), where, f"part {one_line(name)[:40]}") for axis in "xy")
    return name, x, y, True


def _box(box: Element, where: str) -> tuple[float, float, float, float]:
    """From the first to the last pixel: dlib's boxes count whole pixels."""
    left, top, width, height = (number(box.get(key), where, f"box {key}") for key in ("left", "top", "width", "height"))
    return left, top, left + width - 1, top + height - 1


READER = Reader(
    title="dlib's imglab",
    about="pixel centres at integers, from 0 on",
    first_pixel=0.0,
    read=read,
    points=points,
)

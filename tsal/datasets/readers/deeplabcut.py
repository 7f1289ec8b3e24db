"""deeplabcut: CollectedData_*.csv of labelled frames, and tables of a video's frames, as `tsal track` writes them."""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import Field

from tsal.bounds import CSV_BYTES, CSV_LINE_BYTES, TABLE_COLUMNS, check, reading
from tsal.datasets.readers.annotations import Annotations, Collector, Points
from tsal.datasets.readers.numbers import frame_number, number, shown
from tsal.datasets.readers.pictures import Pictures
from tsal.datasets.readers.reader import Reader
from tsal.errors import InputError, one_line
from tsal.settings.paths import File
from tsal.settings.section import Section

_HEADER = ("scorer", "individuals", "bodyparts", "coords")
_COORDS = ("x", "y", "likelihood", "visible")
_EXPECTED = "a table of DeepLabCut: rows scorer, bodyparts and coords, then one a picture"


class Options(Section):
    """Keys of deeplabcut."""

    likelihood: float = Field(0.0, ge=0, le=1, description="of a table that has it: below it a point is not annotated")
    video: File | None = Field(
        None, description="of a table whose rows are numbered: its video below `images`; null: the only one there"
    )


@dataclass(frozen=True)
class _Header:
    index: int  # columns that name the picture
    parts: list[tuple[str, str, str]]  # individual, body part and coordinate of each column after them

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(name for _, name, _ in self.parts))

    @property
    def individuals(self) -> list[str]:
        return list(dict.fromkeys(individual for individual, _, _ in self.parts))


def read(labels: Path, pictures: Pictures, options: Options, n_landmarks: int) -> Annotations:
    """The faces of all rows, one for each individual. A point with an empty cell is not annotated."""
    collector = Collector()
    with reading(labels, "a table of DeepLabCut", "Export it again"):
        rows = _rows(labels)
        header = _header(rows, labels)
        video = None
        for line, row in enumerate(rows, 1):
            where = f"{labels}: row {line}"
            if len(row) != header.index + len(header.parts):
                expected = header.index + len(header.parts)
                raise InputError(f"{where}: found {len(row):,} columns, expected {expected:,}, as the header has")
            name = "/".join(part for part in row[: header.index] if part)
            if header.index == 1 and name.isascii() and name.isdecimal():
                video = video or pictures.only_video(str(labels), options.video)
                file, frame = video, frame_number(name, where)
            else:
                file, frame = _find(name, pictures, where)
            for individual, points in _faces(row[header.index :], header, options, where):
                collector.add(file, frame, points, where, track=individual)
    return collector.done(header.names)


def points(labels: Path, options: Options) -> Points:
    """The body parts, in the order of the columns."""
    with reading(labels, "a table of DeepLabCut", "Export it again"):
        return Points(_header(_rows(labels), labels).names)


def _rows(labels: Path) -> Iterator[list[str]]:
    from tsal.bounds.tables import check_csv  # which loads pyarrow: plans of the workflow do without

    if not labels.is_file():
        raise InputError(f"{labels}: no such file; expected {_EXPECTED}")
    check(labels, labels.stat().st_size, CSV_BYTES, "bytes")
    check_csv(labels, has_names=False)  # but who labelled
    csv.field_size_limit(CSV_LINE_BYTES)
    with open(labels, encoding="utf-8-sig", newline="") as file:
        yield from csv.reader(file, strict=True)


def _header(rows: Iterator[list[str]], labels: Path) -> _Header:
    found: dict[str, list[str]] = {}
    while "coords" not in found:
        row = next(rows, None)
        if row is None or not row or row[0] not in _HEADER or row[0] in found:
            said = "its end" if row is None else shown(row[0] if row else "")
            raise InputError(f"{labels}: found {said} where its header should be; expected {_EXPECTED}")
        found[row[0]] = row
    coords, bodyparts = found["coords"], found.get("bodyparts", [])
    index = next((place for place, cell in enumerate(coords) if place and cell), len(coords))
    check(labels, len(coords), TABLE_COLUMNS, "columns")
    individuals = found.get("individuals", [""] * len(coords))
    if not len(coords) == len(bodyparts) == len(individuals) or index > 3 or index == len(coords):
        raise InputError(f"{labels}: found rows of its header that do not fit each other; expected {_EXPECTED}")
    parts = list(zip(individuals[index:], bodyparts[index:], coords[index:], strict=True))
    wrong = next((coord for _, _, coord in parts if coord not in _COORDS), None)
    if wrong is not None:
        raise InputError(f"{labels}: coords: found {shown(wrong)}, expected {', '.join(_COORDS)}")
    if len(set(parts)) < len(parts):
        twice = next(part for part in parts if parts.count(part) > 1)
        raise InputError(f"{labels}: body part {one_line(twice[1])[:80]!r} has {twice[2]} twice, expected it once")
    return _Header(index, parts)


def _find(name: str, pictures: Pictures, where: str) -> tuple[str, int]:
    """A picture, which the table may name from DeepLabCut's project on, while `images` is its folder labeled-data."""
    try:
        return pictures.find(name, where)
    except InputError:
        shorter = name.replace("\\", "/").removeprefix("labeled-data/")
        if shorter == name:
            raise
        return pictures.find(shorter, where)


def _faces(
    cells: Sequence[str], header: _Header, options: Options, where: str
) -> Iterator[tuple[str, list[tuple[str, float, float, bool]]]]:
    """Each individual with those of its points that are annotated."""
    values: dict[tuple[str, str], dict[str, str]] = {}
    for (individual, name, coord), cell in zip(header.parts, cells, strict=True):
        if cell.strip() and cell.strip().lower() != "nan":
            values.setdefault((individual, name), {})[coord] = cell
    for individual in header.individuals:
        points = []
        for name in header.names:
            point = values.get((individual, name), {})
            if "x" not in point and "y" not in point:
                continue
            x, y = (number(point.get(axis), where, f"{one_line(name)[:40]} {axis}") for axis in "xy")
            seen = number(point.get("visible", 2), where, "visible")
            if number(point.get("likelihood", 1), where, "likelihood") >= options.likelihood and seen:
                points.append((name, x, y, seen == 2))
        yield individual, points


READER = Reader(
    title="DeepLabCut",
    about="pixel centres at integers, from 0 on",
    first_pixel=0.0,
    read=read,
    points=points,
    options=Options,
)

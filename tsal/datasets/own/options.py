"""What a section of one's own data may say."""

import re
from functools import cache
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, create_model, model_validator

from tsal.bounds import POINTS
from tsal.datasets import readers
from tsal.settings.mistakes import Expected
from tsal.settings.paths import File, Folder, plain
from tsal.settings.section import Distinct, Listed, Section

_PATTERN = "a regular expression with one group in brackets"


def _one_group(value: str) -> str:
    try:
        groups = re.compile(value).groups
    except (re.error, OverflowError, RecursionError):
        groups = 0
    if groups != 1 or len(value) > 1000:
        raise ValueError(_PATTERN)
    return plain(value)


def _first_pixel(value: float | None) -> float | None:
    if value not in (None, 0, 0.5, 1):
        raise ValueError("unknown")
    return value


class Pattern(Section):
    """How the path of a picture tells something."""

    pattern: Annotated[str, AfterValidator(_one_group), Expected(_PATTERN)] = Field(
        ..., description="searched in the picture's path below `images`, written with /; its group is what is told"
    )

    def found_in(self, file: str) -> str:
        """What it tells of a path; empty where it finds nothing."""
        found = re.search(self.pattern, file)
        return (found[1] or "") if found else ""


Point = int | Annotated[str, Field(min_length=1, max_length=200), AfterValidator(plain)]
Pair = Annotated[Listed[Point], Field(min_length=2, max_length=2), Expected("two points, by number or name")]
Line = Annotated[Listed[Point], Field(min_length=2), Expected("two points or more, by number or name")]
Told = Annotated[
    Literal["folder", "column"] | Pattern | None, Expected("folder, column, {pattern: ...} with one group, or null")
]


class Landmarks(Section):
    """Points of one's own, counted from 0."""

    points: int | None = Field(None, ge=1, le=POINTS, description="how many; null: as many as there are names")
    names: Annotated[
        Distinct[Annotated[str, Field(min_length=1, max_length=200), AfterValidator(plain)]],
        Expected("a list of names, none twice"),
    ] = Field((), description="of the points, in order (default: those of the file, where it has some)")
    mirror: Annotated[Listed[Pair] | None, Expected("a list of pairs of points, or null")] = Field(
        None,
        description="pairs that change places in a mirrored face; all others stay. null: faces are never mirrored",
    )
    lines: Annotated[Listed[Line] | None, Expected("a list of lines, each of points")] = Field(
        None, description="to draw, each through points (default: those of the file, where it has some)"
    )

    @model_validator(mode="after")
    def _counted(self) -> "Landmarks":
        if self.points is None and not self.names:
            raise ValueError("points: missing, expected a number of points, or names")
        if self.names and self.points not in (None, len(self.names)):
            raise ValueError(f"points: found {self.points}, expected {len(self.names)}, as there are names")
        return self

    @property
    def count(self) -> int:
        return self.points or len(self.names)


class OwnData(Section):
    """Data of one's own: pictures with labels, and videos without."""

    reader: str = Field(..., description="format of the labels")
    images: Folder = Field(..., description="folder below which all pictures, and videos with labels, lie")
    labels: File | None = Field(None, description="the file of labels; of pts a folder (default: `images`)")
    videos: Annotated[
        Annotated[str, Field(min_length=1), AfterValidator(plain)] | Distinct[str],
        Expected("a file or pattern such as clips/*.mp4, or a list of them"),
    ] = Field((), description="videos without labels, from which methods take unlabelled frames")
    landmarks: Annotated[
        Annotated[int, Field(ge=1, le=POINTS)] | Landmarks, Expected("a number of points, or a section that names them")
    ] = Field(..., description="68 or 19 (the built-in ones), another number, or a section, see below")
    normaliser: Annotated[str | Pair | None, Expected("box, two points, or a built-in normaliser's name")] = Field(
        None,
        description="distance by which errors are divided: box (the root of its area), or between two points "
        "(default: the outer eye corners of 68, else box)",
    )
    box: Literal["landmarks", "own"] = Field(
        "landmarks", description="face boxes: bounds of the landmarks, or the labels' own where they have one"
    )
    person: Told = Field(
        None,
        description="who a face is, so that nobody trains and tests: the picture's folder, the column `person` of a "
        "table, or a pattern (default: a video is a person, and every other picture one of its own)",
    )
    clip: Told = Field(
        None,
        description="which pictures are frames of one video, numbered by the last number of their names (default: "
        "none; frames of a video are)",
    )
    test: float = Field(0.2, ge=0, lt=1, description="share of the people that tests; a table's column `split` decides")
    validation: float = Field(0.1, ge=0, le=0.5, description="share of the people that validates; 0: all others train")
    first_pixel: Annotated[float | None, AfterValidator(_first_pixel), Expected("0, 0.5, 1 or null")] = Field(
        None, description="where in the labels the centre of the top left pixel is (default: as the format has it)"
    )
    checkpoint: File | None = Field(
        None, description="detector that follows faces in videos (default: the released one)"
    )
    jitter: bool = Field(False, description="whether jitter is reported, of test faces that are frames of videos")

    @model_validator(mode="after")
    def _fitting(self) -> "OwnData":
        if self.labels is None and not readers.get(self.reader).in_folder:
            raise ValueError("labels: missing, expected the path of a file, in one line")
        if self.test + self.validation >= 1:
            raise ValueError(
                f"test: found {self.test} beside validation {self.validation}, expected less than 1 in all"
            )
        if "column" in (self.person, self.clip) and self.reader != "table":
            raise ValueError(f"{'person' if self.person == 'column' else 'clip'}: found column, which only a table has")
        return self

    @property
    def label_path(self) -> str:
        return self.labels or self.images

    @property
    def patterns(self) -> tuple[str, ...]:
        """Those of `videos`."""
        return (self.videos,) if isinstance(self.videos, str) else self.videos


@cache
def own_options(reader: str) -> type[OwnData]:
    """The keys of one's own data in a format: those of any, and the reader's.

    Raises:
        InputError: there is no such reader.
    """
    return create_model("own", __base__=(OwnData, readers.get(reader).options))

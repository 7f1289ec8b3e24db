"""AFLW: Annotated Facial Landmarks in the Wild (Koestinger et al. 2011), with the 19 points of Zhu et al. (2016).

Layout: in aflw.tar.gz, `aflw/data/flickr/{0,2,3}/image00002.jpg`; in AFLWinfo_release.mat, for each of 24,386 faces
`nameList` (cells such as `0/image00002.jpg`), `data` (19 x, then 19 y), `mask_new` (19 times 1 where the point is
annotated, else 0), `bbox` (x1 x2 y1 y2); and `ra`, the order of the faces, 1-based, of which the first 20,000 train and
the rest test. The frontal subset holds the test faces of which all points are annotated and in the box.

Faces without any annotated point can neither train nor be scored, and are left out.
"""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from tsal.bounds import MAT_BYTES, PICTURE_BYTES
from tsal.bounds.archives import read_file
from tsal.data.archives import copy_files, extract_tar
from tsal.data.faces import make_faces, write_faces
from tsal.data.landmarks import SCHEMES
from tsal.data.splits import held_out
from tsal.datasets import Dataset
from tsal.datasets.reading import COUNTS, VALIDATING, Count, NumbersByName
from tsal.datasets.reading.matlab import Value, read_mat
from tsal.errors import InputError
from tsal.settings.section import Section

_IMAGES, _INFO = "aflw.tar.gz", "AFLWinfo_release.mat"
_FLICKR = "data/flickr"
_N_POINTS = SCHEMES["19"].n_points
_COUNTS = {"train": 20000, "test": 4386, "frontal": 1314}
# Nothing says what the mat counts from; all published loaders (SAN, LAB, HRNet) take its positions as they are.
FIRST_PIXEL = 0.0


@dataclass(frozen=True)
class _Info:
    """What the mat says of N faces.

    Attributes:
        names: N images, `0/image00002.jpg`.
        points: (N, 19, 2) in px, NaN where not annotated.
        boxes: (N, 4) x0, y0, x1, y1 in px.
        order: (N,) 0-based, a permutation.
    """

    names: list[str]
    points: np.ndarray
    boxes: np.ndarray
    order: np.ndarray

    @property
    def annotated(self) -> np.ndarray:
        return np.isfinite(self.points).all(axis=2)

    @property
    def frontal(self) -> np.ndarray:
        """(N,) bool."""
        low, high = self.boxes[:, None, :2], self.boxes[:, None, 2:]
        inside = (self.points > low) & (self.points < high)  # strictly: as the counts of the literature were made
        return (self.annotated & inside.all(axis=2)).all(axis=1)


class Options(Section):
    """What a configuration may say of aflw."""

    counts: Annotated[dict[Literal["train", "test", "frontal"], Count] | None, NumbersByName] = Field(
        _COUNTS, description=COUNTS
    )
    validation: float = Field(0.05, ge=0, le=0.5, description=VALIDATING)


def index(sources: Mapping[str, Path], images_dir: Path, out_parquet: Path, options: Mapping[str, Any]) -> None:
    """Write the face table and put the images that it names into `images_dir`.

    Rows are in the order of the mat; a face's id is its image and, after a #, the number of its row, 1-based.

    Args:
        options: counts: expected numbers of "train", "test" and "frontal" faces, None to expect nothing. The first
            counts["train"] of the owners' order train, or else the first 20,000; validation: share of the training
            images of which the faces validate.

    Raises:
        InputError: see Dataset.index; names the file.
    """
    where = sources[_INFO] / _INFO if sources[_INFO].is_dir() else sources[_INFO]
    counts = options["counts"] or {}
    info = _read_info(read_file(where, MAT_BYTES), str(where))
    testing = _testing(info, counts, where)
    _check_counts(info, testing, counts, where)
    kept = np.flatnonzero(info.annotated.any(axis=1))
    if len(kept) < len(testing):
        print(f"aflw: {len(testing) - len(kept)} faces without an annotated point are left out", file=sys.stderr)
    names = [info.names[row] for row in kept]
    _unpack(sources[_IMAGES], images_dir, set(names))
    faces = [f"{name.rpartition('.')[0]}#{row + 1}" for name, row in zip(names, kept.tolist(), strict=True)]
    validating = held_out(
        {name for name, test in zip(names, testing[kept], strict=True) if not test}, options["validation"]
    )
    table = make_faces(
        [str(images_dir / name) for name in names],
        info.boxes[kept],
        info.points[kept],
        face=faces,
        person=faces,
        split=[
            "test" if test else "validation" if name in validating else "train"
            for name, test in zip(names, testing[kept].tolist(), strict=True)
        ],
        subset=["full+frontal" if frontal else "full" for frontal in (info.frontal & testing)[kept].tolist()],
    )
    write_faces(table, out_parquet)


def _testing(info: _Info, counts: Mapping[str, int], where: Path) -> np.ndarray:
    """(N,) bool: which faces test."""
    training = counts.get("train", _COUNTS["train"])
    if training >= len(info.names):
        raise InputError(
            f"{where}: {len(info.names):,} faces found, expected more than the {training:,} that train (counts.train); "
            "download it again"
        )
    testing = np.ones(len(info.names), bool)
    testing[info.order[:training]] = False
    return testing


def _check_counts(info: _Info, testing: np.ndarray, counts: Mapping[str, int], where: Path) -> None:
    number = int(testing.sum())
    if number != counts.get("test", number):
        raise InputError(
            f"{where}: {number:,} test faces found ({len(testing):,} in all), expected {counts['test']:,}; "
            "is it the owners' file? Download it again"
        )
    number = int((info.frontal & testing).sum())
    if number != counts.get("frontal", number):
        raise InputError(
            f"{where}: {number:,} frontal test faces found, expected {counts['frontal']:,}, while no face is missing; "
            f"to accept this, set counts.frontal to {number} in the configuration"
        )


def _read_info(content: bytes, where: str) -> _Info:
    """Parse and check the mat.

    Raises:
        InputError: a variable is missing, or not what it has to be.
    """
    names, data, mask, bbox, order = read_mat(content, where, ["nameList", "data", "mask_new", "bbox", "ra"])
    names = _names(names, where)
    count = len(names)
    data = _numbers(data, (count, 2 * _N_POINTS), "data", where)
    mask = _numbers(mask, (count, _N_POINTS), "mask_new", where)
    boxes = _numbers(bbox, (count, 4), "bbox", where)[:, [0, 2, 1, 3]]
    order = _numbers(order.reshape(1, -1) if isinstance(order, np.ndarray) else order, (1, count), "ra", where)[0]
    if not np.array_equal(np.sort(order), np.arange(1, count + 1)):
        raise InputError(f"{where}: 'ra' is no order of the faces 1 to {count:,}; is it the owners' file?")
    points = data.reshape(count, 2, _N_POINTS).transpose(0, 2, 1).copy()
    _check_rows(~np.isin(mask, (0, 1)).all(axis=1), names, where, "'mask_new' is neither 0 nor 1")
    _check_rows(((mask == 1) & ~np.isfinite(points).all(axis=2)).any(axis=1), names, where, "a point has no position")
    _check_rows(~(boxes[:, 2:] > boxes[:, :2]).all(axis=1), names, where, "'bbox' is no box x1 x2 y1 y2")
    points[mask == 0] = np.nan
    return _Info(names, points - FIRST_PIXEL, boxes - FIRST_PIXEL, order.astype(np.int64) - 1)


def _names(cells: Value, where: str) -> list[str]:
    names = cells.ravel(order="F").tolist() if isinstance(cells, np.ndarray) and cells.dtype == object else []
    if not names or not all(isinstance(name, str) and len(PurePosixPath(name).parts) == 2 for name in names):
        raise InputError(f"{where}: 'nameList' is no list of images such as 0/image00002.jpg; is it the owners' file?")
    return names


def _numbers(values: Value, shape: tuple[int, int], name: str, where: str) -> np.ndarray:
    """A variable as float64 of that shape."""
    if not isinstance(values, np.ndarray) or values.dtype == object or values.shape != shape:
        found = "of shape " + " x ".join(map(str, values.shape)) if isinstance(values, np.ndarray) else "a text"
        raise InputError(
            f"{where}: {name!r} is {found}, expected numbers, {shape[0]} x {shape[1]}, as names in nameList"
        )
    return values.astype(float)


def _check_rows(bad: np.ndarray, names: list[str], where: str, problem: str) -> None:
    if bad.any():
        row = int(bad.argmax())
        raise InputError(f"{where}: face {row + 1} ({names[row]}): {problem} (of {int(bad.sum()):,} faces)")


def _unpack(source: Path, images_dir: Path, names: set[str]) -> None:
    """Put the images of these names into `images_dir`, from the archive or the folder that it was unpacked into."""

    def choose(member: str) -> str | None:
        parts = PurePosixPath(member).parts
        name = "/".join(parts[-2:])
        return name if len(parts) > 2 and parts[-3] == "flickr" and name in names else None

    if not source.is_dir():
        extract_tar(source, images_dir, choose, names, PICTURE_BYTES)
        return
    missing = sorted(name for name in names if not (source / _FLICKR / name).is_file())
    if missing:
        raise InputError(
            f"{source / _FLICKR}: {len(missing):,} of {len(names):,} images are missing, such as {missing[0]}; "
            f"unpack {_IMAGES} again"
        )
    copy_files(source, images_dir, {f"{_FLICKR}/{name}": name for name in sorted(names)})


DATASET = Dataset(
    name="aflw",
    title="AFLW",
    archives={_IMAGES: tuple(f"{_FLICKR}/{number}" for number in (0, 2, 3)), _INFO: (_INFO,)},
    urls={_INFO: f"http://mmlab.ie.cuhk.edu.hk/projects/compositional/{_INFO}"},
    how_to_get="register at https://www.tugraz.at/institute/icg/research/team-bischof/lrs/downloads/aflw/",
    indexer=index,
    options=Options,
    scheme="19",
    normalisers=("face-size",),
    subsets=("full", "frontal"),
    has_clips=False,
)

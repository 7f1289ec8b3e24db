"""300W: 300 Faces in-the-Wild (Sagonas et al. 2013), photographs with 68 points.

Layout of the archives: `afw/`, `helen/{trainset,testset}/`, `ibug/` and `lfpw/{trainset,testset}/`, with or without the
top folder, in which every image has a `.pts` of the same name beside it; and bounding_boxes.zip with
`bounding_boxes_afw.mat`, `bounding_boxes_helen_trainset.mat`, ...: for every image its name, the box that the owners'
detector found and the box of its points. All coordinates are 1-based.

AFW and the two training sets train, the two test sets are the common subset, iBUG the challenging one. A face for which
the mat has no box, or one that does not even touch its points, gets the tight bounds of its points, as is usual where a
detector fails; over 1 % of such faces in a folder are taken for boxes of other images and refused.

A part of the sets is enough: `sets` names those that are there, and bounding_boxes.zip is read for its boxes alone.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import AfterValidator, Field

from tsal.bounds import PICTURE_BYTES, PTS_BYTES
from tsal.bounds.archives import read_file, read_member
from tsal.data.archives import copy_files, extract_zip, open_zip
from tsal.data.faces import bounds_of, make_faces, write_faces
from tsal.data.splits import held_out
from tsal.datasets import Dataset
from tsal.datasets.reading import VALIDATING, Count, NumbersByName
from tsal.datasets.reading.ibug_boxes import mat_name, plain_name, read_boxes
from tsal.datasets.reading.pts import read_pts
from tsal.errors import InputError
from tsal.settings.mistakes import Expected
from tsal.settings.section import Distinct, Section

_SETS = {
    "afw": ("afw",),
    "helen": ("helen/trainset", "helen/testset"),
    "ibug": ("ibug",),
    "lfpw": ("lfpw/trainset", "lfpw/testset"),
}
_SUBSETS = {
    "train": ("afw", "helen/trainset", "lfpw/trainset"),
    "common": ("helen/testset", "lfpw/testset"),
    "challenging": ("ibug",),
}
_SUBSET_OF = {folder: subset for subset, folders in _SUBSETS.items() for folder in folders}
_COUNTS = {
    "afw": 337,
    "helen/trainset": 2000,
    "lfpw/trainset": 811,
    "helen/testset": 330,
    "lfpw/testset": 224,
    "ibug": 135,
    "train": 3148,
    "common": 554,
    "challenging": 135,
}
_BOXES = "bounding_boxes.zip"
_TIGHT = "GTL"
_IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp")
_FACE_NUMBER = re.compile(r"[_ ]*_\d{1,2}$")  # of several faces of a photograph, which then has several copies


@dataclass(frozen=True)
class _Face:
    """One annotated image."""

    folder: str  # such as helen/trainset
    stem: str  # name of the image without its suffix
    member: str  # path of the image in its archive or folder
    points: np.ndarray  # (68, 2) in px, 0-based

    @property
    def id(self) -> str:
        return f"{self.folder}/{self.stem}"

    @property
    def path(self) -> str:
        return self.id + PurePosixPath(self.member).suffix

    @property
    def photo(self) -> str:
        return _FACE_NUMBER.sub("", self.id)

    @property
    def bounds(self) -> np.ndarray:
        return bounds_of(self.points)


def _train_and_test(sets: tuple[str, ...]) -> tuple[str, ...]:
    """The same sets, ordered; an error where none of their faces train, or none test."""
    subsets = {_SUBSET_OF[folder] for name in sets for folder in _SETS[name]}
    if "train" not in subsets or subsets == {"train"}:
        raise ValueError("expected faces that train and that test")
    return tuple(sorted(sets))


class Options(Section):
    """What a configuration may say of 300w."""

    sets: Annotated[
        Distinct[Literal[*_SETS]],
        AfterValidator(_train_and_test),
        Expected(
            f"a list of some of {', '.join(_SETS)}, none twice; not ibug alone, of which none train, nor afw, of which "
            "none test"
        ),
    ] = Field(tuple(_SETS), description="the archives that are there, or that are enough")
    box: Literal["DET", "GTB", "GTL"] = Field(
        "DET",
        description="boxes: the owners' detector's (DET, as in the release), true ones (GTB), bounds of points (GTL)",
    )
    counts: Annotated[dict[Literal[*_COUNTS], Count] | None, NumbersByName] = Field(
        _COUNTS,
        description="what the archives must hold, as far as that is not what their owners state: {helen/trainset: 870} "
        "changes that folder and its total (train, common or challenging), {train: 2000} that total and its folders; "
        "null: anything",
    )
    validation: float = Field(0.05, ge=0, le=0.5, description=VALIDATING)


def index(sources: Mapping[str, Path], images_dir: Path, out_parquet: Path, options: Mapping[str, Any]) -> None:
    """Write the face table of the archives (or unpacked folders) and put their images into `images_dir`.

    The person of a face is its photograph, of which helen, afw and ibug have a copy for every face.

    Args:
        options: box: "DET" (detected), "GTB" (ground truth) or "GTL" (tight bounds of the landmarks);
            sets: those of the archives that are read; counts: number of faces by folder (such as "helen/trainset") and
            of "train", "common" and "challenging", see _expected, None to expect nothing; validation: share of the
            training photographs that validates.

    Raises:
        InputError: see Dataset.index; names the file.
    """
    by_set = {name: _read_set(name, sources[f"{name}.zip"]) for name in options["sets"]}
    faces = [face for annotated, _ in by_set.values() for face in annotated]
    bare = [path for _, images in by_set.values() for path in images]
    if options["counts"] is not None:
        _check_counts(Counter(face.folder for face in faces), bare, _expected(options["counts"], options["sets"]))
    boxes = np.array([face.bounds for face in faces]).reshape(-1, 4)  # tight ones
    if options["box"] != _TIGHT:
        boxes = read_boxes(sources[_BOXES], [face.id for face in faces], boxes, options["box"])
    for name, (annotated, _) in by_set.items():
        _unpack(sources[f"{name}.zip"], images_dir, {face.member: face.path for face in annotated})
    _write_table(faces, boxes, images_dir, out_parquet, options["validation"])


def _write_table(faces: list[_Face], boxes: np.ndarray, images_dir: Path, out_parquet: Path, validation: float) -> None:
    validating = held_out({face.photo for face in faces if _SUBSET_OF[face.folder] == "train"}, validation)
    subsets = [_SUBSET_OF[face.folder] for face in faces]
    whole = set(_SUBSETS) <= set(subsets)  # a part of the test faces is not called full
    table = make_faces(
        [str(images_dir / face.path) for face in faces],
        boxes,
        np.array([face.points for face in faces]).reshape(-1, 68, 2),
        face=[face.id for face in faces],
        person=[face.photo for face in faces],
        split=[
            "test" if subset != "train" else "validation" if face.photo in validating else "train"
            for face, subset in zip(faces, subsets, strict=True)
        ],
        subset=["full" if subset == "train" else f"{subset}+full" if whole else subset for subset in subsets],
    )
    write_faces(table, out_parquet)


def _read_set(name: str, source: Path) -> tuple[list[_Face], list[str]]:
    """The annotated faces of one archive or its unpacked folder, in the order of their ids; and its other images."""
    if source.is_dir():
        files = _locate(name, source, _walk(source, [source / folder for folder in _SETS[name]]))
        return _read_faces(source, files, lambda member: read_file(source / member, PTS_BYTES))
    with open_zip(source) as archive:
        files = _locate(name, source, archive.namelist())
        return _read_faces(source, files, lambda member: read_member(archive, member, PTS_BYTES, source))


def _read_faces(source: Path, files: Mapping[str, str], read: Callable[[str], bytes]) -> tuple[list[_Face], list[str]]:
    """As _read_set, of the files by their paths within the layout. One annotation is in memory at a time."""
    images = {path: member for path, member in files.items() if not member.casefold().endswith(".pts")}
    faces = []
    for path, member in files.items():
        if member.casefold().endswith(".pts"):
            image = _image_of(path, images, source)
            points = read_pts(read(member), f"{source}: {member}")
            faces.append(_Face(str(PurePosixPath(image).parent), PurePosixPath(image).stem, images.pop(image), points))
    return sorted(faces, key=lambda face: face.id), sorted(images)


def _walk(source: Path, folders: Iterable[Path]) -> list[str]:
    return [str(path.relative_to(source)) for folder in folders for path in folder.rglob("*") if path.is_file()]


def _locate(name: str, source: Path, members: Iterable[str]) -> dict[str, str]:
    """Path within the layout, `helen/trainset/1.jpg`, -> member, of the images and .pts of a set."""
    found: dict[str, str] = {}
    for member in sorted(members):
        path = PurePosixPath(member.replace("\\", "/"))
        parents = [part.casefold() for part in path.parts[:-1]]
        if "__macosx" in parents or path.name.startswith("."):
            continue
        if path.suffix.casefold() not in (*_IMAGE_SUFFIXES, ".pts"):
            continue
        folder = _folder_of(name, parents)
        if folder is None:
            continue
        place = f"{folder}/{path.name}"
        if place in found:
            raise InputError(f"{source}: holds {place} twice, as {found[place]} and {member}; keep one of them")
        found[place] = member
    if not found:
        raise InputError(
            f"{source}: holds no image of {' or '.join(_SETS[name])}; is it the content of {name}.zip as its owners "
            "publish it?"
        )
    return found


def _folder_of(name: str, parents: list[str]) -> str | None:
    """The set's folder that files under these folders belong to, if any."""
    if any(part in _SETS and part != name for part in parents):
        return None
    folders = {folder.rpartition("/")[2]: folder for folder in _SETS[name]}
    if name in folders:
        return name if not parents or parents[-1] == name else None
    return folders.get(parents[-1]) if parents else None


def _image_of(annotation: str, images: Mapping[str, str], source: Path) -> str:
    """The image of a .pts: of the same name, or else of one that differs only by case and spaces."""
    base = str(PurePosixPath(annotation).with_suffix(""))
    suffixes = (*_IMAGE_SUFFIXES, *(suffix.upper() for suffix in _IMAGE_SUFFIXES))
    candidates = [base + suffix for suffix in suffixes if base + suffix in images]
    candidates = candidates or [path for path in images if plain_name(path) == plain_name(annotation)]
    if not candidates:
        raise InputError(
            f"{source}: {annotation} has no image; expected {base}.jpg or .png beside it: download or unpack it again"
        )
    if len(candidates) > 1:
        raise InputError(
            f"{source}: {annotation} has two images, {candidates[0]} and {candidates[1]}; keep one of them"
        )
    return candidates[0]


def _expected(counts: Mapping[str, int], sets: Iterable[str]) -> dict[str, int]:
    """Numbers of faces by folder and total: those of `counts`, and the owners' as far as these do not change them."""
    there = {folder for name in sets for folder in _SETS[name]}
    given = {name: number for name, number in counts.items() if number != _COUNTS[name]}
    expected = {}
    for total, folders in _SUBSETS.items():
        if total not in given:
            expected |= {folder: _COUNTS[folder] for folder in folders if folder in there}
        if there.issuperset(folders) and not any(folder in given for folder in folders):
            expected[total] = _COUNTS[total]
    return expected | {name: number for name, number in given.items() if name in there or name in _SUBSETS}


def _check_counts(found: Mapping[str, int], bare: list[str], counts: Mapping[str, int]) -> None:
    """Folders first, since these say where a face is missing."""
    totals = {subset: sum(found.get(folder, 0) for folder in folders) for subset, folders in _SUBSETS.items()}
    for name, expected in sorted(counts.items(), key=lambda item: item[0] in _SUBSETS):
        number = totals[name] if name in _SUBSETS else found.get(name, 0)
        if number == expected:
            continue
        folders = _SUBSETS.get(name, (name,))
        without = [path for path in bare if path.rpartition("/")[0] in folders]
        hint = f"; {without[0]} has no .pts (one of {len(without):,} such images)" if without else ""
        raise InputError(
            f"300w: {name}: {number:,} annotated images found, expected {expected:,}{hint}; unpack or download "
            f"{folders[0].partition('/')[0]}.zip again, or say in benchmarks.300w.counts what it holds"
        )


def _unpack(source: Path, images_dir: Path, members: Mapping[str, str]) -> None:
    if source.is_dir():
        copy_files(source, images_dir, members)
    else:
        extract_zip(source, images_dir, members, PICTURE_BYTES)


def _wanted(options: Mapping[str, Any]) -> list[str]:
    """The archives that are read."""
    return [f"{name}.zip" for name in options["sets"]] + ([] if options["box"] == _TIGHT else [_BOXES])


DATASET = Dataset(
    name="300w",
    title="300W",
    archives={
        **{f"{name}.zip": folders for name, folders in _SETS.items()},
        _BOXES: tuple(mat_name(folder) for folder in _SUBSET_OF),
    },
    wanted=_wanted,
    part="say in benchmarks.300w what is there: sets, counts, and box: GTL where there is no bounding_boxes.zip",
    urls={
        **{f"{name}.zip": f"https://ibug.doc.ic.ac.uk/download/annotations/{name}.zip" for name in _SETS},
        _BOXES: f"https://ibug.doc.ic.ac.uk/media/uploads/competitions/{_BOXES}",
    },
    indexer=index,
    options=Options,
    scheme="68",
    normalisers=("inter-ocular", "inter-pupil"),
    subsets=("common", "challenging", "full"),
    has_clips=False,
)

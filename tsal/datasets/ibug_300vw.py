"""300vw: 300 Videos in the Wild (Shen et al. 2015), 114 videos of one face each, annotated frame by frame.

Layout of the archive: a folder for each video, named by its number, with `vid.avi` and `annot/000001.pts`,
`annot/000002.pts`, ...: 68 points a frame. All may lie in a folder of their own. The lists of training videos and of
the three test categories are those of the challenge.

Frames stay in their videos: a row's image is the video, its frame the 0-based number in it.
"""

import os
import re
import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from tsal.bounds import FRAMES, PTS_BYTES, check
from tsal.bounds.archives import read_file, read_member
from tsal.data.archives import extract_zip, open_zip
from tsal.data.faces import bounds_of, make_faces, write_faces
from tsal.data.landmarks import SCHEMES
from tsal.data.splits import held_out
from tsal.datasets import Dataset
from tsal.datasets.reading import COUNTS, VALIDATING, Count, NumbersByName
from tsal.datasets.reading.pts import read_pts
from tsal.errors import InputError, one_line
from tsal.files import atomic_path
from tsal.progress import Progress
from tsal.settings.section import Section

_NUMBERS = {
    "train": "001 002 003 004 007 009 010 011 013 015 016 017 018 019 020 022 025 027 028 029 031 033 034 035 037 039 "
    "041 043 044 046 047 048 049 053 057 059 112 113 115 119 120 123 138 143 144 160 204 205 223 225",
    "A": "114 124 125 126 150 158 401 402 505 506 507 508 509 510 511 514 515 518 519 520 521 522 524 525 537 538 540 "
    "541 546 547 548",
    "B": "203 208 211 212 213 214 218 224 403 404 405 406 407 408 409 412 550 551 553",
    "C": "410 411 516 517 526 528 529 530 531 533 557 558 559 562",
}
LISTS = {name: tuple(numbers.split()) for name, numbers in _NUMBERS.items()}

_ARCHIVE = "300VW_Dataset_2015_12_14.zip"
_LAYOUT = "NNN/vid.avi and NNN/annot/000001.pts, 000002.pts, ..."
_MOST_DIFFERENCE = 0.01  # between the numbers of frames and of annotations, as a share of the latter
_N_POINTS = SCHEMES["68"].n_points


@dataclass
class _Video:
    """The files of one video: paths in the archive or under the unpacked folder; annotations by their numbers."""

    avi: str = ""
    annotations: dict[int, str] = field(default_factory=dict)


class Options(Section):
    """What a configuration may say of 300vw."""

    counts: Annotated[dict[Literal[*LISTS], Count] | None, NumbersByName] = Field(
        {name: len(videos) for name, videos in LISTS.items()}, description=COUNTS
    )
    validation: float = Field(0.1, ge=0, le=0.5, description=VALIDATING)


def index(sources: Mapping[str, Path], images_dir: Path, out_parquet: Path, options: Mapping[str, Any]) -> None:
    """Write the face table of the archive (or unpacked folder) and put its videos into `images_dir`.

    Each video is a clip, and a person of its own. The face's box is the bounds of its points.

    Args:
        options: counts: list -> number of its videos, or None; validation: share of the training videos that
            validates instead.

    Raises:
        InputError: see Dataset.index; names the video, and in an annotation the point.
    """
    from tsal.data.video import count_frames  # OpenCV is not needed to know the benchmark

    raw = sources[_ARCHIVE]
    videos = _list_videos(raw)
    _check_videos(raw, videos)
    _check_counts(raw, videos, options["counts"])
    points = _read_points(raw, videos)
    _place_videos(raw, images_dir, {video.avi: _target(name) for name, video in videos.items()})
    for name in videos:
        points[name] = _common_prefix(f"{raw}: video {name}", points[name], count_frames(images_dir / _target(name)))
    validating = held_out([name for name in videos if name in LISTS["train"]], options["validation"])
    _write_table(points, validating, images_dir, out_parquet)


def _target(name: str) -> str:
    """Where a video lies under the folder of images."""
    return f"{name}/vid.avi"


def _list_videos(raw: Path) -> dict[str, _Video]:
    """The videos by name, in its order."""
    if raw.is_dir():
        paths: Iterable[str] = _walk(raw)
    else:
        with open_zip(raw) as archive:
            paths = archive.namelist()
    videos: dict[str, _Video] = {}
    for path in paths:
        _add(raw, videos, path)
    if not videos:
        raise InputError(f"{raw}: holds no videos of 300VW; expected the layout of {_ARCHIVE}: {_LAYOUT}")
    return dict(sorted(videos.items()))


def _walk(raw: Path) -> Iterator[str]:
    """Paths of the files under the videos' folders."""
    for folder in sorted(entry.name for entry in os.scandir(raw) if entry.is_dir()):
        for entry in os.scandir(raw / folder):
            if entry.is_dir():
                yield from (f"{folder}/{entry.name}/{file.name}" for file in os.scandir(entry))
            else:
                yield f"{folder}/{entry.name}"


def _add(raw: Path, videos: dict[str, _Video], path: str) -> None:
    """Note a path if it is a video or an annotation of the layout, whatever its case."""
    parts = PurePosixPath(path).parts
    if not parts or "__MACOSX" in parts or parts[-1].startswith("."):
        return
    lower = [part.lower() for part in parts]
    if lower[-1] == "vid.avi" and len(parts) > 1:
        video = videos.setdefault(parts[-2], _Video())
        twice, video.avi = video.avi, path
    elif lower[-1].endswith(".pts") and lower[-2:-1] == ["annot"] and len(parts) > 2:
        match = re.fullmatch(r"([0-9]{1,9})\.pts", lower[-1])
        if not match:
            raise InputError(f"{raw}: annotation {path[:200]} has an unknown name; expected a number, as in 000001.pts")
        annotations = videos.setdefault(parts[-3], _Video()).annotations
        number = int(match[1])
        check(f"{raw}: annotation {path}", number, FRAMES, "as the number of a frame")
        twice, annotations[number] = annotations.get(number), path
    else:
        return
    if twice:
        raise InputError(
            f"{raw}: {twice} and {path} are the same part of one video; expected it once, remove one of them"
        )


def _check_videos(raw: Path, videos: Mapping[str, _Video]) -> None:
    """Every video is of a list and has both parts, without gaps."""
    listed = {name for names in LISTS.values() for name in names}
    for name, video in videos.items():
        where = f"{raw}: video {name}"
        if name not in listed:
            raise InputError(f"{where} is in no list of 300VW, neither for training nor for testing; take it out")
        if not video.avi:
            raise InputError(f"{where} has annotations but no vid.avi; expected {_LAYOUT}: unpack or copy it again")
        if not video.annotations:
            raise InputError(f"{where} has no annotations; expected {_LAYOUT}: unpack or copy it again")
        gaps = set(range(1, max(video.annotations) + 1)) - set(video.annotations)
        if gaps or 0 in video.annotations:
            what = f"no annot/{min(gaps):06d}.pts ({len(gaps):,} missing)" if gaps else "an annotation 0"
            raise InputError(
                f"{where} has {what}; expected one for each frame, 000001.pts to {max(video.annotations):06d}.pts: "
                "unpack or copy it again"
            )


def _check_counts(raw: Path, videos: Mapping[str, _Video], counts: Mapping[str, int] | None) -> None:
    for subset, expected in (counts or {}).items():
        found = [name for name in LISTS[subset] if name in videos]
        if len(found) == expected:
            continue
        missing = [name for name in LISTS[subset] if name not in videos]
        which = f"missing: {', '.join(missing)}" if len(found) < expected else f"found: {', '.join(found)}"
        what = "training videos" if subset == "train" else f"videos of category {subset}"
        raise InputError(f"{raw}: {len(found)} {what} found, expected {expected}; {which}. Unpack or copy it again")


def _read_points(raw: Path, videos: Mapping[str, _Video]) -> dict[str, np.ndarray]:
    """Video -> points (N, 68, 2) in px of its annotated frames."""
    points = {name: np.empty((len(video.annotations), _N_POINTS, 2)) for name, video in videos.items()}
    with _reader(raw) as read, Progress(sum(map(len, points.values())), "index 300vw", "frame") as progress:
        for name, video in videos.items():
            for number, path in sorted(video.annotations.items()):
                points[name][number - 1] = read_pts(read(path), f"{raw}: {path}")
                progress.update()
    return points


@contextmanager
def _reader(raw: Path) -> Iterator[Any]:
    """A function from a path to its content."""
    if raw.is_dir():
        yield lambda path: read_file(raw / path, PTS_BYTES)
        return
    with open_zip(raw) as archive:
        yield lambda path: read_member(archive, path, PTS_BYTES, raw)


def _place_videos(raw: Path, images_dir: Path, targets: Mapping[str, str]) -> None:
    """Put the videos into `images_dir`, from the archive or, without taking space twice, the unpacked folder."""
    if not raw.is_dir():
        extract_zip(raw, images_dir, targets)
        return
    for source, target in targets.items():
        with atomic_path(images_dir / target) as temporary:
            path = (raw / source).resolve()
            try:
                os.link(path, temporary)
            except OSError:  # another file system, or one without links
                shutil.copyfile(path, temporary)


def _common_prefix(where: str, points: np.ndarray, frames: int) -> np.ndarray:
    """The points of those frames that both the video and the annotation have."""
    annotated, difference = len(points), abs(frames - len(points))
    if not difference:
        return points
    found = f"{where} has {frames:,} frames and {annotated:,} annotations"
    if difference > max(1, _MOST_DIFFERENCE * annotated):
        raise InputError(
            f"{found}; expected as many, or {_MOST_DIFFERENCE:.0%} more or less: it may be damaged, copy it again"
        )
    print(f"{one_line(found)}: keeping the first {min(frames, annotated):,} of each", file=sys.stderr)
    return points[:frames]


def _write_table(points: Mapping[str, np.ndarray], validating: set[str], images_dir: Path, out: Path) -> None:
    """One row a frame, video after video."""
    subset_of = {name: subset for subset, names in LISTS.items() for name in names}
    names = [name for name, of_video in points.items() for _ in range(len(of_video))]
    frames = np.concatenate([np.arange(len(of_video)) for of_video in points.values()])
    together = np.concatenate(list(points.values()))
    split_of = {name: "train" if subset_of[name] == "train" else "test" for name in points}
    split_of |= dict.fromkeys(validating, "validation")
    faces = make_faces(
        [str(images_dir / _target(name)) for name in names],
        bounds_of(together),
        together,
        face=[f"{name}/{frame + 1:06d}" for name, frame in zip(names, frames, strict=True)],
        video=names,
        frame=frames,
        clip=names,
        person=names,
        split=[split_of[name] for name in names],
        subset=["full" if subset_of[name] == "train" else subset_of[name] for name in names],
    )
    write_faces(faces, out)


DATASET = Dataset(
    name="300vw",
    title="300VW",
    archives={_ARCHIVE: ("001/annot",)},
    how_to_get="ask for it as https://ibug.doc.ic.ac.uk/resources/300-VW/ says",
    indexer=index,
    options=Options,
    scheme="68",
    normalisers=("inter-ocular",),
    subsets=("A", "B", "C"),
    is_video=True,
)

"""Who is on a picture, which pictures are frames of one video, and who trains: from what a section says."""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import PurePosixPath

import numpy as np

from tsal.data.faces import face_name
from tsal.data.splits import split_people
from tsal.datasets.own.options import OwnData, Pattern
from tsal.datasets.readers.annotations import Annotations
from tsal.errors import InputError, one_line

_NUMBER = re.compile(r"[0-9]+")


def people_of(faces: Annotations, options: OwnData) -> list[str]:
    """Who each face is."""
    if options.person == "column":
        return _column(faces, "person", options)
    rule = person_rule(options)
    return [rule(file) for file in faces.files]


def person_rule(options: OwnData) -> Callable[[str], str]:
    """From the path of a picture or video below `images` to a person; without a rule, each file is its own."""
    if options.person == "folder":
        return _folder_of
    if isinstance(options.person, Pattern):
        return _searched(options.person, "person")
    return lambda file: file


def person_of_video(file: str, options: OwnData) -> str:
    """Who is on a video without labels: as on pictures; where the rule says nothing of it, a person of its own."""
    if options.person == "column" or (isinstance(options.person, Pattern) and not options.person.found_in(file)):
        return file
    return person_rule(options)(file)


def clips_of(faces: Annotations, names: Sequence[str], options: OwnData) -> tuple[list[str], np.ndarray]:
    """The clip of each face, and the number of its frame in it (-1: it is no frame).

    Faces of which the labels do not say who is who, of several in one frame, are clips of their own.

    Args:
        names: of the faces.
    """
    frames = faces.frames.copy()
    if options.clip == "column":
        clips = _column(faces, "clip", options)
    elif options.clip is not None:
        rule = _folder_of if options.clip == "folder" else _searched(options.clip, "clip")
        tracks = zip(faces.files, faces.tracks, strict=True)
        clips = [f"{rule(file)}#{track}" if track else rule(file) for file, track in tracks]
        for row in np.flatnonzero(frames < 0):
            frames[row] = _number_of(faces.files[row])
    else:
        clips = _default_clips(faces, names)
    seen = Counter(zip(clips, frames.tolist(), strict=True))
    unsure = [frame >= 0 and seen[clip, frame] > 1 for clip, frame in zip(clips, frames.tolist(), strict=True)]
    return [name if own else clip for name, clip, own in zip(names, clips, unsure, strict=True)], frames


def _default_clips(faces: Annotations, names: Sequence[str]) -> list[str]:
    """Frames of one track of a video; a table says itself what its clips are."""
    told = faces.columns.get("clip", [""] * len(faces))
    clips = []
    for file, frame, track, clip, name in zip(faces.files, faces.frames, faces.tracks, told, names, strict=True):
        clips.append(name if frame < 0 else clip or (f"{file}#{track}" if track else file))
    return clips


def names_of(faces: Annotations) -> list[str]:
    """A name of each face: its picture, or video and frame, with a number where there are several."""
    taken: set[str] = set()
    names = []
    for file, frame, track in zip(faces.files, faces.frames.tolist(), faces.tracks, strict=True):
        picture = file if frame < 0 else f"{file}:{frame}"
        number = int(track) if track.isascii() and track.isdecimal() and len(track) < 10 else 0
        name = face_name(picture, number)
        while name in taken:
            number += 1
            name = face_name(picture, number)
        taken.add(name)
        names.append(name)
    return names


def splits_of(faces: Annotations, people: Sequence[str], options: OwnData) -> list[str]:
    """train, validation or test of each face: the column `split` of a table, else shares of the people.

    Raises:
        InputError: somebody is in two splits; or a share is of too few people to hold one.
    """
    where = options.label_path
    if "split" in faces.columns:
        splits = faces.columns["split"]
        first: dict[str, str] = {}
        for person, split in zip(people, splits, strict=True):
            if first.setdefault(person, split) != split:
                raise InputError(
                    f"{where}: person {one_line(person)[:200]!r} is in {first[person]} and in {split}; expected nobody "
                    "in two splits: mend the column `split`, or say by `person` who is who"
                )
    else:
        shares = {"test": options.test, "validation": options.validation}
        split_of = split_people(people, shares)
        splits = [split_of[person] for person in people]
    _need_each(splits, len(set(people)), options)
    return splits


def _need_each(splits: Sequence[str], people: int, options: OwnData) -> None:
    """Refuse a split that a share is asked of and that nobody is in."""
    for split, share in (("test", options.test), ("validation", options.validation), ("train", 1.0)):
        if share and split not in splits:
            unless = ", or set validation: 0" if split == "validation" else ""
            raise InputError(
                f"{options.label_path}: found {people:,} people (see `person`), and none of them in {split}; expected "
                f"some: label more of them, or choose other shares{unless}"
            )


def _column(faces: Annotations, name: str, options: OwnData) -> list[str]:
    found = faces.columns.get(name)
    if found is None:
        raise InputError(f"{options.label_path}: column {name!r} is missing, expected it, since {name} is `column`")
    if "" in found:
        raise InputError(f"{options.label_path}: column {name!r}, row {found.index('') + 1}: empty, expected a name")
    return found


def _folder_of(file: str) -> str:
    return str(PurePosixPath(file).parent)


def _searched(told: Pattern, key: str) -> Callable[[str], str]:
    def rule(file: str) -> str:
        found = told.found_in(file)
        if not found:
            raise InputError(
                f"{key}: the pattern {told.pattern!r} finds nothing in {one_line(file)[:200]!r}; expected its group in "
                "the path of every picture"
            )
        return found

    return rule


def _number_of(file: str) -> int:
    """The last number in the name of a picture."""
    found = _NUMBER.findall(PurePosixPath(file).stem)
    if not found or len(found[-1]) > 9:
        raise InputError(f"clip: found no number in the name of {one_line(file)[:200]!r}, expected that of its frame")
    return int(found[-1])

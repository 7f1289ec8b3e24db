"""The unlabelled pool of one's own data: the faces of videos without labels, found and followed as by `tsal track`.

Their boxes are what the landmarks say that followed them. Where the labelled faces have boxes of another kind, such as
of other landmarks, the relation of both is learned from labelled pictures, and applied.
"""

import os
import sys
import time
from array import array
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from tsal import face_detectors
from tsal.data.cropping import is_outside, read_face_image
from tsal.data.faces import bounds_of, boxes_of, face_name, labelled_of, make_faces, n_points, read_faces, write_faces
from tsal.data.landmarks import SCHEMES
from tsal.data.video import is_video
from tsal.datasets.own.dataset import OwnDataset
from tsal.datasets.own.options import OwnData
from tsal.datasets.own.people import person_of_video
from tsal.detectors.predict import LandmarkDetector, load_detector
from tsal.errors import InputError
from tsal.face_detectors import Calibration, Finder
from tsal.face_detectors.boxes import area, overlap
from tsal.face_detectors.calibration import fit
from tsal.face_detectors.finding import files_in
from tsal.settings.released import released_checkpoint
from tsal.tracking.follow import Following, Locate
from tsal.tracking.track import followed, locator

_COMPARED = 200  # labelled faces from which the relation of boxes is learned
_FEWEST = 3  # of them that have to be found
_SAME_FACE = 0.15  # overlap from which on a followed box is of a labelled face: boxes of few points are much smaller


def add_videos(table: Path, dataset: OwnDataset, device: torch.device) -> None:
    """Add the faces of a section's videos to its face table, as rows of split train without points.

    Prints a line about boxes, where they are related, and one about each video.

    Raises:
        InputError: a video or the detector is missing or cannot be read; no labelled face is found, with which boxes
            could be compared.
    """
    write_faces(follow_videos(read_faces(table), dataset, device), table)


def follow_videos(faces: pd.DataFrame, dataset: OwnDataset, device: torch.device) -> pd.DataFrame:
    """Labelled faces, of which there may be none, with those of a section's videos: see `add_videos`."""
    options = dataset.settings
    detector = load_detector(Path(options.checkpoint) if options.checkpoint else released_checkpoint(), device)
    finder, locate = face_detectors.create(), locator(detector, device)
    related = len(faces) and not _are_alike(dataset, detector)
    calibration = relation(faces, finder, locate, options) if related else None
    pools = [
        follow_video(path, faces, finder, locate, calibration, options)
        for path in files_in([Path(pattern) for pattern in options.patterns])
    ]
    return _joined(faces, pools)


def _are_alike(dataset: OwnDataset, detector: LandmarkDetector) -> bool:
    """Whether bounds of the detector's landmarks are boxes as those of the labelled faces are."""
    same = SCHEMES["68"].same_points(detector.scheme) and SCHEMES["68"].same_points(dataset.landmarks)
    return dataset.settings.box == "landmarks" and (same or dataset.landmarks.same_points(detector.scheme))


def relation(faces: pd.DataFrame, finder: Finder, locate: Locate, options: OwnData) -> Calibration:
    """From the box that following gives of a face to the box that labelled faces have: medians over labelled faces.

    Raises:
        InputError: too few of them were found.
    """
    labelled = np.flatnonzero(labelled_of(faces) & (faces["split"] == "train").to_numpy())
    chosen = labelled[np.linspace(0, len(labelled) - 1, min(len(labelled), _COMPARED)).astype(int)]
    found, wanted = [], []
    for row in chosen.tolist():
        box = boxes_of(faces.iloc[[row]])
        bounds = _bounds_on(read_face_image(faces, row), finder, locate)
        shares = overlap(box, bounds)[0] if len(bounds) else np.zeros(1)
        if shares.max() > _SAME_FACE or _holds(box[0], bounds).any():
            best = int(np.where(_holds(box[0], bounds), 1.0, shares).argmax())
            found.append(bounds[best])
            wanted.append(box[0])
    if len(found) < min(_FEWEST, len(chosen)):
        raise InputError(
            f"{options.label_path}: the face detector found {len(found)} of {len(chosen)} labelled faces, expected "
            f"{_FEWEST} at least: their boxes tell how large those of videos should be. Look at the pictures, or leave "
            "`videos` out"
        )
    calibration = fit(np.array(found), np.array(wanted))
    (dx, dy), (width, height) = calibration.shift, calibration.scale
    print(
        f"boxes of videos: brought to those of the labels by {len(found):,} of {len(chosen):,} labelled faces: moved "
        f"by {dx:+.2f}, {dy:+.2f} of a box, {width:.2f} x {height:.2f} times the size",
        file=sys.stderr,
    )
    return calibration


def _bounds_on(image: np.ndarray, finder: Finder, locate: Locate) -> np.ndarray:
    """Bounds (N, 4) of the landmarks of a picture's faces, as following begins with them."""
    boxes, _ = finder.find_calibrated(image)
    height, width = image.shape[:2]
    seen = (boxes[:, 2:] > 0).all(axis=1) & (boxes[:, :2] < [width - 1, height - 1]).all(axis=1)
    boxes = boxes[seen & (area(boxes) > 1)]
    return bounds_of(locate(image, boxes)[0]) if len(boxes) else np.zeros((0, 4))


def _holds(box: np.ndarray, bounds: np.ndarray) -> np.ndarray:
    """Which of some boxes (N, 4) hold the centre of a smaller one, such as of the points of a mouth."""
    centre = (box[:2] + box[2:]) / 2
    inside = ((bounds[:, :2] <= centre) & (centre <= bounds[:, 2:])).all(axis=1)
    return inside & (area(box[None]) < area(bounds))


@dataclass
class Pool:
    """The faces of a video, a few bytes each.

    path: of the video. name: below the folder of pictures, or its path.
    """

    path: str
    name: str
    person: str
    frames: array = field(default_factory=lambda: array("q"))
    ids: array = field(default_factory=lambda: array("q"))
    boxes: array = field(default_factory=lambda: array("d"))
    taken: dict[int, int] = field(default_factory=dict)  # rows of labelled faces, and the id that each was followed by

    def add(self, frame: int, id: int, box: Sequence[float]) -> None:
        self.frames.append(frame)
        self.ids.append(id)
        self.boxes.extend(box)


def follow_video(
    path: str,
    faces: pd.DataFrame,
    finder: Finder,
    locate: Locate,
    calibration: Calibration | None,
    options: OwnData,
) -> Pool:
    """The faces of a video, but for those that are labelled; none where its person tests or validates.

    Prints a line with the numbers of frames and faces, and the seconds that it took.
    """
    start = time.monotonic()
    name = name_of(path, options.images)
    pool = Pool(path, name, person_of_video(name, options))
    splits = set(faces["split"][(faces["person"] == pool.person).to_numpy()]) - {"train"}
    if splits:
        print(f"{path}: left out, since its person, {pool.person}, is in {', '.join(sorted(splits))}", file=sys.stderr)
        return pool
    if not is_video(path):
        raise InputError(f"{path}: found a picture, expected a video, in `videos`; correct the pattern")
    labelled, own = _labelled_in(path, faces), boxes_of(faces)
    count = 0
    for _, frame in followed(path, finder, locate, Following(), torch.get_num_threads()):
        count += 1
        if not frame.faces:
            continue
        found = np.array([face.box for face in frame.faces])
        boxes = found if calibration is None else calibration.apply(found)
        rows = labelled.get(frame.number, [])
        mine = overlap(boxes, own[rows]) > 2 * _SAME_FACE if rows else np.zeros((len(boxes), 0), bool)
        for face, box, same in zip(frame.faces, boxes, mine, strict=True):
            if same.any():
                pool.taken.setdefault(rows[int(same.argmax())], face.id)
            elif (box[2:] - box[:2]).min() >= 2 and not is_outside(box, frame.size):
                pool.add(frame.number, face.id, box)
    seconds = time.monotonic() - start
    print(
        f"{path}: {count:,} frames, {len(pool.frames):,} faces of {len(set(pool.ids)):,}, {seconds:.0f} s",
        file=sys.stderr,
    )
    return pool


def name_of(path: str, images: str) -> str:
    """A video's path below the folder of pictures, where it lies there; else its path as it is given."""
    below = os.path.relpath(path, images).replace(os.sep, "/")
    return path if below.startswith("../") else below


def _labelled_in(path: str, faces: pd.DataFrame) -> dict[int, list[int]]:
    """Rows of the labelled faces of a video, by frame."""
    rows: dict[int, list[int]] = {}
    for image, of_image in faces.groupby("image", sort=False).indices.items():
        with suppress(OSError):
            if os.path.samefile(image, path):
                for row in of_image.tolist():
                    rows.setdefault(int(faces["frame"].iloc[row]), []).append(row)
    return rows


def _joined(faces: pd.DataFrame, pools: Sequence[Pool]) -> pd.DataFrame:
    """The table with the faces of all videos. A labelled face that was followed is part of its clip."""
    clips, names = faces["clip"].to_numpy(object).copy(), set(faces["face"])
    parts = []
    for pool in pools:
        for row, id in pool.taken.items():
            clips[row] = f"{pool.path}#{id}"
        if len(pool.frames):
            parts.append(_table(pool, names, n_points(faces)))
    return pd.concat([faces.assign(clip=clips), *parts], ignore_index=True)


def _table(pool: Pool, names: set[str], count: int) -> pd.DataFrame:
    size = len(pool.frames)
    return make_faces(
        [pool.path] * size,
        np.frombuffer(pool.boxes, np.float64).reshape(-1, 4),
        np.broadcast_to(np.nan, (size, count, 2)),
        face=list(_names(pool, names)),
        video=pool.name,
        frame=np.frombuffer(pool.frames, np.int64),
        clip=[f"{pool.path}#{id}" for id in pool.ids],
        person=pool.person,
        split="train",
    )


def _names(pool: Pool, taken: set[str]) -> Iterator[str]:
    """A name of each face; that of a labelled one is not taken twice."""
    for frame, id in zip(pool.frames, pool.ids, strict=True):
        name = face_name(f"{pool.name}:{frame}", id)
        while name in taken:
            name += "+"
        yield name

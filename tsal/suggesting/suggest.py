"""From one's own pictures and videos to a folder with the frames worth labelling, for an annotation tool."""

import csv
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import torch

from tsal import face_detectors
from tsal.data.cropping import apply_affine, is_outside
from tsal.data.crops import open_crops, write_crops
from tsal.data.faces import bounds_of, boxes_of, face_name, labelled_of, make_faces, read_faces
from tsal.data.landmarks import SCHEMES, Scheme
from tsal.data.pictures import read_image
from tsal.data.video import all_frames, is_video
from tsal.datasets.own.dataset import OwnDataset
from tsal.datasets.readers.pictures import Pictures, is_named_picture
from tsal.detectors.predict import LandmarkDetector
from tsal.errors import InputError
from tsal.files import temporary_path
from tsal.suggesting.choice import choose
from tsal.suggesting.evidence import gather_evidence
from tsal.tracking.follow import Face
from tsal.tracking.formats import Frame, open_writer
from tsal.tracking.pool import add_videos, follow_videos

LABELS, IMAGES, LIST = "labels.json", "images", "frames.csv"  # in the folder
_MOST = 5000  # faces without labels that are looked at, evenly drawn: frames beside each other are much alike
_KNOWN = 500  # labelled faces that others are compared with, evenly drawn
_LEAST_CONFIDENCE = 0.3  # of what may be a face, however much the signals disagree


@dataclass(frozen=True)
class Suggested:
    """How many frames were chosen, of how many faces without labels."""

    frames: int
    faces: int


def suggest(
    dataset: OwnDataset,
    detector: LandmarkDetector,
    count: int,
    folder: Path,
    device: torch.device,
    threads: int = 1,
    seed: int = 0,
) -> Suggested:
    """Choose the faces of a data set that are worth a label next, and write their frames with what the detector finds.

    What has no label is the pictures below `images` that the labels do not name, and the faces of `videos`. Where the
    file of labels is not there yet, all is without labels.

    Args:
        detector: that finds and judges the faces; of one of other landmarks than the data set's, nothing is written as
            landmarks to correct.
        count: faces to choose.
        folder: to make: IMAGES, LABELS (COCO keypoints, of the data set's landmarks) and LIST.

    Raises:
        InputError: the folder is there already; there is no face without labels, or no picture and no video.
    """
    # To label, everybody is alike: few labels would leave a split empty, and videos of who tests be left out.
    dataset = replace(dataset, settings=dataset.settings.replace(test=0.0, validation=0.0))
    if folder.exists():
        raise InputError(f"{folder}: is there already, expected a new folder: labels in it are not written over")
    with tempfile.TemporaryDirectory() as work:
        everyone = _faces(dataset, Path(work), device)
        is_labelled = labelled_of(everyone)
        unlabelled = everyone[~is_labelled]
        if not len(unlabelled):
            raise InputError(f"{dataset.name}: found no face without labels among {len(everyone):,}, expected some")
        hidden = _evenly(unlabelled, _MOST).reset_index(drop=True)
        faces = pd.concat([hidden, _evenly(everyone[is_labelled], _KNOWN)], ignore_index=True)
        settings = detector.settings
        geometry = {"input_px": settings.input_px, "expand": settings.expand, "margin": settings.margin}
        write_crops(faces, Path(work) / "all.json", workers=threads, **geometry)
        store = open_crops(work, "all")
        evidence = gather_evidence(detector, store, np.arange(len(faces)), device, seed)
        points = apply_affine(store.to_image[: len(hidden)], evidence.points[: len(hidden)])
    confidences, disagreement = evidence.confidences[: len(hidden)], evidence.disagreement[: len(hidden)]
    likely = np.flatnonzero(confidences.mean(1) > _LEAST_CONFIDENCE)
    if not len(likely):
        raise InputError(f"{dataset.name}: found nothing like a face among {len(hidden):,} boxes; look at the videos")
    known = evidence.features[len(hidden) :]
    chosen = likely[choose(disagreement[likely], evidence.features[likely], count, seed, known)]
    found = _Found(hidden, *_as_scheme(points, confidences, detector.scheme, dataset.landmarks), disagreement)
    with temporary_path(folder) as temporary:
        frames = _write(found, chosen, dataset.landmarks, temporary, threads)
        temporary.replace(folder)
    return Suggested(frames, len(unlabelled))


def _evenly(faces: pd.DataFrame, most: int) -> pd.DataFrame:
    """At most so many of some faces: all, or every second, third, ..."""
    return faces.iloc[:: max(1, -(-len(faces) // most))]


@dataclass(frozen=True)
class _Found:
    """The faces without labels, N rows of a face table, and of each points (N, K, 2) in image px, NaN where they cannot
    be told, confidences (N, K), disagreement (N,) of the signals."""

    faces: pd.DataFrame
    points: np.ndarray
    confidences: np.ndarray
    disagreement: np.ndarray


def _faces(dataset: OwnDataset, work: Path, device: torch.device) -> pd.DataFrame:
    """The faces of the labels, if there are some yet, of videos, and of pictures that the labels do not name."""
    options, table = dataset.settings, work / "faces.parquet"
    count = dataset.landmarks.n_points
    if os.path.exists(options.label_path):
        dataset.index(None, work / "images", table, add=lambda path: add_videos(path, dataset, device))
        faces = read_faces(table)
    else:
        print(f"{options.label_path}: not there yet: all faces are taken as without labels", file=sys.stderr)
        faces = follow_videos(make_faces([], np.empty((0, 4)), np.empty((0, count, 2))), dataset, device)
    named = set(map(os.path.abspath, faces["image"]))
    pictures = [os.path.join(options.images, file) for file in Pictures(options.images).all_files()]
    others = [path for path in pictures if is_named_picture(path) and os.path.abspath(path) not in named]
    faces = pd.concat([faces, _of_pictures(others, count, set(faces["face"]))], ignore_index=True)
    if not len(faces):
        raise InputError(
            f"{dataset.name}: found no face in {len(others):,} pictures below {options.images} and in `videos`, "
            "expected some to choose from"
        )
    return faces


def _of_pictures(paths: list[str], count: int, taken: set[str]) -> pd.DataFrame:
    """The faces that are found on pictures, as rows without landmarks; their names are none of those in `taken`."""
    finder = face_detectors.create()
    names, images, boxes = [], [], []
    for path in paths:
        picture = read_image(path)
        found, _ = finder.find_calibrated(picture)
        seen = [box for box in found if not is_outside(box, picture.shape[1::-1])]
        for number, box in enumerate(seen):
            name = face_name(path, number)
            names.append(f"{name}+" if name in taken else name)
            images.append(path)
            boxes.append(box)
    points = np.full((len(images), count, 2), np.nan)
    return make_faces(images, np.array(boxes).reshape(-1, 4), points, face=names, split="train")


def _as_scheme(
    points: np.ndarray, confidences: np.ndarray, theirs: Scheme, scheme: Scheme
) -> tuple[np.ndarray, np.ndarray]:
    """Landmarks of one scheme as those of another, as far as that has the same; else NaN."""
    if theirs.same_points(scheme):
        return points, confidences
    if theirs.same_points(SCHEMES["68"]) and scheme.of_68:
        return points[:, list(scheme.of_68)], confidences[:, list(scheme.of_68)]
    shape = (len(points), scheme.n_points)
    return np.full((*shape, 2), np.nan), np.repeat(confidences.mean(1, keepdims=True), scheme.n_points, 1)


def _write(found: _Found, chosen: np.ndarray, scheme: Scheme, folder: Path, threads: int) -> int:
    """Write the frames of chosen faces (places in `found`), with all faces without labels on them; returns how many."""
    (folder / IMAGES).mkdir(parents=True)
    frames = list(zip(found.faces["image"], found.faces["frame"].tolist(), strict=True))
    on_frame: dict[tuple[str, int], list[int]] = {}
    for place, frame in enumerate(frames):
        on_frame.setdefault(frame, []).append(place)
    order = dict.fromkeys(frames[place] for place in chosen.tolist())
    names = _names(order)
    sizes = {frame: _save(frame, folder / IMAGES / names[frame], image) for frame, image in _images(order, threads)}
    with (
        open_writer(folder / LABELS, scheme) as write,
        open(folder / LIST, "w", encoding="utf-8", newline="") as file,
    ):
        listed = csv.writer(file, lineterminator="\n")
        listed.writerow(["image", "frame", "written", "disagreement"])
        for frame in order:
            places = on_frame[frame]
            write(Frame(names[frame], -1, float("nan"), sizes[frame], [_face(found, place) for place in places]))
            most = max(found.disagreement[place] for place in places)
            listed.writerow([*frame, f"{IMAGES}/{names[frame]}", f"{most:.3f}"])
    return len(order)


def _face(found: _Found, place: int) -> Face:
    points, confidences = found.points[place], found.confidences[place]
    box = bounds_of(points) if np.isfinite(points).all() else boxes_of(found.faces.iloc[[place]])[0]
    return Face(0, box, float(confidences.mean()), points, confidences)


def _names(frames: dict[tuple[str, int], None]) -> dict[tuple[str, int], str]:
    """Paths below IMAGES of frames: VIDEO/frame_000012.png, or the name of the picture; no two files have one."""
    stems: dict[str, str] = {}
    for path, _ in frames:
        if path not in stems:
            stem, taken = Path(path).stem, {*stems.values()}
            others = (f"{stem}_{number}" for number in range(2, len(frames) + 2))
            stems[path] = next(name for name in (stem, *others) if name not in taken)
    return {
        (path, frame): stems[path] + (Path(path).suffix if frame < 0 else f"/frame_{frame:06d}.png")
        for path, frame in frames
    }


def _images(frames: dict[tuple[str, int], None], threads: int) -> Iterator[tuple[tuple[str, int], np.ndarray]]:
    """Each frame, RGB; a video is decoded once."""
    wanted: dict[str, set[int]] = {}
    for path, frame in frames:
        wanted.setdefault(path, set()).add(frame)
    for path, numbers in wanted.items():
        if not is_video(path):
            yield (path, -1), read_image(path)
            continue
        for number, _, image in all_frames(path, threads)[1]:
            if number in numbers:
                yield (path, number), image
            if number >= max(numbers):
                break


def _save(frame: tuple[str, int], target: Path, image: np.ndarray) -> tuple[int, int]:
    """Write a frame as PNG; a picture is copied as it is. Returns its width and height."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if frame[1] < 0:
        shutil.copyfile(frame[0], target)
    elif not cv2.imwrite(str(target), image[..., ::-1]):
        raise InputError(f"{target}: could not be written")
    return image.shape[1], image.shape[0]

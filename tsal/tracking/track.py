"""From pictures and videos to landmarks: faces found, followed, smoothed on request, written and drawn."""

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from tsal.data.ahead import ahead
from tsal.data.cropping import apply_affine, crop_image
from tsal.data.faces import bounds_of
from tsal.data.pictures import read_image
from tsal.data.video import all_frames, is_video
from tsal.detectors.predict import LandmarkDetector
from tsal.face_detectors import Finder
from tsal.progress import Progress
from tsal.tracking.follow import Follower, Following, Locate
from tsal.tracking.formats import Frame, Write, open_writer
from tsal.tracking.overlay import Draw, open_overlay
from tsal.tracking.smooth import OneEuro, Smoother

_FORGOTTEN = 0.5  # seconds out of sight after which a face's landmarks are not smoothed into those before


@dataclass
class Count:
    """What was seen: pictures and frames, those without a face, and faces, of which a video's count once."""

    frames: int = 0
    empty: int = 0
    faces: int = 0


def track(
    files: Sequence[str],
    detector: LandmarkDetector,
    finder: Finder,
    device: torch.device,
    output: Path,
    *,
    overlay: Path | None = None,
    following: Following | None = None,
    smooth: OneEuro | None = None,
    threads: int = 1,
    keep_empty: bool = True,
    watch: Draw | None = None,
) -> Count:
    """Write the landmarks of all faces of pictures and videos.

    Args:
        output: see `formats`.
        overlay: the one picture or video with its landmarks drawn; of several files a folder for them.
        threads: of the decoder.
        keep_empty: whether a frame without a face is written, without landmarks.
        watch: is given each frame and its pixels, too.

    Raises:
        InputError: a file that is missing or cannot be decoded; an output that cannot be written.
    """
    count = Count()
    locate = locator(detector, device)
    with open_writer(output, detector.scheme) as write:
        for path, target in zip(files, overlays(files, overlay), strict=True):
            with ExitStack() as stack:
                draw = None if target is None else stack.enter_context(open_overlay(target, path, detector.scheme))
                seen = followed(path, finder, locate, following or Following(), threads)
                watching = [one for one in (draw, watch) if one is not None]
                pass_on(smoothed(seen, smooth) if smooth is not None else seen, write, watching, keep_empty, count)
    return count


def overlays(files: Sequence[str], overlay: Path | None) -> list[Path | None]:
    """Where what is drawn of each file goes: of one to `overlay`, of several below it, in folders as theirs are."""
    if overlay is None or len(files) == 1:
        return [overlay] * len(files)
    whole = [os.path.abspath(path) for path in files]
    common = os.path.commonpath([os.path.dirname(path) for path in whole])
    return [overlay / os.path.relpath(path, common) for path in whole]


def locator(detector: LandmarkDetector, device: torch.device) -> Locate:
    """Landmarks (N, K, 2) and confidences (N, K) of a picture and boxes (N, 4)."""
    geometry = {"input_px": detector.settings.input_px, "expand": detector.settings.expand, "margin": 1.0}

    def locate(image: np.ndarray, boxes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        crops, affines = zip(*(crop_image(image, box, **geometry) for box in boxes), strict=True)
        points, confidences = detector.landmarks_and_confidences(np.stack(crops), device)
        return apply_affine(np.stack(affines), points), confidences

    return locate


Seen = Iterator[tuple[np.ndarray, Frame]]


def followed(path: str, finder: Finder, locate: Locate, following: Following, threads: int = 1) -> Seen:
    """The pixels of each frame of a file, and the faces on it.

    Args:
        threads: of the decoder.

    Raises:
        InputError: the file is missing or cannot be decoded.
    """
    follower = Follower(finder.find_calibrated, locate, following)
    if not is_video(path):
        image = read_image(path)
        yield image, Frame(path, -1, float("nan"), image.shape[1::-1], follower.follow(image))
        return
    count, frames = all_frames(path, threads)
    with Progress(count, f"track {Path(path).name}", "frame") as progress:
        for number, seconds, image in ahead(frames):
            yield image, Frame(path, number, seconds, image.shape[1::-1], follower.follow(image))
            progress.update()


def smoothed(seen: Seen, smooth: OneEuro) -> Seen:
    """The same with smoothed landmarks."""
    smoothers: dict[int, tuple[float, Smoother]] = {}
    for image, frame in seen:
        faces = []
        for face in frame.faces:
            last, smoother = smoothers.get(face.id, (-np.inf, None))
            if smoother is None or frame.seconds - last > _FORGOTTEN:
                smoother = Smoother(smooth)
            smoothers[face.id] = frame.seconds, smoother
            points = smoother.apply(face.points, frame.seconds)
            faces.append(replace(face, points=points, box=bounds_of(points[None])[0]))
        yield image, replace(frame, faces=faces)


def pass_on(seen: Seen, write: Write, watching: Sequence[Draw], keep_empty: bool, count: Count) -> None:
    """Give each frame to all that take it, and count."""
    ids = set()
    for image, frame in seen:
        count.frames += 1
        count.empty += not frame.faces
        ids.update(face.id for face in frame.faces)
        if frame.faces or keep_empty:
            write(frame)
        for watch in watching:
            watch(image, frame)
    count.faces += len(ids)

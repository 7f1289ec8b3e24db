"""The faces of pictures and videos: a table with a box a face, such as `tsal predict` takes."""

import glob
import logging
import os
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from tsal.bounds.pictures import picture_header
from tsal.data.faces import BOX_COLUMNS, face_name
from tsal.data.pictures import read_image
from tsal.data.video import all_frames, is_video
from tsal.errors import InputError
from tsal.face_detectors.detector import Finder
from tsal.progress import Progress

logger = logging.getLogger(__name__)
_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif")
# Pictures of phones and cameras that neither OpenCV nor Pillow decodes.
_NOT_DECODED = (".heic", ".heif", ".hif", ".jxl", ".dng", ".cr2", ".cr3", ".nef", ".arw", ".raf", ".orf", ".rw2")
COLUMNS = ("face", "image", "frame", *BOX_COLUMNS, "confidence")


def find_faces(finder: Finder, files: Iterable[str], threads: int = 1) -> pd.DataFrame:
    """Find the faces of all pictures, and of all frames of all videos.

    Args:
        files: paths of pictures and videos, see `files_in`.
        threads: of a video's decoder.

    Returns:
        Columns COLUMNS: a row a face, the most confident of a picture first; a picture or frame without a face is a
        row with an empty box and no confidence. Boxes are calibrated, in px of the upright picture; `frame` is -1 for
        a picture. `face` is a unique name: the file, with the frame and the number of the face where there are several.

    Raises:
        InputError: a file that is missing or cannot be decoded.
    """
    rows: list[tuple] = []
    for path in files:
        rows += _rows_of(finder, path, threads)
    return pd.DataFrame(rows, columns=list(COLUMNS))


def files_in(paths: Iterable[str | os.PathLike[str]]) -> list[str]:
    """Files as they are named, those that a pattern such as `a*.png` fits, and the pictures and videos of folders.

    A warning counts the pictures of a folder that are left out since they cannot be decoded.

    Raises:
        InputError: a folder holds none; a pattern fits nothing; a name is not UTF-8, as names in tables are.
    """
    found: list[str] = []
    for path in map(Path, paths):
        if not path.is_dir():
            found += [str(path)] if path.exists() else _fitting(str(path))
            continue
        files = {file: _is_video_or_picture(file) for file in sorted(path.iterdir()) if file.is_file()}
        _warn_of_left_out(path, [file for file, read in files.items() if not read])
        inside = [str(file) for file, read in files.items() if read]
        if not inside:
            raise InputError(f"{path}: found no picture and no video in this folder, expected some")
        found += inside
    for path in found:
        try:
            path.encode()
        except UnicodeEncodeError as error:
            raise InputError(f"{path}: found a name that is not UTF-8, expected one; rename this file") from error
    return list(dict.fromkeys(found))  # each once, however often it is named


def _warn_of_left_out(folder: Path, files: list[Path]) -> None:
    left_out = Counter(suffix for file in files if (suffix := file.suffix.lower()) in _NOT_DECODED)
    if left_out:
        found = ", ".join(f"{count:,} {suffix}" for suffix, count in left_out.items())
        logger.warning("%s: left out %s, which cannot be decoded; convert them to JPEG", folder, found)


def _fitting(pattern: str) -> list[str]:
    """The files that a pattern fits, by name; what is no pattern is a name, of which whoever reads it says more."""
    if not glob.has_magic(pattern):
        return [pattern]
    fitting = [path for path in sorted(glob.glob(pattern, recursive=True)) if Path(path).is_file()]
    if not fitting:
        raise InputError(f"{pattern}: found no file that fits this pattern, expected some")
    return fitting


def _is_video_or_picture(path: Path) -> bool:
    """Whether a file can be read as pictures, as far as its begin says, or should be, as its name says."""
    if is_video(path) or path.suffix.lower() in _SUFFIXES:
        return True
    try:
        return picture_header(path, "") is not None
    except InputError:
        return True  # whoever reads it says what is wrong


def _rows_of(finder: Finder, path: str, threads: int) -> Iterator[tuple]:
    if not is_video(path):
        yield from _rows(finder, path, -1, path, read_image(path))
        return
    count, images = all_frames(path, threads)
    with Progress(count, f"find faces in {Path(path).name}", "frame") as progress:
        for number, _, image in images:
            yield from _rows(finder, path, number, f"{path}:{number}", image)
            progress.update()


def _rows(finder: Finder, path: str, frame: int, name: str, image: np.ndarray) -> Iterator[tuple]:
    boxes, confidences = finder.find_calibrated(image)
    if not len(boxes):
        yield (name, path, frame, *[np.nan] * 4, np.nan)
    for number, (box, confidence) in enumerate(zip(boxes.tolist(), confidences.tolist(), strict=True)):
        yield (face_name(name, number), path, frame, *box, confidence)

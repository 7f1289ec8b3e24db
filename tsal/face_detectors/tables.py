"""The boxes of a face table as a face detector finds them, so that nothing of a label is in what a network sees."""

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from tsal.data.cropping import image_files, pictures_of
from tsal.data.faces import BOX_COLUMNS, boxes_of, read_faces, write_faces
from tsal.face_detectors.boxes import overlap
from tsal.face_detectors.detector import Finder
from tsal.progress import Progress

SAME_FACE = 0.25  # overlap from which on a found box is taken for a face's


def take_found_boxes(table: Path, finder: Finder) -> None:
    """Replace the boxes of a face table by those that a face detector finds, see `with_found_boxes`.

    Prints how many there are, and how many faces keep their own.

    Raises:
        InputError: a picture or video is missing or cannot be decoded.
    """
    faces, found = with_found_boxes(read_faces(table), finder)
    write_faces(faces, table)
    for split, of_split in pd.Series(found).groupby(faces["split"], sort=False):
        others = "" if of_split.all() else ", the others keep their own boxes"
        count = f"{of_split.sum():,} of {len(of_split):,} faces"
        print(f"{table}: {split}: {count} found by {finder.name}{others}", file=sys.stderr)


def with_found_boxes(faces: pd.DataFrame, finder: Finder) -> tuple[pd.DataFrame, np.ndarray]:
    """Give each face of a table the calibrated box that overlaps its own most.

    A found box is one face's only, and overlaps its own by a quarter at least. A face that is not found keeps its own,
    as is usual where a detector fails. So its own box says which face is meant, and no more.

    Returns:
        The table, and which faces were found, (N,) bool.
    """
    boxes, found, frames = boxes_of(faces), np.zeros(len(faces), bool), faces["frame"].to_numpy()
    with Progress(len(faces), "find", "face") as progress:
        for path, of_file in image_files(faces).items():
            for places, image in pictures_of(path, frames[of_file]):
                rows = of_file[places]
                candidates, _ = finder.find_calibrated(image)
                for row, candidate in _pairs(overlap(boxes[rows], candidates)):
                    boxes[rows[row]], found[rows[row]] = candidates[candidate], True
                progress.update(len(rows))
    return faces.assign(**dict(zip(BOX_COLUMNS, boxes.T, strict=True))), found


def _pairs(overlaps: np.ndarray) -> Iterator[tuple[int, int]]:
    """Rows and columns of overlaps (N, M) that belong together, those that overlap most first."""
    left = overlaps.copy()
    while left.size and left.max() >= SAME_FACE:
        row, column = np.unravel_index(left.argmax(), left.shape)
        yield int(row), int(column)
        left[row, :] = left[:, column] = 0

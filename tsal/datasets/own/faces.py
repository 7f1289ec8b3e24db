"""From the annotations of one's own data to its table of faces."""

import os
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

from tsal.bounds.pictures import picture_header
from tsal.data.cropping import is_outside
from tsal.data.faces import bounds_of, make_faces, write_faces
from tsal.data.landmarks import Scheme
from tsal.data.video import is_video, read_frame
from tsal.datasets import readers
from tsal.datasets.own.boxes import face_boxes, fits_own_box
from tsal.datasets.own.options import OwnData
from tsal.datasets.own.people import clips_of, names_of, people_of, splits_of
from tsal.datasets.own.scheme import order_of
from tsal.datasets.readers.annotations import Annotations
from tsal.datasets.readers.pictures import Pictures, is_named_video
from tsal.errors import InputError, one_line


def write_own_faces(options: OwnData, scheme: Scheme, out: Path) -> None:
    """Write the face table of a section's labels.

    Raises:
        InputError: names the labels and the place in them, or the picture.
    """
    faces = read_annotations(options, scheme)
    boxes = face_boxes(faces.points, faces.boxes, options.box == "own")
    known = np.isfinite(boxes).all(axis=1)
    if not known.all():
        faces, boxes = _chosen(faces, known), boxes[known]
        print(
            f"{options.label_path}: {int((~known).sum()):,} faces left out: too few points to tell where the face is",
            file=sys.stderr,
        )
    if not len(faces):
        raise InputError(f"{options.label_path}: found no annotated face in it, expected some; label some pictures")
    check_places(faces, boxes, options)
    names = names_of(faces)
    people = people_of(faces, options)
    clips, frames = clips_of(faces, names, options)
    in_video = [is_named_video(file) and frame >= 0 for file, frame in zip(faces.files, faces.frames, strict=True)]
    of_clips = frames >= 0
    table = make_faces(
        [os.path.join(options.images, file) for file in faces.files],
        boxes,
        faces.points,
        faces.visible,
        face=names,
        video=[
            file if inside else clip if counted else ""
            for file, inside, clip, counted in zip(faces.files, in_video, clips, of_clips, strict=True)
        ],
        frame=frames,
        clip=clips,
        person=people,
        split=splits_of(faces, people, options),
    )
    write_faces(table, out)


def read_annotations(options: OwnData, scheme: Scheme) -> Annotations:
    """The annotated faces, their points in the order of the scheme, and in px with pixel centres at integers."""
    reader, labels = readers.get(options.reader), Path(options.label_path)
    found = reader.read(labels, Pictures(options.images), options, scheme.n_points)
    order = order_of(scheme, found.names, str(labels))
    first = reader.first_pixel if options.first_pixel is None else options.first_pixel
    lacking = order < 0
    points, visible = found.points[:, order] - first, found.visible[:, order]
    points[:, lacking], visible[:, lacking] = np.nan, False
    return replace(found, names=(), points=points, visible=visible, boxes=found.boxes - first)


def _chosen(faces: Annotations, rows: np.ndarray) -> Annotations:
    """Some of the faces, by a mask (N,)."""
    places = np.flatnonzero(rows).tolist()
    columns = {name: [values[place] for place in places] for name, values in faces.columns.items()}
    return replace(
        faces,
        files=[faces.files[place] for place in places],
        frames=faces.frames[rows],
        points=faces.points[rows],
        visible=faces.visible[rows],
        boxes=faces.boxes[rows],
        tracks=[faces.tracks[place] for place in places],
        columns=columns,
    )


def check_places(faces: Annotations, boxes: np.ndarray, options: OwnData) -> None:
    """Refuse labels of pictures of another size, faces that lie wholly beyond their pictures, and landmarks that lie
    elsewhere than the labels' own box of their face.

    Raises:
        InputError: names the picture.
    """
    where, sizes = options.label_path, _Sizes(options.images)
    places = list(zip(faces.files, faces.frames.tolist(), strict=True))
    for (file, frame), (x0, y0, x1, y1) in zip(places, boxes.tolist(), strict=True):
        said = faces.sizes.get((file, frame))
        size = sizes.of(file, frame, said)
        if size is None:
            continue
        width, height = size
        if said is not None and said != size:
            turned = ", which is how it is stored, not how it is shown" if said == size[::-1] else ""
            raise InputError(
                f"{where}: {_shown(file, frame)} was labelled at {said[0]} x {said[1]} px{turned}; found "
                f"{width} x {height} px; expected the picture that was labelled"
            )
        if is_outside((x0, y0, x1, y1), size):
            raise InputError(
                f"{where}: {_shown(file, frame)}: found a face at {x0:.0f}, {y0:.0f} to {x1:.0f}, {y1:.0f}, outside "
                f"of the picture of {width} x {height} px; correct it, or take it out"
            )
    elsewhere = np.flatnonzero(~fits_own_box(faces.points, faces.boxes))
    if len(elsewhere):
        row = elsewhere[0]
        known = faces.points[row][np.isfinite(faces.points[row]).all(axis=1)]
        (px0, py0, px1, py1), (x0, y0, x1, y1) = bounds_of(known), faces.boxes[row]
        raise InputError(
            f"{where}: {_shown(*places[row])}: found landmarks at {px0:.4g}, {py0:.4g} to {px1:.4g}, {py1:.4g}, "
            f"expected them in px, about their own box, {x0:.4g}, {y0:.4g} to {x1:.4g}, {y1:.4g}; correct the labels"
        )


def _shown(file: str, frame: int) -> str:
    return f"frame {frame} of {one_line(file)[:200]}" if frame >= 0 else one_line(file)[:200]


class _Sizes:
    """Width and height of pictures as they are shown, each read once, from its header; and of frames of videos."""

    def __init__(self, images: str) -> None:
        self._images = images
        self._of_file: dict[str, tuple[int, int] | None] = {}
        self._of_frames: dict[tuple[str, tuple[int, int]], tuple[int, int]] = {}

    def of(self, file: str, frame: int, said: tuple[int, int] | None) -> tuple[int, int] | None:
        """That of a picture; or of a frame of which labels say one, since it has to be decoded."""
        path = os.path.join(self._images, file)
        if frame < 0 or not is_video(path):
            if file not in self._of_file:
                self._of_file[file] = _size_of_picture(path)
            return self._of_file[file]
        if said is not None and (file, said) not in self._of_frames:
            # One frame for all that are said to be of that size, which those of a video are, but not all pages are.
            self._of_frames[file, said] = read_frame(path, frame).shape[1::-1]
        return None if said is None else self._of_frames[file, said]


def _size_of_picture(path: str) -> tuple[int, int] | None:
    header = picture_header(path, "replace it, or take its faces out")
    upright = header is None or header.orientation <= 4
    return None if header is None else header.size if upright else header.size[::-1]

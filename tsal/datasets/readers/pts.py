"""pts: a .pts file beside each picture, as 300W has them; and the folder of them that `tsal track` writes."""

import re
from pathlib import Path
from typing import Any

from tsal.bounds import FRAMES, PTS_BYTES, check
from tsal.bounds.archives import read_file
from tsal.datasets.readers.annotations import Annotations, Collector, numbered
from tsal.datasets.readers.pictures import Pictures
from tsal.datasets.readers.reader import Reader
from tsal.datasets.reading.pts import FIRST_PIXEL, read_pts
from tsal.errors import InputError

_OF_VIDEO = re.compile(r"(?P<stem>.+)_(?P<frame>[0-9]{6,9})(_(?P<face>[0-9]{1,9}))?")
_OF_FACE = re.compile(r"(?P<stem>.+)_(?P<face>[0-9]{1,9})")


def read(labels: Path, pictures: Pictures, options: Any, n_landmarks: int) -> Annotations:
    """The faces of all .pts files below a folder; each picture lies at the same place below that of the pictures."""
    collector, names = Collector(), numbered(n_landmarks)
    files = [file for file in Pictures(labels).all_files() if file.lower().endswith(".pts")]
    if not files:
        raise InputError(f"{labels}: found no .pts file below this folder, expected one for each face")
    for file in files:
        where = str(labels / file)
        picture, frame, face = _picture(file[: -len(".pts")], pictures, where)
        points = read_pts(read_file(labels / file, PTS_BYTES), where, n_landmarks) + FIRST_PIXEL
        values = [(name, x, y, True) for name, (x, y) in zip(names, points.tolist(), strict=True)]
        collector.add(picture, frame, values, where, track=face)
    return collector.done(names)


def _picture(stem: str, pictures: Pictures, where: str) -> tuple[str, int, str]:
    """Picture or video, frame and number of the face that a .pts file is called after."""
    if picture := pictures.beside(stem, where):
        return picture, -1, ""
    if (name := _OF_VIDEO.fullmatch(stem)) and (video := pictures.video(name["stem"])):
        check(where, int(name["frame"]), FRAMES, "as the number of a frame")
        return video, int(name["frame"]), name["face"] or "0"
    if (name := _OF_FACE.fullmatch(stem)) and (picture := pictures.beside(name["stem"], where)):
        return picture, -1, name["face"]
    raise InputError(
        f"{where}: found no picture of that name below `images`, {pictures.folder}, and no video with such a frame; "
        "expected one: put it there"
    )


READER = Reader(
    title=".pts files",
    about="pixel centres at integers, from 1 on",
    first_pixel=FIRST_PIXEL,
    read=read,
    in_folder=True,
)

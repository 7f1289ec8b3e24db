"""table: a face table of our own, .csv or .parquet, as tsal.data.faces describes it and `tsal track` writes it."""

from pathlib import Path
from typing import Any

import numpy as np

from tsal.bounds import reading
from tsal.datasets.readers.annotations import Annotations, numbered
from tsal.datasets.readers.pictures import Pictures
from tsal.datasets.readers.reader import Reader

COLUMNS = ("person", "clip", "split")


def read(labels: Path, pictures: Pictures, options: Any, n_landmarks: int) -> Annotations:
    """The faces of a table. Rows with an empty box and no landmarks, frames without a face, are left out."""
    # Here, since plans of the workflow need no pandas.
    from tsal.data.faces import boxes_of, n_points, points_of, read_faces, visibility_of

    faces = read_faces(labels, need_points=False)
    count = n_points(faces)
    boxes, points = boxes_of(faces), points_of(faces)
    kept = np.isfinite(boxes).all(axis=1) | np.isfinite(points).any(axis=(1, 2))
    faces, boxes, points = faces[kept].reset_index(drop=True), boxes[kept], points[kept]
    places = {name: pictures.find(name, str(labels)) for name in faces["image"].unique()}
    found = [places[name] for name in faces["image"]]
    frames = faces["frame"].to_numpy(np.int64)
    of_video = np.array([frame for _, frame in found], np.int64)
    has = _header(labels)
    return Annotations(
        names=numbered(count),
        files=[file for file, _ in found],
        frames=np.where(of_video >= 0, of_video, frames),
        points=points,
        visible=visibility_of(faces) if count else np.zeros((len(faces), 0), bool),
        boxes=boxes,
        tracks=[""] * len(faces),
        columns={name: faces[name].tolist() for name in COLUMNS if name in has},
    )


def _header(path: Path) -> list[str]:
    """The names of the columns, of a table that has been read before."""
    import pandas as pd
    from pyarrow import parquet

    from tsal.bounds.tables import check_csv, check_parquet
    from tsal.data.faces import table_suffix

    with reading(path, "a face table", "Make it anew"):
        if table_suffix(path) == ".csv":
            check_csv(path)
            return [name.strip() for name in pd.read_csv(path, nrows=0, compression=None).columns]
        check_parquet(path)
        return parquet.read_schema(path).names


READER = Reader(
    title="Face table",
    about="pixel centres at integers, from 0 on",
    first_pixel=0.0,
    read=read,
)

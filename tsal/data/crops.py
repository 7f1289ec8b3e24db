"""The store of crops that training reads: the faces of one split, cut once and packed, see tsal.data.cropping.

`SPLIT.json` is its index; in the folder `SPLIT` are the shards of the images, see tsal.data.shards, and
`faces.arrow`, what is known of the faces.
"""

import os
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from threading import Event, Lock

import numpy as np
import pandas as pd
import pyarrow as pa

from tsal.bounds import POINTS
from tsal.data.columns import Texts, open_columns, write_columns
from tsal.data.cropping import (
    apply_affine,
    box_affine,
    cut_faces,
    image_files,
    invert_affine,
    one_thread_of_opencv,
    store_size,
)
from tsal.data.faces import boxes_of, n_points, points_of, visibility_of
from tsal.data.shards import Layout, ShardedArray, ShardWriter, digest, open_index
from tsal.data.video import is_video
from tsal.errors import InputError
from tsal.progress import Progress

KIND = "crops, version 1"
_AGAIN = "Make the crops anew with `tsal crop`"
_FACES = "faces.arrow"
_IMAGES_PER_TASK = 16
_LARGEST_PX, _LARGEST_MARGIN = 1 << 14, 16  # of an index from elsewhere
_POINTS_AT_ONCE = 1 << 16  # faces


@dataclass(frozen=True)
class CropStore:
    """The crops of one split, N faces with K landmarks, at S = round(input_px * margin) px a side.

    Of an opened store the images and texts stay on disk until rows of them are indexed, and the other arrays are
    mapped, read-only; arrays in memory do as well.

    Attributes:
        images: (N, S, S, 3) uint8 RGB.
        face, clip, person: (N,) str.
        frame: (N,) int64, -1 for still images.
        box: (N, 4) float64, the face table's box in image px.
        to_image: (N, 2, 3) float64 affine from crop px (u, v) to image px (x, y), pixel centres at integers.
        points: (N, K, 2) float32 in crop px, NaN where not annotated.
        visible: (N, K) bool, annotated and visible.
        next: (N,) int64, row of the clip's following frame (frame + 1), or -1.
        input_px: side in px of the central window that the network sees.
        margin: side of the store's square divided by that of the network's.
        identity: digest of all that the store was made of; empty in memory.
    """

    images: np.ndarray | ShardedArray
    face: np.ndarray | Texts
    clip: np.ndarray | Texts
    frame: np.ndarray
    person: np.ndarray | Texts
    box: np.ndarray
    to_image: np.ndarray
    points: np.ndarray
    visible: np.ndarray
    next: np.ndarray
    input_px: int
    margin: float
    identity: str = ""

    def __len__(self) -> int:
        return len(self.images)

    @property
    def size(self) -> int:
        """Side S of a stored crop in px."""
        return self.images.shape[1]


def write_crops(
    faces: pd.DataFrame,
    out: str | os.PathLike[str],
    *,
    input_px: int,
    expand: float,
    margin: float,
    workers: int | None = None,
) -> None:
    """Crop all faces of a table into a store, whose index is `out`.

    Row i of the store is row i of the table; a table without faces makes a store of 0 rows. Each image and each
    video is decoded once, however many faces it has. Besides the table, a worker holds one decoded image (or, of a
    video, a frame for each thread of its decoder) and one crop at a time, whatever the number of faces. A run that
    was killed goes on after the shards that it had finished, where neither the faces nor the image files have changed.

    Args:
        faces: the face table of one split.
        out: path that ends in .json.
        input_px, expand, margin: see crop_image.
        workers: threads; default one a core.

    Raises:
        InputError: an image or a video is missing or cannot be decoded; a box lies outside its image; the device
            is full; `out` has another suffix.
    """
    faces = faces.reset_index(drop=True)
    size = store_size(input_px, margin)
    geometry = {"input_px": input_px, "expand": expand, "margin": margin}
    layout = Layout.new(out, len(faces), (size, size, 3), np.uint8)
    with ShardWriter(layout, _made_of(layout, faces, geometry)) as writer:
        _fill(writer, faces, geometry, workers or os.cpu_count() or 1)
    made_of = _write_faces(layout.folder / _FACES, faces, geometry)
    about = {**geometry, "landmarks": n_points(faces), "faces": made_of}
    writer.write_index(KIND, about)


def _made_of(layout: Layout, faces: pd.DataFrame, geometry: dict[str, float]) -> list[str]:
    """Of each shard what its crops depend on: the geometry, and its faces' files, frames and boxes."""
    stamp = lru_cache(1 << 12)(_stamp)  # the faces of a video are neighbours
    images, frames, boxes = faces["image"], faces["frame"].to_numpy(np.int64), boxes_of(faces)
    parts = []
    for rows in map(layout.rows_of, range(layout.shards)):
        files = "\n".join(f"{path} {stamp(path)}" for path in images.iloc[rows])
        parts.append(digest(f"{KIND} {geometry}", files, frames[rows], boxes[rows]))
    return parts


def _stamp(path: str) -> str:
    """Size and time of a file: whether it is still the same."""
    try:
        status = os.stat(path)
    except OSError:
        return "missing"
    return f"{status.st_size} {status.st_mtime_ns}"


def _fill(writer: ShardWriter, faces: pd.DataFrame, geometry: dict[str, float], workers: int) -> None:
    """Crop every face whose shard is not there yet.

    Threads are enough: OpenCV decodes and warps without holding Python's lock.
    """
    missing = writer.missing(np.arange(len(faces)))
    part = faces.iloc[missing]
    rows_of, frames, boxes = image_files(part), part["frame"].to_numpy(), boxes_of(part)
    tasks = _tasks(rows_of, missing // writer.layout.shard_rows)
    decoder_threads = max(1, workers // max(1, len(tasks)))
    stopped, counting = Event(), Lock()

    def crop_task(paths: list[str]) -> None:
        for path in paths:
            rows = rows_of[path]
            crops = cut_faces(path, frames[rows], boxes[rows], decoder_threads, **geometry)
            for row, (crop, _) in zip(missing[rows].tolist(), crops, strict=True):
                if stopped.is_set():
                    return
                writer.write(row, crop)
                with counting:
                    progress.update()

    done = len(faces) - len(missing)
    with (
        Progress(len(faces), f"crop {writer.layout.index.stem}", "face", initial=done) as progress,
        ThreadPoolExecutor(workers) as pool,
        one_thread_of_opencv(),
    ):
        futures = [pool.submit(crop_task, task) for task in tasks]
        try:
            for future in as_completed(futures):
                future.result()
        finally:
            stopped.set()
            pool.shutdown(wait=True, cancel_futures=True)


def _tasks(rows_of: dict[str, np.ndarray], shard_of: np.ndarray) -> list[list[str]]:
    """What a thread does at a time: a video, or some images.

    In the order of the shards that they begin in, so that one is finished after the other; within a shard the longest
    first, so that none is left over at the end.
    """
    videos = [[path] for path in filter(is_video, rows_of)]
    stills = [path for path in rows_of if not is_video(path)]
    batches = [stills[start : start + _IMAGES_PER_TASK] for start in range(0, len(stills), _IMAGES_PER_TASK)]

    def place(task: list[str]) -> tuple[int, int]:
        rows = [rows_of[path] for path in task]
        return min(int(shard_of[some].min()) for some in rows), -sum(map(len, rows))

    return sorted(videos + batches, key=place)


def _write_faces(path: Path, faces: pd.DataFrame, geometry: dict[str, float]) -> str:
    """Write all of a store but its images; returns what tells it from others."""
    to_image = box_affine(boxes_of(faces), **geometry)
    to_crop = invert_affine(to_image)
    points = np.empty((len(faces), n_points(faces), 2), np.float32)
    for start in range(0, len(faces), _POINTS_AT_ONCE):
        rows = slice(start, start + _POINTS_AT_ONCE)
        points[rows] = apply_affine(to_crop[rows], points_of(faces.iloc[rows]))
    return write_columns(
        path,
        texts={"face": faces["face"]},
        shared={"clip": faces["clip"], "person": faces["person"]},
        arrays={
            "frame": faces["frame"].to_numpy(np.int64),
            "box": boxes_of(faces),
            "to_image": to_image,
            "points": points,
            "visible": visibility_of(faces),
            "next": following_frames(faces),
        },
    )


def following_frames(faces: pd.DataFrame) -> np.ndarray:
    """For each face the row of its clip's next frame, -1 where there is none; (N,) int64."""
    frames, clips = faces["frame"].to_numpy(np.int64), pd.factorize(faces["clip"])[0]
    order = np.lexsort((frames, clips))
    here, there = order[:-1], order[1:]
    follows = (clips[here] == clips[there]) & (frames[here] >= 0) & (frames[there] == frames[here] + 1)
    following = np.full(len(faces), -1, np.int64)
    following[here[follows]] = there[follows]
    return following


def open_crops(folder: str | os.PathLike[str], split: str) -> CropStore:
    """Open the crops of one split, which stay on disk until they are used.

    Raises:
        InputError: the index, a shard or the file of the faces is missing, truncated or of other crops.
    """
    index = Path(folder) / f"{split}.json"
    images, about, identity = open_index(index, KIND, _AGAIN)
    path = index.with_suffix("") / _FACES
    try:
        count, input_px, margin = int(about["landmarks"]), int(about["input_px"]), float(about["margin"])
        made_of = about["faces"]
        if not (0 <= count <= POINTS and 1 <= input_px <= _LARGEST_PX and 1 <= margin <= _LARGEST_MARGIN):
            raise ValueError(f"{count} landmarks at {input_px} px and a margin of {margin}")
    except (KeyError, ValueError, TypeError, OverflowError) as error:
        raise InputError(f"{index}: a damaged index ({error!r}). {_AGAIN}") from error
    arrays = {"frame": ((), np.int64), "box": ((4,), np.float64), "to_image": ((2, 3), np.float64)}
    arrays |= {"points": ((count, 2), np.float32), "visible": ((count,), bool), "next": ((), np.int64)}
    try:
        columns = open_columns(path, made_of, arrays)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; expected the faces of {index}. {_AGAIN}") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, pa.ArrowException) as error:
        raise InputError(f"{path}: truncated, damaged, or not the faces of {index} ({error}). {_AGAIN}") from error
    if len(columns["frame"]) != len(images) or images.shape[1] != store_size(input_px, margin):
        raise InputError(
            f"{index}: images {images.shape} do not fit the {len(columns['frame'])} faces of "
            f"{store_size(input_px, margin)} px in {path.name}. {_AGAIN}"
        )
    return CropStore(images=images, **columns, input_px=input_px, margin=margin, identity=identity)

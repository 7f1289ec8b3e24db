"""The packed store of crops that training reads: the faces of one split, cut once, see tsal.data.cropping."""

import os
import zipfile
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, fields
from pathlib import Path
from threading import Event, Lock

import numpy as np
import pandas as pd

from tsal.data.cropping import (
    apply_affine,
    box_affine,
    cut_faces,
    image_files,
    invert_affine,
    one_thread_of_opencv,
    store_size,
)
from tsal.data.faces import boxes_of, points_of, visibility_of
from tsal.data.video import is_video
from tsal.errors import InputError
from tsal.files import atomic_path, new_mapped_array
from tsal.progress import Progress

_IMAGES_PER_TASK = 16


@dataclass(frozen=True)
class CropStore:
    """The crops of one split, N faces with K landmarks, at S = round(input_px * margin) px a side.

    Attributes:
        images: (N, S, S, 3) uint8 RGB, memory-mapped, read-only.
        face, clip, person: (N,) str.
        frame: (N,) int64, -1 for still images.
        box: (N, 4) float64, the face table's box in image px.
        to_image: (N, 2, 3) float64 affine from crop px (u, v) to image px (x, y), pixel centres at integers.
        points: (N, K, 2) float32 in crop px, NaN where not annotated.
        visible: (N, K) bool, annotated and visible.
        next: (N,) int64, row of the clip's following frame (frame + 1), or -1.
        input_px: side in px of the central window that the network sees.
        margin: side of the store's square divided by that of the network's.
    """

    images: np.ndarray
    face: np.ndarray
    clip: np.ndarray
    frame: np.ndarray
    person: np.ndarray
    box: np.ndarray
    to_image: np.ndarray
    points: np.ndarray
    visible: np.ndarray
    next: np.ndarray
    input_px: int
    margin: float

    def __len__(self) -> int:
        return len(self.images)

    @property
    def size(self) -> int:
        """Side S of a stored crop in px."""
        return self.images.shape[1]


def write_crops(
    faces: pd.DataFrame,
    out_npy: str | os.PathLike[str],
    *,
    input_px: int,
    expand: float,
    margin: float,
    workers: int | None = None,
) -> None:
    """Crop all faces of a table into `out_npy` (the images) and the .npz beside it (everything else of
    CropStore).

    Row i of the store is row i of the table; a table without faces makes a store of 0 rows. Each image and each
    video is decoded once, however many faces it has. Besides the table, a worker holds one decoded image (or, of a
    video, a frame for each thread of its decoder) and one crop at a time, whatever the number of faces.

    Args:
        faces: the face table of one split.
        out_npy: path that ends in .npy.
        input_px, expand, margin: see crop_image.
        workers: threads; default one a core.

    Raises:
        InputError: an image or a video is missing or cannot be decoded; a box lies outside its image; the device
            is full.
    """
    out_npy = Path(out_npy)
    faces = faces.reset_index(drop=True)
    size = store_size(input_px, margin)
    geometry = {"input_px": input_px, "expand": expand, "margin": margin}
    with atomic_path(out_npy) as temporary:
        header = new_mapped_array(temporary, np.uint8, (len(faces), size, size, 3)).offset
        _fill(temporary, header, faces, geometry, workers or os.cpu_count() or 1, f"crop {out_npy.stem}")
        with open(temporary, "rb") as whole:
            os.fsync(whole.fileno())  # some file systems say only now that the device is full
        # The pair is never a mix of two runs: without its .npz a store does not open.
        out_npy.with_suffix(".npz").unlink(missing_ok=True)
    to_image = box_affine(boxes_of(faces), **geometry)
    with atomic_path(out_npy.with_suffix(".npz")) as temporary:
        np.savez(
            temporary,
            face=faces["face"].to_numpy("U"),
            clip=faces["clip"].to_numpy("U"),
            frame=faces["frame"].to_numpy(np.int64),
            person=faces["person"].to_numpy("U"),
            box=boxes_of(faces),
            to_image=to_image,
            points=apply_affine(invert_affine(to_image), points_of(faces)).astype(np.float32),
            visible=visibility_of(faces),
            next=following_frames(faces),
            input_px=np.int64(input_px),
            margin=np.float64(margin),
        )


def _fill(store: Path, header: int, faces: pd.DataFrame, geometry: dict[str, float], workers: int, label: str) -> None:
    """Crop every face into its row of the array that follows the `header` bytes of the file `store`.

    Threads are enough: OpenCV decodes and warps without holding Python's lock. Rows are written to the file, not
    through a map of it, whose pages would count as this process's memory.
    """
    rows_of, frames, boxes = image_files(faces), faces["frame"].to_numpy(), boxes_of(faces)
    tasks = _tasks(rows_of)
    decoder_threads = max(1, workers // max(1, len(tasks)))
    stopped, counting = Event(), Lock()

    def crop_task(paths: list[str]) -> None:
        with open(store, "r+b") as out:
            for path in paths:
                rows = rows_of[path]
                crops = cut_faces(path, frames[rows], boxes[rows], decoder_threads, **geometry)
                for row, (crop, _) in zip(rows.tolist(), crops, strict=True):
                    if stopped.is_set():
                        return
                    out.seek(header + row * crop.nbytes)
                    out.write(crop.data)
                    with counting:
                        progress.update()

    with Progress(len(faces), label, "face") as progress, ThreadPoolExecutor(workers) as pool, one_thread_of_opencv():
        futures = [pool.submit(crop_task, task) for task in tasks]
        try:
            for future in as_completed(futures):
                future.result()
        finally:
            stopped.set()
            pool.shutdown(wait=True, cancel_futures=True)


def _tasks(rows_of: dict[str, np.ndarray]) -> list[list[str]]:
    """What a thread does at a time: a video, the longest first so that none is left over at the end, or some images."""
    videos = sorted(filter(is_video, rows_of), key=lambda path: -len(rows_of[path]))
    stills = [path for path in rows_of if not is_video(path)]
    batches = [stills[start : start + _IMAGES_PER_TASK] for start in range(0, len(stills), _IMAGES_PER_TASK)]
    return [*([path] for path in videos), *batches]


def following_frames(faces: pd.DataFrame) -> np.ndarray:
    """For each face the row of its clip's next frame, -1 where there is none; (N,) int64."""
    clips, frames = faces["clip"].tolist(), faces["frame"].tolist()
    row_of = {key: row for row, key in enumerate(zip(clips, frames, strict=True))}
    return np.array(
        [row_of.get((clip, frame + 1), -1) if frame >= 0 else -1 for clip, frame in zip(clips, frames, strict=True)],
        np.int64,
    )


def open_crops(folder: str | os.PathLike[str], split: str) -> CropStore:
    """Open the crops of one split, whose images stay on disk until they are used.

    Raises:
        InputError: a file of the store is missing, truncated or does not fit the other.
    """
    path = Path(folder) / f"{split}.npy"
    again = "Make both files anew with `tsal crop`"
    for part in (path, path.with_suffix(".npz")):
        if not part.is_file():
            raise InputError(f"{part}: no such file; expected the crops of split {split!r}. {again}")
    try:
        images = np.load(path, mmap_mode="r")
    except (ValueError, EOFError, OSError) as error:
        raise InputError(f"{path}: truncated or damaged crop store ({error}). {again}") from error
    names = [field.name for field in fields(CropStore) if field.name != "images"]
    try:
        with np.load(path.with_suffix(".npz")) as file:
            arrays = {name: file[name] for name in names}
    except (ValueError, KeyError, EOFError, OSError, zipfile.BadZipFile) as error:
        raise InputError(f"{path.with_suffix('.npz')}: truncated or damaged crop store ({error}). {again}") from error
    input_px, margin = int(arrays.pop("input_px")), float(arrays.pop("margin"))
    size = store_size(input_px, margin)
    rows = {len(array) for array in arrays.values()}
    if images.dtype != np.uint8 or rows != {len(images)} or images.shape[1:] != (size, size, 3):
        raise InputError(
            f"{path}: images {images.shape} do not fit the {len(arrays['face'])} faces of {size} px in "
            f"{path.with_suffix('.npz').name}. {again}"
        )
    return CropStore(images=images, **arrays, input_px=input_px, margin=margin)

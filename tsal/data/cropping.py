"""Face box -> square crop, out of an image or a frame of a video.

Geometry: the network sees a square of side max(w, h) (1 + 2 expand) around the box's centre, at `input_px` px
a side. A stored crop is `margin` times as large at the same scale, so that augmentation finds real pixels beyond the
network's edges. The affine from crop px to image px brings predictions back to the image.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import cv2
import numpy as np
import pandas as pd

from tsal.data.pictures import is_jpeg, is_stored_upright, read_image
from tsal.data.video import frames as read_frames
from tsal.data.video import is_named_video, is_video, read_frame
from tsal.errors import InputError

_LARGEST = 10  # times the image, a box of a face of which a part is on it
# A bilinear warp looks at 2 x 2 px: beyond this shrinkage it would skip pixels of the image.
_SHRINK_BY_AREA = 1.5


def store_size(input_px: int, margin: float) -> int:
    """Side in px of a stored crop of which the network sees `input_px`."""
    return round(input_px * margin)


def apply_affine(affine: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Map points (..., K, 2) by affines (..., 2, 3), whose leading axes broadcast."""
    return points @ np.swapaxes(affine[..., :2], -1, -2) + affine[..., None, :, 2]


def invert_affine(affine: np.ndarray) -> np.ndarray:
    """The inverses of affines (..., 2, 3)."""
    linear = np.linalg.inv(affine[..., :2])
    return np.concatenate([linear, -linear @ affine[..., 2:]], axis=-1)


def box_affine(boxes: np.ndarray, *, input_px: int, expand: float, margin: float) -> np.ndarray:
    """The affines (..., 2, 3) float64 from px of the stored crop to px of the image, for boxes (..., 4)."""
    boxes = np.asarray(boxes, np.float64)
    side = np.maximum(boxes[..., 2] - boxes[..., 0], boxes[..., 3] - boxes[..., 1]) * (1 + 2 * expand)
    scale = side / input_px
    centre = (boxes[..., :2] + boxes[..., 2:]) / 2
    affine = np.zeros((*boxes.shape[:-1], 2, 3))
    affine[..., 0, 0] = affine[..., 1, 1] = scale
    affine[..., 2] = centre - scale[..., None] * (store_size(input_px, margin) - 1) / 2
    return affine


def crop_image(
    image: np.ndarray, box: Sequence[float] | np.ndarray, *, input_px: int, expand: float, margin: float
) -> tuple[np.ndarray, np.ndarray]:
    """Cut one face out of an image; beyond the image's edges its outermost pixels are repeated.

    Args:
        image: (H, W, 3) uint8.
        box: x0, y0, x1, y1 in image px.
        input_px: side in px of the window that the network sees.
        expand: share of the box's longer side that is added on each side of it.
        margin: side of the crop divided by that of the network's window; 1 for prediction.

    Returns:
        The crop (S, S, 3) uint8, S = round(input_px * margin), with the image's channel order, and the affine
        (2, 3) float64 from crop px to image px.

    Raises:
        InputError: the box lies outside the image, or has no area.
    """
    _check_box(image, box)
    to_image = box_affine(np.asarray(box, np.float64), input_px=input_px, expand=expand, margin=margin)
    size = store_size(input_px, margin)
    source, to_source = (
        _shrink_by_area(image, to_image, size) if to_image[0, 0] > _SHRINK_BY_AREA else (image, to_image)
    )
    crop = cv2.warpAffine(
        source,
        to_source,
        (size, size),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return crop, to_image


def is_outside(box: Sequence[float] | np.ndarray, size: tuple[int, int]) -> bool:
    """Whether a box x0, y0, x1, y1 lies wholly beyond the edges of an image, by the image's width and height in px."""
    width, height = size
    x0, y0, x1, y1 = box
    return bool(x1 < 0 or y1 < 0 or x0 > width - 1 or y0 > height - 1)


def _check_box(image: np.ndarray, box: Sequence[float] | np.ndarray) -> None:
    height, width = image.shape[:2]
    x0, y0, x1, y1 = (float(value) for value in box)
    if not (x1 > x0 and y1 > y0):
        raise InputError(f"the box {x0:g}, {y0:g}, {x1:g}, {y1:g} has no area; expected x0 < x1 and y0 < y1")
    if is_outside(box, (width, height)):
        raise InputError(
            f"the box {x0:g}, {y0:g}, {x1:g}, {y1:g} lies outside the image of {width} x {height} px; "
            "correct the box or leave the face out"
        )
    if max(x1 - x0, y1 - y0) > _LARGEST * max(width, height):
        raise InputError(
            f"the box {x0:g}, {y0:g}, {x1:g}, {y1:g} is over {_LARGEST} times as large as the image of {width} x "
            f"{height} px; correct the box or leave the face out"
        )


def _shrink_by_area(image: np.ndarray, to_image: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """The part of the image that the crop needs, averaged down to its scale, and the affine into it."""
    scale = to_image[0, 0]
    # Two more px of the crop on each side keep the averages whole wherever the image has pixels.
    corners = apply_affine(to_image, np.array([[-2.0, -2.0], [size + 1.0, size + 1.0]]))
    low = np.maximum(np.floor(corners[0]), 0).astype(int)
    high = np.minimum(np.ceil(corners[1]) + 1, [image.shape[1], image.shape[0]]).astype(int)
    part = image[low[1] : high[1], low[0] : high[0]]
    shape = np.maximum(np.round((high - low) / scale), 1).astype(int)
    shrunk = cv2.resize(part, (int(shape[0]), int(shape[1])), interpolation=cv2.INTER_AREA)
    factor = (high - low) / shape
    # Px centre s of the shrunk part is image px (s + 0.5) factor - 0.5 + low; this is the inverse, after
    # to_image.
    to_source = to_image / factor[:, None]
    to_source[:, 2] += (0.5 - low) / factor - 0.5
    return shrunk, to_source


def image_files(faces: pd.DataFrame) -> dict[str, np.ndarray]:
    """The images and videos that faces are in, each with its faces' rows, those of a video ordered by frame.

    Raises:
        InputError: a face of a video has no frame; faces of a file with one picture have several.
    """
    rows_of = dict(faces.groupby("image", sort=False).indices)
    frames = faces["frame"].to_numpy()
    for path in rows_of:
        if not is_video(path):
            _check_single(path, frames[rows_of[path]])
            continue
        rows = rows_of[path] = rows_of[path][np.argsort(frames[rows_of[path]], kind="stable")]
        if frames[rows[0]] < 0:
            face = faces["face"].iloc[rows[0]]
            raise InputError(
                f"{path}: face {face!r} has no number in column 'frame'; expected that of a frame, from 0 on"
            )
    return rows_of


def _check_single(path: str, frames: np.ndarray) -> None:
    """A picture may be a frame of some number, cut out before, but not many frames."""
    several = frames.max() > frames.min() or (is_named_video(path) and frames[0] > 0)
    if several and os.path.exists(path):
        raise InputError(f"{path}: found one picture in this file, expected a video, of which frame {frames.max()} is")


def pictures_of(path: str, frames: np.ndarray, threads: int = 1) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The pictures that the N faces of one image or video are in, each decoded once.

    Args:
        frames: (N,) rising numbers of the frames of a video; not used for an image.
        threads: of a video's decoder.

    Yields:
        Rows of the faces of a picture among the N, and the picture, (H, W, 3) uint8 RGB.

    Raises:
        InputError: the file is missing or cannot be decoded.
    """
    rows = np.arange(len(frames))
    if not is_video(path):
        yield rows, read_image(path)
        return
    wanted, first = np.unique(frames, return_index=True)
    images = read_frames(path, wanted.tolist(), threads)
    for of_frame, (_, image) in zip(np.split(rows, first[1:]), images, strict=True):
        yield of_frame, image


def read_face_image(faces: pd.DataFrame, row: int) -> np.ndarray:
    """The image, or the frame of a video, that a face of a face table is in: (H, W, 3) uint8 RGB.

    Raises:
        InputError: see read_image, image_files and tsal.data.video.read_frame.
    """
    (path,) = image_files(faces.iloc[[row]])
    return read_frame(path, int(faces["frame"].iloc[row])) if is_video(path) else read_image(path)


def cut_faces(
    path: str, frames: np.ndarray, boxes: np.ndarray, threads: int = 1, **geometry: float
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Cut the N faces of one image or video, which is decoded once and never held as a whole.

    Args:
        frames: (N,) rising numbers of the frames of a video; not used for an image.
        boxes: (N, 4) in image px.
        threads: of a video's decoder.
        geometry: input_px, expand, margin, see crop_image.

    Yields:
        Crop, RGB, and affine of each face, see crop_image.

    Raises:
        InputError: the file is missing or cannot be decoded; a box lies outside its image.
    """
    in_video = is_video(path)
    if not in_video and (shrink := _shrinkage(path, boxes, geometry)) > 1:
        yield from _cut_shrunk(path, boxes, shrink, geometry)
        return
    for rows, image in pictures_of(path, frames, threads):
        for row in rows:
            try:
                yield crop_image(image, boxes[row], **geometry)
            except InputError as error:
                where = f"{path}, frame {frames[row]}" if in_video else path
                raise InputError(f"{where}: {error}") from None


def _shrinkage(path: str, boxes: np.ndarray, geometry: dict[str, float]) -> int:
    """By how much a JPEG can be shrunk while it is decoded, and still be as fine as the crops of all its faces.

    Of other formats the grid of a shrunk picture is not known.
    """
    finest = box_affine(boxes, **geometry)[:, 0, 0].min()
    if finest < 2 or not is_jpeg(path) or not is_stored_upright(path):
        return 1
    return 4 if finest >= 4 else 2


def _cut_shrunk(
    path: str, boxes: np.ndarray, shrink: int, geometry: dict[str, float]
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    image = read_image(path, shrink)
    for box in boxes:
        try:
            crop, _ = crop_image(image, (box + 0.5) / shrink - 0.5, **geometry)
        except InputError:
            try:
                crop, _ = crop_image(read_image(path), box, **geometry)  # its message has the px of the whole image
            except InputError as error:
                raise InputError(f"{path}: {error}") from None
        yield crop, box_affine(box, **geometry)


@contextmanager
def one_thread_of_opencv() -> Iterator[None]:
    """Let each call of OpenCV use its caller's thread alone, where the callers already keep all cores busy."""
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(before)

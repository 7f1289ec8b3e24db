"""Pictures as every viewer shows them: decoded whatever their name, and turned as their EXIF data says.

A file that holds several pictures, such as an animated GIF, is never read as its first one: see tsal.data.video.
"""

import os
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from tsal.bounds.pictures import picture_size
from tsal.errors import InputError

AGAIN = "replace the file or leave its face out"
_DECODE = {1: cv2.IMREAD_COLOR, 2: cv2.IMREAD_REDUCED_COLOR_2, 4: cv2.IMREAD_REDUCED_COLOR_4}
_EXIF_ORIENTATION = 0x0112
# EXIF orientation (JEITA CP-3451, tag 274): what turns the stored picture into the upright one.
_UPRIGHT: dict[int, Callable[[np.ndarray], np.ndarray]] = {
    1: lambda image: image,
    2: lambda image: image[:, ::-1],
    3: lambda image: image[::-1, ::-1],
    4: lambda image: image[::-1],
    5: lambda image: image.swapaxes(0, 1),
    6: lambda image: np.rot90(image, -1),
    7: lambda image: np.rot90(image, 2).swapaxes(0, 1),
    8: np.rot90,
}
_NEXT_JPEG = b"\xff\xd9\xff\xd8\xff"  # the end of one and the begin of another, as in a stream of them


def read_image(path: str | os.PathLike[str], shrink: int = 1) -> np.ndarray:
    """Read an image as (H, W, 3) uint8 RGB, upright, whatever its format, channels (grey, alpha) and name.

    Args:
        shrink: 2 or 4 decodes a JPEG to its size divided by that, rounded up, which is much faster; px p of the image
            is then px (p + 0.5) / shrink - 0.5. Only of one that `is_stored_upright`.

    Raises:
        InputError: missing, not a whole image, of several pictures, or larger than tsal.bounds allows.
    """
    picture_size(path, AGAIN)
    data = np.fromfile(path, np.uint8)
    if (count := count_pictures(path)) > 1 or (is_jpeg(path) and _is_stream(path, data)):
        found = f"{count:,} pictures" if count > 1 else "several pictures"
        raise InputError(f"{path}: found {found} in this file, expected one, or the number of one in column 'frame'")
    try:
        image = cv2.imdecode(data, _DECODE[shrink] | cv2.IMREAD_IGNORE_ORIENTATION) if len(data) else None
    except (cv2.error, MemoryError):  # OpenCV has its own bound, see tsal/__init__.py
        image = None
    if image is None:
        raise InputError(f"{path}: cannot be decoded as an image ({len(data):,} bytes found); {AGAIN}")
    return cv2.cvtColor(np.ascontiguousarray(_UPRIGHT[orientation(path)](image)), cv2.COLOR_BGR2RGB)


def orientation(path: str | os.PathLike[str]) -> int:
    """How a picture is stored, 1 to 8 as in EXIF; 1, upright, where nothing or nonsense is said of it.

    Of formats other than JPEG, PNG and WebP it is 1: their decoders turn pictures themselves, or nothing does.
    """
    try:
        with Image.open(path) as image:
            # Of a PNG, EXIF data that comes after the pixels would have them decoded here.
            if image.format not in ("JPEG", "MPO", "PNG", "WEBP") or not image.info.get("exif"):
                return 1
            found = image.getexif().get(_EXIF_ORIENTATION, 1)
    except Exception:  # of damaged EXIF data Pillow raises what its parsers do
        return 1
    return found if found in _UPRIGHT else 1


def is_stored_upright(path: str | os.PathLike[str]) -> bool:
    """Whether a picture's stored pixels are those that a viewer shows, in their places."""
    return orientation(path) == 1


def count_pictures(path: str | os.PathLike[str]) -> int:
    """How many pictures a GIF, PNG, WebP or TIFF holds; 1 of other files, and of those that cannot be read.

    A JPEG with more pictures behind it in the way of cameras (MPO: a second view, a map of depth) shows its first one
    everywhere.
    """
    try:
        with Image.open(path) as image:
            return 1 if image.format == "MPO" else getattr(image, "n_frames", 1)
    except Exception:  # whoever decodes it says what is wrong
        return 1


def upright_picture(path: str | os.PathLike[str], image: Image.Image) -> np.ndarray:
    """One of several pictures of an opened file, (H, W, 3) uint8 RGB."""
    return np.ascontiguousarray(_UPRIGHT[orientation(path)](np.asarray(image.convert("RGB"))))


def is_jpeg(path: str | os.PathLike[str]) -> bool:
    try:
        with open(path, "rb") as file:
            return file.read(2) == b"\xff\xd8"
    except OSError:
        return False  # read_image says what is wrong


def is_jpeg_stream(path: str | os.PathLike[str]) -> bool:
    """Whether a file is JPEGs one after the other, as cameras send them (.mjpeg)."""
    return is_jpeg(path) and _is_stream(path, np.fromfile(path, np.uint8))


def _is_stream(path: str | os.PathLike[str], data: np.ndarray) -> bool:
    if _NEXT_JPEG not in memoryview(data).tobytes():
        return False
    try:
        with Image.open(Path(path)) as image:
            return image.format != "MPO"
    except Exception:
        return True

"""Pictures as every viewer shows them: decoded whatever their name, and turned as their EXIF data says.

A file that holds several pictures, such as an animated GIF, is never read as its first one: see tsal.data.video.
"""

import logging
import os
import re
from collections.abc import Callable

import cv2
import numpy as np
import simplejpeg
from PIL import Image

from tsal.bounds import reading, reason
from tsal.bounds.pictures import Header, picture_header
from tsal.errors import InputError

logger = logging.getLogger(__name__)
AGAIN = "replace the file or leave its face out"
_DECODE = {1: cv2.IMREAD_COLOR, 2: cv2.IMREAD_REDUCED_COLOR_2, 4: cv2.IMREAD_REDUCED_COLOR_4}
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
# Modes of Pillow of which nothing says what black and white are.
_NO_RANGE = {"F": "floats", "I": "signed or 32-bit numbers"}
_JPEG = b"\xff\xd8"
_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_PFM = re.compile(rb"P[Ff]\s")  # a map of floats, of which OpenCV makes 0 and 1 without a word
_NEXT_JPEG = b"\xff\xd9\xff\xd8\xff"  # the end of one and the begin of another, as in a stream of them


def read_image(path: str | os.PathLike[str], shrink: int = 1) -> np.ndarray:
    """Read an image as (H, W, 3) uint8 RGB, upright, whatever its format, channels (grey, alpha) and name.

    Args:
        shrink: 2 or 4 decodes a JPEG to its size divided by that, rounded up, which is much faster; px p of the image
            is then px (p + 0.5) / shrink - 0.5. Only of one that `is_stored_upright`.

    Raises:
        InputError: missing, no image, of several pictures, of floats or 32-bit numbers, or larger than tsal.bounds
            allows. A JPEG that is damaged in part is decoded as far as it can be, with a warning that names it.
    """
    header = picture_header(path, AGAIN)
    data = np.fromfile(path, np.uint8)
    if (header is not None and header.count > 1) or _is_stream(data, header):
        found = f"{header.count:,} pictures" if header is not None and header.count > 1 else "several pictures"
        raise InputError(f"{path}: found {found} in this file, expected one, or the number of one in column 'frame'")
    begin = data[:4].tobytes()
    mode = "F" if _PFM.match(begin) else header.mode if header is not None and begin in _TIFF else None
    if mode in _NO_RANGE:
        raise _no_range(path, mode)
    if mode == "RGBA":
        return _read_tiff(path, header)
    image = _decode_jpeg(path, data, shrink) if header is not None and is_jpeg(path) else None
    if image is None:
        image = _decode(data, shrink)
    if image is None:
        raise InputError(f"{path}: cannot be decoded as an image ({len(data):,} bytes found); {AGAIN}")
    return np.ascontiguousarray(_UPRIGHT[1 if header is None else header.orientation](image))


def _decode_jpeg(path: str | os.PathLike[str], data: np.ndarray, shrink: int) -> np.ndarray | None:
    """Decode a JPEG, to the pixels that OpenCV gives, but with a word where it is damaged; None where this cannot."""
    content = data.tobytes()
    try:
        height, width, *_ = simplejpeg.decode_jpeg_header(content)
        sides = {"min_height": -(-height // shrink), "min_width": -(-width // shrink), "min_factor": shrink}
        try:
            return simplejpeg.decode_jpeg(content, "RGB", **sides)
        except ValueError as error:
            image = simplejpeg.decode_jpeg(content, "RGB", **sides, strict=False)
            logger.warning("%s: damaged (%s): what it shows is wrong in part; %s", path, reason(error), AGAIN)
            return image
    except (ValueError, MemoryError):  # such as one in CMYK, or of a coding that libjpeg-turbo does not have
        return None


def _decode(data: np.ndarray, shrink: int) -> np.ndarray | None:
    try:
        image = cv2.imdecode(data, _DECODE[shrink] | cv2.IMREAD_IGNORE_ORIENTATION) if len(data) else None
    except (cv2.error, MemoryError):  # OpenCV has its own bound, see tsal/__init__.py
        return None
    return None if image is None else cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def is_stored_upright(path: str | os.PathLike[str]) -> bool:
    """Whether a picture's stored pixels are those that a viewer shows, in their places; read_image says what is wrong
    with one that cannot be read.
    """
    header = _header_or_none(path)
    return header is None or header.orientation == 1


def count_pictures(path: str | os.PathLike[str]) -> int:
    """How many pictures a GIF, PNG, WebP or TIFF holds; 1 of other files, and of those that cannot be read."""
    header = _header_or_none(path)
    return 1 if header is None else header.count


def _header_or_none(path: str | os.PathLike[str]) -> Header | None:
    try:
        return picture_header(path, AGAIN)
    except (InputError, OSError):
        return None


def upright_picture(image: Image.Image, header: Header) -> np.ndarray:
    """The picture at which an opened file is, (H, W, 3) uint8 RGB, as read_image reads it where it is alone.

    Raises:
        InputError: its values have no range that is agreed on.
    """
    if image.mode in _NO_RANGE:
        raise _no_range(f"{image.filename}, frame {image.tell()}", image.mode)
    if image.mode.startswith("I;16"):  # which Pillow would cut off at 255; OpenCV takes the upper 8 bits
        pixels = np.repeat((np.asarray(image) >> 8).astype(np.uint8)[..., None], 3, axis=2)
    else:
        pixels = np.asarray(image.convert("RGB"))
    return np.ascontiguousarray(_UPRIGHT[header.orientation](pixels))


def _read_tiff(path: str | os.PathLike[str], header: Header) -> np.ndarray:
    """A TIFF with alpha, by which OpenCV would darken its colours."""
    with reading(path, "an image", AGAIN.capitalize()), Image.open(path) as image:
        return upright_picture(image, header)


def _no_range(where: object, mode: str) -> InputError:
    return InputError(
        f"{where}: found pixels that are {_NO_RANGE[mode]} (mode {mode}), whose black and white nothing tells; "
        "expected 8 or 16 bits: save it as such"
    )


def turn_upright(image: np.ndarray, orientation: int) -> np.ndarray:
    """What is stored (H, W, ...) as EXIF's `orientation` says, 1 to 8, as it is to be shown."""
    return _UPRIGHT[orientation](image)


def is_jpeg(path: str | os.PathLike[str]) -> bool:
    try:
        with open(path, "rb") as file:
            return file.read(2) == _JPEG
    except OSError:
        return False  # read_image says what is wrong


def is_jpeg_stream(path: str | os.PathLike[str]) -> bool:
    """Whether a file is JPEGs one after the other, as cameras send them (.mjpeg)."""
    return is_jpeg(path) and _is_stream(np.fromfile(path, np.uint8), _header_or_none(path))


def _is_stream(data: np.ndarray, header: Header | None) -> bool:
    """Whether a file that holds these bytes is one; `header` is that of its first picture."""
    content = data.tobytes()
    return content.startswith(_JPEG) and _NEXT_JPEG in content and not (header is not None and header.has_more)

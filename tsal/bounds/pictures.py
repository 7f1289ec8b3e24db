"""Pictures from elsewhere: what one says of itself, from its header alone, before it is decoded."""

import os
import re
import warnings
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from tsal.bounds import PICTURE_BYTES, PIXELS, check, reason
from tsal.errors import InputError

# Pillow warns, in lines of its own, of pictures beyond its own bound and of notes in them that are damaged.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")


_EXIF_ORIENTATION = 0x0112


@dataclass(frozen=True)
class Header:
    """What a picture's file says of it.

    Attributes:
        size: width and height in px, as they are stored.
        count: pictures in the file.
        orientation: how the picture is stored, 1 (upright) to 8 as in EXIF.
        has_more: whether more pictures lie behind it that do not count, in the way of cameras (MPO: a second view, a
            map of depth): everything shows the first one.
        mode: of its pixels, as Pillow calls it.
    """

    size: tuple[int, int]
    count: int = 1
    orientation: int = 1
    has_more: bool = False
    mode: str = "RGB"


def picture_header(path: str | os.PathLike[str], again: str) -> Header | None:
    """What a picture's file says of it; None where its format is one that Pillow does not know.

    Args:
        again: what the user does about a damaged one.

    Raises:
        InputError: it is missing or no plain file; file or picture are too large; its header is damaged.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such image; paths are relative to the current folder")
    check(path, path.stat().st_size, PICTURE_BYTES, "bytes")
    try:
        with Image.open(path) as image:
            width, height = image.size
            count = 1 if image.format == "MPO" else getattr(image, "n_frames", 1)
            header = Header((width, height), count, _orientation(image), image.format == "MPO", image.mode)
    except UnidentifiedImageError:
        return None
    except Image.DecompressionBombError as error:  # beyond twice Pillow's own bound it does not tell the sides
        found = re.search(r"\d+", str(error))
        check(path, int(found[0]) if found else PIXELS + 1, PIXELS, "pixels")
        raise InputError(f"{path}: {reason(error)}; {again}") from error
    except Exception as error:  # of damaged headers plug-ins raise what their parsers do
        raise InputError(f"{path}: cannot be decoded as an image ({reason(error)}); {again}") from error
    check(f"{path}: {width:,} x {height:,} px", width * height, PIXELS, "pixels")
    return header


def _orientation(image: Image.Image) -> int:
    """1 where nothing or nonsense is said, and of formats whose decoders turn pictures themselves, if anything does."""
    # Of a PNG, EXIF data that comes after the pixels would have them decoded here.
    if image.format not in ("JPEG", "MPO", "PNG", "WEBP", "AVIF") or not image.info.get("exif"):
        return 1
    try:
        found = image.getexif().get(_EXIF_ORIENTATION, 1)
    except Exception:  # of damaged EXIF data Pillow raises what its parsers do
        return 1
    return found if isinstance(found, int) and 1 <= found <= 8 else 1

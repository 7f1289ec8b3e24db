"""Pictures from elsewhere: how large one is, from its header alone, before it is decoded."""

import os
import re
import warnings
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from tsal.bounds import PICTURE_BYTES, PIXELS, check, reason
from tsal.errors import InputError

# Pillow warns, in lines of its own, of pictures beyond its own bound and of notes in them that are damaged.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")


def picture_size(path: str | os.PathLike[str], again: str) -> tuple[int, int] | None:
    """Width and height in px of a picture; None where its format is one that Pillow does not know.

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
    except UnidentifiedImageError:
        return None
    except Image.DecompressionBombError as error:  # beyond twice Pillow's own bound it does not tell the sides
        found = re.search(r"\d+", str(error))
        check(path, int(found[0]) if found else PIXELS + 1, PIXELS, "pixels")
        raise InputError(f"{path}: {reason(error)}; {again}") from error
    except Exception as error:  # of damaged headers plug-ins raise what their parsers do
        raise InputError(f"{path}: cannot be decoded as an image ({reason(error)}); {again}") from error
    check(f"{path}: {width:,} x {height:,} px", width * height, PIXELS, "pixels")
    return width, height

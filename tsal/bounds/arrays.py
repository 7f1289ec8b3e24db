"""Arrays of numbers from elsewhere (.npy, .npz): their headers are read and bounded first, and no pickle ever."""

import io
import math
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Sequence
from typing import BinaryIO

import numpy as np

from tsal.bounds import NPZ_BYTES
from tsal.bounds.archives import check_zip, read_member

_HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
_NUMBERS = "biufU"  # kinds of arrays: numbers, bool and texts; none that holds objects


def read_header(file: BinaryIO) -> tuple[tuple[int, ...], np.dtype]:
    """Shape and type of a .npy file, which is left where its rows begin.

    Raises:
        ValueError: it is no such file, or holds something else than numbers and texts.
    """
    version = np.lib.format.read_magic(file)
    if version not in _HEADERS:
        raise ValueError(f"is a .npy file of version {version}, expected 1.0 or 2.0")
    try:
        shape, _, dtype = _HEADERS[version](file)
    except (SyntaxError, tokenize.TokenError, TypeError, RecursionError, MemoryError) as error:
        raise ValueError(f"its header is damaged ({type(error).__name__})") from error
    if dtype.kind not in _NUMBERS or any(side < 0 for side in shape):
        raise ValueError(f"holds {dtype} {shape}, expected numbers")
    return shape, dtype


def read_array(content: bytes) -> np.ndarray:
    """The array of a .npy file, whose size has to be the one that it declares.

    Raises:
        ValueError: it is none.
    """
    file = io.BytesIO(content)
    shape, dtype = read_header(file)
    declared, found = math.prod(shape) * dtype.itemsize, len(content) - file.tell()
    if declared != found:
        raise ValueError(f"declares {dtype} {shape}, {declared:,} bytes, but holds {found:,}")
    file.seek(0)
    return np.lib.format.read_array(file, allow_pickle=False)


def read_npz(content: bytes, names: Sequence[str], where: object) -> dict[str, np.ndarray]:
    """Some arrays of a .npz file.

    Args:
        where: the file, for errors.

    Raises:
        InputError: it declares too much.
        KeyError: it lacks an array.
        ValueError: it is damaged.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            check_zip(where, archive, len(content))
            return {name: read_array(read_member(archive, f"{name}.npy", NPZ_BYTES, where)) for name in names}
    except (zipfile.BadZipFile, zlib.error, struct.error, EOFError, RuntimeError, NotImplementedError) as error:
        raise ValueError(str(error)) from error

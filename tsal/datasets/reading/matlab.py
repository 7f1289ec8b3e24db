"""Matlab files (.mat, versions 5 to 7) that hold annotations.

A reader of our own, since that of SciPy does not check what it reads: of 12,000 small files that were damaged in some
bytes, cut or shifted, scipy.io.loadmat 1.17.1 ended the process on more than 130 (SIGSEGV, SIGBUS) and asked for over
1.5 GB on 128, where this one gave the values or an InputError. The fault, type codes out of range among others:
https://github.com/scipy/scipy/pull/25829; that such files are not its aim: https://github.com/scipy/scipy/pull/25166.

The format is level 5 of "MAT-File Format" (The MathWorks), chapter 1; of its kinds of arrays, numbers, texts, cells and
structures are read.
"""

import math
import struct
import zlib
from collections.abc import Iterator, Sequence

import numpy as np

from tsal.bounds import MAT_AXES, MAT_BYTES, MAT_RATIO, UNPACKED_FREE, check
from tsal.errors import InputError

# Array of numbers (any shape), of dict (a structure array), or of these and texts (a cell array); or one text.
Value = np.ndarray | str

_HEADER = 128  # bytes
_HDF5 = b"\x89HDF\r\n\x1a\n"
_HDF5_OFFSET = 512
_MATRIX, _COMPRESSED = 14, 15
_NUMBERS = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
_TEXTS = {1: "latin-1", 2: "latin-1", 4: "utf-16", 16: "utf-8", 17: "utf-16", 18: "utf-32"}
_CELL, _STRUCT, _CHAR, _NUMERIC_CLASSES = 1, 2, 4, range(6, 16)
_COMPLEX = 0x800
_DEEPEST = 8  # cells within structures within ...


def read_mat(content: bytes, where: str, names: Sequence[str]) -> list[Value]:
    """Some variables of a Matlab file, in the order of `names`.

    Numbers come as an array of their Matlab shape (two axes at least), a text as str, a cell array as an array of
    objects, a structure array as one of dict.

    Args:
        where: the name of the file, for errors.

    Raises:
        InputError: it is no such file, or damaged, or of version 7.3; it has not all the variables, or one that is none
            of the above.
    """
    check(where, len(content), MAT_BYTES, "bytes")
    if _HDF5 in (content[: len(_HDF5)], content[_HDF5_OFFSET : _HDF5_OFFSET + len(_HDF5)]):
        raise InputError(
            f"{where}: is a Matlab file of version 7.3 (HDF5), expected 7 or older; take the file of its owners, or "
            "save it again in Matlab with the option -v7"
        )
    order = {b"IM": "<", b"MI": ">"}.get(content[_HEADER - 2 : _HEADER])
    if order is None:
        raise InputError(
            f"{where}: is no Matlab file ({len(content):,} bytes found, which begin with {content[:12]!r}); "
            "download or copy it again"
        )
    try:
        variables = dict(_variables(memoryview(content)[_HEADER:], order, names))
    except (ValueError, struct.error, zlib.error, MemoryError, OverflowError, RecursionError) as error:
        raise InputError(
            f"{where}: truncated or damaged Matlab file ({len(content):,} bytes found; {error}). "
            "Delete it and download or copy it again"
        ) from error
    missing = [name for name in names if name not in variables]
    if missing:
        raise InputError(
            f"{where}: has no variable {missing[0]!r}; expected {', '.join(names)}: is it the owners' file?"
        )
    return [variables[name] for name in names]


def _variables(data: memoryview, order: str, names: Sequence[str]) -> Iterator[tuple[str, Value]]:
    for kind, body in _elements(data, order):
        if kind == _COMPRESSED:
            unpacker, most = zlib.decompressobj(), UNPACKED_FREE + MAT_RATIO * len(body)
            unpacked = unpacker.decompress(body, most)
            if not unpacker.eof:
                raise ValueError(
                    f"a compressed variable of {len(body):,} bytes is not whole, or unpacks to more than the "
                    f"{most:,} that are allowed"
                )
            kind, body = next(_take(_elements(memoryview(unpacked), order), 1))
        if kind == _MATRIX:
            name = bytes(list(_take(_elements(body, order), 3))[2][1]).decode("latin-1")
            if name in names:
                yield name, _value(body, order, 0)


def _elements(data: memoryview, order: str) -> Iterator[tuple[int, memoryview]]:
    """Type and content of one element after the other."""
    place = 0
    while place < len(data):
        if place + 8 > len(data):
            raise ValueError("ends within an element")
        kind, size = struct.unpack_from(f"{order}II", data, place)
        start = place + 8
        if kind >> 16:  # up to four bytes lie in the tag itself
            kind, size, start = kind & 0xFFFF, kind >> 16, place + 4
            if size > 4:
                raise ValueError("an element is too long for its tag")
        if start + size > len(data):
            raise ValueError("ends within an element")
        yield kind, data[start : start + size]
        place = start + size
        if kind != _COMPRESSED:
            place += -place % 8


def _take(elements: Iterator[tuple[int, memoryview]], count: int) -> Iterator[tuple[int, memoryview]]:
    for _ in range(count):
        element = next(elements, None)
        if element is None:
            raise ValueError("ends within a variable")
        yield element


def _value(body: memoryview, order: str, depth: int) -> Value:
    """The content of one array."""
    if depth > _DEEPEST:
        raise ValueError("arrays are nested too deeply")
    if not len(body):
        return np.empty((0, 0))
    elements = _elements(body, order)
    (_, flags), (_, sides), _ = _take(elements, 3)
    (word,) = struct.unpack_from(f"{order}I", flags)
    if len(sides) > 4 * MAT_AXES:
        raise ValueError(f"an array declares {len(sides) // 4:,} axes, at most {MAT_AXES} are allowed")
    kind, shape = word & 0xFF, tuple(np.frombuffer(sides, f"{order}i4").tolist())
    count = math.prod(shape)
    if len(shape) < 2 or min(shape) < 0 or count > len(body):
        raise ValueError(f"an array has the impossible shape {shape}")
    if kind == _CELL:
        return _objects(_arrays(elements, order, count, depth), shape)
    if kind == _STRUCT:
        return _structures(elements, order, shape, depth)
    if kind == _CHAR:
        return _text(*next(_take(elements, 1)), order, shape)
    if kind in _NUMERIC_CLASSES and not word & _COMPLEX:
        return _numbers(*next(_take(elements, 1)), order, shape)
    raise ValueError(f"an array is of the kind {kind}, which is neither numbers, text, cells nor structures")


def _numbers(kind: int, data: memoryview, order: str, shape: tuple[int, ...]) -> np.ndarray:
    if kind not in _NUMBERS:
        raise ValueError(f"numbers are stored as type {kind}, which is unknown")
    return np.frombuffer(data, order + _NUMBERS[kind]).reshape(shape, order="F")


def _text(kind: int, data: memoryview, order: str, shape: tuple[int, ...]) -> str:
    if math.prod(shape) and shape[0] != 1:
        raise ValueError(f"a text has the shape {shape}; expected one line")
    if kind not in _TEXTS:
        raise ValueError(f"a text is stored as type {kind}, which is unknown")
    encoding = _TEXTS[kind]
    if encoding in ("utf-16", "utf-32"):
        encoding += "-le" if order == "<" else "-be"
    text = bytes(data).decode(encoding)
    if math.prod(shape) not in (len(text), len(text.encode("utf-16-le")) // 2):  # Matlab counts units of UTF-16
        raise ValueError(f"a text of {len(text)} characters has the shape {shape}")
    return text


def _arrays(elements: Iterator[tuple[int, memoryview]], order: str, count: int, depth: int) -> list[Value]:
    """The values of the next `count` elements."""
    values = []
    for kind, body in _take(elements, count):
        if kind != _MATRIX:
            raise ValueError(f"an element of type {kind} is no array")
        values.append(_value(body, order, depth + 1))
    return values


def _structures(
    elements: Iterator[tuple[int, memoryview]], order: str, shape: tuple[int, ...], depth: int
) -> np.ndarray:
    (_, width), (_, text) = _take(elements, 2)
    (length,) = struct.unpack_from(f"{order}i", width)
    if length < 1 or len(text) % length:
        raise ValueError("the names of a structure's fields are not whole")
    fields = [bytes(text[k : k + length]).split(b"\0")[0].decode("latin-1") for k in range(0, len(text), length)]
    count = math.prod(shape)
    records = [dict(zip(fields, _arrays(elements, order, len(fields), depth), strict=True)) for _ in range(count)]
    return _objects(records, shape)


def _objects(values: list, shape: tuple[int, ...]) -> np.ndarray:
    """An array of objects, given in Matlab's order: the first axis fastest."""
    array = np.empty(len(values), object)
    for place, value in enumerate(values):
        array[place] = value
    return array.reshape(shape, order="F")

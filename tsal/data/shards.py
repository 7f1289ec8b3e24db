"""Arrays of any number of rows on disk: files of a bounded size, written in any order and read a few rows at a time.

`NAME.json` is the index, written last: without it there is no array. `NAME/00000.npy`, `NAME/00001.npy`, ... are the
shards: .npy files, each followed by a digest of what its rows were made of. So a shard of another array is told from
one that belongs here, and a step that was killed finds the shards that it had finished.

Rows are read from the files rather than through a map of them: what is in memory is what was asked for, however many
rows there are, and a file that shrinks is an error rather than the end of the process.
"""

import hashlib
import io
import json
import math
import os
import re
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Any, Self

import numpy as np

from tsal.bounds import JSON_BYTES, check
from tsal.bounds.arrays import read_header
from tsal.bounds.texts import parse_json
from tsal.errors import InputError, disk_full, is_disk_full
from tsal.files import atomic_path, check_space, new_mapped_array, remove_leftovers

SHARD_BYTES = 1 << 27  # of the rows of a shard: 128 MiB
_DIGEST = 16  # bytes at the end of a shard
_SHARD = re.compile(r"\d{5,}\.npy")
_OPEN_SHARDS = 64  # of a reader; systems allow a process 256 open files or more


def digest(*parts: bytes | str | np.ndarray) -> str:
    """A digest of what something is made of, in hexadecimal."""
    whole = hashlib.blake2b(digest_size=_DIGEST)
    for part in parts:
        content = part.encode() if isinstance(part, str) else part if isinstance(part, bytes) else _bytes_of(part)
        whole.update(f"{len(content)}:".encode())
        whole.update(content)
    return whole.hexdigest()


def _bytes_of(array: np.ndarray) -> memoryview:
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8).data


@dataclass(frozen=True)
class Layout:
    """Where the rows of an array lie.

    Attributes:
        index: path of the index, NAME.json; the shards are in the folder NAME beside it.
        count: rows N of the array.
        row: shape of a row.
        dtype: its type.
        shard_rows: rows of a shard; the last one has what is left.
    """

    index: Path
    count: int
    row: tuple[int, ...]
    dtype: np.dtype
    shard_rows: int

    @classmethod
    def new(cls, index: str | os.PathLike[str], count: int, row: tuple[int, ...], dtype: type) -> Self:
        """The layout of a new array, with as many rows a shard as fit into SHARD_BYTES.

        They are a multiple of 64 where that fits, so that batches of rows end where shards do.

        Raises:
            InputError: the name of the index does not end in .json.
        """
        index = Path(index)
        if index.suffix != ".json":
            raise InputError(f"{index}: expected a name that ends in .json, beside which a folder holds the shards")
        bytes_a_row = max(1, int(np.prod(row)) * np.dtype(dtype).itemsize)
        fitting = max(1, SHARD_BYTES // bytes_a_row)
        return cls(index, count, tuple(row), np.dtype(dtype), fitting // 64 * 64 or fitting)

    @property
    def folder(self) -> Path:
        return self.index.with_suffix("")

    @property
    def shards(self) -> int:
        """How many there are."""
        return -(-self.count // self.shard_rows)

    def path(self, shard: int) -> Path:
        return self.folder / f"{shard:05d}.npy"

    def rows_of(self, shard: int) -> slice:
        start = shard * self.shard_rows
        return slice(start, min(start + self.shard_rows, self.count))

    def shape_of(self, shard: int) -> tuple[int, ...]:
        rows = self.rows_of(shard)
        return (rows.stop - rows.start, *self.row)

    @property
    def row_bytes(self) -> int:
        return math.prod(self.row) * self.dtype.itemsize


class ShardWriter:
    """Writes the rows of an array, in any order and from any thread; a shard appears when all of its rows are there.

    Shards that are there already and were made of the same are kept: write the rows that `missing` tells. Used as a
    context, at whose end without an error all shards have to be there; on an error, unfinished ones are removed.

    Args:
        layout: of the array. An index that is there is removed: its array is no longer whole.
        made_of: a digest for each shard, of everything that its rows depend on.

    Raises:
        InputError: the device is full.
    """

    def __init__(self, layout: Layout, made_of: Sequence[str]) -> None:
        self.layout, self.made_of = layout, list(made_of)
        layout.index.unlink(missing_ok=True)
        self._kept = np.array([_is_shard(layout, shard, self.made_of[shard]) for shard in range(layout.shards)], bool)
        left = sum(layout.shape_of(shard)[0] for shard in np.flatnonzero(~self._kept).tolist())
        check_space(layout.index, layout.folder, left * layout.row_bytes)
        self._open: dict[int, _NewShard] = {}
        self._lock = Lock()

    def missing(self, rows: np.ndarray) -> np.ndarray:
        """Those of some rows that are to be written."""
        return rows[~self._kept[rows // self.layout.shard_rows]] if len(rows) else rows

    def write(self, row: int, value: np.ndarray) -> None:
        """Write one row, once."""
        number, place = divmod(row, self.layout.shard_rows)
        with self._lock:
            if number not in self._open:
                self._open[number] = _NewShard(self.layout, number)
            shard = self._open[number]
        shard.write(place, value)
        with self._lock:
            shard.left -= 1
            if shard.left:
                return
            del self._open[number]
        shard.finish(self.made_of[number])

    def write_index(self, kind: str, about: Mapping[str, Any]) -> None:
        """Write the index, which makes the array whole, and remove shards that are no part of it.

        Args:
            kind: of array, and its version, which a reader asks for.
            about: what else there is to know of it, as JSON.
        """
        layout = self.layout
        remove_leftovers(layout.folder)  # also where all shards were there, and none was written
        known = {layout.path(shard).name for shard in range(layout.shards)}
        for path in layout.folder.iterdir() if layout.folder.is_dir() else []:
            if _SHARD.fullmatch(path.name) and path.name not in known:
                path.unlink()
        index = {
            "kind": kind,
            "rows": layout.count,
            "shape": layout.row,
            "dtype": layout.dtype.name,
            "shard_rows": layout.shard_rows,
            **about,
            "shards": self.made_of,
        }
        with atomic_path(layout.index) as temporary:
            temporary.write_text(json.dumps(index, indent=1))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None and self._open:
            raise ValueError(f"{self.layout.path(min(self._open))}: not all rows were written")
        for shard in self._open.values():
            shard.abandon()
        if error is not None and is_disk_full(error):
            raise disk_full(self.layout.folder) from error


class _AbandonedError(Exception):
    """Not all rows of a shard were written."""


class _NewShard:
    """A shard under its temporary name, with all of its space claimed."""

    def __init__(self, layout: Layout, number: int) -> None:
        self.left = layout.shape_of(number)[0]
        self._row_bytes = layout.row_bytes
        self._stack = ExitStack()
        self._path = self._stack.enter_context(atomic_path(layout.path(number)))
        try:
            self._start = new_mapped_array(self._path, layout.dtype, layout.shape_of(number)).offset
        except BaseException as error:
            if not self._stack.__exit__(type(error), error, error.__traceback__):
                raise
        self._end = self._start + self.left * self._row_bytes

    def write(self, place: int, value: np.ndarray) -> None:
        # Opened for each row: as many shards may be unfinished as there are, and files must not be.
        with open(self._path, "r+b") as file:
            file.seek(self._start + place * self._row_bytes)
            file.write(_bytes_of(value))

    def finish(self, made_of: str) -> None:
        with self._stack, open(self._path, "r+b") as file:
            file.seek(self._end)
            file.write(bytes.fromhex(made_of))
            file.flush()
            os.fsync(file.fileno())  # some file systems say only now that the device is full

    def abandon(self) -> None:
        with suppress(_AbandonedError), self._stack:
            raise _AbandonedError


def _check_shard(layout: Layout, shard: int, made_of: str, file: io.FileIO) -> int:
    """Where the rows of an open shard begin.

    Raises:
        ValueError: says how it differs from what is expected.
    """
    shape, dtype = read_header(file)
    expected = layout.shape_of(shard)
    if (shape, dtype) != (expected, layout.dtype):
        raise ValueError(f"found {dtype} {shape}, expected {layout.dtype} {expected}")
    start = file.tell()
    end = start + expected[0] * layout.row_bytes
    size = os.fstat(file.fileno()).st_size
    if size != end + _DIGEST:
        raise ValueError(f"{size:,} bytes found, {end + _DIGEST:,} expected")
    if os.pread(file.fileno(), _DIGEST, end) != bytes.fromhex(made_of):
        raise ValueError("made of something else")
    return start


def _is_shard(layout: Layout, shard: int, made_of: str) -> bool:
    try:
        with open(layout.path(shard), "rb", buffering=0) as file:
            _check_shard(layout, shard, made_of, file)
    except (OSError, ValueError):
        return False
    return True


class _OpenShard:
    """A shard that is read; closed once nobody has it any more, whatever thread reads."""

    def __init__(self, path: Path, start: int) -> None:
        self.start = start
        self.descriptor = os.open(path, os.O_RDONLY)

    def __del__(self) -> None:
        if hasattr(self, "descriptor"):
            os.close(self.descriptor)


def _open_shard(layout: Layout, starts: Sequence[int], again: str, shard: int) -> _OpenShard:
    path = layout.path(shard)
    try:
        return _OpenShard(path, starts[shard])
    except OSError as error:
        raise _missing(layout, shard, error, again) from error


def _missing(layout: Layout, shard: int, error: OSError, again: str) -> InputError:
    found = "no such file" if isinstance(error, FileNotFoundError) else error.strerror
    return InputError(f"{layout.path(shard)}: {found}; expected a shard of {layout.index}. {again}")


class ShardedArray:
    """An array (N, ...) that stays on disk: rows are read when they are indexed, by number, slice, mask or numbers.

    May be read from several threads.

    Attributes:
        path: of the index.
        shape, dtype: as of an array.
    """

    def __init__(self, layout: Layout, starts: Sequence[int], again: str) -> None:
        """
        Args:
            starts: where in each shard its rows begin.
            again: what the user does about a damaged shard.
        """
        self.path, self.shape, self.dtype = layout.index, (layout.count, *layout.row), layout.dtype
        self._layout, self._again = layout, again
        self._shard = lru_cache(_OPEN_SHARDS)(partial(_open_shard, layout, starts, again))

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: int | slice | np.ndarray | Sequence[int]) -> np.ndarray:
        """A copy of one row, or of some (n, ...).

        Raises:
            IndexError: there is no such row.
            InputError: a shard has been changed or removed since it was opened.
        """
        if isinstance(rows, int | np.integer):
            return self[[int(rows)]][0]
        rows = row_numbers(rows, len(self))
        size = self._layout.row_bytes
        out = np.empty((len(rows), size), np.uint8)
        for place, row in enumerate(rows.tolist()):
            number, within = divmod(row, self._layout.shard_rows)
            shard = self._shard(number)
            content = os.pread(shard.descriptor, size, shard.start + within * size)
            if len(content) != size:
                raise InputError(f"{self._layout.path(number)}: ends within its rows. {self._again}")
            out[place] = np.frombuffer(content, np.uint8)
        return out.view(self.dtype).reshape(len(rows), *self._layout.row)

    def __array__(self, dtype: np.dtype | None = None, copy: bool | None = None) -> np.ndarray:
        if copy is False:
            raise ValueError("rows on disk are read into memory: there is no array without a copy")
        return self[:] if dtype is None else self[:].astype(dtype, copy=False)


def row_numbers(rows: slice | np.ndarray | Sequence[int], count: int) -> np.ndarray:
    """The rows (n,) of `count` that a slice, mask or numbers (negative ones from the end) stand for, as int64.

    Raises:
        IndexError: there is no such row.
    """
    if isinstance(rows, tuple):
        raise IndexError("rows alone are read from disk: index what is read once more")
    if isinstance(rows, slice):
        return np.arange(*rows.indices(count))
    rows = np.asarray(rows)
    if rows.dtype == bool:
        if rows.shape != (count,):
            raise IndexError(f"a mask of shape {rows.shape} for {count} rows")
        return np.flatnonzero(rows)
    rows = rows.astype(np.int64, copy=False) if rows.size else np.empty(0, np.int64)
    if rows.ndim != 1:
        raise IndexError(f"rows of shape {rows.shape}; expected one axis")
    if len(rows) and not -count <= rows.min() <= rows.max() < count:
        raise IndexError(f"rows {rows.min()} to {rows.max()} of {count}")
    return np.where(rows < 0, rows + count, rows)


def open_index(index: str | os.PathLike[str], kind: str, again: str) -> tuple[ShardedArray, Mapping[str, Any], str]:
    """Open an array, whose rows stay on disk until they are used.

    Args:
        kind: that the array has to be of.
        again: what the user does about a damaged one.

    Returns:
        The array, what its index says, and a digest of the index, which is another one for every other array.

    Raises:
        InputError: the index or a shard is missing, damaged, or belongs to another array.
    """
    index, name = Path(index), kind.partition(",")[0]
    if not index.is_file():
        raise InputError(f"{index}: no such file; expected the index of {name}. {again}")
    try:
        check(index, index.stat().st_size, JSON_BYTES, "bytes")
        content = index.read_bytes()
        about = parse_json(content)
        if about["kind"] != kind:
            raise ValueError(f"found {about['kind']!r}, expected {kind!r}")
        row, dtype = tuple(map(int, about["shape"])), np.dtype(about["dtype"])
        layout = Layout(index, int(about["rows"]), row, dtype, int(about["shard_rows"]))
        if min(layout.count, *row) < 0 or layout.shard_rows < 1 or dtype.kind not in "biuf":
            raise ValueError(f"declares {layout.count} rows of {dtype} {row}, {layout.shard_rows} a shard")
        if len(about["shards"]) != layout.shards:
            raise ValueError(f"{len(about['shards'])} shards listed, {layout.shards} expected")
    except (OSError, ValueError, KeyError, TypeError, OverflowError) as error:
        raise InputError(f"{index}: no index of {name}, or a damaged one ({error}). {again}") from error
    starts = []
    for shard, made_of in enumerate(about["shards"]):
        path = layout.path(shard)
        try:
            with open(path, "rb", buffering=0) as file:
                starts.append(_check_shard(layout, shard, made_of, file))
        except OSError as error:
            raise _missing(layout, shard, error, again) from error
        except (ValueError, TypeError) as error:
            raise InputError(f"{path}: truncated, damaged, or no shard of {index} ({error}). {again}") from error
    return ShardedArray(layout, starts, again), about, digest(content)

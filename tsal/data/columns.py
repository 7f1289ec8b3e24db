"""What is known of each face, as columns of one file that is mapped: a row costs memory where it is used.

An Arrow file of one record batch. Texts that many faces share, such as clips, are stored once each.
"""

from collections.abc import Iterator, Mapping
from math import prod
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from tsal.data.shards import digest, row_numbers
from tsal.files import atomic_path

_AT_ONCE = 1 << 16  # texts that an iteration holds


class Texts:
    """N texts that are mapped or packed: `texts[3]` is a str, `texts[rows]` some of them; np.asarray gives an array."""

    def __init__(self, column: pa.Array) -> None:
        self._column = column

    def __len__(self) -> int:
        return len(self._column)

    def __getitem__(self, rows: int | slice | np.ndarray) -> "str | Texts":
        if isinstance(rows, int | np.integer):
            return self._column[int(rows)].as_py()
        return Texts(self._column.take(pa.array(row_numbers(rows, len(self)))))

    def __iter__(self) -> Iterator[str]:
        for start in range(0, len(self), _AT_ONCE):
            yield from self._column[start : start + _AT_ONCE].to_pylist()

    def __array__(self, dtype: np.dtype | None = None, copy: bool | None = None) -> np.ndarray:
        return np.array(self.tolist(), str if dtype is None else dtype)

    def tolist(self) -> list[str]:
        return self._column.to_pylist()

    @property
    def numbers(self) -> tuple[int, np.ndarray]:
        """As `numbers_of`, of texts that are stored once each."""
        return len(self._column.dictionary), self._column.indices.to_numpy()


def numbers_of(texts: np.ndarray | Texts) -> tuple[int, np.ndarray]:
    """How many different texts there are, and the place (N,) of each row's text in their sorted order."""
    if isinstance(texts, Texts):
        return texts.numbers
    names, numbers = np.unique(texts, return_inverse=True)
    return len(names), numbers


def write_columns(
    path: Path, texts: Mapping[str, pd.Series], shared: Mapping[str, pd.Series], arrays: Mapping[str, np.ndarray]
) -> str:
    """Write columns of N rows.

    Args:
        texts, shared: by name; of the latter many rows have the same.
        arrays: (N, ...) numbers, or bool, by name.

    Returns:
        A digest of their content, which tells the file from others.
    """
    columns = {name: _packed(column) for name, column in texts.items()}
    columns |= {name: _encoded(column) for name, column in shared.items()}
    columns |= {name: _fixed(array) for name, array in arrays.items() if prod(array.shape[1:])}
    made_of = digest(*(part for name, column in columns.items() for part in (name, *_content(column))))
    batch = pa.RecordBatch.from_pydict(columns).replace_schema_metadata({"digest": made_of})
    with (
        atomic_path(path) as temporary,
        pa.OSFile(str(temporary), "wb") as file,
        pa.ipc.new_file(file, batch.schema) as writer,
    ):
        writer.write_batch(batch)
    return made_of


def _packed(column: pd.Series | pd.Index) -> pa.Array:
    return pa.array(column.to_numpy(object), pa.large_string())


def _encoded(column: pd.Series) -> pa.DictionaryArray:
    numbers, names = pd.factorize(column, sort=True)
    return pa.DictionaryArray.from_arrays(pa.array(numbers, pa.int32()), _packed(names))


def _fixed(array: np.ndarray) -> pa.Array:
    values = pa.array(array.reshape(-1).view(np.uint8) if array.dtype == bool else array.reshape(-1))
    return values if array.ndim == 1 else pa.FixedSizeListArray.from_arrays(values, prod(array.shape[1:]))


def _content(column: pa.Array) -> Iterator[bytes]:
    parts = [column.indices, column.dictionary] if isinstance(column, pa.DictionaryArray) else [column]
    for part in parts:
        yield from (memoryview(buffer) for buffer in part.buffers() if buffer is not None)


def open_columns(path: Path, made_of: str, arrays: Mapping[str, tuple[tuple[int, ...], type]]) -> dict[str, object]:
    """Map the columns of a file.

    Args:
        made_of: the digest that `write_columns` returned.
        arrays: shape of a row and type of each array, by name.

    Returns:
        All texts, and the arrays, read-only.

    Raises:
        OSError: no such file, or one that ends too early.
        ValueError: another file than was written; also as pyarrow's errors.
        KeyError: a column is missing.
    """
    batch = pa.ipc.open_file(pa.memory_map(str(path))).get_batch(0)
    found = (batch.schema.metadata or {}).get(b"digest", b"").decode()
    if found != made_of:
        raise ValueError("made for other crops")
    _check_columns(batch)
    columns: dict[str, object] = {name: Texts(batch.column(name)) for name in batch.schema.names if name not in arrays}
    for name, (row, dtype) in arrays.items():
        values = np.empty(0, dtype)
        if prod(row):
            column = batch.column(name)
            values = (column.flatten() if row else column).to_numpy().view(dtype)
        columns[name] = values.reshape(batch.num_rows, *row)
    return columns


def _check_columns(batch: pa.RecordBatch) -> None:
    """Refuse texts that say they lie beyond their file: to look at one would end the process, or show other memory.

    Raises:
        ValueError: as pyarrow's error.
    """
    batch.validate()
    for column in batch.columns:
        if isinstance(column, pa.DictionaryArray):
            column.validate(full=True)
            column.dictionary.validate(full=True)
        elif not isinstance(column, pa.FixedSizeListArray):
            column.validate(full=True)

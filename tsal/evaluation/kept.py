"""The file that holds the kept runs of a benchmark: FOLDER/BENCHMARK.parquet, one row a run.

A run in it is named like a file in a folder, FOLDER/BENCHMARK.parquet/METHOD/LABELS/seedN/scores.csv (or log.csv), and
read like one by `read_scores` and `read_log`. Scores are whole millionths of a per cent, which is what scores.csv has.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from pyarrow import parquet

from tsal.bounds import reading, reason
from tsal.bounds.tables import check_parquet
from tsal.bounds.texts import parse_json
from tsal.data.labels import budget_order
from tsal.errors import InputError
from tsal.files import atomic_path

SUFFIX = ".parquet"
FILES = ("scores.csv", "log.csv")  # of a run, that are kept
_AGAIN = "Take it from where it came once more, or delete it and run `tsal keep`"
_VERSION = 1
_MILLIONTHS = 1_000_000
_FACES = ("face", "clip", "frame", "subset", "normaliser", "person")
_TEXTS = pa.list_(pa.string())
_SCHEMA = pa.schema(
    [
        *[("method", pa.string()), ("labels", pa.string()), ("seed", pa.int32()), ("labelled", pa.int32())],
        *[("settings", pa.string()), ("log", pa.string()), ("code", pa.string())],
        *[(name, pa.list_(pa.int32()) if name == "frame" else _TEXTS) for name in _FACES],
        *[("nme", pa.list_(pa.int64())), ("jitter", pa.list_(pa.int64()))],
    ]
)
_NUMBERS = ("nme.list.element", "jitter.list.element")  # random digits: stored byte by byte, not by value


@dataclass(frozen=True, eq=False)
class KeptRun:
    """What is kept of a run.

    Attributes:
        method, labels, seed: as in its path.
        labelled: number of labelled faces that it was trained on.
        settings: the content of its settings.yaml.
        log: log.csv as text, the rows with measurements, the first and the last.
        scores: SCORE_COLUMNS of tsal.evaluation.metrics, and person (empty: nobody known); NME and jitter in percent,
            with six decimals.
        code: the version of the code that trained it, see tsal.settings.code; empty where that is not known.
    """

    method: str
    labels: str
    seed: int
    labelled: int
    settings: Mapping[str, Any]
    log: str
    scores: pd.DataFrame
    code: str = ""

    @property
    def name(self) -> str:
        """METHOD/LABELS/seedN."""
        return f"{self.method}/{self.labels}/seed{self.seed}"


@dataclass(frozen=True)
class Reference:
    """A kept run, or a file of it, by its name.

    Attributes:
        file: the file with the kept runs.
        run: METHOD/LABELS/seedN in it.
        name: scores.csv or log.csv; empty for the run itself.
    """

    file: Path
    run: str
    name: str

    def __str__(self) -> str:
        return "/".join(filter(None, [str(self.file), self.run, self.name]))


def reference(path: str | Path) -> Reference | None:
    """The kept run that a path names; None for the path of a file of its own."""
    parts = Path(path).parts
    places = [place for place, part in enumerate(parts) if part.endswith(SUFFIX)]
    if not places or len(parts) - places[-1] not in (4, 5):
        return None
    inside = parts[places[-1] + 1 :]
    return Reference(Path(*parts[: places[-1] + 1]), "/".join(inside[:3]), "".join(inside[3:]))


def on_disk(path: str | Path) -> Path:
    """The file in which a run's file is stored: that of the kept runs, or the path itself."""
    found = reference(path)
    return found.file if found else Path(path)


def write_kept(path: str | Path, runs: Iterable[KeptRun], made_of: Mapping[str, Any]) -> Path:
    """Write the kept runs of a benchmark; a file that has this content already is not touched.

    Args:
        path: FOLDER/BENCHMARK.parquet.
        runs: in any order: the same runs make the same bytes.
        made_of: what the benchmark's faces are made of, the content of its index.yaml.

    Returns:
        The path.
    """
    path = Path(path)
    ordered = sorted(runs, key=lambda run: (run.method, budget_order(run.labels), run.seed))
    about = {"version": str(_VERSION), "made_of": _to_json(made_of), "scores": "millionths of a per cent"}
    table = pa.Table.from_pylist([_to_row(run) for run in ordered], _SCHEMA.with_metadata(about))
    if path.exists() and _whole(path).equals(table, check_metadata=True):
        return path
    with atomic_path(path) as temporary:
        parquet.write_table(
            table,
            temporary,
            compression="zstd",
            compression_level=19,
            use_dictionary=[name for name in _columns(table) if name not in (*_NUMBERS, "settings", "log")],
            column_encoding=dict.fromkeys(_NUMBERS, "BYTE_STREAM_SPLIT"),
            write_statistics=False,
            write_page_checksum=True,
        )
    return path


def _columns(table: pa.Table) -> list[str]:
    return [f"{field.name}.list.element" if pa.types.is_list(field.type) else field.name for field in table.schema]


def _to_json(values: Mapping[str, Any]) -> str:
    return json.dumps(values, sort_keys=True, ensure_ascii=False)


def _to_row(run: KeptRun) -> dict[str, Any]:
    row = {"method": run.method, "labels": run.labels, "seed": run.seed, "labelled": run.labelled}
    row |= {"settings": _to_json(run.settings), "log": run.log, "code": run.code}
    row |= {name: run.scores[name].tolist() for name in _FACES}
    return row | {name: _to_millionths(run.scores[name]) for name in ("nme", "jitter")}


def _to_millionths(values: pd.Series) -> list[int | None]:
    return [None if np.isnan(value) else round(value * _MILLIONTHS) for value in values.tolist()]


def read_kept(path: str | Path) -> tuple[list[KeptRun], dict[str, Any]]:
    """All kept runs of a benchmark, and what its faces are made of.

    Raises:
        InputError: missing, damaged, or of another form; names the file.
    """
    table = _whole(Path(path))
    texts = (
        table.column(name).to_pylist() for name in ("method", "labels", "seed", "labelled", "settings", "log", "code")
    )
    rows = enumerate(zip(*texts, strict=True))
    with reading(path, "kept runs", _AGAIN):
        runs = [
            KeptRun(method, labels, seed, labelled, parse_json(settings), log, _scores(table, row), code)
            for row, (method, labels, seed, labelled, settings, log, code) in rows
        ]
        return runs, _made_of(table)


def kept_settings(path: str | Path) -> tuple[dict[str, dict[str, Any]], dict[str, str], dict[str, Any]]:
    """Settings and code by METHOD/LABELS/seedN, and what the faces are made of, without reading any scores.

    Raises:
        InputError: as read_kept.
    """
    return _settings(*_version(Path(path)))


def read_log_text(of: Reference) -> str:
    """The kept log.csv of a run.

    Raises:
        InputError: as read_kept; or no such run in the file.
    """
    return _whole(of.file).column("log")[_row(of)].as_py()


def read_kept_settings(of: Reference) -> dict[str, Any]:
    """The kept settings of a run.

    Raises:
        InputError: as read_kept; or no such run in the file.
    """
    row = _row(of)
    with reading(of.file, "kept runs", _AGAIN):
        return parse_json(_whole(of.file).column("settings")[row].as_py())


def read_kept_scores(of: Reference) -> pd.DataFrame:
    """The kept scores of a run, with the column person.

    Raises:
        InputError: as read_kept; or no such run in the file.
    """
    return _scores(_whole(of.file), _row(of))


def _row(of: Reference) -> int:
    rows = _rows(*_version(of.file))
    if of.run not in rows:
        raise InputError(f"{of.file}: keeps no run {of.run}; it has {len(rows)} others; build it, then `tsal keep`")
    return rows[of.run]


def _version(path: Path) -> tuple[Path, int, int]:
    """A file and what tells one state of it from another."""
    try:
        state = path.stat()
    except OSError as error:
        raise InputError(f"{path}: no such file; expected kept runs, as `tsal keep` writes them") from error
    return path, state.st_mtime_ns, state.st_size


def _whole(path: Path) -> pa.Table:
    return _read(*_version(path))


@lru_cache(maxsize=8)
def _read(path: Path, time: int, size: int) -> pa.Table:
    return _open(path, None).combine_chunks()


@lru_cache(maxsize=8)
def _rows(path: Path, time: int, size: int) -> dict[str, int]:
    names = _names(_read(path, time, size))
    rows = {name: row for row, name in enumerate(names)}
    if len(rows) < len(names):
        raise InputError(f"{path}: damaged (it keeps {len(names)} runs, {len(rows)} of them of other names). {_AGAIN}")
    return rows


@lru_cache(maxsize=8)
def _settings(path: Path, time: int, size: int) -> tuple[dict[str, dict[str, Any]], dict[str, str], dict[str, Any]]:
    table = _open(path, ["method", "labels", "seed", "settings", "code"])
    names, texts = _names(table), table.column("settings").to_pylist()
    with reading(path, "kept runs", _AGAIN):
        known = dict(zip(names, map(parse_json, texts), strict=True))
        return known, dict(zip(names, table.column("code").to_pylist(), strict=True)), _made_of(table)


def _names(table: pa.Table) -> list[str]:
    columns = (table.column(name).to_pylist() for name in ("method", "labels", "seed"))
    return [f"{method}/{labels}/seed{seed}" for method, labels, seed in zip(*columns, strict=True)]


def _made_of(table: pa.Table) -> dict[str, Any]:
    return parse_json(table.schema.metadata[b"made_of"])


def _open(path: Path, columns: list[str] | None) -> pa.Table:
    """Some columns of the file, checked; nothing in it is run."""
    try:
        check_parquet(path)
        with parquet.ParquetFile(path, page_checksum_verification=True) as file:
            about = file.schema_arrow.metadata or {}
            if not {"method", "settings", "nme"} <= set(file.schema_arrow.names) or b"made_of" not in about:
                raise InputError(f"{path}: not a file of kept runs; expected one that `tsal keep` wrote")
            if about.get(b"version") != str(_VERSION).encode():
                found = about.get(b"version", b"none").decode()
                raise InputError(f"{path}: kept runs of version {found}; expected {_VERSION}. {_AGAIN}")
            stored = file.schema_arrow.names
            table = file.read(columns and [name for name in columns if name in stored])
            if "code" not in stored:  # files of a time when it was not kept
                table = table.append_column("code", pa.array([""] * len(table), pa.string()))
            expected = _SCHEMA if columns is None else pa.schema([_SCHEMA.field(name) for name in columns])
            table = table.select(expected.names).cast(expected.with_metadata(about))
            table.validate(full=True)
            return table
    except (pa.ArrowException, OSError, ValueError, KeyError) as error:
        raise InputError(f"{path}: damaged ({reason(error)}). {_AGAIN}") from error


def _scores(table: pa.Table, row: int) -> pd.DataFrame:
    columns = {}
    for name in _FACES:
        values = table.column(name)[row].values
        columns[name] = values.to_numpy(zero_copy_only=False) if name == "frame" else pd.Series(values, dtype=str)
    for name in ("nme", "jitter"):
        columns[name] = _to_numbers(table.column(name)[row].values)
    return pd.DataFrame(columns).astype({"frame": "int64"})


def _to_numbers(millionths: pa.Array) -> np.ndarray:
    """In percent: the double next to each decimal number, as one reads it from text."""
    known = millionths.fill_null(0).to_numpy(zero_copy_only=False) / _MILLIONTHS
    return np.where(millionths.is_null().to_numpy(zero_copy_only=False), np.nan, known)

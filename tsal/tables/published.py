"""Our numbers beside those that others published, each with its source."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite, nan
from pathlib import Path

import pandas as pd

from tsal.config.targets import method_name
from tsal.data.labels import budget_share
from tsal.errors import InputError
from tsal.tables.layout import Block, Column, Number, beside, write_blocks, write_csv
from tsal.tables.scores import CELL, aggregate, load_runs

PUBLISHED = Path(__file__).with_name("published.csv")
_COLUMNS = ["benchmark", "subset", "normaliser", "method", "labels", "nme", "source"]
_DAGGER = "†"
_Cell = tuple[str, str]


@dataclass(frozen=True)
class _Row:
    """A method, ours or another's: NME (mean, deviation) by (subset, normaliser)."""

    method: str
    labels: str
    seeds: str
    source: str
    figures: Mapping[_Cell, tuple[float, float]]


def read_published(path: str | Path = PUBLISHED) -> pd.DataFrame:
    """Published figures: columns benchmark, subset, normaliser, method, labels, nme (percent), source.

    A normaliser that the publication does not tell is "unknown".

    Raises:
        InputError: the file cannot be read or has other columns; a line with a number of cells or an empty cell that
            is not expected, an nme that is no positive number, or a figure that is there twice.
    """
    rows: dict[tuple[str, ...], dict] = {}
    try:
        with open(path, newline="", encoding="utf-8") as file:
            lines = csv.reader(file)
            if next(lines, None) != _COLUMNS:
                raise InputError(f"{path}, line 1: expected the columns {','.join(_COLUMNS)}")
            for cells in lines:
                place = f"{path}, line {lines.line_num}"
                row = _checked(place, [cell.strip() for cell in cells])
                key = tuple(row[name] for name in _COLUMNS if name != "nme")
                if rows.setdefault(key, row) is not row:
                    raise InputError(f"{place}: this figure of '{row['method']}' is there twice; delete one")
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: cannot be read as a table of published figures ({error})") from error
    return pd.DataFrame(list(rows.values()), columns=_COLUMNS)


def _checked(place: str, cells: Sequence[str]) -> dict:
    if len(cells) != len(_COLUMNS):
        raise InputError(f"{place}: found {len(cells)} cells, expected {len(_COLUMNS)}: {','.join(_COLUMNS)}")
    row = dict(zip(_COLUMNS, cells, strict=True))
    empty = [name for name in _COLUMNS if not row[name]]
    if empty:
        raise InputError(f"{place}: {empty[0]} is empty; every published figure needs it, its source above all")
    try:
        value = float(row["nme"])
    except ValueError:
        value = nan
    if not (isfinite(value) and value > 0):
        raise InputError(f"{place}: nme is '{row['nme']}'; expected a positive number, in percent")
    return row | {"nme": value}


def write_published(
    benchmark: str,
    scores: Sequence[str | Path],
    output: str | Path,
    *,
    published: str | Path = PUBLISHED,
) -> list[Path]:
    """Write our methods and the published ones in one table: columns are the subsets by each normaliser.

    A published figure by a normaliser that is unknown, or by which our methods were not scored, has a column of its
    own and a dagger. A number that nobody published is an empty cell.

    Args:
        benchmark: its name, as in the paths of the runs and in the published table.
        scores: the runs' scores.csv, methods in the order wanted.
        output: results/tables/{benchmark}_published.csv; .md and .tex are written beside it.
        published: see read_published.

    Returns:
        The three paths.

    Raises:
        InputError: see load_runs and read_published.
    """
    ours = aggregate(load_runs(benchmark, scores))
    known = read_published(published)
    known = known[known["benchmark"] == benchmark]
    measured = _cells(ours)
    cells = measured + [cell for cell in _cells(known) if cell not in measured]
    normalisers = ours["normaliser"].unique().tolist()
    cells.sort(key=lambda cell: normalisers.index(cell[1]) if cell[1] in normalisers else len(normalisers))
    strange = [cell for cell in cells if cell[1] not in normalisers]
    rows = [*_our_rows(ours), *_published_rows(known)]
    frame = _frame(benchmark, rows, cells, strange)
    block = _block(benchmark, rows, cells, strange)
    return [write_csv(frame, output), *write_blocks([block], *beside(output), f"{benchmark}_published")]


def _cells(table: pd.DataFrame) -> list[_Cell]:
    return list(table[CELL].drop_duplicates().itertuples(index=False, name=None))


def _our_rows(table: pd.DataFrame) -> list[_Row]:
    rows = []
    for (labels, method), group in table.groupby(["labels", "method"], sort=False):
        figures = {(row.subset, row.normaliser): (row.nme, row.nme_std) for row in group.itertuples()}
        seeds = str(group["seeds"].iloc[0])
        rows.append(_Row(method_name(method), budget_share(labels), seeds, "", figures))
    return rows


def _published_rows(table: pd.DataFrame) -> list[_Row]:
    """What one source says of one method with the same labels is one row."""
    return [
        _Row(*key[:2], "", key[2], {(row.subset, row.normaliser): (row.nme, nan) for row in group.itertuples()})
        for key, group in table.groupby(["method", "labels", "source"], sort=False)
    ]


def _frame(benchmark: str, rows: Sequence[_Row], cells: Sequence[_Cell], strange: Sequence[_Cell]) -> pd.DataFrame:
    """One row a method: two columns, mean and deviation, a cell; flagged tells the rows with a dagger."""
    table = []
    for row in rows:
        line = dict(benchmark=benchmark, method=row.method, labels=row.labels, seeds=row.seeds)
        for cell in cells:
            name = "nme_" + "_".join(cell)
            line[name], line[f"{name}_std"] = row.figures.get(cell, (nan, nan))
        flagged = any(cell in row.figures for cell in strange)
        table.append(line | {"flagged": "yes" if flagged else "", "source": row.source})
    return pd.DataFrame(table)


def _block(benchmark: str, rows: Sequence[_Row], cells: Sequence[_Cell], strange: Sequence[_Cell]) -> Block:
    columns = [Column("Method", is_text=True), Column("Labels", is_text=True), Column("Seeds")]
    for subset, normaliser in cells:
        flag = _DAGGER if (subset, normaliser) in strange else ""
        columns.append(Column(subset + flag, "low", span=normaliser))
    sources = list(dict.fromkeys(row.source for row in rows if row.source))
    shown = []
    for row in rows:
        number = f" [{sources.index(row.source) + 1}]" if row.source else ""
        line = [row.method + number, row.labels, row.seeds]
        for cell in cells:
            mark = _DAGGER if cell in strange and cell in row.figures else ""
            line.append(Number(*row.figures.get(cell, (nan, nan)), mark=mark))
        shown.append(line)
    notes = ["NME in percent by the distance above each column; of ours mean ± standard deviation over seeds."]
    if strange:
        notes.append(
            f"{_DAGGER} By a normaliser that is unknown or not ours: not to be compared with the other columns."
        )
    notes += [f"[{number}] {source}" for number, source in enumerate(sources, 1)]
    return Block(f"{benchmark}: published results and ours", columns, shown, notes=notes)

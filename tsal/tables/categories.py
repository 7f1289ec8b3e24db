"""The categories of a video benchmark: NME, AUC, FR and jitter of each, on all points and on the inner ones."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from tsal.config.targets import method_name
from tsal.data.labels import budget_share
from tsal.errors import InputError
from tsal.evaluation.metrics import THRESHOLD
from tsal.tables.layout import Block, Column, Number, beside, write_blocks, write_csv
from tsal.tables.nme import note_of
from tsal.tables.scores import KEYS, aggregate, load_runs, threshold_columns, with_normaliser

_POINTS = "68", "49"  # landmarks that all and the inner scores are of


def write_categories(
    benchmark: str,
    scores: Sequence[str | Path],
    inner_scores: Sequence[str | Path],
    output: str | Path,
    *,
    thresholds: Sequence[float] = (THRESHOLD,),
) -> list[Path]:
    """Write a table for each subset: methods and label budgets in rows, both sets of landmarks side by side.

    Args:
        benchmark: its name, as in the paths of the runs.
        scores: the runs' scores.csv, on all points.
        inner_scores: scores_49.csv of the same runs, on the inner points.
        output: results/tables/{benchmark}_categories.csv; .md and .tex are written beside it.
        thresholds: of FR and AUC, in percent.

    Returns:
        The three paths. Columns of the CSV: benchmark, points, subset, normaliser, labels, method, n_faces, seeds,
        nme, nme_std, fr08, auc08 (for each threshold), jitter, jitter_std.

    Raises:
        InputError: see load_runs; or scores on all points and on the inner ones that are not of the same runs.
    """
    whole = with_normaliser(load_runs(benchmark, scores))
    unit = next(iter(whole.values()))["normaliser"].iloc[0]
    inner = with_normaliser(load_runs(benchmark, inner_scores), unit)
    lone = set(whole) ^ set(inner)
    if lone:
        run = min(lone, key=str)
        raise InputError(f"{run.folder}: scores on {_POINTS[run in inner]} points alone; score both sets of points")
    sides = whole, {run: inner[run] for run in whole}
    tables = [
        aggregate(runs, thresholds).assign(benchmark=benchmark, points=name)
        for name, runs in zip(_POINTS, sides, strict=True)
    ]
    shares = [name for threshold in thresholds for name in threshold_columns(threshold)]
    table = pd.concat(tables)
    order = ["benchmark", "points", *KEYS, "n_faces", "seeds", "nme", "nme_std", *shares, "jitter", "jitter_std"]
    blocks = [_block(benchmark, table[table["subset"] == subset], thresholds) for subset in table["subset"].unique()]
    shown = write_blocks(blocks, *beside(output), f"{benchmark}_categories")
    return [write_csv(table[order], output), *shown]


def _block(benchmark: str, table: pd.DataFrame, thresholds: Sequence[float]) -> Block:
    columns = [Column("Method", is_text=True), Column("Labels", is_text=True)]
    sides = list(table.groupby("points", sort=False))
    first = sides[0][1]
    rows = [[method_name(row.method), budget_share(row.labels)] for row in first.itertuples()]
    jitter = table["jitter"].notna().any()
    for points, side in sides:
        columns += _columns(f"{points} points", thresholds, jitter)
        for row, values in zip(rows, side.to_dict("records"), strict=True):
            row += _numbers(values, thresholds, jitter)
    normaliser = first["normaliser"].iloc[0]
    title = f"{benchmark}, {first['subset'].iloc[0]}: {first['n_faces'].iloc[0]} faces"
    note = note_of(normaliser, first["seeds"], "all columns in percent", "bold: best of a label budget")
    return Block(title, columns, rows, first["labels"].tolist(), [note])


def _columns(span: str, thresholds: Sequence[float], jitter: bool) -> list[Column]:
    columns = [Column("NME", "low", span=span)]
    for threshold in thresholds:
        columns.append(Column(f"AUC@{threshold:g}", "high", span=span))
        columns.append(Column(f"FR@{threshold:g}", "low", span=span))
    return columns + ([Column("Jitter", "low", span=span)] if jitter else [])


def _numbers(values: dict, thresholds: Sequence[float], jitter: bool) -> list[Number]:
    numbers = [Number(values["nme"], values["nme_std"])]
    for failures, area in map(threshold_columns, thresholds):
        numbers += [Number(values[area], decimals=1), Number(values[failures], decimals=1)]
    return numbers + ([Number(values["jitter"])] if jitter else [])

"""Scores of several runs, read together: only what was measured on the same faces is put into one table. From these to
the figures of runs, and to means over seeds."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import pandas as pd

from tsal.data.labels import budget_order
from tsal.errors import InputError
from tsal.evaluation.metrics import THRESHOLD, auc, failure_rate
from tsal.evaluation.runs import Run, parse_run, read_scores
from tsal.tables.notes import notes

CELL = ["subset", "normaliser"]
_FACE = ["face", *CELL]
KEYS = [*CELL, "labels", "method"]


def load_runs(benchmark: str, scores: Sequence[str | Path], target: str | None = None) -> dict[Run, pd.DataFrame]:
    """Read the scores of the runs of one benchmark.

    Args:
        benchmark: that the runs were trained on, as in the paths.
        scores: paths .../{benchmark}/{method}/{labels}/seed{seed}/scores.csv, or .../on_{target}/scores.csv.
        target: the benchmark of the test faces; default the same.

    Returns:
        Scores by run, in the order of the paths; the rows of all are those of the first, in its order. Subsets are
        called as tsal.tables.notes has them.

    Raises:
        InputError: no paths, a run of another benchmark or scored on another, a run that is given twice, or runs
            that were scored on different faces.
    """
    target = target or benchmark
    runs: dict[Run, pd.DataFrame] = {}
    for path in scores:
        run = parse_run(path)
        if run.benchmark != benchmark:
            raise InputError(f"{path}: a run of '{run.benchmark}', but the table is of '{benchmark}'")
        if run.target != target:
            raise InputError(f"{path}: scores on '{run.target}', but the table is of '{target}'")
        if run in runs:
            raise InputError(f"{path}: the run {run} is given twice")
        table = read_scores(path)
        if notes().subsets:
            table["subset"] = table["subset"].map(notes().shown)
        runs[run] = _like(next(iter(runs.items())), run, table) if runs else table
    if not runs:
        raise InputError(f"{benchmark}: no scores to tabulate; expected the scores.csv of at least one run")
    return runs


def _like(first: tuple[Run, pd.DataFrame], run: Run, scores: pd.DataFrame) -> pd.DataFrame:
    """The scores in the rows of the first run, whose text they share: a hundred runs of a long video fit in memory."""
    known = first[1]
    if not known[_FACE].equals(scores[_FACE]):
        expected, found = (set(table[_FACE].itertuples(index=False, name=None)) for table in (known, scores))
        if expected != found:
            face, subset, normaliser = min(expected ^ found)
            raise InputError(
                f"{run} and {first[0]} were scored on different faces: '{face}' ({subset}, {normaliser}) "
                "is in one of them only; predict and score both with the same face table"
            )
        scores = known[_FACE].merge(scores, how="left", on=_FACE)
    return known.assign(nme=scores["nme"].to_numpy(), jitter=scores["jitter"].to_numpy())


def threshold_columns(threshold: float) -> tuple[str, str]:
    """Columns of FR and AUC at a threshold in percent: ("fr08", "auc08") at 8 %, ("fr07.5", "auc07.5") at 7.5 %."""
    digits = f"{threshold:02.0f}" if threshold == round(threshold) else f"{threshold:04.1f}"
    return f"fr{digits}", f"auc{digits}"


def aggregate(runs: Mapping[Run, pd.DataFrame], thresholds: Sequence[float] = (THRESHOLD,)) -> pd.DataFrame:
    """The mean over the faces of each run, then mean and standard deviation over seeds.

    Args:
        runs: scores by run.
        thresholds: of FR and AUC, in percent.

    Returns:
        One row per (subset, normaliser, labels, method), in this order: columns KEYS, n_faces, seeds; nme, the
        columns of each threshold and jitter, in percent, means over seeds; nme_std and jitter_std, the sample
        standard deviations (n - 1) over seeds, NaN with one seed. jitter is NaN where no face has one.
    """
    rows = []
    for run, scores in runs.items():
        for (subset, normaliser), cell in scores.groupby(CELL, sort=False):
            errors = cell["nme"].to_numpy()
            row = dict(subset=subset, normaliser=normaliser, labels=run.labels, method=run.method)
            row |= dict(n_faces=len(cell), nme=errors.mean(), jitter=cell["jitter"].mean())
            for threshold in thresholds:
                shares = failure_rate(errors, threshold), auc(errors, threshold)
                row |= dict(zip(threshold_columns(threshold), shares, strict=True))
            rows.append(row)
    grouped = pd.DataFrame(rows).groupby(KEYS, sort=False)
    table = grouped.mean().reset_index()
    for figure in ("nme", "jitter"):
        table[f"{figure}_std"] = grouped[figure].std(ddof=1).to_numpy()
    table["seeds"] = grouped.size().to_numpy()
    table["n_faces"] = table["n_faces"].astype(int)
    return in_order(table, KEYS)


def in_order(table: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """Sort by keys: label budgets by size, all others in the order of first appearance, as in config.yaml."""

    def rank(column: pd.Series) -> pd.Series:
        if column.name == "labels":
            return column.map(budget_order)
        return column.map({value: i for i, value in enumerate(column.unique())})

    return table.sort_values(keys, key=rank, kind="stable", ignore_index=True)


def with_normaliser(runs: Mapping[Run, pd.DataFrame], normaliser: str | None = None) -> dict[Run, pd.DataFrame]:
    """The scores by one normaliser, by default the first.

    Raises:
        InputError: the runs were not scored by it.
    """
    normaliser = normaliser or next(iter(runs.values()))["normaliser"].iloc[0]
    kept = {run: scores[scores["normaliser"] == normaliser] for run, scores in runs.items()}
    for run, scores in kept.items():
        if scores.empty:
            known = ", ".join(runs[run]["normaliser"].unique())
            raise InputError(f"{run.folder}: no scores with normaliser '{normaliser}'; expected one of {known}")
    return kept


def errors_of_runs(runs: Mapping[Run, pd.DataFrame]) -> dict[tuple[str, str], pd.DataFrame]:
    """NME of each face in each run, of each (subset, normaliser).

    Args:
        runs: scores by run, of the same faces in the same order, as load_runs returns them.

    Returns:
        By (subset, normaliser): errors (N, M) in percent; rows are faces, columns (labels, method, seed), as given.
    """
    first = next(iter(runs.values())).reset_index(drop=True)
    whole = pd.DataFrame({(run.labels, run.method, run.seed): table["nme"].to_numpy() for run, table in runs.items()})
    whole.index = pd.Index(first["face"])
    cells = first.groupby(CELL, sort=False).indices
    return {cell: whole.iloc[cells[cell]] for cell in first[CELL].drop_duplicates().itertuples(index=False, name=None)}


def seeds_of_runs(runs: Iterable[Run]) -> dict[tuple[str, str], set[int]]:
    """The seeds by (labels, method), in the order of the runs."""
    seeds: dict[tuple[str, str], set[int]] = {}
    for run in runs:
        seeds.setdefault((run.labels, run.method), set()).add(run.seed)
    return seeds

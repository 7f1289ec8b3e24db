"""Scores of several runs, read together: only what was measured on the same faces is put into one table."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from tsal.errors import InputError
from tsal.evaluation.runs import Run, parse_run, read_scores

CELL = ["subset", "normaliser"]
_KEYS = ["face", *CELL]


def load_runs(benchmark: str, scores: Sequence[str | Path], target: str | None = None) -> dict[Run, pd.DataFrame]:
    """Read the scores of the runs of one benchmark.

    Args:
        benchmark: that the runs were trained on, as in the paths.
        scores: paths .../{benchmark}/{method}/{labels}/seed{seed}/scores.csv, or .../on_{target}/scores.csv.
        target: the benchmark of the test faces; default the same.

    Returns:
        Scores by run, in the order of the paths; the rows of all are those of the first, in its order.

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
        runs[run] = _like(next(iter(runs.items())), run, table) if runs else table
    if not runs:
        raise InputError(f"{benchmark}: no scores to tabulate; expected the scores.csv of at least one run")
    return runs


def _like(first: tuple[Run, pd.DataFrame], run: Run, scores: pd.DataFrame) -> pd.DataFrame:
    """The scores in the rows of the first run, whose text they share: a hundred runs of a long video fit in memory."""
    known = first[1]
    if not known[_KEYS].equals(scores[_KEYS]):
        expected, found = (set(table[_KEYS].itertuples(index=False, name=None)) for table in (known, scores))
        if expected != found:
            face, subset, normaliser = min(expected ^ found)
            raise InputError(
                f"{run} and {first[0]} were scored on different faces: '{face}' ({subset}, {normaliser}) "
                "is in one of them only; predict and score both with the same face table"
            )
        scores = known[_KEYS].merge(scores, how="left", on=_KEYS)
    return known.assign(nme=scores["nme"].to_numpy(), jitter=scores["jitter"].to_numpy())

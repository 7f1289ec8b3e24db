"""What every figure starts with: files of runs by run, the normaliser, and the titles of panels."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import pandas as pd

from tsal.data.labels import budget_name, budget_order
from tsal.errors import InputError
from tsal.evaluation.runs import Run, parse_run
from tsal.tables.notes import notes
from tsal.tables.scores import load_runs, with_normaliser

FEW_METHODS = 5  # with more, a panel of a column's width gets crowded
_NOTHING = "no runs to draw; expected the files of at least one run"


def by_run(paths: Sequence[str | Path], read: Callable[[str | Path], pd.DataFrame]) -> dict[Run, pd.DataFrame]:
    """What `read` makes of each file, by its run, in the order of the paths.

    Raises:
        InputError: no paths, or one that is not the file of a run.
    """
    runs = {parse_run(path): read(path) for path in paths}
    if not runs:
        raise InputError(_NOTHING)
    return runs


def load_scores(scores: Sequence[str | Path], normaliser: str | None) -> dict[Run, pd.DataFrame]:
    """Scores by run, by one normaliser, by default the first.

    Raises:
        InputError: no scores; runs of several benchmarks or on different faces; or none by this normaliser.
    """
    if not scores:
        raise InputError(_NOTHING)
    first = parse_run(scores[0])
    return with_normaliser(load_runs(first.benchmark, scores, first.target), normaliser)


def first_runs(paths: Sequence[str | Path]) -> dict[Run, Path]:
    """Of each method the first seed at the smallest label budget, in the order of the paths.

    Raises:
        InputError: no paths, or one that is not the file of a run.
    """
    of_run = {parse_run(path): Path(path) for path in paths}
    if not of_run:
        raise InputError(_NOTHING)
    labels = min((run.labels for run in of_run), key=budget_order)
    chosen: dict[str, Run] = {}
    for run in of_run:
        if run.labels == labels and run.seed <= chosen.get(run.method, run).seed:
            chosen[run.method] = run
    return {run: of_run[run] for run in chosen.values()}


def methods_of(runs: Iterable[Run]) -> list[str]:
    """The methods, in the order of the runs."""
    return list(dict.fromkeys(run.method for run in runs))


def tested_on(runs: Iterable[Run]) -> str:
    """The benchmark of the runs, for titles: "300w", or "300w on 300vw" where they are tested on another."""
    run = next(iter(runs))
    return run.benchmark if run.target == run.benchmark else f"{run.benchmark} on {run.target}"


def subset_details(subsets: Sequence[str]) -> dict[str, str]:
    """What titles say of each subset: its name, but nothing of a single one of which nothing is noted."""
    plain = len(subsets) == 1 and subsets[0] not in notes().shown_subsets
    return {subset: "" if plain else subset for subset in subsets}


def subset_titles(runs: Iterable[Run], subsets: Sequence[str]) -> list[str]:
    """Titles of panels of which each shows a subset: benchmark and subset."""
    benchmark = tested_on(runs)
    return [", ".join(filter(None, (benchmark, detail))) for detail in subset_details(subsets).values()]


def title_of(runs: Iterable[Run], labels: str, detail: str = "") -> str:
    """Title of a panel: benchmark, what is shown, label budget."""
    parts = (tested_on(runs), detail, budget_name(labels))
    return ", ".join(part for part in parts if part)

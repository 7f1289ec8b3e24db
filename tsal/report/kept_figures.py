"""Single figures of kept runs, such as the NME of a method with 1 % of the labels: what tables in docs consist of."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import nan
from pathlib import Path

import numpy as np
import pandas as pd

from tsal import methods
from tsal.data.labels import parse_budget
from tsal.errors import InputError
from tsal.evaluation.kept import SUFFIX, KeptRun, read_kept
from tsal.evaluation.metrics import THRESHOLD, auc, failure_rate
from tsal.evaluation.runs import Run, read_log
from tsal.tables.cost import cost_table
from tsal.tables.gap import gap_table
from tsal.tables.layout import MINUS, Number
from tsal.tables.significance import compare_pairs, holm

ALL = "1"  # the label budget of all labels
SUPERVISED = "supervised"


@dataclass(frozen=True)
class Wanted:
    """What a cell of a table shows.

    Attributes:
        method: of the runs; several: that of them with the lowest NME there.
        labels: the label budget.
        seeds: of the runs.
        benchmark, subset: of the test faces.
        figure: a key of FIGURES, with what follows it after a colon.
        without: a clip whose faces are left out; empty: none.
        reference: the method that `difference` compares with.
        family: what p-values are corrected for: the comparisons (method, reference) of a column, this one among them.
        supervised: the method that `gap` is measured from.
    """

    method: str | tuple[str, ...]
    labels: str
    seeds: tuple[int, ...]
    benchmark: str
    subset: str
    figure: str
    without: str = ""
    reference: str = ""
    family: tuple[tuple[str, str], ...] = ()
    supervised: str = SUPERVISED


class KeptFigures:
    """The figures of the kept runs in a folder; each file is read once, when it is first needed."""

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self._runs: dict[str, dict[str, KeptRun]] = {}
        self._known: dict[object, object] = {}

    def cell(self, wanted: Wanted) -> str | Number:
        """A figure as a cell of a table.

        Raises:
            InputError: an unknown figure, subset or reference; or no such run.
        """
        if isinstance(wanted.method, tuple):
            candidates = [replace(wanted, method=method) for method in wanted.method]
            wanted = min(candidates, key=lambda candidate: np.mean(self.errors(candidate)))
        name, _, detail = wanted.figure.partition(":")
        if name not in FIGURES:
            raise InputError(f"no figure '{name}'; expected one of {', '.join(FIGURES)}")
        return FIGURES[name].cell(self, wanted, detail)

    def of_benchmark(self, benchmark: str) -> dict[str, KeptRun]:
        """All kept runs of a benchmark by METHOD/LABELS/seedN."""
        if benchmark not in self._runs:
            runs, _ = read_kept(self.folder / f"{benchmark}{SUFFIX}")
            self._runs[benchmark] = {run.name: run for run in runs}
        return self._runs[benchmark]

    def runs(self, wanted: Wanted) -> list[KeptRun]:
        """The runs of a cell, one a seed."""
        known = self.of_benchmark(wanted.benchmark)
        names = [f"{wanted.method}/{wanted.labels}/seed{seed}" for seed in wanted.seeds]
        if missing := [name for name in names if name not in known]:
            raise InputError(f"{self.folder / wanted.benchmark}{SUFFIX}: keeps no run {missing[0]}")
        return [known[name] for name in names]

    def scores(self, wanted: Wanted) -> list[pd.DataFrame]:
        """Of each run of a cell the scores of its faces, by the first normaliser."""
        subset, clip = wanted.subset, wanted.without
        return [
            self.once(("scores", wanted.benchmark, run.name, subset, clip), lambda run=run: _chosen(run, subset, clip))
            for run in self.runs(wanted)
        ]

    def errors(self, wanted: Wanted) -> list[float]:
        """The NME of each run of a cell, in percent."""
        return [float(scores["nme"].mean()) for scores in self.scores(wanted)]

    def once(self, key: object, make: Callable[[], object]) -> object:
        """What was made for this key before, else what is made now."""
        if key not in self._known:
            self._known[key] = make()
        return self._known[key]


@dataclass(frozen=True)
class Figure:
    """One kind of figure.

    Attributes:
        head: of its column; {} stands for what follows the figure's name after a colon.
        best: "low" or "high" where the best of a column is set in bold.
        cell: makes the cell.
    """

    head: str
    best: str
    cell: Callable[[KeptFigures, Wanted, str], str | Number]


def _chosen(run: KeptRun, subset: str, without: str) -> pd.DataFrame:
    scores = run.scores
    first = scores["normaliser"] == scores["normaliser"].iloc[0]
    chosen = scores[first & (scores["subset"] == subset) & (scores["clip"] != without)]
    if chosen.empty:
        known = ", ".join(scores["subset"].unique())
        raise InputError(f"{run.name}: no faces of subset '{subset}'; expected one of {known}")
    return chosen


def _number(values: Sequence[float], decimals: int = 2) -> Number:
    known = np.asarray(values, dtype=float)
    return Number(float(known.mean()), float(known.std(ddof=1)) if len(known) > 1 else nan, decimals)


def _nme(kept: KeptFigures, wanted: Wanted, _: str) -> Number:
    return _number(kept.errors(wanted))


def _failures(kept: KeptFigures, wanted: Wanted, _: str) -> Number:
    return Number(np.mean([failure_rate(scores["nme"], THRESHOLD) for scores in kept.scores(wanted)]), decimals=1)


def _auc(kept: KeptFigures, wanted: Wanted, _: str) -> Number:
    return Number(np.mean([auc(scores["nme"], THRESHOLD) for scores in kept.scores(wanted)]), decimals=1)


def _jitter(kept: KeptFigures, wanted: Wanted, _: str) -> Number:
    return Number(np.mean([scores["jitter"].mean() for scores in kept.scores(wanted)]))


def _log(kept: KeptFigures, run: KeptRun, benchmark: str) -> pd.DataFrame:
    path = kept.folder / f"{benchmark}{SUFFIX}" / run.name / "log.csv"
    return kept.once(path, lambda: read_log(path))


def _validation(kept: KeptFigures, wanted: Wanted, step: str) -> Number:
    """Of the network that is evaluated: the teacher's, or the better of raw and averaged weights."""
    found = []
    for run in kept.runs(wanted):
        log = _log(kept, run, wanted.benchmark).set_index("iteration")
        measured = log[[name for name in log.columns if name.startswith("val_nme_")]].dropna(how="all")
        row = measured.loc[int(step)] if step else measured.iloc[-1]
        found.append(row["val_nme_teacher"] if "val_nme_teacher" in row.index else row.min())
    return Number(np.mean(found))


def _noise(kept: KeptFigures, wanted: Wanted, signal: str) -> Number:
    found = []
    for run in kept.runs(wanted):
        log = _log(kept, run, wanted.benchmark)
        if (name := f"noise_{signal}") not in log.columns:
            return Number(nan)
        found.append(log[name].dropna().iloc[-1])
    return Number(np.mean(found))


def _step_cost(kept: KeptFigures, benchmark: str, algorithm: str) -> float:
    def measure() -> pd.DataFrame:
        methods = {run.settings["algorithm"] for run in kept.of_benchmark(benchmark).values()}
        chosen = [run for run in kept.of_benchmark(benchmark).values() if run.method in methods]
        logs = {_run(benchmark, run): _log(kept, run, benchmark) for run in chosen}
        return cost_table(benchmark, logs).set_index("method")

    return float(kept.once(("cost", benchmark), measure).loc[algorithm, "ratio"])


def _run(benchmark: str, run: KeptRun) -> Run:
    return Run(benchmark, run.method, run.labels, run.seed, Path(run.name))


def _cost(kept: KeptFigures, wanted: Wanted, _: str) -> Number:
    (algorithm,) = {run.settings["algorithm"] for run in kept.runs(wanted)}
    return Number(_step_cost(kept, wanted.benchmark, algorithm), decimals=1)


def _time(kept: KeptFigures, wanted: Wanted, _: str) -> Number:
    def steps_of(run: KeptRun) -> float:
        training, algorithm = run.settings["training"], run.settings["algorithm"]
        return training["warmup_steps"] + training["steps"] * _step_cost(kept, wanted.benchmark, algorithm)

    base = kept.runs(replace(wanted, method=SUPERVISED))
    return Number(np.mean([steps_of(run) for run in kept.runs(wanted)]) / steps_of(base[0]), decimals=1)


def _tflop(kept: KeptFigures, wanted: Wanted, _: str) -> Number:
    from tsal.training.cost import training_tflop  # here, since PyTorch takes seconds to import

    known = [methods.settings_from(run.settings, run.name) for run in kept.runs(wanted)]
    counts = [training_tflop(methods.get(settings.algorithm), settings) for settings in known]
    return Number(np.mean(counts), decimals=1)


def _labelled(kept: KeptFigures, wanted: Wanted, _: str) -> str:
    return f"{kept.runs(wanted)[0].labelled:,}"


def _gap(kept: KeptFigures, wanted: Wanted, _: str) -> str:
    if wanted.method == wanted.supervised or parse_budget(wanted.labels) == 1:
        return ""
    wanted = replace(wanted, figure="gap", reference="", family=())
    row = kept.once(wanted, lambda: _gap_row(kept, wanted))
    if np.isnan(row["gap"]):
        return "no gap left"
    interval = "" if np.isnan(row["low"]) else f" ({round(row['low'])} to {round(row['high'])})"
    return f"{round(row['gap'])} %{interval}".replace("-", MINUS)


def _gap_row(kept: KeptFigures, wanted: Wanted) -> dict:
    runs = {}
    for method, labels in (
        (wanted.method, wanted.labels),
        (wanted.supervised, wanted.labels),
        (wanted.supervised, ALL),
    ):
        of = replace(wanted, method=method, labels=labels)
        runs |= {
            _run(wanted.benchmark, run): scores for run, scores in zip(kept.runs(of), kept.scores(of), strict=True)
        }
    people = _people(next(iter(runs.values())))
    (row,) = gap_table(wanted.benchmark, runs, people, supervised=wanted.supervised).to_dict("records")
    return row


def _people(scores: pd.DataFrame) -> dict[str, str]:
    return {face: person or face for face, person in zip(scores["face"], scores["person"], strict=True)}


def _difference(kept: KeptFigures, wanted: Wanted, _: str) -> str:
    if not wanted.reference:
        raise InputError("figure 'difference': the table names no `reference`, a method to compare with")
    if wanted.method == wanted.reference:
        return ""
    key = ("difference", replace(wanted, method="", reference=""))
    difference, p_value = kept.once(key, lambda: _compare(kept, wanted))[wanted.method, wanted.reference]
    difference = round(difference, 2)
    return f"{Number(difference, signed=True) if difference else '0.00'} (p {_p_value(p_value)})"


def _p_value(value: float) -> str:
    return f"{value:.1g}" if value < 0.01 else f"{value:.2g}"


def _compare(kept: KeptFigures, wanted: Wanted) -> dict[tuple[str, str], tuple[float, float]]:
    """Of each comparison of the family the difference, and its p-value after Holm's correction."""
    means, people = {}, None
    for method in dict.fromkeys(method for pair in wanted.family for method in pair):
        scores = kept.scores(replace(wanted, method=method))
        means[method] = np.mean([table["nme"].to_numpy() for table in scores], axis=0)
        people = people or list(_people(scores[0]).values())
    compared = compare_pairs(means, wanted.family, people)
    corrected = holm([comparison.p_value for comparison in compared])
    found = zip(wanted.family, compared, corrected, strict=True)
    return {pair: (comparison.difference, float(p_value)) for pair, comparison, p_value in found}


FIGURES = {
    "nme": Figure("", "low", _nme),
    "fr08": Figure("FR@8", "low", _failures),
    "auc08": Figure("AUC@8", "high", _auc),
    "jitter": Figure("jitter", "low", _jitter),
    "validation": Figure("{}", "low", _validation),
    "noise": Figure("{}", "", _noise),
    "cost": Figure("cost of a step", "", _cost),
    "time": Figure("cost", "", _time),
    "tflop": Figure("TFLOP", "", _tflop),
    "labelled": Figure("labelled faces", "", _labelled),
    "gap": Figure("gap closed", "", _gap),
    "difference": Figure("difference (p)", "", _difference),
}

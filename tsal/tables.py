"""The tables of a benchmark, from the scores of its runs: NME (CSV and Markdown) and significance."""

from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd

from tsal.errors import InputError
from tsal.faces import read_faces, visibility_of
from tsal.files import atomic_path
from tsal.labels import labelled_faces
from tsal.metrics import auc, failure_rate, paired_bootstrap
from tsal.runs import Run, budget_share, method_name, parse_run, read_scores

NME_COLUMNS = [
    *["benchmark", "subset", "normaliser", "method", "labels", "n_labelled", "n_faces", "seeds"],
    *["nme", "nme_std", "fr08", "auc08", "jitter"],
]
SIGNIFICANCE_COLUMNS = [
    *["benchmark", "subset", "normaliser", "labels", "method", "reference", "n_faces", "n_people"],
    *["difference", "low", "high", "p_value", "low_people", "high_people", "p_value_people"],
]
_CELL = ["subset", "normaliser"]


def load_runs(benchmark: str, scores: Sequence[str | Path]) -> dict[Run, pd.DataFrame]:
    """Read the scores of the runs of one benchmark.

    Args:
        benchmark: its name, as in the paths.
        scores: paths .../{benchmark}/{method}/{labels}/seed{seed}/scores.csv.

    Returns:
        Scores by run, in the order of the paths.

    Raises:
        InputError: no paths, a run of another benchmark, a run that is given twice, or runs that were scored
            on different faces.
    """
    runs: dict[Run, pd.DataFrame] = {}
    for path in scores:
        run = parse_run(path)
        if run.benchmark != benchmark:
            raise InputError(f"{path}: a run of '{run.benchmark}', but the table is of '{benchmark}'")
        if run in runs:
            raise InputError(f"{path}: the run {run} is given twice")
        runs[run] = read_scores(path)
    if not runs:
        raise InputError(f"{benchmark}: no scores to tabulate; expected the scores.csv of at least one run")
    _check_same_faces(runs)
    return runs


def _check_same_faces(runs: Mapping[Run, pd.DataFrame]) -> None:
    """Methods are compared on the same faces, or not at all."""
    (first, scores), *others = runs.items()
    expected = set(scores[["face", *_CELL]].itertuples(index=False, name=None))
    for run, scores in others:
        different = expected ^ set(scores[["face", *_CELL]].itertuples(index=False, name=None))
        if different:
            face, subset, normaliser = min(different)
            raise InputError(
                f"{run} and {first} were scored on different faces: '{face}' ({subset}, {normaliser}) "
                "is in one of them only; predict and score both with the same face table"
            )


def nme_table(benchmark: str, runs: Mapping[Run, pd.DataFrame], n_labelled: Mapping[str, int]) -> pd.DataFrame:
    """Aggregate scores: the mean over the faces of each run, then mean and standard deviation over seeds.

    Args:
        benchmark: its name.
        runs: scores by run.
        n_labelled: number of labelled training faces of each label budget.

    Returns:
        One row per (subset, normaliser, labels, method), in this order, with NME_COLUMNS: nme, fr08
        (FR@0.08), auc08 (AUC@0.08) and jitter in percent, means over seeds; nme_std is the sample standard
        deviation (n - 1) over seeds, NaN with one seed; jitter is NaN where no face has one.
    """
    rows = []
    for run, scores in runs.items():
        for (subset, normaliser), cell in scores.groupby(_CELL, sort=False):
            errors = cell["nme"].to_numpy()
            figures = dict(
                nme=errors.mean(), fr08=failure_rate(errors), auc08=auc(errors), jitter=cell["jitter"].mean()
            )
            rows.append(dict(subset=subset, normaliser=normaliser, method=run.method, labels=run.labels, **figures))
            rows[-1]["n_faces"] = len(cell)
    keys = ["subset", "normaliser", "labels", "method"]
    grouped = pd.DataFrame(rows).groupby(keys, sort=False)
    table = grouped[["n_faces", "nme", "fr08", "auc08", "jitter"]].mean().reset_index()
    table["nme_std"] = grouped["nme"].std(ddof=1).to_numpy()
    table["seeds"] = grouped.size().to_numpy()
    table["n_faces"] = table["n_faces"].astype(int)
    table["n_labelled"] = table["labels"].map(n_labelled)
    return _in_order(table.assign(benchmark=benchmark), keys)[NME_COLUMNS]


def _in_order(table: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """Sort by keys: label budgets by size, all others in the order of first appearance, as in config.yaml."""

    def rank(column: pd.Series) -> pd.Series:
        if column.name == "labels":
            return column.astype(float)
        return column.map({value: i for i, value in enumerate(column.unique())})

    return table.sort_values(keys, key=rank, kind="stable", ignore_index=True)


def significance_table(
    benchmark: str,
    runs: Mapping[Run, pd.DataFrame],
    people: Mapping[str, str],
    *,
    draws: int = 10_000,
    seed: int = 0,
) -> pd.DataFrame:
    """Compare every two methods of one label budget, face by face, with the paired bootstrap.

    A face's NME is first averaged over the seeds of a method. The p-values are not corrected for the number
    of comparisons.

    Args:
        benchmark: its name.
        runs: scores by run.
        people: person of each face, for the bootstrap over people.
        draws: bootstrap samples.
        seed: of the bootstrap.

    Returns:
        One row per (subset, normaliser, labels, pair) with SIGNIFICANCE_COLUMNS: difference = NME of method
        minus NME of reference in percentage points (negative: method is better), its 95 % interval and
        two-sided p-value, when single faces are resampled, and, as *_people, when people are.
    """
    cells: dict[tuple, dict[str, pd.Series]] = {}
    for run, method_scores in _faces_over_seeds(runs).items():
        for (subset, normaliser), errors in method_scores.groupby(level=_CELL, sort=False):
            cells.setdefault((subset, normaliser, run[1]), {})[run[0]] = errors.droplevel(_CELL)
    rows = []
    for (subset, normaliser, labels), methods in cells.items():
        for reference, method in combinations(methods, 2):
            a, b = methods[method], methods[reference].loc[methods[method].index]
            persons = [people[face] for face in a.index]
            by_face = paired_bootstrap(a, b, draws=draws, seed=seed)
            by_person = paired_bootstrap(a, b, persons, draws=draws, seed=seed)
            row = [benchmark, subset, normaliser, labels, method, reference, len(a), len(set(persons))]
            row += [by_face.difference, by_face.low, by_face.high, by_face.p_value]
            rows.append([*row, by_person.low, by_person.high, by_person.p_value])
    table = pd.DataFrame(rows, columns=SIGNIFICANCE_COLUMNS)
    return _in_order(table, ["subset", "normaliser", "labels"])


def _faces_over_seeds(runs: Mapping[Run, pd.DataFrame]) -> dict[tuple[str, str], pd.Series]:
    """NME of each (face, subset, normaliser), averaged over seeds, by (method, labels)."""
    gathered: dict[tuple[str, str], list[pd.DataFrame]] = {}
    for run, scores in runs.items():
        gathered.setdefault((run.method, run.labels), []).append(scores)
    return {
        key: pd.concat(tables).groupby(["face", *_CELL], sort=False)["nme"].mean() for key, tables in gathered.items()
    }


def markdown(table: pd.DataFrame) -> str:
    """An nme_table in Markdown: one table a (subset, normaliser), the best method of each budget in bold."""
    parts = []
    for _, cell in table.groupby(_CELL, sort=False):
        heads, rows, best = readable(cell)
        lines = [f"### {cell_title(cell)}", "", "| " + " | ".join(heads) + " |"]
        lines.append("|---|---|" + "---:|" * (len(heads) - 2))
        for row, bold in zip(rows, best, strict=True):
            shown = [
                f"**{value}**" if bold and head == "NME (%)" else value for head, value in zip(heads, row, strict=True)
            ]
            lines.append("| " + " | ".join(shown) + " |")
        parts.append("\n".join([*lines, ""]))
    return "\n".join(parts)


def cell_title(cell: pd.DataFrame) -> str:
    """Title of the rows of an nme_table that share subset and normaliser."""
    first = cell.iloc[0]
    what = f"NME by {first['normaliser']} distance, {first['n_faces']} faces"
    return f"{first['benchmark']}, {first['subset']}: {what}"


def readable(cell: pd.DataFrame) -> tuple[list[str], list[list[str]], list[bool]]:
    """The rows of an nme_table that share subset and normaliser, for people.

    Returns:
        Heads of the columns, cells of each row (the first two columns are text, the others numbers), and
        whether each row has the lowest NME of its label budget.
    """
    heads = ["Method", "Labels", "Labelled faces", "Seeds", "NME (%)", "FR@8 (%)", "AUC@8 (%)"]
    rows = [
        [
            *[method_name(row.method), budget_share(row.labels), str(row.n_labelled), str(row.seeds)],
            *[mean_and_std(row.nme, row.nme_std), f"{row.fr08:.1f}", f"{row.auc08:.1f}"],
        ]
        for row in cell.itertuples()
    ]
    if cell["jitter"].notna().any():
        heads.append("Jitter (%)")
        for row, jitter in zip(rows, cell["jitter"], strict=True):
            row.append(mean_and_std(jitter, np.nan))
    return heads, rows, (cell.groupby("labels")["nme"].transform("min") == cell["nme"]).tolist()


def mean_and_std(mean: float, std: float) -> str:
    """ "6.21 ± 0.05", without the deviation where there is only one seed, empty where there is no value."""
    if np.isnan(mean):
        return ""
    return f"{mean:.2f}" if np.isnan(std) else f"{mean:.2f} ± {std:.2f}"


def write_table(
    benchmark: str,
    scores: Sequence[str | Path],
    faces: str | Path,
    output: str | Path,
    *,
    markdown_output: str | Path | None = None,
    significance_output: str | Path | None = None,
) -> list[Path]:
    """Write the three tables of a benchmark.

    Args:
        benchmark: its name, as in the paths of the runs.
        scores: the runs' scores.csv, methods in the order wanted.
        faces: the face table, for the number of labelled faces and the people.
        output: results/{benchmark}_nme.csv.
        markdown_output: default tables/{benchmark}_nme.md beside the output.
        significance_output: default tables/{benchmark}_significance.csv beside the output.

    Returns:
        The three paths.

    Raises:
        InputError: see load_runs; or a scored face that is not in the face table.
    """
    output = Path(output)
    markdown_output = Path(markdown_output or output.parent / "tables" / f"{benchmark}_nme.md")
    significance_output = Path(significance_output or output.parent / "tables" / f"{benchmark}_significance.csv")
    runs = load_runs(benchmark, scores)
    table = read_faces(faces)
    people = dict(zip(table["face"], table["person"], strict=True))
    strange = [face for face in next(iter(runs.values()))["face"] if face not in people]
    if strange:
        raise InputError(f"{faces}: no face '{strange[0]}', which the scores have; score with this face table")
    annotated = table["face"][(table["split"] == "train").to_numpy() & visibility_of(table).any(axis=1)].tolist()
    n_labelled = {run.labels: len(labelled_faces(annotated, float(run.labels), run.seed)) for run in runs}
    nme = nme_table(benchmark, runs, n_labelled)
    significance = significance_table(benchmark, runs, people)
    for frame, path in ((nme, output), (significance, significance_output)):
        with atomic_path(path) as temporary:
            frame.to_csv(temporary, index=False, float_format="%.4f", lineterminator="\n")
    with atomic_path(markdown_output) as temporary:
        temporary.write_text(markdown(nme), encoding="utf-8")
    return [output, markdown_output, significance_output]

"""Studies: some methods against a reference, and the methods over label budgets."""

from collections.abc import Mapping, Sequence
from math import nan
from pathlib import Path

import pandas as pd

from tsal.config.targets import method_name
from tsal.data.faces import read_faces
from tsal.data.labels import budget_order, budget_share
from tsal.errors import InputError
from tsal.evaluation.metrics import THRESHOLD
from tsal.evaluation.runs import Run, people_of
from tsal.tables.floor import floor_notes
from tsal.tables.layout import MINUS, Block, Column, Number, beside, write_blocks, write_csv
from tsal.tables.nme import note_of
from tsal.tables.scores import aggregate, load_runs, threshold_columns, with_normaliser
from tsal.tables.significance import SIGNIFICANCE_COLUMNS, significance_table

_COMPARISON = SIGNIFICANCE_COLUMNS[SIGNIFICANCE_COLUMNS.index("n_people") :]


def write_study(
    title: str,
    benchmark: str,
    scores: Sequence[str | Path],
    faces: str | Path,
    names: Mapping[str, str],
    reference: str,
    output: str | Path,
    *,
    normaliser: str | None = None,
    thresholds: Sequence[float] = (THRESHOLD,),
    floor: str | Path | None = None,
) -> list[Path]:
    """Write a study: NME and jitter, the difference to the reference, and the shares at thresholds, by subset.

    The tables for people show the interval over people where the face table knows them, else that over faces; the
    CSV has both.

    Args:
        title: of the study.
        benchmark: its name, as in the paths of the runs.
        scores: scores.csv of the runs of the methods, of one or several label budgets.
        faces: the face table, for the people.
        names: how each method is called, in the order of the rows.
        reference: the method with which the others are compared, at the same label budget.
        output: results/tables/{benchmark}_{study}.csv; .md and .tex are written beside it.
        normaliser: of the NME; default the first in the scores.
        thresholds: of FR and AUC, in percent.
        floor: the noise of the benchmark's labels, for a note; see `write_floor`.

    Returns:
        The three paths. Columns of the CSV: benchmark, subset, normaliser, labels, method, name, n_faces, seeds, nme,
        nme_std, fr08, auc08 (for each threshold), jitter, jitter_std, reference, and those of a significance table
        from n_people on.

    Raises:
        InputError: see load_runs and floor_notes; a run of a method without a name, a method without a run, an
            unknown reference.
    """
    runs = _chosen(with_normaliser(load_runs(benchmark, scores), normaliser), names, output)
    if reference not in names:
        raise InputError(f"{output}: the reference '{reference}' is none of the methods {', '.join(names)}")
    compared = significance_table(benchmark, runs, people_of(runs, read_faces(faces), faces), reference=reference)
    keys = ["subset", "normaliser", "labels", "method"]
    table = aggregate(runs, thresholds).merge(compared[[*keys, "reference", *_COMPARISON]], how="left", on=keys)
    table = table.assign(benchmark=benchmark, name=table["method"].map(names))
    shares = [name for threshold in thresholds for name in threshold_columns(threshold)]
    order = ["benchmark", *keys, "name", "n_faces", "seeds", "nme", "nme_std", *shares, "jitter", "jitter_std"]
    blocks = [_error_block(title, table, floor)]
    if compared.size:
        blocks.append(_difference_block(title, table, names[reference]))
    blocks.append(_share_block(title, table, thresholds))
    csv = write_csv(table[[*order, "reference", *_COMPARISON]], output)
    return [csv, *write_blocks(blocks, *beside(output), Path(output).stem)]


def _chosen(runs: dict[Run, pd.DataFrame], names: Mapping[str, str], output: str | Path) -> dict[Run, pd.DataFrame]:
    """The runs in the order of the names."""
    methods = {run.method for run in runs}
    strange = next((run for run in runs if run.method not in names), None)
    if strange:
        raise InputError(f"{strange.folder}: a run of '{strange.method}', which {Path(output).name} does not name")
    missing = [method for method in names if method not in methods]
    if missing:
        raise InputError(f"{output}: no scores of '{missing[0]}'; expected a run of every method that is named")
    return {run: scores for method in names for run, scores in runs.items() if run.method == method}


def _rows(table: pd.DataFrame) -> tuple[list[tuple[str, str]], list[list[str]], dict[tuple, dict]]:
    """Keys (labels, method) and first cells of the rows; figures by (subset, labels, method)."""
    records = {(row["subset"], row["labels"], row["method"]): row for row in table.to_dict("records")}
    keys = list(dict.fromkeys((labels, method) for _, labels, method in records))
    first = next(iter(records))[0]
    heads = [[records[first, *key]["name"], budget_share(key[0])] for key in keys]
    return keys, heads, records


_HEADS = (Column("Method", is_text=True), Column("Labels", is_text=True))


def _error_block(title: str, table: pd.DataFrame, floor: str | Path | None) -> Block:
    keys, rows, records = _rows(table)
    columns, video = list(_HEADS), table["jitter"].notna().any()
    for subset in table["subset"].unique():
        columns.append(Column("NME (%)", "low", span=subset))
        columns += [Column("Jitter (%)", "low", span=subset)] if video else []
        for row, key in zip(rows, keys, strict=True):
            record = records[subset, *key]
            row.append(Number(record["nme"], record["nme_std"]))
            row += [Number(record["jitter"], record["jitter_std"])] if video else []
    benchmark, normaliser = table[["benchmark", "normaliser"]].iloc[0]
    notes = [note_of(normaliser, table["seeds"], "bold: best of a label budget")]
    notes += floor_notes(benchmark, normaliser, floor)
    return Block(f"{title}: {benchmark}", columns, rows, [labels for labels, _ in keys], notes)


def _difference_block(title: str, table: pd.DataFrame, reference: str) -> Block:
    by_people = bool(((table["n_people"] > 1) & (table["n_people"] < table["n_faces"])).any())
    ending = "_people" if by_people else ""
    keys, rows, records = _rows(table[table["reference"].notna()])
    columns = list(_HEADS)
    for subset in table["subset"].unique():
        columns += [Column(head, span=subset) for head in ("Difference", "95 %", "p")]
        for row, key in zip(rows, keys, strict=True):
            record = records[subset, *key]
            low, high, p_value = (record[name + ending] for name in ("low", "high", "p_value"))
            interval = f"[{low:+.2f}, {high:+.2f}]".replace("-", MINUS)
            row += [Number(record["difference"], signed=True), interval]
            row.append("<0.001" if p_value < 0.001 else f"{p_value:.3f}")
    note = (
        f"Difference of the NME (by {table['normaliser'].iloc[0]} distance) to that of {reference} in percentage "
        "points, negative: better; 95 % interval and two-sided p-value of the paired bootstrap over "
        f"{'people' if by_people else 'faces'}, not corrected for the number of comparisons; faces averaged over the "
        "seeds that both have."
    )
    return Block(f"{title}: difference to {reference}", columns, rows, [labels for labels, _ in keys], [note])


def _share_block(title: str, table: pd.DataFrame, thresholds: Sequence[float]) -> Block:
    keys, rows, records = _rows(table)
    columns = list(_HEADS)
    for subset in table["subset"].unique():
        for threshold in thresholds:
            columns.append(Column(f"AUC@{threshold:g}", "high", span=subset))
            columns.append(Column(f"FR@{threshold:g}", "low", span=subset))
            failures, area = threshold_columns(threshold)
            for row, key in zip(rows, keys, strict=True):
                row += [Number(records[subset, *key][name], decimals=1) for name in (area, failures)]
    note = note_of(
        table["normaliser"].iloc[0], table["seeds"], "all columns in percent", "bold: best of a label budget"
    )
    return Block(f"{title}: AUC and failure rate", columns, rows, [labels for labels, _ in keys], [note])


def write_budgets(
    benchmark: str,
    scores: Sequence[str | Path],
    output: str | Path,
    *,
    names: Mapping[str, str] | None = None,
    floor: str | Path | None = None,
) -> list[Path]:
    """Write the NME over label budgets: a block for each subset, methods in rows, budgets in columns.

    Args:
        benchmark: its name, as in the paths of the runs.
        scores: the runs' scores.csv.
        output: results/tables/{benchmark}_budgets.csv; .md and .tex are written beside it.
        names: how each method is called, in the order of the rows; default method_name, as in the scores.
        floor: the noise of the benchmark's labels, for a note; see `write_floor`.

    Returns:
        The three paths. Columns of the CSV: benchmark, subset, normaliser, method, name, seeds, then for each budget B
        nme_B and nme_B_std; a budget without a run is empty.

    Raises:
        InputError: see load_runs and floor_notes; a run of a method without a name, or a method without a run.
    """
    runs = with_normaliser(load_runs(benchmark, scores))
    names = names or {run.method: method_name(run.method) for run in runs}
    table = aggregate(_chosen(runs, names, output))
    budgets = sorted(table["labels"].unique(), key=budget_order)
    records = {(row["subset"], row["method"], row["labels"]): row for row in table.to_dict("records")}
    lines, blocks = [], []
    for subset in table["subset"].unique():
        rows = []
        for method, name in names.items():
            found = {labels: records.get((subset, method, labels)) for labels in budgets}
            figures = {b: (row["nme"], row["nme_std"]) if row else (nan, nan) for b, row in found.items()}
            rows.append([name, *(Number(*figure) for figure in figures.values())])
            line = dict(benchmark=benchmark, subset=subset, normaliser=table["normaliser"].iloc[0], method=method)
            line |= dict(name=name, seeds=max(row["seeds"] for row in found.values() if row))
            for budget, (mean, std) in figures.items():
                line |= {f"nme_{budget}": mean, f"nme_{budget}_std": std}
            lines.append(line)
        columns = [Column("Method", is_text=True), *(Column(budget_share(budget), "low") for budget in budgets)]
        unit = table["normaliser"].iloc[0]
        notes = [note_of(unit, table["seeds"], "in percent; columns: labels; bold: best of a column")]
        notes += floor_notes(benchmark, unit, floor)
        blocks.append(Block(f"{benchmark}, {subset}: NME over label budgets", columns, rows, notes=notes))
    shown = write_blocks(blocks, *beside(output), Path(output).stem)
    return [write_csv(pd.DataFrame(lines), output), *shown]

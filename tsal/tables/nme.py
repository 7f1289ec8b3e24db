"""The tables of a benchmark: NME (CSV, Markdown and LaTeX) and significance."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from tsal.config.targets import method_name
from tsal.data.faces import read_faces
from tsal.data.labels import budget_share
from tsal.evaluation.runs import Run, count_labelled, parse_run, people_of
from tsal.tables.floor import floor_notes
from tsal.tables.layout import Block, Column, Number, beside, to_markdown, write_blocks, write_csv
from tsal.tables.scores import CELL, aggregate, load_runs
from tsal.tables.significance import significance_table

NME_COLUMNS = [
    *["benchmark", "subset", "normaliser", "method", "labels", "n_labelled", "n_faces", "seeds"],
    *["nme", "nme_std", "fr08", "auc08", "jitter"],
]


def nme_table(benchmark: str, runs: Mapping[Run, pd.DataFrame], n_labelled: Mapping[str, int]) -> pd.DataFrame:
    """Aggregate scores: the mean over the faces of each run, then mean and standard deviation over seeds.

    Args:
        benchmark: its name.
        runs: scores by run.
        n_labelled: number of labelled training faces of each label budget.

    Returns:
        One row per (subset, normaliser, labels, method), in this order, with NME_COLUMNS: nme, fr08
        (FR@0.08), auc08 (AUC@0.08) and jitter in percent, means over seeds; nme_std is the sample standard
        deviation (n - 1) over seeds, NaN with one seed; jitter is NaN where no face has one. Of runs that were
        scored on another benchmark a column target, after the first, names it.
    """
    table = aggregate(runs)
    table["n_labelled"] = table["labels"].map(n_labelled)
    run = next(iter(runs))
    columns = [*NME_COLUMNS[:1], *(["target"] if run.target != run.benchmark else []), *NME_COLUMNS[1:]]
    return table.assign(benchmark=benchmark, target=run.target)[columns]


def markdown(table: pd.DataFrame) -> str:
    """An nme_table in Markdown: one table a (subset, normaliser), the best method of each budget in bold."""
    return to_markdown(_blocks(table))


def _blocks(table: pd.DataFrame, floor: str | Path | None = None) -> list[Block]:
    blocks = []
    for (_, normaliser), cell in table.groupby(CELL, sort=False):
        columns, rows = _cells(cell)
        notes = [note_of(normaliser, cell["seeds"], "bold: best of a label budget")]
        notes += floor_notes(cell["benchmark"].iloc[0], normaliser, floor)
        blocks.append(Block(cell_title(cell), columns, rows, cell["labels"].tolist(), notes))
    return blocks


def note_of(normaliser: str, seeds: pd.Series, *more: str) -> str:
    """The line below a table: by what NME is normalised, and over how many seeds numbers are means."""
    low, high = int(seeds.min()), int(seeds.max())
    count = "1 seed" if high == 1 else f"{low} seeds" if low == high else f"{low} to {high} seeds"
    spread = f"mean ± standard deviation over {count}" if high > 1 else count
    return "; ".join([f"NME by {normaliser} distance", spread, *more]) + "."


def cell_title(cell: pd.DataFrame) -> str:
    """Title of the rows of an nme_table that share subset and normaliser."""
    first = cell.iloc[0]
    tested = f", tested on {first['target']}" if "target" in cell.columns else ""
    what = f"NME by {first['normaliser']} distance, {first['n_faces']} faces"
    return f"{first['benchmark']}{tested}, {first['subset']}: {what}"


def _cells(cell: pd.DataFrame) -> tuple[list[Column], list[list[str | Number]]]:
    columns = [Column("Method", is_text=True), Column("Labels", is_text=True)]
    columns += [Column("Labelled faces"), Column("Seeds"), Column("NME (%)", "low")]
    columns += [Column("FR@8 (%)", "low"), Column("AUC@8 (%)", "high")]
    rows = [
        [
            *[method_name(row.method), budget_share(row.labels), str(row.n_labelled), str(row.seeds)],
            *[Number(row.nme, row.nme_std), Number(row.fr08, decimals=1), Number(row.auc08, decimals=1)],
        ]
        for row in cell.itertuples()
    ]
    if cell["jitter"].notna().any():
        columns.append(Column("Jitter (%)", "low"))
        for row, jitter in zip(rows, cell["jitter"], strict=True):
            row.append(Number(jitter))
    return columns, rows


def readable(cell: pd.DataFrame) -> tuple[list[str], list[list[str]], list[bool]]:
    """The rows of an nme_table that share subset and normaliser, for people.

    Returns:
        Heads of the columns, cells of each row (the first two columns are text, the others numbers), and
        whether each row has the lowest NME of its label budget.
    """
    columns, rows = _cells(cell)
    best = cell.groupby("labels")["nme"].transform("min") == cell["nme"]
    return [column.head for column in columns], [[str(value) for value in row] for row in rows], best.tolist()


def mean_and_std(mean: float, std: float) -> str:
    """ "6.21 ± 0.05", without the deviation where there is only one seed, empty where there is no value."""
    return str(Number(mean, std))


def write_table(
    benchmark: str,
    scores: Sequence[str | Path],
    faces: str | Path,
    output: str | Path,
    *,
    markdown_output: str | Path | None = None,
    significance_output: str | Path | None = None,
    floor: str | Path | None = None,
) -> list[Path]:
    """Write the tables of a benchmark.

    Args:
        benchmark: its name, as in the paths of the runs.
        scores: the runs' scores.csv, methods in the order wanted.
        faces: the face table, for the number of labelled faces and the people.
        output: results/{benchmark}_nme.csv.
        markdown_output: default tables/{benchmark}_nme.md beside the output; the .tex is written beside it.
        significance_output: default tables/{benchmark}_significance.csv beside the output.
        floor: the noise of the benchmark's labels, for a note; see `write_floor`.

    Returns:
        The four paths: CSV, Markdown, significance, LaTeX.

    Raises:
        InputError: see load_runs and floor_notes; or a scored face that is not in the face table.
    """
    output = Path(output)
    text = Path(markdown_output or output.parent / "tables" / f"{benchmark}_nme.md")
    significance_output = significance_output or output.parent / "tables" / f"{benchmark}_significance.csv"
    runs, table = load_runs(benchmark, scores), read_faces(faces)
    significance = significance_table(benchmark, runs, people_of(runs, table, faces))
    nme = nme_table(benchmark, runs, count_labelled(list(runs), table))
    paths = [write_csv(nme, output), write_csv(significance, significance_output)]
    shown = write_blocks(_blocks(nme, floor), text, text.with_suffix(".tex"), f"{benchmark}_nme")
    return [paths[0], shown[0], paths[1], shown[1]]


def write_nme_of_runs(
    benchmark: str, scores: Sequence[str | Path], faces: str | Path, output: str | Path
) -> list[Path]:
    """Write the NME of all given runs, of whatever studies, on the test faces of their benchmark or of another.

    Args:
        benchmark: that the runs were trained on.
        scores: .../{benchmark}/{method}/{labels}/seed{seed}/scores.csv, or on_{target}/scores.csv there, all of one
            target.
        faces: the face table of the benchmark, for the number of labelled faces.
        output: results/claims/{benchmark}_nme.csv or results/tables/{benchmark}_on_{target}.csv, with NME_COLUMNS; .md
            and .tex are written beside it.

    Returns:
        The three paths.

    Raises:
        InputError: see load_runs.
    """
    runs = load_runs(benchmark, scores, parse_run(scores[0]).target if scores else None)
    nme = nme_table(benchmark, runs, count_labelled(list(runs), read_faces(faces)))
    return [write_csv(nme, output), *write_blocks(_blocks(nme), *beside(output), Path(output).stem)]

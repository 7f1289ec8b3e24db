"""The floor under a benchmark's errors, the noise of its labels: as a table, and as a note below other tables."""

from collections.abc import Iterator
from math import isnan
from pathlib import Path

import pandas as pd

from tsal.errors import InputError
from tsal.tables.layout import Block, Column, Number, beside, write_blocks, write_csv

FLOOR_COLUMNS = [
    *["benchmark", "normaliser", "landmarks", "n_pairs", "n_people"],
    *["difference", "floor", "low", "high"],
]
_NOTE = (
    "Labels of neighbouring frames, one carried to the other by optical flow: how far they lie apart on average, in "
    "percent of the {normaliser} distance, and the noise of one label in it, as an NME, without the error of tracking; "
    "95 % interval of the bootstrap over people. A lower bound: errors that both frames share are not seen."
)


def write_floor(benchmark: str, normaliser: str, floors: pd.DataFrame, output: str | Path) -> list[Path]:
    """Write the noise of a benchmark's labels.

    Args:
        benchmark: its name.
        normaliser: by which the noise was measured.
        floors: see `tsal.evaluation.label_noise.noise_floors`.
        output: results/tables/{benchmark}_floor.csv; .md and .tex are written beside it.

    Returns:
        The three paths. Columns of the CSV: FLOOR_COLUMNS, the last four in percent.
    """
    table = floors.assign(benchmark=benchmark, normaliser=normaliser)[FLOOR_COLUMNS]
    columns = [Column("Landmarks", is_text=True)]
    columns += [Column(head) for head in ("Pairs", "People", "Difference (%)", "Noise (%)", "95 %")]
    rows = [
        [
            *[row.landmarks, str(row.n_pairs), str(row.n_people), Number(row.difference), Number(row.floor)],
            "" if isnan(row.low) else f"[{row.low:.2f}, {row.high:.2f}]",
        ]
        for row in table.itertuples()
    ]
    block = Block(f"{benchmark}: noise of the labels", columns, rows, notes=[_NOTE.format(normaliser=normaliser)])
    return [write_csv(table, output), *write_blocks([block], *beside(output), Path(output).stem)]


def floor_notes(benchmark: str, normaliser: str, floor: str | Path | None) -> Iterator[str]:
    """The line below a table of a benchmark's errors that says what its labels allow, where that is known.

    Args:
        benchmark, normaliser: of the table.
        floor: the CSV of `write_floor`, or None.

    Raises:
        InputError: the file cannot be read as such, or is of another benchmark.
    """
    if floor is None:
        return
    row = _read_whole(benchmark, floor)
    if row["normaliser"] != normaliser or isnan(row["floor"]):
        return
    interval = "" if isnan(row["low"]) else f" (95 % interval over people {row['low']:.2f} to {row['high']:.2f})"
    yield (
        f"The labels of {benchmark} were made by a machine: those of neighbouring frames differ by "
        f"{row['difference']:.1f} % after tracking. Their own noise is {row['floor']:.2f} %{interval}, a lower bound: "
        "no detector can be expected below it."
    )


def _read_whole(benchmark: str, path: str | Path) -> pd.Series:
    """The row of all landmarks."""
    again = "make it anew with `tsal floor`"
    try:
        table = pd.read_csv(path, dtype={"benchmark": str}, compression=None)
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read as the noise of labels ({error}); {again}") from error
    if list(table.columns) != FLOOR_COLUMNS or "all" not in table["landmarks"].tolist():
        raise InputError(f"{path}: found no noise of labels; expected columns {', '.join(FLOOR_COLUMNS)}; {again}")
    row = table[table["landmarks"] == "all"].iloc[0]
    if row["benchmark"] != benchmark:
        raise InputError(f"{path}: the noise of labels of '{row['benchmark']}', but the table is of '{benchmark}'")
    return row

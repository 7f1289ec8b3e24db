"""What training costs: wall time a step, beside that of supervised learning."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from tsal.config.names import method_name
from tsal.errors import InputError
from tsal.evaluation.runs import Run, parse_run, read_log
from tsal.tables.gap import SUPERVISED
from tsal.tables.layout import Block, Column, Number, beside, write_blocks, write_csv

COST_COLUMNS = ["benchmark", "method", "runs", "seconds_per_step", "ratio", "ratio_low", "ratio_high"]


def cost_table(benchmark: str, logs: Mapping[Run, pd.DataFrame]) -> pd.DataFrame:
    """Seconds a step of each method, measurements on the way included.

    Args:
        benchmark: its name.
        logs: log.csv by run; seconds are taken between the first and the last row.

    Returns:
        One row a method with COST_COLUMNS: seconds_per_step is the median over its runs, which a few runs beside other
        work do not move; ratio, that to `supervised` with the same labels and seed, the median over pairs of runs,
        ratio_low and ratio_high its range, NaN without pairs.

    Raises:
        InputError: no log with two rows at least.
    """
    rows = []
    for run, log in logs.items():
        steps, seconds = (log[name].iloc[-1] - log[name].iloc[0] for name in ("iteration", "seconds"))
        if steps > 0:
            rows.append((run.method, run.labels, run.seed, seconds / steps))
    if not rows:
        raise InputError(f"{benchmark}: no log with two rows at least, between which seconds could be counted")
    table = pd.DataFrame(rows, columns=["method", "labels", "seed", "seconds"])
    known = table[table["method"] == SUPERVISED].drop(columns="method")
    paired = table.merge(known, how="left", on=["labels", "seed"], suffixes=("", "_reference"))
    paired["ratio"] = paired["seconds"] / paired["seconds_reference"]
    grouped = paired.groupby("method", sort=False)
    measured = grouped.agg(
        runs=("seconds", "size"),
        seconds_per_step=("seconds", "median"),
        ratio=("ratio", "median"),
        ratio_low=("ratio", "min"),
        ratio_high=("ratio", "max"),
    )
    return measured.reset_index().assign(benchmark=benchmark)[COST_COLUMNS]


def write_cost(benchmark: str, logs: Sequence[str | Path], output: str | Path) -> list[Path]:
    """Write the cost of training.

    Args:
        benchmark: its name.
        logs: log.csv of the runs.
        output: results/claims/{benchmark}_cost.csv, with COST_COLUMNS; .md and .tex are written beside it.

    Returns:
        The three paths.

    Raises:
        InputError: a log without seconds, or that cannot be read; see cost_table.
    """
    known = {parse_run(path): read_log(path) for path in logs}
    for run, log in known.items():
        if "seconds" not in log.columns:
            raise InputError(f"{run.folder / 'log.csv'}: no column seconds; expected the log of a training")
    table = cost_table(benchmark, known)
    columns = [
        Column("Method", is_text=True),
        Column("Runs"),
        Column("Seconds a step"),
        Column("Ratio"),
        Column("Range"),
    ]
    rows = [
        [
            *[method_name(row.method), str(row.runs), Number(row.seconds_per_step, decimals=3), Number(row.ratio)],
            "" if pd.isna(row.ratio) else f"{row.ratio_low:.2f} to {row.ratio_high:.2f}",
        ]
        for row in table.itertuples()
    ]
    note = "Medians over runs; ratio: to supervised runs of the same labels and seed; measurements on the way included."
    block = Block(f"{benchmark}: wall time of training", columns, rows, notes=[note])
    return [write_csv(table, output), *write_blocks([block], *beside(output), Path(output).stem)]

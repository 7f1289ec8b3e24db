"""The share of the gap between few labels and all labels that a method closes without further labels."""

from collections.abc import Mapping, Sequence
from math import nan
from pathlib import Path

import numpy as np
import pandas as pd

from tsal.config.targets import method_name
from tsal.data.faces import read_faces
from tsal.data.labels import budget_share, parse_budget
from tsal.errors import InputError
from tsal.evaluation.runs import Run, people_of
from tsal.tables.layout import MINUS, Block, Column, Number, beside, write_blocks, write_csv
from tsal.tables.scores import CELL, errors_of_runs, in_order, load_runs, seeds_of_runs
from tsal.tables.significance import DRAWS, bootstrap_means, resampled

SUPERVISED = "supervised"
GAP_COLUMNS = [
    *["benchmark", "subset", "normaliser", "labels", "method", "n_faces", "n_people", "seeds"],
    *["nme", "nme_supervised", "nme_full", "gap", "low", "high"],
]
_SEED = 0  # of the bootstrap
_UNBOUNDED = 0.025  # share of draws without a gap, from which on a 95 % interval has no end


def gap_table(
    benchmark: str,
    runs: Mapping[Run, pd.DataFrame],
    people: Mapping[str, str],
    *,
    supervised: str = SUPERVISED,
) -> pd.DataFrame:
    """g(p) = (NME_supervised(p) - NME_method(p)) / (NME_supervised(p) - NME_supervised(1)), in percent.

    Each draw of the bootstrap resamples people (faces of nobody known are resampled one by one) and seeds; a seed
    chooses the labelled faces, so that one draw takes the same seeds of all three terms.

    Args:
        benchmark: its name.
        runs: scores by run, as load_runs returns them, of `supervised` with all labels among others.
        people: person of each face.
        supervised: method that learns from labels alone, such as `supervised_long` for methods with as many steps.

    Returns:
        One row per (subset, normaliser, labels, method) with GAP_COLUMNS, for budgets below all labels. The means are
        over the seeds that all three terms have; seeds is their number. gap is NaN where more labels are no better;
        low and high, its 95 % interval, are NaN where that is so in over 2.5 % of the draws.

    Raises:
        InputError: no run of `supervised` with all labels.
    """
    seeds = seeds_of_runs(runs)
    full = next((labels for labels, method in seeds if method == supervised and parse_budget(labels) == 1), None)
    if full is None:
        raise InputError(f"{benchmark}: no run of '{supervised}' with all labels, from which the gap is measured")
    rows = []
    for (subset, normaliser), errors in errors_of_runs(runs).items():
        persons = [people[face] for face in errors.index]
        member = np.unique(persons, return_inverse=True)[1]
        means = pd.DataFrame(bootstrap_means(errors.to_numpy(), member, DRAWS, _SEED), columns=errors.columns)
        for (labels, method), own in seeds.items():
            common = own & seeds.get((labels, supervised), set()) & seeds[full, supervised]
            if method == supervised or labels == full or not common:
                continue
            keys = [(labels, method), (labels, supervised), (full, supervised)]
            figures = _gap(errors, means, keys, sorted(common))
            about = [benchmark, subset, normaliser, labels, method, len(errors), int(member.max()) + 1, len(common)]
            rows.append([*about, *figures])
    return in_order(pd.DataFrame(rows, columns=GAP_COLUMNS), ["subset", "normaliser", "labels"])


def _gap(
    errors: pd.DataFrame, means: pd.DataFrame, keys: Sequence[tuple[str, str]], seeds: Sequence[int]
) -> list[float]:
    """NME of method, of `supervised` with as many and with all labels; the gap closed and its interval, in percent."""
    columns = [[(*key, number) for number in seeds] for key in keys]
    nme, few, full = (float(errors[names].to_numpy().mean()) for names in columns)
    if few <= full:
        return [nme, few, full, nan, nan, nan]
    chosen = np.random.default_rng(_SEED).integers(len(seeds), size=(len(means), len(seeds)))
    drawn = [np.take_along_axis(means[names].to_numpy(), chosen, axis=1).mean(axis=1) for names in columns]
    width = drawn[1] - drawn[2]
    bounded = width > 0
    low, high = nan, nan
    if np.mean(~bounded) <= _UNBOUNDED:
        low, high = np.percentile(100 * (drawn[1] - drawn[0])[bounded] / width[bounded], [2.5, 97.5])
    return [nme, few, full, 100 * (few - nme) / (few - full), float(low), float(high)]


def write_gap(
    benchmark: str,
    scores: Sequence[str | Path],
    faces: str | Path,
    output: str | Path,
    supervised: str = SUPERVISED,
) -> list[Path]:
    """Write the gap that each method closes: a block for each subset, methods in rows, label budgets in columns.

    Args:
        benchmark: its name, as in the paths of the runs.
        scores: the runs' scores.csv.
        faces: the face table, for the people.
        output: results/claims/{benchmark}_gap.csv, with GAP_COLUMNS; .md and .tex are written beside it.
        supervised: see gap_table.

    Returns:
        The three paths.

    Raises:
        InputError: see load_runs and gap_table.
    """
    runs = load_runs(benchmark, scores)
    table = gap_table(benchmark, runs, people_of(runs, read_faces(faces), faces), supervised=supervised)
    blocks = [_block(benchmark, cell) for _, cell in table.groupby(CELL, sort=False)]
    return [write_csv(table, output), *write_blocks(blocks, *beside(output), Path(output).stem)]


def _block(benchmark: str, cell: pd.DataFrame) -> Block:
    columns = [Column("Method", is_text=True)]
    methods = list(dict.fromkeys(cell["method"]))
    rows: list[list[str | Number]] = [[method_name(method)] for method in methods]
    for labels, of_budget in cell.groupby("labels", sort=False):
        columns += [Column(head, best, span=budget_share(labels)) for head, best in (("Gap (%)", "high"), ("95 %", ""))]
        known = of_budget.set_index("method")
        for row, method in zip(rows, methods, strict=True):
            gap, low, high = known.loc[method, ["gap", "low", "high"]] if method in known.index else (nan,) * 3
            interval = "" if np.isnan(low) else f"[{low:.0f}, {high:.0f}]".replace("-", MINUS)
            row += [Number(gap, decimals=0), interval]
    first = cell.iloc[0]
    note = (
        "Share of the way from supervised learning with these labels to that with all labels; NME by "
        f"{first['normaliser']} distance; 95 % interval of the bootstrap over {resampled(first)} and over "
        f"{cell['seeds'].max()} seeds; bold: most of a column."
    )
    return Block(f"{benchmark}, {first['subset']}: gap closed", columns, rows, notes=[note])

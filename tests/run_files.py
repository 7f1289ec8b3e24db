"""Files of made-up runs, and how two of them compare, for the tests of tables, figures and the report."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from tsal.evaluation.metrics import SCORE_COLUMNS
from tsal.tables.significance import Comparison


def run_folder(root: Path, method: str, labels: str = "0.05", seed: int = 0, benchmark: str = "toy") -> Path:
    folder = root / benchmark / method / labels / f"seed{seed}"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def scores_table(
    errors: Sequence[float],
    *,
    subset: str = "full",
    normaliser: str = "inter-ocular",
    jitter: float | Sequence[float] = np.nan,
) -> pd.DataFrame:
    """Scores of the faces f0, f1, ... of one clip."""
    table = pd.DataFrame({"face": [f"f{i}" for i in range(len(errors))], "nme": list(errors)})
    table = table.assign(clip="c", frame=range(len(errors)), subset=subset, normaliser=normaliser)
    table["jitter"] = jitter
    return table[SCORE_COLUMNS]


def write_run_scores(root: Path, method: str, labels: str, seed: int, *tables: pd.DataFrame) -> Path:
    path = run_folder(root, method, labels, seed) / "scores.csv"
    pd.concat(tables).to_csv(path, index=False)
    return path


def write_run_log(root: Path, method: str, labels: str, seed: int, **columns: Sequence[float]) -> Path:
    """A log.csv with a row every 10 iterations from 100 on, unless `iteration` is given."""
    path = run_folder(root, method, labels, seed) / "log.csv"
    length = len(next(iter(columns.values())))
    pd.DataFrame({"iteration": range(100, 100 + 10 * length, 10)} | columns).to_csv(path, index=False)
    return path


def paired_bootstrap(
    a: np.ndarray, b: np.ndarray, groups: Sequence[str] | None = None, *, draws: int = 10_000, seed: int = 0
) -> Comparison:
    """The reference of tsal.tables.significance, one draw after the other: two methods by their errors (N,) on the same
    faces; with groups (N,) whole groups are resampled."""
    difference = np.asarray(a, float) - np.asarray(b, float)
    labels = np.arange(len(difference)) if groups is None else np.asarray(groups)
    members = [difference[labels == label] for label in np.unique(labels)]
    random = np.random.default_rng(seed)
    sums, sizes = np.array([part.sum() for part in members]), np.array([len(part) for part in members])
    means = np.empty(draws)
    for number in range(draws):
        chosen = random.integers(len(members), size=len(members))
        means[number] = sums[chosen].sum() / sizes[chosen].sum()
    tail = min((means <= 0).sum(), (means >= 0).sum())
    p_value = min(1.0, max(2 * (tail + 1) / (draws + 1), 2.0 ** (1 - len(members))))
    return Comparison(difference.mean(), *np.percentile(means, [2.5, 97.5]), p_value)

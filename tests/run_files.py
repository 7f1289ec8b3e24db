"""Files of made-up runs, for the tests of tables, figures and the report."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from tsal.evaluation.metrics import SCORE_COLUMNS


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

"""The NME of all runs of a study, in one file."""

from collections.abc import Sequence
from pathlib import Path

from tsal.data.faces import read_faces
from tsal.evaluation.runs import count_labelled
from tsal.tables.layout import write_csv
from tsal.tables.loading import load_runs
from tsal.tables.nme import nme_table


def write_all_nme(benchmark: str, scores: Sequence[str | Path], faces: str | Path, output: str | Path) -> Path:
    """Write the NME of all runs, however many their methods.

    Args:
        benchmark: its name, as in the paths of the runs.
        scores: the runs' scores.csv.
        faces: the face table, for the number of labelled faces.
        output: results/claims/{benchmark}_nme.csv, with NME_COLUMNS.

    Returns:
        The path.

    Raises:
        InputError: see load_runs.
    """
    runs = load_runs(benchmark, scores)
    return write_csv(nme_table(benchmark, runs, count_labelled(list(runs), read_faces(faces))), output)

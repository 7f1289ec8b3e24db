"""The files of a run: which run a path belongs to, and readers for its logs, predictions and scores.

Logs and scores are read alike whether they are files of their own or kept (tsal.evaluation.kept).
"""

import io
import logging
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tsal.bounds import reading
from tsal.bounds.tables import check_csv
from tsal.bounds.texts import read_yaml
from tsal.data.faces import keep_points, read_faces, visibility_of
from tsal.data.labels import labelled_faces, parse_budget
from tsal.data.landmarks import SCHEMES, Scheme, part_of
from tsal.errors import InputError
from tsal.evaluation.kept import SUFFIX, Reference, read_kept_scores, read_kept_settings, read_log_text, reference
from tsal.evaluation.metrics import SCORE_COLUMNS, score_predictions
from tsal.files import atomic_path
from tsal.settings.code import training_code
from tsal.settings.models import read_mapping

logger = logging.getLogger(__name__)
_FOLDER = re.compile(r"seed(\d+)")
_TARGET = re.compile(r"on_([\w-]+)")
_CODE = 100  # letters of a version that are shown
_TEXT = {column: str for column in ("face", "clip", "subset", "normaliser")}


@dataclass(frozen=True)
class Run:
    """One training run: the folder .../{benchmark}/{method}/{labels}/seed{seed}, or its test on other faces.

    Attributes:
        benchmark: that the run was trained on.
        labels: the label budget as written in config.yaml, for example "0.05".
        folder: that holds the files; of a test on another benchmark the folder on_{target} in the run's own.
        target: the benchmark of the test faces; default that of training.
    """

    benchmark: str
    method: str
    labels: str
    seed: int
    folder: Path
    target: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "target", self.target or self.benchmark)

    def __str__(self) -> str:
        tested = "" if self.target == self.benchmark else f"/on_{self.target}"
        return f"{self.benchmark}/{self.method}/{self.labels}/seed{self.seed}{tested}"


def parse_run(path: str | Path) -> Run:
    """The run that a file lies in, or that a folder is.

    Args:
        path: .../{benchmark}/{method}/{labels}/seed{seed}, or on_{target} in it, or a file directly in either; of a
            kept run the same with {benchmark}.parquet.

    Raises:
        InputError: the path has another form.
    """
    path = Path(path)
    folder = path if _FOLDER.fullmatch(path.name) or _tested_on(path) else path.parent
    tested = _tested_on(folder)
    parts = (folder.parent if tested else folder).parts[-4:]
    if len(parts) == 4 and (seed := _FOLDER.fullmatch(parts[3])) and _is_budget(parts[2]):
        return Run(parts[0].removesuffix(SUFFIX), *parts[1:3], int(seed[1]), folder, tested)
    raise InputError(f"{path}: not the file of a run; expected .../BENCHMARK/METHOD/LABELS/seedN/[on_TARGET/]FILE")


def _tested_on(folder: Path) -> str:
    """The benchmark whose faces a folder on_{target} of a run is about; empty for other folders."""
    found = _TARGET.fullmatch(folder.name)
    return found[1] if found and _FOLDER.fullmatch(folder.parent.name) else ""


def _is_budget(text: str) -> bool:
    try:
        parse_budget(text)
    except InputError:
        return False
    return True


def settings_of_run(run: Run) -> dict[str, Any]:
    """The content of a run's settings.yaml, or what is kept of it.

    Raises:
        InputError: missing or damaged; or the kept runs have none of that name.
    """
    folder = run.folder.parent if run.target != run.benchmark else run.folder
    kept = reference(folder)
    return read_kept_settings(kept) if kept else read_mapping(folder / "settings.yaml")


def code_of(folder: Path) -> str:
    """The version of the code that trained the run in a folder, empty where its machine.yaml does not say."""
    try:
        code = read_yaml(folder / "machine.yaml", "what computed a run")[-1]["code"]
    except (OSError, InputError, KeyError, IndexError, TypeError):
        return ""
    return code[:_CODE] if isinstance(code, str) else ""


def by_other_code(code: str, now: str) -> str:
    """What is said of runs that other code trained than the present one."""
    other = f"code {code}" if code else "code of an unknown version"
    return (
        f"trained by {other}, not by the present {now}; used as they are (to train them anew, delete them, or take "
        "them out of what is kept)"
    )


def warn_of_other_code(paths: Sequence[Path]) -> None:
    """Say of runs, given by a file in the folder of each, that other code trained them; kept ones are left out."""
    now = training_code()
    folders = [path.parent for path in paths if (path.parent / "machine.yaml").exists()]
    for code, count in Counter(map(code_of, folders)).items():
        if code != now:
            logger.warning("%d of %d runs: %s", count, len(folders), by_other_code(code, now))


def read_log(path: str | Path) -> pd.DataFrame:
    """Training log: column iteration, ascending and unique (of repeated ones the last counts), then figures.

    Raises:
        InputError: unreadable, no rows, no column iteration, or cells that are no numbers.
    """
    log = _read_csv(path, ["iteration"])
    _check_numbers(log, path, list(log.columns))
    return log.drop_duplicates("iteration", keep="last").sort_values("iteration", ignore_index=True)


def read_scores(path: str | Path) -> pd.DataFrame:
    """Scores of a run: columns SCORE_COLUMNS of tsal.evaluation.metrics, one row per (face, subset, normaliser).

    Raises:
        InputError: unreadable, no rows, missing columns, cells that are no numbers, an empty nme, or repeated
            rows.
    """
    kept = reference(path)
    scores = read_kept_scores(kept)[SCORE_COLUMNS] if kept else _read_csv(path, SCORE_COLUMNS)
    _check_numbers(scores, path, ["frame", "nme", "jitter"])
    wrong = ~(np.isfinite(scores["nme"]) & (scores["nme"] >= 0))
    if wrong.any():
        face, nme = scores[["face", "nme"]][wrong].iloc[0]
        raise InputError(f"{path}: face '{face}': found nme {nme}, expected 0 or more; score the predictions anew")
    twice = scores.duplicated(["face", "subset", "normaliser"])
    if twice.any():
        raise InputError(f"{path}: face '{scores['face'][twice].iloc[0]}' is scored twice; score the predictions anew")
    return scores


def write_scores(
    predictions: str | Path,
    faces: str | Path,
    output: str | Path,
    *,
    scheme: Scheme,
    normalisers: Sequence[str],
    is_video: bool,
    subsets: Sequence[str] = (),
    points: str | None = None,
) -> None:
    """Score the test faces of a predictions.csv and write scores.csv; see tsal.evaluation.metrics.score_predictions.

    Args:
        predictions: as read_predictions.
        faces: the face table.
        output: the scores' path.
        scheme: of the landmarks.
        normalisers: names of the scheme's normalisers.
        is_video: whether to measure jitter.
        points: a built-in scheme of some of the scheme's points, such as "51" of "68", to score these alone.
        subsets: in the order that the scores, and so all tables and figures, get; others follow.

    Raises:
        InputError: names the predictions' file and the face.
    """
    found, table, scored = read_predictions(predictions), read_faces(faces), SCHEMES[points] if points else scheme
    try:
        if scored != scheme:
            kept = part_of(scored, scheme)
            found, table = keep_points(found, kept), keep_points(table, kept)
        scores = score_predictions(found, table, scored, normalisers, is_video)
    except InputError as error:
        raise InputError(f"{predictions} against {faces}: {error}") from error
    place = {subset: number for number, subset in enumerate(subsets)}
    scores = scores.sort_values("subset", key=lambda column: column.map(place), kind="stable", ignore_index=True)
    with atomic_path(output) as temporary:
        scores.to_csv(temporary, index=False, float_format="%.6f", lineterminator="\n")


def read_predictions(path: str | Path) -> pd.DataFrame:
    """Predictions: columns face, x0, y0, x1, y1, ... in image px; empty cells are NaN, which scoring refuses. Of no
    face, no row.

    Raises:
        InputError: unreadable, missing columns, or cells that are no numbers.
    """
    predictions = _read_csv(path, ["face", "x0", "y0"], may_be_empty=True)
    points = [column for column in predictions.columns if re.fullmatch(r"[xy]\d+", column)]
    _check_numbers(predictions, path, points)
    expected = [f"{axis}{k}" for k in range(len(points) // 2) for axis in "xy"]
    if points != expected:
        raise InputError(f"{path}: landmark columns are {', '.join(points[:6])}, ...; expected x0, y0, x1, y1, ...")
    return predictions[["face", *points]]


def count_labelled(runs: Sequence[Run], faces: pd.DataFrame) -> dict[str, int]:
    """Number of labelled training faces of each label budget.

    Args:
        runs: whose budgets to count.
        faces: the face table of the benchmark that they were trained on.
    """
    annotated = faces[(faces["split"] == "train").to_numpy() & visibility_of(faces).any(axis=1)]
    if annotated.empty:
        raise InputError("the face table: found no annotated training face, expected some; index the benchmark anew")
    of_faces = [annotated[name].tolist() for name in ("face", "clip", "frame")]
    seeds = {run.labels: run.seed for run in runs}
    return {labels: len(labelled_faces(of_faces[0], labels, seed, *of_faces[1:])) for labels, seed in seeds.items()}


def people_of(runs: Mapping[Run, pd.DataFrame], faces: pd.DataFrame, path: str | Path) -> dict[str, str]:
    """Person of each scored face; a face of nobody known is a person of its own.

    Args:
        runs: scores by run.
        faces: the face table of the test faces.
        path: its file, for the error.

    Raises:
        InputError: a scored face that is not in the face table.
    """
    people = {face: person or face for face, person in zip(faces["face"], faces["person"], strict=True)}
    strange = [face for face in next(iter(runs.values()))["face"].unique() if face not in people]
    if strange:
        raise InputError(f"{path}: no face '{strange[0]}', which the scores have; score with this face table")
    return people


def _read_csv(path: str | Path, columns: list[str], may_be_empty: bool = False) -> pd.DataFrame:
    """Read a table with the columns; text stays text, since a face may well be called "007" or "NA"."""
    kept = reference(path)
    with reading(path, "CSV", "Delete it and run its rule again"):
        if not kept:
            check_csv(path)
        header = pd.read_csv(_source(path, kept), nrows=0, compression=None)
        numbers = [column for column in header.columns if column not in _TEXT]
        missing_cells = {column: ["", "nan", "NaN"] for column in numbers}
        table = pd.read_csv(
            _source(path, kept), dtype=_TEXT, keep_default_na=False, na_values=missing_cells, compression=None
        )
    missing = [column for column in columns if column not in table.columns]
    if missing:
        raise InputError(f"{path}: no column {', '.join(missing)}; found {', '.join(map(str, table.columns[:8]))}")
    if table.empty and not may_be_empty:
        raise InputError(f"{path}: a header without rows; delete it and run its rule again")
    if "face" in table.columns and (table["face"] == "").any():
        row = int((table["face"] == "").to_numpy().argmax())
        raise InputError(f"{path}: row {row + 2}: a face without a name")
    # Without rows nothing says that columns hold numbers.
    return table.astype(dict.fromkeys(numbers, float)) if table.empty else table


def _source(path: str | Path, kept: Reference | None) -> str | Path | io.StringIO:
    return io.StringIO(read_log_text(kept)) if kept else path


def _check_numbers(table: pd.DataFrame, path: str | Path, columns: list[str]) -> None:
    for column in columns:
        if not pd.api.types.is_numeric_dtype(table[column]):
            wrong = pd.to_numeric(table[column], errors="coerce").isna() & table[column].notna()
            row = int(wrong.to_numpy().argmax())
            raise InputError(
                f"{path}: column {column}, row {row + 2}: '{str(table[column].iloc[row])[:80]}' is not a number"
            )

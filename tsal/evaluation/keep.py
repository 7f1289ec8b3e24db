"""The small files of finished runs, kept so that a study goes on later, or elsewhere, without training them again.

Of each run BENCHMARK/METHOD/LABELS/seedN are kept settings.yaml, scores.csv.gz and the measurements of log.csv; of each
benchmark index.yaml, which says what its faces are made of.
"""

import gzip
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from tsal.errors import InputError
from tsal.evaluation.runs import Run, parse_run, read_log, read_scores
from tsal.files import atomic_path

logger = logging.getLogger(__name__)
INDEX = "index.yaml"
KEPT_AS = {"scores.csv": "scores.csv.gz", "log.csv": "log.csv"}  # file of a run -> its name where it is kept
_MEASURED = ("val_nme_", "noise_")
_LATER = 60.0  # seconds by which a file is younger than what is made from it only if that is out of date


def keep_runs(results: str | Path, folder: str | Path) -> list[Path]:
    """Copy the small files of all finished runs; warm-ups and runs that are not finished are passed over.

    Args:
        results: the workflow's folder with runs/; beside it lies data/, with the index.yaml of each benchmark.
        folder: where to keep them. Files that would not change are not touched.

    Returns:
        The folders of the runs that are kept, ordered by path.

    Raises:
        InputError: no finished run; files that cannot be read; or the folder holds runs of the same benchmark that
            were measured on other faces.
    """
    results, folder = Path(results), Path(folder)
    runs = [run for run in _runs_in(results / "runs") if _is_finished(run)]
    if not runs:
        raise InputError(
            f"{results / 'runs'}: found no finished run; expected BENCHMARK/METHOD/LABELS/seedN with settings.yaml, "
            "log.csv and scores.csv; build a table first"
        )
    for benchmark in dict.fromkeys(run.benchmark for run in runs):
        _keep_index(results.parent / "data" / benchmark / INDEX, folder / benchmark / INDEX)
    return [_keep_run(run, folder / run.benchmark / run.method / run.labels / f"seed{run.seed}") for run in runs]


def _runs_in(folder: Path) -> list[Run]:
    runs = [parse_run(path) for path in sorted(folder.glob("*/*/*/seed*")) if path.is_dir()]
    return [run for run in runs if run.method.partition("-")[0] != "warmup"]


def _is_finished(run: Run) -> bool:
    """Whether all is there, and the scores are those of the last training."""
    settings, log, scores = (run.folder / name for name in ("settings.yaml", "log.csv", "scores.csv"))
    if not (settings.exists() and log.exists() and scores.exists()):
        return False
    if settings.stat().st_mtime > log.stat().st_mtime + _LATER:
        logger.warning("%s: not kept, its settings were changed after it was trained; build it first", run.folder)
        return False
    if log.stat().st_mtime > scores.stat().st_mtime + _LATER:
        logger.warning("%s: not kept, trained again after it was scored; build its scores.csv first", run.folder)
        return False
    return True


def _keep_index(source: Path, target: Path) -> None:
    made_of = read_yaml(source)
    if target.exists() and read_yaml(target) != made_of:
        raise InputError(
            f"{target}: the runs kept here were measured on other faces than those of {source}; name another folder"
        )
    _write(target, source.read_bytes())


def _keep_run(run: Run, target: Path) -> Path:
    read_scores(run.folder / "scores.csv")  # what is damaged is refused now rather than where it is needed
    _write(target / "settings.yaml", (run.folder / "settings.yaml").read_bytes())
    _write(target / KEPT_AS["log.csv"], _measurements(run.folder / "log.csv"))
    scores = (run.folder / "scores.csv").read_bytes()
    _write(target / KEPT_AS["scores.csv"], gzip.compress(scores, mtime=0))  # the same bytes each time
    return target


def _measurements(path: Path) -> bytes:
    """The rows of a log with measurements, and its first and last, between which the seconds of the run lie."""
    whole = path.read_bytes()
    if whole.count(b"\n") < 2:
        return whole  # of a method without steps of its own
    log = read_log(path)
    measured = [column for column in log.columns if column.startswith(_MEASURED)]
    kept = log[measured].notna().any(axis=1)
    kept.iloc[[0, -1]] = True
    return log[kept].to_csv(index=False, float_format="%.6g", lineterminator="\n").encode()


def _write(path: Path, content: bytes) -> None:
    if path.exists() and path.read_bytes() == content:
        return
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)


def read_yaml(path: Path) -> Any:
    """The content of settings.yaml or index.yaml.

    Raises:
        InputError: missing, or not YAML.
    """
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{path}: cannot be read ({reason}); expected the YAML that the workflow writes") from error


def find_kept(
    folder: str | Path, run: str, settings: Mapping[str, Any], made_of: Mapping[str, Any]
) -> tuple[Path | None, str]:
    """A kept run that need not be trained again.

    Args:
        folder: as keep_runs filled it.
        run: BENCHMARK/METHOD/LABELS/seedN.
        settings: that the run would be trained with now, in the types of JSON.
        made_of: what the faces of its benchmark are made of now, as in index.yaml, in the types of JSON.

    Returns:
        The folder of the kept run, or None; and, of a run that is kept but cannot be used, why: one line.

    Raises:
        InputError: a kept run whose YAML cannot be read.
    """
    kept, index = Path(folder) / run, Path(folder) / run.split("/")[0] / INDEX
    if not all((kept / name).exists() for name in ("settings.yaml", *KEPT_AS.values())):
        return None, ""
    if not index.exists() or read_yaml(index) != made_of:
        return None, f"{index}: its runs were measured on other faces than the configuration's; they are trained anew"
    differing = _difference(read_yaml(kept / "settings.yaml"), settings)
    if differing is None:
        return kept, ""
    return None, f"{kept.parents[1]}: runs with another {differing} than the configuration's; they are trained anew"


def _difference(kept: Any, wanted: Any, where: tuple[str, ...] = ()) -> str | None:
    """The first key, such as training.steps, in which two nested settings differ; None where they are equal."""
    if not isinstance(kept, Mapping) or not isinstance(wanted, Mapping):
        return None if kept == wanted else ".".join(where) or "content"
    for key in (*wanted, *(key for key in kept if key not in wanted)):
        place = (*where, str(key))
        if key not in kept or key not in wanted:
            return ".".join(place)
        if (found := _difference(kept[key], wanted[key], place)) is not None:
            return found
    return None

"""Finished runs, kept so that a study goes on later, or elsewhere, without training them again.

Of each run are kept its settings, its scores and the measurements of its log; of each benchmark what its faces are made
of. All of a benchmark is one small file, see tsal.evaluation.kept.
"""

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tsal import datasets
from tsal.bounds import texts
from tsal.data.faces import read_faces
from tsal.errors import InputError
from tsal.evaluation.kept import FILES, SUFFIX, KeptRun, kept_settings, on_disk, read_kept, write_kept
from tsal.evaluation.runs import (
    Run,
    by_other_code,
    code_of,
    count_labelled,
    parse_run,
    people_of,
    read_log,
    read_scores,
)
from tsal.settings.models import NoOptions, Settings

__all__ = ["FILES", "find_kept", "keep_runs", "on_disk"]
logger = logging.getLogger(__name__)
_MEASURED = ("val_nme_", "noise_")
_LATER = 60.0  # seconds by which a file is younger than what is made from it only if that is out of date


def keep_runs(results: str | Path, folder: str | Path) -> list[Path]:
    """Keep all finished runs; warm-ups and runs that are not finished are passed over.

    Args:
        results: the workflow's folder with runs/; beside it lies data/, with the index.yaml and the face table of each
            benchmark.
        folder: where to keep them, a file BENCHMARK.parquet each. Runs that are kept there already stay, unless they
            are finished here with other content; a file that would not change is not touched.

    Returns:
        The runs that are kept now, as FOLDER/BENCHMARK.parquet/METHOD/LABELS/seedN, ordered by path.

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
    kept = []
    for benchmark in dict.fromkeys(run.benchmark for run in runs):
        of_benchmark = [run for run in runs if run.benchmark == benchmark]
        file = folder / f"{benchmark}{SUFFIX}"
        _keep_benchmark(of_benchmark, results.parent / "data" / benchmark, file)
        kept += [file / run.method / run.labels / f"seed{run.seed}" for run in of_benchmark]
    return kept


def _keep_benchmark(runs: list[Run], data: Path, file: Path) -> None:
    made_of, faces = read_yaml(data / "index.yaml"), data / "faces.parquet"
    known: dict[str, KeptRun] = {}
    if file.exists():
        before, faces_before = read_kept(file)
        if not _same_faces(faces_before, made_of):
            raise InputError(
                f"{file}: the runs kept here were measured on other faces than those of {data / 'index.yaml'}; "
                "name another folder"
            )
        known = {run.name: run for run in before}
    table = read_faces(faces)
    labelled = count_labelled(runs, table)
    for run in runs:
        scores = read_scores(run.folder / "scores.csv")
        people = people_of({run: scores}, table, faces)
        scores = scores.assign(person=["" if people[face] == face else people[face] for face in scores["face"]])
        settings, log = read_yaml(run.folder / "settings.yaml"), _measurements(run.folder / "log.csv")
        about = (run.method, run.labels, run.seed, labelled[run.labels])
        kept = KeptRun(*about, settings, log, scores, code_of(run.folder))
        known[kept.name] = kept
    write_kept(file, known.values(), made_of)


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


def _measurements(path: Path) -> str:
    """The rows of a log with measurements, and its first and last, between which the seconds of the run lie."""
    whole = path.read_text(encoding="utf-8")
    if whole.count("\n") < 2:
        return whole  # of a method without steps of its own
    log = read_log(path)
    measured = [column for column in log.columns if column.startswith(_MEASURED)]
    kept = log[measured].notna().any(axis=1)
    kept.iloc[[0, -1]] = True
    return log[kept].to_csv(index=False, float_format="%.6g", lineterminator="\n")


def read_yaml(path: Path) -> Any:
    """The content of settings.yaml or index.yaml.

    Raises:
        InputError: missing, or not YAML.
    """
    return texts.read_yaml(path, "the YAML that the workflow writes")


def find_kept(
    folder: str | Path, run: str, settings: Mapping[str, Any], made_of: Mapping[str, Any], code: str
) -> tuple[Path | None, str]:
    """A kept run that need not be trained again.

    Args:
        folder: as keep_runs filled it.
        run: BENCHMARK/METHOD/LABELS/seedN.
        settings: that the run would be trained with now, in the types of JSON.
        made_of: what the faces of its benchmark are made of now, as in index.yaml, in the types of JSON.
        code: the version of the code that would train it now.

    Returns:
        The kept run, FOLDER/BENCHMARK.parquet/METHOD/LABELS/seedN, in which scores.csv and log.csv can be named, or
        None; and one line, of a run that is kept but cannot be used: why; or that other code trained it; else empty.

    Raises:
        InputError: a file of kept runs that is damaged.
    """
    benchmark, name = run.split("/", 1)
    file = Path(folder) / f"{benchmark}{SUFFIX}"
    if not file.exists():
        return None, ""
    known, codes, faces = kept_settings(file)
    if name not in known:
        return None, ""
    if not _same_faces(faces, made_of):
        return None, f"{file}: its runs were measured on other faces than the configuration's; they are trained anew"
    differing = _difference(_with_later_keys(known[name]), _with_later_keys(settings))
    if differing is None:
        return file / name, "" if codes[name] == code else f"{file}: runs {by_other_code(codes[name], code)}"
    method = name.split("/")[0]
    return None, f"{file}/{method}: runs with another {differing} than the configuration's; they are trained anew"


def _same_faces(kept: Mapping[str, Any], now: Mapping[str, Any]) -> bool:
    """Whether faces are made of the same; a key that came later, which kept runs lack, counts as its default."""
    benchmark = now.get("benchmark")
    options = datasets.get(benchmark).options if benchmark in datasets.names() else NoOptions
    optional = {key: field.default for key, field in options.model_fields.items() if not field.is_required()}
    defaults = json.loads(json.dumps(optional))

    later = dict.fromkeys(("settings", "options"), defaults)
    return _completed(kept, later) == _completed(now, later)


def _with_later_keys(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings in which a key that came later, which the sections of kept ones lack, has its default."""
    sections = ("detector", "training", "unlabelled")
    return _completed(
        settings, {name: Settings.model_fields[name].default.model_dump(mode="json") for name in sections}
    )


def _completed(values: Mapping[str, Any], defaults: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Values in which those sections that are there have the defaults of what they lack."""
    return {key: _laid_over(defaults[key], value) if key in defaults else value for key, value in values.items()}


def _laid_over(defaults: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    nested = {
        key: _laid_over(defaults[key], value) if isinstance(value, Mapping) and key in defaults else value
        for key, value in values.items()
    }
    return {**defaults, **nested}


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

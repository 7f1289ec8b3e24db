"""The verbs that look at many runs: figures, the tables of a study's claims, and the keeping of finished runs.

Like those of `cli`, they import what is heavy only where it is used.
"""

import argparse
import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from tsal import datasets
from tsal.data.landmarks import Scheme
from tsal.errors import InputError
from tsal.evaluation.metrics import THRESHOLD
from tsal.evaluation.runs import parse_run

Verb = Callable[..., argparse.ArgumentParser]


def figure(arguments: argparse.Namespace) -> None:
    """Draw a figure of a benchmark as PNG, with a PDF beside it."""
    from tsal import figures
    from tsal.figures.contact_sheet import draw_faces
    from tsal.figures.overlay import draw_overlay

    inputs, faces, output = arguments.inputs, arguments.faces, arguments.output
    if arguments.kind == "faces" and len(inputs) != 1:
        raise InputError(f"figure faces: found {len(inputs)} inputs; expected one face table")
    if arguments.kind in ("overlay", "trajectory", "budgets") and faces is None:
        raise InputError(f"figure {arguments.kind}: --faces is missing; expected the face table of the runs")
    draw = {
        "faces": lambda: draw_faces(inputs[0], output),
        "ced": lambda: figures.draw_ced(inputs, output, thresholds=arguments.thresholds),
        "overlay": lambda: draw_overlay(inputs, faces, output, scheme=_landmarks_of(inputs)),
        "sweep": lambda: figures.draw_sweep(
            arguments.parameter, read_json("--values", arguments.values), inputs, output
        ),
        "budgets": lambda: figures.draw_budgets(inputs, faces, output),
        "trajectory": lambda: figures.draw_trajectory(inputs, faces, output, scheme=_landmarks_of(inputs)),
    }
    plain = {"training": figures.draw_training, "signals": figures.draw_signals, "jitter": figures.draw_jitter}
    draw[arguments.kind]() if arguments.kind in draw else plain[arguments.kind](inputs, output)


def _landmarks_of(inputs: Sequence[Path]) -> Scheme:
    """The scheme of the landmarks of the runs that files lie in."""
    return datasets.get(parse_run(inputs[0]).target).landmarks


def read_json(option: str, text: str | None) -> dict:
    """The JSON object that an option holds.

    Raises:
        InputError: no JSON, no object, or an empty one; names the option.
    """
    try:
        values = json.loads(text or "")
    except json.JSONDecodeError as error:
        raise InputError(f"{option}: found no JSON ({error}); expected one JSON object") from error
    if isinstance(values, dict) and values:
        return values
    raise InputError(f"{option}: found {text}; expected a JSON object with one entry at least")


def claim(arguments: argparse.Namespace) -> None:
    """Write a table of a study's claims from all of its runs."""
    from tsal.tables.claims import write_all_nme
    from tsal.tables.cost import write_cost
    from tsal.tables.gap import write_gap
    from tsal.tables.significance import write_significance

    benchmark, inputs, output = arguments.benchmark, arguments.inputs, arguments.output
    if arguments.kind == "cost":
        write_cost(benchmark, inputs, output)
    elif arguments.faces is None:
        raise InputError(f"claim {arguments.kind}: --faces is missing; expected the face table of the runs")
    else:
        gap = partial(write_gap, supervised=arguments.supervised)
        write = {"nme": write_all_nme, "significance": write_significance, "gap": gap}[arguments.kind]
        write(benchmark, inputs, arguments.faces, output)


def bars(arguments: argparse.Namespace) -> None:
    """Write what TSAL has to reach beside what was measured, from the tables of a study's claims."""
    from tsal.tables.bars import write_bars

    tables = arguments.nme, arguments.significance, arguments.gap, arguments.cost
    shares = read_json("--shares", arguments.shares) if arguments.shares else None
    write_bars(arguments.benchmark, *tables, arguments.output, pool=arguments.pool, shares=shares)


def keep(arguments: argparse.Namespace) -> None:
    """Copy the small files of all finished runs to a folder, for `finished` in config.yaml."""
    from tsal.evaluation.keep import keep_runs

    kept = keep_runs(arguments.results, arguments.folder)
    print(f"{arguments.folder}: {len(kept)} runs kept")


def add_study_verbs(verb: Verb) -> None:
    """Add the verbs of this module.

    Args:
        verb: adds the verb of a function and returns its parser; with output=False one without -o.
    """
    _figure_arguments(verb(figure))
    added = verb(claim)
    added.add_argument("kind", choices=("nme", "significance", "gap", "cost"))
    added.add_argument("inputs", type=Path, nargs="+", help="scores.csv of the runs, or their log.csv (cost)")
    added.add_argument("--benchmark", required=True)
    added.add_argument("--faces", type=Path, help="face table of the benchmark (all but cost)")
    added.add_argument("--supervised", default="supervised", help="method that the gap is measured from (gap)")
    added = verb(bars)
    for name in ("nme", "significance", "gap", "cost"):
        added.add_argument(f"--{name}", type=Path, required=True, help="table of `tsal claim`")
    added.add_argument("--benchmark", required=True)
    added.add_argument("--pool", type=Path, help="table of the study that sweeps the share of the unlabelled frames")
    added.add_argument("--shares", help="JSON: that share, of each of its methods")
    added = verb(keep, output=False)
    added.add_argument("results", type=Path, help="folder that holds runs/; beside it lies data/")
    added.add_argument("folder", type=Path, help="where to keep them, such as docs/results/runs")


def _figure_arguments(verb: argparse.ArgumentParser) -> None:
    kinds = ("faces", "ced", "training", "signals", "overlay", "sweep", "budgets", "trajectory", "jitter")
    verb.add_argument("kind", choices=kinds)
    verb.add_argument("inputs", type=Path, nargs="+", help="scores, logs or predictions of runs; face table (faces)")
    verb.add_argument("--faces", type=Path, help="face table (overlay, trajectory, budgets)")
    verb.add_argument("--parameter", help="what is swept (sweep)")
    verb.add_argument("--values", help="JSON: its value of each method (sweep)")
    verb.add_argument("--thresholds", type=float, nargs="+", default=[THRESHOLD], help="of the AUC, in percent (ced)")

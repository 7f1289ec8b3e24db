"""The verbs that look at many runs: tables, figures, the keeping of runs, pages of docs.

Like those of `cli`, they import what is heavy only where it is used.
"""

import argparse
from collections.abc import Callable, Sequence
from functools import wraps
from pathlib import Path

from tsal import datasets
from tsal.bounds import LARGEST_SETTING
from tsal.bounds.texts import parse_json
from tsal.cli.outputs import CSV
from tsal.cli.values import percent
from tsal.data.landmarks import Scheme
from tsal.errors import InputError
from tsal.evaluation.metrics import THRESHOLD
from tsal.evaluation.runs import parse_run, warn_of_other_code

Verb = Callable[..., argparse.ArgumentParser]
TABLES = ("nme", "runs", "published", "categories", "budgets", "study", "significance", "gap", "cost")
FIGURES = ("faces", "ced", "training", "signals", "overlay", "sweep", "budgets", "trajectory", "jitter", "cost")
_NEED_FACES = ("nme", "runs", "study", "significance", "gap")


def with_notes(function: Callable[[argparse.Namespace], None]) -> Callable[[argparse.Namespace], None]:
    """A verb that shows numbers, with the notes on them that it is given."""

    @wraps(function)
    def verb(arguments: argparse.Namespace) -> None:
        from tsal.tables.notes import Notes, noted, parse_notes

        given = arguments.notes
        with noted(parse_notes(read_json("--notes", given), "--notes") if given else Notes()):
            function(arguments)

    return verb


def add_notes(verb: argparse.ArgumentParser) -> None:
    """Add what `with_notes` reads."""
    verb.add_argument("--notes", help='on the numbers, JSON: {"subsets": {NAME: NOTE}, "lines": [NOTE]}')


@with_notes
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
        "sweep": lambda: figures.draw_sweep(arguments.parameter, _numbers_of(arguments.values), inputs, output),
        "budgets": lambda: figures.draw_budgets(inputs, faces, output),
        "trajectory": lambda: figures.draw_trajectory(inputs, faces, output, scheme=_landmarks_of(inputs)),
    }
    plain = {
        "training": figures.draw_training,
        "signals": figures.draw_signals,
        "cost": figures.draw_cost,
        "jitter": figures.draw_jitter,
    }
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
        values = parse_json(text or "")
    except ValueError as error:
        raise InputError(f"{option}: found no JSON ({error}); expected one JSON object") from error
    if isinstance(values, dict) and values:
        return values
    raise InputError(f"{option}: found {text}; expected a JSON object with one entry at least")


def _numbers_of(text: str | None) -> dict[str, float]:
    """Numbers by the method that has them.

    Raises:
        InputError: the option holds anything else.
    """
    values = read_json("--values", text)
    for method, value in values.items():
        if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= LARGEST_SETTING:
            raise InputError(f"--values: found {str(value)[:40]} for {method}, expected a number for each method")
    return values


@with_notes
def table(arguments: argparse.Namespace) -> None:
    """Write a table of runs: CSV, Markdown and LaTeX."""
    from tsal import tables

    benchmark, inputs, faces, output = arguments.benchmark, arguments.inputs, arguments.faces, arguments.output
    thresholds, floor = arguments.thresholds, arguments.floor
    if arguments.kind in _NEED_FACES and faces is None:
        raise InputError(f"table --kind {arguments.kind}: --faces is missing; expected the face table of the runs")
    if arguments.kind == "nme":
        warn_of_other_code(inputs)
    names = read_json("--names", arguments.names) if arguments.kind in ("budgets", "study") else {}
    inner = [path.with_name("scores_49.csv") for path in inputs]
    write = {
        "nme": lambda: tables.write_table(benchmark, inputs, faces, output, floor=floor),
        "runs": lambda: tables.write_nme_of_runs(benchmark, inputs, faces, output),
        "published": lambda: tables.write_published(benchmark, inputs, output),
        "categories": lambda: tables.write_categories(benchmark, inputs, inner, output, thresholds=thresholds),
        "budgets": lambda: tables.write_budgets(benchmark, inputs, output, names=names, floor=floor),
        "study": lambda: tables.write_study(
            *(arguments.title, benchmark, inputs, faces, names, next(iter(names)), output),
            thresholds=thresholds,
            floor=floor,
        ),
        "significance": lambda: tables.write_significance(benchmark, inputs, faces, output),
        "gap": lambda: tables.write_gap(benchmark, inputs, faces, output, supervised=arguments.supervised),
        "cost": lambda: tables.write_cost(benchmark, inputs, output),
    }
    write[arguments.kind]()


def keep(arguments: argparse.Namespace) -> None:
    """Keep settings, scores and measurements of all finished runs in a folder, for `finished` in config.yaml."""
    from tsal.evaluation.keep import keep_runs

    kept = keep_runs(arguments.results, arguments.folder)
    print(f"{arguments.folder}: {len(kept)} runs kept")


def docs(arguments: argparse.Namespace) -> None:
    """Bring the tables and numbers of Markdown pages up to date with the kept runs."""
    from tsal.report.docs import Tables, fill_page

    tables = Tables(arguments.tables)
    for page in arguments.pages:
        for what in fill_page(page, tables):
            print(f"{page}: {what}")


def add_study_verbs(verb: Verb) -> None:
    """Add the verbs of this module.

    Args:
        verb: adds the verb of a function and returns its parser; with output=False one without -o; suffixes: those that
            what -o names may end with.
    """
    _table_arguments(verb(table, suffixes=CSV))
    _figure_arguments(verb(figure))
    added = verb(keep, output=False)
    added.add_argument("results", type=Path, help="folder that holds runs/; beside it lies data/")
    added.add_argument("folder", type=Path, help="where to keep them, such as docs/results/runs")
    added = verb(docs, output=False)
    added.add_argument("pages", type=Path, nargs="+", help="Markdown pages; those without marks are left as they are")
    added.add_argument("--tables", type=Path, required=True, help="what each table shows: docs/results/tables.yaml")


def _table_arguments(verb: argparse.ArgumentParser) -> None:
    inputs = "scores.csv of the runs, each in its run's folder; their log.csv (cost)"
    verb.add_argument("inputs", type=Path, nargs="+", help=inputs)
    verb.add_argument("--kind", choices=TABLES, default="nme", help="default: nme")
    verb.add_argument("--benchmark", required=True)
    verb.add_argument("--faces", type=Path, help=f"face table of the benchmark ({', '.join(_NEED_FACES)})")
    verb.add_argument("--title", default="", help="of a study")
    verb.add_argument("--names", help="JSON: how each method is called (study, budgets); the first is the reference")
    verb.add_argument("--floor", type=Path, help="noise of the labels, by `tsal floor` (nme, study, budgets)")
    verb.add_argument("--thresholds", type=percent, nargs="+", default=[THRESHOLD], help="of FR and AUC, in percent")
    verb.add_argument("--supervised", default="supervised", help="method that the gap is measured from (gap)")
    add_notes(verb)


def _figure_arguments(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("kind", choices=FIGURES)
    verb.add_argument("inputs", type=Path, nargs="+", help="scores, logs or predictions of runs; face table (faces)")
    verb.add_argument("--faces", type=Path, help="face table (overlay, trajectory, budgets)")
    verb.add_argument("--parameter", help="what is swept (sweep)")
    verb.add_argument("--values", help="JSON: its value of each method (sweep)")
    verb.add_argument("--thresholds", type=percent, nargs="+", default=[THRESHOLD], help="of the AUC, in percent (ced)")
    add_notes(verb)

"""NME against what a training computes: who is ahead at equal cost, and what more of it would buy."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, NullLocator, StrMethodFormatter

from tsal import methods
from tsal.data.labels import budget_name
from tsal.evaluation.runs import Run, settings_of_run
from tsal.figures.loading import load_scores, subset_titles
from tsal.figures.style import (
    COLUMN,
    LINE_STYLES,
    draw_means,
    make_panels,
    method_colours,
    new_figure,
    set_error_axis,
    written,
)
from tsal.settings.models import Settings

_WIDTH, _HEIGHT = 2.3, 2.6  # inches of a panel: three in a row
_LEGEND = 60  # letters of a name of which two fit beside each other below the panels
_TICKS = [step * 10.0**power for power in range(-6, 9) for step in (1, 2, 5)]

Line = dict[float, list[float]]  # TFLOP -> NME of each seed


def draw_cost(scores: Sequence[str | Path], output: str | Path, *, normaliser: str | None = None) -> list[Path]:
    """NME against the floating-point operations of the training, on a logarithmic axis: a panel a subset.

    A line are the runs that differ in nothing but the number of steps, and in seeds; it is named by what it has
    different from the other lines. Points are means over seeds, bars their range. Operations are those of all steps,
    the warm-up's among them; see `tsal.training.cost.training_tflop`.

    Args:
        scores: scores.csv of the runs; their settings lie beside them, or are kept with them.
        output: the .png path; the .pdf is written beside it.
        normaliser: of the NME; default the first in the scores.

    Returns:
        The paths written.

    Raises:
        InputError: no scores; runs of several benchmarks or on different faces; none by this normaliser; or settings
            that are missing or damaged.
    """
    runs = load_scores(scores, normaliser)
    settings = {run: methods.settings_from(settings_of_run(run), str(run.folder)) for run in runs}
    names = _name_lines(settings)
    colours = _colours(names, settings)
    lines = _lines(runs, settings, names)
    titles = subset_titles(runs, list(lines))
    with new_figure(output) as make:
        panels = make_panels(make, titles, _WIDTH if len(titles) > 1 else COLUMN, _HEIGHT)
        for axes, of_subset in zip(panels, lines.values(), strict=True):
            _draw_lines(axes, of_subset, colours)
            axes.set_xlabel("Training (TFLOP)")
        panels[0].set_ylabel(f"NME (%, {next(iter(runs.values()))['normaliser'].iloc[0]})")
        shown = {label: line for axes in panels for line, label in zip(*axes.get_legend_handles_labels(), strict=True)}
        beside = len(titles) > 1 and max(map(len, shown)) <= _LEGEND
        panels[0].figure.legend(shown.values(), shown.keys(), loc="outside lower left", ncols=2 if beside else 1)
    return written(output)


def _name_lines(settings: Mapping[Run, Settings]) -> dict[Run, str]:
    """The name of each run's line: the algorithm's title, and what not all lines have alike."""
    features = {run: _features(run, found) for run, found in settings.items()}
    shared = set.intersection(*(set(words) for words in features.values()))
    names = {
        run: ", ".join(dict.fromkeys([words[0], *(word for word in words if word not in shared)]))
        for run, words in features.items()
    }
    # Settings that no word tells apart are told apart by the method's name.
    kinds: dict[str, set[str]] = {}
    for run, name in names.items():
        kinds.setdefault(name, set()).add(_without_steps(settings[run]))
    return {run: name if len(kinds[name]) == 1 else f"{name} ({run.method})" for run, name in names.items()}


def _features(run: Run, settings: Settings) -> list[str]:
    """What a reader is told of a run, the most telling first."""
    training = settings.training
    words = [f"from {training.pretrained}" if training.pretrained else "from random weights"]
    words.append(f"{settings.detector.input_px} px")
    if not training.steps and not training.warmup_steps:
        return ["Before training", *words]
    words = [methods.get(settings.algorithm).title, budget_name(run.labels), *words]
    words += ["likelihood"] if training.loss.likelihood else []
    return words + (["flip test"] if settings.flip_test else [])


def _without_steps(settings: Settings) -> str:
    """Settings as text, without the method's name and how long a training goes on."""
    training = settings.training.replace(steps=0, warmup_steps=0, evaluate_every=1)
    return repr(settings.replace(method="", training=training))


def _colours(names: Mapping[Run, str], settings: Mapping[Run, Settings]) -> dict[str, str]:
    """Colour of each line: of the first line of an algorithm its own, so that figures agree."""
    keys: dict[str, str] = {}
    for run, name in names.items():
        algorithm = settings[run].algorithm
        keys.setdefault(name, name if algorithm in keys.values() else algorithm)
    colours = method_colours(list(keys.values()))
    return {name: colours[key] for name, key in keys.items()}


def _lines(
    runs: Mapping[Run, pd.DataFrame], settings: Mapping[Run, Settings], names: Mapping[Run, str]
) -> dict[str, dict[str, Line]]:
    """The lines of each subset, by name; subsets as scored."""
    from tsal.training.cost import training_tflop  # here, since PyTorch takes seconds to import

    lines: dict[str, dict[str, Line]] = {}
    for run, table in runs.items():
        tflop = training_tflop(methods.get(settings[run].algorithm), settings[run])
        for subset, error in table.groupby("subset", sort=False)["nme"].mean().items():
            lines.setdefault(subset, {}).setdefault(names[run], {}).setdefault(tflop, []).append(error)
    return lines


def _draw_lines(axes: Axes, lines: Mapping[str, Line], colours: Mapping[str, str]) -> None:
    axes.set_xscale("log")
    styles = {name: LINE_STYLES[place % len(LINE_STYLES)] for place, name in enumerate(colours)}
    for name, line in lines.items():
        look = dict(linestyle=styles[name], label=name)
        if 0.0 in line:  # nothing was trained: level, beside whatever costs something
            axes.axhline(np.mean(line[0.0]), color=colours[name], linewidth=1, zorder=1, **look)
        else:
            draw_means(axes, *zip(*sorted(line.items()), strict=True), colours[name], **look)
    _set_cost_axis(axes, [tflop for line in lines.values() for tflop in line if tflop] or [1.0])
    errors = [error for line in lines.values() for seeds in line.values() for error in seeds]
    set_error_axis(axes, min(errors), max(errors))


def _set_cost_axis(axes: Axes, costs: Sequence[float]) -> None:
    margin = max((max(costs) / min(costs)) ** 0.05, 1.1)
    axes.set_xlim(min(costs) / margin, max(costs) * margin)
    axes.xaxis.set_major_locator(FixedLocator(_TICKS))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))

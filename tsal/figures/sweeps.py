"""NME against a parameter of the method, and against the number of labelled faces."""

from collections.abc import Mapping, Sequence
from itertools import takewhile
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from tsal.config.targets import method_name
from tsal.data.faces import read_faces
from tsal.data.labels import budget_order
from tsal.errors import InputError
from tsal.evaluation.runs import Run, count_labelled
from tsal.figures.loading import load_scores, methods_of, subset_details, subset_titles, title_of
from tsal.figures.style import (
    COLUMN,
    DASHED,
    LINE_STYLES,
    draw_means,
    label_ends,
    make_panels,
    method_colours,
    new_figure,
    set_error_axis,
    written,
)

_SYMBOLS = {
    "filter": "λ of the averaging (filter)",
    "fusion": "μ of the fusion",
    "pseudo_labels": "Pseudo-labels added (share of the pool)",
    "pool_share": "Unlabelled frames (share of the pool)",
}
_CROWDED = 0.02  # of the axis: values nearer than this cannot be told apart
_LETTER = 0.028  # of the axis: the width of a letter, with some space
_HEIGHT = 2.4


def draw_sweep(
    parameter: str,
    values: Mapping[str, float],
    scores: Sequence[str | Path],
    output: str | Path,
    *,
    normaliser: str | None = None,
) -> list[Path]:
    """NME against a numeric parameter: a panel for each (subset, label budget), mean and range over seeds.

    Methods without a value, such as the one that sweeps nothing, are level lines.

    Values in [0, 1) that come too close to one another near 1, such as 0.99 and 0.999, are drawn over 1 - value on a
    logarithmic axis, and labelled by themselves.

    Args:
        parameter: its key in config.yaml, such as "filter".
        values: of the parameter, by method.
        scores: scores.csv of the runs of these methods, and of those that are level lines.
        output: the .png path; the .pdf is written beside it.
        normaliser: of the NME; default the first in the scores.

    Returns:
        The paths written.

    Raises:
        InputError: no scores, or none of a method in values; runs of several benchmarks or on different faces; or
            none with this normaliser.
    """
    runs = load_scores(scores, normaliser)
    missing = [method for method in values if method not in {run.method for run in runs}]
    if missing or not values:
        raise InputError(
            f"{output}: no scores of '{''.join(missing[:1])}'; expected a run of every value of {parameter}"
        )
    points = sorted((value, method) for method, value in values.items())
    levels = [method for method in methods_of(runs) if method not in values]
    swept = _common_name(list(values))
    colours = method_colours([swept, *levels])
    cells = _cells(runs)
    with new_figure(output) as make:
        for axes, seeds in zip(make_panels(make, _titles(runs, cells), COLUMN, _HEIGHT), cells.values(), strict=True):
            for method in levels:
                if method in seeds:
                    _draw_level(axes, seeds[method], colours[method])
            shown = [(value, seeds[method]) for value, method in points if method in seeds]
            if shown:
                draw_means(axes, *zip(*shown, strict=True), colours[swept])
            _set_value_axis(axes, [value for value, _ in points])
            axes.set_xlabel(_SYMBOLS.get(parameter, parameter))
            _finish(axes, [error for errors in seeds.values() for error in errors], runs)
            ends = [(np.mean(seeds[m]), method_name(m), colours[m], False) for m in levels if m in seeds]
            ends += [(np.mean(shown[-1][1]), method_name(swept), colours[swept], True)] if shown else []
            label_ends(axes, ends)
    return written(output)


def draw_budgets(
    scores: Sequence[str | Path], faces: str | Path, output: str | Path, *, normaliser: str | None = None
) -> list[Path]:
    """NME against the number of labelled faces, on a logarithmic axis: a panel a subset, a line a method.

    Points are means over seeds, bars their range. No label at all stands left of the smallest number.

    Args:
        scores: scores.csv of the runs.
        faces: the face table of the benchmark, for the numbers.
        output: the .png path; the .pdf is written beside it.
        normaliser: of the NME; default the first in the scores.

    Returns:
        The paths written.

    Raises:
        InputError: no scores; runs of several benchmarks or on different faces; or none with this normaliser.
    """
    runs = load_scores(scores, normaliser)
    counts = count_labelled(list(runs), read_faces(faces))
    place = _places(counts)
    colours = method_colours(methods_of(runs))
    cells = _cells(runs)
    subsets = list(dict.fromkeys(subset for subset, _ in cells))
    with new_figure(output) as make:
        for axes, subset in zip(make_panels(make, subset_titles(runs, subsets), COLUMN, 2.8), subsets, strict=True):
            _draw_budget_lines(axes, subset, cells, place, colours)
            _set_count_axis(axes, counts, place)
            _finish(
                axes, [e for key, seeds in cells.items() if key[0] == subset for s in seeds.values() for e in s], runs
            )
            _name_lines(axes)
    return written(output)


def _common_name(methods: Sequence[str]) -> str:
    """The words that names begin with in common: "tsal_mu" of tsal_mu_0 and tsal_mu_05; the first name where none."""
    words = takewhile(lambda at: len(set(at)) == 1, zip(*(method.split("_") for method in methods), strict=False))
    return "_".join(at[0] for at in words) or methods[0]


def _cells(runs: Mapping[Run, pd.DataFrame]) -> dict[tuple[str, str], dict[str, list[float]]]:
    """NME of each seed by (subset, labels) and method, subsets as scored, budgets by size."""
    cells: dict[tuple[str, str], dict[str, list[float]]] = {}
    for run, table in runs.items():
        for subset, errors in table.groupby("subset", sort=False)["nme"].mean().items():
            cells.setdefault((subset, run.labels), {}).setdefault(run.method, []).append(errors)
    subsets = list(dict.fromkeys(subset for subset, _ in cells))
    return dict(sorted(cells.items(), key=lambda cell: (subsets.index(cell[0][0]), budget_order(cell[0][1]))))


def _titles(runs: Mapping[Run, pd.DataFrame], cells: Mapping[tuple[str, str], dict]) -> list[str]:
    details = subset_details(list(dict.fromkeys(subset for subset, _ in cells)))
    return [title_of(runs, labels, details[subset]) for subset, labels in cells]


def _draw_level(axes: Axes, errors: Sequence[float], colour: str) -> None:
    axes.axhline(np.mean(errors), color=colour, linestyle=DASHED, linewidth=1, zorder=1)
    axes.axhspan(min(errors), max(errors), color=colour, alpha=0.12, linewidth=0, zorder=0)


def _set_value_axis(axes: Axes, values: Sequence[float]) -> None:
    gaps, span = np.diff(values), values[-1] - values[0]
    if values[0] >= 0 and values[-1] < 1 and len(values) > 1 and gaps.min() < _CROWDED * span:
        # 1 - value, falling to the right: the parameter still grows from left to right.
        axes.set_xscale("function", functions=(lambda x: -np.log10(np.clip(1 - x, 1e-12, None)), lambda y: 1 - 10**-y))
    scale = axes.get_xaxis().get_transform()
    at = scale.transform(np.asarray(values, float))
    margin = 0.06 * (at[-1] - at[0]) or 0.5
    axes.set_xlim(*scale.inverted().transform(np.array([at[0] - margin, at[-1] + margin])))
    _set_ticks(axes, values, at, [f"{value:g}" for value in values])


def _set_ticks(axes: Axes, places: Sequence[float], at: np.ndarray, labels: Sequence[str]) -> None:
    """A tick a place; a label that would overlap another goes into the first line below that has room."""
    texts, ends = {}, []  # ends of the lines
    for place, x, label in zip(places, at, labels, strict=True):
        half = _LETTER * len(label) * (at[-1] - at[0]) / 2
        line = next((i for i, end in enumerate(ends) if x - half >= end), len(ends))
        ends[line : line + 1] = [x + half]
        texts[place] = "\n" * line + label
    axes.xaxis.set_major_locator(FixedLocator(list(places)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: texts[min(texts, key=lambda place: abs(place - x))]))


def _places(counts: Mapping[str, int]) -> dict[str, float]:
    """Where a budget stands on a logarithmic axis."""
    least = min((count for count in counts.values() if count), default=2)
    return {labels: count or least / 2 for labels, count in counts.items()}


def _draw_budget_lines(
    axes: Axes,
    subset: str,
    cells: Mapping[tuple[str, str], dict],
    place: Mapping[str, float],
    colours: Mapping[str, str],
) -> None:
    for i, (method, colour) in enumerate(colours.items()):
        shown = [
            (place[labels], seeds[method]) for (s, labels), seeds in cells.items() if s == subset and method in seeds
        ]
        if shown:
            x, seeds = zip(*sorted(shown), strict=True)
            draw_means(axes, x, seeds, colour, linestyle=LINE_STYLES[i % len(LINE_STYLES)], label=method_name(method))


def _set_count_axis(axes: Axes, counts: Mapping[str, int], place: Mapping[str, float]) -> None:
    axes.set_xscale("log")
    texts = {place[labels]: str(counts[labels]) for labels in place}
    places = sorted(texts)
    at = np.log10(places)
    margin = 0.05 * (at[-1] - at[0]) or 0.3
    axes.set_xlim(10 ** (at[0] - margin), 10 ** (at[-1] + margin))
    _set_ticks(axes, places, at, [texts[x] for x in places])
    axes.set_xlabel("Labelled faces")


def _finish(axes: Axes, errors: Sequence[float], runs: Mapping[Run, pd.DataFrame]) -> None:
    set_error_axis(axes, min(errors), max(errors))
    axes.set_ylabel(f"NME (%, {next(iter(runs.values()))['normaliser'].iloc[0]})")


def _name_lines(axes: Axes) -> None:
    """Name each line at the right edge; a thin level one leads there from a line that ends sooner."""
    right = axes.get_xlim()[1]
    ends = []
    for container in axes.containers:
        line = container.lines[0]
        x, y = line.get_xydata()[-1]
        axes.hlines(y, x, right, colors=line.get_color(), linewidth=0.4, zorder=1)
        ends.append((y, container.get_label(), line.get_color(), False))
    label_ends(axes, ends)

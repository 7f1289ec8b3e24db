"""Cumulative error curves of the test faces."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes

from tsal.config.targets import method_name
from tsal.data.labels import budget_order
from tsal.evaluation.metrics import THRESHOLD, auc, ced
from tsal.figures.loading import FEW_METHODS, load_scores, methods_of, subset_details, title_of
from tsal.figures.style import (
    COLUMN,
    DOUBLE,
    LINE_STYLES,
    draw_seeds,
    make_panels,
    method_colours,
    new_figure,
    place_legend,
    written,
)

_LONG_NAME = 18  # letters: with longer ones in the legend little is left of a panel of a column's width


def draw_ced(
    scores: Sequence[str | Path],
    output: str | Path,
    *,
    normaliser: str | None = None,
    thresholds: Sequence[float] = (THRESHOLD,),
) -> list[Path]:
    """Cumulative error curves: a panel for each (subset, label budget), a curve a method, AUC in the legend.

    Args:
        scores: scores.csv of the runs.
        output: the .png path; the .pdf is written beside it.
        normaliser: of the NME; default the first in the scores.
        thresholds: of the AUC, in percent; the largest is the right end of the curves.

    Returns:
        The paths written.

    Raises:
        InputError: no scores; runs of several benchmarks or on different faces; or none with this normaliser.
    """
    runs = load_scores(scores, normaliser)
    unit = next(iter(runs.values()))["normaliser"].iloc[0]
    cells: dict[tuple[str, str], dict[str, list[np.ndarray]]] = {}
    for run, table in runs.items():
        for subset, cell in table.groupby("subset", sort=False):
            methods = cells.setdefault((subset, run.labels), {})
            methods.setdefault(run.method, []).append(cell["nme"].to_numpy())
    subsets = list(dict.fromkeys(subset for subset, _ in cells))
    cells = dict(sorted(cells.items(), key=lambda cell: (subsets.index(cell[0][0]), budget_order(cell[0][1]))))
    details = subset_details(subsets)
    titles = [title_of(runs, labels, details[subset]) for subset, labels in cells]
    colours = method_colours(methods_of(runs))
    long = max(len(method_name(method)) for method in colours) > _LONG_NAME
    wide = len(colours) > FEW_METHODS or len(thresholds) > 1 or long
    width = DOUBLE if wide else COLUMN
    with new_figure(output) as make:
        for axes, methods in zip(make_panels(make, titles, width, 2.4), cells.values(), strict=True):
            _draw_ced_panel(axes, methods, colours, thresholds)
            axes.set_xlabel(f"NME (%, {unit})")
            legend = dict(title=f"{' / '.join(f'AUC@{t:g}' for t in thresholds)} (%)", alignment="left")
            if wide:  # no corner is free of so many curves
                axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), **legend)
            else:
                place_legend(axes, **legend)
    return written(output)


def _draw_ced_panel(axes: Axes, methods: Mapping[str, list], colours: Mapping, thresholds: Sequence[float]) -> None:
    end = max(thresholds)
    grid = np.linspace(0, end, 801)
    for i, (method, seeds) in enumerate(methods.items()):
        areas = np.array([[auc(errors, threshold) for threshold in thresholds] for errors in seeds])
        style = dict(linestyle=LINE_STYLES[i % len(LINE_STYLES)])
        style["label"] = f"{' / '.join(map(_mean_and_std, areas.T))}  {method_name(method)}"
        curves = np.stack([ced(errors, grid) for errors in seeds])
        draw_seeds(axes, grid, curves, colours[method], **style)
    axes.set(xlim=(0, end), ylim=(0, 100), ylabel="Faces (%)")


def _mean_and_std(areas: np.ndarray) -> str:
    deviation = f" ± {areas.std(ddof=1):.1f}" if len(areas) > 1 else ""
    return f"{areas.mean():.1f}{deviation}"

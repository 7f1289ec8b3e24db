"""Curves over training: NME on the validation people, noise of the supervision signals."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from tsal.config.targets import method_name
from tsal.data.labels import budget_order
from tsal.errors import InputError
from tsal.evaluation.runs import Run, read_log
from tsal.figures.loading import FEW_METHODS, by_run, methods_of, title_of
from tsal.figures.style import (
    BLACK,
    BLUE,
    COLUMN,
    DASHED,
    DOTTED,
    DOUBLE,
    GREEN,
    GREY,
    LINE_STYLES,
    ORANGE,
    SKY,
    SOLID,
    VERMILLION,
    draw_seeds,
    label_ends,
    make_panels,
    method_colours,
    new_figure,
    set_error_axis,
    written,
)

_SIGNAL_COLOURS = {
    "detection": BLUE,
    "offsets": SKY,
    "tracking": GREEN,
    "fused": BLACK,
    "teacher": VERMILLION,
}
_SIGNAL_NAMES = {"fused": "Fused target", "teacher": "Teacher"}


@dataclass(frozen=True)
class _Curve:
    """A named quantity over training: values indexed by iteration, one column a seed."""

    name: str
    values: pd.DataFrame
    colour: str
    strong: bool = True
    linestyle: object = SOLID


def draw_training(logs: Sequence[str | Path], output: str | Path) -> list[Path]:
    """NME on the validation people over training: a panel for each label budget.

    Of each method the network that is evaluated is drawn strong: the teacher where there is one, else, at
    each iteration, the better of its networks (raw and averaged weights); the others are drawn thin, and only
    where few methods are shown; many are told apart by dashes too. Runs of the method "warmup" are the common start of
    the others.

    Args:
        logs: log.csv of the runs.
        output: the .png path; the .pdf is written beside it.

    Returns:
        The paths written.

    Raises:
        InputError: no logs, or no column val_nme_* in any.
    """
    runs = _with_columns(by_run(logs, read_log), "val_nme_")
    budgets = sorted({run.labels for run in runs}, key=budget_order)
    colours = method_colours([method for method in methods_of(runs) if method != "warmup"])
    few = len(colours) <= FEW_METHODS
    with new_figure(output) as make:
        titles = [title_of(runs, labels) for labels in budgets]
        panels = make_panels(make, titles, COLUMN if few else DOUBLE, 2.4)
        for axes, labels in zip(panels, budgets, strict=True):
            seeds = {
                method: [log for run, log in runs.items() if (run.method, run.labels) == (method, labels)]
                for method in methods_of(runs)
            }
            curves = []
            for i, (method, colour) in enumerate(colours.items()):
                of_method = _training_curves(method, seeds[method], colour)
                style = LINE_STYLES[i % len(LINE_STYLES)]
                curves += of_method if few else [replace(curve, linestyle=style) for curve in of_method[-1:]]
            warmup = _training_curves("warmup", seeds.get("warmup", []), GREY)[-1:]
            _draw_curves(axes, curves, warmup)
            axes.set_ylabel("Validation NME (%)")
    return written(output)


def _training_curves(method: str, seeds: Sequence[pd.DataFrame], colour: str) -> list[_Curve]:
    """The curves of a method; the evaluated network's comes last, so that it lies on top."""
    networks = {network: _align(seeds, network) for network in _columns(seeds)}
    name = method_name(method)
    if not networks:
        return []
    if len(networks) == 1:
        return [_Curve(name, *networks.values(), colour)]
    evaluated = f"{name}, best"
    if "teacher" in networks:
        evaluated, best = f"{name}, teacher", networks.pop("teacher")
    else:
        common = pd.concat(networks, axis=1, join="inner")
        best = common.T.groupby(level=1).min().T
    thin = [
        _Curve(f"{name}, {network}", values, colour, strong=False, linestyle=(DASHED, DOTTED)[i % 2])
        for i, (network, values) in enumerate(networks.items())
    ]
    return [*thin, _Curve(evaluated, best, colour)]


def draw_signals(logs: Sequence[str | Path], output: str | Path) -> list[Path]:
    """Error of each supervision signal, and of the teacher, against ground truth over training (claim 4).

    A panel for each (method, label budget) whose logs have columns noise_*; other logs are passed over.

    Args:
        logs: log.csv of the runs.
        output: the .png path; the .pdf is written beside it.

    Returns:
        The paths written.

    Raises:
        InputError: no logs, or no column noise_* in any.
    """
    runs = _with_columns(by_run(logs, read_log), "noise_")
    keys = sorted(dict.fromkeys((run.method, run.labels) for run in runs), key=lambda key: budget_order(key[1]))
    with new_figure(output) as make:
        titles = [title_of(runs, labels, method_name(method)) for method, labels in keys]
        for axes, key in zip(make_panels(make, titles, COLUMN, 2.4), keys, strict=True):
            seeds = [log for run, log in runs.items() if (run.method, run.labels) == key]
            _draw_curves(axes, _signal_curves(seeds))
            axes.set_ylabel("Error on unlabelled frames (NME, %)")
    return written(output)


def _signal_curves(seeds: Sequence[pd.DataFrame]) -> list[_Curve]:
    """The curves of the signals; the teacher's comes last, so that it lies on top."""
    signals = sorted(_columns(seeds), key=lambda signal: signal == "teacher")
    others = [signal for signal in signals if signal not in _SIGNAL_COLOURS]
    colours = _SIGNAL_COLOURS | {signal: (ORANGE, GREY)[i % 2] for i, signal in enumerate(others)}
    return [
        _Curve(
            _SIGNAL_NAMES.get(signal, signal.replace("_", " ").capitalize()),
            _align(seeds, signal),
            colours[signal],
            strong=signal == "teacher",
            linestyle=DASHED if signal == "fused" else SOLID,
        )
        for signal in signals
    ]


def _draw_curves(axes: Axes, curves: Sequence[_Curve], before: Sequence[_Curve] = ()) -> None:
    """Curves over iterations, named where they end; `before` is named where it runs."""
    ends = []
    for curve in (*before, *curves):
        width, order = (1.6, 3) if curve.strong else (0.9, 2)
        x, seeds = curve.values.index.to_numpy(), curve.values.to_numpy().T
        style = dict(linewidth=width, linestyle=curve.linestyle, zorder=order)
        mean = draw_seeds(axes, x, seeds, curve.colour, **style)
        ends.append((mean[-1], curve.name, curve.colour, curve.strong))
    # The warm-up starts far above: what follows it decides the scale.
    shown = np.concatenate([curve.values.to_numpy().ravel() for curve in (curves or before)])
    set_error_axis(axes, shown.min(), shown.max())
    spans = [curve.values.index[[0, -1]] for curve in (*before, *curves)]
    first, last = min(span[0] for span in spans), max(span[1] for span in spans)
    axes.set_xlim(first, max(last, first + 1))
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True, steps=[1, 2, 5, 10]))
    axes.set_xlabel("Iteration")
    label_ends(axes, ends[len(before) :])
    for curve in before:
        start = curve.values.index[-1]
        axes.axvline(start, color=GREY, linewidth=0.6, linestyle=DOTTED)
        place = dict(xycoords=axes.get_xaxis_transform(), textcoords="offset points", rotation=90, fontsize=7)
        name = method_name("warmup")
        # Left of its end, but not over the axis, where a short warm-up ends.
        shift, side = (-2, "right") if start - first > 0.1 * (last - first) else (2, "left")
        axes.annotate(name, (start, 0.02), (shift, 0), ha=side, va="bottom", color=curve.colour, **place)


def _with_columns(runs: Mapping[Run, pd.DataFrame], prefix: str) -> dict[Run, pd.DataFrame]:
    """The columns that start with prefix, named without it, by iteration; runs without any are left out."""
    kept = {}
    for run, log in runs.items():
        names = {name: name.removeprefix(prefix) for name in log.columns if name.startswith(prefix)}
        measured = log.set_index("iteration")[list(names)].dropna(axis=1, how="all").rename(columns=names)
        if len(measured.columns):
            kept[run] = measured
    if not kept:
        raise InputError(f"{next(iter(runs)).folder}: the log has no figures in columns {prefix}*, nor has any other")
    return kept


def _columns(seeds: Sequence[pd.DataFrame]) -> list[str]:
    return list(dict.fromkeys(column for log in seeds for column in log.columns))


def _align(seeds: Sequence[pd.DataFrame], column: str) -> pd.DataFrame:
    """One column of several logs, (iterations, seeds): at the iterations where every seed measured it."""
    series = [log[column].dropna() for log in seeds if column in log.columns]
    return pd.concat(series, axis=1, join="inner", keys=range(len(series)))

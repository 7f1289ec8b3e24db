"""Test faces with the true landmarks and each method's: typical faces and the worst ones."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from matplotlib import patheffects
from matplotlib.axes import Axes

from tsal.config.names import method_name
from tsal.data.cropping import apply_affine, crop_image, invert_affine, read_face_image
from tsal.data.faces import boxes_of, n_points, points_of, read_faces, visibility_of
from tsal.data.labels import budget_name
from tsal.data.landmarks import SCHEMES, Scheme
from tsal.errors import InputError
from tsal.evaluation.runs import Run, read_predictions, read_scores
from tsal.figures.loading import first_runs
from tsal.figures.style import DOUBLE, method_colours, new_figure, written

_CROP_PX = 240
_EXPAND = 0.12  # of the box's longer side, on each side: the faces fill the panels
_FARTHEST = 0.5  # of the box's longer side: how far a panel reaches to show stray predictions
_TRUTH = "#000000"
Edges = tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class _Method:
    """One run to show: NME (percent) by face, landmarks in image px by face."""

    run: Run
    errors: pd.Series
    points: pd.DataFrame


def draw_overlay(
    predictions: Sequence[str | Path],
    faces: str | Path,
    output: str | Path,
    *,
    normaliser: str | None = None,
    percentiles: Sequence[float] = (10, 50, 90),
    n_worst: int | None = None,
    scheme: Scheme | None = None,
) -> list[Path]:
    """Draw a grid: a row a method, a column a face: faces at percentiles of the NME, then the worst ones.

    Of several seeds the first is shown, of several label budgets the smallest. Percentiles are of the NME
    averaged over the methods, so that they favour none; the worst faces are those of each method.

    Args:
        predictions: predictions.csv of the runs, with scores.csv beside each.
        faces: the face table; its images, or frames of videos, are read.
        output: the .png path; the .pdf is written beside it.
        normaliser: of the NME; default the first in the scores.
        percentiles: in [0, 100].
        n_worst: worst faces of each method; default 2 for up to two methods, else 1.
        scheme: of the landmarks, whose edges are drawn; default the built-in one of as many points, if there is one.

    Returns:
        The paths written.

    Raises:
        InputError: no predictions, no scores beside them, methods scored on different faces, a face without
            prediction, or an image that cannot be read.
    """
    methods = _load(predictions, normaliser)
    n_worst = n_worst if n_worst is not None else (2 if len(methods) <= 2 else 1)
    columns = choose_faces({m.run.method: m.errors for m in methods}, percentiles, n_worst)
    table = read_faces(faces).set_index("face", drop=False)
    absent = [face for face in columns if face not in table.index]
    if absent:
        raise InputError(f"{faces}: no face '{absent[0]}', which the scores have; score with this face table")
    colours = method_colours([method.run.method for method in methods])
    edges = _edges(scheme, n_points(table))
    with new_figure(output) as make:
        side = (DOUBLE - 0.18) / len(columns)
        title_lines = max(title.count("\n") + 1 for title in columns.values())
        figure = make(DOUBLE, len(methods) * side + 0.11 * title_lines + 0.25)
        figure.get_layout_engine().set(w_pad=0.01, h_pad=0.025, wspace=0.01, hspace=0.01)
        grid = figure.subplots(len(methods), len(columns), squeeze=False)
        for column, (face, title) in enumerate(columns.items()):
            _draw_face(grid[:, column], table.loc[[face]], methods, colours, edges)
            grid[0, column].set_title(title, fontsize=6.5, loc="center", linespacing=1.15)
        for axes, method in zip(grid[:, 0], methods, strict=True):
            axes.set_ylabel(method_name(method.run.method), color=colours[method.run.method], fontweight="bold")
        title = f"{methods[0].run.benchmark}, {budget_name(methods[0].run.labels)}"
        note = f"{title}. Black: ground truth; colour: prediction; number: NME (%)"
        figure.supxlabel(note, fontsize=6.5, x=0.01, ha="left", color="#444444")
    return written(output)


def _load(predictions: Sequence[str | Path], normaliser: str | None) -> list[_Method]:
    """The runs to show, one a method, in the order of the paths."""
    methods = []
    for run, path in first_runs(predictions).items():
        scores = read_scores(run.folder / "scores.csv")
        normaliser = normaliser or scores["normaliser"].iloc[0]
        scores = scores[scores["normaliser"] == normaliser].drop_duplicates("face")
        if scores.empty:
            raise InputError(f"{run.folder / 'scores.csv'}: no scores with normaliser '{normaliser}'")
        methods.append(_Method(run, scores.set_index("face")["nme"], _points_by_face(path, scores["face"])))
        if set(methods[-1].errors.index) != set(methods[0].errors.index):
            raise InputError(f"{run} and {methods[0].run} were scored on different faces; score both anew")
    return methods


def _points_by_face(path: Path, faces: pd.Series) -> pd.DataFrame:
    points = read_predictions(path).drop_duplicates("face").set_index("face")
    missing = faces[~faces.isin(points.index)]
    if len(missing):
        raise InputError(f"{path}: no prediction for face '{missing.iloc[0]}', which scores.csv has")
    return points


def choose_faces(errors: dict[str, pd.Series], percentiles: Sequence[float], n_worst: int) -> dict[str, str]:
    """The faces to show and their titles.

    Args:
        errors: NME by face, of each method, for the same faces.
        percentiles: of the NME averaged over methods, in [0, 100].
        n_worst: worst faces of each method.

    Returns:
        Title by face: the percentiles' faces first; a face that is among the worst of several methods comes
        once, with all of them in its title.
    """
    mean = pd.concat(errors, axis=1).mean(axis=1).sort_values(kind="stable")
    titles: dict[str, list[str]] = {}
    for percentile in percentiles:
        face = mean.index[round(percentile / 100 * (len(mean) - 1))]
        titles.setdefault(face, []).append("Median" if percentile == 50 else f"{percentile:g}th percentile")
    for method, of_method in errors.items():
        for rank, face in enumerate(of_method.sort_values(ascending=False, kind="stable").index[:n_worst], 1):
            place = {1: "Worst", 2: "2nd worst", 3: "3rd worst"}.get(rank, f"{rank}th worst")
            titles.setdefault(face, []).append(f"{place}: {method_name(method)}")
    return {face: "\n".join(lines) for face, lines in titles.items()}


def _edges(scheme: Scheme | None, count: int) -> Edges:
    """What is drawn as lines of `count` landmarks; nothing where the scheme is unknown."""
    schemes = SCHEMES.values() if scheme is None else [scheme]
    return next((scheme.edges for scheme in schemes if scheme.n_points == count), ())


def _draw_face(
    column: Sequence[Axes], face: pd.DataFrame, methods: Sequence[_Method], colours: dict[str, str], edges: Edges
) -> None:
    """One face in every method's row: grey crop, truth in white, predictions and their errors in colour."""
    truth, visible = points_of(face)[0], visibility_of(face)[0]
    name = face["face"].iloc[0]
    predicted = [method.points.loc[name].to_numpy(float).reshape(-1, 2) for method in methods]
    window = _window(boxes_of(face)[0], np.concatenate([truth[visible], *(p[visible] for p in predicted)]))
    image = read_face_image(face, 0)
    crop, to_image = crop_image(image, window, input_px=_CROP_PX, expand=_EXPAND, margin=1)
    to_crop = invert_affine(to_image)
    grey = cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY)
    truth = np.where(visible[:, None], apply_affine(to_crop, truth), np.nan)
    for axes, method, points in zip(column, methods, predicted, strict=True):
        axes.imshow(grey, cmap="gray", vmin=-170, vmax=255, interpolation="bilinear")
        colour = colours[method.run.method]
        _draw_landmarks(axes, truth, apply_affine(to_crop, points), visible, colour, edges)
        axes.set(xlim=(0, _CROP_PX - 1), ylim=(_CROP_PX - 1, 0), xticks=[], yticks=[])
        axes.grid(False)
        axes.spines[:].set_visible(False)
        halo = [patheffects.withStroke(linewidth=1.5, foreground="#FFFFFF")]
        number = dict(transform=axes.transAxes, fontsize=6.5, color="#000000", path_effects=halo)
        axes.text(0.97, 0.03, f"{method.errors[name]:.1f}", ha="right", va="bottom", **number)


def _window(box: np.ndarray, points: np.ndarray) -> np.ndarray:
    """The box, enlarged as far as needed (and allowed) to hold the points (N, 2)."""
    reach = _FARTHEST * max(box[2:] - box[:2])
    low = np.clip(points.min(axis=0), box[:2] - reach, box[:2])
    high = np.clip(points.max(axis=0), box[2:], box[2:] + reach)
    return np.concatenate([low, high])


def _draw_landmarks(
    axes: Axes, truth: np.ndarray, predicted: np.ndarray, visible: np.ndarray, colour: str, edges: Edges
) -> None:
    for chain in edges:
        axes.plot(*truth[list(chain)].T, color=_TRUTH, linewidth=0.6, alpha=0.9)
    gaps = np.full_like(truth, np.nan)
    segments = np.stack([truth, predicted, gaps], axis=1)[visible].reshape(-1, 2)
    axes.plot(*segments.T, color=colour, linewidth=0.5)
    axes.plot(*predicted[visible].T, linestyle="none", marker="o", markersize=1.5, color=colour, markeredgewidth=0)

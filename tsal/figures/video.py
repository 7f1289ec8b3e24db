"""Figures of videos: the path of a landmark over frames, and jitter against NME."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from tsal.config.names import method_name
from tsal.data.faces import points_of, read_faces, visibility_of
from tsal.data.labels import budget_order, budget_share
from tsal.data.landmarks import SCHEMES, Scheme
from tsal.errors import InputError
from tsal.evaluation.runs import Run, read_predictions, read_scores
from tsal.figures.loading import first_runs, load_scores, methods_of, tested_on
from tsal.figures.style import BLACK, COLUMN, DOUBLE, GREY, make_panels, method_colours, new_figure, written

_ROWS = ("x (px)", "y (px)", "Second\ndifference (px)")
_POINT = dict(markersize=4, markeredgewidth=0.8)
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")


@dataclass(frozen=True)
class _Track:
    """One run of a method in a video: landmarks (T, K, 2) in image px, mean jitter of the video in percent."""

    method: str
    points: np.ndarray
    jitter: float


def draw_trajectory(
    predictions: Sequence[str | Path],
    faces: str | Path,
    output: str | Path,
    *,
    video: str | None = None,
    landmarks: Sequence[int] | None = None,
    scheme: Scheme = SCHEMES["68"],
    first: int = 0,
    frames: int = 200,
) -> list[Path]:
    """The path of landmarks in a test video: x, y and the length of the second difference of (x, y) over frames.

    Of several seeds the first is drawn, of several label budgets the smallest. A column a landmark; black is the truth.
    Frames that are not annotated are gaps. The legend gives each method's jitter in the whole video.

    Args:
        predictions: predictions.csv of the runs, with scores.csv beside each.
        faces: the face table.
        output: the .png path; the .pdf is written beside it.
        video: a clip of the test faces; default that of median jitter, averaged over the methods.
        landmarks: their numbers in the scheme; the defaults are the tip of the nose and a corner of the mouth, if
            these are points of the scheme by its `of_68`, else its first and its last one.
        scheme: of the landmarks.
        first: where to start, in annotated frames of the video.
        frames: how many of these to draw.

    Returns:
        The paths written.

    Raises:
        InputError: no predictions, or no scores beside them; scores without jitter, or an unknown video; a landmark
            that the scheme lacks; a frame without prediction; or no frame in the range.
    """
    chosen = first_runs(predictions)
    scores = {run: read_scores(run.folder / "scores.csv") for run in chosen}
    clip = video or _median_clip(scores, faces)
    table = read_faces(faces)
    table = table[(table["clip"] == clip).to_numpy() & (table["split"] == "test").to_numpy()]
    table = table[visibility_of(table).any(axis=1)].sort_values("frame").iloc[first : first + frames]
    if table.empty:
        raise InputError(f"{faces}: no annotated test face of clip '{clip}' from number {first} on")
    landmarks = _telling(scheme) if landmarks is None else landmarks
    truth = np.where(visibility_of(table)[..., None], points_of(table), np.nan)
    wrong = [k for k in landmarks if not 0 <= k < truth.shape[1]]
    if wrong:
        raise InputError(f"{faces}: no landmark {wrong[0]}; expected one of 0 to {truth.shape[1] - 1}")
    tracks = [_track(run, path, scores[run], table["face"], clip) for run, path in chosen.items()]
    with new_figure(output) as make:
        grid = make(DOUBLE, 4.6).subplots(len(_ROWS), len(landmarks), squeeze=False, sharex=True)
        for column, landmark in zip(grid.T, landmarks, strict=True):
            column[0].set_title(scheme.names[landmark] if scheme.names else f"Landmark {landmark}")
            _draw_landmark(column, table["frame"].to_numpy(), truth[:, landmark], tracks, landmark)
        for axes, name in zip(grid[:, 0], _ROWS, strict=True):
            axes.set_ylabel(name)
        run = next(iter(chosen))
        title = f"{tested_on([run])}, {clip}, {budget_share(run.labels)}: jitter of the video (%)"
        _place_legend_below(grid[0, 0].figure, *grid[0, 0].get_legend_handles_labels(), title)
    return written(output)


def _telling(scheme: Scheme) -> tuple[int, ...]:
    """The tip of the nose, which is rigid, and a corner of the mouth, which moves; else the first point and last."""
    if {30, 48} <= set(scheme.of_68):
        return scheme.of_68.index(30), scheme.of_68.index(48)
    return (0, scheme.n_points - 1) if scheme.n_points > 1 else (0,)


def _median_clip(scores: Mapping[Run, pd.DataFrame], faces: str | Path) -> str:
    """The test video of median jitter, averaged over methods; of an even number the calmer."""
    of_method = [_jitter_by_clip(table) for table in scores.values()]
    mean = pd.concat(of_method, axis=1).mean(axis=1).dropna().sort_values(kind="stable")
    if mean.empty:
        folder = next(iter(scores)).folder
        raise InputError(f"{folder / 'scores.csv'}: no jitter; expected scores of a video benchmark, see {faces}")
    return str(mean.index[(len(mean) - 1) // 2])


def _jitter_by_clip(scores: pd.DataFrame) -> pd.Series:
    scores = scores[scores["normaliser"] == scores["normaliser"].iloc[0]].drop_duplicates("face")
    return scores.groupby("clip")["jitter"].mean()


def _track(run: Run, path: Path, scores: pd.DataFrame, faces: pd.Series, clip: str) -> _Track:
    points = read_predictions(path).drop_duplicates("face").set_index("face")
    missing = faces[~faces.isin(points.index)]
    if len(missing):
        raise InputError(f"{path}: no prediction for face '{missing.iloc[0]}' of clip '{clip}'; predict anew")
    jitter = _jitter_by_clip(scores).get(clip, np.nan)
    return _Track(run.method, points_of(points.loc[faces].reset_index(drop=True)), float(jitter))


def _draw_landmark(
    column: Sequence[Axes], frames: np.ndarray, truth: np.ndarray, tracks: Sequence[_Track], landmark: int
) -> None:
    """One landmark: the panels of x, y and the second difference."""
    colours = method_colours([track.method for track in tracks])
    paths = [
        (track.points[:, landmark], colours[track.method], f"{track.jitter:.2f}  {method_name(track.method)}")
        for track in tracks
    ]
    paths.append((truth, BLACK, "Truth"))
    whole = np.arange(frames[0], frames[-1] + 1)
    for points, colour, name in paths:
        # Frames that are missing become NaN, which parts the lines and undoes the differences across the gap.
        values = np.full((len(whole), 2), np.nan)
        values[frames - frames[0]] = points
        bend = np.full(len(whole), np.nan)
        bend[1:-1] = np.linalg.norm(values[2:] - 2 * values[1:-1] + values[:-2], axis=1)
        style = dict(color=colour, label=name, linewidth=0.8 if name != "Truth" else 1.1, alpha=0.9)
        for axes, curve in zip(column, (*values.T, bend), strict=True):
            axes.plot(whole, curve, **style)
    column[-1].set_ylim(bottom=0)
    column[-1].set_xlabel("Frame")
    column[-1].xaxis.set_major_locator(MaxNLocator(6, integer=True))
    column[0].set_xlim(whole[0], max(whole[-1], whole[0] + 1))


def _place_legend_below(figure: Figure, handles: Sequence, names: Sequence[str], title: str) -> None:
    """In as many columns, up to four, as the figure is wide enough for."""
    for columns in range(min(len(names), 4), 0, -1):
        legend = figure.legend(handles, names, loc="outside lower center", ncols=columns, title=title)
        if columns == 1 or legend.get_window_extent().width <= figure.bbox.width:
            return
        legend.remove()


def draw_jitter(scores: Sequence[str | Path], output: str | Path, *, normaliser: str | None = None) -> list[Path]:
    """Jitter against NME: a panel a subset, a point for each method and label budget, with bars over the seeds' range.

    Subsets without jitter, those of still images, have no panel.

    Args:
        scores: scores.csv of the runs.
        output: the .png path; the .pdf is written beside it.
        normaliser: of the NME; default the first in the scores.

    Returns:
        The paths written.

    Raises:
        InputError: no scores, or scores without jitter; runs of several benchmarks or on different faces; or none with
            this normaliser.
    """
    runs = load_scores(scores, normaliser)
    points: dict[tuple[str, str, str], list[tuple[float, float]]] = {}
    for run, table in runs.items():
        means = table.groupby("subset", sort=False)[["nme", "jitter"]].mean().dropna()
        if means.empty:
            raise InputError(f"{run.folder}: scores without jitter; expected those of a video benchmark")
        for subset, nme, jitter in means.itertuples():
            points.setdefault((subset, run.labels, run.method), []).append((nme, jitter))
    subsets = list(dict.fromkeys(subset for subset, *_ in points))
    budgets = sorted({labels for _, labels, _ in points}, key=budget_order)
    looks = _looks(methods_of(runs))
    titles = [f"{tested_on(runs)}, {subset}" for subset in subsets]
    unit = next(iter(runs.values()))["normaliser"].iloc[0]
    with new_figure(output) as make:
        panels = make_panels(make, titles, COLUMN, 2.8)
        for axes, subset in zip(panels, subsets, strict=True):
            for (at, labels, method), seeds in points.items():
                if at == subset:
                    marker = _MARKERS[budgets.index(labels) % len(_MARKERS)]
                    _draw_point(axes, np.array(seeds), marker, looks[method])
            axes.set(xlabel=f"NME (%, {unit})", ylabel=f"Jitter (%, {unit})")
        _name_points(panels[0].figure, looks, budgets)
    return written(output)


def _looks(methods: Sequence[str]) -> dict[str, dict[str, str]]:
    """Colours of each method's points; where a colour comes again, they are hollow."""
    looks, used = {}, set()
    for method, colour in method_colours(methods).items():
        looks[method] = dict(color=colour, markerfacecolor="#FFFFFF" if colour in used else colour)
        used.add(colour)
    return looks


def _draw_point(axes: Axes, seeds: np.ndarray, marker: str, look: Mapping[str, str]) -> None:
    mean, low, high = seeds.mean(axis=0), seeds.min(axis=0), seeds.max(axis=0)
    below, above = np.maximum(mean - low, 0), np.maximum(high - mean, 0)
    bars = dict(xerr=[[below[0]], [above[0]]], yerr=[[below[1]], [above[1]]], elinewidth=0.7)
    axes.errorbar(*mean, marker=marker, linestyle="none", **_POINT, **look, **bars)


def _name_points(figure: Figure, looks: Mapping[str, Mapping[str, str]], budgets: Sequence[str]) -> None:
    """Colours are methods; shapes are label budgets, where there are several."""
    handles = [
        Line2D([], [], marker="o", linestyle="none", label=method_name(method), **_POINT, **look)
        for method, look in looks.items()
    ]
    if len(budgets) > 1:
        shapes = {budget_share(budget): _MARKERS[i % len(_MARKERS)] for i, budget in enumerate(budgets)}
        handles += [
            Line2D([], [], marker=shape, linestyle="none", color=GREY, label=name, **_POINT)
            for name, shape in shapes.items()
        ]
    _place_legend_below(figure, handles, [handle.get_label() for handle in handles], "")

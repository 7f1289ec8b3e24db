"""The contact sheet of a benchmark: what its faces look like, and where their landmarks lie."""

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from tsal.data.cropping import apply_affine, crop_image, invert_affine, read_face_image
from tsal.data.faces import boxes_of, labelled_of, points_of, read_faces, visibility_of
from tsal.errors import InputError
from tsal.figures.style import DOUBLE, SKY, VERMILLION, new_figure, written

_COLUMNS, _ROWS, _STRIPS = 8, 5, 3
_TILE_PX = 176
_GAP_PX = 4
_REACH = 2.2  # side of what a tile shows over the longer side of the face's box, where the image has as much


def draw_faces(faces: str | Path, output: str | Path) -> list[Path]:
    """Draw a grid of training faces, every second one with its landmarks, and below it clips frame by frame.

    The grid shows still images, drawn evenly from the table; of a benchmark without any, one frame each of clips.
    Visible landmarks are filled, hidden ones are rings.

    Args:
        faces: the face table; the images, or frames of videos, of the faces shown are read.
        output: the .png path; the .pdf is written beside it.

    Returns:
        The paths written.

    Raises:
        InputError: no training face, or an image that cannot be read.
    """
    table = read_faces(faces)
    table = table[table["split"] == "train"].reset_index(drop=True)
    if table.empty:
        raise InputError(f"{faces}: no face of the split train to draw; index the benchmark anew")
    single, strips = choose_singles(table, _COLUMNS * _ROWS), choose_clips(table, _STRIPS, _COLUMNS)
    rows = -(-len(single) // _COLUMNS)
    places = [(*divmod(place, _COLUMNS), row) for place, row in enumerate(single)]
    beside = _COLUMNS // len(strips[0]) if strips else 1  # so many short clips fit into one row
    for number, strip in enumerate(strips):
        first = number % beside * _COLUMNS // beside
        places += [(rows + number // beside, first + frame, row) for frame, row in enumerate(strip)]
    step = _TILE_PX + _GAP_PX
    height = step * (1 + max(line for line, _, _ in places)) + (2 * _GAP_PX if strips else 0)
    with new_figure(output) as make:
        figure = make(DOUBLE, DOUBLE * height / (step * _COLUMNS))
        figure.get_layout_engine().set(w_pad=0, h_pad=0, wspace=0, hspace=0)
        axes = figure.subplots()
        axes.set(xlim=(0, step * _COLUMNS), ylim=(height, 0))
        axes.axis("off")
        for line, column, row in places:
            in_grid = line < rows
            top = line * step + (0 if in_grid else 2 * _GAP_PX)
            _draw_tile(axes, table.iloc[[row]], column * step, top, in_grid and (line + column) % 2 == 1)
    return written(output)


def choose_singles(table: pd.DataFrame, count: int) -> np.ndarray:
    """Rows of at most `count` faces, evenly from the still images; without any, from labelled frames, one of a clip."""
    stills = np.flatnonzero(table["frame"] < 0)
    frames = np.flatnonzero(labelled_of(table)) if labelled_of(table).any() else np.arange(len(table))
    first = frames[~table["clip"].iloc[frames].duplicated().to_numpy()]
    return _evenly(stills if len(stills) else first, count)


def choose_clips(table: pd.DataFrame, count: int, frames: int) -> list[np.ndarray]:
    """Rows of frames, in order and evenly from each clip, for `count` lines of `frames` tiles.

    All are equally long: `frames`, or as many as the longest clip has; short ones are more than `count`.
    """
    clips = [np.array(rows) for rows in table.groupby("clip", sort=False).indices.values() if len(rows) > 1]
    full = min(frames, max(map(len, clips), default=0))
    clips = [rows for rows in clips if len(rows) >= full]
    count *= frames // max(full, 1)
    chosen = [clips[number] for number in _evenly(np.arange(len(clips)), count)]
    return [_evenly(rows[np.argsort(table["frame"].to_numpy()[rows])], frames) for rows in chosen]


def _evenly(values: np.ndarray, count: int) -> np.ndarray:
    """At most `count` of the values, evenly spaced, from the middle of each of `count` parts."""
    count = min(count, len(values))
    return values[((np.arange(count) + 0.5) * len(values) / max(count, 1)).astype(int)]


def _draw_tile(axes: Axes, face: pd.DataFrame, left: float, top: float, marked: bool) -> None:
    """One face with its surroundings, and its landmarks where it is marked."""
    image = read_face_image(face, 0)
    window = _window(boxes_of(face)[0], *image.shape[1::-1])
    tile, to_image = crop_image(image, window, input_px=_TILE_PX, expand=0, margin=1)
    axes.imshow(tile, extent=(left, left + _TILE_PX, top + _TILE_PX, top), interpolation="bilinear", aspect="auto")
    if not marked:
        return
    points = apply_affine(invert_affine(to_image), points_of(face)[0]) + 0.5 + [left, top]
    inside = ((points >= [left, top]) & (points <= [left + _TILE_PX, top + _TILE_PX])).all(axis=1)
    visible = visibility_of(face)[0]
    style = dict(linestyle="none", marker="o", markersize=1.7)
    axes.plot(*points[inside & visible].T, color=SKY, markeredgewidth=0, **style)
    axes.plot(*points[inside & ~visible].T, color=VERMILLION, fillstyle="none", markeredgewidth=0.4, **style)


def _window(box: np.ndarray, width: int, height: int) -> np.ndarray:
    """A square around the box, (4,) in px, moved into the image and no larger than it, if the box allows that."""
    side = max(box[2:] - box[:2])
    side = max(side, min(_REACH * side, width, height))
    low = (box[:2] + box[2:] - side) / 2
    last = np.array([width, height]) - 0.5 - side  # the picture reaches from -0.5, the first pixel's centre is 0
    low = np.where(last >= -0.5, np.clip(low, -0.5, last), low)
    return np.concatenate([low, low + side])

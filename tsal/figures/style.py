"""How figures look: fonts, colours, panels, legends, and saving them as the same bytes for the same input."""

import textwrap
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator, StrMethodFormatter
from matplotlib.transforms import Bbox

from tsal.errors import InputError
from tsal.files import atomic_path
from tsal.methods import get, names
from tsal.tables.notes import notes

COLUMN, DOUBLE = 3.3, 7.0  # widths of one and of two columns of a paper, in inches
_SMALL = 6.5  # points
_LETTER = 0.54  # width of a letter, of its size, with some room
_AXIS = 0.55  # inches beside a panel that its numbers and label take

# Okabe and Ito (2008): told apart with any colour vision. Their yellow is left out, since it fails on white.
BLUE, VERMILLION, GREEN, PURPLE = "#0072B2", "#D55E00", "#009E73", "#CC79A7"
ORANGE, SKY, BLACK, GREY = "#E69F00", "#56B4E9", "#000000", "#7F7F7F"
_SPARE_COLOURS = (SKY, BLACK, GREY, GREEN, PURPLE, ORANGE)
SOLID, DASHED, DOTTED, DASH_DOT = "-", (0, (4, 1.5)), (0, (1, 1.2)), (0, (5, 1.2, 1, 1.2))
LINE_STYLES = (SOLID, DASHED, DASH_DOT, DOTTED)

STYLE = {
    "font.family": "DejaVu Sans",  # comes with matplotlib: the same letters on every machine
    "font.size": 7.5,
    "text.color": "#222222",
    "axes.labelsize": 7.5,
    "axes.titlesize": 7.5,
    "axes.titlelocation": "left",
    "axes.titlepad": 5,
    "axes.linewidth": 0.6,
    "axes.edgecolor": "#444444",
    "axes.labelcolor": "#222222",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#E6E6E6",
    "grid.linewidth": 0.5,
    "lines.linewidth": 1.4,
    "lines.solid_capstyle": "round",
    "legend.fontsize": 7,
    "legend.title_fontsize": 7,
    "legend.frameon": False,
    "legend.handlelength": 1.8,
    "legend.labelspacing": 0.35,
    "legend.borderaxespad": 0.6,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "xtick.color": "#444444",
    "ytick.color": "#444444",
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "pdf.fonttype": 42,  # TrueType: many publishers refuse matplotlib's default, Type 3
    "savefig.dpi": 200,
}
# Dates and versions in the files would change their bytes from run to run.
_METADATA = {
    "png": {"Software": None},
    "pdf": {"Creator": None, "Producer": None, "CreationDate": None},
}


@contextmanager
def new_figure(output: str | Path) -> Iterator[Callable[[float, float], Figure]]:
    """A figure in the project's style, without pyplot's global state, saved at the end as PNG and as PDF.

    Below it are the notes on what it shows, see tsal.tables.notes; it is higher by as much.

    Args:
        output: the .png path; the .pdf is written beside it.

    Yields:
        A function (width, height in inches) -> Figure, to be called once in the block.

    Raises:
        InputError: output is no .png path.
    """
    output = Path(output)
    if output.suffix != ".png":
        raise InputError(f"{output}: figures are written as .png, with a .pdf beside it; expected NAME.png")
    made: list[Figure] = []

    def make(width: float, height: float) -> Figure:
        made.append(Figure(figsize=(width, height), layout="constrained"))
        FigureCanvasAgg(made[0])
        return made[0]

    with matplotlib.rc_context({**matplotlib.rcParamsDefault, "backend": "agg", **STYLE}):
        yield make
        whole = _add_notes(made[0])
        for kind, metadata in _METADATA.items():
            with atomic_path(output.with_suffix(f".{kind}")) as temporary:
                made[0].savefig(temporary, format=kind, metadata=metadata, bbox_inches=whole)


def _wrapped(text: str, width: float, size: float) -> list[str]:
    """A text in lines of a width in inches, of letters of a size in points."""
    return textwrap.wrap(text, max(20, int(width * 72 / (_LETTER * size))))


def _add_notes(figure: Figure) -> Bbox | None:
    """Write the notes below a figure, where nothing else is drawn; returns the whole in inches, None without notes."""
    width, height = figure.get_size_inches()
    lines = [part for line in notes().lines for part in _wrapped(line, width, _SMALL)]
    if not lines:
        return None
    figure.draw_without_rendering()  # settles the layout, in which the notes have no part
    figure.set_layout_engine("none")
    for legend in figure.legends:  # which would move below the notes
        legend.set_bbox_to_anchor((0, 0, 1, 1), figure.transFigure)
    place = dict(x=0.07 / width, y=-0.03 / height, va="top", linespacing=1.2)
    figure.text(s="\n".join(lines), fontsize=_SMALL, color="#444444", **place)
    return Bbox([[0, -1.4 * len(lines) * _SMALL / 72 - 0.05], [width, height]])


def written(output: str | Path) -> list[Path]:
    """The paths that new_figure(output) writes."""
    return [Path(output).with_suffix(f".{kind}") for kind in _METADATA]


def make_panels(
    make: Callable[[float, float], Figure], titles: Sequence[str], width: float, height: float
) -> list[Axes]:
    """One panel a title: a single one `width` wide, more of them in rows of the double width.

    Args:
        make: as yielded by new_figure.
        titles: of the panels.
        width, height: of a single panel in inches.
    """
    columns = min(len(titles), int(DOUBLE // width))
    rows = -(-len(titles) // columns)
    figure = make(width if columns == 1 else DOUBLE, height * rows)
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes in grid[len(titles) :]:
        axes.remove()
    room = figure.get_figwidth() / columns - _AXIS
    for axes, title in zip(grid, titles, strict=False):
        axes.set_title("\n".join(_wrapped(title, room, STYLE["axes.titlesize"])))
    return list(grid[: len(titles)])


def method_colours(methods: Sequence[str]) -> dict[str, str]:
    """Colour of each method: its own, so that figures agree, or a spare one, in order."""
    own = {name: get(name).colour for name in names()}
    colours = {method: own[method] for method in methods if own.get(method)}
    spare = [colour for colour in _SPARE_COLOURS if colour not in colours.values()]
    others = [method for method in methods if method not in colours]
    return colours | {method: spare[i % len(spare)] for i, method in enumerate(others)}


def draw_seeds(axes: Axes, x: np.ndarray, curves: np.ndarray, colour: str, **line: object) -> np.ndarray:
    """Draw curves (S, M) over x (M,), one a seed, as mean and band over their range; return the mean."""
    mean = curves.mean(axis=0)
    axes.plot(x, mean, color=colour, **line)
    if len(curves) > 1:
        low, high = curves.min(axis=0), curves.max(axis=0)
        axes.fill_between(x, low, high, color=colour, alpha=0.15, linewidth=0)
    return mean


def draw_means(axes: Axes, x: Sequence[float], seeds: Sequence[Sequence[float]], colour: str, **line: object) -> None:
    """Draw a line through the means of the figures of several seeds, with bars over their range."""
    mean = np.array([np.mean(errors) for errors in seeds])
    low, high = mean - [min(errors) for errors in seeds], [max(errors) for errors in seeds] - mean
    axes.errorbar(x, mean, [np.abs(low), np.abs(high)], color=colour, marker="o", markersize=3, elinewidth=0.8, **line)


def set_error_axis(axes: Axes, low: float, high: float) -> None:
    """Scale the y axis to errors from low to high: logarithmic where they span more than a factor of four."""
    if low > 0 and high > 4 * low:
        axes.set_yscale("log")
        axes.set_ylim(low / 1.1, high * 1.1)
        steps = (1, 2, 3, 5, 7) if high < 30 * low else (1, 3)
        axes.yaxis.set_major_locator(FixedLocator([s * 10.0**p for p in range(-3, 6) for s in steps]))
        axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axes.yaxis.set_minor_locator(NullLocator())
    else:
        margin = 0.08 * (high - low) or 0.5
        axes.set_ylim(max(0, low - margin), high + margin)


def place_legend(axes: Axes, **options: object) -> None:
    """Put the legend into a corner where it hides no curve, or beside the panel if there is none."""
    for corner in ("lower right", "upper left", "upper right", "lower left"):
        legend = axes.legend(loc=corner, **options)
        axes.figure.draw_without_rendering()
        if not covers_curve(axes, legend.get_window_extent().padded(3)):
            return
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), **options)


def covers_curve(axes: Axes, box: Bbox) -> bool:
    """Whether a box in display coordinates lies on a line of the panel."""
    paths = [line.get_transform().transform_path(line.get_path()) for line in axes.lines]
    return any(path.intersects_bbox(box, filled=False) for path in paths)


def label_ends(axes: Axes, ends: Sequence[tuple[float, str, str, bool]]) -> None:
    """Name curves beside the right edge of a panel, where they end, so that no names overlap.

    Args:
        axes: with its final limits.
        ends: (y in data coordinates, name, colour, whether in bold) of each curve.
    """
    axes.figure.draw_without_rendering()  # settles the panel's height, which the names do not change
    box = axes.get_window_extent()
    size = matplotlib.rcParams["legend.fontsize"]
    ends = sorted(ends, key=lambda end: end[0])
    wanted = [(axes.transData.transform((1, y))[1] - box.y0) / box.height for y, *_ in ends]
    places = spread(wanted, 1.35 * size * axes.figure.dpi / 72 / box.height)
    for at, place, (_, name, colour, bold) in zip(wanted, places, ends, strict=True):
        line = dict(arrowstyle="-", color=colour, linewidth=0.6, shrinkA=1, shrinkB=1, relpos=(0, 0.5))
        font = dict(color=colour, va="center", fontsize=size, fontweight="bold" if bold else "normal")
        where = dict(xy=(1, at), xytext=(1.06, place), xycoords="axes fraction", textcoords="axes fraction")
        axes.annotate(name, **where, **font, arrowprops=line)


def spread(wanted: Sequence[float], gap: float) -> np.ndarray:
    """The positions in [0, 1] nearest to the wanted ones, given in ascending order, at least `gap` apart.

    Least squares under an order constraint: the isotonic regression of wanted[i] - i * gap, by pooling
    neighbours that are out of order, clipped to the bounds. Too many positions go on beyond 1.
    """
    pools: list[tuple[float, int]] = []  # (mean, size)
    for i, position in enumerate(wanted):
        pools.append((position - i * gap, 1))
        while len(pools) > 1 and pools[-2][0] > pools[-1][0]:
            (a, n), (b, m) = pools[-2:]
            pools[-2:] = [((a * n + b * m) / (n + m), n + m)]
    pooled = np.array([mean for mean, size in pools for _ in range(size)])
    room = max(0, 1 - gap * (len(wanted) - 1))
    return np.clip(pooled, 0, room) + gap * np.arange(len(wanted))

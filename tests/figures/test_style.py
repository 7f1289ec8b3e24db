"""Legends and names that hide nothing, and files that do not change from run to run."""

import io
from itertools import pairwise

import matplotlib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tsal.errors import InputError
from tsal.figures.style import (
    COLUMN,
    DOUBLE,
    covers_curve,
    draw_seeds,
    label_ends,
    make_panels,
    method_colours,
    new_figure,
    place_legend,
    set_error_axis,
    spread,
    written,
)

# Lines that leave free one corner of the unit square each, and one that leaves none.
CURVES = {
    "lower right": [(0, 0), (0, 1), (1, 1)],
    "upper left": [(0, 0), (1, 0), (1, 1)],
    "upper right": [(0, 1), (0, 0), (1, 0)],
    "lower left": [(0, 1), (1, 1), (1, 0)],
    "none": [(0.1, 0.1), (0.1, 0.9), (0.9, 0.9), (0.9, 0.1), (0.1, 0.1)],
}


@pytest.mark.parametrize("corner", CURVES)
def test_the_legend_hides_no_curve(tmp_path, corner):
    with new_figure(tmp_path / "a.png") as make:
        (axes,) = make_panels(make, ["title"], COLUMN, 2.4)
        axes.plot(*np.array(CURVES[corner]).T, label="a method")
        axes.set(xlim=(-0.05, 1.05), ylim=(-0.05, 1.05))
        place_legend(axes, title="AUC")
        axes.figure.draw_without_rendering()
        box, panel = axes.get_legend().get_window_extent(), axes.get_window_extent()
        assert not covers_curve(axes, box)
        inside = panel.x0 <= box.x0 and box.x1 <= panel.x1 and panel.y0 <= box.y0 and box.y1 <= panel.y1
        assert inside == (corner != "none")
        assert box.x1 <= axes.figure.bbox.x1  # beside the panel, but still in the figure


def test_a_line_through_a_box_covers_it_though_no_vertex_lies_inside(tmp_path):
    with new_figure(tmp_path / "a.png") as make:
        (axes,) = make_panels(make, ["title"], COLUMN, 2.4)
        axes.plot([0, 1], [0, 1])
        axes.figure.draw_without_rendering()
        box = matplotlib.transforms.Bbox([[0.4, 0.4], [0.6, 0.6]])
        away = matplotlib.transforms.Bbox([[0.7, 0.1], [0.9, 0.3]])
        assert covers_curve(axes, box.transformed(axes.transData))
        assert not covers_curve(axes, away.transformed(axes.transData))


@pytest.mark.parametrize("ends", [[0.5] * 8, [0.0, 0.01, 0.02, 1.0], [1.0, 0.99, 0.98], [0.3]])
def test_names_at_the_ends_of_curves_do_not_overlap_nor_leave_the_panels_height(tmp_path, ends):
    with new_figure(tmp_path / "a.png") as make:
        (axes,) = make_panels(make, ["title"], COLUMN, 2.4)
        axes.set_ylim(0, 1)
        label_ends(axes, [(y, f"name {i}", "#000000", i == 0) for i, y in enumerate(ends)])
        axes.figure.draw_without_rendering()
        panel = axes.get_window_extent()
        # get_window_extent of an annotation includes its line; the text alone is what must not overlap.
        boxes = [matplotlib.text.Text.get_window_extent(text) for text in axes.texts]
        boxes.sort(key=lambda box: box.y0)
        assert all(low.y1 <= high.y0 + 1 for low, high in pairwise(boxes))
        assert all(box.x0 > panel.x1 and box.x1 <= axes.figure.bbox.x1 for box in boxes)
        assert boxes[0].y1 > panel.y0 and boxes[-1].y0 < panel.y1
        names = [text.get_text() for text in sorted(axes.texts, key=lambda text: text.xyann[1])]
        assert names == [f"name {i}" for i in np.argsort(ends, kind="stable")]


@given(st.lists(st.floats(0, 1), max_size=9).map(sorted), st.floats(0.01, 0.125))
@settings(max_examples=100, deadline=None)
def test_spread_positions_keep_their_distance_and_bounds(wanted, gap):
    places = spread(wanted, gap)
    assert len(places) == len(wanted)
    assert (np.diff(places) >= gap - 1e-9).all()
    assert ((places >= -1e-9) & (places <= 1 + 1e-9)).all()


@given(st.lists(st.floats(0, 1), min_size=1, max_size=6).map(sorted))
@settings(max_examples=50, deadline=None)
def test_positions_that_are_far_enough_apart_stay(wanted):
    gap = min(np.diff(wanted), default=1.0)
    np.testing.assert_allclose(spread(wanted, gap), wanted, atol=1e-9)


def test_close_positions_are_spread_around_their_mean():
    np.testing.assert_allclose(spread([0.5, 0.5, 0.5], 0.1), [0.4, 0.5, 0.6])
    np.testing.assert_allclose(spread([0.0, 0.0, 0.9], 0.1), [0.0, 0.1, 0.9])


def test_the_mean_and_the_range_of_seeds_are_drawn(tmp_path):
    with new_figure(tmp_path / "a.png") as make:
        (axes,) = make_panels(make, ["title"], COLUMN, 2.4)
        x, curves = np.arange(3), np.array([[1.0, 2, 3], [3, 4, 8]])
        mean = draw_seeds(axes, x, curves, "#0072B2")
        np.testing.assert_array_equal(mean, [2, 3, 5.5])
        np.testing.assert_array_equal(axes.lines[0].get_ydata(), mean)
        band = axes.collections[0].get_paths()[0].vertices
        assert band[:, 1].min() == 1 and band[:, 1].max() == 8
        draw_seeds(axes, x, curves[:1], "#0072B2")
        assert len(axes.collections) == 1  # one seed has no band


@pytest.mark.parametrize(
    ("low", "high", "scale"), [(5, 7, "linear"), (5, 60, "log"), (0, 60, "linear"), (4, 4, "linear")]
)
def test_the_error_axis_holds_all_errors(tmp_path, low, high, scale):
    with new_figure(tmp_path / "a.png") as make:
        (axes,) = make_panels(make, ["title"], COLUMN, 2.4)
        set_error_axis(axes, low, high)
        assert axes.get_yscale() == scale
        bottom, top = axes.get_ylim()
        assert 0 <= bottom <= low and top > high
        ticks = [tick for tick in axes.get_yticks() if bottom <= tick <= top]
        assert len(ticks) >= 3


def test_known_methods_keep_their_colour_and_others_get_different_ones():
    assert method_colours(["tsal"])["tsal"] == method_colours(["a", "supervised", "tsal"])["tsal"]
    colours = method_colours(["supervised", "tsal", "tsal_mu_0", "tsal_mu_1", "mean_teacher"])
    assert len(set(colours.values())) == 5


@pytest.mark.parametrize(("count", "inches"), [(1, (COLUMN, 2)), (2, (DOUBLE, 2)), (3, (DOUBLE, 4))])
def test_panels_fill_a_column_or_the_double_width(tmp_path, count, inches):
    with new_figure(tmp_path / "a.png") as make:
        panels = make_panels(make, [f"title {i}" for i in range(count)], COLUMN, 2)
        assert [axes.get_title(loc="left") for axes in panels] == [f"title {i}" for i in range(count)]
    with Image.open(tmp_path / "a.png") as image:
        assert image.size == (round(200 * inches[0]), round(200 * inches[1]))
        assert image.info["dpi"] == pytest.approx((200, 200), abs=0.1)


def draw(path):
    with new_figure(path) as make:
        (axes,) = make_panels(make, ["title"], COLUMN, 2.4)
        axes.plot([0, 1], [0, 1], label="a")
        place_legend(axes)
    return [path.read_bytes() for path in written(path)]


def test_the_same_figure_gives_the_same_bytes(tmp_path):
    assert draw(tmp_path / "a.png") == draw(tmp_path / "b.png")


def test_the_users_style_changes_nothing_and_is_left_alone(tmp_path):
    expected = draw(tmp_path / "a.png")
    with matplotlib.rc_context({"font.size": 30, "axes.grid": False}):
        assert draw(tmp_path / "b.png") == expected
        assert matplotlib.rcParams["font.size"] == 30


def test_the_pdf_is_vector_graphics_with_real_fonts(tmp_path):
    _, pdf = draw(tmp_path / "a.png")
    assert pdf.startswith(b"%PDF") and b"/FontFile2" in pdf
    assert b"/Subtype /Image" not in pdf and b"/Type3" not in pdf
    assert b"CreationDate" not in pdf


def test_a_figure_that_fails_leaves_no_file(tmp_path):
    with pytest.raises(ZeroDivisionError), new_figure(tmp_path / "a.png") as make:
        make(COLUMN, 2)
        _ = 1 / 0
    assert list(tmp_path.iterdir()) == []


def test_a_figure_is_named_png(tmp_path):
    with pytest.raises(InputError, match=r"a\.jpg"), new_figure(tmp_path / "a.jpg"):
        pass


def test_png_pixels_are_those_of_the_drawing(tmp_path):
    png, _ = draw(tmp_path / "a.png")
    pixels = np.asarray(Image.open(io.BytesIO(png)).convert("L"))
    assert pixels.max() == 255 and 0.005 < (pixels < 200).mean() < 0.2

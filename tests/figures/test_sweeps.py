"""Errors over parameters and label budgets: read back from what is drawn."""

from itertools import combinations, pairwise

import numpy as np
import pytest
from run_files import run_folder, scores_table, write_run_scores

from tsal.data.faces import make_faces, write_faces
from tsal.errors import InputError
from tsal.figures import draw_budgets, draw_sweep

LAMBDAS = {f"tsal_lambda_{value:g}": value for value in (0, 0.5, 0.6, 0.7, 0.8, 0.9, 0.99, 0.999)}


def write_sweep(root, values, labels="0.1"):
    """Two seeds a value, whose errors are 4 ± 0.5 and then falling by 0.1 a value."""
    return [
        write_run_scores(root, method, labels, seed, scores_table([4 - 0.1 * i + seed - 0.5]))
        for i, method in enumerate(values)
        for seed in (0, 1)
    ]


def points_of(axes):
    """x, means, lows and highs of the error bars of each line."""
    found = []
    for container in axes.containers:
        line, _, (bars,) = container.lines
        lows, highs = np.array([segment[:, 1] for segment in bars.get_segments()]).T
        found.append((line.get_xdata(), line.get_ydata(), lows, highs))
    return found


def screen(axes, values):
    axes.figure.draw_without_rendering()
    return axes.transData.transform([(value, 4) for value in values])[:, 0]


@pytest.fixture
def faces(tmp_path):
    """A face table of 200 training faces."""
    table = make_faces(["a.png"] * 200, np.tile([0.0, 0, 9, 9], (200, 1)), np.full((200, 2, 2), 5.0), split="train")
    write_faces(table, tmp_path / "faces.parquet")
    return tmp_path / "faces.parquet"


def test_a_sweep_shows_mean_and_range_over_seeds_and_the_reference(tmp_path, drawn):
    values = {"tsal_mu_0": 0.0, "tsal_mu_1": 1.0, "tsal": 0.5}
    paths = write_sweep(tmp_path, values)
    paths += [write_run_scores(tmp_path, "supervised", "0.1", s, scores_table([6.0 + s])) for s in (0, 1)]
    assert draw_sweep("fusion", values, paths, tmp_path / "a.png") == [tmp_path / "a.png", tmp_path / "a.pdf"]
    (axes,) = drawn[0].axes
    ((x, mean, low, high),) = points_of(axes)
    assert list(x) == [0, 0.5, 1]
    np.testing.assert_allclose(mean, [4, 3.8, 3.9])
    np.testing.assert_allclose((low, high), [mean - 0.5, mean + 0.5])
    (level,) = [line for line in axes.lines if len(set(line.get_ydata())) == 1 and len(line.get_ydata()) == 2]
    assert level.get_ydata()[0] == 6.5
    assert {text.get_text() for text in axes.texts} == {"Labels only", "TSAL"}
    assert axes.get_xlabel() == "μ of the fusion" and axes.get_xscale() == "linear"
    assert axes.get_ylim()[0] < 3.3 and axes.get_ylim()[1] > 7


def test_values_close_to_one_can_be_told_apart_and_are_labelled_by_themselves(tmp_path, drawn):
    draw_sweep("filter", LAMBDAS, write_sweep(tmp_path, LAMBDAS), tmp_path / "a.png")
    (axes,) = drawn[0].axes
    places = screen(axes, LAMBDAS.values())
    # Over 1 - lambda on a logarithmic axis: a decade each from 0.9 to 0.99 and from 0.99 to 0.999.
    np.testing.assert_allclose(places[-1] - places[-2], places[-2] - places[-3])
    assert all(b > a for a, b in pairwise(places))
    assert places[-1] - places[-2] > 0.2 * (places[-1] - places[0])
    ticks = {tick.get_text().strip() for tick in axes.get_xticklabels()}
    assert ticks == {f"{value:g}" for value in LAMBDAS.values()}
    boxes = [tick.get_window_extent() for tick in axes.get_xticklabels()]
    assert not any(a.overlaps(b) and a.y0 == b.y0 for a, b in combinations(boxes, 2))


def test_a_sweep_has_a_panel_for_each_subset_and_budget(tmp_path, drawn):
    cells = [scores_table([3.0], subset=subset) for subset in ("A", "B")]
    paths = [write_run_scores(tmp_path, m, b, 0, *cells) for m in ("tsal", "tsal_mu_1") for b in ("1", "0.1")]
    draw_sweep("fusion", {"tsal": 0.5, "tsal_mu_1": 1.0}, paths, tmp_path / "a.png")
    titles = [axes.get_title(loc="left") for axes in drawn[0].axes]
    assert titles == [f"toy, {s}, {b}" for s in "AB" for b in ("10 % of the labels", "all labels")]


def test_a_value_without_runs_is_refused(tmp_path):
    paths = write_sweep(tmp_path, {"tsal": 0.5})
    with pytest.raises(InputError, match="no scores of 'tsal_mu_1'; expected a run of every value of fusion"):
        draw_sweep("fusion", {"tsal": 0.5, "tsal_mu_1": 1.0}, paths, tmp_path / "a.png")


def test_budgets_stand_at_their_number_of_labelled_faces(tmp_path, faces, drawn):
    errors = {
        ("supervised", "1"): 3,
        ("supervised", "0.1"): 6,
        ("supervised", "n5"): 8,
        ("tsal", "0.1"): 5,
        ("tsal", "1"): 2,
    }
    paths = [
        write_run_scores(tmp_path, *key, seed, scores_table([error + seed]))
        for key, error in errors.items()
        for seed in (0, 1)
    ]
    draw_budgets(paths, faces, tmp_path / "a.png")
    (axes,) = drawn[0].axes
    supervised, tsal = points_of(axes)
    assert list(supervised[0]) == [5, 20, 200] and list(tsal[0]) == [20, 200]
    np.testing.assert_allclose(supervised[1], [8.5, 6.5, 3.5])
    np.testing.assert_allclose(tsal[2:], [[5, 2], [6, 3]])
    assert axes.get_xscale() == "log" and axes.get_xlabel() == "Labelled faces"
    assert {text.get_text() for text in axes.texts} == {"Labels only", "TSAL"}
    axes.figure.draw_without_rendering()
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["5", "20", "200"]


def test_a_line_that_ends_before_the_right_edge_is_led_to_its_name(tmp_path, faces, drawn):
    errors = {("supervised", "0.1"): 6, ("supervised", "1"): 3, ("tsal", "0.1"): 5}
    paths = [write_run_scores(tmp_path, *key, 0, scores_table([error])) for key, error in errors.items()]
    draw_budgets(paths, faces, tmp_path / "a.png")
    (axes,) = drawn[0].axes
    segments = [segment.tolist() for lines in axes.collections for segment in lines.get_segments()]
    for faces_labelled, error in ((200, 3), (20, 5)):
        assert [[faces_labelled, error], [axes.get_xlim()[1], error]] in segments


def test_no_label_at_all_stands_left_of_the_smallest_number(tmp_path, faces, drawn):
    paths = [write_run_scores(tmp_path, "tsal", b, 0, scores_table([5.0])) for b in ("0", "0.1")]
    draw_budgets(paths, faces, tmp_path / "a.png")
    (axes,) = drawn[0].axes
    axes.figure.draw_without_rendering()
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["0", "20"]
    assert points_of(axes)[0][0][0] < 20


def test_a_test_on_other_faces_is_named_in_the_title(tmp_path, faces, drawn):
    folder = run_folder(tmp_path, "tsal", "0.1") / "on_other"
    folder.mkdir()
    scores_table([5.0]).to_csv(folder / "scores.csv", index=False)
    draw_budgets([folder / "scores.csv"], faces, tmp_path / "a.png")
    assert drawn[0].axes[0].get_title(loc="left") == "toy on other"


def test_the_same_runs_give_the_same_bytes(tmp_path, faces):
    paths = write_sweep(tmp_path, LAMBDAS)
    for draw in (lambda out: draw_sweep("filter", LAMBDAS, paths, out), lambda out: draw_budgets(paths, faces, out)):
        first = [path.read_bytes() for path in draw(tmp_path / "a.png")]
        assert first == [path.read_bytes() for path in draw(tmp_path / "b.png")]


def test_nothing_to_draw_is_an_error(tmp_path, faces):
    with pytest.raises(InputError, match="no runs to draw"):
        draw_budgets([], faces, tmp_path / "a.png")
    with pytest.raises(InputError, match="no runs to draw"):
        draw_sweep("fusion", {"tsal": 1.0}, [], tmp_path / "a.png")

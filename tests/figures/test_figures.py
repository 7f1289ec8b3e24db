"""What the curves show: read back from the drawn lines."""

import subprocess
import sys

import numpy as np
import pytest
from run_files import scores_table, write_run_log, write_run_scores

from tsal.errors import InputError
from tsal.figures import draw_ced, draw_signals, draw_training
from tsal.tables import Notes, noted


def lines_by_colour(axes):
    return {line.get_color(): line for line in axes.lines}


def names(axes):
    return [text.get_text() for text in axes.texts]


def test_cumulative_curves_are_means_over_seeds_with_their_auc(tmp_path, drawn):
    errors = {("supervised", 0): [1, 5, 9], ("supervised", 1): [3, 5, 9], ("tsal", 0): [2, 2, 6]}
    paths = [write_run_scores(tmp_path, m, "0.05", s, scores_table(e)) for (m, s), e in errors.items()]
    assert draw_ced(paths, tmp_path / "a.png") == [tmp_path / "a.png", tmp_path / "a.pdf"]
    (axes,) = drawn[0].axes
    supervised, tsal = axes.lines
    at = [0.99, 1.01, 2.99, 3.01, 4.99, 5.01, 8]
    expected = np.array([0, 1 / 2, 1 / 2, 1, 1, 2, 2]) * 100 / 3
    np.testing.assert_allclose(np.interp(at, *supervised.get_data()), expected, atol=0.1)
    np.testing.assert_allclose(np.interp([1.99, 2.01, 6.01], *tsal.get_data()), [0, 200 / 3, 100], atol=0.1)
    # Areas: (7 + 3) / 24 and (5 + 3) / 24; (6 + 6 + 2) / 24.
    assert [text.get_text() for text in axes.get_legend().get_texts()] == [
        "37.5 ± 5.9  Labels only",
        "58.3  TSAL",
    ]
    assert axes.get_xlim() == (0, 8) and axes.get_xlabel() == "NME (%, inter-ocular)"
    assert axes.get_title(loc="left") == "toy, 5 % of the labels"


def test_cumulative_curves_have_a_panel_for_each_subset_and_budget(tmp_path, drawn):
    cells = [scores_table([1, 2], subset="full"), scores_table([3, 4], subset="hard")]
    keys = [("supervised", "1"), ("tsal", "0.05"), ("supervised", "0.05")]
    draw_ced([write_run_scores(tmp_path, *key, 0, *cells) for key in keys], tmp_path / "a.png")
    titles = [axes.get_title(loc="left") for axes in drawn[0].axes]
    budgets = ("5 % of the labels", "all labels")
    assert titles == [f"toy, {subset}, {budget}" for subset in ("full", "hard") for budget in budgets]
    assert [len(axes.lines) for axes in drawn[0].axes] == [2, 1, 2, 1]
    colours = [lines_by_colour(axes).keys() for axes in drawn[0].axes]
    assert colours[1] < colours[0]  # a method has one colour in all panels


def test_titles_say_what_is_noted_of_a_subset_in_as_many_lines_as_it_takes(tmp_path, drawn):
    path = write_run_scores(tmp_path, "tsal", "0.05", 0, scores_table([1, 2], subset="hard"))
    with noted(Notes({"hard": "crops"}, ("a",))):
        draw_ced([path], tmp_path / "a.png")
    long = "pictures that were cut and moved and cut once more"
    with noted(Notes({"hard": long}, ("a",))):
        draw_ced([path], tmp_path / "a.png")
    titles = [figure.axes[0].get_title(loc="left") for figure in drawn[::2]]
    assert titles[0] == "toy, hard (crops), 5 % of the labels"
    assert "\n" in titles[1] and titles[1].replace("\n", " ") == f"toy, hard ({long}), 5 % of the labels"
    figure = drawn[-1]
    assert figure.axes[0]._left_title.get_window_extent().x1 <= figure.bbox.width


def test_cumulative_curves_of_a_chosen_normaliser(tmp_path, drawn):
    cells = [scores_table([1.0]), scores_table([4.0], normaliser="face-size")]
    path = write_run_scores(tmp_path, "tsal", "0.05", 0, *cells)
    draw_ced([path], tmp_path / "a.png", normaliser="face-size", thresholds=(10,))
    (axes,) = drawn[0].axes
    assert axes.get_xlabel() == "NME (%, face-size)"
    assert axes.get_legend().get_texts()[0].get_text() == "60.0  TSAL"
    with pytest.raises(InputError, match="no scores with normaliser 'iris'"):
        draw_ced([path], tmp_path / "b.png", normaliser="iris")


def test_cumulative_curves_have_an_area_for_each_threshold(tmp_path, drawn):
    paths = [write_run_scores(tmp_path, "tsal", "0.05", s, scores_table([4.0 + s, 9.0])) for s in (0, 1)]
    draw_ced(paths, tmp_path / "a.png", thresholds=(8, 10))
    (axes,) = drawn[0].axes
    # Areas: 4 / 16 and 3 / 16 up to 8 %; (6 + 1) / 20 and (5 + 1) / 20 up to 10 %.
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["21.9 ± 4.4 / 32.5 ± 3.5  TSAL"]
    assert axes.get_legend().get_title().get_text() == "AUC@8 / AUC@10 (%)"
    assert axes.get_xlim() == (0, 10)


@pytest.mark.parametrize(("count", "thresholds"), [(10, (8,)), (4, (8, 10)), (5, (8,))])
def test_cumulative_curves_of_many_methods_keep_their_panels_wide_and_their_names_in_the_figure(
    tmp_path, drawn, count, thresholds
):
    rng = np.random.default_rng(0)
    cells = [scores_table(rng.uniform(0, 9, 40), subset=subset) for subset in "AB"]
    methods = [f"tsal_with_a_long_name_{i}" for i in range(count)]
    paths = [write_run_scores(tmp_path, m, b, s, *cells) for m in methods for b in ("0.1", "1") for s in (0, 1)]
    draw_ced(paths, tmp_path / "a.png", thresholds=thresholds)
    (figure, *_) = drawn
    figure.draw_without_rendering()
    legends = [axes.get_legend().get_window_extent() for axes in figure.axes]
    panels = [axes.get_window_extent() for axes in figure.axes]
    assert all(box.x0 >= 0 and box.x1 <= figure.bbox.x1 for box in legends)
    assert all(panel.width > 1.2 * figure.dpi for panel in panels)
    assert not any(a.overlaps(b) for i, a in enumerate(legends) for b in (*legends[:i], *panels[:i], *panels[i + 1 :]))


def test_training_shows_the_best_of_raw_and_averaged_and_the_teacher(tmp_path, drawn):
    raw, averaged = [[9, 7, 6.5], [8, 7, 6.0]], [[11, 7.5, 6], [10, 6, 5.5]]
    paths = [
        write_run_log(tmp_path, "supervised", "0.05", seed, val_nme_raw=raw[seed], val_nme_averaged=averaged[seed])
        for seed in (0, 1)
    ]
    paths.append(write_run_log(tmp_path, "tsal", "0.05", 0, val_nme_student=[9, 8, 7], val_nme_teacher=[9, 6, 5]))
    draw_training(paths, tmp_path / "a.png")
    (axes,) = drawn[0].axes
    assert sorted(names(axes)) == sorted(
        [
            *["Labels only, raw", "Labels only, averaged", "Labels only, best"],
            *["TSAL, student", "TSAL, teacher"],
        ]
    )
    strong = {tuple(line.get_ydata()) for line in axes.lines if line.get_linewidth() > 1}
    # The better network is chosen for each seed, before the mean.
    assert strong == {(8.5, 6.5, 5.75), (9, 6, 5)}
    thin = {tuple(line.get_ydata()) for line in axes.lines if line.get_linewidth() < 1}
    assert thin == {(8.5, 7, 6.25), (10.5, 6.75, 5.75), (9, 8, 7)}
    assert all((line.get_xdata() == [100, 110, 120]).all() for line in axes.lines)


def test_training_skips_iterations_that_were_not_validated(tmp_path, drawn):
    log = write_run_log(tmp_path, "tsal", "0.05", 0, val_nme_teacher=[9, np.nan, 7, np.nan], loss=[4, 3, 2, 1])
    draw_training([log], tmp_path / "a.png")
    (axes,) = drawn[0].axes
    assert axes.lines[0].get_data()[0].tolist() == [100, 120]
    assert axes.lines[0].get_data()[1].tolist() == [9, 7]


def test_seeds_are_averaged_where_all_were_measured(tmp_path, drawn):
    paths = [
        write_run_log(tmp_path, "tsal", "0.05", 0, iteration=[0, 10, 20], val_nme_teacher=[9, 8, 7]),
        write_run_log(tmp_path, "tsal", "0.05", 1, iteration=[0, 20, 30], val_nme_teacher=[7, 6, 1]),
    ]
    draw_training(paths, tmp_path / "a.png")
    x, y = drawn[0].axes[0].lines[0].get_data()
    assert x.tolist() == [0, 20] and y.tolist() == [8, 6.5]


def test_the_warm_up_comes_before_and_does_not_set_the_scale(tmp_path, drawn):
    warmup = write_run_log(tmp_path, "warmup", "0.05", 0, iteration=[0, 50, 100], val_nme_raw=[90, 40, 12])
    tsal = write_run_log(tmp_path, "tsal", "0.05", 0, val_nme_teacher=[11, 6, 5])
    draw_training([warmup, tsal], tmp_path / "a.png")
    (axes,) = drawn[0].axes
    assert axes.get_xlim() == (0, 120)
    assert 5 < axes.get_ylim()[1] < 20
    assert set(names(axes)) == {"Warm-up", "TSAL"}
    only = draw_training([warmup], tmp_path / "b.png")
    assert all(path.is_file() for path in only)


def test_of_many_methods_only_the_evaluated_networks_are_drawn(tmp_path, drawn):
    paths = [
        write_run_log(tmp_path, f"method_{i}", "0.05", 0, val_nme_student=[9, 8 + i], val_nme_teacher=[9, 7 + i])
        for i in range(7)
    ]
    draw_training(paths, tmp_path / "a.png")
    (axes,) = drawn[0].axes
    assert names(axes) == [f"method {i}, teacher" for i in range(7)]
    # A colour that comes again has other dashes.
    assert len({(line.get_color(), line.get_linestyle()) for line in axes.lines}) == 7


def test_signals_show_each_source_and_the_teacher_on_top(tmp_path, drawn):
    paths = [
        write_run_log(tmp_path, "supervised", "0.05", 0, val_nme_raw=[9, 8]),
        write_run_log(
            *(tmp_path, "tsal", "0.05", 0),
            noise_teacher=[9, 5],
            noise_tracking=[9, 7],
            noise_fused=[8, 6],
            noise_my_source=[9, 8],
            noise_other=[np.nan, np.nan],
        ),
    ]
    draw_signals(paths, tmp_path / "a.png")
    (axes,) = drawn[0].axes
    assert names(axes) == ["Teacher", "Fused target", "Tracking", "My source"]  # from the lowest end upwards
    assert axes.lines[-1].get_ydata().tolist() == [9, 5]
    assert axes.lines[-1].get_linewidth() > max(line.get_linewidth() for line in axes.lines[:-1])
    assert len({line.get_color() for line in axes.lines}) == 4
    assert axes.get_title(loc="left") == "toy, TSAL, 5 % of the labels"


def test_signals_have_a_panel_for_each_method_and_budget(tmp_path, drawn):
    keys = [("tsal", "0.2"), ("tsal", "0.05"), ("mean_teacher", "0.05")]
    draw_signals([write_run_log(tmp_path, *key, 0, noise_teacher=[9, 5]) for key in keys], tmp_path / "a.png")
    assert [axes.get_title(loc="left") for axes in drawn[0].axes] == [
        "toy, TSAL, 5 % of the labels",
        "toy, Mean teacher, 5 % of the labels",
        "toy, TSAL, 20 % of the labels",
    ]


@pytest.mark.parametrize("draw", [draw_ced, draw_training, draw_signals])
def test_nothing_to_draw_is_an_error(tmp_path, draw):
    with pytest.raises(InputError, match="no runs to draw"):
        draw([], tmp_path / "a.png")
    assert not (tmp_path / "a.png").exists()


@pytest.mark.parametrize(("draw", "columns"), [(draw_training, "val_nme_"), (draw_signals, "noise_")])
def test_logs_without_the_figures_are_an_error_that_names_them(tmp_path, draw, columns):
    log = write_run_log(tmp_path, "tsal", "0.05", 0, loss=[3, 2])
    with pytest.raises(InputError, match=rf"toy/tsal/0\.05/seed0.*{columns}"):
        draw([log], tmp_path / "a.png")


def test_the_same_runs_give_the_same_bytes(tmp_path):
    scores = [write_run_scores(tmp_path, "tsal", "0.05", s, scores_table([2, 4 + s])) for s in (0, 1)]
    logs = [
        write_run_log(tmp_path, "tsal", "0.05", s, val_nme_teacher=[9, 5 + s], noise_teacher=[8, 4 + s]) for s in (0, 1)
    ]
    for draw, paths in ((draw_ced, scores), (draw_training, logs), (draw_signals, logs)):
        first = [path.read_bytes() for path in draw(paths, tmp_path / "a.png")]
        assert first == [path.read_bytes() for path in draw(paths, tmp_path / "b.png")]
        assert first[0].startswith(b"\x89PNG") and first[1].startswith(b"%PDF")
        assert min(map(len, first)) > 5000


def test_measuring_and_drawing_do_not_import_torch():
    heavy = {"torch", "matplotlib.pyplot"}
    code = "import sys, tsal.tables, tsal.figures.overlay, tsal.figures.contact_sheet, tsal.report.page; "
    code += f"sys.exit(' '.join({heavy} & set(sys.modules)))"
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert process.stderr.strip() == ""

"""Errors over the cost of a training: read back from what is drawn."""

import numpy as np
import pytest
import yaml
from configurations import DEFAULT
from run_files import run_folder, scores_table, write_run_scores

from tsal import config
from tsal.errors import InputError
from tsal.figures import draw_cost

RUNS = {"supervised": (100, 4.0), "supervised_long": (400, 3.0), "tsal": (100, 3.5)}  # steps, error


def write_run(root, method, error, labels="0.05", seed=0, algorithm=None, changes=None, **training):
    """A run with the settings of a method on ytf, changed in its training and at its top."""
    path = write_run_scores(root, method, labels, seed, scores_table([error - 0.5, error + 0.5]))
    settings = config.resolve_run(DEFAULT, "ytf", algorithm or method.split("_")[0], labels)
    settings |= {"method": method, "training": settings["training"] | training} | (changes or {})
    (path.parent / "settings.yaml").write_text(yaml.safe_dump(settings))
    return path


def lines_of(axes):
    return {container.get_label(): container.lines[0].get_xydata().T for container in axes.containers}


def test_runs_that_differ_in_steps_alone_are_a_line_over_their_cost(tmp_path, drawn):
    paths = [write_run(tmp_path, method, error, steps=steps) for method, (steps, error) in RUNS.items()]
    paths.append(write_run(tmp_path, "supervised", 4.4, seed=1, steps=100))
    assert draw_cost(paths, tmp_path / "a.png") == [tmp_path / "a.png", tmp_path / "a.pdf"]
    (axes,) = drawn[0].axes
    lines = lines_of(axes)
    assert set(lines) == {"Labels only", "TSAL"}
    (cost, error), (tsal_cost, tsal_error) = lines["Labels only"], lines["TSAL"]
    np.testing.assert_allclose(error, [4.2, 3.0])
    np.testing.assert_allclose(tsal_error, [3.5])
    # All images of all steps, and as many more TSAL's as its networks see more: (16 + 8)(1 + 1/3) x 3 + 16 for 16 x 3.
    warm = DEFAULT["training"]["warmup_steps"]
    np.testing.assert_allclose(cost[1] / cost[0], (warm + 400) / (warm + 100))
    np.testing.assert_allclose(tsal_cost[0] / cost[0], (warm + 100 * (24 * 4 / 3 * 3 + 16) / 48) / (warm + 100))
    assert axes.get_xscale() == "log" and axes.get_xlabel() == "Training (TFLOP)"
    assert [text.get_text() for text in drawn[0].legends[0].get_texts()] == ["Labels only", "TSAL"]


def test_lines_are_named_by_what_they_have_different(tmp_path, drawn):
    detector = config.resolve_run(DEFAULT, "ytf", "supervised", "0.05")["detector"]
    paths = [
        write_run(tmp_path, "supervised", 4.0),
        write_run(tmp_path, "supervised", 3.0, labels="1"),
        write_run(tmp_path, "supervised_large", 3.9, changes={"detector": detector | {"input_px": 128}}),
        write_run(tmp_path, "supervised_flips", 3.8, changes={"flip_test": True}),
        write_run(tmp_path, "supervised_batch", 3.7, batch=8),
        write_run(tmp_path, "supervised_spread", 3.7, loss=DEFAULT["training"]["loss"] | {"likelihood": 1.0}),
        write_run(tmp_path, "tsal", 3.6),
    ]
    draw_cost(paths, tmp_path / "a.png")
    few = "5 % of the labels"
    assert set(lines_of(drawn[0].axes[0])) == {
        *[f"Labels only, {few}, 96 px (supervised)", "Labels only, all labels, 96 px"],
        *[f"Labels only, {few}, 128 px", f"Labels only, {few}, 96 px, flip test"],
        *[f"Labels only, {few}, 96 px (supervised_batch)", f"TSAL, {few}, 96 px"],
        f"Labels only, {few}, 96 px, likelihood",
    }


def test_what_was_not_trained_is_a_level_line(tmp_path, drawn):
    paths = [write_run(tmp_path, "tsal", 3.6), write_run(tmp_path, "supervised", 5.0, steps=0, warmup_steps=0)]
    draw_cost(paths, tmp_path / "a.png")
    (axes,) = drawn[0].axes
    (level,) = [line for line in axes.lines if line.get_label() == "Before training"]
    assert set(level.get_ydata()) == {5.0} and "Before training" not in lines_of(axes)


def test_each_subset_has_a_panel(tmp_path, drawn):
    path = write_run(tmp_path, "tsal", 3.6)
    write_run_scores(
        tmp_path, "tsal", "0.05", 0, *(scores_table([e], subset=s) for e, s in ((3, "common"), (7, "hard")))
    )
    draw_cost([path], tmp_path / "a.png")
    panels = drawn[0].axes
    assert [axes.get_title(loc="left") for axes in panels] == ["toy, common", "toy, hard"]
    assert [lines_of(axes)["TSAL"][1][0] for axes in panels] == [3, 7]


def test_a_run_without_settings_is_refused_by_their_name(tmp_path):
    path = write_run_scores(tmp_path, "tsal", "0.05", 0, scores_table([3.0]))
    with pytest.raises(InputError, match=r"tsal/0.05/seed0/settings.yaml"):
        draw_cost([path], tmp_path / "a.png")
    (run_folder(tmp_path, "tsal") / "settings.yaml").write_text("- 1\n")
    with pytest.raises(InputError, match=r"settings.yaml: found list, expected the settings of a run"):
        draw_cost([path], tmp_path / "a.png")

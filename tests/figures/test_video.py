"""Paths of landmarks and jitter of methods: read back from what is drawn."""

import cv2
import numpy as np
import pandas as pd
import pytest
from run_files import run_folder, scores_table

from tsal.data.faces import make_faces, point_columns, read_faces, write_faces
from tsal.data.landmarks import Scheme
from tsal.errors import InputError
from tsal.evaluation.metrics import SCORE_COLUMNS
from tsal.figures import draw_jitter, draw_trajectory
from tsal.tables import Notes, noted

FRAMES = 12
CLIPS = ("calm", "middle", "wild")


@pytest.fixture
def faces(tmp_path):
    """Three test videos of twelve frames and two landmarks, which move on a parabola: second difference (0, 2)."""
    t = np.tile(np.arange(FRAMES), 3)
    points = np.stack([np.stack([t, t**2], axis=1), np.stack([t + 9.0, 0.0 * t], axis=1)], axis=1)
    clip = np.repeat(CLIPS, FRAMES).tolist()
    face = [f"{c}/{i}" for c, i in zip(clip, t, strict=True)]
    boxes = np.tile([0.0, 0, 90, 90], (len(t), 1))
    write_faces(
        make_faces(["a.png"] * len(t), boxes, points, face=face, clip=clip, frame=t), tmp_path / "faces.parquet"
    )
    return tmp_path / "faces.parquet"


def write_run(root, faces, method, shift, jitter, labels="0.1", seed=0):
    """Predictions that are off by `shift` px in x, and scores whose jitter is that of each clip."""
    table = read_faces(faces)
    folder = run_folder(root, method, labels, seed)
    predictions = table[["face", *point_columns(2)]].copy()
    predictions[["x0", "x1"]] += shift
    predictions.to_csv(folder / "predictions.csv", index=False)
    scores = table[["face", "clip", "frame", "subset"]].assign(normaliser="inter-ocular", nme=4.0)
    scores["jitter"] = scores["clip"].map(dict(zip(CLIPS, jitter, strict=True)))
    scores[SCORE_COLUMNS].to_csv(folder / "scores.csv", index=False)
    return folder / "predictions.csv"


def lines_of(axes):
    return {line.get_label(): line.get_ydata() for line in axes.lines}


def test_the_path_of_truth_and_methods_in_the_video_of_median_jitter(tmp_path, faces, drawn):
    # Means over the methods: calm 1, middle 2, wild 3, though for tsal alone the median is another.
    paths = [
        write_run(tmp_path, faces, "supervised", 1.0, (1.5, 2.0, 5.0)),
        write_run(tmp_path, faces, "tsal", 0.5, (0.5, 2.0, 1.0)),
    ]
    out = draw_trajectory(paths, faces, tmp_path / "a.png", landmarks=(0, 1))
    assert out == [tmp_path / "a.png", tmp_path / "a.pdf"]
    x, x1, y, _, bend, bend1 = drawn[0].axes
    t = np.arange(FRAMES)
    assert lines_of(x).keys() == {"2.00  Labels only", "2.00  TSAL", "Truth"}
    np.testing.assert_allclose(lines_of(x)["2.00  Labels only"], t + 1)
    np.testing.assert_allclose(lines_of(x1)["Truth"], t + 9)
    np.testing.assert_allclose(lines_of(y)["2.00  TSAL"], t**2)
    # (t + 1)^2 - 2 t^2 + (t - 1)^2 = 2; at the ends it is not defined.
    np.testing.assert_allclose(lines_of(bend)["Truth"], [np.nan, *[2] * (FRAMES - 2), np.nan])
    np.testing.assert_allclose(lines_of(bend1)["2.00  TSAL"][1:-1], 0, atol=1e-9)
    assert [axes.get_title(loc="left") for axes in (x, x1)] == ["Landmark 0", "Landmark 1"]
    (legend,) = drawn[0].legends
    assert legend.get_title().get_text() == "toy, middle, 10 %: jitter of the video (%)"


def test_landmarks_of_another_scheme_are_its_first_and_last_by_their_names(tmp_path, faces, drawn):
    scheme = Scheme(name="two", n_points=2, names=("nose", "chin"), normalisers={"face-size": "box"})
    path = write_run(tmp_path, faces, "tsal", 0.5, (0.5, 2.0, 1.0))
    draw_trajectory([path], faces, tmp_path / "a.png", scheme=scheme)
    assert [axes.get_title(loc="left") for axes in drawn[0].axes[:2]] == ["nose", "chin"]


def test_a_chosen_video_from_a_frame_on(tmp_path, faces, drawn):
    path = write_run(tmp_path, faces, "tsal", 0.5, (0.5, 2.0, 1.0))
    draw_trajectory([path], faces, tmp_path / "a.png", video="wild", landmarks=(0,), first=3, frames=4)
    (line, truth) = drawn[0].axes[0].lines
    assert line.get_label() == "1.00  TSAL"
    assert truth.get_xdata().tolist() == [3, 4, 5, 6]


def test_frames_without_annotation_are_gaps(tmp_path, faces, drawn):
    path = write_run(tmp_path, faces, "tsal", 0.5, (0.5, 2.0, 1.0))
    table = read_faces(faces)
    table.loc[table["face"] == "calm/5", point_columns(2)] = np.nan
    table.loc[table["face"] == "calm/5", ["v0", "v1"]] = False
    write_faces(table, faces)
    draw_trajectory([path], faces, tmp_path / "a.png", video="calm", landmarks=(0,))
    x, _, bend = drawn[0].axes
    assert np.flatnonzero(np.isnan(lines_of(x)["Truth"])).tolist() == [5]
    assert np.flatnonzero(np.isnan(lines_of(bend)["0.50  TSAL"])).tolist() == [0, 4, 5, 6, FRAMES - 1]


def test_the_first_seed_at_the_smallest_budget_is_drawn(tmp_path, faces, drawn):
    keys = [("0.5", 0, 9.0), ("0.1", 1, 8.0), ("0.1", 0, 7.0)]
    paths = [write_run(tmp_path, faces, "tsal", shift, (1, 2, 3), labels, seed) for labels, seed, shift in keys]
    draw_trajectory(paths, faces, tmp_path / "a.png", landmarks=(0,))
    assert lines_of(drawn[0].axes[0])["2.00  TSAL"][0] == 7


def test_trajectories_that_cannot_be_drawn_are_refused(tmp_path, faces):
    path = write_run(tmp_path, faces, "tsal", 0.5, (0.5, 2.0, 1.0))
    out = tmp_path / "a.png"
    with pytest.raises(InputError, match="no runs to draw"):
        draw_trajectory([], faces, out)
    with pytest.raises(InputError, match="no landmark 30; expected one of 0 to 1"):
        draw_trajectory([path], faces, out)
    with pytest.raises(InputError, match="no annotated test face of clip 'lost'"):
        draw_trajectory([path], faces, out, video="lost", landmarks=(0,))
    with pytest.raises(InputError, match="no annotated test face of clip 'calm' from number 12 on"):
        draw_trajectory([path], faces, out, video="calm", landmarks=(0,), first=12)
    predictions = pd.read_csv(path)
    predictions[predictions["face"] != "calm/3"].to_csv(path, index=False)
    with pytest.raises(InputError, match=r"predictions\.csv: no prediction for face 'calm/3'"):
        draw_trajectory([path], faces, out, video="calm", landmarks=(0,))
    still = write_run(tmp_path, faces, "tsal", 0.5, (np.nan, np.nan, np.nan))
    with pytest.raises(InputError, match=r"scores\.csv: no jitter; expected scores of a video benchmark"):
        draw_trajectory([still], faces, out, landmarks=(0,))
    assert not out.exists()


def write_jitter(root, method, labels, values, subsets="AB"):
    """Runs with (NME, jitter) of each seed in the first of the subsets, and an NME of one more in each after it."""
    paths = []
    for seed, (nme, jitter) in enumerate(values):
        path = run_folder(root, method, labels, seed) / "scores.csv"
        cells = [scores_table([nme + i], subset=subset, jitter=jitter) for i, subset in enumerate(subsets)]
        pd.concat(cells).to_csv(path, index=False)
        paths.append(path)
    return paths


@pytest.mark.parametrize("lines", [("a note",), ("a note " * 40, "another"), ()])
def test_notes_stand_below_a_figure_and_its_legend(tmp_path, drawn, lines):
    paths = write_jitter(tmp_path, "supervised", "0.1", [(6, 1.0)]) + write_jitter(tmp_path, "tsal", "0.1", [(5, 0.5)])
    with noted(Notes({"B": "crops"} if lines else {}, lines)):
        draw_jitter(paths, tmp_path / "a.png")
    figure = drawn[0]
    assert figure.axes[1].get_title(loc="left") == ("toy, B (crops)" if lines else "toy, B")
    assert " ".join(text.get_text() for text in figure.texts).split() == " ".join(lines).split()
    for text in figure.texts:
        box = text.get_window_extent()
        assert box.y1 <= 0 <= box.x0 and box.x1 <= figure.bbox.width
        assert min(part.get_tightbbox().y0 for part in (*figure.axes, *figure.legends)) >= 0


def test_a_figure_with_notes_is_higher_by_them_and_else_the_same_size(tmp_path):
    paths = write_jitter(tmp_path, "supervised", "0.1", [(6, 1.0)])
    for name, lines in (("a", ()), ("b", ("a note",)), ("c", ("a note", "another"))):
        with noted(Notes({}, lines)):
            draw_jitter(paths, tmp_path / f"{name}.png")
    heights, widths, _ = zip(*(cv2.imread(str(tmp_path / f"{name}.png")).shape for name in "abc"), strict=True)
    assert heights[0] < heights[1] < heights[2] and len(set(widths)) == 1
    strip = cv2.imread(str(tmp_path / "b.png"))[heights[0] :]
    assert strip.min() < 128 and (strip[-1] == 255).all()  # there is text, and it is whole


def test_jitter_against_nme_is_a_point_a_method_with_its_range(tmp_path, drawn):
    paths = write_jitter(tmp_path, "supervised", "0.1", [(6, 1.0), (8, 2.0)])
    paths += write_jitter(tmp_path, "tsal", "0.1", [(5, 0.5)]) + write_jitter(tmp_path, "tsal", "1", [(4, 0.4)])
    draw_jitter(paths, tmp_path / "a.png")
    first, second = drawn[0].axes
    assert [axes.get_title(loc="left") for axes in (first, second)] == ["toy, A", "toy, B"]
    points = [tuple(np.ravel(c.lines[0].get_data())) for c in first.containers]
    assert points == [(7, 1.5), (5, 0.5), (4, 0.4)]
    assert [tuple(np.ravel(c.lines[0].get_data())) for c in second.containers] == [(8, 1.5), (6, 0.5), (5, 0.4)]
    across, upright = (bars.get_segments()[0] for bars in first.containers[0].lines[2])
    np.testing.assert_allclose(across, [[6, 1.5], [8, 1.5]])
    np.testing.assert_allclose(upright, [[7, 1], [7, 2]])
    markers = [container.lines[0].get_marker() for container in first.containers]
    assert markers[0] == markers[1] != markers[2]  # a shape a budget
    names = [text.get_text() for text in drawn[0].legends[0].get_texts()]
    assert names == ["Labels only", "TSAL", "10 %", "100 %"]


def test_no_two_methods_look_alike(tmp_path, drawn):
    paths = [path for i in range(10) for path in write_jitter(tmp_path, f"method_{i}", "0.1", [(4 + i, 1.0)])]
    draw_jitter(paths, tmp_path / "a.png")
    points = [container.lines[0] for container in drawn[0].axes[0].containers]
    assert len({(point.get_color(), point.get_markerfacecolor()) for point in points}) == 10


def test_the_names_of_many_methods_and_budgets_stay_in_a_narrow_figure(tmp_path, drawn):
    methods = ["tsal", "supervised", "self_training", "mean_teacher", "sbr", "stld"]
    paths = [p for m in methods for b in ("0.01", "0.05", "1") for p in write_jitter(tmp_path, m, b, [(4, 1.0)], "A")]
    draw_jitter(paths, tmp_path / "a.png")
    (figure, *_) = drawn
    figure.draw_without_rendering()
    (legend,) = figure.legends
    box = legend.get_window_extent()
    assert len(legend.get_texts()) == 9
    assert box.x0 >= 0
    assert box.x1 <= figure.bbox.x1


def test_scores_of_still_images_have_no_jitter_to_draw(tmp_path):
    path = run_folder(tmp_path, "tsal") / "scores.csv"
    scores_table([4.0]).to_csv(path, index=False)
    with pytest.raises(InputError, match="scores without jitter; expected those of a video benchmark"):
        draw_jitter([path], tmp_path / "a.png")


def test_the_same_runs_give_the_same_bytes(tmp_path, faces):
    path = write_run(tmp_path, faces, "tsal", 0.5, (0.5, 2.0, 1.0))
    draws = [
        lambda out: draw_trajectory([path], faces, out, landmarks=(0, 1)),
        lambda out: draw_jitter([path.with_name("scores.csv")], out),
    ]
    for draw in draws:
        first = [file.read_bytes() for file in draw(tmp_path / "a.png")]
        assert first == [file.read_bytes() for file in draw(tmp_path / "b.png")]

"""Scores against slow references with explicit loops, values by hand, and properties."""

import dataclasses
import math
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tsal.data.faces import make_faces
from tsal.data.landmarks import SCHEMES, Scheme
from tsal.errors import InputError
from tsal.evaluation.metrics import (
    SCORE_COLUMNS,
    auc,
    ced,
    failure_rate,
    nme,
    score_predictions,
)

SCHEME = SCHEMES["68"]
ERRORS = st.lists(st.floats(0, 50), min_size=1, max_size=30)


@pytest.fixture
def rng():
    return np.random.default_rng(7)


def slow_nme(predicted, truth, visible, distance):
    """NME_i = mean_k |p_k - y_k| / d_i over visible points, in % (docs/datasets.md), one landmark at a time."""
    result = []
    for i in range(len(truth)):
        total, count = 0.0, 0
        for k in range(len(truth[i])):
            if visible[i][k]:
                dx, dy = predicted[i][k][0] - truth[i][k][0], predicted[i][k][1] - truth[i][k][1]
                total += math.sqrt(dx * dx + dy * dy) / distance[i]
                count += 1
        result.append(100 * total / count)
    return result


def slow_auc(errors, threshold):
    """Area under the step curve on [0, tau], rectangle by rectangle between its steps."""
    edges = sorted({0.0, threshold, *(e for e in errors if e < threshold)})
    area = 0.0
    for left, right in pairwise(edges):
        area += (right - left) * sum(e <= left for e in errors) / len(errors)
    return 100 * area / threshold


def slow_jitter(predicted, truth, visible, distance):
    """mean_k |(p - y)_{t+1} - 2 (p - y)_t + (p - y)_{t-1}| / d of each inner frame, in % (docs/datasets.md)."""
    result = []
    for t in range(1, len(predicted) - 1):
        values = []
        for k in range(predicted.shape[1]):
            if visible[t - 1, k] and visible[t, k] and visible[t + 1, k]:
                e = [predicted[s, k] - truth[s, k] for s in (t - 1, t, t + 1)]
                values.append(math.hypot(*(e[2][c] - 2 * e[1][c] + e[0][c] for c in (0, 1))) / distance[t])
        result.append(100 * sum(values) / len(values) if values else math.nan)
    return result


def faces_and_predictions(rng, n=6, split="test", subset="full", **columns):
    """A face table of n frames of one clip, and predictions a few px off."""
    truth = 100 + 40 * rng.normal(size=(n, 68, 2))
    boxes = np.tile([50.0, 60.0, 150.0, 170.0], (n, 1))
    faces = make_faces(
        [f"{i}.png" for i in range(n)],
        boxes,
        truth,
        **{"face": [f"f{i}" for i in range(n)], "frame": list(range(n)), "clip": ["c"] * n} | columns,
        split=split,
        subset=subset,
    )
    return faces, predictions_of(faces["face"], truth + rng.normal(size=truth.shape))


def predictions_of(face, points):
    columns = [f"{axis}{k}" for k in range(points.shape[1]) for axis in "xy"]
    table = pd.DataFrame(points.reshape(len(points), -1), columns=columns)
    table.insert(0, "face", list(face))
    return table


def jitter_of(predicted, truth, visible, distance):
    """The jitter (T,) that the frames of one clip are scored with, in %; NaN where there is none."""
    frames, count = visible.shape
    scheme = Scheme(name="toy", n_points=count, normalisers={"side": "box"})
    boxes = np.outer(distance, [0, 0, 1, 1])
    names = [f"f{t}" for t in range(frames)]
    faces = make_faces(names, boxes, truth, visible, face=names, clip=["c"] * frames, frame=list(range(frames)))
    scores = score_predictions(predictions_of(names, predicted), faces, scheme, ["side"], True)
    return scores.set_index("face")["jitter"].reindex(names).to_numpy()


def test_nme_of_a_face_by_hand():
    # Off by (3, 4) = 5 px and by 0 px, eyes 50 px apart: (10 % + 0 %) / 2.
    truth = np.array([[[0.0, 0.0], [10.0, 10.0]]])
    assert nme(truth + [[[3, 4], [0, 0]]], truth, np.ones((1, 2), bool), [50.0]) == pytest.approx([5.0])


def test_nme_equals_the_slow_reference(rng):
    predicted, truth = rng.normal(size=(2, 9, 68, 2)) * 50
    visible = rng.random((9, 68)) < 0.6
    distance = rng.uniform(20, 90, 9)
    expected = slow_nme(predicted, truth, visible, distance)
    np.testing.assert_allclose(nme(predicted, truth, visible, distance), expected, rtol=1e-12)


def test_invisible_landmarks_do_not_count_whatever_they_hold(rng):
    predicted, truth = rng.normal(size=(2, 3, 5, 2))
    visible = np.ones((3, 5), bool)
    visible[:, 2] = False
    expected = nme(np.delete(predicted, 2, 1), np.delete(truth, 2, 1), np.ones((3, 4), bool), np.ones(3))
    predicted[0, 2], predicted[1, 2], truth[2, 2], truth[1, 2] = np.nan, np.inf, np.nan, np.inf
    with np.errstate(all="raise"):
        np.testing.assert_array_equal(nme(predicted, truth, visible, np.ones(3)), expected)


@given(scale=st.floats(0.01, 100), shift=st.floats(-1000, 1000))
@settings(max_examples=30, deadline=None)
def test_nme_does_not_depend_on_the_images_size_nor_on_the_faces_place(scale, shift):
    predicted, truth = np.random.default_rng(0).normal(size=(2, 4, 6, 2))
    visible, distance = np.ones((4, 6), bool), np.array([1.0, 2, 3, 4])
    moved = nme(predicted * scale + shift, truth * scale + shift, visible, distance * scale)
    np.testing.assert_allclose(moved, nme(predicted, truth, visible, distance), rtol=1e-6)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("which", ["predicted", "true"])
def test_a_visible_landmark_that_is_not_a_number_is_refused_by_name(rng, which, value):
    predicted, truth = rng.normal(size=(2, 3, 5, 2))
    (predicted if which == "predicted" else truth)[1, 4, 0] = value
    with pytest.raises(InputError, match=f"'b': {which} landmark 4 is NaN or infinite"):
        nme(predicted, truth, np.ones((3, 5), bool), np.ones(3), ["a", "b", "c"])


@pytest.mark.parametrize("distance", [0.0, -1.0, np.nan, np.inf])
def test_a_normaliser_that_is_no_positive_number_is_refused_by_name(rng, distance):
    points = rng.normal(size=(2, 5, 2))
    with pytest.raises(InputError, match="'b': the normaliser is"):
        nme(points, points, np.ones((2, 5), bool), [1.0, distance], ["a", "b"])


def test_a_face_without_visible_landmarks_is_refused_by_name(rng):
    points, visible = rng.normal(size=(2, 5, 2)), np.ones((2, 5), bool)
    visible[1] = False
    with pytest.raises(InputError, match="'b': no visible landmark"):
        nme(points, points, visible, [1.0, 1.0], ["a", "b"])


def test_an_overflowing_error_is_refused():
    truth = np.zeros((1, 1, 2))
    with pytest.raises(InputError, match="not finite"), np.errstate(over="ignore"):
        nme(truth + 1e300, truth, np.ones((1, 1), bool), [1e-300], ["a"])


def test_arrays_that_do_not_belong_together_are_refused(rng):
    with pytest.raises(InputError, match="shapes disagree"):
        nme(rng.normal(size=(2, 5, 2)), rng.normal(size=(2, 4, 2)), np.ones((2, 4), bool), [1.0, 1.0])


def test_failure_rate_counts_faces_strictly_above_the_threshold():
    assert failure_rate([7.9, 8.0, 8.1, 20.0]) == 50.0
    assert failure_rate([8.0], threshold=7.0) == 100.0


def test_auc_by_hand():
    # Steps at 2 and 6 of [0, 8]: half of the faces over [2, 6), all over [6, 8]: (4 * 0.5 + 2 * 1) / 8.
    assert auc([2.0, 6.0], 8.0) == pytest.approx(50.0)
    assert auc([0.0, 0.0]) == 100.0
    assert auc([8.0, 100.0]) == 0.0


@given(ERRORS, st.floats(0.5, 40))
@settings(max_examples=60, deadline=None)
def test_auc_equals_the_area_of_the_steps(errors, threshold):
    assert auc(errors, threshold) == pytest.approx(slow_auc(errors, threshold), rel=1e-9, abs=1e-9)


@given(ERRORS, st.floats(0.1, 60))
@settings(max_examples=60, deadline=None)
def test_failure_rate_and_cumulative_curve_add_up(errors, threshold):
    assert failure_rate(errors, threshold) + ced(errors, [threshold])[0] == pytest.approx(100)


@given(ERRORS)
@settings(max_examples=30, deadline=None)
def test_the_cumulative_curve_counts_faces_and_never_falls(errors):
    grid = np.linspace(0, 60, 121)
    curve = ced(errors, grid)
    assert curve == pytest.approx([100 * sum(e <= x for e in errors) / len(errors) for x in grid])
    assert (np.diff(curve) >= 0).all() and curve[-1] == 100


@pytest.mark.parametrize("score", [failure_rate, auc, lambda errors: ced(errors, [8.0])])
@pytest.mark.parametrize("errors", [[], [1.0, np.nan], [np.inf]])
def test_summaries_refuse_no_faces_and_undefined_errors(score, errors):
    with pytest.raises(InputError):
        score(errors)


def test_scores_equal_the_slow_references(rng):
    faces, predictions = faces_and_predictions(rng)
    scores = score_predictions(predictions, faces, SCHEME, ["inter-ocular", "face-size"], is_video=True)
    truth = faces[[f"{a}{k}" for k in range(68) for a in "xy"]].to_numpy().reshape(-1, 68, 2)
    predicted = predictions.iloc[:, 1:].to_numpy().reshape(-1, 68, 2)
    visible = np.ones((6, 68), bool)
    distances = {
        "inter-ocular": [math.dist(points[36], points[45]) for points in truth],
        "face-size": [math.sqrt(100 * 110)] * 6,
    }
    assert list(scores.columns) == SCORE_COLUMNS
    for name, cell in scores.groupby("normaliser"):
        assert cell["face"].tolist() == faces["face"].tolist()
        np.testing.assert_allclose(cell["nme"], slow_nme(predicted, truth, visible, distances[name]))
        inner = slow_jitter(predicted, truth, visible, distances[name])
        np.testing.assert_allclose(cell["jitter"], [math.nan, *inner, math.nan])


def test_jitter_equals_the_slow_reference(rng):
    predicted, truth = rng.normal(size=(2, 7, 5, 2)) * 20
    visible, distance = rng.random((7, 5)) < 0.8, rng.uniform(30, 60, 7)
    visible[3] = False
    expected = slow_jitter(predicted, truth, visible, distance)
    assert np.isnan(expected[1:4]).all()  # frames 2, 3 and 4 have no landmark that is visible three times
    np.testing.assert_allclose(jitter_of(predicted, truth, visible, distance)[1:-1], expected, rtol=1e-12)


def test_jitter_of_an_alternating_error_by_hand():
    # The error goes 1, -1, 1 px: its second difference is 4 px, and d is 50 px.
    predicted = np.zeros((3, 1, 2))
    predicted[:, 0, 0] = [1, -1, 1]
    found = jitter_of(predicted, np.zeros((3, 1, 2)), np.ones((3, 1), bool), [50.0] * 3)
    assert found[1] == pytest.approx(8.0) and np.isnan(found[[0, 2]]).all()


def test_jitter_ignores_an_error_that_is_constant_or_grows_steadily(rng):
    truth, drift = rng.normal(size=(6, 4, 2)) * 30, np.arange(6)[:, None, None] * rng.normal(size=(4, 2))
    found = jitter_of(truth + 5 + drift, truth, np.ones((6, 4), bool), np.ones(6))
    np.testing.assert_allclose(found[1:-1], 0, atol=1e-10)


@pytest.mark.parametrize("frames", [1, 2])
def test_fewer_than_three_frames_have_no_jitter(frames):
    found = jitter_of(*np.zeros((2, frames, 4, 2)), np.ones((frames, 4), bool), np.ones(frames))
    assert len(found) == frames and np.isnan(found).all()


def test_the_order_of_predictions_does_not_matter(rng):
    faces, predictions = faces_and_predictions(rng)
    scores = score_predictions(predictions, faces, SCHEME, ["inter-ocular"], True)
    again = score_predictions(predictions.iloc[::-1], faces, SCHEME, ["inter-ocular"], True)
    pd.testing.assert_frame_equal(scores, again)


def test_only_labelled_faces_of_the_split_are_scored(rng):
    faces, predictions = faces_and_predictions(rng, split=["test", "train", "validation", *["test"] * 3])
    unlabelled = [f"{axis}{k}" for k in range(68) for axis in "xy"]
    faces.loc[4, unlabelled] = np.nan
    faces.loc[4, [f"v{k}" for k in range(68)]] = False
    scores = score_predictions(predictions, faces, SCHEME, ["inter-ocular"], False)
    assert scores["face"].tolist() == ["f0", "f3", "f5"]


def test_a_face_of_two_subsets_is_scored_in_both(rng):
    faces, predictions = faces_and_predictions(rng, n=2, subset=["common+full", "full"])
    scores = score_predictions(predictions, faces, SCHEME, ["inter-ocular"], False)
    pairs = list(zip(scores["face"], scores["subset"], strict=True))
    assert pairs == [("f0", "common"), ("f0", "full"), ("f1", "full")]
    assert scores["nme"][0] == scores["nme"][1]


def test_jitter_needs_both_neighbours_of_the_same_clip(rng):
    faces, predictions = faces_and_predictions(
        rng, n=8, clip=["a", "a", "a", "b", "b", "b", "c", "c"], frame=[0, 1, 2, 3, 5, 6, 8, 7]
    )
    scores = score_predictions(predictions, faces, SCHEME, ["inter-ocular"], True)
    assert scores["face"][scores["jitter"].notna()].tolist() == ["f1"]
    assert score_predictions(predictions, faces, SCHEME, ["inter-ocular"], False)["jitter"].isna().all()


def test_frames_need_not_be_in_order(rng):
    faces, predictions = faces_and_predictions(rng, n=3)
    scores = score_predictions(predictions, faces, SCHEME, ["inter-ocular"], True)
    shuffled = score_predictions(predictions, faces.iloc[[2, 0, 1]], SCHEME, ["inter-ocular"], True)
    expected = scores.set_index("face")["jitter"]
    pd.testing.assert_series_equal(shuffled.set_index("face")["jitter"].loc[expected.index], expected)


def test_still_images_have_no_jitter(rng):
    faces, predictions = faces_and_predictions(rng, n=3, frame=-1)
    assert score_predictions(predictions, faces, SCHEME, ["inter-ocular"], True)["jitter"].isna().all()


def broken(name, rng):
    """Tables with one defect, and what the message must name."""
    faces, predictions = faces_and_predictions(rng)
    normalisers, message = ["inter-ocular"], ""
    if name == "missing":
        predictions, message = predictions.drop(index=[2, 4]), r"no prediction for face 'f2' \(2 of 6"
    elif name == "twice":
        predictions = pd.concat([predictions, predictions.iloc[[3]]])
        message = "face 'f3' is there twice"
    elif name == "unknown face":
        predictions.loc[5, "face"], message = "stranger", "'stranger' is not in the face table"
    elif name == "nan":
        predictions.loc[1, "y7"], message = np.nan, "'f1': predicted landmark 7 is NaN"
    elif name == "landmarks":
        predictions, message = predictions.drop(columns=["x67", "y67"]), "67 landmarks.*'68' has 68"
    elif name == "normaliser":
        normalisers, message = ["iris"], "no normaliser 'iris'.*inter-ocular"
    elif name == "zero distance":
        faces.loc[2, ["x45", "y45"]] = faces.loc[2, ["x36", "y36"]].to_numpy()
        message = "'f2': the normaliser is 0.0 px"
    elif name == "no eye corner":
        faces[["x45", "y45"]], faces["v45"] = np.nan, False
        message = "inter-ocular: found no face with all points that it measures between"
    elif name == "no test faces":
        faces["split"], message = "train", "no face to score"
    elif name == "no subset":
        faces.loc[3, "subset"], message = "", "'f3': its subset is empty"
    elif name == "frame twice":
        faces.loc[3, "frame"], message = 2, "clip 'c' has frame 2 twice"
    return predictions, faces, normalisers, message


@pytest.mark.parametrize(
    "defect",
    [
        *["missing", "twice", "unknown face", "nan", "landmarks", "normaliser", "zero distance"],
        *["no eye corner", "no test faces", "no subset", "frame twice"],
    ],
)
def test_tables_from_which_no_score_follows_are_refused_by_name(rng, defect):
    predictions, faces, normalisers, message = broken(defect, rng)
    with pytest.raises(InputError, match=message):
        score_predictions(predictions, faces, SCHEME, normalisers, True)


def test_a_face_that_lacks_a_point_of_a_normaliser_is_left_out_of_it_alone_and_counted(rng, caplog):
    faces, predictions = faces_and_predictions(rng)
    scheme = dataclasses.replace(SCHEME, normalisers=SCHEME.normalisers | {"box": "box"})
    whole = score_predictions(predictions, faces, SCHEME, ["inter-ocular", "inter-pupil"], True)
    faces.loc[2, ["x45", "y45"]], faces.loc[2, "v45"] = np.nan, False  # an outer eye corner
    scores = score_predictions(predictions, faces, scheme, ["inter-ocular", "box"], True)
    of = scores[scores["normaliser"] == "inter-ocular"]
    assert "f2" not in of["face"].tolist() and "f2" in scores[scores["normaliser"] == "box"]["face"].tolist()
    others = whole[(whole["normaliser"] == "inter-ocular") & (whole["face"] != "f2")]
    np.testing.assert_array_equal(of["nme"], others["nme"])
    assert np.isfinite(scores["nme"]).all()
    assert f"inter-ocular: 1 of {of['face'].nunique() + 1} faces are left out" in caplog.text


def test_of_no_face_there_is_no_score(rng):
    faces, predictions = faces_and_predictions(rng)
    scores = score_predictions(predictions.iloc[:0], faces.iloc[:0], SCHEME, ["inter-ocular"], True)
    assert scores.empty and scores.columns.tolist() == SCORE_COLUMNS

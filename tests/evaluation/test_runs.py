"""Paths of runs, and of their tests on other faces; readers that name the file and the cell of what is wrong."""

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tsal.data.faces import make_faces, write_faces
from tsal.data.labels import budget_name
from tsal.data.landmarks import SCHEMES
from tsal.errors import InputError
from tsal.evaluation.runs import (
    Run,
    parse_run,
    read_log,
    read_predictions,
    read_scores,
    write_scores,
)

SCORES = "face,clip,frame,subset,normaliser,nme,jitter\n"


@pytest.mark.parametrize("prefix", ["", "results/runs/", "/somewhere/else/"])
@pytest.mark.parametrize("name", ["", "/scores.csv", "/log.csv"])
def test_a_path_tells_its_run(prefix, name):
    run = parse_run(f"{prefix}ytf/mean_teacher/0.05/seed12{name}")
    folder = Path(f"{prefix}ytf/mean_teacher/0.05/seed12")
    assert run == Run("ytf", "mean_teacher", "0.05", 12, folder)


def test_a_budget_stays_as_written():
    assert parse_run("ytf/tsal/1.0/seed0/log.csv").labels == "1.0"


@pytest.mark.parametrize(
    "path",
    [
        "scores.csv",
        "ytf/tsal/0.05/scores.csv",
        "tsal/0.05/seed0/scores.csv",
        "ytf/tsal/0.05/seed/scores.csv",
        "ytf/tsal/0.05/seed-1/scores.csv",
        "ytf/tsal/few/seed0/scores.csv",
        "ytf/tsal/2/seed0/scores.csv",
        "ytf/tsal/nan/seed0/scores.csv",
        "ytf/tsal/0.05/seed0/more/scores.csv",
    ],
)
def test_other_paths_are_no_runs(path):
    with pytest.raises(InputError, match="not the file of a run"):
        parse_run(path)


def test_budgets_have_names_for_people():
    assert [budget_name(b) for b in ("0.05", "0.125", "1", "1.0")] == [
        *["5 % of the labels", "12.5 % of the labels", "all labels", "all labels"]
    ]


def test_a_log_is_sorted_and_of_repeated_iterations_the_last_counts(tmp_path):
    # A killed run that resumes repeats the iterations since its last saved state.
    path = tmp_path / "log.csv"
    path.write_text("iteration,loss,val_nme_raw\n0,3,\n20,2,7\n10,2.5,8\n20,1,\n")
    log = read_log(path)
    assert log["iteration"].tolist() == [0, 10, 20]
    assert log["loss"].tolist() == [3, 2.5, 1]
    assert np.isnan(log["val_nme_raw"].iloc[[0, 2]]).all()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("step,loss\n1,2\n", "no column iteration; found step, loss"),
        ("iteration,loss\n", "a header without rows"),
        ("", "cannot be read as CSV"),
        ("iteration,loss\n1,2\n2,oops\n", "column loss, row 3: 'oops' is not a number"),
    ],
)
def test_a_broken_log_is_refused(tmp_path, text, message):
    path = tmp_path / "log.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=message) as error:
        read_log(path)
    assert str(path) in str(error.value)


def test_a_missing_file_is_refused_by_name(tmp_path):
    for read in (read_log, read_scores, read_predictions):
        with pytest.raises(InputError, match=r"nothing\.csv"):
            read(tmp_path / "nothing.csv")


def test_text_in_scores_stays_text_and_jitter_may_be_empty(tmp_path):
    path = tmp_path / "scores.csv"
    path.write_text(SCORES + "NA,,-1,full,inter-ocular,5.5,\n007,c,3,full,inter-ocular,6,1.5\n")
    scores = read_scores(path)
    assert scores["face"].tolist() == ["NA", "007"]
    assert scores["clip"].tolist() == ["", "c"]
    assert scores["nme"].tolist() == [5.5, 6]
    assert math.isnan(scores["jitter"][0]) and scores["jitter"][1] == 1.5


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("a,c,0,full,inter-ocular,,\n", "face 'a': found nme nan"),
        ("a,c,0,full,inter-ocular,-1,\n", "face 'a': found nme -1"),
        ("a,c,0,full,inter-ocular,inf,\n", "face 'a': found nme inf"),
        ("a,c,0,full,inter-ocular,5 %,\n", "column nme, row 2: '5 %' is not a number"),
        ("a,c,0,full,inter-ocular,5,\na,c,0,full,inter-ocular,6,\n", "face 'a' is scored twice"),
    ],
)
def test_broken_scores_are_refused(tmp_path, rows, message):
    path = tmp_path / "scores.csv"
    path.write_text(SCORES + rows)
    with pytest.raises(InputError, match=message):
        read_scores(path)


def test_predictions_keep_empty_cells_for_scoring_to_name(tmp_path):
    path = tmp_path / "predictions.csv"
    path.write_text("face,x0,y0,x1,y1,confidence\na,1,2,,4,0.5\n")
    predictions = read_predictions(path)
    assert predictions.columns.tolist() == ["face", "x0", "y0", "x1", "y1"]
    assert math.isnan(predictions["x1"][0])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("face,x0,y0,x1\na,1,2,3\n", "landmark columns are x0, y0, x1"),
        ("face,x0,y0,y1,x1\na,1,2,3,4\n", "landmark columns are x0, y0, y1, x1"),
        ("face,x0,y0\na,1,left\n", "column y0, row 2: 'left' is not a number"),
        ("face,x0,y0\n,1,2\n", "row 2: a face without a name"),
        ("face,x0,y0,x0\na,1,2,3\n", r"predictions\.csv: found column 'x0' twice, expected each once"),
    ],
)
def test_broken_predictions_are_refused(tmp_path, text, message):
    path = tmp_path / "predictions.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        read_predictions(path)


def predictions_and_faces(tmp_path):
    truth = 50 + 20 * np.random.default_rng(0).normal(size=(3, 68, 2))
    faces = make_faces(["a.png"] * 3, np.tile([0.0, 0, 100, 100], (3, 1)), truth, frame=[0, 1, 2], clip="c")
    write_faces(faces, tmp_path / "faces.parquet")
    columns = [f"{axis}{k}" for k in range(68) for axis in "xy"]
    table = pd.DataFrame(truth.reshape(3, -1) + 1, columns=columns)
    table.insert(0, "face", faces["face"])
    table.to_csv(tmp_path / "predictions.csv", index=False)
    return table


def score(tmp_path):
    write_scores(
        tmp_path / "predictions.csv",
        tmp_path / "faces.parquet",
        tmp_path / "run/scores.csv",
        scheme=SCHEMES["68"],
        normalisers=["inter-ocular", "inter-pupil"],
        is_video=True,
    )


def test_written_scores_read_back(tmp_path):
    predictions_and_faces(tmp_path)
    score(tmp_path)
    scores = read_scores(tmp_path / "run/scores.csv")
    assert len(scores) == 6
    # Every landmark is off by (1, 1) px in every frame: no jitter but rounding.
    assert scores["jitter"].dropna().tolist() == pytest.approx([0, 0], abs=1e-6)


def test_scoring_names_the_file_and_the_face(tmp_path):
    predictions_and_faces(tmp_path).drop(index=1).to_csv(tmp_path / "predictions.csv", index=False)
    with pytest.raises(InputError, match=r"predictions\.csv.*no prediction for face 'a\.png#1'"):
        score(tmp_path)
    assert not (tmp_path / "run/scores.csv").exists()


def test_of_no_faces_there_are_no_scores(tmp_path):
    predictions_and_faces(tmp_path).iloc[:0].to_csv(tmp_path / "predictions.csv", index=False)
    with pytest.raises(InputError, match=r"no prediction for face 'a\.png' \(3 of 3 are missing\)"):
        score(tmp_path)
    none = make_faces([], np.empty((0, 4)), np.empty((0, 68, 2)))
    write_faces(none, tmp_path / "faces.parquet")
    score(tmp_path)
    assert (tmp_path / "run/scores.csv").read_text() == "face,clip,frame,subset,normaliser,nme,jitter\n"


FOLDER = Path("results/runs/300w/tsal/0.05/seed3")


@pytest.mark.parametrize(
    "name", ["on_300vw", "on_300vw/predictions.csv", "on_300vw/scores.csv", "on_300vw/scores_49.csv"]
)
def test_a_path_tells_on_which_faces_a_run_was_tested(name):
    run = parse_run(FOLDER / name)
    assert run == Run("300w", "tsal", "0.05", 3, FOLDER / "on_300vw", "300vw")
    assert str(run) == "300w/tsal/0.05/seed3/on_300vw"


def test_the_target_is_by_default_the_benchmark_of_training():
    run = parse_run(FOLDER / "scores.csv")
    assert run.target == run.benchmark == "300w"
    assert str(run) == "300w/tsal/0.05/seed3"


def test_a_run_and_its_test_on_other_faces_are_two():
    assert parse_run(FOLDER / "scores.csv") != parse_run(FOLDER / "on_300vw/scores.csv")


@pytest.mark.parametrize("name", ["on_/scores.csv", "more/scores.csv", "on_300vw/more/scores.csv", "300vw/scores.csv"])
def test_other_folders_in_a_run_are_refused(name):
    with pytest.raises(InputError, match=r"expected .*seedN/\[on_TARGET/\]FILE"):
        parse_run(FOLDER / name)


def test_a_file_whose_name_starts_with_on_lies_in_the_run():
    assert parse_run(FOLDER / "on_300vw.csv").target == "300w"

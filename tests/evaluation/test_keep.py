"""Finished runs: what is kept of them, and when it stands in for a training."""

import gzip
import os

import pandas as pd
import pytest
import yaml
from run_files import run_folder, scores_table, write_run_log, write_run_scores

from tsal.errors import InputError
from tsal.evaluation.keep import find_kept, keep_runs
from tsal.evaluation.runs import parse_run, read_log, read_scores

SETTINGS = {"method": "tsal", "training": {"steps": 20, "optimizer": {"learning_rate": 1e-05}}, "tsal": {"pool": None}}
FACES = {"benchmark": "toy", "settings": {"people": 20}}
RUN = "toy/tsal/0.05/seed0"
NAN = float("nan")


@pytest.fixture
def results(tmp_path):
    """A folder results/ with one finished run of tsal and its warm-up, and the index of its benchmark beside it."""
    root = tmp_path / "work/results/runs"
    for method in ("tsal", "warmup", "warmup-0a1b2c"):
        write_run(root, method)
    index = tmp_path / "work/data/toy/index.yaml"
    index.parent.mkdir(parents=True)
    index.write_text(yaml.safe_dump(FACES))
    return root.parent


def write_run(root, method, seed=0):
    write_run_scores(root, method, "0.05", seed, scores_table([4.0, 6.0], jitter=[1.25, NAN]))
    loss, errors = [5, 4, 3, 2, 1], [NAN, NAN, 6.5, NAN, NAN]
    write_run_log(root, method, "0.05", seed, seconds=[1, 2, 3, 4, 5], loss=loss, val_nme_teacher=errors)
    settings = run_folder(root, method, "0.05", seed) / "settings.yaml"
    settings.write_text(yaml.safe_dump(SETTINGS, sort_keys=False))


def test_scores_are_kept_as_they_are_and_logs_where_something_was_measured(results, tmp_path):
    (kept,) = keep_runs(results, tmp_path / "kept")
    assert kept == tmp_path / "kept" / RUN
    assert {path.name for path in kept.iterdir()} == {"settings.yaml", "scores.csv.gz", "log.csv"}
    assert (
        gzip.decompress((kept / "scores.csv.gz").read_bytes()) == (results / "runs" / RUN / "scores.csv").read_bytes()
    )
    log = read_log(kept / "log.csv")
    assert log["iteration"].tolist() == [100, 120, 140]
    assert log["val_nme_teacher"].dropna().tolist() == [6.5]


def test_kept_files_are_read_as_those_of_their_run(results, tmp_path):
    (kept,) = keep_runs(results, tmp_path / "kept")
    pd.testing.assert_frame_equal(
        read_scores(kept / "scores.csv.gz"), read_scores(results / "runs" / RUN / "scores.csv")
    )
    assert str(parse_run(kept / "scores.csv.gz")) == RUN


def test_what_did_not_change_is_not_touched(results, tmp_path):
    keep_runs(results, tmp_path / "kept")
    files = [path for path in (tmp_path / "kept").rglob("*") if path.is_file()]
    for path in files:
        os.utime(path, (0, 0))
    write_run(results / "runs", "tsal", seed=1)
    assert len(keep_runs(results, tmp_path / "kept")) == 2
    assert all(path.stat().st_mtime == 0 for path in files)


@pytest.mark.parametrize("missing", ["settings.yaml", "scores.csv", "log.csv"])
def test_a_run_that_is_not_finished_is_passed_over(results, tmp_path, missing):
    write_run(results / "runs", "tsal", seed=1)
    (results / "runs" / RUN / missing).unlink()
    assert [path.name for path in keep_runs(results, tmp_path / "kept")] == ["seed1"]


def test_a_run_from_before_its_settings_were_changed_is_passed_over(results, tmp_path, caplog):
    write_run(results / "runs", "tsal", seed=1)
    for name in ("log.csv", "scores.csv"):
        os.utime(results / "runs" / RUN / name, (1, 1))
    assert [path.name for path in keep_runs(results, tmp_path / "kept")] == ["seed1"]
    assert f"{RUN}: not kept, its settings were changed after it was trained" in caplog.text


def test_scores_from_before_the_last_training_are_passed_over(results, tmp_path, caplog):
    write_run(results / "runs", "tsal", seed=1)
    os.utime(results / "runs" / RUN / "scores.csv", (1, 1))
    assert [path.name for path in keep_runs(results, tmp_path / "kept")] == ["seed1"]
    assert f"{RUN}: not kept, trained again after it was scored" in caplog.text


def test_a_run_without_steps_of_its_own_keeps_its_empty_log(results, tmp_path):
    (results / "runs" / RUN / "log.csv").write_text("iteration\n")
    (kept,) = keep_runs(results, tmp_path / "kept")
    assert (kept / "log.csv").read_text() == "iteration\n"


def test_nothing_to_keep_is_an_error(tmp_path):
    with pytest.raises(InputError, match="runs: found no finished run; expected BENCHMARK/METHOD/LABELS/seedN with"):
        keep_runs(tmp_path / "results", tmp_path / "kept")


def test_runs_on_other_faces_are_not_kept_in_the_same_folder(results, tmp_path):
    keep_runs(results, tmp_path / "kept")
    (results.parent / "data/toy/index.yaml").write_text(yaml.safe_dump(FACES | {"settings": {"people": 30}}))
    with pytest.raises(InputError, match=r"toy/index\.yaml: the runs kept here were measured on other faces than"):
        keep_runs(results, tmp_path / "kept")


def test_a_kept_run_stands_in_for_one_with_the_same_settings_whatever_their_order(results, tmp_path):
    (kept,) = keep_runs(results, tmp_path / "kept")
    assert find_kept(tmp_path / "kept", RUN, dict(reversed(SETTINGS.items())), FACES) == (kept, "")


@pytest.mark.parametrize(
    ("settings", "key"),
    [
        (SETTINGS | {"training": {"steps": 30, "optimizer": {"learning_rate": 1e-05}}}, "training.steps"),
        (
            SETTINGS | {"training": {"steps": 20, "optimizer": {"learning_rate": 1e-04}}},
            "training.optimizer.learning_rate",
        ),
        (SETTINGS | {"tsal": {"pool": None, "pool_share": 1.0}}, "tsal.pool_share"),
        (SETTINGS | {"tsal": {}}, "tsal.pool"),
        (SETTINGS | {"tsal": {"pool": "ytf"}}, "tsal.pool"),
    ],
)
def test_a_kept_run_with_other_settings_does_not_and_the_first_difference_is_named(results, tmp_path, settings, key):
    keep_runs(results, tmp_path / "kept")
    found, reason = find_kept(tmp_path / "kept", RUN, settings, FACES)
    assert found is None
    assert (
        reason == f"{tmp_path}/kept/toy/tsal: runs with another {key} than the configuration's; they are trained anew"
    )


def test_a_kept_run_on_other_faces_does_not(results, tmp_path):
    keep_runs(results, tmp_path / "kept")
    found, reason = find_kept(tmp_path / "kept", RUN, SETTINGS, FACES | {"settings": {"people": 30}})
    assert found is None
    assert reason.startswith(f"{tmp_path}/kept/toy/index.yaml: its runs were measured on other faces than")


def test_of_a_run_that_is_not_kept_nothing_is_said(results, tmp_path):
    keep_runs(results, tmp_path / "kept")
    assert find_kept(tmp_path / "kept", "toy/tsal/0.05/seed7", SETTINGS, FACES) == (None, "")

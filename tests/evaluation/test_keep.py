"""Finished runs: what is kept of them, and when it stands in for a training."""

import os

import numpy as np
import pandas as pd
import pytest
import yaml
from pyarrow import parquet
from run_files import run_folder, scores_table, write_run_log, write_run_scores

from tsal.data.faces import make_faces, write_faces
from tsal.errors import InputError
from tsal.evaluation.keep import find_kept, keep_runs
from tsal.evaluation.kept import KeptRun, kept_settings, on_disk, read_kept, reference, write_kept
from tsal.evaluation.runs import parse_run, read_log, read_scores

SETTINGS = {"method": "tsal", "training": {"steps": 20, "optimizer": {"learning_rate": 1e-05}}, "tsal": {"pool": None}}
FACES = {"benchmark": "toy", "settings": {"people": 20}}
RUN = "toy/tsal/0.05/seed0"
NAN = float("nan")


@pytest.fixture
def results(tmp_path):
    """A folder results/ with one finished run of tsal and its warm-up; beside it the index and the faces: 40 that train
    and f0, f1 of the person anna."""
    root = tmp_path / "work/results/runs"
    for method in ("tsal", "warmup", "warmup-0a1b2c"):
        write_run(root, method)
    index = tmp_path / "work/data/toy/index.yaml"
    index.parent.mkdir(parents=True)
    index.write_text(yaml.safe_dump(FACES))
    faces = make_faces(
        ["a.png"] * 42,
        np.tile([0.0, 0, 90, 90], (42, 1)),
        np.full((42, 2, 2), 50.0),
        face=["f0", "f1", *(f"train{i}" for i in range(40))],
        person=["anna"] * 2 + [""] * 40,
        split=["test"] * 2 + ["train"] * 40,
    )
    write_faces(faces, index.with_name("faces.parquet"))
    return root.parent


CODE = "0123456789ab"


def write_run(root, method, seed=0, errors=(4.0, 6.0)):
    write_run_scores(root, method, "0.05", seed, scores_table(errors, jitter=[1.25, NAN]))
    loss, measured = [5, 4, 3, 2, 1], [NAN, NAN, 6.5, NAN, NAN]
    write_run_log(root, method, "0.05", seed, seconds=[1, 2, 3, 4, 5], loss=loss, val_nme_teacher=measured)
    folder = run_folder(root, method, "0.05", seed)
    (folder / "settings.yaml").write_text(yaml.safe_dump(SETTINGS, sort_keys=False))
    (folder / "machine.yaml").write_text(yaml.safe_dump([{"from_step": 0, "code": CODE}]))


def some_runs(count=3):
    """Kept runs with the errors that a detector has, of six decimals each."""
    rng = np.random.default_rng(0)
    runs = []
    for seed in range(count):
        errors = rng.lognormal(1.5, 0.8, 50).round(6)
        scores = scores_table(errors, jitter=np.where(np.arange(50) % 3, errors / 3, NAN).round(6)).assign(person="p")
        runs.append(KeptRun("tsal", "0.05", seed, 2, SETTINGS | {"seed": seed}, f"iteration\n{seed}\n", scores))
    return runs


def test_scores_are_kept_as_they_are_and_logs_where_something_was_measured(results, tmp_path):
    (kept,) = keep_runs(results, tmp_path / "kept")
    assert kept == tmp_path / "kept/toy.parquet/tsal/0.05/seed0"
    assert [path.name for path in (tmp_path / "kept").iterdir()] == ["toy.parquet"]
    expected = read_scores(results / "runs" / RUN / "scores.csv")
    pd.testing.assert_frame_equal(read_scores(kept / "scores.csv"), expected, check_exact=True)
    log = read_log(kept / "log.csv")
    assert log["iteration"].tolist() == [100, 120, 140]
    assert log["val_nme_teacher"].dropna().tolist() == [6.5]


def test_with_a_run_are_kept_its_settings_its_people_and_the_number_of_its_labelled_faces(results, tmp_path):
    keep_runs(results, tmp_path / "kept")
    ((run,), made_of) = read_kept(tmp_path / "kept/toy.parquet")
    assert (run.settings, made_of) == (SETTINGS, FACES)
    assert run.scores["person"].tolist() == ["anna", "anna"]
    assert run.labelled == 2  # 5 % of 40


def test_a_kept_file_is_named_like_one_in_a_folder(results, tmp_path):
    (kept,) = keep_runs(results, tmp_path / "kept")
    run = parse_run(kept / "scores.csv")
    assert (str(run), run.folder) == (RUN, kept)
    assert on_disk(kept / "scores.csv") == tmp_path / "kept/toy.parquet"
    own = results / "runs" / RUN / "scores.csv"
    assert (on_disk(own), reference(own)) == (own, None)
    assert reference(tmp_path / "kept/toy.parquet") is None


def test_runs_that_are_kept_later_join_those_that_are(results, tmp_path):
    keep_runs(results, tmp_path / "kept")
    (results / "runs" / RUN / "scores.csv").unlink()
    write_run(results / "runs", "tsal", seed=1)
    assert len(keep_runs(results, tmp_path / "kept")) == 1
    assert set(kept_settings(tmp_path / "kept/toy.parquet")[0]) == {"tsal/0.05/seed0", "tsal/0.05/seed1"}


def test_a_run_that_was_trained_anew_takes_the_place_of_its_former_one(results, tmp_path):
    (kept,) = keep_runs(results, tmp_path / "kept")
    write_run(results / "runs", "tsal", errors=(3.0, 5.0))
    keep_runs(results, tmp_path / "kept")
    assert read_scores(kept / "scores.csv")["nme"].tolist() == [3.0, 5.0]


def test_what_did_not_change_is_not_touched(results, tmp_path):
    keep_runs(results, tmp_path / "kept")
    os.utime(tmp_path / "kept/toy.parquet", (0, 0))
    assert len(keep_runs(results, tmp_path / "kept")) == 1
    assert (tmp_path / "kept/toy.parquet").stat().st_mtime == 0


def test_the_same_runs_make_the_same_bytes_in_whatever_order_they_come(tmp_path):
    runs = some_runs()
    first, second = (
        write_kept(tmp_path / name / "toy.parquet", some, FACES) for name, some in (("a", runs), ("b", runs[::-1]))
    )
    assert first.read_bytes() == second.read_bytes()
    write_kept(second, [*read_kept(first)[0]], FACES)
    assert first.read_bytes() == second.read_bytes()


def test_scores_come_back_to_the_last_bit_and_take_a_third_of_their_text(tmp_path):
    runs = some_runs(40)
    path = write_kept(tmp_path / "toy.parquet", runs, FACES)
    text = 0
    for before, after in zip(runs, read_kept(path)[0], strict=True):
        pd.testing.assert_frame_equal(
            before.scores, after.scores[before.scores.columns], check_exact=True, check_dtype=False
        )
        assert (before.name, before.log, before.settings) == (after.name, after.log, after.settings)
        text += len(before.scores.to_csv(index=False))
    assert path.stat().st_size < text / 3


def test_a_file_that_is_damaged_or_of_something_else_is_named(tmp_path):
    whole = write_kept(tmp_path / "toy.parquet", some_runs(), FACES).read_bytes()
    rng = np.random.default_rng(0)
    damaged = [whole[:-1], whole[: len(whole) // 2], b"", b"PAR1"]
    for place in rng.integers(4, len(whole) - 4, 60):  # flipped bytes: in data, in the footer
        damaged.append(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
    refused = 0
    for number, content in enumerate(damaged):
        path = tmp_path / f"damaged{number}.parquet"
        path.write_bytes(content)
        try:
            runs, _ = read_kept(path)
        except InputError as error:
            assert str(path) in str(error)
            refused += 1
        else:  # a byte that says nothing, such as who wrote the file
            for before, after in zip(some_runs(), runs, strict=True):
                assert before.scores["nme"].tolist() == after.scores["nme"].tolist()
    assert refused > 50
    pd.DataFrame({"a": [1]}).to_parquet(tmp_path / "other.parquet")
    with pytest.raises(
        InputError, match=r"other\.parquet: not a file of kept runs; expected one that `tsal keep` wrote"
    ):
        kept_settings(tmp_path / "other.parquet")


def test_a_run_that_is_not_in_the_file_is_named(tmp_path):
    path = write_kept(tmp_path / "toy.parquet", some_runs(), FACES)
    with pytest.raises(InputError, match=r"toy\.parquet: keeps no run tsal/0\.05/seed9; it has 3 others"):
        read_scores(path / "tsal/0.05/seed9/scores.csv")


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
    keep_runs(results, tmp_path / "kept")
    assert read_kept(tmp_path / "kept/toy.parquet")[0][0].log == "iteration\n"


def test_nothing_to_keep_is_an_error(tmp_path):
    with pytest.raises(InputError, match="runs: found no finished run; expected BENCHMARK/METHOD/LABELS/seedN with"):
        keep_runs(tmp_path / "results", tmp_path / "kept")


def test_runs_on_other_faces_are_not_kept_in_the_same_folder(results, tmp_path):
    keep_runs(results, tmp_path / "kept")
    (results.parent / "data/toy/index.yaml").write_text(yaml.safe_dump(FACES | {"settings": {"people": 30}}))
    with pytest.raises(InputError, match=r"toy\.parquet: the runs kept here were measured on other faces than"):
        keep_runs(results, tmp_path / "kept")


def test_a_kept_run_stands_in_for_one_with_the_same_settings_whatever_their_order(results, tmp_path):
    (kept,) = keep_runs(results, tmp_path / "kept")
    assert find_kept(tmp_path / "kept", RUN, dict(reversed(SETTINGS.items())), FACES, CODE) == (kept, "")


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
    found, reason = find_kept(tmp_path / "kept", RUN, settings, FACES, CODE)
    assert found is None
    assert (
        reason
        == f"{tmp_path}/kept/toy.parquet/tsal: runs with another {key} than the configuration's; they are trained anew"
    )


def test_a_key_that_came_later_counts_as_its_default(results, tmp_path):
    (kept,) = keep_runs(results, tmp_path / "kept")

    def with_later(value):
        return SETTINGS | {"training": SETTINGS["training"] | {"augmentation": {"mirror_shift": value}}}

    assert find_kept(tmp_path / "kept", RUN, with_later(0.0), FACES, CODE) == (kept, "")
    found, reason = find_kept(tmp_path / "kept", RUN, with_later(0.02), FACES, CODE)
    assert found is None and "another training.augmentation.mirror_shift than" in reason


def test_a_kept_run_on_other_faces_does_not(results, tmp_path):
    keep_runs(results, tmp_path / "kept")
    found, reason = find_kept(tmp_path / "kept", RUN, SETTINGS, FACES | {"settings": {"people": 30}}, CODE)
    assert found is None
    assert reason.startswith(f"{tmp_path}/kept/toy.parquet: its runs were measured on other faces than")


@pytest.mark.parametrize(("convention", "stands_in"), [("surface", True), ("ibug", False)])
def test_what_can_be_said_of_faces_since_later_counts_as_its_default(results, tmp_path, convention, stands_in):
    made_of = {"benchmark": "synth", "settings": {"people": 20}}
    (results.parent / "data/toy/index.yaml").write_text(yaml.safe_dump(made_of))
    keep_runs(results, tmp_path / "kept")
    now = made_of | {"settings": {"people": 20, "convention": convention}}
    assert bool(find_kept(tmp_path / "kept", RUN, SETTINGS, now, CODE)[0]) == stands_in


@pytest.mark.parametrize("known", [True, False])
def test_a_kept_run_that_other_code_trained_is_used_with_a_word(results, tmp_path, known):
    if not known:
        (results / "runs" / RUN / "machine.yaml").unlink()
    (kept,) = keep_runs(results, tmp_path / "kept")
    found, word = find_kept(tmp_path / "kept", RUN, SETTINGS, FACES, "another")
    assert found == kept
    trained_by = f"code {CODE}" if known else "code of an unknown version"
    assert f"toy.parquet: runs trained by {trained_by}, not by the present another; used as they are" in word


def test_kept_runs_of_a_time_when_their_code_was_not_kept_are_read(results, tmp_path):
    (kept,) = keep_runs(results, tmp_path / "kept")
    file = tmp_path / "kept/toy.parquet"
    parquet.write_table(parquet.read_table(file).drop_columns("code"), file)
    ((run,), _) = read_kept(file)
    assert run.code == "" and kept_settings(file)[1] == {"tsal/0.05/seed0": ""}
    assert len(read_scores(kept / "scores.csv")) == 2


def test_of_a_run_that_is_not_kept_nothing_is_said(results, tmp_path):
    keep_runs(results, tmp_path / "kept")
    assert find_kept(tmp_path / "kept", "toy/tsal/0.05/seed7", SETTINGS, FACES, CODE) == (None, "")

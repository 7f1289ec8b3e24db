"""The tables of what is claimed: significance, the gap closed and cost, against values by hand."""

import numpy as np
import pandas as pd
import pytest
from run_files import paired_bootstrap, scores_table, write_run_log, write_run_scores

from tsal import cli
from tsal.data.faces import make_faces, write_faces
from tsal.errors import InputError
from tsal.evaluation.runs import parse_run, read_log
from tsal.tables import NME_COLUMNS, load_runs, write_nme_of_runs, write_table
from tsal.tables.cost import cost_table, write_cost
from tsal.tables.gap import gap_table, write_gap
from tsal.tables.significance import holm, write_significance

SUBSETS = ("full", "video")
PEOPLE = {f"f{i}": f"person{i // 3}" for i in range(12)}


def face_table(root, people=()):
    """Face table: 20 training faces, and the test faces f0, f1, ...; of nobody known, if no people are given."""
    count = 20 + (len(people) or 40)
    table = make_faces(
        ["a.png"] * count,
        np.tile([0.0, 0, 90, 90], (count, 1)),
        np.full((count, 2, 2), 50.0),
        face=[f"train{i}" for i in range(20)] + [f"f{i}" for i in range(count - 20)],
        person=["someone"] * 20 + list(people or [""] * 40),
        split=["train"] * 20 + ["test"] * (count - 20),
    )
    write_faces(table, root / "faces.parquet")
    return root / "faces.parquet"


@pytest.fixture
def faces(tmp_path):
    """Face table with the test faces f0 to f11 of four people."""
    return face_table(tmp_path, list(PEOPLE.values()))


def write_scores(root, method, labels, seed, error, jitter=np.nan, spread=0.0):
    """Faces of mean error `error`, on stills and, where there is jitter, on videos."""
    errors = error + spread * np.linspace(-1, 1, 12)
    tables = [scores_table(errors, subset="full")]
    if not np.isnan(jitter):
        tables.append(scores_table(errors, subset="video", jitter=jitter))
    return write_run_scores(root, method, labels, seed, *tables)


# --- the gap ---


def test_the_gap_is_the_share_of_the_way_to_all_labels(tmp_path):
    means = {("supervised", "0.05"): (8, 10), ("supervised", "1"): (4, 6), ("tsal", "0.05"): (7, 7)}
    paths = [write_scores(tmp_path, *key, s, error) for key, errors in means.items() for s, error in enumerate(errors)]
    (row,) = gap_table("toy", load_runs("toy", paths), PEOPLE).to_dict("records")
    assert (row["labels"], row["method"], row["n_faces"], row["n_people"], row["seeds"]) == ("0.05", "tsal", 12, 4, 2)
    assert (row["nme"], row["nme_supervised"], row["nme_full"]) == pytest.approx((7, 9, 5))
    assert row["gap"] == pytest.approx(100 * (9 - 7) / (9 - 5))
    # All faces of a run are alike: only the seeds vary. Drawn: seed 0 twice (p = 1/4), seed 1 twice, or both.
    assert (row["low"], row["high"]) == pytest.approx((100 * 1 / 4, 100 * 3 / 4))


def test_the_interval_of_the_gap_covers_people_even_with_one_seed(tmp_path):
    rng = np.random.default_rng(0)
    people = {f"f{i}": f"p{i // 5}" for i in range(200)}
    few = rng.normal(8, 0.3, 200)
    closed = np.repeat(rng.normal(0.5, 0.1, 40), 5)  # of a gap of 2 points, by person
    errors = {("supervised", "0.1"): few, ("supervised", "1"): few - 2, ("tsal", "0.1"): few - 2 * closed}
    paths = [write_run_scores(tmp_path, *key, 0, scores_table(values)) for key, values in errors.items()]
    (row,) = gap_table("toy", load_runs("toy", paths), people).to_dict("records")
    assert row["gap"] == pytest.approx(100 * closed.mean(), abs=1e-3)
    width = 2 * 1.96 * 100 * closed[::5].std() / np.sqrt(40)  # of a mean over 40 people
    assert row["high"] - row["low"] == pytest.approx(width, rel=0.1)


def test_without_a_gap_nothing_is_closed(tmp_path):
    means = {("supervised", "0.1"): 5, ("supervised", "1.0"): 5, ("tsal", "0.1"): 4}
    paths = [write_scores(tmp_path, *key, 0, error) for key, error in means.items()]
    (row,) = gap_table("toy", load_runs("toy", paths), PEOPLE).to_dict("records")
    assert np.isnan([row["gap"], row["low"], row["high"]]).all()


def test_a_gap_that_some_draws_do_not_have_has_no_interval(tmp_path):
    rng = np.random.default_rng(1)
    few = rng.normal(5, 1, 12)
    errors = {("supervised", "0.1"): few, ("supervised", "1"): few[::-1] - 0.1, ("tsal", "0.1"): few - 0.05}
    paths = [write_run_scores(tmp_path, *key, 0, scores_table(values)) for key, values in errors.items()]
    (row,) = gap_table("toy", load_runs("toy", paths), PEOPLE).to_dict("records")
    assert row["gap"] == pytest.approx(50, abs=0.1)
    assert np.isnan([row["low"], row["high"]]).all()


def test_a_gap_is_measured_over_the_seeds_that_all_have(tmp_path):
    paths = [write_scores(tmp_path, "supervised", labels, s, e) for s in (0, 1) for labels, e in (("0.1", 8), ("1", 4))]
    paths.append(write_scores(tmp_path, "tsal", "0.1", 1, 5))
    (row,) = gap_table("toy", load_runs("toy", paths), PEOPLE).to_dict("records")
    assert (row["seeds"], row["gap"]) == (1, pytest.approx(75))


def test_a_gap_needs_supervised_runs_with_all_labels(tmp_path, faces):
    paths = [write_scores(tmp_path, method, "0.1", 0, 5) for method in ("supervised", "tsal")]
    with pytest.raises(InputError, match="toy: no run of 'supervised' with all labels, from which the gap is measured"):
        write_gap("toy", paths, faces, tmp_path / "toy_gap.csv")


def test_a_gap_can_be_measured_from_another_supervised_method(tmp_path, faces):
    means = {("supervised", "0.1"): 9, ("supervised", "1"): 3, ("tsal_long", "0.1"): 5}
    means |= {("supervised_long", "0.1"): 8, ("supervised_long", "1"): 4}
    paths = [write_scores(tmp_path, *key, 0, error) for key, error in means.items()]
    arguments = ["table", "--kind", "gap", "--benchmark", "toy", "--faces", faces, "--supervised", "supervised_long"]
    assert cli.main([*map(str, [*arguments, *paths]), "-o", str(tmp_path / "toy_gap.csv")]) == 0
    table = pd.read_csv(tmp_path / "toy_gap.csv").set_index("method")
    assert table.loc["tsal_long", ["nme_supervised", "nme_full"]].tolist() == [8, 4]
    assert table["gap"].to_dict() == pytest.approx({"supervised": -25, "tsal_long": 75})


def test_a_gap_is_shown_by_subset_and_budget(tmp_path, faces):
    errors = {"supervised": {"0.01": 9, "0.1": 7, "1": 5}, "tsal": {"0.01": 7, "0.1": 5.5}}
    paths = [
        write_scores(tmp_path, method, labels, 0, error, jitter=1)
        for method, of_method in errors.items()
        for labels, error in of_method.items()
    ]
    out = write_gap("toy", paths, faces, tmp_path / "toy_gap.csv")
    assert [path.suffix for path in out] == [".csv", ".md", ".tex"]
    text = out[1].read_text()
    assert "### toy, video: gap closed" in text and "| 1 %: Gap (%) |" in text and "over 4 people" in text
    assert "| TSAL | 50 | [50, 50] | 75 | [75, 75] |" in text


# --- significance, NME ---


def test_every_two_methods_of_a_budget_are_compared_and_the_better_is_named(tmp_path, faces):
    rng = np.random.default_rng(0)
    errors = {method: rng.normal(6, 1, 12) for method in ("tsal", "sbr")} | {"stld": np.full(12, 9.0)}
    paths = [write_run_scores(tmp_path, method, "0.1", 0, scores_table(e)) for method, e in errors.items()]
    out = write_significance("toy", paths, faces, tmp_path / "toy_significance.csv")
    table = pd.read_csv(out[0], keep_default_na=False).set_index(["method", "reference"])
    assert set(table.index) == {("sbr", "tsal"), ("stld", "tsal"), ("stld", "sbr")}
    # Four people who all agree: 2^(1 - 4) = 0.125, the least that the bootstrap over people can say.
    assert table["p_value_people"].min() == pytest.approx(0.125)
    assert set(table["better"]) == {""}
    people = [f"person{i // 3}" for i in range(12)]
    expected = paired_bootstrap(errors["sbr"], errors["tsal"], people)
    assert table.loc[("sbr", "tsal"), "p_value_people"] == pytest.approx(expected.p_value, abs=1e-4)


def test_the_better_method_is_named_where_enough_people_agree(tmp_path):
    faces = face_table(tmp_path)
    base = np.random.default_rng(0).normal(6, 1, 40)
    paths = [
        write_run_scores(tmp_path, method, "0.1", 0, scores_table(base + more))
        for method, more in (("sbr", 1.0), ("tsal", 0.0))
    ]
    out = write_significance("toy", paths, faces, tmp_path / "toy_significance.csv")
    row = pd.read_csv(out[0]).iloc[0]
    assert (row["method"], row["reference"], row["better"]) == ("tsal", "sbr", "tsal")
    assert "| 10 % | TSAL | SBR | −1.00 | [−1.00, −1.00] | <0.001 | <0.001 | TSAL |" in out[1].read_text()
    assert "over 40 faces" in out[1].read_text()


def test_the_better_method_is_named_after_a_correction_for_the_pairs_of_a_budget(tmp_path):
    rng = np.random.default_rng(4)
    base, more = rng.normal(6, 1, 40), rng.normal(0.34, 1, 40)
    errors = {"tsal": base, "sbr": base + more / 2, "stld": base + more}  # the pairs differ in scale alone
    paths = [write_run_scores(tmp_path, method, "0.1", 0, scores_table(e)) for method, e in errors.items()]
    paths += [write_run_scores(tmp_path, method, "0.2", 0, scores_table(errors[method])) for method in ("tsal", "sbr")]
    out = write_significance("toy", paths, face_table(tmp_path), tmp_path / "toy_significance.csv")
    table = pd.read_csv(out[0], keep_default_na=False).set_index("labels")
    p_value = table.loc[0.2, "p_value_people"]
    assert 0.05 / 3 < p_value < 0.05 and table.loc[0.2, "better"] == "tsal"
    assert table.loc[0.1, "p_value_people"].tolist() == [p_value] * 3
    assert table.loc[0.1, "p_value_holm"].tolist() == pytest.approx([3 * p_value] * 3)
    assert table.loc[0.1, "better"].tolist() == [""] * 3
    assert table.loc[0.2, "p_value_holm"] == p_value


def test_holms_correction_is_that_of_the_step_down_by_hand():
    # 4 x 0.005, 3 x 0.01, 2 x 0.03, and 0.04, which may not fall below the one before it.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.7]).tolist() == [1.0, 1.0]
    assert holm([]).tolist() == []


def test_the_nme_of_all_runs_is_that_of_the_table_of_the_benchmark(tmp_path, faces):
    paths = [write_scores(tmp_path, m, "0.1", s, 5 + s, spread=2) for m in ("supervised", "tsal") for s in (0, 1)]
    out = write_nme_of_runs("toy", paths, faces, tmp_path / "claims/toy_nme.csv")
    assert out[0].read_text() == write_table("toy", paths, faces, tmp_path / "toy_nme.csv")[0].read_text()
    assert pd.read_csv(out[0]).columns.tolist() == NME_COLUMNS
    assert [path.suffix for path in out] == [".csv", ".md", ".tex"]


# --- cost ---


def test_cost_is_counted_between_the_rows_of_a_log_and_paired_by_labels_and_seed(tmp_path):
    seconds = {
        ("supervised", 0): [5, 10, 15],
        ("supervised", 1): [0, 8, 16],
        ("tsal", 0): [7, 22, 37],
        ("tsal", 1): [0, 16, 32],
    }
    paths = [write_run_log(tmp_path, method, "0.1", s, seconds=values) for (method, s), values in seconds.items()]
    paths.append(write_run_log(tmp_path, "tsal", "0.5", 0, seconds=[0, 10, 20]))  # without a supervised run
    paths.append(write_run_log(tmp_path, "sbr", "0.1", 0, seconds=[3.0]))  # no time can be told
    table = cost_table("toy", {parse_run(path): read_log(path) for path in paths}).set_index("method")
    # Rows lie 10 steps apart: 0.5 and 0.8 seconds a step against 1.5 and 1.6.
    assert table.loc["supervised", "seconds_per_step"] == pytest.approx(0.65)
    assert table.loc["tsal", ["runs", "seconds_per_step"]].tolist() == [3, pytest.approx(1.5)]
    assert table.loc["tsal", ["ratio", "ratio_low", "ratio_high"]].tolist() == pytest.approx([2.5, 2, 3])
    assert "sbr" not in table.index
    assert "| TSAL | 3 | 1.500 | 2.50 | 2.00 to 3.00 |" in write_cost("toy", paths, tmp_path / "t.csv")[1].read_text()


def test_a_log_without_seconds_is_refused(tmp_path):
    path = write_run_log(tmp_path, "tsal", "0.1", 0, loss=[1, 2])
    with pytest.raises(InputError, match=r"seed0/log\.csv: no column seconds; expected the log of a training"):
        write_cost("toy", [path], tmp_path / "toy_cost.csv")

"""The tables, against values by hand, and the guards against comparing what cannot be compared."""

import numpy as np
import pandas as pd
import pytest
from reference_bootstrap import paired_bootstrap
from run_files import scores_table, write_run_scores

from tsal.data.faces import make_faces, write_faces
from tsal.data.labels import labelled_faces
from tsal.errors import InputError
from tsal.evaluation.runs import parse_run, read_scores
from tsal.tables import SIGNIFICANCE_COLUMNS, load_runs, markdown, nme_table, significance_table, write_table

# The header that users' own scripts read.
HEADER = "benchmark,subset,normaliser,method,labels,n_labelled,n_faces,seeds,nme,nme_std,fr08,auc08,jitter"


@pytest.fixture
def faces(tmp_path):
    """Face table: 40 labelled and 5 unlabelled training faces, and the test faces f0 to f3 of two people."""
    points = np.full((49, 2, 2), 50.0)
    points[40:45] = np.nan
    face = [f"train{i}" for i in range(45)] + [f"f{i}" for i in range(4)]
    table = make_faces(
        ["a.png"] * 49,
        np.tile([0.0, 0, 90, 90], (49, 1)),
        points,
        face=face,
        person=["someone"] * 45 + ["ann", "ann", "bob", "bob"],
        split=["train"] * 45 + ["test"] * 4,
    )
    write_faces(table, tmp_path / "faces.parquet")
    return tmp_path / "faces.parquet"


def test_means_and_deviations_by_hand(tmp_path):
    first = write_run_scores(tmp_path, "tsal", "0.05", 0, scores_table([2, 4, 12], jitter=[np.nan, 3, np.nan]))
    second = write_run_scores(tmp_path, "tsal", "0.05", 1, scores_table([4, 6, 20], jitter=[np.nan, 5, np.nan]))
    table = nme_table("toy", load_runs("toy", [first, second]), {"0.05": 17})
    assert ",".join(table.columns) == HEADER
    row = table.iloc[0]
    assert len(table) == 1
    assert (row["benchmark"], row["subset"], row["normaliser"]) == ("toy", "full", "inter-ocular")
    assert (row["method"], row["labels"], row["n_labelled"]) == ("tsal", "0.05", 17)
    assert (row["n_faces"], row["seeds"]) == (3, 2)
    # Runs of 6 and 10 %; one face of three above 8 %; areas (6 + 4 + 0) / 24 and (4 + 2 + 0) / 24.
    assert (row["nme"], row["nme_std"]) == pytest.approx((8, np.sqrt(8)))
    assert (row["fr08"], row["auc08"]) == pytest.approx((100 / 3, 100 * (10 / 24 + 6 / 24) / 2))
    assert row["jitter"] == pytest.approx(4)


def test_rows_are_ordered_by_subset_normaliser_budget_and_method(tmp_path):
    cells = [
        scores_table([1.0], subset=subset, normaliser=normaliser)
        for subset in ("full", "common")
        for normaliser in ("inter-pupil", "face-size")
    ]
    keys = [
        ("supervised", "1"),
        ("supervised", "0.2"),
        ("tsal", "0.2"),
        ("supervised", "5e-2"),
        ("tsal", "5e-2"),
    ]
    paths = [write_run_scores(tmp_path, method, labels, 0, *cells) for method, labels in keys]
    table = nme_table("toy", load_runs("toy", paths), {"1": 9, "0.2": 2, "5e-2": 1})
    assert table["subset"].tolist() == ["full"] * 10 + ["common"] * 10
    assert table["normaliser"].tolist() == (["inter-pupil"] * 5 + ["face-size"] * 5) * 2
    assert table["labels"].tolist() == ["5e-2", "5e-2", "0.2", "0.2", "1"] * 4
    assert table["method"].tolist() == ["supervised", "tsal", "supervised", "tsal", "supervised"] * 4
    assert table["n_labelled"].tolist() == [1, 1, 2, 2, 9] * 4


def test_a_run_of_another_benchmark_is_refused(tmp_path):
    path = write_run_scores(tmp_path, "tsal", "0.05", 0, scores_table([1.0]))
    with pytest.raises(InputError, match="a run of 'toy', but the table is of 'ytf'"):
        load_runs("ytf", [path])


def test_a_run_that_is_given_twice_is_refused(tmp_path):
    path = write_run_scores(tmp_path, "tsal", "0.05", 0, scores_table([1.0]))
    with pytest.raises(InputError, match="given twice"):
        load_runs("toy", [path, path])


def test_a_table_of_nothing_is_refused():
    with pytest.raises(InputError, match="toy: no scores"):
        load_runs("toy", [])


@pytest.mark.parametrize(
    "other",
    [scores_table([1, 2]), scores_table([1, 2, 3], subset="hard"), scores_table([1, 2, 3, 4])],
    ids=["fewer", "another subset", "more"],
)
def test_methods_that_were_scored_on_different_faces_are_refused(tmp_path, other):
    first = write_run_scores(tmp_path, "supervised", "0.05", 0, scores_table([1, 2, 3]))
    second = write_run_scores(tmp_path, "tsal", "0.05", 0, other)
    with pytest.raises(InputError, match=r"toy/tsal/0\.05/seed0 and toy/supervised/0\.05/seed0.*different faces"):
        load_runs("toy", [first, second])


def test_significance_is_the_bootstrap_of_faces_averaged_over_seeds(tmp_path):
    rng = np.random.default_rng(5)
    errors = rng.uniform(2, 9, (4, 12))
    keys = [("supervised", 0), ("supervised", 1), ("tsal", 0), ("tsal", 1)]
    paths = []
    for (method, seed), row in zip(keys, errors, strict=True):
        table = scores_table(row).sample(frac=1, random_state=len(paths))  # the order of rows must not matter
        paths.append(write_run_scores(tmp_path, method, "0.05", seed, table))
    people = {f"f{i}": f"person{i // 3}" for i in range(12)}
    table = significance_table("toy", load_runs("toy", paths), people)
    assert len(table) == 1
    found = table.iloc[0]
    assert (found["method"], found["reference"], found["n_faces"], found["n_people"]) == (
        "tsal",
        "supervised",
        12,
        4,
    )
    difference = (errors[2] + errors[3] - errors[0] - errors[1]) / 2
    assert found["difference"] == pytest.approx(difference.mean())
    order = [int(face[1:]) for face in read_scores(paths[0])["face"]]  # the draws follow the first run's rows
    a, b = (errors[2] + errors[3])[order] / 2, (errors[0] + errors[1])[order] / 2
    expected = paired_bootstrap(a, b)
    assert (found["low"], found["high"]) == pytest.approx((expected.low, expected.high))
    assert found["p_value"] == pytest.approx(expected.p_value)
    expected = paired_bootstrap(a, b, [people[f"f{i}"] for i in order])
    assert (found["low_people"], found["high_people"]) == pytest.approx((expected.low, expected.high))
    assert found["p_value_people"] == pytest.approx(expected.p_value)


def test_methods_are_compared_over_the_seeds_that_both_have(tmp_path):
    errors = {("supervised", 0): 6.0, ("supervised", 1): 8.0, ("tsal", 1): 5.0, ("tsal", 2): 1.0, ("sbr", 0): 3.0}
    paths = [write_run_scores(tmp_path, m, "0.05", seed, scores_table([e, e + 1])) for (m, seed), e in errors.items()]
    table = significance_table("toy", load_runs("toy", paths), dict.fromkeys(["f0", "f1"], "a"))
    found = table[["method", "reference", "seeds", "difference"]].to_numpy().tolist()
    assert found == [["tsal", "supervised", 1, -3.0], ["sbr", "supervised", 1, -3.0]]  # sbr and tsal share none


def test_one_method_alone_is_compared_with_nothing(tmp_path):
    paths = [write_run_scores(tmp_path, "tsal", "0.05", seed, scores_table([3.0, 4])) for seed in (0, 1)]
    table = significance_table("toy", load_runs("toy", paths), dict.fromkeys(["f0", "f1"], "a"))
    assert table.empty
    assert table.columns.tolist() == SIGNIFICANCE_COLUMNS


def test_only_methods_of_one_budget_are_compared(tmp_path):
    keys = [("supervised", "0.05"), ("tsal", "0.05"), ("sbr", "0.05"), ("supervised", "1"), ("tsal", "0.2")]
    paths = [write_run_scores(tmp_path, *key, 0, scores_table([3.0, 4, 5])) for key in keys]
    table = significance_table("toy", load_runs("toy", paths), dict.fromkeys(["f0", "f1", "f2"], "a"))
    pairs = table[["labels", "method", "reference"]].to_numpy().tolist()
    assert pairs == [["0.05", "tsal", "supervised"], ["0.05", "sbr", "supervised"], ["0.05", "sbr", "tsal"]]


def test_markdown_marks_the_best_of_each_budget(tmp_path):
    errors = {("supervised", "0.05"): 6, ("tsal", "0.05"): 5, ("supervised", "1"): 3, ("tsal", "1"): 4}
    paths = [write_run_scores(tmp_path, *key, 0, scores_table([value])) for key, value in errors.items()]
    text = markdown(nme_table("toy", load_runs("toy", paths), {"0.05": 1, "1": 20}))
    assert "### toy, full: NME by inter-ocular distance, 1 faces" in text
    rows = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| ")]
    assert [row[0] for row in rows] == ["Method", "Labels only", "TSAL", "Labels only", "TSAL"]
    assert [row[4] for row in rows[1:]] == ["6.00", "**5.00**", "**3.00**", "4.00"]
    assert "Jitter" not in text


def test_markdown_shows_deviations_and_jitter_where_there_are_any(tmp_path):
    paths = [
        write_run_scores(tmp_path, "tsal", "0.05", seed, scores_table([value], jitter=1.5))
        for seed, value in enumerate([4.0, 5.0])
    ]
    text = markdown(nme_table("toy", load_runs("toy", paths), {"0.05": 1}))
    assert "| Jitter (%) |" in text
    assert "| 4.50 ± 0.71 | 0.0 | 43.8 | 1.50 |" in text


def test_the_written_tables(tmp_path, faces):
    paths = [
        write_run_scores(tmp_path, method, labels, 0, scores_table(np.add([3.0, 4, 5, 9], shift)))
        for method, labels, shift in (
            ("supervised", "0.05", 0),
            ("tsal", "0.05", -1),
            ("supervised", "0.25", -2),
        )
    ]
    nme, text, significance, latex = write_table("toy", paths, faces, tmp_path / "results/toy_nme.csv")
    lines = nme.read_text().splitlines()
    assert lines[0] == HEADER
    # 40 labelled training faces. With one seed there is no deviation, and of still images no jitter.
    assert lines[1] == "toy,full,inter-ocular,supervised,0.05,2,4,1,5.2500,,25.0000,37.5000,"
    train = [f"train{i}" for i in range(40)]
    expected = [len(labelled_faces(train, fraction, 0)) for fraction in (0.05, 0.05, 0.25)]
    assert pd.read_csv(nme)["n_labelled"].tolist() == expected == [2, 2, 10]
    assert text == tmp_path / "results/tables/toy_nme.md" and "**4.25**" in text.read_text()
    assert latex == tmp_path / "results/tables/toy_nme.tex" and r"\textbf{4.25}" in latex.read_text()
    assert significance == tmp_path / "results/tables/toy_significance.csv"
    found = pd.read_csv(significance).iloc[0]
    assert (found["difference"], found["low"], found["high"], found["n_people"]) == (-1, -1, -1, 2)


def test_the_same_scores_give_the_same_bytes(tmp_path, faces):
    paths = [
        write_run_scores(tmp_path, method, "0.05", 0, scores_table(errors))
        for method, errors in (("supervised", [3.1, 4.7, 5, 9]), ("tsal", [2.5, 4.9, 4, 8]))
    ]
    first = [path.read_bytes() for path in write_table("toy", paths, faces, tmp_path / "a/toy_nme.csv")]
    again = [path.read_bytes() for path in write_table("toy", paths, faces, tmp_path / "b/toy_nme.csv")]
    assert first == again


def test_scores_of_faces_that_the_face_table_lacks_are_refused(tmp_path, faces):
    path = write_run_scores(tmp_path, "tsal", "0.05", 0, scores_table([1.0] * 5))
    with pytest.raises(InputError, match=r"faces\.parquet: no face 'f4'"):
        write_table("toy", [path], faces, tmp_path / "toy_nme.csv")
    assert not (tmp_path / "toy_nme.csv").exists()


def test_runs_are_told_apart_by_their_folders(tmp_path):
    paths = [write_run_scores(tmp_path, "tsal", "0.05", seed, scores_table([1.0])) for seed in (3, 11)]
    assert [run.seed for run in load_runs("toy", paths)] == [3, 11]
    assert [run.folder for run in load_runs("toy", paths)] == [parse_run(path).folder for path in paths]

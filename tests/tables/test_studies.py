"""Studies, label budgets, categories and tests on other faces, against values by hand."""

import numpy as np
import pandas as pd
import pytest
from run_files import paired_bootstrap, run_folder, scores_table, write_run_scores

from tsal.data.faces import make_faces, write_faces
from tsal.errors import InputError
from tsal.evaluation.metrics import auc, failure_rate
from tsal.evaluation.runs import parse_run
from tsal.tables import load_runs, write_budgets, write_categories, write_nme_of_runs, write_study
from tsal.tables.scores import aggregate, threshold_columns

NAMES = {"tsal": "Multi-source", "tsal_one": "Single source"}


@pytest.fixture
def faces(tmp_path):
    """Face table: 20 training faces, and the test faces f0 to f11 of four people."""
    count = 32
    table = make_faces(
        ["a.png"] * count,
        np.tile([0.0, 0, 90, 90], (count, 1)),
        np.full((count, 2, 2), 50.0),
        face=[f"train{i}" for i in range(20)] + [f"f{i}" for i in range(12)],
        person=["someone"] * 20 + [f"person{i // 3}" for i in range(12)],
        split=["train"] * 20 + ["test"] * 12,
    )
    write_faces(table, tmp_path / "faces.parquet")
    return tmp_path / "faces.parquet"


def write_runs(root, methods=("tsal", "tsal_one"), budgets=("0.1",), seeds=(0, 1), **cell):
    rng = np.random.default_rng(0)
    return [
        write_run_scores(root, method, labels, seed, scores_table(rng.uniform(2, 12, 12), **cell))
        for method in methods
        for labels in budgets
        for seed in seeds
    ]


def errors_of(path):
    return pd.read_csv(path)["nme"].to_numpy()


def test_a_study_compares_each_method_with_the_reference(tmp_path, faces):
    paths = write_runs(tmp_path, jitter=1.5)
    out = write_study("Sources", "toy", paths, faces, NAMES, "tsal", tmp_path / "toy_sources.csv")
    assert [path.name for path in out] == ["toy_sources.csv", "toy_sources.md", "toy_sources.tex"]
    table = pd.read_csv(out[0], dtype={"labels": str}).set_index("method")
    assert table["name"].to_dict() == NAMES
    a, b = ((errors_of(paths[i]) + errors_of(paths[i + 1])) / 2 for i in (2, 0))
    people = [f"person{i // 3}" for i in range(12)]
    expected, clusters = paired_bootstrap(a, b), paired_bootstrap(a, b, people)
    row = table.loc["tsal_one"]
    assert row["difference"] == pytest.approx(a.mean() - b.mean(), abs=1e-4)
    assert (row["low"], row["high"], row["p_value"]) == pytest.approx(
        (expected.low, expected.high, expected.p_value), abs=1e-4
    )
    assert (row["low_people"], row["high_people"]) == pytest.approx((clusters.low, clusters.high), abs=1e-4)
    assert np.isnan(table.loc["tsal", "difference"])
    text = out[1].read_text()
    interval = f"[{clusters.low:+.2f}, {clusters.high:+.2f}]".replace("-", "−")
    assert interval in text and "over people" in text
    assert "| Single source | 10 % |" in text and "full: Jitter (%)" in text


def test_a_study_keeps_the_given_order_and_says_no_jitter_of_still_images(tmp_path, faces):
    paths = write_runs(tmp_path)
    names = dict(reversed(NAMES.items()))
    out = write_study("Sources", "toy", paths, faces, names, "tsal", tmp_path / "toy_sources.csv")
    assert pd.read_csv(out[0])["method"].tolist() == ["tsal_one", "tsal"]
    assert "Jitter" not in out[1].read_text()


def test_a_study_of_several_budgets_compares_within_each(tmp_path, faces):
    paths = write_runs(tmp_path, budgets=("0.5", "n2"), seeds=(0,))
    out = write_study("Sources", "toy", paths, faces, NAMES, "tsal", tmp_path / "toy_sources.csv")
    table = pd.read_csv(out[0])
    assert table["labels"].tolist() == ["n2", "n2", "0.5", "0.5"]
    by_run = {(parse_run(path).method, parse_run(path).labels): errors_of(path).mean() for path in paths}
    expected = [by_run["tsal_one", labels] - by_run["tsal", labels] for labels in ("n2", "0.5")]
    assert table["difference"].dropna().tolist() == pytest.approx(expected, abs=1e-4)


def test_faces_of_nobody_known_are_resampled_one_by_one(tmp_path):
    table = make_faces(
        ["a.png"] * 12, np.tile([0.0, 0, 9, 9], (12, 1)), np.full((12, 2, 2), 5.0), face=[f"f{i}" for i in range(12)]
    )
    write_faces(table, tmp_path / "faces.parquet")
    paths = write_runs(tmp_path)
    out = write_study("Sources", "toy", paths, tmp_path / "faces.parquet", NAMES, "tsal", tmp_path / "toy_s.csv")
    row = pd.read_csv(out[0]).dropna(subset="difference").iloc[0]
    assert row["n_people"] == 12 and row["low"] < row["difference"] < row["high"]
    assert "over faces" in out[1].read_text()


@pytest.mark.parametrize(
    ("names", "reference", "message"),
    [
        ({"tsal": "TSAL"}, "tsal", "a run of 'tsal_one', which toy_s.csv does not name"),
        (NAMES | {"sbr": "SBR"}, "tsal", "no scores of 'sbr'"),
        (NAMES, "supervised", "the reference 'supervised' is none of the methods tsal, tsal_one"),
    ],
)
def test_studies_that_cannot_be_made_are_refused(tmp_path, faces, names, reference, message):
    with pytest.raises(InputError, match=message):
        write_study("Sources", "toy", write_runs(tmp_path), faces, names, reference, tmp_path / "toy_s.csv")


@pytest.mark.parametrize(
    ("threshold", "names"),
    [(8, ("fr08", "auc08")), (7.0, ("fr07", "auc07")), (10, ("fr10", "auc10")), (7.5, ("fr07.5", "auc07.5"))],
)
def test_thresholds_name_their_columns(threshold, names):
    assert threshold_columns(threshold) == names


def test_shares_at_other_thresholds(tmp_path, faces):
    paths = write_runs(tmp_path, seeds=(0,))
    out = write_study("S", "toy", paths, faces, NAMES, "tsal", tmp_path / "toy_s.csv", thresholds=(7, 10))
    row, errors = pd.read_csv(out[0]).iloc[0], errors_of(paths[0])
    assert (row["fr07"], row["auc07"]) == pytest.approx((failure_rate(errors, 7), auc(errors, 7)), abs=1e-4)
    assert (row["fr10"], row["auc10"]) == pytest.approx((failure_rate(errors, 10), auc(errors, 10)), abs=1e-4)
    assert "full: AUC@7 | full: FR@7 | full: AUC@10 | full: FR@10" in out[1].read_text()


def test_budgets_are_columns_by_size_and_what_was_not_run_is_empty(tmp_path):
    cells = {("supervised", "1"): 3, ("supervised", "0.1"): 6, ("supervised", "n5"): 8, ("tsal", "0.1"): 5}
    paths = [
        write_run_scores(
            tmp_path, *key, 0, *(scores_table([value + shift], subset=s) for s, shift in (("A", 0), ("B", 1)))
        )
        for key, value in cells.items()
    ]
    out = write_budgets("toy", paths, tmp_path / "toy_budgets.csv")
    lines = out[0].read_text().splitlines()
    assert (
        lines[0]
        == "benchmark,subset,normaliser,method,name,seeds,nme_n5,nme_n5_std,nme_0.1,nme_0.1_std,nme_1,nme_1_std"
    )
    assert lines[2] == "toy,A,inter-ocular,tsal,TSAL,1,,,5.0000,,,"
    text = out[1].read_text()
    assert "### toy, B: NME over label budgets" in text
    assert "| Method | 5 faces | 10 % | 100 % |" in text
    assert "| TSAL |  | **6.00** |  |" in text


def test_categories_show_both_sets_of_points_side_by_side(tmp_path):
    paths, inner = [], []
    for seed in (0, 1):
        cells = [scores_table([4.0 + seed, 10.0], subset=s, jitter=[np.nan, 0.5]) for s in "AB"]
        paths.append(write_run_scores(tmp_path, "tsal", "1", seed, *cells))
        inner.append(paths[-1].with_name("scores_49.csv"))
        pd.concat([cell.assign(nme=cell["nme"] / 2) for cell in cells]).to_csv(inner[-1], index=False)
    out = write_categories("toy", paths, inner, tmp_path / "toy_categories.csv", thresholds=(8, 10))
    table = pd.read_csv(out[0], dtype={"points": str}).set_index(["points", "subset"])
    assert table["nme"].to_dict() == {("68", "A"): 7.25, ("68", "B"): 7.25, ("49", "A"): 3.625, ("49", "B"): 3.625}
    assert table["fr08"].to_dict() == {("68", "A"): 50, ("68", "B"): 50, ("49", "A"): 0, ("49", "B"): 0}
    # Areas up to 10 %: (6 + 0) / 20 and (5 + 0) / 20; of half the errors (8 + 5) / 20 and (7.5 + 5) / 20.
    assert table["auc10"].to_dict() == pytest.approx(
        {("68", "A"): 27.5, ("68", "B"): 27.5, ("49", "A"): 63.75, ("49", "B"): 63.75}
    )
    text = out[1].read_text()
    assert text.count("### toy, ") == 2 and "### toy, B: 2 faces" in text
    assert "| 68 points: NME | 68 points: AUC@8 | 68 points: FR@8 | 68 points: AUC@10 |" in text
    assert r"\multicolumn{7}{c}{49 points}" in out[2].read_text()


def test_categories_pair_the_runs_whatever_the_order_of_the_files(tmp_path):
    paths = [
        write_run_scores(tmp_path, m, "1", 0, scores_table([e, e])) for m, e in (("supervised", 6.0), ("tsal", 4.0))
    ]
    inner = []
    for path in paths:
        inner.append(path.with_name("scores_49.csv"))
        inner[-1].write_bytes(path.read_bytes())
    out = write_categories("toy", paths, inner[::-1], tmp_path / "toy_categories.csv")
    assert "| TSAL | 100 % | **4.00** | **50.0** | 0.0 | **4.00** | **50.0** | 0.0 |" in out[1].read_text().replace(
        "**0.0**", "0.0"
    )


def test_categories_of_different_runs_are_refused(tmp_path):
    paths = write_runs(tmp_path, methods=("tsal",), seeds=(0, 1))
    inner = [path.rename(path.with_name("scores_49.csv")) for path in write_runs(tmp_path / "b", ("tsal",), seeds=(0,))]
    moved = paths[0].with_name("scores_49.csv")
    moved.write_bytes(inner[0].read_bytes())
    with pytest.raises(InputError, match="seed1: scores on 68 points alone"):
        write_categories("toy", paths, [moved], tmp_path / "toy_categories.csv")


def test_a_test_on_other_faces_names_both_benchmarks(tmp_path, faces):
    paths = []
    for method, error in (("supervised", 6.0), ("tsal", 5.0)):
        folder = run_folder(tmp_path, method, "0.1") / "on_other"
        folder.mkdir()
        scores_table([error]).to_csv(folder / "scores.csv", index=False)
        paths.append(folder / "scores.csv")
    out = write_nme_of_runs("toy", paths, faces, tmp_path / "tables/toy_on_other.csv")
    table = pd.read_csv(out[0])
    assert table[["benchmark", "target", "method"]].to_numpy().tolist() == [
        ["toy", "other", "supervised"],
        ["toy", "other", "tsal"],
    ]
    assert table["n_labelled"].tolist() == [2, 2]  # 10 % of the 20 training faces of toy
    assert "### toy, tested on other, full: NME by inter-ocular distance, 1 faces" in out[1].read_text()
    assert out[2] == tmp_path / "tables/toy_on_other.tex"
    home = write_run_scores(tmp_path, "tsal", "0.1", 1, scores_table([5.0]))
    with pytest.raises(InputError, match="scores on 'toy', but the table is of 'other'"):
        write_nme_of_runs("toy", [*paths, home], faces, tmp_path / "tables/toy_on_other.csv")


def test_subsets_and_budgets_keep_their_order_whatever_that_of_the_files(tmp_path):
    paths = write_runs(tmp_path, budgets=("1", "0.1"), seeds=(0,))
    shuffled = pd.read_csv(paths[1], dtype={"face": str}).sample(frac=1, random_state=0)
    shuffled.to_csv(paths[1], index=False)
    runs = load_runs("toy", paths)
    assert [table["face"].tolist() for table in runs.values()] == [[f"f{i}" for i in range(12)]] * 4
    expected = shuffled.set_index("face")["nme"].loc[[f"f{i}" for i in range(12)]].to_numpy()
    np.testing.assert_allclose(runs[parse_run(paths[1])]["nme"], expected)
    assert aggregate(runs)["labels"].tolist() == ["0.1", "0.1", "1", "1"]


@pytest.mark.parametrize("kind", ["study", "budgets"])
def test_the_same_scores_give_the_same_bytes(tmp_path, faces, kind):
    paths = write_runs(tmp_path)
    write = {
        "study": lambda out: write_study("S", "toy", paths, faces, NAMES, "tsal", out),
        "budgets": lambda out: write_budgets("toy", paths, out),
    }[kind]
    first = [path.read_bytes() for path in write(tmp_path / "a/toy_x.csv")]
    assert first == [path.read_bytes() for path in write(tmp_path / "b/toy_x.csv")]

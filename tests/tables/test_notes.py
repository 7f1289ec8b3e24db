"""Notes: beside every number, wherever it is shown; and where nothing is noted, nothing is said."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from run_files import scores_table, write_run_log, write_run_scores

from tsal.cli import main
from tsal.data.faces import make_faces, write_faces
from tsal.tables import Notes, load_runs, noted
from tsal.tables.layout import Block, Column, to_latex, write_blocks

CROPS = "challenging (crops & more)"
LINE = "Note on toy: training: 3 of 40; challenging: crops & more."
GIVEN = json.dumps({"subsets": {"challenging": "crops & more"}, "lines": [LINE]})


@pytest.fixture
def scores(tmp_path):
    """scores.csv of two methods and three budgets on two subsets."""
    rng = np.random.default_rng(0)
    runs = [(method, labels, 0) for method in ("supervised", "tsal") for labels in ("0.1", "0.5", "1")]
    cells = [
        pd.concat(
            scores_table(rng.uniform(2, 9, 4), subset=subset, jitter=rng.uniform(1, 2, 4))
            for subset in ("common", "challenging")
        )
        for _ in runs
    ]
    return [write_run_scores(tmp_path, *run, table) for run, table in zip(runs, cells, strict=True)]


@pytest.fixture
def faces(tmp_path):
    """The face table of those scores."""
    face, split = [f"train{i}" for i in range(20)] + [f"f{i}" for i in range(4)], ["train"] * 20 + ["test"] * 4
    boxes, points = np.tile([0.0, 0, 90, 90], (24, 1)), np.full((24, 2, 2), 50.0)
    write_faces(make_faces(["a.png"] * 24, boxes, points, face=face, split=split), tmp_path / "faces.parquet")
    return tmp_path / "faces.parquet"


NAMES = ["--names", '{"supervised": "A", "tsal": "B"}']
KINDS = {
    "nme": [],
    "runs": [],
    "published": [],
    "categories": [],
    "budgets": NAMES,
    "study": [*NAMES, "--title", "A study"],
    "significance": [],
    "gap": [],
    "cost": [],
}


def table(kind: str, scores: list[Path], faces: Path, *more: str) -> tuple[str, str, str]:
    """A table as CSV, Markdown and LaTeX."""
    folder = faces.parent / "made"
    inputs = scores
    if kind == "categories":
        for path in scores:
            path.with_name("scores_49.csv").write_bytes(path.read_bytes())
    if kind == "cost":
        about = [path.parent.parts[-3:] for path in scores]
        inputs = [
            write_run_log(faces.parent, method, labels, 0, seconds=[0.0, 5.0], loss=[1.0, 1.0])
            for method, labels, _ in about
        ]
    common = ["--benchmark", "toy", "--faces", str(faces), "-o", str(folder / "toy_nme.csv"), *KINDS[kind]]
    assert not main(["table", "--kind", kind, *common, *more, *map(str, inputs)])
    beside = folder / "tables" if kind == "nme" else folder
    return tuple(path.read_text() for path in (folder / "toy_nme.csv", beside / "toy_nme.md", beside / "toy_nme.tex"))


@pytest.mark.parametrize("kind", KINDS)
def test_every_table_says_the_notes(scores, faces, kind):
    csv, markdown, latex = table(kind, scores, faces, "--notes", GIVEN)
    assert LINE in markdown and LINE.replace("&", r"\&") in latex
    for text, crops in ((csv, CROPS), (markdown, CROPS), (latex.replace(r"\&", "&"), CROPS)):
        named = text.replace(LINE, "").count("challenging")
        assert named == text.count(crops)
        assert named > 0 or kind == "cost"


@pytest.mark.parametrize("kind", KINDS)
def test_where_nothing_is_noted_tables_are_as_they_were(scores, faces, kind):
    csv, markdown, latex = table(kind, scores, faces)
    assert "Note on" not in markdown + latex and "(crops" not in csv + markdown + latex


def test_scores_call_their_subsets_by_their_notes_within_the_block_alone(scores):
    with noted(Notes({"challenging": "crops"}, ("a",))):
        assert set(load_runs("toy", scores).popitem()[1]["subset"]) == {"common", "challenging (crops)"}
    assert set(load_runs("toy", scores).popitem()[1]["subset"]) == {"common", "challenging"}


def test_each_block_of_a_table_has_the_notes_below_its_own(tmp_path):
    blocks = [Block("a", [Column("b")], [["1"]], notes=["own"]), Block("c", [Column("d")], [["2"]])]
    with noted(Notes({}, ("50 % of <it>",))):
        write_blocks(blocks, tmp_path / "a.md", tmp_path / "a.tex", "a")
    assert (tmp_path / "a.md").read_text().count("50 % of <it>") == 2
    assert "own" in to_latex(blocks, "a") and r"50 \% of $<$it$>$" in (tmp_path / "a.tex").read_text()


@pytest.mark.parametrize(
    "given", ["3", "[]", '{"lines": ["a"]}', '{"subsets": {"a": 1}, "lines": []}', '{"a": "b"}', "{"]
)
def test_other_notes_are_refused_in_a_line(scores, faces, capsys, given):
    common = ["--benchmark", "toy", "--faces", str(faces), "-o", str(faces.parent / "toy_nme.csv")]
    assert main(["table", *common, "--notes", given, *map(str, scores)])
    said = capsys.readouterr().err.strip()
    assert "\n" not in said and "--notes: found" in said and "expected" in said

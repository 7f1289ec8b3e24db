"""Runs that are tested on the faces of another benchmark."""

from pathlib import Path

import pytest

from tsal.errors import InputError
from tsal.evaluation.runs import Run, parse_run

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

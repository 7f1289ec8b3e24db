"""Files, settings and answers of strangers: each is refused in a line that names it, at once, and nothing comes of it.

What there is of each kind stands in hostile/of_*.py; hostile/run.py says what "refused" means.
"""

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from hostile import (  # noqa: F401
    of_annotations,
    of_archives,
    of_labels,
    of_pictures,
    of_servers,
    of_settings,
    of_tables,
    of_weights,
)
from hostile.cases import CANARY, FOUND
from hostile.run import Outcome, table

RUN = Path(__file__).with_name("run.py")
KINDS = {
    *("archives", "MATLAB files", "annotations", "labels", "pictures", "videos"),
    *("weights", "tables", "configurations", "server answers"),
}


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict]:
    """What became of each case, by its name; all of them are run by one process."""
    path = tmp_path_factory.mktemp("hostile") / "outcomes.json"
    done = subprocess.run([sys.executable, str(RUN), "--json", str(path)], capture_output=True, text=True)
    found = [json.loads(line) for line in path.read_text().splitlines()]
    assert len(found) == len(FOUND), done.stdout + done.stderr
    return {outcome["name"]: outcome for outcome in found}


def test_there_are_many_of_each_kind_and_one_of_each_is_given_to_a_process_of_its_own():
    assert len(FOUND) >= 40 and len({case.name for case in FOUND}) == len(FOUND)
    assert {case.kind for case in FOUND} == {case.kind for case in FOUND if case.alone} == KINDS
    assert min(Counter(case.kind for case in FOUND).values()) >= 4


@pytest.mark.slow
@pytest.mark.parametrize("name", [case.name for case in FOUND])
def test_it_is_refused(outcomes, name):
    outcome = outcomes[name]
    assert not outcome["problems"], f"{'; '.join(outcome['problems'])}\n{outcome['said']}"


def outcome(**changes: object) -> Outcome:
    right = {"kind": "a", "name": "b", "named": "x.zip", "code": 2, "said": "tsal index: error: x.zip: no", "left": []}
    return Outcome(**{**right, "seconds": 1.0, "megabytes": 1.0, **changes})


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"code": 0}, "ended with status 0"),
        ({"code": -9}, "ended with status -9"),
        ({"said": ""}, "said 0 lines"),
        ({"said": "x.zip\n" * 3}, "said 3 lines"),
        ({"said": "x.zip" + "9" * 5000}, "a line of 5005 characters"),
        ({"said": "y.zip: no"}, "does not name x.zip"),
        ({"said": "Traceback: x.zip"}, "shows a traceback"),
        ({"said": "x.zip: .train-683b151e.tmp.npy"}, "names a hidden temporary file"),
        ({"said": "x.zip: set weights_only=False"}, "advises to turn weights_only off"),
        ({"seconds": 11.0}, "took 11.0 s"),
        ({"megabytes": 501.0}, "took 501 MB"),
        ({"left": [".part"]}, "left .part"),
        ({"left": [f"a/{CANARY}"]}, f"ran code ({CANARY} is there)"),
    ],
)
def test_whatever_else_happens_is_a_problem(changes, problem):
    assert outcome().problems == []
    assert any(problem in found for found in outcome(**changes).problems)


def test_the_summary_counts_what_was_refused():
    found = [outcome(), outcome(code=0, seconds=2.5), outcome(kind="c", megabytes=30.0)]
    assert table(found).splitlines()[2:] == [
        "| a | 2 | 1 | 2.5 | 1 |",
        "| c | 1 | 1 | 1.0 | 30 |",
        "| all | 3 | 2 | 2.5 | 30 |",
    ]

"""What a run says at its start: what it will do, and about how long that takes."""

import io
import json

import pytest

from tsal import cli
from tsal.cli import plan
from tsal.cli.plan import _in_words

DETECTOR = {"input_px": 32, "width": 8}


def plan_of(**changes):
    about = {"benchmark": "synth", "labels": 0.05, "detector": DETECTOR}
    settings = {"method": "warmup", "algorithm": "supervised", **about}
    trainings = [
        {"warmup": True, "validation": 100, "settings": settings},
        {"warmup": False, "validation": 100, "settings": {"method": "tsal", "algorithm": "tsal", **about}},
    ]
    machine = {"cores": 2, "threads": 1, "gpus": 0, "device": "cpu"}
    return {"jobs": {"warmup": 1, "train": 1}, "trainings": trainings, "pictures": 0, **machine, **changes}


def estimate(monkeypatch, capsys, planned):
    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps(planned)))
    code = cli.main(["estimate"])
    return code, capsys.readouterr()


def test_jobs_training_and_time_are_told(monkeypatch, capsys):
    monkeypatch.setattr(plan, "FEW_FLOPS", 0.0)
    code, told = estimate(monkeypatch, capsys, plan_of())
    first, training, total = told.out.splitlines()
    assert code == 0 and first == "To do: 1 warmup, 1 train (2 jobs)"
    assert "TFLOP in 2 runs" in training and "2 at once" in training and "GFLOP/s" in training
    assert total.startswith("In all ") and "on this machine" in total


def test_what_takes_seconds_is_not_measured(monkeypatch, capsys):
    monkeypatch.setattr(plan, "FEW_FLOPS", 1e18)
    for measure in ("_tell_trainings", "_tell_rendering"):
        monkeypatch.delattr(plan, measure)
    code, told = estimate(monkeypatch, capsys, plan_of(pictures=10))
    _, training, rendering, total = told.out.splitlines()
    assert code == 0 and training.endswith("TFLOP in 2 runs") and rendering == "Rendering: 10 pictures"
    assert total.startswith("In all ")


@pytest.mark.slow
def test_rendering_is_measured_too(monkeypatch, capsys):
    _, told = estimate(monkeypatch, capsys, plan_of(trainings=[], jobs={"render": 4}, pictures=2000))
    assert told.out.splitlines()[1].startswith("Rendering: 2,000 pictures, ")


def test_of_machines_that_are_not_known_no_time_is_told(monkeypatch, capsys):
    _, told = estimate(monkeypatch, capsys, plan_of(cores=0))
    assert len(told.out.splitlines()) == 2 and "min" not in told.out


def test_a_plan_that_lacks_something_is_one_line(monkeypatch, capsys):
    code, told = estimate(monkeypatch, capsys, {"jobs": {}})
    assert code == 2 and "standard input: found no 'trainings'" in told.err and told.err.count("\n") == 1


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        *[(20, "under a minute"), (100, "about 2 min"), (5000, "about 83 min"), (6000, "about 2 h")],
        *[(100_000, "about 28 h"), (300_000, "about 3 days")],
    ],
)
def test_times_are_told_as_one_says_them(seconds, words):
    assert _in_words(seconds) == words

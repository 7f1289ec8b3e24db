"""Two processes never train one run into the same files, and a dead one holds nothing."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from tsal.errors import InputError
from tsal.training import lock
from tsal.training.lock import locked

HOLD = """
import sys, time
from pathlib import Path
from tsal.training.lock import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that holds the lock of tmp_path/run."""
    process = subprocess.Popen([sys.executable, "-c", HOLD, tmp_path / "run"], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


def test_a_second_process_is_refused_in_one_line_that_names_the_first(tmp_path, holder):
    with pytest.raises(InputError) as error, locked(tmp_path / "run"):
        raise AssertionError("held twice")
    text = str(error.value)
    assert f"process {holder.pid} on " in text and f"kill {holder.pid}" in text and "\n" not in text


def test_a_process_that_was_killed_holds_nothing(tmp_path, holder):
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    assert (tmp_path / "run.lock").exists()
    with locked(tmp_path / "run"):
        assert json.loads((tmp_path / "run.lock").read_text())["pid"] == os.getpid()
    assert not (tmp_path / "run.lock").exists()


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """The lock of a process on another node, which this node's system knows nothing of; SLURM runs it."""
    holder = {"node": "n5", "pid": 7, "since": "2026-01-01 00:00:00", "slurm_job": "42"}
    (tmp_path / "run.lock").write_text(json.dumps(holder))
    monkeypatch.setattr(lock, "PAUSE", 0.02)
    return tmp_path / "run.lock"


def test_a_process_on_another_node_that_shows_life_is_not_disturbed(tmp_path, elsewhere, monkeypatch):
    monkeypatch.setattr(lock.time, "sleep", lambda seconds: os.utime(elsewhere))
    with pytest.raises(InputError, match=r"process 7 on n5, SLURM job 42 .*scancel 42"), locked(tmp_path / "run"):
        raise AssertionError("held twice")
    assert json.loads(elsewhere.read_text())["node"] == "n5"


def test_a_process_on_another_node_without_a_sign_of_life_is_dead(tmp_path, elsewhere, monkeypatch):
    monkeypatch.setattr(lock, "DEAD", 0.3)
    start = time.monotonic()
    with locked(tmp_path / "run"):
        assert time.monotonic() - start >= 0.25
    long_ago = time.time() - 3600
    elsewhere.write_text(json.dumps({"node": "n5"}))
    os.utime(elsewhere, (long_ago, long_ago))
    with locked(tmp_path / "run"):
        pass


def test_a_clock_that_is_ahead_keeps_no_dead_process_alive(tmp_path, elsewhere, monkeypatch):
    monkeypatch.setattr(lock, "DEAD", 0.3)
    tomorrow = time.time() + 86400
    os.utime(elsewhere, (tomorrow, tomorrow))
    start = time.monotonic()
    with locked(tmp_path / "run"):
        assert 0.25 <= time.monotonic() - start < 30


def test_a_link_in_the_place_of_the_lock_leads_to_no_other_file(tmp_path):
    (mine := tmp_path / "mine.txt").write_text("mine")
    (tmp_path / "run.lock").symlink_to(mine)
    with pytest.raises(OSError, match=r"run\.lock"), locked(tmp_path / "run"):
        raise AssertionError("held")
    assert mine.read_text() == "mine"


def test_its_holder_shows_life(tmp_path, monkeypatch):
    monkeypatch.setattr(lock, "BEAT", 0.02)
    with locked(tmp_path / "run"):
        path = tmp_path / "run.lock"
        os.utime(path, (0, 0))
        end = time.monotonic() + 5
        while path.stat().st_mtime == 0 and time.monotonic() < end:
            time.sleep(0.01)
        assert path.stat().st_mtime > 0

"""A clone that was moved or copied, and a terminal that was closed: nothing is made twice, nothing stays locked."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from planning import ROOT, new_folder, snakemake

TARGET = "data/ytf/faces.parquet"


def copy_of_clone(folder: Path) -> Path:
    """A clone with all that a plan reads."""
    for name in ("Snakefile", "config.yaml", "environment.yml", "Makefile", "requirements.lock", "pyproject.toml"):
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    for name in ("tsal", "workflow", "config", "peers", "profiles"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", ".venv"))
    return folder


def in_clone(clone: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess:
    """Snakemake in a clone, as a user types it there, in an environment that was made for another one."""
    path = os.pathsep.join([str(clone / "bin"), str(Path(sys.executable).parent), os.environ["PATH"]])
    variables = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    variables |= {"PATH": path, "PYTHONSAFEPATH": "1", **environment}
    command = [sys.executable, "-m", "snakemake", *arguments]
    return subprocess.run(command, cwd=clone, env=variables, capture_output=True, text=True, timeout=120)


def test_a_clone_that_is_moved_has_nothing_to_do(tmp_path):
    clone = new_folder(copy_of_clone(tmp_path / "clone"))
    target = "results/tables/synth_floor.csv"
    process = in_clone(clone, "--cores", "2", "--quiet", "all", "--", target, TARGET)
    assert process.returncode == 0, process.stdout + process.stderr
    clone.rename(tmp_path / "renamed l'été")
    process = in_clone(tmp_path / "renamed l'été", "-n", "--", target, TARGET)
    assert "Nothing to be done" in process.stdout + process.stderr, process.stdout + process.stderr


def test_rules_run_the_code_of_the_clone_that_plans_them_whatever_environment_they_run_in(tmp_path):
    clone = new_folder(copy_of_clone(tmp_path / "clone"))
    program = "import tsal, sys; open('ran', 'w').write(tsal.__file__)"
    (clone / "bin/tsal").write_text(f"#!{sys.executable} -P\n{program}\nsys.exit(1)\n")
    in_clone(clone, "--cores", "1", "--quiet", "all", "--", "data/synth/index.yaml")
    assert Path((clone / "ran").read_text()) == clone / "tsal/__init__.py"


def test_another_clone_in_pythonpath_is_named(tmp_path):
    clone = new_folder(copy_of_clone(tmp_path / "clone"))
    process = in_clone(clone, "-n", TARGET, PYTHONPATH=f"{ROOT}{os.pathsep}{clone}")
    said = process.stdout + process.stderr
    assert process.returncode != 0 and "Traceback" not in said
    assert f"The package tsal: found that of {ROOT}, expected that of {clone}" in said


# --- make ---

FAKE = """#!/bin/sh
echo "$*" >> calls
case "$*" in *"-m venv"*) mkdir -p .venv/bin; cp fake .venv/bin/python; cp fake .venv/bin/snakemake ;; esac
"""


def make(clone: Path) -> tuple[str, list[str]]:
    """What `make` says, and what it runs with a stand-in for Python."""
    (clone / "calls").write_text("")
    variables = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "ARGS")}
    command = ["make", "--no-print-directory", "claims", "PYTHON=./fake"]
    process = subprocess.run(command, cwd=clone, env=variables, capture_output=True, text=True, check=True)
    return process.stdout, (clone / "calls").read_text().splitlines()


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """A clone in which `make` has been run."""
    clone = tmp_path / "a clone's"
    clone.mkdir()
    for name in ("Makefile", "requirements.lock", "pyproject.toml"):
        shutil.copy(ROOT / name, clone / name)
    (clone / "fake").write_text(FAKE)
    (clone / "fake").chmod(0o755)
    assert "-m venv .venv" in make(clone)[1]
    return clone


def test_make_makes_the_environment_anew_where_the_clone_was_renamed_or_copied_and_says_why(made, tmp_path):
    assert make(made) == (make(made)[0], ["--cores all claims"])
    for name, move in (("copy", shutil.copytree), ("renamed", shutil.move)):
        move(made, tmp_path / name)
        said, calls = make(tmp_path / name)
        assert f".venv was made in {made} and this is {tmp_path / name}: making it anew\n" in said
        assert "-m venv --clear .venv" in calls and "-m pip install --no-deps --editable ." in calls
        assert make(tmp_path / name)[1] == ["--cores all claims"]


def test_make_leaves_an_environment_alone_that_is_a_link_to_somebody_elses(made, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    for name in ("Makefile", "requirements.lock", "pyproject.toml", "fake"):
        shutil.copy2(made / name, other / name)
    (other / ".venv").symlink_to(made / ".venv")
    os.utime(made / ".venv/.installed")
    assert make(other)[1] == ["--cores all claims"]


# --- a closed terminal ---


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM])
def test_a_signal_to_all_processes_leaves_the_folder_unlocked(tmp_path, number):
    folder = new_folder(tmp_path)
    command = [sys.executable, "-m", "snakemake", "--snakefile", ROOT / "Snakefile", "--directory", folder]
    path = os.pathsep.join([str(folder / "bin"), str(Path(sys.executable).parent), os.environ["PATH"]])
    variables = {**os.environ, "PATH": path, "STUB_WAITS": "index"}
    process = subprocess.Popen(
        [*map(str, command), "--cores", "1", TARGET],
        env=variables,
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while not (folder / "waits").exists() and process.poll() is None:
        time.sleep(0.05)
    os.killpg(process.pid, number)
    assert process.wait(timeout=60) in (0, 1)  # the stand-in, which heeds no SIGTERM here, may have finished
    again = snakemake(folder, "--cores", "1", TARGET)
    assert again.returncode == 0, again.stdout + again.stderr

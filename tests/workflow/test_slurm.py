"""A real SLURM of one node, where it is installed: what is interrupted on it ends as what was not."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from planning import ROOT

PROGRAMS = ("slurmctld", "slurmd", "munged", "sbatch")
FOUND = all(shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin") for program in PROGRAMS)


@pytest.mark.slow
@pytest.mark.skipif(not FOUND, reason="no SLURM here; as root on Debian: tests/slurm/cluster.sh install")
def test_a_study_whose_training_is_cancelled_on_slurm_ends_as_without_slurm(tmp_path: Path):
    """One of the five interruptions of tests/interruptions.py, for its time."""
    command = [sys.executable, ROOT / "tests/interruptions.py", "scancel", "--folder", tmp_path]
    process = subprocess.run([*map(str, command)], capture_output=True, text=True, timeout=1200)
    assert process.returncode == 0, process.stdout + process.stderr
    before, after = map(int, re.search(r"scancel.*?\| (\d+) \| (\d+) \|", process.stdout).groups())
    assert before >= after > 0, "the training began again"

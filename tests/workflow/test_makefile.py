"""The commands that `make` gives to Snakemake."""

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def planned(*settings: str) -> str:
    """The last command that `make claims` would run, its words apart by one space."""
    # MAKEFLAGS has the settings of the `make test` that these tests may run in.
    known = ("ARGS", "CONFIG", "RAW_DIR", "MAKEFLAGS")
    environment = {name: value for name, value in os.environ.items() if name not in known}
    command = ["make", "--dry-run", "--no-print-directory", "claims", "CORES=2", *settings]
    process = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    return " ".join(process.stdout.splitlines()[-1].split())


@pytest.mark.parametrize(
    ("settings", "options"),
    [
        ([], ""),
        (["RAW_DIR=/data"], " --config raw_dir='/data'"),
        (["ARGS=-n --config finished=kept"], " -n --config finished=kept"),
        (["RAW_DIR=/data", "ARGS=-n"], " -n --config raw_dir='/data'"),
        # Of two --config, Snakemake would heed the second only.
        (["RAW_DIR=/data", "ARGS=-n --config finished=kept"], " -n --config raw_dir='/data' finished=kept"),
    ],
)
def test_the_raw_directory_joins_the_configuration_of_the_arguments(settings, options):
    assert planned(*settings) == f"snakemake --cores 2 claims{options}"

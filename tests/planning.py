"""Snakemake in a folder of its own, with a stand-in for `tsal`: what is planned, what is said."""

import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
ARCHIVE = "ytf/train-test-data.zip"


def write_archive(raw_dir: Path, content: str = "a") -> Path:
    path = raw_dir / ARCHIVE
    path.parent.mkdir(parents=True)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("training/a.jpg", content)
    return path


def snakemake(folder: Path, *arguments: str, python_path: Path | None = None, **environment: str):
    """Run Snakemake in a folder, with the stand-in for tsal; returns the finished process."""
    command = [sys.executable, "-m", "snakemake", "--snakefile", ROOT / "Snakefile", "--directory", folder]
    path = os.pathsep.join([str(folder / "bin"), str(Path(sys.executable).parent), os.environ["PATH"]])
    python_paths = os.pathsep.join(map(str, [python_path or ROOT, ROOT]))  # the tsal of this repository
    variables = {**os.environ, "PATH": path, "PYTHONPATH": python_paths, **environment}
    return subprocess.run(
        [*map(str, command), *arguments],
        cwd=folder,
        env=variables,
        capture_output=True,
        text=True,
        timeout=120,
    )


def new_folder(folder: Path) -> Path:
    """A working directory with a raw archive and the stand-in for tsal; synth needs neither archive nor renderer."""
    write_archive(folder / "data/raw")
    (folder / "bin").mkdir()
    stub = folder / "bin/tsal"
    stub.write_text(f"#!{sys.executable} -S\n{(ROOT / 'tests/stub_tsal.py').read_text()}")
    stub.chmod(0o755)
    return folder


def planned(process: subprocess.CompletedProcess) -> dict[str, int]:
    """Number of jobs by rule of a dry run."""
    assert process.returncode == 0, process.stdout + process.stderr
    table = re.search(r"Job stats:\n.*\n-.*\n((?:\w+ +\d+\n)+)", process.stdout + process.stderr)
    rows = (line.split() for line in table[1].splitlines()) if table else ()
    return {rule: int(count) for rule, count in rows if rule not in ("total", "all", "paper", "claims")}


def errors(process: subprocess.CompletedProcess) -> str:
    """The output of a run that failed, as it should: without a traceback."""
    output = process.stdout + process.stderr
    assert process.returncode != 0, output
    assert "Traceback" not in output
    assert ".smk" not in output
    return output

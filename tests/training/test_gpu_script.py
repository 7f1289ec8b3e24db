"""benchmarks/gpu.sh, which a machine with a GPU runs once: here on a CPU, so that nothing in it has rotted by then."""

import subprocess
import sys
from pathlib import Path

import pytest
from archives_300w import ibug_300w_files, ibug_300w_raw_dir

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_what_was_packed_is_measured_and_trained_on(tmp_path):
    raw_dir = ibug_300w_raw_dir(tmp_path / "raw", ibug_300w_files().files)
    pack = [sys.executable, ROOT / "benchmarks/pack.py", raw_dir, "-o", tmp_path / "packed"]
    packed = subprocess.run(pack, capture_output=True, text=True)
    assert packed.returncode == 0, packed.stderr
    script = ["env", f"PYTHON={sys.executable}", "bash", ROOT / "benchmarks/gpu.sh", tmp_path / "packed", "--small"]
    done = subprocess.run(script, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    for words in ("of the bare network's", "training: vgg16_cpm by the preset", "too short to learn", "0 parts failed"):
        assert words in done.stdout

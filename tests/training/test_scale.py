"""A pool of any size: what a training holds in memory depends on its batches alone."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARK = Path(__file__).parents[2] / "benchmarks/scale.py"
FRAMES, LIMIT = 100_000, 150 << 20  # 4.9 GB of images, and 150 MB that a training may take

_TRAIN = """
import resource, sys
from pathlib import Path
import numpy as np, torch
from tsal.data.crops import open_crops
from tsal.methods.memory import Memory
from tsal.methods.tsal import Options
from tsal.settings.models import Settings, TrainingSettings, UnlabelledSettings
from tsal.training.batches import TrainingData

def status(field):
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(field))
    return 1024 * int(line.split()[1])

torch.set_num_threads(1)
folder, limit = Path(sys.argv[1]), int(sys.argv[2])
training, unlabelled = TrainingSettings(batch=4, steps=50, probe=4), UnlabelledSettings(clips=2, pool_share=0.9)
about = {"benchmark": "synth", "method": "tsal", "algorithm": "tsal", "labels": 0.01}
settings = Settings(**about, options=Options(), training=training, unlabelled=unlabelled)
most = status("VmData") + limit
resource.setrlimit(resource.RLIMIT_DATA, (most, most))
store = open_crops(folder, "train")
data = TrainingData(settings, store, None, 0, torch.device("cpu"))
memory = Memory(data)
for step in range(20):
    data.labelled_batch(step)
    batch = data.unlabelled_batch(step)
    memory.tracks(data, batch.rows, 3)
assert len(data.labelled) == 1000 and len(data.window_starts) > 0.8 * len(store)
assert len(data.probe_frames.images) == 4
assert store.images[-1].min() == 255 and not store.images[len(store) // 2].any()
assert store.clip[len(store) - 1] == f"some folder/clip {len(store) // 10 - 1:08d}"
try:
    np.asarray(store.images)
except MemoryError:
    print("limited")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not limit what a process allocates")
def test_batches_are_drawn_from_a_pool_many_times_larger_than_memory(tmp_path):
    """Its files are holes that take no space; what is known of its faces takes 75 MB, which stay on disk."""
    spec = importlib.util.spec_from_file_location("scale", BENCHMARK)
    scale = importlib.util.module_from_spec(spec)
    sys.modules["scale"] = scale  # dataclasses look their module up
    spec.loader.exec_module(scale)
    scale.sparse_pool(tmp_path, FRAMES)
    command = [sys.executable, "-c", _TRAIN, str(tmp_path), str(LIMIT)]
    # Arrow's own allocator reserves a gigabyte at once, which the limit would count.
    environment = os.environ | {"ARROW_DEFAULT_MEMORY_POOL": "system"}
    process = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert process.returncode == 0, process.stderr
    assert process.stdout == "limited\n"  # the limit is one: the images do not fit

"""Which trunk for the compact detector: NME against training time.

    python benchmarks/compact.py CROPS [--labels 0.05] [--steps 600] [--threads 2]

CROPS is the folder of packed crops that the workflow leaves, data/ytf/crops/GEOMETRY. Each candidate is trained by
labelled faces alone, with the same batches, and scored on the validation people. Times are of one run: read the ratios.
"""

import argparse
import copy
import time
from pathlib import Path

from tsal.data.crops import open_crops
from tsal.detectors import build
from tsal.methods.common import warm_up
from tsal.settings.models import Augmentation, Settings, TrainingSettings
from tsal.training.batches import TrainingData
from tsal.training.machine import be_deterministic, choose_device
from tsal.training.run import Run, make_optimizer
from tsal.training.train import Measurements

CANDIDATES = {
    "width 24, 1 block": {"width": 24, "blocks": 1},
    "width 32, 1 block": {"blocks": 1},
    "width 32, 2 blocks (chosen)": {},
    "width 48, 2 blocks": {"width": 48},
}


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("crops", type=Path)
    options.add_argument("--labels", type=float, default=0.05)
    options.add_argument("--steps", type=int, default=600)
    options.add_argument("--threads", type=int)
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--device", default="auto")
    chosen = options.parse_args()
    device = choose_device(chosen.device)
    training = TrainingSettings(warmup_steps=chosen.steps, steps=0, augmentation=Augmentation(flip=0.0))
    about = {"benchmark": "ytf", "method": "compact", "algorithm": "supervised", "labels": chosen.labels}
    settings = Settings(**about, training=training)
    data = TrainingData(settings, open_crops(chosen.crops, "train"), None, chosen.seed, device)
    measure = Measurements(data, open_crops(chosen.crops, "validation"))
    rows = []
    for name, size in CANDIDATES.items():
        be_deterministic(chosen.seed, chosen.threads)
        raw = build("compact", data.scheme.n_points, training.precision, **size).to(device)
        networks = {"raw": raw, "averaged": copy.deepcopy(raw)}
        run = Run(training, networks, {"raw": make_optimizer(raw, training.optimizer)}, device, name)
        start = time.perf_counter()
        warm_up(run, data, 0, chosen.steps)
        seconds = time.perf_counter() - start
        nme = min(measure(run).values())
        rows.append((name, sum(p.numel() for p in raw.parameters()) / 1e6, seconds, nme))
    print(f"\n{'trunk':30}{'M parameters':>14}{'s/step':>9}{'s':>7}{'validation NME %':>18}")
    for name, parameters, seconds, nme in rows:
        print(f"{name:30}{parameters:14.2f}{seconds / chosen.steps:9.3f}{seconds:7.0f}{nme:18.2f}")


if __name__ == "__main__":
    main()

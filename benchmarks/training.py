"""How fast training steps are, against what the machine could do: python benchmarks/training.py [--detector NAME].

Prints a table: seconds of each part of a step, and the floor: its floating-point operations over the rate of large
matrix products on this machine, in the precision that training uses. Times are medians of one run: read the ratios.
Random crops are used, so no data is needed.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from tsal.data.cropping import store_size
from tsal.data.crops import CropStore
from tsal.detectors import mixed_precision
from tsal.detectors.predict import create_network
from tsal.methods import tsal
from tsal.methods.common import warm_up
from tsal.settings.models import DetectorSettings, Settings, TrainingSettings
from tsal.training.batches import TrainingData
from tsal.training.machine import be_deterministic, choose_device
from tsal.training.run import Run, make_optimizer


def random_store(input_px: int, n: int = 64) -> CropStore:
    """Clips of four frames with random pixels and landmarks."""
    size = store_size(input_px, 4 / 3)
    rng = np.random.default_rng(0)
    rows = np.arange(n)
    return CropStore(
        images=rng.integers(0, 256, (n, size, size, 3), np.uint8),
        face=rows.astype(str),
        clip=(rows // 4).astype(str),
        frame=rows % 4,
        person=(rows // 4).astype(str),
        box=np.tile([0.0, 0.0, size, size], (n, 1)),
        to_image=np.tile([[1.0, 0, 0], [0, 1.0, 0]], (n, 1, 1)),
        points=rng.uniform(size * 0.2, size * 0.8, (n, 68, 2)).astype(np.float32),
        visible=np.ones((n, 68), bool),
        next=np.where(rows % 4 < 3, rows + 1, -1),
        input_px=input_px,
        margin=4 / 3,
    )


def median_seconds(work: Callable[[], object], device: torch.device, repeats: int) -> float:
    """Median of several calls after two that warm up."""
    times = []
    for _ in range(repeats + 2):
        start = time.perf_counter()
        work()
        if device.type == "cuda":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
    return statistics.median(times[2:])


def matrix_rate(device: torch.device, precision: str) -> float:
    """Floating-point operations a second of a large matrix product."""
    n = 8192 if device.type == "cuda" else 2048
    with mixed_precision(precision, device):
        a = torch.randn(n, n, device=device)
        a = a.bfloat16() if torch.is_autocast_enabled(device.type) else a
        return 2 * n**3 / median_seconds(lambda: a @ a, device, 10)


def new_run(settings: Settings, names: tuple[str, ...], device: torch.device, data: TrainingData) -> Run:
    networks = {
        name: create_network(settings.detector, data.scheme, settings.training.precision).to(device) for name in names
    }
    optimizers = {
        name: make_optimizer(network, settings.training.optimizer)
        for name, network in networks.items()
        if name != "averaged"
    }
    run = Run(settings.training, networks, optimizers, device, "benchmark")
    run.finish_step = lambda *_, **__: None  # neither logs nor measures
    run.steps = lambda start, stop: range(start, stop)
    return run


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--detector", default="compact", choices=("compact", "vgg16_cpm"))
    options.add_argument("--input-px", type=int)
    options.add_argument("--device", default="auto")
    options.add_argument("--threads", type=int)
    options.add_argument("--precision", default="auto")
    options.add_argument("--repeats", type=int, default=15)
    chosen = options.parse_args()
    device = choose_device(chosen.device)
    be_deterministic(0, chosen.threads)
    input_px = chosen.input_px or {"compact": 96, "vgg16_cpm": 256}[chosen.detector]
    every = tsal.Options().teacher_every
    settings = Settings(
        benchmark="ytf",
        method="tsal",
        algorithm="tsal",
        labels=1.0,
        detector=DetectorSettings(name=chosen.detector, input_px=input_px),
        training=TrainingSettings(precision=chosen.precision),
        options=tsal.Options(),
    )
    data = TrainingData(settings, random_store(input_px), None, 0, device)
    half = data.store.size // 2
    data.flow = np.zeros((len(data.store), 2, 2, half, half), np.float16)

    warm, both = (
        new_run(settings, ("raw", "averaged"), device, data),
        new_run(settings, ("student", "teacher"), device, data),
    )
    tsal.prepare(both, data, None)
    network = warm.networks["raw"]
    batch = data.labelled_batch(0)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(batch.images)
    rate = matrix_rate(device, chosen.precision)
    forward = counter.get_total_flops() / rate
    labelled, unlabelled = len(batch.images), settings.unlabelled.frames
    passes = (1 + 1 / every) * 3 * (labelled + unlabelled) / labelled + 2 * unlabelled / labelled

    def seconds(work: Callable[[], object]) -> float:
        return median_seconds(work, device, chosen.repeats)

    supervised = seconds(lambda: warm_up(warm, data, 0, 1))
    rows = [
        ("labelled batch: views, colours", seconds(lambda: data.labelled_batch(0)), None),
        ("unlabelled clips: views, colours, flow", seconds(lambda: data.unlabelled_batch(0)), None),
        ("supervised step", supervised, 3 * forward),
        (
            "TSAL step, both networks",
            seconds(lambda: tsal.train(both, data, 400, 400 + every)) / every,
            passes * forward,
        ),
    ]
    print(
        f"{chosen.detector}, {input_px} px, {sum(p.numel() for p in network.parameters()) / 1e6:.2f} M parameters, "
        f"{labelled} labelled + {unlabelled} unlabelled faces a step, {device}, {torch.get_num_threads()} threads\n"
        f"large matrix product: {rate / 1e9:.0f} GFLOP/s; a forward pass of {labelled}: "
        f"{counter.get_total_flops() / 1e9:.1f} GFLOP\n"
    )
    print(f"{'part':42}{'s':>9}{'floor s':>9}{'ratio':>7}{'x supervised':>14}")
    for name, time_s, floor in rows:
        against = f"{floor:9.4f}{time_s / floor:7.1f}" if floor else " " * 16
        print(f"{name:42}{time_s:9.4f}{against}{time_s / supervised:14.2f}")


if __name__ == "__main__":
    main()

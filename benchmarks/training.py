"""How fast training steps are, against what the machine could do: python benchmarks/training.py [--detector NAME].

Prints a table: milliseconds of each part of a step, steps a second, the floor (its floating-point operations over the
rate of large matrix products on this machine, in the precision that training uses), the share of that rate, and on a
GPU the peak of its memory. The bare network is a forward pass, a loss that reaches all it puts out, a backward pass and
the optimiser, on a batch that stays the same: what a supervised step would be if its batch, its loss and its average of
weights cost nothing. Works are measured in turns and times are the best of several; on a CPU they are processor time
over threads, so that other work on the machine counts little. Random crops are used, so no data is needed.
"""

import argparse
import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from tsal.data.cropping import store_size
from tsal.data.crops import CropStore
from tsal.detectors import Output, mixed_precision
from tsal.detectors.predict import create_network
from tsal.methods import tsal
from tsal.methods.common import warm_up
from tsal.settings.models import DetectorSettings, Settings, TrainingSettings, UnlabelledSettings
from tsal.training.batches import TrainingData
from tsal.training.flops import FlopCounter
from tsal.training.machine import be_deterministic, choose_device, log_machine, reuse_memory
from tsal.training.run import Run, make_optimizer

LEAST, MOST = 3, 50  # turns


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


@dataclass
class Work:
    """A part of a step: what does `steps` of them, and what was measured of it.

    computes: whether it is more than preparing a batch, so that it has a floor.
    """

    name: str
    do: Callable[[], object]
    steps: int = 1
    computes: bool = True
    seconds: float = 0.0  # a step
    operations: float = 0.0  # a step
    memory: int = 0  # bytes, at the peak


def measure(works: list[Work], device: torch.device, limit: float) -> None:
    """Fill in what is measured, in turns, for about `limit` seconds."""

    def now() -> float:
        if device.type == "cpu":
            return time.process_time() / torch.get_num_threads()
        torch.cuda.synchronize()
        return time.perf_counter()

    for work in works:
        with FlopCounter() as counter:
            work.do()
        work.operations = counter.flops / work.steps
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats()
            work.do()
            work.memory = torch.cuda.max_memory_allocated()
    times: list[list[float]] = [[] for _ in works]
    end = time.monotonic() + limit
    while len(times[0]) < LEAST or (time.monotonic() < end and len(times[0]) < MOST):
        for work, taken in zip(works, times, strict=True):
            start = now()
            work.do()
            taken.append((now() - start) / work.steps)
    for work, taken in zip(works, times, strict=True):
        work.seconds = min(taken)  # what disturbs a work only adds to it


def matrix_product(device: torch.device, precision: str) -> Work:
    """A large matrix product, by whose rate the others are judged."""
    n = 8192 if device.type == "cuda" else 1024
    a = torch.randn(n, n, device=device)

    def product() -> None:
        with mixed_precision(precision, device):
            _ = a @ a

    return Work("large matrix product", product)


def total(output: Output) -> torch.Tensor:
    """A loss that reaches every output."""
    return sum(part.square().mean() for part in (*output.stages, output.centre, output.offsets))


def new_run(settings: Settings, names: tuple[str, ...], device: torch.device, data: TrainingData) -> Run:
    networks = {
        name: create_network(settings.detector, data.scheme.n_points, settings.training.precision).to(device)
        for name in names
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


def works_of(settings: Settings, device: torch.device) -> list[Work]:
    """The parts of a step, the bare network first."""
    data = TrainingData(settings, random_store(settings.detector.input_px), None, 0, device)
    half = data.store.size // 2
    data.flow = np.zeros((len(data.store), 2, 2, half, half), np.float16)
    bare, warm = (new_run(settings, ("raw", "averaged"), device, data) for _ in range(2))
    both = new_run(settings, ("student", "teacher"), device, data)
    tsal.prepare(both, data, None)
    batch, every = data.labelled_batch(0), settings.options.teacher_every or 1
    # Steps follow each other, as in a training: on a GPU the next one's faces are read ahead.
    step, taken, clips, faces = (itertools.count(400, n) for n in (1, every, 1, 1))
    return [
        Work("bare network", lambda: bare.optimizer_step("raw", total(bare.networks["raw"](batch.images)), 400)),
        Work("supervised step", lambda: _take(warm_up, warm, data, next(step), 1)),
        Work("TSAL step, both networks", lambda: _take(tsal.train, both, data, next(taken), every), every),
        Work("labelled batch: views, colours", lambda: data.labelled_batch(next(faces)), computes=False),
        Work("unlabelled clips: views, colours, flow", lambda: data.unlabelled_batch(next(clips)), computes=False),
    ]


def _take(train: Callable, run: Run, data: TrainingData, start: int, steps: int) -> None:
    train(run, data, start, start + steps)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--detector", default="compact", choices=("compact", "vgg16_cpm"))
    options.add_argument("--input-px", type=int)
    options.add_argument("--width", type=int, default=DetectorSettings().width, help="of compact")
    options.add_argument("--batch", type=int, default=TrainingSettings().batch, help="labelled faces a step")
    options.add_argument("--clips", type=int, default=UnlabelledSettings().clips, help="of two frames, a step")
    options.add_argument("--device", default="auto")
    options.add_argument("--threads", type=int)
    options.add_argument("--precision", default="auto")
    options.add_argument("--limit", type=float, default=60, help="seconds to measure for, about")
    chosen = options.parse_args()
    device = choose_device(chosen.device)
    be_deterministic(0, chosen.threads)
    reuse_memory()
    settings = Settings(
        benchmark="ytf",
        method="tsal",
        algorithm="tsal",
        labels=1.0,
        detector=DetectorSettings(
            name=chosen.detector,
            width=chosen.width,
            input_px=chosen.input_px or {"compact": 96, "vgg16_cpm": 256}[chosen.detector],
            weights="none",
        ),
        training=TrainingSettings(precision=chosen.precision, batch=chosen.batch),
        unlabelled=UnlabelledSettings(clips=chosen.clips),
        options=tsal.Options(),
    )
    product, works = matrix_product(device, chosen.precision), works_of(settings, device)
    measure([product, *works], device, chosen.limit)
    report(settings, device, product, works)


def report(settings: Settings, device: torch.device, product: Work, works: list[Work]) -> None:
    machine = log_machine(device, settings.training.precision)
    peak = product.operations / product.seconds
    bare, supervised, both = works[:3]
    print(
        f"\n{settings.detector.name}, {settings.detector.input_px} px, {machine['precision']}, "
        f"{settings.training.batch} labelled + {settings.unlabelled.frames} unlabelled faces a step, "
        f"{machine.get('gpu', machine['processor'])}, {machine['threads']} threads\n"
        f"{product.name}: {peak / 1e9:.0f} GFLOP/s"
    )
    head = (
        f"{'part':40}{'ms':>9}{'steps/s':>9}{'GFLOP':>8}{'floor ms':>10}{'of peak':>9}{'memory':>9}{'x supervised':>14}"
    )
    print(head)
    for work in works:
        against = " " * 27
        if work.computes:
            floor = work.operations / peak
            against = f"{work.operations / 1e9:8.1f}{floor * 1e3:10.1f}{floor / work.seconds:9.0%}"
        memory = f"{work.memory / 2**30:6.2f}GiB" if work.memory else " " * 9
        times = f"{work.seconds * 1e3:9.1f}{1 / work.seconds:9.2f}"
        print(f"{work.name:40}{times}{against}{memory}{work.seconds / supervised.seconds:14.2f}")
    print(
        f"supervised steps a second: {bare.seconds / supervised.seconds:.1%} of the bare network's (aim: 95 %); a TSAL "
        f"step: {both.seconds / supervised.seconds:.2f} supervised ones (aim: 2.4; by operations alone "
        f"{both.operations / supervised.operations:.2f})",
        flush=True,
    )


if __name__ == "__main__":
    main()

"""What several processes save and send: torchrun --standalone --nproc-per-node 2 benchmarks/parallel.py.

Every process first trains alone, all at the same time, then together with the others. Prints a table of a supervised
and a TSAL step: seconds, their ratio against its floor, the number of processes; the share of a step alone that is
outside of the networks (views, losses, decoding, signals, optimisers), which every process computes for itself; and
what a process sends, counted at the calls, with PyTorch's rings: 2 (N - 1) / N of what is summed, (N - 1) times its
part of what is gathered. Random crops are used, so no data is needed. Times are medians of one run: read the ratios.
"""

import argparse
import os
import statistics
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import NamedTuple
from unittest import mock

import numpy as np
import torch
import torch.distributed as dist
from training import new_run, random_store

from tsal.detectors import Detector, parallel
from tsal.methods import tsal
from tsal.methods.common import warm_up
from tsal.settings.models import DetectorSettings, Settings, TrainingSettings, UnlabelledSettings
from tsal.training.batches import TrainingData
from tsal.training.machine import be_deterministic, choose_device
from tsal.training.processes import joined

KINDS = {"_gather_rows": "outputs", "_statistics": "statistics", "backward": "statistics", "any_says": "signals"}
KINDS |= {"average_gradients": "gradients"}
sent: Counter[str] = Counter()


class Measured(NamedTuple):
    """seconds: of a step; outside: share of them outside of the networks; mb: what a step sends, by kind."""

    seconds: float
    outside: float
    mb: dict[str, float]


def count_sent() -> None:
    """Count what the two operations of `parallel` send, by what they are called for."""
    reduce, gather, n = dist.all_reduce, dist.all_gather_into_tensor, parallel.count()

    def all_reduce(tensor, *rest):
        sent[KINDS[sys._getframe(2).f_code.co_name]] += 2 * (n - 1) / n * tensor.nbytes
        return reduce(tensor, *rest)

    def all_gather_into_tensor(every, own):
        sent[KINDS[sys._getframe(2).f_code.co_name]] += (n - 1) * own.nbytes
        return gather(every, own)

    dist.all_reduce, dist.all_gather_into_tensor = all_reduce, all_gather_into_tensor


def now(device: torch.device) -> float:
    """Seconds of this process: of its CPU, which others on the machine do not lengthen; of the clock for a GPU."""
    if device.type == "cpu":
        return time.process_time()
    torch.cuda.synchronize()
    return time.perf_counter()


class Marked(torch.autograd.Function):
    """The identity, which notes when the gradient comes back to it."""

    @staticmethod
    def forward(ctx, output, device, marks):
        ctx.device, ctx.marks = device, marks
        return output.clone()

    @staticmethod
    def backward(ctx, gradient):
        ctx.marks.append(now(ctx.device))
        return gradient, None, None


@contextmanager
def timed_networks(device: torch.device, spent: list[float]) -> Iterator[None]:
    """Add to `spent` the time of each forward pass, and of each backward pass from a network's outputs on."""
    forward, backward, marks = Detector.forward_with, torch.Tensor.backward, []

    def gather(outputs, images):
        return [Marked.apply(output, device, marks) for output in outputs] if torch.is_grad_enabled() else outputs

    def forward_with(self, images, second_head=None):
        start = now(device)
        found = forward(self, images, second_head)
        spent.append(now(device) - start)
        return found

    def timed_backward(self):
        marks.clear()
        backward(self)
        spent.append(now(device) - max(marks))

    patches = (Detector, "forward_with", forward_with), (torch.Tensor, "backward", timed_backward)
    with ExitStack() as stack:
        for where, name, new in (*patches, (parallel, "gather", gather)):
            stack.enter_context(mock.patch.object(where, name, new))
        yield


def outside_of_networks(work: Callable[[], object], device: torch.device, repeats: int) -> float:
    """Median share of the time of `work` that is not spent in detectors."""
    shares = []
    for _ in range(repeats):
        spent: list[float] = []
        with timed_networks(device, spent):
            start = now(device)
            work()
            shares.append(1 - sum(spent) / (now(device) - start))
    return statistics.median(shares)


def measured(work: Callable[[], object], steps: int, device: torch.device, repeats: int) -> Measured:
    """Median seconds of a step, and what it sends; `work` takes `steps` steps, once to warm up."""
    work()
    sent.clear()
    walls = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        if device.type == "cuda":
            torch.cuda.synchronize()
        walls.append(time.perf_counter() - start)
    mb = {kind: value / repeats / steps / 1e6 for kind, value in sent.items()}
    outside = outside_of_networks(work, device, repeats) if parallel.count() == 1 else 0.0
    return Measured(statistics.median(walls) / steps, outside, mb)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--detector", default="compact", choices=("compact", "vgg16_cpm"))
    options.add_argument("--width", type=int, default=16, help="of compact")
    options.add_argument("--batch", type=int, default=16, help="labelled images; half as many are unlabelled")
    options.add_argument("--input-px", type=int)
    options.add_argument("--device", default="auto")
    options.add_argument("--threads", type=int, help="of all processes (default: one for each processor)")
    options.add_argument("--repeats", type=int, default=5)
    chosen = options.parse_args()
    input_px = chosen.input_px or {"compact": 96, "vgg16_cpm": 256}[chosen.detector]
    detector = DetectorSettings(name=chosen.detector, width=chosen.width, input_px=input_px, weights="none")
    training, unlabelled = TrainingSettings(batch=chosen.batch), UnlabelledSettings(clips=max(1, chosen.batch // 4))
    about = {"benchmark": "ytf", "method": "tsal", "algorithm": "tsal", "labels": 1.0, "options": tsal.Options()}
    settings = Settings(detector=detector, training=training, unlabelled=unlabelled, **about)

    def times(device: torch.device) -> list[Measured]:
        data = TrainingData(settings, random_store(input_px), None, 0, device)
        half = data.store.size // 2
        data.flow = np.zeros((len(data.store), 2, 2, half, half), np.float16)
        warm, both = (new_run(settings, names, device, data) for names in (("raw", "averaged"), ("student", "teacher")))
        tsal.prepare(both, data, None)
        return [
            measured(lambda: warm_up(warm, data, 0, 1), 1, device, chosen.repeats),
            # Of three steps one has the teacher's gradient.
            measured(lambda: tsal.train(both, data, 399, 402), 3, device, chosen.repeats),
        ]

    processes = int(os.environ.get("WORLD_SIZE", 1))
    be_deterministic(0, max(1, (chosen.threads or os.cpu_count()) // processes))
    local = int(os.environ.get("LOCAL_RANK", 0))
    device = choose_device(chosen.device)
    alone = times(torch.device("cuda", local) if device.type == "cuda" else device)
    with joined(chosen.device, chosen.threads) as (device, threads):
        be_deterministic(0, threads)
        count_sent()
        together = times(device)
        if parallel.is_first():
            show(alone, together, f"{chosen.detector}, {input_px} px, {device.type}, {threads} threads a process")


def show(alone: list[Measured], together: list[Measured], what: str) -> None:
    n, kinds = parallel.count(), ("outputs", "statistics", "gradients")
    print(f"{what}\n\n{'step':12}{'1 alone s':>10}{f'{n} s':>10}{'faster':>8}{'floor':>7}{'outside':>9}", end="")
    print("".join(f"{kind + ' MB':>15}" for kind in kinds))
    for name, one, all_of_them in zip(("supervised", "TSAL"), alone, together, strict=True):
        faster = one.seconds / all_of_them.seconds
        line = f"{name:12}{one.seconds:10.3f}{all_of_them.seconds:10.3f}{faster:8.2f}{n:7d}{one.outside:9.2f}"
        print(line + "".join(f"{all_of_them.mb.get(kind, 0.0):15.2f}" for kind in kinds))


if __name__ == "__main__":
    main()

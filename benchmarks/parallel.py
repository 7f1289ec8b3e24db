"""What several processes save and send: torchrun --standalone --nproc-per-node 2 benchmarks/parallel.py.

Every process first trains alone, all at the same time, then together with the others. Prints a table of a supervised
and a TSAL step: seconds, their ratio against its floor, the number of processes; the share of a step that each process
computes for itself (views, losses, decoding, signals), from the CPU time that it takes; and what a process sends,
counted at the calls, with PyTorch's rings: 2 (N - 1) / N of what is summed, (N - 1) times its part of what is gathered.
Random crops are used, so no data is needed. Times are medians of one run: read the ratios.
"""

import argparse
import os
import statistics
import sys
import time
from collections import Counter
from collections.abc import Callable

import numpy as np
import torch
import torch.distributed as dist
from training import new_run, random_store

from tsal.detectors import parallel
from tsal.methods import tsal
from tsal.methods.common import warm_up
from tsal.settings.models import DetectorSettings, Settings, TrainingSettings
from tsal.training.batches import TrainingData
from tsal.training.machine import be_deterministic, choose_device
from tsal.training.processes import joined

KINDS = {"_gather_rows": "outputs", "_statistics": "statistics", "backward": "statistics", "any_says": "signals"}
KINDS |= {"average_gradients": "gradients"}
sent = Counter()


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


def measured(work: Callable[[], object], steps: int, repeats: int) -> tuple[float, float, dict[str, float]]:
    """Median seconds and CPU seconds of a step, and what it sends; `work` takes `steps` steps, once to warm up."""
    work()
    sent.clear()
    walls, processor = [], []
    for _ in range(repeats):
        wall, cpu = time.perf_counter(), time.process_time()
        work()
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        walls.append(time.perf_counter() - wall)
        processor.append(time.process_time() - cpu)
    mb = {kind: value / repeats / steps / 1e6 for kind, value in sent.items()}
    return statistics.median(walls) / steps, statistics.median(processor) / steps, mb


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--detector", default="compact", choices=("compact", "vgg16_cpm"))
    options.add_argument("--input-px", type=int)
    options.add_argument("--device", default="auto")
    options.add_argument("--threads", type=int, help="of all processes (default: one for each processor)")
    options.add_argument("--repeats", type=int, default=5)
    chosen = options.parse_args()
    input_px = chosen.input_px or {"compact": 96, "vgg16_cpm": 256}[chosen.detector]
    detector = DetectorSettings(name=chosen.detector, input_px=input_px, weights="none")
    about = {"benchmark": "ytf", "method": "tsal", "algorithm": "tsal", "labels": 1.0, "options": tsal.Options()}
    settings = Settings(detector=detector, training=TrainingSettings(), **about)

    def times(device: torch.device) -> list[tuple]:
        data = TrainingData(settings, random_store(input_px), None, 0, device)
        half = data.store.size // 2
        data.flow = np.zeros((len(data.store), 2, 2, half, half), np.float16)
        warm, both = (new_run(settings, names, device, data) for names in (("raw", "averaged"), ("student", "teacher")))
        tsal.prepare(both, data, None)
        return [
            measured(lambda: warm_up(warm, data, 0, 1), 1, chosen.repeats),
            measured(lambda: tsal.train(both, data, 400, 402), 2, chosen.repeats),
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


def show(alone: list[tuple], together: list[tuple], what: str) -> None:
    n = parallel.count()
    kinds = ("outputs", "statistics", "gradients")
    print(f"{what}\n\n{'step':12}{'1 alone s':>10}{f'{n} s':>10}{'faster':>8}{'floor':>7}{'own share':>11}", end="")
    print("".join(f"{kind + ' MB':>15}" for kind in kinds))
    for name, one, all_of_them in zip(("supervised", "TSAL"), alone, together, strict=True):
        ratio = all_of_them[1] / one[1]  # of CPU time: own + (1 - own) / n
        own = (n * ratio - 1) / (n - 1) if n > 1 else 1.0
        line = f"{name:12}{one[0]:10.3f}{all_of_them[0]:10.3f}{one[0] / all_of_them[0]:8.2f}{n:7d}{own:11.2f}"
        print(line + "".join(f"{all_of_them[2].get(kind, 0.0):15.2f}" for kind in kinds))


if __name__ == "__main__":
    main()

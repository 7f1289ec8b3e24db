"""What a run of the workflow will do, and about how long that takes here: told before it begins."""

import argparse
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tsal import methods
from tsal.cli.study import Verb, read_json
from tsal.errors import InputError
from tsal.settings.models import Settings

START = 4.0  # seconds of one core in which a job starts, reads and writes
# What takes less than the measurement of how long it takes is not measured: any machine computes so much in seconds.
FEW_FLOPS, SLOW_RATE = 0.1e12, 1e10  # operations; of them a second
FEW_PICTURES, SLOW_PICTURE = 64, 0.3  # pictures; seconds for one
TRIED = {"people": 4, "stills": 8, "clips": 2, "clip_frames": 4}  # rendered to measure how fast that goes


def estimate(arguments: argparse.Namespace) -> None:
    """Tell what a plan (JSON, from standard input) computes and, by what is measured here, how long it takes."""
    plan = read_json("standard input", sys.stdin.read() if sys.stdin else "")
    try:
        jobs, trainings, pictures = plan["jobs"], plan["trainings"], plan["pictures"]
        cores, threads, gpus, device = (plan[key] for key in ("cores", "threads", "gpus", "device"))
    except KeyError as error:
        raise InputError(f"standard input: found no {error}; expected a plan as the Snakefile writes it") from error
    print(f"To do: {', '.join(f'{count:,} {rule}' for rule, count in jobs.items())} ({sum(jobs.values()):,} jobs)")
    costs = _costs(trainings) if trainings else []
    if not cores:  # of machines that are not known here
        if costs:
            print(f"Training: {_in_tflop(costs)} in {len(costs):,} runs")
        return
    seconds = START * sum(jobs.values()) / cores
    total = sum(flops for flops, _ in costs)
    if total > FEW_FLOPS:
        seconds += _tell_trainings(costs, cores, threads, gpus, device)
    elif costs:
        print(f"Training: {_in_tflop(costs)} in {len(costs):,} runs")
        seconds += total / SLOW_RATE
    if pictures > FEW_PICTURES:
        seconds += _tell_rendering(pictures, cores)
    elif pictures:
        print(f"Rendering: {pictures:,} pictures")
        seconds += pictures * SLOW_PICTURE
    print(f"In all {_in_words(seconds)} on this machine, if nothing else runs. Interrupted, it goes on from there.")


def _costs(trainings: list[dict[str, Any]]) -> list[tuple[float, Settings]]:
    """Floating-point operations of each training, and its settings."""
    from tsal.training.cost import method_flops, warm_up_flops

    costs = []
    for training in trainings:
        settings = methods.settings_from(training["settings"], "standard input")
        method = methods.get(settings.algorithm)
        faces = training["validation"]
        flops = warm_up_flops(settings, faces) if training["warmup"] else method_flops(method, settings, faces)
        costs.append((flops, settings))
    return costs


def _in_tflop(costs: list[tuple[float, Settings]]) -> str:
    total = sum(flops for flops, _ in costs) / 1e12
    return f"{total:,.{1 if total < 100 else 0}f} TFLOP" if total >= 0.1 else "under 0.1 TFLOP"


def _tell_trainings(costs: list[tuple[float, Settings]], cores: int, threads: int, gpus: int, device: str) -> float:
    """Seconds that trainings take, as many at once as there are cores or GPUs for them."""
    import torch

    from tsal.detectors.detector import resolve_precision
    from tsal.training.cost import training_rate
    from tsal.training.machine import choose_device

    total = sum(flops for flops, _ in costs)
    longest, largest = max(costs, key=lambda cost: cost[0])
    torch.set_num_threads(min(threads, cores))
    on = choose_device(device)
    rate = training_rate(largest, on)
    at_once = min(len(costs), gpus if on.type == "cuda" and gpus else max(1, cores // threads))
    seconds = max(total / at_once, longest) / rate
    precision = resolve_precision(largest.training.precision, on)
    print(
        f"Training: {_in_tflop(costs)} in {len(costs):,} runs, {_in_words(seconds)} "
        f"({at_once} at once, {rate / 1e9:,.0f} GFLOP/s each in {precision} on {on})",
        flush=True,
    )
    return seconds


def _tell_rendering(pictures: int, cores: int) -> float:
    """Seconds that rendering takes."""
    from tsal.synth.plan import SynthSettings
    from tsal.synth.shards import write_shard

    few = SynthSettings(**TRIED, image_px=128, challenging=0.3, seed=0)
    tried = TRIED["stills"] + TRIED["clips"] * TRIED["clip_frames"]
    with tempfile.TemporaryDirectory() as folder:
        write_shard(few, 0, TRIED["people"], Path(folder) / "first.zip")  # reads the meshes
        start = time.perf_counter()
        write_shard(few, 0, 1, Path(folder) / "all.zip")
    seconds = (time.perf_counter() - start) / tried * pictures / cores
    print(f"Rendering: {pictures:,} pictures, {_in_words(seconds)}", flush=True)
    return seconds


def _in_words(seconds: float) -> str:
    """A time as one says it before it has passed: "under a minute", "about 12 min", "about 5 h", "about 3 days"."""
    if seconds < 60:
        return "under a minute"
    for unit, length, most in (("min", 60, 90), ("h", 3600, 36)):
        if seconds / length < most:
            return f"about {seconds / length:.0f} {unit}"
    return f"about {seconds / 86400:.0f} days"


def add_plan_verbs(verb: Verb) -> None:
    """Add the verbs of this module."""
    verb(estimate, output=False)

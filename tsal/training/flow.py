"""Training of a flow network without labels, as a function of its inputs: pairs of frames and a seed."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from tsal.data.augment import as_float, change_colours, sample
from tsal.data.crops import CropStore
from tsal.data.device import to_device
from tsal.data.randomness import generator
from tsal.data.shards import digest
from tsal.detectors import parallel
from tsal.errors import InputError
from tsal.flow.pwc import STRIDES, FlowNetwork, pixels, save_network
from tsal.flow.storage import pairs
from tsal.flow.unsupervised import (
    Motions,
    distance_from_known,
    draw_motion,
    invert_flow,
    photometric_loss,
    smoothness_loss,
    stays_inside,
)
from tsal.settings.code import training_code
from tsal.settings.models import NO_AUGMENTATION, SAVE_EVERY, Augmentation, OptimizerSettings, TrainingSettings
from tsal.training.flops import counted
from tsal.training.machine import be_deterministic, log_machine, reuse_memory
from tsal.training.processes import locked_by_first
from tsal.training.run import Run, make_optimizer

STEPS = 2500  # that are enough for crops of 128 px, see docs/flow.md
COLOURS, MOTIONS = NO_AUGMENTATION.replace(colour=0.3), Motions()


@dataclass(frozen=True)
class FlowSettings:
    """How a flow network is trained.

    pairs: real pairs a step; known: frames a step that a known motion moves. Both are tracked in both directions.
    window: share of a crop's side that is shown at a time, rounded down to a multiple of the coarsest stride.
    photometric, smoothness, distance: weights of the terms; edge, order: see `smoothness_loss`.
    noise: standard deviation, at most, of the noise of moved frames, whose colours change as `colours` says.
    """

    pairs: int = 2
    known: int = 2
    window: float = 0.75
    learning_rate: float = 1e-3
    photometric: float = 2.0
    smoothness: float = 0.1
    edge: float = 20.0
    order: int = 2
    distance: float = 0.3
    noise: float = 0.02
    colours: Augmentation = COLOURS
    motions: Motions = MOTIONS


@dataclass(frozen=True)
class FlowBatch:
    """The batch of a step: float RGB in [0, 1], all of one size H x W.

    first, second: (P, 3, H, W) pairs of neighbouring frames; phase: see `photometric_loss`.
    moved, still: (Q, 3, H, W) single frames, and the frames that a motion took them from.
    known: (Q, 2 directions, 2, H, W) flow in px from `moved` to `still` and back; inside: (Q, 2, H, W), 1 where it
    stays in the frame, else 0.
    """

    first: Tensor
    second: Tensor
    phase: tuple[int, int]
    moved: Tensor
    still: Tensor
    known: Tensor
    inside: Tensor


@counted
def train_flow(
    store: CropStore,
    out: Path,
    log: Path,
    *,
    seed: int,
    steps: int = STEPS,
    device: torch.device,
    threads: int | None = None,
    settings: FlowSettings | None = None,
    measure: Callable[[FlowNetwork], dict[str, float]] | None = None,
    save_every: float = SAVE_EVERY,
) -> None:
    """Train a flow network on the pairs of neighbouring frames of a store; no landmark of it is read.

    The same seed gives the same weights on the same machine; on a GPU up to rounding, since the gradient of sampling
    has no fixed order of sums there. A killed run goes on from its last state, kept beside `out`, to the same end.

    Args:
        out: .safetensors file, for tracker "pwc".
        log: .csv file: the terms of the loss against steps and seconds, and what is measured.
        threads: of the CPU.
        measure: figures of the network for the log, ten times in all.
        save_every: seconds between two saved states of the run, from which it goes on when it was ended.

    Raises:
        InputError: the store has no two neighbouring frames; the training diverges; the device is full.
    """
    settings = settings or FlowSettings()
    be_deterministic(seed, threads)
    reuse_memory()
    machine = log_machine(device, "float32")
    rows = pairs(store)
    if not len(rows):
        name = getattr(store.images, "path", "the crop store")
        raise InputError(
            f"{name}: found no two neighbouring frames of a clip among {len(store):,} faces; expected clips to train "
            "tracker 'pwc' on. Use one of videos, or tracker dis"
        )
    network = FlowNetwork().to(device, memory_format=torch.channels_last)
    optimizer = OptimizerSettings(learning_rate=settings.learning_rate, weight_decay=1e-4)
    training = TrainingSettings(warmup_steps=0, steps=steps, evaluate_every=max(steps // 10, 1), optimizer=optimizer)
    run = Run(training, {"flow": network}, {"flow": make_optimizer(network, optimizer)}, device, f"pwc, seed {seed}")
    run.state_path, run.identity = out.with_name(out.name + ".partial"), _identity(store, settings, seed, steps)
    run.machine, run.save_every = machine, save_every
    if measure is not None:
        run.measure = lambda run: measure(run.networks["flow"])
    with locked_by_first(out):
        for step in run.steps(0, steps):
            batch = draw_batch(store, rows, settings, generator(seed, "flow", step), device)
            run.batch = partial(_tensors_of, batch)
            terms = flow_losses(network, batch, settings)
            run.optimizer_step("flow", terms["loss"], step)
            run.finish_step(step, **terms)
        if parallel.is_first():
            save_network(network, out, {"seed": seed, "steps": steps, "pairs": len(rows)})
            run.end(log)


def _identity(store: CropStore, settings: FlowSettings, seed: int, steps: int) -> str:
    """A digest of what a run is made of."""
    return digest(f"{training_code()} {settings} {seed} {steps} {store.images.shape} {store.identity}", store.next)


def _tensors_of(batch: FlowBatch) -> dict[str, Tensor]:
    return {name: value for name, value in vars(batch).items() if isinstance(value, Tensor)}


def draw_batch(
    store: CropStore, rows: np.ndarray, settings: FlowSettings, random: torch.Generator, device: torch.device
) -> FlowBatch:
    """Draw pairs, seen through windows that both frames share, and motions of single frames."""
    chosen = rows[torch.randint(len(rows), (settings.pairs,), generator=random).numpy()]
    side = int(store.size * settings.window) // STRIDES[-1] * STRIDES[-1]
    first, second = to_device(_windows(store, chosen, side, random), device).unbind(1)

    single = to_device(torch.randint(2 * settings.pairs, (settings.known,), generator=random), device)
    still = torch.cat([first, second])[single]
    known = draw_motion(settings.known, side, settings.motions, random, device)
    moved = sample(still, pixels(known) + known.permute(0, 2, 3, 1))
    both = torch.stack([known, invert_flow(known)], 1)
    phase = tuple(torch.randint(2, (2,), generator=random).tolist())
    shaded = (_shade(frames, settings, random) for frames in (moved, still))
    return FlowBatch(first, second, phase, *shaded, both, stays_inside(both.flatten(0, 1)).unflatten(0, (-1, 2)))


def _windows(store: CropStore, chosen: np.ndarray, side: int, random: torch.Generator) -> Tensor:
    """The same random window of both frames of pairs (P, 2), half of them mirrored: float (P, 2, 3, side, side).

    Whole pixels: what is between them is smoother than what the camera saw, and trackers will see.
    """
    corners = torch.randint(store.size - side + 1, (len(chosen), 2), generator=random).tolist()
    windows = [store.images[pair][:, y : y + side, x : x + side] for pair, (y, x) in zip(chosen, corners, strict=True)]
    images = as_float(torch.from_numpy(np.concatenate(windows))).unflatten(0, (-1, 2))
    mirrored = torch.rand(len(chosen), 1, 1, 1, 1, generator=random) < 0.5
    return torch.where(mirrored, images.flip(-1), images)


def _shade(frames: Tensor, settings: FlowSettings, random: torch.Generator) -> Tensor:
    """Other colours and noise, so that what is learned from known motions holds between frames of a camera."""
    strength = settings.noise * torch.rand(len(frames), 1, 1, 1, generator=random)
    noise = strength * torch.randn(frames.shape, generator=random)
    return change_colours(frames, settings.colours, random) + to_device(noise, frames.device)


def flow_losses(network: FlowNetwork, batch: FlowBatch, settings: FlowSettings) -> dict[str, Tensor]:
    """The weighted loss of a step and its terms, by name."""
    flows = network(torch.cat([batch.first, batch.moved]), torch.cat([batch.second, batch.still]))
    n = len(batch.first)
    real = flows[0][:n]
    frames, directions = torch.cat([batch.first, batch.second]), torch.cat(real.unbind(1))
    terms = {
        "photometric": photometric_loss(batch.first, batch.second, real, batch.phase),
        "smoothness": smoothness_loss(frames, directions, settings.edge, settings.order),
        "distance": distance_from_known([flow[n:] for flow in flows], batch.known, batch.inside),
    }
    return {"loss": sum(getattr(settings, name) * term for name, term in terms.items())} | terms

"""Training as a function of its inputs: settings, crops, flow and a seed go in; a checkpoint and a log come out."""

import copy
import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from tsal.data.crops import CropStore, open_crops
from tsal.data.landmarks import as_setting, mirror_shift_of, scheme_of
from tsal.detectors import check_precision, checkpoints, parallel
from tsal.detectors.predict import LandmarkDetector, create_network, load_detector, predict_store
from tsal.errors import InputError
from tsal.files import sha256
from tsal.flow.storage import open_flow
from tsal.settings.code import training_code
from tsal.settings.models import SAVE_EVERY, Settings
from tsal.training.batches import TrainingData
from tsal.training.flops import counted
from tsal.training.machine import be_deterministic, log_machine, reuse_memory
from tsal.training.method import Method
from tsal.training.processes import locked_by_first
from tsal.training.run import STATE, Run, make_optimizer

WARM_UP = {"raw": "raw", "averaged": "averaged"}  # the networks of the warm-up
MOST_MEASURED = 1000  # validation faces; of more, every second, third, ...


@counted
def train_warm_up(
    warm_up: Callable[[Run, TrainingData, int, int], None],
    settings: Settings,
    crops: Path,
    out: Path,
    log: Path,
    seed: int,
    threads: int | None,
    device: torch.device,
    pretrained: Path | None = None,
    save_every: float = SAVE_EVERY,
) -> None:
    """Supervised warm-up; `out` is a state that every method goes on from.

    Args:
        warm_up: trains the networks of WARM_UP over steps start to stop.
        pretrained: checkpoint of a detector to start from, instead of random (or ImageNet) weights.
        save_every: seconds between two saved states of the run, from which it goes on when it was ended.

    Raises:
        InputError: unusable inputs; the pretrained detector is another one than the settings'.
    """
    be_deterministic(seed, threads)
    machine = log_machine(device, settings.training.precision)
    data = TrainingData(settings, open_crops(crops, "train"), None, seed, device)
    run = _new_run(settings, WARM_UP, device, f"warm-up, seed {seed}")
    run.machine, run.save_every, run.batch = machine, save_every, data.last_batch
    if pretrained is not None:
        _start_from(pretrained, settings, run)
    inputs = _crops(crops) if pretrained is None else [*_crops(crops), pretrained]
    run.state_path, run.identity = _partial(out), _identity(settings, seed, *inputs)
    run.measure = Measurements(data, open_crops(crops, "validation"))
    steps = settings.training.warmup_steps
    with locked_by_first(out):
        warm_up(run, data, 0, steps)
        if parallel.is_first():
            run.save(out, steps, _origin(settings, seed))
            run.end(log)


@counted
def train_method(
    method: Method,
    settings: Settings,
    warmup: Path,
    crops: Path,
    pool: Path | None,
    flow: Path | None,
    flow_network: Path | None,
    out: Path,
    log: Path,
    seed: int,
    threads: int | None,
    device: torch.device,
    save_every: float = SAVE_EVERY,
) -> None:
    """Train a method from the warm-up; `out` is the checkpoint of the network that it ships.

    Args:
        method: that of settings.algorithm.
        pool: folder of the crops whose training split is unlabelled, None for `crops`.
        flow: of the unlabelled frames, where the method tracks.
        flow_network: of the tracker, where the method adapts it.
        save_every: seconds between two saved states of the run, from which it goes on when it was ended.

    Raises:
        InputError: settings that do not fit the method, unusable inputs, or a warm-up made with other settings.
    """
    if problems := [f"{key}: {text}" for key, text in method.check(settings)]:
        raise InputError("\n".join(f"{settings.method}: {problem}" for problem in problems))
    be_deterministic(seed, threads)
    machine = log_machine(device, settings.training.precision)
    store = open_crops(crops, "train")
    other = open_crops(pool, "train") if pool else None
    data = TrainingData(settings, store, open_flow(flow, other or store) if flow else None, seed, device, other)
    run = _new_run(settings, method.networks, device, f"{settings.method}, labels {settings.labels}, seed {seed}")
    run.measure = Measurements(data, open_crops(crops, "validation"), method)
    first, steps = settings.training.warmup_steps, settings.training.steps
    _check_warm_up(warmup, settings, seed)
    if run.load(warmup, dict(method.networks)) != first:
        raise InputError(f"{warmup}: found a warm-up of another length, expected {first} steps; delete it")
    if method.prepare is not None:
        method.prepare(run, data, flow_network)
    run.machine, run.save_every, run.state_path = machine, save_every, _partial(out)
    run.batch = data.last_batch
    others = [path for path in (pool and pool / "train.json", flow, flow_network) if path]
    run.identity = _identity(settings, seed, *_crops(crops), warmup, *others)
    with locked_by_first(out):
        shipped = run.networks[method.train(run, data, first, first + steps)]
        if parallel.is_first():
            mirror_shift = mirror_shift_of(data.scheme, settings.training.augmentation)
            detector = LandmarkDetector(shipped, settings.detector, data.scheme, mirror_shift)
            about = {"benchmark": settings.benchmark, "method": settings.method}
            detector.save(out, **about, labels=str(settings.labels), seed=str(seed))
            run.end(log)


def _origin(settings: Settings, seed: int) -> dict[str, Any]:
    """What a warm-up shares with the runs that start from it."""
    origin = {"benchmark": settings.benchmark, "labels": settings.labels, "seed": seed}
    return origin | {"scheme": as_setting(scheme_of(settings.scheme)), "detector": settings.detector.model_dump()}


def _check_warm_up(path: Path, settings: Settings, seed: int) -> None:
    found, expected = checkpoints.read_about(path, STATE), json.loads(json.dumps(_origin(settings, seed)))
    for key, value in expected.items():
        if found.get(key) != value:
            raise InputError(
                f"{path}: found a warm-up with {key} {found.get(key, 'unknown')}, expected {value}: name that of this "
                "run, or train it anew"
            )


def _start_from(checkpoint: Path, settings: Settings, run: Run) -> None:
    """Give all networks of a run the weights of a checkpoint."""
    start, scheme = load_detector(checkpoint, run.device), scheme_of(settings.scheme)
    found, expected = start.settings.architecture, settings.detector.architecture
    if found != expected or not start.scheme.same_points(scheme):
        raise InputError(
            f"{checkpoint}: found a detector of {start.scheme.name} landmarks with {found}; to start from it, "
            f"expected {scheme.name} landmarks and {expected}"
        )
    for network in run.networks.values():
        network.load_state_dict(start.network.state_dict())


def _partial(out: Path) -> Path:
    """Where a run keeps the state it resumes from, until `out` is there."""
    return out.with_name(out.name + ".partial")


def _crops(folder: Path) -> list[Path]:
    """What is learned from, and what is measured on."""
    return [folder / "train.json", folder / "validation.json"]


def _identity(settings: Settings, seed: int, *inputs: Path) -> str:
    """A digest of what a run is made of: the code, its settings and seed, and the content of its inputs."""
    parts = [training_code(), repr(settings), str(seed), *(sha256(path) for path in inputs)]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _new_run(settings: Settings, starts: Mapping[str, str], device: torch.device, label: str) -> Run:
    check_precision(settings.training.precision, device)
    reuse_memory()
    n_points = scheme_of(settings.scheme).n_points
    first = create_network(settings.detector, n_points, settings.training.precision).to(device)
    networks = {name: copy.deepcopy(first) for name in starts}
    optimizers = {
        name: make_optimizer(network, settings.training.optimizer)
        for name, network in networks.items()
        if starts[name] == "raw"  # what starts from an average goes on as one
    }
    return Run(settings.training, networks, optimizers, device, label)


class Measurements:
    """What is measured during training: every network on validation people, and what its method measures besides."""

    def __init__(self, data: TrainingData, validation: CropStore, method: Method | None = None) -> None:
        self.data = data
        self.validation = validation
        self.method = method
        measurable = data.measurable(validation)
        self.rows = measurable[:: max(1, len(measurable) // MOST_MEASURED)]

    def __call__(self, run: Run) -> dict[str, float]:
        figures = {}
        if len(self.rows):
            figures = {f"val_nme_{name}": self._on_validation(network) for name, network in run.networks.items()}
        if self.method is not None and self.method.measure is not None:
            figures |= self.method.measure(run, self.data)
        return {name: round(value, 4) for name, value in figures.items()}

    def _on_validation(self, network: torch.nn.Module) -> float:
        settings = self.data.settings
        detector = LandmarkDetector(network, settings.detector, self.data.scheme)
        found = predict_store(detector, self.validation, self.rows, self.data.device)
        return self.data.error(self.validation, self.rows, found)

"""Training as a function of its inputs: settings, crops, flow and a seed go in; a checkpoint and a log come out."""

import copy
import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from tsal.data.cropping import apply_affine
from tsal.data.crops import CropStore, open_crops
from tsal.data.landmarks import SCHEMES
from tsal.detectors import Detector
from tsal.detectors.predict import LandmarkDetector, create_network, load_detector, predict_store
from tsal.errors import InputError
from tsal.evaluation.metrics import nme
from tsal.files import sha256
from tsal.flow.pwc import load_network
from tsal.flow.storage import open_flow
from tsal.methods import flow_adaptation as adaptation
from tsal.methods.mean_teacher import mean_teacher
from tsal.methods.memory import Memory
from tsal.methods.sbr import sbr
from tsal.methods.self_training import self_training
from tsal.methods.signals import Signal, observe
from tsal.methods.stld import stld
from tsal.methods.supervised import supervised
from tsal.methods.tsal import fuse_sources, learn_asynchronously, seen_sources, warm_up
from tsal.settings.models import Settings
from tsal.training.batches import TrainingData
from tsal.training.flops import counted
from tsal.training.run import Run, be_deterministic, make_optimizer


def train_tsal(run: Run, data: TrainingData, start: int, stop: int) -> str:
    """TSAL; the teacher is what is evaluated and shipped."""
    learn_asynchronously(run, data, start, stop)
    return "teacher"


# algorithm -> networks (each starts from a network of the warm-up), and the function that trains them and names
# the one to ship.
Algorithm = Callable[[Run, TrainingData, int, int], str]
ALGORITHMS: dict[str, tuple[dict[str, str], Algorithm]] = {
    "supervised": ({"raw": "raw", "averaged": "averaged"}, supervised),
    "self_training": ({"raw": "raw", "averaged": "averaged", "labeller": "averaged"}, self_training),
    "mean_teacher": ({"student": "raw", "teacher": "averaged"}, mean_teacher),
    "sbr": ({"raw": "raw", "averaged": "averaged"}, sbr),
    "stld": ({"raw": "raw", "averaged": "averaged", "labeller": "averaged"}, stld),
    "tsal": ({"student": "raw", "teacher": "raw"}, train_tsal),
}
MOST_MEASURED = 1000  # validation faces; of more, every second, third, ...


@counted
def train_warm_up(
    settings: Settings,
    crops: Path,
    out: Path,
    log: Path,
    seed: int,
    threads: int | None,
    device: torch.device,
    pretrained: Path | None = None,
) -> None:
    """Supervised warm-up; `out` is a state that every method goes on from.

    Args:
        pretrained: checkpoint of a detector to start from, instead of random (or ImageNet) weights.

    Raises:
        InputError: unusable inputs; the pretrained detector is another one than the settings'.
    """
    be_deterministic(seed, threads)
    data = TrainingData(settings, open_crops(crops, "train"), None, seed, device)
    run = _new_run(settings, {"raw": "raw", "averaged": "averaged"}, device, f"warm-up, seed {seed}")
    if pretrained is not None:
        _start_from(pretrained, settings, run)
    start = [] if pretrained is None else [pretrained]
    run.state_path, run.identity = _partial(out), _identity(settings, seed, crops / "train.npz", *start)
    run.measure = Measurements(data, open_crops(crops, "validation"))
    steps = settings.training.warmup_steps
    warm_up(run, data, 0, steps)
    run.save(out, steps)
    run.write_log(log)
    run.state_path.unlink(missing_ok=True)


@counted
def train_method(
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
) -> None:
    """Train a method from the warm-up; `out` is the checkpoint of the network that it ships.

    Args:
        pool: folder of the crops whose training split is unlabelled, None for `crops`.
        flow: of the unlabelled frames, where the method tracks.
        flow_network: of the tracker, where the method adapts it.

    Raises:
        InputError: unknown algorithm, unusable inputs, or a warm-up made with other settings.
    """
    be_deterministic(seed, threads)
    if settings.algorithm not in ALGORITHMS:
        raise InputError(f"method {settings.algorithm!r} is not known; known: {', '.join(ALGORITHMS)}")
    starts, algorithm = ALGORITHMS[settings.algorithm]
    store = open_crops(crops, "train")
    other = open_crops(pool, "train") if pool else None
    data = TrainingData(settings, store, open_flow(flow, other or store) if flow else None, seed, device, other)
    run = _new_run(settings, starts, device, f"{settings.method}, labels {settings.labels}, seed {seed}")
    run.measure = Measurements(data, open_crops(crops, "validation"))
    first, steps = settings.training.warmup_steps, settings.training.steps
    if run.load(warmup, starts) != first:
        raise InputError(f"{warmup}: found a warm-up of another length, expected {first} steps; delete it")
    if settings.algorithm == "tsal" and settings.tsal.adapt_flow:
        _add_flow_networks(run, flow_network, settings)
    if settings.algorithm == "tsal" and "tracks" in settings.tsal.sources:
        run.networks["memory"] = Memory(data)
    run.log, run.seconds, run.state_path = [], 0.0, _partial(out)
    others = [path for path in (pool and pool / "train.npz", flow_network) if path]
    run.identity = _identity(settings, seed, crops / "train.npz", warmup, *others)
    shipped = run.networks[algorithm(run, data, first, first + steps)]
    detector = LandmarkDetector(shipped, settings.detector, data.scheme)
    about = {"benchmark": settings.benchmark, "method": settings.method}
    detector.save(out, **about, labels=str(settings.labels), seed=str(seed))
    run.write_log(log)
    run.state_path.unlink(missing_ok=True)


def _add_flow_networks(run: Run, path: Path | None, settings: Settings) -> None:
    """Give student and teacher a flow network each, with an optimiser."""
    if path is None:
        raise InputError(f"{settings.method}: adapt_flow needs the tracker's network; expected --flow-network FILE")
    schedule = settings.training.optimizer
    for name in ("student_flow", "teacher_flow"):
        run.networks[name] = load_network(path).to(run.device)
        run.optimizers[name] = make_optimizer(run.networks[name], replace(schedule, name="adamw"))
        for group in run.optimizers[name].param_groups:
            group["rate"] = adaptation.RATE / schedule.learning_rate


def _start_from(checkpoint: Path, settings: Settings, run: Run) -> None:
    """Give all networks of a run the weights of a checkpoint."""
    start = load_detector(checkpoint, run.device)
    same = replace(start.settings, weights=settings.detector.weights) == settings.detector
    if not same or start.scheme.name != settings.scheme:
        raise InputError(
            f"{checkpoint}: found a detector of {start.scheme.name} landmarks with {start.settings}; to start from it, "
            f"expected {settings.scheme} landmarks and {settings.detector}"
        )
    for network in run.networks.values():
        network.load_state_dict(start.network.state_dict())


def _partial(out: Path) -> Path:
    """Where a run keeps the state it resumes from, until `out` is there."""
    return out.with_name(out.name + ".partial")


def _identity(settings: Settings, seed: int, *inputs: Path) -> str:
    """A digest of what a run is made of."""
    parts = [repr(settings), str(seed), *(sha256(path) for path in inputs)]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _new_run(settings: Settings, starts: dict[str, str], device: torch.device, label: str) -> Run:
    first = create_network(settings.detector, SCHEMES[settings.scheme], settings.training.precision).to(device)
    networks = {name: copy.deepcopy(first) for name in starts}
    optimizers = {
        name: make_optimizer(network, settings.training.optimizer)
        for name, network in networks.items()
        if starts[name] == "raw"  # what starts from an average goes on as one
    }
    return Run(settings.training, networks, optimizers, device, label)


class Measurements:
    """What is measured during training: the networks on validation people, the signals on the probe.

    The truth of the probe's frames is used here alone, for the figure of the signals' noise; nothing is chosen by it.
    """

    def __init__(self, data: TrainingData, validation: CropStore) -> None:
        self.data = data
        self.validation = validation
        annotated = np.flatnonzero(validation.visible.any(1))
        self.rows = annotated[:: max(1, len(annotated) // MOST_MEASURED)]

    def __call__(self, run: Run) -> dict[str, float]:
        figures = {}
        if len(self.rows):
            detectors = {name: network for name, network in run.networks.items() if isinstance(network, Detector)}
            detectors.pop("labeller", None)  # it was measured when it was the averaged network
            figures = {f"val_nme_{name}": self._on_validation(network) for name, network in detectors.items()}
        has_sources = self.data.settings.algorithm == "tsal" and "student" in run.networks  # not in the warm-up
        if has_sources and len(self.data.probe):
            figures |= self._noise(run)
        return {name: round(value, 4) for name, value in figures.items()}

    def _on_validation(self, network: torch.nn.Module) -> float:
        settings = self.data.settings
        detector = LandmarkDetector(network, settings.detector, self.data.scheme)
        found = predict_store(detector, self.validation, self.rows, self.data.device)
        return self._error(self.validation, self.rows, found)

    def _noise(self, run: Run) -> dict[str, float]:
        """Error of each signal, of their fusion and of the teacher on the probe, on the landmarks that it knows of.

        Left out: a signal that knows of none, as tracking among still images.
        """
        method, store, rows = self.data.settings.tsal, self.data.unlabelled, self.data.probe
        observer, scheme = run.networks[method.observer], self.data.scheme
        wanted = tuple(dict.fromkeys(("detection", *seen_sources(self.data))))
        signals, _ = observe(observer, self.data.probe_frames, wanted, scheme, store.input_px)
        teacher = signals
        if method.observer != "teacher":
            teacher, _ = observe(
                run.networks["teacher"], self.data.probe_frames, ("detection",), scheme, store.input_px
            )
        fused, in_it = fuse_sources(run, self.data, rows, {name: signals[name] for name in seen_sources(self.data)})
        signals = signals | in_it | {"fused": fused, "teacher": teacher["detection"]}
        errors = {name: self._signal_error(signal, store, rows) for name, signal in signals.items()}
        return {f"noise_{name}": error for name, error in errors.items() if error is not None}

    def _signal_error(self, signal: Signal, store: CropStore, rows: np.ndarray) -> float | None:
        counted = store.visible[rows] & signal.variance.isfinite().cpu().numpy()
        told = counted.any(1)
        if not told.any():
            return None
        points = apply_affine(store.to_image[rows[told]], signal.points.double().cpu().numpy()[told])
        return self._error(store, rows[told], points, counted[told])

    def _error(self, store: CropStore, rows: np.ndarray, found: np.ndarray, counted: np.ndarray | None = None) -> float:
        """NME in % by the scheme's first normaliser, over the visible landmarks or those that count."""
        truth = apply_affine(store.to_image[rows], store.points[rows].astype(np.float64))
        normaliser = next(iter(self.data.scheme.normalisers.values()))
        visible = store.visible[rows] if counted is None else counted
        return float(nme(found, truth, visible, normaliser(truth, store.box[rows])).mean())

"""A run in progress: networks, optimisers, what is measured, and the state from which a killed run resumes."""

import logging
import math
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, NoReturn

import pandas as pd
import torch
import yaml
from torch import Tensor, nn

from tsal.detectors import Detector, checkpoints, parallel
from tsal.errors import InputError
from tsal.files import atomic_path
from tsal.progress import Progress
from tsal.settings.models import SAVE_EVERY, OptimizerSettings, TrainingSettings
from tsal.training.divergence import Guard
from tsal.training.interruption import Interruption

logger = logging.getLogger(__name__)
STATE = "tsal training state, version 3"
BATCH = "tsal batch, version 1"
DIVERGED = "diverged_batch.safetensors"  # beside the state
LARGEST_LOSS = 1e9
LOG_EVERY = 10
MOST_SAVING = 0.05  # share of the time that saving may take: a state that takes long to write is saved less often


def parameter_groups(network: Detector, settings: OptimizerSettings) -> list[dict]:
    """Weights and biases, of the heatmap head and of the rest: no decay on vectors, rates as multiples of the base."""
    groups: dict[tuple[bool, bool], list[Tensor]] = {}
    for name, parameter in network.named_parameters():
        groups.setdefault((parameter.ndim <= 1, name.startswith("heatmap_head.")), []).append(parameter)
    return [
        {
            "params": parameters,
            "weight_decay": 0.0 if vector else settings.weight_decay,
            "rate": (settings.bias_rate if vector else 1.0) * (settings.heatmap_rate if heatmap else 1.0),
        }
        for (vector, heatmap), parameters in sorted(groups.items())
    ]


def make_optimizer(network: Detector, settings: OptimizerSettings) -> torch.optim.Optimizer:
    groups = parameter_groups(network, settings)
    if settings.name == "sgd":
        # Fused on a GPU, where only fused optimisers leave a step out without being waited for.
        fused = next(network.parameters()).is_cuda
        return torch.optim.SGD(groups, settings.learning_rate, settings.momentum, nesterov=True, fused=fused)
    return torch.optim.AdamW(groups, settings.learning_rate, fused=True)


def learning_rate(settings: OptimizerSettings, step: int, total: int, warmup: int = 0) -> float:
    """Base learning rate of a step of `total`, the first `warmup` of which are the warm-up.

    Linear growth, then half a cosine to 0; or, as in the release, halving at 60, 73 and 87 % of what follows the
    warm-up.
    """
    grown = min(1.0, (step + 1) / settings.linear_steps) if settings.linear_steps else 1.0
    if settings.schedule == "halving":
        done = (step - warmup) / max(total - warmup, 1)
        shape = 0.5 ** sum(done >= share for share in (90 / 150, 110 / 150, 130 / 150))
    else:
        shape = 0.5 * (1 + math.cos(math.pi * step / total))
    return settings.learning_rate * grown * shape


@dataclass
class Run:
    """Detectors by name, each with its optimiser, and what has been measured so far.

    networks: the detectors; all of them are measured on validation people.
    parts: what else a method keeps, such as flow networks or the memory of targets; saved and resumed like networks.
    measure: called every `evaluate_every` steps, returns figures for the log by name.
    batch: returns what the last step learned from, for who looks into a training that diverged.
    machine: what computes it, see tsal.training.machine.describe.
    machines: all that have computed it, each with `from_step`.
    state_path: where the resumable state is kept while the run goes on: saved every `save_every` seconds, after the
        last step, and before a signal ends the process.
    identity: what the run is made of (a digest of settings and inputs); a state of another run is not resumed.
    """

    training: TrainingSettings
    networks: dict[str, Detector]
    optimizers: dict[str, torch.optim.Optimizer]
    device: torch.device
    label: str
    state_path: Path | None = None
    save_every: float = SAVE_EVERY
    identity: str = ""
    measure: "Callable[[Run], dict[str, float]] | None" = None
    batch: Callable[[], dict[str, Tensor]] | None = None
    parts: dict[str, nn.Module] = field(default_factory=dict)
    machine: dict[str, str | int] = field(default_factory=dict)
    log: list[dict] = field(default_factory=list)
    seconds: float = 0.0
    machines: list[dict] = field(default_factory=list)
    _progress: Progress | None = None
    _interruption: Interruption = field(default_factory=Interruption)
    _unmeasured: dict | None = None
    _resumed_at: float = 0.0
    _saved_at: float = 0.0
    _saving: float = 0.0
    _stop: int = 0
    _skipped: int = 0

    @property
    def _modules(self) -> dict[str, nn.Module]:
        return self.networks | self.parts

    @cached_property
    def _guard(self) -> Guard:
        return Guard(self.optimizers, self._modules, self._skipped)

    @property
    def total(self) -> int:
        return self.training.warmup_steps + self.training.steps

    def steps(self, start: int, stop: int) -> Iterator[int]:
        """Yield the numbers of the steps still to do, resuming after the last saved state."""
        done = self._restore()
        parallel.take_from_first(self._modules.values())
        if not self.machines or {**self.machine, "from_step": 0} != {**self.machines[-1], "from_step": 0}:
            self.machines.append({"from_step": max(start, done), **self.machine})
        for module in self._modules.values():
            module.train()
        self._saved_at = time.monotonic()
        self._resumed_at = self._saved_at - self.seconds
        self._stop = stop
        first, quiet = max(done - start, 0), not parallel.is_first()
        with (
            self._interruption,
            Progress(stop - start, self.label, "step", initial=first, quiet=quiet) as self._progress,
        ):
            if self._unmeasured is not None:
                self._log(done, self._unmeasured)
            for step in range(max(start, done), stop):
                self._guard.remember()
                yield step

    def optimizer_step(self, name: str, loss: Tensor, step: int, multiple: float = 1.0) -> None:
        """One optimiser step of one network, at a multiple of the schedule's learning rate; none, but counted, where
        loss or gradient are not finite.
        """
        optimizer = self.optimizers[name]
        rate = multiple * learning_rate(self.training.optimizer, step, self.total, self.training.warmup_steps)
        for group in optimizer.param_groups:
            group["lr"] = rate * group["rate"]
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        parallel.average_gradients(parameter for group in optimizer.param_groups for parameter in group["params"])
        self._guard.step(name, optimizer, loss)

    def finish_step(self, step: int, **figures: Tensor | float) -> None:
        """Log, measure and save at the end of a step (numbered from 0; `iteration` counts finished ones).

        Raises:
            InputError: the training diverges.
            KeyboardInterrupt: a signal asked for the end; the state is saved.
        """
        done = step + 1
        self.seconds = time.monotonic() - self._resumed_at
        last = done == self._stop
        if done % LOG_EVERY == 0 or self._is_time_to_measure(done):
            figures = {name: float(torch.as_tensor(value).detach()) for name, value in figures.items()}
            if complaint := self._guard.complaint(done):
                self._diverged(done, complaint)
            if last and not abs(figures["loss"]) <= LARGEST_LOSS:
                self._diverged(done, f"the loss is {figures['loss']:g}")
            if skipped := self._guard.skipped:
                figures["skipped"] = skipped
            rate = learning_rate(self.training.optimizer, step, self.total, self.training.warmup_steps)
            self._log(done, {"iteration": done, "seconds": round(self.seconds, 1), "learning_rate": rate, **figures})
        self._progress.update(1)
        asked = parallel.any_says(self._interruption.asked is not None)
        saves = self.state_path is not None and (asked or self._is_time_to_save())
        if (last or saves) and (reason := checkpoints.implausible(self._tensors())):
            self._diverged(done, reason)
        if self.state_path is not None and (last or saves):
            self._save_state(done)
        if asked:
            raise KeyboardInterrupt(self._interruption.asked or signal.SIGTERM)  # another process was told

    def _diverged(self, done: int, complaint: str) -> NoReturn:
        """End the run; its last state, before it diverged, and the batch of the last step stay."""
        kept = ""
        if self.batch is not None and self.state_path is not None and parallel.is_first():
            path = self.state_path.with_name(DIVERGED)
            batch = {f"{checkpoints.DATA}{name}": value for name, value in self.batch().items()}
            checkpoints.save(path, BATCH, batch, {"done": done})
            kept = f" (the batch of this step is in {path})"
        raise InputError(f"{self.label}: at step {done}, {complaint}{kept}; lower training.optimizer.learning_rate")

    def _log(self, done: int, row: dict) -> None:
        """Add a row to the log, with what is measured at its step. Interrupted, the resumed run measures first."""
        if self.measure is not None and self._is_time_to_measure(done):
            try:
                with self._interruption.at_once():
                    row = row | self.measure(self)
            except KeyboardInterrupt:
                self._unmeasured = row
                if self.state_path is not None:
                    self._save_state(done)
                raise
        self._unmeasured = None
        self.log.append(row)
        self._progress.figures |= {k: v for k, v in row.items() if k == "loss" or k.startswith("val_nme_")}

    def _is_time_to_measure(self, done: int) -> bool:
        return done % self.training.evaluate_every == 0 or done == self._stop

    def _is_time_to_save(self) -> bool:
        return time.monotonic() - self._saved_at >= max(self.save_every, self._saving / MOST_SAVING)

    def _save_state(self, done: int) -> None:
        """Save what all processes of the run hold alike; a state does not depend on their number."""
        if not parallel.is_first():
            return
        start = time.monotonic()
        progress = {"identity": self.identity, "seconds": self.seconds, "log": self.log, "machines": self.machines}
        progress |= {"unmeasured": self._unmeasured, "skipped": self._guard.skipped}
        self.save(self.state_path, done, progress)
        self._saved_at = time.monotonic()
        self._saving = self._saved_at - start

    def save(self, path: Path, done: int, progress: dict | None = None) -> None:
        """Write all that training goes on from: weights, optimisers, number of finished steps.

        Args:
            progress: what is known of the run besides, while it goes on. Seconds and machine are no part of what a
                finished warm-up is: made again, it is the same file.
        """
        checkpoints.save(path, STATE, self._tensors(), {"done": done} | (progress or {}))

    def _tensors(self) -> dict[str, Tensor]:
        """Weights, optimisers and what else is kept, by their names in a file."""
        tensors = {
            f"{self._prefix(name)}{key}": value
            for name, module in self._modules.items()
            for key, value in module.state_dict().items()
        }
        for name, optimizer in self.optimizers.items():
            for index, state in optimizer.state_dict()["state"].items():
                for key, value in state.items():
                    tensors[f"{checkpoints.OPTIMIZER}{name}/{index}/{key}"] = torch.as_tensor(value)
        return tensors

    def _prefix(self, name: str, saved: str | None = None) -> str:
        """Of the names of a module's tensors in a file: what has no parameters holds no weights, but data."""
        has_weights = any(True for _ in self._modules[name].parameters())
        return f"{'network/' if has_weights else checkpoints.DATA}{saved or name}/"

    def load(self, path: Path, names: dict[str, str] | None = None) -> int:
        """Read a saved state into the networks; returns the number of finished steps.

        Args:
            names: run's network -> saved network whose weights and optimiser it takes; default: the same names.

        Raises:
            InputError: the file is not such a state.
        """
        names = names or {name: name for name in self._modules}
        tensors, run = self._read(path)
        try:
            for name, saved in names.items():
                self._modules[name].load_state_dict(_under(tensors, self._prefix(name, saved)))
                self._load_optimizer(name, _under(tensors, f"{checkpoints.OPTIMIZER}{saved}/"))
        except (RuntimeError, ValueError, IndexError) as error:
            reason = str(error).splitlines()[0]
            raise InputError(
                f"{path}: does not fit this run ({reason}); expected its state. Delete the file to begin again"
            ) from error
        self.log, self.seconds, self.machines = run.get("log", []), run.get("seconds", 0.0), run.get("machines", [])
        self._unmeasured = run.get("unmeasured")
        self._skipped = run.get("skipped", 0)
        return run["done"]

    def _read(self, path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Tensors of a state, and what it says of itself, which is what `save` writes.

        Raises:
            InputError: it is not.
        """
        with _or_begin_again():
            tensors, about = checkpoints.read(path, STATE)
        kinds = {"done": int, "skipped": int, "seconds": (int, float), "log": list, "machines": list}
        kinds |= {"unmeasured": (dict, type(None))}
        wrong = [key for key, kind in kinds.items() if key in about and not isinstance(about[key], kind)]
        rows = [key for key in ("log", "machines") if key not in wrong]
        wrong += [key for key in rows if not all(isinstance(row, dict) for row in about.get(key, []))]
        if "done" not in wrong and not 0 <= about.get("done", -1) <= self.total:
            wrong.append("done")
        if wrong:
            raise InputError(
                f"{path}: damaged: its {wrong[0]} is {str(about.get(wrong[0]))[:80]}, which no run of {self.total} "
                "steps writes. Delete it to begin again"
            )
        return tensors, about

    def _load_optimizer(self, name: str, tensors: dict[str, Tensor]) -> None:
        if name not in self.optimizers or not tensors:
            return
        optimizer = self.optimizers[name]
        parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
        state: dict[int, dict[str, Tensor]] = {}
        for key, value in tensors.items():
            index, field_name = key.split("/")
            # A copy, since teacher and student may go on from one state; in the memory layout of the parameter,
            # since fused optimisers walk through both as they lie in memory.
            parameter = parameters[int(index)]
            own = torch.empty_like(parameter) if value.shape == parameter.shape else torch.empty_like(value)
            state.setdefault(int(index), {})[field_name] = own.detach().copy_(value)
        optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})

    def _restore(self) -> int:
        if self.state_path is None or not self.state_path.exists():
            return 0
        with _or_begin_again():
            about = checkpoints.read_about(self.state_path, STATE)
        if about.get("identity") != self.identity:
            logger.info("%s: left by a run of other settings, inputs or code; beginning again", self.state_path)
            return 0
        return self.load(self.state_path)

    def end(self, log: Path) -> None:
        """Write log.csv, where a figure that was not measured at a step leaves its cell empty, and beside it
        machine.yaml, with what the run was computed by; remove the state.
        """
        with atomic_path(log) as temporary:
            pd.DataFrame(self.log or {"iteration": []}).to_csv(temporary, index=False, float_format="%.6g")
        with atomic_path(log.with_name("machine.yaml")) as temporary:
            temporary.write_text(yaml.safe_dump(self.machines, sort_keys=False), encoding="utf-8")
        if self.state_path is not None:
            self.state_path.unlink(missing_ok=True)


@contextmanager
def _or_begin_again() -> Iterator[None]:
    """What to do about a state that is damaged."""
    try:
        yield
    except InputError as error:
        raise InputError(f"{error}. Delete it to begin again") from error


def _under(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {key[len(prefix) :]: value for key, value in tensors.items() if key.startswith(prefix)}

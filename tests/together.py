"""Several processes that train together, for tests: they live as long as the module that uses them, and are given one
task after another. Each task is a function of this module; `alone` is the same task in the test's own process.
"""

import contextlib
import multiprocessing
import traceback
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any
from unittest import mock

import torch
import torch.distributed as dist
from torch import Tensor, nn
from trainings import train_method, train_warm_up

from tsal import methods
from tsal.data.landmarks import scheme_of
from tsal.detectors import parallel
from tsal.detectors.compact import compact
from tsal.detectors.parallel import SharedBatchNorm
from tsal.flow.pwc import FlowNetwork
from tsal.methods.flow_adaptation import adaptation_loss
from tsal.training import run as training_run
from tsal.training import train

CPU = torch.device("cpu")


class Together:
    """`run(task, ...)` has every process run a task, and returns what each returns, by rank."""

    def __init__(self, processes: int, folder: Path) -> None:
        context = multiprocessing.get_context("spawn")
        self.ends, self.processes = [], []
        for rank in range(processes):
            end, other = context.Pipe()
            process = context.Process(target=_serve, args=(other, rank, processes, f"file://{folder}/store"))
            process.start()
            self.ends.append(end)
            self.processes.append(process)

    def run(self, task: Callable, *arguments: Any, **options: Any) -> list[Any]:
        for end in self.ends:
            end.send((task.__name__, arguments, options))
        answers = [end.recv() for end in self.ends]
        errors = [error for error, _ in answers if error]
        assert not errors, "\n".join(errors)
        return [answer for _, answer in answers]

    def close(self) -> None:
        for process in self.processes:
            process.kill()
            process.join()


@contextlib.contextmanager
def together(processes: int, folder: Path) -> Iterator[Together]:
    group = Together(processes, folder)
    try:
        yield group
    finally:
        group.close()


def _serve(end: Connection, rank: int, processes: int, store: str) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=store, rank=rank, world_size=processes)
    with contextlib.suppress(EOFError):
        while True:
            name, arguments, options = end.recv()
            try:
                end.send((None, globals()[name](*arguments, **options)))
            except Exception:
                end.send((traceback.format_exc(), None))


# --- tasks ---


class _Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1, 3, 1, 1))
        self.layers = nn.Sequential(
            nn.Conv2d(3, 8, 3), SharedBatchNorm(8), nn.ReLU(), nn.Conv2d(8, 8, 3), SharedBatchNorm(8)
        )


def passes(images: int) -> dict[str, Tensor]:
    """Loss, gradients and buffers of a pass in float64, with a parameter that acts within and beyond the network."""
    torch.manual_seed(0)
    net = _Net().double()
    x, wanted = torch.randn(images, 3, 8, 8).double(), torch.randn(images, 8, 4, 4).double()
    scaled = x * net.scale
    (found,) = parallel.gather([net.layers(parallel.own_share(scaled))], images)
    loss = (found - wanted).square().mean() + scaled.square().mean() + net.scale.pow(3).sum()
    loss.backward()
    parallel.average_gradients(net.parameters())
    gradients = {name: parameter.grad for name, parameter in net.named_parameters()}
    return {"loss": loss.detach(), "found": found.detach(), **gradients, **dict(net.named_buffers())}


def says(yes_in: int | None) -> bool:
    return parallel.any_says(parallel.rank() == yes_in)


def takes_from_first() -> dict[str, Tensor]:
    torch.manual_seed(parallel.rank())
    network = compact(5, width=8).to(memory_format=torch.channels_last)
    parallel.take_from_first([network])
    return dict(network.state_dict())


def buckets(most: int) -> list[Tensor]:
    """Mean gradients rank + 1 of parameters of many sizes, one of them without a gradient."""
    parameters = [nn.Parameter(torch.zeros(size)) for size in (3, 5, 1, 7)] + [nn.Parameter(torch.zeros(2))]
    for parameter in parameters[:-1]:
        parameter.grad = torch.full_like(parameter, parallel.rank() + 1.0)
    with mock.patch.object(parallel, "BUCKET", most):
        parallel.average_gradients(parameters)
    return [parameter.grad for parameter in parameters]


def adapts_flow() -> dict[str, Tensor]:
    """Gradients of a flow network whose flow goes on, through the detector, to the loss of adaptation."""
    torch.manual_seed(0)
    network, detector = FlowNetwork("float32"), compact(68, width=8).eval()
    images = torch.randint(256, (2, 3, 32, 32, 3), dtype=torch.uint8)
    tracked = torch.tensor([True, False, True])  # so that shares of the frames and of those that are tracked differ
    loss = adaptation_loss(network, detector, *images, tracked, scheme_of("68"), 32, smoothness=0.0)
    loss.backward()
    parallel.average_gradients(network.parameters())
    return {"loss": loss.detach()} | {name: parameter.grad for name, parameter in network.named_parameters()}


def trains(
    folder: Path,
    inputs: dict[str, Path],
    settings: Path,
    end_in: int | None = None,
    nudge: int | None = None,
    asked_in: tuple[int, int] | None = None,
) -> dict[str, Any]:
    """Train a run; returns the loss of every step, the log, and the tensors that the run held
    when it started and in the end.

    Args:
        inputs: crops, and, for a method, warmup and flow; without warmup this is a warm-up.
        end_in: number of the step in which it is killed; it was saved after the one before.
        asked_in: rank and step in which one process gets the signal to end.
        nudge: seed by which every weight that it starts from is moved up or down by a unit in the last place.
    """
    made: list[training_run.Run] = []
    losses: dict[int, float] = {}
    started: dict[str, Tensor] = {}
    new, finish = train._new_run, training_run.Run.finish_step

    def new_run(*rest):
        made.append(new(*rest))
        return made[-1]

    def finish_step(self, step, **figures):
        if step == end_in:
            raise KeyboardInterrupt
        if (parallel.rank(), step) == asked_in:
            self._interruption.asked = True
        losses[step] = float(figures["loss"].detach())
        finish(self, step, **figures)

    restore = training_run.Run._restore

    def restored(self):
        done = restore(self)
        started.update(_tensors(self))
        if nudge is not None:
            _nudge(self, torch.Generator().manual_seed(nudge))
        return done

    values = methods.read_settings(settings)
    with (
        mock.patch.object(train, "_new_run", new_run),
        mock.patch.object(training_run.Run, "finish_step", finish_step),
        mock.patch.object(training_run.Run, "_restore", restored),
        mock.patch.object(training_run.Run, "_is_time_to_save", lambda self: end_in is not None),
        contextlib.suppress(KeyboardInterrupt),
    ):
        out, log = folder / "checkpoint.safetensors", folder / "log.csv"
        if "warmup" in inputs:
            starts = inputs["warmup"], inputs["crops"], None, inputs.get("flow"), None
            train_method(values, *starts, out, log, 0, 1, CPU)
        else:
            train_warm_up(values, inputs["crops"], out, log, 0, 1, CPU)
    return {"losses": losses, "started": started, "tensors": _tensors(made[0]), "log": made[0].log}


def _tensors(run: training_run.Run) -> dict[str, Tensor]:
    states = {name: part.state_dict() for name, part in run._modules.items()}
    return {f"{name}/{key}": value.clone() for name, state in states.items() for key, value in state.items()}


def _nudge(run: training_run.Run, random: torch.Generator) -> None:
    with torch.no_grad():
        for network in run.networks.values():
            for parameter in network.parameters():
                up = torch.rand(parameter.shape, generator=random) < 0.5
                parameter.copy_(torch.nextafter(parameter, torch.where(up, torch.inf, -torch.inf)))

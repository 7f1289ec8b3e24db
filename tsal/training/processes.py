"""The processes of a training, started by `tsal train --processes N` or by torchrun: how each joins the others."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import torch
import torch.distributed as dist

from tsal.detectors import parallel
from tsal.errors import InputError
from tsal.training.lock import locked
from tsal.training.machine import choose_device


@contextmanager
def locked_by_first(out: Path) -> Iterator[None]:
    """The lock of the run that writes `out`, held by the first process for all; none goes on before it holds it.

    Raises:
        InputError: see `locked`.
    """
    with locked(out) if parallel.is_first() else nullcontext():
        parallel.meet()
        yield


def launched() -> bool:
    """Whether this process is one of several that were started together."""
    return int(os.environ.get("WORLD_SIZE", 1)) > 1


@contextmanager
def joined(device: str, threads: int | None) -> Iterator[tuple[torch.device, int | None]]:
    """The device and the CPU threads of this process, one of those that were started together, within their group.

    Alone it has the device of that name and all of the threads.

    Args:
        device: "auto", "cpu" or "cuda" of all of them: each takes a GPU of its own.
        threads: of all of them on this machine; None: as many as there are processors.

    Raises:
        InputError: there are fewer GPUs than processes.
    """
    if not launched():
        yield choose_device(device), threads
        return
    here = int(os.environ.get("LOCAL_WORLD_SIZE", 1))
    own = choose_device(device)
    if own.type == "cuda":
        own = _own_gpu(own, here)
        torch.cuda.set_device(own)
    if int(os.environ["RANK"]) > 0:
        logging.getLogger("tsal").setLevel(logging.ERROR)  # the first one says it
    dist.init_process_group("cpu:gloo,cuda:nccl" if own.type == "cuda" else "gloo")
    yield own, max(1, (threads or os.cpu_count() or 1) // here)
    dist.destroy_process_group()  # not after an error: it could wait for processes that wait for this one


def _own_gpu(device: torch.device, here: int) -> torch.device:
    if device.index is not None:
        raise InputError(f"device: found {device} for {here} processes, expected cuda: each takes a GPU of its own")
    if torch.cuda.device_count() < here:
        raise InputError(f"found {torch.cuda.device_count()} GPUs for {here} processes, expected one for each")
    return torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0)))

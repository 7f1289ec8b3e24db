"""The machine that a job computes on: its device, what is asked of PyTorch there, and what is recorded of it."""

import ctypes
import logging
import os
import platform
import sys
from pathlib import Path

import cv2
import numpy as np
import torch

from tsal import __version__
from tsal.bounds import reason
from tsal.detectors import parallel
from tsal.detectors.detector import resolve_precision
from tsal.errors import InputError
from tsal.settings.code import training_code

logger = logging.getLogger(__name__)

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # of malloc.h


def choose_device(name: str) -> torch.device:
    """The device called "cpu", "cuda", "cuda:1" or "mps"; "auto" takes an NVIDIA GPU if there is one.

    Raises:
        InputError: no such device here.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name.startswith("cuda") and not torch.cuda.is_available():
        visible = os.environ.get("CUDA_VISIBLE_DEVICES")
        shown = "" if visible is None else f" (CUDA_VISIBLE_DEVICES={visible!r})"
        raise InputError(
            f"device {name!r}: PyTorch {torch.__version__} finds no GPU on {platform.node()}{shown}; expected one: see "
            "nvidia-smi there; to compute on CPUs set gpu: 0 and device: cpu (on a cluster: the profile slurm-cpu)"
        )
    try:
        device = torch.device(name)
        if device.type == "mps" and not torch.backends.mps.is_available():
            raise RuntimeError("this PyTorch has no mps here")
        if device.type not in ("cpu", "cuda", "mps"):
            raise RuntimeError(f"{device.type} computes nothing here")
    except RuntimeError as error:
        accepted = "auto, cpu, cuda, cuda:1 or, on a Mac, mps"
        raise InputError(f"device {name!r:.60}: {reason(error, 80)}; expected {accepted}") from error
    return device


def be_deterministic(seed: int, threads: int | None) -> None:
    """Same seed, same weights on the same machine; the number of threads belongs to the machine."""
    if threads:
        torch.set_num_threads(threads)
    torch.manual_seed(seed)
    if torch.cuda.is_available():
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.backends.cudnn.benchmark = False
        # Only a warning where an operation has no deterministic form: a run should not end for it.
        torch.use_deterministic_algorithms(True, warn_only=True)
        # That also fills all new memory, which costs a pass over it and helps only who reads what was never written.
        torch.utils.deterministic.fill_uninitialized_memory = False


def reuse_memory() -> None:
    """Have a training on a CPU keep what it frees, for its next step, where glibc allocates.

    By itself glibc gives most buffers back to the system, and a step asks for as many again: the zeroing of some 2,000
    pages took 3 to 6 ms of 150 at the defaults. Up to 1 GiB is kept; a process's most memory stays what it was.
    """
    tune = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if tune is not None:
        tune(_MMAP_THRESHOLD, 32 << 20)  # the largest that is allowed: larger buffers still come and go
        tune(_TRIM_THRESHOLD, 1 << 30)


def processor() -> str:
    """The processor as it calls itself, such as "AMD EPYC 9V74", and the widest arithmetic that PyTorch uses on it."""
    name = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    name = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), name)
    return f"{name} ({torch.backends.cpu.get_cpu_capability()})"


def describe(device: torch.device, precision: str) -> dict[str, str | int]:
    """What a run is computed by: all that, beside its inputs, can make its weights other ones.

    Args:
        precision: as in the settings; "auto" is told as what it comes to here.
    """
    machine: dict[str, str | int] = {
        "node": platform.node(),
        "device": str(device),
        "precision": resolve_precision(precision, device),
        "threads": torch.get_num_threads(),
        "processes": parallel.count(),
        "processor": processor(),
    }
    if device.type == "cuda":
        machine |= {"gpu": torch.cuda.get_device_name(device), "cuda": str(torch.version.cuda)}
    return machine | {
        "system": platform.platform(),
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "numpy": np.__version__,
        "opencv": cv2.__version__,
        "tsal": __version__,
        "code": training_code(),
    }


def log_machine(device: torch.device, precision: str, threads: int | None = None) -> dict[str, str | int]:
    """Tell in one line what a job computes with, as the first line of its log; returns `describe`.

    Args:
        threads: where they are not those of PyTorch.
    """
    machine = describe(device, precision)
    on = f"{machine['gpu']}, {device}" if "gpu" in machine else f"{device}, {machine['processor']}"
    threads = threads or machine["threads"]
    share = f"1 of {machine['processes']} processes, " if parallel.count() > 1 else ""
    words = share + on, machine["precision"], threads, "s" * (threads != 1)
    logger.info("%s: %s, %s, %d thread%s", machine["node"], *words)
    return machine

"""Tensors on disk, as safetensors with one entry of metadata: what the file says of itself, as JSON.

One entry, since safetensors does not keep the order of several, and the same run shall leave the same bytes. Weights
that no training should have are neither written nor read.
"""

import json
import math
import os
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from tsal.bounds import HEADER_BYTES, check, reading, reason
from tsal.bounds.texts import parse_json
from tsal.errors import InputError, disk_full
from tsal.files import atomic_path

LARGEST = 1e6  # weight or running statistic; those of trained networks are below a thousand
DATA = "data/"  # begins the names of tensors that are no weights, and may be infinite
OPTIMIZER = "optimizer/"  # of an optimiser's, which have to be finite, however large
_FLOATS = (torch.float32, torch.float16, torch.bfloat16, torch.float64)
_AGAIN = "Get it again, or train anew"


def save(path: Path, kind: str, tensors: dict[str, Tensor], about: dict[str, Any]) -> None:
    """Write tensors and what is to be said of them.

    Args:
        kind: of the file, by which `read` knows it again.

    Raises:
        InputError: weights are not finite or too large; the device is full.
    """
    if complaint := implausible(tensors):
        raise InputError(
            f"{path}: not written, {complaint}: the training has diverged; lower training.optimizer.learning_rate"
        )
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    with atomic_path(path) as temporary:
        try:
            save_file(tensors, temporary, {kind: json.dumps(about)})
        except SafetensorError as error:  # it wraps the system's errors in one without a number
            if "No space left" in str(error) or "quota" in str(error):
                raise disk_full(path) from error
            raise InputError(f"{path}: could not be written ({reason(error)})") from error
        # safetensors writes a file that its owner alone can read; others in a project read what the umask lets them.
        mask = os.umask(0)
        os.umask(mask)
        temporary.chmod(0o666 & ~mask)


def read_about(path: Path, kind: str) -> dict[str, Any]:
    """What a file of some kind says of itself.

    Raises:
        InputError: missing, damaged, or of another kind.
    """
    if not Path(path).is_file():
        raise InputError(f"{path}: no such file; expected a {kind}")
    check_header(path)
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
    except (SafetensorError, OSError, ValueError, OverflowError, MemoryError) as error:
        raise InputError(f"{path}: damaged or no safetensors file ({reason(error)}); expected a {kind}") from error
    if kind not in metadata:
        raise InputError(f"{path}: found a safetensors file of another kind, expected a {kind}")
    try:
        about = parse_json(metadata[kind])
    except ValueError:
        about = None
    if not isinstance(about, dict):
        raise InputError(f"{path}: damaged: what it says of itself is {metadata[kind][:80]!r}, expected a JSON object")
    return about


def read(path: Path, kind: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors of a file and what it says of itself.

    Raises:
        InputError: see `read_about`; weights are not finite or too large.
    """
    about = read_about(path, kind)
    with reading(path, f"a {kind}", _AGAIN), safe_open(path, "pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    if complaint := implausible(tensors):
        raise InputError(f"{path}: refused, {complaint}; expected a {kind} of a training that went well")
    return tensors, about


def implausible(tensors: dict[str, Tensor]) -> str | None:
    """Which of the tensors no training that goes well has, and why; None where all are fine."""
    for name, tensor in tensors.items():
        if name.startswith(DATA) or not tensor.numel():
            continue
        if tensor.dtype not in _FLOATS:
            if tensor.dtype == torch.int64 and tensor.ndim == 0:  # a count
                continue
            return f"{name} is of type {str(tensor.dtype).removeprefix('torch.')}"
        if name.endswith("running_var") and tensor.min() < 0:
            return f"the smallest value of {name}, a variance, is {float(tensor.min()):g}"
        largest = float(tensor.detach().abs().amax())  # of values with NaN it is NaN
        if not math.isfinite(largest) or (largest > LARGEST and not name.startswith(OPTIMIZER)):
            return f"the largest value of {name} is {largest:g}"
    return None


def check_header(path: str | Path) -> None:
    """Refuse a safetensors file whose header, which says what it holds, is larger than any needs to be.

    That header and tensors fill the file, no more and no less, safetensors checks itself.

    Raises:
        InputError: it is.
    """
    with open(path, "rb") as file:
        declared = int.from_bytes(file.read(8), "little")
    if declared <= Path(path).stat().st_size:
        check(path, declared, HEADER_BYTES, "bytes of header")

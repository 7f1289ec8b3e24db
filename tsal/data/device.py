"""Tensors on their way to the device that computes, so that neither side waits for the other.

A GPU works through a queue while the CPU goes on. A plain copy to it, or a tensor made there from a list, ends that:
the CPU stands still until the queue is empty.
"""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from typing import TypeVar

import torch
from torch import Tensor

T = TypeVar("T")


def pinned(tensor: Tensor, device: torch.device) -> Tensor:
    """The tensor in memory that the device copies from by itself; on a device without such memory the tensor."""
    return tensor.pin_memory() if device.type == "cuda" else tensor


def to_device(tensor: Tensor, device: torch.device | None) -> Tensor:
    """A copy of a CPU tensor on the device, queued there like all other work; on a CPU (or None) the tensor itself."""
    if device is None or device.type == "cpu" or tensor.device.type != "cpu":
        return tensor.to(device)
    return pinned(tensor, device).to(device, non_blocking=True)


@cache
def constant(values: tuple, device: torch.device, dtype: torch.dtype = torch.float32) -> Tensor:
    """A few numbers, nested tuples as `torch.tensor` takes them, that are copied to the device once and stay there."""
    with torch.inference_mode(False):  # else what is first asked for by a prediction is of no use to a training
        return to_device(torch.tensor(values, dtype=dtype), device)


class ReadAhead:
    """What a step reads, made by a thread while the step before is computed; in order, and the same as without.

    Args:
        ahead: whether to; False where the thread would only take the processor from those that compute.
    """

    def __init__(self, ahead: bool) -> None:
        self._pool = ThreadPoolExecutor(1, "read-ahead") if ahead else None
        self._coming: dict[str, tuple[int, Future]] = {}

    def get(self, kind: str, step: int, read: Callable[[int], T]) -> T:
        """read(step), a function of the step alone; then the next step is read ahead."""
        if self._pool is None:
            return read(step)
        coming_step, coming = self._coming.pop(kind, (-1, None))
        value = coming.result() if coming is not None and coming_step == step else read(step)
        self._coming[kind] = step + 1, self._pool.submit(read, step + 1)
        return value

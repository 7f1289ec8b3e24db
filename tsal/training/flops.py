"""How much a training computes: counted, and added to a file, where the environment asks for it.

With TSAL_COUNT_FLOPS=FILE each training adds a line to FILE: TFLOP (10^12 floating-point operations), and what was
trained. Forward and backward passes count, and so do the measurements within a training. Without it nothing is counted.
"""

import functools
import inspect
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ParamSpec, TypeVar

import torch
from torch._C import DispatchKey
from torch.utils._python_dispatch import TorchDispatchMode

logger = logging.getLogger(__name__)
P, R = ParamSpec("P"), TypeVar("R")
VARIABLE = "TSAL_COUNT_FLOPS"


class FlopCounter(TorchDispatchMode):
    """Counts what PyTorch computes within `with FlopCounter() as counter:`, in this thread: `counter.flops`.

    The sum that `torch.utils.flop_counter.FlopCounterMode` gives, by its formulas, at a fraction of its time: that one
    follows every module to tell their shares, which takes longer than a step of a small detector.
    """

    supports_higher_order_operators = True  # they run, uncounted

    def __init__(self) -> None:
        super().__init__()
        self.flops = 0
        self._kinds: dict[object, tuple[Callable | None, bool]] = {}

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if func not in self._kinds:
            self._kinds[func] = _kind(func)
        formula, composite = self._kinds[func]
        if composite:
            with self:  # its parts come here one by one
                return func.decompose(*args, **kwargs)
        out = func(*args, **kwargs)
        first = next(iter(out), None) if isinstance(out, (tuple, list)) else out
        if formula is not None and not getattr(first, "is_meta", False):  # of which only the shape is found
            self._add(formula, args, kwargs, out)
        return out

    def _add(self, formula: Callable, args: tuple, kwargs: dict, out: object) -> None:
        try:
            self.flops += formula(*args, **kwargs, out_val=out)
        except Exception:  # whatever a formula meets, the training goes on
            logger.debug("not counted: %s", formula, exc_info=True)


def _kind(func: object) -> tuple[Callable | None, bool]:
    """The formula of an operator, and whether it is to be taken apart for its parts to be counted."""
    if not isinstance(func, torch._ops.OpOverload):
        return None, False
    from torch.utils.flop_counter import flop_registry  # imported here, since it imports a compiler for GPUs

    formula = flop_registry.get(func._overloadpacket)
    return formula, formula is None and func.has_kernel_for_dispatch_key(DispatchKey.CompositeImplicitAutograd)


_counter: FlopCounter | None = None  # of this process, while it counts


@contextmanager
def counting(what: str) -> Iterator[None]:
    """Add what is computed within to the file that TSAL_COUNT_FLOPS names; within another `counting`, that one adds it.

    What is interrupted counts as far as it came. A file that cannot be written is warned of.
    """
    global _counter
    path = os.environ.get(VARIABLE)
    if not path or _counter is not None:
        yield
        return
    _counter = FlopCounter()
    try:
        with _counter:
            yield
    finally:
        counted, _counter = _counter, None
        _add_line(Path(path), f"{counted.flops / 1e12:.6f} {what}")


def counted_so_far() -> int:
    """Floating-point operations of the count that goes on in this process; 0 where there is none."""
    return _counter.flops if _counter is not None else 0


def _add_line(path: Path, line: str) -> None:
    try:
        with path.open("a", encoding="utf-8") as file:
            file.write(f"{line}\n")
    except OSError as error:
        logger.warning("%s: %s; nothing was added to it", path, error.strerror)


def counted(train: Callable[P, R]) -> Callable[P, R]:
    """A training, a function with an argument `out`, that is counted where TSAL_COUNT_FLOPS is set."""

    @functools.wraps(train)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        if VARIABLE not in os.environ:
            return train(*args, **kwargs)
        out = inspect.signature(train).bind_partial(*args, **kwargs).arguments.get("out", "")
        with counting(f"{train.__name__} {out}"):
            return train(*args, **kwargs)

    return wrapped

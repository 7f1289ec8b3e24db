"""A training that diverges: steps without a finite loss or gradient are left out, and many of them end it."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from tsal.detectors import parallel

MOST_IN_A_ROW = 10  # steps left out one after the other, after which a network is not going to recover
MOST = 0.05  # share of all steps


class Guard:
    """Takes the optimiser steps of a run, but for those whose loss or gradient is not finite: they change nothing.

    No step waits for a GPU: there the optimiser itself leaves the step out, by a flag on the device.
    """

    def __init__(
        self, optimizers: Mapping[str, torch.optim.Optimizer], modules: Mapping[str, nn.Module], earlier: int = 0
    ) -> None:
        """
        Args:
            modules: of the optimisers' names.
            earlier: steps left out before the run was interrupted.
        """
        self._buffers = {name: list(modules[name].buffers()) for name in optimizers}
        self._before: dict[str, list[Tensor]] = {}
        self._skipped: dict[str, Tensor | int] = dict.fromkeys(optimizers, 0)
        self._in_a_row: dict[str, Tensor | int] = dict.fromkeys(optimizers, 0)
        self._earlier = earlier

    def remember(self) -> None:
        """Called before a step: its forward passes change running statistics before the loss is known."""
        self._before = {name: [buffer.clone() for buffer in buffers] for name, buffers in self._buffers.items()}

    def step(self, name: str, optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
        """The step of an optimiser whose gradients are there."""
        gradients = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        # The sum of both is finite where each is; a norm that overflows is of no use either.
        finite = (torch.nn.utils.get_total_norm(gradients) + loss.detach()).isfinite()
        bad = ~parallel.all_agree(finite)
        self._skipped[name] = self._skipped[name] + bad
        self._in_a_row[name] = (self._in_a_row[name] + 1) * bad
        changed = zip(self._buffers[name], self._before.get(name, []), strict=False)
        if bad.device.type == "cpu":
            if not bad:
                optimizer.step()
                return
            for buffer, before in changed:
                buffer.copy_(before)
            return
        optimizer.found_inf = bad.float()  # type: ignore[attr-defined]  # read by fused optimisers
        optimizer.step()
        for buffer, before in changed:
            buffer.copy_(torch.where(bad, before, buffer))

    @property
    def skipped(self) -> int:
        """Steps that were left out; reading it waits for the GPU."""
        return self._earlier + sum(map(int, self._skipped.values()))

    def complaint(self, done: int) -> str | None:
        """Why the training should end after so many steps, None if it should not; waits for the GPU."""
        in_a_row = max(map(int, self._in_a_row.values()), default=0)
        if in_a_row >= MOST_IN_A_ROW:
            return f"the loss or its gradient was not finite in the last {in_a_row} steps"
        skipped = self.skipped
        if skipped > MOST_IN_A_ROW + MOST * done:
            return f"the loss or its gradient was not finite in {skipped} steps"
        return None

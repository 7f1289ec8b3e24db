"""Labels only: the warm-up goes on to the end of the schedule."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tsal.training.method import Method, later

if TYPE_CHECKING:
    from tsal.training.batches import TrainingData
    from tsal.training.run import Run

common = later("tsal.methods.common")


def train(run: Run, data: TrainingData, start: int, stop: int) -> str:
    """Ships the better of the raw and the averaged network on validation people."""
    common.warm_up(run, data, start, stop)
    return common.better_network(run, start, stop)


METHOD = Method(title="Labels only", colour="#0072B2", uses_unlabelled=False, train=train)

"""Labelled faces only."""

from tsal.methods.common import better_network
from tsal.methods.tsal import warm_up
from tsal.training.batches import TrainingData
from tsal.training.run import Run


def supervised(run: Run, data: TrainingData, start: int, stop: int) -> str:
    """The warm-up goes on to the end of the schedule. Ships the better of the raw and the averaged network."""
    warm_up(run, data, start, stop)
    return better_network(run, start, stop)

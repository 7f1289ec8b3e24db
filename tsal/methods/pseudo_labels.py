"""Pseudo-labels: the landmarks that a network detects in the frames of the pool, taken as truth."""

import copy
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from tsal.detectors import Detector
from tsal.methods.signals import compute_signals
from tsal.training.batches import TrainingData
from tsal.training.run import Run

LABELLED_AT_ONCE = 64  # frames


@dataclass(frozen=True)
class PseudoLabels:
    """rows (N,) of the unlabelled store; points (N, K, 2) in store px and deviation (N,) in network px, on the CPU.

    deviation: mean over the landmarks of the standard deviation that the detector claims; the smaller, the more
    confident.
    """

    rows: np.ndarray
    points: Tensor
    deviation: Tensor

    def __len__(self) -> int:
        return len(self.rows)

    def most_confident(self, count: int) -> "PseudoLabels":
        """The `count` with the smallest deviation; of equal ones the first by rows."""
        chosen = self.deviation.argsort(stable=True)[:count]
        return PseudoLabels(self.rows[chosen.numpy()], self.points[chosen], self.deviation[chosen])


def add_labeller(run: Run) -> None:
    """Give the run the part "labeller", a copy of its averaged network, saved with it: the one that labels the pool."""
    run.parts["labeller"] = copy.deepcopy(run.networks["averaged"])


def label_pool(detector: Detector, data: TrainingData) -> PseudoLabels:
    """Detect the landmarks of all frames of the pool that are not labelled, in plain views."""
    rows = data.hidden_rows
    points, deviation = torch.empty(len(rows), data.scheme.n_points, 2), torch.empty(len(rows))
    for start in range(0, len(rows), LABELLED_AT_ONCE):
        some = rows[start : start + LABELLED_AT_ONCE]
        frames = data.frames(some, np.full(len(some), -1))
        signals, _ = compute_signals(detector, frames, ("detection",), data.scheme, data.store.input_px)
        points[start : start + len(some)] = signals["detection"].points
        deviation[start : start + len(some)] = signals["detection"].variance.sqrt().mean(1)
    return PseudoLabels(rows, points, deviation)


def label_anew(run: Run, data: TrainingData, first: bool) -> PseudoLabels:
    """The pseudo-labels of a round, by the network that was the averaged one when the round began.

    That network is the run's "labeller", so that a run that resumes in the middle of a round finds the same
    pseudo-labels.

    Args:
        first: this is the round's first step.
    """
    if first:
        run.parts["labeller"].load_state_dict(run.networks["averaged"].state_dict())
    return label_pool(run.parts["labeller"], data)

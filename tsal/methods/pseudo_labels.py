"""Pseudo-labels: what a network says of the pool's frames, taken as truth."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from tsal.detectors import Detector
from tsal.methods.signals import observe
from tsal.training.batches import TrainingData
from tsal.training.run import Run

LABELLED_AT_ONCE = 64  # frames


@dataclass(frozen=True)
class PseudoLabels:
    """rows (N,) of the unlabelled store; points (N, K, 2) in store px and doubt (N,) in network px, on the CPU.

    doubt: mean over the landmarks of the standard deviation that the detector claims.
    """

    rows: np.ndarray
    points: Tensor
    doubt: Tensor

    def __len__(self) -> int:
        return len(self.rows)

    def most_confident(self, count: int) -> "PseudoLabels":
        """The `count` with the least doubt; of equal ones the first by rows."""
        chosen = self.doubt.argsort(stable=True)[:count]
        return PseudoLabels(self.rows[chosen.numpy()], self.points[chosen], self.doubt[chosen])


def label_pool(detector: Detector, data: TrainingData) -> PseudoLabels:
    """Detect the landmarks of all frames of the pool that are not labelled, in plain views."""
    rows = data.hidden_rows
    points, doubt = [torch.empty(0, data.scheme.n_points, 2)], [torch.empty(0)]
    for start in range(0, len(rows), LABELLED_AT_ONCE):
        some = rows[start : start + LABELLED_AT_ONCE]
        frames = data.frames(some, np.full(len(some), -1))
        signals, _ = observe(detector, frames, ("detection",), data.scheme, data.store.input_px)
        points.append(signals["detection"].points.cpu())
        doubt.append(signals["detection"].variance.sqrt().mean(1).cpu())
    return PseudoLabels(rows, torch.cat(points), torch.cat(doubt))


def label_anew(run: Run, data: TrainingData, first: bool) -> PseudoLabels:
    """The pseudo-labels of a round, by the network that was the averaged one when the round began.

    That network is the run's "labeller": it is saved with the run, so that one that resumes in the middle of a round
    finds the same pseudo-labels.

    Args:
        first: this is the round's first step.
    """
    if first:
        run.networks["labeller"].load_state_dict(run.networks["averaged"].state_dict())
    return label_pool(run.networks["labeller"], data)

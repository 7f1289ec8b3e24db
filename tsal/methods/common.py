"""What the steps of several baselines have in common."""

import torch
from torch import Tensor

from tsal.detectors import Detector, Output
from tsal.methods.tsal import filter_recursively, supervised_loss
from tsal.training.batches import LabelledBatch, TrainingData
from tsal.training.run import Run


def see(data: TrainingData, network: Detector, labelled: LabelledBatch, others: Tensor) -> tuple[Tensor, Output]:
    """Show a network the labelled faces and other images (M, 3, P, P) at once, so that both share batch statistics.

    Returns:
        The supervised loss of the labelled faces, and the output on the others.
    """
    output = network(torch.cat([labelled.images, others]))
    n = len(labelled.images)
    return supervised_loss(data.settings, network, output.rows(slice(n)), labelled), output.rows(slice(n, None))


def average(run: Run, step: int) -> None:
    """Let the running average of the weights take in those of a step, as in the warm-up."""
    keep = min(run.training.averaging, (step + 1) / (step + 10))
    filter_recursively(run.networks["averaged"], run.networks["raw"], keep)


def better_network(run: Run, start: int, stop: int) -> str:
    """Which network is better on validation people at the end of steps start to stop, "raw" or "averaged".

    The averaged one after no step, when they are one, and where nobody validates.
    """
    last = run.log[-1] if start < stop else {}
    if "val_nme_raw" not in last:
        return "averaged"
    return min(("averaged", "raw"), key=lambda name: last[f"val_nme_{name}"])

"""What methods share: the supervised loss, the warm-up, the ramp, the exponential moving average of weights."""

import math
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from tsal.detectors import Detector, Output, losses
from tsal.settings.models import Settings
from tsal.training.batches import LabelledBatch, TrainingData
from tsal.training.run import Run


def supervised_loss(settings: Settings, detector: Detector, output: Output, batch: LabelledBatch) -> Tensor:
    """L_sup of labelled faces: heatmaps + coordinates + likelihood + facial centre + offsets, weighted as training.loss
    says.
    """
    weights = settings.training.loss
    truth = batch.points, batch.annotated
    loss = weights.heatmap * losses.heatmap_loss(detector, output, *truth)
    if weights.coordinate:
        predicted = detector.decode(output)
        loss = loss + weights.coordinate * losses.coordinate_loss(
            predicted, batch.points, batch.annotated.float(), settings.detector.input_px
        )
    if weights.likelihood:
        loss = loss + weights.likelihood * losses.likelihood_loss(detector, output, *truth)
    loss = loss + weights.centre * losses.centre_loss(detector, output, *truth)
    return loss + weights.offset * losses.offset_loss(detector, output, *truth)


def forward_both(
    data: TrainingData, network: Detector, labelled: LabelledBatch, images: Tensor
) -> tuple[Tensor, Output]:
    """One forward pass on the labelled faces and other images (M, 3, P, P), so that both share batch statistics.

    Returns:
        The supervised loss of the labelled faces, and the output on the others.
    """
    of_labelled, others = network(torch.cat([labelled.images, images])).split(len(labelled.images), len(images))
    return supervised_loss(data.settings, network, of_labelled, labelled), others


def warm_up(run: Run, data: TrainingData, start: int, stop: int) -> None:
    """Supervised learning of the network "raw", with the exponential moving average of its weights in "averaged"."""
    raw = run.networks["raw"]
    for n in run.steps(start, stop):
        batch = data.labelled_batch(n)
        loss = supervised_loss(data.settings, raw, raw(batch.images), batch)
        run.optimizer_step("raw", loss, n)
        average_raw(run, n)
        run.finish_step(n, loss=loss, loss_supervised=loss)


def average_raw(run: Run, step: int) -> None:
    """Move the network "averaged" towards "raw", fast at first, so that it forgets the random weights."""
    decay = min(run.training.ema_decay, (step + 1) / (step + 10))
    exponential_moving_average(run.networks["averaged"], run.networks["raw"], decay)


@torch.no_grad()
def exponential_moving_average(average: nn.Module, network: nn.Module, decay: float) -> None:
    """average <- decay * average + (1 - decay) * network, running statistics of normalisation layers included.

    With teacher and student this is the recursive average filtering of the paper, whose lambda is the decay.
    """
    (weights, counts), (other_weights, other_counts) = _tensors(average), _tensors(network)
    get_ema_multi_avg_fn(decay)(weights, other_weights, None)  # on a GPU a few kernels for all
    for mine, other in zip(counts, other_counts, strict=True):
        mine.copy_(other)


_tensors_of: WeakKeyDictionary[nn.Module, tuple[list[Tensor], list[Tensor]]] = WeakKeyDictionary()


def _tensors(network: nn.Module) -> tuple[list[Tensor], list[Tensor]]:
    """Parameters and buffers: those of floating point, and the others. They are looked up once, since a training
    changes them in place and finding them takes four times as long as averaging them.
    """
    if network not in _tensors_of:
        every = [*network.parameters(), *network.buffers()]
        _tensors_of[network] = tuple([t for t in every if t.is_floating_point() == floats] for floats in (True, False))
    return _tensors_of[network]


def better_network(run: Run, start: int, stop: int) -> str:
    """Which network is better on validation people at the end of steps start to stop, "raw" or "averaged".

    The averaged one after no step, when they are one, and where nobody validates.
    """
    last = run.log[-1] if start < stop else {}
    if "val_nme_raw" not in last:
        return "averaged"
    return min(("averaged", "raw"), key=lambda name: last[f"val_nme_{name}"])


def ramp(progress: float, up: float, down: float) -> float:
    """w(n) of the paper for n / N = progress, n_up / N = up and n_down / N = down.

    exp(-5 (1 - n/n_up)^2), then 1, then exp(-12.5 (1 - (N - n)/(N - n_down))^2).
    """
    if progress < up:
        return math.exp(-5 * (1 - progress / up) ** 2)
    if progress <= down:
        return 1.0
    return math.exp(-12.5 * (1 - (1 - progress) / (1 - down)) ** 2)

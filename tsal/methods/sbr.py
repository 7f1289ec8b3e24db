"""Supervision by registration (Dong et al. 2018, arXiv 1807.00966).

A landmark that is detected in frame t and carried by optical flow to frame t + 1 has to meet the one detected there.
As in the source the loss starts when the detector was warmed up on labels, and gradient reaches both detections and
passes through the registration. Registration is the stored flow, read at the detected place, instead of the source's
Lucas-Kanade tracker; its forward-backward check is that of the flow, and only t to t + 1 is registered.
"""

import torch
from torch import Tensor

from tsal.data.augment import from_view
from tsal.detectors import losses
from tsal.flow.fields import follow
from tsal.methods.common import average, better_network, see
from tsal.methods.signals import Frames
from tsal.methods.tsal import ramp
from tsal.training.batches import TrainingData
from tsal.training.run import Run


def sbr(run: Run, data: TrainingData, start: int, stop: int) -> str:
    """L_sup + weight * w(n) * registration loss. Ships the better of the raw and the averaged network."""
    method, raw = data.settings.sbr, run.networks["raw"]
    for n in run.steps(start, stop):
        labelled, unlabelled = data.labelled_batch(n), data.unlabelled_batch(n)
        weight = method.weight * ramp((n - start) / (stop - start), method.ramp_up, 1.0)
        sup, output = see(data, raw, labelled, unlabelled.images)
        points = from_view(raw.decode(output), unlabelled.view, data.scheme)
        registration = registration_loss(data, points, unlabelled.frames)
        run.optimizer_step("raw", sup + weight * registration, n)
        average(run, n)
        run.finish_step(n, loss=sup, loss_supervised=sup, loss_registration=registration, weight=weight)
    return better_network(run, start, stop)


def registration_loss(data: TrainingData, points: Tensor, frames: Frames) -> Tensor:
    """Mean distance of the landmarks carried from t to t + 1 from those detected at t + 1.

    beta = 0, and the landmark is left out, where the forward-backward check fails or the clip has no frame t + 1.

    Args:
        points: (C T, K, 2) detected landmarks in store px; T frames of one clip follow each other.
        frames: the same C T frames; the neighbour of each but a clip's first is the frame before.

    Returns:
        "l2" in squared store px (a network px each at scale 1), "l1" in per cent of the network's input; 0 where no
        landmark counts.
    """
    method = data.settings.sbr
    order = torch.arange(len(points), device=points.device).view(-1, method.clip_frames)
    first, second = order[:, :-1].flatten(), order[:, 1:].flatten()
    # A frame's stored flow leads there, to the frame before, and back from it.
    arrived, _, visible = follow(points[first], frames.back[second], frames.there[second])
    beta = (visible & frames.tracked[second].unsqueeze(1)).float()
    if method.distance == "l1":
        return losses.coordinate_loss(arrived, points[second], beta, data.settings.detector.input_px)
    return losses.masked_mean((arrived - points[second]).square().sum(-1), beta)

"""Supervision by registration (Dong et al. 2018, arXiv 1807.00966).

A landmark that is detected in frame t and carried by optical flow to frame t + 1 has to meet the one detected there.
As in the source the loss starts when the detector was warmed up on labels, and gradient reaches both detections and
passes through the registration. Registration is the stored flow, read at the detected place, instead of the source's
Lucas-Kanade tracker; its forward-backward check is that of the flow, and only t to t + 1 is registered.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from tsal.settings.models import Settings
from tsal.settings.section import Section
from tsal.training.method import Method, Problem, later

if TYPE_CHECKING:
    from torch import Tensor

    from tsal.training.batches import Frames, TrainingData
    from tsal.training.run import Run

torch, common = later("torch"), later("tsal.methods.common")
augment, fields, losses = later("tsal.data.augment"), later("tsal.flow.fields"), later("tsal.detectors.losses")


class Options(Section):
    """Keys of sbr."""

    tracker: Literal["dis", "pwc"] = Field(
        "dis", description="optical flow: dis (OpenCV), pwc (learned without labels)"
    )
    distance: Literal["l1", "l2"] = Field(
        "l1", description="of landmarks: l2, squared pixels (the source); or l1, per cent of the network's input"
    )
    weight: float = Field(0.2, ge=0, description="of the registration loss, at its highest")
    ramp_up: float = Field(0.4, ge=0, le=1, description="share of the steps after which the weight is at its highest")


def train(run: Run, data: TrainingData, start: int, stop: int) -> str:
    """L_sup + weight * w(n) * registration loss. Ships the better of the raw and the averaged network."""
    options, raw = data.settings.options, run.networks["raw"]
    for n in run.steps(start, stop):
        labelled, unlabelled = data.labelled_batch(n), data.unlabelled_batch(n)
        weight = options.weight * common.ramp((n - start) / (stop - start), options.ramp_up, 1.0)
        supervised, output = common.forward_both(data, raw, labelled, unlabelled.images)
        points = augment.from_view(raw.decode(output), unlabelled.view, data.scheme)
        registration = registration_loss(data, points, unlabelled.frames)
        loss = supervised + weight * registration
        run.optimizer_step("raw", loss, n)
        common.average_raw(run, n)
        run.finish_step(n, loss=loss, loss_supervised=supervised, loss_registration=registration, weight=weight)
    return common.better_network(run, start, stop)


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
    settings = data.settings
    order = torch.arange(len(points), device=points.device).view(-1, settings.unlabelled.clip_frames)
    first, second = order[:, :-1].flatten(), order[:, 1:].flatten()
    # A frame's stored flow leads there, to the frame before, and back from it.
    arrived, _, visible = fields.follow(points[first], frames.back[second], frames.there[second])
    beta = (visible & frames.tracked[second].unsqueeze(1)).float()
    if settings.options.distance == "l1":
        return losses.coordinate_loss(arrived, points[second], beta, settings.detector.input_px)
    return losses.masked_mean((arrived - points[second]).square().sum(-1), beta)


def check(settings: Settings) -> Iterator[Problem]:
    """A frame alone has none to be registered with."""
    if settings.unlabelled.clip_frames < 2:
        yield "unlabelled.clip_frames", f"found {settings.unlabelled.clip_frames}, expected at least 2 for sbr"


METHOD = Method(
    title="SBR",
    colour="#E69F00",
    settings=Options,
    tracker=lambda options: options.tracker,
    check=check,
    train=train,
)

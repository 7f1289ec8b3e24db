"""Mean teacher (Tarvainen & Valpola 2017, arXiv 1703.01780), with heatmaps in place of class probabilities.

The student learns from labels and from the teacher, an exponential moving average of its own weights: both get the
same unlabelled frames, each in augmented views of its own, and have to agree. As in the authors' code the true average
is taken until the exponential one is more correct, and the consistency loss ramps up by exp(-5 (1 - t)^2).

Unlike there, consistency is asked of the unlabelled batch alone, and the teacher's forward pass has the batch
statistics that it is shipped with. Unlike TSAL there is one source, no fusion, and no gradient for the teacher.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from tsal.settings.models import Settings
from tsal.settings.section import Section
from tsal.training.method import Method, Problem, later

if TYPE_CHECKING:
    from torch import Tensor

    from tsal.detectors import Detector, Output
    from tsal.methods.signals import ForwardPass
    from tsal.training.batches import TrainingData, UnlabelledBatch
    from tsal.training.run import Run

torch, common, signals = later("torch"), later("tsal.methods.common"), later("tsal.methods.signals")
augment, losses, randomness = later("tsal.data.augment"), later("tsal.detectors.losses"), later("tsal.data.randomness")


class Options(Section):
    """Keys of mean_teacher."""

    distance: Literal["kl", "mse"] = Field(
        "kl",
        description="of heatmaps: mse (the source), scaled to count as kl does where they are near; or kl, of "
        "detectors whose heatmaps are distributions",
    )
    weight: float = Field(1.0, ge=0, description="of the consistency loss, at its highest")
    ramp_up: float = Field(0.4, ge=0, le=1, description="share of the steps after which the weight is at its highest")
    ema_decay: float = Field(0.99, ge=0, lt=1, description="of the teacher's average of the student's weights")


def train(run: Run, data: TrainingData, start: int, stop: int) -> str:
    """L_sup + weight * w(n) * consistency, then the teacher's weights take in the student's. Ships the teacher.

    The warm-up counts among the steps of the average, since it is what the source begins with: learning from labels
    while the consistency loss is off. The teacher starts from its averaged network.
    """
    options = data.settings.options
    student, teacher = run.networks["student"], run.networks["teacher"]
    for n in run.steps(start, stop):
        labelled, unlabelled = data.labelled_batch(n), data.unlabelled_batch(n)
        weight = options.weight * common.ramp((n - start) / (stop - start), options.ramp_up, 1.0)
        target = other_view(data, teacher, unlabelled, n)
        supervised, output = common.forward_both(data, student, labelled, unlabelled.images)
        consistency = consistency_loss(data, student, output, target, unlabelled)
        loss = supervised + weight * consistency
        run.optimizer_step("student", loss, n)
        common.exponential_moving_average(teacher, student, decay_at(n, options))
        run.finish_step(n, loss=loss, loss_supervised=supervised, loss_consistency=consistency, weight=weight)

    return "teacher"


def decay_at(step: int, options: Options) -> float:
    """min(1 - 1 / (m + 1), ema_decay) after m = step + 1 steps."""
    return min(1 - 1 / (step + 2), options.ema_decay)


def other_view(data: TrainingData, teacher: Detector, batch: UnlabelledBatch, step: int) -> ForwardPass:
    """The teacher's forward pass on the frames in augmented views drawn apart from the student's; no gradient."""
    with torch.no_grad():
        random = randomness.generator(data.seed, "teacher's view", step)
        view = data.view(len(batch.images), random)
        images = data.apply_view(batch.frames.images, view, random)
        teacher.eval()
        return signals.ForwardPass(teacher(images), view)


def consistency_loss(
    data: TrainingData, student: Detector, output: Output, target: ForwardPass, batch: UnlabelledBatch
) -> Tensor:
    """Distance of the student's heatmaps from the teacher's, brought to the student's views; summed over the stages.

    "mse": squared differences summed over the cells, times 4 pi s^2 for distributions and 1 / (pi s^2) for regressed
    Gaussians, s = sigma in cells: over the squared norm of a Gaussian of the target's width. Two such Gaussians
    d px apart cost 2 (1 - exp(-d^2 / (4 sigma^2))), at small distances d^2 / (2 sigma^2) as by "kl", at most 2.
    Landmarks that the teacher places outside of the student's view are left out; a mean over the others.
    """
    options, scheme = data.settings.options, data.scheme
    points = augment.from_view(student.decode(target.output), target.view, scheme)
    points = augment.to_view(points, batch.view, scheme)
    inside = ((points >= 0) & (points <= data.settings.detector.input_px - 1)).all(-1)
    area = math.pi * (student.sigma / student.heatmap_stride) ** 2
    scale = 4 * area if student.distribution else 1 / area
    loss = output.centre.new_zeros(())
    for stage, logits in enumerate(output.stages):
        wanted = student.maps(target.output, stage)
        wanted = signals.maps_in_view(wanted, student.heatmap_stride, target.view, batch.view, scheme)
        if student.distribution:
            wanted = wanted / wanted.sum((2, 3), keepdim=True).clamp_min(1e-6)
        if options.distance == "kl":
            loss = loss + losses.distribution_distance(logits, wanted, inside)
        else:
            squares = (student.maps(output, stage) - wanted).square().sum((2, 3))
            loss = loss + losses.masked_mean(scale * squares, inside)
    return loss


def check(settings: Settings) -> Iterator[Problem]:
    """Divergence compares distributions."""
    if settings.options.distance == "kl" and settings.detector.heatmaps != "distribution":
        yield (
            "options.distance",
            f"found kl, which compares distributions, with regressed heatmaps ({settings.detector.name}); expected mse",
        )


METHOD = Method(
    title="Mean teacher",
    colour="#CC79A7",
    settings=Options,
    networks={"student": "raw", "teacher": "averaged"},
    images=lambda settings: (
        settings.unlabelled.frames,  # the teacher's
        settings.training.batch + settings.unlabelled.frames,
    ),
    check=check,
    train=train,
)

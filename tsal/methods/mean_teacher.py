"""Mean teacher (Tarvainen & Valpola 2017, arXiv 1703.01780), with heatmaps in place of class probabilities.

The student learns from labels and from the teacher, an exponential average of its own weights: both see the same
unlabelled frames, each in augmented views of its own, and have to agree. As in the authors' code the true average is
taken until the exponential one is more correct, and the consistency loss ramps up by exp(-5 (1 - t)^2).

Unlike there, consistency is asked of the unlabelled batch alone, and the teacher sees with the batch statistics that
it is shipped with. Unlike TSAL there is one source, no fusion, and no gradient for the teacher.
"""

import math

import torch
from torch import Tensor

from tsal.data.augment import from_view, to_view
from tsal.detectors import Detector, Output, losses
from tsal.errors import InputError
from tsal.methods.common import see
from tsal.methods.signals import Look, maps_in_view
from tsal.methods.tsal import filter_recursively, ramp
from tsal.settings.models import MeanTeacherSettings
from tsal.training.batches import TrainingData, UnlabelledBatch, generator
from tsal.training.run import Run


def mean_teacher(run: Run, data: TrainingData, start: int, stop: int) -> str:
    """L_sup + weight * w(n) * consistency, then theta_T <- decay theta_T + (1 - decay) theta_S. Ships the teacher.

    The warm-up counts among the steps of the average, since it is what the source begins with: learning from labels
    while the consistency loss is off. The teacher starts from its averaged network.

    Raises:
        InputError: distance kl with a detector that regresses its heatmaps.
    """
    method = data.settings.mean_teacher
    student, teacher = run.networks["student"], run.networks["teacher"]
    if method.distance == "kl" and not student.distribution:
        raise InputError(
            f"{data.settings.method}: distance kl compares distributions, found the regressed heatmaps of detector "
            f"{data.settings.detector.name}; use distance: mse"
        )
    for n in run.steps(start, stop):
        labelled, unlabelled = data.labelled_batch(n), data.unlabelled_batch(n)
        weight = method.weight * ramp((n - start) / (stop - start), method.ramp_up, 1.0)
        target = other_view(data, teacher, unlabelled, n)
        sup, output = see(data, student, labelled, unlabelled.images)
        consistency = consistency_loss(data, student, output, target, unlabelled)
        run.optimizer_step("student", sup + weight * consistency, n)
        filter_recursively(teacher, student, decay_at(n, method))
        run.finish_step(n, loss=sup, loss_supervised=sup, loss_consistency=consistency, weight=weight)

    return "teacher"


def decay_at(step: int, method: MeanTeacherSettings) -> float:
    """min(1 - 1 / (m + 1), decay) after m = step + 1 steps."""
    return min(1 - 1 / (step + 2), method.decay)


@torch.no_grad()
def other_view(data: TrainingData, teacher: Detector, batch: UnlabelledBatch, step: int) -> Look:
    """What the teacher sees of the frames in augmented views drawn apart from the student's; no gradient."""
    random = generator(data.seed, "teacher's view", step)
    view = data.view(len(batch.images), random)
    images = data.look(batch.frames.images, view, random)
    teacher.eval()
    return Look(teacher(images), view)


def consistency_loss(
    data: TrainingData, student: Detector, output: Output, target: Look, batch: UnlabelledBatch
) -> Tensor:
    """Distance of the student's heatmaps from the teacher's, brought to the student's views; summed over the stages.

    "mse": squared differences summed over the cells, times 4 pi s^2 for distributions and 1 / (pi s^2) for regressed
    Gaussians, s = sigma in cells: over the squared norm of a Gaussian of the target's width. Two such Gaussians
    d px apart cost 2 (1 - exp(-d^2 / (4 sigma^2))), at small distances d^2 / (2 sigma^2) as by "kl", at most 2.
    Landmarks that the teacher places outside of the student's view are left out; a mean over the others.
    """
    method, scheme = data.settings.mean_teacher, data.scheme
    points = to_view(from_view(student.decode(target.output), target.view, scheme), batch.view, scheme)
    inside = ((points >= 0) & (points <= data.settings.detector.input_px - 1)).all(-1)
    area = math.pi * (student.sigma / student.heatmap_stride) ** 2
    scale = 4 * area if student.distribution else 1 / area
    loss = output.centre.new_zeros(())
    for stage, logits in enumerate(output.stages):
        wanted = student.maps(target.output, stage)
        wanted = maps_in_view(wanted, student.heatmap_stride, target.view, batch.view, scheme)
        if student.distribution:
            wanted = wanted / wanted.sum((2, 3), keepdim=True).clamp_min(1e-6)
        if method.distance == "kl":
            loss = loss + losses.distribution_distance(logits, wanted, inside)
        else:
            squares = (student.maps(output, stage) - wanted).square().sum((2, 3))
            loss = loss + losses.masked_mean(scale * squares, inside)
    return loss

"""Warm-up and Teacher-Student Asynchronous Learning: the algorithm of the paper (arXiv 2012.06711, section 3).

The order of things in one step is that of the paper: student step, teacher step, recursive average filtering.
"""

import math
from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

from tsal.data.augment import rename_mirrored, to_view
from tsal.detectors import Detector, Output, losses
from tsal.methods.flow_adaptation import adaptation_loss, flow_between
from tsal.methods.memory import correct
from tsal.methods.signals import Frames, Look, Signal, fuse, maps_in_view, observe
from tsal.settings.models import Settings, TsalSettings
from tsal.training.batches import LabelledBatch, TrainingData, UnlabelledBatch
from tsal.training.run import Run


def supervised_loss(settings: Settings, detector: Detector, output: Output, batch: LabelledBatch) -> Tensor:
    """L_sup without SIC, which needs clips: heatmaps + coordinates + facial centre + offsets (method.md)."""
    weights = settings.training.loss
    truth = batch.points, batch.annotated
    loss = weights.heatmap * losses.heatmap_loss(detector, output, *truth)
    if weights.coordinate:
        predicted = detector.decode(output)
        loss = loss + weights.coordinate * losses.coordinate_loss(
            predicted, batch.points, batch.annotated.float(), settings.detector.input_px
        )
    loss = loss + weights.centre * losses.centre_loss(detector, output, *truth)
    return loss + weights.offset * losses.offset_loss(detector, output, *truth)


def structure_loss(settings: Settings, detector: Detector, output: Output, batch: UnlabelledBatch) -> Tensor:
    """L_SIC of the clips, from the offsets at each frame's strongest facial centre."""
    weights = settings.training.loss
    offsets = losses.offsets_at(output.offsets, losses.strongest_cells(output.centre))
    size = None if weights.sic_literal else batch.face_px / detector.centre_stride
    return weights.sic * losses.structure_invariance(offsets, settings.tsal.clip_frames, size)


def warm_up(run: Run, data: TrainingData, start: int, stop: int) -> None:
    """Supervised learning of run.networks["raw"], whose running average is run.networks["averaged"]."""
    raw, averaged = run.networks["raw"], run.networks["averaged"]
    for n in run.steps(start, stop):
        batch = data.labelled_batch(n)
        output = raw(batch.images)
        loss = supervised_loss(data.settings, raw, output, batch)
        run.optimizer_step("raw", loss, n)
        # Early on, the average follows quickly, so that it forgets the random weights.
        filter_recursively(averaged, raw, min(data.settings.training.averaging, (n + 1) / (n + 10)))
        run.finish_step(n, loss=loss, loss_supervised=loss)


def learn_asynchronously(run: Run, data: TrainingData, start: int, stop: int) -> None:
    """TSAL: both networks learn with gradient, the student from fused signals and the teacher, less often, from one of
    them; at every step the teacher's weights take in the student's.
    """
    settings, method = data.settings, data.settings.tsal
    student, teacher = run.networks["student"], run.networks["teacher"]
    first, last = settings.training.warmup_steps, settings.training.warmup_steps + settings.training.steps
    highest = highest_weight(method, len(data.labelled))
    for n in run.steps(start, stop):
        labelled, unlabelled = data.labelled_batch(n), data.unlabelled_batch(n)
        weight = ramp((n - first) / (last - first), method.ramp_up, method.ramp_down)

        # What the sources say about the unlabelled frames (stop-gradient).
        target, source = observe_sources(run, data, unlabelled)

        # 1. Student step: L_sup + w(n) * distance of its landmarks from the fused target.
        sup, seen = see(data, student, labelled, unlabelled)
        from_sources = student_loss(data, student, seen, target, unlabelled)
        run.optimizer_step("student", sup + highest * weight * from_sources, n)

        # 2. Teacher step: L_sup + w(n) * distance of its heatmaps from those of its single source.
        of_teacher = {}
        if (n + 1) % method.teacher_every == 0:
            sup_teacher, seen = see(data, teacher, labelled, unlabelled)
            of_teacher["loss_teacher"] = teacher_loss(data, teacher, seen, source, unlabelled)
            loss = sup_teacher + method.teacher_weight * weight * of_teacher["loss_teacher"]
            run.optimizer_step("teacher", loss, n, method.teacher_rate)

        # The networks that track, where they are adapted, learn to agree with the detector that looks through them.
        adapt_flow(run, data, unlabelled, n)

        # 3. Recursive average filtering: theta_T <- lambda theta_T + (1 - lambda) theta_S.
        filter_recursively(teacher, student, method.filter)
        if method.adapt_flow:
            filter_recursively(run.networks["teacher_flow"], run.networks["student_flow"], method.filter)
        if method.filter_back is not None:
            filter_recursively(student, teacher, method.filter_back)

        run.finish_step(
            n,
            loss=sup,
            loss_supervised=sup,
            loss_student=from_sources,
            weight=weight,
            **of_teacher,
        )


def see(
    data: TrainingData, network: Detector, labelled: LabelledBatch, unlabelled: UnlabelledBatch
) -> tuple[Tensor, Output]:
    """Show a network both batches at once: its supervised loss with SIC, and its output on the unlabelled frames."""
    output = network(torch.cat([labelled.images, unlabelled.images]))
    n = len(labelled.images)
    on_labelled, on_unlabelled = output.rows(slice(n)), output.rows(slice(n, None))
    loss = supervised_loss(data.settings, network, on_labelled, labelled)
    return loss + structure_loss(data.settings, network, on_unlabelled, unlabelled), on_unlabelled


def observe_sources(run: Run, data: TrainingData, batch: UnlabelledBatch) -> tuple[Signal, tuple[Signal, Look]]:
    """The student's fused target; and the teacher's single source, as a signal and as the teacher's pass behind it."""
    method, input_px = data.settings.tsal, data.settings.detector.input_px
    single, wanted = method.teacher_source, seen_sources(data)
    student, teacher = run.networks["student"], run.networks["teacher"]
    if method.observer == "teacher":
        every = tuple(dict.fromkeys((*wanted, single)))
        signals, looks = observe(teacher, frames_of(run, "teacher", batch), every, data.scheme, input_px)
        own = signals
    else:
        signals, _ = observe(student, frames_of(run, "student", batch), wanted, data.scheme, input_px)
        own, looks = observe(teacher, frames_of(run, "teacher", batch), (single,), data.scheme, input_px)
    signals = {name: signals[name] for name in wanted}
    target, _ = fuse_sources(run, data, batch.rows, signals)
    if "memory" in run.networks:
        run.networks["memory"].remember(batch.rows, fuse(signals, method.fusion), method.memory)
    return target, (own[single], looks[single])


def seen_sources(data: TrainingData) -> tuple[str, ...]:
    """The student's sources that a network looks for in the frames, rather than in what it remembers."""
    return tuple(name for name in data.settings.tsal.sources if name != "tracks")


def fuse_sources(
    run: Run, data: TrainingData, rows: np.ndarray, signals: dict[str, Signal]
) -> tuple[Signal, dict[str, Signal]]:
    """The student's target for rows of the pool, and all the signals in it, given those that a network sees."""
    method = data.settings.tsal
    if "memory" not in run.networks:
        return fuse(signals, method.fusion), signals
    said, labels = run.networks["memory"].tracks(data, rows, method.reach)
    signals = signals | {"tracks": said}
    return correct(fuse(signals, method.fusion), labels), signals


def frames_of(run: Run, who: str, batch: UnlabelledBatch) -> Frames:
    """The frames with the flow that student or teacher see: that of their own flow network where they have one."""
    network, frames = run.networks.get(f"{who}_flow"), batch.frames
    if network is None:
        return frames
    there, back = flow_between(network, frames.images, frames.neighbours)
    tracked = frames.tracked.view(-1, 1, 1, 1)
    return replace(frames, there=there * tracked, back=back * tracked)


def adapt_flow(run: Run, data: TrainingData, batch: UnlabelledBatch, step: int) -> None:
    """One step of the flow networks of student and teacher, where they have one; see tsal.methods.flow_adaptation."""
    frames = batch.frames
    for who in ("student", "teacher"):
        if (flow := run.networks.get(f"{who}_flow")) is not None:
            pictures = frames.images, frames.neighbours, frames.tracked
            input_px = data.settings.detector.input_px
            loss = adaptation_loss(flow, run.networks[who], *pictures, data.scheme, input_px)
            run.optimizer_step(f"{who}_flow", loss, step)


def trust(data: TrainingData, signal: Signal, batch: UnlabelledBatch) -> tuple[Tensor, Tensor]:
    """Where a signal places the landmarks in the learner's views (N, K, 2); how far to believe it (N, K), 0 to 1.

    The paper believes all that is known; "robust" believes v / (v + variance), v = trust_px^2, the less the more the
    signals disagree. Landmarks outside the view are not believed.
    """
    method = data.settings.tsal
    points = to_view(signal.points, batch.view, data.scheme)
    variance = rename_mirrored(signal.variance, batch.view, data.scheme) * batch.view.scale.unsqueeze(1).square()
    inside = ((points >= 0) & (points <= data.settings.detector.input_px - 1)).all(-1)
    belief = torch.where(variance.isfinite() & inside, 1.0, 0.0)
    if method.loss == "robust":
        belief = belief / (1 + variance / method.trust_px**2)
    return points, belief


def student_loss(
    data: TrainingData, student: Detector, output: Output, target: Signal, batch: UnlabelledBatch
) -> Tensor:
    """Distance of the student's landmarks from the fused target.

    "mse" (the paper): mean of squared px, divided by 2 x annotated frames as the release divides all of its loss.
    """
    settings = data.settings
    points, belief = trust(data, target, batch)
    predicted = student.decode(output)
    if settings.tsal.loss == "mse":
        return losses.masked_mean((predicted - points).square().mean(-1), belief) / (2 * settings.training.batch)
    coordinate = losses.coordinate_loss(predicted, points, belief, settings.detector.input_px)
    heatmap = losses.heatmap_loss(student, output, points, belief)
    weights = settings.training.loss
    # The share of belief scales the loss: a doubtful batch should teach less, not the same about fewer landmarks.
    return belief.mean() * (weights.heatmap * heatmap + weights.coordinate * coordinate)


def teacher_loss(
    data: TrainingData, teacher: Detector, output: Output, source: tuple[Signal, Look], batch: UnlabelledBatch
) -> Tensor:
    """Distance of the teacher's heatmaps, every stage, from those that its single source shows for the same frames.

    "mse" (the paper): mean of squared differences, divided by 2 x annotated frames; distributions by their divergence.
    """
    signal, look = source
    _, belief = trust(data, signal, batch)
    literal = data.settings.tsal.loss == "mse"
    share = 1 / (2 * data.settings.training.batch) if literal else belief.mean()
    squares = losses.mean_squared_distance if literal else losses.squared_distance
    distance = losses.distribution_distance if teacher.distribution else squares
    loss = output.centre.new_zeros(())
    for stage, seen in zip(output.stages, look.output.stages, strict=True):
        if teacher.distribution:
            seen = seen.flatten(2).softmax(-1).view_as(seen)
        wanted = maps_in_view(seen, teacher.heatmap_stride, look.view, batch.view, data.scheme)
        counted = belief
        if teacher.distribution:
            wanted = wanted / wanted.sum((2, 3), keepdim=True).clamp_min(1e-6)
        else:
            counted = torch.cat([belief, belief.amin(1, keepdim=True)], 1)
        loss = loss + share * distance(stage, wanted, counted)
    return loss


def highest_weight(method: TsalSettings, labelled: int) -> float:
    """The weight of the student's unlabelled loss when it is fully ramped up, given the number of labelled faces.

    The more labels there are, the more the labelled faces still have to teach and the less the others should get in
    their way; the error of what n labels teach falls with the root of n, and so does this.
    """
    scale = 1.0 if method.weight_faces is None else math.sqrt(method.weight_faces / max(labelled, 1))
    return method.weight * scale


def ramp(progress: float, up: float, down: float) -> float:
    """w(n) of the paper for n / N = progress, n_up / N = up and n_down / N = down.

    exp(-5 (1 - n/n_up)^2), then 1, then exp(-12.5 (1 - (N - n)/(N - n_down))^2).
    """
    if progress < up:
        return math.exp(-5 * (1 - progress / up) ** 2)
    if progress <= down:
        return 1.0
    return math.exp(-12.5 * (1 - (1 - progress) / (1 - down)) ** 2)


@torch.no_grad()
def filter_recursively(teacher: nn.Module, student: nn.Module, keep: float) -> None:
    """theta_T <- keep * theta_T + (1 - keep) * theta_S, running statistics of normalisation layers included."""
    for mine, other in zip(tensors(teacher), tensors(student), strict=True):
        if mine.is_floating_point():
            mine.lerp_(other, 1 - keep)
        else:
            mine.copy_(other)


def tensors(network: nn.Module) -> Iterable[Tensor]:
    return network.state_dict().values()

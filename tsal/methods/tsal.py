"""Teacher-Student Asynchronous Learning (arXiv 2012.06711, section 3): the method of this project.

Two detectors of the same structure: a radical student that learns from several supervision signals, and a calm teacher
that learns from one and takes in the student by recursive average filtering. `train` is the algorithm, from top to
bottom. What the paper has otherwise is said with each key, and docs/reproduction.md says why it was changed.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, model_validator

from tsal.settings.models import Settings
from tsal.settings.section import Distinct, Section
from tsal.training.method import Method, later

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from torch import Tensor

    from tsal.detectors import Detector, Output
    from tsal.methods.signals import ForwardPass, Signal
    from tsal.training.batches import Frames, LabelledBatch, TrainingData, UnlabelledBatch
    from tsal.training.run import Run

torch, augment, losses = later("torch"), later("tsal.data.augment"), later("tsal.detectors.losses")
common, signals, memory = later("tsal.methods.common"), later("tsal.methods.signals"), later("tsal.methods.memory")
flow_adaptation = later("tsal.methods.flow_adaptation")

Source = Literal["tracking", "offsets", "detection", "turned", "view"]  # computed by a forward pass; see signals


class Options(Section):
    """Keys of tsal."""

    sources: Distinct[Source | Literal["tracks"]] = Field(
        ("detection", "view", "tracks"),
        min_length=1,
        description="signals that the student learns from: detection, view (the frame under a known warp), tracks "
        "(earlier estimates of the frames around it, carried along the clip), tracking (the frame before, warped), "
        "offsets (centre and offsets on that), turned",
    )
    teacher_source: Source = Field("detection", description="the one signal of the teacher (paper: tracking)")
    observer: Literal["teacher", "student"] = Field(
        "teacher", description="the network that computes the student's signals (paper: student)"
    )
    fusion: Literal["confidence"] | Annotated[float, Field(ge=0, le=1)] = Field(
        "confidence", description="confidence, or mu: the share of tracking against offsets, 0 to 1 (paper: 0.5)"
    )
    loss: Literal["robust", "mse"] = Field(
        "robust", description="the supervised terms, weighted by confidence; or mse of coordinates (the paper)"
    )
    confidence_px: float = Field(
        6.0, gt=0, description="of robust: disagreement of the signals in pixels at which a landmark counts half"
    )
    weight: float = Field(1.0, ge=0, description="of the student's unlabelled loss, at its highest (paper: 1)")
    weight_faces: float | None = Field(
        100.0,
        gt=0,
        description="labelled faces for which it is that; it falls with the root of their number. null: never (paper)",
    )
    teacher_weight: float = Field(1.0, ge=0, description="of the teacher's unlabelled loss, at its highest")
    ramp_up: float = Field(
        0.1, ge=0, le=1, description="share of the steps after which the weight is at its highest (paper: 0.4)"
    )
    ramp_down: float = Field(1.0, ge=0, le=1, description="share of the steps after which it falls again (paper: 0.73)")
    teacher_rate: float = Field(
        0.15, ge=0, description="the teacher's learning rate, as a multiple of the student's (paper: 1)"
    )
    teacher_every: int | None = Field(
        3,
        ge=1,
        description="steps of the student to one of the teacher with a gradient of its own (paper: 1); null: none, it "
        "only takes in the student",
    )
    ema_decay: float = Field(
        0.99,
        ge=0,
        le=1,
        description="lambda of recursive average filtering: teacher <- lambda teacher + (1 - lambda) student (0.6)",
    )
    tracker: Literal["dis", "pwc"] = Field(
        "dis", description="optical flow: dis (OpenCV), pwc (learned without labels)"
    )
    reach: int = Field(3, ge=0, description="of tracks: frames before and after that are carried to a frame")
    memory: float = Field(
        0.5, ge=0, lt=1, description="of tracks: share of a frame's earlier estimate that stays when it comes again"
    )
    carry_labels: bool = Field(
        True, description="of tracks: labelled frames give their labels to the frames around them"
    )
    adapt_flow: bool = Field(
        False, description="the networks of pwc go on learning with student and teacher (the paper)"
    )

    @model_validator(mode="after")
    def _fits(self) -> Options:
        if self.fusion != "confidence" and set(self.sources) != {"tracking", "offsets"}:
            raise ValueError(
                f"fusion: found {self.fusion}, which mixes the sources tracking and offsets, with sources "
                f"{', '.join(self.sources)}; expected sources: [tracking, offsets], or fusion: confidence"
            )
        if self.sources == ("tracks",):
            raise ValueError("sources: found tracks alone, expected another one with it, whose targets it remembers")
        if self.adapt_flow and self.tracker != "pwc":
            raise ValueError(
                f"adapt_flow: found true with tracker {self.tracker}, expected pwc, the one that can learn"
            )
        return self

    @property
    def computed(self) -> tuple[str, ...]:
        """The student's sources that a forward pass computes, rather than the memory."""
        return tuple(name for name in self.sources if name != "tracks")


def train(run: Run, data: TrainingData, start: int, stop: int) -> str:
    """The algorithm of the paper. Ships the teacher.

    theta_S, theta_T: the weights of student and teacher; n: the step; w(n): the ramp; lambda: ema_decay.
    """
    settings, options = data.settings, data.settings.options
    student, teacher = run.networks["student"], run.networks["teacher"]
    first, steps = settings.training.warmup_steps, settings.training.steps
    highest = highest_weight(options, len(data.labelled))
    for n in run.steps(start, stop):
        labelled, unlabelled = data.labelled_batch(n), data.unlabelled_batch(n)
        w = common.ramp((n - first) / steps, options.ramp_up, options.ramp_down)

        # The student's target, fused from several signals; the teacher's single source. No gradient passes here.
        target, source = targets(run, data, unlabelled)

        # 1. Student step: L_S = L_sup + w(n) * distance of its landmarks from the fused target.
        supervised, output = forward_both(data, student, labelled, unlabelled)
        from_target = student_loss(data, student, output, target, unlabelled)
        loss = supervised + highest * w * from_target
        run.optimizer_step("student", loss, n)
        figures = {"loss": loss, "loss_supervised": supervised, "loss_student": from_target, "weight": w}

        # 2. Teacher step: L_T = L_sup + w(n) * distance of its heatmaps from those of its single source.
        if options.teacher_every is not None and (n + 1) % options.teacher_every == 0:
            supervised, output = forward_both(data, teacher, labelled, unlabelled)
            figures["loss_teacher"] = teacher_loss(data, teacher, output, source, unlabelled)
            loss = supervised + options.teacher_weight * w * figures["loss_teacher"]
            run.optimizer_step("teacher", loss, n, options.teacher_rate)
        adapt_flow(run, data, unlabelled, n)

        # 3. Recursive average filtering: theta_T <- lambda theta_T + (1 - lambda) theta_S.
        common.exponential_moving_average(teacher, student, options.ema_decay)
        if "teacher_flow" in run.parts:
            common.exponential_moving_average(run.parts["teacher_flow"], run.parts["student_flow"], options.ema_decay)

        run.finish_step(n, **figures)
    return "teacher"


def forward_both(
    data: TrainingData, network: Detector, labelled: LabelledBatch, unlabelled: UnlabelledBatch
) -> tuple[Tensor, Output]:
    """One forward pass on both batches: L_sup with the structure-invariance constraint (SIC) of the clips, and the
    output on the unlabelled frames.
    """
    supervised, output = common.forward_both(data, network, labelled, unlabelled.images)
    return supervised + structure_loss(data.settings, network, output, unlabelled), output


def structure_loss(settings: Settings, detector: Detector, output: Output, batch: UnlabelledBatch) -> Tensor:
    """L_SIC of the clips, from the offsets at each frame's strongest facial centre."""
    weights = settings.training.loss
    offsets = losses.offsets_at(output.offsets, losses.strongest_cells(output.centre))
    size = None if weights.sic_literal else batch.face_px / detector.centre_stride
    return weights.sic * losses.structure_invariance(offsets, settings.unlabelled.clip_frames, size)


def targets(run: Run, data: TrainingData, batch: UnlabelledBatch) -> tuple[Signal, tuple[Signal, ForwardPass]]:
    """The student's fused target; and the teacher's single source, as a signal and as the forward pass behind it."""
    options, input_px = data.settings.options, data.settings.detector.input_px
    single, wanted = options.teacher_source, options.computed
    student, teacher = run.networks["student"], run.networks["teacher"]
    if options.observer == "teacher":
        every = tuple(dict.fromkeys((*wanted, single)))
        frames = frames_of(run, "teacher", batch)
        found, passes = signals.compute_signals(teacher, frames, every, data.scheme, input_px)
        own = found
    else:
        frames = frames_of(run, "student", batch)
        found, _ = signals.compute_signals(student, frames, wanted, data.scheme, input_px)
        frames = frames_of(run, "teacher", batch)
        own, passes = signals.compute_signals(teacher, frames, (single,), data.scheme, input_px)
    found = {name: found[name] for name in wanted}
    target, _ = fuse_sources(run, data, batch.rows, found)
    if "memory" in run.parts:
        run.parts["memory"].update(batch.rows, signals.fuse(found, options.fusion), options.memory)
    return target, (own[single], passes[single])


def fuse_sources(
    run: Run, data: TrainingData, rows: np.ndarray, found: dict[str, Signal]
) -> tuple[Signal, dict[str, Signal]]:
    """The student's target for rows of the pool, and all the signals in it, given those that were computed."""
    options = data.settings.options
    if "memory" not in run.parts:
        return signals.fuse(found, options.fusion), found
    tracks, labels = run.parts["memory"].tracks(data, rows, options.reach)
    found = found | {"tracks": tracks}
    return memory.correct(signals.fuse(found, options.fusion), labels), found


def frames_of(run: Run, who: str, batch: UnlabelledBatch) -> Frames:
    """The frames with the flow of student or teacher: that of their own flow network where they have one."""
    network, frames = run.parts.get(f"{who}_flow"), batch.frames
    if network is None:
        return frames
    there, back = flow_adaptation.flow_between(network, frames.images, frames.neighbours)
    tracked = frames.tracked.view(-1, 1, 1, 1)
    return replace(frames, there=there * tracked, back=back * tracked)


def adapt_flow(run: Run, data: TrainingData, batch: UnlabelledBatch, step: int) -> None:
    """One step of the flow networks of student and teacher, where they have one; see methods.flow_adaptation."""
    frames = batch.frames
    for who in ("student", "teacher"):
        if (flow := run.parts.get(f"{who}_flow")) is not None:
            pictures = frames.images, frames.neighbours, batch.tracked
            input_px = data.settings.detector.input_px
            loss = flow_adaptation.adaptation_loss(flow, run.networks[who], *pictures, data.scheme, input_px)
            run.optimizer_step(f"{who}_flow", loss, step)


def confidence(data: TrainingData, signal: Signal, batch: UnlabelledBatch) -> tuple[Tensor, Tensor]:
    """Where a signal places the landmarks in the learner's views (N, K, 2), and their confidence (N, K), 0 to 1.

    The paper's is 1 for all that is known; "robust" has v / (v + variance), v = confidence_px^2, the less the more the
    signals disagree. It is 0 outside the view.
    """
    options = data.settings.options
    points = augment.to_view(signal.points, batch.view, data.scheme)
    variance = augment.rename_mirrored(signal.variance, batch.view, data.scheme)
    variance = variance * batch.view.scale.unsqueeze(1).square()
    inside = ((points >= 0) & (points <= data.settings.detector.input_px - 1)).all(-1)
    counted = torch.where(variance.isfinite() & inside, 1.0, 0.0)
    if options.loss == "robust":
        counted = counted / (1 + variance / options.confidence_px**2)
    return points, counted


def student_loss(
    data: TrainingData, student: Detector, output: Output, target: Signal, batch: UnlabelledBatch
) -> Tensor:
    """Distance of the student's landmarks from the fused target.

    "mse" (the paper): mean of squared px, divided by 2 x annotated frames as the release divides all of its loss.
    """
    settings = data.settings
    points, counted = confidence(data, target, batch)
    predicted = student.decode(output)
    if settings.options.loss == "mse":
        return losses.masked_mean((predicted - points).square().mean(-1), counted) / (2 * settings.training.batch)
    coordinate = losses.coordinate_loss(predicted, points, counted, settings.detector.input_px)
    heatmap = losses.heatmap_loss(student, output, points, counted)
    weights = settings.training.loss
    # Mean confidence scales the loss: an uncertain batch should teach less, not the same about fewer landmarks.
    return counted.mean() * (weights.heatmap * heatmap + weights.coordinate * coordinate)


def teacher_loss(
    data: TrainingData, teacher: Detector, output: Output, source: tuple[Signal, ForwardPass], batch: UnlabelledBatch
) -> Tensor:
    """Distance of the teacher's heatmaps, every stage, from those that its single source has for the same frames.

    "mse" (the paper): mean of squared differences, divided by 2 x annotated frames; distributions by their divergence.
    """
    signal, forward = source
    _, per_landmark = confidence(data, signal, batch)
    literal = data.settings.options.loss == "mse"
    share = 1 / (2 * data.settings.training.batch) if literal else per_landmark.mean()
    squares = losses.mean_squared_distance if literal else losses.squared_distance
    distance = losses.distribution_distance if teacher.distribution else squares
    loss = output.centre.new_zeros(())
    for stage, maps in zip(output.stages, forward.output.stages, strict=True):
        if teacher.distribution:
            maps = maps.flatten(2).softmax(-1).view_as(maps)
        wanted = signals.maps_in_view(maps, teacher.heatmap_stride, forward.view, batch.view, data.scheme)
        counted = per_landmark
        if teacher.distribution:
            wanted = wanted / wanted.sum((2, 3), keepdim=True).clamp_min(1e-6)
        else:
            counted = torch.cat([counted, counted.amin(1, keepdim=True)], 1)
        loss = loss + share * distance(stage, wanted, counted)
    return loss


def highest_weight(options: Options, labelled: int) -> float:
    """The weight of the student's unlabelled loss when it is fully ramped up, given the number of labelled faces.

    The more labels there are, the more the labelled faces still have to teach and the less the others should get in
    their way; the error of what n labels teach falls with the root of n, and so does this.
    """
    scale = 1.0 if options.weight_faces is None else math.sqrt(options.weight_faces / max(labelled, 1))
    return options.weight * scale


def prepare(run: Run, data: TrainingData, flow_network: Path | None) -> None:
    """Add the memory of targets and the flow networks, where the options ask for them."""
    options = data.settings.options
    if options.adapt_flow and data.flow is not None:  # still images have none
        flow_adaptation.add_flow_networks(run, data, flow_network)
    if "tracks" in options.sources:
        run.parts["memory"] = memory.Memory(data)


def measure(run: Run, data: TrainingData) -> dict[str, float]:
    """Error in % of each signal, of their fusion and of the teacher on the probe, on the landmarks that each knows of.

    Left out: a signal that knows of none, as tracking among still images.
    """
    options, store, rows = data.settings.options, data.unlabelled, data.probe
    if not len(rows):
        return {}
    wanted = tuple(dict.fromkeys(("detection", *options.computed)))
    arguments = data.scheme, store.input_px
    found, _ = signals.compute_signals(run.networks[options.observer], data.probe_frames, wanted, *arguments)
    teacher = found
    if options.observer != "teacher":
        teacher, _ = signals.compute_signals(run.networks["teacher"], data.probe_frames, ("detection",), *arguments)
    fused, in_it = fuse_sources(run, data, rows, {name: found[name] for name in options.computed})
    found = found | in_it | {"fused": fused, "teacher": teacher["detection"]}
    errors = {name: data.probe_error(signal.points, signal.variance.isfinite()) for name, signal in found.items()}
    return {f"noise_{name}": error for name, error in errors.items() if error is not None}


def images(settings: Settings) -> tuple[float, float]:
    """Images a step: the signals look at every frame once for each view of it; both networks learn from all."""
    options, frames = settings.options, settings.unlabelled.frames
    looked_at = _views(*options.computed, options.teacher_source)
    if options.observer != "teacher":
        looked_at = _views(*options.computed) + 1
    teachers = 0 if options.teacher_every is None else 1 / options.teacher_every
    return looked_at * frames, (1 + teachers) * (settings.training.batch + frames)


def _views(*names: str) -> int:
    """How many pictures of a frame these signals need: tracking and offsets look at the same one."""
    return len({"warped" if name in ("tracking", "offsets") else name for name in names})


METHOD = Method(
    title="TSAL",
    colour="#D55E00",
    settings=Options,
    networks={"student": "raw", "teacher": "raw"},
    tracker=lambda options: options.tracker,
    adapts_flow=lambda options: options.adapt_flow,
    measures_signals=lambda options: True,
    images=images,
    prepare=prepare,
    train=train,
    measure=measure,
)

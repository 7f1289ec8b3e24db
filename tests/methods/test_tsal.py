"""The asynchronous loop, equation by equation (arXiv 2012.06711, section 3)."""

import copy
import dataclasses
import itertools
import math

import numpy as np
import pytest
import torch
from views import mirror

from tsal.data.augment import View
from tsal.data.crops import open_crops
from tsal.data.landmarks import Scheme
from tsal.detectors import Output, build, losses
from tsal.detectors.heatmaps import encode_distribution
from tsal.flow.storage import open_flow, write_flow
from tsal.methods import signals
from tsal.methods.common import exponential_moving_average, ramp, supervised_loss
from tsal.methods.signals import ForwardPass, Signal
from tsal.methods.tsal import Options, confidence, highest_weight, student_loss, teacher_loss, train
from tsal.settings.models import DetectorSettings, LossSettings, Settings, TrainingSettings, UnlabelledSettings
from tsal.training.batches import Frames, LabelledBatch, TrainingData, UnlabelledBatch
from tsal.training.run import Run, make_optimizer

CPU = torch.device("cpu")
PAIR = Scheme(name="pair", n_points=2, normalisers={"face-size": "box"}, mirror_pairs=((0, 1),))
PAPER = Options(
    sources=("tracking", "offsets"),
    teacher_source="tracking",
    observer="student",
    fusion=0.5,
    loss="mse",
    weight_faces=None,
    ramp_up=0.4,
    ramp_down=0.73,
    teacher_rate=1.0,
    teacher_every=1,
    ema_decay=0.6,
)
OURS = PAPER.replace(
    sources=("tracking", "turned", "detection"),
    observer="teacher",
    fusion="confidence",
    loss="robust",
    confidence_px=2.0,
    ema_decay=0.9,
)


# --- the ramp -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("epoch", "expected"),
    [
        (0, math.exp(-5)),
        (30, math.exp(-5 * (1 - 30 / 60) ** 2)),
        (60, 1.0),
        (110, 1.0),
        (130, math.exp(-12.5 * (1 - (150 - 130) / (150 - 110)) ** 2)),
        (150, math.exp(-12.5)),
    ],
)
def test_the_weight_ramps_as_in_the_paper(epoch, expected):
    assert ramp(epoch / 150, 60 / 150, 110 / 150) == pytest.approx(expected)


def test_without_ramps_the_weight_is_one():
    assert {ramp(n / 10, 0.0, 1.0) for n in range(11)} == {1.0}


# --- recursive average filtering ----------------------------------------------------------------------------


def test_filtering_has_its_closed_form_after_n_steps():
    """theta_n = lambda^n theta_0 + (1 - lambda^n) theta_S for a student that stands still."""
    teacher, student = build("compact", 3), build("compact", 3)
    start = copy.deepcopy(teacher)
    for _ in range(7):
        exponential_moving_average(teacher, student, 0.6)
    keep = 0.6**7
    for now, first, other in zip(teacher.parameters(), start.parameters(), student.parameters(), strict=True):
        assert torch.allclose(now, keep * first + (1 - keep) * other, atol=1e-6)


def test_filtering_averages_running_statistics_too_and_leaves_the_student_alone():
    teacher, student = build("compact", 3), build("compact", 3)
    statistics = "trunk.stem.1.running_mean"
    student.state_dict()[statistics].fill_(2.0)
    before = {name: value.clone() for name, value in student.state_dict().items()}
    exponential_moving_average(teacher, student, 0.75)
    assert teacher.state_dict()[statistics].unique().tolist() == [0.5]
    assert all(torch.equal(before[name], value) for name, value in student.state_dict().items())


# --- the losses on unlabelled frames ------------------------------------------------------------------------


def tiny(options=PAPER, **loss):
    """Two frames of 128 px in a view without augmentation (shifted by 16 px), a detector of two landmarks."""
    training = TrainingSettings(loss=LossSettings(**loss))
    settings = Settings(
        benchmark="ytf", method="tsal", algorithm="tsal", labels=0.5, training=training, options=options
    )
    data = TrainingData.__new__(TrainingData)
    data.settings, data.device, data.seed = settings, CPU, 0
    data.__dict__["scheme"] = PAIR
    matrix = torch.tensor([[1.0, 0.0, -16.0], [0.0, 1.0, -16.0]]).expand(2, 2, 3)
    view = View(matrix, torch.zeros(2, dtype=torch.bool), torch.ones(2))
    crops = torch.zeros(2, 128, 128, 3, dtype=torch.uint8)
    flow = torch.zeros(2, 2, 64, 64)
    frames = Frames(crops, crops, flow, flow, torch.tensor([True, True]))
    images, tracked = torch.zeros(2, 3, 96, 96), torch.tensor([True, True])
    batch = UnlabelledBatch(np.arange(2), frames, view, images, torch.full((2,), 70.0), tracked)
    return data, build("compact", 2, sigma=6.0, decode="gaussian"), batch


def output_at(points):
    """An output whose heatmaps place landmarks (2, K, 2), in network px."""
    maps = encode_distribution(points, (24, 24), 4, 6.0).clamp_min(1e-30).log().requires_grad_()
    return Output([maps], torch.zeros(2, 1, 12, 12), torch.zeros(2, 4, 12, 12)), maps


PLACES = torch.tensor([[[30.0, 40.0], [60.0, 50.0]], [[35.0, 45.0], [65.0, 55.0]]])


def test_the_papers_student_loss_is_the_mean_squared_distance_over_twice_the_annotated_frames():
    data, detector, batch = tiny()
    output, _ = output_at(PLACES)
    # targets lie in the store's pixels, 16 px from the network's, and (3, 4) px further: (9 + 16) / 2 a coordinate
    target = Signal(PLACES + 16 + torch.tensor([3.0, 4.0]), torch.ones(2, 2))
    assert student_loss(data, detector, output, target, batch).item() == pytest.approx(
        12.5 / (2 * data.settings.training.batch), rel=1e-3
    )


def test_the_papers_student_loss_leaves_out_what_is_not_known():
    data, detector, batch = tiny()
    output, _ = output_at(PLACES)
    points = PLACES + 16
    points[0, 1] += 20
    variance = torch.ones(2, 2)
    variance[0, 1] = torch.inf
    loss = student_loss(data, detector, output, Signal(points, variance), batch)
    assert loss.item() == pytest.approx(0, abs=1e-4)


def test_robust_confidence_halves_at_confidence_px_and_is_measured_in_network_pixels():
    data, _, batch = tiny(OURS.replace(confidence_px=2.0))
    target = Signal(PLACES + 16, torch.tensor([[0.0, 4.0], [12.0, torch.inf]]))
    assert confidence(data, target, batch)[1].flatten().tolist() == pytest.approx([1, 0.5, 0.25, 0])
    zoomed = dataclasses.replace(batch, view=dataclasses.replace(batch.view, scale=torch.full((2,), 2.0)))
    assert confidence(data, target, zoomed)[1].flatten().tolist() == pytest.approx([1, 0.2, 1 / 13, 0])


def test_landmarks_outside_of_the_view_have_no_confidence():
    data, _, batch = tiny()
    points = PLACES + 16
    points[0, 0, 0], points[1, 1, 1] = 15.0, 112.0  # network px -1 and 96
    assert confidence(data, Signal(points, torch.ones(2, 2)), batch)[1].tolist() == [[0, 1], [1, 0]]


def test_confidence_follows_its_landmark_through_a_mirrored_view():
    data, _, batch = tiny()
    variance = torch.tensor([[torch.inf, 1.0], [1.0, 1.0]])
    mirrored = dataclasses.replace(batch, view=mirror(batch.view, 96))
    points, counted = confidence(data, Signal(PLACES + 16, variance), mirrored)
    assert counted.tolist() == [[1, 0], [1, 1]]
    assert points[0, 0].tolist() == [95 - 60.0, 50.0]


def test_the_teachers_loss_vanishes_when_its_heatmaps_are_those_of_its_source():
    data, detector, batch = tiny()
    output, _ = output_at(PLACES)
    plain = ForwardPass(output_at(PLACES)[0], batch.view)
    source = Signal(PLACES + 16, torch.ones(2, 2))
    assert teacher_loss(data, detector, output, (source, plain), batch).item() == pytest.approx(0, abs=1e-3)
    moved, _ = output_at(PLACES + 6)
    # KL divergence of two Gaussians of one width: |distance|^2 / (2 sigma^2) = 72 / 72
    expected = 1 / (2 * data.settings.training.batch)
    assert teacher_loss(data, detector, moved, (source, plain), batch).item() == pytest.approx(expected, rel=0.02)


@pytest.mark.parametrize("options", [PAPER, OURS])
def test_no_gradient_flows_into_targets(options):
    data, detector, batch = tiny(options)
    output, mine = output_at(PLACES)
    other, theirs = output_at(PLACES + 5)
    with torch.no_grad():
        points = detector.decode(other)
    source = Signal(points + 16, torch.ones(2, 2))
    forward = ForwardPass(Output([theirs.detach()], other.centre, other.offsets), batch.view)
    loss = student_loss(data, detector, output, source, batch)
    loss = loss + teacher_loss(data, detector, output, (source, forward), batch)
    loss.backward()
    assert mine.grad.abs().sum() > 0 and theirs.grad is None


# --- the loop -----------------------------------------------------------------------------------------------


def start(ytf_tiny, tmp_path, options, seed=0, rate=1e-3, **training):
    store = open_crops(ytf_tiny / "crops", "train")
    flow = tmp_path / "flow.json"
    if not flow.exists():
        write_flow(store, flow, "dis", 1)
    values = {"warmup_steps": 2, "steps": 6, "batch": 4, "probe": 0, "precision": "float32"} | training
    optimizer = TrainingSettings().optimizer.replace(learning_rate=rate, linear_steps=0)
    settings = Settings(
        benchmark="ytf",
        method="tsal",
        algorithm="tsal",
        labels=0.5,
        detector=DetectorSettings(input_px=32),
        training=TrainingSettings(**values, optimizer=optimizer),
        unlabelled=UnlabelledSettings(clips=2),
        options=options,
    )
    torch.manual_seed(seed)
    first = build("compact", 68, decode="gaussian")
    networks = {"student": copy.deepcopy(first), "teacher": copy.deepcopy(first)}
    optimizers = {name: make_optimizer(net, settings.training.optimizer) for name, net in networks.items()}
    run = Run(settings.training, networks, optimizers, CPU, "test")
    return run, TrainingData(settings, store, open_flow(flow, store), seed, CPU), first


def weights(network):
    return torch.cat([p.detach().flatten() for p in network.parameters()])


@pytest.mark.parametrize("options", [PAPER, OURS])
def test_a_step_trains_both_networks_and_logs_their_losses(ytf_tiny, tmp_path, options):
    run, data, first = start(ytf_tiny, tmp_path, options)
    train(run, data, 2, 8)
    assert not torch.equal(weights(run.networks["student"]), weights(first))
    assert not torch.equal(weights(run.networks["teacher"]), weights(first))
    assert {"loss_student", "loss_teacher", "weight", "loss_supervised"} <= set(run.log[-1])


def test_the_teacher_is_untouched_by_the_students_gradient(ytf_tiny, tmp_path):
    """With lambda = 1 the teacher's weights are the same whatever the student learns."""
    alone = PAPER.replace(ema_decay=1.0)
    outcomes = []
    for weight in (1.0, 100.0):
        run, data, _ = start(ytf_tiny, tmp_path, alone.replace(weight=weight))
        train(run, data, 2, 5)
        outcomes.append((weights(run.networks["teacher"]), weights(run.networks["student"])))
    assert torch.equal(outcomes[0][0], outcomes[1][0])
    assert not torch.equal(outcomes[0][1], outcomes[1][1])


def test_without_a_gradient_of_its_own_the_teacher_is_the_average_of_the_student(ytf_tiny, tmp_path):
    run, data, first = start(ytf_tiny, tmp_path, PAPER.replace(ema_decay=0.6, teacher_rate=0.0))
    students = []
    original = run.finish_step

    def finish(step, **figures):
        students.append(weights(run.networks["student"]))
        original(step, **figures)

    run.finish_step = finish
    train(run, data, 2, 5)
    expected = weights(first)
    for student in students:
        expected = 0.6 * expected + 0.4 * student
    assert torch.allclose(weights(run.networks["teacher"]), expected, atol=1e-6)


@pytest.mark.parametrize(("every", "steps"), [(3, [True, False, False, True, False]), (None, [False] * 5)])
def test_the_teacher_takes_a_gradient_step_at_every_so_many_of_the_students(ytf_tiny, tmp_path, every, steps):
    """With lambda = 1 the teacher changes by its own gradient alone: with a step in three, at step 2 and at step 5."""
    run, data, first = start(ytf_tiny, tmp_path, PAPER.replace(ema_decay=1.0, teacher_every=every))
    teachers, logged = [weights(first)], []
    original = run.finish_step

    def finish(step, **figures):
        teachers.append(weights(run.networks["teacher"]))
        logged.append("loss_teacher" in figures)
        original(step, **figures)

    run.finish_step = finish
    train(run, data, 2, 7)
    changed = [not torch.equal(before, after) for before, after in itertools.pairwise(teachers)]
    assert changed == logged == steps


def test_with_lambda_zero_the_teacher_becomes_the_student(ytf_tiny, tmp_path):
    run, data, _ = start(ytf_tiny, tmp_path, PAPER.replace(ema_decay=0.0))
    train(run, data, 2, 4)
    assert torch.allclose(weights(run.networks["teacher"]), weights(run.networks["student"]))


def test_the_papers_observer_is_the_student_and_the_teachers_source_is_its_own(ytf_tiny, tmp_path, monkeypatch):
    calls = []
    original = signals.compute_signals

    def spy(detector, frames, names, scheme, input_px):
        calls.append((detector, tuple(names)))
        return original(detector, frames, names, scheme, input_px)

    monkeypatch.setattr(signals, "compute_signals", spy)
    run, data, _ = start(ytf_tiny, tmp_path, PAPER)
    train(run, data, 2, 3)
    student, teacher = run.networks["student"], run.networks["teacher"]
    assert calls == [(student, ("tracking", "offsets")), (teacher, ("tracking",))]


def test_the_unlabelled_terms_weigh_what_the_ramp_says(ytf_tiny, tmp_path):
    run, data, _ = start(ytf_tiny, tmp_path, PAPER.replace(ramp_up=1.0, ramp_down=1.0), steps=10)
    train(run, data, 2, 12)
    assert run.log[-1]["weight"] == pytest.approx(math.exp(-5 * (1 - 9 / 10) ** 2))


def test_the_weight_of_the_unlabelled_terms_falls_with_the_root_of_the_labelled_faces():
    rooted = PAPER.replace(weight=3.0, weight_faces=25)
    assert [highest_weight(rooted, n) for n in (25, 100, 2500)] == pytest.approx([3.0, 1.5, 0.3])
    assert highest_weight(rooted.replace(weight_faces=None), 2500) == 3.0


def test_the_students_loss_takes_the_unlabelled_terms_by_the_number_of_labelled_faces(ytf_tiny, tmp_path):
    run, data, _ = start(ytf_tiny, tmp_path, OURS.replace(weight=3.0, weight_faces=10, ramp_up=0.0))
    taken, logged = {}, {}
    run.optimizer_step = lambda name, loss, *_: taken.setdefault(name, loss.item())
    run.finish_step = lambda _, **figures: logged.update(
        {k: float(torch.as_tensor(v).detach()) for k, v in figures.items()}
    )
    train(run, data, 2, 3)
    expected = (
        logged["loss_supervised"] + 3 * math.sqrt(10 / len(data.labelled)) * logged["weight"] * logged["loss_student"]
    )
    assert logged["loss_student"] > 0
    assert taken["student"] == logged["loss"] == pytest.approx(expected, rel=1e-5)


def test_the_same_seed_gives_the_same_weights(ytf_tiny, tmp_path):
    ends = []
    for seed in (0, 0, 1):
        run, data, _ = start(ytf_tiny, tmp_path, OURS, seed=seed)
        train(run, data, 2, 5)
        ends.append(weights(run.networks["teacher"]))
    assert torch.equal(ends[0], ends[1]) and not torch.equal(ends[0], ends[2])


def test_the_supervised_loss_is_the_weighted_sum_of_its_terms():
    data, detector, _ = tiny(heatmap=2.0, coordinate=3.0, centre=5.0, offset=7.0)
    output, _ = output_at(PLACES)
    visible = torch.ones(2, 2, dtype=torch.bool)
    batch = LabelledBatch(torch.zeros(2, 3, 96, 96), PLACES + 2, visible)
    truth = batch.points, visible
    expected = (
        2 * losses.heatmap_loss(detector, output, *truth)
        + 3 * 2 * 100 / 96  # two pixels off in x and y, in per cent of the input
        + 5 * losses.centre_loss(detector, output, *truth)
        + 7 * losses.offset_loss(detector, output, *truth)
    )
    found = supervised_loss(data.settings, detector, output, batch)
    assert found.item() == pytest.approx(expected.item(), rel=1e-3)

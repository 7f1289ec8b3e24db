"""What TSAL is compared with: each method's defining equation, on tensors by hand."""

import copy
import math

import numpy as np
import pytest
import torch
from torch import nn
from views import mirror

from tsal import methods
from tsal.data.augment import View
from tsal.data.cropping import apply_affine
from tsal.data.crops import open_crops
from tsal.data.landmarks import Scheme
from tsal.detectors import Output, build
from tsal.detectors.heatmaps import encode_distribution, encode_gaussian
from tsal.detectors.predict import LandmarkDetector, predict_store
from tsal.errors import InputError
from tsal.methods import mean_teacher, sbr, self_training, stld
from tsal.methods.mean_teacher import consistency_loss, decay_at, other_view
from tsal.methods.pseudo_labels import PseudoLabels, label_pool
from tsal.methods.sbr import registration_loss
from tsal.methods.self_training import added_in, round_at
from tsal.methods.signals import ForwardPass
from tsal.methods.stld import forward_both_heads, stage_at
from tsal.settings.models import HEATMAPS, DetectorSettings, Settings, TrainingSettings, UnlabelledSettings
from tsal.settings.section import read_section
from tsal.training.batches import Frames, LabelledBatch, TrainingData, UnlabelledBatch
from tsal.training.run import Run, make_optimizer

CPU = torch.device("cpu")
SIGMA = 6.0
PAIR = Scheme(name="pair", n_points=2, normalisers={"face-size": "box"}, mirror_pairs=((0, 1),))


def tiny(algorithm="mean_teacher", **options):
    """The data of a method for two landmarks, mirror images of each other, without crops."""
    own = {"mean_teacher": mean_teacher, "sbr": sbr}[algorithm].Options(**{"distance": "mse"} | options)
    data = TrainingData.__new__(TrainingData)
    about = {"benchmark": "ytf", "method": algorithm, "algorithm": algorithm, "labels": 0.5}
    data.settings, data.device, data.seed = Settings(**about, options=own), CPU, 0
    data.__dict__["scheme"] = PAIR
    return data


def shifted(x, y=0.0):
    """A view that shows two crops of 128 px from the pixel (x, y) on, 96 px of them."""
    matrix = torch.tensor([[1.0, 0.0, -x], [0.0, 1.0, -y]]).expand(2, 2, 3)
    return View(matrix, torch.zeros(2, dtype=torch.bool), torch.ones(2))


def output_at(points, encode=encode_distribution):
    """An output whose heatmaps place landmarks (2, K, 2), in network px."""
    maps = encode(points, (24, 24), 4, SIGMA)
    maps = maps.clamp_min(1e-30).log() if encode is encode_distribution else maps
    return Output([maps.requires_grad_()], torch.zeros(2, 1, 12, 12), torch.zeros(2, 4, 12, 12))


def batch_in(view):
    """A batch of frames in a view."""
    return UnlabelledBatch(np.arange(2), None, view, torch.zeros(2, 3, 96, 96), torch.ones(2), None)


PLACES = torch.tensor([[[46.0, 56.0], [76.0, 66.0]], [[51.0, 61.0], [81.0, 71.0]]])  # store px
DETECTOR = build("compact", 2, sigma=SIGMA, decode="gaussian")


# --- mean teacher ---


def test_the_average_is_the_true_one_until_the_exponential_one_is_more_correct():
    method = mean_teacher.Options(ema_decay=0.9)
    assert [decay_at(step, method) for step in range(3)] == pytest.approx([1 / 2, 2 / 3, 3 / 4])
    assert decay_at(8, method) == pytest.approx(0.9) and decay_at(500, method) == 0.9


@pytest.mark.parametrize("distance", ["mse", "kl"])
def test_consistency_is_measured_where_the_views_show_the_same_place(distance):
    """The same landmarks of the crop, 8 px to the side in the student's view, mirrored or not, cost nothing."""
    data, theirs, mine = tiny(distance=distance), shifted(16.0, 16.0), shifted(8.0, 16.0)
    target = ForwardPass(output_at(PLACES - torch.tensor([16.0, 16.0])), theirs)
    agreeing = PLACES - torch.tensor([8.0, 16.0])
    loss = consistency_loss(data, DETECTOR, output_at(agreeing), target, batch_in(mine))
    assert loss.item() == pytest.approx(0, abs=2e-3)
    swapped = torch.stack([95 - agreeing[..., 0], agreeing[..., 1]], -1)[:, [1, 0]]
    loss = consistency_loss(data, DETECTOR, output_at(swapped), target, batch_in(mirror(mine, 96)))
    assert loss.item() == pytest.approx(0, abs=2e-3)
    as_in_the_other = output_at(PLACES - torch.tensor([16.0, 16.0]))
    assert consistency_loss(data, DETECTOR, as_in_the_other, target, batch_in(mine)).item() > 0.7


@pytest.mark.parametrize("encode", [encode_distribution, encode_gaussian])
@pytest.mark.parametrize("distance", [2.0, 6.0, 30.0])
def test_two_gaussians_apart_cost_what_their_distance_says(encode, distance):
    data, view = tiny(), shifted(16.0, 16.0)
    detector = copy.copy(DETECTOR)
    detector.distribution = encode is encode_distribution
    target = ForwardPass(output_at(PLACES - 16, encode), view)
    moved = output_at(PLACES - 16 + torch.tensor([0.0, distance]), encode)
    loss = consistency_loss(data, detector, moved, target, batch_in(view)).item()
    apart = distance**2 / (2 * SIGMA**2)
    assert loss == pytest.approx(2 * (1 - math.exp(-apart / 2)), rel=0.03)
    if encode is encode_distribution and distance < 30:
        kl = consistency_loss(tiny(distance="kl"), detector, moved, target, batch_in(view)).item()
        assert kl == pytest.approx(apart, rel=0.03)


def test_landmarks_outside_of_the_students_view_are_left_out():
    data, target = tiny(), ForwardPass(output_at(PLACES - 16), shifted(16.0, 16.0))
    mine = shifted(48.0, 16.0)  # the first landmark of frame 0 would lie at x = -2, that of frame 1 at 3
    student = PLACES - torch.tensor([48.0, 16.0])
    student[0, 0] += 40
    assert consistency_loss(data, DETECTOR, output_at(student), target, batch_in(mine)).item() < 0.02
    student[1, 0] += 40
    assert consistency_loss(data, DETECTOR, output_at(student), target, batch_in(mine)).item() > 0.5


def test_kullback_leibler_needs_distributions(ytf_data):
    _, data = start(ytf_data, "mean_teacher", mean_teacher.Options(distance="kl"))
    assert not list(mean_teacher.METHOD.check(data.settings))
    regressed = data.settings.replace(detector=DetectorSettings(name="vgg16_cpm", input_px=64))
    ((key, text),) = mean_teacher.METHOD.check(regressed)
    assert key == "options.distance" and "vgg16_cpm" in text and "expected mse" in text
    assert not list(mean_teacher.METHOD.check(regressed.replace(options=mean_teacher.Options(distance="mse"))))


@pytest.mark.parametrize("name", HEATMAPS)
def test_what_the_settings_say_of_a_detectors_heatmaps_is_so(name):
    distribution = build(name, 2, weights=None).distribution
    assert DetectorSettings(name=name).heatmaps == ("distribution" if distribution else "regressed")


def start(ytf_data, algorithm, options=None, starts=("student", "teacher"), warmup=0, seed=0, **unlabelled):
    """A run of a method at its first step, from random weights, and its data."""
    store = open_crops(ytf_data / "crops", "train")
    training = TrainingSettings(warmup_steps=warmup, steps=6, batch=4, probe=0, precision="float32")
    settings = Settings(
        benchmark="ytf",
        method=algorithm,
        algorithm=algorithm,
        labels=0.5,
        detector=DetectorSettings(input_px=48),
        training=training,
        unlabelled=UnlabelledSettings(**unlabelled),
        options=options or methods.get(algorithm).settings(),
    )
    torch.manual_seed(seed)
    networks = dict.fromkeys(starts, build("compact", 68, decode="gaussian"))
    networks = {name: copy.deepcopy(network) for name, network in networks.items()}
    optimizers = {starts[0]: make_optimizer(networks[starts[0]], training.optimizer)}
    return Run(training, networks, optimizers, CPU, "test"), TrainingData(settings, store, None, seed, CPU)


def test_the_teacher_is_the_average_of_the_student_and_has_no_gradient(ytf_data):
    run, data = start(ytf_data, "mean_teacher", mean_teacher.Options(distance="mse", ema_decay=0.7), clips=2)
    average = {key: value.clone() for key, value in run.networks["teacher"].state_dict().items()}
    original = run.finish_step

    def finish(step, **figures):
        keep = min(1 - 1 / (step + 2), 0.7)
        for key, value in run.networks["student"].state_dict().items():
            average[key] = keep * average[key] + (1 - keep) * value
        original(step, **figures)

    run.finish_step = finish
    assert mean_teacher.train(run, data, 0, 4) == "teacher"
    for key, value in run.networks["teacher"].state_dict().items():
        if value.is_floating_point():
            torch.testing.assert_close(value, average[key], rtol=1e-4, atol=1e-6)
    assert all(parameter.grad is None for parameter in run.networks["teacher"].parameters())


def test_the_teacher_gets_the_same_frames_in_views_of_its_own(ytf_data):
    run, data = start(ytf_data, "mean_teacher")
    batch = data.unlabelled_batch(3)
    seen = [other_view(data, run.networks["teacher"], batch, step).view.matrix for step in (3, 3, 4)]
    assert torch.equal(seen[0], seen[1]) and not torch.equal(seen[0], seen[2])
    assert (seen[0] != batch.view.matrix).flatten(1).any(1).all()


# --- supervision by registration ---


def frames_of(there, back, tracked=(True, True)):
    crops = torch.zeros(2, 128, 128, 3, dtype=torch.uint8)
    return Frames(crops, crops, there, back, torch.tensor(tracked))


def uniform(x, y):
    return torch.tensor([x, y]).view(1, 2, 1, 1).repeat(2, 1, 64, 64)


def test_registration_is_the_distance_of_what_was_carried_from_what_is_detected():
    data = tiny("sbr", distance="l2")
    points = torch.tensor([[[10.0, 20.0], [60.0, 50.0]], [[15.0, 20.0], [63.0, 53.0]]], requires_grad=True)
    frames = frames_of(there=uniform(-3.0, 0.0), back=uniform(3.0, 0.0))  # frame 1 to frame 0, and 0 to 1
    # carried to (13, 20) and (63, 50): 2 and 3 px off
    loss = registration_loss(data, points, frames)
    assert loss.item() == pytest.approx((4 + 9) / 2)
    loss.backward()
    assert points.grad[0].tolist() == [[-2.0, 0.0], [0.0, -3.0]]  # 2 x difference / 2 landmarks
    assert points.grad[1].tolist() == [[2.0, 0.0], [0.0, 3.0]]
    l1 = registration_loss(tiny("sbr", distance="l1"), points, frames)
    assert l1.item() == pytest.approx((2 / 2 + 3 / 2) / 2 * 100 / 96)


def test_gradient_passes_through_the_flow_that_is_read_at_the_detected_place():
    """A flow of x / 10 stretches: an arrived place moves by 1.1 px for each px of the detection."""
    centres = torch.arange(64) * 2 + 0.5
    back = torch.zeros(2, 2, 64, 64)
    back[:, 0] = centres / 10
    there = torch.zeros(2, 2, 64, 64)
    there[:, 0] = -centres / 11
    points = torch.tensor([[[40.0, 20.0], [60.0, 50.0]], [[46.0, 20.0], [66.0, 50.0]]], requires_grad=True)
    registration_loss(tiny("sbr", distance="l2"), points, frames_of(there, back)).backward()
    assert points.grad[0, 0].tolist() == pytest.approx([(44 - 46) * 1.1, 0.0], abs=1e-4)
    assert points.grad[1, 0].tolist() == pytest.approx([-(44 - 46), 0.0], abs=1e-4)


def test_a_landmark_whose_way_back_leads_elsewhere_does_not_count():
    there, back = uniform(-3.0, 0.0), uniform(3.0, 0.0)
    there[1, 0, :, 32:] = 9.0  # right of x = 64 the way back from frame 1 is another one
    points = torch.tensor([[[10.0, 20.0], [90.0, 50.0]], [[15.0, 20.0], [93.0, 57.0]]], requires_grad=True)
    loss = registration_loss(tiny("sbr", distance="l2"), points, frames_of(there, back))
    assert loss.item() == pytest.approx(4.0)
    loss.backward()
    assert not points.grad[:, 1].any() and points.grad[:, 0, 0].all()


def test_a_frame_without_a_neighbour_registers_nothing():
    points = torch.rand(2, 2, 2, requires_grad=True)
    loss = registration_loss(
        tiny("sbr", distance="l2"), points, frames_of(uniform(0.0, 0.0), uniform(0.0, 0.0), (False, False))
    )
    loss.backward()
    assert loss.item() == 0 and not points.grad.any()


# --- self-training ---


def test_a_round_adds_exactly_its_share_of_the_most_confident():
    deviation = torch.tensor([5.0, 1, 9, 2, 8, 3, 7, 4, 6, 0])
    pool = PseudoLabels(np.arange(100, 110), torch.arange(10.0).view(10, 1, 1).expand(10, 2, 2), deviation)
    method = self_training.Options(rounds=2, pseudo_labels=0.8)
    first, second = (added_in(r, method, pool) for r in (1, 2))
    assert sorted(first.rows) == [101, 103, 105, 109] and sorted(second.deviation.tolist()) == list(range(8))
    assert torch.equal(first.points[:, 0, 0], torch.from_numpy(first.rows - 100).float())
    assert not len(added_in(2, self_training.Options(rounds=2, pseudo_labels=0.0), pool))
    assert len(added_in(3, self_training.Options(rounds=3, pseudo_labels=1.0), pool)) == 10


def test_the_steps_are_split_evenly_over_the_rounds():
    rounds = [round_at(step, 900, self_training.Options(rounds=3)) for step in range(900)]
    assert [rounds.count(r) for r in (1, 2, 3)] == [300, 300, 300] and rounds == sorted(rounds)


def test_pseudo_labels_are_what_the_detector_finds_in_the_frames_that_are_not_labelled(ytf_data):
    run, data = start(ytf_data, "self_training")
    network, settings = run.networks["teacher"], data.settings.detector
    pool = label_pool(network, data)
    assert sorted([*pool.rows, *data.labelled]) == list(range(len(data.store)))
    expected = predict_store(LandmarkDetector(network, settings, data.scheme), data.store, pool.rows, CPU)
    np.testing.assert_allclose(
        apply_affine(data.store.to_image[pool.rows], pool.points.double().numpy()), expected, 1e-3
    )


def test_a_batch_of_pseudo_labels_shows_its_frames_with_their_landmarks(ytf_data):
    _, data = start(ytf_data, "self_training", clips=3, clip_frames=2)
    rows = data.hidden_rows[:1]
    points = torch.full((1, 68, 2), (data.store.size - 1) / 2)  # the middle of the crop
    batch = data.pseudo_labelled_batch(rows, points, 0)
    assert batch.images.shape == (6, 3, 48, 48) and batch.annotated.all()
    shift = data.settings.training.augmentation.shift * 48
    assert ((batch.points - 23.5).abs() <= shift + 1e-3).all() and (batch.points[0] != batch.points[1]).any()


# --- STLD ---


def test_the_curriculum_has_the_sources_lengths():
    """60 epochs each of pre-training and labels, then three times 12 and 60: 336 epochs."""
    stages = [stage_at(step, 336, stld.Options()) for step in range(336)]
    expected = [(1, True)] * 60 + [(1, False)] * 60
    for round_ in (2, 3, 4):
        expected += [(round_, True)] * 12 + [(round_, False)] * 60
    assert stages == expected


class Fixed(nn.Module):
    """A heatmap head that gives the same maps whatever the features."""

    def __init__(self, maps):
        super().__init__()
        self.maps = maps

    def forward(self, features):
        return [self.maps + 0 * features.mean((1, 2, 3)).view(-1, 1, 1, 1)]


def shrinking(ytf_data):
    run, data = start(ytf_data, "stld", starts=("raw", "averaged"))
    stld.prepare(run, data, None)
    points = torch.full((4, 68, 2), 23.5)
    return run, data, data.labelled_batch(0), LabelledBatch(torch.zeros(4, 3, 48, 48), points, torch.ones(4, 68) > 0)


@pytest.mark.parametrize("shrink", [1.5, 1.2, 1.0])
def test_the_width_of_the_pseudo_labels_targets_shrinks(ytf_data, shrink):
    """Maps of 1.2 sigma cost nothing where 1.2 is wanted, else KL of two Gaussians in the plane, ln r^2 + 1/r^2 - 1."""
    run, data, labelled, pseudo = shrinking(ytf_data)
    sigma, stride = run.networks["raw"].sigma, run.networks["raw"].heatmap_stride
    maps = encode_distribution(torch.full((8, 68, 2), 23.5), (12, 12), stride, 1.2 * sigma).log()
    run.parts["second_head"]["heatmap_head"] = Fixed(maps)
    _, coarse = forward_both_heads(run, data, labelled, pseudo, shrink)
    r = (1.2 / shrink) ** 2
    assert coarse.item() == pytest.approx(math.log(r) + 1 / r - 1, abs=2e-3)


def test_shrink_regression_teaches_the_trunk_and_its_own_head_alone(ytf_data):
    run, data, labelled, pseudo = shrinking(ytf_data)
    raw, second = run.networks["raw"], run.parts["second_head"]
    _, coarse = forward_both_heads(run, data, labelled, pseudo, 1.0)
    coarse.backward()
    assert all(parameter.grad is None for parameter in raw.heatmap_head.parameters())
    assert all(parameter.grad is None for parameter in raw.centre_head.parameters())
    for part in (raw.trunk.stem, second):
        assert all(parameter.grad.abs().sum() > 0 for parameter in part.parameters())
    trained = {id(p) for group in run.optimizers["raw"].param_groups for p in group["params"]}
    assert trained == {id(p) for module in (raw, second) for p in module.parameters()}


def test_shrink_regression_has_a_weight_for_each_round():
    with pytest.raises(
        InputError, match=r"shrink_weights: found 1 of them, expected one for each of the 2 rounds of shrink"
    ):
        read_section(stld.Options, {"shrink": [1.2, 1.0], "shrink_weights": [1.0]}, "here")


# --- the pool ---


def share_of_pool(ytf_data, share, seed=0):
    _, data = start(ytf_data, "mean_teacher", seed=seed, pool_share=share)
    return data


def test_a_smaller_share_of_the_pool_is_part_of_a_larger_one_and_holds_whole_clips(ytf_data):
    parts = [share_of_pool(ytf_data, share) for share in (0.25, 0.5, 1.0)]
    clips = [set(part.store.clip[part.in_pool]) for part in parts]
    assert clips[0] < clips[1] < clips[2]
    n = len(set(parts[0].store.clip))
    assert [len(c) for c in clips] == [round(share * n) for share in (0.25, 0.5, 1.0)]
    for part, chosen in zip(parts, clips, strict=True):
        assert set(part.windows(part.window_starts).ravel()) == set(
            np.flatnonzero(np.isin(part.store.clip, list(chosen)))
        )
        assert np.array_equal(part.labelled, parts[0].labelled)
    assert not np.array_equal(share_of_pool(ytf_data, 0.25, seed=1).in_pool, parts[0].in_pool)
    assert share_of_pool(ytf_data, 1e-6).in_pool.any()

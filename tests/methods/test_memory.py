"""The memory of targets, and what is carried along a clip."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from tsal.data.landmarks import SCHEMES
from tsal.errors import InputError
from tsal.methods.memory import LABEL_VARIANCE, TARGET_NOISE, Memory, correct
from tsal.methods.signals import MOTION_NOISE, Signal
from tsal.methods.tsal import Options
from tsal.settings.models import Settings
from tsal.settings.section import read_section
from tsal.training.batches import TrainingData

# A clip of six frames in which everything moves by (2, 0) px a frame, and a still image after it.
FRAMES, SPEED = 6, 2.0
STILL = 6


def clip(labelled=(), **options):
    """The training data of the clip and the still image; landmark k of frame t is at (40 + 2 t, 50 + k)."""
    t = np.arange(FRAMES + 1)
    points = np.stack(
        [np.broadcast_to(40 + SPEED * t[:, None], (7, 68)), 50 + np.broadcast_to(np.arange(68), (7, 68))], -1
    )
    following = np.where(t < FRAMES - 1, t + 1, -1)
    store = SimpleNamespace(points=points.astype(np.float32), next=following, size=128, input_px=96)
    store = type("Store", (SimpleNamespace,), {"__len__": lambda self: FRAMES + 1})(**vars(store))
    flow = np.zeros((FRAMES - 1, 2, 2, 64, 64), np.float16)
    flow[:, 0, 0], flow[:, 1, 0] = SPEED, -SPEED
    data = TrainingData.__new__(TrainingData)
    about = {"benchmark": "ytf", "method": "tsal", "algorithm": "tsal", "labels": 0.5}
    data.settings = Settings(**about, options=Options(sources=("detection", "tracks"), **options))
    data.store, data.pool, data.flow, data.device, data.seed = store, None, flow, torch.device("cpu"), 0
    data.__dict__ |= {"scheme": SCHEMES["68"], "labelled": np.array(labelled, int)}
    data.__dict__["pair_of"] = np.where(following >= 0, t, -1)
    return data, torch.from_numpy(store.points)


def estimate(points, variance=1.0):
    return Signal(points, torch.full(points.shape[:2], variance))


def test_nothing_is_known_of_a_frame_without_a_target():
    data, _ = clip()
    estimates, labels = Memory(data).tracks(data, np.array([0, STILL]), 3)
    assert estimates.variance.isinf().all() and labels.variance.isinf().all()


@pytest.mark.parametrize("row", [0, 2, 5])
def test_the_targets_of_other_frames_are_carried_here_along_the_flow(row):
    data, points = clip()
    memory = Memory(data)
    others = np.setdiff1d(np.arange(FRAMES), [row])
    memory.update(others, estimate(points[others]), 0.5)
    estimates, _ = memory.tracks(data, np.array([row]), 5)
    assert torch.allclose(estimates.points[0], points[row], atol=1e-3)
    assert estimates.variance.isfinite().all()


def test_frames_beyond_reach_say_nothing():
    data, points = clip()
    memory = Memory(data)
    memory.update(np.array([0]), estimate(points[:1]), 0.5)
    near, far = (memory.tracks(data, np.array([2]), reach)[0] for reach in (2, 1))
    assert near.variance.isfinite().all() and far.variance.isinf().all()


def test_each_hop_adds_the_noise_of_its_motion():
    data, points = clip()
    memory = Memory(data)
    memory.update(np.array([0]), estimate(points[:1], 1.5), 0.5)
    for hops in (1, 3):
        estimates, _ = memory.tracks(data, np.array([hops]), 3)
        assert estimates.variance[0, 0].item() == pytest.approx(1.5 + hops * MOTION_NOISE * SPEED**2, rel=1e-3)


def test_a_place_that_fails_the_round_trip_is_not_carried():
    data, points = clip()
    data.flow[1, 1, 0] = SPEED  # from frame 2 back to 1 the flow leads elsewhere
    memory = Memory(data)
    memory.update(np.array([0]), estimate(points[:1]), 0.5)
    assert memory.tracks(data, np.array([1]), 3)[0].variance.isfinite().all()
    assert memory.tracks(data, np.array([2]), 3)[0].variance.isinf().all()


def test_memory_is_an_average_in_which_the_old_fades_by_its_share():
    data, points = clip()
    memory = Memory(data)
    first, second = points[[STILL]], points[[STILL]] + 8
    memory.update(np.array([STILL]), estimate(first, 1.0), 0.75)
    assert torch.equal(memory.points[memory.place[STILL]], first[0])
    memory.update(np.array([STILL]), estimate(second, 3.0), 0.75)
    assert torch.allclose(memory.points[memory.place[STILL]], first[0] + 2)
    assert memory.variance[memory.place[STILL]].unique().tolist() == [1.5]
    memory.update(np.array([STILL]), estimate(second, torch.inf), 0.75)
    assert torch.allclose(memory.points[memory.place[STILL]], first[0] + 2), "what is not known now changes nothing"


def test_a_label_is_carried_to_the_frames_around_it_and_is_never_forgotten():
    data, points = clip(labelled=[3])
    memory = Memory(data)
    memory.update(np.arange(FRAMES), estimate(points[:FRAMES] + 5), 0.0)
    estimates, labels = memory.tracks(data, np.array([2, 3, 4]), 1)
    assert torch.allclose(labels.points, points[2:5], atol=1e-3)
    assert labels.variance[1].unique().item() == pytest.approx(LABEL_VARIANCE)
    assert torch.allclose(estimates.points[0], points[2] + 5, atol=1e-3), "labels have no part in the estimates"
    far, _ = memory.tracks(data, np.array([0]), 1)
    assert torch.allclose(far.points[0], points[0] + 5, atol=1e-3)


def test_labels_are_not_carried_where_the_settings_forbid_it():
    data, _ = clip(labelled=[3], carry_labels=False)
    assert Memory(data).tracks(data, np.array([3]), 1)[1].variance.isinf().all()


def test_a_landmark_that_is_not_annotated_is_no_label():
    data, _ = clip(labelled=[3])
    data.store.points[3, 7] = np.nan
    labels = Memory(data).tracks(data, np.array([2]), 1)[1]
    assert labels.variance[0].isinf().nonzero().flatten().tolist() == [7] and labels.points.isfinite().all()


def test_a_target_moves_to_a_carried_label_by_the_product_of_gaussians():
    fused = estimate(torch.tensor([[[10.0, 0.0], [10.0, 0.0]]]), 1.0)
    labels = Signal(torch.zeros(1, 2, 2), torch.tensor([[0.5, torch.inf]]))
    both = correct(fused, labels)
    weight = (1 / (1 + TARGET_NOISE)) / (1 / (1 + TARGET_NOISE) + 1 / 0.5)
    assert both.points[0, 0, 0].item() == pytest.approx(10 * weight)
    assert both.variance[0, 0].item() == pytest.approx(1 / (1 / (1 + TARGET_NOISE) + 1 / 0.5))
    assert both.points[0, 1, 0] == 10 and both.variance[0, 1] == 1


def test_memory_is_part_of_the_saved_state():
    data, points = clip(labelled=[3])
    memory, other = Memory(data), Memory(data)
    memory.update(np.arange(FRAMES), estimate(points[:FRAMES] + 5), 0.0)
    other.load_state_dict(memory.state_dict())
    kept = (memory.tracks(data, np.arange(3), 2), other.tracks(data, np.arange(3), 2))
    assert all(torch.equal(a.points, b.points) for a, b in zip(*kept, strict=True))


def test_tracks_alone_are_refused():
    with pytest.raises(InputError, match="tracks alone"):
        read_section(Options, {"sources": ["tracks"]}, "here")

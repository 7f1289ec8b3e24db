"""Batches: label budgets, clips, neighbours, and randomness that depends on seed and step alone."""

import dataclasses

import numpy as np
import pytest
import torch

from tsal.data.crops import open_crops
from tsal.data.randomness import generator
from tsal.errors import InputError
from tsal.flow.storage import open_flow, pairs, write_flow
from tsal.settings.models import Settings, TrainingSettings, UnlabelledSettings
from tsal.training.batches import TrainingData

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def store(ytf_data):
    return open_crops(ytf_data / "crops", "train")


def data(store, seed=0, flow=None, labels=0.2, **unlabelled):
    training = TrainingSettings(batch=4, probe=6)
    about = {"benchmark": "ytf", "method": "tsal", "algorithm": "tsal", "labels": labels}
    settings = Settings(**about, training=training, unlabelled=UnlabelledSettings(**unlabelled))
    return TrainingData(settings, store, flow, seed, CPU)


def all_windows(some):
    return some.windows(some.window_starts)


def test_random_numbers_depend_on_seed_purpose_and_step():
    def draw(*arguments):
        return torch.rand(1, generator=generator(*arguments)).item()

    assert draw(0, "labelled", 5) == draw(0, "labelled", 5)
    assert len({draw(0, "labelled", 5), draw(1, "labelled", 5), draw(0, "order", 5), draw(0, "labelled", 6)}) == 4


def test_only_the_budget_is_labelled_and_the_probe_lies_outside_of_it(store):
    some = data(store)
    annotated = store.visible.any(1).sum()
    assert len(some.labelled) == round(0.2 * annotated)
    assert not set(some.labelled) & set(some.probe) and store.visible[some.probe].any(1).all()
    assert len(some.probe) == 6


def test_every_labelled_face_is_seen_once_before_any_comes_again(store):
    some = data(store)
    images = np.zeros(store.images.shape, np.uint8)
    images[some.labelled] = (np.arange(len(some.labelled)) * 3).astype(np.uint8)[:, None, None, None]
    some.store = dataclasses.replace(store, images=images)  # each crop's grey is its number
    augmentation = some.settings.training.augmentation.replace(colour=0.0, erase=0.0)
    some.settings = some.settings.replace(training=some.settings.training.replace(augmentation=augmentation))
    seen = []
    for step in range(7):
        grey = some.labelled_batch(step).images[:, 0, 0, 0] * 0.229 + 0.485
        seen += (grey * 255 / 3).round().long().tolist()
    n = len(some.labelled)
    for start in range(0, len(seen) - n + 1, n):
        assert sorted(seen[start : start + n]) == list(range(n))


def test_labelled_landmarks_follow_the_view_of_their_picture(store):
    batch = data(store).labelled_batch(3)
    assert batch.images.shape == (4, 3, 48, 48) and batch.points.shape == (4, 68, 2)
    assert batch.annotated.all() and batch.points.isfinite().all()


def test_windows_are_consecutive_frames_of_one_clip(store):
    for frames in (1, 2, 3):
        windows = all_windows(data(store, clip_frames=frames))
        assert windows.shape[1] == frames
        for window in windows:
            assert len(set(store.clip[window].tolist())) == 1
            steps = np.diff(store.frame[window])
            assert set(steps) <= {0, 1} and (np.sort(steps)[::-1] == steps).all()  # repeats come last
    pairs_of_two = all_windows(data(store, clip_frames=2))
    assert {tuple(w) for w in pairs_of_two if w[0] != w[1]} == {tuple(p) for p in pairs(store)}
    assert set(np.unique(all_windows(data(store, clip_frames=3)))) == set(range(len(store)))


def test_still_images_are_clips_that_repeat_one_frame(store):
    alone = dataclasses.replace(store, next=np.full(len(store), -1))
    batch = data(alone, clip_frames=3, clips=2).unlabelled_batch(0)
    assert not batch.frames.tracked.any()
    assert torch.equal(batch.frames.images, batch.frames.neighbours) and not batch.frames.there.any()


def test_the_paper_tracks_a_repeated_still_image_from_itself_but_for_the_first_time(store):
    alone = dataclasses.replace(store, next=np.full(len(store), -1))
    batch = data(alone, clip_frames=3, clips=2, neighbours="previous").unlabelled_batch(0)
    assert batch.frames.tracked.tolist() == [False, True, True] * 2
    assert torch.equal(batch.frames.images, batch.frames.neighbours) and not batch.frames.there.any()


def test_flow_leads_from_each_frame_to_its_neighbour_and_back(store, tmp_path):
    write_flow(store, tmp_path / "train.json", "dis", 2)
    flow = np.asarray(open_flow(tmp_path / "train.json", store))
    flow[:, 0], flow[:, 1] = 1.0, -1.0  # forward and backward, recognisable
    some = data(store, flow=flow)
    first, second = pairs(store)[4]
    frames = some.frames(np.array([second, first, first]), np.array([first, second, -1]))
    assert frames.there[:, 0, 0, 0].tolist() == [-1.0, 1.0, 0.0]
    assert frames.back[:, 0, 0, 0].tolist() == [1.0, -1.0, 0.0]
    assert frames.tracked.tolist() == [True, True, False]


def test_the_papers_neighbour_is_the_frame_before_and_a_first_frame_has_none(store):
    windows = all_windows(data(store, clip_frames=3))
    previous = data(store, clip_frames=3, neighbours="previous")._neighbours(windows)
    assert (previous[:, 0] == -1).all() and (previous[:, 1:] == windows[:, :-1]).all()
    both = data(store, clip_frames=3, neighbours="both")._neighbours(windows)
    repeated = np.roll(windows, 1, 1) == windows
    assert (both[:, 0] == windows[:, 1]).all()
    assert (both[:, 1:] == np.where(repeated, -1, np.roll(windows, 1, 1))[:, 1:]).all()


def test_frames_of_a_pool_are_unlabelled_and_labels_come_from_the_store(store):
    pool = dataclasses.replace(store, images=255 - np.array(store.images), face=np.char.add("other ", store.face))
    some = data(store)
    some.pool = pool
    assert len(some.labelled) == round(0.2 * store.visible.any(1).sum())
    assert np.isin(some.probe, np.flatnonzero(pool.visible.any(1))).all()
    batch = some.unlabelled_batch(0)
    windows = all_windows(some)
    rows = windows[
        torch.randint(len(windows), (some.settings.unlabelled.clips,), generator=generator(0, "unlabelled", 0)).numpy()
    ]
    assert torch.equal(batch.frames.images, torch.from_numpy(pool.images[rows.reshape(-1)]))
    some.__dict__.pop("probe")
    some.pool = dataclasses.replace(pool, points=pool.points[:, :19], visible=pool.visible[:, :19])
    assert not len(some.probe)  # other landmarks: nothing to measure by


def test_a_pool_of_other_crops_is_refused(store):
    one = data(store)
    small = dataclasses.replace(store, images=np.asarray(store.images)[:, :-2, :-2])
    with pytest.raises(InputError, match=r"unlabelled crops are 62 px for an input of 48, the labelled ones 64 px"):
        dataclasses.replace(one, pool=small)


def test_the_same_step_gives_the_same_batches(store):
    one, two = data(store).unlabelled_batch(9), data(store).unlabelled_batch(9)
    assert torch.equal(one.images, two.images)
    assert not torch.equal(one.images, data(store).unlabelled_batch(10).images)
    assert not torch.equal(one.images, data(store, seed=1).unlabelled_batch(9).images)


def test_annotated_landmarks_are_learned_where_they_are_hidden_too(store):
    some = data(store)
    row = some.labelled[0]
    points, visible = store.points.copy(), store.visible.copy()
    visible[row, :10] = False
    points[row, 10:12] = np.nan
    visible[row, 10:12] = False
    images = np.array(store.images)
    some.store = dataclasses.replace(store, points=points, visible=visible, images=images)
    batches = [some.labelled_batch(step).annotated for step in range(len(some.labelled) // 4 + 1)]
    hidden = [annotated for annotated in torch.cat(batches) if not annotated[10:12].any()]
    assert hidden and all(annotated[:10].all() and annotated[12:].all() for annotated in hidden)

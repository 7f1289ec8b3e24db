"""Which frames are chosen: uncertain ones, and not all alike."""

import numpy as np

from tsal.suggesting.choice import choose


def groups(sizes, spread=0.05, seed=0):
    """Frames in groups far apart, and the group of each."""
    random = np.random.default_rng(seed)
    middles = random.normal(size=(len(sizes), 6)) * 10
    group = np.repeat(np.arange(len(sizes)), sizes)
    return middles[group] + random.normal(size=(len(group), 6)) * spread, group


def test_of_each_group_one_is_chosen():
    features, group = groups([100, 5, 40, 2, 60])
    chosen = choose(np.ones(len(features)), features, 5)
    assert sorted(group[chosen]) == [0, 1, 2, 3, 4]


def test_frames_that_the_signals_disagree_on_get_more_of_the_labels():
    features, group = groups([100, 100], spread=1.0)
    chosen = choose(np.where(group == 0, 4.0, 1.0), features, 20)
    assert (group[chosen] == 0).sum() > 12


def test_one_frame_of_wild_disagreement_does_not_take_all():
    features, group = groups([50, 50])
    disagreement = np.ones(100)
    disagreement[3] = 1e6
    assert sorted(group[choose(disagreement, features, 2)]) == [0, 1]


def test_none_is_chosen_twice_even_of_frames_that_are_all_the_same():
    chosen = choose(np.ones(10), np.zeros((10, 3)), 7)
    assert len(set(chosen.tolist())) == 7


def test_all_are_chosen_where_fewer_are_there_and_none_of_none():
    assert sorted(choose(np.ones(3), np.eye(3), 10)) == [0, 1, 2]
    assert len(choose(np.empty(0), np.empty((0, 3)), 5)) == 0


def test_the_same_seed_chooses_the_same_and_signals_that_agree_wholly_are_no_error():
    features, _ = groups([30, 30, 30], spread=3.0)
    first, second = (choose(np.zeros(90), features, 8, seed=4) for _ in range(2))
    assert np.array_equal(first, second)


def test_what_is_like_labelled_frames_is_left_to_others():
    features, group = groups([60, 60, 60], spread=0.5)
    known = features[group == 0][:4]
    chosen = choose(np.ones(len(features)), features, 2, known=known)
    assert sorted(group[chosen]) == [1, 2]

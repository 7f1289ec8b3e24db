"""The paired bootstrap against a slow reference with explicit loops, theory, and properties."""

import math

import numpy as np
import pytest
from run_files import paired_bootstrap

from tsal.tables.significance import compare_pairs


@pytest.fixture
def rng():
    return np.random.default_rng(7)


def compare(a, b, groups=None, **options):
    """The comparison of one pair."""
    return compare_pairs({"a": a, "b": b}, [("a", "b")], groups, **options)[0]


def values(comparison):
    return comparison.difference, comparison.low, comparison.high, comparison.p_value


@pytest.mark.parametrize("groups", [None, [str(i // 7) for i in range(50)]], ids=["faces", "people"])
def test_pairs_on_shared_draws_are_the_paired_bootstrap_of_each(rng, groups):
    errors = {name: rng.gamma(4, 1, 50) for name in "abc"}
    pairs = ["ba", "ca", "aa"]
    found = compare_pairs(errors, pairs, groups, draws=500, seed=4)
    for (method, reference), comparison in zip(pairs, found, strict=True):
        expected = paired_bootstrap(errors[method], errors[reference], groups, draws=500, seed=4)
        assert values(comparison) == pytest.approx(values(expected), abs=1e-12)


def test_mean_and_interval_agree_with_theory(rng):
    a, b = rng.normal(6, 2, 400), rng.normal(5, 2, 400)
    found = compare(a, b)
    error = (a - b).std() / math.sqrt(400)  # of the mean; a normal interval is +- 1.96 of it
    assert found.difference == pytest.approx(np.mean(a - b))
    assert (found.high - found.low) / (2 * 1.96 * error) == pytest.approx(1, abs=0.05)
    assert found.p_value == pytest.approx(2 / 10_001)  # the smallest that 10,000 draws can tell


def test_the_bootstrap_has_no_favourite_and_repeats_itself(rng):
    a, b = rng.normal(6, 2, 50), rng.normal(6.3, 2, 50)
    forth, back = compare(a, b, draws=500), compare(b, a, draws=500)
    assert (forth.difference, forth.low, forth.high) == pytest.approx((-back.difference, -back.high, -back.low))
    assert forth.p_value == back.p_value
    assert forth == compare(a, b, draws=500) != compare(a, b, draws=500, seed=1)


def test_equal_methods_do_not_differ():
    errors = np.array([0.1, 0.2, 0.7])
    assert values(compare(errors, errors)) == (0, 0, 0, 1)


def test_drawing_people_widens_the_interval_when_their_faces_are_alike(rng):
    person = np.repeat(np.arange(20), 10)
    a = rng.normal(size=20)[person] + 0.05 * rng.normal(size=200)
    faces, people = compare(a, np.zeros(200)), compare(a, np.zeros(200), person)
    assert people.difference == pytest.approx(faces.difference)
    # Ten copies of each value: the standard error grows by sqrt(10).
    assert (people.high - people.low) / (faces.high - faces.low) == pytest.approx(math.sqrt(10), rel=0.15)


def test_the_bootstrap_does_not_depend_on_the_size_of_its_blocks(rng, monkeypatch):
    a = rng.normal(size=100)
    expected = compare(a, 0 * a, draws=250)
    monkeypatch.setattr("tsal.tables.significance._BLOCK", 300)
    assert compare(a, 0 * a, draws=250) == expected


def test_a_few_groups_that_all_agree_prove_no_more_than_the_sign_test():
    errors = np.linspace(4, 6, 30)
    for groups, expected in ((1, 1.0), (3, 0.25), (5, 0.0625), (30, 2 / 1001)):
        members = np.arange(30) % groups
        assert compare(errors + 1, errors, members, draws=1000).p_value == pytest.approx(expected)

"""Rendered people: reproducible, different from one another, of all ages, sexes and tones."""

import importlib.util

import numpy as np
import pytest

from tsal.synth.landmarks import landmark_map
from tsal.synth.people import RACES, Person, draw_person, linear, macro_weights

pytestmark = pytest.mark.skipif(importlib.util.find_spec("anny") is None, reason="needs the package anny")


@pytest.fixture(scope="module")
def people() -> list[Person]:
    return [draw_person(2, number) for number in range(300)]


def fixed_points(person: Person) -> np.ndarray:
    """Landmarks 17 to 67, (51, 3), about their mean."""
    points = person.neutral[landmark_map().inner].mean(1)
    return points - points.mean(0)


def test_the_weights_of_every_family_sum_to_one():
    random = np.random.default_rng(0)
    for _ in range(100):
        race = random.dirichlet([0.45] * 3)
        weights = macro_weights(random.uniform(0, 90), random.uniform(), race, random.uniform(), random.uniform())
        assert min(weights.values()) > 0
        families = ("universal", RACES)
        for family in families:
            total = sum(value for name, value in weights.items() if name.startswith(family))
            assert total == pytest.approx(1, abs=36 * 1e-4)  # the smallest are left out


def test_an_average_young_woman_is_a_single_morph_of_each_family():
    weights = macro_weights(25, 0, np.array([0, 1, 0]), 0.5, 0.5)
    assert weights == {"asian-female-young": 1.0, "universal-female-young-averagemuscle-averageweight": 1.0}


def test_traits_between_two_morphs_share_them():
    weights = macro_weights(50, 0.25, np.array([1, 0, 0]), 0.5, 0.5)
    assert weights["african-female-young"] == pytest.approx(0.75 * 0.5)
    assert weights["african-male-old"] == pytest.approx(0.25 * 0.5)


def test_linear_is_the_standards_formula():
    values = np.linspace(0, 1, 1001)
    expected = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in values]
    found = linear(values)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert found[0] == 0 and found[-1] == pytest.approx(1)
    assert linear(np.array(0.5)) == pytest.approx(0.21404, abs=1e-5)


def test_a_person_is_a_function_of_seed_and_number(people):
    for number in (0, 7, 123):
        again = draw_person(2, number)
        for name in ("neutral", "skin", "hair", "eyes"):
            np.testing.assert_array_equal(getattr(again, name), getattr(people[number], name))
        assert (again.age, again.male, again.tone, again.grey) == tuple(
            getattr(people[number], name) for name in ("age", "male", "tone", "grey")
        )
    other = draw_person(3, 0)
    assert (other.neutral != people[0].neutral).any() and other.age != people[0].age
    assert len({person.age for person in people}) == len(people)


def test_faces_differ_from_person_to_person_but_stay_faces(people):
    faces = np.stack([fixed_points(person) for person in people])
    apart = np.linalg.norm(faces - faces.mean(0), axis=-1)
    assert 0.04 < apart.mean() < 0.3  # dm
    assert apart.mean(0).min() > 0.02  # every point takes part
    eyes = np.linalg.norm(faces[:, 36 - 17] - faces[:, 45 - 17], axis=-1)
    assert 0.6 < eyes.min() < eyes.max() < 1.3
    # Not only size: the shape without it differs too.
    shapes = faces / np.linalg.norm(faces, axis=(1, 2), keepdims=True)
    assert np.linalg.norm(shapes - shapes.mean(0), axis=(1, 2)).mean() > 0.05


def test_faces_are_nearly_but_not_quite_symmetric(people):
    left, right = ([36, 39, 48, 31], [45, 42, 54, 35])
    faces = np.stack([fixed_points(person) for person in people[:60]]) * [1, 1, 1]
    gap = faces[:, np.array(left) - 17] * [-1, 1, 1] - faces[:, np.array(right) - 17]
    lop = np.linalg.norm(gap, axis=-1).mean(1)
    assert lop.max() < 0.15 and np.median(lop) > 1e-3


def test_neutral_eyes_are_open_and_lips_closed(people):
    for person in people:
        height = fixed_points(person)[:, 1]
        for upper, lower in ((37, 41), (38, 40), (43, 47), (44, 46)):
            assert height[upper - 17] - height[lower - 17] > 0.03
        assert abs(height[62 - 17] - height[66 - 17]) < 0.06


def test_all_ages_sexes_and_tones_are_shown(people):
    ages, males, tones = (np.array([getattr(person, name) for person in people]) for name in ("age", "male", "tone"))
    shares = np.histogram(ages, [4, 15, 25, 40, 60, 86])[0] / len(people)
    assert shares.sum() == 1 and shares.min() > 0.05
    assert 0.4 < (males > 0.5).mean() < 0.6 and males.min() >= 0 and males.max() <= 1
    assert (np.histogram(tones, 5, (0, 1))[0] / len(people)).min() > 0.12


def test_skin_darkens_with_its_tone_and_colours_are_colours(people):
    tones = np.array([person.tone for person in people])
    brightness = np.array([person.skin.mean() for person in people])
    assert np.corrcoef(tones, brightness)[0, 1] < -0.9
    for name in ("skin", "hair", "eyes"):
        colours = np.stack([getattr(person, name) for person in people])
        assert colours.shape == (300, 3) and colours.dtype == np.float32
        assert colours.min() >= 0 and colours.max() <= 1
        assert len(np.unique(colours, axis=0)) > (5 if name == "eyes" else 200 if name == "skin" else 20)
    assert all(person.grey == 0 for person in people if person.age < 35)
    assert any(person.grey == 1 for person in people)

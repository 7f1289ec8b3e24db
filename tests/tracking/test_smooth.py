"""The One Euro filter, against its paper's algorithm and for what it promises."""

import math

import numpy as np
import pytest

from tsal.tracking.smooth import OneEuro, Smoother


def reference(values: list[float], times: list[float], size: float, filter: OneEuro) -> list[float]:
    """Algorithms 1 and 2 of Casiez, Roussel and Vogel 2012 for one coordinate, its speed in sizes a second."""

    def alpha(cutoff: float, rate: float) -> float:
        tau = 1 / (2 * math.pi * cutoff)
        return 1 / (1 + tau * rate)

    filtered, speed, result = values[0], 0.0, [values[0]]
    for before, now, value in zip(times, times[1:], values[1:], strict=False):
        rate = 1 / (now - before)
        weight = alpha(filter.speed_cutoff, rate)
        speed = weight * (value - filtered) * rate / size + (1 - weight) * speed
        weight = alpha(filter.min_cutoff + filter.beta * abs(speed), rate)
        filtered = weight * value + (1 - weight) * filtered
        result.append(filtered)
    return result


def smoothed(points: np.ndarray, times: list[float], filter: OneEuro) -> np.ndarray:
    smoother = Smoother(filter)
    return np.array([smoother.apply(p, t) for p, t in zip(points, times, strict=True)])


def test_it_is_the_paper_s_algorithm():
    random = np.random.default_rng(0)
    times = np.cumsum(random.uniform(0.02, 0.05, 60)).tolist()
    x = (10 * np.sin(np.array(times) * 3) + random.normal(0, 0.5, 60)).tolist()
    filter = OneEuro(min_cutoff=0.8, beta=2.0, speed_cutoff=1.3)
    # One landmark moves along x; two at rest make the face 100 px high, and never smaller than that.
    points = np.array([[[value, 0.0], [0.0, 0.0], [0.0, 100.0]] for value in x])
    np.testing.assert_allclose(smoothed(points, times, filter)[:, 0, 0], reference(x, times, 100.0, filter), rtol=1e-12)


def test_what_rests_stays():
    points = np.repeat(np.random.default_rng(0).uniform(0, 100, (1, 5, 2)), 10, axis=0)
    np.testing.assert_allclose(smoothed(points, np.arange(10) / 25, OneEuro()), points)


def test_noise_at_rest_falls_and_a_fast_face_hardly_lags():
    random = np.random.default_rng(0)
    face = random.uniform(0, 100, (5, 2))
    times = np.arange(100) / 25
    still = face + random.normal(0, 0.5, (100, 5, 2))
    assert smoothed(still, times, OneEuro())[20:].std(axis=0).mean() < 0.5 * still[20:].std(axis=0).mean()
    moving = face + times[:, None, None] * [200.0, 0.0]  # two face sizes a second
    lag = (moving - smoothed(moving, times, OneEuro()))[50:, :, 0]
    assert lag.max() < 200 / 25  # less than a frame


@pytest.mark.parametrize("scale", [0.1, 10])
def test_the_size_of_a_face_does_not_matter(scale):
    points = np.random.default_rng(0).uniform(0, 100, (30, 5, 2))
    times = np.arange(30) / 25
    expected = smoothed(points, times, OneEuro()) * scale
    np.testing.assert_allclose(smoothed(points * scale, times, OneEuro()), expected, rtol=1e-9)


def test_turning_the_picture_does_not_matter():
    points = np.random.default_rng(0).uniform(0, 100, (30, 5, 2))
    points[:, :2] = [[0, 0], [400, 400]]  # its longer side is the same after a quarter turn
    turn = np.array([[0.0, 1.0], [-1.0, 0.0]])
    times = np.arange(30) / 25
    np.testing.assert_allclose(smoothed(points @ turn, times, OneEuro()), smoothed(points, times, OneEuro()) @ turn)

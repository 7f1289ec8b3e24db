"""From a face detector's boxes to the bounds of landmarks."""

import numpy as np
import pytest

from tsal.data.cropping import box_affine
from tsal.face_detectors.calibration import Calibration, fit, spread


def boxes(count: int, rng: np.random.Generator) -> np.ndarray:
    low = rng.uniform(-50, 500, (count, 2))
    return np.concatenate([low, low + rng.uniform(20, 300, (count, 2))], axis=1)


def test_it_moves_by_sides_of_the_found_box_and_scales_about_its_new_centre():
    moved = Calibration(shift=(0.1, -0.2), scale=(0.5, 2.0)).apply(np.array([[0.0, 0, 100, 50]]))
    centre, half = np.array([50 + 0.1 * 100, 25 - 0.2 * 50]), np.array([0.5 * 100, 2.0 * 50]) / 2
    assert moved == pytest.approx(np.concatenate([centre - half, centre + half])[None])


def test_without_numbers_it_changes_nothing():
    found = boxes(5, np.random.default_rng(0))
    assert Calibration().apply(found) == pytest.approx(found)


def test_it_works_without_boxes():
    assert Calibration().apply(np.zeros((0, 4))).shape == (0, 4)


def test_a_fit_finds_what_made_the_boxes_though_a_few_are_of_other_faces():
    rng = np.random.default_rng(1)
    made = Calibration(shift=(0.03, 0.12), scale=(0.9, 0.8))
    found = boxes(101, rng)
    wanted = made.apply(found)
    wanted[:20] = boxes(20, rng)
    fitted = fit(found, wanted)
    assert fitted.shift == pytest.approx(made.shift, abs=0.02)
    assert fitted.scale == pytest.approx(made.scale, abs=0.02)
    assert fit(found[20:], wanted[20:]).scale == pytest.approx(made.scale)


def test_what_remains_is_told_in_the_windows_that_crops_are_cut_with():
    rng = np.random.default_rng(2)
    wanted, found, expand, input_px = boxes(20, rng), boxes(20, rng), 0.2, 96
    geometry = {"input_px": input_px, "expand": expand, "margin": 1.0}
    ours, theirs = box_affine(wanted, **geometry), box_affine(found, **geometry)
    middle = np.array([(input_px - 1) / 2, (input_px - 1) / 2, 1])
    rest = spread(found, wanted, expand)
    assert rest.size == pytest.approx(theirs[:, 0, 0] / ours[:, 0, 0] - 1)
    assert rest.shift == pytest.approx((theirs - ours) @ middle / (ours[:, 0, 0] * input_px)[:, None])


def test_a_face_is_covered_if_shift_and_size_are_within_what_is_drawn():
    wanted = np.array([[0.0, 0, 100, 100]] * 4)
    window = 140  # px, with expand 0.2
    found = np.array([[0.0, 0, 100, 100], [0, 0, 100, 100], [-10, -10, 110, 110], [0, 0, 100, 100]])
    found[1] += 0.05 * window
    found[3, [1, 3]] += 0.07 * window
    rest = spread(found, wanted, 0.2)
    assert rest.covered(0.06, 0.15) == 0.5  # the third is larger by 0.2, the fourth lower by 0.07
    assert rest.covered(0.06, 0.21) == 0.75

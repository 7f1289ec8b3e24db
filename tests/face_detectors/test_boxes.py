"""Overlap of boxes, and one box for each face."""

import numpy as np
import pytest

from tsal.face_detectors.boxes import one_for_each, overlap


def test_overlap_is_intersection_over_union():
    first = np.array([[0.0, 0, 10, 10], [0, 0, 0, 0]])
    second = np.array([[5.0, 0, 15, 10], [20, 20, 30, 30], [0, 0, 10, 10]])
    assert overlap(first, second) == pytest.approx(np.array([[50 / 150, 0, 1], [0, 0, 0]]))


def test_no_boxes_overlap_nothing():
    assert overlap(np.zeros((0, 4)), np.ones((3, 4))).shape == (0, 3)
    boxes, confidences = one_for_each(np.zeros((0, 4)), np.zeros(0), 0.3)
    assert boxes.shape == (0, 4) and confidences.shape == (0,)


def test_boxes_of_one_face_are_averaged_by_confidence():
    boxes = np.array([[0.0, 0, 10, 10], [100, 100, 120, 120], [1, 1, 11, 11]])
    kept, highest = one_for_each(boxes, np.array([0.6, 0.7, 0.9]), 0.3)
    assert highest.tolist() == [0.9, 0.7]
    shift = 0.9 / (0.6 + 0.9)
    assert kept == pytest.approx(np.array([[shift, shift, 10 + shift, 10 + shift], [100, 100, 120, 120]]))


def test_boxes_without_area_end():
    kept, _ = one_for_each(np.zeros((3, 4)), np.array([0.5, 0.6, 0.7]), 0.3)
    assert len(kept) == 3

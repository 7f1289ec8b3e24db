"""How far labels lie beside the face: faces of which the landmarks are known, and labels beside them."""

import importlib
from pathlib import Path

import numpy as np
import pytest
import torch
from archives import mean_face

from tsal.data.landmarks import SCHEMES
from tsal.detectors.predict import LandmarkDetector, create_network
from tsal.evaluation.label_shift import along_the_face, are_found, deviation_with, interval, look_ahead, trimmed_mean
from tsal.settings.models import DetectorSettings

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
SCHEME = SCHEMES["68"]
SHIFT = 3.0  # px
RANDOM = np.random.default_rng(0)


def faces(n=400):
    """Landmarks (n, 68, 2) of faces turned in the picture by up to 30 degrees, and the (n,) distances of their eyes."""
    angle, size = np.radians(RANDOM.uniform(-30, 30, n)), RANDOM.uniform(80, 160, n)
    turn = np.stack([np.cos(angle), np.sin(angle), -np.sin(angle), np.cos(angle)], 1).reshape(n, 2, 2)
    points = size[:, None, None] * (mean_face() - 0.5) @ turn
    return points, SCHEME.distances("inter-ocular", points, np.zeros((n, 4)))


def of_the_face(points, x, y):
    """(n, 1, 2) px, x along the line of the eyes of faces and y down them."""
    line = points[:, 45] - points[:, 36]
    along = line / np.linalg.norm(line, axis=1)[:, None]
    return (x * along + y * along[:, ::-1] * [-1, 1])[:, None]


def labels_beside(points, face_shift=0.0):
    """Labels with errors, another convention on both sides and lower, and a shift along the picture or the face."""
    wider = np.where(np.arange(68) < SCHEME.flip, -1.0, np.where(np.arange(68) > SCHEME.flip, 1.0, 0.0))
    line = points[:, 45] - points[:, 36]
    convention = 0.03 * wider[:, None] * line[:, None] + of_the_face(points, face_shift, 2.0)
    return points + convention + RANDOM.normal(0, 1.5, points.shape)


def test_the_shift_of_labels_is_found_whatever_else_they_have_otherwise():
    points, sizes = faces()
    labels = labels_beside(points) + [SHIFT, 0.0]
    labels[:5] += 200  # not the same face
    labels[5, 3] = np.nan
    good = are_found(labels, points, sizes)
    assert np.flatnonzero(~good).tolist() == [0, 1, 2, 3, 4, 5]
    shifts = (labels - points).mean(1)[good, 0]
    low, high = interval(shifts, np.arange(good.sum()) // 2)
    assert trimmed_mean(shifts) == pytest.approx(SHIFT, abs=0.15)
    assert low < trimmed_mean(shifts) < high and high - low < 0.5


def test_a_shift_along_the_picture_is_told_from_one_along_the_face():
    points, sizes = faces(2000)
    shifts = (labels_beside(points) + [SHIFT, 0.0] - points).mean(1) / sizes[:, None]
    assert along_the_face(shifts, points) == pytest.approx(0, abs=0.15)
    shifts = (labels_beside(points, face_shift=SHIFT) - points).mean(1) / sizes[:, None]
    assert along_the_face(shifts, points) == pytest.approx(1, abs=0.15)


def test_a_tenth_of_the_faces_at_either_end_does_not_count():
    assert trimmed_mean(np.r_[np.full(8, 2.0), 1e6, -1e3]) == 2.0


def test_few_faces_tell_less_by_the_root_of_their_number():
    values = RANDOM.normal(1, 1, 5000)
    assert deviation_with(values, 25) == pytest.approx(1 / 5, rel=0.15)
    assert deviation_with(values, 100) == pytest.approx(1 / 10, rel=0.15)


def test_many_pictures_of_a_person_tell_less_than_as_many_persons():
    persons = np.arange(1000) // 20
    values = RANDOM.normal(size=50)[persons]
    one, many = interval(values, persons), interval(values, np.arange(1000))
    assert one[1] - one[0] > 3 * (many[1] - many[0])


def test_a_face_looks_ahead_where_its_nose_is_between_its_eyes():
    points, sizes = faces(2)
    points[1, 30] += of_the_face(points, 0.2, 0.0)[1, 0] * sizes[1]
    assert look_ahead(points).tolist() == [True, False]


def test_the_reference_of_a_mirrored_picture_is_the_mirrored_reference(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    mirror = importlib.import_module("mirror")
    torch.manual_seed(0)
    settings = DetectorSettings(width=8, input_px=32, weights="none")
    detector = LandmarkDetector(create_network(settings, 68, "float32"), settings, SCHEME)
    crops = RANDOM.integers(0, 256, (2, 43, 43, 3), dtype=np.uint8)
    found, turned = (mirror.symmetric_answers(detector, images) for images in (crops, crops[:, :, ::-1]))
    np.testing.assert_allclose(turned, (found * [-1, 1] + [42, 0])[:, SCHEME.flip], atol=1e-3)

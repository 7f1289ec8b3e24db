"""YuNet with the user's file: OpenCV runs a stand-in that takes white cells of 32 px for the middle of a face."""

import hashlib

import numpy as np
import pytest
from onnx_files import white_squares

from tsal.errors import InputError
from tsal.face_detectors import create, yunet


@pytest.fixture
def file(tmp_path, monkeypatch):
    path = tmp_path / "weights.onnx"
    path.write_bytes(white_squares(640, 4.0))
    monkeypatch.setattr(yunet, "SHA256", hashlib.sha256(path.read_bytes()).hexdigest())
    return path


def test_boxes_are_in_px_of_the_picture(file):
    picture = np.zeros((960, 1280, 3), np.uint8)
    picture[128:192, 640:704] = 255  # at half its size a cell: x 320, y 64
    boxes, confidences = create("yunet", {"file": str(file)}).find(picture)
    centre, half = np.array([336, 80]), 64  # px of the picture of half the size; a face has four cells
    assert boxes == pytest.approx(np.concatenate([centre - half, centre + half])[None] * 2 - 0.5)
    assert confidences == pytest.approx([1.0], abs=1e-4)


def test_large_faces_are_found_in_a_smaller_picture(file):
    picture = np.zeros((640, 640, 3), np.uint8)
    picture[128:192, 128:192] = 255  # four cells at 640 px, one at 320
    boxes, _ = create("yunet", {"file": str(file)}).find(picture)
    assert np.ptp(boxes[:, [0, 2]], axis=1).max() == pytest.approx(4 * 64)


@pytest.mark.parametrize("shape", [(1, 1), (2, 20_000)])
def test_pictures_of_any_shape_can_be_searched(file, shape):
    boxes, confidences = create("yunet", {"file": str(file)}).find(np.zeros((*shape, 3), np.uint8))
    assert boxes.shape == (0, 4) and confidences.shape == (0,)


def test_another_file_is_one_line_with_file_found_and_expected(tmp_path):
    path = tmp_path / "face_detection_yunet_2022mar.onnx"
    path.write_bytes(b"other")
    with pytest.raises(InputError) as error:
        create("yunet", {"file": str(path)})
    found = hashlib.sha256(b"other").hexdigest()
    said = str(error.value)
    assert said.startswith(f"{path}: its SHA-256 is {found}, expected") and yunet.SHA256 in said and "\n" not in said


@pytest.mark.parametrize("options", [{}, {"file": "nowhere.onnx"}])
def test_a_file_that_is_not_named_or_not_there_is_one_line(options):
    with pytest.raises(InputError) as error:
        create("yunet", options)
    assert "face_detection_yunet_2023mar.onnx" in str(error.value) and "\n" not in str(error.value)

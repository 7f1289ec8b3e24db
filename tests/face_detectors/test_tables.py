"""The boxes of a face table, found by a face detector."""

import cv2
import numpy as np
import pytest

from tsal.data.faces import boxes_of, make_faces, points_of, read_faces, write_faces
from tsal.errors import InputError
from tsal.face_detectors import Calibration, Finder
from tsal.face_detectors.calibration import fit
from tsal.face_detectors.tables import take_found_boxes, with_found_boxes

OWN = np.array([[10.0, 10, 50, 50], [60, 10, 100, 50]])
UNCHANGED = fit(OWN, OWN)


def finder(*boxes, calibration: Calibration = UNCHANGED) -> Finder:
    """Finds the same boxes in every picture."""
    return Finder("fake", calibration, lambda _: (np.reshape(boxes, (-1, 4)).astype(float), np.ones(len(boxes))))


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / "a.png"
    cv2.imwrite(str(path), np.zeros((120, 120, 3), np.uint8))
    return str(path)


def faces_at(picture, boxes=OWN, **more):
    return make_faces([picture] * len(boxes), boxes, np.full((len(boxes), 2, 2), 30.0), **more)


def test_each_face_gets_the_box_that_overlaps_its_own_most(picture):
    left, right, beside = [12, 12, 52, 52], [58, 8, 98, 48], [0, 90, 20, 110]
    faces, found = with_found_boxes(faces_at(picture), finder(beside, right, left))
    assert boxes_of(faces).tolist() == pytest.approx(np.array([left, right]))
    assert found.tolist() == [True, True]
    assert (points_of(faces) == 30).all()


def test_a_found_box_is_one_faces_only_and_who_is_not_found_keeps_the_own_box(picture):
    near = np.array([[10.0, 10, 50, 50], [14, 10, 54, 50]])
    faces, found = with_found_boxes(faces_at(picture, near), finder([13, 10, 53, 50]))
    assert boxes_of(faces) == pytest.approx(np.array([[10, 10, 50, 50], [13, 10, 53, 50]]))
    assert found.tolist() == [False, True]


def test_a_box_that_hardly_touches_the_own_one_is_of_another_face(picture):
    faces, found = with_found_boxes(faces_at(picture), finder([40, 40, 80, 80]))
    assert np.array_equal(boxes_of(faces), OWN)
    assert not found.any()


def test_found_boxes_are_calibrated(picture):
    larger = fit(OWN, OWN + [-2, -2, 2, 2])
    faces, _ = with_found_boxes(faces_at(picture, OWN[:1]), finder(OWN[0], calibration=larger))
    assert boxes_of(faces) == pytest.approx(OWN[:1] + [-2, -2, 2, 2])


def test_faces_of_a_video_are_looked_for_in_their_frames(tmp_path):
    path = str(tmp_path / "a.avi")
    video = cv2.VideoWriter(path, cv2.VideoWriter_fourcc(*"MJPG"), 25, (120, 120))
    for grey in (0, 80, 160, 240):
        video.write(np.full((120, 120, 3), grey, np.uint8))
    video.release()
    # In a frame of grey g a box g / 40 px to the right of the own one.
    moved = Finder("fake", UNCHANGED, lambda image: (OWN + np.array([1, 0, 1, 0]) * (image.mean() / 40), np.ones(2)))
    boxes = OWN[[0, 1, 0, 0]]
    faces = make_faces([path] * 4, boxes, np.full((4, 2, 2), 30.0), frame=[3, 1, 0, 1], face=list("abcd"))
    shifts = (boxes_of(with_found_boxes(faces, moved)[0]) - boxes)[:, 0]
    assert shifts == pytest.approx([6, 2, 0, 2], abs=0.1)


def test_the_table_is_replaced_and_says_how_many_were_found(picture, tmp_path, capsys):
    table = tmp_path / "faces.parquet"
    write_faces(faces_at(picture, face=["a", "b"], split=["train", "test"]), table)
    take_found_boxes(table, finder([12, 12, 52, 52]))
    assert boxes_of(read_faces(table))[0].tolist() == pytest.approx([12, 12, 52, 52])
    said = capsys.readouterr().err
    assert "train: 1 of 1 faces found by fake\n" in said
    assert "test: 0 of 1 faces found by fake, the others keep their own boxes\n" in said


def test_a_picture_that_is_missing_is_named(tmp_path):
    with pytest.raises(InputError, match=r"gone\.png"):
        with_found_boxes(faces_at(str(tmp_path / "gone.png")), finder(OWN[0]))

"""Faces are followed: ids stay, faces come back, and others do not take their place."""

import numpy as np
import pytest
from tracking_scenes import HEIGHT, SIZE, Scene

from tsal.tracking.follow import Follower, Following, bounds_of


def ids(scene: Scene, settings: Following | None = None) -> list[list[int]]:
    follower = Follower(scene.find, scene.locate, settings)
    return [[face.id for face in follower.follow(scene.next_image())] for _ in scene.frames]


def test_two_faces_that_pass_each_other_keep_their_ids():
    frames = [{1: (40 + 4 * t, 60), 2: (280 - 4 * t, 140)} for t in range(50)]
    assert ids(Scene(frames)) == [[0, 1]] * 50


def test_landmarks_are_those_of_the_frame_at_hand():
    scene = Scene([{1: (40 + 3 * t, 60 + t)} for t in range(20)])
    follower = Follower(scene.find, scene.locate)
    for _ in scene.frames:
        (face,) = follower.follow(scene.next_image())
        np.testing.assert_allclose(face.points, scene.points()[1])
        np.testing.assert_allclose(face.box, bounds_of(face.points[None])[0])
        assert face.confidence == pytest.approx(0.9)


def test_the_face_detector_is_asked_at_first_then_now_and_then():
    scene = Scene([{1: (100, 100)}] * 31)
    ids(scene, Following(search_every=10))
    assert scene.searches == [0, 10, 20, 30]


def test_it_is_asked_in_each_frame_without_a_face():
    scene = Scene([{}] * 3 + [{1: (100, 100)}] * 3)
    assert ids(scene) == [[], [], [], [0], [0], [0]]
    assert scene.searches == [0, 1, 2, 3]


def test_a_face_that_leaves_and_comes_back_elsewhere_gets_its_id_again():
    there, gone, back = {1: (60, 100), 2: (250, 100)}, {2: (250, 100)}, {1: (150, 60), 2: (250, 100)}
    found = ids(Scene([there] * 5 + [gone] * 40 + [back] * 20), Following(search_every=5))
    assert found[4] == [0, 1]
    assert all(len(frame) == 1 for frame in found[5:44])
    assert found[-1] == [0, 1]


def test_another_face_in_the_same_place_after_a_cut_is_another_one_and_the_first_one_comes_back():
    found = ids(Scene([{1: (100, 100)}] * 5 + [{2: (102, 100)}] * 5 + [{1: (100, 102)}] * 5))
    assert found == [[0]] * 5 + [[1]] * 5 + [[0]] * 5


def test_a_face_that_the_face_detector_misses_once_is_followed_on():
    scene = Scene([{1: (100, 100)}] * 30, missed={10: {1}, 15: {1}})
    assert ids(scene, Following(search_every=5)) == [[0]] * 30


def test_what_it_misses_again_and_again_is_no_face():
    scene = Scene([{1: (100, 100)}] * 40, missed={frame: {1} for frame in range(5, 40)})
    found = ids(scene, Following(search_every=5, unseen=3))
    assert found[14] == [0] and found[15] == []


def test_a_face_that_is_found_is_one_however_confident_its_landmarks_are():
    scene = Scene([{1: (100, 100)}] * 12, unsure=range(4, 8))
    follower = Follower(scene.find, scene.locate)
    faces = [follower.follow(scene.next_image()) for _ in scene.frames]
    assert [[(face.id, round(face.confidence, 2)) for face in frame] for frame in faces] == (
        [[(0, 0.9)]] * 4 + [[(0, 0.3)]] * 4 + [[(0, 0.9)]] * 4
    )
    assert scene.searches == [0, 4, 5, 6, 7]


def test_a_face_is_there_once_however_often_it_is_found():
    class Twice(Scene):
        def find(self, image):
            boxes, confidences = super().find(image)
            return np.concatenate([boxes, boxes + 6]), np.concatenate([confidences, confidences])

    assert ids(Twice([{1: (100, 100)}] * 3)) == [[0]] * 3


def test_at_most_so_many_faces_are_followed():
    assert ids(Scene([{1: (60, 100), 2: (160, 100), 3: (260, 100)}] * 20), Following(most=2)) == [[0, 1]] * 20


def test_a_face_that_leaves_the_picture_is_lost_and_no_window_lies_outside():
    scene = Scene([{1: (100, 160 + 3 * t)} for t in range(30)])
    found = ids(scene)
    last = next(t for t, frame in enumerate(found) if not frame)
    assert 160 + 3 * last - SIZE / 2 >= HEIGHT - 8
    assert all(window[1] <= HEIGHT - 1 for window in scene.windows)


def test_the_window_of_a_face_at_rest_stays():
    noise = np.random.default_rng(0).normal(0, 0.2, (40, 2))
    scene = Scene([{1: (100 + x, 100 + y)} for x, y in noise])
    ids(scene, Following(search_every=100))
    assert len(np.unique(scene.windows[1:], axis=0)) == 1


def test_the_window_goes_with_a_face_that_moves():
    scene = Scene([{1: (60 + 2 * t, 100)} for t in range(40)])
    ids(scene, Following(search_every=100))
    lag = [window[0] - (60 + 2 * t - SIZE / 2) for t, window in enumerate(scene.windows[1:], start=0)]
    assert max(map(abs, lag)) <= 2 + 0.02 * SIZE + 1e-9

"""How rendered people move: bounds, smoothness, blinks, and which way a turn goes."""

from itertools import pairwise

import numpy as np
import pytest

from tsal.synth.motion import Motion, draw_expression, draw_motion, rotation

FRAMES = 12


@pytest.fixture(scope="module")
def clips() -> list[Motion]:
    return [draw_motion(np.random.default_rng(number), FRAMES, number % 3 == 0) for number in range(240)]


def values(motion: Motion, name: str) -> np.ndarray:
    return np.array([units.get(name, 0.0) for units in motion.units])


def test_arrays_have_a_row_for_every_frame_and_a_still_has_one():
    for frames in (1, 2, 30):
        motion = draw_motion(np.random.default_rng(0), frames, False)
        for name, width in (("turn", 3), ("lean", 3), ("drift", 3), ("gaze", 2), ("shake", 3)):
            assert getattr(motion, name).shape == (frames, width)
        assert len(motion.units) == frames
        assert (motion.drift[0] == 0).all() and (motion.shake[0] == 0).all()


def test_heads_turn_no_farther_than_75_degrees(clips):
    yaw = np.stack([clip.turn[:, 0] for clip in clips])
    assert np.abs(yaw).max() <= 75
    assert (yaw.min(1) < -60).any() and (yaw.max(1) > 60).any()


def test_far_poses_are_far_and_others_are_not():
    far = [draw_motion(np.random.default_rng(n), 1, True).turn[0, 0] for n in range(100)]
    near = [draw_motion(np.random.default_rng(n), 1, False).turn[0, 0] for n in range(100)]
    assert np.abs(far).min() >= 30 and np.abs(near).max() <= 40
    assert 0.3 < (np.array(far) > 0).mean() < 0.7
    assert 0.3 < (np.array(near) > 0).mean() < 0.7


def test_face_units_are_within_bounds(clips):
    strengths = np.array([value for clip in clips for units in clip.units for value in units.values()])
    assert strengths.min() > 0 and strengths.max() <= 1.1
    assert np.abs([clip.gaze for clip in clips]).max() <= 32
    for number in range(100):
        assert all(value > 0 for value in draw_expression(np.random.default_rng(number)).values())


def test_paths_are_smooth(clips):
    """Waves below 1.5 a second: heads do not jitter from frame to frame."""
    fastest = (2 * np.pi * 1.5 / 25) ** 2  # second difference of such a wave of amplitude 1
    for clip in clips:
        jerk = np.abs(np.diff(clip.turn, 2, axis=0))
        free = np.abs(clip.turn[:, 0]).max() < 75  # where it is held, the path bends
        assert free or jerk[:, 1:].max() < 90 * fastest
        assert jerk.max() < 90 * fastest
        assert np.abs(np.diff(clip.drift, 2, axis=0)).max() < 2.2 * fastest
    assert np.median([np.abs(np.diff(clip.turn, 2, axis=0)).max() for clip in clips]) < 1.0


def test_expressions_change_without_jumps(clips):
    names = {name for clip in clips for units in clip.units for name in units if "Blink" not in name}
    steps = np.array([np.abs(np.diff(values(clip, name))).max() for clip in clips for name in names])
    assert steps.max() < 0.6
    assert (steps > 0.02).any()


def test_some_clips_have_a_blink_and_most_do_not(clips):
    lids = np.stack([values(clip, "eyeBlinkLeft") for clip in clips])
    others = np.stack([values(clip, "eyeBlinkRight") for clip in clips])
    np.testing.assert_array_equal(lids > 0.9, others > 0.9)  # nobody winks
    blinks = (lids.max(1) > 0.95) & (lids.min(1) < 0.4)
    assert 0.15 < blinks.mean() < 0.5
    stills = [values(draw_motion(np.random.default_rng(n), 1, False), "eyeBlinkLeft")[0] for n in range(300)]
    assert 0.02 < (np.array(stills) > 0.95).mean() < 0.12


def test_the_same_numbers_draw_the_same_motion_and_others_do_not():
    first, again, other = (draw_motion(np.random.default_rng(seed), FRAMES, False) for seed in (1, 1, 2))
    for name in ("turn", "lean", "drift", "gaze", "shake"):
        np.testing.assert_array_equal(getattr(first, name), getattr(again, name))
    assert first.units == again.units
    assert (first.turn != other.turn).any() and first.units != other.units


def test_rotations_are_orthonormal_and_the_roll_comes_first():
    random = np.random.default_rng(0)
    for turn in random.uniform(-180, 180, (20, 3)):
        matrix = rotation(turn)
        np.testing.assert_allclose(matrix @ matrix.T, np.eye(3), atol=1e-12)
        assert np.linalg.det(matrix) == pytest.approx(1)
        parts = [rotation(turn * row) for row in np.eye(3)]
        np.testing.assert_allclose(matrix, parts[0] @ parts[1] @ parts[2], atol=1e-12)


def test_turns_go_to_the_persons_left_down_and_to_the_right_shoulder():
    """x points to the person's left, y up, z to where the face looks."""
    nose, crown = np.array([0, 0, 1.0]), np.array([0, 1.0, 0])
    tenth = np.radians(10)
    np.testing.assert_allclose(rotation(np.array([10, 0, 0])) @ nose, [np.sin(tenth), 0, np.cos(tenth)])
    np.testing.assert_allclose(rotation(np.array([0, 10, 0])) @ nose, [0, -np.sin(tenth), np.cos(tenth)])
    np.testing.assert_allclose(rotation(np.array([0, 0, 10])) @ crown, [-np.sin(tenth), np.cos(tenth), 0])


def test_turning_is_continuous():
    matrices = [rotation(np.array([yaw, 10.0, -5.0])) for yaw in range(-75, 76)]
    assert max(np.abs(a - b).max() for a, b in pairwise(matrices)) < np.radians(1.01)

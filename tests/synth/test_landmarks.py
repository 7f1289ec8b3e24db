"""Landmarks on the mesh: their places, what expressions do to them, and jaw points on the outline."""

import importlib.util
from dataclasses import replace

import numpy as np
import pytest

from tsal.data.landmarks import SCHEMES
from tsal.synth import raster
from tsal.synth.anatomy import load
from tsal.synth.attachment import Attachment
from tsal.synth.landmarks import landmark_map
from tsal.synth.motion import Motion, rotation
from tsal.synth.people import Person, draw_person
from tsal.synth.stage import Look, Stage

pytestmark = pytest.mark.skipif(importlib.util.find_spec("anny") is None, reason="needs the package anny")

AWAY = 20.0  # dm
PIXELS, FOCAL = 256, 256 * AWAY / 3.2
LIDS = ((37, 41), (38, 40), (43, 47), (44, 46))


def turned(vertices: np.ndarray, yaw: float) -> tuple[np.ndarray, np.ndarray]:
    """Vertices in the camera's frame, and the 68 points."""
    turn = rotation(np.array([yaw, 0.0, 0.0]))
    there = (vertices - np.array([0, 7, 0.7])) @ turn.T - [0, 0, AWAY]
    return there, landmark_map().points(there, turn)


def posed(person: Person, units: dict[str, float]) -> np.ndarray:
    """The 68 points of a person who makes a face, seen from the front."""
    nothing, still = Attachment.join([]), np.zeros((1, 3))
    motion = Motion(still, still, still, [units], np.zeros((1, 2)), still)
    look = Look(person, None, nothing, False)
    stage = Stage(look, nothing, nothing, still, None, motion, FOCAL, np.array([0, 0, -AWAY]))
    vertices, head, _ = stage.pose(0)
    return landmark_map().points(vertices.astype(np.float64), head)


@pytest.fixture(scope="module")
def neutral() -> Person:
    """Nobody in particular: the mesh without any morph."""
    return replace(draw_person(0, 0), neutral=load().vertices)


def test_points_of_the_symmetric_mesh_mirror_one_another():
    _, points = turned(load().vertices, 0)
    mirrored = points[SCHEMES["68"].flip] * [-1, 1, 1]
    assert np.abs(points - mirrored).max() < 1e-3


@pytest.mark.parametrize("number", range(8))
def test_points_are_in_the_order_of_the_mark_up(number):
    """Numbers run from the person's right, which is the left of the picture (x < 0)."""
    person = load().vertices if number == 0 else draw_person(1, number).neutral
    _, points = turned(person, 0)
    x, y, z = points.T
    for row in (range(8), range(8, 17), range(17, 22), range(22, 27), range(31, 36), range(48, 55), range(60, 65)):
        assert (np.diff(x[list(row)]) > 0).all()
    assert x[36] < x[39] < x[42] < x[45]  # inner corners between outer ones
    assert (np.diff(y[27:31]) < 0).all() and (np.diff(z[27:31]) > 0).all()  # down the bridge of the nose
    assert y.argmin() == 8
    assert np.diff(y[:9]).max() < 0.04 and np.diff(y[8:17]).min() > -0.04  # down to the chin and up again
    assert (np.diff(y[:6]) < 0).all() and (np.diff(y[11:17]) > 0).all()
    assert min(y[17:27]) > max(y[36:48])  # brows above eyes
    assert min(y[36:48]) > y[30] > y[33] > y[51] > y[62] > y[57] > y[8]
    assert z[30] == z.max()  # the tip of the nose
    for upper, lower in (*LIDS, (50, 58), (51, 57), (52, 56)):
        assert y[upper] > y[lower]


@pytest.mark.parametrize("number", [None, *range(6)])
def test_a_blink_closes_the_eyes_and_lids_do_not_cross(number, neutral):
    person = neutral if number is None else draw_person(1, number)
    before, after = posed(person, {}), posed(person, {"eyeBlinkLeft": 1.0, "eyeBlinkRight": 1.0})
    gaps = np.array([[(points[u] - points[v])[1] for u, v in LIDS] for points in (before, after)])
    share = gaps[1] / gaps[0]
    assert share.max() < 0.02  # shut,
    assert share.reshape(2, 2).max(1).min() > -1e-3  # of each eye one place just so,
    assert share.min() > -0.4  # and the other not far beyond
    if number is None:
        apart = [np.linalg.norm(after[u] - after[v]) / np.linalg.norm(before[u] - before[v]) for u, v in LIDS]
        assert max(apart) < 0.25
    corners = [36, 39, 42, 45]
    assert np.abs(after - before)[corners].max() < 0.05


def test_a_blink_of_one_eye_leaves_the_other_open(neutral):
    before, after = posed(neutral, {}), posed(neutral, {"eyeBlinkLeft": 1.0})
    assert np.abs(after - before)[36:42].max() < 0.005
    assert before[43, 1] - after[43, 1] > 0.05


def test_half_a_blink_is_untouched_and_squinting_eyes_need_less_of_one(neutral):
    points = [posed(neutral, {"eyeBlinkLeft": strength}) for strength in (0.0, 0.2, 0.4)]
    steps = np.diff([p[43, 1] - p[47, 1] for p in points])
    assert steps[0] == pytest.approx(steps[1], rel=1e-3) and steps[0] < -0.01
    squint = posed(neutral, {"eyeBlinkLeft": 1.0, "eyeSquintLeft": 0.8})
    assert max(squint[43, 1] - squint[47, 1], squint[44, 1] - squint[46, 1]) == pytest.approx(0, abs=1e-3)


def test_an_opening_jaw_parts_the_lips_that_nearly_touched(neutral):
    before, after = posed(neutral, {}), posed(neutral, {"jawOpen": 1.0})
    assert np.linalg.norm(before[62] - before[66]) < 0.03
    assert after[62, 1] - after[66, 1] > 0.25
    assert before[8, 1] - after[8, 1] > 0.15  # the chin goes with it
    assert np.abs(after - before)[17:48].max() < 0.05


def test_a_smile_draws_the_corners_of_the_mouth_apart_and_up(neutral):
    before, after = posed(neutral, {}), posed(neutral, {"mouthSmileLeft": 1.0, "mouthSmileRight": 1.0})
    assert after[54, 0] - after[48, 0] > 1.05 * (before[54, 0] - before[48, 0])
    assert (after - before)[[48, 54], 1].min() > 0.02


def test_brows_rise_and_fall(neutral):
    before = posed(neutral, {})[17:27, 1].mean()
    up = posed(neutral, {"browInnerUp": 1.0, "browOuterUpLeft": 1.0, "browOuterUpRight": 1.0})[17:27, 1].mean()
    down = posed(neutral, {"browDownLeft": 1.0, "browDownRight": 1.0})[17:27, 1].mean()
    assert up > before + 0.02 and down < before - 0.02


def both_ways(yaw: float, bounds: dict[int, float]) -> list[tuple[float, dict[int, float]]]:
    return [(yaw, bounds), (-yaw, {16 - number: bound for number, bound in bounds.items()})]


# What lies on the outline of the far side, within px of 256. The ears begin at points 0 and 16. At 60 degrees the cheek
# at point 14 is behind the nose, and the chin's points are held back so that they do not leap about.
OUTLINE = [
    (0, {**dict.fromkeys(range(1, 16), 1.5), 0: 3.5, 16: 3.5}),
    *both_ways(35, {**dict.fromkeys(range(8, 17), 1.5), 10: 2.5}),
    *both_ways(60, {8: 1.5, 9: 3.5, 10: 10.0, 11: 3.5, 12: 2.0, 13: 1.5, 15: 1.5, 16: 2.5}),
]


@pytest.mark.parametrize(("yaw", "bounds"), OUTLINE)
def test_jaw_points_of_the_far_side_lie_on_the_outline(yaw, bounds):
    anatomy = load()
    vertices, points = turned(anatomy.vertices, yaw)
    corners = vertices[anatomy.triangles[anatomy.faces_of("skin")]].astype(np.float32)
    depth = np.minimum(raster.rasterise(corners, FOCAL, PIXELS).depth, 2 * AWAY)
    edge = np.zeros((PIXELS, PIXELS), bool)  # where skin ends before the background or other skin
    for axis in (0, 1):
        rows, columns = np.nonzero(np.abs(np.diff(depth, axis=axis)) > 0.15)
        edge[rows, columns] = edge[rows + (axis == 0), columns + (axis == 1)] = True
    rows, columns = np.nonzero(edge)
    for number, bound in bounds.items():
        x, y = raster.project(points[number], FOCAL, PIXELS)
        assert np.hypot(columns - x, rows - y).min() < bound, number


def test_the_nose_hides_what_is_behind_it():
    anatomy = load()
    skin = anatomy.triangles[anatomy.faces_of("skin")]
    hidden = {}
    for yaw in (0, 60, 75):
        vertices, points = turned(anatomy.vertices, yaw)
        tolerance = np.r_[np.full(17, 0.15), np.full(51, 0.04)]
        hidden[yaw] = raster.hidden(points, vertices[skin].astype(np.float32), tolerance)
    assert not hidden[0].any()
    assert hidden[60][14]  # the far cheek
    assert hidden[75][[14, 44, 45, 46]].all()  # and the far eye's outer corner
    for each in hidden.values():
        assert not each[[0, 3, 5, 8, 17, 30, 36, 48, 57]].any()


@pytest.mark.parametrize("shape", ["neutral", "people"])
def test_jaw_points_move_continuously_as_the_head_turns(shape):
    """In dm of the picture, at steps of a degree."""
    faces = [load().vertices] if shape == "neutral" else [draw_person(0, number).neutral for number in range(12)]
    steps = []
    for face in faces:
        points = np.stack([turned(face, yaw)[1] for yaw in range(-75, 76)])
        picture = points[..., :2] / -points[..., 2:] * AWAY
        steps.append(np.linalg.norm(np.diff(picture, axis=0), axis=-1))
    steps = np.stack(steps)
    assert steps[..., 17:].max() < 0.025
    if shape == "neutral":
        assert steps.max() < 0.06
    else:
        assert steps.max() < 0.16 and (steps > 0.06).mean() < 2e-3

"""Conventions of landmarks: offsets in the head's frame that a mirror and a turn carry along."""

import importlib.util

import numpy as np
import pytest

from tsal.data.landmarks import SCHEMES
from tsal.synth.convention import SURFACE, annotated
from tsal.synth.plan import Shot, SynthSettings
from tsal.synth.scene import render_person

FACE = np.random.default_rng(0).normal(size=(68, 3)) * 0.4 + [0, 0, -10]
CHIN, NOSE_TIP = 8, 30


def turn(degrees):
    """Rotation of a head to its left, the viewer's right."""
    a = np.radians(degrees)
    return np.array([[np.cos(a), 0, np.sin(a)], [0, 1, 0], [-np.sin(a), 0, np.cos(a)]])


def test_the_places_on_the_skin_are_left_as_they_are():
    assert annotated(FACE, turn(20), SURFACE) is FACE


def test_offsets_grow_with_the_face_and_do_not_depend_on_where_it_is():
    moved = annotated(FACE, turn(10), "ibug") - FACE
    assert np.allclose(annotated(2 * FACE, turn(10), "ibug") - 2 * FACE, 2 * moved)
    assert np.allclose(annotated(FACE + 3, turn(10), "ibug") - FACE - 3, moved)


@pytest.mark.parametrize("degrees", [0, 35])
def test_a_mirrored_face_has_mirrored_offsets(degrees):
    mirror, flip = np.array([-1, 1, 1]), SCHEMES["68"].flip
    moved = annotated(FACE, turn(degrees), "ibug") - FACE
    mirrored = annotated(FACE[flip] * mirror, turn(-degrees), "ibug") - FACE[flip] * mirror
    assert np.allclose(mirrored, moved[flip] * mirror, atol=1e-9)


def test_the_chin_goes_with_the_front_of_the_face_as_it_turns():
    at_rest, turned = (annotated(FACE, turn(degrees), "ibug")[CHIN] - FACE[CHIN] for degrees in (0, 40))
    assert at_rest[0] == pytest.approx(0, abs=1e-9)
    assert turned[0] > 0


def test_the_offsets_are_small_beside_a_face():
    size = np.linalg.norm(FACE[36] - FACE[45])
    assert np.abs(annotated(FACE, np.eye(3), "ibug") - FACE).max() < 0.15 * size
    assert (annotated(FACE, np.eye(3), "ibug") - FACE)[NOSE_TIP, 1] > 0  # annotators have it higher


@pytest.mark.skipif(importlib.util.find_spec("anny") is None, reason="needs the package anny")
def test_a_convention_moves_landmarks_and_no_picture():
    shots = [Shot(0, 0, 1, False)]
    (skin,), (ibug,) = (list(render_person(0, 0, shots, 48, convention)) for convention in (SURFACE, "ibug"))
    assert ibug.jpegs == skin.jpegs and np.array_equal(ibug.visible, skin.visible)
    assert 0.1 < np.abs(ibug.points - skin.points).max() < 5
    focal, middle = ibug.cameras[0, 0], ibug.cameras[0, 1]
    seen = middle + focal * ibug.points_3d[..., :2] * [1, -1] / -ibug.points_3d[..., 2:]
    assert np.allclose(seen, ibug.points)  # 3D and 2D belong together


def test_an_unknown_convention_is_named():
    amounts = {"people": 10, "stills": 20, "clips": 10, "clip_frames": 3, "image_px": 48, "challenging": 0.3, "seed": 0}
    with pytest.raises(ValueError, match="convention: found 'wflw', expected one of surface, ibug"):
        SynthSettings(**amounts, convention="wflw")

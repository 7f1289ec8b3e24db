"""Painted pictures of the renderer: the texture atlas and backgrounds."""

import importlib.util

import numpy as np
import pytest

from tsal.synth import paint
from tsal.synth.anatomy import load
from tsal.synth.paint.noise import noises
from tsal.synth.paint.skin import _AXIS, _TURN, SKIN, skin_map, texels_of
from tsal.synth.people import Person, draw_person

pytestmark = pytest.mark.skipif(importlib.util.find_spec("anny") is None, reason="needs the package anny")


@pytest.fixture(scope="module")
def people() -> list[Person]:
    return [draw_person(6, number) for number in range(6)]


def painted(person: Person, scalp: float = 0.8, stubble: float = 0.3, seed: int = 0) -> paint.Atlas:
    return paint.paint(person, scalp, stubble, np.random.default_rng(seed))


def slot(atlas: paint.Atlas, name: str) -> np.ndarray:
    left, top, width, height = paint.SLOTS[name]
    return atlas.albedo[top : top + height, left : left + width]


def test_slots_lie_in_the_atlas_and_apart():
    taken = np.zeros(paint.ATLAS[::-1], int)
    for left, top, width, height in paint.SLOTS.values():
        assert left + width <= paint.ATLAS[0] and top + height <= paint.ATLAS[1]
        taken[top : top + height, left : left + width] += 1
    assert taken.max() == 1


def test_albedos_are_colours_and_everything_is_finite(people):
    for person in people:
        atlas = painted(person)
        assert atlas.albedo.shape == atlas.relief.shape == (paint.ATLAS[1], paint.ATLAS[0], 3)
        assert atlas.albedo.dtype == atlas.relief.dtype == np.float32
        assert np.isfinite(atlas.albedo).all() and np.isfinite(atlas.relief).all()
        for name in ("skin", "cloth", "left_eye", "right_eye", "plain"):
            assert slot(atlas, name).min() > 0 and slot(atlas, name).max() <= 1, name
        strands = slot(atlas, "strands")  # it multiplies the hair's colour
        assert strands.min() > 0 and strands.max() < 4 and strands.mean() == pytest.approx(1, abs=0.15)
        assert (slot(atlas, "plain") == 1).all()
        assert atlas.relief[..., 2].min() >= 0  # gloss


def test_the_same_numbers_paint_the_same_and_others_do_not(people):
    first, again, other = (painted(people[0], seed=seed) for seed in (0, 0, 1))
    for name in ("albedo", "relief"):
        np.testing.assert_array_equal(getattr(first, name), getattr(again, name))
    for name in ("skin", "cloth", "left_eye", "strands"):
        assert (slot(first, name) != slot(other, name)).any(), name


def test_the_face_has_the_persons_colour_and_lips_are_redder(people):
    masks = skin_map().masks
    for person in people:
        skin = slot(painted(person, stubble=0.0), "skin")
        covered = [masks[name] for name in ("lips", "scalp", "beard", "lids", "bags", "nose", "cheeks")]
        plain = (np.max(covered, 0) < 0.1) & (masks["forehead"] > 0.4)
        assert np.median(skin[plain], 0) == pytest.approx(person.skin, rel=0.35)
        red = skin[..., 0] / skin.mean(-1)
        assert red[masks["lips"] > 0.9].mean() > red[plain].mean()


def test_scalp_and_stubble_darken_skin_where_hair_grows(people):
    masks = skin_map().masks
    person = min(people, key=lambda person: person.tone)
    bare, hairy = painted(person, 0.0, 0.0), painted(person, 1.0, 1.0)
    change = np.abs(slot(hairy, "skin") - slot(bare, "skin")).mean(-1)
    cheeks = (masks["cheeks"] > 0.7) & (masks["beard"] < 0.01)
    assert change[masks["scalp"] > 0.95].mean() > 0.05
    assert change[masks["beard"] > 0.95].mean() > 0.05
    assert change[cheeks].mean() < 0.01


def test_eyes_mirror_each_other_with_a_dark_pupil_in_a_white_ball(people):
    for person in people:
        atlas = painted(person)
        left, right = slot(atlas, "left_eye"), slot(atlas, "right_eye")
        np.testing.assert_array_equal(left, right[:, ::-1])
        centre = left[60:68, 60:68].mean()
        white = left[60:68, 112:120].mean()
        assert centre < 0.02 < 0.3 < white


def test_places_of_the_mesh_are_found_at_their_texels():
    """The skin's map and its coordinates are inverse, where the surface is the outermost on its ray."""
    anatomy = load()
    place = skin_map().place
    points = anatomy.vertices[np.unique(anatomy.triangles[anatomy.faces_of("skin")])]
    front = points[(points[:, 1] > 6.6) & (points[:, 1] < 8.2) & (np.abs(points[:, 0]) < 0.5) & (points[:, 2] > 1.2)]
    u, v = np.round(texels_of(front)).astype(int).T
    error = np.linalg.norm(place[v, u] - front, axis=1)
    assert np.median(error) < 0.02 and (error < 0.1).mean() > 0.8


def test_skin_coordinates_go_on_over_the_seam_at_the_back_of_the_head():
    anatomy = load()
    corners = anatomy.vertices[anatomy.triangles[anatomy.faces_of("skin")]]
    middle = corners.mean(1)
    back = corners[(middle[:, 2] < -0.1) & (np.abs(middle[:, 0]) < 0.4) & (middle[:, 1] > 6) & (middle[:, 1] < 8.3)]
    width = SKIN[0]
    assert (np.ptp(paint.cylinder(back)[..., 0], axis=1) > 0.5).sum() > 10  # so many cross the seam
    uv = paint.skin_uv(back)
    assert uv.min() >= 0 and uv.max() <= 1
    assert (np.ptp(uv[..., 0], axis=1) * width).max() < 64  # of 640 texels round the head
    # A texel and its twin, a turn farther, are the same place.
    angle = (uv[..., 0] * width / _TURN - 0.5) * 2 * np.pi
    expected = np.arctan2(back[..., 0], back[..., 2] - _AXIS)
    apart = (angle - expected + np.pi) % (2 * np.pi) - np.pi
    assert np.abs(apart).max() < 1e-5
    # All are seen from outside alike: none is turned over.
    first, second = uv[:, 1] - uv[:, 0], uv[:, 2] - uv[:, 0]
    assert (first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0] > 0).all()


def test_slots_coordinates_reach_from_corner_to_corner():
    left, top, width, height = paint.SLOTS["strands"]
    corners = paint.slot_uv("strands", np.array([[0, 0], [1, 1]]))
    assert corners.tolist() == [[left, top + height - 1], [left + width - 1, top]]


def test_noise_has_unit_variance_and_its_levels_grow_finer():
    fields = noises()
    assert fields.shape == (6, 512, 768)
    np.testing.assert_allclose(fields.std((1, 2)), 1, atol=1e-3)
    steps = [np.abs(np.diff(field, axis=1)).mean() for field in fields]
    assert (np.diff(steps) > 0).all()
    edge = np.abs(fields[:5, :, 0] - fields[:5, :, -1]).mean(1)  # tiles without a seam
    assert (edge < 3 * np.array(steps[:5])).all()


@pytest.mark.parametrize("size", [64, 224])
def test_backgrounds_differ_and_are_never_flat(size):
    pictures = [paint.background(np.random.default_rng(number), size) for number in range(30)]
    for picture in pictures:
        assert picture.shape == (size, size, 3) and picture.dtype == np.float32
        assert np.isfinite(picture).all() and picture.min() >= 0
        assert np.log(picture.mean(-1) + 1e-3).std() > 0.005
    small = np.stack([picture.mean((0, 1)) for picture in pictures])
    distances = np.linalg.norm(small[:, None] - small[None], axis=-1) + np.eye(len(small))
    assert distances.min() > 1e-4
    np.testing.assert_array_equal(pictures[3], paint.background(np.random.default_rng(3), size))


def test_random_colours_are_linear_colours_most_of_them_muted():
    random = np.random.default_rng(0)
    colours = np.stack([paint.random_colour(random) for _ in range(300)])
    assert colours.min() >= 0 and colours.max() <= 1
    assert 0.02 < (np.ptp(colours, axis=1) > 0.3).mean() < 0.4

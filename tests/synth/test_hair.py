"""Hair of rendered people: reproducible, outside the skull, cheap, and beards that follow the jaw."""

import importlib.util
from dataclasses import replace

import numpy as np
import pytest

from tsal.synth.anatomy import load
from tsal.synth.attachment import FINISH_NUMBERS, Attachment
from tsal.synth.hair import Hair, beard_area, grow, hairline
from tsal.synth.hair.cuts import BEARDS, CUTS
from tsal.synth.hair.head import measure_head
from tsal.synth.landmarks import landmark_map
from tsal.synth.people import Person, draw_person
from tsal.synth.raster import hidden

pytestmark = pytest.mark.skipif(importlib.util.find_spec("anny") is None, reason="needs the package anny")


def _random(number: int) -> np.random.Generator:
    return np.random.default_rng((5, number))


def _places(worn: Attachment, vertices: np.ndarray) -> np.ndarray:
    return worn.offsets + np.where(worn.anchors[:, None] < 0, 0, vertices[worn.anchors])


@pytest.fixture(scope="module")
def heads() -> list[tuple[Person, Hair]]:
    """200 people: twelve heads, each again and again with other chances, ages and sexes."""
    drawn = [draw_person(4, number) for number in range(12)]
    people = [
        replace(drawn[number % 12], number=number, male=float(number % 2), age=5.0 + (7 * number) % 80)
        for number in range(200)
    ]
    return [(person, grow(person, _random(person.number))) for person in people]


def test_same_chances_give_the_same_hair_and_others_do_not(heads):
    for person, first in heads[:20]:
        again = grow(person, _random(person.number))
        assert (again.style, again.scalp, again.stubble) == (first.style, first.scalp, first.stubble)
        for field in ("anchors", "offsets", "triangles", "uv", "tint", "finish", "strand"):
            np.testing.assert_array_equal(getattr(again.worn, field), getattr(first.worn, field))
    person = heads[0][0]
    assert len({grow(person, _random(number)).style for number in range(20)}) > 3


def test_every_cut_and_beard_is_worn(heads):
    styles = [person_hair.style.partition(" + ") for _, person_hair in heads]
    assert {cut for cut, _, _ in styles} == set(CUTS)
    assert {beard for _, _, beard in styles} == set(BEARDS)


def test_women_and_children_have_no_beards(heads):
    for person, worn in heads:
        if person.male <= 0.5 or person.age <= 18:
            assert worn.stubble == 0
            assert " + " not in worn.style
            assert (worn.worn.anchors == -1).all()


def test_arrays_fit_together_and_triangles_are_few(heads):
    for _, person_hair in heads:
        worn = person_hair.worn
        points, faces = len(worn.anchors), len(worn.triangles)
        assert worn.offsets.shape == worn.strand.shape == (points, 3)
        assert worn.uv.shape == (faces, 3, 2)
        assert worn.tint.shape == (faces, 3)
        assert faces < 5900
        if faces:
            assert worn.triangles.min() >= 0 and worn.triangles.max() == points - 1
            assert worn.uv.min() >= 0 and worn.uv.max() <= 1
            assert worn.tint.min() >= 0 and worn.tint.max() <= 1
        assert (worn.finish == FINISH_NUMBERS["hair"]).all()
        assert np.isfinite(worn.offsets).all()
        np.testing.assert_allclose(np.linalg.norm(worn.strand, axis=1), 1, atol=1e-3)
        assert 0 <= person_hair.scalp <= 1 and 0 <= person_hair.stubble <= 1
    assert np.mean([len(person_hair.worn.triangles) for _, person_hair in heads]) < 4000


def test_hair_stays_outside_the_skull(heads):
    """Above the ears, where every ray from the middle of the head meets the skull once: never far before it does."""
    anatomy = load()
    skin = anatomy.triangles[anatomy.faces_of("skin")]
    skin = skin[(anatomy.vertices[skin, 1] > 7.2).any(1)]
    chances = np.random.default_rng(6)
    for person, person_hair in heads[:60]:
        points = _places(person_hair.worn, person.neutral)[person_hair.worn.anchors < 0]
        centre = measure_head(person).centre
        points = points[points[:, 1] > centre[1] + 0.05]
        if not len(points):
            continue
        for point in points[chances.integers(len(points), size=25)]:
            depth = np.linalg.norm(point - centre) - _distance(centre, point - centre, person.neutral[skin])
            assert depth > -0.03, person_hair.style


def _distance(origin: np.ndarray, way: np.ndarray, corners: np.ndarray) -> float:
    """How far from the origin a ray leaves triangles (F, 3, 3) for good."""
    a, b, c = (corners[:, k] - origin for k in range(3))
    unit = way / np.linalg.norm(way)
    weights = np.stack([np.cross(b, c) @ unit, np.cross(c, a) @ unit, np.cross(a, b) @ unit], 1)
    met = (weights >= 0).all(1) & (weights.sum(1) > 0)  # what the ray leaves, not enters
    a, b, c, weights = a[met], b[met], c[met], weights[met] / weights[met].sum(1, keepdims=True)
    distance = (weights[:, :1] * a + weights[:, 1:2] * b + weights[:, 2:] * c) @ unit
    return float(distance.max())


def test_ribbons_of_combed_hair_face_outwards(heads):
    for person, person_hair in heads[:60]:
        if not person_hair.style.startswith(("parted", "swept", "long", "bob", "fringe")):
            continue
        worn = person_hair.worn
        centre = measure_head(person).centre
        corners = _places(worn, person.neutral)[worn.triangles[(worn.anchors[worn.triangles] < 0).all(1)]]
        normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        outwards = ((corners.mean(1) - centre) * [1, 0.3, 1] * normals).sum(1) > 0
        assert outwards.mean() > 0.9, person_hair.style


def test_beard_follows_the_jaw_and_hair_does_not(heads):
    anatomy = load()
    opening = anatomy.morphs[anatomy.names["face/jawOpen"]]
    person, person_hair = next(pair for pair in heads if pair[1].style.endswith("short beard"))
    worn = person_hair.worn
    moved = _places(worn, person.neutral + opening) - _places(worn, person.neutral)
    beard = worn.anchors >= 0
    assert (moved[~beard] == 0).all()
    np.testing.assert_array_equal(moved[beard] != 0, opening[worn.anchors[beard]] != 0)
    lower_lip, upper_lip = person.neutral[landmark_map().inner[[40, 34]]].mean(1)
    height, depth = _places(worn, person.neutral)[:, 1:].T
    in_front = beard & (depth > lower_lip[2] - 0.15)
    assert moved[in_front & (height < lower_lip[1] - 0.1), 1].mean() < -0.1
    assert abs(moved[in_front & (height > upper_lip[1] + 0.03), 1].mean()) < 0.05
    assert np.linalg.norm(worn.offsets[beard], axis=1).max() < 0.6  # each hangs on a vertex nearby


def test_hair_seldom_hides_eyes_and_never_lips_but_sometimes_brows(heads):
    shift = np.array([0, -7, -16], np.float32)  # a lens in front of the face
    counts = np.zeros((len(heads), 3), int)
    for number, (person, person_hair) in enumerate(heads):
        landmarks = person.neutral[landmark_map().inner].mean(1) + shift
        ribbons = (_places(person_hair.worn, person.neutral)[person_hair.worn.triangles] + shift).astype(np.float32)
        covered = hidden(landmarks.astype(np.float64), ribbons, 0.02)
        counts[number] = covered[:10].any(), covered[19:31].any(), covered[31:].any()
    brows, eyes, lips = counts.mean(0)
    assert 0.005 < brows < 0.25
    assert eyes < 0.06
    assert lips < 0.02


def test_hairline_leaves_the_face_and_the_beard_leaves_the_lips():
    vertices, inner = load().vertices, landmark_map().inner
    assert (hairline(vertices[inner]) < 0).all()
    assert (beard_area(vertices[inner[31:]].mean(1)) <= 0).all()
    chin = np.array([0.0, 6.3, 1.45])
    assert beard_area(chin) > 0
    assert hairline(np.array([0.0, 8.4, 0.5])) > 0

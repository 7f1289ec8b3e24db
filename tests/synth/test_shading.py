"""Light on rendered surfaces: cosines, highlights, shadows."""

from dataclasses import replace

import numpy as np
import pytest

from tsal.synth.raster import unit
from tsal.synth.shading import Light, Surface, Surroundings, cast_shadow, shade

DARKNESS = Surroundings(np.zeros((4, 3), np.float32))
WHITE = np.ones(3, np.float32)
TO_LENS = np.array([0, 0, 1], np.float32)


def light(direction=TO_LENS, colour=WHITE, blur=None) -> Light:
    direction = np.asarray(direction, np.float32)
    return Light(direction / np.linalg.norm(direction), np.asarray(colour, np.float32), blur)


def matt(normals, albedo=0.5, seep=0.0) -> Surface:
    normals = unit(np.asarray(normals, np.float32))
    count = len(normals)
    some = np.ones(count, np.float32)
    return Surface(
        np.tile(np.float32([0, 0, -10]), (count, 1)), normals, np.full((count, 3), albedo, np.float32), some,
        0 * some, 0.5 * some, seep * some, np.zeros(0, int), np.zeros((0, 3), np.float32),
    )  # fmt: skip


def anything(count: int = 400) -> Surface:
    """Surfaces of all kinds, hair among them, most of them turned to the lens."""
    random = np.random.default_rng(0)

    def numbers(*shape: int) -> np.ndarray:
        return random.uniform(size=shape).astype(np.float32)

    normals = unit(random.normal([0, 0, 1], 1, (count, 3)).astype(np.float32))
    positions = random.normal([0, 0, -10], 0.5, (count, 3)).astype(np.float32)
    strands = unit(random.normal(size=(40, 3)).astype(np.float32))
    return Surface(
        positions, normals, numbers(count, 3), numbers(count), numbers(count), numbers(count), numbers(count),
        np.arange(0, count, count // 40), strands,
    )  # fmt: skip


def lit(surface: Surface, *lights: Light, surroundings: Surroundings = DARKNESS, share: float = 1.0) -> np.ndarray:
    shares = [np.full(len(surface.normal), share, np.float32)] * len(lights)
    return shade(surface, list(lights), surroundings, shares)


def test_a_matt_surface_is_lit_by_lamberts_cosine():
    angles = np.radians(np.arange(0, 180, 7))
    normals = np.stack([np.sin(angles), 0 * angles, np.cos(angles)], 1)
    colour = np.array([3.0, 2.0, 0.5])
    expected = 0.5 * np.maximum(np.cos(angles), 0)[:, None] * colour
    np.testing.assert_allclose(lit(matt(normals), light(colour=colour)), expected, atol=1e-5)


def test_no_light_comes_from_behind():
    away = np.array([[0, 0, -1], [0.3, 0.2, -1], [-1, 0, -0.2]])
    assert (lit(matt(away), light()) == 0).all()
    glossy = replace(matt(away), gloss=np.ones(3, np.float32))
    assert (lit(glossy, light()) == 0).all()
    skin = replace(matt([[0, 0, -1]]), seep=np.ones(1, np.float32))
    assert (lit(skin, light()) == 0).all()


def test_light_seeps_round_the_corner_of_skin_and_red_goes_farthest():
    past = np.array([[1, 0, -0.2]])
    red, green, blue = lit(matt(past, seep=1.0), light())[0]
    assert red > 0.01 and red > green >= blue
    assert (lit(matt(past), light()) == 0).all()


@pytest.mark.parametrize("share", [0.0, 0.4, 1.0])
def test_light_scales_with_its_colour(share):
    surface = anything()
    direction = np.array([0.5, 0.4, 0.8])
    for blur in (None, 2.0):
        once = lit(surface, light(direction, blur=blur), share=share)
        thrice = lit(surface, light(direction, [3, 3, 3], blur), share=share)
        np.testing.assert_allclose(thrice, 3 * once, rtol=1e-5, atol=1e-6)
        red = lit(surface, light(direction, [1, 0, 0], blur), share=share)
        np.testing.assert_allclose(red[:, 0], once[:, 0], rtol=1e-5)
        assert (red[:, 1:] == 0).all()


def test_lights_add_up():
    surface, surroundings = anything(), Surroundings(np.full((4, 3), 0.2, np.float32))
    first, second = light([1, 0, 1]), light([-1, 1, 0.5], [0.2, 0.4, 1])
    both = lit(surface, first, second, surroundings=surroundings)
    parts = lit(surface, first) + lit(surface, second) + lit(surface, surroundings=surroundings)
    np.testing.assert_allclose(both, parts, rtol=1e-4, atol=1e-5)


def test_shadow_takes_the_light_away():
    surface = anything()
    key = light([0.3, 0.3, 1], blur=2.0)
    bright, dim, dark = (lit(surface, key, share=share) for share in (1.0, 0.5, 0.0))
    assert (dark == 0).all()
    assert (bright >= dim).all() and (dim >= 0).all()
    assert bright.mean() > dim.mean() > 0.3 * bright.mean()


def test_gloss_adds_a_highlight_in_the_mirror_direction_that_narrows_with_polish():
    angles = np.radians(np.linspace(0, 40, 81))
    normals = np.stack([np.sin(angles), 0 * angles, np.cos(angles)], 1)
    widths = []
    for rough in (0.2, 0.4, 0.7):
        surface = replace(
            matt(normals, albedo=0.0), gloss=np.ones(81, np.float32), rough=np.full(81, rough, np.float32)
        )
        value = lit(surface, light())[:, 0]
        assert value.argmax() == 0
        assert (np.diff(value) <= 1e-6).all()
        widths.append((value > value[0] / 2).sum())
    assert widths[0] < widths[1] < widths[2]


def test_surroundings_light_what_is_turned_to_them_and_open():
    above = np.array([[0.3] * 3, [0] * 3, [0.2, 0.1, 0], [0] * 3], np.float32)
    normals = np.array([[0, 1, 0], [0, -1, 0], [0, 0, 1]])
    surface = matt(normals)
    expected = 0.5 * np.array([[0.5, 0.4, 0.3], [0.1, 0.2, 0.3], [0.3, 0.3, 0.3]])
    np.testing.assert_allclose(lit(surface, surroundings=Surroundings(above)), expected, atol=1e-6)
    shut = replace(surface, open=np.array([0.5, 0.5, 0], np.float32))
    np.testing.assert_allclose(lit(shut, surroundings=Surroundings(above)), expected * [[0.5], [0.5], [0]], atol=1e-6)
    assert Surroundings(above * [[0], [1], [1], [1]]).light(normals).min() == 0  # light is never negative


def test_light_is_finite_and_never_negative():
    surface = anything()
    for rough in (0.0, 1.0):
        extreme = replace(surface, rough=np.full_like(surface.rough, rough), gloss=np.full_like(surface.gloss, 2.5))
        for direction in ([0, 0, 1], [0, 0, -1], [0, 1, 0], [1, 0, 1e-6]):
            for share in (0.0, 1e-30, 1.0):
                value = lit(extreme, light(direction, [5, 5, 5], 1.0), share=share)
                assert value.dtype == np.float32
                assert np.isfinite(value).all() and value.min() >= 0


def screens(direction, *places: tuple[float, float]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Squares across the light through the origin, each so far ahead of it and half so wide: vertices, triangles;
    and the axes (2, 3) of their sides."""
    towards = light(direction).direction
    across = np.cross(towards, [0.3, 0.9, 0.5])
    across /= np.linalg.norm(across)
    axes = np.stack([across, np.cross(towards, across)])
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]])
    vertices = [ahead * towards + half * corners @ axes for ahead, half in places]
    triangles = [np.array([[0, 1, 2], [0, 2, 3]]) + 4 * index for index in range(len(places))]
    return np.concatenate(vertices).astype(np.float32), np.concatenate(triangles).astype(np.int32), axes


DIRECTIONS = [(0, 0, 1), (0.6, 0.3, 1), (-1, 0, 0.3), (0, 1, 0.1)]


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_a_square_throws_its_shadow_on_what_is_behind_it(direction):
    key, centre = light(direction, blur=0.8), np.array([1.0, 2.0, -10.0])
    vertices, triangles, axes = screens(direction, (0.0, 1.0))

    def share(ahead: float, aside: float) -> np.ndarray:
        spots = np.random.default_rng(0).uniform(-0.5, 0.5, (50, 2)) + [aside, 0]
        points = centre + ahead * key.direction + spots @ axes
        vertices_there = (vertices + centre).astype(np.float32)
        return cast_shadow(key, vertices_there, triangles, centre, 2.3, points.astype(np.float32))

    assert share(-0.5, 0).max() < 0.1
    assert share(-1.5, 0).max() < 0.1
    assert share(0.5, 0).min() > 0.9  # between square and light
    assert share(0, 0).min() > 0.9  # on it: surfaces do not shade themselves
    assert share(-0.5, 1.8).min() > 0.9
    assert share(-0.5, -1.8).min() > 0.9


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_shadows_on_a_wall_have_edges_that_widen_with_blur(direction):
    """The wall casts a shadow too, as a face does."""
    vertices, triangles, axes = screens(direction, (0.0, 0.8), (-0.4, 2.5))
    aside = np.linspace(0, 1.6, 161)
    towards = light(direction).direction
    points = (aside[:, None] * axes[0] - 0.4 * towards).astype(np.float32)
    widths = []
    for blur in (0.8, 2.5, 5.0):
        share = cast_shadow(light(direction, blur=blur), vertices, triangles, np.zeros(3), 2.3, points)
        assert share[aside < 0.15].max() < 0.1
        assert share[aside > 1.45].min() > 0.9
        assert (np.diff(share) > -0.1).all()
        assert aside[share > 0.5][0] == pytest.approx(0.8, abs=0.04 + 0.05 * blur)
        widths.append(((share > 0.1) & (share < 0.9)).sum())
    assert widths[0] < widths[1] < widths[2]


def test_a_light_without_blur_throws_no_shadow():
    square = np.array([[-1, -1, 0], [1, -1, 0], [1, 1, 0]], np.float32)
    behind = np.array([[0.5, -0.5, -1]], np.float32)
    triangles = np.array([[0, 1, 2]], np.int32)
    assert cast_shadow(light(blur=None), square, triangles, np.zeros(3), 2.0, behind).tolist() == [1]
    assert cast_shadow(light(blur=1.0), square, triangles, np.zeros(3), 2.0, behind)[0] < 0.1

"""Triangles to pixels: where fragments lie, what hides what, and the small arithmetic under it."""

import numpy as np
import pytest

from tsal.synth import raster
from tsal.synth.motion import rotation

SIZE, FOCAL = 96, 150.0
SQUARE = np.array(  # of side 2, across the optical axis, 10 dm away
    [[[-1, -1, -10], [1, -1, -10], [1, 1, -10]], [[-1, -1, -10], [1, 1, -10], [-1, 1, -10]]], np.float32
)


def soup(count: int = 60, seed: int = 0) -> np.ndarray:
    """Random triangles (F, 3, 3), 8 to 12 dm before the lens, some partly out of the picture."""
    random = np.random.default_rng(seed)
    centres = random.uniform([-3, -3, -12], [3, 3, -8], (count, 1, 3))
    return (centres + random.normal(0, 0.7, (count, 3, 3))).astype(np.float32)


def torus(turn: tuple[float, float, float], place: tuple[float, float, float]) -> tuple[np.ndarray, np.ndarray]:
    """Vertices and triangles of a closed surface that hides parts of itself; outlines are counterclockwise."""
    n, m = 40, 20
    u, v = np.meshgrid(np.arange(n) * 2 * np.pi / n, np.arange(m) * 2 * np.pi / m, indexing="ij")
    wide = 1.6 + 0.7 * np.cos(v)
    vertices = np.stack([wide * np.cos(u), wide * np.sin(u), 0.7 * np.sin(v)], -1).reshape(-1, 3)
    i, j = np.meshgrid(np.arange(n), np.arange(m), indexing="ij")
    a, b, c, d = (((i + p) % n * m + (j + q) % m).ravel() for p, q in ((0, 0), (1, 0), (1, 1), (0, 1)))
    triangles = np.concatenate([np.stack([a, b, c], 1), np.stack([a, c, d], 1)])
    return (vertices @ rotation(np.array(turn)).T + place).astype(np.float32), triangles


def test_projected_fragments_give_back_their_pixels_centres():
    corners = soup()
    seen = raster.rasterise(corners, FOCAL, SIZE)
    assert len(seen.rows) > SIZE * SIZE / 4
    home = np.stack([seen.columns, seen.rows], 1)
    for places in (seen.interpolate(corners), seen.positions(FOCAL)):
        pixels = raster.project(places.astype(np.float64), FOCAL, SIZE)
        assert np.abs(pixels - home).max() < 0.01
    assert np.abs(seen.interpolate(corners) - seen.positions(FOCAL)).max() < 2e-3


def test_weights_are_those_of_the_surface_and_sum_to_one():
    seen = raster.rasterise(soup(), FOCAL, SIZE)
    assert seen.weights.min() >= 0
    np.testing.assert_allclose(seen.weights.sum(1), 1, atol=1e-5)


def test_a_pixel_shows_the_nearest_triangle_on_its_ray():
    corners = soup().astype(np.float64)
    seen = raster.rasterise(corners.astype(np.float32), FOCAL, SIZE)
    rows, columns = np.mgrid[0:SIZE:5, 0:SIZE:5].reshape(2, -1)
    depth = nearest(raster.rays(columns, rows, FOCAL, SIZE).astype(np.float64), corners)
    drawn = seen.depth[rows, columns]
    met = np.isfinite(depth)
    assert 0.2 < met.mean() < 0.8
    assert (met == (drawn < 0.99 * raster.FAR)).mean() > 0.99  # but for edges
    both = met & (drawn < 0.99 * raster.FAR)
    assert (np.abs(depth - drawn)[both] < 0.01).mean() > 0.99


def nearest(rays: np.ndarray, corners: np.ndarray) -> np.ndarray:
    """(N,) depth of the first of the triangles on each ray from the lens, one by one (Möller and Trumbore 1997)."""
    result = np.full(len(rays), np.inf)
    for index, ray in enumerate(rays):
        for a, b, c in corners:
            first, second = b - a, c - a
            p = np.cross(ray, second)
            determinant = first @ p
            if abs(determinant) < 1e-12:
                continue
            u = (-a @ p) / determinant
            q = np.cross(-a, first)
            v, t = (ray @ q) / determinant, (second @ q) / determinant
            if u >= 0 and v >= 0 and u + v <= 1 and t > 0:
                result[index] = min(result[index], t * -ray[2])
    return result


def test_a_square_hides_what_is_behind_it_and_nothing_else():
    points = np.array([[0, 0, -11], [0, 0, -9], [3, 0, -11], [0, -3, -11], [1.05, 0, -11], [0, 0, -10.1]], float)
    assert raster.hidden(points, SQUARE, 0.0).tolist() == [True, False, False, False, True, True]
    assert raster.hidden(points, SQUARE, 0.2).tolist() == [True, False, False, False, True, False]
    each = np.array([1.2, 0, 0, 0, 0, 0.05])
    assert raster.hidden(points, SQUARE, each).tolist() == [False, False, False, False, True, True]
    assert not raster.hidden(points, np.zeros((0, 3, 3), np.float32), 0.0).any()


def test_what_is_hidden_agrees_with_brute_force_rays():
    corners = soup(40, seed=1)
    random = np.random.default_rng(2)
    points = random.uniform([-3, -3, -13], [3, 3, -7], (300, 3))
    first = nearest(points / -points[:, 2:], corners.astype(np.float64))
    clear = np.abs(first + points[:, 2] + 0.1) > 1e-4  # not on the verge
    found = raster.hidden(points, corners, 0.1)
    assert 0.1 < found.mean() < 0.9
    assert (found == (first < -points[:, 2] - 0.1))[clear].all()


@pytest.mark.parametrize("turn", [(0, 0, 0), (50, 20, 5), (-80, 40, 0), (170, -30, 60)])
def test_leaving_out_what_is_out_of_sight_changes_nothing_in_the_picture(turn):
    """Two closed surfaces, one behind the other and partly out of the picture."""
    shapes = [torus(turn, (0.3, 0, -9)), torus(turn[::-1], (2.5, 1, -12))]
    corners = np.concatenate([vertices[triangles] for vertices, triangles in shapes])
    chosen = raster.in_sight(corners, np.ones(len(corners), bool), FOCAL, SIZE)
    full, part = (raster.rasterise(corners, FOCAL, SIZE, which) for which in (None, chosen))
    assert 0.2 < len(chosen) / len(corners) < 0.7
    np.testing.assert_array_equal(part.depth, full.depth)
    np.testing.assert_array_equal(part.triangle, full.triangle)
    np.testing.assert_allclose(part.weights, full.weights, atol=1e-5)


def test_backs_of_open_surfaces_stay_in_sight_and_what_is_beside_the_picture_does_not():
    back = SQUARE[:, ::-1]
    for solid, expected in ((False, [0, 1]), (True, [])):
        assert raster.in_sight(back, np.full(2, solid), FOCAL, SIZE).tolist() == expected
    for shift in ([6, 0, 0], [-6, 0, 0], [0, 6, 0], [0, -6, 0]):
        beside = SQUARE + np.array(shift, np.float32)
        assert len(raster.in_sight(beside, np.zeros(2, bool), FOCAL, SIZE)) == 0


def test_barycentric_weights_are_found_again_from_the_rays_to_their_points():
    corners = soup(50)
    random = np.random.default_rng(3)
    triangle = random.integers(len(corners), size=400)
    inner = random.dirichlet([1, 1, 1], 400)
    points = np.einsum("nk,nkj->nj", inner, corners[triangle].astype(np.float64))
    rays = (points / -points[:, 2:]).astype(np.float32)
    a, b, c = corners[triangle].transpose(1, 0, 2)
    normal = np.cross(b - a, c - a)
    steep = np.abs(normal @ [0, 0, 1]) > 0.3 * np.linalg.norm(normal, axis=1)  # others are ill-conditioned
    found = raster.barycentric(corners, triangle, rays, 0.0)
    assert np.abs(found - inner)[steep].max() < 2e-3
    np.testing.assert_allclose(found.sum(1), 1, atol=1e-5)


def test_weights_beyond_the_triangle_are_kept_as_far_as_asked():
    outside = np.array([[1.2, 0.9, -10]], np.float32) / 10  # the ray passes right of the square
    expected = np.array([1 - 1.1, 1.1 - 0.95, 0.95])
    lower = np.zeros(1, int)
    np.testing.assert_allclose(raster.barycentric(SQUARE, lower, outside, 0.5)[0], expected, atol=1e-4)
    held = raster.barycentric(SQUARE, lower, outside, 0.0)[0]
    assert held.min() >= 0 and held.sum() == pytest.approx(1)


def test_vector_arithmetic_agrees_with_numpy():
    random = np.random.default_rng(0)
    first, second = random.normal(size=(2, 50, 3))
    np.testing.assert_allclose(raster.cross(first, second), np.cross(first, second), atol=1e-12)
    np.testing.assert_allclose(raster.cross(first[:1], second), np.cross(first[:1], second), atol=1e-12)
    np.testing.assert_allclose(raster.dot(first, second), (first * second).sum(1), atol=1e-12)
    np.testing.assert_allclose(raster.unit(first), first / np.linalg.norm(first, axis=1, keepdims=True), atol=1e-12)
    assert (raster.unit(np.zeros((1, 3))) == 0).all()


@pytest.mark.parametrize("shape", [(40, 50), (40, 50, 3)])
@pytest.mark.parametrize("count", [5, 32_000, 70_001])
def test_samples_are_bilinear_however_many_they_are(shape, count):
    random = np.random.default_rng(0)
    picture = random.uniform(size=shape).astype(np.float32)
    places = random.uniform(-4, 54, (count, 2)).astype(np.float32)
    x, y = np.clip(places[:, 0], 0, 49), np.clip(places[:, 1], 0, 39)  # the edge goes on
    left, top = np.minimum(x.astype(int), 48), np.minimum(y.astype(int), 38)
    u, v = ((a - b).reshape(-1, *(1,) * (len(shape) - 2)) for a, b in ((x, left), (y, top)))
    upper = picture[top, left] * (1 - u) + picture[top, left + 1] * u
    lower = picture[top + 1, left] * (1 - u) + picture[top + 1, left + 1] * u
    found = raster.sample(picture, places)
    assert found.shape == (count, *shape[2:])
    assert np.abs(found - (upper * (1 - v) + lower * v)).max() < 0.035  # OpenCV counts in steps of 1/32 px


def test_normals_point_out_of_a_closed_surface():
    vertices, triangles = torus((0, 0, 0), (0, 0, 0))
    order, starts = raster.incidence(triangles, len(vertices))
    normals = raster.vertex_normals(vertices, triangles, order, starts)
    ring = vertices * [1, 1, 0]
    ring = 1.6 * ring / np.linalg.norm(ring, axis=1, keepdims=True)
    assert (raster.dot(normals, raster.unit(vertices - ring)) > 0.98).all()


def test_a_vertex_without_a_triangle_is_refused():
    triangles = np.array([[0, 1, 2], [2, 1, 3]])
    order, starts = raster.incidence(triangles, 4)
    assert [sorted(part.tolist()) for part in np.split(order, starts[1:])] == [[0], [0, 1], [0, 1], [1]]
    with pytest.raises(ValueError, match="of 5 vertices, 1 belong to no triangle"):
        raster.incidence(triangles, 5)
    with pytest.raises(ValueError, match="no triangle"):
        raster.incidence(triangles, 3)


def test_a_depth_map_sees_the_mesh_from_where_the_transform_leads():
    vertices = np.concatenate([SQUARE[0], SQUARE[1, 2:]])
    triangles = np.array([[0, 1, 2], [0, 2, 3]], np.int32)
    transform = np.eye(4)
    transform[:3, 3] = [0, 0, -2]
    depth = raster.depth_map(vertices, triangles, FOCAL, SIZE, transform)
    assert depth[SIZE // 2, SIZE // 2] == pytest.approx(12, rel=1e-3)
    assert depth[0, 0] == pytest.approx(raster.FAR, rel=1e-3)
    assert np.sqrt((depth < 0.99 * raster.FAR).sum()) == pytest.approx(2 * FOCAL / 12, abs=1)

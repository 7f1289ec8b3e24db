"""Triangles to pixels: which triangle each pixel shows and where on it; depths; what is hidden.

Frame of the camera: origin at the lens, x right, y up, z towards the viewer, so that everything seen has z < 0.
A point lies at the pixel (c + f x / -z, c - f y / -z) of a square picture of P pixels with c = (P - 1) / 2: pixel
centres are integers. Rasterising is OpenCV's (cv2.triangleRasterize, OpenCV 5), one ray a pixel centre.
"""

from dataclasses import dataclass, replace

import cv2
import numpy as np

NEAR, FAR = 0.5, 1000.0  # dm
_SETTINGS = cv2.TriangleRasterizeSettings()
_SETTINGS.setShadingType(cv2.RASTERIZE_SHADING_FLAT)
_SETTINGS.setCullingMode(cv2.RASTERIZE_CULLING_NONE)


@dataclass(frozen=True)
class Fragments:
    """What the pixels of a P x P picture show.

    depth: (P, P) float32 distance along the optical axis, FAR where nothing is.
    rows, columns: (N,) int of the pixels that show a triangle.
    triangle: (N,) int; weights: (N, 3) float32 barycentric, of the surface itself (perspective corrected).
    """

    depth: np.ndarray
    rows: np.ndarray
    columns: np.ndarray
    triangle: np.ndarray
    weights: np.ndarray

    def positions(self, focal: float) -> np.ndarray:
        """Places (N, 3) float32 in the camera's frame of what the pixels show; `focal` in px as it was drawn with."""
        centre = np.float32((len(self.depth) - 1) / 2)
        depth = self.depth[self.rows, self.columns]
        scale = depth / np.float32(focal)
        return np.stack([(self.columns - centre) * scale, (centre - self.rows) * scale, -depth], 1, dtype=np.float32)

    def interpolate(self, corners: np.ndarray) -> np.ndarray:
        """Values (N, C) at the pixels, from values (F, 3, C) at the triangles' corners."""
        return np.einsum("nkc,nk->nc", np.take(corners, self.triangle, axis=0), self.weights)


def project(points: np.ndarray, focal: float, size: int) -> np.ndarray:
    """Pixels (..., 2) of points (..., 3) in the camera's frame; `focal` in px."""
    centre = (size - 1) / 2
    x, y = (focal * points[..., axis] / -points[..., 2] for axis in (0, 1))
    return np.stack([centre + x, centre - y], -1)


def unit(vectors: np.ndarray) -> np.ndarray:
    """Vectors (N, 3), each divided by its length; zero stays zero."""
    length = np.sqrt(np.einsum("ij,ij->i", vectors, vectors))
    return vectors / np.maximum(length, np.float32(1e-12))[:, None]


def dot(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """(N,) products of vectors (N, 3) and (N, 3)."""
    return np.einsum("ij,ij->i", first, second)


def in_sight(corners: np.ndarray, solid: np.ndarray, focal: float, size: int) -> np.ndarray:
    """(n,) numbers of the triangles that a picture may show: in it, and with their front to the lens where `solid`.

    Args:
        corners: (F, 3, 3) in the camera's frame; solid: (F,) bool, triangles of closed surfaces.
    """
    flat = _flat(corners)
    (ax, ay), (bx, by), (cx, cy) = flat
    low, high = _bounds(flat)
    reach = np.float32(0.5 * size / focal)
    shown = (high[0] > -reach) & (low[0] < reach) & (high[1] > -reach) & (low[1] < reach)
    area = (bx - ax) * (cy - ay) - (cx - ax) * (by - ay)
    return np.flatnonzero(shown & ((area > 0) | ~solid))


def _flat(corners: np.ndarray) -> np.ndarray:
    """Corners (F, 3, 3) as the camera sees them, x / -z and y / -z: (3, 2, F), corner by corner."""
    moved = np.ascontiguousarray(corners.transpose(1, 2, 0))
    return moved[:, :2] / -moved[:, 2:]


def _bounds(flat: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Least and greatest (2, F) of the three corners (3, 2, F)."""
    a, b, c = flat
    return np.minimum(np.minimum(a, b), c), np.maximum(np.maximum(a, b), c)


def rasterise(corners: np.ndarray, focal: float, size: int, chosen: np.ndarray | None = None) -> Fragments:
    """What a picture of triangles shows.

    Args:
        corners: (F, 3, 3) float32 corners in the camera's frame.
        focal: in px of the picture.
        size: P.
        chosen: numbers of the triangles to draw, see `in_sight`; default all.
    """
    if chosen is not None:
        part = rasterise(corners[chosen], focal, size)
        return replace(part, triangle=chosen[part.triangle])
    count = len(corners)
    order = np.arange(3 * count, dtype=np.int32).reshape(1, count, 3)
    numbers = np.repeat((np.arange(count, dtype=np.float32) + 0.5) / count, 3)
    colours = np.repeat(numbers[:, None], 3, 1)[None]
    depth = np.full((size, size), FAR, np.float32)
    shown = np.full((size, size, 3), -1, np.float32)
    angle = 2 * np.arctan(0.5 * size / focal)
    soup = corners.reshape(1, -1, 3)
    cv2.triangleRasterize(soup, order, colours, shown, depth, np.eye(4, dtype=np.float32), angle, NEAR, FAR, _SETTINGS)
    rows, columns = np.nonzero(shown[..., 0] >= 0)
    triangle = np.minimum((shown[rows, columns, 0] * count).astype(np.int32), count - 1)
    weights = barycentric(corners, triangle, rays(columns, rows, focal, size), 0.0)
    return Fragments(depth, rows, columns, triangle, weights)


def rays(columns: np.ndarray, rows: np.ndarray, focal: float, size: int) -> np.ndarray:
    """Directions (N, 3) float32, with z = -1, in which the camera looks through pixels (N,) and (N,)."""
    centre = (size - 1) / 2
    x, y = (columns - centre) / focal, (centre - rows) / focal
    return np.stack([x, y, np.full(len(x), -1.0)], 1).astype(np.float32)


def barycentric(corners: np.ndarray, triangle: np.ndarray, rays: np.ndarray, beyond: float) -> np.ndarray:
    """Weights (N, 3) float32 of the triangles' corners where rays (N, 3) meet their planes.

    Args:
        corners: (F, 3, 3); triangle: (N,) which of them each ray meets.
        beyond: how far a weight may lie outside of 0 to 1; others are pulled back.
    """
    # A ray d meets the plane of corners a, b, c at d ~ wa a + wb b + wc c, so w ~ (d . (b x c), d . (c x a), ...).
    a, b, c = corners[:, 0], corners[:, 1], corners[:, 2]
    edges = np.stack([cross(b, c), cross(c, a), cross(a, b)], 1)
    weights = np.einsum("nkj,nj->nk", edges[triangle], rays)
    total = np.einsum("ij->i", weights)[:, None]
    weights /= np.where(np.abs(total) > 1e-20, total, np.float32(1))
    np.clip(weights, -beyond, 1 + beyond, out=weights)
    weights /= np.maximum(np.einsum("ij->i", weights)[:, None], np.float32(1e-6))
    return weights


def cross(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Cross products (N, 3) of (N, 3) or (1, 3) vectors; NumPy's own is slower for long lists."""
    (a, b, c), (x, y, z) = first.T, second.T
    return np.stack([b * z - c * y, c * x - a * z, a * y - b * x], 1)


def depth_map(
    vertices: np.ndarray, triangles: np.ndarray, focal: float, size: int, transform: np.ndarray
) -> np.ndarray:
    """Depths (P, P) float32 of a mesh, (V, 3) and (F, 3), seen from elsewhere; `transform` (4, 4) leads there."""
    depth = np.full((size, size), FAR, np.float32)
    angle = 2 * np.arctan(0.5 * size / focal)
    cv2.triangleRasterizeDepth(
        vertices[None], triangles[None], depth, transform.astype(np.float32), angle, NEAR, FAR, _SETTINGS
    )
    return depth


def hidden(points: np.ndarray, corners: np.ndarray, tolerance: float | np.ndarray) -> np.ndarray:
    """Which points have a triangle between them and the lens, exactly (by rays, not by pixels); (K,) bool.

    Args:
        points: (K, 3); corners: (F, 3, 3), both in the camera's frame.
        tolerance: dm by which a triangle must be nearer than the point to hide it; one, or (K,).
    """
    rays = points[:, :2] / -points[:, 2:]
    low, high = _bounds(_flat(corners))
    # In single precision, so with a little room.
    near = rays.astype(np.float32)
    room = np.float32(1e-6)
    inside = np.ones((len(points), len(corners)), bool)
    for axis in (0, 1):
        inside &= low[axis] - room <= near[:, None, axis]
        inside &= near[:, None, axis] <= high[axis] + room
    which, triangle = np.divmod(np.flatnonzero(inside), len(corners))
    a, b, c = (corners[triangle, k].astype(np.float64) for k in range(3))
    ray = np.concatenate([rays[which], -np.ones((len(which), 1))], 1)
    weights = np.stack([(np.cross(b, c) * ray).sum(1), (np.cross(c, a) * ray).sum(1), (np.cross(a, b) * ray).sum(1)], 1)
    total = weights.sum(1)
    weights = weights / np.where(total == 0, 1, total)[:, None]
    meets = (weights >= 0).all(1) & (total != 0)
    # w = total / det scales the ray: the surface lies at -z = sum of weighted depths.
    depth = -(weights * np.stack([a[:, 2], b[:, 2], c[:, 2]], 1)).sum(1)
    nearer = meets & (depth > 0) & (depth < -points[which, 2] - np.broadcast_to(tolerance, len(points))[which])
    result = np.zeros(len(points), bool)
    result[which[nearer]] = True
    return result


def vertex_normals(vertices: np.ndarray, triangles: np.ndarray, order: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """Unit normals (V, 3), each the area-weighted mean of its triangles'; see `incidence` for order and starts."""
    a, b, c = (vertices[triangles[:, k]] for k in range(3))
    faces = cross(b - a, c - a)
    normals = np.add.reduceat(faces[order], starts, axis=0)
    return unit(normals)


def incidence(triangles: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """For `vertex_normals`: triangle numbers sorted by vertex, and where each of `count` vertices' begin.

    Raises:
        ValueError: a vertex belongs to no triangle.
    """
    flat = triangles.ravel()
    sizes = np.bincount(flat, minlength=count)
    if len(sizes) != count or (sizes == 0).any():
        raise ValueError(f"of {count} vertices, {(sizes == 0).sum()} belong to no triangle")
    order = np.argsort(flat, kind="stable") // 3
    return order, np.concatenate([[0], np.cumsum(sizes)[:-1]])


def sample(picture: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Bilinear values (N, C) or (N,) of a picture (H, W, C) or (H, W) at pixels x, y (N, 2); the edge goes on."""
    places = np.ascontiguousarray(places, np.float32)
    pieces = [  # OpenCV takes at most 32,767 a call
        cv2.remap(picture, part[None, :, 0], part[None, :, 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)[0]
        for part in np.split(places, range(32_000, len(places), 32_000))
    ]
    return np.concatenate(pieces)

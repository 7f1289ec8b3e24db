"""A frame: what its pixels show, the light on it, which landmarks are seen, and how all of it moves to the next."""

from functools import cached_property

import cv2
import numpy as np

from tsal.synth import paint, raster
from tsal.synth.anatomy import load
from tsal.synth.attachment import FINISH_NUMBERS, FINISHES
from tsal.synth.body import collar, load_body
from tsal.synth.landmarks import landmark_map
from tsal.synth.motion import rotation
from tsal.synth.shading import Light, Surface, Surroundings, cast_shadow, shade
from tsal.synth.stage import Stage

SAMPLES = 2  # a pixel's side in rays: so many squared
# dm by which something must be nearer than a landmark to hide it. Of the skin itself more: contour points lie where it
# turns away, others in folds.
_BEFORE = np.full(68, 0.04)
_BEFORE_SKIN = np.r_[np.full(17, 0.45), np.full(51, 0.08)]

_FINISHES = np.array([values[1:] for values in FINISHES.values()], np.float32).T  # gloss, rough, seep by number


class Frame:
    """A frame's geometry and what its pixels show."""

    def __init__(self, stage: Stage, frame: int, size: int) -> None:
        self.stage, self.size = stage, size
        self.vertices, self.head, self.lenses = stage.pose(frame)
        self.camera = rotation(stage.motion.shake[frame])
        self.corners = self.vertices[stage.triangles]
        if not stage.look.lashes:  # too short to be seen: folded to points
            lashes = np.flatnonzero(load().faces_of("lashes"))
            self.corners[lashes] = self.corners[lashes, :1]

    @cached_property
    def points(self) -> np.ndarray:
        """(68, 3) float64 landmarks in the camera's frame."""
        return landmark_map().points(self.vertices.astype(np.float64), self.head)

    @cached_property
    def in_sight(self) -> np.ndarray:
        """Numbers of the triangles that the picture may show."""
        return raster.in_sight(self.corners, self.stage.solid, self.stage.focal, self.size)

    @cached_property
    def fine(self) -> raster.Fragments:
        """At SAMPLES rays a pixel's side."""
        return raster.rasterise(self.corners, self.stage.focal * SAMPLES, self.size * SAMPLES, self.in_sight)

    def visible(self, pixels: np.ndarray) -> np.ndarray:
        """(68,) bool: landmarks, at `pixels` (68, 2), that lie in the picture with nothing before them."""
        inside = ((pixels > -0.5) & (pixels < self.size - 0.5)).all(1)
        hiding = self.in_sight[self.stage.hides[self.in_sight]]
        skin = self.stage.finish[hiding] == FINISH_NUMBERS["skin"]
        hidden = raster.hidden(self.points, self.corners[hiding[skin]], _BEFORE_SKIN)
        hidden |= raster.hidden(self.points, self.corners[hiding[~skin]], _BEFORE)
        return inside & ~hidden


def optical_flow(frame: Frame, following: Frame) -> tuple[np.ndarray, np.ndarray]:
    """Motion (P, P, 2) float64 px of what each pixel shows to the next frame; (P, P) bool where it is hidden there.

    A pixel shows the triangle that its upper left ray meets; its motion is that of the point at the pixel's centre.
    """
    size, focal = frame.size, frame.stage.focal
    shown = np.full((size * SAMPLES, size * SAMPLES), -1)
    shown[frame.fine.rows, frame.fine.columns] = frame.fine.triangle
    shown = shown[::SAMPLES, ::SAMPLES]
    rows, columns = np.mgrid[0:size, 0:size]
    rays = raster.rays(columns.ravel(), rows.ravel(), focal, size)
    # The background is infinitely far: only the camera's turns move it.
    target = rays.astype(np.float64) @ (following.camera @ frame.camera.T).T
    depth = np.full(size * size, raster.FAR)
    seen = np.flatnonzero(shown >= 0)
    triangle = shown.ravel()[seen]
    weights = raster.barycentric(frame.corners, triangle, rays[seen], 0.5).astype(np.float64)
    moved = np.einsum("nk,nkj->nj", weights, following.corners[triangle])
    target[seen], depth[seen] = moved, -moved[:, 2]
    pixels = raster.project(target, focal, size)
    home = np.stack([columns, rows], -1)
    # Where a triangle is smaller than a pixel, the nearest point that counts as its own moves as the centre does.
    origin = raster.project(np.einsum("nk,nkj->nj", weights, frame.corners[triangle]), focal, size)
    pixels[seen] += home.reshape(-1, 2)[seen] - origin
    inside = ((pixels > -0.5) & (pixels < size - 0.5)).all(1)
    fine = np.round(pixels * SAMPLES + (SAMPLES - 1) / 2).clip(0, SAMPLES * size - 1).astype(int)
    slack = np.where(depth >= raster.FAR, 1.0, 0.08)
    hidden = ~inside | (following.fine.depth[fine[:, 1], fine[:, 0]] < depth - slack)
    return pixels.reshape(size, size, 2) - home, hidden.reshape(size, size)


def picture(
    frame: Frame, lights: list[Light], surroundings: Surroundings, behind: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Linear light (P, P, 3) float32 of a frame, and that of the face's skin (N, 3)."""
    stage, seen = frame.stage, frame.fine
    fine = frame.size * SAMPLES
    surface = surface_of(frame)
    casting = stage.triangles[stage.casts]
    middle = frame.points.mean(0)
    shadows = [cast_shadow(light, frame.vertices, casting, middle, 2.3, surface.position) for light in lights]
    light = shade(surface, lights, surroundings, shadows)
    # The background turns with the camera.
    pad = (len(behind) - fine) // 2
    focal, centre = stage.focal * SAMPLES, (fine - 1) / 2
    lens = np.array([[focal, 0, centre], [0, -focal, centre], [0, 0, -1.0]])
    home = np.array([[1, 0, pad], [0, 1, pad], [0, 0, 1.0]])
    warp = home @ lens @ np.linalg.inv(frame.camera) @ np.linalg.inv(lens)
    drawn = cv2.warpPerspective(
        behind, warp, (fine, fine), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_REFLECT
    )
    drawn[seen.rows, seen.columns] = light
    if frame.lenses is not None:
        add_lenses(drawn, frame, lights, surroundings)
    skin = stage.finish[seen.triangle] == FINISH_NUMBERS["skin"]
    face = light[skin] if skin.any() else light
    return cv2.resize(drawn, (frame.size, frame.size), interpolation=cv2.INTER_AREA), face


def surface_of(frame: Frame) -> Surface:
    """What the pixels show, ready to be lit."""
    stage, seen = frame.stage, frame.fine
    body, parts = load_body(), stage.parts
    normals = raster.vertex_normals(frame.vertices, stage.triangles, *stage.incidence)
    for eye in body.eye_rows:
        outwards = frame.vertices[eye] - frame.vertices[eye].mean(0)
        normals[eye] = outwards / np.linalg.norm(outwards, axis=1, keepdims=True)
    count = len(load().vertices)
    per_vertex = np.empty((len(frame.vertices), 4), np.float32)
    per_vertex[:, :3] = normals
    per_vertex[:count, 3] = body.open
    per_vertex[count:, 3] = 0.85
    for eye in body.eye_rows:
        per_vertex[eye, 3] = 0.6  # lids and lashes keep light from them
    values = seen.interpolate(per_vertex[stage.triangles])
    texels = seen.interpolate(stage.texels)
    finish = stage.finish[seen.triangle]
    # Bare skin above the collar, in triangles that it crosses.
    body_cloth = np.flatnonzero((finish == FINISH_NUMBERS["cloth"]) & (seen.triangle < len(body.triangles)))
    if len(body_cloth):
        corners = load().vertices[body.triangles[seen.triangle[body_cloth]]]
        places = np.einsum("nkj,nk->nj", corners, seen.weights[body_cloth])
        bare = collar(places) > 0
        finish[body_cloth[bare]] = FINISH_NUMBERS["skin"]
        texels[body_cloth[bare]] = paint.slot_uv("skin", np.clip(paint.cylinder(places[bare]), 0, 1))
    atlas = stage.look.atlas
    albedo = raster.sample(atlas.albedo, texels) * np.take(stage.tint, seen.triangle, axis=0)
    relief = raster.sample(atlas.relief, texels)
    gloss, rough, seep = (np.take(column, finish) for column in _FINISHES)
    position, normal = seen.positions(stage.focal * SAMPLES), values[:, :3]
    # Ribbons and cloth have two sides: the one that is seen faces the lens.
    away = raster.dot(normal, position) > 0
    normal[away & ~stage.solid[seen.triangle]] *= -1
    up = frame.head[:, 1].astype(np.float32)
    # Tangents: along the turn round the head, and up; the normal is tilted down the slopes.
    along = raster.unit(raster.cross(up[None], normal))
    hair = np.flatnonzero(finish == FINISH_NUMBERS["hair"])
    slope = relief[:, :2]
    slope[hair] = 0
    strand = np.zeros((len(parts.anchors), 3), np.float32)
    strand[:] = parts.strand @ frame.head.T
    rows = stage.triangles[seen.triangle[hair]] - count
    along_hair = np.einsum("nk,nkj->nj", seen.weights[hair], strand[rows])
    normal = raster.unit(normal - slope[:, :1] * along - slope[:, 1:] * raster.cross(normal, along))
    return Surface(
        position,
        normal,
        albedo,
        values[:, 3],
        gloss * relief[:, 2],
        rough,
        seep,
        hair,
        raster.unit(along_hair),
    )


def add_lenses(picture: np.ndarray, frame: Frame, lights: list[Light], surroundings: Surroundings) -> None:
    """Clear lenses: a little darker, with the reflection of the surroundings and lights."""
    stage = frame.stage
    corners = frame.lenses[stage.lenses.triangles].astype(np.float32)
    seen = raster.rasterise(corners, stage.focal * SAMPLES, frame.size * SAMPLES)
    before = seen.depth[seen.rows, seen.columns] < frame.fine.depth[seen.rows, seen.columns]
    if not before.any():
        return
    order, starts = raster.incidence(stage.lenses.triangles, len(frame.lenses))
    normals = raster.vertex_normals(frame.lenses, stage.lenses.triangles, order, starts).astype(np.float32)
    values = seen.interpolate(np.concatenate([frame.lenses, normals], 1)[stage.lenses.triangles].astype(np.float32))
    values = values[before]
    position, normal = values[:, :3], values[:, 3:]
    normal = normal / (np.linalg.norm(normal, axis=1, keepdims=True) + 1e-9)
    normal *= -np.sign((normal * position).sum(1, keepdims=True))
    view = -position / np.linalg.norm(position, axis=1, keepdims=True)
    mirrored = 2 * (normal * view).sum(1, keepdims=True) * normal - view
    shine = 0.06 * surroundings.light(mirrored)
    for light in lights:
        shine = shine + light.colour * 1.5 * np.clip(mirrored @ light.direction, 0, 1)[:, None] ** 60
    rows, columns = seen.rows[before], seen.columns[before]
    picture[rows, columns] = picture[rows, columns] * 0.93 + shine

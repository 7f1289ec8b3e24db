"""What every person's mesh shares: its triangles' finish and texels, and how much of the sky each vertex sees."""

from dataclasses import dataclass
from functools import cache

import numpy as np

from tsal.synth import paint, raster
from tsal.synth.anatomy import load
from tsal.synth.attachment import FINISH_NUMBERS, FINISHES
from tsal.synth.landmarks import landmark_map
from tsal.synth.people import linear
from tsal.synth.shading import Light, cast_shadow


@dataclass(frozen=True)
class Body:
    """What every person's mesh shares.

    finish: (F,), tint: (F, 3), texels: (F, 3, 2) of its triangles (F, 3), as of an Attachment. open: (V,) share of the
    sky that a vertex sees. eye_rows: vertices of left and right eye; teeth: of the teeth. incidence: see raster.
    """

    finish: np.ndarray
    tint: np.ndarray
    texels: np.ndarray
    open: np.ndarray
    eye_rows: tuple[np.ndarray, np.ndarray]
    teeth: np.ndarray
    triangles: np.ndarray
    incidence: tuple[np.ndarray, np.ndarray]


@cache
def load_body() -> Body:
    anatomy = load()
    names = anatomy.parts
    finish = np.array([FINISH_NUMBERS[name] for name in names])[anatomy.part]
    corners = anatomy.vertices[anatomy.triangles]
    skin = anatomy.faces_of("skin")
    inside = paint.vertex_mask("inside-mouth")[anatomy.triangles].min(1) > 0.5
    mouth = skin & inside
    # Clothes begin at the collar; the triangles that it crosses are divided pixel by pixel.
    dressed = skin & (collar(corners) < 0.02).any(1)
    finish[mouth] = FINISH_NUMBERS["tongue"]
    finish[dressed] = FINISH_NUMBERS["cloth"]
    tint = np.ones((len(finish), 3), np.float32)
    tint[anatomy.faces_of("teeth")] = linear(np.array([0.66, 0.62, 0.55]))
    tint[anatomy.faces_of("tongue")] = linear(np.array([0.72, 0.36, 0.36]))
    tint[mouth] = linear(np.array([0.42, 0.16, 0.15]))
    tint[anatomy.faces_of("lashes")] = 0.02
    uv = paint.skin_uv(corners)
    uv[dressed] = np.clip(0.5 + 0.2 * (corners[dressed][..., :2] - [0, 5.2]), 0, 1)
    eyes = []
    for side in ("left_eye", "right_eye"):
        rows = np.unique(anatomy.triangles[anatomy.faces_of(side)])
        centre = anatomy.vertices[rows].mean(0)
        faces = anatomy.faces_of(side)
        outwards = corners[faces] - centre
        outwards /= np.linalg.norm(outwards, axis=-1, keepdims=True)
        angle = np.arccos(np.clip(outwards[..., 2], -1, 1))
        across = outwards[..., :2] / (np.linalg.norm(outwards[..., :2], axis=-1, keepdims=True) + 1e-9)
        uv[faces] = np.clip(0.5 + 0.5 * (angle / paint.EYE_ANGLE)[..., None] * across, 0, 1)
        eyes.append(rows)
    return Body(
        finish, tint, texels(finish, uv), _ambient_occlusion(), (eyes[0], eyes[1]),
        np.unique(anatomy.triangles[anatomy.faces_of("teeth")]), anatomy.triangles,
        raster.incidence(anatomy.triangles, len(anatomy.vertices)),
    )  # fmt: skip


@cache
def lids() -> tuple[np.ndarray, np.ndarray]:
    """Vertex rows (2, 2, 4) of the upper and the lower lid: left and right eye, two landmarks each."""
    inner = landmark_map().inner
    return inner[np.array([[43, 44], [37, 38]]) - 17], inner[np.array([[47, 46], [41, 40]]) - 17]


@cache
def lid_openings() -> np.ndarray:
    """(M, 2, 2) dm by which each morph parts the lids at the places of `lids`."""
    height = load().morphs[..., 1]
    upper, lower = lids()
    return height[:, upper].mean(-1) - height[:, lower].mean(-1)


def collar(places: np.ndarray) -> np.ndarray:
    """How far (..., ) dm places (..., 3) of the neutral mesh lie above the edge of the clothes."""
    return places[..., 1] - 5.95 + 0.1 * np.clip(places[..., 2], -1, 1)


def texels(finish: np.ndarray, uv: np.ndarray) -> np.ndarray:
    """Texels (F, 3, 2) of the atlas for triangles' coordinates (F, 3, 2) in the slots of their finish."""
    places = np.empty(uv.shape, np.float32)
    for name, number in FINISH_NUMBERS.items():
        rows = finish == number
        if rows.any():
            slot = FINISHES[name][0]
            inner = np.full_like(uv[rows], 0.5) if slot == "plain" else uv[rows]
            places[rows] = paint.slot_uv(slot, inner)
    return places


def _ambient_occlusion(directions: int = 64) -> np.ndarray:
    """(V,) share of the sky that each vertex of the neutral mesh sees, weighted by the cosine."""
    anatomy = load()
    triangles = anatomy.triangles[anatomy.faces_of("skin", "teeth", "tongue")]
    order, starts = raster.incidence(anatomy.triangles, len(anatomy.vertices))
    normals = raster.vertex_normals(anatomy.vertices, anatomy.triangles, order, starts)
    # Fibonacci's spiral: directions spread evenly over the sphere.
    k = np.arange(directions) + 0.5
    height, turn = 1 - 2 * k / directions, np.pi * (1 + 5**0.5) * k
    around = np.sqrt(1 - height**2)
    sky = np.stack([around * np.cos(turn), height, around * np.sin(turn)], 1)
    centre, seen, total = np.array([0.0, 7.0, 0.7]), np.zeros(len(normals)), np.full(len(normals), 1e-6)
    points = anatomy.vertices + 0.03 * normals
    for direction in sky:
        cosine = np.clip(normals @ direction, 0, 1)
        lit = cast_shadow(Light(direction, np.ones(3), 0.8), anatomy.vertices, triangles, centre, 2.2, points)
        seen += cosine * lit
        total += cosine
    return np.clip(seen / total, 0.08, 1).astype(np.float32)

"""Ribbons: their triangles and colours."""

from functools import cache

import numpy as np

from tsal.synth.attachment import FINISH_NUMBERS, Attachment
from tsal.synth.hair.vectors import unit
from tsal.synth.people import Person

_GREY = np.array([0.45, 0.44, 0.43], np.float32)  # linear RGB of single white hairs


def draw_colours(random: np.random.Generator, person: Person, count: int, shades: np.ndarray) -> np.ndarray:
    """(count, 3) linear RGB of ribbons: the person's, some lighter or darker, some white on who turns grey."""
    tint = person.hair * (1 + random.uniform(-0.15, 0.15, (count, 1))) * (1 + random.normal(0, 0.02, (count, 3)))
    white = random.uniform(size=count) < 0.45 * person.grey * (1.25 - person.grey)
    tint[white] = 0.65 * tint[white] + 0.35 * _GREY
    return (tint * shades[:, None]).astype(np.float32)


def build_ribbons(
    random: np.random.Generator, path: np.ndarray, normals: np.ndarray, width: np.ndarray, colours: np.ndarray,
    anchors: np.ndarray | None = None, places: np.ndarray | None = None, root_shade: float = 0.75, tilt: float = 0.3,
) -> Attachment:  # fmt: skip
    """Ribbons along paths (n, k + 1, 3) with normals of that shape, of widths (n,) dm and colours (n, 3).

    Each has 2 k - 1 triangles, its tip being a point. anchors: (n,) vertex rows, at places (n, 3), or the skull.
    root_shade: light at the root, where other hair is in the way. tilt: radians by which ribbons lean at random.
    """
    count, knots = path.shape[:2]
    along = np.empty_like(path)
    along[:, 1:-1] = path[:, 2:] - path[:, :-2]
    along[:, 0], along[:, -1] = path[:, 1] - path[:, 0], path[:, -1] - path[:, -2]
    along = unit(along)
    across = unit(np.cross(along, normals))
    outward = np.cross(across, along)
    lean = random.normal(0, tilt, (count, 1, 1)).astype(np.float32)
    share = np.linspace(0, 1, knots, dtype=np.float32)
    profile = (0.35 + 0.9 * share - 0.25 * share**2) * np.sqrt(1 - share**2.5) * 1.2
    half = 0.5 * width[:, None, None] * profile[:, None]
    # Leaning edges are lifted only, so that none dips below the surface.
    edge = half * np.cos(lean) * across
    lift = half * np.sin(lean) * outward
    points = np.empty((count, 2 * knots - 1, 3), np.float32)
    points[:, 0:-1:2] = (path - edge + np.maximum(-lean, 0) / (np.abs(lean) + 1e-9) * -2 * lift)[:, :-1]
    points[:, 1:-1:2] = (path + edge + np.maximum(lean, 0) / (np.abs(lean) + 1e-9) * 2 * lift)[:, :-1]
    points[:, -1] = path[:, -1]
    strand = np.empty_like(points)
    strand[:, 0:-1:2] = strand[:, 1:-1:2] = along[:, :-1]
    strand[:, -1] = along[:, -1]
    faces, u, v = _ribbon_faces(knots)
    start = (np.arange(count) * (2 * knots - 1))[:, None, None]
    window = random.uniform(0, 0.5, (count, 1, 1)).astype(np.float32)
    uv = np.empty((count, *faces.shape, 2), np.float32)
    uv[..., 0] = 0.5 * u + window
    uv[..., 1] = v
    light = root_shade + (1 - root_shade) * np.minimum(2 * v.mean(1), 1)
    tint = colours[:, None] * light[:, None]
    amount = count * (2 * knots - 1)
    if anchors is None:
        hang = np.full(amount, -1)
    else:
        hang = np.repeat(anchors, 2 * knots - 1)
        points -= places[:, None]
    return Attachment(
        anchors=hang,
        offsets=points.reshape(-1, 3),
        triangles=(faces + start).reshape(-1, 3).astype(np.int32),
        uv=uv.reshape(-1, 3, 2),
        tint=tint.reshape(-1, 3).astype(np.float32),
        finish=np.full(count * len(faces), FINISH_NUMBERS["hair"]),
        strand=unit(strand.reshape(-1, 3)).astype(np.float32),
    )


@cache
def _ribbon_faces(knots: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(m, 3) vertices of a ribbon's triangles, which face outwards, and u and v of their corners."""
    faces = []
    for k in range(knots - 2):
        faces += [(2 * k, 2 * k + 1, 2 * k + 2), (2 * k + 1, 2 * k + 3, 2 * k + 2)]
    faces.append((2 * knots - 4, 2 * knots - 3, 2 * knots - 2))
    faces = np.array(faces)
    u = np.where(faces == 2 * knots - 2, 0.5, faces % 2).astype(np.float32)
    return faces, u, (faces // 2 / (knots - 1)).astype(np.float32)

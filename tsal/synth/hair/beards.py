"""Beards and moustaches: ribbons that hang on the skin's vertices."""

import numpy as np

from tsal.synth.attachment import Attachment
from tsal.synth.hair.head import Head
from tsal.synth.hair.ribbons import build_ribbons, draw_colours
from tsal.synth.hair.roots import Roots, beard_roots, moustache_roots
from tsal.synth.hair.vectors import smooth, unit
from tsal.synth.people import Person


def grow_beard(random: np.random.Generator, person: Person, head: Head, name: str) -> list[Attachment]:
    """Ribbons that hang on the skin's vertices, so that they follow jaw and lips."""
    if name in ("", "stubble"):
        return []
    thick = random.uniform(0.75, 1.0)
    parts = []
    if random.uniform() < {"moustache": 1.0, "goatee": 0.8, "short beard": 0.95, "long beard": 0.95}[name]:
        roots = moustache_roots()
        x, y = roots.place[:, 0], roots.place[:, 1]
        way = np.stack([np.tanh(x / 0.05), np.full(len(x), -0.55), np.zeros(len(x))], 1)
        # It ends above the lip: shorter the lower it grows, except beside the mouth.
        length = np.where(np.abs(x) < 0.25, np.clip((y - 6.74) / 0.45, 0.025, 0.15), 0.13)
        parts.append(_beard_ribbons(random, person, head, roots, thick, way, length, 0.05, 2))
    if name == "moustache":
        return parts
    roots = beard_roots()
    x, y, z = roots.place.T
    chin = smooth(6.75, 6.3, y)
    low, high, quads = {"goatee": (0.12, 0.3, 3), "short beard": (0.13, 0.22, 2), "long beard": (0.22, 0.85, 3)}[name]
    length = low + (high - low) * chin * random.uniform(0.6, 1.0)
    if name == "goatee":
        length = np.where((np.abs(x) < 0.33) & (y > 6.1) & (z > 0.95), length, 0)
    way = np.stack([0.35 * np.tanh(x / 0.1), np.full(len(x), -1.0), np.zeros(len(x))], 1)
    if name == "long beard":
        thick *= 0.65  # long ribbons cover more
    parts.append(_beard_ribbons(random, person, head, roots, thick, way, length, 0.065, quads))
    return parts


def _beard_ribbons(
    random: np.random.Generator, person: Person, head: Head, roots: Roots, thick: float, way: np.ndarray,
    length: np.ndarray, width: float, quads: int,
) -> Attachment:  # fmt: skip
    """Ribbons from a share `thick` of n roots, the way (n, 3) they are combed, of lengths (n,) dm, 0: none there."""
    chosen = np.flatnonzero((length > 0) & (random.uniform(size=len(length)) < thick))
    count = len(chosen)
    corners = person.neutral[roots.rows[chosen]]
    root = (corners * roots.weights[chosen][..., None]).sum(1)
    normal = unit(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]))
    reach = (length[chosen] * random.uniform(0.75, 1.15, count))[:, None, None]
    way = way[chosen] + random.normal(0, 0.15, (count, 3))
    way = way - (way * normal).sum(1, keepdims=True) * normal
    way = unit(way) + normal * random.uniform(0.15, 0.4, count)[:, None]
    share = np.linspace(0, 1, quads + 1)[None, :, None]
    # Long hair bends down as it leaves the chin.
    sink = 0.5 * np.clip(reach / 0.4 - 0.4, 0, 1) * share
    path = root[:, None] + reach * head.size * share * ((1 - sink) * way[:, None] + sink * np.array([0, -1, 0.05]))
    path = (path + 0.012 * normal[:, None]).astype(np.float32)
    normals = np.repeat(normal[:, None], quads + 1, 1)
    widths = width * head.size * random.uniform(0.7, 1.3, count) * (1 + 0.3 * np.minimum(reach[:, 0, 0], 1))
    colours = draw_colours(random, person, count, random.uniform(0.8, 1.05, count))
    nearest = roots.nearest[chosen]
    return build_ribbons(
        random, path, normals, widths, colours, nearest, person.neutral[nearest], root_shade=0.8, tilt=0.2
    )

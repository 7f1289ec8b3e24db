"""Hair that is combed along the head: traced from its roots step by step, then cut."""

import numpy as np

from tsal.synth.attachment import Attachment
from tsal.synth.hair.areas import CENTRE
from tsal.synth.hair.cuts import Cut, mirror
from tsal.synth.hair.head import Head
from tsal.synth.hair.ribbons import build_ribbons, draw_colours
from tsal.synth.hair.roots import CANDIDATES, scalp_roots
from tsal.synth.hair.vectors import length_of, smooth, unit
from tsal.synth.people import Person
from tsal.synth.raster import dot

_STEPS = 9  # in which hair is traced, before it is cut and resampled


def grow_cut(
    random: np.random.Generator, person: Person, head: Head, cut: Cut, keep: np.ndarray | None = None
) -> Attachment:
    """Ribbons of a cut. keep: (CANDIDATES,) bool, where hair grows; everywhere on the scalp if None."""
    every = scalp_roots()
    wanted = cut.ribbons if keep is None else int(cut.ribbons * keep.mean())
    allowed = np.arange(CANDIDATES) if keep is None else np.flatnonzero(keep)
    # Of the first ones, which are spread evenly, a few more than wanted: so no two heads have the same roots.
    chosen = random.permutation(allowed[: int(wanted * 1.3)])[:wanted]
    root = np.einsum("nvx,nv->nx", person.neutral[every.rows[chosen]], every.weights[chosen])
    count = len(root)
    top = smooth(0.0, 0.45, every.place[chosen, 1] - CENTRE[1])
    length = (cut.sides + (cut.length - cut.sides) * top) * random.uniform(0.8, 1.15, count) * head.size
    layer = random.uniform(size=count).astype(np.float32) ** 0.7
    path = _trace(head, cut, root, length, layer)
    path, kept = _trim(random, head, cut, path)
    layer, count = layer[kept], int(kept.sum())
    _, normals, _ = head.sample(path.reshape(-1, 3), cut.ears)
    normals = normals.reshape(path.shape)
    if cut.wave:
        travelled = np.cumsum(np.linalg.norm(np.diff(path, axis=1), axis=2), 1) / head.size
        travelled = np.concatenate([np.zeros((count, 1)), travelled], 1)
        phase = 5 * path[:, :1, 0] + random.normal(0, 0.7, (count, 1))  # neighbours swing together
        sway = (
            np.sin(2 * np.pi * travelled / cut.period + phase) * np.minimum(travelled / 0.4, 1) * cut.wave * head.size
        )
        sideways = unit(np.cross(path[:, -1:] - path[:, :1], normals))
        path = path + (sway[..., None] * sideways).astype(np.float32)
    path = head.clear(path, 0.02, cut.ears)
    # Short ribbons are narrower, or they would look like scales.
    width = cut.width * head.size * random.uniform(0.75, 1.25, count) * np.clip(length[kept] / 0.4, 0.5, 1)
    return build_ribbons(random, path, normals, width, draw_colours(random, person, count, 0.72 + 0.33 * layer))


def _comb(cut: Cut, place: np.ndarray) -> np.ndarray:
    """Where hair is combed (n, 3), not yet along the surface, at places (n, 3) from the centre of a neutral head."""
    x, _, z = place.T
    away = place - np.array([0.0, 0.86, -0.35], np.float32)  # from the crown's whorl
    away = unit(away)
    if cut.comb == "parted":
        aside = np.tanh((x - cut.part) / 0.06)
        back = -0.35 - 0.4 * smooth(0.6, 0.1, np.abs(x))
        flow = np.stack([aside, -0.3 - 0.6 * smooth(0.35, 0.65, np.abs(x)), back], 1)
        share = smooth(-0.45, -0.1, z)[:, None]
        return flow * share + away * (1 - share)
    if cut.comb == "across":
        side = -np.sign(cut.part)
        aside = side * np.tanh((x - cut.part) * side / 0.06)
        flow = np.stack([aside, -0.5 + 0 * x, 0.75 - 1.2 * smooth(0.5, 0.75, np.abs(x))], 1)
        share = smooth(-0.1, 0.3, z)[:, None]
        return flow * share + away * (1 - share)
    if cut.comb == "swept":
        down = smooth(0.1, -0.6, z) + 0.45 * smooth(0.5, 0.7, np.abs(x))
        return np.stack([0.15 * np.tanh(x / 0.2), -down, -1 + 0.6 * smooth(-0.3, -0.8, z)], 1)
    if cut.comb == "gathered":
        return np.array(cut.knot, np.float32) - place
    return away


def _trace(head: Head, cut: Cut, root: np.ndarray, length: np.ndarray, layer: np.ndarray) -> np.ndarray:
    """Paths (n, _STEPS + 1, 3) of uncut hair from roots (n, 3)."""
    step = (length / _STEPS)[:, None].astype(np.float32)
    _, normal, _ = head.sample(root, False)
    at = root + 0.012 * normal
    path = [at]
    heading = None
    for k in range(_STEPS):
        place = (at - head.centre) / head.size
        comb = _comb(cut, place)
        comb = comb - dot(comb, normal)[:, None] * normal
        comb = unit(comb)
        # Hair hangs once it has come down the side of the head; on top it lies as it is combed.
        hang = cut.gravity * smooth(0.35, -0.25, place[:, 1])[:, None] * min(1.0, (k + 1) / 3)
        comb = comb * (1 - hang) + hang * np.array([0, -1, 0], np.float32)
        heading = comb if heading is None else 0.4 * heading + 0.6 * comb
        heading = unit(heading)
        at = at + step * heading
        surface, normal, arm = head.sample(at, cut.ears)
        stand = np.minimum((k + 1) / 3, 1) * (0.02 + cut.volume * layer) * head.size
        free = 9 * smooth(0.05, -0.3, (at[:, 1] - head.centre[1]) / head.size) * cut.gravity
        reach = length_of(arm) + 1e-9
        at = at + arm * (np.clip(reach, surface + 0.8 * stand, surface + stand + free) / reach - 1)[:, None]
        path.append(at)
    return np.stack(path, 1).astype(np.float32)


def _trim(random: np.random.Generator, head: Head, cut: Cut, path: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Paths (m, quads + 1, 3) cut at the haircut's edge, and which of n are left, (n,) bool."""
    arm = path - head.centre
    degrees = np.degrees(np.arctan2(arm[..., 0], arm[..., 2]))
    angles, below = np.array(mirror(*cut.edge) if cut.edge[0][0] == 0 else cut.edge).T
    edge = head.brow - head.face * np.interp(degrees, angles, below)
    edge += random.normal(0, 0.035, (len(path), 1)) * head.size
    above = path[..., 1] - edge
    if cut.comb == "gathered":
        knot = head.centre + head.size * np.array(cut.knot)
        above = np.minimum(above, np.linalg.norm(path - knot, axis=2) - 0.16 * head.size)
    inside = above > 0
    inside[:, 0] = True
    end = np.where(inside.all(1), _STEPS, inside.argmin(1) - 1)
    after = np.minimum(end + 1, _STEPS)
    line = np.arange(len(path))
    here, there = above[line, end], above[line, after]
    part = np.where(after > end, np.clip(here / np.where(here > there, here - there, 1), 0, 1), 0)
    stop = end + part
    kept = stop > 0.12 * _STEPS
    place = (stop[kept, None] * np.linspace(0, 1, cut.quads + 1)).astype(np.float32)
    low = np.minimum(place.astype(int), _STEPS - 1)
    share = (place - low)[..., None]
    line = np.flatnonzero(kept)[:, None]
    return path[line, low] * (1 - share) + path[line, low + 1] * share, kept

"""Hair that is combed along the head: traced from its roots step by step, then cut; or gathered in a knot: ponytails
and buns."""

import numpy as np

from tsal.synth.attachment import Attachment
from tsal.synth.hair.cuts import Cut, mirror
from tsal.synth.hair.head import Head
from tsal.synth.hair.ribbons import build_ribbons, draw_colours
from tsal.synth.hair.roots import CANDIDATES, CENTRE, scalp_roots
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


def grow_gathered(random: np.random.Generator, person: Person, head: Head, name: str) -> list[Attachment]:
    """Hair combed to a knot at the back or the top of the head, and what hangs or sits there."""
    rise = random.uniform(-0.5, 1.2) if name == "ponytail" else random.uniform(-0.6, 1.5)  # radians, 0: at the back
    knot = np.array([0.0, 0.92 * np.sin(max(rise, 0)) + 0.6 * min(rise, 0), -0.1 - 0.78 * np.cos(rise)])
    surface, _, arm = head.sample((head.centre + head.size * knot)[None].astype(np.float32), False)
    knot += arm[0] * ((surface[0] + 0.04) / np.linalg.norm(arm[0]) - 1) / head.size
    cut = Cut(
        "gathered", length=1.7, sides=1.5, volume=0.05, gravity=0.0, knot=tuple(knot.tolist()), ribbons=250, quads=6,
        width=0.1, edge=((0, -0.3), (58, -0.3), (66, 0.3), (180, 2.0)),
    )  # fmt: skip
    if name == "ponytail":
        extra = _tail(random, person, head, cut, random.uniform(0.6, 1.8))
    else:
        extra = _bun(random, person, head, cut, random.uniform(0.16, 0.3))
    return [grow_cut(random, person, head, cut), extra]


def _tail(random: np.random.Generator, person: Person, head: Head, cut: Cut, length: float) -> Attachment:
    """A ponytail that falls from the knot."""
    count, quads = 75, 7
    knot = head.centre + head.size * np.array(cut.knot)
    _, normal, _ = head.sample(knot[None].astype(np.float32), False)
    start = knot + 0.05 * head.size * random.normal(size=(count, 3))
    spread = random.normal(0, 0.11, (count, 3)) * [1, 0.3, 0.6]
    fall = length * head.size * random.uniform(0.8, 1.1, count)
    path, at, out = [start], start, normal[0]
    low = (0.06 + 0.2 * random.uniform(size=count)).astype(np.float32)
    for k in range(quads):
        sinking = min(1.0, 0.25 + k / 3)
        way = unit((1 - sinking) * (out + [0, 0.2, 0]) + sinking * np.array([0, -1.0, -0.05]) + spread * (k < 4))
        at = at + way * (fall / quads)[:, None]
        path.append(at)
    path = head.clear(np.stack(path, 1).astype(np.float32), low[:, None])
    away = path - path.mean(0, keepdims=True) + 0.05 * out
    width = 0.1 * head.size * random.uniform(0.7, 1.3, count)
    colours = draw_colours(random, person, count, random.uniform(0.8, 1.05, count))
    return build_ribbons(random, path, unit(away), width, colours)


def _bun(random: np.random.Generator, person: Person, head: Head, cut: Cut, radius: float) -> Attachment:
    """A ball of hair wound around the knot."""
    count, quads = 80, 6
    knot = (head.centre + head.size * np.array(cut.knot)).astype(np.float32)
    _, out, _ = head.sample(knot[None], False)
    # Arcs on a flattened ball, most of them around the axis that leads away from the head.
    pole = unit(out + random.normal(0, 0.55, (count, 3)))
    first = unit(np.cross(pole, random.normal(size=(count, 3))))
    second = np.cross(pole, first)
    offset = random.uniform(-0.75, 0.95, count)
    angle = np.linspace(0, 1, quads + 1)[None, :, None] * random.uniform(1.5, 3.0, (count, 1, 1))
    ring = np.sqrt(1 - offset**2)[:, None, None]
    ball = ring * (np.cos(angle) * first[:, None] + np.sin(angle) * second[:, None]) + (offset[:, None] * pole)[:, None]
    size = radius * head.size * random.uniform(0.9, 1.08, (count, 1, 1))
    path = head.clear((knot + out * 0.75 * radius * head.size + size * ball).astype(np.float32), 0.02)
    width = 0.1 * head.size * random.uniform(0.7, 1.3, count)
    colours = draw_colours(random, person, count, random.uniform(0.75, 1.05, count))
    return build_ribbons(random, path, unit(ball), width, colours, root_shade=0.85, tilt=0.2)

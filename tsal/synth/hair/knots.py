"""Hair that is gathered in a knot: ponytails and buns."""

import numpy as np

from tsal.synth.attachment import Attachment
from tsal.synth.hair.combing import grow_cut
from tsal.synth.hair.cuts import Cut
from tsal.synth.hair.head import Head
from tsal.synth.hair.ribbons import build_ribbons, draw_colours
from tsal.synth.hair.vectors import unit
from tsal.synth.people import Person


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

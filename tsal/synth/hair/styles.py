"""Hair of the head by the name of its cut."""

import numpy as np

from tsal.synth.attachment import Attachment
from tsal.synth.hair.areas import CENTRE, hairline
from tsal.synth.hair.combing import grow_cut
from tsal.synth.hair.curls import grow_curls, grow_spikes
from tsal.synth.hair.cuts import draw_long_cut, draw_short_cut
from tsal.synth.hair.head import Head
from tsal.synth.hair.knots import grow_gathered
from tsal.synth.hair.roots import scalp_roots
from tsal.synth.hair.vectors import smooth
from tsal.synth.people import Person


def grow_style(random: np.random.Generator, person: Person, head: Head, name: str) -> tuple[list[Attachment], float]:
    """Ribbons of a cut by name (see CUTS), and how densely the scalp is painted."""
    if name == "bald":
        return [], float(random.choice([0.0, 0.0, 0.15, 0.3]))
    if name == "buzz":
        return [], 1.0
    if name == "curly":
        return [grow_curls(random, person, head, random.uniform(0.15, 0.3), random.uniform(0.05, 0.08), 460)], 1.0
    if name == "afro":
        return [grow_curls(random, person, head, random.uniform(0.35, 0.75), random.uniform(0.08, 0.12), 380)], 1.0
    if name in ("ponytail", "bun"):
        return grow_gathered(random, person, head, name), 1.0
    if name in ("medium", "bob", "long", "long fringe", "wavy"):
        return [grow_cut(random, person, head, draw_long_cut(random, name))], 1.0
    cut = draw_short_cut(random, name)
    if name == "spiky":
        return [grow_cut(random, person, head, cut), grow_spikes(random, person, head, random.uniform(0.18, 0.4))], 1.0
    place = scalp_roots().place - CENTRE
    if name == "receding":
        # The temples go first, then the forehead.
        temples = smooth(0.1, 0.3, np.abs(place[:, 0])) * smooth(0.65, 0.55, np.abs(place[:, 0]))
        bare = random.uniform(0.08, 0.3) * (1 + random.uniform(0.2, 0.9) * temples) * smooth(0.1, 0.6, place[:, 2])
        return [grow_cut(random, person, head, cut, hairline(scalp_roots().place) > bare)], 0.25
    if name == "ring":
        keep = (place[:, 1] < random.uniform(0.15, 0.4)) & (place[:, 2] < 0.55)
        return [grow_cut(random, person, head, cut, keep)], 0.0
    return [grow_cut(random, person, head, cut)], 1.0

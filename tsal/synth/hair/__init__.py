"""Hair, beards and moustaches: opaque ribbons that follow a combing field close to the skull.

A ribbon tapers to a point, so that many of them end raggedly without any transparency. Hair of the head is traced step
by step in a map of the head's surface around an upright axis: combed along it, pulled down where it hangs, pushed out
wherever it would be inside, and cut where the haircut says. Lengths are in dm of the neutral mesh and scale with the
person's head.

vectors  small arithmetic
roots    where hair and beards grow: outlines, and places on the skin from which ribbons grow
head     a person's head as a map of its surface
ribbons  triangles and colours of ribbons
cuts     the table of cuts and beards: who wears which, and how it is combed and cut
combing  hair that is combed along the head: traced, then cut; ponytails and buns
curls    curls and spikes
beards   beards and moustaches
"""

from dataclasses import dataclass

import numpy as np

from tsal.synth.attachment import Attachment
from tsal.synth.hair.beards import grow_beard
from tsal.synth.hair.combing import grow_cut, grow_gathered
from tsal.synth.hair.curls import grow_curls, grow_spikes
from tsal.synth.hair.cuts import draw_beard, draw_cut, draw_long_cut, draw_short_cut
from tsal.synth.hair.head import Head, measure_head
from tsal.synth.hair.roots import CENTRE, beard_area, hairline, scalp_roots
from tsal.synth.hair.vectors import smooth
from tsal.synth.people import Person

__all__ = ["Hair", "beard_area", "grow", "hairline"]


@dataclass(frozen=True)
class Hair:
    """How one person's hair is worn.

    worn: the ribbons, of finish "hair"; those of the head hang on the skull, those of a beard on the skin's vertices.
    scalp: 0 (bald) to 1, how densely the scalp is to be painted in the hair's colour below the ribbons.
    stubble: 0 to 1, density of the beard's painted shadow.
    style: name of the cut, and " + " and the name of the beard, if any: see CUTS and BEARDS in tsal.synth.hair.cuts.
    """

    worn: Attachment
    scalp: float
    stubble: float
    style: str


def grow(person: Person, random: np.random.Generator) -> Hair:
    """Hair of the head and beard of a person; a function of the person and of the state of `random` only."""
    head = measure_head(person)
    cut = draw_cut(random, person)
    beard = draw_beard(random, person)
    ribbons, scalp = _grow_style(random, person, head, cut)
    shadow = {"": 0.0, "stubble": random.uniform(0.35, 1.0)}.get(beard, random.uniform(0.5, 0.9))
    return Hair(
        worn=Attachment.join([*ribbons, *grow_beard(random, person, head, beard)]),
        scalp=scalp,
        stubble=float(shadow),
        style=f"{cut} + {beard}" if beard else cut,
    )


def _grow_style(random: np.random.Generator, person: Person, head: Head, name: str) -> tuple[list[Attachment], float]:
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

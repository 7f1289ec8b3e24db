"""Hair, beards and moustaches: opaque ribbons that follow a combing field close to the skull.

A ribbon tapers to a point, so that many of them end raggedly without any transparency. Hair of the head is traced step
by step in a map of the head's surface around an upright axis: combed along it, pulled down where it hangs, pushed out
wherever it would be inside, and cut where the haircut says. Lengths are in dm of the neutral mesh and scale with the
person's head.

vectors  small arithmetic
areas    outlines of where hair and beards grow
roots    places on the skin from which ribbons grow
head     a person's head as a map of its surface
ribbons  triangles and colours of ribbons
cuts     the table of cuts and beards: who wears which, and how it is combed and cut
combing  hair that is combed along the head: traced, then cut
curls    curls and spikes
knots    ponytails and buns
styles   hair of the head by the name of its cut
beards   beards and moustaches
"""

from dataclasses import dataclass

import numpy as np

from tsal.synth.attachment import Attachment
from tsal.synth.hair.areas import beard_area, hairline
from tsal.synth.hair.beards import grow_beard
from tsal.synth.hair.cuts import draw_beard, draw_cut
from tsal.synth.hair.head import measure_head
from tsal.synth.hair.styles import grow_style
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
    ribbons, scalp = grow_style(random, person, head, cut)
    shadow = {"": 0.0, "stubble": random.uniform(0.35, 1.0)}.get(beard, random.uniform(0.5, 0.9))
    return Hair(
        worn=Attachment.join([*ribbons, *grow_beard(random, person, head, beard)]),
        scalp=scalp,
        stubble=float(shadow),
        style=f"{cut} + {beard}" if beard else cut,
    )

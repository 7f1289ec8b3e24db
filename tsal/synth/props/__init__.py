"""What people wear on their heads, and what they hold in front of their faces.

Everything is built from a person's neutral shape at fixed places of the mesh, so it fits each head. Lengths are dm in
the frame of Person.neutral; sizes are those of real things, of which a child's glasses and masks are smaller.

fitting   what things are fitted to: places of the mesh, one person's head
solids    bars, pipes, balls, plates and curved surfaces; palettes
facewear  glasses and sunglasses, medical and cloth masks
headwear  hats, scarves, bands, headphones, earrings
hands     hands with forearms and sleeves, and their poses
held      what is held in front of a face, by chance, and how it moves
"""

from dataclasses import dataclass

import numpy as np

from tsal.synth.attachment import Attachment
from tsal.synth.people import Person
from tsal.synth.props.facewear import draw_glasses, draw_mask
from tsal.synth.props.fitting import Face
from tsal.synth.props.headwear import (
    draw_beanie,
    draw_brimmed_hat,
    draw_cap,
    draw_earrings,
    draw_headband,
    draw_headphones,
    draw_headscarf,
)
from tsal.synth.props.held import hold

__all__ = ["Worn", "hold", "wear"]

GLASSES, DARK = 0.20, 0.2  # share of people with glasses, and of glasses that are sunglasses
HATS, HEADSCARVES, HEADBANDS, HEADPHONES = 0.08, 0.03, 0.02, 0.015
MASKS, MASKS_CHALLENGING = 0.02, 0.12
EARRINGS = 0.3  # of women


@dataclass(frozen=True)
class Worn:
    """What a person wears.

    things: frames, dark lenses, hats, masks and so on.
    clear_lenses: of clear glasses, to be drawn as a faint reflection; they hide nothing.
    hair_below: height (dm, y in the frame of Person.neutral) above which a hat or scarf covers the hair; None without.
    """

    things: Attachment
    clear_lenses: Attachment | None
    hair_below: float | None

    @property
    def hides_hair(self) -> bool:
        """Whether a hat or scarf covers some of the hair."""
        return self.hair_below is not None


def wear(person: Person, random: np.random.Generator, challenging: bool) -> Worn:
    """Draw what a person wears; masks are common in challenging shots."""
    face = Face.of(person)
    parts: list[Attachment] = []
    clear = None
    hair_below = None
    if random.uniform() < GLASSES:
        dark = random.uniform() < DARK
        frame, lenses = draw_glasses(face, random, dark)
        parts.append(frame)
        if dark:
            parts.append(lenses)
        else:
            clear = lenses
    on_head = random.uniform()
    if on_head < HATS:
        draw_hat = (draw_beanie, draw_beanie, draw_cap, draw_cap, draw_brimmed_hat)[random.integers(5)]
        hat, hair_below = draw_hat(face, random)
        parts.append(hat)
    elif on_head < HATS + HEADSCARVES:
        scarf, hair_below = draw_headscarf(face, random)
        parts.append(scarf)
    elif on_head < HATS + HEADSCARVES + HEADBANDS:
        parts.append(draw_headband(face, random))
    elif on_head < HATS + HEADSCARVES + HEADBANDS + HEADPHONES:
        parts.append(draw_headphones(face, random))
    elif random.uniform() < EARRINGS * (person.male < 0.5):
        parts.append(draw_earrings(face, random))
    if random.uniform() < (MASKS_CHALLENGING if challenging else MASKS):
        parts.append(draw_mask(face, random))
    return Worn(Attachment.join(parts), clear, hair_below)

"""Procedural pictures: the texture atlas of a person, and the backgrounds.

noise   noise of several grains
skin    regions of the face, their colours and bumps
things  eyes, strands of hair, cloth, backgrounds
"""

from dataclasses import dataclass

import numpy as np

from tsal.synth.paint.skin import SKIN, cylinder, paint_skin, skin_uv, vertex_mask
from tsal.synth.paint.things import (
    CLOTH,
    EYE,
    EYE_ANGLE,
    STRANDS,
    background,
    paint_cloth,
    paint_eye,
    paint_strands,
    random_colour,
)
from tsal.synth.people import Person

__all__ = [
    "EYE_ANGLE",
    "Atlas",
    "background",
    "cylinder",
    "paint",
    "random_colour",
    "skin_uv",
    "slot_uv",
    "vertex_mask",
]

ATLAS = (1024, 640)  # width, height in texels
# Texture slots: left, top, width, height in texels of the atlas.
SLOTS = {
    "skin": (0, 0, *SKIN),
    "cloth": (0, 360, *CLOTH),
    "strands": (264, 360, *STRANDS),
    "left_eye": (320, 360, *EYE),
    "right_eye": (456, 360, *EYE),
    "plain": (600, 360, 16, 16),
}


@dataclass(frozen=True)
class Atlas:
    """albedo: (H, W, 3) float32 linear RGB; relief: (H, W, 3) float32: slope along u and v, and gloss (a factor)."""

    albedo: np.ndarray
    relief: np.ndarray


def slot_uv(name: str, uv: np.ndarray) -> np.ndarray:
    """Texels (..., 2) of the atlas for coordinates (..., 2) of a slot, 0 to 1, v upwards."""
    left, top, width, height = SLOTS[name]
    return np.stack([left + uv[..., 0] * (width - 1), top + (1 - uv[..., 1]) * (height - 1)], -1).astype(np.float32)


def paint(person: Person, scalp: float, stubble: float, random: np.random.Generator) -> Atlas:
    """The texture atlas of a person.

    Args:
        scalp, stubble: 0 to 1, how densely hair is painted on the scalp and the beard's shadow on the face.
    """
    albedo = np.zeros((ATLAS[1], ATLAS[0], 3), np.float32)
    relief = np.zeros_like(albedo)
    relief[..., 2] = 1
    for name, (colour, bumps) in {
        "skin": paint_skin(person, scalp, stubble, random),
        "cloth": paint_cloth(random),
        "strands": paint_strands(random),
        "left_eye": paint_eye(person, random),
        "plain": (np.ones((16, 16, 3), np.float32), None),
    }.items():
        left, top, width, height = SLOTS[name]
        albedo[top : top + height, left : left + width] = colour
        if bumps is not None:
            relief[top : top + height, left : left + width] = bumps
    left, top, width, height = SLOTS["left_eye"]
    other = SLOTS["right_eye"]
    eye = albedo[top : top + height, left : left + width]
    albedo[other[1] : other[1] + height, other[0] : other[0] + width] = eye[:, ::-1]
    return Atlas(albedo, relief)

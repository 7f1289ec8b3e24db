"""Colours of things: sRGB palettes, and draws from them."""

import cv2
import numpy as np

from tsal.synth.people import linear

CLOTHES = ((28, 28, 30), (60, 62, 66), (200, 198, 192), (40, 52, 84), (120, 30, 36), (44, 74, 56), (150, 120, 86))
PLASTICS = ((14, 14, 15), (14, 14, 15), (58, 34, 22), (96, 60, 32), (40, 44, 70), (110, 24, 30), (190, 188, 184))
MEDICAL = ((150, 190, 214), (226, 230, 232), (30, 30, 32), (176, 208, 200))
DARK_GLASS = ((14, 14, 16), (12, 20, 16), (38, 25, 16), (26, 30, 52))  # of sunglasses
METALS = ((150, 150, 152), (186, 158, 104), (40, 40, 42), (176, 134, 112))


def draw_colour(random: np.random.Generator, palette: tuple[tuple[int, int, int], ...]) -> np.ndarray:
    """(3,) linear RGB near one of some sRGB colours; cloth sometimes has any colour."""
    if palette is CLOTHES and random.uniform() < 0.4:
        hue, saturation, value = random.uniform(0, 360), random.uniform(0.2, 0.9), random.uniform(0.15, 0.95)
        pixel = np.array([[[hue, saturation, value]]], np.float32)
        return linear(cv2.cvtColor(pixel, cv2.COLOR_HSV2RGB)[0, 0])
    return linear(np.clip(np.array(palette[random.integers(len(palette))]) / 255 * random.uniform(0.85, 1.15), 0, 1))

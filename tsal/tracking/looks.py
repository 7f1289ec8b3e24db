"""What a face looks like, for telling within one video whether it is the same person's: after a cut, or coming back.

Not a recognition of people: light, pose and clothes count as much as the face does.
"""

import cv2
import numpy as np

from tsal.data.cropping import crop_image

_SIDE = 24  # px of the small picture that is compared
_EXPAND = 0.35  # of the landmarks' bounds: hair and collar tell people apart better than the face does


def look_of(image: np.ndarray, bounds: np.ndarray) -> np.ndarray:
    """A small picture of a face and what is around it, (D,) float32 of unit length, without brightness and contrast.

    Args:
        image: (H, W, 3) uint8 RGB.
        bounds: (4,) of its landmarks, in px; with area, and at least in part on the image.
    """
    crop, _ = crop_image(image, bounds, input_px=_SIDE, expand=_EXPAND, margin=1.0)
    small = cv2.GaussianBlur(crop.astype(np.float32), (0, 0), 1.0)
    small -= small.mean(axis=(0, 1))
    small = small.ravel()
    return small / max(float(np.linalg.norm(small)), 1e-6)


def likeness(first: np.ndarray, second: np.ndarray) -> float:
    """Correlation of two looks, in [-1, 1]."""
    return float(first @ second)

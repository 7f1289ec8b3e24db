"""The landmark detectors: trunk, heatmap head and centre-offset head, by name.

`vgg16_cpm` is the detector of the paper; `compact` has a small trunk with the same two heads and decodes, for CPUs.
Both take (B, 3, input_px, input_px) ImageNet-normalised RGB and return an `Output`.
"""

import torch

from tsal.detectors import compact, vgg16_cpm
from tsal.detectors.detector import Detector, Output, check_precision, decode_centre_offsets, mixed_precision
from tsal.errors import InputError

__all__ = ["DETECTORS", "Detector", "Output", "build", "check_precision", "decode_centre_offsets", "mixed_precision"]

DETECTORS = {"compact": compact.compact, "vgg16_cpm": vgg16_cpm.vgg16_cpm}


def build(name: str, n_points: int, precision: str = "float32", **options) -> Detector:
    """Create a detector by name; precision as in `mixed_precision`, options as its function has them.

    Raises:
        InputError: unknown name.
    """
    if name not in DETECTORS:
        raise InputError(f"detector {name!r} is not known; known: {', '.join(DETECTORS)}")
    detector = DETECTORS[name](n_points, **options)
    detector.precision = precision
    return detector.to(memory_format=torch.channels_last)

"""Views for tests."""

from dataclasses import replace

import torch

from tsal.data.augment import View


def mirror(view: View, input_px: int) -> View:
    """The same view in a mirror."""
    flip = torch.tensor([[-1.0, 0.0], [0.0, 1.0]])
    matrix = flip @ view.matrix
    matrix[:, 0, 2] += input_px - 1
    return replace(view, matrix=matrix, mirrored=~view.mirrored)

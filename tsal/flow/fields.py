"""Fields of flow: reading them at positions, following them, warping frames by them."""

import numpy as np
import torch
from torch import Tensor

from tsal.data.augment import sample
from tsal.data.device import to_device
from tsal.data.shards import ShardedArray

REDUCTION = 2  # stored flow is this much smaller than the crops
OCCLUSION = (0.01, 0.5)  # alpha, and beta in px^2, of the forward-backward test of Sundaram et al. 2010


def to_tensor(flow: np.ndarray | ShardedArray, rows: np.ndarray, device: torch.device) -> Tensor:
    """Rows of stored flow as a float tensor on a device."""
    return to_device(torch.from_numpy(np.ascontiguousarray(flow[rows])), device).float()


def flow_at(flow: Tensor, positions: Tensor) -> Tensor:
    """Flow (B, ..., 2) in store px at positions (B, ..., 2) in store px, from stored flow (B, 2, S/2, S/2)."""
    shape = positions.shape
    grid = (positions.reshape(shape[0], -1, 1, 2) - (REDUCTION - 1) / 2) / REDUCTION
    return sample(flow.float(), grid).squeeze(-1).transpose(1, 2).reshape(shape)


def passes_round_trip(there: Tensor, back: Tensor, dim: int = -1) -> Tensor:
    """Whether |f + b|^2 <= 0.01 (|f|^2 + |b|^2) + 0.5, in px: not occluded (Sundaram et al. 2010).

    Args:
        there, back: flow, and the way back from where it leads, with x and y along `dim`, which the result lacks.
    """
    alpha, beta = OCCLUSION
    error = (there + back).square().sum(dim)
    return error <= alpha * (there.square().sum(dim) + back.square().sum(dim)) + beta


def follow(positions: Tensor, there: Tensor, back: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Follow positions along the flow and test the way back.

    Args:
        positions: (B, ..., 2) in store px.
        there, back: stored flow (B, 2, S/2, S/2) of the two directions.

    Returns:
        Arrived positions (B, ..., 2); round-trip error |f + b| (B, ...) in store px; whether the point is visible in
        both frames (B, ...), see `passes_round_trip`.
    """
    f = flow_at(there, positions)
    arrived = positions + f
    b = flow_at(back, arrived)
    return arrived, (f + b).square().sum(-1).sqrt(), passes_round_trip(f, b)


def warp(neighbour: Tensor, there: Tensor, back: Tensor, grid: Tensor) -> Tensor:
    """A neighbouring frame warped onto a frame, seen through a view of that frame.

    Args:
        neighbour: float (B, 3, S, S) crops of the neighbouring frame (frame t, to be warped onto t+1).
        there: stored flow (B, 2, S/2, S/2) from the frame to its neighbour (from t+1 to t); back: the other way.
        grid: (B, h, w, 2) store px of the frame that the view shows, see `augment.sampling_grid`.

    Returns:
        The warped view (B, 3, h, w).
    """
    source, _, _ = follow(grid, there, back)
    return sample(neighbour, source)

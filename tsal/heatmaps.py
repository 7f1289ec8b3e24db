"""Landmarks to heatmaps and back.

A heatmap's cell (i, j) stands for the input pixel stride * (j, i) + (stride - 1) / 2, the centre of the block of
pixels that it covers; pixel centres lie at integers. For stride 8 that is the x_px = 8 * x_cell + 3.5 of the paper.
"""

import torch
from torch import Tensor

CUT_OFF = 0.01  # target values below it are set to 0, as in the paper's release


def cell_centres(size: int, stride: int, device: torch.device | None = None) -> Tensor:
    """Input pixels (size,) at which the cells of one axis lie."""
    return torch.arange(size, device=device, dtype=torch.float32) * stride + (stride - 1) / 2


def _squared_distances(points: Tensor, size: tuple[int, int], stride: int) -> Tensor:
    height, width = size
    dx = cell_centres(width, stride, points.device) - points[..., 0:1]
    dy = cell_centres(height, stride, points.device) - points[..., 1:2]
    return dy.square().unsqueeze(-1) + dx.square().unsqueeze(-2)


def encode_gaussian(points: Tensor, size: tuple[int, int], stride: int, sigma: float) -> Tensor:
    """Target maps of the paper: Gaussians of height 1 and a background map.

    Args:
        points: (B, K, 2) landmarks in input pixels; NaN gives an empty map.
        size: (height, width) of the maps in cells.
        stride: input pixels a cell.
        sigma: of the Gaussian, in input pixels.

    Returns:
        (B, K + 1, height, width) in [0, 1]: values under 0.01 are 0, the last map is 1 - max over the others.
    """
    maps = torch.exp(-_squared_distances(points, size, stride) / (2 * sigma**2))
    maps = torch.where(maps >= CUT_OFF, maps, 0.0)  # a comparison with NaN is false
    return torch.cat([maps, 1 - maps.amax(1, keepdim=True)], 1)


def encode_distribution(points: Tensor, size: tuple[int, int], stride: int, sigma: float) -> Tensor:
    """Target distributions over the cells: Gaussians that sum to 1.

    A landmark off the grid puts its mass on the nearest cells.

    Args:
        points: (B, K, 2) landmarks in input pixels; NaN gives a uniform map (mask it out of the loss).
        size, stride, sigma: as in `encode_gaussian`.

    Returns:
        (B, K, height, width), each map summing to 1.
    """
    logits = -_squared_distances(points, size, stride) / (2 * sigma**2)
    return logits.nan_to_num(nan=0.0).flatten(2).softmax(-1).unflatten(-1, size)


def peaks(maps: Tensor) -> tuple[Tensor, Tensor]:
    """Arg-max cells (..., 2) as integer (x, y), and the values (...) there, of maps (..., height, width)."""
    value, index = maps.flatten(-2).max(-1)
    width = maps.shape[-1]
    return torch.stack([index % width, index // width], -1), value


def _windows(maps: Tensor, radius: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The (2 radius + 1)^2 cells around each peak: values, x, y (all (..., n)), and which lie on the grid."""
    height, width = maps.shape[-2:]
    cell, _ = peaks(maps.detach())
    steps = torch.arange(-radius, radius + 1, device=maps.device)
    dy, dx = torch.meshgrid(steps, steps, indexing="ij")
    x = cell[..., 0:1] + dx.flatten()
    y = cell[..., 1:2] + dy.flatten()
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    index = y.clamp(0, height - 1) * width + x.clamp(0, width - 1)
    return maps.flatten(-2).gather(-1, index), x, y, inside


def _centroid(values: Tensor, x: Tensor, y: Tensor, inside: Tensor) -> Tensor:
    weight = values.clamp_min(0) * inside
    total = weight.sum(-1).clamp_min(1e-12)
    return torch.stack([(weight * x).sum(-1) / total, (weight * y).sum(-1) / total], -1)


def _gaussian_fit(values: Tensor, x: Tensor, y: Tensor, inside: Tensor, sigma_cells: float) -> Tensor:
    """Weighted least squares of log h = a + b x + c y - d (x^2 + y^2), weights h^2 (Guo 2011).

    The fit is exact for a Gaussian wherever the window is cut by the border, which a centroid is not. A faint prior
    d = 1 / (2 sigma^2) decides where too few cells are left to tell the width (a corner). Coordinates are relative
    to the peak, and the result stays within the window.
    """
    centre = x.shape[-1] // 2
    origin = torch.stack([x[..., centre], y[..., centre]], -1)
    u, v = (x - origin[..., 0:1]).double(), (y - origin[..., 1:2]).double()
    h = values.double() / values.detach().amax(-1, keepdim=True).clamp_min(1e-6)
    weight = torch.where(inside & (h >= CUT_OFF), h, 0.0).square()
    weight = weight / weight.sum(-1, keepdim=True).clamp_min(1e-6)
    basis = torch.stack([torch.ones_like(u), u, v, -(u.square() + v.square())], -1)
    weighted = weight.unsqueeze(-1) * basis
    normal = weighted.transpose(-1, -2) @ basis
    right = (weighted * h.clamp_min(1e-6).log().unsqueeze(-1)).sum(-2)
    prior = torch.tensor([1e-9, 1e-9, 1e-9, 1e-6], dtype=torch.float64, device=values.device)
    expected = torch.tensor([0, 0, 0, 0.5 / sigma_cells**2], dtype=torch.float64, device=values.device)
    solution = torch.linalg.solve(normal + prior.diag(), right + prior * expected)
    radius = (x.shape[-1] ** 0.5 - 1) / 2
    shift = solution[..., 1:3] / (2 * solution[..., 3:4].clamp_min(1e-3))
    return origin + shift.clamp(-radius, radius).to(values.dtype)


def decode_peaks(maps: Tensor, stride: int, sigma: float, radius: int = 3, refine: str = "gaussian") -> Tensor:
    """Decode 1 of the paper: the arg-max cell of each map, refined within a window around it.

    Differentiable with respect to the values in the window.

    Args:
        maps: (..., K, height, width) heatmaps, background left out.
        stride: input pixels a cell.
        sigma: of the encoded Gaussian in input pixels; matters only where a corner leaves too few cells.
        radius: of the square window, in cells.
        refine: "gaussian", a least-squares fit that is exact at borders too, or "centroid", the paper's weighted
            mean of the window's cells.

    Returns:
        (..., K, 2) landmarks in input pixels.

    Raises:
        ValueError: unknown refine.
    """
    if refine not in ("gaussian", "centroid"):
        raise ValueError(f"refine is 'gaussian' or 'centroid', not {refine!r}")
    window = _windows(maps, radius)
    cells = _gaussian_fit(*window, sigma / stride) if refine == "gaussian" else _centroid(*window)
    return cells * stride + (stride - 1) / 2


def decode_expectation(distributions: Tensor, stride: int) -> Tensor:
    """Mean position (..., K, 2) in input pixels of maps (..., K, height, width) that sum to 1 (soft-argmax)."""
    height, width = distributions.shape[-2:]
    x = (distributions.sum(-2) * cell_centres(width, stride, distributions.device)).sum(-1)
    y = (distributions.sum(-1) * cell_centres(height, stride, distributions.device)).sum(-1)
    return torch.stack([x, y], -1)


def spread(distributions: Tensor, stride: int) -> Tensor:
    """Standard deviation (..., K) in input pixels, a coordinate, of maps (..., K, height, width) that sum to 1."""
    mean = decode_expectation(distributions, stride)
    second = _mean_squares(distributions, stride)
    return ((second - mean.square()).sum(-1) / 2).clamp_min(0).sqrt()


def _mean_squares(distributions: Tensor, stride: int) -> Tensor:
    """Mean of the squared coordinates (..., K, 2) of maps that sum to 1."""
    height, width = distributions.shape[-2:]
    x = (distributions.sum(-2) * cell_centres(width, stride, distributions.device).square()).sum(-1)
    y = (distributions.sum(-1) * cell_centres(height, stride, distributions.device).square()).sum(-1)
    return torch.stack([x, y], -1)

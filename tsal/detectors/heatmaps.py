"""Landmarks to heatmaps and back.

A heatmap's cell (i, j) stands for the input pixel stride * (j, i) + (stride - 1) / 2, the centre of the block of
pixels that it covers; pixel centres lie at integers. For stride 8 that is the x_px = 8 * x_cell + 3.5 of the paper.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional

from tsal.data.device import constant

CUT_OFF = 0.01  # target values below it are set to 0, as in the paper's release
NOTHING = 1e-6  # a map whose peak is lower shows nothing; the release counts no lower values either


def cell_centres(size: int, stride: int, device: torch.device | None = None) -> Tensor:
    """Input pixels (size,) at which the cells of one axis lie."""
    return torch.arange(size, device=device, dtype=torch.float32) * stride + (stride - 1) / 2


def _squared_distances(points: Tensor, size: tuple[int, int], stride: int) -> tuple[Tensor, Tensor]:
    """Squared distances (..., height) in y and (..., width) in x of points (..., 2) from rows and columns of cells."""
    height, width = size
    dx = cell_centres(width, stride, points.device) - points[..., 0:1]
    dy = cell_centres(height, stride, points.device) - points[..., 1:2]
    return dy.square(), dx.square()


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
    dy, dx = _squared_distances(points, size, stride)
    maps = (dy.unsqueeze(-1) + dx.unsqueeze(-2)).neg_().div_(2 * sigma**2).exp_()
    maps = torch.where(maps >= CUT_OFF, maps, 0.0)  # a comparison with NaN is false
    return torch.cat([maps, 1 - maps.amax(1, keepdim=True)], 1)


def encode_axes(points: Tensor, size: tuple[int, int], stride: int, sigma: float) -> tuple[Tensor, Tensor]:
    """Target distributions over the rows and over the columns of cells: Gaussians that sum to 1.

    A landmark off the grid puts its mass on the nearest cells.

    Args:
        points: (B, K, 2) landmarks in input pixels; NaN gives uniform ones (mask it out of the loss).
        size, stride, sigma: as in `encode_gaussian`.

    Returns:
        (B, K, height) and (B, K, width).
    """
    axes = _squared_distances(points, size, stride)
    y, x = (axis.neg_().div_(2 * sigma**2).nan_to_num_(nan=0.0).softmax(-1) for axis in axes)
    # Tails are cut off before they become denormal numbers, which processors are slow to multiply.
    return functional.threshold(y, 1e-12, 0.0), functional.threshold(x, 1e-12, 0.0)


def encode_distribution(points: Tensor, size: tuple[int, int], stride: int, sigma: float) -> Tensor:
    """Target distributions over the cells, (B, K, height, width), each map summing to 1; see `encode_axes`."""
    return product_of_axes(*encode_axes(points, size, stride, sigma))


def product_of_axes(y: Tensor, x: Tensor) -> Tensor:
    """Maps (..., height, width) of what `encode_axes` gives: a Gaussian is the product of its rows and columns."""
    return y.unsqueeze(-1) * x.unsqueeze(-2)


def peaks(maps: Tensor) -> tuple[Tensor, Tensor]:
    """Arg-max cells (..., 2) as integer (x, y), and the values (...) there, of maps (..., height, width)."""
    value, index = maps.flatten(-2).max(-1)
    width = maps.shape[-1]
    return torch.stack([index % width, index // width], -1), value


def _windows(maps: Tensor, radius: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The n = (2 radius + 1)^2 cells around each peak.

    Returns:
        The peaks' cells (..., 2) as integer (x, y), the values (..., n), the steps (n, 2) in x and y from the peak to
        each cell of the window, and which of them lie on the grid (..., n).
    """
    height, width = maps.shape[-2:]
    cell, _ = peaks(maps.detach())
    axis = torch.arange(-radius, radius + 1, device=maps.device)
    dy, dx = torch.meshgrid(axis, axis, indexing="ij")
    x, y = (cell.unsqueeze(-1) + axis).unbind(-2)  # columns and rows of the window, (..., 2 radius + 1)
    in_x, in_y = (x >= 0) & (x < width), (y >= 0) & (y < height)
    rows = y.clamp(0, height - 1) * width
    index = (rows.unsqueeze(-1) + x.clamp(0, width - 1).unsqueeze(-2)).flatten(-2)
    inside = (in_y.unsqueeze(-1) & in_x.unsqueeze(-2)).flatten(-2)
    return cell, maps.flatten(-2).gather(-1, index), torch.stack([dx.flatten(), dy.flatten()], -1), inside


def _centroid(values: Tensor, steps: Tensor, inside: Tensor) -> Tensor:
    """Mean step (..., 2) from the peak, weighted by the positive values."""
    weight = values.clamp_min(0) * inside
    total = weight.sum(-1, keepdim=True).clamp_min(NOTHING)
    return (weight.unsqueeze(-1) * steps).sum(-2) / total  # not a matrix product: GPUs may round its factors


def _gaussian_fit(log_h: Tensor, steps: Tensor, inside: Tensor, sigma_cells: float) -> Tensor:
    """Weighted least squares of log h = a + b x + c y - d (x^2 + y^2), weights h^2 (Guo 2011): the step to its peak.

    The fit is exact for a Gaussian wherever the window is cut by the border, which a centroid is not. A faint prior
    d = 1 / (2 sigma^2) decides where too few cells are left to tell the width (a corner). The result stays within the
    window.

    Args:
        log_h: (..., n) logarithms of the values, finite, of which that of the peak is 0.
    """
    xy = steps.double()
    basis = torch.cat([torch.ones_like(xy[:, :1]), xy, -xy.square().sum(1, keepdim=True)], 1)
    log_h, dtype = log_h.double(), log_h.dtype
    weight = (2 * log_h).exp() * (inside & (log_h >= math.log(CUT_OFF)))
    weight = weight / weight.sum(-1, keepdim=True).clamp_min(NOTHING)
    prior = constant((1e-9, 1e-9, 1e-9, 1e-6), log_h.device, torch.float64)
    expected = constant((0, 0, 0, 0.5 / sigma_cells**2), log_h.device, torch.float64)
    with torch.no_grad():
        products = (basis.unsqueeze(2) * basis.unsqueeze(1)).flatten(1)  # (n, 16)
        normal = (weight @ products).unflatten(-1, (4, 4)) + prior.diag()
        right = (weight * log_h) @ basis + prior * expected
        solution = torch.linalg.solve_ex(normal, right).result  # the prior leaves none singular: no test to wait for
    if log_h.requires_grad:
        # The derivative of a minimum is that of one Newton step from it, which is 0 long: a graph of a few operations,
        # where that of all that found the minimum takes as long as half of the loss.
        residual = weight * (log_h - solution @ basis.T)
        slope = residual @ basis + prior * (expected - solution)
        step = torch.linalg.solve_ex(normal, slope).result
        solution = solution + step - step.detach()
    radius = steps.max()
    shift = solution[..., 1:3] / (2 * solution[..., 3:4].clamp_min(1e-3))
    return shift.clamp(-radius, radius).to(dtype)


def decode_peaks(
    maps: Tensor, stride: int, sigma: float, radius: int = 3, refine: str = "gaussian", logits: bool = False
) -> Tensor:
    """Decode 1 of the paper: the arg-max cell of each map, refined within a window around it.

    Of several equal cells the first by rows is the peak. A map without a value over 1e-6 (empty, or negative) decodes
    to its peak's cell, and so do logits that are not finite. Differentiable with respect to the values in the window.

    Args:
        maps: (..., K, height, width) heatmaps, background left out.
        stride: input pixels a cell.
        sigma: of the encoded Gaussian in input pixels; matters only where a corner leaves too few cells.
        radius: of the square window, in cells.
        refine: "gaussian", a least-squares fit that is exact at borders too, or "centroid", the paper's weighted
            mean of the window's cells.
        logits: the maps are logits of distributions. Neither refinement depends on a map's scale, so the distributions
            themselves, which take an exponential of every cell, are not needed.

    Returns:
        (..., K, 2) landmarks in input pixels.

    Raises:
        ValueError: unknown refine.
    """
    if refine not in ("gaussian", "centroid"):
        raise ValueError(f"refine is 'gaussian' or 'centroid', not {refine!r}")
    cell, values, *window = _windows(maps, radius)
    peak = values.detach().amax(-1, keepdim=True)
    if refine == "centroid":
        shift = _centroid((values - peak).exp() if logits else values, *window)
    else:
        log_h = values - peak if logits else (values / peak.clamp_min(NOTHING)).clamp_min(NOTHING).log()
        shift = _gaussian_fit(log_h.clamp_min(math.log(NOTHING)), *window, sigma / stride)
    shown = peak.isfinite() if logits else peak >= NOTHING
    return (cell + torch.where(shown, shift, 0.0)) * stride + (stride - 1) / 2


def mass_at_peak(logits: Tensor, radius: int) -> Tensor:
    """Probability (...) in the square of cells around the peak, of logits of distributions (..., height, width).

    Args:
        radius: of the square, in cells; what lies beyond the border counts as 0.
    """
    _, values, _, inside = _windows(logits, radius)
    return (values.masked_fill(~inside, -torch.inf).logsumexp(-1) - logits.flatten(-2).logsumexp(-1)).exp()


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


def error_along_axes(distributions: Tensor, stride: int, points: Tensor) -> tuple[Tensor, Tensor]:
    """How far points lie from the mean of each map along its two main axes, and its variance along these.

    The axes are the eigenvectors of the map's covariance, as in STAR (Zhou et al. 2023, section 3.2): along an outline,
    and across it.

    Args:
        distributions: maps (..., K, height, width) that sum to 1.
        points: (..., K, 2) in input pixels, finite.

    Returns:
        Errors (..., K, 2) in input pixels and variances (..., K, 2) in their squares, the larger first.
    """
    height, width = distributions.shape[-2:]
    x, y = (cell_centres(size, stride, distributions.device) for size in (width, height))
    columns, rows = distributions.sum(-2), distributions.sum(-1)
    mean_x, mean_y = (columns * x).sum(-1, keepdim=True), (rows * y).sum(-1, keepdim=True)
    dx, dy = x - mean_x, y - mean_y
    xx, yy = (columns * dx.square()).sum(-1), (rows * dy.square()).sum(-1)
    xy = ((distributions @ dx.unsqueeze(-1)).squeeze(-1) * dy).sum(-1)
    # The small addends keep the derivatives finite where a map is round: it has no main axis, and needs none.
    half, difference = (xx + yy) / 2, (xx - yy) / 2
    root = (difference.square() + xy.square() + 1e-6).sqrt()
    angle = torch.atan2(xy, difference + 1e-9) / 2
    cosine, sine = angle.cos(), angle.sin()
    error_x, error_y = points[..., 0] - mean_x.squeeze(-1), points[..., 1] - mean_y.squeeze(-1)
    along, across = error_x * cosine + error_y * sine, error_y * cosine - error_x * sine
    return torch.stack([along, across], -1), torch.stack([half + root, (half - root).clamp_min(0)], -1)


def _mean_squares(distributions: Tensor, stride: int) -> Tensor:
    """Mean of the squared coordinates (..., K, 2) of maps that sum to 1."""
    height, width = distributions.shape[-2:]
    x = (distributions.sum(-2) * cell_centres(width, stride, distributions.device).square()).sum(-1)
    y = (distributions.sum(-1) * cell_centres(height, stride, distributions.device).square()).sum(-1)
    return torch.stack([x, y], -1)

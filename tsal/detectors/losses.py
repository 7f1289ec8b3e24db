"""The terms of the supervised loss L_sup, one function each.

Landmarks are in network pixels (B, K, 2); `visible` (B, K) says which of them count: True or False for annotated
landmarks, a weight in [0, 1] for those that a supervision signal places.
"""

import torch
from torch import Tensor
from torch.nn import functional

from tsal.data.device import constant
from tsal.detectors import Detector, Output
from tsal.detectors.heatmaps import encode_axes, encode_gaussian, error_along_axes, product_of_axes

LEAST_VARIANCE = 0.05  # px^2, of a landmark's likelihood: a map on one cell makes no error infinitely unlikely


def masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    """Mean of values where mask (bool, or weights of the same shape) counts; 0 where nothing does."""
    mask = mask.to(values.dtype)
    return (torch.where(mask > 0, values, 0.0) * mask).sum() / mask.sum().clamp_min(1.0)


def heatmap_loss(
    detector: Detector, output: Output, points: Tensor, visible: Tensor, sigma: float | None = None
) -> Tensor:
    """Distance of every stage's heatmaps from the encoded landmarks, summed over the stages.

    Regressed Gaussians: squared error summed over maps and cells, divided by 2 x annotated faces (the release's
    scale), maps of landmarks that are not annotated or out of view, and the background of incomplete faces, left
    out. Distributions: cross entropy in nats, a mean over landmarks, from which the target's own entropy is left
    out so that 0 is perfect.

    Args:
        sigma: of the encoded landmarks in input px; None: the detector's.
    """
    sigma = detector.sigma if sigma is None else sigma
    size = output.stages[-1].shape[-2:]
    if detector.distribution:
        axes = encode_axes(points, size, detector.heatmap_stride, sigma)
        target, entropy = product_of_axes(*axes), sum(map(_entropy, axes))
        return sum(masked_mean(_cross_entropy(stage, target) - entropy, visible) for stage in output.stages)
    target = encode_gaussian(points, size, detector.heatmap_stride, sigma)
    limit = constant((size[1], size[0]), points.device, points.dtype) * detector.heatmap_stride - 1
    counted = visible * ((points >= 0) & (points <= limit)).all(-1)
    counted = torch.cat([counted, counted.amin(1, keepdim=True)], 1)
    return sum(squared_distance(stage, target, counted) for stage in output.stages)


def squared_distance(maps: Tensor, target: Tensor, counted: Tensor) -> Tensor:
    """Sum of squared differences of maps (B, M, h, w) that count (B, M), over 2 x faces with any that does."""
    faces = (counted > 0).any(1).sum().clamp_min(1)
    squares = (maps - target).square().sum((2, 3))
    return (squares * counted).sum() / (2 * faces)


def mean_squared_distance(maps: Tensor, target: Tensor, counted: Tensor) -> Tensor:
    """Mean squared difference of the cells of maps (B, M, h, w) that count (B, M)."""
    return masked_mean((maps - target).square().mean((2, 3)), counted)


def distribution_distance(logits: Tensor, target: Tensor, counted: Tensor) -> Tensor:
    """Kullback-Leibler divergence KL(target || softmax(logits)), a mean over the maps that count (bool or weights)."""
    return masked_mean(_cross_entropy(logits, target) - _entropy(target.flatten(2)), counted)


def _cross_entropy(logits: Tensor, target: Tensor) -> Tensor:
    """(B, M) of maps (B, M, h, w), in nats."""
    return -(target.flatten(2) * logits.flatten(2).log_softmax(-1)).sum(-1)


def _entropy(distribution: Tensor) -> Tensor:
    """In nats, over the last axis."""
    # Not xlogy, which takes five times as long. What is smaller adds less than a float32 can tell.
    return -(distribution * distribution.clamp_min(1e-12).log()).sum(-1)


def coordinate_loss(predicted: Tensor, target: Tensor, weight: Tensor, input_px: int) -> Tensor:
    """Mean absolute error of landmarks in per cent of the network's input, weighted (B, K)."""
    error = (predicted - target).abs().mean(-1)
    return masked_mean(error, weight) * (100 / input_px)


def likelihood_loss(detector: Detector, output: Output, points: Tensor, visible: Tensor) -> Tensor:
    """Negative log-likelihood in nats, less a constant, of the landmarks as each heatmap claims them; a mean over them.

    What a heatmap claims is a Laplace distribution of its own mean and, along each of its two main axes, its own
    variance: sum over the axes of |e| / b + log b, b^2 = variance / 2. So a map learns how wide its error is, and in
    which direction (LUVLi, Kumar et al. 2020, has the likelihood; STAR, Zhou et al. 2023, the axes).

    Args:
        detector: whose heatmaps are distributions.
    """
    maps, stride = detector.maps(output), detector.heatmap_stride
    error, variance = error_along_axes(maps, stride, torch.nan_to_num(points))
    scale = ((variance + LEAST_VARIANCE) / 2).sqrt()
    absolute = (error.square() + 1e-4).sqrt()  # has a derivative at 0 too
    return masked_mean((absolute / scale + scale.log()).sum(-1), visible)


def facial_centre(points: Tensor, visible: Tensor) -> Tensor:
    """Centroid (B, 2) of the landmarks that count; NaN for a face without any."""
    total = torch.where(visible.unsqueeze(-1), points, 0.0).sum(1)
    return total / visible.sum(1, keepdim=True)


def _centre_cells(points: Tensor, visible: Tensor, size: tuple[int, int], stride: int) -> tuple[Tensor, Tensor]:
    """True centre cells (B, 2) as integer (x, y), and which faces have one on the grid (B,)."""
    cells = (facial_centre(points, visible) - (stride - 1) / 2) / stride
    cells = cells.nan_to_num(nan=-1e6).round().long()
    limit = constant((size[1], size[0]), cells.device, torch.int64)
    inside = ((cells >= 0) & (cells < limit)).all(-1)
    return cells.clamp_min(0).minimum(limit - 1), inside


def centre_loss(detector: Detector, output: Output, points: Tensor, visible: Tensor) -> Tensor:
    """Penalty-reduced focal loss (alpha 2, beta 4) of the facial-centre heatmap (Zhou et al. 2019, equation 1)."""
    size = output.centre.shape[-2:]
    cells, inside = _centre_cells(points, visible, size, detector.centre_stride)
    y = torch.arange(size[0], device=cells.device).view(1, -1, 1) - cells[:, 1].view(-1, 1, 1)
    x = torch.arange(size[1], device=cells.device).view(1, 1, -1) - cells[:, 0].view(-1, 1, 1)
    sigma = detector.sigma / detector.centre_stride
    target = torch.exp(-(x.square() + y.square()) / (2 * sigma**2))
    logits = output.centre[:, 0]
    probability = logits.sigmoid()
    positive = (1 - probability).square() * functional.logsigmoid(logits)
    negative = (1 - target) ** 4 * probability.square() * functional.logsigmoid(-logits)
    focal = -torch.where((x == 0) & (y == 0), positive, negative).sum((1, 2))
    return masked_mean(focal, inside)


def offset_loss(detector: Detector, output: Output, points: Tensor, visible: Tensor) -> Tensor:
    """Smooth-L1 error, in cells, of the offsets at the true centre cell; a mean over coordinates that count."""
    stride = detector.centre_stride
    cells, inside = _centre_cells(points, visible, output.offsets.shape[-2:], stride)
    at = offsets_at(output.offsets, cells)
    true = (torch.nan_to_num(points) - (stride - 1) / 2) / stride - cells.unsqueeze(1)
    error = functional.smooth_l1_loss(at, true, reduction="none").mean(-1)
    return masked_mean(error, visible & inside.unsqueeze(1))


def offsets_at(offsets: Tensor, cells: Tensor) -> Tensor:
    """Offsets (B, K, 2) of maps (B, 2 K, h, w) at integer cells (B, 2)."""
    index = cells[:, 1] * offsets.shape[-1] + cells[:, 0]
    at = offsets.flatten(2).gather(2, index.view(-1, 1, 1).expand(-1, offsets.shape[1], 1))
    return at.squeeze(2).unflatten(1, (-1, 2))


def strongest_cells(centre: Tensor) -> Tensor:
    """Integer (x, y) (B, 2) of the strongest facial centre of logits (B, 1, h, w)."""
    index = centre.flatten(1).argmax(1)
    width = centre.shape[-1]
    return torch.stack([index % width, index // width], -1)


def structure_invariance(offsets: Tensor, clip_frames: int, face_size: Tensor | None) -> Tensor:
    """L_SIC = 1 / (K T) sum_{t<u} (m_t - m_u)^2, m_t the total modulus of the offsets, summed over clips.

    Args:
        offsets: (C T, K, 2) from the facial centre to each landmark; T frames of one clip follow each other.
        clip_frames: T.
        face_size: (C T,) size of the face in the offsets' unit: m_t is divided by its square, so that zooming in
            costs nothing. None keeps the paper's literal form, whose unit is a length to the fourth.

    Returns:
        The mean over the C clips; 0 for T = 1.
    """
    modulus = offsets.square().sum((1, 2))
    if face_size is not None:
        modulus = modulus / face_size.square()
    modulus = modulus.view(-1, clip_frames)
    first, second = torch.triu_indices(clip_frames, clip_frames, 1, device=offsets.device)
    differences = (modulus[:, first] - modulus[:, second]).square().sum(1)
    return differences.mean() / (offsets.shape[1] * clip_frames)

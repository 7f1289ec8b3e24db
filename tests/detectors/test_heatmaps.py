"""Heatmaps: encode and decode against closed forms."""

import math

import numpy as np
import pytest
import torch

from tsal.detectors.heatmaps import (
    CUT_OFF,
    cell_centres,
    decode_expectation,
    decode_peaks,
    encode_distribution,
    encode_gaussian,
    spread,
)

GRIDS = [(8, 32, 6.0), (4, 24, 4.0), (4, 24, 6.0)]  # stride, cells, sigma in px


def everywhere(pixels: int) -> torch.Tensor:
    """Landmarks all over the image, on its borders and in its corners."""
    inner = torch.rand(8, 64, 2, generator=torch.Generator().manual_seed(0)) * (pixels - 1)
    steps = torch.linspace(0, pixels - 1, 64)
    zero, last = torch.zeros(64), torch.full((64,), pixels - 1.0)
    borders = [(steps, zero), (steps, last), (zero, steps), (last, steps)]
    return torch.cat([inner, torch.stack([torch.stack(b, -1) for b in borders])])


@pytest.mark.parametrize(("stride", "cells", "sigma"), GRIDS)
def test_noise_free_gaussians_decode_to_a_twentieth_of_a_pixel_at_borders_too(stride, cells, sigma):
    points = everywhere(stride * cells)
    maps = encode_gaussian(points, (cells, cells), stride, sigma)[:, :-1]
    assert (decode_peaks(maps, stride, sigma) - points).norm(dim=-1).max() < 0.05


@pytest.mark.parametrize(("stride", "cells", "sigma"), GRIDS)
def test_noise_free_distributions_decode_to_a_twentieth_of_a_pixel_at_borders_too(stride, cells, sigma):
    points = everywhere(stride * cells)
    maps = encode_distribution(points, (cells, cells), stride, sigma)
    assert (decode_peaks(maps, stride, sigma) - points).norm(dim=-1).max() < 0.05


def test_the_gaussian_fit_does_not_need_to_know_the_width():
    points = everywhere(96)[:8]
    maps = encode_gaussian(points, (24, 24), 4, sigma=9.0)[:, :-1]
    inside = ((points > 10) & (points < 85)).all(-1)
    assert (decode_peaks(maps, 4, sigma=4.0) - points).norm(dim=-1)[inside].max() < 0.05


def test_a_cell_stands_for_the_centre_of_its_pixels():
    maps = torch.zeros(1, 1, 32, 32)
    maps[0, 0, 7, 12] = 1
    for refine in ("gaussian", "centroid"):
        assert decode_peaks(maps, 8, 6.0, refine=refine)[0, 0].tolist() == [8 * 12 + 3.5, 8 * 7 + 3.5]


def test_the_centroid_is_the_weighted_mean_of_the_window():
    maps = torch.zeros(1, 1, 16, 16)
    maps[0, 0, 5, 5], maps[0, 0, 5, 6], maps[0, 0, 15, 15] = 0.6, 0.2, 0.5
    assert decode_peaks(maps, 4, 6.0, refine="centroid")[0, 0].tolist() == pytest.approx([4 * 5.25 + 1.5, 21.5])


@pytest.mark.parametrize(("stride", "sigma"), [(8, 6.0), (4, 4.0)])
def test_the_centroid_of_a_gaussian_is_its_centre_but_for_the_cut_off(stride, sigma):
    inner = everywhere(stride * 24)[:8] * 0.66 + 4 * stride
    centres = cell_centres(24, stride)
    distances = (centres - inner[..., :1]).square().unsqueeze(-2) + (centres - inner[..., 1:]).square().unsqueeze(-1)
    whole = torch.exp(-distances / (2 * sigma**2))
    assert (decode_peaks(whole, stride, sigma, refine="centroid") - inner).abs().max() < 0.02
    targets = encode_gaussian(inner, (24, 24), stride, sigma)[:, :-1]  # values under 0.01 set to 0, on one side first
    assert (decode_peaks(targets, stride, sigma, refine="centroid") - inner).abs().max() < 0.15


def test_the_centroids_window_has_to_be_small_for_noise_outweighs_the_peak_elsewhere():
    # Noise of 0.02 has a positive mass of 0.02 / sqrt(2 pi) a cell: 8 on a grid of 32 by 32, where the Gaussian of the
    # paper has 2 pi (6 / 8)^2 = 3.5. The centroid of all of it lies nearer to the middle of the grid than to the peak.
    points = everywhere(256)[:8]
    maps = encode_gaussian(points, (32, 32), 8, 6.0)[:, :-1]
    maps += 0.02 * torch.randn(maps.shape, generator=torch.Generator().manual_seed(0))
    near = ((points > 32) & (points < 224)).all(-1)

    def error(radius: int) -> float:
        found = decode_peaks(maps, 8, 6.0, radius=radius, refine="centroid")
        return (found - points).norm(dim=-1)[near].mean().item()

    assert error(3) < 1 and error(20) > 30  # px; 20 cells is the window of the release


def hostile_maps() -> dict[str, np.ndarray]:
    """Maps (n, 20, 24) in float32 such as a detector may give, good or bad."""
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 1, (24, 20, 24))
    at = torch.from_numpy(rng.uniform(0, [4 * 24 - 1, 4 * 20 - 1], (1, 24, 2))).float()
    gaussians = encode_gaussian(at, (20, 24), 4, 6.0)[0, :-1].numpy()
    corners = np.zeros((8, 20, 24))
    places = [(0, 0), (0, 23), (19, 0), (19, 23), (0, 11), (19, 12), (9, 0), (10, 23)]
    for corner, (y, x) in zip(corners, places, strict=True):
        corner[y, x] = 1
    tied = np.stack([np.roll(gaussians[0], shift, 1) + gaussians[0] for shift in range(8)])
    maps = {
        "noise": noise,
        "noisy Gaussians": gaussians + 0.05 * noise,
        "peaks in corners and on borders": corners,
        "the same with noise": corners + 0.3 * np.abs(noise[:8]),
        "quantised to ties": np.round(gaussians * 3) / 3,
        "two equal peaks": tied,
        "rounded to bfloat16": torch.from_numpy(gaussians).bfloat16().float().numpy(),
        "flat": np.stack([np.full((20, 24), value) for value in (0.0, 1.0, -1.0, 1e-9, 1e4)]),
        "negative everywhere": -0.1 - np.abs(noise),
        "a peak over a negative ground": gaussians - 0.5,
        "faint": 1e-5 * np.abs(noise),
        "next to nothing": 1e-8 * np.abs(noise),
        "large": 1e6 * gaussians,
    }
    return {name: value.astype(np.float32) for name, value in maps.items()}


@pytest.mark.parametrize("refine", ["gaussian", "centroid"])
@pytest.mark.parametrize(("name", "maps"), hostile_maps().items(), ids=hostile_maps())
def test_decode_1_agrees_with_a_double_precision_reference_by_loops(name, maps, refine):
    found = decode_peaks(torch.from_numpy(maps), 4, 6.0, refine=refine).numpy()
    expected = np.array([peak_reference(m, refine, stride=4, sigma=6.0) for m in maps.astype(np.float64)])
    assert np.abs(found - expected).max() < 1e-3, name


def peak_reference(h: np.ndarray, refine: str, stride: int, sigma: float, radius: int = 3) -> list[float]:
    """Arg-max, first by rows; then the window's centroid, or the weighted fit of Guo (2011) as a least-squares problem
    whose prior is written as four more equations.
    """
    cy, cx = 0, 0
    for y in range(h.shape[0]):
        for x in range(h.shape[1]):
            if h[y, x] > h[cy, cx]:
                cy, cx = y, x
    window = [
        (x - cx, y - cy, h[y, x])
        for y in range(max(0, cy - radius), min(h.shape[0], cy + radius + 1))
        for x in range(max(0, cx - radius), min(h.shape[1], cx + radius + 1))
    ]
    shift = [0.0, 0.0]
    if h[cy, cx] >= np.float32(1e-6):
        refinement = centroid_reference if refine == "centroid" else fit_reference
        shift = refinement([(u, v, value / h[cy, cx]) for u, v, value in window], sigma / stride, radius)
    return [(cx + shift[0]) * stride + (stride - 1) / 2, (cy + shift[1]) * stride + (stride - 1) / 2]


def centroid_reference(window: list[tuple[int, int, float]], *_) -> list[float]:
    total = sum_u = sum_v = 0.0
    for u, v, value in window:
        if value > 0:
            total, sum_u, sum_v = total + value, sum_u + value * u, sum_v + value * v
    return [sum_u / total, sum_v / total]


def fit_reference(window: list[tuple[int, int, float]], sigma_cells: float, radius: int) -> list[float]:
    rows, values, weights = [], [], []
    for u, v, value in window:
        if value >= CUT_OFF:
            rows.append([1, u, v, -(u * u + v * v)])
            values.append(math.log(value))
            weights.append(value)
    scale = np.array(weights) / np.sqrt(np.square(weights).sum())
    prior = np.sqrt([1e-9, 1e-9, 1e-9, 1e-6])
    matrix = np.vstack([np.array(rows) * scale[:, None], np.diag(prior)])
    right = np.append(np.array(values) * scale, prior * [0, 0, 0, 0.5 / sigma_cells**2])
    _, b, c, d = np.linalg.lstsq(matrix, right, rcond=None)[0]
    d = max(d, 1e-3)
    return [min(max(step / (2 * d), -radius), radius) for step in (b, c)]


@pytest.mark.parametrize("refine", ["gaussian", "centroid"])
def test_a_map_without_anything_positive_decodes_to_its_highest_cell_and_gives_no_gradient(refine):
    maps = torch.full((1, 1, 16, 16), -0.3)
    maps[0, 0, 9, 4] = -0.2
    for case in (maps, torch.zeros(1, 1, 16, 16)):
        case = case.clone().requires_grad_()
        points = decode_peaks(case, 8, 6.0, refine=refine)
        points.sum().backward()
        assert not case.grad.any()
    assert decode_peaks(maps, 8, 6.0, refine=refine)[0, 0].tolist() == [8 * 4 + 3.5, 8 * 9 + 3.5]


@pytest.mark.parametrize("refine", ["gaussian", "centroid"])
def test_logits_decode_as_their_exponentials_however_low_and_to_a_cell_where_they_are_not_finite(refine):
    maps = encode_gaussian(torch.tensor([[[21.0, 30.0], [40.0, 5.0]]]), (16, 16), 4, 6.0)[:, :-1]
    assert (maps == 0).any()
    found = decode_peaks(maps.log(), 4, 6.0, refine=refine, logits=True)  # minus infinity beyond the cut-off
    assert (found - decode_peaks(maps, 4, 6.0, refine=refine)).abs().max() < 1e-4
    for value in (torch.nan, torch.inf):
        broken = maps.log()
        broken[..., 5, 9] = value
        assert decode_peaks(broken, 4, 6.0, refine=refine, logits=True)[0].tolist() == [[4 * 9 + 1.5, 4 * 5 + 1.5]] * 2


def test_targets_have_the_papers_form():
    maps = encode_gaussian(torch.tensor([[[3.5, 11.5], [torch.nan, 0.0]]]), (32, 32), 8, 6.0)
    assert maps.shape == (1, 3, 32, 32)
    assert maps[0, 0, 1, 0] == 1  # the landmark lies on the centre of cell (0, 1)
    assert maps[0, 0, 1, 1] == pytest.approx(math.exp(-(8**2) / (2 * 6**2)))
    assert maps[0, 0][(maps[0, 0] > 0)].min() >= CUT_OFF
    assert not maps[0, 1].any()
    assert torch.equal(maps[0, 2], 1 - maps[0, :2].amax(0))


def test_the_expectation_and_spread_of_a_distribution_are_those_of_its_gaussian():
    maps = encode_distribution(torch.tensor([[[47.0, 52.0]]]), (24, 24), 4, 6.0)
    assert maps.sum() == pytest.approx(1, abs=1e-5)
    assert decode_expectation(maps, 4)[0, 0].tolist() == pytest.approx([47, 52], abs=1e-3)
    assert spread(maps, 4).item() == pytest.approx(6.0, rel=1e-3)


def test_decoding_can_be_differentiated_and_an_empty_map_gives_no_nan():
    maps = torch.zeros(1, 2, 16, 16)
    maps[0, 0, 4, 4] = 1
    maps = maps.requires_grad_()
    decode_peaks(maps, 4, 6.0).sum().backward()
    assert maps.grad.isfinite().all()


@pytest.mark.parametrize("logits", [False, True])
def test_the_gradient_of_the_fit_is_that_of_the_whole_fit(logits):
    """Against finite differences of the reference's answer, which knows nothing of how the gradient is made."""
    noise = torch.rand(4, 12, 12, generator=torch.Generator().manual_seed(3))
    points = torch.tensor([[[20.3, 25.1], [6.0, 30.2], [44.0, 1.0], [24.4, 22.0]]])  # the third one's window is cut
    maps = (encode_gaussian(points, (12, 12), 4, 6.0)[0, :4] + 0.05 * noise).clamp_min(1e-3)
    given = (maps.log() if logits else maps.clone()).requires_grad_()
    towards = torch.tensor([1.0, -0.6])
    (decode_peaks(given, 4, 6.0, logits=logits) @ towards).sum().backward()
    for k in range(4):
        cells = (given.grad[k].abs() > 0).nonzero().tolist()
        assert len(cells) >= 4
        for y, x in cells[::3]:
            sides = []
            for step in (1e-4, -1e-4):
                moved = maps[k].double().numpy().copy()
                moved[y, x] = moved[y, x] * math.exp(step) if logits else moved[y, x] + step
                sides.append(peak_reference(moved, "gaussian", stride=4, sigma=6.0) @ towards.double().numpy())
            slope = (sides[0] - sides[1]) / 2e-4
            assert given.grad[k, y, x].item() == pytest.approx(slope, abs=2e-3 * given.grad[k].abs().max().item())


def test_mass_right_of_the_peak_pulls_the_landmark_right():
    maps = encode_gaussian(torch.tensor([[[30.0, 30.0]]]), (24, 24), 4, 6.0)[:, :-1].requires_grad_()
    decode_peaks(maps, 4, 6.0)[0, 0, 0].backward()
    assert maps.grad[0, 0, 7, 8] > 0 > maps.grad[0, 0, 7, 5]


def test_an_unknown_refinement_is_refused():
    with pytest.raises(ValueError, match="centroid"):
        decode_peaks(torch.zeros(1, 1, 4, 4), 4, 6.0, refine="parabola")

"""Heatmaps: encode and decode against closed forms."""

import math

import numpy as np
import pytest
import torch

from tsal.heatmaps import (
    CUT_OFF,
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


def test_the_fit_agrees_with_a_double_precision_reference_on_noisy_maps():
    rng = np.random.default_rng(0)
    clean = encode_gaussian(everywhere(96)[:4], (24, 24), 4, 6.0)[:, :-1]
    maps = (clean + torch.from_numpy(rng.normal(0, 0.02, clean.shape)).float()).clamp_min(0)
    found = decode_peaks(maps, 4, 6.0).numpy()
    expected = np.array([[fit_reference(m) for m in face] for face in maps.double().numpy()])
    assert np.abs(found - expected).max() < 1e-3


def fit_reference(h: np.ndarray, stride: int = 4, sigma: float = 6.0, radius: int = 3) -> list[float]:
    """Guo's weighted fit, with NumPy's least squares and the prior written as one more equation."""
    cy, cx = np.unravel_index(h.argmax(), h.shape)
    peak = h[cy, cx]
    rows, values, weights = [], [], []
    for y in range(max(0, cy - radius), min(h.shape[0], cy + radius + 1)):
        for x in range(max(0, cx - radius), min(h.shape[1], cx + radius + 1)):
            if h[y, x] / peak >= CUT_OFF:
                u, v = x - cx, y - cy
                rows.append([1, u, v, -(u * u + v * v)])
                values.append(math.log(h[y, x] / peak))
                weights.append(h[y, x] / peak)
    scale = np.array(weights) / np.sqrt(np.square(weights).sum())
    matrix = np.vstack([np.array(rows) * scale[:, None], [0, 0, 0, 1e-3]])
    right = np.append(np.array(values) * scale, 1e-3 * 0.5 * (stride / sigma) ** 2)
    _, b, c, d = np.linalg.lstsq(matrix, right, rcond=None)[0]
    d = max(d, 1e-3)
    shift = np.clip([b / (2 * d), c / (2 * d)], -radius, radius)
    return [(cx + shift[0]) * stride + 1.5, (cy + shift[1]) * stride + 1.5]


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


def test_mass_right_of_the_peak_pulls_the_landmark_right():
    maps = encode_gaussian(torch.tensor([[[30.0, 30.0]]]), (24, 24), 4, 6.0)[:, :-1].requires_grad_()
    decode_peaks(maps, 4, 6.0)[0, 0, 0].backward()
    assert maps.grad[0, 0, 7, 8] > 0 > maps.grad[0, 0, 7, 5]


def test_an_unknown_refinement_is_refused():
    with pytest.raises(ValueError, match="centroid"):
        decode_peaks(torch.zeros(1, 1, 4, 4), 4, 6.0, refine="parabola")

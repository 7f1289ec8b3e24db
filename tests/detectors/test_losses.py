"""The supervised terms against hand-computed values and slow references."""

import math

import pytest
import torch
from scipy.stats import laplace

from tsal.detectors import Output, build, losses
from tsal.detectors.heatmaps import encode_distribution, encode_gaussian


@pytest.fixture(scope="module")
def compact():
    return build("compact", 3, sigma=6.0, decode="gaussian")


@pytest.fixture(scope="module")
def regressor(compact):
    """The compact detector as if it regressed Gaussians, so that the paper's loss can be tested without VGG."""
    other = build("compact", 3, sigma=6.0, decode="centroid")
    other.distribution = False
    return other


POINTS = torch.tensor([[[20.0, 30.0], [50.0, 41.0], [70.0, 80.0]]])
ALL = torch.ones(1, 3, dtype=torch.bool)


def output(stages, centre=None, offsets=None):
    zero = torch.zeros(1, 1, 12, 12)
    return Output(stages, zero if centre is None else centre, torch.zeros(1, 6, 12, 12) if offsets is None else offsets)


def test_perfect_maps_cost_nothing_and_unannotated_landmarks_do_not_count(regressor):
    target = encode_gaussian(POINTS, (24, 24), 4, 6.0)
    assert losses.heatmap_loss(regressor, output([target]), POINTS, ALL) == 0
    visible = torch.tensor([[True, False, True]])
    wrong = target.clone()
    wrong[:, 1] += 1
    wrong[:, 3] += 1  # the background of an incomplete face is not known either
    assert losses.heatmap_loss(regressor, output([wrong]), POINTS, visible) == 0


def test_regressed_maps_cost_half_their_summed_squares_a_face_in_every_stage(regressor):
    target = encode_gaussian(POINTS, (24, 24), 4, 6.0)
    off = target + 0.1
    expected = 2 * (4 * 24 * 24 * 0.01) / 2  # two stages, K + 1 = 4 maps
    assert losses.heatmap_loss(regressor, output([off, off]), POINTS, ALL).item() == pytest.approx(expected, rel=1e-4)


def test_the_divergence_of_a_uniform_map_is_log_cells_minus_entropy(compact):
    target = encode_distribution(POINTS, (24, 24), 4, 6.0)
    entropy = -torch.xlogy(target, target).sum((2, 3)).mean().item()
    loss = losses.heatmap_loss(compact, output([torch.zeros(1, 3, 24, 24)]), POINTS, ALL)
    assert loss.item() == pytest.approx(math.log(24 * 24) - entropy, rel=1e-5)
    exact = losses.heatmap_loss(compact, output([target.clamp_min(1e-30).log()]), POINTS, ALL)
    assert exact.item() == pytest.approx(0, abs=1e-5)


def blobs(angle, along=9.0, across=5.0, mean=(46.0, 50.0)):
    """Logits (1, 3, 24, 24) of Gaussians whose longer axis is turned by an angle from x towards y."""
    axis = torch.arange(24.0) * 4 + 1.5
    dy, dx = torch.meshgrid(axis - mean[1], axis - mean[0], indexing="ij")
    u, v = dx * math.cos(angle) + dy * math.sin(angle), dy * math.cos(angle) - dx * math.sin(angle)
    return -(u.square() / (2 * along**2) + v.square() / (2 * across**2)).expand(1, 3, 24, 24)


@pytest.mark.parametrize("angle", [0.0, 0.4, math.pi / 2, 2.5])
def test_the_likelihood_is_that_of_a_laplace_distribution_along_the_axes_of_each_map(compact, angle):
    along, across = torch.tensor([[6.0, 0.0, -3.0], [0.0, 4.0, 2.0]])
    turned = along * math.cos(angle) - across * math.sin(angle), along * math.sin(angle) + across * math.cos(angle)
    points = torch.stack(turned, -1).unsqueeze(0) + torch.tensor([46.0, 50.0])
    errors = zip(along.tolist(), across.tolist(), strict=True)
    # Of scale b a Laplace distribution has the variance 2 b^2; log 2 an axis is left out.
    scales = [(deviation / math.sqrt(2)) for deviation in (9.0, 5.0)]
    nats = [
        sum(-laplace.logpdf(e, scale=b) - math.log(2) for e, b in zip(pair, scales, strict=True)) for pair in errors
    ]
    loss = losses.likelihood_loss(compact, output([blobs(angle)]), points, ALL)
    assert loss.item() == pytest.approx(sum(nats) / 3, abs=0.02)
    last = torch.tensor([[False, False, True]])
    assert losses.likelihood_loss(compact, output([blobs(angle)]), points, last).item() == pytest.approx(
        nats[2], abs=0.02
    )


def test_by_the_likelihood_a_map_learns_how_wide_its_error_is(compact):
    points = torch.tensor([46.0 + 12, 50.0 + 6]).expand(1, 3, 2)
    width = torch.tensor(5.0, requires_grad=True)
    optimizer = torch.optim.Adam([width], 0.1)
    for _ in range(200):
        optimizer.zero_grad()
        logits = blobs(0.0, along=2.0, across=1.0) / width.square()
        losses.likelihood_loss(compact, output([logits]), points, ALL).backward()
        optimizer.step()
    # The most likely scales of errors of 12 and 6 px are these, and the deviations sqrt(2) times them.
    assert width.item() == pytest.approx(6 * math.sqrt(2), rel=0.05)


def test_the_likelihood_has_finite_derivatives_where_maps_are_round_or_one_cell_and_landmarks_unknown(compact):
    one_cell = torch.full((1, 3, 24, 24), -200.0)
    one_cell[:, :, 12, 11] = 200
    for logits in (torch.zeros(1, 3, 24, 24), blobs(0.0, 5.0, 5.0), one_cell):
        logits = logits.clone().requires_grad_()
        points = torch.tensor([[[45.5, 49.5], [torch.nan, torch.nan], [90.0, 3.0]]])
        losses.likelihood_loss(compact, output([logits]), points, points.isfinite().all(-1)).backward()
        assert logits.grad.isfinite().all()


def test_the_facial_centre_is_the_centroid_of_the_visible_landmarks():
    visible = torch.tensor([[True, False, True]])
    assert losses.facial_centre(POINTS, visible)[0].tolist() == [45.0, 55.0]


def test_the_focal_loss_is_that_of_objects_as_points(compact):
    centre = torch.randn(1, 1, 12, 12, generator=torch.Generator().manual_seed(0))
    loss = losses.centre_loss(compact, output([], centre), POINTS, ALL).item()
    cx, cy = (round((POINTS[0, :, a].mean().item() - 3.5) / 8) for a in (0, 1))
    expected = 0.0
    for y in range(12):
        for x in range(12):
            p = 1 / (1 + math.exp(-centre[0, 0, y, x].item()))
            target = math.exp(-((x - cx) ** 2 + (y - cy) ** 2) / (2 * (6 / 8) ** 2))
            if (x, y) == (cx, cy):
                expected -= (1 - p) ** 2 * math.log(p)
            else:
                expected -= (1 - target) ** 4 * p**2 * math.log(1 - p)
    assert loss == pytest.approx(expected, rel=1e-4)


def test_offsets_that_lead_from_the_centre_cell_to_the_landmarks_cost_nothing(compact):
    cell = ((POINTS[0].mean(0) - 3.5) / 8).round()
    offsets = torch.zeros(1, 6, 12, 12)
    offsets[0, :, int(cell[1]), int(cell[0])] = ((POINTS[0] - 3.5) / 8 - cell).reshape(-1)
    out = output([], offsets=offsets)
    assert losses.offset_loss(compact, out, POINTS, ALL).item() == pytest.approx(0, abs=1e-12)
    # two cells too far in one of six coordinates: smooth-L1 of 2 is 1.5
    off = offsets.clone()
    off[0, 4, int(cell[1]), int(cell[0])] += 2
    loss = losses.offset_loss(compact, output([], offsets=off), POINTS, ALL)
    assert loss.item() == pytest.approx(1.5 / 6, rel=1e-5)


def test_structure_invariance_has_the_papers_value():
    # K = 1, T = 3: m = 1, 4, 9; pairs (1-4)^2 + (1-9)^2 + (4-9)^2 = 98; over K T = 3
    offsets = torch.tensor([[[1.0, 0.0]], [[0.0, 2.0]], [[3.0, 0.0]]])
    assert losses.structure_invariance(offsets, 3, None).item() == pytest.approx(98 / 3)


def test_structure_invariance_is_a_mean_over_clips_and_zero_for_a_still_image():
    offsets = torch.tensor([[[1.0, 0.0]], [[0.0, 2.0]], [[1.0, 0.0]], [[1.0, 0.0]]])
    assert losses.structure_invariance(offsets, 2, None).item() == pytest.approx((9 / 2 + 0) / 2)
    assert losses.structure_invariance(offsets, 1, None).item() == 0


def test_zooming_costs_nothing_with_the_face_size_and_much_without():
    shape = torch.randn(1, 5, 2, generator=torch.Generator().manual_seed(1))
    offsets = torch.cat([shape, 1.7 * shape])
    assert losses.structure_invariance(offsets, 2, torch.tensor([1.0, 1.7])).item() == pytest.approx(0, abs=1e-9)
    assert losses.structure_invariance(offsets, 2, None).item() > 1


def test_a_weighted_mean_counts_by_weight_and_an_empty_one_is_zero():
    values = torch.tensor([1.0, 5.0, torch.nan])
    assert losses.masked_mean(values, torch.tensor([3.0, 1.0, 0.0])).item() == pytest.approx(2.0)
    assert losses.masked_mean(values, torch.zeros(3)).item() == 0


def test_mean_squared_distance_counts_cells_of_maps_that_count():
    maps, target = torch.zeros(1, 3, 2, 2), torch.zeros(1, 3, 2, 2)
    maps[0, 0, 0, 0], maps[0, 1] = 2.0, 3.0
    counted = torch.tensor([[1.0, 0.0, 1.0]])
    assert losses.mean_squared_distance(maps, target, counted).item() == pytest.approx((4 / 4 + 0) / 2)


def test_landmarks_out_of_view_are_no_target_of_regressed_maps():
    """As in the release; else a network would learn to see nothing at the border of its view."""
    detector = build("vgg16_cpm", 2, weights=None)
    inside, outside = torch.tensor([[[20.0, 30.0], [40.0, 50.0]]]), torch.tensor([[[20.0, 30.0], [64.5, 50.0]]])
    maps = encode_gaussian(inside, (8, 8), 8, 6.0)
    maps[0, 1], maps[0, 2] = 0.7, 0.3  # of the second landmark and the background: both far from any target
    output = Output([maps], torch.zeros(1, 1, 8, 8), torch.zeros(1, 4, 8, 8))
    annotated = torch.ones(1, 2, dtype=torch.bool)
    assert losses.heatmap_loss(detector, output, inside, annotated).item() > 1
    assert losses.heatmap_loss(detector, output, outside, annotated).item() == pytest.approx(0)

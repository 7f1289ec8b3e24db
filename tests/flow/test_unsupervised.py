"""The terms that a flow network learns from: each against a case whose value is known."""

import math

import pytest
import torch
from torch.nn import functional

from tsal.data.augment import sample
from tsal.flow.pwc import pixels
from tsal.flow.unsupervised import (
    CENSUS_NOISE,
    Motions,
    census,
    census_distance,
    distance_from_known,
    draw_motion,
    invert_flow,
    photometric_loss,
    seen_in_both,
    smoothness_loss,
)

SIZE = 48


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def texture():
    noise = torch.rand(1, 3, SIZE // 3, SIZE // 3, generator=generator())
    return functional.interpolate(noise, size=(SIZE, SIZE), mode="bicubic").clamp(0, 1)


def constant(x, y, size=SIZE):
    return torch.tensor([x, y], dtype=torch.float32).view(1, 2, 1, 1).expand(-1, -1, size, size)


def linear(matrix):
    """Flow (1, 2, SIZE, SIZE) that is linear in position."""
    return (pixels(torch.zeros(1, 1, SIZE, SIZE)) @ torch.tensor(matrix).T).permute(0, 3, 1, 2)


# --- the photometric term -----------------------------------------------------------------------------------


def test_the_census_is_the_smooth_sign_of_the_differences():
    image = torch.zeros(1, 3, 7, 7)
    image[..., 3, 4] = 2 / 255  # two grey levels right of the middle
    around = census(image)[0, :, 3, 3]
    right = 3 * 7 + 4 - 1  # the middle itself is left out
    assert around[right].item() == pytest.approx(2 / math.sqrt(CENSUS_NOISE**2 + 4), rel=1e-5)
    assert around.abs().sum() == around[right]


def test_the_census_of_some_pixels_is_that_of_all_at_these(texture):
    assert torch.equal(census(texture, (1, 0), 2), census(texture)[..., 1::2, 0::2])


def test_brighter_light_leaves_the_census_alone_and_another_place_does_not(texture):
    dark = 0.7 * texture
    assert census_distance(census(dark), census(dark + 0.2)).max() < 1e-3
    assert census_distance(census(dark), census(dark.roll(3, -1))).mean() > 0.2


def test_the_true_flow_explains_the_frames_best(texture):
    second = sample(texture, pixels(texture) - torch.tensor([2.0, 1.0]))  # all moves 2 px right and 1 px down
    losses = {
        (x, y): photometric_loss(
            texture, second, torch.stack([constant(x, y, SIZE // 2), constant(-x, -y, SIZE // 2)], 1), (0, 1)
        ).item()
        for x, y in [(2, 1), (1.5, 1), (2, 0.5), (0, 0), (-2, -1)]
    }
    assert min(losses, key=losses.get) == (2, 1) and losses[2, 1] < 0.01 < 0.2 < losses[0, 0]


def test_what_leaves_the_frame_or_does_not_return_is_not_compared():
    assert seen_in_both(constant(3, 0), constant(-3, 0))[0, 20].tolist() == [1.0] * (SIZE - 3) + [0.0] * 3
    # |f + b|^2 <= 0.01 (|f|^2 + |b|^2) + 0.5 with f = 3: as in `follow`
    assert seen_in_both(constant(3, 0), constant(-2.3, 0)).any()
    assert not seen_in_both(constant(3, 0), constant(-2.0, 0)).any()


# --- smoothness ---------------------------------------------------------------------------------------------


def test_smoothness_of_second_order_lets_a_face_turn_and_grow():
    flow, images = linear([[0.1, -0.2], [0.2, 0.1]]), torch.full((1, 3, SIZE, SIZE), 0.5)
    assert smoothness_loss(images, flow, 20.0, 2).item() == pytest.approx(1e-3, rel=0.01)  # the root's offset
    assert smoothness_loss(images, flow, 20.0, 1).item() == pytest.approx(0.15, rel=0.01)  # mean |gradient|


def test_flow_may_change_at_an_edge_of_the_picture():
    flow, images = torch.zeros(1, 2, SIZE, SIZE), torch.zeros(1, 3, SIZE, SIZE)
    flow[..., SIZE // 2 :], images[..., SIZE // 2 :] = 2.0, 0.5
    step = 2 / (SIZE - 1) / 2  # one of the columns; the mean of both axes
    plain = smoothness_loss(torch.zeros_like(images), flow, 4.0, 1).item()
    assert plain == pytest.approx(step + 1e-3, rel=0.01)
    assert smoothness_loss(images, flow, 4.0, 1).item() == pytest.approx(step * math.exp(-4 * 0.5) + 1e-3, rel=0.01)


# --- known motions ------------------------------------------------------------------------------------------


def test_motions_grow_with_the_frame_and_repeat_with_the_seed():
    small, large = (draw_motion(4, size, Motions(), generator()) for size in (SIZE, 3 * SIZE))
    assert torch.equal(small, draw_motion(4, SIZE, Motions(), generator()))
    assert torch.allclose(large[..., 1::3, 1::3], 3 * small, atol=1.0) and small.std() > 0.5
    only_shift = draw_motion(500, 16, Motions(shift=0.02, turn=0.0, bend=0.0), generator())
    factor_squared = 0.99 / (2 * math.log(10))  # mean of 10^-2u, u uniform in [0, 1]
    assert only_shift.square().mean().item() == pytest.approx((16 * 0.02) ** 2 * factor_squared, rel=0.15)


def test_the_way_back_of_a_motion_leads_back():
    there = draw_motion(3, SIZE, Motions(), generator())
    back = invert_flow(there)
    start = pixels(there)[:, 8:-8, 8:-8].expand(3, -1, -1, -1)
    arrived = start + sample(there, start).permute(0, 2, 3, 1)
    returned = arrived + sample(back, arrived).permute(0, 2, 3, 1)
    error = (returned - start).norm(dim=-1)
    assert error.mean() < 0.02 and error.quantile(0.99) < 0.1 < there.norm(dim=1).mean()


def test_the_distance_from_known_flow_counts_levels_by_halves_and_leaves_out_what_is_unknown():
    known = torch.stack([constant(3, 0), constant(-3, 0)], 1)
    inside = torch.ones(1, 2, SIZE, SIZE)
    inside[..., : SIZE // 2] = 0
    flows = [known[..., ::stride, ::stride].clone() for stride in (2, 4)]
    assert distance_from_known(flows, known, inside).item() == pytest.approx(0.015, rel=1e-3)  # the root's offset
    flows[0][..., : SIZE // 4] = 99.0
    flows[1][:, :, 1] += 4.0
    assert distance_from_known(flows, known, inside).item() == pytest.approx(0.01 + 0.5 * 4, rel=1e-2)

"""The network for optical flow: comparison, geometry, files; each term that it learns from, against a known value."""

import math

import numpy as np
import pytest
import torch
from torch.nn import functional

from tsal.data.augment import as_float, sample
from tsal.data.crops import open_crops
from tsal.detectors import checkpoints
from tsal.errors import InputError
from tsal.flow import needs_network
from tsal.flow.pwc import REACH, STRIDES, FlowNetwork, compare, load_network, pixels, save_network
from tsal.flow.storage import open_flow, pairs, write_flow
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


@pytest.fixture(scope="module")
def network():
    """A network of random weights whose flow is not zero."""
    torch.manual_seed(0)
    network = FlowNetwork("float32").eval()
    for estimator in network.estimators:
        torch.nn.init.normal_(estimator.flow.weight, std=0.02)
    return network


def frames(n, height, width, seed=0):
    small = torch.rand(2 * n, 3, height // 4, width // 4, generator=torch.Generator().manual_seed(seed))
    return functional.interpolate(small, size=(height, width), mode="bicubic").clamp(0, 1).chunk(2)


@pytest.mark.parametrize("size", [(13, 21), (16, 8), (3, 5)])
def test_each_cell_is_compared_with_the_cells_around_it(size):
    """Against the definition (Sun et al. 2018, equation 3): the mean over channels of products at each displacement."""
    random = torch.Generator().manual_seed(0)
    first, second = (torch.randn(2, 5, *size, dtype=torch.float64, generator=random).requires_grad_() for _ in range(2))
    reach, (height, width) = 2, size
    padded = functional.pad(second, (reach,) * 4)
    windows = [padded[..., y : y + height, x : x + width] for y in range(5) for x in range(5)]
    expected = torch.stack([(first * window).mean(1) for window in windows], 1)
    found = compare(first, second, reach)
    assert torch.allclose(found, expected)
    weight = torch.randn(found.shape, dtype=torch.float64, generator=random)
    gradients = [torch.autograd.grad((volume * weight).sum(), [first, second]) for volume in (found, expected)]
    assert all(torch.allclose(a, b) for a, b in zip(*gradients, strict=True))


@pytest.mark.parametrize(("height", "width"), [(64, 64), (83, 100)])
def test_any_size_gets_flow_at_half_of_it(network, height, width):
    flow = network.track(*frames(2, height, width))
    assert flow.shape == (2, 2, 2, height // 2, width // 2) and flow.dtype == torch.float32


def test_exchanged_frames_exchange_the_directions(network):
    first, second = frames(2, 64, 64)
    assert torch.allclose(network.track(first, second), network.track(second, first).flip(1), atol=1e-4)


def test_a_pair_is_tracked_alike_alone_and_in_a_batch(network):
    first, second = frames(3, 64, 64)
    assert torch.allclose(network.track(first, second)[1:2], network.track(first[1:2], second[1:2]), atol=1e-4)


def test_a_new_network_sees_no_motion():
    torch.manual_seed(0)
    assert FlowNetwork().track(*frames(1, 64, 64)).abs().max() < 0.5


def test_brightness_of_a_frame_does_not_matter(network):
    first, second = frames(1, 64, 64)
    assert torch.allclose(
        network.track(first / 2, second / 2), network.track(first / 2 + 0.4, second / 2 + 0.1), atol=1e-3
    )


def test_the_coarsest_level_reaches_the_motions_of_the_papers_crops():
    # 455 px a crop; 64 px are half of a face between two frames
    assert STRIDES[-1] * REACH[-1] >= 64


def test_flow_of_a_store_is_what_the_saved_network_says(network, ytf_data, tmp_path):
    store = open_crops(ytf_data / "crops", "train")
    save_network(network, tmp_path / "pwc.safetensors", {"seed": 0})
    write_flow(store, tmp_path / "flow.json", "pwc", 1, network=tmp_path / "pwc.safetensors")
    flow, rows = open_flow(tmp_path / "flow.json", store), pairs(store)
    loaded = load_network(tmp_path / "pwc.safetensors")
    for index in (0, len(rows) - 1):
        with torch.no_grad():
            expected = loaded.track(
                *(as_float(torch.from_numpy(np.array(store.images[row][None]))) for row in rows[index])
            )
        assert np.abs(flow[index] - expected[0].numpy()).max() < 0.01 + 0.02 * expected.abs().max()


def test_trackers_say_what_they_need(ytf_data, tmp_path):
    assert needs_network("pwc") and not needs_network("dis")
    store = open_crops(ytf_data / "crops", "train")
    with pytest.raises(InputError, match=r"'pwc'.*train one"):
        write_flow(store, tmp_path / "flow.json", "pwc", 1)
    with pytest.raises(InputError, match=r"some\.safetensors.*'dis' has no network"):
        write_flow(store, tmp_path / "flow.json", "dis", 1, network=tmp_path / "some.safetensors")
    assert not (tmp_path / "flow.json").exists()


def test_files_that_hold_no_such_network_are_refused(network, tmp_path):
    path = tmp_path / "pwc.safetensors"
    with pytest.raises(InputError, match=r"pwc\.safetensors: no such file"):
        load_network(path)
    checkpoints.save(path, "another kind", network.state_dict(), {})
    with pytest.raises(InputError, match=r"pwc\.safetensors.*another kind"):
        load_network(path)
    save_network(torch.nn.Linear(2, 2), path, {})
    with pytest.raises(InputError, match=r"pwc\.safetensors.*another structure"):
        load_network(path)
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(InputError, match=r"pwc\.safetensors.*damaged"):
        load_network(path)


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

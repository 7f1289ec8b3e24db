"""The network for optical flow: comparison, geometry, files."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from tsal.data.augment import as_float
from tsal.data.crops import open_crops
from tsal.detectors import checkpoints
from tsal.errors import InputError
from tsal.flow import needs_network
from tsal.flow.pwc import REACH, STRIDES, FlowNetwork, compare, load_network, save_network
from tsal.flow.storage import open_flow, pairs, write_flow


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
    write_flow(store, tmp_path / "flow.npy", "pwc", 1, network=tmp_path / "pwc.safetensors")
    flow, rows = open_flow(tmp_path / "flow.npy", store), pairs(store)
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
        write_flow(store, tmp_path / "flow.npy", "pwc", 1)
    with pytest.raises(InputError, match=r"some\.safetensors.*'dis' has no network"):
        write_flow(store, tmp_path / "flow.npy", "dis", 1, network=tmp_path / "some.safetensors")
    assert not (tmp_path / "flow.npy").exists()


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

"""torchvision's RAFT by name, with random weights in files of torchvision's format."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torchvision.models.optical_flow import Raft_Large_Weights, Raft_Small_Weights, raft_small

from tsal.data.crops import open_crops
from tsal.errors import InputError
from tsal.flow import raft as module
from tsal.flow.raft import RAFTS, load_raft, track_by_raft
from tsal.flow.storage import open_flow, pairs, write_flow
from tsal.flow.tracking import open_tracker

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def weights():
    torch.manual_seed(0)
    return raft_small().state_dict()


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """An empty hub folder."""
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    return folder


@pytest.mark.parametrize(
    ("name", "weights_of"), [("raft", Raft_Large_Weights.DEFAULT), ("raft_small", Raft_Small_Weights.DEFAULT)]
)
def test_without_weights_their_address_and_place_are_named(name, weights_of, hub, ytf_data, tmp_path):
    store = open_crops(ytf_data / "crops", "train")
    with pytest.raises(InputError) as error:
        write_flow(store, tmp_path / "flow.npy", name, 1)
    message = str(error.value)
    assert weights_of.url in message and str(hub / Path(weights_of.url).name) in message and "\n" not in message
    assert not (tmp_path / "flow.npy").exists()


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_weights_are_read_from_a_file(suffix, weights, tmp_path):
    path = tmp_path / f"weights{suffix}"
    (torch.save if suffix == ".pth" else save_file)(weights, path)
    loaded = load_raft("raft_small", path)
    assert not loaded.training
    assert all(torch.equal(tensor, weights[name]) for name, tensor in loaded.state_dict().items())


def test_weights_in_the_hub_folder_have_to_be_those_of_their_name(weights, hub, monkeypatch):
    official = hub / Path(Raft_Small_Weights.DEFAULT.url).name
    torch.save(weights, official)
    with pytest.raises(InputError, match=r"raft_small_C_T_V2-01064c6d\.pth: SHA-256 .* expected 01064c6d"):
        load_raft("raft_small", None)
    named = f"raft-{hashlib.sha256(official.read_bytes()).hexdigest()[:8]}.pth"
    official.rename(hub / named)

    class Published:
        url = f"https://example.org/{named}"

    monkeypatch.setitem(module.RAFTS, "raft_small", (raft_small, Published))
    loaded = load_raft("raft_small", None).state_dict()
    assert all(torch.equal(tensor, weights[name]) for name, tensor in loaded.items())


def test_other_weights_damage_and_code_are_refused(weights, tmp_path):
    path = tmp_path / "weights.pth"
    torch.save({"layer": torch.zeros(2)}, path)
    with pytest.raises(InputError, match=r"weights\.pth: cannot be used as weights of tracker 'raft_small'"):
        load_raft("raft_small", path)
    torch.save(weights, path)
    with pytest.raises(InputError, match=r"'raft' .*raft_large"):
        load_raft("raft", path)
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(InputError, match=r"weights\.pth"):
        load_raft("raft_small", path)
    torch.save({"layer": torch.nn.Linear(1, 1)}, path)  # unpickling it would run code
    with pytest.raises(InputError, match=r"weights\.pth"):
        load_raft("raft_small", path)


def test_flow_of_a_store_is_what_torchvisions_network_says(weights, ytf_data, tmp_path):
    """Against the network itself at a side that it takes as it is, and by the shapes at others."""
    torch.save(weights, tmp_path / "weights.pth")
    network = load_raft("raft_small", tmp_path / "weights.pth")
    first, second = torch.rand(2, 1, 3, 128, 136, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        ways = [network(2 * a - 1, 2 * b - 1)[-1] for a, b in ((first, second), (second, first))]
        expected = torch.stack([torch.nn.functional.avg_pool2d(way, 2) for way in ways], 1)
        assert torch.allclose(track_by_raft(network, first, second), expected, atol=1e-3)
        assert track_by_raft(network, first[..., :83], second[..., :83]).shape == (1, 2, 2, 64, 41)
    store = open_crops(ytf_data / "crops", "test")
    write_flow(store, tmp_path / "flow.npy", "raft_small", 1, network=tmp_path / "weights.pth")
    flow, rows = open_flow(tmp_path / "flow.npy", store), pairs(store)
    tracker = open_tracker("raft_small", tmp_path / "weights.pth", CPU)
    last = tracker.track(*(store.images[rows[-1:, end]] for end in (0, 1)))
    assert np.allclose(flow[-1:], last, rtol=2e-3, atol=2e-2)


def test_the_names_are_torchvisions_large_and_small_network():
    assert {name: sum(p.numel() for p in build().parameters()) for name, (build, _) in RAFTS.items()} == {
        name: published.meta["num_params"] for name, (_, published) in RAFTS.items()
    }

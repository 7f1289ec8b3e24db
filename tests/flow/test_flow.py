"""Flow between frames: conventions, occlusion, warping, files."""

import dataclasses
import subprocess
import sys

import cv2
import numpy as np
import pytest
import torch

from tsal.data import shards
from tsal.data.crops import open_crops
from tsal.errors import InputError
from tsal.flow import needs_network, storage, tracking
from tsal.flow.fields import flow_at, follow, warp
from tsal.flow.storage import open_flow, pairs, write_flow
from tsal.flow.tracking import dis

SIZE = 64


def texture(seed=0):
    noise = np.random.default_rng(seed).random((SIZE, SIZE, 3)).astype(np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), 2)
    return ((smooth - smooth.min()) / np.ptp(smooth) * 255).astype(np.uint8)


def constant_flow(x, y):
    flow = torch.zeros(1, 2, SIZE // 2, SIZE // 2)
    flow[:, 0], flow[:, 1] = x, y
    return flow


def test_dis_finds_a_shift_in_the_direction_from_first_to_second():
    first = texture()
    second = np.roll(first, (2, 3), (0, 1))  # everything moves 3 px right and 2 px down
    grey = [cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) for image in (first, second)]
    middle = dis(*grey)[16:48, 16:48].reshape(-1, 2)
    assert np.median(middle, 0) == pytest.approx([3, 2], abs=0.1)


def test_following_a_flow_and_its_inverse_is_visible_and_without_error():
    positions = torch.rand(1, 10, 2) * (SIZE - 1)
    arrived, error, visible = follow(positions, constant_flow(3, -2), constant_flow(-3, 2))
    assert torch.allclose(arrived, positions + torch.tensor([3.0, -2.0]), atol=1e-5)
    assert error.max() < 1e-5 and visible.all()


@pytest.mark.parametrize(("back", "expected"), [(-3.0, True), (-2.3, True), (-2.0, False), (5.0, False)])
def test_occlusion_follows_the_forward_backward_test(back, expected):
    # |f + b|^2 <= 0.01 (|f|^2 + |b|^2) + 0.5 with f = 3
    assert ((3 + back) ** 2 <= 0.01 * (9 + back**2) + 0.5) == expected
    _, error, visible = follow(torch.full((1, 1, 2), 30.0), constant_flow(3, 0), constant_flow(back, 0))
    assert error.item() == pytest.approx(abs(3 + back), abs=1e-5)
    assert visible.item() == expected


def test_stored_flow_is_read_at_full_resolution_positions():
    """A flow that is linear in position is reproduced exactly between its samples."""
    axis = torch.arange(SIZE // 2) * 2 + 0.5  # centres of the 2 x 2 blocks that a stored value stands for
    flow = torch.stack([axis.expand(SIZE // 2, -1) * 0.1, axis.view(-1, 1).expand(-1, SIZE // 2) * -0.2]).unsqueeze(0)
    positions = 4 + torch.rand(1, 20, 2) * (SIZE - 9)
    expected = positions * torch.tensor([0.1, -0.2])
    assert torch.allclose(flow_at(flow, positions), expected, atol=1e-4)


def test_warping_the_previous_frame_gives_the_next_one():
    first = texture()
    second = np.roll(first, (0, 4), (0, 1))
    grey = [cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) for image in (first, second)]
    there = torch.from_numpy(cv2.resize(dis(grey[1], grey[0]), (32, 32), interpolation=cv2.INTER_AREA))
    back = torch.from_numpy(cv2.resize(dis(grey[0], grey[1]), (32, 32), interpolation=cv2.INTER_AREA))
    y, x = torch.meshgrid(torch.arange(12.0, 52), torch.arange(12.0, 52), indexing="ij")
    previous = torch.from_numpy(first).permute(2, 0, 1).unsqueeze(0).float()
    there, back = (f.permute(2, 0, 1).unsqueeze(0) for f in (there, back))
    warped = warp(previous, there, back, torch.stack([x, y], -1).unsqueeze(0))[0].permute(1, 2, 0).numpy()
    assert np.abs(warped - second[12:52, 12:52]).mean() < 3
    assert np.abs(first[12:52, 12:52].astype(float) - second[12:52, 12:52]).mean() > 10


def test_flow_is_stored_for_each_pair_of_neighbouring_frames_in_both_directions(ytf_data, tmp_path):
    store = open_crops(ytf_data / "crops", "train")
    write_flow(store, tmp_path / "train.json", "dis", 2)
    flow = open_flow(tmp_path / "train.json", store)
    rows = pairs(store)
    assert len(rows) == (store.next >= 0).sum() > 0
    assert all(store.clip[a] == store.clip[b] and store.frame[b] == store.frame[a] + 1 for a, b in rows)
    half = store.size // 2
    assert flow.shape == (len(rows), 2, 2, half, half) and flow.dtype == np.float16
    grey = [cv2.cvtColor(np.array(store.images[r]), cv2.COLOR_RGB2GRAY) for r in rows[0]]
    for direction, ends in enumerate((grey, grey[::-1])):
        expected = cv2.resize(dis(*ends), (half, half), interpolation=cv2.INTER_AREA).transpose(2, 0, 1)
        assert np.abs(flow[0][direction] - expected).max() < 0.05


def test_the_number_of_threads_does_not_change_the_flow(ytf_data, tmp_path):
    store = open_crops(ytf_data / "crops", "test")
    for threads in (1, 3):
        write_flow(store, tmp_path / f"{threads}.json", "dis", threads)
    assert (tmp_path / "1/00000.npy").read_bytes() == (tmp_path / "3/00000.npy").read_bytes()


def test_flow_of_other_crops_or_a_broken_file_is_refused(ytf_data, tmp_path):
    store, other = (open_crops(ytf_data / "crops", split) for split in ("train", "test"))
    write_flow(other, tmp_path / "other.json", "dis", 1)
    with pytest.raises(InputError, match=r"other\.json: found flow of shape \(\d+, 2, 2, 32, 32\), expected"):
        open_flow(tmp_path / "other.json", store)
    with pytest.raises(InputError, match=r"other\.json: found the flow of other crops of the same size.*tsal flow"):
        open_flow(tmp_path / "other.json", dataclasses.replace(other, identity="another one"))
    shard = tmp_path / "other/00000.npy"
    shard.write_bytes(shard.read_bytes()[:-100])
    with pytest.raises(InputError, match=r"other/00000\.npy: truncated.*tsal flow"):
        open_flow(tmp_path / "other.json", other)
    (tmp_path / "broken.json").write_bytes(b"{")
    with pytest.raises(InputError, match=r"broken\.json: no index of flow"):
        open_flow(tmp_path / "broken.json", store)


def test_a_killed_run_goes_on_after_the_shards_that_are_there(ytf_data, tmp_path, monkeypatch):
    store = open_crops(ytf_data / "crops", "train")
    write_flow(store, tmp_path / "whole.json", "dis", 1)
    monkeypatch.setattr(shards, "SHARD_BYTES", 5 * 2 * 2 * 32 * 32 * 2)
    tracked, of_killed = [], 7

    def track(first, second):
        tracked.append(len(first))
        if len(tracked) > of_killed:
            raise KeyboardInterrupt
        return tracking._dis_both_ways(first, second)

    monkeypatch.setattr(storage, "open_tracker", lambda *_: tracking.Tracker(track, batch=1, one_thread=True))
    with pytest.raises(KeyboardInterrupt):
        write_flow(store, tmp_path / "flow.json", "dis", 1)
    assert [path.name for path in (tmp_path / "flow").iterdir()] == ["00000.npy"]  # 5 of the 7 pairs
    tracked.clear()
    of_killed = len(pairs(store))
    write_flow(store, tmp_path / "flow.json", "dis", 1)
    assert len(tracked) == of_killed - 5
    flows = [np.asarray(open_flow(tmp_path / name, store)) for name in ("flow.json", "whole.json")]
    np.testing.assert_array_equal(*flows)


def test_an_unknown_tracker_is_refused_by_all_who_are_asked_for_it(ytf_data, tmp_path):
    store = open_crops(ytf_data / "crops", "train")
    known = "'flownet' is not known; known: dis, pwc"
    for ask in (needs_network, lambda name: write_flow(store, tmp_path / "x.json", name, 1)):
        with pytest.raises(InputError, match=known):
            ask("flownet")


def test_trackers_can_be_named_without_pytorch():
    code = "import sys; from tsal.flow import needs_network as needs\n"
    code += "sys.exit('torch' in sys.modules or not needs('pwc'))"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0

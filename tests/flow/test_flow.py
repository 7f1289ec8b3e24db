"""Flow between frames: conventions, occlusion, warping, files."""

import subprocess
import sys

import cv2
import numpy as np
import pytest
import torch

from tsal.data.crops import open_crops
from tsal.errors import InputError
from tsal.flow import needs_network
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
    write_flow(store, tmp_path / "train.npy", "dis", 2)
    flow = open_flow(tmp_path / "train.npy", store)
    rows = pairs(store)
    assert len(rows) == (store.next >= 0).sum() > 0
    assert all(store.clip[a] == store.clip[b] and store.frame[b] == store.frame[a] + 1 for a, b in rows)
    half = store.size // 2
    assert flow.shape == (len(rows), 2, 2, half, half) and flow.dtype == np.float16
    grey = [cv2.cvtColor(np.array(store.images[r]), cv2.COLOR_RGB2GRAY) for r in rows[0]]
    for direction, ends in enumerate((grey, grey[::-1])):
        expected = cv2.resize(dis(*ends), (half, half), interpolation=cv2.INTER_AREA).transpose(2, 0, 1)
        assert np.abs(flow[0, direction] - expected).max() < 0.05


def test_the_number_of_threads_does_not_change_the_flow(ytf_data, tmp_path):
    store = open_crops(ytf_data / "crops", "test")
    for threads in (1, 3):
        write_flow(store, tmp_path / f"{threads}.npy", "dis", threads)
    assert (tmp_path / "1.npy").read_bytes() == (tmp_path / "3.npy").read_bytes()


def test_flow_of_other_crops_or_a_broken_file_is_refused(ytf_data, tmp_path):
    store = open_crops(ytf_data / "crops", "train")
    np.save(tmp_path / "other.npy", np.zeros((3, 2, 2, 8, 8), np.float16))
    with pytest.raises(InputError, match=r"other\.npy.*\(3, 2, 2, 8, 8\).*expected"):
        open_flow(tmp_path / "other.npy", store)
    (tmp_path / "broken.npy").write_bytes(b"\x93NUMPY")
    with pytest.raises(InputError, match=r"broken\.npy"):
        open_flow(tmp_path / "broken.npy", store)


def test_an_unknown_tracker_is_refused_by_all_who_are_asked_for_it(ytf_data, tmp_path):
    store = open_crops(ytf_data / "crops", "train")
    known = "'flownet' is not known; known: dis, pwc"
    for ask in (needs_network, lambda name: write_flow(store, tmp_path / "x.npy", name, 1)):
        with pytest.raises(InputError, match=known):
            ask("flownet")


def test_trackers_can_be_named_without_pytorch():
    code = "import sys; from tsal.flow import needs_network as needs\n"
    code += "sys.exit('torch' in sys.modules or not needs('pwc'))"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0

"""Training of the flow network: a function of pairs and a seed, that learns to see motion."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file
from torch.nn import functional

from tsal.data.augment import as_float, sample
from tsal.data.crops import open_crops
from tsal.errors import InputError
from tsal.flow.fields import flow_at
from tsal.flow.pwc import load_network, pixels
from tsal.flow.storage import pairs
from tsal.flow.unsupervised import Motions, draw_motion
from tsal.training import run as training_run
from tsal.training.batches import generator
from tsal.training.flow import FlowSettings, draw_batch, train_flow

CPU = torch.device("cpu")
SETTINGS = FlowSettings()


@pytest.fixture
def store(ytf_data):
    return open_crops(ytf_data / "crops", "train")


def trained(store, folder, seed=0, steps=3, **options):
    out = folder / "pwc.safetensors"
    train_flow(store, out, folder / "log.csv", seed=seed, steps=steps, device=CPU, **options)
    return load_file(out)


def test_the_same_seed_gives_the_same_weights_and_another_one_others(store, tmp_path):
    first = trained(store, tmp_path / "a")
    again, other = trained(store, tmp_path / "b"), trained(store, tmp_path / "c", seed=1)
    assert all(torch.equal(tensor, again[name]) for name, tensor in first.items())
    assert any(not torch.equal(tensor, other[name]) for name, tensor in first.items())


def test_a_killed_run_ends_in_the_same_weights(store, tmp_path, monkeypatch):
    whole = trained(store, tmp_path / "whole", steps=6)
    killed = []

    def kill_once(network):
        if not killed:
            killed.append(True)
            raise KeyboardInterrupt
        return {}

    monkeypatch.setattr(training_run, "LOG_EVERY", 5)  # measured, and killed, at step 5
    with pytest.raises(KeyboardInterrupt):
        trained(store, tmp_path / "killed", steps=6, measure=kill_once)
    assert (tmp_path / "killed" / "pwc.safetensors.partial").exists()
    resumed = trained(store, tmp_path / "killed", steps=6)
    assert all(torch.equal(tensor, resumed[name]) for name, tensor in whole.items())
    left = sorted(path.name for path in (tmp_path / "killed").iterdir())
    assert left == ["log.csv", "machine.yaml", "pwc.safetensors"]


def test_the_log_holds_the_terms_and_what_is_measured(store, tmp_path, monkeypatch):
    monkeypatch.setattr(training_run, "LOG_EVERY", 1)
    trained(store, tmp_path, measure=lambda network: {"error": 1.5})
    log = pd.read_csv(tmp_path / "log.csv")
    assert log["iteration"].tolist() == [1, 2, 3] and (log["error"] == 1.5).all()
    weights = SETTINGS.photometric, SETTINGS.smoothness, SETTINGS.distance
    terms = log[["photometric", "smoothness", "distance"]].to_numpy() @ weights
    assert np.allclose(log["loss"], terms, rtol=1e-4)


def test_a_store_without_neighbouring_frames_is_refused(store, tmp_path):
    still = dataclasses.replace(store, next=np.full(len(store), -1))
    with pytest.raises(InputError, match=r"train\.npy: found no two neighbouring frames .* expected clips"):
        trained(still, tmp_path)


def test_a_batch_shows_windows_of_pairs_and_motions_that_are_known(store):
    few = store.images[:12], np.where(store.next[:12] < 12, store.next[:12], -1)
    store = dataclasses.replace(store, images=few[0], next=few[1])
    batch = draw_batch(store, pairs(store), SETTINGS, generator(0, "flow", 0), CPU)
    frames = as_float(torch.from_numpy(np.array(store.images)))
    for pair in zip(batch.first, batch.second, strict=True):
        windows = frames.unfold(2, 48, 1).unfold(3, 48, 1)
        rows = [
            {
                index
                for view in (frame, frame.flip(-1))
                for index in range(len(frames))
                if (windows[index] == view[:, None, None]).all((0, 3, 4)).any()
            }
            for frame in pair
        ]
        assert any(store.next[first] in rows[1] for first in rows[0])
    there = batch.known[:, 0]
    back = sample(batch.still, pixels(there) + there.permute(0, 2, 3, 1))
    inner = (..., slice(8, -8), slice(8, -8))
    plain, warped = ((batch.moved - picture)[inner].std() for picture in (batch.still, back))
    assert warped < plain  # colours and noise differ, the places agree


@pytest.mark.slow
def test_training_on_clips_without_labels_finds_their_motion(tmp_path, store):
    """Textures that move smoothly: the error after a short training is under half of that of zero flow."""
    size, n = 44, 96
    random = torch.Generator().manual_seed(0)
    noise = torch.rand(n, 3, size // 4, size // 4, generator=random)
    first = functional.interpolate(noise, size=(size, size), mode="bicubic").clamp(0, 1)
    truth = draw_motion(n, size, Motions(bend=0.01), random)
    second = sample(first, pixels(truth) + truth.permute(0, 2, 3, 1))
    images = (255 * torch.stack([second, first], 1).flatten(0, 1)).byte().permute(0, 2, 3, 1).numpy()
    following = np.where(np.arange(2 * n) % 2 == 0, np.arange(2 * n) + 1, -1)
    train, test = slice(0, 2 * n - 32), slice(2 * n - 32, 2 * n)
    clips = dataclasses.replace(store, images=images[train], next=following[train])
    quick = dataclasses.replace(SETTINGS, learning_rate=3e-3)
    train_flow(clips, tmp_path / "pwc.safetensors", tmp_path / "log.csv", seed=0, steps=200, device=CPU, settings=quick)
    frames = as_float(torch.from_numpy(images[test]))
    with torch.no_grad():
        found = load_network(tmp_path / "pwc.safetensors").track(frames[::2], frames[1::2])[:, 0]
    known = truth[n - 16 :, :, 8:-8, 8:-8]
    places = pixels(truth)[:, 8:-8, 8:-8].expand(16, -1, -1, -1)
    error = (flow_at(found, places).permute(0, 3, 1, 2) - known).norm(dim=1).mean()
    assert error < 0.5 * known.norm(dim=1).mean()

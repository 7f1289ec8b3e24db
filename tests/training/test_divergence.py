"""Trainings that diverge: what is left out, what ends them, and that no file comes of it that is of no use."""

import copy
import json
import os

import pandas as pd
import pytest
import torch
from safetensors.torch import load_file, save_file
from trainings import train_method, train_warm_up, write_settings

from tsal.detectors import checkpoints
from tsal.detectors.predict import DETECTOR, load_detector
from tsal.errors import InputError
from tsal.methods import common, read_settings
from tsal.settings.models import OptimizerSettings
from tsal.training import divergence, run

CPU = torch.device("cpu")
FAST = {"warmup_steps": 40, "steps": 4, "batch": 4, "evaluate_every": 40, "probe": 6, "precision": "float32"}


def settings_of(folder, **training):
    sections = {"detector": {"input_px": 32, "width": 8}, "training": FAST | training}
    return read_settings(write_settings(folder, "supervised", **sections))


def train(folder, crops, **training):
    out = folder / "warmup.safetensors"
    train_warm_up(settings_of(folder, **training), crops, out, folder / "log.csv", 0, None, CPU)
    return out


@pytest.fixture
def bad_steps(monkeypatch):
    """A set of steps: the loss of the warm-up is no number in them."""
    steps, real, asked = set(), common.supervised_loss, []

    def loss(*arguments):
        asked.append(1)
        value = real(*arguments)
        return value * float("nan") if len(asked) - 1 in steps else value

    monkeypatch.setattr(common, "supervised_loss", loss)
    return steps


@pytest.mark.parametrize("device", ["cpu", *(["cuda"] if torch.cuda.is_available() else [])])
@pytest.mark.parametrize("name", ["adamw", "sgd"])
@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_step_without_a_finite_loss_changes_nothing(name, bad, device):
    network = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2)).to(device)
    optimizer = run.make_optimizer(network, OptimizerSettings(name=name, learning_rate=0.1))
    guard = divergence.Guard({"raw": optimizer}, {"raw": network})

    def step(images):
        guard.remember()
        optimizer.zero_grad()
        loss = network(images.to(device)).square().sum()
        loss.backward()
        guard.step("raw", optimizer, loss)

    torch.manual_seed(0)
    step(torch.randn(4, 3))
    before = copy.deepcopy((network.state_dict(), optimizer.state_dict()))
    step(torch.full((4, 3), bad))
    torch.testing.assert_close((network.state_dict(), optimizer.state_dict()), before, rtol=0, atol=0)
    assert guard.skipped == 1
    step(torch.randn(4, 3))
    assert guard.skipped == 1 and not torch.equal(network[0].weight, before[0]["0.weight"])


def test_steps_that_are_left_out_are_counted_in_the_log(tmp_path, ytf_tiny, bad_steps):
    bad_steps.update({3, 12, 13})
    out = train(tmp_path, ytf_tiny / "crops")
    log = pd.read_csv(out.with_name("log.csv"))
    assert log["skipped"].tolist() == [1, 3, 3, 3]
    assert log["loss"].notna().all()


def test_many_such_steps_in_a_row_end_the_training_and_keep_its_state_and_the_batch(
    tmp_path, ytf_tiny, bad_steps, monkeypatch
):
    monkeypatch.setattr(run.Run, "_is_time_to_save", lambda self: True)
    bad_steps.update(range(15, 40))
    with pytest.raises(InputError, match=r"at step 30, the loss .* not finite in the last 15 steps \(.*learning_rate"):
        train(tmp_path, ytf_tiny / "crops")
    assert {"warmup.safetensors.partial", run.DIVERGED} <= set(os.listdir(tmp_path))
    assert "warmup.safetensors" not in os.listdir(tmp_path)
    batch, about = checkpoints.read(tmp_path / run.DIVERGED, run.BATCH)
    assert about["done"] == 30
    assert batch["data/images"].shape == (4, 3, 32, 32) and batch["data/points"].shape == (4, 68, 2)
    tensors, _ = checkpoints.read(tmp_path / "warmup.safetensors.partial", run.STATE)
    assert all(tensor.isfinite().all() for tensor in tensors.values())


def test_such_steps_here_and_there_end_the_training_when_they_are_many(tmp_path, ytf_tiny, bad_steps):
    bad_steps.update(range(0, 40, 2))
    with pytest.raises(InputError, match=r"not finite in 15 steps"):
        train(tmp_path, ytf_tiny / "crops")


@pytest.mark.parametrize("name", ["adamw", "sgd"])
def test_weights_that_exploded_in_the_last_steps_are_not_written(tmp_path, ytf_tiny, name):
    optimizer = {"name": name, "learning_rate": 1e4, "linear_steps": 0}
    with pytest.raises(InputError, match=r"at step 4, the (loss is|largest value of network/raw/).*learning_rate"):
        train(tmp_path, ytf_tiny / "crops", warmup_steps=4, optimizer=optimizer)
    assert sorted(os.listdir(tmp_path)) == [run.DIVERGED, "supervised.yaml"]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e25])
def test_a_checkpoint_with_such_weights_is_neither_written_nor_read(tmp_path, ytf_tiny, value):
    warmup, path = train(tmp_path, ytf_tiny / "crops", warmup_steps=0), tmp_path / "checkpoint.safetensors"
    settings = settings_of(tmp_path, warmup_steps=0, steps=2)
    train_method(settings, warmup, ytf_tiny / "crops", None, None, None, path, tmp_path / "l.csv", 0, None, CPU)
    detector = load_detector(path, CPU)
    tensors, about = load_file(path), checkpoints.read_about(path, DETECTOR)
    name = next(name for name, tensor in tensors.items() if tensor.is_floating_point())
    tensors[name].view(-1)[0] = value
    detector.network.load_state_dict(tensors)
    with pytest.raises(InputError, match=rf"new\.safetensors: not written, the largest value of {name}"):
        detector.save(tmp_path / "new.safetensors")
    assert not (tmp_path / "new.safetensors").exists()
    save_file(tensors, path, {DETECTOR: json.dumps(about)})
    with pytest.raises(InputError, match=rf"checkpoint\.safetensors: refused, the largest value of {name} is"):
        load_detector(path, CPU)

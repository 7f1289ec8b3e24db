"""A training step is queued on the device from its start to its end: nothing in it waits for what the device found.

A GPU says by itself where it is waited for. Everywhere else the device is "meta", whose tensors have no values: what
would need one raises, and copies that a GPU would be waited for are found in the calls to PyTorch.
"""

from contextlib import contextmanager, nullcontext

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from tsal import methods
from tsal.data import device as transfer
from tsal.data.crops import open_crops
from tsal.flow.pwc import FlowNetwork, save_network
from tsal.flow.storage import pairs
from tsal.methods import flow_adaptation, pseudo_labels
from tsal.settings.models import parse_settings
from tsal.training import train
from tsal.training.batches import TrainingData
from tsal.training.run import make_optimizer

STEPS = 100
TAKEN = (0, 37, 99)  # both stages of STLD, and such with and without a step of TSAL's teacher
LITERAL = {"sources": ["tracking", "offsets"], "teacher_source": "tracking", "observer": "student", "fusion": 0.5}
LITERAL |= {"loss": "mse", "tracker": "pwc", "adapt_flow": True}
RUNS = {
    "supervised": ("supervised", {}, {}),
    "self_training": ("self_training", {}, {}),
    "mean_teacher": ("mean_teacher", {}, {}),
    "sbr": ("sbr", {}, {}),
    "stld": ("stld", {}, {}),
    "tsal": ("tsal", {}, {}),
    "tsal of all signals": ("tsal", {"sources": ["detection", "view", "tracks", "turned", "tracking", "offsets"]}, {}),
    "tsal of the paper": ("tsal", LITERAL, {"clip_frames": 3, "neighbours": "previous"}),
}
DEVICES = [
    torch.device("meta"),
    pytest.param(
        torch.device("cuda"), marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here")
    ),
]


class Queued(TorchFunctionMode):
    """Raises where a GPU would be waited for, of calls that take values from the CPU to a device."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        out = func(*args, **kwargs)
        name = getattr(func, "__name__", "")
        from_cpu = bool(args) and isinstance(args[0], Tensor) and args[0].device.type == "cpu"
        if name == "to" and from_cpu and out.device.type != "cpu" and not kwargs.get("non_blocking"):
            raise AssertionError("copied while the device is waited for; expected tsal.data.device.to_device")
        if name in ("tensor", "as_tensor", "new_tensor") and out.device.type != "cpu":
            raise AssertionError("made from values on the CPU; expected tsal.data.device.constant")
        if name in ("__getitem__", "__setitem__") and not from_cpu:
            index = args[1] if isinstance(args[1], tuple) else (args[1],)
            for part in index:
                if isinstance(part, (np.ndarray, list)) or (isinstance(part, Tensor) and part.device.type == "cpu"):
                    raise AssertionError("indexed by what is on the CPU; expected it on the device")
        return out


@contextmanager
def never_waiting(device):
    if device.type == "meta":
        with Queued():
            yield
        return
    torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode("default")


@pytest.fixture(autouse=True)
def constants():
    """Those of the device "meta" are of no use to other tests."""
    yield
    transfer.constant.cache_clear()


def unfused(network, settings):
    """The fused optimisers of PyTorch know no device without values, and the others no flag to leave a step out."""
    optimizer = make_optimizer(network, settings.replace(name="sgd"))
    step = optimizer.step
    optimizer.step = lambda: (delattr(optimizer, "found_inf"), step())
    return optimizer


def new_run(crops, folder, device, algorithm, options, unlabelled):
    training = {"warmup_steps": 0, "steps": STEPS, "batch": 4, "precision": "float32"}
    method = methods.get(algorithm)
    values = {"benchmark": "ytf", "method": algorithm, "algorithm": algorithm, "labels": 0.5, "training": training}
    values |= {"detector": {"input_px": 32}, "unlabelled": {"clips": 2} | unlabelled, "options": options}
    settings = parse_settings(values, method.settings, "test")
    store = open_crops(crops, "train")
    flow = np.zeros((len(pairs(store)), 2, 2, store.size // 2, store.size // 2), np.float16)
    data = TrainingData(settings, store, flow, 0, device)
    run = train._new_run(settings, method.networks, device, "test")
    if method.prepare is not None:
        network = folder / "network.safetensors"
        save_network(FlowNetwork("float32"), network, {})
        method.prepare(run, data, network)
    run.log, run.finish_step = [{}], lambda *_, **__: None  # every so many steps it does wait, to log
    return run, data, method


def label_anew(run, data, first):
    """What a round of pseudo-labels begins with, which is no step: all frames that are not labelled."""
    rows = data.hidden_rows
    points = torch.full((len(rows), data.scheme.n_points, 2), 20.0)
    return pseudo_labels.PseudoLabels(rows, points, torch.zeros(len(rows)))


@pytest.mark.parametrize("device", DEVICES, ids=str)
@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.slow if " " in n else ()) for n in RUNS])
def test_no_step_waits_for_the_device(ytf_tiny, tmp_path, monkeypatch, name, device):
    if device.type == "meta":
        for module in (train, flow_adaptation):
            monkeypatch.setattr(module, "make_optimizer", unfused)
        monkeypatch.setattr(torch, "autocast", lambda *_, **__: nullcontext())  # which knows no such device either
    run, data, method = new_run(ytf_tiny / "crops", tmp_path, device, *RUNS[name])
    monkeypatch.setattr(pseudo_labels, "label_anew", label_anew)

    def steps(start, stop):
        yield TAKEN[0]  # the first of a process gets the libraries of a GPU going, for which they wait
        with never_waiting(device):
            yield from TAKEN[1:]

    run.steps = steps
    method.train(run, data, 0, STEPS)


@pytest.mark.parametrize(
    "waiting",
    [
        lambda tensor: tensor.sum().item(),
        lambda tensor: tensor[tensor > 0],
        lambda tensor: torch.ones(3).to(tensor.device),
        lambda tensor: torch.tensor([1.0], device=tensor.device),
        lambda tensor: tensor[np.array([0])],
        lambda tensor: tensor.cpu(),
    ],
)
@pytest.mark.parametrize("device", DEVICES, ids=str)
def test_waiting_for_the_device_is_found(waiting, device):
    tensor = torch.zeros(3, device=device)
    with pytest.raises((AssertionError, RuntimeError, NotImplementedError)), never_waiting(device):
        waiting(tensor)

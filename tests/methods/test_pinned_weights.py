"""The weights that a seed leads to are pinned, so that no change of the code's structure changes a result unseen."""

import hashlib
import platform
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file
from trainings import train_method, train_warm_up

from tsal import methods
from tsal.data.crops import open_crops
from tsal.flow.storage import write_flow

CPU = torch.device("cpu")
TRAINING = {"warmup_steps": 4, "steps": 8, "batch": 4, "evaluate_every": 4, "probe": 6, "precision": "float32"}
TRAINING["augmentation"] = {"colour": 0.4, "erase": 0.0}
OPTIONS = {
    "supervised": {},
    "self_training": {"pseudo_labels": 1.0},
    "mean_teacher": {"distance": "kl"},
    "sbr": {"distance": "l1", "weight": 0.2},
    "stld": {},
    "tsal": {
        "sources": ["detection", "view", "tracks"],
        "teacher_source": "detection",
        "observer": "teacher",
        "fusion": "confidence",
        "loss": "robust",
        "confidence_px": 6.0,
        "weight_faces": 100,
        "ramp_up": 0.1,
        "ramp_down": 1.0,
        "teacher_rate": 0.1,
        "teacher_every": 2,
        "ema_decay": 0.99,
    },
    # The loop as the paper has it.
    "tsal_literal": {
        "sources": ["tracking", "offsets"],
        "teacher_source": "tracking",
        "observer": "student",
        "fusion": 0.5,
        "loss": "mse",
        "ema_decay": 0.6,
        "weight_faces": None,
        "ramp_up": 0.4,
        "ramp_down": 0.73,
        "teacher_rate": 1.0,
        "teacher_every": 1,
    },
}


def processor() -> str:
    """Vendor, family and model, on Linux: libraries choose their kernels by these, and each rounds in its own way."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.machine()
    about = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in reversed(lines))}
    return "-".join(about.get(key, "") for key in ("vendor_id", "cpu family", "model"))


MACHINE = f"{processor()}, {torch.backends.cpu.get_cpu_capability()}, torch {torch.__version__.split('+')[0]}"
PINNED: dict[str, dict[str, str]] = {
    "AuthenticAMD-25-1, AVX2, torch 2.15.0": {
        "supervised": "7477242f643e3456",
        "self_training": "4bbe31b849b769c7",
        "mean_teacher": "2c3f2dd2a72b7194",
        "sbr": "08e5c0efff93a0e4",
        "stld": "c883cf3f81a50f4f",
        "tsal": "c87b87c799ee06ee",
        "tsal_literal": "3a68ac6310c3baf2",
    },
}


def digest(path) -> str:
    """Of names, types, shapes and values of all tensors of a file; what it says of itself besides is not weights."""
    parts = hashlib.sha256()
    for name, tensor in sorted(load_file(path).items()):
        parts.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        parts.update(tensor.contiguous().view(torch.uint8).numpy().tobytes() if tensor.ndim else repr(tensor).encode())
    return parts.hexdigest()[:16]


@pytest.fixture(scope="module")
def start(ytf_data, tmp_path_factory):
    """Folder with flow.json and warmup.safetensors."""
    folder = tmp_path_factory.mktemp("pinned")
    write_flow(open_crops(ytf_data / "crops", "train"), folder / "flow.json", "dis", 1)
    settings = methods.read_settings(write_settings(folder, "supervised"))
    out, log = folder / "warmup.safetensors", folder / "warmup.csv"
    train_warm_up(settings, ytf_data / "crops", out, log, 0, 1, CPU)
    return folder


def write_settings(folder, method):
    algorithm = method.removesuffix("_literal")
    literal = {"neighbours": "previous", "clip_frames": 3} if method == "tsal_literal" else {}
    about = {"benchmark": "ytf", "method": method, "algorithm": algorithm, "labels": 0.5}
    unlabelled = {"clips": 2} | literal
    values = about | {"detector": {"input_px": 48, "width": 32}, "training": TRAINING, "unlabelled": unlabelled}
    path = folder / f"{method}.yaml"
    path.write_text(yaml.safe_dump(values | {"options": OPTIONS[method]}))
    return path


@pytest.mark.parametrize("method", OPTIONS)
def test_the_weights_of_a_seed_are_the_pinned_ones(ytf_data, start, method):
    if MACHINE not in PINNED:
        pytest.skip(f"no weights are pinned for {MACHINE}")
    settings = methods.read_settings(write_settings(start, method))
    out, flow = start / f"{method}.safetensors", start / "flow.json" if settings.algorithm in ("tsal", "sbr") else None
    inputs = start / "warmup.safetensors", ytf_data / "crops", None, flow, None
    train_method(settings, *inputs, out, start / f"{method}.csv", 0, 1, CPU)
    assert digest(out) == PINNED[MACHINE][method]

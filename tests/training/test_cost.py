"""What trainings compute is known before they do: within a few per cent of what PyTorch then counts."""

import pytest
import torch
from configurations import DEFAULT
from trainings import train_method, train_warm_up

from tsal import config, methods
from tsal.data.crops import open_crops
from tsal.flow.storage import write_flow
from tsal.settings.models import parse_settings
from tsal.training import cost, flops

CPU = torch.device("cpu")
MOST_TFLOP = 45  # of the default `all` where there is no data
PAPER = {"sources": ["tracking", "offsets"], "teacher_source": "tracking", "observer": "student", "fusion": 0.5}


def settings_of(method, **own):
    values = {
        "benchmark": "ytf",
        "method": method,
        "algorithm": method,
        "labels": 0.5,
        "detector": {"input_px": 32, "width": 8},
        "training": {"warmup_steps": 6, "steps": 6, "batch": 4, "evaluate_every": 3, "probe": 0},
        "unlabelled": {"clips": 3},
        "options": own,
    }
    return parse_settings(values, methods.get(method).settings, method)


@pytest.fixture(scope="module")
def inputs(ytf_tiny, tmp_path_factory):
    """Crops, flow, the warm-up, what it computed, and the number of validation faces."""
    folder = tmp_path_factory.mktemp("cost")
    crops, flow, warmup = ytf_tiny / "crops", folder / "flow.json", folder / "warmup.safetensors"
    write_flow(open_crops(crops, "train"), flow, "dis", 1)
    with flops.FlopCounter() as counter:
        train_warm_up(settings_of("supervised"), crops, warmup, folder / "log.csv", 0, None, CPU)
    validation = open_crops(crops, "validation")
    return crops, flow, warmup, counter.flops, int(validation.visible.any(1).sum())


def test_a_warm_up_computes_what_was_told(inputs):
    *_, counted, faces = inputs
    assert cost.warm_up_flops(settings_of("supervised"), faces) == pytest.approx(counted, rel=0.03)


@pytest.mark.parametrize(
    ("method", "own"),
    [
        ("supervised", {}),
        ("tsal", {}),
        ("tsal", {"sources": ["detection"], "teacher_every": 1}),
        ("tsal", {"teacher_every": None}),
        ("tsal", PAPER),
        ("mean_teacher", {}),
        ("sbr", {}),
    ],
)
def test_a_training_computes_what_was_told(tmp_path, inputs, method, own):
    crops, flow, warmup, _, faces = inputs
    settings = settings_of(method, **own)
    with flops.FlopCounter() as counter:
        train_method(settings, warmup, crops, None, flow, None, tmp_path / "out", tmp_path / "log.csv", 0, None, CPU)
    assert cost.method_flops(methods.get(method), settings, faces) == pytest.approx(counter.flops, rel=0.03)


def test_the_default_run_without_data_computes_at_most_45_tflop():
    benchmark, validation = "synth", 1000
    total = 0.0
    warmups = {}
    for method in config.methods_to_run(DEFAULT, benchmark):
        for labels in config.labels_of(DEFAULT, benchmark):
            resolved = config.resolve_run(DEFAULT, benchmark, method, labels)
            implemented = methods.get(resolved["algorithm"])
            settings = parse_settings(resolved, implemented.settings, method)
            total += cost.method_flops(implemented, settings, validation) * len(DEFAULT["seeds"])
            warmups[config.warmup_name(DEFAULT, benchmark, method), labels] = settings
    total += sum(cost.warm_up_flops(settings, validation) for settings in warmups.values()) * len(DEFAULT["seeds"])
    assert 5 < total / 1e12 < MOST_TFLOP


def test_the_rate_of_this_machine_is_that_of_forward_and_backward_passes():
    settings = settings_of("supervised")
    rate = cost.training_rate(settings, CPU, seconds=0.05)
    assert 1e7 < rate < 1e13  # from a slow core at work on something else to a whole server

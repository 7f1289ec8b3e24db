"""The method that CONTRIBUTING.md has as an example, as a user's file outside of the package."""

from pathlib import Path

import pandas as pd
import pytest
import torch
import yaml
from plugins import example
from trainings import train_method, train_warm_up

from tsal import methods
from tsal.detectors.predict import load_detector
from tsal.errors import InputError

CPU = torch.device("cpu")
TRAINING = {"warmup_steps": 2, "steps": 4, "batch": 4, "evaluate_every": 2, "probe": 0, "precision": "float32"}


@pytest.fixture
def agreement(plugin_folder: Path) -> Path:
    """The file of the example, in a folder of plug-ins."""
    path = plugin_folder / "methods/agreement.py"
    path.parent.mkdir()
    path.write_text(example("METHOD"))
    return path


def write_settings(folder: Path, **options: object) -> Path:
    about = {"benchmark": "ytf", "method": "agreement", "algorithm": "agreement", "labels": 0.5}
    values = about | {"detector": {"input_px": 48}, "training": TRAINING, "unlabelled": {"clips": 2}}
    path = folder / "settings.yaml"
    path.write_text(yaml.safe_dump(values | {"options": options}))
    return path


def test_a_method_of_ones_own_is_found_by_the_name_of_its_file(agreement):
    assert {"agreement", "supervised", "tsal"} <= set(methods.names())
    assert methods.get("agreement").title == "Agreement"


def test_the_entry_of_the_example_has_keys_that_the_method_declares(agreement, tmp_path):
    entry = yaml.safe_load(example("methods"))["methods"]["agreement"]
    options = methods.read_settings(write_settings(tmp_path, **entry)).options
    assert (options.weight, options.ramp_up) == (0.2, 0.4)


def test_a_key_that_it_does_not_declare_is_named(agreement, tmp_path):
    with pytest.raises(InputError, match=r"settings\.yaml: options.*wieght"):
        methods.read_settings(write_settings(tmp_path, wieght=1.0))


def test_it_trains_to_a_detector_that_its_own_loss_has_changed(agreement, ytf_data, tmp_path):
    crops, warmup = ytf_data / "crops", tmp_path / "warmup.safetensors"
    shipped = []
    for weight in (0.0, 50.0):
        settings = methods.read_settings(write_settings(tmp_path, weight=weight, ramp_up=0.0))
        if not shipped:
            train_warm_up(settings, crops, warmup, tmp_path / "warmup.csv", 0, 1, CPU)
        out, log = tmp_path / f"{weight}.safetensors", tmp_path / "log.csv"
        train_method(settings, warmup, crops, None, None, None, out, log, 0, 1, CPU)
        shipped.append(load_detector(out, CPU).network.state_dict())
    last = pd.read_csv(log).iloc[-1]
    assert last["loss"] == pytest.approx(
        last["loss_supervised"] + 50.0 * last["loss_agreement"],
        rel=1e-5,  # the log has six digits
    )
    assert last["loss_agreement"] > 0
    assert any(not torch.equal(value, shipped[1][name]) for name, value in shipped[0].items())

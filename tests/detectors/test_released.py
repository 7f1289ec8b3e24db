"""The detector that comes with the project, and how it is written."""

import numpy as np
import pytest
import torch

from tsal.data.landmarks import SCHEMES
from tsal.detectors import checkpoints, released
from tsal.detectors.predict import DETECTOR, LandmarkDetector, create_network, load_detector
from tsal.errors import InputError
from tsal.files import sha256
from tsal.settings.models import DetectorSettings
from tsal.settings.released import released_about, released_checkpoint

CPU = torch.device("cpu")


def write(path, **settings):
    torch.manual_seed(0)
    chosen = DetectorSettings(weights="none", input_px=64, **settings)
    detector = LandmarkDetector(create_network(chosen, 68, "float32"), chosen, SCHEMES["68"])
    detector.save(path, benchmark="synth")
    return detector


def test_the_released_detector_is_here_and_small():
    path = released_checkpoint()
    assert path.stat().st_size <= released.MOST_BYTES
    detector = load_detector(path, CPU)
    assert detector.scheme is SCHEMES["68"]
    assert checkpoints.read_about(path, DETECTOR) == released_about()
    assert released_about()["benchmark"] == "synth"  # rendered faces alone


def test_half_precision_finds_the_same_landmarks(tmp_path):
    crops = np.random.default_rng(0).integers(0, 256, (4, 64, 64, 3), np.uint8)
    expected = write(tmp_path / "whole.safetensors", width=8).landmarks(crops, CPU)
    released.release(tmp_path / "whole.safetensors", tmp_path / "half.safetensors")
    found = load_detector(tmp_path / "half.safetensors", CPU)
    assert {tensor.dtype for tensor in found.network.parameters()} == {torch.float32}  # computed in single precision
    assert np.median(np.abs(found.landmarks(crops, CPU) - expected)) < 0.05
    sizes = [(tmp_path / f"{name}.safetensors").stat().st_size for name in ("half", "whole")]
    assert sizes[0] < 0.6 * sizes[1]


def test_it_says_what_it_was_made_of(tmp_path):
    write(tmp_path / "whole.safetensors", width=8)
    released.release(tmp_path / "whole.safetensors", tmp_path / "half.safetensors")
    about = checkpoints.read_about(tmp_path / "half.safetensors", DETECTOR)
    assert about == checkpoints.read_about(tmp_path / "whole.safetensors", DETECTOR) | {
        "of": sha256(tmp_path / "whole.safetensors")
    }


def test_one_that_is_too_large_is_refused(tmp_path):
    write(tmp_path / "whole.safetensors", width=40)
    with pytest.raises(InputError, match="expected 6,000,000 at most"):
        released.release(tmp_path / "whole.safetensors", tmp_path / "half.safetensors")
    assert not (tmp_path / "half.safetensors").exists()

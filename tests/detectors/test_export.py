"""ONNX files: what onnxruntime finds by them is what PyTorch finds, and what is said of them holds."""

import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import onnx
import onnxruntime
import pandas as pd
import pytest
import torch
from miniature import rendered_scene
from torch.utils._python_dispatch import _disable_current_modes

from tsal import __version__, cli
from tsal.data.cropping import crop_image
from tsal.data.faces import BOX_COLUMNS, bounds_of
from tsal.data.landmarks import SCHEMES
from tsal.detectors import export as module
from tsal.detectors.predict import LandmarkDetector, create_network, load_detector
from tsal.errors import InputError
from tsal.files import sha256
from tsal.settings.models import DetectorSettings

CPU = torch.device("cpu")
PAGE = Path(__file__).parents[2] / "docs/export.md"
DETECTORS = {
    "gaussian": DetectorSettings(width=8, input_px=48, decode="gaussian"),
    "expectation": DetectorSettings(width=8, input_px=48, decode="expectation"),
    "centroid": DetectorSettings(width=8, input_px=48, decode="centroid"),
    "vgg16_cpm": DetectorSettings(name="vgg16_cpm", input_px=64, decode="centroid", weights="none"),
}


@pytest.fixture(scope="module", autouse=True)
def uncounted():
    """What counts the operations of all tests takes operators apart, which is in the way of the exporter."""
    with _disable_current_modes():
        yield


def write_checkpoint(path: Path, settings: DetectorSettings, scheme: str = "68") -> Path:
    """Random weights, whose heatmaps differ from crop to crop as those of trained ones do."""
    torch.manual_seed(0)
    network = create_network(settings, SCHEMES[scheme].n_points, "float32")
    LandmarkDetector(network, settings, SCHEMES[scheme]).save(path)
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A checkpoint d.safetensors and its d.onnx."""
    folder = tmp_path_factory.mktemp("onnx")
    checkpoint = write_checkpoint(folder / "d.safetensors", DETECTORS["gaussian"], "19")
    assert cli.main(["export", str(checkpoint), "-o", str(folder / "d.onnx")]) == 0
    return folder


@pytest.fixture(scope="module")
def face() -> tuple[np.ndarray, np.ndarray]:
    """A picture of a rendered face, (300, 400, 3) RGB, and the bounds of its landmarks (4,)."""
    (image,), points = rendered_scene(0, 400, 300, 1)
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB), bounds_of(points)[0]


def crops_of(face: tuple[np.ndarray, np.ndarray], input_px: int) -> np.ndarray:
    """Crops (8, P, P, 3): noise, and windows on and beside the face."""
    image, box = face
    random = np.random.default_rng(0)
    noise = random.integers(0, 256, (2, input_px, input_px, 3), dtype=np.uint8)
    moved = box + random.uniform(-40, 40, (6, 4)) * (np.arange(6) > 0)[:, None]
    geometry = {"input_px": input_px, "expand": 0.2, "margin": 1.0}
    return np.concatenate([noise, [crop_image(image, one, **geometry)[0] for one in moved]])


def session_of(path: Path) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])


@pytest.mark.slow
@pytest.mark.parametrize("name", DETECTORS)
def test_a_file_finds_what_pytorch_finds_in_batches_of_any_size(tmp_path, face, name):
    checkpoint = write_checkpoint(tmp_path / "d.safetensors", DETECTORS[name])
    agreement = module.export(checkpoint, tmp_path / "d.onnx")
    assert agreement.landmarks == 8 * 68 and agreement.unsettled < 8 and agreement.px < module.TOLERANCE_PX
    detector, session = load_detector(checkpoint, CPU), session_of(tmp_path / "d.onnx")
    crops = crops_of(face, DETECTORS[name].input_px)
    expected = detector.landmarks_and_confidences(crops, CPU)
    network = detector.network.eval()
    settled = module._settled(network, module.CropsToLandmarks(network).heatmaps(torch.from_numpy(crops)))
    assert settled.mean() > 0.9
    for part in (slice(0, 1), slice(1, 8)):
        landmarks, confidence = session.run(["landmarks", "confidence"], {"images": crops[part]})
        distance = np.linalg.norm(landmarks - expected[0][part], axis=-1)
        assert distance[settled[part]].max() < module.TOLERANCE_PX
        np.testing.assert_allclose(confidence[settled[part]], expected[1][part][settled[part]], atol=1e-4)


@pytest.mark.slow
def test_a_file_says_what_it_is_and_nothing_of_where_it_was_made(folder):
    about = session_of(folder / "d.onnx").get_modelmeta().custom_metadata_map
    scheme = json.loads(about["scheme"])
    assert scheme["names"] == list(SCHEMES["19"].names) and scheme["n_points"] == 19
    assert [tuple(pair) for pair in scheme["mirror_pairs"]] == list(SCHEMES["19"].mirror_pairs)
    assert [tuple(chain) for chain in scheme["edges"]] == list(SCHEMES["19"].edges)
    assert (about["input_px"], about["expand"], about["decode"]) == ("48", "0.2", "gaussian")
    assert about["checkpoint_sha256"] == sha256(folder / "d.safetensors")
    assert about["tsal_version"] == __version__ and "pixel centres" in about["window"].lower()
    content = (folder / "d.onnx").read_bytes()
    assert str(PAGE.parents[1]).encode() not in content and b".py" not in content
    (images,) = session_of(folder / "d.onnx").get_inputs()
    assert (images.name, images.shape, images.type) == ("images", ["faces", 48, 48, 3], "tensor(uint8)")
    onnx.checker.check_model(folder / "d.onnx", full_check=True)


@pytest.mark.slow
@pytest.mark.parametrize("size", [(40, 30), (160, 120), (400, 300)], ids=str)
@pytest.mark.parametrize("shift", [0, 0.4])
def test_the_example_of_the_docs_finds_what_predict_finds(folder, tmp_path, monkeypatch, face, size, shift):
    """Faces that are made larger and smaller, and one that is partly beyond the picture's edge."""
    monkeypatch.chdir(tmp_path)
    (code,) = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    image, box = face
    factor = size[0] / 400
    picture = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    box = box * factor + shift * size[0]
    cv2.imwrite("face.png", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    pd.DataFrame([["face.png", *box]], columns=["image", *BOX_COLUMNS]).to_csv("faces.csv", index=False)
    command = [sys.executable, "-c", code, str(folder / "d.onnx"), "face.png", *map(repr, box.tolist())]
    process = subprocess.run(command, capture_output=True, text=True)
    assert process.returncode == 0, process.stderr
    found = np.array([line.split() for line in process.stdout.splitlines()], float)
    assert cli.main(["predict", str(folder / "d.safetensors"), "faces.csv", "-o", "predictions.csv"]) == 0
    expected = pd.read_csv("predictions.csv").drop(columns="face").to_numpy().reshape(-1, 2)
    np.testing.assert_allclose(found[:, :2], expected, atol=0.01)
    assert (found[:, 2] >= 0).all() and (found[:, 2] <= 1).all()


@pytest.mark.slow
def test_a_file_that_finds_something_else_is_refused(folder):
    other = create_network(DETECTORS["gaussian"], 19, "float32").eval()  # random weights, others than the file's
    with pytest.raises(InputError, match=r"d.onnx: not written: by onnxruntime .* from PyTorch"):
        module._compare(module.CropsToLandmarks(other), folder / "d.onnx", 48, Path("d.onnx"))


@pytest.mark.slow
def test_an_operator_that_onnx_has_not_is_one_line_and_leaves_no_file(tmp_path, capsys, monkeypatch):
    checkpoint = write_checkpoint(tmp_path / "d.safetensors", DETECTORS["expectation"])
    decode = module.Detector.decode
    monkeypatch.setattr(
        module.Detector, "decode", lambda *args: decode(*args) + torch.special.bessel_j0(args[1].centre).mean()
    )
    assert cli.main(["export", str(checkpoint), "-o", str(tmp_path / "d.onnx")]) == 2
    said = capsys.readouterr().err.strip()
    assert "d.onnx: this detector cannot be written as ONNX (" in said and "bessel_j0" in said
    assert len(said.splitlines()) == 1 and [path.name for path in tmp_path.iterdir()] == ["d.safetensors"]


def test_random_systems_are_solved_as_by_pytorch():
    factor = torch.randn(50, 4, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    a, b = factor @ factor.mT + 1e-3 * torch.eye(4), torch.ones(50, 4, dtype=torch.float64)
    torch.testing.assert_close(module._solve(a, b)[0], torch.linalg.solve(a, b))


@pytest.mark.parametrize(
    ("output", "said"),
    [
        ("d.pt", "found suffix '.pt', expected .onnx"),
        ("d", "found suffix 'none', expected .onnx"),
        ("d.onnx", "expected a tsal detector, version 1"),
        ("c.onnx", "found this file as output and as c.onnx"),
    ],
)
def test_a_mistake_is_one_line(tmp_path, capsys, monkeypatch, output, said):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "c.onnx").write_bytes(b"no checkpoint")
    assert cli.main(["export", "c.onnx", "-o", output]) == 2
    error = capsys.readouterr().err.strip()
    assert said in error and len(error.splitlines()) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["c.onnx"]


def test_a_missing_package_is_named_with_what_to_type(tmp_path, monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name.startswith("onnx") else find(name))
    with pytest.raises(InputError, match=r"need onnx, onnxscript, onnxruntime, .*: pip install 'tsal\[export\]'"):
        module.check_export(tmp_path / "d.onnx")

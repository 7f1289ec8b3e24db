"""Prediction: from a checkpoint and a user's table to landmarks in image pixels."""

import cv2
import numpy as np
import pandas as pd
import pytest
import torch

from tsal.crops import open_crops
from tsal.errors import InputError
from tsal.faces import read_faces
from tsal.landmarks import SCHEMES
from tsal.predict import (
    LandmarkDetector,
    create_network,
    load_detector,
    predict_faces,
    predict_store,
    write_predictions,
)
from tsal.settings import DetectorSettings

CPU = torch.device("cpu")
SETTINGS = DetectorSettings(input_px=48, decode="gaussian")


@pytest.fixture(scope="module")
def detector():
    torch.manual_seed(0)
    network = create_network(SETTINGS, SCHEMES["68"], "float32")
    return LandmarkDetector(network, SETTINGS, SCHEMES["68"])


def test_a_detector_comes_back_from_disk_as_it_was(detector, tmp_path):
    detector.save(tmp_path / "d.safetensors", method="tsal")
    loaded = load_detector(tmp_path / "d.safetensors", CPU)
    crops = np.random.default_rng(0).integers(0, 256, (3, 48, 48, 3), dtype=np.uint8)
    assert loaded.settings == SETTINGS and loaded.scheme.name == "68"
    assert np.array_equal(loaded.landmarks(crops, CPU), detector.landmarks(crops, CPU))


def test_packed_crops_and_images_give_the_same_landmarks(detector, ytf_data):
    """The two ways to the network's input differ only in one more resampling."""
    store = open_crops(ytf_data / "crops", "test")
    faces = read_faces(ytf_data / "faces.parquet")
    faces = faces[faces["split"] == "test"]
    from_images = predict_faces(detector, faces, CPU)
    assert from_images["face"].tolist() == store.face.tolist()
    points = from_images.drop(columns="face").to_numpy().reshape(-1, 68, 2)
    packed = predict_store(detector, store, np.arange(len(store)), CPU)
    width = (store.box[:, 2] - store.box[:, 0]).mean()
    assert np.median(np.linalg.norm(points - packed, axis=-1)) < 0.02 * width


def test_landmarks_lie_in_image_pixels(detector, tmp_path):
    """Moving a face within a larger image moves its landmarks by as much."""
    face = cv2.GaussianBlur(np.random.default_rng(1).integers(0, 256, (200, 200, 3), dtype=np.uint8), (0, 0), 5)
    canvas = np.full((400, 500, 3), 90, np.uint8)
    tables = []
    for name, (x, y) in {"a": (20, 30), "b": (230, 150)}.items():
        image = canvas.copy()
        image[y : y + 200, x : x + 200] = face
        cv2.imwrite(str(tmp_path / f"{name}.png"), image)
        box = {"box_x0": x + 60, "box_y0": y + 60, "box_x1": x + 140, "box_y1": y + 140}
        table = pd.DataFrame([{"image": str(tmp_path / f"{name}.png"), **box}])
        table.to_csv(tmp_path / f"{name}.csv", index=False)
        tables.append(predict_faces(detector, read_faces(tmp_path / f"{name}.csv", need_points=False), CPU))
    a, b = (t.drop(columns="face").to_numpy().reshape(68, 2) for t in tables)
    assert np.abs(b - a - np.array([210, 120])).max() < 0.01


def test_predictions_are_written_whole(detector, ytf_data, tmp_path):
    faces = read_faces(ytf_data / "faces.parquet").head(3)
    write_predictions(predict_faces(detector, faces, CPU), tmp_path / "p.csv")
    table = pd.read_csv(tmp_path / "p.csv")
    assert table.columns[:3].tolist() == ["face", "x0", "y0"] and table.shape == (3, 137)


def test_an_image_that_cannot_be_read_is_named(detector, tmp_path):
    (tmp_path / "broken.jpg").write_bytes(b"no picture")
    for image in ("broken.jpg", "missing.jpg"):
        row = {"image": str(tmp_path / image), "box_x0": 1, "box_y0": 1, "box_x1": 50, "box_y1": 50}
        pd.DataFrame([row]).to_csv(tmp_path / "t.csv", index=False)
        faces = read_faces(tmp_path / "t.csv", need_points=False)
        with pytest.raises(InputError, match=image):
            predict_faces(detector, faces, CPU)


def test_a_file_that_is_no_checkpoint_is_refused_in_words(tmp_path):
    from safetensors.torch import save_file

    with pytest.raises(InputError, match="no such file"):
        load_detector(tmp_path / "none.safetensors", CPU)
    (tmp_path / "text.safetensors").write_text("weights?")
    with pytest.raises(InputError, match=r"text\.safetensors.*expected a tsal detector"):
        load_detector(tmp_path / "text.safetensors", CPU)
    save_file({"a": torch.zeros(1)}, tmp_path / "other.safetensors")
    with pytest.raises(InputError, match=r"other\.safetensors: found a safetensors file of another kind"):
        load_detector(tmp_path / "other.safetensors", CPU)

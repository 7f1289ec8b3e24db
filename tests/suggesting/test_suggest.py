"""The folder that `tsal suggest` writes: frames, what was found on them, and where they come from."""

import json
from types import SimpleNamespace

import cv2
import numpy as np
import pandas as pd
import pytest
import torch

from tsal import cli
from tsal.data.landmarks import SCHEMES
from tsal.datasets.own.dataset import own_dataset
from tsal.detectors.predict import LandmarkDetector, create_network
from tsal.errors import InputError
from tsal.settings.models import DetectorSettings
from tsal.suggesting import suggest as module
from tsal.suggesting.suggest import suggest
from tsal.tracking import pool

CPU = torch.device("cpu")
SETTINGS = DetectorSettings(weights="none", width=8, input_px=32)


@pytest.fixture
def detector():
    torch.manual_seed(0)
    return LandmarkDetector(create_network(SETTINGS, 68, "float32"), SETTINGS, SCHEMES["68"])


@pytest.fixture
def photos(tmp_path, monkeypatch):
    """Eight pictures of noise, on each of which a face is found in the middle."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos/more").mkdir(parents=True)
    random = np.random.default_rng(0)
    for number in range(8):
        folder = "photos/more" if number > 5 else "photos"
        cv2.imwrite(f"{folder}/{number % 6}.png", random.integers(0, 256, (60, 80, 3), np.uint8))
    monkeypatch.setattr(module, "_LEAST_CONFIDENCE", 0.0)  # of a network that was not trained
    finder = SimpleNamespace(find_calibrated=lambda image: (np.array([[20.0, 10, 60, 50]]), np.array([0.9])))
    monkeypatch.setattr(module.face_detectors, "create", lambda: finder)
    return tmp_path


def own(**options):
    return own_dataset("mine", {"reader": "coco", "images": "photos", "landmarks": 68} | options)


def write_labels(path, names, points=68):
    keypoints = [value for k in range(points) for value in (25.0 + k % 30, 15.0 + k // 3, 2)]
    images = [{"id": i, "file_name": name, "width": 80, "height": 60} for i, name in enumerate(names)]
    faces = [{"id": i, "image_id": i, "category_id": 1, "keypoints": keypoints} for i in range(len(names))]
    category = {"id": 1, "name": "face", "keypoints": [str(k) for k in range(points)]}
    path.write_text(json.dumps({"images": images, "annotations": faces, "categories": [category]}))


def test_before_there_are_labels_all_pictures_may_be_chosen(photos, detector, capsys):
    found = suggest(own(labels="labels.json"), detector, 3, photos / "to_label", CPU)
    assert (found.frames, found.faces) == (3, 8)
    assert "labels.json: not there yet" in capsys.readouterr().err
    labels = json.loads((photos / "to_label/labels.json").read_text())
    assert [len(labels[key]) for key in ("images", "annotations")] == [3, 3]
    assert labels["categories"][0]["keypoints"] == [str(k) for k in range(68)]
    for image, face in zip(labels["images"], labels["annotations"], strict=True):
        written = cv2.imread(str(photos / "to_label/images" / image["file_name"]))
        assert written.shape[1::-1] == (image["width"], image["height"]) == (80, 60)
        assert len(face["keypoints"]) == 3 * 68 and np.isfinite(face["keypoints"]).all()
    listed = pd.read_csv(photos / "to_label/frames.csv")
    assert (listed["frame"] == -1).all() and listed["disagreement"].gt(0).all()
    for row in listed.itertuples():  # the picture as it is
        assert (photos / "to_label" / row.written).read_bytes() == (photos / row.image).read_bytes()


def test_pictures_of_one_name_in_two_folders_are_two(photos, detector):
    found = suggest(own(labels="labels.json"), detector, 8, photos / "to_label", CPU)
    names = [path.name for path in (photos / "to_label/images").iterdir()]
    assert found.frames == len(set(names)) == 8


def test_labelled_pictures_are_not_chosen_again(photos, detector):
    write_labels(photos / "labels.json", [f"{number}.png" for number in range(6)])
    found = suggest(own(labels="labels.json"), detector, 8, photos / "to_label", CPU)
    assert found.faces == 2
    assert set(pd.read_csv(photos / "to_label/frames.csv")["image"]) == {"photos/more/0.png", "photos/more/1.png"}


def test_what_was_chosen_is_read_back_by_the_same_section(photos, detector):
    suggest(own(labels="labels.json"), detector, 5, photos / "to_label", CPU)
    section = own(images="to_label/images", labels="to_label/labels.json", validation=0.0)
    section.index(None, photos / "images", photos / "faces.parquet")
    table = pd.read_parquet(photos / "faces.parquet")
    assert len(table) == 5 and table[[f"x{k}" for k in range(68)]].notna().all(axis=None)


def test_landmarks_that_the_detector_does_not_know_are_left_to_be_set(photos, detector):
    suggest(own(labels="labels.json", landmarks=5), detector, 2, photos / "to_label", CPU)
    labels = json.loads((photos / "to_label/labels.json").read_text())
    face = labels["annotations"][0]
    assert face["num_keypoints"] == 0 and face["keypoints"] == [0] * 15
    assert face["bbox"] == [20, 10, 40, 40]


def test_of_a_video_the_chosen_frames_are_written(photos, detector, monkeypatch):
    from tsal.tracking.follow import Face
    from tsal.tracking.formats import Frame

    images = np.random.default_rng(1).integers(0, 256, (6, 60, 80, 3), np.uint8)

    def followed(path, *rest):
        box = np.array([20.0, 10, 60, 50])
        for number, image in enumerate(images):
            yield image, Frame(path, number, number / 25, (80, 60), [Face(0, box, 0.9, np.zeros((68, 2)), np.ones(68))])

    def all_frames(path, threads=1):
        return len(images), ((number, number / 25, image) for number, image in enumerate(images))

    (photos / "clip.mp4").write_bytes(b"video")
    for place in (pool, module):
        monkeypatch.setattr(place, "is_video", lambda path: str(path).endswith(".mp4"))
    monkeypatch.setattr(pool, "followed", followed)
    monkeypatch.setattr(pool, "load_detector", lambda path, device: detector)
    monkeypatch.setattr(module, "all_frames", all_frames)
    boxes = np.tile([20.0, 10, 60, 50], (6, 1))

    def write_crops(faces, out, **geometry):
        stills = faces.assign(frame=-1, image=[f"photos/{number % 6}.png" for number in range(len(faces))])
        return real(stills.assign(clip=stills["face"]), out, **geometry)

    real = module.write_crops
    monkeypatch.setattr(module, "write_crops", write_crops)
    found = suggest(own(images="none", labels="labels.json", videos="clip.mp4"), detector, 2, photos / "out", CPU)
    assert (found.frames, found.faces) == (2, len(boxes))
    for row in pd.read_csv(photos / "out/frames.csv").itertuples():
        assert row.written == f"images/clip/frame_{row.frame:06d}.png"
        assert np.array_equal(cv2.imread(str(photos / "out" / row.written))[..., ::-1], images[row.frame])


def test_a_folder_that_is_there_is_left_as_it_is(photos, detector):
    (photos / "to_label").mkdir()
    with pytest.raises(InputError, match="to_label: is there already, expected a new folder"):
        suggest(own(labels="labels.json"), detector, 3, photos / "to_label", CPU)


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ("benchmarks: {synth: {}}", "benchmarks: found none with a reader"),
        ("benchmarks: {mine: {reader: cocoa, images: photos, labels: l.json, landmarks: 68}}", "mine.reader"),
        ("benchmarks: {mine: {reader: coco, labels: l.json, landmarks: 68}}", "mine.images: missing"),
    ],
)
def test_a_mistake_in_the_configuration_is_one_line(photos, capsys, config, said):
    (photos / "mine.yaml").write_text(config)
    assert cli.main(["suggest", "mine.yaml", "-o", "to_label"]) == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1 and "mine.yaml" in error
    assert not (photos / "to_label").exists()

"""Videos without labels become unlabelled faces of one's own data, with boxes as its labels have them."""

import json
import re
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from archives_300vw import video_bytes

from tsal import face_detectors
from tsal.data.faces import bounds_of, boxes_of, labelled_of, read_faces
from tsal.data.landmarks import SCHEMES
from tsal.datasets.own.dataset import own_dataset
from tsal.detectors.predict import LandmarkDetector, create_network
from tsal.errors import InputError
from tsal.face_detectors import Calibration, Finder
from tsal.settings.models import DetectorSettings
from tsal.tracking import pool

CPU = torch.device("cpu")
SIDE = 40  # px of a square, which is a face to the detectors here
GRID = np.stack(np.meshgrid(np.linspace(0, 1, 17), np.linspace(0, 1, 4)), axis=-1).reshape(-1, 2)  # 68 points
INNER = np.array([[0.3, 0.4], [0.7, 0.4], [0.5, 0.8]])  # what is labelled of it


def picture(x: int | None, y: int = 30, brightness: int = 250) -> np.ndarray:
    """A square with a pattern in it, or none, on grey."""
    image = np.full((100, 160, 3), 60, np.uint8)
    if x is not None:
        image[y : y + SIDE, x : x + SIDE] = brightness
        cv2.line(image, (x, y), (x + SIDE // 2, y + SIDE // 2), (170, 200, 190), 5)
    return image


def squares(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The face detector: the bounds of what is bright."""
    ys, xs = np.nonzero(image[..., 0] > 150)
    boxes = np.array([[xs.min(), ys.min(), xs.max(), ys.max()]], float) if len(xs) else np.zeros((0, 4))
    return boxes, np.ones(len(boxes))


def grid_on(image: np.ndarray, boxes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The landmark detector: a grid over the square, wherever the window is; sure of itself where there is one."""
    found, _ = squares(image)
    box = found[0] if len(found) else boxes[0]
    points = box[:2] + GRID * (box[2:] - box[:2])
    return np.stack([points] * len(boxes)), np.full((len(boxes), 68), 0.9 if len(found) else 0.1)


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch) -> Path:
    """The current folder, with labelled pictures, and detectors that know where squares are."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(face_detectors, "create", lambda: Finder("squares", Calibration(), squares))
    monkeypatch.setattr(pool, "locator", lambda detector, device: grid_on)
    settings = DetectorSettings(input_px=32)
    LandmarkDetector(create_network(settings, 68, "float32"), settings, SCHEMES["68"]).save(Path("a.safetensors"))
    write_labels({f"p{k}.png": picture(10 + 2 * k) for k in range(10)})
    return tmp_path


def points_at(x: int) -> np.ndarray:
    return INNER * SIDE + [x, 30]


def write_labels(pictures: dict[str, np.ndarray], of_video: dict[int, int] | None = None) -> None:
    """photos/ and labels.json; of a video clip.avi the squares' places by frame."""
    images, annotations = [], []
    Path("photos").mkdir(exist_ok=True)
    places = {name: 10 + 2 * k for k, name in enumerate(pictures)}
    for name, image in pictures.items():
        cv2.imwrite(f"photos/{name}", image)
    places |= {f"clip/frame_{frame:06d}.png": x for frame, x in (of_video or {}).items()}
    for k, (name, x) in enumerate(places.items()):
        images.append({"id": k, "file_name": name})
        keypoints = [value for px, py in points_at(x).tolist() for value in (px, py, 2)]
        annotations.append({"id": k, "image_id": k, "category_id": 1, "keypoints": keypoints})
    categories = [{"id": 1, "name": "face", "keypoints": ["a", "b", "c"]}]
    Path("labels.json").write_text(json.dumps({"images": images, "annotations": annotations, "categories": categories}))


def write_video(path: str, places: list[int | None]) -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_bytes(video_bytes([picture(x)[..., ::-1] for x in places], "MJPG"))


def indexed(**keys: object):
    options = {
        "reader": "coco",
        "images": "photos",
        "labels": "labels.json",
        "landmarks": 3,
        "checkpoint": "a.safetensors",
    }
    dataset = own_dataset("mine", {**options, **keys})
    dataset.index(None, "images", "faces.parquet", add=lambda table: pool.add_videos(table, dataset, CPU))
    return read_faces("faces.parquet")


def test_faces_of_videos_are_training_faces_without_points_in_clips(capfd):
    write_video("clips/v.avi", [20, 22, 24, None, None, 30, 32])
    write_video("clips/w.avi", [50, 50])
    faces = indexed(videos="clips/*.avi")
    rows = faces[faces["video"].str.startswith("clips/")]
    assert rows["frame"].tolist() == [0, 1, 2, 5, 6, 0, 1]
    assert set(rows["split"]) == {"train"} and not labelled_of(rows).any()
    assert rows["person"].tolist() == ["clips/v.avi"] * 5 + ["clips/w.avi"] * 2
    assert rows["image"].tolist() == rows["video"].tolist()
    assert set(rows["clip"]) == {"clips/v.avi#0", "clips/w.avi#0"}
    said = capfd.readouterr().err
    assert "boxes of videos: brought to those of the labels by 7 of 7 labelled faces: moved by" in said
    assert re.search(r"clips/v\.avi: 7 frames, 5 faces of 1, \d+ s\n", said)


def test_their_boxes_are_as_those_of_the_labels():
    write_video("clips/v.avi", [20, 40, 60])
    faces = indexed(videos=["clips/v.avi"])
    boxes = boxes_of(faces[faces["video"] == "clips/v.avi"])
    np.testing.assert_allclose(boxes, [bounds_of(points_at(x)) for x in (20, 40, 60)], atol=1.5)
    own = boxes_of(indexed(videos=["clips/v.avi"], landmarks=3, first_pixel=0.5)[-3:])
    np.testing.assert_allclose(own, boxes - 0.5, atol=0.2)


def test_a_labelled_frame_of_a_video_is_part_of_its_clip_and_no_unlabelled_face():
    pictures = {f"p{k}.png": picture(10 + 2 * k) for k in range(10)}
    write_video("photos/clip.avi", [20, 22, 24, 26])
    write_labels(pictures, {1: 22})
    faces = indexed(videos="photos/*.avi", person={"pattern": "(.*)[.]"}, test=0.1, validation=0.1)
    split = faces.loc[faces["face"] == "clip.avi:1", "split"].item()
    of_video = faces[faces["video"] == "clip.avi"].sort_values("frame")
    if split != "train":
        assert of_video["frame"].tolist() == [1]
        return
    assert of_video["frame"].tolist() == [0, 1, 2, 3]
    assert of_video["clip"].tolist() == ["photos/clip.avi#0"] * 4
    assert labelled_of(of_video).tolist() == [False, True, False, False]


@pytest.mark.parametrize("split", ["test", "validation"])
def test_a_video_of_somebody_who_tests_is_left_out(capfd, split):
    shares = {"test": 0.0, "validation": 0.0, split: 0.5}
    faces = indexed(person={"pattern": "(p[0-9]*)[.]"}, **shares)
    people = faces.loc[faces["split"] == split, "person"]
    write_video(f"photos/clips/{people.iloc[0]}.avi", [20, 22])
    faces = indexed(videos="photos/clips/*.avi", person={"pattern": "(p[0-9]*)[.]"}, **shares)
    assert not faces["image"].str.endswith(".avi").any()
    assert f"left out, since its person, {people.iloc[0]}, is in {split}" in capfd.readouterr().err


def test_labelled_pictures_on_which_no_face_is_found_are_an_error_and_nothing_is_left():
    write_labels({f"p{k}.png": picture(None) for k in range(10)})
    write_video("clips/v.avi", [20])
    with pytest.raises(InputError, match=r"labels\.json: the face detector found 0 of 7 labelled faces, expected 3"):
        indexed(videos="clips/*.avi")
    assert not Path("faces.parquet").exists() and not Path("images").exists()


def test_a_picture_among_the_videos_is_refused():
    with pytest.raises(InputError, match=r"photos/p0\.png: found a picture, expected a video, in `videos`"):
        indexed(videos="photos/p0.png")


def test_a_detector_is_needed():
    write_video("clips/v.avi", [20])
    with pytest.raises(InputError, match="checkpoint"):
        indexed(videos="clips/*.avi", checkpoint="b.safetensors")

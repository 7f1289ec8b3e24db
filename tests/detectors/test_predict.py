"""Prediction: from a checkpoint and a user's table to landmarks in image pixels."""

import dataclasses

import cv2
import numpy as np
import pandas as pd
import pytest
import torch
from archives_300vw import drawn_scene, video_bytes

from tsal.data import cropping
from tsal.data.cropping import read_face_image
from tsal.data.crops import open_crops, write_crops
from tsal.data.faces import BOX_COLUMNS, make_faces, read_faces
from tsal.data.landmarks import SCHEMES
from tsal.detectors import checkpoints
from tsal.detectors.predict import (
    DETECTOR,
    LandmarkDetector,
    create_network,
    load_detector,
    predict_crops,
    predict_faces,
    predict_store,
    write_predictions,
)
from tsal.errors import InputError
from tsal.settings.models import DetectorSettings

CPU = torch.device("cpu")
SETTINGS = DetectorSettings(width=32, input_px=48, decode="gaussian")


@pytest.fixture(scope="module")
def detector():
    torch.manual_seed(0)
    network = create_network(SETTINGS, 68, "float32")
    return LandmarkDetector(network, SETTINGS, SCHEMES["68"])


def test_what_was_trained_in_tf32_predicts_in_float32_on_a_cpu_and_that_is_said(detector, tmp_path, caplog):
    path = tmp_path / "d.safetensors"
    detector.network.precision = "tf32"
    detector.save(path)
    detector.network.precision = "float32"
    crops = np.random.default_rng(0).integers(0, 256, (1, 48, 48, 3), np.uint8)
    with caplog.at_level("INFO"):
        loaded = load_detector(path, CPU)
    assert f"{path}: trained in tf32, which device cpu does not have; it predicts in float32" in caplog.text
    assert np.array_equal(loaded.landmarks(crops, CPU), detector.landmarks(crops, CPU))


def test_a_detector_comes_back_from_disk_as_it_was(detector, tmp_path):
    detector.save(tmp_path / "d.safetensors", method="tsal")
    loaded = load_detector(tmp_path / "d.safetensors", CPU)
    crops = np.random.default_rng(0).integers(0, 256, (3, 48, 48, 3), dtype=np.uint8)
    assert loaded.settings == SETTINGS and loaded.scheme.name == "68"
    assert np.array_equal(loaded.landmarks(crops, CPU), detector.landmarks(crops, CPU))


def as_mirrored(points, px, shift=0.0):
    """Where landmarks (N, K, 2) are in the mirror image of crops whose labels lie `shift` px to the right."""
    mirrored = points[:, SCHEMES["68"].flip].copy()
    mirrored[..., 0] = px - 1 - mirrored[..., 0] + 2 * shift
    return mirrored


@pytest.mark.parametrize("shift", [0.0, 0.02])
def test_a_flip_test_is_the_mean_over_a_face_and_its_mirror_image(detector, shift):
    crops = np.random.default_rng(0).integers(0, 256, (3, 48, 48, 3), np.uint8)
    both = dataclasses.replace(detector, mirror_shift=shift).with_flip_test()
    mirrored = as_mirrored(detector.landmarks(crops[:, :, ::-1], CPU), 48, shift * 48)
    plain = detector.landmarks(crops, CPU)
    assert np.abs(plain - mirrored).max() > 1  # an untrained network knows no mirror
    assert both.landmarks(crops, CPU) == pytest.approx((plain + mirrored) / 2, abs=1e-3)


def test_a_flip_test_gives_mirrored_faces_mirrored_landmarks_with_the_same_confidence(detector):
    crops = np.random.default_rng(1).integers(0, 256, (2, 48, 48, 3), np.uint8)
    both = detector.with_flip_test()
    points, confidences = both.landmarks_and_confidences(crops, CPU)
    mirrored, theirs = both.landmarks_and_confidences(crops[:, :, ::-1], CPU)
    assert mirrored == pytest.approx(as_mirrored(points, 48), abs=1e-3)
    assert theirs == pytest.approx(confidences[:, SCHEMES["68"].flip], abs=1e-4)
    assert np.array_equal(both.landmarks(crops, CPU), points)


def test_a_detector_that_saw_no_mirrored_face_takes_no_flip_test(detector):
    unmirrored = dataclasses.replace(SCHEMES["68"], mirror_pairs=None)
    for one in (
        dataclasses.replace(detector, mirror_shift=None),
        dataclasses.replace(detector, scheme=unmirrored),
    ):
        with pytest.raises(InputError, match="whose training mirrored no face"):
            one.with_flip_test()


@pytest.mark.parametrize("shift", [0.004, None])
def test_a_checkpoint_says_how_its_landmarks_mirror(detector, tmp_path, shift):
    path = tmp_path / "d.safetensors"
    dataclasses.replace(detector, mirror_shift=shift).save(path)
    assert load_detector(path, CPU).mirror_shift == shift


def test_a_checkpoint_from_before_mirrors_with_no_shift_and_a_wrong_one_is_refused(detector, tmp_path):
    path, about = tmp_path / "d.safetensors", {"detector": SETTINGS.model_dump(), "scheme": "68"}
    about["precision"] = "float32"
    checkpoints.save(path, DETECTOR, detector.network.state_dict(), about)
    assert load_detector(path, CPU).mirror_shift == 0
    checkpoints.save(path, DETECTOR, detector.network.state_dict(), {**about, "mirror_shift": 3})
    with pytest.raises(InputError, match=r"d\.safetensors: its metadata: .*mirror_shift: found 3"):
        load_detector(path, CPU)


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


@pytest.fixture
def videos(tmp_path):
    """A minimal table as users write it: frames of two videos and an image, mixed; one frame has two faces."""
    for seed, (name, codec, suffix) in enumerate([("a", "MJPG", ".avi"), ("b", "mp4v", ".mp4")]):
        images, _ = drawn_scene(seed, 96, 80, 90)
        (tmp_path / f"{name}{suffix}").write_bytes(video_bytes(images, codec, suffix))
    cv2.imwrite(str(tmp_path / "c.png"), images[0])
    rows = [(name, frame) for frame in range(89, -1, -1) for name in ("a.avi", "b.mp4")]
    rows[50:50] = [("c.png", None), ("a.avi", 30)]
    table = pd.DataFrame(rows, columns=["image", "frame"])
    table["image"] = [str(tmp_path / name) for name in table["image"]]
    for name, value in {"box_x0": 20, "box_y0": 20, "box_x1": 64, "box_y1": 60}.items():
        table[name] = value
    table.loc[51, "box_x0"] = 30
    table.to_csv(tmp_path / "faces.csv", index=False)
    return tmp_path / "faces.csv"


def test_a_table_of_frames_is_predicted_in_its_order(detector, videos, tmp_path):
    """Each row's landmarks are those of its frame, saved as an image."""
    faces = read_faces(videos, need_points=False)
    found = predict_faces(detector, faces, CPU)
    assert found["face"].tolist() == faces["face"].tolist() and len(found) == 182
    stills = faces.assign(frame=-1)
    for row in range(len(faces)):
        stills.loc[row, "image"] = str(tmp_path / f"{row}.png")
        cv2.imwrite(stills["image"][row], read_face_image(faces, row)[..., ::-1])
    expected = predict_faces(detector, stills, CPU)
    np.testing.assert_allclose(found.iloc[:, 1:], expected.iloc[:, 1:], atol=1e-3)


def test_each_video_is_decoded_once_from_its_start_on(detector, videos, monkeypatch):
    decoded = []
    real = cropping.read_frames
    monkeypatch.setattr(
        cropping, "read_frames", lambda path, *rest: decoded.append((path, rest[0])) or real(path, *rest)
    )
    predict_faces(detector, read_faces(videos, need_points=False), CPU)
    assert [path.rsplit("/", 1)[1] for path, _ in decoded] == ["a.avi", "b.mp4"]
    assert all(numbers == list(range(90)) for _, numbers in decoded)


def test_crops_are_held_for_a_few_batches_only(detector, tmp_path, monkeypatch):
    """However long the video: it is decoded while its first frames are predicted."""
    ahead, cut, seen = [], [], []

    def endless(path, frames, boxes, threads, **geometry):
        for _ in frames:
            cut.append(path)
            yield np.zeros((48, 48, 3), np.uint8), np.eye(2, 3)

    def landmarks(self, images, device):
        ahead.append(len(cut) - len(seen))
        seen.extend(images)
        return np.zeros((len(images), 68, 2))

    monkeypatch.setattr("tsal.detectors.predict.cut_faces", endless)
    monkeypatch.setattr(LandmarkDetector, "landmarks", landmarks)
    faces = make_faces(["v.avi"] * 2000, np.tile([0, 0, 9, 9], (2000, 1)), frame=range(2000), clip=["v"] * 2000)
    predict_faces(detector, faces, CPU)
    assert len(seen) == 2000 and max(ahead) <= 2 * 64


@pytest.mark.parametrize("rows", [150, 0])
def test_a_store_is_predicted_as_its_faces_are(detector, tmp_path, rows):
    """The network's input is the central window of a stored crop; a margin changes it by the warp's rounding only."""
    images, _ = drawn_scene(3, 96, 80, 150)
    (tmp_path / "v.avi").write_bytes(video_bytes(images, "MJPG"))
    paths, boxes = [str(tmp_path / "v.avi")] * 150, np.tile([20, 20, 64, 60], (150, 1))
    faces = make_faces(paths, boxes, np.full((150, 68, 2), 30.0), frame=range(150), clip=["v"] * 150)[:rows]
    for margin, tolerance in ((4 / 3, 0.05), (1.0, 1e-3)):
        write_crops(faces, tmp_path / "test.json", input_px=48, expand=0.2, margin=margin)
        found = pd.concat(predict_crops(detector, open_crops(tmp_path, "test"), CPU))
        expected = predict_faces(detector, faces, CPU)
        assert found.columns.tolist() == expected.columns.tolist()
        assert found["face"].tolist() == expected["face"].tolist()
        np.testing.assert_allclose(found.iloc[:, 1:], expected.iloc[:, 1:], atol=tolerance)


@pytest.mark.parametrize(
    ("geometry", "message"),
    [
        ({"input_px": 64, "expand": 0.2}, "made for 64 px, the detector expects 48 px"),
        ({"input_px": 48, "expand": 0.1}, r"made for boxes expanded by 0\.1, the detector expects 0\.2"),
    ],
)
def test_crops_that_are_not_for_the_detector_are_refused(detector, ytf_data, tmp_path, geometry, message):
    write_crops(read_faces(ytf_data / "faces.parquet").head(5), tmp_path / "test.json", margin=1.0, **geometry)
    with pytest.raises(InputError, match=message):
        predict_crops(detector, open_crops(tmp_path, "test"), CPU)


def test_a_frame_that_a_video_has_not_is_named(detector, videos):
    faces = read_faces(videos, need_points=False)
    faces.loc[0, "frame"] = 200
    with pytest.raises(InputError, match=r"a\.avi: 90 frames of this video can be decoded, expected frame 200"):
        predict_faces(detector, faces, CPU)
    with pytest.raises(InputError, match=r"a\.avi: face .* has no number in column 'frame'"):
        predict_faces(detector, faces.assign(frame=-1), CPU)


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


def test_a_frame_without_a_face_is_a_row_without_landmarks(detector, videos):
    faces = read_faces(videos, need_points=False).head(4)
    whole = predict_faces(detector, faces, CPU)
    faces.loc[1, list(BOX_COLUMNS)] = np.nan
    found = predict_faces(detector, faces, CPU)
    assert found["face"].tolist() == whole["face"].tolist() and found.iloc[1, 1:].isna().all()
    np.testing.assert_array_equal(found.drop(index=1).iloc[:, 1:], whole.drop(index=1).iloc[:, 1:])


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_of_no_face_there_is_a_header(detector, tmp_path, suffix):
    table, path = pd.DataFrame(columns=["image", *BOX_COLUMNS]), tmp_path / f"t{suffix}"
    table.to_csv(path, index=False) if suffix == ".csv" else table.to_parquet(path)
    write_predictions([predict_faces(detector, read_faces(path, need_points=False), CPU)], tmp_path / "p.csv")
    written = pd.read_csv(tmp_path / "p.csv")
    assert written.columns[:3].tolist() == ["face", "x0", "y0"] and written.empty


def test_predictions_are_written_whole(detector, ytf_data, tmp_path):
    faces = read_faces(ytf_data / "faces.parquet").head(3)
    write_predictions([predict_faces(detector, faces, CPU)], tmp_path / "p.csv")
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

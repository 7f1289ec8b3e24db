"""The way to lightning-pose and back: what is exported, how its clips are read, what becomes of its landmarks."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import cv2
import numpy as np
import pandas as pd
import pytest
from planning import new_folder, snakemake

from tsal.data.crops import CropStore, open_crops, write_crops
from tsal.data.faces import point_columns, read_faces
from tsal.data.labels import labelled_faces
from tsal.errors import InputError

ROOT = Path(__file__).parents[2]
PEER = ROOT / "peers/lightning_pose"
GEOMETRY = {"input_px": 48, "expand": 0.2}
TARGET = "results/peers/ytf/lightning_pose/0.05/seed0/scores.csv"


def script(name: str) -> ModuleType:
    """A script of the peer as a module."""
    spec = importlib.util.spec_from_file_location(name, PEER / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


exchange = script("exchange")


@pytest.fixture(scope="module")
def train_store(ytf_data: Path) -> CropStore:
    return open_crops(ytf_data / "crops", "train")


@pytest.fixture(scope="module")
def exported(train_store: CropStore, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three labelled faces and all clips of the small ytf archive."""
    folder = tmp_path_factory.mktemp("peer") / "export"
    exchange.export(train_store, "n3", 7, folder)
    return folder


@pytest.fixture(scope="module")
def test_crops(ytf_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with test crops as the workflow stores them: without a margin."""
    faces, folder = read_faces(ytf_data / "faces.parquet"), tmp_path_factory.mktemp("crops")
    write_crops(faces[faces["split"] == "test"], folder / "test.npy", **GEOMETRY, margin=1.0)
    return folder


def decode(video: Path) -> list[np.ndarray]:
    """All frames of a video, BGR, read from its start on."""
    capture, frames = cv2.VideoCapture(str(video)), []
    while (frame := capture.read()[1]) is not None:
        frames.append(frame)
    return frames


# --- export ---


def test_the_labelled_faces_are_those_of_the_label_budget_and_seed(exported, train_store):
    labels = pd.read_csv(exported / "CollectedData.csv", header=[0, 1, 2], index_col=0)
    annotated = train_store.face[train_store.visible.any(1)].tolist()
    chosen = [train_store.face[int(Path(file).stem)] for file in labels.index]
    assert sorted(chosen) == sorted(labelled_faces(annotated, "n3", 7))
    assert json.loads((exported / "about.json").read_text()) == {"crop_px": 48, "landmarks": 68, "labelled": 3}


def test_labels_and_images_are_those_of_crops_made_without_a_margin(exported, train_store, ytf_data, tmp_path):
    """A second way to the same window: cut out of the image at once, with px counted from the first pixel's centre."""
    faces = read_faces(ytf_data / "faces.parquet").set_index("face", drop=False)
    labels = pd.read_csv(exported / "CollectedData.csv", header=[0, 1, 2], index_col=0)
    rows = [int(Path(file).stem) for file in labels.index]
    write_crops(faces.loc[train_store.face[rows]], tmp_path / "direct.npy", **GEOMETRY, margin=1.0)
    direct = open_crops(tmp_path, "direct")
    np.testing.assert_allclose(labels.to_numpy().reshape(3, 68, 2) - 0.5, direct.points, atol=1e-3)
    images = np.stack([cv2.imread(str(exported / file))[..., ::-1] for file in labels.index])
    assert np.abs(images.astype(float) - direct.images).mean() < 1


def test_every_clip_is_a_video_of_its_frames_in_order(exported, train_store):
    videos = sorted((exported / "videos").glob("*.mp4"))
    clips = pd.Series(np.arange(len(train_store))).groupby(train_store.clip).agg(list)
    assert len(videos) == (clips.str.len() > 1).sum() > 1
    for video in videos:
        first = int(video.stem)
        expected = [row for row in clips[train_store.clip[first]] if row >= first]
        expected.sort(key=lambda row: train_store.frame[row])
        frames = decode(video)
        assert len(frames) == len(expected)
        for frame, row in zip(frames, expected, strict=True):
            assert cv2.PSNR(frame, exchange.window(train_store, row)) > 25


@pytest.mark.parametrize("labels, expected", [("0", "no face in the label budget 0"), ("5 %", "label budget '5 %'")])
def test_a_budget_without_faces_is_refused_before_anything_is_written(train_store, tmp_path, labels, expected):
    with pytest.raises(InputError, match=expected):
        exchange.export(train_store, labels, 0, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_folder_that_exists_is_left_alone(train_store, tmp_path):
    (tmp_path / "precious").touch()
    with pytest.raises(InputError, match="exists already"):
        exchange.export(train_store, "n3", 0, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["precious"]


def test_still_images_alone_are_refused(ytf_data, tmp_path):
    faces = read_faces(ytf_data / "faces.parquet").query("split == 'train'").drop_duplicates("clip")
    write_crops(faces, tmp_path / "train.npy", **GEOMETRY, margin=1.0)
    with pytest.raises(InputError, match="no clip of two consecutive frames"):
        exchange.export(open_crops(tmp_path, "train"), "1", 0, tmp_path / "out")


# --- clips ---


@pytest.fixture(scope="module")
def numbered(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two videos, of 28 and 3 frames; frame i of the first is as bright as 16 + 8 i, the second is bright."""
    folder = tmp_path_factory.mktemp("videos")
    for name, levels in {"a": range(16, 240, 8), "b": (250, 250, 250)}.items():
        exchange.write_video(folder / f"{name}.mp4", [np.full((48, 48, 3), level, np.uint8) for level in levels])
    return [folder / "a.mp4", folder / "b.mp4"]


def test_frames_are_found_exactly_wherever_a_clip_begins(numbered):
    clips = script("clips")
    for start in (0, 1, 11, 12, 13, 24, 25):
        levels = clips.read_frames(numbered[0], start, 3).mean((1, 2, 3))
        half_a_step = 4  # what MPEG-4 changes is less
        np.testing.assert_allclose(levels, 16 + 8 * np.arange(start, start + 3), atol=half_a_step - 0.1)


def test_a_batch_is_clips_of_consecutive_frames_and_epochs_differ(numbered):
    clips = script("clips")
    reader = clips.ClipReader(numbered, clips=4, length=3, side=64, batches=2, seed=0)
    batches = [*reader, *reader]
    assert len(reader) == 2 and len(batches) == 4
    assert all(batch["frames"].shape == (12, 3, 64, 64) for batch in batches)
    assert all((batch["bbox"].numpy() == [0, 0, 48, 48]).all() for batch in batches)
    same_in_a_clip = batches[0]["transforms"].reshape(4, 3, 2, 3)
    assert (same_in_a_clip == same_in_a_clip[:, :1]).all()
    assert len({batch["frames"].sum().item() for batch in batches}) == 4


def test_the_matrix_of_a_clip_says_where_its_pixels_went():
    """A blurred dot, whose place in the input without augmentation is known, is where the matrix takes it."""
    clips = script("clips")
    dot, side = np.zeros((48, 48, 3), np.uint8), 128
    dot[30, 17] = 255
    frame = cv2.GaussianBlur(dot, None, 2.0) * 10
    matrix = clips.ClipReader.__new__(clips.ClipReader)
    matrix._random, matrix._side = np.random.default_rng(3), side
    matrix = matrix._matrix()
    seen = clips.warp(frame[None], matrix, side)[0, ..., 0].astype(float)
    centroid = np.array([(seen.sum(axis) * (np.arange(side) + 0.5)).sum() for axis in (0, 1)]) / seen.sum()
    place = np.array([17.5, 30.5]) * side / 48
    np.testing.assert_allclose(centroid, matrix[:, :2] @ place + matrix[:, 2], atol=0.1)


# --- import ---


def test_landmarks_come_back_in_pixels_of_the_images(test_crops, ytf_data, tmp_path):
    store = open_crops(test_crops, "test")
    np.save(tmp_path / "points.npy", np.nan_to_num(store.points.astype(float)) + 0.5)
    command = [sys.executable, PEER / "exchange.py", "import", tmp_path / "points.npy", "--crops", test_crops]
    subprocess.run([*command, "-o", tmp_path / "predictions.csv"], check=True)
    found = pd.read_csv(tmp_path / "predictions.csv", dtype={"face": str}).set_index("face")
    truth = read_faces(ytf_data / "faces.parquet").set_index("face").loc[found.index]
    columns = point_columns(68)
    annotated = truth[columns].notna().to_numpy()
    np.testing.assert_allclose(found[columns].to_numpy()[annotated], truth[columns].to_numpy()[annotated], atol=2e-3)


def test_landmarks_of_other_crops_are_refused_with_one_line(test_crops, tmp_path):
    np.save(tmp_path / "points.npy", np.zeros((2, 68, 2)))
    command = [sys.executable, PEER / "exchange.py", "import", tmp_path / "points.npy", "--crops", test_crops]
    process = subprocess.run([*command, "-o", tmp_path / "out.csv"], capture_output=True, text=True)
    assert process.returncode == 1 and not (tmp_path / "out.csv").exists()
    (line,) = process.stderr.splitlines()
    assert "points.npy: landmarks (2, 68, 2) found" in line and "run train.py on these crops" in line


def test_landmarks_that_are_no_numbers_are_refused(test_crops, tmp_path):
    store = open_crops(test_crops, "test")
    np.save(tmp_path / "points.npy", np.full(store.points.shape, np.nan))
    with pytest.raises(InputError, match="landmarks that are no numbers"):
        exchange.read_points(tmp_path / "points.npy", store)


def test_test_crops_with_a_margin_are_refused(ytf_data, tmp_path):
    with pytest.raises(InputError, match="crop with --margin 1"):
        exchange.read_points(tmp_path / "points.npy", open_crops(ytf_data / "crops", "test"))


# --- the environment and the workflow ---


def test_both_environments_pin_the_same_release_and_one_has_no_dali():
    lock = (PEER / "requirements.lock").read_text().splitlines()
    pins = {line for line in lock if line and not line.startswith((" ", "#"))}
    assert all("==" in pin for pin in pins) and not any("dali" in pin for pin in pins)
    conda = (PEER / "environment.yml").read_text()
    wanted = [line.strip(" -").replace(" ", "") for line in conda.splitlines() if "==" in line]
    assert len(wanted) == 3 and set(wanted) <= pins


@pytest.fixture(scope="module")
def dry_run(tmp_path_factory: pytest.TempPathFactory):
    """Plans targets where nothing has been made yet."""
    folder = new_folder(tmp_path_factory.mktemp("workflow"))
    return lambda *arguments, **environment: snakemake(folder, "-n", *arguments, **environment)


@pytest.mark.slow
def test_the_peer_is_planned_by_name_with_the_budget_of_supervised(dry_run):
    process = dry_run(TARGET, "-p", LIGHTNING_POSE_PYTHON=sys.executable)
    assert process.returncode == 0, process.stdout + process.stderr
    printed = process.stdout + process.stderr
    assert f"{sys.executable} {PEER / 'train.py'}" in printed
    assert "--steps 1300 --batch 16 --seed 0" in printed and "--labels 0.05 --seed 0" in printed
    assert "tsal score results/peers/ytf/lightning_pose/0.05/seed0/predictions.csv" in printed
    assert "rule train:" not in printed and "rule warmup:" not in printed


@pytest.mark.slow
def test_a_missing_environment_is_one_line_that_says_how_to_make_it(dry_run):
    process = dry_run(TARGET, LIGHTNING_POSE_PYTHON="/nowhere/python")
    said = process.stdout + process.stderr
    assert process.returncode != 0 and "Traceback" not in said
    (line,) = [line for line in said.splitlines() if "/nowhere/python" in line]
    assert "no such file" in line and "README.md" in line and "LIGHTNING_POSE_PYTHON" in line


@pytest.mark.slow
def test_no_other_target_needs_the_peer(dry_run):
    process = dry_run("all", "claims")
    assert process.returncode == 0 and "lightning_pose" not in process.stdout + process.stderr


@pytest.mark.slow
@pytest.mark.skipif("LIGHTNING_POSE_PYTHON" not in os.environ, reason="needs an environment with lightning-pose")
def test_a_training_of_a_few_steps_finds_landmarks_in_every_test_crop(exported, test_crops, tmp_path):
    command = [os.environ["LIGHTNING_POSE_PYTHON"], PEER / "train.py", exported, "--crops", test_crops / "test.npy"]
    options = ["--steps", "4", "--batch", "3", "--seed", "0", "-o"]
    subprocess.run([*command, *options, tmp_path / "points.npy"], check=True)
    store = open_crops(test_crops, "test")
    assert exchange.read_points(tmp_path / "points.npy", store).shape == (len(store), 68, 2)

"""Data sets with landmarks of their own: from one file outside of the package to a table, for any number of points."""

import copy
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from planning import ROOT
from plugins import draw_dots, example, write_toy5

from tsal import datasets, methods
from tsal.config import WARMUP, Source, check_config, pretraining, read_config, resolve_run
from tsal.data.crops import open_crops, write_crops
from tsal.data.faces import SPLITS, make_faces, write_faces
from tsal.data.landmarks import SCHEMES, Scheme, as_setting
from tsal.detectors import checkpoints
from tsal.detectors.predict import (
    DETECTOR,
    LandmarkDetector,
    create_network,
    load_detector,
    predict_crops,
    predict_faces,
    write_predictions,
)
from tsal.errors import InputError
from tsal.evaluation.runs import read_scores, write_scores
from tsal.methods.common import warm_up
from tsal.settings.models import DetectorSettings, Settings
from tsal.training.batches import TrainingData
from tsal.training.train import train_method, train_warm_up

CPU = torch.device("cpu")
CONFIG = {
    "benchmarks": {"toy5": {"methods": ["supervised", "tsal", "agreement"]}},
    "labels": [0.5],
    "detector": {"input_px": 32, "sigma": 2.0},
    "training": {
        "warmup_steps": 40,
        "steps": 20,
        "batch": 8,
        "evaluate_every": 20,
        "probe": 4,
        "precision": "float32",
        "optimizer": {"linear_steps": 5},
    },
    "methods": {"tsal": {"unlabelled_clips": 2}, **yaml.safe_load(example("methods"))["methods"]},
    "threads": 1,
}
FAST = {"warmup_steps": 4, "steps": 2, "batch": 4, "evaluate_every": 2, "probe": 0, "precision": "float32"}


def workflow(folder: Path, plugins: Path, *arguments: str) -> subprocess.CompletedProcess:
    """Run the real workflow in a folder, with the real tsal and a folder of plug-ins."""
    (folder / "config.yaml").write_text(yaml.safe_dump(CONFIG))
    command = ["-m", "snakemake", "--snakefile", ROOT / "Snakefile", "--directory", folder, "--cores", "1"]
    command += ["--configfile", folder / "config.yaml", *arguments]
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    variables = {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT), "TSAL_PLUGINS": str(plugins)}
    return subprocess.run(
        [sys.executable, *map(str, command)], cwd=folder, env=variables, capture_output=True, text=True, timeout=600
    )


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working directory in which the table of toy5 has been made, with the overlay. It is shared: read it only.

    The data set and the method `agreement` are one file each in a folder of plug-ins, both as CONTRIBUTING.md has them.
    """
    folder = tmp_path_factory.mktemp("toy5")
    write_toy5(folder / "plugins", folder / "data/raw")
    (folder / "plugins/methods").mkdir()
    (folder / "plugins/methods/agreement.py").write_text(example("METHOD"), encoding="utf-8")
    targets = ("results/toy5_nme.csv", "results/figures/toy5_overlay.png")
    process = workflow(folder, folder / "plugins", "--quiet", "all", "--", *targets)
    assert process.returncode == 0, process.stdout + process.stderr
    return folder


@pytest.mark.slow
def test_a_data_set_of_five_points_and_a_method_go_from_one_file_each_to_a_table(built):
    table = pd.read_csv(built / "results/toy5_nme.csv")
    cells = [(method, name) for method in ("agreement", "supervised", "tsal") for name in ("inter-eye", "face-size")]
    assert sorted(zip(table["method"], table["normaliser"], strict=True)) == sorted(cells)
    assert (table["benchmark"] == "toy5").all() and (table["n_faces"] == 8).all()  # 20 % of 40 people
    assert table["nme"].between(0, 50).all()  # something is learned: it is about 100 of networks that know nothing
    # Both distances are of the same errors: 0.5 face units between the eyes, sqrt(0.5 * 0.5) of the box.
    by_name = table.pivot(index="method", columns="normaliser", values="nme")
    np.testing.assert_allclose(by_name["inter-eye"], by_name["face-size"], rtol=0.02)
    assert (built / "results/figures/toy5_overlay.png").stat().st_size > 10_000


@pytest.mark.slow
def test_a_run_needs_no_data_set_but_its_settings_and_a_prediction_nothing_but_the_checkpoint(built, tmp_path):
    run = built / "results/runs/toy5/tsal/0.5/seed0"
    with pytest.raises(InputError, match="unknown benchmark 'toy5'"):
        datasets.get("toy5")
    settings = yaml.safe_load((run / "settings.yaml").read_text())
    assert settings["scheme"]["n_points"] == 5
    detector = load_detector(run / "checkpoint.safetensors", CPU)
    assert detector.scheme == Scheme.from_dict(settings["scheme"])
    assert list(detector.scheme.normalisers) == ["inter-eye", "face-size"]
    crops = next((built / "data/toy5/crops").glob("*/test.json"))
    found = pd.concat(predict_crops(detector, open_crops(crops.parent, "test"), CPU))
    written = pd.read_csv(run / "predictions.csv")
    np.testing.assert_allclose(found.drop(columns="face"), written.drop(columns="face"), atol=1e-2)


@pytest.mark.slow
def test_some_of_the_68_points_cannot_be_scored_of_a_scheme_that_lacks_them(built, tmp_path):
    predictions, faces = built / "results/runs/toy5/tsal/0.5/seed0/predictions.csv", built / "data/toy5/faces.parquet"
    scheme = load_detector(predictions.with_name("checkpoint.safetensors"), CPU).scheme
    about = {"scheme": scheme, "normalisers": ["face-size"], "is_video": False, "points": "51"}
    with pytest.raises(
        InputError, match=r"predictions\.csv.*the 51 points are not part of the toy5 that are annotated"
    ):
        write_scores(predictions, faces, tmp_path / "scores_51.csv", **about)


def scheme_of_size(count: int, mirror_pairs: tuple | None = None) -> Scheme:
    """A scheme of any number of points, measured between its first and its last one."""
    normalisers = {"first-to-last": ((0,), (count - 1,)), "face-size": "box"}
    return Scheme(name=f"dots-{count}", n_points=count, mirror_pairs=mirror_pairs, normalisers=normalisers)


def write_faces_of(scheme: Scheme, folder: Path) -> pd.DataFrame:
    """Faces of the scheme's points, drawn and cropped: images, faces.parquet and crops/ in a folder."""
    turns = np.arange(scheme.n_points) * np.pi * (3 - np.sqrt(5))  # a sunflower: any number of points, evenly spread
    radius = 0.5 * np.sqrt((np.arange(scheme.n_points) + 0.5) / scheme.n_points)
    face = 0.5 + np.stack([radius * np.cos(turns), radius * np.sin(turns)], 1)
    drawn = [draw_dots(np.random.default_rng(number), face) for number in range(24)]
    names = [str(folder / f"{number}.png") for number in range(len(drawn))]
    for name, (image, _) in zip(names, drawn, strict=True):
        cv2.imwrite(name, image[..., ::-1])
    points = np.array([of_face for _, of_face in drawn])
    boxes = np.concatenate([points.min(axis=1), points.max(axis=1)], axis=1)
    split = ["train"] * 14 + ["validation"] * 4 + ["test"] * 6
    faces = make_faces(names, boxes, points, person=names, split=split)
    write_faces(faces, folder / "faces.parquet")
    for name in SPLITS:
        crops = folder / f"crops/{name}.json"
        write_crops(faces[faces["split"] == name], crops, input_px=32, expand=0.2, margin=4 / 3)
    return faces


def settings_of(scheme: Scheme, folder: Path, **training: object) -> Settings:
    """The settings of a run on faces of a scheme, as training reads them."""
    about = {"benchmark": "dots", "method": "supervised", "algorithm": "supervised", "labels": 1}
    values = {"scheme": as_setting(scheme), "detector": {"input_px": 32}, "training": {**FAST, **training}}
    (folder / "settings.yaml").write_text(yaml.safe_dump(about | values))
    return methods.read_settings(folder / "settings.yaml")


@pytest.mark.parametrize("count", [98, 29, 21, 5])
def test_any_number_of_points_trains_predicts_and_is_scored(tmp_path, count):
    scheme = scheme_of_size(count, mirror_pairs=((0, 1),) if count % 2 else None)
    faces, settings = write_faces_of(scheme, tmp_path), settings_of(scheme, tmp_path)
    crops, state, out = tmp_path / "crops", tmp_path / "warmup.safetensors", tmp_path / "detector.safetensors"
    train_warm_up(warm_up, settings, crops, state, tmp_path / "log.csv", 0, 1, CPU)
    supervised = methods.get("supervised")
    train_method(supervised, settings, state, crops, None, None, None, out, tmp_path / "log.csv", 0, 1, CPU)
    detector = load_detector(out, CPU)
    assert detector.scheme == scheme
    found = predict_faces(detector, faces[faces["split"] == "test"].reset_index(drop=True), CPU)
    write_predictions([found], tmp_path / "predictions.csv")
    files = tmp_path / "predictions.csv", tmp_path / "faces.parquet", tmp_path / "scores.csv"
    write_scores(*files, scheme=scheme, normalisers=list(scheme.normalisers), is_video=False)
    scores = read_scores(tmp_path / "scores.csv")
    assert scores["normaliser"].value_counts().to_dict() == {"first-to-last": 6, "face-size": 6}
    assert np.isfinite(scores["nme"]).all()


@pytest.mark.parametrize(("mirror_pairs", "mirrored"), [(None, False), (((0, 1),), True)])
def test_faces_of_a_scheme_without_mirror_images_are_never_mirrored(tmp_path, mirror_pairs, mirrored):
    scheme = scheme_of_size(5, mirror_pairs)
    write_faces_of(scheme, tmp_path)
    settings = settings_of(scheme, tmp_path, augmentation={"flip": 1.0})
    data = TrainingData(settings, open_crops(tmp_path / "crops", "train"), None, 0, CPU)
    assert data.view(8, torch.Generator()).mirrored.tolist() == [mirrored] * 8


def test_a_checkpoint_names_a_built_in_scheme_and_holds_any_other(tmp_path):
    for scheme in (SCHEMES["19"], scheme_of_size(7)):
        settings = DetectorSettings(input_px=32)
        detector = LandmarkDetector(create_network(settings, scheme.n_points, "float32"), settings, scheme)
        detector.save(tmp_path / "a.safetensors")
        about = checkpoints.read_about(tmp_path / "a.safetensors", DETECTOR)
        assert about["scheme"] == ("19" if scheme.n_points == 19 else scheme.to_dict())
        assert load_detector(tmp_path / "a.safetensors", CPU).scheme == scheme


@pytest.mark.parametrize(
    ("about", "message"),
    [
        ({"scheme": None}, r"a\.safetensors: its metadata lacks 'scheme'"),
        ({"scheme": "98"}, r"a\.safetensors: its metadata: scheme: found '98'; expected a built-in one \(68, "),
        ({"scheme": {"name": "a"}}, r"a\.safetensors: its metadata: scheme: 'n_points' is missing"),
        ({"precision": "half"}, r"a\.safetensors: .*precision 'half'; expected settings, and one of auto, float32"),
        ({"detector": {"name": "vgg"}}, r"a\.safetensors: its metadata: detector: name: found \"vgg\""),
    ],
)
def test_a_checkpoint_that_says_something_else_of_itself_is_named(tmp_path, about, message):
    metadata = {"detector": {"input_px": 32}, "scheme": "68", "precision": "float32"} | about
    metadata = {key: value for key, value in metadata.items() if value is not None}
    checkpoints.save(tmp_path / "a.safetensors", DETECTOR, {}, metadata)
    with pytest.raises(InputError, match=message):
        load_detector(tmp_path / "a.safetensors", CPU)


# --- what a configuration may ask of it


@pytest.fixture
def config(plugin_folder, tmp_path) -> dict:
    """That of the repository, with toy5."""
    write_toy5(plugin_folder, tmp_path / "raw", faces=1)
    config = copy.deepcopy(read_config([ROOT / "config.yaml"], ROOT / "config"))
    return config | {"benchmarks": {**config["benchmarks"], "toy5": {}}}


def test_the_settings_of_a_run_hold_a_scheme_of_the_data_sets_own(config):
    scheme = resolve_run(config, "toy5", "tsal", 1)["scheme"]
    assert Scheme.from_dict(scheme) == datasets.get("toy5").landmarks
    assert resolve_run(config, "ytf", "tsal", 1)["scheme"] == "68"


def test_a_detector_of_other_landmarks_is_no_start(config):
    config["training"]["pretrained"] = "synth"
    with pytest.raises(
        InputError, match=r"training\.pretrained: found synth, which has 68 landmarks, expected .* toy5, as toy5 has"
    ):
        pretraining(config, "toy5", WARMUP)


def test_a_detector_is_not_scored_on_faces_with_other_landmarks(config):
    config["benchmarks"]["toy5"]["score_on"] = ["ytf"]
    with pytest.raises(InputError, match=r"benchmarks\.toy5\.score_on: found ytf, which has 68 landmarks, expected"):
        check_config([Source("config.yaml", config)])

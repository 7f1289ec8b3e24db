"""One's own data in the workflow: what is planned, what is made again, and a whole run with videos without labels."""

import json
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
from archives_300vw import video_bytes
from miniature import rendered_scene
from planning import ROOT, errors, planned, snakemake

from tsal.data.faces import labelled_of, read_faces
from tsal.data.landmarks import SCHEMES
from tsal.detectors.predict import LandmarkDetector, create_network
from tsal.settings.models import DetectorSettings

CHOSEN = [36, 45, 30, 48, 54]  # of the 68
NAMES = ["left eye", "right eye", "nose", "left corner", "right corner"]
SECTION = {
    "reader": "coco",
    "images": "photos",
    "labels": "labels.json",
    "videos": "clips/*.avi",
    "checkpoint": "detector.safetensors",
    "landmarks": {"points": 5, "mirror": [["left eye", "right eye"], [3, 4]], "lines": [[0, 2, 1], [3, 4]]},
    "normaliser": ["left eye", "right eye"],
    "person": {"pattern": "(p[0-9]+)"},
}
TABLE = "results/mine_nme.csv"


def write_labels(folder: Path, pictures: dict[str, np.ndarray], points: dict[str, np.ndarray]) -> None:
    """photos/ and labels.json: faces (5, 2), NaN where not annotated."""
    images, annotations = [], []
    for number, (name, image) in enumerate(pictures.items()):
        (folder / "photos").mkdir(exist_ok=True)
        cv2.imwrite(str(folder / "photos" / name), image)
        images.append({"id": number, "file_name": name, "width": image.shape[1], "height": image.shape[0]})
        keypoints = [value for x, y in points[name].tolist() for value in ((0, 0, 0) if np.isnan(x) else (x, y, 2))]
        annotations.append({"id": number, "image_id": number, "category_id": 1, "keypoints": keypoints})
    categories = [{"id": 1, "name": "face", "keypoints": NAMES}]
    labels = {"images": images, "annotations": annotations, "categories": categories}
    (folder / "labels.json").write_text(json.dumps(labels))


def write_config(folder: Path, **keys: object) -> None:
    (folder / "mine.yaml").write_text(yaml.safe_dump({"benchmarks": {"mine": {**SECTION, **keys}}}))


@pytest.fixture(scope="module")
def planning(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with data of one's own, in which a stand-in for tsal has made the table. It is left as it was."""
    folder = tmp_path_factory.mktemp("own")
    (folder / "bin").mkdir()
    stub = folder / "bin/tsal"
    stub.write_text(f"#!{sys.executable} -S\n{(ROOT / 'tests/stub_tsal.py').read_text()}")
    stub.chmod(0o755)
    names = [f"p{k}.png" for k in range(10)]
    write_labels(
        folder,
        {name: np.zeros((8, 8, 3), np.uint8) for name in names},
        {name: np.arange(10.0).reshape(5, 2) for name in names},
    )
    (folder / "clips").mkdir()
    (folder / "clips/a.avi").write_bytes(b"a" * 100)
    (folder / "detector.safetensors").write_bytes(b"weights")
    write_config(folder)
    process = snakemake(folder, "--cores", "2", "--quiet", "all", "--configfile", "mine.yaml", "--", TABLE)
    assert process.returncode == 0, process.stdout + process.stderr
    return folder


def plan(folder: Path, *targets: str) -> dict[str, int]:
    return planned(snakemake(folder, "-n", "--configfile", "mine.yaml", "--", *(targets or (TABLE,))))


def test_nothing_is_made_again_where_nothing_changes(planning):
    (planning / "photos/note.txt").write_text("no picture")
    assert plan(planning) == {}


@pytest.mark.parametrize("file", ["labels.json", "photos/p3.png", "clips/a.avi"])
def test_a_change_of_labels_pictures_or_videos_makes_everything_again(planning, file):
    before = (planning / file).read_bytes()
    (planning / file).write_bytes(before + b" ")
    jobs = plan(planning)
    (planning / file).write_bytes(before)
    assert {"index_settings", "index", "crop", "flow", "warmup", "train", "predict", "score", "nme"} <= set(jobs)
    assert "download" not in jobs


def test_the_table_that_was_made_needs_no_labels_any_more(planning):
    (planning / "labels.json").rename(planning / "elsewhere.json")
    try:
        assert plan(planning) == {}
    finally:
        (planning / "elsewhere.json").rename(planning / "labels.json")


def test_all_builds_it_where_its_files_are_and_else_says_what_is_missing(planning):
    write_config(planning, labels="none.json")
    (planning / "data/mine/faces.parquet").rename(planning / "kept.parquet")
    try:
        process = snakemake(planning, "-n", "--configfile", "mine.yaml", "--", TABLE)
        assert "mine: labels: none.json not found; put it there, or correct the key" in errors(process)
        process = snakemake(planning, "-n", "--configfile", "mine.yaml")
        assert "Skipped mine: labels: none.json not found" in process.stdout + process.stderr
    finally:
        (planning / "kept.parquet").rename(planning / "data/mine/faces.parquet")
        write_config(planning)


def test_a_mistake_in_the_section_ends_the_plan_in_one_line(planning):
    write_config(planning, reader="cocoo")
    try:
        said = errors(snakemake(planning, "-n", "--configfile", "mine.yaml", "--", TABLE))
        assert "mine.yaml: benchmarks.mine.reader: unknown reader \"cocoo\"; did you mean 'coco'?" in said
    finally:
        write_config(planning)


# --- a whole run ---


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which everything of `mine` has been made, of rendered faces. It is shared: read it only."""
    folder = tmp_path_factory.mktemp("run")
    pictures, points = {}, {}
    for person in range(10):
        images, faces = rendered_scene(person, 160, 128, 1)
        pictures[f"p{person}.png"], points[f"p{person}.png"] = images[0], faces[0][CHOSEN]
    points["p3.png"][2] = points["p4.png"][[0, 3, 4]] = np.nan
    write_labels(folder, pictures, points)
    (folder / "clips").mkdir()
    for person in (20, 21):
        images, _ = rendered_scene(person, 160, 128, 4)
        (folder / f"clips/q{person}.avi").write_bytes(video_bytes(images, "MJPG"))
    settings = DetectorSettings(input_px=32)
    torch.manual_seed(0)
    detector = LandmarkDetector(create_network(settings, 68, "float32"), settings, SCHEMES["68"])
    detector.save(folder / "detector.safetensors")
    write_config(folder, budgets=[0.5])
    targets = [TABLE, *(f"results/figures/mine_{name}.png" for name in ("faces", "overlay", "training"))]
    files = [str(ROOT / "config/quick.yaml"), "mine.yaml"]
    command = ["-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), "--directory", str(folder), "--cores", "1"]
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    process = subprocess.run(
        [sys.executable, *command, "--configfile", *files, "--", *targets],
        cwd=folder,
        env={**os.environ, "PATH": path, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert process.returncode == 0, process.stdout + process.stderr
    return folder


@pytest.mark.slow
def test_labels_and_videos_go_from_a_section_to_tables_and_figures(built):
    table = pd.read_csv(built / TABLE)
    assert sorted(table["method"]) == ["supervised", "tsal"] and set(table["normaliser"]) == {"left eye-right eye"}
    assert (table["benchmark"] == "mine").all() and table["nme"].between(0, 200).all()
    faces = read_faces(built / "data/mine/faces.parquet")
    in_videos = faces["image"].str.endswith(".avi")
    assert labelled_of(faces).sum() == 10 and not labelled_of(faces[in_videos]).any()
    assert in_videos.sum() > 0 and set(faces["split"][in_videos]) == {"train"}
    settings = yaml.safe_load((built / "results/runs/mine/tsal/0.5/seed0/settings.yaml").read_text())
    assert settings["scheme"]["names"] == NAMES and settings["scheme"]["mirror_pairs"] == [[0, 1], [3, 4]]
    assert (built / "results/figures/mine_overlay.png").stat().st_size > 10_000


@pytest.mark.slow
def test_printed_commands_work_when_they_are_copied(built, tmp_path):
    run = "results/runs/mine/tsal/0.5/seed0"
    out = tmp_path / "scores.csv"
    command = ["score", f"{run}/predictions.csv", "--faces", "data/mine/faces.parquet", "--benchmark", "mine"]
    done = subprocess.run(
        [sys.executable, "-m", "tsal.cli", *command, "-o", str(out)],
        cwd=built,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert out.read_text() == (built / run / "scores.csv").read_text()

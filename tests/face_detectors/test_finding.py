"""The faces of files, as a table."""

import cv2
import numpy as np
import pandas as pd
import pytest
from archives_300vw import video_bytes

from tsal import cli
from tsal.data.faces import boxes_of, read_faces
from tsal.errors import InputError
from tsal.face_detectors import Calibration, Finder
from tsal.face_detectors.finding import COLUMNS, files_in, find_faces


def picture(*places: int) -> np.ndarray:
    """A black picture (64, 96, 3) with a white square of 10 px at each x."""
    image = np.zeros((64, 96, 3), np.uint8)
    for x in places:
        image[20:30, x : x + 10] = 255
    return image


def search(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """White squares, those on the right with more confidence."""
    count, _, stats, _ = cv2.connectedComponentsWithStats((image[..., 0] > 127).astype(np.uint8))
    boxes = np.array([[x, y, x + w, y + h] for x, y, w, h, _ in stats[1:count]], float).reshape(-1, 4)
    return boxes, boxes[:, 0] / 100


FINDER = Finder("squares", Calibration(shift=(0.1, 0.0), scale=(1.0, 0.5)), search)


@pytest.fixture
def folder(tmp_path):
    cv2.imwrite(str(tmp_path / "b.png"), picture(5, 50))
    cv2.imwrite(str(tmp_path / "a.png"), picture())
    (tmp_path / "notes.txt").write_text("no picture")
    (tmp_path / "c.avi").write_bytes(video_bytes([picture(10), picture(), picture(20, 60)], "MJPG"))
    return tmp_path


def test_each_face_of_each_picture_and_frame_is_a_row_and_none_is_an_empty_one(folder):
    found = find_faces(FINDER, files_in([folder]))
    names = [str(folder / name) for name in ("a.png", "b.png", "c.avi")]
    assert found.columns.tolist() == list(COLUMNS)
    assert found["image"].tolist() == [names[0], *[names[1]] * 2, *[names[2]] * 4]
    assert found["frame"].tolist() == [-1, -1, -1, 0, 1, 2, 2]
    expected = [
        names[0],
        names[1],
        f"{names[1]}#1",
        f"{names[2]}:0",
        f"{names[2]}:1",
        f"{names[2]}:2",
        f"{names[2]}:2#1",
    ]
    assert found["face"].tolist() == expected
    assert found["confidence"].isna().tolist() == [True, False, False, False, True, False, False]
    np.testing.assert_allclose(boxes_of(found)[1], [51, 22.5, 61, 27.5])  # calibrated; the most confident first
    np.testing.assert_allclose(boxes_of(found)[2], [6, 22.5, 16, 27.5])
    assert np.isnan(boxes_of(found)[[0, 4]]).all()


def test_the_table_is_one_that_prediction_takes(folder):
    find_faces(FINDER, files_in([folder])).to_csv(folder / "faces.csv", index=False)
    faces = read_faces(folder / "faces.csv", need_points=False)
    assert len(faces) == 7 and np.isnan(boxes_of(faces)).all(axis=1).sum() == 2


def test_a_folder_without_pictures_is_told(tmp_path):
    (tmp_path / "notes.txt").write_text("no picture")
    with pytest.raises(InputError, match="found no picture and no video in this folder"):
        files_in([tmp_path])


def test_pictures_of_a_folder_that_cannot_be_decoded_are_counted(folder, caplog):
    heic = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic".ljust(2000, b"\7")
    for name in ("d.HEIC", "e.heic", "f.heif"):
        (folder / name).write_bytes(heic)
    assert files_in([folder]) == [str(folder / name) for name in ("a.png", "b.png", "c.avi")]
    said = f"{folder}: left out 2 .heic, 1 .heif, which cannot be decoded; convert them to JPEG"
    assert [record.getMessage() for record in caplog.records] == [said]
    with pytest.raises(InputError, match=r"e\.heic: cannot be decoded as an image"):
        find_faces(FINDER, files_in([folder / "e.heic"]))


def test_a_folder_all_of_whose_pictures_can_be_decoded_is_taken_without_a_word(folder, caplog):
    files_in([folder])
    assert not caplog.records


def test_a_damaged_picture_of_a_folder_is_named(tmp_path):
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(InputError, match=r"a\.png: cannot be decoded as an image"):
        find_faces(FINDER, files_in([tmp_path]))


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_the_verb_writes_what_was_found(folder, capsys, suffix):
    path = folder / f"faces{suffix}"
    assert cli.main(["find", str(folder / "a.png"), "--set", "smallest=0.5", "--threads", "1", "-o", str(path)]) == 0
    assert "0 faces in 1 pictures, 1 of them without one" in capsys.readouterr().out
    table = pd.read_csv(path) if suffix == ".csv" else pd.read_parquet(path)
    assert table["image"].tolist() == [str(folder / "a.png")] and table["box_x0"].isna().all()


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--set", "smallest"], "--set: found 'smallest', expected KEY=VALUE"),
        (["--set", "smallest=[", "x=1"], "expected KEY=VALUE"),
        (["--set", "size=3"], "face detector blazeface: size"),
        (["--detector", "eyes"], "unknown face detector 'eyes'"),
        (["-o", "faces.txt"], "is a .parquet or .csv file"),
    ],
)
def test_mistakes_are_told_before_the_work(tmp_path, capsys, more, message):
    assert cli.main(["find", str(tmp_path / "missing.png"), "-o", str(tmp_path / "f.csv"), *more]) == 2
    assert message in capsys.readouterr().err

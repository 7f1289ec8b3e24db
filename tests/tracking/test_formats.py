"""What is written can be read by those for whom it is: our own tables, COCO, DeepLabCut, 300W."""

import json
import os

import numpy as np
import pandas as pd
import pytest

from tsal.data.faces import boxes_of, points_of, read_faces
from tsal.data.landmarks import SCHEMES, Scheme
from tsal.datasets.reading.pts import read_pts
from tsal.errors import InputError
from tsal.tracking.follow import Face, bounds_of
from tsal.tracking.formats import Frame, check_format, open_writer

THREE = Scheme(
    name="three",
    n_points=3,
    normalisers={"ends": ((0,), (2,))},
    edges=((0, 1, 2),),
    names=("left", "middle", "right"),
)


def face(id: int, seed: int, count: int = 3) -> Face:
    random = np.random.default_rng(seed)
    points, confidences = random.uniform(10, 200, (count, 2)), random.uniform(0, 1, count)
    return Face(id, bounds_of(points[None])[0], float(confidences.mean()), points, confidences)


FRAMES = [
    Frame("clips/a.mp4", 0, 0.0, (640, 480), [face(0, 1)]),
    Frame("clips/a.mp4", 1, 0.04, (640, 480), []),
    Frame("clips/a.mp4", 2, 0.08, (640, 480), [face(0, 2), face(3, 3)]),
]
PICTURE = Frame("b.png", -1, float("nan"), (32, 16), [face(0, 4)])


def written(path, frames=(*FRAMES, PICTURE), scheme=THREE):
    with open_writer(path, scheme) as write:
        for frame in frames:
            write(frame)
    return path


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_table_is_a_face_table_with_a_confidence_a_landmark(tmp_path, suffix):
    path = written(tmp_path / f"out.{suffix}")
    table = pd.read_csv(path) if suffix == "csv" else pd.read_parquet(path)
    assert table["face"].tolist() == ["clips/a.mp4:0", "clips/a.mp4:1", "clips/a.mp4:2", "clips/a.mp4:2#3", "b.png"]
    np.testing.assert_allclose(table["seconds"], [0, 0.04, 0.08, 0.08, np.nan])
    faces = read_faces(path, need_points=False)
    expected = [face(0, 1), None, face(0, 2), face(3, 3), face(0, 4)]
    for row, one in enumerate(expected):
        if one is None:
            assert np.isnan(boxes_of(faces)[row]).all() and np.isnan(points_of(faces)[row]).all()
            assert pd.isna(table["c1"][row]) and pd.isna(table["confidence"][row])
            continue
        np.testing.assert_allclose(points_of(faces)[row], one.points, atol=5e-4)
        np.testing.assert_allclose(boxes_of(faces)[row], one.box, atol=5e-4)
        np.testing.assert_allclose(table.loc[row, ["c0", "c1", "c2"]].to_numpy(float), one.confidences, atol=5e-4)
    assert faces["clip"].tolist()[2:] == ["clips/a.mp4#0", "clips/a.mp4#3", "b.png#0"]
    assert faces["frame"].tolist() == [0, 1, 2, 2, -1]


@pytest.mark.parametrize("suffix", ["csv", "parquet", "json", "dlc.csv"])
def test_a_file_without_frames_is_whole(tmp_path, suffix):
    path = written(tmp_path / f"out.{suffix}", [])
    if suffix in ("csv", "parquet"):
        assert len(read_faces(path, need_points=False)) == 0
    elif suffix == "json":
        assert json.loads(path.read_text())["images"] == []
    else:
        assert len(pd.read_csv(path, header=[0, 1, 2], index_col=0)) == 0


def test_many_rows_of_parquet_stay_in_order(tmp_path):
    frames = [Frame("a.mp4", number, number / 25, (64, 64), [face(0, number)]) for number in range(1201)]
    table = pd.read_parquet(written(tmp_path / "out.parquet", frames))
    assert table["frame"].tolist() == list(range(1201))


def test_coco_has_images_annotations_and_one_category(tmp_path):
    coco = json.loads(written(tmp_path / "out.json").read_text())
    (category,) = coco["categories"]
    assert category["keypoints"] == ["left", "middle", "right"]
    assert category["skeleton"] == [[1, 2], [2, 3]]  # numbered from 1
    names = [f"a/frame_00000{number}.png" for number in range(3)] + ["b.png"]
    assert [image["file_name"] for image in coco["images"]] == names
    assert [image["id"] for image in coco["images"]] == [1, 2, 3, 4]
    assert (coco["images"][0]["width"], coco["images"][0]["height"]) == (640, 480)
    assert [(a["image_id"], a["track_id"]) for a in coco["annotations"]] == [(1, 0), (3, 0), (3, 3), (4, 0)]
    third, expected = coco["annotations"][2], face(3, 3)
    points = np.reshape(third["keypoints"], (3, 3))
    np.testing.assert_allclose(points[:, :2], expected.points, atol=5e-4)
    assert points[:, 2].tolist() == [2, 2, 2] and third["num_keypoints"] == 3
    x, y, width, height = third["bbox"]
    np.testing.assert_allclose([x, y, x + width, y + height], expected.box, atol=2e-3)
    np.testing.assert_allclose(third["keypoint_scores"], expected.confidences, atol=1e-4)


def test_pictures_of_one_name_are_not_one_in_coco(tmp_path):
    def shot(image, number):
        return Frame(image, number, 0.0, (8, 8), [])

    for image, number in (("d2/clip.mp4", 0), ("clip/frame_000007.png", -1)):
        with pytest.raises(InputError, match=r"out\.json: two pictures would be called clip/frame_00000\d\.png"):
            written(tmp_path / "out.json", [shot("d1/clip.mp4", 0), shot("d1/clip.mp4", 1), shot(image, number)])
    assert not list(tmp_path.iterdir())
    written(tmp_path / "out.json", [shot("d1/clip.mp4", 0), shot("clip/a.png", -1), shot("x/frame_000000.png", -1)])


def test_deeplabcut_has_three_header_rows_for_one_face_and_four_for_several(tmp_path):
    one = pd.read_csv(written(tmp_path / "one.dlc.csv", FRAMES[:2]), header=[0, 1, 2], index_col=0)
    assert one.columns.names == ["scorer", "bodyparts", "coords"] and one.index.tolist() == [0, 1]
    np.testing.assert_allclose(one["tsal"]["middle"].loc[0, ["x", "y"]], face(0, 1).points[1], atol=1e-3)
    assert one.loc[1].isna().all()
    several = pd.read_csv(written(tmp_path / "several.dlc.csv", FRAMES), header=[0, 1, 2, 3], index_col=0)
    assert several.columns.names == ["scorer", "individuals", "bodyparts", "coords"]
    found = several["tsal"]["face3"]["right"]
    np.testing.assert_allclose(found.loc[2, ["x", "y"]], face(3, 3).points[2], atol=1e-3)
    assert found.loc[2, "likelihood"] == pytest.approx(face(3, 3).confidences[2], abs=1e-3)
    assert found.loc[[0, 1]].isna().all(axis=None)


def test_deeplabcut_has_the_frames_of_one_video(tmp_path):
    with pytest.raises(InputError, match=r"found b\.png, expected one video"):
        written(tmp_path / "out.dlc.csv")
    assert not list(tmp_path.iterdir())


def test_pts_are_files_as_those_of_300w(tmp_path):
    frames = [Frame("clips/a.mp4", 7, 0.3, (640, 480), [face(0, 1, 68), face(2, 2, 68)])]
    folder = written(tmp_path / "out.pts", frames, SCHEMES["68"])
    assert sorted(path.name for path in folder.iterdir()) == ["a_000007.pts", "a_000007_2.pts"]
    points = read_pts((folder / "a_000007_2.pts").read_bytes(), "a_000007_2.pts")
    np.testing.assert_allclose(points, face(2, 2, 68).points, atol=1e-3)


def test_a_folder_of_pts_is_made_anew_but_one_of_other_things_is_left(tmp_path):
    for _ in range(2):
        folder = written(tmp_path / "out.pts", FRAMES[:1])
    assert [path.name for path in folder.iterdir()] == ["a_000000.pts"]
    (folder / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match="found other things there"):
        written(tmp_path / "out.pts", FRAMES)
    assert (folder / "notes.txt").read_text() == "mine"


def things(path, kind):
    """Put something that is no file of landmarks where one would be."""
    if kind == "folder":
        path.mkdir()
        (path / "notes.txt").write_text("mine")
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to(path.parent.parent / "elsewhere.pts")


@pytest.mark.parametrize("kind", ["folder", "pipe", "link"])
def test_what_is_called_pts_and_is_none_is_left(tmp_path, kind):
    folder = written(tmp_path / "out.pts", FRAMES[:1])
    things(folder / "keep.pts", kind)
    said = r"out\.pts: found other things there \(keep\.pts\)"
    with pytest.raises(InputError, match=said):
        check_format(folder)
    with pytest.raises(InputError, match=said):
        written(folder, FRAMES)
    assert sorted(os.listdir(folder)) == ["a_000000.pts", "keep.pts"]
    assert os.listdir(tmp_path) == ["out.pts"]


def test_what_others_put_there_meanwhile_is_left(tmp_path):
    folder = written(tmp_path / "out.pts", FRAMES[:1])
    before = (folder / "a_000000.pts").read_text()
    with pytest.raises(InputError, match="found other things there"), open_writer(folder, THREE) as write:
        write(FRAMES[2])
        (folder / "notes.txt").write_text("mine")
    assert (folder / "notes.txt").read_text() == "mine" and (folder / "a_000000.pts").read_text() == before
    assert os.listdir(tmp_path) == ["out.pts"]


def test_a_link_to_a_folder_of_pts_stays_and_the_folder_is_made_anew(tmp_path):
    folder = written(tmp_path / "there/out.pts", FRAMES[:1])
    (link := tmp_path / "link.pts").symlink_to("there/out.pts")
    check_format(link)
    written(link, FRAMES[2:])
    assert os.readlink(link) == "there/out.pts"
    assert sorted(os.listdir(folder)) == ["a_000002.pts", "a_000002_3.pts"]
    assert os.listdir(folder.parent) == ["out.pts"]


def test_a_file_is_no_folder_of_pts_and_a_folder_no_table(tmp_path):
    (tmp_path / "out.pts").write_text("mine")
    (tmp_path / "out.csv").mkdir()
    with pytest.raises(InputError, match="expected a new folder"):
        check_format(tmp_path / "out.pts")
    with pytest.raises(InputError, match=r"out\.csv: found a folder, expected the name of a file"):
        check_format(tmp_path / "out.csv")


def test_pictures_of_one_name_are_not_written_over_each_other(tmp_path):
    twice = [Frame(f"{folder}/a.png", -1, float("nan"), (8, 8), [face(0, 1)]) for folder in ("x", "y")]
    with pytest.raises(InputError, match=r"two faces would be called a\.pts"):
        written(tmp_path / "out.pts", twice)


@pytest.mark.parametrize("suffix", ["csv", "parquet", "json", "dlc.csv", "pts"])
def test_an_error_leaves_nothing(tmp_path, suffix):
    with pytest.raises(RuntimeError), open_writer(tmp_path / f"out.{suffix}", THREE) as write:
        write(FRAMES[0])
        raise RuntimeError
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["out.xlsx", "out", "out.dlc"])
def test_an_unknown_suffix_is_an_error(tmp_path, name):
    with pytest.raises(InputError, match=r"expected one of \.csv, \.dlc\.csv, \.json, \.parquet, \.pts"):
        written(tmp_path / name)

"""300VW: from its archive to a face table whose frames stay in their videos."""

import os
import zipfile

import cv2
import numpy as np
import pytest
from archives import write_zip
from archives_300vw import (
    ARCHIVE,
    COUNTS,
    PLANS,
    TOP,
    VideoPlan,
    drawn_scene,
    ibug_300vw_files,
    ibug_300vw_raw_dir,
    pts_bytes,
)

from tsal import datasets
from tsal.data.cropping import apply_affine, cut_faces, read_face_image
from tsal.data.crops import following_frames, open_crops, write_crops
from tsal.data.faces import boxes_of, points_of, read_faces
from tsal.data.splits import held_out
from tsal.data.video import count_frames, frames
from tsal.datasets.ibug_300vw import LISTS
from tsal.errors import InputError

VW = datasets.get("300vw")
OPTIONS = {"counts": COUNTS}


@pytest.fixture(scope="module")
def written():
    return ibug_300vw_files()


@pytest.fixture(scope="module")
def indexed(written, tmp_path_factory):
    """The archive, indexed: folder with images/ and faces.parquet."""
    folder = tmp_path_factory.mktemp("300vw")
    VW.index(ibug_300vw_raw_dir(folder / "raw", written.files), folder / "images", folder / "faces.parquet", OPTIONS)
    return folder


@pytest.fixture(scope="module")
def faces(indexed):
    return read_faces(indexed / "faces.parquet")


def index(files, tmp_path, options=OPTIONS, unpacked=False):
    raw_dir = ibug_300vw_raw_dir(tmp_path / "raw", files, unpacked)
    VW.index(raw_dir, tmp_path / "images", tmp_path / "faces.parquet", options)
    return read_faces(tmp_path / "faces.parquet")


def test_the_lists_are_those_of_the_challenge():
    """Shen et al. 2015: 50 training videos, 31, 19 and 14 test videos of the categories, 114 in all."""
    assert {name: len(videos) for name, videos in LISTS.items()} == {"train": 50, "A": 31, "B": 19, "C": 14}
    assert len({video for videos in LISTS.values() for video in videos}) == 114
    assert VW.options().counts == {"train": 50, "A": 31, "B": 19, "C": 14}
    assert (VW.subsets, VW.scheme, VW.normalisers, VW.is_video) == (("A", "B", "C"), "68", ("inter-ocular",), True)


def test_whoever_lacks_the_archive_is_told_whom_to_ask(tmp_path):
    assert VW.status(tmp_path) == "missing"
    with pytest.raises(InputError, match=rf"{ARCHIVE} not found.*https://ibug\.doc\.ic\.ac\.uk/resources/300-VW/"):
        VW.index(tmp_path, tmp_path / "images", tmp_path / "faces.parquet")


def test_every_frame_that_is_annotated_and_in_its_video_is_a_row(faces):
    rows = {name: faces[faces["video"] == name] for name in PLANS}
    assert {name: len(of_video) for name, of_video in rows.items()} == {
        "001": 12,
        "002": 12,
        "019": 3,
        "114": 6,
        "203": 5,
        "410": 6,
    }
    for name, of_video in rows.items():
        assert of_video["frame"].tolist() == list(range(len(of_video)))
        assert set(of_video["clip"]) == set(of_video["person"]) == {name}
    assert faces["face"].iloc[0] == "001/000001"


def test_videos_train_validate_and_test_as_the_lists_say(faces):
    split_of = dict(zip(faces["video"], faces["split"], strict=True))
    validating = held_out(["001", "002", "019"], 0.1)
    assert len(validating) == 1
    assert {name for name, split in split_of.items() if split == "validation"} == validating
    assert {name for name, split in split_of.items() if split == "test"} == {"114", "203", "410"}
    subset_of = dict(zip(faces["video"], faces["subset"], strict=True))
    assert subset_of == {"001": "full", "002": "full", "019": "full", "114": "A", "203": "B", "410": "C"}


def test_the_points_are_the_truth_counted_from_0_and_the_box_their_bounds(written, faces):
    for name, truth in written.points.items():
        rows = faces[faces["video"] == name]
        truth = truth[: len(rows)]
        np.testing.assert_allclose(points_of(rows), truth, atol=1e-3)
        np.testing.assert_allclose(boxes_of(rows), np.concatenate([truth.min(1), truth.max(1)], 1), atol=1e-3)


@pytest.mark.parametrize("codec", ["MJPG", "XVID"])
def test_a_dot_drawn_at_a_landmark_is_found_there(tmp_path, codec):
    """The image and the points of a frame go together to a tenth of a pixel, and so do those of its crop."""
    at = np.array([[57.3, 44.6], [71.2, 50.4], [80.0, 61.0]])
    y, x = np.mgrid[:120, :160]

    def scene(seed, width, height, count):
        _, points = drawn_scene(seed, width, height, count)
        points[:, 30] = at[np.arange(count) % 3]
        blobs = [220 * np.exp(-((x - u) ** 2 + (y - v) ** 2) / (2 * 2.5**2)) for u, v in points[:, 30]]
        return [np.repeat(np.round(20 + blob).astype(np.uint8)[..., None], 3, 2) for blob in blobs], points

    faces = index(
        ibug_300vw_files({"001": VideoPlan(3, 3, codec)}, scene, (160, 120)).files,
        tmp_path,
        {"counts": None, "validation": 0},
    )
    crops = cut_faces(
        faces["image"].iloc[0], faces["frame"].to_numpy(), boxes_of(faces), input_px=96, expand=0.2, margin=4 / 3
    )
    for row, (crop, to_image) in enumerate(crops):
        landmark = points_of(faces)[row, 30]
        for image, affine in ((read_face_image(faces, row), np.eye(2, 3)), (crop, to_image)):
            grey = np.clip(image.mean(axis=2) - 50, 0, None)
            v, u = (np.mgrid[: grey.shape[0], : grey.shape[1]] * grey).sum(axis=(1, 2)) / grey.sum()
            np.testing.assert_allclose(apply_affine(affine, np.array([[u, v]]))[0], landmark, atol=0.1)


def test_a_clip_never_goes_on_in_another_video(tmp_path, faces):
    """Each video's last frame is followed by nothing, though the next row is frame 0 of another video."""
    following = following_frames(faces)
    videos, numbers = faces["video"].to_numpy(), faces["frame"].to_numpy()
    for row, after in enumerate(following):
        if after < 0:
            assert numbers[row] == (videos == videos[row]).sum() - 1
        else:
            assert (videos[after], numbers[after]) == (videos[row], numbers[row] + 1)
    test = faces[faces["split"] == "test"]
    write_crops(test, tmp_path / "test.json", input_px=48, expand=0.2, margin=1.0)
    assert open_crops(tmp_path, "test").next.tolist() == following_frames(test).tolist()


def test_the_unpacked_folder_gives_the_same_table_and_takes_no_space_twice(written, faces, tmp_path):
    again = index(written.files, tmp_path, unpacked=True)
    assert again.drop(columns="image").equals(faces.drop(columns="image"))
    raw = tmp_path / "raw" / "300vw" / TOP / "002" / "vid.avi"
    assert os.path.samefile(raw, tmp_path / "images" / "002" / "vid.avi")
    VW.index(tmp_path / "raw", tmp_path / "images", tmp_path / "faces.parquet", OPTIONS)  # over what is there
    assert sorted(os.listdir(tmp_path / "images" / "002")) == ["vid.avi"]


def test_where_no_link_can_be_made_the_videos_are_copied(written, tmp_path, monkeypatch):
    def refuse(source, target):
        raise OSError("another device")

    monkeypatch.setattr(os, "link", refuse)
    index(written.files, tmp_path, unpacked=True)
    raw, placed = (tmp_path / folder / "002" / "vid.avi" for folder in (f"raw/300vw/{TOP}", "images"))
    assert not os.path.samefile(raw, placed) and raw.read_bytes() == placed.read_bytes()


def test_no_folder_around_the_videos_and_other_cases_of_names_are_fine(faces, tmp_path):
    files = ibug_300vw_files(top="").files
    odd = {}
    for name, content in files.items():
        odd[name.replace("vid.avi", "Vid.AVI").replace(".pts", ".PTS") if name.startswith("410") else name] = content
    odd |= {"__MACOSX/001/._vid.avi": b"", "001/annot/.DS_Store": b"", "001/vid.mat": b"", "readme.txt": b""}
    assert index(odd, tmp_path).drop(columns="image").equals(faces.drop(columns="image"))


def test_only_the_videos_are_unpacked(indexed):
    found = {str(path.relative_to(indexed / "images")) for path in (indexed / "images").rglob("*") if path.is_file()}
    assert found == {f"{name}/vid.avi" for name in PLANS}


def test_different_lengths_are_told_and_the_common_frames_kept(written, tmp_path, capfd):
    index(written.files, tmp_path)
    lines = [line for line in capfd.readouterr().err.splitlines() if "keeping" in line]
    assert len(lines) == 2
    assert "video 114 has 7 frames and 6 annotations: keeping the first 6 of each" in lines[0]
    assert "video 203 has 5 frames and 6 annotations: keeping the first 5 of each" in lines[1]


@pytest.mark.parametrize(("in_video", "fine"), [(197, False), (198, True), (202, True), (203, False)])
def test_lengths_may_differ_by_one_percent(tmp_path, in_video, fine):
    """Of 200 annotations, two are one per cent."""
    files = ibug_300vw_files({"001": VideoPlan(in_video, 200)}, size=(32, 32)).files
    options = {"counts": None, "validation": 0}
    if fine:
        assert len(index(files, tmp_path, options)) == min(in_video, 200)
    else:
        with pytest.raises(InputError, match=rf"video 001 has {in_video} frames and 200 annotations; expected as many"):
            index(files, tmp_path, options)


def test_nobody_has_to_validate(written, tmp_path):
    assert "validation" not in set(index(written.files, tmp_path, {**OPTIONS, "validation": 0})["split"])


# --- bad input
# ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"002": None}, r"2 training videos found, expected 3; missing: 002, 003, "),
        ({"115": VideoPlan()}, r"4 training videos found, expected 3; found: 001, 002, 019, 115\."),
        ({"410": None}, r"0 videos of category C found, expected 1; missing: 410, 411, "),
        ({"999": VideoPlan()}, r"video 999 is in no list of 300VW"),
    ],
)
def test_missing_and_extra_videos_are_named(tmp_path, change, message):
    plans = {name: plan for name, plan in (PLANS | change).items() if plan}
    with pytest.raises(InputError, match=message):
        index(ibug_300vw_files(plans).files, tmp_path)


@pytest.mark.parametrize("unpacked", [False, True])
@pytest.mark.parametrize(
    ("gone", "message"),
    [
        ("002/vid.avi", r"video 002 has annotations but no vid\.avi"),
        ("002/annot/", r"video 002 has no annotations; expected NNN/vid\.avi and NNN/annot"),
        ("002/annot/000005.pts", r"video 002 has no annot/000005\.pts \(1 missing\); expected one for each frame"),
    ],
)
def test_a_video_that_is_half_there_is_named(written, tmp_path, gone, message, unpacked):
    files = {name: content for name, content in written.files.items() if gone not in name}
    with pytest.raises(InputError, match=message):
        index(files, tmp_path, unpacked=unpacked)
    assert not (tmp_path / "faces.parquet").exists() and not (tmp_path / "images").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (pts_bytes(np.zeros((67, 2))), r"002/annot/000003\.pts: 67 points found, expected 68"),
        (b"version: 1\nn_points: 68\n{\nnonsense\n}\n", r"002/annot/000003\.pts: 1 points found"),
        (pts_bytes(np.zeros((68, 2))).replace(b"1.0", b"l.0", 1), r"002/annot/000003\.pts: point 1 is"),
        (b"\xff\xfe\x00garbage", r"002/annot/000003\.pts: is no"),
    ],
)
def test_an_annotation_that_is_none_is_named(written, tmp_path, content, message):
    with pytest.raises(InputError, match=message):
        index(written.files | {f"{TOP}/002/annot/000003.pts": content}, tmp_path)
    assert not (tmp_path / "images").exists()  # before gigabytes are unpacked


def test_a_video_that_does_not_decode_is_named(written, tmp_path):
    with pytest.raises(InputError, match=r"002/vid\.avi: cannot be opened as a video \(9 bytes found\)"):
        index(written.files | {f"{TOP}/002/vid.avi": b"no video!"}, tmp_path)


def test_a_truncated_video_is_named(written, tmp_path):
    whole = written.files[f"{TOP}/001/vid.avi"]
    with pytest.raises(InputError, match=r"video 001 has \d frames and 12 annotations; expected as many"):
        index(written.files | {f"{TOP}/001/vid.avi": whole[: len(whole) // 2]}, tmp_path)


@pytest.mark.parametrize("again", ["copy/002/vid.avi", "copy/002/annot/000001.pts", f"{TOP}/002/annot/1.pts"])
def test_the_same_part_twice_is_named(written, tmp_path, again):
    with pytest.raises(InputError, match=rf"{TOP}/002/.* and {again} are the same part of one video"):
        index(written.files | {again: b"?"}, tmp_path)


def test_an_annotation_without_a_number_is_named(written, tmp_path):
    with pytest.raises(InputError, match=r"annotation .*002/annot/mean\.pts has an unknown name"):
        index(written.files | {f"{TOP}/002/annot/mean.pts": b"?"}, tmp_path)


def test_a_member_that_would_leave_the_folder_is_refused(written, tmp_path):
    files = {name.replace(f"{TOP}/002/vid", "../002/vid"): content for name, content in written.files.items()}
    with pytest.raises(InputError, match=r"member '\.\./002/vid\.avi' would leave the folder"):
        index(files, tmp_path)
    assert not (tmp_path / "images").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"<!DOCTYPE html><html>Sign in</html>", "truncated or damaged zip archive"),
        (None, "holds no videos of 300VW"),
    ],
)
def test_something_else_in_the_archives_place_is_refused(tmp_path, content, message):
    path = write_zip({"afw/1.jpg": b"", "afw/1.pts": b""}, tmp_path / "300vw" / ARCHIVE)
    if content:
        path.write_bytes(content)
    with pytest.raises(InputError, match=rf"{ARCHIVE}: {message}"):
        VW.index(tmp_path, tmp_path / "images", tmp_path / "faces.parquet", OPTIONS)


def test_a_truncated_archive_is_refused(written, tmp_path):
    path = ibug_300vw_raw_dir(tmp_path, written.files) / "300vw" / ARCHIVE
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(InputError, match=rf"{ARCHIVE}: truncated or damaged zip archive"):
        VW.index(tmp_path, tmp_path / "images", tmp_path / "faces.parquet", OPTIONS)


@pytest.mark.parametrize(
    ("options", "message"),
    [({"counts": {"D": 1}}, "300vw: counts.D: unknown key; expected one of train, A, B, C")],
)
def test_an_unknown_option_value_is_named(written, tmp_path, options, message):
    with pytest.raises(InputError, match=message):
        index(written.files, tmp_path, options)


def test_the_fixture_is_what_it_says(written, tmp_path):
    """Else the tests above prove nothing: real codecs, and 1-based annotations."""
    path = ibug_300vw_raw_dir(tmp_path, written.files) / "300vw" / ARCHIVE
    with zipfile.ZipFile(path) as archive:
        first = archive.read(f"{TOP}/002/annot/000001.pts").split(b"\n")[3]
        archive.extract(f"{TOP}/002/vid.avi", tmp_path)
    np.testing.assert_allclose([float(v) for v in first.split()], written.points["002"][0, 0] + 1, atol=1e-6)
    video = tmp_path / TOP / "002" / "vid.avi"
    capture = cv2.VideoCapture(str(video))
    assert int(capture.get(cv2.CAP_PROP_FOURCC)).to_bytes(4, "little") == b"FMP4"  # how FFmpeg marks XVID's format
    assert count_frames(video) == 12
    images, _ = drawn_scene(2, 96, 80, 12)
    for number, image in frames(video, range(12)):
        assert np.abs(image[..., ::-1].astype(int) - images[number]).mean() < 6

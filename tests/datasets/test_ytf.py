import hashlib
import json
import os
import re
from dataclasses import replace

import cv2
import numpy as np
import pytest
from archives import csv_bytes, csv_rows, write_folder, write_zip, ytf_files, ytf_raw_dir
from web import serving

from tsal import datasets
from tsal.data.faces import boxes_of, labelled_of, points_of, read_faces, visibility_of
from tsal.data.landmarks import SCHEMES
from tsal.datasets import Published
from tsal.datasets.ytf import face_boxes
from tsal.errors import InputError

TRAINING, TEST = "training_frames_keypoints.csv", "test_frames_keypoints.csv"
YTF = datasets.get("ytf")
ARCHIVE = "train-test-data.zip"


def index(raw_dir, tmp_path, **options):
    YTF.index(raw_dir, tmp_path / "images", tmp_path / "faces.parquet", options)
    return read_faces(tmp_path / "faces.parquet").set_index("face", drop=False)


def index_files(files, tmp_path, **options):
    return index(ytf_raw_dir(tmp_path / "raw", files), tmp_path, **options)


# --- the registry
# -----------------------------------------------------------------------------------------------


def test_ytf_is_registered_with_a_known_scheme_and_normalisers():
    assert "ytf" in datasets.names()
    assert set(YTF.normalisers) <= set(SCHEMES[YTF.scheme].normalisers)
    assert (YTF.subsets, YTF.is_video) == (("full",), False)


def test_an_unknown_benchmark_is_named_with_those_there_are():
    with pytest.raises(InputError, match=r"unknown benchmark 'yft'; expected one of .*ytf"):
        datasets.get("yft")


def test_the_status_says_whether_raw_data_is_there_or_can_be_had(tmp_path, raw_dir):
    empty = tmp_path / "empty"
    assert YTF.status(raw_dir) == "present"
    assert YTF.status(empty) == "downloadable"
    assert replace(YTF, urls={}).status(empty) == "missing"
    assert YTF.sources(raw_dir) == {ARCHIVE: raw_dir / "ytf" / ARCHIVE}
    assert YTF.sources(empty) == {}


def test_of_several_archives_each_is_found_packed_or_unpacked(tmp_path):
    benchmark = replace(
        YTF, archives={"a.zip": ("a",), "b.zip": ("b/c",)}, urls={"a.zip": "https://a"}, how_to_get="ask"
    )
    folder = tmp_path / "ytf"
    (folder / "some" / "b" / "c").mkdir(parents=True)
    assert benchmark.sources(tmp_path) == {"b.zip": folder / "some"}
    assert (benchmark.missing(tmp_path), benchmark.status(tmp_path)) == (["a.zip"], "downloadable")
    (folder / "a.zip").touch()
    assert benchmark.sources(tmp_path) == {"a.zip": folder / "a.zip", "b.zip": folder / "some"}
    assert benchmark.status(tmp_path) == "present"
    assert benchmark.status(tmp_path / "elsewhere") == "missing"
    assert benchmark.missing_message(tmp_path / "elsewhere").endswith(
        "download a.zip from https://a; for b.zip, ask; then put it there as it is"
    )


def test_the_message_for_missing_data_says_what_where_from_and_where_to(tmp_path):
    message = YTF.missing_message(tmp_path)
    assert message.startswith("ytf: train-test-data.zip not found in ")
    assert str(tmp_path / "ytf") in message
    assert YTF.urls[ARCHIVE] in message
    assert "\n" not in message
    with pytest.raises(InputError, match=re.escape(message)):
        YTF.index(tmp_path, tmp_path / "images", tmp_path / "faces.parquet")


# --- the table
# --------------------------------------------------------------------------------------------------


def test_every_image_is_a_face_of_a_clip_of_its_folder(raw_dir, tmp_path):
    faces = index(raw_dir, tmp_path)
    assert len(faces) == 12 * 5
    face = faces.loc["training/First_C_02"]
    assert (face["person"], face["clip"], face["frame"]) == ("First_C", "First_C_0/training", 2)
    assert faces.loc["test/First_C_00", "clip"] == "First_C_0/test"
    assert face["image"] == str(tmp_path / "images" / "training" / "First_C_02.jpg")
    assert all(os.path.isfile(path) for path in faces["image"])
    assert set(faces["subset"]) == {"full"}


def test_the_clip_is_what_stands_before_the_last_digit(tmp_path):
    files = {re.sub(r"_0(\d)\.jpg", r"_12\1.jpg", name): content for name, content in ytf_files(people=10).items()}
    for table in (TRAINING, TEST):
        files[table] = re.sub(rb"_0(\d)\.jpg", rb"_12\1.jpg", files[table])
    faces = index_files(files, tmp_path)
    assert faces.loc["training/First_A_121", ["clip", "frame"]].tolist() == ["First_A_12/training", 1]


def test_points_are_those_of_the_row_and_a_face_without_row_is_unlabelled(raw_dir, tmp_path):
    faces = index(raw_dir, tmp_path)
    for folder, table in (("training", TRAINING), ("test", TEST)):
        for name, *values in csv_rows(ytf_files()[table])[1:]:
            row = faces.loc[[f"{folder}/{name.removesuffix('.jpg')}"]]
            np.testing.assert_array_equal(points_of(row).ravel(), np.array(values, float))
    unlabelled = faces[~labelled_of(faces)]
    assert unlabelled["face"].tolist() == [f"test/First_{letter}_01" for letter in "ABCDEFGHIJKL"]
    assert not visibility_of(unlabelled).any()
    assert visibility_of(faces[labelled_of(faces)]).all()


def test_no_person_is_in_two_splits_and_shares_are_rounded_down(raw_dir, tmp_path):
    faces = index(raw_dir, tmp_path)
    assert (faces.groupby("person")["split"].nunique() == 1).all()
    people = faces.groupby("split")["person"].nunique().to_dict()
    assert people == {"test": 2, "validation": 1, "train": 9}  # of 12: int(2.4), int(1.2), the rest


def test_a_labelled_face_has_the_tight_bounds_of_its_points(raw_dir, tmp_path):
    faces = index(raw_dir, tmp_path)
    faces = faces[labelled_of(faces)]
    points = points_of(faces)
    np.testing.assert_array_equal(boxes_of(faces), np.concatenate([points.min(1), points.max(1)], axis=1))


def test_an_unlabelled_face_has_the_mean_box_of_its_clip_in_both_folders(raw_dir, tmp_path):
    faces = index(raw_dir, tmp_path)
    of_person = faces[faces["person"] == "First_D"]
    expected = boxes_of(of_person[labelled_of(of_person)]).mean(axis=0)  # all images have one size
    np.testing.assert_allclose(boxes_of(of_person.loc[["test/First_D_01"]])[0], expected)


def test_boxes_of_unlabelled_faces_scale_with_their_image_and_fall_back_to_person_and_all():
    points = np.full((5, 68, 2), np.nan)
    points[0] = np.linspace([10, 20], [50, 60], 68)
    points[1] = np.linspace([30, 40], [70, 80], 68)
    sizes = np.array([[100, 100], [100, 100], [200, 300], [100, 200], [100, 100]])
    boxes = face_boxes(points, sizes, ["a_0", "b_0", "a_0", "b_1", "c_0"], ["a", "b", "a", "b", "c"])
    np.testing.assert_allclose(boxes[2], [20, 60, 100, 180])  # its clip's: 0.1, 0.2, 0.5, 0.6 of the image
    np.testing.assert_allclose(boxes[3], [30, 80, 70, 160])  # its person's: 0.3, 0.4, 0.7, 0.8
    np.testing.assert_allclose(boxes[4], [20, 30, 60, 70])  # the mean of all


def test_where_nothing_is_labelled_the_box_is_the_image():
    boxes = face_boxes(np.full((1, 68, 2), np.nan), np.array([[80, 60]]), ["a_0"], ["a"])
    np.testing.assert_allclose(boxes, [[0, 0, 80, 60]])


def test_points_outside_the_image_are_kept(tmp_path):
    files = ytf_files(people=10)
    rows = csv_rows(files[TRAINING])
    rows[1][1:3] = ["-3.5", "400"]
    files[TRAINING] = csv_bytes(rows)
    faces = index_files(files, tmp_path)
    face = faces.loc[["training/" + rows[1][0].removesuffix(".jpg")]]
    np.testing.assert_array_equal(points_of(face)[0, 0], [-3.5, 400])
    assert boxes_of(face)[0, [0, 3]].tolist() == [-3.5, 400]


def test_the_first_people_of_the_alphabet_can_be_chosen_and_only_their_images_are_unpacked(raw_dir, tmp_path):
    faces = index(raw_dir, tmp_path, max_people=10)
    assert sorted(set(faces["person"])) == [f"First_{letter}" for letter in "ABCDEFGHIJ"]
    assert faces.groupby("split")["person"].nunique().to_dict() == {"test": 2, "validation": 1, "train": 7}
    assert len(list((tmp_path / "images").rglob("*.jpg"))) == 50


def test_an_unknown_option_is_named_with_those_there_are(raw_dir, tmp_path):
    with pytest.raises(InputError, match=r"ytf: people: unknown key; did you mean 'max_people'"):
        index(raw_dir, tmp_path, people=3)


def test_too_few_people_for_a_split_are_refused(raw_dir, tmp_path):
    with pytest.raises(InputError, match=r"ytf: max_people: found 9, expected a whole number of at least 10"):
        index(raw_dir, tmp_path, max_people=9)


# --- the raw layouts
# --------------------------------------------------------------------------------------------


def test_images_are_unpacked_as_they_are(raw_dir, tmp_path):
    index(raw_dir, tmp_path)
    for name, content in ytf_files().items():
        if name.endswith(".jpg"):
            assert (tmp_path / "images" / name).read_bytes() == content


def test_an_archive_may_hold_the_layout_in_a_folder_beside_what_macos_adds(tmp_path):
    files = {f"data/{name}": content for name, content in ytf_files(people=10).items()}
    files |= {
        "__MACOSX/data/training/._First_A_00.jpg": b"",
        "data/.DS_Store": b"",
        "data/training/.DS_Store": b"",
    }
    assert len(index_files(files, tmp_path)) == 50
    assert (tmp_path / "images" / "training" / "First_A_00.jpg").is_file()


@pytest.mark.parametrize("place", ["ytf", "ytf/train-test-data", "ytf/P1_Facial_Keypoints/data"])
def test_the_unpacked_folder_is_read_as_the_archive_is_and_left_alone(tmp_path, place):
    files = ytf_files(people=10)
    expected = index_files(files, tmp_path / "from_archive")
    folder = write_folder(files, tmp_path / "raw" / place)
    before = sorted(path.relative_to(folder) for path in folder.rglob("*"))
    assert YTF.status(tmp_path / "raw") == "present"
    assert YTF.source(tmp_path / "raw", ARCHIVE) == folder
    faces = index(tmp_path / "raw", tmp_path)
    assert sorted(path.relative_to(folder) for path in folder.rglob("*")) == before
    assert faces.drop(columns="image").equals(expected.drop(columns="image"))
    assert all(cv2.imread(path) is not None for path in faces["image"])


def test_a_truncated_archive_is_named_and_leaves_nothing(raw_dir, tmp_path):
    archive = raw_dir / "ytf" / "train-test-data.zip"
    archive.write_bytes(archive.read_bytes()[:-5000])
    with pytest.raises(InputError, match=r"train-test-data\.zip: truncated or damaged"):
        index(raw_dir, tmp_path)
    assert os.listdir(tmp_path) == ["raw"]


def test_an_archive_without_tables_is_named(tmp_path):
    files = ytf_files(people=10)
    del files[TEST]
    with pytest.raises(InputError, match=rf"train-test-data\.zip: holds no {TEST}"):
        index_files(files, tmp_path)


def test_a_row_without_its_image_is_named(tmp_path):
    files = ytf_files(people=10)
    del files["training/First_B_01.jpg"]
    with pytest.raises(InputError, match=rf"{TRAINING} has a row for First_B_01\.jpg, but .* is missing"):
        index_files(files, tmp_path)
    assert not (tmp_path / "faces.parquet").exists()


def test_an_image_without_its_row_is_unlabelled(tmp_path):
    files = ytf_files(people=10)
    files[TRAINING] = csv_bytes([row for row in csv_rows(files[TRAINING]) if row[0] != "First_B_01.jpg"])
    faces = index_files(files, tmp_path)
    assert faces["face"][~labelled_of(faces)].tolist()[-1] == "training/First_B_01"


def test_an_undecodable_image_is_named(tmp_path):
    files = ytf_files(people=10)
    files["test/First_C_01.jpg"] = b"<html>not found</html>"
    with pytest.raises(InputError, match=r"First_C_01\.jpg: cannot be decoded as an image"):
        index_files(files, tmp_path)


def test_an_image_of_another_name_is_refused(tmp_path):
    files = ytf_files(people=10) | {"training/cover.jpg": b""}
    with pytest.raises(InputError, match=r"image training/cover\.jpg has an unknown name"):
        index_files(files, tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda rows: rows[4].pop(), r"line 5: 136 columns; expected 137"),
        (lambda rows: rows[4].append("1"), r"line 5: 138 columns; expected 137"),
        (lambda rows: rows.append(rows[1]), r"line 32: a second row for First_A_00\.jpg"),
        (
            lambda rows: rows[2].__setitem__(7, "left"),
            r"line 3 \(First_A_01\.jpg\): .*'left'.*expected numbers",
        ),
        (lambda rows: rows[2].__setitem__(7, ""), r"line 3 \(First_A_01\.jpg\): .*expected numbers"),
        (lambda rows: rows[2].__setitem__(7, "nan"), r"line 3 \(First_A_01\.jpg\): a cell is not finite"),
    ],
)
def test_bad_rows_are_named_with_their_line(tmp_path, change, message):
    files = ytf_files(people=10)
    rows = csv_rows(files[TRAINING])
    change(rows)
    files[TRAINING] = csv_bytes(rows)
    with pytest.raises(InputError, match=rf"{TRAINING}, {message}"):
        index_files(files, tmp_path)


def test_a_table_that_is_no_text_is_named(tmp_path):
    files = ytf_files(people=10) | {TRAINING: b"\xff\xfe\x00"}
    with pytest.raises(InputError, match=rf"{TRAINING}: not a readable csv table"):
        index_files(files, tmp_path)


# --- download
# ---------------------------------------------------------------------------------------------------


@pytest.fixture
def published(tmp_path):
    """A ytf benchmark that a server on this machine publishes, and the file that it serves."""
    archive = write_zip(ytf_files(people=10), tmp_path / "site" / "train-test-data.zip")
    with serving(archive.parent) as url:
        yield replace(YTF, urls={ARCHIVE: f"{url}/{ARCHIVE}"}), archive


def test_the_first_download_locks_size_and_digest(published, tmp_path):
    benchmark, archive = published
    (path,) = benchmark.download(tmp_path / "raw")
    assert path == tmp_path / "raw" / "ytf" / "train-test-data.zip"
    assert path.read_bytes() == archive.read_bytes()
    lock = json.loads((tmp_path / "raw" / "ytf" / "train-test-data.zip.lock").read_text())
    assert lock == {
        "url": benchmark.urls[ARCHIVE],
        "size": archive.stat().st_size,
        "sha256": hashlib.sha256(archive.read_bytes()).hexdigest(),
    }


def test_a_later_download_must_be_the_locked_file(published, tmp_path):
    benchmark, archive = published
    benchmark.download(tmp_path / "raw")[0].unlink()
    content = archive.read_bytes()
    archive.write_bytes(content[:-1] + b"x")
    with pytest.raises(InputError, match=r"SHA-256 .* found; .* delete .*train-test-data\.zip\.lock"):
        benchmark.download(tmp_path / "raw")
    archive.write_bytes(content)
    assert benchmark.download(tmp_path / "raw")[0].read_bytes() == content


def test_what_is_no_whole_archive_is_never_locked(published, tmp_path):
    benchmark, archive = published
    content = archive.read_bytes()
    for wrong, said in (
        (content[:-30], "truncated or damaged zip"),
        (b"<html>log in", "a web page"),
        (b"?", "1 bytes"),
    ):
        archive.write_bytes(wrong)
        with pytest.raises(InputError, match=rf"ytf/train-test-data\.zip: http.* .*{said}") as error:
            benchmark.download(tmp_path / "raw")
        assert ".part" not in str(error.value) and "\n" not in str(error.value)
        assert not list(tmp_path.glob("raw/ytf/*"))
    archive.write_bytes(content[:200] + b"\0\0\0\0" + content[204:])  # within its first picture
    with pytest.raises(InputError, match=r"sent something else: .*(checksum|damaged)"):
        benchmark.download(tmp_path / "raw")
    archive.write_bytes(content)
    benchmark.download(tmp_path / "raw")


def test_what_is_published_is_demanded_of_a_first_download_and_not_of_the_users_own_file(published, tmp_path):
    benchmark, archive = published
    url, size = benchmark.urls[ARCHIVE], archive.stat().st_size
    with pytest.raises(InputError, match=rf"offers {size:,} bytes; expected {size + 1:,}"):
        replace(benchmark, published={url: Published(size + 1)}).download(tmp_path / "raw")
    with pytest.raises(InputError, match=r"SHA-256 .* found; expected 00"):
        replace(benchmark, published={url: Published(size, "0" * 64)}).download(tmp_path / "raw")
    raw = ytf_raw_dir(tmp_path / "mine", {"mine": b""})
    assert replace(benchmark, published={url: Published(1)}).download(raw) == [raw / "ytf" / ARCHIVE]


def test_the_size_of_the_public_archive_is_known():
    assert YTF.published[YTF.urls[ARCHIVE]].size == 338_613_624  # wget's "Length:" in two notebooks of 2019


def test_an_address_that_is_not_encrypted_is_left_to_the_user(tmp_path):
    url = "http://example.org/a.zip"
    benchmark = replace(YTF, archives={"a.zip": ()}, urls={"a.zip": url}, how_to_get="ask")
    assert benchmark.status(tmp_path) == "missing"
    with pytest.raises(InputError, match=r"download a\.zip from http://.* by hand \(its way is not encrypted"):
        benchmark.download(tmp_path)
    assert replace(benchmark, published={url: Published(1, "0" * 64)}).status(tmp_path) == "downloadable"


def test_what_the_user_has_put_there_is_not_downloaded_again(published, tmp_path):
    benchmark, archive = published
    archive.unlink()
    raw = ytf_raw_dir(tmp_path / "raw", {"mine": b""})
    assert benchmark.download(raw) == [raw / "ytf" / ARCHIVE]
    assert os.listdir(raw / "ytf") == ["train-test-data.zip"]
    folder = write_folder(ytf_files(people=10), tmp_path / "unpacked" / "ytf")
    assert benchmark.download(tmp_path / "unpacked") == [folder]


def test_without_a_public_address_the_user_is_told_what_to_bring(tmp_path):
    benchmark = replace(YTF, urls={}, how_to_get="ask its owners for it")
    with pytest.raises(
        InputError, match=r"ytf: train-test-data\.zip not found in .*; for .*, ask its owners for it; then"
    ):
        benchmark.download(tmp_path)


def test_a_damaged_lock_is_named(published, tmp_path):
    benchmark, _ = published
    (tmp_path / "raw" / "ytf").mkdir(parents=True)
    (tmp_path / "raw" / "ytf" / "train-test-data.zip.lock").write_text("{")
    with pytest.raises(InputError, match=r"\.lock: damaged lock file"):
        benchmark.download(tmp_path / "raw")

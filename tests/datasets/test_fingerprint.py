"""Raw data is known by its content: another place is the same data, another archive is not."""

import shutil
import zipfile

import pytest

from tsal import datasets
from tsal.datasets.reading.fingerprint import fingerprint

YTF = datasets.get("ytf")


def write_archive(folder, content=b"x"):
    folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(folder / "train-test-data.zip", "w") as archive:
        archive.writestr("training/a.jpg", content)


def test_absent_data_has_none(tmp_path):
    assert fingerprint(YTF, tmp_path) is None


def test_an_archive_is_the_same_in_another_place(tmp_path):
    write_archive(tmp_path / "here/ytf")
    shutil.copytree(tmp_path / "here", tmp_path / "there")
    assert fingerprint(YTF, tmp_path / "here") == fingerprint(YTF, tmp_path / "there")


def test_an_archive_of_the_same_size_with_another_content_differs(tmp_path):
    for place, content in (("here", b"abc"), ("there", b"abd")):
        write_archive(tmp_path / place / "ytf", content)
    here, there = (fingerprint(YTF, tmp_path / place)["train-test-data.zip"] for place in ("here", "there"))
    assert here["bytes"] == there["bytes"]
    assert here["sha256_of_tail"] != there["sha256_of_tail"]


@pytest.mark.parametrize("change", ["none", "table", "entry"])
def test_an_unpacked_folder_is_known_by_its_tables_and_the_names_of_its_images(tmp_path, change):
    for place in ("here", "there"):
        folder = tmp_path / place / "ytf"
        for name in ("training", "test"):
            (folder / name).mkdir(parents=True)
            (folder / f"{name}_frames_keypoints.csv").write_text("face,x0\n")
    if change == "table":
        (folder / "test_frames_keypoints.csv").write_text("face,x0\na.jpg,1\n")
    if change == "entry":
        (folder / "test" / "more.jpg").touch()
    same = fingerprint(YTF, tmp_path / "here") == fingerprint(YTF, tmp_path / "there")
    assert same == (change == "none")

"""Data sets by name, a user's own too, and what is said where one is wrong; raw data, which is known by its content."""

import shutil
import zipfile

import pytest
from plugins import TOY5, write_toy5

from tsal import datasets
from tsal.data.faces import read_faces
from tsal.datasets.reading.fingerprint import fingerprint
from tsal.errors import InputError


def add(plugin_folder, name, content):
    (plugin_folder / "datasets").mkdir(exist_ok=True)
    (plugin_folder / f"datasets/{name}.py").write_text(content)


def test_a_data_set_in_a_users_folder_is_found_and_indexed(plugin_folder, tmp_path):
    write_toy5(plugin_folder, tmp_path / "raw", faces=20)
    assert "toy5" in datasets.names() and "ytf" in datasets.names()
    datasets.get("toy5").index(tmp_path / "raw", tmp_path / "images", tmp_path / "faces.parquet")
    faces = read_faces(tmp_path / "faces.parquet")
    assert faces["split"].value_counts().to_dict() == {"train": 14, "test": 4, "validation": 2}


def test_faces_of_which_nothing_could_be_trained_are_refused_with_what_to_do(plugin_folder, tmp_path):
    write_toy5(plugin_folder, tmp_path / "raw", faces=20)
    path, table = plugin_folder / "datasets/toy5.py", tmp_path / "faces.parquet"
    path.write_text(path.read_text().replace(", split=splits", ""))
    message = "toy5: found 0 train, 0 validation, 20 test faces, expected some to train on: tell make_faces their split"
    with pytest.raises(InputError, match=message):
        datasets.get("toy5").index(tmp_path / "raw", tmp_path / "images", table)
    assert not table.exists()


def test_faces_of_another_number_of_landmarks_than_the_scheme_are_refused(plugin_folder, tmp_path):
    write_toy5(plugin_folder, tmp_path / "raw", faces=20)
    path = plugin_folder / "datasets/toy5.py"
    path.write_text(path.read_text().replace("reshape(-1, 5, 2)", "reshape(-1, 5, 2)[:, :4]"))
    with pytest.raises(InputError, match="toy5: found faces of 4 landmarks, expected 5"):
        datasets.get("toy5").index(tmp_path / "raw", tmp_path / "images", tmp_path / "faces.parquet")


def test_without_the_variable_nothing_is_added(plugin_folder, tmp_path, monkeypatch):
    write_toy5(plugin_folder, tmp_path / "raw", faces=1)
    monkeypatch.delenv("TSAL_PLUGINS")
    assert "toy5" not in datasets.names()


def test_files_that_begin_with_an_underscore_are_for_others_to_import(plugin_folder):
    add(plugin_folder, "_dots", "SCHEME = '19'\n")
    source = TOY5.replace("scheme=SCHEME", "scheme=LENT").replace('("inter-eye", "face-size")', '("face-size",)')
    add(plugin_folder, "toy5", "from tsal.datasets._dots import SCHEME as LENT\n" + source.partition('"""\n')[2])
    assert datasets.get("toy5").landmarks.name == "19"


def toy(old, new):
    assert TOY5.count(old) == 1
    return TOY5.replace(old, new)


NAME = 'name="toy5",\n    title'


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("toy", "import json\nimport nosuch\n", r":2: cannot be imported \(ModuleNotFoundError: .*nosuch"),
        ("toy", "x = 1\ndef f(:\n", r":2: cannot be imported \(SyntaxError"),
        ("toy", "BENCHMARK = 1\n", ": defines no DATASET; expected one"),
        ("toy", "DATASET = 1\n", r": DATASET is a int; expected a tsal\.datasets\.Dataset"),
        ("ytf", TOY5, ": .*tsal/datasets/ytf has the same name"),
        ("toy", toy(NAME, NAME.replace("toy5", "ytf")), ": there is a data set 'ytf' already"),
        ("toy", toy(NAME, NAME.replace("toy5", "toy_5")), ": data set 'toy_5': expected a name of"),
        ("toy", toy("n_points=5", "n_points=4"), r": scheme 'toy5': mirror_pairs: found \[3, 4\], expected"),
        ("toy", toy("scheme=SCHEME", 'scheme="98"'), ": scheme: found '98'; expected a built-in one"),
        ("toy", toy('("inter-eye"', '("eyes"'), ": data set toy5: normalisers: found 'eyes'; expected some"),
    ],
)
def test_a_plug_in_that_cannot_be_used_is_named_with_what_is_wrong(plugin_folder, name, content, message):
    add(plugin_folder, name, content)
    with pytest.raises(InputError, match=rf"datasets/{name}\.py{message}"):
        datasets.names()


def test_a_folder_that_is_not_there_is_named(tmp_path, plugin_folder, monkeypatch):
    monkeypatch.setenv("TSAL_PLUGINS", str(tmp_path / "plugs"))
    with pytest.raises(InputError, match=r"TSAL_PLUGINS: found .*plugs, which is no folder; expected"):
        datasets.names()


YTF = datasets.get("ytf")


# --- what raw data is known by ---


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

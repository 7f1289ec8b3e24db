import io
import os
import random
import re
from dataclasses import replace

import cv2
import numpy as np
import pytest
from archives import draw_face, encode, write_zip
from archives_300vw import drawn_scene, pts_bytes
from archives_300w import BOXES, COUNTS, PER_FOLDER, box_records, ibug_300w_files, ibug_300w_raw_dir, mat_bytes
from scipy.io import loadmat, savemat

from tsal import datasets
from tsal.data.archives import open_zip
from tsal.data.faces import boxes_of, points_of, read_faces, visibility_of
from tsal.data.landmarks import SCHEMES
from tsal.data.pictures import read_image
from tsal.datasets import ibug_300w
from tsal.datasets.reading.matlab import read_mat
from tsal.datasets.reading.pts import read_pts
from tsal.errors import InputError

IBUG = datasets.get("300w")
FOLDER_BOXES = "Bounding Boxes/bounding_boxes_{}.mat"


@pytest.fixture(scope="module")
def written():
    return ibug_300w_files()


def copy_of(written):
    """The files, to be changed."""
    return {archive: dict(content) for archive, content in written.files.items()}


def index(raw, tmp_path, **options):
    options = {"box": "GTB", "counts": COUNTS, "validation": 0.2} | options
    IBUG.index(raw, tmp_path / "images", tmp_path / "faces.parquet", options)
    return read_faces(tmp_path / "faces.parquet").set_index("face", drop=False)


def index_files(files, tmp_path, **options):
    return index(ibug_300w_raw_dir(tmp_path / "raw", files), tmp_path, **options)


# --- .pts files


POINTS = np.random.default_rng(0).uniform(0, 300, (68, 2)).round(3)


BARE = pts_bytes(POINTS).partition(b"{\n")[2].removesuffix(b"}\n")  # as in copies that lost header and braces


def test_points_count_from_zero():
    np.testing.assert_allclose(read_pts(pts_bytes(POINTS), "a.pts"), POINTS, atol=1e-9)
    np.testing.assert_allclose(read_pts(pts_bytes(POINTS[:5]), "a.pts", n_points=5), POINTS[:5], atol=1e-9)


@pytest.mark.parametrize(
    "change",
    [
        lambda content: content.replace(b"\n", b"\r\n"),
        lambda content: content.replace(b"\n", b" \t \n"),
        lambda content: content.replace(b"version", b"VERSION").replace(b"n_points:  ", b"N_POINTS:"),
        lambda content: content.replace(b"\n{", b"\n// of a face\n# {\n\n{"),
        lambda content: content.rstrip(),
        lambda content: b"\xef\xbb\xbf" + content,
        lambda content: content.replace(b"version: 1\n", b""),
        lambda content: content.replace(b"\n{\n", b"\n{ ").replace(b"\n}", b" }"),
        lambda content: BARE,
        lambda content: BARE.rstrip().replace(b"\n", b"\r\n\r\n"),
    ],
    ids=["CRLF", "blanks", "case", "comments", "no last newline", "byte order mark", "no version", "braces inline"]
    + ["points alone", "points alone, CRLF"],
)
def test_points_are_read_however_the_file_is_written(change):
    np.testing.assert_allclose(read_pts(change(pts_bytes(POINTS)), "a.pts"), POINTS, atol=1e-9)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (pts_bytes(POINTS[:67]), "67 points found, expected 68"),
        (pts_bytes(POINTS).replace(b"n_points:  68", b"n_points: 67"), "68 points found, but it says n_points: 67"),
        (pts_bytes(POINTS).replace(b"\n}", b"\nleft 3\n}").replace(b":  68", b":  69"), "69 points found, expected 68"),
        (re.sub(rb"\n{\n\S+", b"\n{\nleft", pts_bytes(POINTS)), "point 1 is 'left .*expected x and y"),
        (re.sub(rb"\n{\n\S+", b"\n{\nnan", pts_bytes(POINTS)), "point 1 is 'nan .*expected x and y"),
        (re.sub(rb"\n{\n\S+", b"\n{\n1 2", pts_bytes(POINTS)), "point 1 is '1 2 .*expected x and y"),
        (pts_bytes(POINTS)[:-2], "is no .pts file"),
        (pts_bytes(POINTS).partition(b"{\n")[2], r"is no \.pts file; expected .* or 68 points alone"),
        (b"n_points: 68\n" + BARE, r"is no \.pts file"),
        (b"version: 1\n" + BARE, r"is no \.pts file"),
        (b"68\n" + BARE, r"is no \.pts file"),
        (b"{\n" + BARE, r"is no \.pts file"),
        (BARE + b"1 2 3\n", r"is no \.pts file"),
        (BARE.replace(b"\n", b"\nnan nan\n", 1), r"is no \.pts file"),
        (BARE + b"1 2\n", "69 points found in a file that has neither a header nor braces, expected 68"),
        (BARE.partition(b"\n")[2], "67 points found in a file that has neither a header nor braces, expected 68"),
        (b"<html>moved</html>", "is no .pts file"),
        (b"", "is no .pts file"),
        (b"\xff\xd8\xff\xe0", "is no text"),
    ],
)
def test_a_file_without_68_positions_is_refused(content, message):
    with pytest.raises(InputError, match=rf"^a\.pts: {message}"):
        read_pts(content, "a.pts")


# --- Matlab files


def test_matlab_files_hold_what_scipy_finds_in_them():
    cells = np.empty((2, 2), object)
    cells[:] = [["a", "ü.jpg"], ["", np.arange(6, dtype=np.uint8).reshape(2, 3)]]
    records = np.empty((1, 2), [("name", object), ("box", object)])
    records[0] = [("one", np.array([[1.5, -2.0, 300.0]])), ("two", np.empty((0, 0)))]
    numbers = np.random.default_rng(0).normal(size=(3, 4, 2))
    variables = {"cells": cells, "records": records, "numbers": numbers, "small": np.int16([[-3], [7]])}
    content = mat_bytes(**variables, other=numbers)
    read = dict(zip(variables, read_mat(content, "a.mat", list(variables)), strict=True))
    expected = loadmat(io.BytesIO(content))
    np.testing.assert_array_equal(read["numbers"], expected["numbers"])
    np.testing.assert_array_equal(read["small"], expected["small"])
    assert read["cells"][0, 1] == expected["cells"][0, 1][0] == "ü.jpg"
    np.testing.assert_array_equal(read["cells"][1, 1], expected["cells"][1, 1])
    assert [record["name"] for record in read["records"][0]] == ["one", "two"]
    np.testing.assert_array_equal(read["records"][0, 0]["box"], expected["records"][0, 0]["box"])


def test_a_matlab_text_has_as_many_characters_as_its_shape_says():
    savemat(content := io.BytesIO(), {"bounding_boxes": "0123.jpg"})
    shape = np.array([1, 8], "<i4").tobytes()
    damaged = content.getvalue().replace(shape, np.array([1, 4], "<i4").tobytes())
    with pytest.raises(InputError, match=r"a text of 8 characters has the shape \(1, 4\)"):
        read_mat(damaged, "a.mat", ["bounding_boxes"])


def test_a_damaged_matlab_file_is_an_input_error_wherever_the_damage_is():
    content = mat_bytes(bounding_boxes=box_records(["1.jpg"], np.ones((1, 4)), np.ones((1, 4))))
    place = random.Random(0)
    for number in range(500):
        damaged = bytearray(content)
        if number % 2:
            del damaged[place.randrange(len(damaged)) :]
        else:
            damaged[place.randrange(len(damaged))] ^= 1 << place.randrange(8)
        try:
            read_mat(bytes(damaged), "a.mat", ["bounding_boxes"])
        except InputError as error:
            assert str(error).startswith("a.mat: ")
        else:
            assert not number % 2  # a bit of the header's text, or of the padding


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            b"<!DOCTYPE html><html>moved</html>",
            r"is no Matlab file \(33 bytes found, which begin with b'<!DOCTYPE ht'\)",
        ),
        (
            bytes(124) + b"\0\2IM" + bytes(384) + b"\x89HDF\r\n\x1a\n",
            r"is a Matlab file of version 7\.3 \(HDF5\), expected 7.*option -v7",
        ),
        (mat_bytes(bounding_boxes="text")[:-9], "truncated or damaged Matlab file"),
        (mat_bytes(boxes="text"), "has no variable 'bounding_boxes'"),
        (mat_bytes(bounding_boxes=np.eye(2) * 1j), "truncated or damaged Matlab file .*kind 6"),
    ],
)
def test_another_file_in_its_place_is_named(content, message):
    with pytest.raises(InputError, match=f"a.mat: {message}"):
        read_mat(content, "a.mat", ["bounding_boxes"])


# --- the table


def test_it_is_registered_with_a_known_scheme_and_normalisers():
    assert set(IBUG.normalisers) <= set(SCHEMES[IBUG.scheme].normalisers)
    assert IBUG.subsets == ("common", "challenging", "full")
    assert IBUG.urls["helen.zip"] == "https://ibug.doc.ic.ac.uk/download/annotations/helen.zip"
    assert IBUG.options().counts["train"] == 337 + 2000 + 811
    assert IBUG.options().counts["common"] == 330 + 224


@pytest.mark.parametrize("unpacked", [False, True])
@pytest.mark.parametrize("top", [True, False])
@pytest.mark.parametrize("as_cells", [True, False])
def test_points_and_boxes_come_back_from_every_layout(tmp_path, unpacked, top, as_cells):
    written = ibug_300w_files(top=top or unpacked, as_cells=as_cells)
    faces = index(ibug_300w_raw_dir(tmp_path / "raw", written.files, unpacked), tmp_path)
    assert set(faces["face"]) == set(written.points)
    np.testing.assert_allclose(points_of(faces), [written.points[face] for face in faces["face"]], atol=1e-3)
    np.testing.assert_allclose(boxes_of(faces), [written.boxes["GTB"][face] for face in faces["face"]], atol=1e-3)
    assert visibility_of(faces).all()
    assert all(read_image(path).shape == (80, 96, 3) for path in faces["image"])


def test_boxes_are_those_asked_for(written, tmp_path):
    raw = ibug_300w_raw_dir(tmp_path / "raw", written.files)
    faces = index(raw, tmp_path, box="DET")
    np.testing.assert_allclose(boxes_of(faces), [written.boxes["DET"][face] for face in faces["face"]], atol=1e-3)
    faces = index(raw, tmp_path, box="GTL")
    points = points_of(faces)
    np.testing.assert_array_equal(boxes_of(faces), np.concatenate([points.min(1), points.max(1)], axis=1))
    with pytest.raises(InputError, match='300w: box: found "detector", expected one of DET, GTB, GTL'):
        index(raw, tmp_path, box="detector")


def test_a_dot_at_a_landmark_is_found_there(tmp_path):
    def dotted(seed, width, height, frames):
        _, (points,) = drawn_scene(seed, width, height, 1)
        image = np.zeros((height, width, 3), np.uint8)
        # Drawn by its own formula, so that no drawing library's idea of a pixel's centre comes in.
        y, x = np.mgrid[:height, :width]
        dot = 255 * np.exp(-((x - points[30, 0]) ** 2 + (y - points[30, 1]) ** 2) / (2 * 1.5**2))
        image[:] = dot[..., None].round()
        return [image], points[None]

    faces = index_files(ibug_300w_files(scene=dotted).files, tmp_path)
    for path, points in zip(faces["image"], points_of(faces), strict=True):
        weight = read_image(path).astype(float).mean(axis=2)
        weight[weight < 25] = 0  # what JPEG adds
        y, x = np.mgrid[: weight.shape[0], : weight.shape[1]]
        centroid = np.array([(weight * x).sum(), (weight * y).sum()]) / weight.sum()
        np.testing.assert_allclose(centroid, points[30], atol=0.1)


def test_grey_and_cmyk_images_and_broken_exif_show_the_face(written, tmp_path):
    faces = index_files(written.files, tmp_path)
    for number in range(3):
        image = read_image(faces.loc[f"helen/trainset/{100 + number}_1", "image"]).astype(float)
        (drawn,), _ = drawn_scene(100 + number, 96, 80, 1)
        expected = drawn.astype(float)
        if number == 0:
            expected = np.repeat(cv2.cvtColor(drawn, cv2.COLOR_BGR2GRAY)[..., None], 3, axis=2).astype(float)
        assert abs(image - expected[..., ::-1]).mean() < 8  # grey levels: JPEG, and conversion to CMYK and back


def test_folders_are_splits_and_subsets(written, tmp_path):
    faces = index_files(written.files, tmp_path, validation=0)
    folders = faces["face"].str.rpartition("/")[0]
    split = faces.groupby(folders)["split"].unique().map(list).to_dict()
    training = {"afw": ["train"], "helen/trainset": ["train"], "lfpw/trainset": ["train"]}
    assert split == training | {"helen/testset": ["test"], "lfpw/testset": ["test"], "ibug": ["test"]}
    subset = faces[faces["split"] == "test"].groupby("subset").size().to_dict()
    assert subset == {"common+full": 5, "challenging+full": 3}


def test_all_faces_of_a_photograph_validate_or_none(written, tmp_path):
    faces = index_files(written.files, tmp_path, validation=0.5)
    people = faces.groupby("person")["split"].unique().map(list)
    assert people["afw/134210"] in (["train"], ["validation"])  # two faces
    assert all(len(splits) == 1 for splits in people)
    trained = people[people.index.str.contains("afw|trainset")]
    assert sum(splits == ["validation"] for splits in trained) == round(0.5 * 12)
    assert "lfpw/trainset/image_0001" in people
    with pytest.raises(InputError, match=r"300w: validation: found 1, expected a number from 0 to 0\.5"):
        index_files(written.files, tmp_path, validation=1)


def test_names_that_differ_by_case_and_spaces_are_matched_but_never_two_to_one(written, tmp_path):
    files = copy_of(written)
    ibug = files["ibug.zip"]
    ibug["ibug/image_092_01.pts"] = ibug.pop("ibug/image_092 _01.pts")
    truth = written.boxes["GTB"]
    stems = ["IMAGE_092_01", "image_003_1", "image_002"]
    known = np.array([truth[f"ibug/{stem}"] for stem in ("image_092 _01", "image_003_1", "image_002")])
    files[BOXES][FOLDER_BOXES.format("ibug")] = mat_bytes(
        bounding_boxes=box_records([f"{stem}.png" for stem in stems], known, known)
    )
    faces = index_files(files, tmp_path)
    np.testing.assert_allclose(boxes_of(faces.loc[["ibug/image_092 _01"]])[0], truth["ibug/image_092 _01"], atol=1e-9)
    np.testing.assert_allclose(
        points_of(faces.loc[["ibug/image_092 _01"]])[0], written.points["ibug/image_092 _01"], atol=1e-3
    )
    stems = ["image_092_01", "IMAGE_092 _01", "image_002"]
    files[BOXES][FOLDER_BOXES.format("ibug")] = mat_bytes(bounding_boxes=box_records(stems, known, known))
    with pytest.raises(
        InputError, match=r"bounding_boxes_ibug\.mat: image_092 _01 has two boxes, of 'image_092_01' and"
    ):
        index_files(files, tmp_path)


def test_a_face_without_a_box_or_with_one_that_misses_it_gets_the_bounds_of_its_points(written, tmp_path, capsys):
    files = copy_of(written)
    names, known = ["100_1.jpg", "101_1.JPG"], np.array([[0.0, 0, 5, 5], written.boxes["GTB"]["helen/testset/101_1"]])
    files[BOXES][FOLDER_BOXES.format("lfpw_testset")] = mat_bytes(
        bounding_boxes=box_records(["image_0002.png"], *2 * [written.boxes["GTB"]["lfpw/testset/image_0002"][None]])
    )
    third = written.boxes["GTB"]["helen/testset/102_1"]
    files[BOXES][FOLDER_BOXES.format("helen_testset")] = mat_bytes(
        bounding_boxes=box_records([*names, "102_1.jpg"], *2 * [np.array([*known, third])])
    )
    faces = index_files(files, tmp_path)
    for face in ("helen/testset/100_1", "lfpw/testset/image_0001"):
        points = points_of(faces.loc[[face]])[0]
        np.testing.assert_array_equal(boxes_of(faces.loc[[face]])[0], [*points.min(axis=0), *points.max(axis=0)])
    np.testing.assert_allclose(boxes_of(faces.loc[["helen/testset/102_1"]])[0], third, atol=1e-9)
    said = "300w: 2 faces have no box GTB, .*: helen/testset/100_1, lfpw/testset/image_0001\n"
    assert re.search(said, capsys.readouterr().err)


def test_boxes_of_other_images_are_refused(written, tmp_path):
    files = copy_of(written)
    mats = files[BOXES]
    mats[FOLDER_BOXES.format("helen_trainset")] = mats[FOLDER_BOXES.format("lfpw_trainset")]
    message = (
        r"helen_trainset\.mat: 6 of 6 faces have no box, or one that misses them, such as helen/trainset/100_1;.*GTL"
    )
    with pytest.raises(InputError, match=message):
        index_files(files, tmp_path)
    assert len(index_files(files, tmp_path, box="GTL")) == 21


# --- a part of the sets


def part_of(written, tmp_path, sets):
    """A raw_dir with some of the sets, and without boxes."""
    return ibug_300w_raw_dir(tmp_path / "raw", {f"{name}.zip": written.files[f"{name}.zip"] for name in sets})


def index_part(raw, tmp_path, sets, **options):
    return index(raw, tmp_path, sets=sets, counts=PER_FOLDER, **options)


def test_only_the_archives_that_the_options_need_are_asked_for(written, tmp_path):
    raw = part_of(written, tmp_path, ["helen", "afw"])
    with pytest.raises(
        InputError, match=r"300w: ibug\.zip, lfpw\.zip, bounding_boxes\.zip not found .*sets, counts.*GTL"
    ):
        index(raw, tmp_path)
    with pytest.raises(InputError, match=r"300w: bounding_boxes\.zip not found"):
        index_part(raw, tmp_path, ["helen", "afw"])
    with pytest.raises(InputError, match=r"300w: lfpw\.zip not found"):
        index_part(raw, tmp_path, ["lfpw", "afw"], box="GTL")
    faces = index_part(raw, tmp_path, ["helen", "afw"], box="GTL")
    assert sorted(faces["face"].str.rpartition("/")[0].value_counts().items()) == [
        *[("afw", 3), ("helen/testset", 3), ("helen/trainset", 6)],
    ]


def test_a_part_of_the_test_faces_is_not_called_full(written, tmp_path):
    def subsets(sets):
        faces = index_part(part_of(written, tmp_path, sets), tmp_path, sets, box="GTL")
        return set(faces.loc[faces["split"] == "test", "subset"])

    assert subsets(["helen", "lfpw"]) == {"common"}
    assert subsets(["afw", "ibug"]) == {"challenging"}
    assert subsets(["helen", "ibug"]) == {"common+full", "challenging+full"}


@pytest.mark.parametrize("sets", [["ibug"], ["afw"], [], ["helen", "helen"], ["helene"], "helen"])
def test_sets_without_faces_that_train_or_that_test_are_refused(tmp_path, sets):
    with pytest.raises(InputError, match=r"^300w: sets(\.0)?: found .*, expected [^\n]*$"):
        index(tmp_path, tmp_path, sets=sets, box="GTL")


def test_boxes_are_wanted_of_the_sets_alone(written, tmp_path):
    files = {name: written.files[name] for name in ("afw.zip", "ibug.zip")}
    files[BOXES] = {path: mat for path, mat in written.files[BOXES].items() if "afw" in path or "ibug" in path}
    faces = index_part(ibug_300w_raw_dir(tmp_path / "raw", files), tmp_path, ["ibug", "afw"])
    for face, box in zip(faces["face"], boxes_of(faces), strict=True):
        np.testing.assert_allclose(box, written.boxes["GTB"][face], atol=1e-6)


OWNERS = {"afw": 337, "helen/trainset": 2000, "helen/testset": 330, "lfpw/trainset": 811, "lfpw/testset": 224}
ALL = ("afw", "helen", "ibug", "lfpw")


@pytest.mark.parametrize(
    ("counts", "sets", "expected"),
    [
        ({}, ALL, OWNERS | {"ibug": 135, "train": 3148, "common": 554, "challenging": 135}),
        (
            {"helen/trainset": 870, "lfpw/trainset": 805},
            ALL,
            OWNERS | {"helen/trainset": 870, "lfpw/trainset": 805, "ibug": 135, "common": 554, "challenging": 135},
        ),
        (
            {"train": 40, "common": 10},
            ALL,
            {"train": 40, "common": 10, "ibug": 135, "challenging": 135},
        ),
        ({}, ("helen",), {"helen/trainset": 2000, "helen/testset": 330}),
        ({"ibug": 7}, ("afw", "helen", "lfpw"), OWNERS | {"train": 3148, "common": 554}),
    ],
)
def test_a_count_changes_those_that_it_is_part_of_or_made_of(counts, sets, expected):
    published = IBUG.options().counts
    assert ibug_300w._expected(counts, sets) == expected
    assert ibug_300w._expected(published | counts, sets) == expected


# --- what may be wrong


def test_a_missing_annotation_is_named_where_the_count_is_off(written, tmp_path):
    files = copy_of(written)
    del files["helen.zip"]["helen/trainset/103_1.pts"]
    message = r"300w: helen/trainset: 5 annotated images found, expected 6; helen/trainset/103_1\.jpg has no \.pts"
    with pytest.raises(InputError, match=message):
        index_files(files, tmp_path)
    assert len(index_files(files, tmp_path, counts=None)) == 20
    assert not (tmp_path / "images" / "helen" / "trainset" / "103_1.jpg").exists()


def test_totals_are_counted_as_well(written, tmp_path):
    with pytest.raises(InputError, match=r"300w: common: 5 annotated images found, expected 6; .*300w\.counts what"):
        index_files(written.files, tmp_path, counts=COUNTS | {"common": 6})
    with pytest.raises(InputError, match=r"300w: counts\.helen: unknown key; "):
        index_files(written.files, tmp_path, counts={"helen": 1})
    with pytest.raises(InputError, match=r'300w: counts\.afw: found "3", expected a whole number'):
        index_files(written.files, tmp_path, counts={"afw": "3"})
    with pytest.raises(InputError, match=r"300w: counts: found 21, expected numbers by name, or null"):
        index_files(written.files, tmp_path, counts=21)
    with pytest.raises(InputError, match=r"300w: afw: 3 annotated images found, expected 337"):
        IBUG.index(tmp_path / "raw", tmp_path / "images", tmp_path / "faces.parquet")


def test_an_annotation_without_its_image_is_named(written, tmp_path):
    files = copy_of(written)
    del files["lfpw.zip"]["lfpw/testset/image_0002.png"]
    with pytest.raises(
        InputError, match=r"lfpw\.zip: lfpw/testset/image_0002\.pts has no image; expected .*image_0002\.jpg"
    ):
        index_files(files, tmp_path)
    assert os.listdir(tmp_path) == ["raw"]


@pytest.mark.parametrize(
    ("archive", "path", "message"),
    [
        ("afw.zip", "afw/134211_1.png", r"afw/134211_1\.pts has two images, afw/134211_1\.jpg and afw/134211_1\.png"),
        ("afw.zip", "134211_1.jpg", r"afw\.zip: holds afw/134211_1\.jpg twice, as 134211_1\.jpg and afw/134211_1\.jpg"),
        ("helen.zip", "trainset/101_1.pts", r"helen\.zip: holds helen/trainset/101_1\.pts twice"),
    ],
)
def test_two_files_for_one_image_are_refused(written, tmp_path, archive, path, message):
    files = copy_of(written)
    files[archive][path] = b""
    with pytest.raises(InputError, match=message):
        index_files(files, tmp_path)


def test_what_systems_add_to_folders_is_passed_over(written, tmp_path):
    files = copy_of(written)
    for archive in ("afw.zip", "helen.zip", BOXES):
        first = next(iter(files[archive]))
        files[archive] |= {f"__MACOSX/{first}": b"", f"{first.rpartition('/')[0]}/Thumbs.db": b"", ".DS_Store": b""}
        files[archive] |= {f"{first.rpartition('/')[0]}/._1.jpg": b""}
    assert len(index_files(files, tmp_path)) == 21


def test_another_archive_in_its_place_is_named(written, tmp_path):
    files = copy_of(written)
    files["helen.zip"] = files["lfpw.zip"]
    with pytest.raises(InputError, match=r"helen\.zip: holds no image of helen/trainset or helen/testset; is it"):
        index_files(files, tmp_path)
    files = copy_of(written) | {BOXES: {"readme.txt": b""}}
    with pytest.raises(InputError, match=r"bounding_boxes\.zip: holds 0 files bounding_boxes_afw\.mat, expected one"):
        index_files(files, tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda content: b"<!DOCTYPE html>\n<title>Login</title>", r"afw\.zip: .*36 bytes found, a web page; "),
        (lambda content: content[:-300], r"afw\.zip: truncated or damaged zip"),
        (lambda content: b"", r"afw\.zip: truncated or damaged zip"),
    ],
)
def test_a_file_that_is_no_whole_zip_is_named(written, tmp_path, change, message):
    raw = ibug_300w_raw_dir(tmp_path / "raw", written.files)
    archive = raw / "300w" / "afw.zip"
    archive.write_bytes(change(archive.read_bytes()))
    with pytest.raises(InputError, match=message):
        index(raw, tmp_path)
    assert os.listdir(tmp_path) == ["raw"]


def test_a_member_that_would_leave_the_folder_is_refused(written, tmp_path):
    files = copy_of(written)
    truth = next(iter(written.points.values()))
    files["afw.zip"] |= {"../afw/9_1.jpg": encode(draw_face(truth, 96, 80), "jpg"), "../afw/9_1.pts": pts_bytes(truth)}
    with pytest.raises(InputError, match=r"afw\.zip: member '\.\./afw/9_1\.jpg' would leave the folder"):
        index_files(files, tmp_path, counts=None, box="GTL")
    assert os.listdir(tmp_path) == ["raw"]


def test_a_half_extracted_folder_is_named_by_what_it_lacks(written, tmp_path):
    raw = ibug_300w_raw_dir(tmp_path / "raw", written.files, unpacked=True)
    before = sorted(path for path in raw.rglob("*"))
    assert len(index(raw, tmp_path)) == 21
    assert sorted(path for path in raw.rglob("*")) == before
    (raw / "300w" / "ibug" / "image_002.jpg").unlink()
    with pytest.raises(InputError, match=r"300w: ibug/image_002\.pts has no image"):
        index(raw, tmp_path)
    (raw / "300w" / "ibug" / "image_002.pts").unlink()
    with pytest.raises(InputError, match=r"300w: ibug: 2 annotated images found, expected 3"):
        index(raw, tmp_path)
    (raw / "300w" / "Bounding Boxes" / "bounding_boxes_ibug.mat").unlink()
    with pytest.raises(
        InputError, match=r"300w: bounding_boxes\.zip not found in .*; download bounding_boxes\.zip from"
    ):
        index(raw, tmp_path)


def test_a_bad_pts_is_named_with_its_archive(written, tmp_path):
    files = copy_of(written)
    files["ibug.zip"]["ibug/image_002.pts"] = pts_bytes(POINTS[:67])
    with pytest.raises(InputError, match=r"ibug\.zip: ibug/image_002\.pts: 67 points found, expected 68"):
        index_files(files, tmp_path)


@pytest.mark.parametrize(
    ("records", "message"),
    [
        (np.eye(3), "'bounding_boxes' is no array of structures"),
        (np.array([[("1.jpg",)]], [("imgName", object)]), "box 1 has no fields imgName and bb_ground_truth"),
        (
            box_records(["1.jpg"], np.ones((1, 4)), np.ones((1, 3))),
            "box 1: expected imgName as a text and bb_ground_truth",
        ),
    ],
)
def test_a_mat_without_boxes_is_named(written, tmp_path, records, message):
    files = copy_of(written)
    files[BOXES][FOLDER_BOXES.format("afw")] = mat_bytes(bounding_boxes=records)
    with pytest.raises(InputError, match=rf"bounding_boxes\.zip: .*bounding_boxes_afw\.mat: {message}"):
        index_files(files, tmp_path)


def test_images_are_unpacked_as_they_are(written, tmp_path):
    faces = index_files(written.files, tmp_path)
    with open_zip(write_zip(written.files["lfpw.zip"], tmp_path / "lfpw.zip")) as archive:
        for face in ("lfpw/trainset/image_0001", "lfpw/testset/image_0001"):
            with open(faces.loc[face, "image"], "rb") as file:
                assert file.read() == archive.read(f"{face}.png")


def test_archives_are_found_packed_or_unpacked_each_for_itself(written, tmp_path):
    raw = ibug_300w_raw_dir(tmp_path / "raw", {"afw.zip": written.files["afw.zip"]}, unpacked=True)
    ibug_300w_raw_dir(raw, {name: files for name, files in written.files.items() if name != "afw.zip"})
    assert IBUG.sources(raw)["afw.zip"] == raw / "300w"
    assert len(index(raw, tmp_path)) == 21
    assert replace(IBUG, urls={}).status(tmp_path / "none") == "missing"
    assert IBUG.status(tmp_path / "none") == "downloadable"

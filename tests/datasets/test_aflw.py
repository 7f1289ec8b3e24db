import os
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from archives import encode, write_folder
from archives_300vw import drawn_scene
from archives_300w import mat_bytes
from archives_aflw import COUNTS, FLICKR, IMAGES, INFO, aflw_files, aflw_raw_dir, points_19, tar_bytes

from tsal import datasets
from tsal.data.faces import boxes_of, points_of, read_faces, visibility_of
from tsal.data.landmarks import SCHEMES
from tsal.data.pictures import read_image
from tsal.errors import InputError

AFLW = datasets.get("aflw")


@pytest.fixture(scope="module")
def written():
    return aflw_files()


def index(raw, tmp_path, **options):
    options = {"counts": COUNTS, "validation": 0.2} | options
    AFLW.index(raw, tmp_path / "images", tmp_path / "faces.parquet", options)
    return read_faces(tmp_path / "faces.parquet").set_index("face", drop=False)


def index_files(written, tmp_path, **options):
    return index(aflw_raw_dir(tmp_path / "raw", written), tmp_path, **options)


def with_mat(written, **variables):
    return replace(written, mat=written.mat | variables)


def changed(array, place, value):
    array = array.copy()
    array[place] = value
    return array


# --- the table


def test_it_is_registered_with_a_known_scheme_and_normalisers():
    assert set(AFLW.normalisers) <= set(SCHEMES[AFLW.scheme].normalisers)
    assert AFLW.subsets == ("full", "frontal")
    assert AFLW.options().counts == {"train": 20000, "test": 24386 - 20000, "frontal": 1314}


@pytest.mark.parametrize("unpacked", [False, True])
def test_annotated_points_come_back_and_the_others_are_not_annotated(written, tmp_path, unpacked):
    faces = index(aflw_raw_dir(tmp_path / "raw", written, unpacked), tmp_path)
    expected = np.where(written.annotated[..., None], written.points, np.nan)
    np.testing.assert_allclose(points_of(faces), expected, atol=1e-3)
    np.testing.assert_array_equal(visibility_of(faces), written.annotated)
    np.testing.assert_allclose(boxes_of(faces), written.boxes, atol=1e-9)
    assert [path.removeprefix(f"{tmp_path / 'images'}/") for path in faces["image"]] == written.names
    assert all(read_image(path).shape == (80, 192, 3) for path in faces["image"])


def test_the_drawn_face_lies_at_its_points(tmp_path):
    def dotted(seed, width, height, frames):
        _, points = drawn_scene(seed, width, height, 1)
        y, x = np.mgrid[:height, :width]
        nose = points_19(points[0])[13]
        dot = 255 * np.exp(-((x - nose[0]) ** 2 + (y - nose[1]) ** 2) / (2 * 1.5**2))
        return [np.repeat(dot.round().astype(np.uint8)[..., None], 3, axis=2)], points

    faces = index_files(aflw_files(scene=dotted), tmp_path)
    for number, (path, points) in enumerate(zip(faces["image"], points_of(faces), strict=True)):
        weight = read_image(path).astype(float).mean(axis=2)
        weight[weight < 25] = 0  # what JPEG adds
        weight[:, : 96 * (number % 2)] = weight[:, 96 * (number % 2 + 1) :] = 0  # the other face of the image
        y, x = np.mgrid[: weight.shape[0], : weight.shape[1]]
        centroid = np.array([(weight * x).sum(), (weight * y).sum()]) / weight.sum()
        np.testing.assert_allclose(centroid, points[13], atol=0.1)


def test_the_19_points_of_a_symmetric_face_mirror_as_the_scheme_says():
    _, (points,) = drawn_scene(0, 100, 100, 1)
    centre = points[[27, 28, 29, 30], 0].mean()
    mirrored = points_19(points) * [-1, 1] + [2 * centre, 0]
    np.testing.assert_allclose(mirrored[SCHEMES["19"].flip], points_19(points), atol=1e-9)


def test_the_owners_order_says_who_trains(written, tmp_path):
    faces = index_files(written, tmp_path, validation=0)
    # ra is 18, 17, ..., 1: its first twelve are the faces 7 to 18.
    assert faces["split"].tolist() == ["test"] * 6 + ["train"] * 12
    assert faces["face"].tolist()[:3] == ["0/image00002#1", "0/image00002#2", "2/image00004#3"]


def test_the_frontal_subset_has_test_faces_of_which_all_points_are_annotated_and_in_the_box(written, tmp_path):
    narrow = written.boxes.copy()
    narrow[2, 2] = written.points[2, :, 0].max() - 1
    faces = index_files(
        with_mat(written, bbox=narrow[:, [0, 2, 1, 3]]), tmp_path, counts={"train": 12, "test": 6, "frontal": 3}
    )
    # Of the six test faces, the second and fifth lack a point, and the third is cut by its box.
    assert faces["face"][faces["subset"] == "full+frontal"].str.rpartition("#")[2].tolist() == ["1", "4", "6"]
    assert set(faces["subset"]) == {"full", "full+frontal"}


def test_all_faces_of_an_image_validate_or_none(written, tmp_path):
    faces = index_files(written, tmp_path, validation=0.5)
    splits = faces[faces["split"] != "test"].groupby("image")["split"].agg(["unique", "size"])
    assert [list(found) for found in splits["unique"]].count(["validation"]) == 3  # of six images
    assert set(splits["size"]) == {2}
    assert all(len(found) == 1 for found in splits["unique"])
    with pytest.raises(InputError, match=r"aflw: validation: found -0\.1, expected a number from 0 to 0\.5"):
        index_files(written, tmp_path, validation=-0.1)


def test_faces_without_any_annotated_point_are_left_out(written, tmp_path, capsys):
    mask = changed(written.mat["mask_new"], [1, 10], 0)
    faces = index_files(with_mat(written, mask_new=mask), tmp_path)
    numbers = faces["face"].str.rpartition("#")[2].astype(int).tolist()
    assert numbers == [number for number in range(1, 19) if number not in (2, 11)]
    assert "aflw: 2 faces without an annotated point are left out\n" in capsys.readouterr().err


def test_boxes_are_kept_as_they_are(written, tmp_path):
    odd = changed(written.mat["bbox"], 0, [-7.5, 120, 3, 4])
    faces = index_files(with_mat(written, bbox=odd), tmp_path, counts=COUNTS | {"frontal": 3})
    np.testing.assert_array_equal(boxes_of(faces)[0], [-7.5, 3, 120, 4])


def test_images_that_no_face_needs_stay_in_the_archive(written, tmp_path):
    index_files(written, tmp_path)
    unpacked = {str(path.relative_to(tmp_path / "images")) for path in (tmp_path / "images").rglob("*.jpg")}
    assert unpacked == set(written.names)


def test_an_archive_that_was_unzipped_but_kept_its_name_is_read(written, tmp_path):
    raw = aflw_raw_dir(tmp_path / "raw", written)
    write_folder({IMAGES: tar_bytes(written.images, compressed=False)}, raw / "aflw")
    assert len(index(raw, tmp_path)) == 18


def test_an_archive_without_its_top_folder_is_read(written, tmp_path):
    images = {f"./{name.removeprefix('aflw/')}": content for name, content in written.images.items()}
    assert len(index_files(replace(written, images=images), tmp_path)) == 18


# --- what may be wrong


def test_missing_files_are_named_with_where_to_get_them(written, tmp_path):
    raw = aflw_raw_dir(tmp_path / "raw", written)
    (raw / "aflw" / IMAGES).unlink()
    assert AFLW.status(raw) == "missing"
    with pytest.raises(
        InputError, match=r"aflw: aflw\.tar\.gz not found in .*; for aflw\.tar\.gz, register at https://"
    ):
        index(raw, tmp_path)
    (raw / "aflw" / INFO).unlink()
    assert AFLW.missing(raw) == [IMAGES, INFO]


def test_a_missing_image_is_named_with_the_number_of_them(written, tmp_path):
    images = dict(list(written.images.items())[:-2])
    message = r"aflw\.tar\.gz: 2 of 9 files are missing, such as 2/image00016\.jpg"
    with pytest.raises(InputError, match=message):
        index_files(replace(written, images=images), tmp_path)
    assert os.listdir(tmp_path) == ["raw"]


def test_a_half_extracted_folder_is_named(written, tmp_path):
    raw = aflw_raw_dir(tmp_path / "raw", written, unpacked=True)
    (raw / "aflw" / FLICKR / "0" / "image00002.jpg").unlink()
    with pytest.raises(InputError, match=r"data/flickr: 1 of 9 images are missing, such as 0/image00002\.jpg; unpack"):
        index(raw, tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            lambda content: b"<!DOCTYPE html>\n<title>Login</title>",
            r"truncated or damaged tar archive \(36 bytes found, a web page",
        ),
        (lambda content: content[: len(content) // 2], r"truncated or damaged tar archive"),
        (lambda content: content[:-4], r"truncated or damaged tar archive"),
        (lambda content: b"", r"truncated or damaged tar archive"),
        (lambda content: tar_bytes({"readme.txt": b""}), r"9 of 9 files are missing.*the right archive\?"),
    ],
)
def test_another_file_in_the_archives_place_is_named(written, tmp_path, content, message):
    raw = aflw_raw_dir(tmp_path / "raw", written)
    archive = raw / "aflw" / IMAGES
    archive.write_bytes(content(archive.read_bytes()))
    with pytest.raises(InputError, match=rf"aflw\.tar\.gz: .*{message}"):
        index(raw, tmp_path)
    assert os.listdir(tmp_path) == ["raw"]


def test_two_files_for_one_image_are_refused(written, tmp_path):
    images = written.images | {"copy/data/flickr/0/image00002.jpg": b""}
    with pytest.raises(InputError, match=r"aflw\.tar\.gz: holds two files for 0/image00002\.jpg, the second is 'copy/"):
        index_files(replace(written, images=images), tmp_path)


def test_a_name_that_would_leave_the_folder_is_refused(written, tmp_path):
    cells = changed(written.mat["nameList"], (0, 0), "../image00002.jpg")
    for unpacked in (False, True):
        raw = aflw_raw_dir(tmp_path / f"raw{unpacked}", with_mat(written, nameList=cells), unpacked)
        write_folder({"aflw/data/image00002.jpg": encode(np.zeros((4, 4, 3), np.uint8), "jpg")}, raw / "aflw")
        with pytest.raises(InputError, match=r"\.\./image00002\.jpg"):
            index(raw, tmp_path)
    assert not (tmp_path / "image00002.jpg").exists()


def test_a_tar_member_that_would_leave_the_folder_is_refused(written, tmp_path):
    images = {f"../{name}": content for name, content in written.images.items()}
    with pytest.raises(InputError, match=r"aflw\.tar\.gz: member '\.\./aflw/.*' would leave the folder"):
        index_files(replace(written, images=images), tmp_path)
    assert os.listdir(tmp_path) == ["raw"]


def test_counts_that_differ_are_told_apart(written, tmp_path):
    raw = aflw_raw_dir(tmp_path / "raw", written)
    with pytest.raises(InputError, match=rf"{INFO}: 6 test faces found \(18 in all\), expected 7"):
        index(raw, tmp_path, counts={"train": 12, "test": 7})
    message = (
        r"4 frontal test faces found, expected 5, while no face is missing; to accept this, set counts\.frontal to 4"
    )
    with pytest.raises(InputError, match=message):
        index(raw, tmp_path, counts=COUNTS | {"frontal": 5})
    for counts in (None, AFLW.options().counts):
        with pytest.raises(InputError, match=r"18 faces found, expected more than the 20,000 that train"):
            index(raw, tmp_path, counts=counts)
    with pytest.raises(InputError, match=r"aflw: counts\.faces: unknown key; expected one of train, test, frontal"):
        index(raw, tmp_path, counts={"faces": 1})


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("ra", lambda ra: changed(ra, (0, 0), 17), "'ra' is no order of the faces 1 to 18"),
        ("ra", lambda ra: ra[:, 1:], "'ra' is of shape 1 x 17, expected numbers, 1 x 18"),
        ("ra", lambda ra: ra - 1, "'ra' is no order of the faces 1 to 18"),
        ("data", lambda data: data[:, :36], "'data' is of shape 18 x 36, expected numbers, 18 x 38"),
        ("data", lambda data: changed(data, (2, 5), np.nan), r"face 3 \(2/image00004.jpg\): a point has no position"),
        (
            "mask_new",
            lambda mask: changed(mask, (3, 5), 2),
            r"face 4 \(2/image00004.jpg\): 'mask_new' is neither 0 nor 1",
        ),
        ("bbox", lambda bbox: bbox[:, [1, 0, 2, 3]], r"face 1 .*: 'bbox' is no box x1 x2 y1 y2 \(of 18 faces\)"),
        ("bbox", lambda bbox: "none", "'bbox' is a text, expected numbers"),
        ("nameList", lambda names: np.eye(18), "'nameList' is no list of images such as 0/image00002.jpg"),
        ("nameList", lambda names: changed(names, (4, 0), "image.jpg"), "'nameList' is no list of images"),
    ],
)
def test_a_mat_that_is_not_the_owners_is_named_with_what_is_wrong(written, tmp_path, name, change, message):
    with pytest.raises(InputError, match=rf"{INFO}: {message}"):
        index_files(with_mat(written, **{name: change(written.mat[name])}), tmp_path)
    assert os.listdir(tmp_path) == ["raw"]


def test_a_missing_variable_or_another_version_is_named(written, tmp_path):
    raw = aflw_raw_dir(tmp_path / "raw", written)
    (raw / "aflw" / INFO).write_bytes(mat_bytes(**{name: written.mat[name] for name in written.mat if name != "ra"}))
    with pytest.raises(InputError, match=rf"{INFO}: has no variable 'ra'; expected nameList, data, mask_new, bbox, ra"):
        index(raw, tmp_path)
    (raw / "aflw" / INFO).write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(1000))
    with pytest.raises(InputError, match=rf"{INFO}: is a Matlab file of version 7\.3 \(HDF5\)"):
        index(raw, tmp_path)


@pytest.mark.slow
def test_indexing_the_full_number_of_faces_takes_little_memory(tmp_path):
    count, random = 24_386, np.random.default_rng(0)
    names = np.empty((count, 1), object)
    names[:, 0] = [f"{(0, 2, 3)[k % 3]}/image{k * 9 // 10:05d}.jpg" for k in range(count)]
    low = random.uniform(0, 500, (count, 2))
    points = low[:, None] + random.uniform(0, 100, (count, 19, 2))
    mat = {
        "nameList": names,
        "data": np.concatenate([points[..., 0], points[..., 1]], axis=1),
        "mask_new": (random.random((count, 19)) < 0.9).astype(float),
        "bbox": np.stack([low[:, 0], low[:, 0] + 100, low[:, 1], low[:, 1] + 100], axis=1),
        "ra": random.permutation(count)[None] + 1.0,
    }
    image = random.bytes(4000)
    images = {f"{FLICKR}/{name}": image for name in names[:, 0]}
    raw = aflw_raw_dir(tmp_path / "raw", replace(aflw_files(), images=images, mat=mat))
    tracemalloc.start()
    faces = index(raw, tmp_path, counts={"train": 20_000, "test": 4_386}, validation=0.05)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(faces) == count
    np.testing.assert_allclose(points_of(faces)[visibility_of(faces)], points[mat["mask_new"] == 1], atol=1e-9)
    assert peak < 150e6  # bytes; the table alone has 14 million

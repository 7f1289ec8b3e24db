import errno
import os
import shutil
import subprocess
import sys
import time
from types import SimpleNamespace

import cv2
import numpy as np
import pandas as pd
import pytest
from archives import draw_face, encode, mean_face
from archives_300vw import drawn_scene, video_bytes

from tsal.data import cropping, crops, shards
from tsal.data.columns import numbers_of
from tsal.data.cropping import (
    apply_affine,
    box_affine,
    crop_image,
    invert_affine,
    read_face_image,
    store_size,
)
from tsal.data.crops import open_crops, write_crops
from tsal.data.faces import make_faces, points_of
from tsal.data.pictures import read_image
from tsal.errors import InputError

GEOMETRY = {"input_px": 48, "expand": 0.2, "margin": 4 / 3}


def ramp(width: int, height: int) -> np.ndarray:
    """An image whose channels are x, y and 255 - x, in px."""
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    return np.stack([x, y, 255 - x], axis=2).astype(np.uint8)


# --- geometry
# ---------------------------------------------------------------------------------------------------


def test_an_affine_and_its_inverse_cancel():
    random = np.random.default_rng(0)
    affine, points = random.normal(size=(5, 2, 3)), random.normal(size=(5, 7, 2))
    np.testing.assert_allclose(apply_affine(invert_affine(affine), apply_affine(affine, points)), points, atol=1e-9)


def test_an_affine_maps_as_the_matrix_product_says():
    affine = np.array([[2.0, 1.0, 5.0], [0.0, 3.0, -1.0]])
    np.testing.assert_allclose(apply_affine(affine, np.array([[1.0, 10.0]])), [[2 + 10 + 5, 30 - 1]])


@pytest.mark.parametrize(("input_px", "margin", "size"), [(96, 4 / 3, 128), (96, 1.333, 128), (64, 1.0, 64)])
def test_the_store_is_margin_times_larger_than_the_network_sees(input_px, margin, size):
    assert store_size(input_px, margin) == size


def test_the_network_sees_the_square_of_the_expanded_box():
    # A box of 40 x 20 px around (50, 30): the square has a side of 40 * 1.4 = 56 px.
    affine = box_affine(np.array([30, 20, 70, 40]), input_px=48, expand=0.2, margin=4 / 3)
    # The 48 px in the middle of 64 span from 7.5 to 55.5, counted from px edge to px edge.
    corners = apply_affine(affine, np.array([[7.5, 7.5], [55.5, 55.5], [31.5, 31.5]]))
    np.testing.assert_allclose(corners, [[22, 2], [78, 58], [50, 30]])


# --- one crop
# ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("side", [20.31, 40.47, 47.93, 60.71, 75.37, 90.29, 111.83, 150.61])
def test_crop_pixels_are_where_the_affine_says_at_every_scale(side):
    image = ramp(256, 240).astype(np.float32)  # rounding to whole grey levels would hide small shifts
    box = np.array([120.3, 118.7, 120.3 + side * 0.9, 118.7 + side]) - [side / 2] * 4
    crop, to_image = crop_image(image, box, **GEOMETRY)
    assert crop.shape == (64, 64, 3)
    u, v = np.meshgrid(np.arange(64), np.arange(64))
    x, y = apply_affine(to_image, np.stack([u, v], 2).reshape(-1, 2).astype(float)).T.reshape(2, 64, 64)
    inside = (x > 3) & (x < 252) & (y > 3) & (y < 236)
    for channel, expected in ((0, x), (1, y), (2, 255 - x)):
        error = (crop[..., channel] - expected)[inside]
        assert abs(error.mean()) < 0.03  # px of the image: OpenCV's warp rounds positions to 1/32 px
        assert abs(error).max() < 0.2


@pytest.mark.parametrize("side", [30, 150])
def test_beyond_the_image_its_outermost_pixels_are_repeated(side):
    image = np.full((160, 160, 3), 50, np.uint8)
    image[:, 0] = 200
    crop, to_image = crop_image(image, [-side / 2, 80 - side / 2, side / 2, 80 + side / 2], **GEOMETRY)
    left = int(-to_image[0, 2] / to_image[0, 0]) - 2  # crop columns that lie wholly outside
    shade = crop[32, 0, 0]
    assert (crop[:, :left] == shade).all()
    assert shade > 80
    assert (crop[32, -1] == 50).all()


def test_shrinking_averages_fine_texture_away():
    image = np.zeros((400, 400, 3), np.uint8)
    image[::2, ::2] = image[1::2, 1::2] = 255  # a checkerboard of single px
    crop, to_image = crop_image(image, [100, 103, 290, 297], **GEOMETRY)
    assert to_image[0, 0] > 4
    assert abs(crop[2:-2, 2:-2].astype(float) - 127.5).max() < 30  # plain sampling would give 0 and 255


def test_a_box_outside_its_image_or_without_area_is_refused():
    image = np.zeros((50, 60, 3), np.uint8)
    with pytest.raises(InputError, match="the box 70, 0, 90, 20 lies outside the image of 60 x 50 px"):
        crop_image(image, [70, 0, 90, 20], **GEOMETRY)
    with pytest.raises(InputError, match="the box -300, 0, 301, 20 is over 10 times as large as the image"):
        crop_image(image, [-300, 0, 301, 20], **GEOMETRY)
    with pytest.raises(InputError, match="has no area"):
        crop_image(image, [10, 10, 10, 20], **GEOMETRY)
    with pytest.raises(InputError, match="has no area"):
        crop_image(image, [10, 10, np.nan, 20], **GEOMETRY)


# --- videos
# ---------------------------------------------------------------------------------------------------


@pytest.fixture
def videos(tmp_path):
    """A table of two videos' frames, mixed, some left out and one with two faces, and the videos' frames (RGB)."""
    images = {}
    for seed, (name, codec) in enumerate({"a.avi": "MJPG", "b.avi": "XVID"}.items()):
        images[name], _ = drawn_scene(seed, 96, 80, 9)
        (tmp_path / name).write_bytes(video_bytes(images[name], codec))
    rows = [("b.avi", 4), ("a.avi", 7), ("a.avi", 0), ("b.avi", 5), ("a.avi", 7), ("b.avi", 0), ("a.avi", 8)]
    boxes = np.array([20, 20, 60, 60]) + np.arange(7)[:, None]
    table = make_faces(
        [str(tmp_path / name) for name, _ in rows],
        boxes,
        np.full((7, 68, 2), 30.0),
        face=[str(number) for number in range(7)],
        frame=[frame for _, frame in rows],
        clip=[f"{name}#{row == 4}" for row, (name, _) in enumerate(rows)],
    )
    return table, images


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_each_row_is_the_crop_of_its_frame_whatever_the_order(tmp_path, videos, workers):
    table, _ = videos
    write_crops(table, tmp_path / "train.json", workers=workers, **GEOMETRY)
    store = open_crops(tmp_path, "train")
    for row in range(len(table)):
        crop, _ = crop_image(read_face_image(table, row), store.box[row], **GEOMETRY)
        np.testing.assert_array_equal(store.images[row], crop)
    assert store.next.tolist() == [3, 6, -1, -1, -1, -1, -1]


def test_the_image_of_a_face_is_its_frame(videos):
    table, images = videos
    for row, (path, number) in enumerate(zip(table["image"], table["frame"], strict=True)):
        image = read_face_image(table, row)
        errors = [np.abs(image[..., ::-1].astype(int) - drawn).mean() for drawn in images[os.path.basename(path)]]
        assert np.argmin(errors) == number
        assert errors[number] < 6  # what the codecs lose


def test_a_video_is_decoded_once(tmp_path, videos, monkeypatch):
    table, _ = videos
    decoded = []
    real = cropping.read_frames
    monkeypatch.setattr(
        cropping, "read_frames", lambda path, *rest: decoded.append((path, rest[0])) or real(path, *rest)
    )
    write_crops(table, tmp_path / "train.json", **GEOMETRY)
    assert sorted(decoded) == [(str(tmp_path / "a.avi"), [0, 7, 8]), (str(tmp_path / "b.avi"), [0, 4, 5])]


def test_images_and_videos_may_be_mixed(tmp_path, videos, faces):
    table = pd.concat([videos[0], faces], ignore_index=True)
    write_crops(table, tmp_path / "train.json", workers=2, **GEOMETRY)
    store = open_crops(tmp_path, "train")
    for row in range(len(table)):
        crop, _ = crop_image(read_face_image(table, row), store.box[row], **GEOMETRY)
        np.testing.assert_array_equal(store.images[row], crop)


def test_what_is_wrong_with_a_frame_is_told_by_video_and_number(tmp_path, videos):
    table, _ = videos
    for column, value, message in (
        ("frame", 9, r"a\.avi: 9 frames of this video can be decoded, expected frame 9"),
        ("frame", -1, r"a\.avi: face '6' has no number in column 'frame'"),
        ("box_x0", 50000, r"a\.avi, frame 8: the box 50000, .* has no area"),
        ("image", str(tmp_path / "c.mp4"), r"c\.mp4: no such video"),
    ):
        wrong = table.copy()
        wrong.loc[6, column] = value
        with pytest.raises(InputError, match=message):
            write_crops(wrong, tmp_path / "crops" / "train.json", **GEOMETRY)
        assert not list((tmp_path / "crops").glob("**/*.*"))


def test_an_error_in_one_video_stops_the_others(tmp_path, monkeypatch):
    """Not after minutes, when they have ended."""
    cut = []

    def endless(path, frames, boxes, threads, **geometry):
        for _ in frames:
            if path == "broken.avi":
                raise InputError("broken")
            cut.append(path)
            time.sleep(0.01)
            yield np.zeros((64, 64, 3), np.uint8), np.eye(2, 3)

    monkeypatch.setattr(crops, "cut_faces", endless)
    paths = ["long.avi"] * 2000 + ["broken.avi"]
    table = make_faces(paths, np.tile([0, 0, 9, 9], (2001, 1)), frame=range(2001), clip=paths)
    with pytest.raises(InputError, match="broken"):
        write_crops(table, tmp_path / "train.json", workers=2, **GEOMETRY)
    assert len(cut) < 200
    assert not list(tmp_path.glob("**/*.*"))


_PEAK = """
import sys
import numpy as np
from pathlib import Path
from tsal.data.crops import write_crops
from tsal.data.faces import make_faces

def peak():  # kB; all that is resident, with pages of files
    return int(next(line for line in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in line).split()[1])

video, count, out = sys.argv[1], int(sys.argv[2]), sys.argv[3]
faces = make_faces([video] * count, np.tile([200, 100, 400, 300], (count, 1)), frame=range(count), clip=["v"] * count)
write_crops(faces, out, input_px=256, expand=0.2, margin=4 / 3, workers=1)
print(peak())
"""


@pytest.mark.slow
@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="the system does not tell the peak of memory")
def test_memory_does_not_grow_with_the_length_of_a_video(tmp_path):
    """400 more frames have 370 MB as images and 140 MB as crops: what is kept of them is less than 12 MB."""
    images, _ = drawn_scene(0, 640, 480, 20)
    (tmp_path / "v.avi").write_bytes(video_bytes(images * 25, "MJPG"))
    peaks = []
    for count in (100, 500):
        command = [sys.executable, "-c", _PEAK, str(tmp_path / "v.avi"), str(count), str(tmp_path / f"{count}.json")]
        peaks.append(int(subprocess.run(command, check=True, capture_output=True, text=True).stdout))
    assert peaks[1] - peaks[0] < 12_000


# --- the store
# --------------------------------------------------------------------------------------------------


@pytest.fixture
def faces(tmp_path):
    """Four faces in three images: two of a clip, and a still image with two, one of them unlabelled."""
    points = np.stack([mean_face() * 40 + offset for offset in ([10, 10], [14, 12], [60, 5], [0, 0])])
    for number, image in enumerate(
        [draw_face(points[0], 80, 70), draw_face(points[1], 80, 70), draw_face(points[2], 130, 60)]
    ):
        (tmp_path / f"{number}.jpg").write_bytes(encode(image))
    boxes = np.concatenate([points.min(1), points.max(1)], axis=1)
    points[3] = np.nan
    points[2, 5] = np.nan
    return make_faces(
        [str(tmp_path / f"{number}.jpg") for number in (1, 0, 2, 2)],
        boxes[[1, 0, 2, 3]],
        points[[1, 0, 2, 3]],
        face=["c/1", "c/0", "still", "still#1"],
        frame=[1, 0, -1, -1],
        clip=["c", "c", "still", "still"],
        person=["Zoë", "Zoë", "", ""],
        split="train",
    )


def test_a_store_holds_the_table_in_its_order(tmp_path, faces):
    write_crops(faces, tmp_path / "crops" / "train.json", **GEOMETRY)
    store = open_crops(tmp_path / "crops", "train")
    found = sorted(str(path.relative_to(tmp_path / "crops")) for path in (tmp_path / "crops").glob("**/*.*"))
    assert found == ["train.json", "train/00000.npy", "train/faces.arrow"]
    assert len(store) == 4
    assert store.images.shape == (4, 64, 64, 3)
    assert (store.size, store.input_px, store.margin) == (64, 48, 4 / 3)
    assert store.face.tolist() == faces["face"].tolist()
    assert store.person.tolist() == ["Zoë", "Zoë", "", ""]
    assert store.clip.tolist() == ["c", "c", "still", "still"]
    assert store.frame.tolist() == [1, 0, -1, -1]
    assert store.next.tolist() == [-1, 0, -1, -1]
    assert store.points.dtype == np.float32
    np.testing.assert_array_equal(store.visible, np.isfinite(points_of(faces)).all(2))
    np.testing.assert_array_equal(np.isnan(store.points), np.isnan(points_of(faces)))


def test_each_row_is_the_crop_of_its_face_and_its_points_return_to_the_image(tmp_path, faces):
    write_crops(faces, tmp_path / "train.json", workers=3, **GEOMETRY)
    store = open_crops(tmp_path, "train")
    for row, path in enumerate(faces["image"]):
        crop, to_image = crop_image(read_image(path), store.box[row], **GEOMETRY)
        np.testing.assert_array_equal(store.images[row], crop)
        np.testing.assert_allclose(store.to_image[row], to_image)
    np.testing.assert_allclose(apply_affine(store.to_image, store.points), points_of(faces), atol=1e-4)


def test_drawn_eyes_lie_at_the_stored_points(tmp_path, faces):
    write_crops(faces, tmp_path / "train.json", **GEOMETRY)
    store = open_crops(tmp_path, "train")
    for row in range(3):
        for eye in (slice(36, 42), slice(42, 48)):
            white = (store.images[row].min(axis=2) > 235).astype(float)
            u, v = store.points[row, eye].mean(0)
            window = np.s_[round(v) - 6 : round(v) + 7, round(u) - 6 : round(u) + 7]
            rows, columns = np.mgrid[window]
            found = [(columns * white[window]).sum(), (rows * white[window]).sum()] / white[window].sum()
            np.testing.assert_allclose(found, [u, v], atol=0.5)


def test_a_store_is_read_only(tmp_path, faces):
    write_crops(faces, tmp_path / "train.json", **GEOMETRY)
    store = open_crops(tmp_path, "train")
    with pytest.raises(TypeError, match="does not support item assignment"):
        store.images[0] = 0
    for array in (store.box, store.points, store.visible, store.next, store.to_image, store.frame):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0


def test_an_image_with_several_faces_is_decoded_once(tmp_path, faces, monkeypatch):
    read = []
    monkeypatch.setattr(cropping, "read_image", lambda path: read.append(path) or read_image(path))
    write_crops(faces, tmp_path / "train.json", **GEOMETRY)
    assert sorted(read) == sorted(set(faces["image"]))


@pytest.mark.parametrize(("side", "shrink"), [(60, 1), (70, 2), (136, 2), (140, 4), (401, 4)])
def test_a_jpeg_is_shrunk_while_it_is_decoded_as_far_as_its_finest_crop_allows(tmp_path, monkeypatch, side, shrink):
    """At 48 px and an expansion of 0.2, a box of 34.3 px is as large as its crop."""
    (image,), _ = drawn_scene(3, 601, 455, 1)
    image = cv2.GaussianBlur(image, (0, 0), 3)
    path = tmp_path / "face.jpg"
    path.write_bytes(encode(image, "jpg"))
    boxes = np.array([[100.0, 40.0, 100.0 + side, 40.0 + side], [40.0, 10.0, 440.0, 410.0]])
    asked = []
    monkeypatch.setattr(cropping, "read_image", lambda path, shrink=1: asked.append(shrink) or read_image(path, shrink))
    cut = list(cropping.cut_faces(str(path), np.array([-1, -1]), boxes, **GEOMETRY))
    assert asked == [shrink]
    for (crop, affine), box in zip(cut, boxes, strict=True):
        exact, to_image = crop_image(read_image(path), box, **GEOMETRY)
        np.testing.assert_allclose(affine, to_image)
        difference = crop.astype(float) - exact
        assert np.abs(difference).mean() < 1.0  # grey levels; a shift by 0.1 px of the crop would already be more
        assert np.abs(difference.mean()) < 0.3


def test_a_png_is_never_shrunk_and_what_is_wrong_with_a_box_is_said_in_pixels_of_the_image(tmp_path):
    (image,), _ = drawn_scene(3, 600, 456, 1)
    for kind, shrink in (("png", 1), ("jpg", 4)):
        path = tmp_path / f"face.{kind}"
        path.write_bytes(encode(image, kind))
        assert cropping._shrinkage(str(path), np.array([[0.0, 0.0, 300.0, 300.0]]), GEOMETRY) == shrink
        outside = np.array([[700.0, 0.0, 1000.0, 300.0]])
        with pytest.raises(
            InputError, match=r"face\.\w+: the box 700, 0, 1000, 300 lies outside the image of 600 x 456"
        ):
            list(cropping.cut_faces(str(path), np.array([-1]), outside, **GEOMETRY))


def test_a_frame_follows_only_within_its_clip_and_without_gap():
    faces = make_faces(
        [str(number) for number in range(6)],
        np.tile([0, 0, 1, 1], (6, 1)),
        frame=[0, 2, 1, 0, 2, -1],
        clip=["a", "a", "a", "b", "b", "a"],
    )
    assert crops.following_frames(faces).tolist() == [2, -1, 1, -1, -1, -1]


def test_an_undecodable_or_missing_image_is_named_and_leaves_no_store(tmp_path, faces):
    (tmp_path / "2.jpg").write_bytes(b"broken")
    with pytest.raises(InputError, match=r"2\.jpg: cannot be decoded"):
        write_crops(faces, tmp_path / "crops" / "train.json", **GEOMETRY)
    (tmp_path / "2.jpg").unlink()
    with pytest.raises(InputError, match=r"2\.jpg: no such image"):
        write_crops(faces, tmp_path / "crops" / "train.json", **GEOMETRY)
    assert not list((tmp_path / "crops").glob("**/*.*"))


def test_a_box_outside_its_image_is_named(tmp_path, faces):
    faces.loc[2, ["box_x0", "box_x1"]] = [900, 950]
    with pytest.raises(InputError, match=r"2\.jpg: the box 900, .* lies outside the image of 130 x 60 px"):
        write_crops(faces, tmp_path / "train.json", **GEOMETRY)


def test_points_outside_the_image_are_kept(tmp_path, faces):
    faces.loc[0, ["x3", "y3"]] = [-5.0, 90.0]
    write_crops(faces, tmp_path / "train.json", **GEOMETRY)
    store = open_crops(tmp_path, "train")
    assert store.visible[0, 3]
    np.testing.assert_allclose(apply_affine(store.to_image, store.points)[0, 3], [-5, 90], atol=1e-4)


def test_a_table_without_faces_makes_a_store_without_rows(tmp_path, faces):
    """Whoever trains on all of the training videos has none to validate on."""
    write_crops(faces[:0], tmp_path / "validation.json", **GEOMETRY)
    store = open_crops(tmp_path, "validation")
    assert (len(store), store.size, store.input_px) == (0, 64, 48) and store.face.tolist() == []
    assert store.points.shape == (0, 68, 2) and store.to_image.shape == (0, 2, 3) and store.next.shape == (0,)
    assert store.images[np.array([], int)].shape == (0, 64, 64, 3)


@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="the system cannot reserve space")
def test_a_full_device_is_noticed_before_cropping_and_leaves_no_store(tmp_path, faces, monkeypatch):
    def fail(descriptor, offset, length):
        assert length == 4 * 64 * 64 * 3 + 128  # the images and the header of the .npy format
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", fail)
    with pytest.raises(InputError, match=r"00000\.npy: no space left on the device"):
        write_crops(faces, tmp_path / "crops" / "train.json", **GEOMETRY)
    assert not list((tmp_path / "crops").glob("**/*.*"))


def test_what_cannot_fit_is_told_before_cropping(tmp_path, faces, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=4 * 64 * 64 * 3 - 1))
    with pytest.raises(InputError, match=r"crops/train: no space left on the device: .*train\.json needs 0 MB"):
        write_crops(faces, tmp_path / "crops" / "train.json", **GEOMETRY)


@pytest.fixture
def two_a_shard(monkeypatch):
    """Stores of two crops a shard."""
    monkeypatch.setattr(shards, "SHARD_BYTES", 2 * 64 * 64 * 3)


def test_a_store_of_many_shards_is_the_same(tmp_path, faces, monkeypatch):
    write_crops(faces, tmp_path / "one.json", **GEOMETRY)
    monkeypatch.setattr(shards, "SHARD_BYTES", 3 * 64 * 64 * 3)
    write_crops(faces, tmp_path / "many.json", workers=3, **GEOMETRY)
    assert sorted(os.listdir(tmp_path / "many")) == ["00000.npy", "00001.npy", "faces.arrow"]
    one, many = (open_crops(tmp_path, name) for name in ("one", "many"))
    for rows in (slice(None), np.array([3, 0, 3]), np.array([False, True, False, True]), [-1], []):
        np.testing.assert_array_equal(many.images[rows], np.asarray(one.images)[rows])
        np.testing.assert_array_equal(many.points[rows], one.points[rows])
    np.testing.assert_array_equal(many.images[2], one.images[2])
    for rows in (4, -5, [0, 4], (0, 1), np.array([True, False]), np.zeros((2, 2), int)):
        with pytest.raises(IndexError):
            many.images[rows]
    np.testing.assert_array_equal(np.load(tmp_path / "many/00001.npy"), one.images[3:])  # a plain .npy file too


def test_a_killed_run_goes_on_after_the_shards_that_are_there(tmp_path, faces, monkeypatch, two_a_shard):
    write_crops(faces, tmp_path / "whole.json", **GEOMETRY)
    cut = []

    def count(image, box, **geometry):
        cut.append(box)
        if len(cut) == 4:
            raise KeyboardInterrupt
        return crop_image(image, box, **geometry)

    monkeypatch.setattr(cropping, "crop_image", count)
    with pytest.raises(KeyboardInterrupt):
        write_crops(faces, tmp_path / "train.json", workers=1, **GEOMETRY)
    assert os.listdir(tmp_path / "train") == ["00000.npy"]
    with pytest.raises(InputError, match=r"train\.json: no such file"):
        open_crops(tmp_path, "train")
    write_crops(faces, tmp_path / "train.json", workers=1, **GEOMETRY)
    assert len(cut) == 4 + 2
    np.testing.assert_array_equal(*(open_crops(tmp_path, name).images for name in ("train", "whole")))


@pytest.mark.parametrize("change", ["image", "box", "geometry"])
def test_crops_of_what_has_changed_are_cut_again(tmp_path, faces, change, two_a_shard):
    write_crops(faces, tmp_path / "train.json", **GEOMETRY)
    geometry = GEOMETRY | ({"expand": 0.3} if change == "geometry" else {})
    if change == "box":
        faces.loc[2, "box_x0"] -= 5
    if change == "image":
        (tmp_path / "2.jpg").write_bytes(encode(255 - read_image(tmp_path / "2.jpg")))
    write_crops(faces, tmp_path / "train.json", **geometry)
    write_crops(faces, tmp_path / "new.json", **geometry)
    np.testing.assert_array_equal(*(open_crops(tmp_path, name).images for name in ("train", "new")))


def test_shards_of_a_former_longer_table_are_removed(tmp_path, faces, two_a_shard):
    write_crops(faces, tmp_path / "train.json", **GEOMETRY)
    (tmp_path / "train" / "notes.txt").touch()
    (tmp_path / "train" / ".tsal-0123abcd.tmp").mkdir()  # of a process that was killed
    for name in ("lock", "0-00001.npy"):
        (tmp_path / "train" / ".tsal-0123abcd.tmp" / name).touch()
    write_crops(faces[:2], tmp_path / "train.json", **GEOMETRY)
    assert sorted(os.listdir(tmp_path / "train")) == ["00000.npy", "faces.arrow", "notes.txt"]  # a user's own stays
    assert len(open_crops(tmp_path, "train")) == 2


def test_a_store_that_is_not_whole_does_not_open(tmp_path, faces, two_a_shard):
    with pytest.raises(InputError, match=r"train\.json: no such file.*tsal crop"):
        open_crops(tmp_path, "train")
    write_crops(faces, tmp_path / "train.json", **GEOMETRY)
    for name, message in (
        ("train/00001.npy", r"train/00001\.npy: truncated, damaged, or no shard of .*train\.json .*tsal crop"),
        ("train/faces.arrow", r"train/faces\.arrow: truncated, damaged"),
        ("train.json", r"train\.json: no index of crops, or a damaged one"),
    ):
        path = tmp_path / name
        whole = path.read_bytes()
        path.write_bytes(whole[: len(whole) - 40])
        with pytest.raises(InputError, match=message):
            open_crops(tmp_path, "train")
        path.unlink()
        with pytest.raises(InputError, match=rf"{path.name}: no such file"):
            open_crops(tmp_path, "train")
        path.write_bytes(whole)
    assert len(open_crops(tmp_path, "train")) == 4


def test_files_of_different_runs_do_not_open(tmp_path, faces, two_a_shard):
    write_crops(faces, tmp_path / "train.json", **GEOMETRY)
    write_crops(faces[::-1], tmp_path / "other.json", **GEOMETRY)
    for name in ("00001.npy", "faces.arrow"):
        mine = (tmp_path / "train" / name).read_bytes()
        shutil.copy(tmp_path / "other" / name, tmp_path / "train" / name)
        with pytest.raises(InputError, match=rf"train/{name}: .*\((made of something else|made for other crops)\)"):
            open_crops(tmp_path, "train")
        (tmp_path / "train" / name).write_bytes(mine)
    (tmp_path / "train.json").write_text('{"kind": "flow, version 1"}')
    with pytest.raises(InputError, match=r"train\.json: no index of crops.*found 'flow, version 1'"):
        open_crops(tmp_path, "train")


def test_a_shard_that_shrinks_while_it_is_read_is_named(tmp_path, faces):
    write_crops(faces, tmp_path / "train.json", **GEOMETRY)
    store = open_crops(tmp_path, "train")
    os.truncate(tmp_path / "train/00000.npy", 30_000)
    assert store.images[1].shape == (64, 64, 3)
    with pytest.raises(InputError, match=r"train/00000\.npy: ends within its rows.*tsal crop"):
        store.images[3]


def test_another_suffix_is_refused(tmp_path, faces):
    with pytest.raises(InputError, match=r"train\.npy: expected a name that ends in \.json"):
        write_crops(faces, tmp_path / "train.npy", **GEOMETRY)


def test_texts_are_those_of_the_table_whichever_way_they_are_read(tmp_path, faces):
    write_crops(faces, tmp_path / "train.json", **GEOMETRY)
    store = open_crops(tmp_path, "train")
    assert store.person[0] == "Zoë" and list(store.clip) == ["c", "c", "still", "still"]
    assert store.face[np.array([2, 0])].tolist() == ["still", "c/1"] == list(store.face[[2, 0]])
    assert np.asarray(store.face[:2]).tolist() == ["c/1", "c/0"]
    for texts in (store.clip, np.asarray(store.clip)):
        count, numbers = numbers_of(texts)
        assert (count, numbers.tolist()) == (2, [0, 0, 1, 1])


def test_the_crop_of_prediction_is_the_middle_of_the_stored_one():
    image = cv2.GaussianBlur(np.random.default_rng(0).integers(0, 255, (90, 90, 3), np.uint8), (0, 0), 2)
    box = [20, 22, 68, 70]
    stored, _ = crop_image(image, box, input_px=48, expand=0.0, margin=4 / 3)
    seen, _ = crop_image(image, box, input_px=48, expand=0.0, margin=1.0)
    np.testing.assert_array_equal(stored[8:-8, 8:-8], seen)

import errno
import os

import cv2
import numpy as np
import pytest
from archives import draw_face, encode, mean_face
from PIL import Image

from tsal import crops
from tsal.crops import (
    apply_affine,
    box_affine,
    crop_image,
    invert_affine,
    open_crops,
    read_image,
    store_size,
    write_crops,
)
from tsal.errors import InputError
from tsal.faces import make_faces, points_of

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
    with pytest.raises(InputError, match="has no area"):
        crop_image(image, [10, 10, 10, 20], **GEOMETRY)
    with pytest.raises(InputError, match="has no area"):
        crop_image(image, [10, 10, np.nan, 20], **GEOMETRY)


# --- reading images
# ---------------------------------------------------------------------------------------------


def test_a_png_with_alpha_under_a_jpg_name_is_read_as_its_colours(tmp_path):
    rgba = np.zeros((5, 4, 4), np.uint8)
    rgba[...] = (10, 20, 30, 0)
    Image.fromarray(rgba).save(tmp_path / "a.jpg", format="png")
    np.testing.assert_array_equal(read_image(tmp_path / "a.jpg"), np.tile(np.uint8([10, 20, 30]), (5, 4, 1)))


def test_a_grey_image_gets_three_channels(tmp_path):
    Image.fromarray(np.full((5, 4), 77, np.uint8)).save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), np.full((5, 4, 3), 77))


def test_an_exif_orientation_is_not_applied(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # rotate by 90 degrees to show
    Image.fromarray(ramp(40, 20)).save(tmp_path / "a.jpg", exif=exif)
    assert read_image(tmp_path / "a.jpg").shape == (20, 40, 3)


@pytest.mark.parametrize("content", [b"", b"not an image", b"\x89PNG\r\n\x1a\n"])
def test_an_undecodable_image_is_named(tmp_path, content):
    (tmp_path / "a.jpg").write_bytes(content)
    with pytest.raises(InputError, match=rf"a\.jpg: cannot be decoded as an image \({len(content)} bytes found\)"):
        read_image(tmp_path / "a.jpg")


def test_a_missing_image_is_named(tmp_path):
    with pytest.raises(InputError, match=r"a\.jpg: no such image"):
        read_image(tmp_path / "a.jpg")


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
    write_crops(faces, tmp_path / "crops" / "train.npy", **GEOMETRY)
    store = open_crops(tmp_path / "crops", "train")
    assert sorted(os.listdir(tmp_path / "crops")) == ["train.npy", "train.npz"]
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
    write_crops(faces, tmp_path / "train.npy", workers=3, **GEOMETRY)
    store = open_crops(tmp_path, "train")
    for row, path in enumerate(faces["image"]):
        crop, to_image = crop_image(read_image(path), store.box[row], **GEOMETRY)
        np.testing.assert_array_equal(store.images[row], crop)
        np.testing.assert_allclose(store.to_image[row], to_image)
    np.testing.assert_allclose(apply_affine(store.to_image, store.points), points_of(faces), atol=1e-4)


def test_drawn_eyes_lie_at_the_stored_points(tmp_path, faces):
    write_crops(faces, tmp_path / "train.npy", **GEOMETRY)
    store = open_crops(tmp_path, "train")
    for row in range(3):
        for eye in (slice(36, 42), slice(42, 48)):
            white = (store.images[row].min(axis=2) > 235).astype(float)
            u, v = store.points[row, eye].mean(0)
            window = np.s_[round(v) - 6 : round(v) + 7, round(u) - 6 : round(u) + 7]
            rows, columns = np.mgrid[window]
            found = [(columns * white[window]).sum(), (rows * white[window]).sum()] / white[window].sum()
            np.testing.assert_allclose(found, [u, v], atol=0.5)


def test_images_are_read_only(tmp_path, faces):
    write_crops(faces, tmp_path / "train.npy", **GEOMETRY)
    with pytest.raises(ValueError, match="read-only"):
        open_crops(tmp_path, "train").images[0] = 0


def test_an_image_with_several_faces_is_decoded_once(tmp_path, faces, monkeypatch):
    read = []
    monkeypatch.setattr(crops, "read_image", lambda path: read.append(path) or read_image(path))
    write_crops(faces, tmp_path / "train.npy", **GEOMETRY)
    assert sorted(read) == sorted(set(faces["image"]))


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
        write_crops(faces, tmp_path / "crops" / "train.npy", **GEOMETRY)
    (tmp_path / "2.jpg").unlink()
    with pytest.raises(InputError, match=r"2\.jpg: no such image"):
        write_crops(faces, tmp_path / "crops" / "train.npy", **GEOMETRY)
    assert os.listdir(tmp_path / "crops") == []


def test_a_box_outside_its_image_is_named(tmp_path, faces):
    faces.loc[2, ["box_x0", "box_x1"]] = [900, 950]
    with pytest.raises(InputError, match=r"2\.jpg: the box 900, .* lies outside the image of 130 x 60 px"):
        write_crops(faces, tmp_path / "train.npy", **GEOMETRY)


def test_points_outside_the_image_are_kept(tmp_path, faces):
    faces.loc[0, ["x3", "y3"]] = [-5.0, 90.0]
    write_crops(faces, tmp_path / "train.npy", **GEOMETRY)
    store = open_crops(tmp_path, "train")
    assert store.visible[0, 3]
    np.testing.assert_allclose(apply_affine(store.to_image, store.points)[0, 3], [-5, 90], atol=1e-4)


def test_a_table_without_faces_is_refused(tmp_path, faces):
    with pytest.raises(InputError, match=r"train\.npy: the face table has no faces of this split"):
        write_crops(faces[:0], tmp_path / "train.npy", **GEOMETRY)


@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="the system cannot reserve space")
def test_a_full_device_is_noticed_before_cropping_and_leaves_no_store(tmp_path, faces, monkeypatch):
    def fail(descriptor, offset, length):
        assert length == 4 * 64 * 64 * 3 + 128  # the images and the header of the .npy format
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", fail)
    with pytest.raises(InputError, match=r"train\.npy: no space left on the device"):
        write_crops(faces, tmp_path / "crops" / "train.npy", **GEOMETRY)
    assert os.listdir(tmp_path / "crops") == []


def test_an_interrupted_run_leaves_the_old_store(tmp_path, faces, monkeypatch):
    write_crops(faces, tmp_path / "crops" / "train.npy", **GEOMETRY)

    def interrupt(image, box, **geometry):
        raise KeyboardInterrupt

    monkeypatch.setattr(crops, "crop_image", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_crops(faces, tmp_path / "crops" / "train.npy", **GEOMETRY)
    assert sorted(os.listdir(tmp_path / "crops")) == ["train.npy", "train.npz"]
    assert len(open_crops(tmp_path / "crops", "train")) == 4


def test_a_store_that_is_not_whole_does_not_open(tmp_path, faces):
    images, arrays = tmp_path / "train.npy", tmp_path / "train.npz"
    with pytest.raises(InputError, match=r"train\.npy: no such file"):
        open_crops(tmp_path, "train")
    write_crops(faces, images, **GEOMETRY)
    whole_images, whole_arrays = images.read_bytes(), arrays.read_bytes()
    images.write_bytes(whole_images[:-1])
    with pytest.raises(InputError, match=r"train\.npy: truncated or damaged.*tsal crop"):
        open_crops(tmp_path, "train")
    images.write_bytes(whole_images)
    arrays.write_bytes(whole_arrays[:1000])
    with pytest.raises(InputError, match=r"train\.npz: truncated or damaged"):
        open_crops(tmp_path, "train")
    arrays.unlink()
    with pytest.raises(InputError, match=r"train\.npz: no such file"):
        open_crops(tmp_path, "train")


def test_images_and_arrays_of_different_runs_do_not_open(tmp_path, faces):
    write_crops(faces, tmp_path / "train.npy", **GEOMETRY)
    write_crops(faces[:2], tmp_path / "other.npy", **GEOMETRY)
    (tmp_path / "other.npz").rename(tmp_path / "train.npz")
    with pytest.raises(InputError, match=r"train\.npy: images .* do not fit the 2 faces of 64 px"):
        open_crops(tmp_path, "train")


def test_the_crop_of_prediction_is_the_middle_of_the_stored_one():
    image = cv2.GaussianBlur(np.random.default_rng(0).integers(0, 255, (90, 90, 3), np.uint8), (0, 0), 2)
    box = [20, 22, 68, 70]
    stored, _ = crop_image(image, box, input_px=48, expand=0.0, margin=4 / 3)
    seen, _ = crop_image(image, box, input_px=48, expand=0.0, margin=1.0)
    np.testing.assert_array_equal(stored[8:-8, 8:-8], seen)

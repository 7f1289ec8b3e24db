"""Pictures as viewers show them, and files that hold several."""

import cv2
import numpy as np
import pytest
from archives_300vw import video_bytes
from PIL import Image, ImageOps

from tsal.data.cropping import cut_faces, image_files, read_face_image
from tsal.data.faces import make_faces
from tsal.data.pictures import read_image
from tsal.data.video import count_frames, frames, is_video, read_frame
from tsal.errors import InputError


def ramp(width: int, height: int) -> np.ndarray:
    """An image whose channels are x, y and 255 - x, in px."""
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    return np.stack([x, y, 255 - x], axis=2).astype(np.uint8)


def test_a_png_with_alpha_under_a_jpg_name_is_read_as_its_colours(tmp_path):
    rgba = np.zeros((5, 4, 4), np.uint8)
    rgba[...] = (10, 20, 30, 0)
    Image.fromarray(rgba).save(tmp_path / "a.jpg", format="png")
    np.testing.assert_array_equal(read_image(tmp_path / "a.jpg"), np.tile(np.uint8([10, 20, 30]), (5, 4, 1)))


def test_a_grey_image_gets_three_channels(tmp_path):
    Image.fromarray(np.full((5, 4), 77, np.uint8)).save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), np.full((5, 4, 3), 77))


@pytest.mark.parametrize("content", [b"", b"not an image", b"\x89PNG\r\n\x1a\n"])
def test_an_undecodable_image_is_named(tmp_path, content):
    (tmp_path / "a.jpg").write_bytes(content)
    with pytest.raises(InputError, match=rf"a\.jpg: cannot be decoded as an image \({len(content)} bytes found\)"):
        read_image(tmp_path / "a.jpg")


def test_a_missing_image_is_named(tmp_path):
    with pytest.raises(InputError, match=r"a\.jpg: no such image"):
        read_image(tmp_path / "a.jpg")


# --- upright


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tiff", ".avif"])
def test_a_picture_is_read_as_viewers_show_it(tmp_path, suffix, orientation):
    """What that is Pillow knows, by a way of its own."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"a{suffix}"
    options = {"lossless": True} if suffix == ".webp" else {}
    Image.fromarray(ramp(60, 40)).save(path, exif=exif, **options)
    with Image.open(path) as image:
        shown = np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
    np.testing.assert_array_equal(read_image(path), shown)


def test_the_transform_of_an_avif_file_turns_it_by_a_quarter(tmp_path):
    """Encoders write it as boxes of the container (irot, imir), not as EXIF data."""
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.rot90(ramp(60, 40))).save(tmp_path / "a.avif", exif=exif, quality=100)
    assert b"irot" in (tmp_path / "a.avif").read_bytes()
    assert np.abs(read_image(tmp_path / "a.avif") - ramp(60, 40).astype(int)).max() < 10


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_nonsense_of_an_orientation_turns_nothing(tmp_path, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(ramp(60, 40)).save(tmp_path / "a.png", exif=exif)
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), ramp(60, 40))


@pytest.mark.parametrize("orientation", [3, 6])
def test_a_large_turned_jpeg_gives_the_crop_of_the_upright_one(tmp_path, orientation):
    """Which is decoded at half its size where it is stored upright: its odd sides would shift a turned one."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    smooth = cv2.resize(ramp(60, 41), (1203, 801), interpolation=cv2.INTER_CUBIC)
    Image.fromarray(smooth).save(tmp_path / "turned.jpg", exif=exif, quality=98, subsampling=0)
    Image.fromarray(read_image(tmp_path / "turned.jpg")).save(tmp_path / "upright.jpg", quality=98, subsampling=0)
    height, width = read_image(tmp_path / "turned.jpg").shape[:2]
    box = np.array([[50.0, 60, width - 90, height - 70]])
    geometry = {"input_px": 96, "expand": 0.0, "margin": 1.0}
    crops = [
        next(cut_faces(str(tmp_path / name), np.array([-1]), box, **geometry)) for name in ("turned.jpg", "upright.jpg")
    ]
    difference = crops[0][0].astype(int) - crops[1][0]
    assert abs(difference.mean()) < 0.05 and np.abs(difference).max() <= 3
    np.testing.assert_array_equal(crops[0][1], crops[1][1])


def quarter_turned(content: bytes) -> bytes:
    """An MP4 file that says, as a phone that was held upright does, that it is to be turned clockwise to be shown."""
    place = content.index(b"tkhd") + 4 + 40
    numbers = (0, 1 << 16, 0, -(1 << 16), 0, 0, 64 << 16, 0, 1 << 30)
    return content[:place] + b"".join(n.to_bytes(4, "big", signed=True) for n in numbers) + content[place + 36 :]


def test_frames_of_a_phone_that_was_held_upright_are_upright(tmp_path):
    picture = np.zeros((48, 64, 3), np.uint8)
    picture[:24, :32] = 255  # upper left; turned clockwise, upper right
    content = video_bytes([picture] * 4, "mp4v", ".mp4")
    (tmp_path / "stored.mp4").write_bytes(content)
    (tmp_path / "turned.mp4").write_bytes(quarter_turned(content))
    stored, turned = (read_frame(tmp_path / name, 2) for name in ("stored.mp4", "turned.mp4"))
    np.testing.assert_array_equal(turned, np.rot90(stored, -1))
    assert turned.shape == (64, 48, 3) and turned[:16, 30:].mean() > 200 > 50 > turned[:16, :16].mean()
    np.testing.assert_array_equal(dict(frames(tmp_path / "turned.mp4", [2]))[2], turned)


# --- damaged


def test_a_jpeg_with_rotten_bytes_is_told_by_its_name(tmp_path, caplog):
    """Some hundred bytes of noise can by chance be valid; of twenty such files most are not."""
    picture = cv2.GaussianBlur(np.random.default_rng(0).integers(0, 256, (300, 400, 3), np.uint8), (0, 0), 2)
    whole = cv2.imencode(".jpg", picture)[1].tobytes()
    for number in range(20):
        place = len(whole) // 3 + 50 * number
        noise = np.random.default_rng(number).bytes(400)
        (tmp_path / f"{number}.jpg").write_bytes(whole[:place] + noise + whole[place + 400 :])
        assert read_image(tmp_path / f"{number}.jpg").shape == (300, 400, 3)
    assert sum(f"/{number}.jpg: damaged (" in caplog.text for number in range(20)) >= 16


@pytest.mark.parametrize("shrink", [1, 2, 4])
def test_a_jpeg_that_ends_too_soon_is_told_by_its_name(tmp_path, caplog, shrink):
    whole = cv2.imencode(".jpg", np.random.default_rng(0).integers(0, 256, (60, 80, 3), np.uint8))[1].tobytes()
    (tmp_path / "a.jpg").write_bytes(whole[: len(whole) // 2])
    assert read_image(tmp_path / "a.jpg", shrink).shape == (60 // shrink, 80 // shrink, 3)
    assert "a.jpg: damaged (Premature end" in caplog.text


@pytest.mark.parametrize("shrink", [1, 2, 4])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_whole_jpeg_has_the_pixels_that_opencv_gives(tmp_path, caplog, shrink, channels):
    picture = np.random.default_rng(0).integers(0, 256, (61, 83, channels), np.uint8)
    cv2.imwrite(str(tmp_path / "a.jpg"), picture)
    flags = {1: cv2.IMREAD_COLOR, 2: cv2.IMREAD_REDUCED_COLOR_2, 4: cv2.IMREAD_REDUCED_COLOR_4}[shrink]
    expected = cv2.imread(str(tmp_path / "a.jpg"), flags)[..., ::-1]
    np.testing.assert_array_equal(read_image(tmp_path / "a.jpg", shrink), expected)
    assert not caplog.text


# --- other depths, and alpha


def deep(height: int = 30, width: int = 40) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 65536, (height, width)).astype(np.uint16)


@pytest.mark.parametrize("suffix", [".png", ".tiff"])
def test_each_of_several_grey_pictures_of_16_bits_has_the_pixels_that_it_has_alone(tmp_path, suffix):
    pixels = np.stack([deep(), np.roll(deep(), 3, 1)])
    pixels[:, [0, -1], [0, -1]] = [[0], [255]]  # Pillow writes the part that changed, of values that it cuts off at 255
    first, second = map(Image.fromarray, pixels)
    first.save(tmp_path / f"both{suffix}", save_all=True, append_images=[second])
    for number, image in enumerate((first, second)):
        image.save(tmp_path / f"alone{suffix}")
        alone = read_image(tmp_path / f"alone{suffix}")
        np.testing.assert_array_equal(read_frame(tmp_path / f"both{suffix}", number), alone)
        np.testing.assert_array_equal(alone, np.repeat((np.asarray(image) >> 8)[..., None], 3, axis=2))


@pytest.mark.parametrize(
    ("pixels", "suffix", "message"),
    [
        (np.float32(deep() / 65535), ".tiff", r"floats \(mode F\)"),
        (deep().astype(np.int32), ".tiff", r"signed or 32-bit numbers \(mode I\)"),
        (np.float32(np.dstack([deep()] * 3) / 65535), ".pfm", r"floats \(mode F\)"),
        (np.float32(deep() / 65535), ".pfm", r"floats \(mode F\)"),
    ],
)
def test_pixels_without_a_range_are_refused(tmp_path, pixels, suffix, message):
    path = tmp_path / f"a{suffix}"
    if suffix == ".pfm":
        cv2.imwrite(str(path), pixels)
    else:
        Image.fromarray(pixels).save(path)
    with pytest.raises(InputError, match=rf"a{suffix}: found pixels that are {message}, .*save it as such"):
        read_image(path)


def test_pages_without_a_range_are_refused(tmp_path):
    page = Image.fromarray(np.float32(deep() / 65535))
    page.save(tmp_path / "a.tiff", save_all=True, append_images=[page])
    with pytest.raises(InputError, match=r"a\.tiff, frame 1: found pixels that are floats \(mode F\)"):
        read_frame(tmp_path / "a.tiff", 1)


def test_a_grey_map_of_16_bits_is_read_by_its_upper_8(tmp_path):
    cv2.imwrite(str(tmp_path / "a.pgm"), deep())  # to Pillow it has 32 bits
    np.testing.assert_array_equal(read_image(tmp_path / "a.pgm")[..., 0], deep() >> 8)


@pytest.mark.parametrize("suffix", [".png", ".tiff", ".webp"])
def test_alpha_does_not_darken_the_colours(tmp_path, suffix):
    rgba = np.random.default_rng(0).integers(0, 256, (30, 40, 4), np.uint8)
    options = {"lossless": True, "exact": True} if suffix == ".webp" else {}
    Image.fromarray(rgba).save(tmp_path / f"a{suffix}", **options)
    np.testing.assert_array_equal(read_image(tmp_path / f"a{suffix}"), rgba[..., :3])


def test_a_damaged_tiff_with_alpha_is_named(tmp_path):
    Image.fromarray(np.zeros((30, 40, 4), np.uint8)).save(tmp_path / "a.tiff")
    content = (tmp_path / "a.tiff").read_bytes()
    (tmp_path / "a.tiff").write_bytes(content[: len(content) // 2])
    with pytest.raises(InputError, match=r"a\.tiff: cannot be read as an image \(.*Replace the file"):
        read_image(tmp_path / "a.tiff")


# --- several pictures


def pictures(count: int) -> list[np.ndarray]:
    images = [np.full((32, 48, 3), 20 * k, np.uint8) for k in range(count)]
    for k, image in enumerate(images):
        image[4:28, 6 * k : 6 * k + 6] = (255, 128, 0)
    return images


def save_animated(path, images: list[np.ndarray]) -> list[np.ndarray]:
    """Write pictures into one file; returns them as Pillow saves each as a PNG."""
    options = {"lossless": True} if path.suffix == ".webp" else {}
    first, *others = map(Image.fromarray, images)
    first.save(path, save_all=True, append_images=others, duration=40, **options)
    shown = []
    with Image.open(path) as image:
        for k in range(image.n_frames):
            image.seek(k)
            image.convert("RGB").save(path.with_name(f"{k}.png"))
            shown.append(np.asarray(Image.open(path.with_name(f"{k}.png"))))
    return shown


@pytest.mark.parametrize("suffix", [".gif", ".png", ".webp", ".tiff"])
def test_each_picture_of_a_file_is_the_one_of_its_number(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    shown = save_animated(path, pictures(5))
    assert is_video(path) and count_frames(path) == 5
    for number, image in frames(path, range(5)):
        np.testing.assert_array_equal(image, shown[number])
    np.testing.assert_array_equal(read_frame(path, 3), shown[3])
    face = make_faces([str(path)], [[1, 1, 9, 9]], frame=[4])
    np.testing.assert_array_equal(read_face_image(face, 0), shown[4])


@pytest.mark.parametrize("suffix", [".gif", ".png", ".webp", ".tiff"])
def test_a_file_of_several_pictures_is_never_read_as_its_first(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    save_animated(path, pictures(5))
    with pytest.raises(InputError, match=r"found 5 pictures in this file, expected one, or the number of one"):
        read_image(path)
    with pytest.raises(InputError, match="has no number in column 'frame'"):
        read_face_image(make_faces([str(path)], [[1, 1, 9, 9]]), 0)
    with pytest.raises(InputError, match="5 frames of this video can be decoded, expected frame 5"):
        read_frame(path, 5)


@pytest.mark.parametrize("name", ["a.mjpeg", "a", "a.jpg"])
def test_jpegs_one_after_the_other_are_no_picture(tmp_path, name):
    images = pictures(4)
    (tmp_path / name).write_bytes(b"".join(cv2.imencode(".jpg", image)[1].tobytes() for image in images))
    with pytest.raises(InputError, match="found several pictures in this file"):
        read_image(tmp_path / name)
    if name != "a.jpg":
        assert is_video(tmp_path / name) and count_frames(tmp_path / name) == 4
        assert abs(int(read_frame(tmp_path / name, 3)[0, 0, 0]) - 60) < 4


def test_a_picture_with_a_small_one_in_its_exif_data_is_one(tmp_path):
    small = cv2.imencode(".jpg", pictures(1)[0])[1].tobytes()
    content = cv2.imencode(".jpg", ramp(60, 40)[..., ::-1])[1].tobytes()
    block = b"Exif\0\0" + small
    path = tmp_path / "a.jpg"
    path.write_bytes(content[:2] + b"\xff\xe1" + (len(block) + 2).to_bytes(2, "big") + block + content[2:])
    assert not is_video(path) and read_image(path).shape == (40, 60, 3)


# --- by content


@pytest.mark.parametrize(("codec", "suffix"), [("mp4v", ".mp4"), ("MJPG", ".avi"), ("mp4v", ".mkv"), ("MPG2", ".ts")])
@pytest.mark.parametrize("name", ["v", "v.jpg", "v.data"])
def test_what_a_file_is_comes_from_its_content(tmp_path, codec, suffix, name):
    noise = list(np.random.default_rng(0).integers(0, 256, (5, 64, 64, 3), np.uint8))
    (tmp_path / name).write_bytes(video_bytes(noise, codec, suffix))
    assert is_video(tmp_path / name) and count_frames(tmp_path / name) == 5
    with pytest.raises(InputError, match="has no number in column 'frame'"):
        read_face_image(make_faces([str(tmp_path / name)], [[1, 1, 9, 9]]), 0)


@pytest.mark.parametrize(
    "begin",
    [
        *(b"\0\0\0\x1cftypqt  ", b"\0\0\0\x1cftyp3gp4", b"\0\0\0\x08moov", b"RIFF\0\0\0\0AVI "),
        *(b"\x1a\x45\xdf\xa3\x93", b"FLV\1", b"OggS\0", b"\x30\x26\xb2\x75\x8e\x66\xcf\x11"),
        *(b"\0\0\0\1\x67\x42", b"\0\0\1\x67\x42", b"\0\0\0\1\x40\1", b"\0\0\1\xb3", b"\0\0\1\xba"),
        *(b"G".ljust(188, b"x") * 3, (b"time" + b"G".ljust(188, b"x")) * 3, b"YUV4MPEG2 W1", b"DKIF\0\0"),
    ],
)
def test_containers_and_streams_are_known_by_their_begin(tmp_path, begin):
    (tmp_path / "a").write_bytes(begin.ljust(2000, b"\7"))
    assert is_video(tmp_path / "a")


@pytest.mark.parametrize(
    "begin",
    [
        *(b"\xff\xd8\xff\xe0", b"\x89PNG\r\n\x1a\n", b"BM\0\0", b"GIF89a", b"RIFF\0\0\0\0WEBP", b"II*\0"),
        *(b"\0\0\1\0\1\0\x10\x10", b"\0\0\0\x1cftypavif", b"\0\0\0\x1cftypheic", b"P6\n", b"no picture"),
    ],
)
def test_pictures_are_no_videos(tmp_path, begin):
    (tmp_path / "a").write_bytes(begin.ljust(2000, b"\7"))
    assert not is_video(tmp_path / "a")


def test_a_picture_that_is_called_a_video_is_one_picture(tmp_path):
    Image.fromarray(ramp(60, 40)).save(tmp_path / "v.mp4", format="png")
    faces = make_faces([str(tmp_path / "v.mp4")], [[1, 1, 9, 9]])
    np.testing.assert_array_equal(read_face_image(faces, 0), ramp(60, 40))


@pytest.mark.parametrize(("name", "frames"), [("v.mp4", [3]), ("v.mp4", [0, 1]), ("v.png", [0, 1]), ("v.png", [-1, 4])])
def test_one_picture_is_never_taken_for_many_frames(tmp_path, name, frames):
    Image.fromarray(ramp(60, 40)).save(tmp_path / name, format="png")
    faces = make_faces([str(tmp_path / name)] * len(frames), [[1, 1, 9, 9]] * len(frames), frame=frames)
    with pytest.raises(
        InputError, match=rf"found one picture in this file, expected a video, of which frame {max(frames)}"
    ):
        image_files(faces)


def test_a_frame_that_was_cut_out_before_keeps_its_number(tmp_path):
    Image.fromarray(ramp(60, 40)).save(tmp_path / "v_000007.png")
    faces = make_faces([str(tmp_path / "v_000007.png")] * 2, [[1, 1, 9, 9]] * 2, frame=7)
    assert next(iter(image_files(faces).values())).tolist() == [0, 1]

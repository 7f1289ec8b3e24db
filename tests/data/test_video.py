"""Videos: the same frames in order and at random, and lengths that are true."""

import av
import cv2
import numpy as np
import pytest
from archives_300vw import video_bytes

from tsal.data import video
from tsal.data.video import all_frames, count_frames, frames, is_video, read_frame
from tsal.errors import InputError

FORMATS = [("MJPG", ".avi"), ("XVID", ".avi"), ("mp4v", ".mp4")]
COUNT = 40


def numbered(count: int, side: int = 64) -> list[np.ndarray]:
    """Images (BGR) that show their number: bit b as a white or black square, on a changing grey."""
    images = []
    for number in range(count):
        image = np.full((side, side, 3), 100 + number % 50, np.uint8)
        for bit in range(8):
            place = np.s_[(bit // 4) * 32 + 8 : (bit // 4) * 32 + 24, (bit % 4) * 16 + 2 : (bit % 4) * 16 + 14]
            image[place] = 255 * (number >> bit & 1)
        images.append(image)
    return images


def number_of(image: np.ndarray) -> int:
    """The number that an image of `numbered` shows."""
    return sum(1 << bit for bit in range(8) if image[(bit // 4) * 32 + 16, (bit % 4) * 16 + 8].mean() > 127)


@pytest.fixture(params=FORMATS, ids=lambda form: form[0])
def path(request, tmp_path):
    codec, suffix = request.param
    path = tmp_path / f"v{suffix}"
    path.write_bytes(video_bytes(numbered(COUNT), codec, suffix))
    return path


def test_a_video_that_is_missing_is_known_by_its_suffix():
    assert all(map(is_video, ["a/vid.avi", "B.MP4", "c.mov", "d.mkv", "e.webm"]))
    assert not any(map(is_video, ["a.jpg", "b.png", "avi", "vid.avi/000001.png", "c.avi.npy", ""]))


def test_all_frames_come_in_order(path):
    assert count_frames(path) == COUNT
    found = [(number, number_of(image)) for number, image in frames(path, range(COUNT))]
    assert found == [(number, number) for number in range(COUNT)]


def test_only_the_wanted_frames_come(path):
    wanted = [3, 4, 17, 39]
    assert [(number, number_of(image)) for number, image in frames(path, wanted)] == [(n, n) for n in wanted]


def test_any_frame_is_the_one_that_comes_in_order(path):
    in_order = dict(frames(path, range(COUNT)))
    for number in (39, 0, 21, 20, 11, 38):
        np.testing.assert_array_equal(read_frame(path, number), in_order[number])


def test_more_threads_of_the_decoder_change_nothing(path):
    for (_, one), (_, four) in zip(frames(path, range(COUNT)), frames(path, range(COUNT), 4), strict=True):
        np.testing.assert_array_equal(one, four)


def test_a_whole_video_comes_with_its_times(path):
    count, found = all_frames(path)
    assert count == COUNT
    found = [(number, number_of(image), round(25 * seconds, 3)) for number, seconds, image in found]
    assert found == [(number, number, number) for number in range(COUNT)]


def test_where_times_are_no_guide_a_whole_video_ends_where_it_ends(path, monkeypatch):
    monkeypatch.setattr(video, "_frame_times", lambda path: None)
    count, found = all_frames(path)
    assert count is None and [number for number, *_ in found] == list(range(COUNT))


def test_a_video_that_lacks_its_end_is_told(tmp_path, caplog):
    path, whole = tmp_path / "v.avi", video_bytes(numbered(COUNT), "MJPG")
    for content, words in ((whole, 0), (whole[: len(whole) // 2], 1)):
        path.write_bytes(content)
        count = len(list(all_frames(path)[1]))
        found = [
            record.message for record in caplog.records if f"found {count} frames, expected some 40" in record.message
        ]
        assert len(found) == words


def test_frames_are_rgb(tmp_path):
    blue = np.zeros((64, 64, 3), np.uint8)
    blue[..., 0] = 255
    (tmp_path / "v.avi").write_bytes(video_bytes([blue] * 3, "MJPG"))
    (_, image), *_ = frames(tmp_path / "v.avi", [1])
    assert image[..., 2].min() > 200 and image[..., :2].max() < 50
    np.testing.assert_array_equal(read_frame(tmp_path / "v.avi", 1), image)


def test_numbers_out_of_order_are_the_callers_mistake(path):
    for wanted in ([3, 3], [5, 4], [-1]):
        with pytest.raises(ValueError, match="expected rising numbers"):
            list(frames(path, wanted))


def test_a_frame_behind_the_end_is_named(path):
    message = rf"{path.name}: 40 frames of this video can be decoded, expected frame 40 \(counted from 0\)"
    with pytest.raises(InputError, match=message):
        list(frames(path, [0, 40]))
    with pytest.raises(InputError, match=message):
        read_frame(path, 40)


@pytest.mark.parametrize("codec", ["MJPG", "XVID"])
@pytest.mark.parametrize("kept", [0.35, 0.6, 0.83])
def test_of_a_truncated_video_only_what_decodes_counts(tmp_path, codec, kept):
    """Its header still tells the whole length."""
    path = tmp_path / "v.avi"
    whole = video_bytes(numbered(COUNT), codec)
    path.write_bytes(whole[: int(kept * len(whole))])
    header = cv2.VideoCapture(str(path)).get(cv2.CAP_PROP_FRAME_COUNT)
    decoded = [number for number, _ in frames(path, range(count_frames(path)))]
    assert 0 < len(decoded) < COUNT == header
    with pytest.raises(InputError, match=f"{len(decoded)} frames of this video can be decoded"):
        list(frames(path, range(COUNT)))


def test_a_header_that_tells_too_much_is_not_believed(tmp_path):
    path = tmp_path / "v.avi"
    content = bytearray(video_bytes(numbered(COUNT), "MJPG"))
    place = content.find(b"strh") + 8 + 32  # dwLength of the stream's header, see the AVI RIFF file reference
    assert int.from_bytes(content[place : place + 4], "little") == COUNT
    content[place : place + 4] = (COUNT + 25).to_bytes(4, "little")
    path.write_bytes(content)
    assert cv2.VideoCapture(str(path)).get(cv2.CAP_PROP_FRAME_COUNT) == COUNT + 25
    assert count_frames(path) == COUNT


def test_where_the_times_of_frames_are_no_guide_all_are_decoded(path, monkeypatch):
    """As in videos with gaps, or cut out of others: the count and any frame are those of decoding in order."""
    in_order = dict(frames(path, range(COUNT)))
    monkeypatch.setattr(video, "_frame_times", lambda path: None)
    assert count_frames(path) == COUNT
    np.testing.assert_array_equal(read_frame(path, 23), in_order[23])


def test_a_frame_that_was_never_stored_is_not_counted(tmp_path):
    """An empty chunk of an AVI stands for a frame that did not change and does not decode."""
    path = tmp_path / "v.avi"
    content = video_bytes(numbered(COUNT), "MJPG")
    start = content.find(b"00dc", content.find(b"movi"))
    for _ in range(10):
        start += 8 + (int.from_bytes(content[start + 4 : start + 8], "little") + 1) // 2 * 2
    assert content[start : start + 4] == b"00dc"
    size = int.from_bytes(content[start + 4 : start + 8], "little")
    # What was the frame becomes a chunk that readers skip.
    empty = b"00dc" + bytes(4) + b"JUNK" + (size - 8).to_bytes(4, "little") + bytes(size - 8)
    path.write_bytes(content[:start] + empty + content[start + 8 + size :].replace(b"idx1", b"JUNK"))
    count = count_frames(path)
    found = [number_of(image) for _, image in frames(path, range(count))]
    assert found == [number for number in range(COUNT) if number != 10]
    assert number_of(read_frame(path, 20)) == 21


@pytest.mark.parametrize("content", [b"", b"<!DOCTYPE html><html>Sign in</html>" * 50, bytes(100_000)])
def test_what_is_no_video_is_named_and_nothing_else_is_said(tmp_path, content, capfd):
    path = tmp_path / "v.avi"
    path.write_bytes(content)
    message = rf"v\.avi: cannot be opened as a video \({len(content):,} bytes found\)"
    for use in (count_frames, lambda path: list(frames(path, [0])), lambda path: read_frame(path, 0)):
        with pytest.raises(InputError, match=message):
            use(path)
    assert capfd.readouterr() == ("", "")


def test_a_missing_video_is_named(tmp_path):
    with pytest.raises(InputError, match=r"none\.mp4: no such video"):
        count_frames(tmp_path / "none.mp4")


def encoded(path, images: list[np.ndarray], matrix: tuple[int, ...] | None = None, **options: str) -> None:
    """A video of RGB images in H.264; matrix: a, b, u, c, d, v, x, y, w of the file, as whole numbers."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": "1", **options})
        stream.height, stream.width = images[0].shape[:2]
        stream.pix_fmt = "yuv444p" if not options else "yuv420p"
        if matrix is not None:
            stream.set_display_matrix([value << (30 if place % 3 == 2 else 16) for place, value in enumerate(matrix)])
        for image in images:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, "rgb24")))
        container.mux(stream.encode())


def gradient(count: int, height: int = 64, width: int = 96) -> list[np.ndarray]:
    """RGB images without two corners alike."""
    y, x = np.mgrid[:height, :width]
    return [np.stack([x * 2, y * 3, 100 + x + y - number], -1).astype(np.uint8) for number in range(count)]


def test_an_interlaced_video_is_read_like_any_other(tmp_path):
    images = gradient(6)
    encoded(tmp_path / "v.mkv", images, flags="+ildct+ilme", **{"x264-params": "tff=1"})
    with av.open(str(tmp_path / "v.mkv")) as container:
        assert next(container.decode(video=0)).interlaced_frame
    for (_, found), image in zip(frames(tmp_path / "v.mkv", range(6)), images, strict=True):
        assert np.abs(found.astype(int) - image).mean() < 3
        np.testing.assert_array_equal(read_frame(tmp_path / "v.mkv", 0), next(frames(tmp_path / "v.mkv", [0]))[1])


@pytest.mark.parametrize(
    "matrix, upright",
    [
        ((1, 0, 0, 1), lambda image: image),
        ((-1, 0, 0, 1), lambda image: image[:, ::-1]),
        ((-1, 0, 0, -1), lambda image: image[::-1, ::-1]),
        ((1, 0, 0, -1), lambda image: image[::-1]),
        ((0, 1, 1, 0), lambda image: image.swapaxes(0, 1)),
        ((0, 1, -1, 0), lambda image: np.rot90(image, -1)),
        ((0, -1, -1, 0), lambda image: np.rot90(image, 2).swapaxes(0, 1)),
        ((0, -1, 1, 0), np.rot90),
    ],
)
def test_frames_are_turned_and_mirrored_as_the_matrix_of_the_file_says(tmp_path, matrix, upright):
    """x becomes a x + c y, and y becomes b x + d y (ISO/IEC 14496-12, 8.3.2)."""
    a, b, c, d = matrix
    (image,) = gradient(1)
    encoded(tmp_path / "v.mp4", [image] * 3, (a, b, 0, c, d, 0, 0, 0, 1))
    found = read_frame(tmp_path / "v.mp4", 1)
    assert found.shape == upright(image).shape and np.abs(found.astype(int) - upright(image)).mean() < 3


def test_a_video_with_damage_inside_is_told(tmp_path, caplog):
    path = tmp_path / "v.mp4"
    noise = [np.random.default_rng(k).integers(0, 256, (64, 96, 3), np.uint8) for k in range(12)]
    encoded(path, noise, threads="1")
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 60] = bytes(byte ^ 0x5A for byte in content[middle : middle + 60])
    list(all_frames(path)[1])
    assert not caplog.records
    path.write_bytes(content)
    list(all_frames(path)[1])
    assert any(f"{path}: damaged: of its frames" in record.message for record in caplog.records)

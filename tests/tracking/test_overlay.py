"""What is drawn: every frame at its time, the landmarks where they are, and the sound."""

from fractions import Fraction

import av
import cv2
import numpy as np
import pytest
from PIL import Image

from tsal.data.landmarks import SCHEMES, Scheme
from tsal.data.video import all_frames
from tsal.errors import InputError
from tsal.tracking.follow import Face, bounds_of
from tsal.tracking.formats import Frame
from tsal.tracking.overlay import draw, open_overlay

TIMES = [0.0, 0.04, 0.08, 0.2, 0.24, 0.5]  # a rate that changes, as phones record


def face(id: int = 0, confidence: float = 1.0) -> Face:
    points = np.random.default_rng(id).uniform(20, 80, (68, 2))
    return Face(id, bounds_of(points[None])[0], confidence, points, np.full(68, confidence))


def write_video(path, times=TIMES, size=(101, 81), codec="aac", rate=16000, layout="mono"):
    """A video of grey frames, with a tone of 440 Hz."""
    with av.open(str(path), "w") as file:
        stream = file.add_stream("mpeg4")
        stream.width, stream.height, stream.pix_fmt = *(side + side % 2 for side in size), "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        tone = file.add_stream(codec, rate=rate)
        tone.layout = layout
        for number, time in enumerate(times):
            image = np.full((stream.height, stream.width, 3), 100 + 5 * number, np.uint8)
            picture = av.VideoFrame.from_ndarray(image, "rgb24")
            picture.pts, picture.time_base = round(1000 * time), Fraction(1, 1000)
            file.mux(stream.encode(picture))
        file.mux(stream.encode())
        wave = np.sin(2 * np.pi * 440 * np.arange(round(rate * times[-1])) / rate).astype(np.float32)
        channels = len(av.AudioLayout(layout).channels)
        samples = av.AudioFrame.from_ndarray(np.repeat(wave[None], channels, axis=0), "fltp", layout)
        samples.rate, samples.pts = rate, 0
        file.mux(tone.encode(samples))
        file.mux(tone.encode())
    return path


def drawn(source, target):
    with open_overlay(target, str(source), SCHEMES["68"]) as write:
        for number, seconds, image in all_frames(source)[1]:
            write(image, Frame(str(source), number, seconds, image.shape[1::-1], [face()]))
    return target


def test_every_frame_is_drawn_at_its_time(tmp_path):
    target = drawn(write_video(tmp_path / "a.mp4"), tmp_path / "b.mp4")
    frames = list(all_frames(target)[1])
    np.testing.assert_allclose([seconds for _, seconds, _ in frames], TIMES, atol=1e-3)
    for number, _, image in frames:
        assert np.median(image) == pytest.approx(100 + 5 * number, abs=4)
        assert (np.abs(image.astype(int) - np.median(image)).max(axis=2) > 60).sum() > 100  # drawn upon


@pytest.mark.parametrize(
    ("name", "codec", "rate", "layout"),
    [("a.mp4", "aac", 16000, "mono"), ("a.mkv", "pcm_s16le", 192000, "stereo"), ("a.mkv", "flac", 48000, "5.1")],
)
def test_the_sound_is_kept(tmp_path, name, codec, rate, layout):
    source = write_video(tmp_path / name, codec=codec, rate=rate, layout=layout)
    with av.open(str(drawn(source, tmp_path / "b.mp4"))) as file:
        assert file.streams.video[0].codec_context.name == "h264"
        samples = np.concatenate([frame.to_ndarray()[0] for frame in file.decode(audio=0)])
        found = file.streams.audio[0].rate
    spectrum = np.abs(np.fft.rfft(samples))
    assert np.argmax(spectrum) * found / len(samples) == pytest.approx(440, abs=5)
    assert len(samples) / found == pytest.approx(TIMES[-1], abs=0.15)


def test_a_video_without_sound_and_of_odd_sides_is_drawn(tmp_path):
    images = [Image.fromarray(np.full((31, 51, 3), 50 * number, np.uint8)) for number in range(3)]
    images[0].save(tmp_path / "a.gif", save_all=True, append_images=images[1:], duration=200)
    frames = list(all_frames(drawn(tmp_path / "a.gif", tmp_path / "b.mkv"))[1])
    assert [image.shape for _, _, image in frames] == [(32, 52, 3)] * 3
    np.testing.assert_allclose([seconds for _, seconds, _ in frames], [0, 0.2, 0.4], atol=1e-3)


def test_a_picture_is_drawn_as_a_picture(tmp_path):
    source, target = tmp_path / "a.png", tmp_path / "b.png"
    cv2.imwrite(str(source), np.full((100, 100, 3), 90, np.uint8))
    with open_overlay(target, str(source), SCHEMES["68"]) as write:
        image = cv2.imread(str(source))
        write(image, Frame(str(source), -1, float("nan"), (100, 100), [face()]))
    found = cv2.cvtColor(cv2.imread(str(target)), cv2.COLOR_BGR2RGB)
    np.testing.assert_array_equal(found, draw(np.full((100, 100, 3), 90, np.uint8), [face()], SCHEMES["68"]))


def test_a_landmark_is_drawn_where_it_is_and_one_that_is_not_sure_is_a_ring():
    points = np.full((68, 2), 50.0)
    points[0] = 10, 20  # the others make the face 1,000 px large, and a point several px
    points[1] = 1010, 1020
    image = np.zeros((120, 120, 3), np.uint8)
    for confidence, lit in ((1.0, True), (0.2, False)):
        one = Face(0, bounds_of(points[None])[0], confidence, points, np.full(68, confidence))
        found = draw(image, [one], Scheme(name="dots", n_points=68, normalisers={"box": "box"}))
        assert bool(found[20, 10].any()) is lit
        assert found[20 - 11 : 20 + 12, 10 - 10 : 10 + 12].any() and not image.any()


def test_nothing_is_left_of_a_video_that_is_damaged(tmp_path):
    source = write_video(tmp_path / "a.mp4")
    (tmp_path / "out").mkdir()
    with pytest.raises(RuntimeError), open_overlay(tmp_path / "out" / "b.mp4", str(source), SCHEMES["68"]) as write:
        write(np.zeros((82, 102, 3), np.uint8), Frame(str(source), 0, 0.0, (102, 82), []))
        raise RuntimeError
    assert not list((tmp_path / "out").iterdir())


@pytest.mark.parametrize(("source", "target"), [("a.mp4", "b.png"), ("a.png", "b.mp4"), ("a.mp4", "b.gif")])
def test_a_suffix_that_does_not_fit_is_an_error(tmp_path, source, target):
    with pytest.raises(InputError, match="expected one of"):
        open_overlay(tmp_path / target, source, SCHEMES["68"])

"""A camera, followed as its pictures come: always the newest, shown with its landmarks; and the window itself."""

import os
import shutil
import subprocess
import sys
import threading
import time

import numpy as np
import pandas as pd
import pytest
from PIL import ImageGrab
from tracking_scenes import HEIGHT, WIDTH, Scene

from tsal import cli
from tsal.data.landmarks import Scheme
from tsal.errors import InputError
from tsal.tracking import camera as module
from tsal.tracking.camera import Camera, open_camera
from tsal.tracking.live import track_camera
from tsal.tracking.window import Window

NINE = Scheme(name="nine", n_points=9, normalisers={"box": "box"})


class FakeCapture:
    """Gives pictures when it is told to; each is as bright as its number."""

    def __init__(self, last: int = 1000) -> None:
        self.last, self.number, self.released = last, -1, False
        self._allowed = threading.Semaphore(0)

    def read(self):
        self._allowed.acquire()
        self.number += 1
        return (True, np.full((HEIGHT, WIDTH, 3), self.number, np.uint8)) if self.number <= self.last else (False, None)

    def give(self, pictures: int) -> None:
        before = self.number
        self._allowed.release(pictures)
        while self.number < before + pictures:
            time.sleep(0.001)
        time.sleep(0.02)  # for the reader to have it

    def isOpened(self):
        return True

    def set(self, key, value):
        return False

    def release(self):
        self.released = True


class FakeScreen:
    """Keeps what is shown, and is closed after some pictures."""

    def __init__(self, pictures: int) -> None:
        self.shown, self.pictures = [], pictures

    @property
    def closed(self) -> bool:
        return len(self.shown) >= self.pictures

    def show(self, image):
        self.shown.append(image)

    def refresh(self):
        pass


def test_the_newest_picture_is_given_once_and_late_ones_are_dropped():
    camera = Camera(capture := FakeCapture(), "camera 0")
    assert camera.newest(0.01) is None
    capture.give(5)
    shot = camera.newest(1.0)
    assert shot.number == 4 and (shot.image == 4).all() and shot.seconds > 0
    assert camera.newest(0.01) is None and not camera.ended
    capture.give(1)
    assert camera.newest(1.0).number == 5
    capture.last = 5
    capture.give(1)
    assert camera.newest(1.0) is None and camera.ended
    camera.close()
    assert capture.released


def test_pictures_are_rgb_and_their_times_begin_with_the_first():
    class Blue(FakeCapture):
        def read(self):
            done, image = super().read()
            return done, image * np.uint8([1, 0, 0])  # BGR

    camera = Camera(capture := Blue(), "camera 0")
    capture.number = 199
    capture.give(1)
    shot = camera.newest(1.0)
    assert shot.seconds == 0 and shot.image[0, 0].tolist() == [0, 0, 200]


class SceneCapture(FakeCapture):
    """Gives the pictures of a scene of two faces, each once the one before was followed."""

    def __init__(self, scene: Scene) -> None:
        super().__init__()
        self.scene, self.followed = scene, threading.Semaphore(1)

    def read(self):
        self.followed.acquire()
        if self.scene.number + 1 >= len(self.scene.frames):
            return False, None
        return True, self.scene.next_image()


def run(pictures: int, output=None, frames=None, **options):
    scene = Scene(frames or [{1: (60, 100), 2: (250, 100)}] * 4)
    screen = FakeScreen(pictures)
    capture = SceneCapture(scene)
    show = screen.show
    screen.show = lambda image: (show(image), capture.followed.release())
    camera = Camera(capture, "camera 0")
    try:
        return track_camera(camera, screen, scene.find, scene.locate, NINE, output, **options), screen
    finally:
        capture.followed.release()
        camera.close()


def test_faces_are_followed_drawn_and_written_until_the_screen_is_closed(tmp_path):
    count, screen = run(3, tmp_path / "out.csv")
    table = pd.read_csv(tmp_path / "out.csv")
    assert (count.frames, count.faces) == (3, 2) and len(screen.shown) == 3
    assert table["frame"].tolist() == [0, 0, 1, 1, 2, 2] and table["track"].tolist() == [0, 1] * 3
    assert (table["image"] == "camera 0").all() and table["seconds"].is_monotonic_increasing
    np.testing.assert_allclose(table[["x4", "y4"]].iloc[0], [60, 100])
    assert screen.shown[1][100, 60].tolist() in ([86, 180, 233], [230, 159, 0])  # a landmark, in its face's colour


def test_a_camera_that_ends_ends_it(caplog):
    count, screen = run(100)
    assert count.frames == 4 == len(screen.shown)
    assert "camera 0: gives no more pictures" in caplog.text


def test_the_rate_is_shown_from_the_second_picture_on():
    _, screen = run(2)
    first, second = (image[: HEIGHT // 12, : WIDTH // 3] for image in screen.shown)
    assert (first == 128).all() and (second == 0).all(axis=2).any() and (second == 255).all(axis=2).any()


def test_ctrl_c_ends_it_and_keeps_the_table_and_another_signal_does_not(tmp_path):
    for signal, is_kept in ((KeyboardInterrupt(), True), (KeyboardInterrupt(15), False)):
        scene, screen = Scene([{1: (60, 100)}] * 2), FakeScreen(9)
        capture = SceneCapture(scene)

        def show(image, signal=signal, screen=screen):
            screen.shown.append(image)
            raise signal

        screen.show = show
        camera, output = Camera(capture, "camera 0"), tmp_path / f"{is_kept}.csv"
        try:
            track_camera(camera, screen, scene.find, scene.locate, NINE, output)
        except KeyboardInterrupt:
            assert not is_kept
        assert output.exists() is is_kept
        capture.followed.release(2)
        camera.close()


# --- the window ---


@pytest.fixture(scope="module")
def server():
    """The name of a display of 800 x 600 px that nobody looks at. One for all: Tk bears no end of a display."""
    if shutil.which("Xvfb") is None:
        pytest.skip("Xvfb is not installed")
    command = ["Xvfb", "-displayfd", "1", "-screen", "0", "800x600x24", "-nolisten", "tcp", "-noreset"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        yield f":{process.stdout.readline().strip()}"
        process.terminate()


@pytest.fixture
def display(server, monkeypatch):
    pytest.importorskip("tkinter")
    monkeypatch.setenv("DISPLAY", server)
    return server


def test_a_window_shows_pictures_and_large_ones_smaller(display):
    with Window("test") as window:
        for size, area in (((100, 200), 100 * 200), ((1200, 1600), 540 * 720), ((100, 200), 100 * 200)):
            window.show(np.full((*size, 3), (10, 200, 30), np.uint8))
            window.show(np.full((*size, 3), (200, 10, 30), np.uint8))
            screen = np.array(ImageGrab.grab(xdisplay=display).convert("RGB"))
            assert (screen == (200, 10, 30)).all(axis=2).sum() == area


@pytest.mark.parametrize(
    "close",
    ["root.event_generate('<Key-q>')", "root.tk.call(*root.tk.splitlist(root.protocol('WM_DELETE_WINDOW')))"],
    ids=["q", "button"],
)
def test_a_window_is_closed_by_its_button_and_by_q(display, close):
    """In a process of its own: Tk gives the focus, without which no key comes, to the first window of one alone."""
    code = f"""
import sys, numpy
from tsal.tracking.window import Window
with Window("test") as window:
    root = window._root
    window.show(numpy.zeros((100, 200, 3), numpy.uint8))
    root.focus_force()
    window.refresh()
    before = window.closed
    {close}
    window.refresh()
    sys.exit(before or not window.closed)
"""
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert process.returncode == 0, process.stderr


# --- the command line ---


@pytest.mark.parametrize(
    ("environment", "arguments", "said"),
    [
        ({}, [], "no display ($DISPLAY is not set)"),
        ({"DISPLAY": ":nowhere"}, [], "no display :nowhere: "),
        ({}, ["a.mp4"], "found --webcam and files, expected one of them"),
        ({}, ["--overlay", "a.mp4"], "found --webcam and --overlay, expected one of them"),
        ({}, ["-o", "a.png"], "expected one of .csv"),
    ],
)
@pytest.mark.skipif(os.uname().sysname != "Linux", reason="other systems have no $DISPLAY")
def test_what_is_missing_is_one_line(tmp_path, monkeypatch, capsys, environment, arguments, said):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DISPLAY", raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert cli.main(["track", *arguments, "--webcam", "--checkpoint", "d.safetensors"]) == 2
    error = capsys.readouterr().err.strip()
    assert said in error and len(error.splitlines()) == 1


def test_without_files_and_camera_there_is_nothing_to_track(capsys):
    assert cli.main(["track", "--checkpoint", "d.safetensors"]) == 2
    assert (
        "found nothing to track; expected videos, pictures or folders of them, or --webcam" in capsys.readouterr().err
    )


def test_a_camera_that_is_not_there_is_named(tmp_path, monkeypatch):
    with pytest.raises(InputError, match=r"^no camera 98: "), open_camera(98):
        pass
    monkeypatch.setattr(module.sys, "platform", "linux")
    (tmp_path / "video2").touch()
    assert module._why(0, tmp_path) == f"{tmp_path}/video0 is not there; there are 2"
    assert "it is no camera" in module._why(2, tmp_path)


def test_a_camera_without_pictures_is_none(monkeypatch):
    capture = FakeCapture(last=-1)
    capture._allowed.release()
    monkeypatch.setattr(module.cv2, "VideoCapture", lambda number: capture)
    with pytest.raises(InputError, match="no camera 3: it gives no pictures"), open_camera(3):
        pass
    assert capture.released

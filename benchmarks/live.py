"""How late `tsal track --webcam` is: python benchmarks/live.py CHECKPOINT VIDEO; without a screen: xvfb-run python ...

A video stands in for the camera: brought to 640 x 480 px, at 30 pictures a second, over and over. Prints a table:
frames a second that are shown, share of the pictures that are dropped, and milliseconds from the moment at which a
picture is there until it is in the window with its landmarks, of the median and of 95 % of the frames.
"""

import argparse
import platform
import time
from pathlib import Path

import cv2
import numpy as np
import torch

from tsal import face_detectors
from tsal.data.video import all_frames
from tsal.detectors.predict import load_detector
from tsal.tracking.camera import Camera
from tsal.tracking.live import track_camera
from tsal.tracking.track import locator
from tsal.tracking.window import Window

CPU = torch.device("cpu")
SIZE, RATE = (640, 480), 30
_FIRST = 10  # frames that warm up


class VideoCamera:
    """Gives the frames of a video as a camera would, and remembers when."""

    def __init__(self, video: Path) -> None:
        self._images = [cv2.cvtColor(as_camera(image), cv2.COLOR_RGB2BGR) for _, _, image in all_frames(video)[1]]
        self.times: list[float] = []
        self._next = time.monotonic()

    def read(self) -> tuple[bool, np.ndarray]:
        self._next += 1 / RATE
        time.sleep(max(0.0, self._next - time.monotonic()))
        self.times.append(time.monotonic())
        return True, self._images[len(self.times) % len(self._images)]

    def release(self) -> None:
        """There is nothing to let go."""


def as_camera(image: np.ndarray) -> np.ndarray:
    """The middle of a picture, as wide as a camera's."""
    factor = max(SIZE[0] / image.shape[1], SIZE[1] / image.shape[0])
    image = cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
    top, left = (image.shape[0] - SIZE[1]) // 2, (image.shape[1] - SIZE[0]) // 2
    return image[top : top + SIZE[1], left : left + SIZE[0]]


class TimedWindow(Window):
    """Closes itself after some seconds, and remembers when each picture was shown."""

    def __init__(self, seconds: float) -> None:
        super().__init__("benchmarks/live.py")
        self.shown: list[float] = []
        self._seconds = seconds

    def show(self, image: np.ndarray) -> None:
        super().show(image)
        self.shown.append(time.monotonic())
        self.closed = self.closed or self.shown[-1] - self.shown[0] > self._seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("video", type=Path)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    cv2.setNumThreads(arguments.threads)
    detector = load_detector(arguments.checkpoint, CPU)
    find = face_detectors.create(options={"smallest": 0.15}).find_calibrated
    taken: list[int] = []
    camera = Camera(capture := VideoCamera(arguments.video), "camera 0")
    give = camera.newest

    def newest(seconds: float):
        if (shot := give(seconds)) is not None:
            taken.append(shot.number)
        return shot

    camera.newest = newest
    with TimedWindow(arguments.seconds) as window:
        track_camera(camera, window, find, locator(detector, CPU), detector.scheme)
        camera.close()
        late = 1000 * (np.array(window.shown) - np.array(capture.times)[taken])[_FIRST:]
        rate = (len(window.shown) - 1) / (window.shown[-1] - window.shown[0])
    print(f"{platform.processor() or platform.machine()}, {arguments.threads} threads, {SIZE[0]} x {SIZE[1]} px\n")
    dropped = 1 - len(taken) / (taken[-1] + 1)
    print("| shown, frames/s | dropped | ms, median | ms, 95 % |\n|---:|---:|---:|---:|")
    print(f"| {rate:.1f} | {dropped:.0%} | {np.median(late):.0f} | {np.quantile(late, 0.95):.0f} |")


if __name__ == "__main__":
    main()

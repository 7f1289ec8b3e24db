"""What a face detector is."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tsal.face_detectors.calibration import Calibration
from tsal.settings.section import Section

Search = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True, kw_only=True)
class FaceDetector:
    """A face detector as its file declares it; tsal.face_detectors says what each part is."""

    title: str
    options: type[Section]
    make: Callable[..., Search]
    calibration: Calibration


@dataclass(frozen=True)
class Finder:
    """A face detector that is ready.

    It is deterministic, and not to be called by two threads at once. It computes with the threads of the library that
    it uses: OpenCV's are set by cv2.setNumThreads.

    Attributes:
        calibration: turns what `find` returns into boxes such as a landmark detector is trained with.
        search: see tsal.face_detectors.
    """

    name: str
    calibration: Calibration
    search: Search

    def find(self, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Find the faces of a picture.

        Args:
            image: (H, W, 3) uint8 RGB, of any size from 1 px on. Grey pictures, 16 bits and alpha are for the caller
                to convert, as tsal.data.pictures.read_image does.

        Returns:
            Boxes (N, 4) float64, x0, y0, x1, y1 in px of the picture, with pixel centres at integers, and confidences
            (N,) float64 in [0, 1], the most confident first. Boxes may reach beyond the picture. They are the
            detector's own, see `calibration`.

        Raises:
            ValueError: the array is no such picture.
        """
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
            raise ValueError(f"found an array {image.shape} of {image.dtype}; expected a picture (H, W, 3) uint8, RGB")
        boxes, confidences = self.search(image)
        order = np.argsort(-confidences, kind="stable")
        return boxes[order], confidences[order]

    def find_calibrated(self, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """As `find`, with boxes such as a landmark detector is trained with."""
        boxes, confidences = self.find(image)
        return self.calibration.apply(boxes), confidences

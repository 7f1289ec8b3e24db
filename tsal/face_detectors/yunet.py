"""YuNet (Wu et al. 2023), as OpenCV runs it, with weights that the user has.

The file is face_detection_yunet_2023mar.onnx of OpenCV's model zoo (github.com/opencv/opencv_zoo, MIT licence), which
no package that we found holds. Its digest is the one that the zoo's repository gives for it.

The network was trained on faces of 10 to 300 px. So it searches the picture twice, with 640 and with 320 px on the
longer side: large faces are found in the smaller one.
"""

import cv2
import numpy as np
from pydantic import Field

from tsal.errors import InputError
from tsal.face_detectors.boxes import one_for_each
from tsal.face_detectors.calibration import Calibration
from tsal.face_detectors.detector import FaceDetector, Search
from tsal.face_detectors.weights import check_weights
from tsal.settings.section import Section

SHA256 = "8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4"
_AGAIN = "Get face_detection_yunet_2023mar.onnx from github.com/opencv/opencv_zoo, and name it as `file`"
_SIDES = (640, 320)  # px
_SAME_FACE = 0.3
_MOST = 5000  # boxes before suppression, as in OpenCV


class Options(Section):
    """Keys of yunet."""

    file: str = Field("", description="path of face_detection_yunet_2023mar.onnx")
    confidence: float = Field(0.7, gt=0, lt=1, description="at which a face is reported")


def _make(options: Options) -> Search:
    if not options.file:
        raise InputError(f"face detector yunet: file: found none, expected the path of its weights. {_AGAIN}")
    check_weights(options.file, (SHA256,), "the face detector YuNet", _AGAIN)
    level = cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_ERROR)  # OpenCV 5 warns of its own defaults
    try:
        network = cv2.FaceDetectorYN.create(options.file, "", (320, 320), options.confidence, _SAME_FACE, _MOST)
    finally:
        cv2.utils.logging.setLogLevel(level)

    def search(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        found = [_at(network, image, side) for side in _SIDES]
        boxes, confidences = (np.concatenate(parts) for parts in zip(*found, strict=True))
        return one_for_each(boxes, confidences, _SAME_FACE)

    return search


def _at(network: cv2.FaceDetectorYN, image: np.ndarray, side: int) -> tuple[np.ndarray, np.ndarray]:
    """Boxes (N, 4) in px of the picture and confidences (N,), where its longer side is brought to `side` px."""
    height, width = image.shape[:2]
    shrinkage = max(height, width) / side
    size = tuple(max(1, round(length / shrinkage)) for length in (width, height))
    way = cv2.INTER_AREA if shrinkage > 1 else cv2.INTER_LINEAR
    network.setInputSize(size)
    _, faces = network.detect(cv2.cvtColor(cv2.resize(image, size, interpolation=way), cv2.COLOR_RGB2BGR))
    rows = np.zeros((0, 15)) if faces is None else faces.astype(np.float64)
    factor = np.array([width / size[0], height / size[1]])
    low = rows[:, :2] * factor
    return np.concatenate([low, low + rows[:, 2:4] * factor], axis=1) - 0.5, rows[:, 14]


# A guess, since YuNet's weights were not at hand: fitted on libfacedetection, a network by the same author, see
# docs/faces.md. With the file: python benchmarks/face_calibration.py RAW_DIR --detector yunet --set file=FILE
FACE_DETECTOR = FaceDetector(
    title="YuNet", options=Options, make=_make, calibration=Calibration(shift=(0.0, 0.130), scale=(1.025, 0.759))
)

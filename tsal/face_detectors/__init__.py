"""Face detectors: where in a picture the faces are, by name.

Each stands in one file: NAME.py defines FACE_DETECTOR (see `detector`), and NAME is what configurations call it. It
stands here, or in `FOLDER/face_detectors/` of a folder that the environment variable TSAL_PLUGINS names. Such a file
has to say four things:

- `options`: a Section with the keys that a configuration may set;
- `make`: (options) -> search; a search takes a picture, (H, W, 3) uint8 RGB, and returns boxes (N, 4) float64 as x0,
  y0, x1, y1 in px of the picture, and confidences (N,) in [0, 1]. Each face is found once, as far as it can tell;
- `calibration`: from its boxes to the bounds of the 68 landmarks; benchmarks/face_calibration.py fits it;
- `title`, for messages and tables.

boxes: overlap of boxes, and one box for each face. finding: the faces of many files, as a table. calibration: fits and
applies calibrations. weights: files whose digest is known.
"""

import sys
from collections.abc import Mapping
from functools import cache
from typing import Any

from tsal.errors import InputError
from tsal.face_detectors.calibration import Calibration
from tsal.face_detectors.detector import FaceDetector, Finder
from tsal.settings.plugins import by_module
from tsal.settings.section import read_section

__all__ = ["DEFAULT", "Calibration", "FaceDetector", "Finder", "create", "get", "names"]

DEFAULT = "blazeface"
# What face detectors share; every other module of this folder is one.
_SHARED = ("boxes", "calibration", "detector", "finding", "weights")


@cache
def _registry() -> dict[str, FaceDetector]:
    return by_module(sys.modules[__name__], "FACE_DETECTOR", FaceDetector, "tsal.face_detectors.FaceDetector", _SHARED)


def names() -> list[str]:
    """The names of all face detectors, sorted.

    Raises:
        InputError: a plug-in cannot be used; names its file.
    """
    return list(_registry())


def get(name: str) -> FaceDetector:
    """The face detector of that name.

    Raises:
        InputError: there is none; names those that there are. Or see `names`.
    """
    try:
        return _registry()[name]
    except KeyError:
        raise InputError(f"unknown face detector {name!r}; expected one of {', '.join(names())}") from None


def create(name: str = DEFAULT, options: Mapping[str, Any] | None = None) -> Finder:
    """Make a face detector ready to find faces.

    Args:
        options: of its keys those that are not at their defaults.

    Raises:
        InputError: unknown name; one line for each mistake in the options; weights that are missing or not those that
            are expected; a package that is not installed.
    """
    detector = get(name)
    search = detector.make(read_section(detector.options, options or {}, f"face detector {name}"))
    return Finder(name, detector.calibration, search)

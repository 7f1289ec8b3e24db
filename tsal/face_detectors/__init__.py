"""Face detectors: where in a picture the faces are, by name.

Each stands in one file: NAME.py defines FACE_DETECTOR (see `detector`), and NAME is what configurations call it. It
stands here, or in `FOLDER/face_detectors/` of a folder that the environment variable TSAL_PLUGINS names. Such a file
has to say four things:

- `options`: a Section with the keys that a configuration may set;
- `make`: (options) -> search; a search takes a picture, (H, W, 3) uint8 RGB, and returns boxes (N, 4) float64 as x0,
  y0, x1, y1 in px of the picture, and confidences (N,) in [0, 1]. Each face is found once, as far as it can tell;
- `calibration`: from its boxes to the bounds of the 68 landmarks; benchmarks/face_calibration.py fits it;
- `title`, for messages and tables.

boxes: overlap of boxes, and one box for each face. finding: the faces of many files, as a table. tables: the
boxes of a table that there is. calibration: fits and
applies calibrations. weights: files whose digest is known.
"""

from collections.abc import Mapping
from typing import Any

from tsal.face_detectors.calibration import Calibration
from tsal.face_detectors.detector import FaceDetector, Finder
from tsal.settings.plugins import ByModule
from tsal.settings.section import read_section

__all__ = ["DEFAULT", "Calibration", "FaceDetector", "Finder", "create", "get", "names"]

DEFAULT = "blazeface"
# What face detectors share; every other module of this folder is one.
_SHARED = ("boxes", "calibration", "detector", "finding", "tables", "weights")
_registry = ByModule(
    __name__, "FACE_DETECTOR", FaceDetector, "tsal.face_detectors.FaceDetector", "face detector", _SHARED
)
names, get = _registry.names, _registry.get


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

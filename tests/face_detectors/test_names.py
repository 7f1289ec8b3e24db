"""Face detectors by name."""

import subprocess
import sys

import pytest

from tsal import face_detectors
from tsal.errors import InputError

OWN = """
import numpy as np
from tsal.face_detectors.calibration import Calibration
from tsal.face_detectors.detector import FaceDetector
from tsal.settings.section import Section

class Options(Section):
    side: float = 10.0

def make(options):
    def search(image):
        return np.array([[0, 0, 1, 1], [0, 0, options.side, options.side]], float), np.array([0.2, 0.9])
    return search

FACE_DETECTOR = FaceDetector(title="Corner", options=Options, make=make, calibration=Calibration())
"""


def test_an_unknown_name_is_one_line_with_those_that_are_known():
    with pytest.raises(InputError) as error:
        face_detectors.create("retina")
    said = str(error.value)
    assert said == "unknown face detector 'retina'; expected one of blazeface, yunet"


@pytest.mark.parametrize("options", [{"smallest": 0}, {"smallest": "small"}, {"tiles": 3}])
def test_a_wrong_option_names_detector_and_key(options):
    with pytest.raises(InputError, match=f"face detector blazeface: {next(iter(options))}"):
        face_detectors.create("blazeface", options)


def test_the_one_that_needs_no_file_is_the_default():
    assert face_detectors.create().name == face_detectors.DEFAULT == "blazeface"


def run(folder, code: str) -> subprocess.CompletedProcess:
    environment = {"TSAL_PLUGINS": str(folder), "PATH": "", "PYTHONPATH": ":".join(filter(None, sys.path))}
    return subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)


def test_another_one_is_one_file(tmp_path):
    (tmp_path / "face_detectors").mkdir()
    (tmp_path / "face_detectors" / "corner.py").write_text(OWN)
    code = "import numpy as np; from tsal.face_detectors import create; f = create('corner', {'side': 5.0})\n"
    code += "print(f.name, *[part.tolist() for part in f.find(np.zeros((9, 9, 3), np.uint8))])"
    process = run(tmp_path, code)
    assert process.stdout.strip() == "corner [[0.0, 0.0, 5.0, 5.0], [0.0, 0.0, 1.0, 1.0]] [0.9, 0.2]", process.stderr


def test_a_file_of_something_else_is_refused_by_its_name(tmp_path):
    (tmp_path / "face_detectors").mkdir()
    (tmp_path / "face_detectors" / "corner.py").write_text("FACE_DETECTOR = 3\n")
    process = run(tmp_path, "from tsal.face_detectors import names; names()")
    assert "corner.py: FACE_DETECTOR is a int; expected a tsal.face_detectors.FaceDetector" in process.stderr

"""How large a picture is, by its header."""

import os
import subprocess
import sys

import cv2
import numpy as np
import pytest
from hostile.of_pictures import png

from tsal.bounds.pictures import picture_header
from tsal.errors import InputError


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp", ".tiff", ".webp", ".ppm"])
def test_the_size_is_that_of_the_picture(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    cv2.imwrite(str(path), np.zeros((7, 9, 3), np.uint8))
    assert picture_header(path, "get it again").size == (9, 7)


@pytest.mark.filterwarnings("ignore:Image size")
def test_what_declares_too_many_pixels_is_refused(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(png(11_585, 11_585))
    assert picture_header(path, "get it again").size == (11_585, 11_585)  # 134.2 million, what is allowed
    path.write_bytes(png(11_586, 11_586))
    with pytest.raises(InputError, match=r"a\.png: 11,586 x 11,586 px: found 134,235,396 pixels, at most 134,217,728"):
        picture_header(path, "get it again")
    path.write_bytes(png(60_000, 60_000))
    with pytest.raises(InputError, match=r"a\.png: found 3,600,000,000 pixels"):
        picture_header(path, "get it again")


def test_opencv_is_told_the_same_bound():
    """It reads it when it is first imported, before tsal.bounds could be: for formats of which Pillow knows nothing."""
    code = "import os, tsal.bounds; print(os.environ['OPENCV_IO_MAX_IMAGE_PIXELS'] == str(tsal.bounds.PIXELS))"
    clean = {name: value for name, value in os.environ.items() if not name.startswith("OPENCV")}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=clean, check=True)
    assert done.stdout == "True\n"


def test_what_pillow_does_not_know_has_no_size(tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"no picture")
    assert picture_header(tmp_path / "a.jpg", "get it again") is None


def test_what_is_no_plain_file_is_not_opened(tmp_path):
    os.mkfifo(tmp_path / "a.jpg")  # to open it would wait for somebody to write into it
    for path in (tmp_path / "a.jpg", tmp_path, tmp_path / "none", "/dev/zero"):
        with pytest.raises(InputError, match="no such image"):
            picture_header(path, "get it again")

"""Teacher-Student Asynchronous Learning for facial landmarks in video (arXiv 2012.06711)."""

import os

# Read by OpenCV when it is first imported: no picture that declares more pixels than tsal.bounds.PIXELS is decoded,
# whatever its format.
os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")  # what it says of damaged files, our errors say
os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", str(1 << 27))

__version__ = "0.1.0"

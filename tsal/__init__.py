"""Teacher-Student Asynchronous Learning for facial landmarks in video (arXiv 2012.06711)."""

import os
from pathlib import Path

__version__ = "0.1.0"


def _multiply_alike() -> None:
    """Have NumPy's OpenBLAS round matrix products as it does on any x86 processor with AVX2.

    It would choose its kernels by the processor, and another last bit changes a few rendered pictures in a thousand.
    It reads the variable when NumPy is imported, so that this is of use before that only; one that is set is left as
    it is. Kernels that a processor lacks end the process: hence the look at its flags, which other systems than Linux
    do not list.
    """
    try:
        flags = set(Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").split())
    except OSError:
        return
    if {"avx2", "fma"} <= flags:
        os.environ.setdefault("OPENBLAS_CORETYPE", "Haswell")


_multiply_alike()

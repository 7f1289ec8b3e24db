"""Matrix products rounded alike by all x86 processors with AVX2, so that a shard is the same file whichever renders it.

NumPy's OpenBLAS would choose its kernels by the processor, and another last bit changes a few rendered pictures in a
thousand. It reads OPENBLAS_CORETYPE once, when NumPy is first imported: too early for a verb to set, as NumPy is loaded
by then, and not worth keeping NumPy out of all that a command line imports. So the verb starts its process anew.
"""

import os
import sys
from pathlib import Path

VARIABLE, KERNELS = "OPENBLAS_CORETYPE", "Haswell"


def round_alike() -> None:
    """Start this command again with OpenBLAS's kernels named; return if they are, or cannot be.

    A variable that is set is left as it is. Kernels that a processor lacks end the process: hence the look at its
    flags, which other systems than Linux do not list.
    """
    if VARIABLE in os.environ or not has_avx2():
        return
    os.environ[VARIABLE] = KERNELS
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])


def has_avx2() -> bool:
    """Whether the processor is known to have what the kernels need."""
    try:
        flags = set(Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").split())
    except OSError:
        return False
    return {"avx2", "fma"} <= flags

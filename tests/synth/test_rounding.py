"""Matrix products are rounded alike whatever the processor: what is rendered does not depend on it by them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

VARIABLE = "OPENBLAS_CORETYPE"
FLAGS = Path("/proc/cpuinfo")
DIGEST = """
import hashlib
import numpy as np
random = np.random.default_rng(0)
digest = hashlib.sha256()
for rows, inner, columns in ((3, 3, 3), (68, 3, 3), (500, 16, 3), (120, 130, 70)):
    digest.update((random.normal(size=(rows, inner)) @ random.normal(size=(inner, columns))).tobytes())
print(digest.hexdigest())
"""


def printed(script, **variables):
    environment = {name: value for name, value in os.environ.items() if name != VARIABLE} | variables
    return subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, env=environment
    ).stdout.strip()


@pytest.mark.skipif(
    not FLAGS.exists() or not {"avx2", "fma"} <= set(FLAGS.read_text().split()),
    reason="needs an x86 processor with AVX2, under Linux",
)
def test_products_are_those_of_one_kernel_whatever_the_processor():
    assert printed(f"import tsal\n{DIGEST}") == printed(DIGEST, **{VARIABLE: "Haswell"})


def test_a_kernel_that_was_asked_for_is_left_alone():
    assert printed(f"import os, tsal; print(os.environ[{VARIABLE!r}])", **{VARIABLE: "Nehalem"}) == "Nehalem"

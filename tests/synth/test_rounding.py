"""Matrix products are rounded alike whatever the processor: what is rendered does not depend on it by them."""

import os
import subprocess
import sys
from types import SimpleNamespace

import pytest

from tsal import cli
from tsal.synth import rounding

VARIABLE = "OPENBLAS_CORETYPE"
NEEDS_AVX2 = pytest.mark.skipif(not rounding.has_avx2(), reason="needs an x86 processor with AVX2, under Linux")
DIGEST = """
import hashlib
import numpy as np
random = np.random.default_rng(0)
digest = hashlib.sha256()
for rows, inner, columns in ((3, 3, 3), (68, 3, 3), (500, 16, 3), (120, 130, 70)):
    digest.update((random.normal(size=(rows, inner)) @ random.normal(size=(inner, columns))).tobytes())
print(digest.hexdigest())
"""
# The command line, with a benchmark whose rendering prints the digest and the variable.
RENDER = f"""
import os, sys
from tsal import cli, datasets
class Printing:
    def render(self, *arguments):
        exec({DIGEST!r})
        print(os.environ.get({VARIABLE!r}), *arguments)
datasets.get = lambda name: Printing()
sys.exit(cli.main())
"""
ARGUMENTS = ["render", "synth", "--settings", "a b.yaml", "--shard", "0", "--shards", "2", "-o", "0of2.zip"]


def printed(script, *arguments, **variables):
    environment = {name: value for name, value in os.environ.items() if name != VARIABLE} | variables
    command = [sys.executable, "-c", script, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout.split("\n")


@NEEDS_AVX2
def test_a_shard_is_rendered_with_products_of_one_kernel_whatever_the_processor():
    (expected, _), (digest, about, _) = printed(DIGEST, **{VARIABLE: "Haswell"}), printed(RENDER, *ARGUMENTS)
    assert digest == expected
    assert about == "Haswell a b.yaml 0 2 0of2.zip"


def test_a_kernel_that_was_asked_for_is_left_alone():
    assert printed(RENDER, *ARGUMENTS, **{VARIABLE: "Nehalem"})[1].startswith("Nehalem ")


def test_importing_the_package_leaves_the_environment_alone():
    script = f"import os, tsal, tsal.cli, tsal.synth.rounding; print(os.environ.get({VARIABLE!r}))"
    assert printed(script)[0] == "None"


def test_a_verb_that_a_program_calls_does_not_start_the_program_again(monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setattr(os, "execv", lambda *command: pytest.fail(f"started {command}"))
    rendered = []
    monkeypatch.setattr(cli.datasets, "get", lambda name: SimpleNamespace(render=lambda *given: rendered.append(given)))
    assert cli.main(ARGUMENTS) == 0 and len(rendered) == 1


def test_where_no_such_kernels_are_known_to_be_the_command_goes_on(monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setattr(os, "execv", lambda *command: pytest.fail(f"started {command}"))
    monkeypatch.setattr(rounding, "has_avx2", lambda: False)
    rounding.round_alike()
    assert VARIABLE not in os.environ

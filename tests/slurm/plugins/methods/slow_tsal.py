"""tsal with a pause after each step, so that a training lasts as long as a test of interruptions needs.

It says which process did which step, and takes more memory than its job asked for when it is told to.
"""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path

from tsal.methods import tsal

PAUSE = float(os.environ.get("SLOW_TSAL_PAUSE", "0"))  # seconds
STEPS = Path("steps.txt")  # a line a step: number of the process, of the step
TAKE_MEMORY = Path("take_memory")  # where this file lies
MEMORY = 4 * 2**30  # bytes


def train(run, data, start, stop):
    """As tsal, to the same weights."""
    finish = run.finish_step

    def finish_slowly(step, **figures):
        with STEPS.open("a") as file:
            print(os.getpid(), step, file=file)
        finish(step, **figures)
        time.sleep(PAUSE)
        if TAKE_MEMORY.exists():
            TAKE_MEMORY.unlink()
            taken = bytearray(b"1") * MEMORY
            time.sleep(60)  # it is killed meanwhile
            del taken

    run.finish_step = finish_slowly
    return tsal.train(run, data, start, stop)


METHOD = replace(tsal.METHOD, title="TSAL, slowly", train=train)

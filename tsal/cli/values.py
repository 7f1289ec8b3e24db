"""Numbers on the command line: each has a range, and what lies outside of it is refused by the parser."""

import argparse
import math
from collections.abc import Callable

from tsal.bounds import LARGEST_SETTING

LARGEST_SEED = 2**63 - 1
MOST_THREADS = 4096


def whole(least: int = 0, most: int = LARGEST_SETTING) -> Callable[[str], int]:
    """A type of argparse: a whole number from `least` to `most`."""

    def parse(text: str) -> int:
        try:
            value = int(text) if len(text) < 40 else most + 1
        except ValueError:
            value = least - 1
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(f"found {text[:40]}, expected a whole number from {least} to {most:,}")
        return value

    return parse


def number(least: float, most: float) -> Callable[[str], float]:
    """A type of argparse: a number from `least` to `most`."""

    def parse(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(f"found {text[:40]}, expected a number from {least:g} to {most:g}")
        return value

    return parse


seed = whole(-(2**63), LARGEST_SEED)
threads = whole(0, MOST_THREADS)
percent = number(1e-6, 1000.0)

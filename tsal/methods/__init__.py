"""The methods, each in one file: NAME.py defines METHOD, and NAME is what configurations call it.

A module here that trains imports what is heavy with `later`, so that plans are made without PyTorch. Methods of your
own: see settings.plugins.
"""

import sys
from functools import cache
from pathlib import Path

from tsal.errors import InputError
from tsal.settings.models import Settings, parse_settings, read_mapping
from tsal.settings.plugins import by_module
from tsal.training.method import Method

# What methods share; every other module of this folder is one.
_SHARED = ("common", "flow_adaptation", "memory", "pseudo_labels", "signals")


@cache
def _registry() -> dict[str, Method]:
    return by_module(sys.modules[__name__], "METHOD", Method, "tsal.training.method.Method", _SHARED)


def names() -> list[str]:
    """The names of all methods, sorted.

    Raises:
        InputError: a plug-in cannot be used; names its file.
    """
    return list(_registry())


def get(name: str) -> Method:
    """The method of that name.

    Raises:
        InputError: there is none; names those that there are. Or see `names`.
    """
    try:
        return _registry()[name]
    except KeyError:
        raise InputError(f"unknown method {name!r}; expected one of {', '.join(names())}") from None


def read_settings(path: str | Path) -> Settings:
    """Read a run's settings.yaml, with its method's own keys.

    Raises:
        InputError: missing, not YAML, an unknown method, or one line for each mistake.
    """
    values = read_mapping(path)
    algorithm = values.get("algorithm")
    if not isinstance(algorithm, str):
        raise InputError(f"{path}: algorithm: found {algorithm!r}, expected one of {', '.join(names())}")
    return parse_settings(values, get(algorithm).settings, str(path))

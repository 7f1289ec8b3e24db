"""The methods, each in one file: NAME.py defines METHOD, and NAME is what configurations call it.

A module here that trains imports what is heavy with `later`, so that plans are made without PyTorch. Methods of your
own: see settings.plugins.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tsal.errors import InputError
from tsal.settings.models import Settings, parse_settings, read_mapping
from tsal.settings.plugins import ByModule
from tsal.training.method import Method

# What methods share; every other module of this folder is one.
_SHARED = ("common", "flow_adaptation", "memory", "pseudo_labels", "signals")
_registry = ByModule(__name__, "METHOD", Method, "tsal.training.method.Method", "method", _SHARED)
names, get = _registry.names, _registry.get


def read_settings(path: str | Path) -> Settings:
    """Read a run's settings.yaml, with its method's own keys.

    Raises:
        InputError: missing, not YAML, an unknown method, or one line for each mistake.
    """
    return settings_from(read_mapping(path), str(path))


def settings_from(values: Mapping[str, Any], where: str) -> Settings:
    """A run's settings, with its method's own keys, from the content of its settings.yaml; `where` is for messages.

    Raises:
        InputError: an unknown method, or one line for each mistake.
    """
    algorithm = values.get("algorithm")
    if not isinstance(algorithm, str):
        raise InputError(f"{where}: algorithm: found {algorithm!r}, expected one of {', '.join(names())}")
    return parse_settings(values, get(algorithm).settings, where)

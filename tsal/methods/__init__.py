"""The methods, each in one file: NAME.py defines METHOD, and NAME is what configurations call it.

A module here that trains imports what is heavy with `later`, so that plans are made without PyTorch. Methods of your
own: see settings.plugins.
"""

import importlib
import pkgutil
import sys
from functools import cache
from pathlib import Path

from tsal.errors import InputError
from tsal.settings.models import Settings, parse_settings, read_mapping
from tsal.settings.plugins import import_plugins
from tsal.training.method import Method

# What methods share; every other module of this folder is one.
_SHARED = ("common", "flow_adaptation", "memory", "pseudo_labels", "signals")


@cache
def _registry() -> dict[str, Method]:
    own = [info.name for info in pkgutil.iter_modules(__path__[:1]) if info.name not in _SHARED]
    found = {name: importlib.import_module(f"{__name__}.{name}").METHOD for name in own}
    for file, module in import_plugins("methods", sys.modules[__name__], "METHOD"):
        if not isinstance(module.METHOD, Method):
            raise InputError(
                f"{file}: METHOD is a {type(module.METHOD).__name__}; expected a tsal.training.method.Method"
            )
        found[module.__name__.rpartition(".")[2]] = module.METHOD
    return dict(sorted(found.items()))


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

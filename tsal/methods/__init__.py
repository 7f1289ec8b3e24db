"""The methods, each in one file: NAME.py defines METHOD, and NAME is what configurations call it.

A module here that trains imports what is heavy with `later`, so that plans are made without PyTorch. Methods of your
own: see settings.plugins.
"""

import importlib
import pkgutil
import re
from functools import cache
from pathlib import Path

from tsal.errors import InputError
from tsal.settings.models import Settings, parse_settings, read_mapping
from tsal.settings.plugins import plugin_folders
from tsal.training.method import Method

_BUILT_IN = list(__path__)
__path__ += plugin_folders("methods")
# What methods share; every other module is one.
_SHARED = ("common", "flow_adaptation", "memory", "pseudo_labels", "signals")
_NAME = re.compile(r"[a-z][a-z0-9_]*")


@cache
def names() -> tuple[str, ...]:
    """The names of all methods, sorted.

    Raises:
        InputError: a plug-in has the name of a module that is here already.
    """
    found: dict[str, str] = {}
    for info in pkgutil.iter_modules(__path__):
        folder = info.module_finder.path
        if info.name in _SHARED and folder in _BUILT_IN:
            continue
        if info.name in found or info.name in _SHARED:
            raise InputError(f"{folder}/{info.name}.py: tsal has a module of this name already; rename the file")
        found[info.name] = folder
    return tuple(sorted(found))


@cache
def get(name: str) -> Method:
    """The method of that name.

    Raises:
        InputError: there is none; its file cannot be imported, or defines no METHOD.
    """
    if name not in names():
        raise InputError(f"unknown method {name!r}; expected one of {', '.join(names())}")
    try:
        module = importlib.import_module(f"{__name__}.{name}")
    except Exception as error:  # whatever a user's own file raises
        spec = importlib.util.find_spec(f"{__name__}.{name}")
        if spec is None or str(Path(spec.origin).parent) in _BUILT_IN:
            raise
        raise InputError(f"{spec.origin}: cannot be imported ({type(error).__name__}: {error})") from error
    method = getattr(module, "METHOD", None)
    if not isinstance(method, Method) or not _NAME.fullmatch(name):
        raise InputError(f"{module.__file__}: found no METHOD; expected METHOD = Method(...), in a file named a-z0-9_")
    return method


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

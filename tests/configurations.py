"""The configuration of the repository, and changes of it."""

import copy
from pathlib import Path

import pytest

from tsal import config as configuration
from tsal.config import Source
from tsal.errors import InputError

ROOT = Path(__file__).parents[1]
DEFINITIONS = configuration.read_definitions(ROOT / "config")
GIVEN = Source("config.yaml", configuration.read_source(ROOT / "config.yaml").values)
DEFAULT = configuration.check_config([GIVEN], DEFINITIONS)


def changed(path: str, value: object) -> dict:
    """The complete configuration with one key set, given as "training.batch"."""
    config = copy.deepcopy(DEFAULT)
    *sections, key = path.split(".")
    section = config
    for name in sections:
        section = section.setdefault(name, {})
    section[key] = value
    return config


def laid_over(*values: dict) -> configuration.Configuration:
    """The configuration with files laid over it, checked."""
    return configuration.check_config(
        [GIVEN, *(Source(f"{n}.yaml", each) for n, each in enumerate(values))], DEFINITIONS
    )


def nested(path: str, value: object) -> dict:
    for key in reversed(path.split(".")):
        value = {key: value}
    return value


def complaints(*values: dict, command_line: dict | None = None) -> list[str]:
    """What is said of files mine.yaml, mine1.yaml, ... laid over config.yaml."""
    sources = [Source(f"mine{number or ''}.yaml", each) for number, each in enumerate(values)]
    sources += [Source("--config", command_line)] if command_line else []
    with pytest.raises(InputError) as caught:
        configuration.check_config([GIVEN, *sources], DEFINITIONS)
    return str(caught.value).splitlines()

"""Paths in settings: texts of one line, which a folder named by digits is as well."""

import re
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

from tsal.errors import CONTROLS
from tsal.settings.mistakes import Expected


def as_path(value: Any) -> Any:
    """A folder may be named by digits, which YAML reads as a number."""
    return str(value) if type(value) is int else value


def plain(value: str) -> str:
    """Texts stand in one line of commands, tables and messages."""
    if re.search(f"[{CONTROLS}]", value):
        raise ValueError("holds control characters")
    return value


def plain_path(value: str) -> str:
    """As plain; what no file can be called is no mistake that a traceback should tell of."""
    if len(value) > 4000 or max(map(len, value.encode(errors="replace").split(b"/"))) > 255:
        raise ValueError("too long")
    return plain(value)


Folder = Annotated[
    str,
    BeforeValidator(as_path),
    Field(min_length=1),
    AfterValidator(plain_path),
    Expected("the path of a folder, in one line"),
]
File = Annotated[
    str,
    BeforeValidator(as_path),
    Field(min_length=1),
    AfterValidator(plain_path),
    Expected("the path of a file, in one line"),
]

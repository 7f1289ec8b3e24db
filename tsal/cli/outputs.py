"""What a verb reads is never written over, and what it writes is what its name says."""

import argparse
from collections.abc import Iterable, Sequence
from pathlib import Path

from tsal.errors import InputError

CSV, SAFETENSORS, YAML, HTML = (".csv",), (".safetensors",), (".yaml", ".yml"), (".html", ".htm")  # suffixes
_OUTPUTS = ("output", "log", "overlay", "report")  # arguments


def check_outputs(arguments: argparse.Namespace) -> None:
    """Refuse to write over what is read, or one kind of file by the name of another.

    Raises:
        InputError: an output is one of the inputs, or another output; or its suffix is none of the verb's.
    """
    for name, suffixes in (("output", arguments.suffixes), ("log", CSV)):
        found = given.suffix if isinstance(given := getattr(arguments, name, None), Path) else ""
        if found and suffixes and found.lower() not in suffixes:
            raise InputError(f"{given}: found suffix {found!r}, expected {' or '.join(suffixes)}")
    written = [given for name in _OUTPUTS if isinstance(given := getattr(arguments, name, None), Path)]
    others = (given for name, given in vars(arguments).items() if name not in _OUTPUTS)
    read = [path for given in others for path in (given if isinstance(given, list) else [given])]
    refuse_overwriting(written, [path for path in read if isinstance(path, Path)])


def refuse_overwriting(written: Sequence[Path], read: Iterable[str | Path]) -> None:
    """The same of paths that are no arguments, such as the files of a folder.

    Raises:
        InputError: see `check_outputs`.
    """
    read = [Path(path) for path in read]
    for place, output in enumerate(written):
        for path in [*written[:place], *read]:
            if output.is_file() and path.exists() and output.samefile(path):
                raise InputError(f"{output}: found this file as output and as {path}, expected another one to write")

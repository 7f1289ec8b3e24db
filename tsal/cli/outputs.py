"""What a verb reads is never written over, and what it writes is what its name says."""

import argparse
import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from tsal.errors import InputError
from tsal.files import check_file, is_stream

CSV, SAFETENSORS, YAML, HTML = (".csv",), (".safetensors",), (".yaml", ".yml"), (".html", ".htm")  # suffixes
_OUTPUTS = ("output", "log")  # arguments
_OF_FILES = ("overlay", "report")  # outputs that depend on the files: tsal.cli.media checks them
_FOLDERS = ("suggest", "track")  # verbs whose output may be a folder, which they check


def check_outputs(arguments: argparse.Namespace) -> None:
    """Refuse to write over what is read, or one kind of file by the name of another.

    Raises:
        InputError: an output is one of the inputs, or another output, or within it; or its suffix is none of the
            verb's; or it is a folder.
    """
    written = {name: given for name in _OUTPUTS if isinstance(given := getattr(arguments, name, None), Path)}
    for name, path in written.items():
        suffixes = CSV if name == "log" else arguments.suffixes
        if path.suffix and suffixes and path.suffix.lower() not in suffixes:
            raise InputError(f"{path}: found suffix {path.suffix!r}, expected {' or '.join(suffixes)}")
        if arguments.verb not in _FOLDERS:
            check_file(path)
    others = (given for name, given in vars(arguments).items() if name not in _OUTPUTS + _OF_FILES)
    read = [path for given in others for path in (given if isinstance(given, list) else [given])]
    refuse_overwriting(list(written.values()), [path for path in read if isinstance(path, Path)])


def refuse_overwriting(written: Sequence[Path], read: Iterable[str | Path]) -> None:
    """The same of paths that are no arguments, such as the files of a folder; pipes and terminals take what comes.

    Raises:
        InputError: see `check_outputs`.
    """
    written, read = [path for path in written if not is_stream(path)], [Path(path) for path in read]
    known = {place: path for path in read for place in _places(path)}
    inside = {folder: path for path in [*read, *written] for folder in _end(path).parents}
    for output in written:
        for place in _places(output):
            if place in known:
                raise InputError(
                    f"{output}: found this file as output and as {known[place]}, expected another one to write"
                )
        known |= dict.fromkeys(_places(output), output)
        if path := inside.get(_end(output)):
            raise InputError(f"{path}: found this within {output}, which is written anew; expected it elsewhere")


def _places(path: Path) -> list[object]:
    """What tells a file, however it is spelled: where links end, and, of what is there, its device and number."""
    places: list[object] = [_end(path)]
    with suppress(OSError, ValueError):
        found = path.stat()
        places.append((found.st_dev, found.st_ino))
    return places


def _end(path: Path) -> Path:
    """Where links end; of a name that the file system cannot have, itself."""
    try:
        return Path(os.path.realpath(path))
    except ValueError:
        return path

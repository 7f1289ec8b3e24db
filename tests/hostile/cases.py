"""What a hostile input is: a kind, a name, what makes it in a folder, and the command that is given it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from archives_300w import mat_bytes

# (folder) -> the command line; the folder is new, and is where the command runs.
Make = Callable[[Path], list[str]]


@dataclass(frozen=True)
class Case:
    """One hostile input.

    Attributes:
        kind: of file, for the summary.
        name: as a statement of what is wrong with it.
        make: writes it and returns the verb with its arguments, of which each path is relative to the folder.
        named: what the error has to name: the file, or the member of it.
        environment: variables that the command sees besides.
        stdin: what it reads.
        alone: whether it is given to a process of its own, as from a shell, rather than to a copy of one that has
            imported everything.
    """

    kind: str
    name: str
    make: Make
    named: str
    environment: tuple[tuple[str, str], ...] = ()
    stdin: str = ""
    alone: bool = False


CANARY = "canary"  # a file that code in an input would make in the folder
FOUND: list[Case] = []


def case(kind: str, name: str, named: str, **options: object) -> Callable[[Make], Make]:
    """Add a function as a case."""

    def added(make: Make) -> Make:
        FOUND.append(Case(kind, name, make, named, **options))
        return make

    return added


def put(folder: Path, name: str, content: bytes | str) -> Path:
    """Write a file, with its folders."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def index(benchmark: str, *more: str) -> list[str]:
    """The command that reads a benchmark's raw data from raw/."""
    return ["index", benchmark, "--raw-dir", "raw", "--images", "images", "-o", "faces.parquet", *more]


def aflw_mat() -> bytes:
    """What aflw says of two faces, on 0/image00001.jpg."""
    names = np.empty((2, 1), object)
    names[:, 0] = "0/image00001.jpg"
    boxes = np.array([[1.0, 50, 1, 50]] * 2)
    return mat_bytes(
        nameList=names, data=np.full((2, 38), 9.0), mask_new=np.ones((2, 19)), bbox=boxes, ra=np.array([[1.0, 2.0]])
    )

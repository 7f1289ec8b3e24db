"""Readers of annotations: from the file that a tool writes to landmarks of pictures, by name.

Each stands in one file: NAME.py defines READER (see `reader`), and NAME is what configurations call it. It stands here,
or in `FOLDER/readers/` of a folder that the environment variable TSAL_PLUGINS names. Such a file has to say:

- `title`: for docs and messages; `about`: where the centre of the top left pixel is, in words;
- `options`: a Section with the keys that only it has;
- `first_pixel`: where in the file's coordinates that centre is: 0, 0.5 or 1;
- `read`: (labels, pictures, options, n_points) -> Annotations, in the file's coordinates;
- `points`: (labels, options) -> Points: their names in the file's order, and lines; of a file without, empty.

annotations: what is read. pictures: the files that labels name. numbers: values of texts.
"""

import sys
from functools import cache

from tsal.datasets.readers.reader import Reader
from tsal.errors import InputError
from tsal.settings.plugins import by_module

__all__ = ["Reader", "get", "names"]

# What readers share; every other module of this folder is one.
_SHARED = ("annotations", "numbers", "pictures", "reader")


@cache
def _registry() -> dict[str, Reader]:
    return by_module(sys.modules[__name__], "READER", Reader, "tsal.datasets.readers.Reader", _SHARED)


def names() -> list[str]:
    """The names of all readers, sorted.

    Raises:
        InputError: a plug-in cannot be used; names its file.
    """
    return list(_registry())


def get(name: str) -> Reader:
    """The reader of that name.

    Raises:
        InputError: there is none; names those that there are. Or see `names`.
    """
    try:
        return _registry()[name]
    except KeyError:
        raise InputError(f"unknown reader {name!r}; expected one of {', '.join(names())}") from None

"""The detector that comes with this project."""

from pathlib import Path

from tsal.errors import InputError


def released_checkpoint() -> Path:
    """The checkpoint of the released detector, of 68 landmarks.

    Raises:
        InputError: there is none.
    """
    raise InputError("no released detector in this version; expected checkpoint: FILE")

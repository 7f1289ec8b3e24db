"""What a configuration may say of several data sets."""

from collections.abc import Collection
from typing import Annotated, Any

from pydantic import Field

from tsal.errors import InputError
from tsal.settings.mistakes import Expected

Count = Annotated[int, Field(ge=0)]
NumbersByName = Expected("numbers by name, or null")
COUNTS = "what the archives must hold, such as {train: 20000} (default: what their owners state); null: anything"
VALIDATING = "share of the owners' training images, or videos, that validates; 0: all train, and nothing is measured"


def check_options(benchmark: str, counts: Any, known: Collection[str], validation: Any) -> None:
    """Check the options `counts` and `validation`.

    Args:
        benchmark: its name, for errors.
        counts: None, or expected numbers by name.
        known: the names that there are.
        validation: the share of the training images or videos that validates.

    Raises:
        InputError: a name is unknown, a number is none, or the share is not in [0, 1).
    """
    if counts is not None and not isinstance(counts, dict):
        raise InputError(f"{benchmark}: counts is {counts!r}; expected numbers of {', '.join(known)}, or null")
    for name, number in (counts or {}).items():
        if name not in known:
            raise InputError(f"{benchmark}: counts of unknown {name!r}; known: {', '.join(known)}")
        if type(number) is not int or number < 0:
            raise InputError(f"{benchmark}: counts of {name} is {number!r}; expected a whole number")
    if type(validation) not in (int, float) or not 0 <= validation < 1:
        raise InputError(f"{benchmark}: validation is {validation!r}; expected a share from 0 to below 1")

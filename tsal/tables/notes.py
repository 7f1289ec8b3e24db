"""Notes on a benchmark: what its numbers are not, such as those of a part of its faces, wherever one is shown.

A configuration says them (`benchmarks.NAME.notes`). Within `noted` the scores that are loaded call their subsets by
names that hold the notes, and whatever writes a table or draws a figure puts the notes below it: none can forget them.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from tsal.errors import InputError


@dataclass(frozen=True)
class Notes:
    """What is to be said of numbers.

    Attributes:
        subsets: note by subset of the test faces.
        lines: all that is noted, in sentences.
    """

    subsets: Mapping[str, str] = field(default_factory=dict)
    lines: tuple[str, ...] = ()

    def shown(self, subset: str) -> str:
        """What a subset is called: "challenging (crops of 300W-LP)", or as it is where nothing is noted of it."""
        return f"{subset} ({self.subsets[subset]})" if subset in self.subsets else subset

    @property
    def shown_subsets(self) -> list[str]:
        """The names of the subsets of which something is noted."""
        return list(map(self.shown, self.subsets))


_NOTHING = Notes()
_NOTES: ContextVar[Notes] = ContextVar("notes")


def notes() -> Notes:
    """The notes on what is shown."""
    return _NOTES.get(_NOTHING)


@contextmanager
def noted(of: Notes) -> Iterator[None]:
    """Everything that is shown in the block has these notes."""
    before = _NOTES.set(of)
    try:
        yield
    finally:
        _NOTES.reset(before)


def parse_notes(values: Any, where: str) -> Notes:
    """Notes from {"subsets": {SUBSET: NOTE}, "lines": [SENTENCE]}, as commands are given them.

    Args:
        where: what the values come from, for the message.

    Raises:
        InputError: they are something else.
    """
    subsets, lines = (values.get("subsets"), values.get("lines")) if isinstance(values, dict) else (None, None)
    texts = [*subsets.values(), *lines] if isinstance(subsets, dict) and isinstance(lines, list) else [None]
    if not all(isinstance(text, str) for text in texts):
        raise InputError(f'{where}: found {str(values)[:60]}, expected {{"subsets": {{NAME: NOTE}}, "lines": [NOTE]}}')
    return Notes(subsets, tuple(lines))

"""XML from elsewhere: element by element, without entities and without anything that lies outside of the file."""

import os
from collections.abc import Collection, Iterator
from pathlib import Path
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from tsal.bounds import DEPTH, XML_BYTES, XML_ELEMENTS, XML_TAG_BYTES, check
from tsal.errors import InputError

_CHUNK = 1 << 16  # bytes


def xml_elements(
    path: str | os.PathLike[str], names: Collection[str], expected: str
) -> Iterator[tuple[Element, list[Element]]]:
    """Each element of some names, whole, with those that it stands in; one at a time is held.

    Args:
        names: of an element within another of these only the outer one comes.
        expected: what the file should hold, for the error.

    Yields:
        (element, elements that it stands in, from the root on, with their attributes alone).

    Raises:
        InputError: missing, too large, no XML; a document type, by which files declare entities or name other files; an
            element with more in it, or nested deeper, than annotations are.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such file; expected {expected}")
    check(path, path.stat().st_size, XML_BYTES, "bytes")
    reader = _Reader(path, frozenset(names))
    with open(path, "rb") as file:
        while True:
            chunk = file.read(_CHUNK)
            try:
                reader.feed(chunk)
            except expat.ExpatError as error:
                raise InputError(f"{path}: cannot be read as XML ({error}); expected {expected}") from error
            yield from reader.take()
            if not chunk:
                return


class _Reader:
    """Turns what the parser meets into elements."""

    def __init__(self, path: Path, names: frozenset[str]) -> None:
        self._path, self._names = path, names
        self._outer: list[Element] = []
        self._builder: TreeBuilder | None = None
        self._depth = self._count = self._fed = self._base = 0
        self._name = ""
        self._done: list[tuple[Element, list[Element]]] = []
        self._parser = parser = expat.ParserCreate()
        parser.buffer_text = True
        parser.StartDoctypeDeclHandler = self._refuse
        parser.EntityDeclHandler = self._refuse
        parser.ExternalEntityRefHandler = self._refuse
        parser.StartElementHandler, parser.EndElementHandler = self._start, self._end
        parser.CharacterDataHandler = self._text

    def feed(self, chunk: bytes) -> None:
        self._fed += len(chunk)
        self._parser.Parse(chunk, not chunk)
        waiting = self._fed - max(0, self._parser.CurrentByteIndex)
        if chunk and waiting > XML_TAG_BYTES + _CHUNK:  # a tag is handed out when it is whole, with all attributes
            check(self._path, waiting, XML_TAG_BYTES, "bytes in one tag")

    def take(self) -> list[tuple[Element, list[Element]]]:
        done, self._done = self._done, []
        return done

    def _refuse(self, *_: object) -> None:
        raise InputError(
            f"{self._path}: found a document type (<!DOCTYPE>) or entities in it, which annotations have none of; "
            "export it again"
        )

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        check(self._path, self._depth, DEPTH, "elements in each other")
        if self._builder is None:
            if name not in self._names:
                self._outer.append(Element(name, attributes))
                return
            self._builder, self._count, self._base, self._name = TreeBuilder(), 0, self._depth, name
        self._count += 1
        check(self._path, self._count, XML_ELEMENTS, f"elements in one <{self._name}>")
        self._builder.start(name, attributes)

    def _end(self, name: str) -> None:
        self._depth -= 1
        if self._builder is None:
            self._outer.pop()
            return
        self._builder.end(name)
        if self._depth < self._base:
            self._done.append((self._builder.close(), list(self._outer)))
            self._builder = None

    def _text(self, text: str) -> None:
        if self._builder is not None:
            self._builder.data(text)

"""YAML and JSON from elsewhere: bounded in size, depth and, once aliases are followed, in the number of values."""

import json
import os
from pathlib import Path
from typing import Any

import yaml

from tsal.bounds import DEPTH, JSON_BYTES, YAML_BYTES, YAML_VALUES, check, reading, reason
from tsal.errors import InputError


class BoundedLoader(yaml.SafeLoader):
    """Makes plain values only, as SafeLoader does; what it refuses is a YAMLError."""

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self._depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        self._depth += 1
        if self._depth > DEPTH:
            raise self._refused(f"is nested more than {DEPTH} deep", self.peek_event().start_mark)
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node

    def get_single_node(self) -> yaml.Node | None:
        node = super().get_single_node()
        if node is not None:
            self._measure(node, {})
        return node

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)
        except (ValueError, OverflowError) as error:  # a date that is none, a number of 5,000 digits
            raise self._refused(f"holds a value that cannot be read ({error})", node.start_mark) from error

    def _measure(self, node: yaml.Node, known: dict[int, tuple[int, int]]) -> tuple[int, int]:
        """Values of a node and how deep they lie, those of an alias wherever it stands."""
        place = id(node)
        if place not in known:
            known[place] = YAML_VALUES, DEPTH  # should the node hold itself
            parts = node.value if isinstance(node, yaml.CollectionNode) else []
            inner = [part for pair in parts for part in pair] if isinstance(node, yaml.MappingNode) else parts
            counts, depths = zip(*(self._measure(part, known) for part in inner), strict=True) if inner else ((), ())
            known[place] = 1 + sum(counts), 1 + max(depths, default=0)
        if known[place][0] > YAML_VALUES or known[place][1] > DEPTH:
            raise self._refused(
                f"declares by its aliases more than {YAML_VALUES:,} values, or values more than {DEPTH} deep",
                node.start_mark,
            )
        return known[place]

    @staticmethod
    def _refused(problem: str, mark: yaml.Mark) -> yaml.YAMLError:
        return yaml.constructor.ConstructorError(None, None, problem, mark)


def parse_yaml(text: str) -> Any:
    """The value of a YAML text.

    Raises:
        yaml.YAMLError: it is none, or declares too much.
    """
    loader = BoundedLoader(text)
    try:
        return loader.get_single_data()
    finally:
        loader.dispose()


def read_yaml(path: str | os.PathLike[str], expected: str) -> Any:
    """The value of a YAML file.

    Args:
        expected: what it should hold, for the error.

    Raises:
        InputError: missing, too large, no text or no YAML, or it declares too much; in one line.
    """
    text = read_text(path, YAML_BYTES, expected)
    try:
        return parse_yaml(text)
    except (yaml.YAMLError, RecursionError) as error:
        raise InputError(f"{path}: cannot be read as YAML ({reason(error)}); expected {expected}") from error


def read_text(path: str | os.PathLike[str], most: int, expected: str) -> str:
    """The text of a file of at most so many bytes.

    Raises:
        InputError: missing, no file, too large, or no UTF-8.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such file; expected {expected}")
    check(path, path.stat().st_size, most, "bytes")
    with reading(path, "text", f"Expected {expected}"):
        return path.read_text(encoding="utf-8")


def parse_json(text: str | bytes) -> Any:
    """The value of a JSON text.

    Raises:
        ValueError: it is none, or is too large or nested too deeply.
    """
    if len(text) > JSON_BYTES:
        raise ValueError(f"{len(text):,} bytes found, at most {JSON_BYTES:,} are allowed")
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("is nested too deeply") from None


def read_json(path: str | os.PathLike[str], expected: str) -> Any:
    """The value of a JSON file.

    Args:
        expected: what it should hold, for the error.

    Raises:
        InputError: missing, too large, no text or no JSON; in one line.
    """
    text = read_text(path, JSON_BYTES, expected)
    try:
        return parse_json(text.removeprefix("\ufeff"))
    except (ValueError, MemoryError) as error:
        raise InputError(f"{path}: cannot be read as JSON ({reason(error)}); expected {expected}") from error

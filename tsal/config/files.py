"""Files of a configuration: reading them, and laying one over another."""

import copy
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tsal.bounds import YAML_BYTES
from tsal.bounds.texts import BoundedLoader, parse_json, parse_yaml, read_text
from tsal.config.models import DEFINITIONS, TEXTS
from tsal.errors import InputError, one_line
from tsal.settings.mistakes import unknown

Config = Mapping[str, Any]
_SCALAR = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)|true|false|null")
_EXPONENT = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)[eE][+-]?\d+")
_LONGEST = 100  # digits of a number: Python itself refuses to read 5,000
_NUMBERS = tuple(f"tag:yaml.org,2002:{kind}" for kind in ("int", "float", "timestamp"))


@dataclass
class Source:
    """What a configuration is merged from.

    name: for messages. problems: mistakes of its form, such as a key that is there twice, a line each.
    """

    name: str
    values: dict[str, Any]
    problems: list[str] = field(default_factory=list)


def read_source(path: str | Path) -> Source:
    """Read a configuration file, YAML or JSON.

    Raises:
        InputError: missing, neither YAML nor JSON, or no section.
    """
    name = os.path.relpath(path)
    text = read_text(name, YAML_BYTES, "a configuration in YAML")
    try:
        loader = _Loader(text, name)
        values = loader.get_single_data()
    except (yaml.YAMLError, RecursionError) as error:
        values, loader = _from_json(text, name, error), None
    if not isinstance(values, dict):
        found = "nothing" if values is None else type(values).__name__
        raise InputError(f"{name}: found {found}, expected keys and their values, as in config.yaml")
    return Source(name, normalise(values), loader.twice if loader else [])


def _from_json(text: str, name: str, problem: Exception) -> Any:
    """JSON that is no YAML, since it is indented by tabs."""
    try:
        return parse_json(text)
    except ValueError:
        raise InputError(f"{name}: cannot be read as YAML: {' '.join(str(problem).split())[:300]}") from problem


class _Loader(BoundedLoader):
    """Notes keys that a section has twice; values of TEXTS stay as they are written."""

    def __init__(self, text: str, name: str) -> None:
        super().__init__(text)
        self.source = name
        self.twice: list[str] = []

    def get_single_data(self) -> Any:
        node = self.get_single_node()
        if node is None:
            return None
        self._note(node, ())
        return self.construct_document(node)

    def _note(self, node: yaml.Node, path: tuple[str, ...]) -> None:
        if isinstance(node, yaml.SequenceNode):
            for number, item in enumerate(node.value):
                self._note(item, (*path, str(number)))
        if not isinstance(node, yaml.MappingNode):
            return
        first: dict[str, int] = {}
        for key, value in node.value:
            name, line = str(key.value), key.start_mark.line + 1
            place = one_line(".".join((*path, name)))
            if name in first and name != "<<":
                self.twice.append(f"{self.source}: {place}: found twice, on lines {first[name]} and {line}; keep one")
            first.setdefault(name, line)
            if not path and name in TEXTS and value.tag in _NUMBERS:
                value.tag = "tag:yaml.org,2002:str"
            self._note(value, (*path, name))


def read_definitions(folder: str | Path) -> list[Source]:
    """The presets, variants and studies that a configuration is laid over: presets.yaml and studies/*.yaml of a folder.

    A method that is defined there is built only where something names it: `run` is false unless it is given.

    Raises:
        InputError: see read_source.
    """
    folder = Path(folder)
    paths = [path for path in (folder / "presets.yaml",) if path.exists()] + sorted((folder / "studies").glob("*.yaml"))
    sources = [read_source(path) for path in paths]
    owner: dict[tuple[str, str], str] = {}
    for source in sources:
        for key, entries in source.values.items():
            if key not in DEFINITIONS:
                text = unknown("key of a file of definitions", key, DEFINITIONS)
                source.problems.append(f"{source.name}: {one_line(key)}: {text}")
            for name in entries if isinstance(entries, Mapping) else [""]:
                other = owner.setdefault((key, name), source.name)
                if other != source.name:
                    place = one_line(".".join(filter(None, (key, name))))
                    source.problems.append(f"{source.name}: {place}: found in {other}, too; keep one")
        methods = source.values.get("methods")
        for entry in methods.values() if isinstance(methods, Mapping) else ():
            if isinstance(entry, dict):
                entry.setdefault("run", False)
    return sources


def merge(target: dict[str, Any], source: Config) -> None:
    """Lay `source` over `target`: sections are merged key by key; values and lists are replaced."""
    for key, value in source.items():
        if isinstance(value, Mapping) and isinstance(target.get(key), dict):
            merge(target[key], value)
        else:
            target[key] = copy.deepcopy(value)


def merge_all(definitions: Sequence[Source], sources: Sequence[Source]) -> dict[str, Any]:
    """All sources laid over each other, the definitions first. Keys are in the order of `sources`, then the others.

    A method that a source gives a base of its own is that source's: nothing is left of one that the definitions have by
    that name, so that it is built by `all` like any other of the user's.
    """
    merged: dict[str, Any] = {}
    for source in (*sources[:1], *definitions):
        merge(merged, source.values)
    defined = set().union(*map(_with_base, definitions))
    for source in sources:
        redefined = _with_base(source) & defined
        if isinstance(merged.get("methods"), dict):
            merged["methods"].update({name: {} for name in redefined})
        defined -= redefined
        merge(merged, source.values)
    return merged


def _with_base(source: Source) -> set[str]:
    """The methods of a source that say what they are a variant of."""
    methods = source.values.get("methods")
    entries = methods.items() if isinstance(methods, Mapping) else ()
    return {name for name, entry in entries if isinstance(entry, Mapping) and "base" in entry}


def normalise(value: Any, all_texts: bool = False) -> Any:
    """A copy whose keys are texts, and whose texts such as "1e-3", no number in YAML 1.1, are numbers.

    Args:
        all_texts: the value comes from a command line, where numbers, true, false and null are texts as well.
    """
    if isinstance(value, Mapping):
        return {str(key): _text(item) if key in TEXTS else normalise(item, all_texts) for key, item in value.items()}
    if isinstance(value, list):
        return [normalise(item, all_texts) for item in value]
    if isinstance(value, str) and _EXPONENT.fullmatch(value):
        return float(value)
    if isinstance(value, str) and all_texts and len(value) < _LONGEST and _SCALAR.fullmatch(value):
        return parse_yaml(value)
    return value


def _text(value: Any) -> Any:
    return None if value == "null" else value


def source_of(path: Sequence[str], sources: Sequence[Source]) -> str:
    """The name of the last source that has the key, or as much of the path to it as any has."""
    return max(sources, key=lambda source: (_depth(path, source.values), sources.index(source))).name


def _depth(path: Sequence[str], values: Any) -> int:
    return sum(1 for _ in _followed(path, values))


def _followed(path: Sequence[str], values: Any) -> Iterator[Any]:
    for key in path:
        if isinstance(values, list) and key.isdigit() and int(key) < len(values):
            values = values[int(key)]
        elif isinstance(values, Mapping) and key in values:
            values = values[key]
        else:
            return
        yield values

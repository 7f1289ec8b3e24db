"""What is wrong with settings, in words that a user understands: what was found, what was expected.

Models say by themselves what they expect; where type and bounds do not, a field is annotated with `Expected`.
"""

import difflib
import json
import re
import types
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt, MinLen, MultipleOf
from pydantic import AfterValidator, BaseModel, ValidationError
from pydantic.fields import FieldInfo

from tsal.errors import one_line

Path = tuple[str, ...]
Problem = tuple[Path, str]
# Keys and names of older configurations, and what they are called now.
RENAMED = {
    "filter": "ema_decay",
    "averaging": "ema_decay",
    "decay": "ema_decay",
    "trust_px": "confidence_px",
    "unlabelled_clips": "clips",
}
GONE = ("filter_back", "raft")
_BOUNDS = ((Ge, "ge", "of at least"), (Gt, "gt", "above"), (Le, "le", "at most"), (Lt, "lt", "below"))
_SECTION = "a section (key: value)"
_TYPES = {bool: "true or false", int: "a whole number", float: "a number", str: "a word", type(None): "null"}


@dataclass(frozen=True)
class Expected:
    """Of an annotated type: what is expected, where type and bounds do not say it."""

    text: str


@dataclass(frozen=True)
class _Kind:
    """A type with what it is annotated with, such as bounds."""

    annotation: Any
    marks: tuple[Any, ...] = ()

    @classmethod
    def of(cls, annotation: Any, marks: Sequence[Any] = ()) -> "_Kind":
        if get_origin(annotation) is Annotated:
            annotation, *own = get_args(annotation)
            return cls.of(annotation, (*own, *marks))
        return cls(annotation, tuple(each for mark in marks for each in _unpacked(mark)))

    @property
    def fields(self) -> Mapping[str, FieldInfo]:
        is_model = isinstance(self.annotation, type) and issubclass(self.annotation, BaseModel)
        return self.annotation.model_fields if is_model else {}

    @property
    def members(self) -> list["_Kind"]:
        """Those of a union; itself where it is none."""
        is_union = get_origin(self.annotation) in (Union, types.UnionType)
        return [_Kind.of(part) for part in get_args(self.annotation)] if is_union else [self]

    def is_called(self, name: str | int) -> bool:
        """Whether Pydantic calls it so, where it is a section among other members of a union."""
        return bool(self.fields) and re.search(rf"\b{self.annotation.__name__}\]*$", str(name)) is not None

    def part(self, key: str | int) -> "_Kind | None":
        """The type of the value at a key; None where it has no such parts."""
        if key in self.fields:
            field = self.fields[key]
            return _Kind.of(field.annotation, field.metadata)
        origin, arguments = get_origin(self.annotation), get_args(self.annotation)
        if origin is tuple and isinstance(key, int):
            return _Kind.of(arguments[0])
        if origin is dict:
            return _Kind.of(arguments[1])
        found = (member.part(key) for member in self.members if member != self)
        return next((kind for kind in found if kind is not None), None)


def _unpacked(mark: Any) -> Sequence[Any]:
    """The marks in a Field(...) that stands within an annotation."""
    return mark.metadata if isinstance(mark, FieldInfo) else (mark,)


def problems_of(kind: type[BaseModel], values: Any, where: Path = ()) -> list[Problem]:
    """Every mistake in values that a model is to be made of, which stand at the path `where`: (path, text) of each."""
    try:
        kind.model_validate(values)
    except ValidationError as error:
        return [(where + path, text) for path, text in problems_in(error, kind, values)]
    return []


def problems_in(error: ValidationError, kind: type[BaseModel], values: Any) -> list[Problem]:
    """As problems_of, of a model that could not be made."""
    found = [_problem(one, _Kind.of(kind), values) for one in error.errors(include_url=False, include_context=False)]
    paths = {path[:end] for path, _ in found for end in range(len(path))}
    return [problem for problem in dict.fromkeys(found) if problem[0] not in paths]  # of a list, and of what is in it


def as_lines(problems: Iterable[Problem], where: str) -> list[str]:
    """One line for each: `WHERE: KEY.KEY: what was found, what was expected`."""
    return [": ".join(filter(None, (where, one_line(".".join(path)), text))) for path, text in problems]


def _problem(one: Mapping[str, Any], kind: _Kind, values: Any) -> Problem:
    """Follows the place that Pydantic names as far as it leads through keys; beyond them it has names of its own."""
    path, before = (), kind
    for key in one["loc"]:
        if one["type"] == "extra_forbidden" and key == one["loc"][-1]:
            return (*path, str(key)), unknown("key", str(key), kind.fields)
        if key == "[key]":
            known = _Kind.of(get_args(_mapping_in(before).annotation)[0])
            return path, unknown("key", path[-1], get_args(known.annotation))
        part = kind.part(key)
        if part is None:
            section = next((one for one in kind.members if one.is_called(key)), None)
            if section is None:
                break
            if not one["type"].startswith("model_"):  # it is no section at all
                kind = section  # of a union, Pydantic names the member
            continue
        before, kind, path = kind, part, (*path, str(key))
        values = _at(values, key)
    if one["type"] == "missing":
        return path, f"missing, expected {expected(kind)}"
    text = one["msg"].removeprefix("Value error, ")
    if one["type"] == "value_error" and kind.fields:
        key, separator, rest = text.partition(": ")
        return ((*path, key), rest) if separator and key.isidentifier() else (path, text)
    return path, f"found {show(values)}, expected {expected(kind)}"


def _mapping_in(kind: _Kind) -> _Kind:
    return next(member for member in kind.members if get_origin(member.annotation) is dict)


def _at(values: Any, key: str | int) -> Any:
    if isinstance(values, BaseModel):
        return getattr(values, str(key), None)
    try:
        return values[key]
    except (KeyError, IndexError, TypeError):
        return None


def expected(kind: Any) -> str:
    """What a type, or the annotation of a field, accepts, in words."""
    kind = kind if isinstance(kind, _Kind) else _Kind.of(kind)
    for mark in kind.marks:
        if isinstance(mark, Expected):
            return mark.text
    if len(kind.members) > 1:
        return _one_of(kind)
    origin, arguments = get_origin(kind.annotation), get_args(kind.annotation)
    if origin is Literal:
        return any_of(arguments)
    if origin is tuple:
        least = next((mark.min_length for mark in kind.marks if isinstance(mark, MinLen)), 0)
        rules = [f"of at least {_in_words(least)}"] * bool(least) + ["none twice"] * is_distinct(kind.marks)
        return ", ".join([" ".join(["a list", *rules[:1]]), *rules[1:], f"each {expected(arguments[0])}"])
    if origin is dict or kind.fields:
        return _SECTION
    return _number(_TYPES.get(kind.annotation, "a value"), kind.marks)


def expected_of(field: FieldInfo) -> str:
    """What a field of a model accepts, in words."""
    return expected(_Kind.of(field.annotation, field.metadata))


def _one_of(kind: _Kind) -> str:
    """The members of a union: choices together, a whole number not beside a number, bounds with what they are of."""
    members = kind.members
    plain = [member.annotation for member in members]
    members = [member for member in members if not (member.annotation is int and float in plain)]
    choices = [value for member in members if get_origin(member.annotation) is Literal for value in _values(member)]
    others = [member for member in members if get_origin(member.annotation) is not Literal]
    texts = [any_of(choices)] if choices else []
    for member in others:
        bounded = member.annotation in (int, float)
        texts.append(expected(_Kind(member.annotation, (*member.marks, *(kind.marks if bounded else ())))))
    return " or ".join(texts)


def _values(kind: _Kind) -> Sequence[Any]:
    return get_args(kind.annotation)


def _number(text: str, marks: Sequence[Any]) -> str:
    least, most = (next((getattr(m, n) for m in marks if isinstance(m, t)), None) for t, n in ((Ge, "ge"), (Le, "le")))
    if least is not None and most is not None:
        return f"{text} from {least} to {most}"
    bounds = [f"{word} {getattr(mark, name)}" for t, name, word in _BOUNDS for mark in marks if isinstance(mark, t)]
    bounds += [f"a multiple of {mark.multiple_of}" for mark in marks if isinstance(mark, MultipleOf)]
    return " ".join([text, " and ".join(bounds)]).strip()


def _in_words(number: int) -> str:
    return {1: "one", 2: "two"}.get(number, str(number))


def none_twice(values: tuple[Any, ...]) -> tuple[Any, ...]:
    """The same values; an error where two are equal."""
    if len({str(value) for value in values}) < len(values) or len(set(values)) < len(values):
        raise ValueError("expected none twice")
    return values


def is_distinct(marks: Sequence[Any]) -> bool:
    """Whether none may be there twice."""
    return any(isinstance(mark, AfterValidator) and mark.func is none_twice for mark in marks)


def show(value: Any) -> str:
    """A value as it would be written in a configuration."""
    text = one_line(json.dumps(value, default=str, ensure_ascii=False))
    return text if len(text) <= 60 else f"{text[:57]}..."


def unknown(what: str, name: object, known: Iterable[object]) -> str:
    """That `what`, named `name`, is not known, and what was perhaps meant."""
    known = list(map(str, known))
    for old, new in RENAMED.items():
        if old in str(name) and (now := str(name).replace(old, new)) in known:
            return f"unknown {what}; it is called '{now}' now"
    if name in GONE:
        return f"unknown {what}; it is gone, leave it out"
    near = difflib.get_close_matches(str(name), known, n=1)
    return f"unknown {what}; " + (f"did you mean '{near[0]}'?" if near else f"expected {any_of(known)}")


def any_of(values: Iterable[object]) -> str:
    """Such as "one of a, b"."""
    texts = list(map(str, values))
    return texts[0] if len(texts) == 1 else f"one of {', '.join(texts)}" if texts else "none"

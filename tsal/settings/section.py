"""Sections of settings: each key is declared once, with type, default, range and one line of meaning."""

from collections.abc import Mapping
from typing import Annotated, Any, Self, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

from tsal.errors import InputError

T = TypeVar("T")


def _as_tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


Listed = Annotated[tuple[T, ...], BeforeValidator(_as_tuple)]  # a list in YAML


class Section(BaseModel):
    """Keys and their values, which do not change; one that is not declared, or of another type, is an error."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False, validate_default=False, protected_namespaces=()
    )

    def replace(self, **changes: Any) -> Self:
        """The same with some values changed, checked like any other."""
        return type(self)(**{name: getattr(self, name) for name in type(self).model_fields} | changes)


S = TypeVar("S", bound=Section)


def read_section(kind: type[S], values: Mapping[str, Any], where: str) -> S:
    """Build a section from nested mappings.

    Args:
        where: what the values come from, for the message.

    Raises:
        InputError: one line for each mistake, `WHERE: KEY: what was found, what was expected`.
    """
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        raise InputError("\n".join(f"{where}: {line}" for line in mistakes(error))) from None


def mistakes(error: ValidationError) -> list[str]:
    """One line for each mistake: `KEY.KEY: what is wrong`."""
    lines = []
    for problem in error.errors(include_url=False, include_context=False):
        key = ".".join(str(part) for part in problem["loc"])
        if problem["type"] == "extra_forbidden":
            lines.append(f"{key}: unknown key")
        elif problem["type"] == "missing":
            lines.append(f"{key}: is missing")
        else:
            text = problem["msg"].removeprefix("Value error, ")
            lines.append(f"{key}: found {problem['input']!r}: {text}" if key else text)
    return lines

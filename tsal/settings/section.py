"""Sections of settings: each key is declared once, with type, default, range and one line of meaning."""

from collections.abc import Mapping
from functools import cache
from typing import Annotated, Any, Self, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    ValidationError,
    create_model,
    model_validator,
)

from tsal.bounds import LARGEST_SETTING
from tsal.errors import InputError
from tsal.settings.mistakes import as_lines, none_twice, problems_in

T = TypeVar("T")


def _as_tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


Listed = Annotated[tuple[T, ...], BeforeValidator(_as_tuple)]  # a list in YAML
Distinct = Annotated[tuple[T, ...], BeforeValidator(_as_tuple), AfterValidator(none_twice)]  # with none twice


class Section(BaseModel):
    """Keys and their values, which do not change; one that is not declared, or of another type, is an error.

    A rule over several keys raises ValueError("KEY: what was found, what was expected").
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False, validate_default=False, protected_namespaces=()
    )

    @model_validator(mode="after")
    def _of_ordinary_size(self) -> Self:
        """What is computed with a number stays one that a computer can hold."""
        for key in type(self).model_fields:
            value = getattr(self, key)
            for part in value if isinstance(value, tuple) else (value,):
                if isinstance(part, int | float) and abs(part) > LARGEST_SETTING:
                    raise ValueError(f"{key}: found {part:.3g}, expected {LARGEST_SETTING:,} at most")
        return self

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
        raise InputError("\n".join(as_lines(problems_in(error, kind, values), where))) from None


@cache
def partial(kind: type[Section]) -> type[Section]:
    """A section of the same keys of which any may be left out; rules over several keys are not among its rules."""
    fields: dict[str, Any] = {}
    for name, field in kind.model_fields.items():
        own = field.annotation
        is_section = isinstance(own, type) and issubclass(own, Section)
        fields[name] = (Annotated[partial(own) if is_section else own, *(field.metadata or [None])], None)
    return create_model(kind.__name__, __base__=Section, **fields)

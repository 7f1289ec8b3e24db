"""How mistakes in a configuration are worded."""

import difflib
import json
from collections.abc import Iterable, Mapping
from typing import Any

Config = Mapping[str, Any]

_TYPES = {
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "string": "a word",
    "object": "a section (key: value)",
    "null": "null",
}
_BOUNDS = (
    ("minimum", "of at least {}"),
    ("exclusiveMinimum", "above {}"),
    ("maximum", "at most {}"),
    ("multipleOf", "a multiple of {}"),
)


def expected(schema: Config) -> str:
    """What a schema accepts, in words."""
    if "expected" in schema:
        return schema["expected"]
    if "anyOf" in schema:
        return " or ".join(map(expected, schema["anyOf"]))
    if "enum" in schema:
        return any_of(schema["enum"])
    if schema.get("type") == "array":
        return f"a list of at least one, none twice, each {expected(schema['items'])}"
    kind = _TYPES[schema.get("type", "object")]
    if "minimum" in schema and "maximum" in schema:
        return f"{kind} from {schema['minimum']} to {schema['maximum']}"
    bounds = [text.format(schema[key]) for key, text in _BOUNDS if key in schema]
    return " ".join([kind, " and ".join(bounds)]).strip()


def show(value: Any) -> str:
    """A value as it would be written in config.yaml."""
    text = json.dumps(value, default=str, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:57]}..."


def unknown(what: str, name: object, known: Iterable[str]) -> str:
    """That `what`, named `name`, is not known, and what was perhaps meant."""
    known = list(known)
    near = difflib.get_close_matches(str(name), known, n=1)
    return f"unknown {what}; " + (f"did you mean '{near[0]}'?" if near else f"expected {any_of(known)}")


def any_of(values: Iterable[object]) -> str:
    texts = list(map(str, values))
    return texts[0] if len(texts) == 1 else f"one of {', '.join(texts)}"

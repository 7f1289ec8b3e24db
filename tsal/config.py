"""config.yaml: its check, in words that a user understands, and the settings of each run that follow from it.

The settings of a run hold what its training depends on and nothing else, so that a change of config.yaml
re-runs only the runs whose settings change.
"""

import copy
import difflib
import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from tsal import benchmarks
from tsal.errors import InputError

WARMUP = "warmup"
_METHOD_NAME = re.compile(r"[a-z][a-z0-9_]*")
_METHOD_KEYS = ("base", "run", "training")  # not settings of the algorithm
_SCALAR = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)|true|false|null")
_EXPONENT = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)[eE][+-]?\d+")

Config = Mapping[str, Any]
Source = tuple[str, Config]


# --- the settings of a run ----------------------------------------------------------------------------------


def resolve_run(config: Config, benchmark: str, method: str, labels: float) -> dict[str, Any]:
    """All that the training of a run depends on, beside its data and its seed: the content of settings.yaml.

    Args:
        config: checked by check_config.
        method: a key of config["methods"].
        labels: label budget in (0, 1].

    Returns:
        What tsal.settings.Settings reads: benchmark, method, algorithm (the implemented method that its bases
        lead to), labels, scheme, detector, training (with what the benchmark and then the method override) and,
        under the algorithm's name, its own keys where it has any.

    Raises:
        InputError: there is no such method or benchmark.
    """
    algorithm, training, options = _merge_method(config, benchmark, method)
    return {
        **_common(config, benchmark, method, algorithm, labels),
        "training": training,
        **({algorithm: options} if options else {}),
    }


def resolve_warmup(config: Config, benchmark: str, warmup: str, labels: float) -> dict[str, Any]:
    """All that a warm-up depends on: as resolve_run, without the keys of a method.

    Args:
        warmup: as warmup_name gives it.

    Raises:
        InputError: no method of the config starts from such a warm-up, or there is no such benchmark.
    """
    users = [method for method in config["methods"] if warmup_name(config, benchmark, method) == warmup]
    if not users and warmup != WARMUP:
        raise InputError(f"no method of the config starts from a warm-up {warmup!r}")
    training = _merge_method(config, benchmark, users[0])[1] if users else _training(config, benchmark)
    return {**_common(config, benchmark, WARMUP, "supervised", labels), "training": training}


def warmup_name(config: Config, benchmark: str, method: str) -> str:
    """The warm-up that a method starts from: methods that train alike share one.

    All training keys count, the number of steps after the warm-up too: the learning rate falls over both.

    Returns:
        "warmup", or "warmup-" and a digest where the method overrides training keys.
    """
    training = _merge_method(config, benchmark, method)[1]
    if training == _training(config, benchmark):
        return WARMUP
    digest = hashlib.sha256(json.dumps(training, sort_keys=True).encode()).hexdigest()
    return f"{WARMUP}-{digest[:6]}"


def methods_to_run(config: Config) -> list[str]:
    """The methods that `all` builds, in the order of the config."""
    return [name for name, entry in config["methods"].items() if entry.get("run", True)]


def max_people(config: Config, benchmark: str) -> int | None:
    """How many people of a benchmark are used, None for all; it need not be one that `all` builds."""
    return config["benchmarks"].get(benchmark, {}).get("max_people")


def render_settings(config: Config, benchmark: str) -> dict[str, Any]:
    """What the images of a rendered benchmark depend on: its section, without what is about something else.

    Raises:
        InputError: the config does not list the benchmark.
    """
    return {key: value for key, value in _rendered(config, benchmark).items() if key not in ("shards", "training")}


def shards(config: Config, benchmark: str) -> int:
    """In how many parts a benchmark is rendered.

    Raises:
        InputError: the config does not list the benchmark.
    """
    return _rendered(config, benchmark)["shards"]


def _rendered(config: Config, benchmark: str) -> Config:
    if benchmark not in config["benchmarks"]:
        raise InputError(f"benchmarks.{benchmark}: missing, expected what to render, as in config.yaml")
    return config["benchmarks"][benchmark]


def pretraining(config: Config, benchmark: str, warmup: str) -> tuple[str, str] | None:
    """What a warm-up starts from: (benchmark, label budget as in file names) of a supervised run; None for nothing.

    Raises:
        InputError: see resolve_warmup; or the benchmark is unknown.
    """
    source = resolve_warmup(config, benchmark, warmup, 1.0)["training"]["pretrained"]
    if source is None:
        return None
    everything = next((labels for labels in config["labels"] if labels == 1), 1.0)
    return benchmarks.get(source).name, str(everything)


def tracker_of(config: Config, benchmark: str, method: str) -> str | None:
    """The tracker whose optical flow a method trains on; None where it uses none."""
    return _merge_method(config, benchmark, method)[2].get("tracker")


def measures_signals(config: Config, benchmark: str, method: str) -> bool:
    """Whether a method measures the noise of supervision signals while it trains: on frames without labels."""
    _, training, options = _merge_method(config, benchmark, method)
    return "sources" in options and training["probe"] > 0 and min(config["labels"]) < 1


def _common(config: Config, benchmark: str, method: str, algorithm: str, labels: float) -> dict[str, Any]:
    return {
        "benchmark": benchmark,
        "method": method,
        "algorithm": algorithm,
        "labels": labels,
        "scheme": benchmarks.get(benchmark).scheme,
        "detector": copy.deepcopy(dict(config["detector"])),
    }


def _training(config: Config, benchmark: str, overrides: Iterable[Config] = ()) -> dict[str, Any]:
    """How methods train on a benchmark, which need not be one that `all` builds, with what methods override."""
    training = copy.deepcopy(dict(config["training"]))
    for values in (config["benchmarks"].get(benchmark, {}).get("training", {}), *overrides):
        merge(training, values)
    if training.get("pretrained") == benchmark:
        training["pretrained"] = None  # it is the source of that start itself
    return training


def _merge_method(config: Config, benchmark: str, method: str) -> tuple[str, dict[str, Any], dict[str, Any]]:
    """(algorithm, training, options) of a method: its bases from the first on, then its own keys."""
    chain = _bases(config, method)
    entries = [config["methods"][name] for name in chain]
    options: dict[str, Any] = {}
    for entry in entries:
        merge(options, {key: value for key, value in entry.items() if key not in _METHOD_KEYS})
    return chain[0], _training(config, benchmark, (entry.get("training", {}) for entry in entries)), options


def _bases(config: Config, method: str) -> list[str]:
    """The method that is implemented, then what leads from it to `method`, which is the last.

    Raises:
        InputError: a base is not in the config, or is reached again.
    """
    methods, chain = config["methods"], [method]
    if method not in methods:
        raise InputError(f"methods: {_unknown(f'method {method!r}', method, methods)}")
    while (base := methods[chain[-1]].get("base")) is not None:
        if not isinstance(base, str) or base not in methods:
            raise InputError(f"methods.{chain[-1]}.base: {_unknown(f'method {base!r}', base, methods)}")
        if base in chain:
            raise InputError(f"methods.{method}.base: {' -> '.join([*chain, base])} never reaches a method")
        chain.append(base)
    return chain[::-1]


def merge(target: dict[str, Any], source: Config) -> None:
    """Lay `source` over `target`: sections are merged key by key; values and lists are replaced."""
    for key, value in source.items():
        if isinstance(value, Mapping) and isinstance(target.get(key), dict):
            merge(target[key], value)
        else:
            target[key] = copy.deepcopy(value)


# --- the check ----------------------------------------------------------------------------------------------


def load_schema(path: str | Path) -> dict[str, Any]:
    """Read the JSON Schema of config.yaml."""
    return yaml.safe_load(Path(path).read_text(encoding="utf-8"))


def normalise(value: Any, all_texts: bool = False) -> Any:
    """A copy whose keys are texts, and whose texts such as "1e-3", no number in YAML 1.1, are numbers.

    Args:
        all_texts: the value comes from a command line, where numbers, true, false and null are texts as well.
    """
    if isinstance(value, Mapping):
        return {str(key): normalise(item, all_texts) for key, item in value.items()}
    if isinstance(value, list):
        return [normalise(item, all_texts) for item in value]
    if isinstance(value, str) and _EXPONENT.fullmatch(value):
        return float(value)
    if isinstance(value, str) and all_texts and _SCALAR.fullmatch(value):
        return yaml.safe_load(value)
    return value


def check_config(config: Config, schema: Config, sources: Sequence[Source] = ()) -> None:
    """Check a configuration as a whole.

    Args:
        config: after normalise.
        schema: of load_schema.
        sources: what the config was merged from, the overriding last: (name for messages, values).

    Raises:
        InputError: one line for each mistake, as `FILE: KEY: what was found, what was expected`.
    """
    sources = sources or [("config.yaml", config)]
    problems = list(_violations(config, _require_all(schema)))
    problems += _benchmark_problems(config, schema) + _method_problems(config, schema)
    if problems:
        lines = (f"{_source_of(path, sources)}: {'.'.join(path)}: {text}" for path, text in problems)
        raise InputError("\n".join(dict.fromkeys(lines)))


Problem = tuple[tuple[str, ...], str]


def _source_of(path: Sequence[str], sources: Sequence[Source]) -> str:
    """The name of the last source that has the key; the first one for a key that is nowhere."""
    for name, values in reversed(sources):
        for key in path:
            if isinstance(values, list) and key.isdigit():
                key = int(key)
            elif not isinstance(values, Mapping) or key not in values:
                break
            values = values[key]
        else:
            return name
    return sources[0][0]


def _benchmark_problems(config: Config, schema: Config) -> list[Problem]:
    known, listed = benchmarks.names(), config.get("benchmarks")
    listed = listed if isinstance(listed, Mapping) else {}
    problems = [(("benchmarks", name), _unknown("benchmark", name, known)) for name in listed if name not in known]
    some_training = {**schema["$defs"]["training"], "$defs": schema["$defs"]}
    for name, entry in listed.items():
        if isinstance(entry, Mapping) and isinstance(entry.get("training"), Mapping):
            problems += _violations(entry["training"], some_training, ("benchmarks", name, "training"))
    return problems


def _method_problems(config: Config, schema: Config) -> list[Problem]:
    """Mistakes within the methods; none where the section as a whole is already wrong."""
    methods = config.get("methods")
    if not isinstance(methods, Mapping) or not all(isinstance(entry, Mapping) for entry in methods.values()):
        return []
    problems: list[Problem] = []
    for name in methods:
        problems += _problems_of_method(config, schema, name)
    if methods and not problems and not methods_to_run(config):
        problems.append((("methods",), "every method has run: false, expected at least one that is run"))
    return problems


def _problems_of_method(config: Config, schema: Config, name: str) -> list[Problem]:
    known = schema["$defs"]["methods"]
    where = ("methods", name)
    if not _METHOD_NAME.fullmatch(name) or name.startswith(WARMUP):
        return [(where, "not a name for a method: expected lower-case letters, digits and _, not warmup...")]
    try:
        root = _bases(config, name)[0]
    except InputError as error:
        path, _, text = str(error).partition(": ")
        return [(tuple(path.split(".")), text)]
    if root not in known:
        # Of a chain of bases, only its first is at fault.
        text = f"neither implemented ({', '.join(known)}) nor a variant, which has a base"
        return [(where, f"{text}: add for example 'base: {list(known)[-1]}'")] if root == name else []
    own = known[root]["properties"]
    allowed = {**known[root], "properties": {**own, **schema["$defs"]["any_method"]["properties"]}}
    allowed = {**allowed, "required": list(own) if name == root else [], "$defs": schema["$defs"]}
    return list(_violations(config["methods"][name], allowed, where))


def _violations(instance: Any, schema: Config, where: tuple[str, ...] = ()) -> Iterator[Problem]:
    """Every mistake by the schema in an instance that stands at the path `where` of the config."""
    for error in Draft202012Validator(schema).iter_errors(instance):
        path = (*where, *map(str, error.absolute_path))
        if error.validator == "required":
            yield from _missing_keys(error, path)
        elif error.validator == "additionalProperties":
            known = error.schema["properties"]
            for key in error.instance:
                if key not in known:
                    yield (*path, str(key)), _unknown("key", str(key), known)
        else:
            yield path, f"found {_show(error.instance)}, expected {_expected(error.schema)}"


def _missing_keys(error: ValidationError, path: tuple[str, ...]) -> Iterator[Problem]:
    for key in error.validator_value:
        if key not in error.instance:
            yield (*path, key), f"missing, expected {_expected(error.schema['properties'][key])}"


def _require_all(schema: Any) -> Any:
    """The schema with every key of every section required, but for those that are optional."""
    if isinstance(schema, list):
        return [_require_all(part) for part in schema]
    if not isinstance(schema, Mapping):
        return schema
    strict = {key: _require_all(part) for key, part in schema.items()}
    keys = schema.get("properties")
    if isinstance(keys, Mapping) and schema.get("type") == "object":
        strict["required"] = [key for key, part in keys.items() if not part.get("optional")]
    return strict


# --- wording ------------------------------------------------------------------------------------------------

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


def _expected(schema: Config) -> str:
    """What a schema accepts, in words."""
    if "expected" in schema:
        return schema["expected"]
    if "anyOf" in schema:
        return " or ".join(map(_expected, schema["anyOf"]))
    if "enum" in schema:
        return _any_of(schema["enum"])
    if schema.get("type") == "array":
        return f"a list of at least one, none twice, each {_expected(schema['items'])}"
    kind = _TYPES[schema.get("type", "object")]
    if "minimum" in schema and "maximum" in schema:
        return f"{kind} from {schema['minimum']} to {schema['maximum']}"
    bounds = [text.format(schema[key]) for key, text in _BOUNDS if key in schema]
    return " ".join([kind, " and ".join(bounds)]).strip()


def _show(value: Any) -> str:
    """A value as it would be written in config.yaml."""
    text = json.dumps(value, default=str, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _unknown(what: str, name: object, known: Iterable[str]) -> str:
    """That `what`, named `name`, is not known, and what was perhaps meant."""
    known = list(known)
    near = difflib.get_close_matches(str(name), known, n=1)
    return f"unknown {what}; " + (f"did you mean '{near[0]}'?" if near else f"expected {_any_of(known)}")


def _any_of(values: Iterable[object]) -> str:
    texts = list(map(str, values))
    return texts[0] if len(texts) == 1 else f"one of {', '.join(texts)}"

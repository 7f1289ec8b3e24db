"""The check of config.yaml, in words that a user understands."""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from tsal import datasets
from tsal.config.resolve import WARMUP, Config, bases
from tsal.config.targets import COMPARISON
from tsal.config.wording import expected, show, unknown
from tsal.data.labels import EXPECTED, parse_budget
from tsal.errors import InputError

Source = tuple[str, Config]
Problem = tuple[tuple[str, ...], str]
_METHOD_NAME = re.compile(r"[a-z][a-z0-9_]*")
_SCALAR = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)|true|false|null")
_EXPONENT = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)[eE][+-]?\d+")


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
    problems += _preset_problems(config, schema) + _label_problems(config) + _name_problems(config)
    problems += _claims_problems(config) + _landmark_problems(config)
    if problems:
        lines = (f"{_source_of(path, sources)}: {'.'.join(path)}: {text}" for path, text in problems)
        raise InputError("\n".join(dict.fromkeys(lines)))


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


def _sections(config: Config, name: str) -> dict[str, Config]:
    """The entries of a section that are sections themselves; the schema complains of the others."""
    section = config.get(name)
    section = section if isinstance(section, Mapping) else {}
    return {key: entry for key, entry in section.items() if isinstance(entry, Mapping)}


def _benchmark_problems(config: Config, schema: Config) -> list[Problem]:
    known, listed = datasets.names(), config.get("benchmarks")
    listed = listed if isinstance(listed, Mapping) else {}
    problems = [(("benchmarks", name), unknown("benchmark", name, known)) for name in listed if name not in known]
    definitions = schema["$defs"]
    for name, entry in _sections(config, "benchmarks").items():
        if name not in known:
            continue
        own = definitions["benchmarks"].get(name) or {"properties": {key: {} for key in datasets.get(name).options}}
        allowed = {**own["properties"], **definitions["any_benchmark"]["properties"]}
        required = [key for key, part in own["properties"].items() if part and not part.get("optional")]
        rules = {"type": "object", "additionalProperties": False, "properties": allowed, "required": required}
        problems += _violations(entry, {**rules, "$defs": definitions}, ("benchmarks", name))
    return problems


def _preset_problems(config: Config, schema: Config) -> list[Problem]:
    problems: list[Problem] = []
    for name, entry in _sections(config, "presets").items():
        for part in ("detector", "training"):
            if isinstance(entry.get(part), Mapping):
                rules = {**schema["$defs"][part], "$defs": schema["$defs"]}
                problems += _violations(entry[part], rules, ("presets", name, part))
    return problems


def _label_problems(config: Config) -> list[Problem]:
    """Label budgets that are none, wherever they stand."""
    places = [((), config), *((("benchmarks", name), entry) for name, entry in _sections(config, "benchmarks").items())]
    places += [(("studies", name), entry) for name, entry in _sections(config, "studies").items()]
    problems = []
    for where, entry in places:
        budgets = entry.get("labels")
        for number, budget in enumerate(budgets if isinstance(budgets, list) else []):
            try:
                fits = isinstance(budget, (str, int, float)) and parse_budget(budget) != 0
            except InputError:
                fits = False
            if not fits:
                problems.append(((*where, "labels", str(number)), f"found {show(budget)}, expected {EXPECTED}"))
    return problems


def _name_problems(config: Config) -> list[Problem]:
    """Methods, presets and benchmarks that are named somewhere and not there."""
    methods, presets = (
        config.get(name) if isinstance(config.get(name), Mapping) else {} for name in ("methods", "presets")
    )
    problems: list[Problem] = []

    def check(where: tuple[str, ...], what: str, names: object, known: Sequence[str]) -> None:
        for name in names if isinstance(names, list) else [names]:
            if isinstance(name, str) and name not in known:
                problems.append((where, unknown(f"{what} {name!r}", name, known)))

    for section in ("benchmarks", "methods", "studies"):
        for name, entry in _sections(config, section).items():
            check((section, name, "preset"), "preset", entry.get("preset"), list(presets))
            check((section, name, "pool"), "benchmark", entry.get("pool"), datasets.names())
            check((section, name, "score_on"), "benchmark", entry.get("score_on"), datasets.names())
            check((section, name, "benchmarks"), "benchmark", entry.get("benchmarks"), datasets.names())
            if section != "methods" and methods:
                check((section, name, "methods"), "method", entry.get("methods"), list(methods))
    check(("paper",), "benchmark", config.get("paper"), datasets.names())
    return problems


def _landmark_problems(config: Config) -> list[Problem]:
    """Benchmarks that are to be scored on the faces of others whose landmarks are other ones."""
    problems: list[Problem] = []
    for name, entry in _sections(config, "benchmarks").items():
        targets = entry.get("score_on")
        for target in targets if isinstance(targets, list) else ():
            if name not in datasets.names() or target not in datasets.names():
                continue
            ours, theirs = datasets.get(name).landmarks, datasets.get(target).landmarks
            if not ours.same_points(theirs):
                text = (
                    f"{target} has {theirs.name} landmarks, {name} has {ours.name}; expected a benchmark with the same"
                )
                problems.append((("benchmarks", name, "score_on"), text))
    return problems


def _claims_problems(config: Config) -> list[Problem]:
    """Benchmarks and studies of `claims` that are not there, and the lack of the study that they are measured on."""
    claims, studies = config.get("claims"), config.get("studies")
    if not isinstance(claims, Mapping) or not isinstance(studies, Mapping):
        return []
    problems: list[Problem] = []
    for what, known in (("benchmarks", datasets.names()), ("studies", list(studies))):
        named = claims.get(what)
        for name in named if isinstance(named, list) else ():
            if name not in known:
                kind = "study" if what == "studies" else "benchmark"
                problems.append((("claims", what), unknown(f"{kind} {name!r}", name, known)))
    chosen = claims.get("studies")
    if isinstance(chosen, list) and COMPARISON not in chosen:
        problems.append((("claims", "studies"), f"found no '{COMPARISON}', on which the claims are measured; add it"))
    return problems


def _method_problems(config: Config, schema: Config) -> list[Problem]:
    """Mistakes within the methods; none where the section as a whole is already wrong."""
    methods = config.get("methods")
    if not isinstance(methods, Mapping) or not all(isinstance(entry, Mapping) for entry in methods.values()):
        return []
    problems: list[Problem] = []
    for name in methods:
        problems += _problems_of_method(config, schema, name)
    if methods and not problems and not any(entry.get("run", True) for entry in methods.values()):
        problems.append((("methods",), "every method has run: false, expected at least one that is run"))
    return problems


def _problems_of_method(config: Config, schema: Config, name: str) -> list[Problem]:
    known = schema["$defs"]["methods"]
    where = ("methods", name)
    if not _METHOD_NAME.fullmatch(name) or name.startswith(WARMUP):
        return [(where, "not a name for a method: expected lower-case letters, digits and _, not warmup...")]
    try:
        root = bases(config, name)[0]
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
                    yield (*path, str(key)), unknown("key", str(key), known)
        else:
            yield path, f"found {show(error.instance)}, expected {expected(error.schema)}"


def _missing_keys(error: ValidationError, path: tuple[str, ...]) -> Iterator[Problem]:
    for key in error.validator_value:
        if key not in error.instance:
            yield (*path, key), f"missing, expected {expected(error.schema['properties'][key])}"


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

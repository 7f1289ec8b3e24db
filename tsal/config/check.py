"""The check of a configuration: all that is wrong with it, before anything is made from it."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path as File
from typing import Any

from tsal import datasets, methods
from tsal.config import models
from tsal.config.files import Config, Source, merge, merge_all, normalise, read_definitions, read_source, source_of
from tsal.config.layers import bases, locate, merged_options
from tsal.config.resolve import WARMUP, Configuration, other_landmarks, settings_problems
from tsal.config.targets import COMPARISON, TRAINING, methods_to_run, own_keys
from tsal.datasets import readers
from tsal.datasets.own.dataset import OwnDataset, own_dataset
from tsal.errors import InputError, one_line
from tsal.settings.mistakes import Path, Problem, problems_of, show, unknown
from tsal.settings.released import RELEASED
from tsal.settings.section import Section

_SECTIONS = ("benchmarks", "methods", "presets", "studies")


def read_config(
    files: Sequence[str | File], definitions: str | File, command_line: Config | None = None
) -> Configuration:
    """Read, merge and check configuration files.

    Args:
        files: the overriding last.
        definitions: folder with presets.yaml and studies/*.yaml, over which they are laid.
        command_line: single keys, which override all files.

    Raises:
        InputError: one line for each mistake, as `FILE: KEY: what was found, what was expected`.
    """
    sources = [read_source(path) for path in files]
    if command_line:
        sources.append(Source("--config", normalise(command_line, all_texts=True)))
    return check_config(sources, read_definitions(definitions))


def check_config(sources: Sequence[Source], definitions: Sequence[Source] = ()) -> Configuration:
    """Merge what was read and check it as a whole; returns it complete, with the defaults of what is not given.

    Its data sets of one's own are declared, see tsal.datasets.

    Raises:
        InputError: as read_config.
    """
    config, everywhere = merge_all(definitions, sources), [*definitions, *sources]
    lines = [line for source in everywhere for line in source.problems]
    problems = find_problems(config)
    for path, text in problems:
        known = any(path[:1] == (key,) for source in everywhere for key in source.values)
        name = source_of(path, everywhere) if known else sources[0].name
        lines.append(f"{name}: {one_line('.'.join(path))}: {text}")
    if lines:
        raise InputError("\n".join(dict.fromkeys(lines)))
    return Configuration(completed(config))


def read_own(path: str | File) -> list[OwnDataset]:
    """The data sets of one's own that a configuration file has; nothing else in it is looked at.

    Raises:
        InputError: one line for each mistake in their sections, as `read_config` has them; or there is none.
    """
    source = read_source(path)
    if problems := _declare_own(source.values):
        raise InputError("\n".join(f"{source.name}: {one_line('.'.join(key))}: {text}" for key, text in problems))
    found = [datasets.get(name) for name in _own(source.values)]
    if not found:
        raise InputError(
            f"{source.name}: benchmarks: found none with a reader, expected one's own data, such as "
            "{reader: coco, images: photos/, labels: labels.json, landmarks: 68}"
        )
    return found


def completed(config: Config) -> dict[str, Any]:
    """With the defaults of the keys that are left out: of the whole, and of the sections for all benchmarks."""
    complete: dict[str, Any] = dict(config)
    for key, field in models.ConfigFile.model_fields.items():
        if isinstance(field.default, Section):
            defaults = field.default.model_dump(mode="json")
            complete[key] = defaults
            merge(complete[key], _section(config, key))
        elif key not in complete:
            complete[key] = list(field.default) if isinstance(field.default, tuple) else field.default
        elif key in models.TEXTS and complete[key] is not None:
            complete[key] = str(complete[key])
    return complete


def find_problems(config: Config) -> list[Problem]:
    """All mistakes in a configuration, by key. What follows from a section is looked at only where it has none.

    Its data sets of one's own are declared.
    """
    problems = _declare_own(config) + problems_of(models.ConfigFile, config)
    problems += _benchmark_problems(config) + _method_problems(config)
    problems += _entry_problems(config, "presets", models.PresetEntry)
    problems += _entry_problems(config, "studies", models.StudyEntry)
    problems += _reference_problems(config) + _claims_problems(config)
    return problems + _combined_problems(config, problems)


def _section(config: Config, name: str) -> Config:
    """A section of entries; empty where it is none, of which ConfigFile complains."""
    section = config.get(name)
    return section if isinstance(section, Mapping) else {}


def _entries(config: Config, name: str) -> dict[str, Config]:
    """The entries of a section that are sections themselves; their models complain of the others."""
    return {key: entry for key, entry in _section(config, name).items() if isinstance(entry, Mapping)}


def _own(config: Config) -> dict[str, Config]:
    """The benchmarks of one's own data."""
    return {name: entry for name, entry in _entries(config, "benchmarks").items() if "reader" in entry}


def _declare_own(config: Config) -> list[Problem]:
    """Declare the data sets of one's own, as far as their sections are right; returns what is wrong with the others."""
    datasets.declare([])
    declared, problems = [], []
    built_in = datasets.names()
    for name, entry in _own(config).items():
        where = ("benchmarks", name)
        reader = entry["reader"]
        if not re.fullmatch("[a-z0-9]{1,40}", name):
            problems.append((where, "not a name for a benchmark: expected up to 40 lower-case letters and digits"))
        elif name in built_in:
            problems.append(((*where, "reader"), f"there is a data set called {name} already; choose another name"))
        elif reader not in readers.names():
            found = unknown(f"reader {show(reader)}", reader, readers.names())
            problems.append(((*where, "reader"), found))
        elif found := problems_of(models.own_entry(reader), entry, where):
            problems += found
        else:
            try:
                declared.append(own_dataset(name, own_keys(entry)))
            except InputError as error:
                problems.append((where, str(error).removeprefix(f"{name}: ")))
    datasets.declare(declared)
    return problems


def _known_benchmarks(config: Config) -> list[str]:
    """Those that there are, and those of the configuration whose own data cannot be declared."""
    return sorted({*datasets.names(), *_own(config)})


def _benchmark_problems(config: Config) -> Iterator[Problem]:
    known, problems, own = datasets.names(), [], _own(config)
    for name, entry in _section(config, "benchmarks").items():
        if name in own:
            continue  # see _declare_own
        if name in known:
            problems += problems_of(models.benchmark_entry(name), entry, ("benchmarks", name))
        else:
            problems.append((("benchmarks", name), unknown("benchmark", name, known)))
    return problems + _note_problems(config)


def _note_problems(config: Config) -> list[Problem]:
    """Notes on subsets that a benchmark does not have."""
    problems = []
    for name, entry in _entries(config, "benchmarks").items():
        if name in datasets.names() and isinstance(entry.get("notes"), Mapping):
            known = [TRAINING, *datasets.get(name).subsets]
            where = ("benchmarks", name, "notes")
            problems += [((*where, key), unknown("key", key, known)) for key in entry["notes"] if key not in known]
    return problems


def _entry_problems(config: Config, section: str, kind: type[Section]) -> list[Problem]:
    problems = []
    for name, entry in _section(config, section).items():
        if not models.NAME.fullmatch(name):
            problems.append(((section, name), f"not a name for one of {section}: expected {_NAME}"))
        problems += problems_of(kind, entry, (section, name))
    return problems


_NAME = "a lower-case letter, then up to 99 lower-case letters, digits and _"


def _method_problems(config: Config) -> list[Problem]:
    problems: list[Problem] = []
    entries = _entries(config, "methods")
    for name, entry in _section(config, "methods").items():
        where = ("methods", name)
        if not models.NAME.fullmatch(name) or name.startswith(WARMUP):
            problems.append((where, f"not a name for a method: expected {_NAME}, not warmup..."))
            continue
        if name not in entries:
            problems += problems_of(models.MethodEntry, entry, where)
            continue
        try:
            algorithm = bases({**config, "methods": entries}, name)[0]
        except InputError as error:
            path, _, text = str(error).partition(": ")
            if path.split(".")[1] == name:  # of a chain of bases, only the one that is at fault
                problems.append((tuple(path.split(".")), text))
            continue
        problems += problems_of(models.method_entry(algorithm), entry, where) + _flip_test_problems(entries, name)
    if entries and not problems and not any(entry.get("run", True) for entry in entries.values()):
        problems.append((("methods",), "every method has run: false, expected at least one that is run"))
    return problems


def _flip_test_problems(entries: Mapping[str, Config], name: str) -> list[Problem]:
    """What a method with `flip_test` cannot have, whose training is its base's."""
    entry, where = entries[name], ("methods", name, "flip_test")
    others = sorted(entry.keys() - {"base", "run", "title", "flip_test"})
    if entry.get("flip_test") and (others or "base" not in entry):
        found = f"found it beside {others[0]}" if others else "found it without a base"
        return [(where, f"{found}, expected a variant with base, run and title alone, whose training is its base's")]
    if entries.get(entry.get("base", ""), {}).get("flip_test"):
        text = f"found {entry['base']}, which has flip_test and no training of its own; expected what that is based on"
        return [(("methods", name, "base"), text)]
    return []


def _reference_problems(config: Config) -> list[Problem]:
    """Methods, presets and benchmarks that are named somewhere and not there."""
    known = {
        "method": list(dict.fromkeys((*_section(config, "methods"), *methods.names()))),
        "preset": list(_section(config, "presets")),
        "benchmark": _known_benchmarks(config),
        "start": [*_known_benchmarks(config), RELEASED],
    }
    problems: list[Problem] = []

    def check(where: Path, values: Any, what: str) -> None:
        named = _at(values, where)
        for name in named if isinstance(named, list) else [named]:
            if isinstance(name, str) and name not in known[what]:
                problems.append((where, unknown(f"{what} {name!r}", name, known[what])))

    places = [(section, name) for section in _SECTIONS for name in _entries(config, section)]
    for place in places:
        check((*place, "preset"), config, "preset")
        check((*place, "pool"), config, "benchmark")
        check((*place, "score_on"), config, "benchmark")
        check((*place, "benchmarks"), config, "benchmark")
        check((*place, "methods"), config, "method")
        check((*place, "cost_of"), config, "method")
    for place in ((), *places):
        check((*place, "training", "pretrained"), config, "start")
    for name, entry in _entries(config, "benchmarks").items():
        targets = entry.get("score_on")
        for target in targets if isinstance(targets, list) else ():
            if all(each in datasets.names() for each in (name, target)) and (text := other_landmarks(name, target)):
                problems.append((("benchmarks", name, "score_on"), text))
    check(("unlabelled", "pool"), config, "benchmark")
    check(("paper",), config, "benchmark")
    return problems


def _at(values: Any, path: Path) -> Any:
    for key in path:
        values = values.get(key) if isinstance(values, Mapping) else None
    return values


def _claims_problems(config: Config) -> list[Problem]:
    """Benchmarks and studies of `claims` that are not there, and the lack of the study that they are measured on."""
    claims, problems = _section(config, "claims"), []
    known = {"benchmark": _known_benchmarks(config), "study": list(_section(config, "studies"))}
    for what, key in (("benchmark", "benchmarks"), ("study", "studies")):
        named = claims.get(key)
        for name in named if isinstance(named, list) else ():
            if name not in known[what]:
                problems.append((("claims", key), unknown(f"{what} {name!r}", name, known[what])))
    chosen = claims.get("studies")
    if isinstance(chosen, list) and chosen and COMPARISON not in chosen:
        problems.append((("claims", "studies"), f"found no '{COMPARISON}', on which the claims are measured; add it"))
    return problems


def _combined_problems(config: Config, found: Sequence[Problem]) -> list[Problem]:
    """What only shows when sections are laid over each other: in keys of any method's own, and in what `all` builds.

    What other targets build is looked at when their settings are resolved, which is before anything is made as well.
    """
    wrong = {path[:depth] for path, _ in found for depth in (1, 2)}
    if any((name,) in wrong for name in ("detector", "training", "unlabelled")) or not _entries(config, "methods"):
        return []
    if set(_own(config)) - set(datasets.names()):
        return []  # others may take frames, weights or test faces from what cannot be declared
    config = {**completed(config), **{name: _entries(config, name) for name in _SECTIONS}}
    sound = [name for name in config["methods"] if _chain(config, name)]
    sound = [name for name in sound if not any(("methods", base) in wrong for base in _chain(config, name))]
    problems = []
    for method in sound:
        problems += _inherited(config, method, lambda name: _option_problems(config, name))
    problems += _parameter_problems(config)
    spoiled = {path[1] for path, _ in problems if path[0] == "methods"}
    listed = [name for name in _entries(config, "benchmarks") if ("benchmarks", name) not in wrong]
    built: dict[Problem, list[str]] = {}
    checked: dict[str, list[str]] = {}
    for benchmark in listed:
        for method in methods_to_run(config, benchmark):
            chain = _chain(config, method)
            if not chain or (method in config["methods"] and method not in sound) or spoiled & set(chain):
                continue
            if any(("presets", preset) in wrong for preset in _presets(config, benchmark, chain)):
                continue
            checked.setdefault(method, []).append(benchmark)
            for name, problem in _of_benchmark(config, benchmark, method):
                located = (locate(config, benchmark, name, problem[0]), problem[1])
                built.setdefault(located, []).append(benchmark)
    return problems + [(path, text + _on(path, where, listed)) for (path, text), where in built.items()]


def _parameter_problems(config: Config) -> list[Problem]:
    """Studies that sweep a key that none of their methods has."""
    problems = []
    for name, entry in _entries(config, "studies").items():
        parameter, named = entry.get("parameter"), entry.get("methods")
        chains = (
            [_chain(config, method) for method in named if isinstance(method, str)] if isinstance(named, list) else []
        )
        roots = sorted({chain[0] for chain in chains if chain})
        keys = [key for root in roots for key in models.own_keys(root).model_fields]
        if isinstance(parameter, str) and roots and parameter not in keys:
            problems.append(
                (("studies", name, "parameter"), unknown(f"key {parameter!r} of its methods", parameter, keys))
            )
    return problems


def _on(path: Path, where: Sequence[str], listed: Sequence[str]) -> str:
    """On which benchmarks a problem arises, if not on all."""
    where = list(dict.fromkeys(where))
    return "" if path[0] == "benchmarks" or len(where) == len(listed) else f" (on {', '.join(where)})"


def _chain(config: Config, method: str) -> list[str]:
    """Its bases and itself; none where it leads to no implemented method."""
    try:
        return bases(config, method)
    except InputError:
        return []


def _presets(config: Config, benchmark: str, chain: Iterable[str]) -> list[str]:
    entries = [config["benchmarks"][benchmark], *(config["methods"].get(name, {}) for name in chain)]
    return [entry["preset"] for entry in entries if "preset" in entry]


def _option_problems(config: Config, method: str) -> list[Problem]:
    """Rules over several of a method's own keys that are broken."""
    options, _ = merged_options(config, method)
    return problems_of(methods.get(bases(config, method)[0]).settings, options)


def _inherited(config: Config, method: str, problems_in: Any) -> list[Problem]:
    """The problems of a method, each laid to the first of its bases that has it and hands it down."""
    by_name = {name: problems_in(name) for name in bases(config, method)}
    return [(("methods", _origin(by_name, problem), *problem[0]), problem[1]) for problem in by_name[method]]


def _origin(by_name: Mapping[str, Sequence[Problem]], problem: Problem) -> str:
    """The method from which on all bases have the problem; bases from the first on, the method last."""
    origin = ""
    for name, problems in reversed(by_name.items()):
        if problem not in problems:
            break
        origin = name
    return origin


def _of_benchmark(config: Config, benchmark: str, method: str) -> list[tuple[str, Problem]]:
    """(method, problem) of a method's settings on a benchmark, the method being the first of its bases that has it."""
    own = settings_problems(config, benchmark, method)
    if not own:
        return []
    by_name = {name: settings_problems(config, benchmark, name) for name in bases(config, method)}
    return [(_origin(by_name, problem), problem) for problem in own]

"""The layers of a configuration that make the settings of a method on a benchmark, and in which a value stands.

From low to high: the sections for all, the preset, the benchmark, the method's bases from the implemented one on, and
the method itself.
"""

import copy
from collections.abc import Iterable
from typing import Any

from tsal import datasets, methods
from tsal.config.files import Config, merge
from tsal.config.models import FLAT, MethodEntry
from tsal.data.landmarks import as_setting
from tsal.errors import InputError
from tsal.settings.mistakes import Path, unknown
from tsal.settings.models import UnlabelledSettings

_COMMON = tuple(MethodEntry.model_fields)
UNLABELLED = {FLAT.get(name, name): name for name in UnlabelledSettings.model_fields}  # as a method names them


def bases(config: Config, method: str) -> list[str]:
    """The method that is implemented, then what leads from it to `method`, which is the last.

    An implemented method need not be in the config.

    Raises:
        InputError: a base is not in the config, or is reached again; or the first is not implemented.
    """
    entries, chain, implemented = config["methods"], [method], methods.names()
    if method not in entries and method not in implemented:
        raise InputError(f"methods: {unknown(f'method {method!r}', method, [*entries, *implemented])}")
    while (base := entries.get(chain[-1], {}).get("base")) is not None:
        if not isinstance(base, str) or (base not in entries and base not in implemented):
            known = [*entries, *implemented]
            raise InputError(f"methods.{chain[-1]}.base: {unknown(f'method {base!r}', base, known)}")
        if base in chain:
            raise InputError(f"methods.{method}.base: {' -> '.join([*chain, base])} never reaches a method")
        chain.append(base)
    if chain[-1] not in implemented:
        raise InputError(
            f"methods.{chain[-1]}: neither implemented ({', '.join(implemented)}) nor a variant, which has a base: "
            "add for example 'base: tsal', or, for a method of your own, name its folder in TSAL_PLUGINS"
        )
    return chain[::-1]


def entries_of(config: Config, method: str) -> list[Config]:
    """The entries of a method's bases, from the implemented one on, then its own."""
    return [config["methods"].get(name, {}) for name in bases(config, method)]


def trained_as(config: Config, method: str) -> str:
    """The method as which one is trained: with `flip_test` its base, else itself."""
    entry = config["methods"].get(method, {})
    return entry["base"] if entry.get("flip_test") else method


def about_run(benchmark: str, method: str, algorithm: str) -> dict[str, Any]:
    """What a run is, beside how it trains; its label budget is to be replaced."""
    return {
        "benchmark": benchmark,
        "method": method,
        "algorithm": algorithm,
        "labels": 1.0,
        "scheme": as_setting(datasets.get(benchmark).landmarks),
    }


def of_benchmark(
    config: Config, benchmark: str, overrides: Iterable[Config] = (), preset: str | None = None
) -> dict[str, Any]:
    """Detector and training on a benchmark, which need not be one that `all` builds, with what methods override."""
    section = config["benchmarks"].get(benchmark, {})
    preset = section.get("preset") if preset is None else preset
    layers = [_preset(config, preset), section, *overrides]
    merged = {part: copy.deepcopy(dict(config[part])) for part in ("detector", "training")}
    for layer in layers:
        merge(merged, {part: layer[part] for part in merged if part in layer})
    if merged["training"].get("pretrained") == benchmark:
        merged["training"]["pretrained"] = None  # it is the source of that start itself
    return merged


def _preset(config: Config, name: str | None) -> Config:
    return config.get("presets", {}).get(name, {})


def preset_name(config: Config, benchmark: str, method: str) -> str | None:
    """The preset of a method on a benchmark: its own, that of the nearest of its bases, or the benchmark's."""
    named = [entry["preset"] for entry in entries_of(config, method) if "preset" in entry]
    return named[-1] if named else config["benchmarks"].get(benchmark, {}).get("preset")


def unlabelled_of(config: Config, preset: str | None, own: Config) -> dict[str, Any]:
    """Where unlabelled frames come from: `unlabelled`, with what a preset, then a method of its own overrides."""
    return {**config["unlabelled"], **_preset(config, preset).get("unlabelled", {}), **own}


def merged_options(config: Config, method: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """What a method and its bases say of their own keys, and of those of `unlabelled`."""
    options: dict[str, Any] = {}
    unlabelled: dict[str, Any] = {}
    uses_unlabelled = methods.get(bases(config, method)[0]).uses_unlabelled
    for entry in entries_of(config, method):
        own = {key: value for key, value in entry.items() if key not in _COMMON}
        if uses_unlabelled:
            merge(unlabelled, {UNLABELLED[key]: own.pop(key) for key in UNLABELLED if key in own})
        merge(options, own)
    return options, unlabelled


def merged_settings(config: Config, benchmark: str, method: str) -> dict[str, Any]:
    """What Settings reads: of a method, its bases from the first on, then its own keys."""
    entries = entries_of(config, method)
    preset = preset_name(config, benchmark, method)
    options, own = merged_options(config, method)
    algorithm = bases(config, method)[0]
    settings = {**about_run(benchmark, method, algorithm), **of_benchmark(config, benchmark, entries, preset)}
    if methods.get(algorithm).uses_unlabelled:
        unlabelled = unlabelled_of(config, preset, own)
        pool = unlabelled["pool"] if unlabelled["pool"] != benchmark else None
        settings["unlabelled"] = {**unlabelled, "pool": pool}
    if trained_as(config, method) != method:
        settings["flip_test"] = True
    return {**settings, "options": options}


def locate(config: Config, benchmark: str, method: str, path: Path) -> Path:
    """Where in the configuration a key of settings.yaml stands that a method has on a benchmark.

    It is the method's own key, unless what it got came from the benchmark, its preset or a section for all.
    """
    section, *rest = path
    if section == "options":
        return ("methods", method, *rest)
    flat = {name: key for key, name in UNLABELLED.items()}
    names = (flat[rest[0]],) if section == "unlabelled" else path
    entries = entries_of(config, method)
    if any(_has(entry, names) for entry in entries):
        return ("methods", method, *names)
    own = config["benchmarks"].get(benchmark, {})
    preset = preset_name(config, benchmark, method)
    if _has(own, path):
        return ("benchmarks", benchmark, *path)
    if _has(_preset(config, preset), path):
        return ("presets", preset, *path)
    return path


def _has(values: Any, path: Path) -> bool:
    for key in path:
        if not isinstance(values, dict) or key not in values:
            return False
        values = values[key]
    return True

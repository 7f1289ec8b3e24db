"""The settings of each run that follow from a configuration.

The settings of a run hold what its training depends on and nothing else, so that a change of config.yaml
re-runs only the runs whose settings change.
"""

import copy
import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

from tsal import datasets
from tsal.config.wording import unknown
from tsal.data.labels import Budget, parse_budget
from tsal.data.landmarks import as_setting
from tsal.errors import InputError

WARMUP = "warmup"
METHOD_KEYS = ("base", "run", "title", "preset", "detector", "training")  # not settings of the algorithm

Config = Mapping[str, Any]


def resolve_run(config: Config, benchmark: str, method: str, labels: Budget) -> dict[str, Any]:
    """All that the training of a run depends on, beside its data and its seed: the content of settings.yaml.

    Args:
        config: checked by check_config.
        method: a key of config["methods"].
        labels: label budget, see tsal.data.labels.

    Returns:
        What tsal.settings.models.Settings reads: benchmark, method, algorithm (the implemented method that its bases
        lead to), labels, scheme, detector and training (with what the preset, then the benchmark, then the method
        override) and, under the algorithm's name, its own keys where it has any.

    Raises:
        InputError: there is no such method or benchmark.
    """
    algorithm, common, options = _merge_method(config, benchmark, method)
    if options.get("adapt_flow") and tracker_of(config, benchmark, method) is None:
        options["adapt_flow"] = False  # still images alone: there is no flow
    return {
        **_about(benchmark, method, algorithm, labels),
        **common,
        **({algorithm: options} if options else {}),
    }


def resolve_warmup(config: Config, benchmark: str, warmup: str, labels: Budget) -> dict[str, Any]:
    """All that a warm-up depends on: as resolve_run, without the keys of a method.

    Args:
        warmup: as warmup_name gives it.

    Raises:
        InputError: no method of the config starts from such a warm-up, or there is no such benchmark.
    """
    users = [method for method in config["methods"] if warmup_name(config, benchmark, method) == warmup]
    if not users and warmup != WARMUP:
        raise InputError(f"no method of the config starts from a warm-up {warmup!r}")
    common = _merge_method(config, benchmark, users[0])[1] if users else _of_benchmark(config, benchmark)
    return {**_about(benchmark, WARMUP, "supervised", labels), **common}


def warmup_name(config: Config, benchmark: str, method: str) -> str:
    """The warm-up that a method starts from: methods with the same detector that train alike share one.

    All training keys count, the number of steps after the warm-up too: the learning rate falls over both.

    Returns:
        "warmup", or "warmup-" and a digest where the method overrides keys of detector or training.
    """
    common = _merge_method(config, benchmark, method)[1]
    if common == _of_benchmark(config, benchmark):
        return WARMUP
    digest = hashlib.sha256(json.dumps(common, sort_keys=True).encode()).hexdigest()
    return f"{WARMUP}-{digest[:6]}"


def pretraining(config: Config, benchmark: str, warmup: str) -> tuple[str, str] | None:
    """What a warm-up starts from: (benchmark, label budget as in file names) of a supervised run; None for nothing.

    Raises:
        InputError: see resolve_warmup; or the benchmark is unknown, or has other landmarks.
    """
    source = resolve_warmup(config, benchmark, warmup, 1.0)["training"]["pretrained"]
    if source is None:
        return None
    theirs, ours = datasets.get(source).landmarks, datasets.get(benchmark).landmarks
    if not theirs.same_points(ours):
        raise InputError(
            f"{benchmark}: training.pretrained: {source} has {theirs.name} landmarks, {benchmark} has {ours.name}; "
            "expected a benchmark with the same ones, or null"
        )
    everything = next((labels for labels in config["labels"] if labels == 1), 1)
    return datasets.get(source).name, str(everything)


def tracker_of(config: Config, benchmark: str, method: str) -> str | None:
    """The tracker whose optical flow a method trains on; None where it uses none, or has no videos to use it on."""
    tracker = _merge_method(config, benchmark, method)[2].get("tracker")
    return tracker if datasets.get(pool_of(config, benchmark, method)).has_clips else None


def pool_of(config: Config, benchmark: str, method: str) -> str:
    """The benchmark whose training frames a method takes as unlabelled ones."""
    return _merge_method(config, benchmark, method)[2].get("pool") or benchmark


def option_of(config: Config, benchmark: str, method: str, name: str) -> Any:
    """The value of a key of a method's own, such as `filter`; None where it has none of that name."""
    return _merge_method(config, benchmark, method)[2].get(name)


def geometry_of(config: Config, benchmark: str, run: str) -> str:
    """The name of the crops that a method or warm-up works on: input, expansion and margin, as "96px_0.2_1.33"."""
    resolve = resolve_warmup if run.startswith(WARMUP) else resolve_run
    detector = resolve(config, benchmark, run, 1.0)["detector"]
    return f"{detector['input_px']}px_{detector['expand']}_{detector['margin']}"


def measures_signals(config: Config, benchmark: str, method: str) -> bool:
    """Whether a method measures the noise of supervision signals while it trains: on frames without labels."""
    _, common, options = _merge_method(config, benchmark, method)
    hidden = any(budget != 1 for budget in labels_of(config, benchmark)) or options.get("pool")
    return "sources" in options and common["training"]["probe"] > 0 and bool(hidden)


def labels_of(config: Config, benchmark: str) -> list[Budget]:
    """The label budgets of a benchmark's table."""
    return config["benchmarks"].get(benchmark, {}).get("labels") or config["labels"]


def _about(benchmark: str, method: str, algorithm: str, labels: Budget) -> dict[str, Any]:
    return {
        "benchmark": benchmark,
        "method": method,
        "algorithm": algorithm,
        "labels": parse_budget(labels),
        "scheme": as_setting(datasets.get(benchmark).landmarks),
    }


def _of_benchmark(
    config: Config, benchmark: str, overrides: Iterable[Config] = (), preset: str | None = None
) -> dict[str, Any]:
    """Detector and training on a benchmark, which need not be one that `all` builds, with what methods override."""
    section = config["benchmarks"].get(benchmark, {})
    preset = section.get("preset") if preset is None else preset
    layers = [config.get("presets", {}).get(preset, {}), section, *overrides]
    merged = {part: copy.deepcopy(dict(config[part])) for part in ("detector", "training")}
    for layer in layers:
        merge(merged, {part: layer[part] for part in merged if part in layer})
    if merged["training"].get("pretrained") == benchmark:
        merged["training"]["pretrained"] = None  # it is the source of that start itself
    return merged


def _merge_method(config: Config, benchmark: str, method: str) -> tuple[str, dict[str, Any], dict[str, Any]]:
    """(algorithm, {detector, training}, options) of a method: its bases from the first on, then its own keys."""
    chain = bases(config, method)
    entries = [config["methods"][name] for name in chain]
    options: dict[str, Any] = {}
    for entry in entries:
        merge(options, {key: value for key, value in entry.items() if key not in METHOD_KEYS})
    preset = next((entry["preset"] for entry in reversed(entries) if "preset" in entry), None)
    return chain[0], _of_benchmark(config, benchmark, entries, preset), options


def bases(config: Config, method: str) -> list[str]:
    """The method that is implemented, then what leads from it to `method`, which is the last.

    Raises:
        InputError: a base is not in the config, or is reached again.
    """
    methods, chain = config["methods"], [method]
    if method not in methods:
        raise InputError(f"methods: {unknown(f'method {method!r}', method, methods)}")
    while (base := methods[chain[-1]].get("base")) is not None:
        if not isinstance(base, str) or base not in methods:
            raise InputError(f"methods.{chain[-1]}.base: {unknown(f'method {base!r}', base, methods)}")
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

"""What is built from a configuration: which runs, of which benchmarks, for which tables."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tsal import datasets
from tsal.config.resolve import Config, labels_of, option_of, pool_of
from tsal.data.labels import Budget
from tsal.errors import InputError
from tsal.evaluation.runs import method_name

COMPARISON = "comparison"  # the study on which the claims are measured
# Of a rendered benchmark's section, what is not about its images.
_NOT_RENDERED = ("shards", "preset", "labels", "methods", "score_on", "detector", "training")


@dataclass(frozen=True)
class Study:
    """A named comparison of methods on a benchmark, which becomes a table, and a figure where it is a sweep.

    Attributes:
        name, title: as in config.yaml.
        methods: name -> what it is called in this table; the first is what the others are compared with.
        labels: label budgets.
        seeds: one run each.
        values: name -> value of `parameter`, of those methods that have one; empty where there is none to sweep.
        parameter: the key of the methods' own that differs between them, or None.
    """

    name: str
    title: str
    methods: Mapping[str, str]
    labels: tuple[Budget, ...]
    seeds: tuple[int, ...]
    parameter: str | None
    values: Mapping[str, float]


def methods_to_run(config: Config, benchmark: str) -> list[str]:
    """The methods of a benchmark's table, in the order of the config."""
    listed = config["benchmarks"].get(benchmark, {}).get("methods")
    return listed or [name for name, entry in config["methods"].items() if entry.get("run", True)]


def studies_of(config: Config, benchmark: str) -> list[Study]:
    """The studies of a benchmark: those that name it and those that name none."""
    return [
        _study(config, benchmark, name, entry)
        for name, entry in config["studies"].items()
        if benchmark in entry.get("benchmarks", [benchmark])
    ]


def study(config: Config, benchmark: str, name: str) -> Study:
    """One study, of any benchmark.

    Raises:
        InputError: the config has none of that name.
    """
    if name not in config["studies"]:
        raise InputError(f"studies.{name}: missing; the config has {', '.join(config['studies']) or 'none'}")
    return _study(config, benchmark, name, config["studies"][name])


def _study(config: Config, benchmark: str, name: str, entry: Config) -> Study:
    parameter, labels = entry.get("parameter"), entry.get("labels") or labels_of(config, benchmark)
    titles = {method: config["methods"][method].get("title") or method_name(method) for method in entry["methods"]}
    found = {method: option_of(config, benchmark, method, parameter) for method in titles} if parameter else {}
    values = {method: float(value) for method, value in found.items() if isinstance(value, (int, float))}
    seeds = entry.get("seeds") or config["seeds"]
    return Study(name, entry["title"], titles, tuple(labels), tuple(seeds), parameter, values)


def claim_studies(config: Config, benchmark: str) -> list[Study]:
    """The studies of `claims` that a benchmark has."""
    return [study for study in studies_of(config, benchmark) if study.name in config["claims"]["studies"]]


def score_on(config: Config, benchmark: str) -> list[str]:
    """The other benchmarks on whose test faces a benchmark's detectors are scored too."""
    return config["benchmarks"].get(benchmark, {}).get("score_on", [])


def runs_on(config: Config, benchmark: str, target: str) -> list[tuple[str, Budget]]:
    """(method, label budget) of the runs that are scored on another benchmark's test faces.

    Those of the benchmark's table, and those of its studies that learn from unlabelled frames of the target.
    """
    runs = [(method, labels) for method in methods_to_run(config, benchmark) for labels in labels_of(config, benchmark)]
    for study in studies_of(config, benchmark):
        pooled = [method for method in study.methods if pool_of(config, benchmark, method) == target]
        runs += [(method, labels) for method in pooled for labels in study.labels]
    return list(dict.fromkeys(runs))


def index_options(config: Config, benchmark: str) -> dict[str, Any]:
    """The options of a benchmark's face table; the benchmark need not be one that `all` builds."""
    section = config["benchmarks"].get(benchmark, {})
    return {name: section.get(name, default) for name, default in datasets.get(benchmark).options.items()}


def render_settings(config: Config, benchmark: str) -> dict[str, Any]:
    """What the images of a rendered benchmark depend on: its section, without what is about something else.

    Raises:
        InputError: the config does not list the benchmark.
    """
    return {key: value for key, value in _rendered(config, benchmark).items() if key not in _NOT_RENDERED}


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

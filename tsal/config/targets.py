"""What is built from a configuration: which runs, of which benchmarks, for which tables; what methods are called."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tsal import datasets, methods
from tsal.config.files import Config
from tsal.config.models import OwnEntry, RenderedEntry
from tsal.config.resolve import labels_of, option_of, pool_of
from tsal.data.labels import Budget
from tsal.datasets import Dataset
from tsal.datasets.own.dataset import OwnDataset
from tsal.errors import InputError

COMPARISON = "comparison"  # the study on which the claims are measured
TRAINING = "training"  # what a note is on that is on no subset of the test faces
_WHOLE = ""  # what a note is on that is on all of a benchmark
_BOXES = "face boxes"
_OTHER_NAMES = {"warmup": "Warm-up", "lightning_pose": "Lightning Pose"}  # how what is no method is called


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
    titles = {name: config["methods"].get(name, {}).get("title") or method_name(name) for name in entry["methods"]}
    found = {method: option_of(config, method, parameter) for method in titles} if parameter else {}
    values = {method: float(value) for method, value in found.items() if isinstance(value, (int, float))}
    seeds = entry.get("seeds") or config["seeds"]
    return Study(name, entry["title"], titles, tuple(labels), tuple(seeds), parameter, values)


def claim_studies(config: Config, benchmark: str) -> list[Study]:
    """The studies of `claims` that a benchmark has."""
    return [study for study in studies_of(config, benchmark) if study.name in config["claims"]["studies"]]


def paper_studies(config: Config, benchmark: str) -> list[Study]:
    """The studies of a benchmark of the paper that `paper` builds."""
    return [study for study in studies_of(config, benchmark) if config["studies"][study.name].get("paper", True)]


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
    """What is said of a benchmark's faces, with the defaults; the benchmark need not be one that `all` builds."""
    dataset, section = datasets.get(benchmark), config["benchmarks"].get(benchmark, {})
    if isinstance(dataset, OwnDataset):
        return dataset.settings.model_dump(mode="json")
    kind = dataset.options
    return kind(**{key: section[key] for key in kind.model_fields if key in section}).model_dump(mode="json")


def dataset_of(config: Config, benchmark: str) -> Dataset:
    """The data set of a benchmark as the configuration needs it: with the archives that its options want."""
    return datasets.get(benchmark).with_options(index_options(config, benchmark))


def notes_on(config: Config, benchmark: str, target: str | None = None) -> dict[str, Any]:
    """What is noted of numbers: `subsets`, the note by subset of the test faces, and `lines`, all notes as sentences.

    Args:
        benchmark: that detectors are trained on.
        target: that of the test faces; default the same.
    """
    target = target or benchmark
    trained, tested = _notes(config, benchmark), _notes(config, target)
    if target != benchmark:
        trained = {key: text for key, text in trained.items() if key in (_WHOLE, TRAINING, _BOXES)}
        tested = {key: text for key, text in tested.items() if key != TRAINING}
    subsets = {key: text for key, text in tested.items() if key not in (_WHOLE, TRAINING, _BOXES)}
    by_benchmark = {benchmark: trained} | {target: tested}
    return {"subsets": subsets, "lines": [_sentence(name, found) for name, found in by_benchmark.items() if found]}


def _notes(config: Config, benchmark: str) -> dict[str, str]:
    """A benchmark's notes by subset, TRAINING, _WHOLE, or _BOXES where a face detector finds its boxes."""
    section = config["benchmarks"].get(benchmark, {})
    notes = section.get("notes") or {}
    found = {_BOXES: "found by a face detector"} if section.get("boxes") == datasets.FOUND else {}
    return {**({_WHOLE: notes} if isinstance(notes, str) else notes), **found}


def _sentence(benchmark: str, notes: Mapping[str, str]) -> str:
    texts = (f"{key}: {text}" if key != _WHOLE else text for key, text in notes.items())
    return f"Note on {benchmark}: {'; '.join(text.rstrip('.') for text in texts)}."


def own_keys(section: Config) -> dict[str, Any]:
    """What a benchmark's section says of one's own data."""
    return {key: value for key, value in section.items() if key not in OwnEntry.model_fields}


def index_made_of(config: Config, benchmark: str) -> dict[str, Any]:
    """What a face table depends on beside the raw data: `index_options`, and of one's own data its landmarks; whose
    boxes it has, where they are not the data set's own.
    """
    dataset = datasets.get(benchmark)
    if isinstance(dataset, OwnDataset):
        return dataset.made_of
    made_of: dict[str, Any] = {"options": index_options(config, benchmark)}
    if config["benchmarks"].get(benchmark, {}).get("boxes") == datasets.FOUND:
        made_of["boxes"] = datasets.FOUND
    return made_of


def render_settings(config: Config, benchmark: str) -> dict[str, Any]:
    """What the images of a rendered benchmark depend on."""
    return index_options(config, benchmark)


def shards(config: Config, benchmark: str) -> int:
    """In how many parts a benchmark is rendered."""
    return config["benchmarks"].get(benchmark, {}).get("shards", RenderedEntry.model_fields["shards"].default)


def method_name(method: str) -> str:
    """How a method of the configuration is called: "tsal_mu_0" is "TSAL, mu 0"."""
    titles = {name: methods.get(name).title for name in methods.names()} | _OTHER_NAMES
    for known in sorted(titles, key=len, reverse=True):
        if method == known or method.startswith(f"{known}_"):
            return ", ".join([titles[known], *filter(None, [method[len(known) + 1 :].replace("_", " ")])])
    return method.replace("_", " ")

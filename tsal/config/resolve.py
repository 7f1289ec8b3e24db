"""The settings of each run that follow from a configuration.

The settings of a run hold what its training depends on and nothing else, so that a change of config.yaml
re-runs only the runs whose settings change.
"""

import copy
import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from tsal import datasets, methods
from tsal.config.files import Config
from tsal.config.layers import (
    UNLABELLED,
    about_run,
    bases,
    entries_of,
    locate,
    merged_options,
    merged_settings,
    of_benchmark,
    preset_name,
    unlabelled_of,
)
from tsal.config.models import OWN_LABELS
from tsal.data.labels import Budget, parse_budget
from tsal.data.landmarks import mirror_shift_of, scheme_of
from tsal.errors import InputError
from tsal.settings.mistakes import Problem, problems_of, show
from tsal.settings.models import Settings, parse_settings
from tsal.settings.released import RELEASED, released_about
from tsal.training.method import warm_up_passes

WARMUP = "warmup"


class Configuration(dict[str, Any]):
    """A configuration that has been checked and is not changed any more; a copy of it can be."""

    def __init__(self, values: Config) -> None:
        super().__init__(values)
        self._resolved: dict[tuple[str, str], Resolved] = {}
        self._warmups: dict[tuple[str, str], str] = {}

    def __deepcopy__(self, memo: dict[int, Any]) -> dict[str, Any]:
        return copy.deepcopy(dict(self), memo)


@dataclass(frozen=True)
class Resolved:
    """A method on a benchmark: what its settings are with any label budget.

    dumped: as YAML has them.
    """

    settings: Settings
    dumped: Config


def resolve(config: Config, benchmark: str, run: str, labels: Budget) -> dict[str, Any]:
    """`resolve_warmup` of a run that is called like a warm-up, else `resolve_run`."""
    return (resolve_warmup if run.startswith(WARMUP) else resolve_run)(config, benchmark, run, labels)


def resolve_run(config: Config, benchmark: str, method: str, labels: Budget) -> dict[str, Any]:
    """All that the training of a run depends on, beside its data and its seed: the content of settings.yaml.

    Args:
        config: checked by check_config.
        method: a key of config["methods"], or an implemented one.
        labels: label budget, see tsal.data.labels.

    Returns:
        What tsal.settings.models.Settings reads, complete: benchmark, method, algorithm (the implemented method that
        its bases lead to), labels, scheme, detector and training (with what the preset, then the benchmark, then the
        method override), unlabelled where the algorithm uses unlabelled frames, and options where it has keys of its
        own.

    Raises:
        InputError: there is no such method or benchmark; or settings that do not go together, which would not train.
    """
    found, budget = _resolved(config, benchmark, method), parse_budget(labels)
    training = found.settings.training
    if budget == 0 and (training.pretrained is None or training.warmup_steps or training.steps):
        raise InputError(
            f"methods.{method}: found a label budget of 0 on {benchmark}, expected a larger one, or a method with "
            "training.pretrained, warmup_steps: 0 and steps: 0"
        )
    return {key: budget if key == "labels" else copy.deepcopy(value) for key, value in found.dumped.items()}


def resolve_warmup(config: Config, benchmark: str, warmup: str, labels: Budget) -> dict[str, Any]:
    """All that a warm-up depends on: as resolve_run, without the keys of a method.

    Args:
        warmup: as warmup_name gives it.

    Raises:
        InputError: no method of the config starts from such a warm-up, or there is no such benchmark; or it starts from
            a detector that does not fit.
    """
    if warmup == WARMUP:
        common = of_benchmark(config, benchmark)
    else:
        common = next((common for name, common in _warmups(config, benchmark) if name == warmup), None)
    if common is None:
        raise InputError(f"no method of the config starts from a warm-up {warmup!r}")
    values = {**about_run(benchmark, WARMUP, "supervised"), "labels": parse_budget(labels), **common}
    settings = parse_settings(values, methods.get("supervised").settings, f"{warmup} on {benchmark}")
    if problems := _problems_with_others(config, settings):
        raise InputError("\n".join(f"{'.'.join(path)}: {text} (on {benchmark})" for path, text in problems))
    return _dump(settings)


def _warmups(config: Config, benchmark: str) -> Iterable[tuple[str, dict[str, Any]]]:
    for method in dict.fromkeys((*config["methods"], *methods.names())):
        if not _overrides(config, method):
            continue
        try:
            settings = _resolved(config, benchmark, method).dumped
        except InputError:  # it is not one for this benchmark, so that nothing starts from its warm-up
            continue
        yield warmup_name(config, benchmark, method), {part: settings[part] for part in ("detector", "training")}


def _overrides(config: Config, method: str) -> bool:
    """Whether a method can have a warm-up of its own."""
    return any(key in entry for entry in entries_of(config, method) for key in ("preset", "detector", "training"))


def warmup_name(config: Config, benchmark: str, method: str) -> str:
    """The warm-up that a method starts from: methods with the same detector that train alike share one.

    All training keys count, the number of steps after the warm-up too: the learning rate falls over both.

    Returns:
        "warmup", or "warmup-" and a digest where the method overrides keys of detector or training.
    """
    known = config._warmups if isinstance(config, Configuration) else {}
    if (benchmark, method) not in known:
        known[benchmark, method] = _warmup_name(config, benchmark, method)
    return known[benchmark, method]


def _warmup_name(config: Config, benchmark: str, method: str) -> str:
    settings = _resolved(config, benchmark, method).dumped
    common = {part: settings[part] for part in ("detector", "training")}
    if not _overrides(config, method):
        return WARMUP
    shared = resolve_warmup(config, benchmark, WARMUP, 1.0)
    if common == {part: shared[part] for part in common}:
        return WARMUP
    digest = hashlib.sha256(json.dumps(common, sort_keys=True).encode()).hexdigest()
    return f"{WARMUP}-{digest[:6]}"


def pretraining(config: Config, benchmark: str, warmup: str) -> tuple[str, str] | None:
    """What a warm-up starts from: (benchmark, label budget as in file names) of a supervised run, or (RELEASED, "") for
    the detector that comes with tsal; None for nothing.

    Raises:
        InputError: see resolve_warmup.
    """
    source = resolve_warmup(config, benchmark, warmup, 1.0)["training"]["pretrained"]
    if source is None:
        return None
    if source == RELEASED:
        return RELEASED, ""
    everything = next((labels for labels in config["labels"] if labels == 1), 1)
    return datasets.get(source).name, str(everything)


def tracker_of(config: Config, benchmark: str, method: str) -> str | None:
    """The tracker whose optical flow a method trains on; None where it uses none, or has no videos to use it on."""
    settings = _resolved(config, benchmark, method).settings
    tracker = methods.get(settings.algorithm).tracker(settings.options)
    return tracker if datasets.get(pool_of(config, benchmark, method)).has_clips else None


def adapts_flow(config: Config, benchmark: str, method: str) -> bool:
    """Whether a method trains the network of its tracker further, and so has to be given it."""
    settings = _resolved(config, benchmark, method).settings
    adapts = methods.get(settings.algorithm).adapts_flow(settings.options)
    return adapts and tracker_of(config, benchmark, method) is not None


def pool_of(config: Config, benchmark: str, method: str) -> str:
    """The benchmark whose training frames a method takes as unlabelled ones."""
    if not methods.get(bases(config, method)[0]).uses_unlabelled:
        return benchmark
    _, own = merged_options(config, method)
    return unlabelled_of(config, preset_name(config, benchmark, method), own)["pool"] or benchmark


def option_of(config: Config, method: str, name: str) -> Any:
    """The value of a key of a method's own, such as `ema_decay`, or of `unlabelled`; None where it has none such."""
    algorithm = methods.get(bases(config, method)[0])
    options, unlabelled = merged_options(config, method)
    if name in UNLABELLED and algorithm.uses_unlabelled:
        return {**config["unlabelled"], **unlabelled}[UNLABELLED[name]]
    field = algorithm.settings.model_fields.get(name)
    return options.get(name, field.default) if field else None


def geometry_of(config: Config, benchmark: str, run: str) -> str:
    """The name of the crops that a method or warm-up works on: input, expansion and margin, as "96px_0.2_1.33"."""
    detector = resolve(config, benchmark, run, 1.0)["detector"]
    return f"{detector['input_px']}px_{detector['expand']}_{detector['margin']}"


def measures_signals(config: Config, benchmark: str, method: str) -> bool:
    """Whether a method measures the noise of supervision signals while it trains: on frames without labels."""
    settings = _resolved(config, benchmark, method).settings
    hidden = any(budget != 1 for budget in labels_of(config, benchmark)) or settings.unlabelled.pool
    measures = methods.get(settings.algorithm).measures_signals(settings.options)
    return measures and settings.training.probe > 0 and bool(hidden)


def labels_of(config: Config, benchmark: str) -> list[Budget]:
    """The label budgets of a benchmark's table."""
    section = config["benchmarks"].get(benchmark, {})
    return section.get(OWN_LABELS if "reader" in section else "labels") or config["labels"]


def settings_problems(config: Config, benchmark: str, method: str) -> list[Problem]:
    """Why the settings that follow for a method on a benchmark would not train, by key as in settings.yaml."""
    values = merged_settings(config, benchmark, method)
    algorithm, options = methods.get(values["algorithm"]), values.pop("options")
    problems = problems_of(algorithm.settings, options, ("options",)) + problems_of(Settings, values)
    if problems:
        return problems
    settings = parse_settings({**values, "options": options}, algorithm.settings, method)
    if problems := _cost_problems(config, benchmark, method, settings):
        return problems
    problems = [(tuple(key.split(".")), text) for key, text in algorithm.check(settings)]
    mirror_shift = mirror_shift_of(scheme_of(settings.scheme), settings.training.augmentation)
    if settings.flip_test and mirror_shift is None:
        problems.append((("flip_test",), "found true for a method that mirrors no face in training; leave it out"))
    likelihood = settings.training.loss.likelihood
    if likelihood and settings.detector.heatmaps != "distribution":
        text = (
            f"found {show(likelihood)}, which is of distributions, with regressed heatmaps ({settings.detector.name})"
        )
        problems.append((("training", "loss", "likelihood"), f"{text}; expected 0"))
    return problems + _problems_with_others(config, settings)


def _problems_with_others(config: Config, settings: Settings) -> list[Problem]:
    """Other benchmarks that a run takes frames or weights from, and whose landmarks or detector do not fit."""
    problems: list[Problem] = []
    pool, source = settings.unlabelled.pool, settings.training.pretrained
    for path, name in ((("unlabelled", "pool"), pool), (("training", "pretrained"), source)):
        if name and (text := other_landmarks(settings.benchmark, name)):
            problems.append((path, text))
    if source and not problems:
        released = source == RELEASED
        theirs = (released_about() if released else merged_settings(config, source, "supervised"))["detector"]
        for key, own in settings.detector.architecture.items():
            if theirs[key] != own:
                text = f"found {show(own)}, expected {show(theirs[key])}, as of the detector of {source} to start from"
                problems.append((("detector", key), text))
    return problems


def _cost_of(config: Config, method: str) -> str | None:
    """The method whose cost a method is given: its own `cost_of`, or that of the nearest of its bases."""
    return next((entry["cost_of"] for entry in entries_of(config, method)[::-1] if entry.get("cost_of")), None)


def _cost_problems(config: Config, benchmark: str, method: str, settings: Settings) -> list[Problem]:
    """Why a method cannot be given the cost of the one that it names."""
    other = _cost_of(config, method)
    if other is None:
        return []
    if any("cost_of" in entry and "steps" in entry.get("training", {}) for entry in entries_of(config, method)):
        text = f"found {other} beside training.steps, which follow from it; expected one of the two"
    elif _cost_of(config, other):
        text = f"found {other}, which is given a cost itself; expected a method with steps of its own"
    elif settings_problems(config, benchmark, other):
        text = f"found {other}, whose own settings are wrong; mend these first"
    elif _resolved(config, benchmark, other).settings.detector != settings.detector:
        text = f"found {other}, which has another detector; expected a method with the same"
    elif _steps_at_cost(config, benchmark, other, settings) < 0:
        text = f"found {other}, which costs less than the warm-up alone; expected fewer training.warmup_steps"
    else:
        return []
    return [(("cost_of",), text)]


def _at_cost(config: Config, benchmark: str, method: str, settings: Settings) -> Settings:
    """The settings with as many steps as bring the training, warm-up and all, to the cost of the method named by
    `cost_of`; as they are without.
    """
    other = _cost_of(config, method)
    if other is None:
        return settings
    steps = _steps_at_cost(config, benchmark, other, settings)
    return settings.replace(training=settings.training.replace(steps=steps))


def _steps_at_cost(config: Config, benchmark: str, other: str, settings: Settings) -> int:
    """Steps that bring a training to the cost of another method's; below 0 where its warm-up alone costs more."""
    theirs = _resolved(config, benchmark, other).settings
    cost = warm_up_passes(theirs) + theirs.training.steps * methods.get(theirs.algorithm).passes_a_step(theirs)
    return round((cost - warm_up_passes(settings)) / methods.get(settings.algorithm).passes_a_step(settings))


def other_landmarks(benchmark: str, name: str) -> str:
    """Says that a benchmark that another one takes something from has other landmarks; empty where it has the same."""
    ours = datasets.get(benchmark).landmarks
    theirs = scheme_of(released_about()["scheme"]) if name == RELEASED else datasets.get(name).landmarks
    if ours.same_points(theirs):
        return ""
    return f"found {name}, which has {theirs.name} landmarks, expected a benchmark with {ours.name}, as {benchmark} has"


def _resolved(config: Config, benchmark: str, method: str) -> Resolved:
    known = config._resolved if isinstance(config, Configuration) else {}
    if (benchmark, method) not in known:
        if problems := settings_problems(config, benchmark, method):
            lines = (f"{'.'.join(locate(config, benchmark, method, path))}: {text}" for path, text in problems)
            raise InputError("\n".join(f"{line} (on {benchmark})" for line in dict.fromkeys(lines)))
        values = merged_settings(config, benchmark, method)
        settings = parse_settings(values, methods.get(values["algorithm"]).settings, method)
        settings = _at_cost(config, benchmark, method, settings)
        known[benchmark, method] = Resolved(settings, _dump(settings))
    return known[benchmark, method]


def _dump(settings: Settings) -> dict[str, Any]:
    """In the types of YAML; without sections that its algorithm has no use for, and without a flip test that is none:
    of what was there before these could be asked for nothing changes.
    """
    dumped = settings.model_dump(mode="json")
    if not settings.flip_test:
        del dumped["flip_test"]
    if not methods.get(settings.algorithm).uses_unlabelled or settings.method == WARMUP:
        del dumped["unlabelled"]
    return {key: value for key, value in dumped.items() if key != "options" or value}

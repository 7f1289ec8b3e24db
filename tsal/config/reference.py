"""The reference of all keys of a configuration, from the models that check it: docs/configuration.md."""

from collections.abc import Iterator, Mapping

from pydantic.fields import FieldInfo

from tsal import datasets, methods
from tsal.config import models
from tsal.datasets import readers
from tsal.datasets.own.options import Landmarks, OwnData
from tsal.settings.mistakes import expected_of, show
from tsal.settings.models import DetectorSettings, TrainingSettings, UnlabelledSettings
from tsal.settings.section import Section

_HEAD = "| key | value | default | meaning |\n| --- | --- | --- | --- |"


def configuration_table() -> str:
    """Markdown: for each section a heading and a table of its keys: what they accept, their defaults and meaning."""
    parts = [f"## {title}\n\n{text}{_table(kind, prefix)}" for title, text, kind, prefix in _sections()]
    return "\n\n".join(parts) + "\n"


def _sections() -> Iterator[tuple[str, str, type[Section], str]]:
    """(title, sentence on it, model, what stands before its keys)."""
    yield "The whole", "", models.ConfigFile, ""
    yield "detector", _about(DetectorSettings), DetectorSettings, "detector."
    yield "training", _about(TrainingSettings), TrainingSettings, "training."
    own = "A method overrides these under its own name, `clips` as `unlabelled_clips`.\n\n"
    yield "unlabelled", _about(UnlabelledSettings, own), UnlabelledSettings, "unlabelled."
    text = "What any benchmark can have, beside what is said of its faces; `shards` only where it is rendered, `boxes` "
    text += "only where it is not, and errors are not divided by the size of its boxes.\n\n"
    yield "benchmarks", text, models.EveryBenchmarkEntry, "benchmarks.NAME."
    for name in datasets.names():
        dataset = datasets.get(name)
        if dataset.options.model_fields:
            yield f"benchmarks: {name}", f"{dataset.title}.\n\n", dataset.options, f"benchmarks.{name}."
    text = f"`reader` is one of {', '.join(readers.names())}, see [own_data.md](own_data.md). "
    text += f"Keys of benchmarks are there, too, but `labels` of them, which is `{models.OWN_LABELS}`.\n\n"
    yield "benchmarks: one's own data", text, OwnData, "benchmarks.NAME."
    yield "benchmarks: one's own landmarks", _about(Landmarks), Landmarks, "benchmarks.NAME.landmarks."
    for name in readers.names():
        reader = readers.get(name)
        if reader.options.model_fields:
            yield f"benchmarks: reader {name}", f"{reader.title}.\n\n", reader.options, "benchmarks.NAME."
    yield "methods", _about(models.MethodEntry), models.MethodEntry, "methods.NAME."
    for name in methods.names():
        method = methods.get(name)
        if method.settings.model_fields:
            yield f"methods: {name}", f"{method.title}.\n\n", method.settings, f"methods.{name}."
    yield "presets", _about(models.PresetEntry), models.PresetEntry, "presets.NAME."
    yield "studies", _about(models.StudyEntry), models.StudyEntry, "studies.NAME."
    yield "flow", _about(models.FlowSettings), models.FlowSettings, "flow."
    yield "claims", _about(models.ClaimSettings), models.ClaimSettings, "claims."


def _about(kind: type[Section], more: str = "") -> str:
    return f"{(kind.__doc__ or '').splitlines()[0]} {more}".rstrip() + "\n\n"


def _table(kind: type[Section], prefix: str) -> str:
    return "\n".join([_HEAD, *_rows(kind.model_fields, prefix)])


def _rows(fields: Mapping[str, FieldInfo], prefix: str) -> Iterator[str]:
    for name, field in fields.items():
        if isinstance(field.default, Section):
            if prefix:  # a section within a section
                yield from _rows(type(field.default).model_fields, f"{prefix}{name}.")
            else:
                yield _row(f"`{name}`", "a section", "", f"{(type(field.default).__doc__ or '').splitlines()[0]}")
            continue
        yield _row(f"`{prefix}{name}`", expected_of(field), _default(field), field.description or "")


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "(required)"
    optional = "null" in expected_of(field)
    return "" if field.default is None and not optional else f"`{show(field.default)}`"


def _row(*cells: str) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"

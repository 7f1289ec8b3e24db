"""The keys of a configuration: each is declared here, in settings.models, or in the file of its method or data set."""

import re
from functools import cache
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, create_model

from tsal import datasets, methods
from tsal.data.labels import EXPECTED, parse_budget
from tsal.data.landmarks import BOX
from tsal.datasets.own.options import own_options
from tsal.errors import InputError
from tsal.settings.mistakes import Expected
from tsal.settings.models import SAVE_EVERY, DetectorSettings, TrainingSettings, UnlabelledSettings
from tsal.settings.paths import Folder, as_path, plain, plain_path
from tsal.settings.section import Distinct, Section, partial

NAME = re.compile(r"[a-z][a-z0-9_]{0,99}")  # of a method, preset or study, which become names of files
_BUDGET_TEXT = re.compile(r"[0-9]+(\.[0-9]+)?(e-[0-9]+)?|n[0-9]+|every[0-9]+|first")  # as in names of files


def _title(value: str) -> str:
    """Snakemake's report holds titles within a script, which the start of a tag could end."""
    if re.search("<[a-z/!?]", value, re.IGNORECASE):
        raise ValueError("holds the start of a tag")
    return value


def _notes(value: Any) -> Any:
    """A text, texts by name, or nothing, each as a title."""
    texts = value.values() if isinstance(value, dict) else [] if value is None else [value]
    for text in texts:
        if not isinstance(text, str) or not 0 < len(text) <= 200:
            raise ValueError("is no text of a line")
        plain(_title(text))
    return value


def _no_pattern(value: str | None) -> str | None:
    """What is an input of rules is a pattern to Snakemake, stands in its report, and is no option to a command."""
    if re.search("^-|[{}<]", value):
        raise ValueError("would be read as a pattern")
    return value


def _budget(value: int | float | str) -> int | float | str:
    try:
        if parse_budget(value) != 0 and _BUDGET_TEXT.fullmatch(str(value)):
            return value
    except InputError as error:
        raise ValueError(str(error)) from None
    raise ValueError(EXPECTED)


KeptFolder = Annotated[
    Annotated[str, AfterValidator(plain_path), AfterValidator(_no_pattern)] | None,
    BeforeValidator(as_path),
    Expected("the path of a folder, in one line without {, } and <, and not beginning with -; or null"),
]
LabelBudget = Annotated[int | float | str, AfterValidator(_budget), Expected(EXPECTED)]
Seed = Annotated[int, Field(ge=0)]
Named = Annotated[str, Field(pattern=f"^{NAME.pattern}$"), Expected("a word")]
Title = Annotated[
    str,
    Field(min_length=1, max_length=200),
    AfterValidator(plain),
    AfterValidator(_title),
    Expected("one line of at most 200 characters, with a blank between < and a letter, /, ! or ?"),
]
Notes = Annotated[
    Any,
    BeforeValidator(_notes),
    Expected(
        "null, a text, or {training: TEXT, SUBSET: TEXT}, each text one line of at most 200 characters, with a blank "
        "between < and a letter, /, ! or ?"
    ),
]
Threshold = Annotated[int | float, Field(gt=0, le=100)]
Budgets = Annotated[Distinct[LabelBudget], Field(min_length=1), Expected("a list of label budgets")]
Seeds = Annotated[Distinct[Seed], Field(min_length=1)]
Benchmarks = Annotated[Distinct[str], Expected("a list of benchmarks")]
Methods = Annotated[Distinct[str], Field(min_length=1), Expected("a list of methods")]
# Those that are different.
DetectorKeys, TrainingKeys, UnlabelledKeys = map(partial, (DetectorSettings, TrainingSettings, UnlabelledSettings))


class FlowSettings(Section):
    """Training of optical flow by a network, tracker pwc."""

    steps: int = Field(2500, ge=1, description="of the training, without labels, on the training videos")
    seed: int = Field(0, ge=0, description="of everything random in it")


class ClaimSettings(Section):
    """What `snakemake claims` builds."""

    benchmarks: Annotated[Benchmarks, Field(min_length=1)] = Field(
        (), description="on which the studies are built, of those benchmarks that a study has"
    )
    studies: Annotated[Distinct[str], Field(min_length=1), Expected("a list of studies")] = Field(
        (), description="by name; comparison has to be among them"
    )


class StudyEntry(Section):
    """A comparison of the first method with the others: a table, and a figure where a parameter is swept."""

    title: Title = Field(..., description="of its table and figure")
    methods: Annotated[Distinct[str], Field(min_length=2), Expected("a list of two methods or more")] = Field(
        ..., description="the first is compared with each of the others"
    )
    labels: Budgets = Field(None, description="label budgets (default: those of the benchmark)")
    seeds: Seeds = Field(None, description="(default: those of the configuration)")
    benchmarks: Annotated[Benchmarks, Field(min_length=1)] = Field(
        None, description="on which it is built (default: any)"
    )
    paper: bool = Field(True, description="whether `paper` builds it, on its benchmarks among the paper's")
    parameter: Named = Field(
        None, description="key in which the methods differ: a figure over it, with methods without it as level lines"
    )


class PresetEntry(Section):
    """Keys of detector, training and unlabelled that belong together."""

    detector: DetectorKeys = Field(None, description="keys of `detector` that are different")
    training: TrainingKeys = Field(None, description="keys of `training` that are different")
    unlabelled: UnlabelledKeys = Field(None, description="keys of `unlabelled` that are different")


class AnyBenchmarkEntry(Section):
    """What any benchmark can have, beside what is said of its faces."""

    preset: Named = Field(None, description="one of `presets`, laid over `detector` and `training`")
    labels: Budgets = Field(None, description="of its table, instead of `labels`")
    methods: Methods = Field(None, description="of its table, instead of those that are run")
    score_on: Benchmarks = Field((), description="other benchmarks on whose test faces its detectors are scored too")
    notes: Notes = Field(
        None,
        description="said beside its numbers in every table, figure and caption; that of a subset also wherever its "
        "name stands. Another one makes only these anew",
    )
    detector: DetectorKeys = Field(None, description="keys of `detector` that are different for it")
    training: TrainingKeys = Field(None, description="keys of `training` that are different for it")


class BenchmarkEntry(AnyBenchmarkEntry):
    """What a benchmark can have whose faces come from archives."""

    boxes: Literal["own", datasets.FOUND] = Field(
        "own",
        description="face boxes: the data set's own, or those that the face detector of `tsal find` finds, in training "
        "and tests; a face that it does not find keeps its own",
    )


class RenderedEntry(AnyBenchmarkEntry):
    """What a benchmark can have that is rendered."""

    shards: int = Field(
        4, ge=1, le=1000, description="parts that are rendered side by side; the faces are the same for any number"
    )


class EveryBenchmarkEntry(RenderedEntry, BenchmarkEntry):
    """All keys of all kinds of benchmarks, for the reference."""


OWN_LABELS = "budgets"  # what `labels` of a benchmark is called where `labels` is a file
OwnEntry = create_model(
    "OwnEntry",
    __base__=Section,
    __doc__="What a benchmark of one's own data can have beside what is said of its faces.",
    **{
        OWN_LABELS if key == "labels" else key: (Annotated[field.annotation, *(field.metadata or [None])], field)
        for key, field in AnyBenchmarkEntry.model_fields.items()
    },
)


class MethodEntry(Section):
    """What any method can have, beside its own keys."""

    base: Named = Field(None, description="of a variant: the method that it starts from")
    run: bool = Field(
        True, description="whether `all` builds it; false by default for what files in config/studies define"
    )
    title: Title = Field(None, description="what it is called in the tables of studies")
    preset: Named = Field(None, description="one of `presets`, instead of the benchmark's")
    detector: DetectorKeys = Field(None, description="keys of `detector` that are different for it")
    training: TrainingKeys = Field(None, description="keys of `training` that are different for it")
    cost_of: Named = Field(
        None,
        description="a method that it is to cost as much as, in operations of all steps, those of the warm-up among "
        "them; `training.steps` follows. What is no step is not counted: measurements, and the labelling of the pool "
        "by self-training and STLD",
    )
    flip_test: bool = Field(
        False,
        description="of a variant without other keys: its base, as it is trained, with landmarks that are means over "
        "the face and its mirror image",
    )


class ConfigFile(Section):
    """A whole configuration, but for the entries of benchmarks, methods, presets and studies."""

    raw_dir: Folder = Field(
        "data/raw",
        description="where raw archives lie, as `raw_dir/BENCHMARK/ARCHIVE`; moving them re-runs nothing",
    )
    download: bool = Field(False, description="whether `all` may download raw data that is missing")
    benchmarks: Annotated[dict[str, Any], Field(min_length=1), Expected("a section with at least one benchmark")] = (
        Field(..., description="what `all` builds of it where it is rendered, or its raw data is there")
    )
    labels: Budgets = Field((0.02,), description=f"label budgets: {EXPECTED}")
    seeds: Seeds = Field((0,), description="one run each; a seed chooses the labelled faces and all that is random")
    detector: DetectorSettings = DetectorSettings()
    training: TrainingSettings = TrainingSettings()
    unlabelled: UnlabelledSettings = UnlabelledSettings()
    methods: Annotated[dict[str, Any], Field(min_length=1), Expected("a section with at least one method")] = Field(
        ..., description="what is compared: implemented methods, and variants, which have a base"
    )
    presets: dict[str, Any] = Field({}, description="keys of `detector` and `training` that belong together, by name")
    studies: dict[str, Any] = Field({}, description="comparisons of methods by name, each a table")
    flow: FlowSettings = FlowSettings()
    paper: Benchmarks = Field(
        (), description="benchmarks that `paper` builds and `all` leaves out, since they take a GPU"
    )
    claims: ClaimSettings = ClaimSettings()
    finished: KeptFolder = Field(
        None, description="folder with kept runs: one kept with the settings that it would have is not trained again"
    )
    thresholds: Annotated[Distinct[Threshold], Field(min_length=1)] = Field(
        (8,), description="NME (%) for failure rate and area under the error curve; the first is that of the curves"
    )
    device: Annotated[str, Expected("one of auto, cpu, cuda, cuda:N")] = Field(
        "auto",
        pattern="^(auto|cpu|cuda(:[0-9]+)?)$",
        description="of training and prediction; auto: a GPU if there is one",
    )
    save_every: float = Field(
        SAVE_EVERY, gt=0, description="seconds between saved states of a training, from which it goes on after an end"
    )
    threads: int = Field(
        1,
        ge=1,
        description="CPU threads of a training; for a small detector, trainings side by side gain more than threads",
    )
    gpu: int = Field(0, ge=0, description="GPUs of a training job, each with a process; 0: it asks for none")


TEXTS = ("raw_dir", "finished")  # keys whose values are texts however they look
DEFINITIONS = ("methods", "presets", "studies", "paper", "claims")  # what files in config/studies may have
SECTIONS = ("detector", "training", "unlabelled", "flow", "claims")


@cache
def benchmark_entry(name: str) -> type[Section]:
    """The keys of a built-in benchmark of that name: those of any, and its data set's own.

    Where errors are divided by the size of the data set's own boxes, no others can be taken.
    """
    dataset = datasets.get(name)
    measured = any(dataset.landmarks.normalisers[normaliser] == BOX for normaliser in dataset.normalisers)
    entry = RenderedEntry if dataset.renderer else AnyBenchmarkEntry if measured else BenchmarkEntry
    return _joined("benchmark", partial(dataset.options), entry)


@cache
def own_entry(reader: str) -> type[Section]:
    """The keys of a benchmark of one's own data, whose labels are in a format of that name."""
    return create_model("benchmark", __base__=(own_options(reader), OwnEntry))


FLAT = {"clips": "unlabelled_clips"}  # keys of `unlabelled` that a method overrides by another name


@cache
def own_keys(algorithm: str) -> type[Section]:
    """The keys that an implemented method has besides those of any: its options, and those of `unlabelled`."""
    method = methods.get(algorithm)
    return _joined("own", partial(method.settings), *([_flat_unlabelled()] if method.uses_unlabelled else []))


@cache
def method_entry(algorithm: str) -> type[Section]:
    """The keys of an implemented method and of its variants."""
    return _joined("method", own_keys(algorithm), MethodEntry)


@cache
def _flat_unlabelled() -> type[Section]:
    keys = partial(UnlabelledSettings).model_fields
    fields = {
        FLAT.get(name, name): (Annotated[key.annotation, *(key.metadata or [None])], None) for name, key in keys.items()
    }
    return create_model("unlabelled", __base__=Section, **fields)


def _joined(name: str, *kinds: type[Section]) -> type[Section]:
    """A section with the keys of several, in their order."""
    keys = {key: field for kind in kinds for key, field in kind.model_fields.items()}
    fields = {key: (Annotated[field.annotation, *(field.metadata or [None])], None) for key, field in keys.items()}
    return create_model(name, __base__=Section, **fields)

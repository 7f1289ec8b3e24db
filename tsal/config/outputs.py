"""The tables and figures of a benchmark by name: what each is made of, and what the report says of it.

A file results/{folder}/{benchmark}_{name}.csv or .png is made by one rule for all tables or one for all figures, which
look up here what they need to know.
"""

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from tsal.config.files import Config
from tsal.config.targets import Study, notes_on, study
from tsal.errors import InputError

Runs = Literal["benchmark", "study", "comparison", "claims", "target"]
_NAMED_INPUTS = ("faces", "floor")  # options that name a file
_ON = "on_"
_COST = "cost_"


@dataclass(frozen=True)
class Output:
    """A kind of table or figure.

    Attributes:
        kind: of `tsal table --kind` or `tsal figure`.
        title: what a list of outputs calls it; {title} is that of the study, {target} the other benchmark.
        caption: what it shows; besides, {benchmark} is the benchmark's name, {parameter} what a study sweeps.
        runs: of which runs it is made: of the benchmark's table, of the study of its name, of the comparison that the
            claims are measured on, of all claims, or those scored on the test faces of a target. None: of no run.
        file: what the command is given of each run.
        beside: what it reads of each run beside that, in the same folder.
        warmups: whether the warm-up that all methods share counts as a run.
        images: whether it shows the benchmark's pictures.
        options: what the command is told besides: files (faces, floor) and what the configuration says.
    """

    kind: str
    title: str
    caption: str
    runs: Runs | None
    file: str = "scores.csv"
    beside: str | None = None
    warmups: bool = False
    images: bool = False
    options: tuple[str, ...] = ("faces",)


_STUDY = Output(
    "study",
    "{title}",
    "{title}: NME on the test faces of {benchmark}, with the difference to the first method, its 95 % interval and its "
    "p-value by the paired bootstrap.",
    "study",
    options=("faces", "title", "names", "thresholds", "floor"),
)
_SWEEP = Output(
    "sweep",
    "{title}",
    "NME on the test faces of {benchmark} against {parameter}; points are means over seeds, bars their range.",
    "study",
    options=("parameter", "values"),
)
_OVER_COST = Output(
    "cost",
    "{title}: cost",
    "{title}: NME on the test faces of {benchmark} against the floating-point operations of the training. Runs that "
    "differ in the number of steps alone are a line; points are means over seeds, bars their range.",
    "study",
    options=(),
)
_TARGET = Output(
    "runs",
    "On {target}",
    "NME on the test faces of {target} of detectors that were trained on {benchmark}.",
    "target",
)
_BUDGETS = "NME on the test faces of {benchmark} by method and by how many training faces keep their labels."
_SIGNALS = (
    "Error of each supervision signal, and of the teacher, on unlabelled training frames of {benchmark} whose ground "
    "truth is held back, over training."
)
_JITTER = (
    "Jitter against NME on the test videos of {benchmark}: methods that are accurate and calm lie at the lower left."
)
OUTPUTS: Mapping[str, Mapping[str, Output]] = {
    "tables": {
        "published": Output(
            "published",
            "Published figures",
            "The methods on the test faces of {benchmark} beside the figures that others have published, each with its "
            "source. A figure whose normaliser is unknown, or another one, stands in a column of its own.",
            "study",
            options=(),
        ),
        "categories": Output(
            "categories",
            "Categories",
            "NME, failure rate, area under the error curve and jitter on each subset of {benchmark}, on all landmarks "
            "and on the inner 49.",
            "benchmark",
            beside="scores_49.csv",
            options=("thresholds",),
        ),
        "budgets": Output("budgets", "Label budgets", _BUDGETS, "study", options=("names", "floor")),
    },
    "claims": {
        "nme": Output(
            "runs",
            "NME of all runs",
            "NME on the test faces of {benchmark} of all runs of the study: comparison, ablations and sweeps.",
            "claims",
        ),
        "significance": Output(
            "significance",
            "Significance",
            "Every two methods compared on the same test faces of {benchmark} by the paired bootstrap: `difference` is "
            "the NME of `method` minus that of `reference` in percentage points, with its 95 % interval and p-value "
            "when faces, and (`_people`) when people are resampled. `p_value_holm` is the latter after Holm's "
            "correction for the number of pairs of one subset and label budget, and `better` the method that is better "
            "by it.",
            "comparison",
        ),
        "gap": Output(
            "gap",
            "Gap closed",
            "The share of the way from supervised learning with some labels to that with all labels of {benchmark} "
            "that each method goes without further labels, in percent, with its 95 % interval by the bootstrap over "
            "people and seeds.",
            "comparison",
        ),
        "cost": Output(
            "cost",
            "Cost of training",
            "Seconds a step of training on {benchmark}, medians over runs, and as a multiple of those of supervised "
            "runs of the same labels and seed.",
            "comparison",
            file="log.csv",
            options=(),
        ),
    },
    "figures": {
        "faces": Output(
            "faces",
            "Faces",
            "Training faces of {benchmark}, evenly drawn: every second one with its landmarks (filled: visible; rings: "
            "hidden), then clips, frame by frame.",
            None,
            images=True,
            options=(),
        ),
        "ced": Output(
            "ced",
            "Cumulative error curves",
            "Cumulative error curves on {benchmark}: the share of test faces whose NME is at most x.",
            "benchmark",
            options=("thresholds",),
        ),
        "training": Output(
            "training",
            "NME over training",
            "NME on the validation people of {benchmark} over training. The methods share their warm-up.",
            "benchmark",
            file="log.csv",
            warmups=True,
            options=(),
        ),
        "signals": Output("signals", "Noise of the signals", _SIGNALS, "benchmark", file="log.csv", options=()),
        "overlay": Output(
            "overlay",
            "Test faces",
            "Test faces of {benchmark} with ground truth and predictions: at percentiles of the error, then the worst "
            "of each method.",
            "benchmark",
            file="predictions.csv",
            beside="scores.csv",
            images=True,
        ),
        "budgets": Output("budgets", "Label budgets", _BUDGETS, "study"),
        "trajectory": Output(
            "trajectory",
            "Trajectories",
            "The path of two landmarks through a test video of {benchmark}, true and predicted.",
            "benchmark",
            file="predictions.csv",
            beside="scores.csv",
        ),
        "jitter": Output("jitter", "Jitter", _JITTER, "benchmark", options=()),
        "claim_budgets": Output("budgets", "Label budgets", _BUDGETS, "comparison"),
        "claim_signals": Output("signals", "Noise of the signals", _SIGNALS, "comparison", file="log.csv", options=()),
        "claim_jitter": Output("jitter", "Jitter", _JITTER, "comparison", options=()),
    },
}


def output_names(config: Config, folder: str) -> list[str]:
    """The names of the outputs of a folder, each as a regular expression: those that are fixed and those of studies.

    Args:
        folder: a key of OUTPUTS.
    """
    studies = [name for name, entry in config["studies"].items() if folder == "tables" or "parameter" in entry]
    costs = [f"{_COST}{name}" for name in config["studies"]]
    others = {"tables": [*studies, f"{_ON}[a-z0-9]+"], "figures": [*studies, *costs], "claims": []}
    return list(dict.fromkeys([*OUTPUTS[folder], *others[folder]]))


def find_output(studies: Collection[str], folder: str, name: str) -> Output:
    """What an output is.

    Args:
        studies: those of the configuration.
        folder, name: of results/{folder}/{benchmark}_{name}.csv or .png.

    Raises:
        InputError: there is none of that name.
    """
    if name in OUTPUTS[folder]:
        return OUTPUTS[folder][name]
    if folder == "tables" and name.startswith(_ON):
        return _TARGET
    if folder == "figures" and name not in studies and study_of(studies, name) in studies:
        return _OVER_COST
    if folder == "claims" or name not in studies:
        raise InputError(f"results/{folder}/..._{name}: unknown; expected one of {', '.join(OUTPUTS[folder])}")
    return _STUDY if folder == "tables" else _SWEEP


def study_of(studies: Collection[str], name: str) -> str:
    """The study that a table or figure of its name, or the figure cost_{study}, shows."""
    return name if name in studies else name.removeprefix(_COST)


def target_of(name: str) -> str:
    """The other benchmark on whose test faces the runs of a table on_{target} are scored."""
    return name.removeprefix(_ON)


def named_inputs(output: Output) -> list[str]:
    """The options of an output that name a file."""
    return [option for option in output.options if option in _NAMED_INPUTS]


def as_words(options: Mapping[str, Any]) -> list[str]:
    """Options of a command as words, which a rule quotes one by one, `{params.name:q}`.

    Args:
        options: name -> value, or values of an option that takes several; those of None or no values are left out.
    """
    words = []
    for name, value in options.items():
        values = [str(each) for each in ([value] if isinstance(value, (str, int, float)) else value or ())]
        if values and values[0].startswith("-"):  # which by itself would be read as another option
            words += [f"--{name}={values[0]}", *values[1:]]
        elif values:
            words += [f"--{name}", *values]
    return words


def output_options(config: Config, benchmark: str, output: Output, name: str) -> list[str]:
    """What the command of an output is told by the configuration, as words.

    Raises:
        InputError: the config has no study of that name, where the output is made of one.
    """
    found = study(config, benchmark, study_of(config["studies"], name)) if output.runs == "study" else None
    own = [option for option in output.options if option not in _NAMED_INPUTS]
    notes = notes_on(config, benchmark, target_of(name) if output.runs == "target" else None)
    return as_words({**{option: _value(config, found, option) for option in own}, "notes": notes_as_option(notes)})


def notes_as_option(notes: Mapping[str, Any]) -> str | None:
    """Notes, as notes_on has them, as the option of a command; None where there are none."""
    return json.dumps(notes, ensure_ascii=False) if any(notes.values()) else None


def _value(config: Config, found: Study | None, option: str) -> Any:
    if option == "thresholds":
        return config["thresholds"]
    assert found is not None, f"{option} is an option of studies alone"
    in_order = {"names": found.methods, "values": found.values}
    return json.dumps(in_order[option], ensure_ascii=False) if option in in_order else getattr(found, option)


def in_words(config: Config, benchmark: str, output: Output, name: str) -> tuple[str, str]:
    """(title, caption) of an output of a benchmark; the title is text, the caption reStructuredText."""
    entry = config["studies"].get(study_of(config["studies"], name), {})
    words = {"benchmark": benchmark, "target": target_of(name)}
    words |= {"title": entry.get("title", name), "parameter": entry.get("parameter", "")}
    said = notes_on(config, benchmark, words["target"] if output.runs == "target" else None)["lines"]
    caption = output.caption.format(**{key: in_rst(word) for key, word in words.items()})
    return output.title.format(**words), " ".join([caption, *map(in_rst, said)])


def in_rst(text: str) -> str:
    """A text as reStructuredText that shows it: no mark-up, and no directive, which could include a file."""
    return re.sub(r"([^\w\s]|_)", r"\\\1", text.strip())

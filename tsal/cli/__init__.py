"""The command line: one verb for each step of the workflow, which a person can also run by hand.

Modules that need PyTorch are imported by the verbs that use them, so that light steps stay light.
"""

import argparse
import logging
import os
import signal
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from types import FrameType, TracebackType
from typing import NoReturn

import yaml

from tsal import datasets
from tsal.bounds import LARGEST_SETTING, reason
from tsal.cli.data import add_data_verbs, render
from tsal.cli.detectors import add_detector_verbs
from tsal.cli.media import add_media_verbs
from tsal.cli.outputs import CSV, HTML, SAFETENSORS, YAML, check_outputs
from tsal.cli.plan import add_plan_verbs
from tsal.cli.processes import ENDING, FAILED, USER_ERROR, add_machine, add_processes, interrupted, shared, speaks
from tsal.cli.study import add_notes, add_study_verbs, read_json, with_notes
from tsal.cli.values import number, seed, threads, whole
from tsal.data.landmarks import SCHEMES
from tsal.errors import InputError, disk_full, is_disk_full, is_memory_full, printable
from tsal.files import atomic_path
from tsal.settings.models import SAVE_EVERY
from tsal.synth.shards import round_alike


def settings(arguments: argparse.Namespace) -> None:
    """Write a run's settings, given as JSON, as YAML."""
    values = read_json("--json", arguments.json)
    with atomic_path(arguments.output) as temporary:
        temporary.write_text(yaml.safe_dump(values, sort_keys=False))


@shared
def train_flow(arguments: argparse.Namespace) -> None:
    """Train the network of tracker pwc, without labels, on the clips of a store."""
    from tsal.data.crops import open_crops
    from tsal.training import flow as training

    training.train_flow(
        open_crops(arguments.crops.parent, arguments.crops.stem),
        arguments.output,
        arguments.log,
        seed=arguments.seed,
        steps=arguments.steps or training.STEPS,
        device=arguments.device,
        threads=arguments.threads,
        save_every=arguments.save_every,
    )


@shared
def warmup(arguments: argparse.Namespace) -> None:
    """Train the supervised start that all methods share."""
    from tsal import methods
    from tsal.methods import common
    from tsal.training.train import train_warm_up

    train_warm_up(
        common.warm_up,
        methods.read_settings(arguments.settings),
        arguments.crops,
        arguments.output,
        arguments.log,
        arguments.seed,
        arguments.threads,
        arguments.device,
        arguments.pretrained,
        arguments.save_every,
    )


@shared
def train(arguments: argparse.Namespace) -> None:
    """Train a method from the warm-up; a killed run goes on where it was."""
    from tsal import methods
    from tsal.training.train import train_method

    settings = methods.read_settings(arguments.settings)
    train_method(
        methods.get(settings.algorithm),
        settings,
        arguments.warmup,
        arguments.crops,
        arguments.pool,
        arguments.flow,
        arguments.flow_network,
        arguments.output,
        arguments.log,
        arguments.seed,
        arguments.threads,
        arguments.device,
        arguments.save_every,
    )


def score(arguments: argparse.Namespace) -> None:
    """Score predictions against the truth of a face table."""
    from tsal.evaluation.runs import write_scores

    benchmark = datasets.get(arguments.benchmark)
    write_scores(
        arguments.predictions,
        arguments.faces,
        arguments.output,
        scheme=benchmark.landmarks,
        normalisers=arguments.normaliser or benchmark.normalisers,
        is_video=benchmark.is_video,
        subsets=benchmark.subsets,
        points=arguments.points,
    )


@with_notes
def floor(arguments: argparse.Namespace) -> None:
    """Measure the noise of a benchmark's labels on neighbouring frames: a floor under the error of any detector."""
    from tsal.data.crops import open_crops
    from tsal.evaluation.label_noise import label_differences, noise_floors
    from tsal.flow.storage import open_flow
    from tsal.tables import write_floor
    from tsal.training.machine import be_deterministic

    be_deterministic(0, arguments.threads)
    benchmark = datasets.get(arguments.benchmark)
    scheme, normaliser = benchmark.landmarks, benchmark.normalisers[0]
    store = open_crops(arguments.crops.parent, arguments.crops.stem)
    differences = label_differences(store, open_flow(arguments.flow, store), scheme, normaliser)
    write_floor(benchmark.name, normaliser, noise_floors(differences, scheme), arguments.output)


def report(arguments: argparse.Namespace) -> None:
    """Put tables, figures and configuration on one HTML page."""
    from tsal.report.page import write_report
    from tsal.tables.notes import parse_notes

    by_benchmark = read_json("--notes", arguments.notes) if arguments.notes else {}
    notes = {name: parse_notes(values, f"--notes: {name}") for name, values in by_benchmark.items()}
    write_report(arguments.output, arguments.inputs, notes)


class _Parser(argparse.ArgumentParser):
    """Shows control characters of a wrong argument."""

    def exit(self, status: int = 0, message: str | None = None) -> NoReturn:
        super().exit(status, message and printable(message))


def parser() -> argparse.ArgumentParser:
    """The command line of all verbs."""
    top = _Parser(prog="tsal", description=__doc__.splitlines()[0])
    verbs = top.add_subparsers(dest="verb", required=True, metavar="VERB")

    def verb(function, output: bool = True, suffixes: Sequence[str] = ()) -> argparse.ArgumentParser:
        line = function.__doc__.splitlines()[0]
        added = verbs.add_parser(function.__name__.replace("_", "-"), help=line, description=line)
        added.set_defaults(run=function, suffixes=suffixes)
        if output:
            added.add_argument("-o", "--output", type=Path, required=True, metavar="FILE")
        return added

    verb(settings, suffixes=YAML).add_argument("--json", required=True, help="the settings, one JSON object")
    add_data_verbs(verb)
    added = verb(train_flow, suffixes=SAFETENSORS)
    added.add_argument("crops", type=Path, help="CROPS/train.json")
    added.add_argument("--steps", type=whole(1))
    added.add_argument("--seed", type=seed, required=True)
    added.add_argument("--log", type=Path, required=True, help="log.csv to write")
    add_machine(added)
    add_processes(added)
    _saving_argument(added)
    for function in (warmup, train):
        _training_arguments(verb(function, suffixes=SAFETENSORS), function is train)
    add_detector_verbs(verb)
    added = verb(score, suffixes=CSV)
    added.add_argument("predictions", type=Path)
    added.add_argument("--faces", type=Path, required=True)
    added.add_argument("--benchmark", required=True)
    added.add_argument("--normaliser", nargs="+", metavar="NAME", help="of the landmarks (default: the benchmark's)")
    added.add_argument("--points", choices=list(SCHEMES), help="only these landmarks, such as 51: no jaw line")
    added = verb(floor, suffixes=CSV)
    added.add_argument("crops", type=Path, help="CROPS/train.json, of labelled clips")
    added.add_argument("--flow", type=Path, required=True, help="their flow, by `tsal flow`")
    added.add_argument("--benchmark", required=True)
    added.add_argument("--threads", type=threads)
    add_notes(added)
    add_study_verbs(verb)
    add_plan_verbs(verb)
    add_media_verbs(verb)
    added = verb(report, suffixes=HTML)
    added.add_argument("inputs", type=Path, nargs="+", help="tables, figures and settings")
    added.add_argument("--notes", help="JSON: by benchmark, the notes that its tables and figures were made with")
    return top


def _training_arguments(verb: argparse.ArgumentParser, method: bool) -> None:
    verb.add_argument("--settings", type=Path, required=True, help="the run's settings.yaml")
    verb.add_argument("--crops", type=Path, required=True, help="folder of the packed crops")
    if method:
        verb.add_argument("--warmup", type=Path, required=True, help="state that the warm-up left")
        verb.add_argument("--pool", type=Path, help="folder of the crops of the unlabelled frames, if not --crops")
        verb.add_argument("--flow", type=Path, help="flow of the unlabelled frames, where the method tracks")
        verb.add_argument("--flow-network", type=Path, help="network of the tracker, where the method adapts it")
    else:
        verb.add_argument("--pretrained", type=Path, help="checkpoint of the detector to start from")
    verb.add_argument("--seed", type=seed, required=True)
    add_machine(verb)
    add_processes(verb)
    _saving_argument(verb)
    verb.add_argument("--log", type=Path, required=True, help="log.csv to write")


def _saving_argument(verb: argparse.ArgumentParser) -> None:
    verb.add_argument(
        "--save-every",
        type=number(0, LARGEST_SETTING),
        default=SAVE_EVERY,
        metavar="SECONDS",
        help=f"between two saved states, from which a run that was ended goes on (default: {SAVE_EVERY:g})",
    )


def _terminate(number: int, frame: FrameType | None) -> None:
    """Let a termination clean up temporary files, as Ctrl-C does; another one is not to end that."""
    for other in ENDING:
        signal.signal(other, signal.SIG_IGN)
    raise KeyboardInterrupt(signal.Signals(number))


def _heed_signals() -> None:
    """SIGTERM ends any verb, also where the shell of a job has it ignored; a hang-up does not after `nohup`."""
    for ending in ENDING:
        if ending == signal.SIGTERM or signal.getsignal(ending) is not signal.SIG_IGN:
            signal.signal(ending, _terminate)


class _Log(logging.Formatter):
    """What is logged names files and members of archives, which others may have named."""

    def format(self, record: logging.LogRecord) -> str:
        return printable(super().format(record))


def _show_error(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    sys.stderr.write(printable("".join(traceback.format_exception(kind, error, trace))))


def _speak() -> None:
    """All that is said is fit for a terminal."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Log("%(message)s"))
    logging.basicConfig(handlers=[handler])
    logging.getLogger("tsal").setLevel(logging.INFO)
    sys.excepthook = _show_error


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb; a user's mistake ends with one message and exit code 2, a signal with 128 and its number."""
    arguments = parser().parse_args(argv)
    arguments.command = list(sys.argv[1:] if argv is None else argv)
    if argv is None and arguments.run is render:  # called by a program, it could only start that one again
        round_alike()
    _speak()
    _heed_signals()
    try:
        check_outputs(arguments)
        code = arguments.run(arguments) or 0
        if sys.stdout is not None:
            sys.stdout.flush()
        return code
    except KeyboardInterrupt as error:
        if speaks():
            _say(f"tsal {arguments.verb}: interrupted; run the same command again to go on")
        return interrupted(error.args[0] if error.args else signal.SIGINT)
    except InputError as error:
        return _fail(arguments, error)
    except BrokenPipeError:  # who was told wanted to hear no more, such as `head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 128 + signal.SIGPIPE
    except OSError as error:
        if is_disk_full(error):
            return _fail(arguments, disk_full(error.filename or getattr(arguments, "output", "output")))
        if error.errno is None:
            raise
        return _fail(arguments, f"{error.filename or getattr(arguments, 'output', 'output')}: {error.strerror}")
    except Exception as error:
        if is_memory_full(error):
            return _fail(
                arguments, f"found no more memory ({reason(error)}); expected less data, input, batch or width"
            )
        if speaks():
            raise
        return FAILED


def _fail(arguments: argparse.Namespace, error: object) -> int:
    if speaks():
        _say(f"tsal {arguments.verb}: error: {error}")
    return USER_ERROR


def _say(text: str) -> None:
    """Tell the user; where the terminal is closed, nobody."""
    try:
        print(printable(text), file=sys.stderr, flush=True)
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # what is left to be written would else be the exit code

"""The command line: one verb for each step of the workflow, which a person can also run by hand.

Modules that need PyTorch are imported by the verbs that use them, so that light steps stay light.
"""

import argparse
import json
import logging
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

import yaml

from tsal import benchmarks
from tsal.errors import InputError, disk_full, is_disk_full
from tsal.faces import read_faces
from tsal.files import atomic_path
from tsal.landmarks import SCHEMES

USER_ERROR, INTERRUPTED = 2, 130
_RAW_DIR = "holds <benchmark>/<archive>"


def settings(arguments: argparse.Namespace) -> None:
    """Write a run's settings, given as JSON, as YAML."""
    try:
        values = json.loads(arguments.json)
    except json.JSONDecodeError as error:
        raise InputError(f"--json: found no JSON ({error}); expected the settings as one JSON object") from error
    with atomic_path(arguments.output) as temporary:
        temporary.write_text(yaml.safe_dump(values, sort_keys=False))


def download(arguments: argparse.Namespace) -> None:
    """Download a benchmark's archive into raw_dir, where its owners give a plain address."""
    print(benchmarks.get(arguments.benchmark).download(arguments.raw_dir))


def render(arguments: argparse.Namespace) -> None:
    """Render one shard of a benchmark that is rendered."""
    benchmark = benchmarks.get(arguments.benchmark)
    benchmark.render(arguments.settings, arguments.shard, arguments.shards, arguments.output)


def index(arguments: argparse.Namespace) -> None:
    """Turn a benchmark's raw data, or the shards that were rendered, into a table of faces."""
    benchmark = benchmarks.get(arguments.benchmark)
    if arguments.shards:
        benchmark.index_shards(arguments.shards, arguments.images, arguments.output)
        return
    benchmark.index(arguments.raw_dir, arguments.images, arguments.output, arguments.max_people)


def crop(arguments: argparse.Namespace) -> None:
    """Cut the faces of one split out of their images into a packed store."""
    from tsal.crops import write_crops

    faces = read_faces(arguments.faces)
    write_crops(
        faces[faces["split"] == arguments.split],
        arguments.output,
        input_px=arguments.input_px,
        expand=arguments.expand,
        margin=arguments.margin,
        workers=arguments.threads,
    )


def flow(arguments: argparse.Namespace) -> None:
    """Compute the optical flow between neighbouring frames of the clips of a store."""
    from tsal.crops import open_crops
    from tsal.flow import write_flow

    store = open_crops(arguments.crops.parent, arguments.crops.stem)
    write_flow(store, arguments.output, arguments.tracker, arguments.threads or os.cpu_count() or 1)


def warmup(arguments: argparse.Namespace) -> None:
    """Train the supervised start that all methods share."""
    from tsal.settings import read_settings
    from tsal.train import train_warm_up
    from tsal.training_run import choose_device

    train_warm_up(
        read_settings(arguments.settings),
        arguments.crops,
        arguments.output,
        arguments.log,
        arguments.seed,
        arguments.threads,
        choose_device(arguments.device),
        arguments.pretrained,
    )


def train(arguments: argparse.Namespace) -> None:
    """Train a method from the warm-up; a killed run goes on where it was."""
    from tsal.settings import read_settings
    from tsal.train import train_method
    from tsal.training_run import choose_device

    train_method(
        read_settings(arguments.settings),
        arguments.warmup,
        arguments.crops,
        arguments.flow,
        arguments.output,
        arguments.log,
        arguments.seed,
        arguments.threads,
        choose_device(arguments.device),
    )


def predict(arguments: argparse.Namespace) -> None:
    """Find the landmarks of a table of faces, in image pixels."""
    from tsal.predict import load_detector, predict_faces, write_predictions
    from tsal.training_run import be_deterministic, choose_device

    be_deterministic(0, arguments.threads)
    device = choose_device(arguments.device)
    faces = read_faces(arguments.faces, need_points=False)
    if arguments.split is not None:
        faces = faces[faces["split"] == arguments.split]
    write_predictions(predict_faces(load_detector(arguments.checkpoint, device), faces, device), arguments.output)


def score(arguments: argparse.Namespace) -> None:
    """Score predictions against the truth of a face table."""
    from tsal.runs import write_scores

    benchmark = benchmarks.get(arguments.benchmark)
    write_scores(
        arguments.predictions,
        arguments.faces,
        arguments.output,
        scheme=benchmark.scheme,
        normalisers=benchmark.normalisers,
        is_video=benchmark.is_video,
        subsets=benchmark.subsets,
        points=arguments.points,
    )


def table(arguments: argparse.Namespace) -> None:
    """Write a benchmark's table of NME, and whether methods differ significantly."""
    from tsal.tables import write_table

    write_table(arguments.benchmark, arguments.scores, arguments.faces, arguments.output)


def figure(arguments: argparse.Namespace) -> None:
    """Draw a figure of a benchmark as PNG, with a PDF beside it."""
    from tsal import figures
    from tsal.contact_sheet import draw_faces
    from tsal.overlay import draw_overlay

    if arguments.kind == "faces":
        if len(arguments.inputs) != 1:
            raise InputError(f"figure faces: found {len(arguments.inputs)} inputs; expected one face table")
        draw_faces(arguments.inputs[0], arguments.output)
        return
    if arguments.kind == "overlay":
        if arguments.faces is None:
            raise InputError("figure overlay: --faces is missing; expected the face table of the predictions")
        draw_overlay(arguments.inputs, arguments.faces, arguments.output)
        return
    draw = {"ced": figures.draw_ced, "training": figures.draw_training, "signals": figures.draw_signals}
    draw[arguments.kind](arguments.inputs, arguments.output)


def report(arguments: argparse.Namespace) -> None:
    """Put tables, figures and configuration on one HTML page."""
    from tsal.report import write_report

    write_report(arguments.output, arguments.inputs)


def parser() -> argparse.ArgumentParser:
    """The command line of all verbs."""
    top = argparse.ArgumentParser(prog="tsal", description=__doc__.splitlines()[0])
    verbs = top.add_subparsers(dest="verb", required=True, metavar="VERB")

    def verb(function, output: bool = True) -> argparse.ArgumentParser:
        line = function.__doc__.splitlines()[0]
        added = verbs.add_parser(function.__name__, help=line, description=line)
        added.set_defaults(run=function)
        if output:
            added.add_argument("-o", "--output", type=Path, required=True, metavar="FILE")
        return added

    verb(settings).add_argument("--json", required=True, help="the settings, one JSON object")
    added = verb(download, output=False)
    added.add_argument("benchmark")
    added.add_argument("--raw-dir", type=Path, required=True, help=_RAW_DIR)
    added = verb(render)
    added.add_argument("benchmark")
    added.add_argument("--settings", type=Path, required=True, help="index.yaml, which says what to render")
    added.add_argument("--shard", type=int, required=True, help="which one, from 0 on")
    added.add_argument("--shards", type=int, required=True, help="how many there are")
    _index_arguments(verb(index))
    _crop_arguments(verb(crop))
    added = verb(flow)
    added.add_argument("crops", type=Path, help="CROPS/SPLIT.npy")
    added.add_argument("--tracker", default="dis", help="optical flow by name (default: dis)")
    added.add_argument("--threads", type=int)
    for function in (warmup, train):
        _training_arguments(verb(function), function is train)
    _predict_arguments(verb(predict))
    added = verb(score)
    added.add_argument("predictions", type=Path)
    added.add_argument("--faces", type=Path, required=True)
    added.add_argument("--benchmark", required=True)
    added.add_argument("--points", choices=list(SCHEMES), help="only these landmarks, such as 51: no jaw line")
    added = verb(table)
    added.add_argument("scores", type=Path, nargs="+", help="scores.csv of the runs, each in its run's folder")
    added.add_argument("--benchmark", required=True)
    added.add_argument("--faces", type=Path, required=True)
    added = verb(figure)
    added.add_argument("kind", choices=("faces", "ced", "training", "signals", "overlay"))
    added.add_argument(
        "inputs", type=Path, nargs="+", help="scores.csv, log.csv or predictions.csv of the runs; face table (faces)"
    )
    added.add_argument("--faces", type=Path, help="face table (overlay)")
    verb(report).add_argument("inputs", type=Path, nargs="+", help="tables, figures and settings")
    return top


def _index_arguments(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("benchmark")
    source = verb.add_mutually_exclusive_group(required=True)
    source.add_argument("--raw-dir", type=Path, help=_RAW_DIR)
    source.add_argument("--shards", type=Path, nargs="+", metavar="ZIP", help="all shards, of a rendered benchmark")
    verb.add_argument("--images", type=Path, required=True, help="folder to unpack the images into")
    verb.add_argument("--max-people", type=int, help="only the first so many people (with --raw-dir)")


def _crop_arguments(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("faces", type=Path, help="face table")
    verb.add_argument("--split", required=True, choices=("train", "validation", "test"))
    verb.add_argument("--input-px", type=int, required=True, help="side of the network's input")
    verb.add_argument("--expand", type=float, required=True, help="share of the box added on each side")
    verb.add_argument("--margin", type=float, required=True, help="stored side over the network's input")
    verb.add_argument("--threads", type=int)


def _training_arguments(verb: argparse.ArgumentParser, method: bool) -> None:
    verb.add_argument("--settings", type=Path, required=True, help="the run's settings.yaml")
    verb.add_argument("--crops", type=Path, required=True, help="folder of the packed crops")
    if method:
        verb.add_argument("--warmup", type=Path, required=True, help="state that the warm-up left")
        verb.add_argument("--flow", type=Path, help="flow of the training crops, where the method tracks")
    else:
        verb.add_argument("--pretrained", type=Path, help="checkpoint of the detector to start from")
    verb.add_argument("--seed", type=int, required=True)
    verb.add_argument("--threads", type=int)
    verb.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1 (default: auto)")
    verb.add_argument("--log", type=Path, required=True, help="log.csv to write")


def _predict_arguments(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("checkpoint", type=Path, help="checkpoint.safetensors")
    verb.add_argument("faces", type=Path, help=".csv or .parquet with image, box_x0, box_y0, box_x1, box_y1")
    verb.add_argument("--split", help="only the faces of this split")
    verb.add_argument("--threads", type=int)
    verb.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1 (default: auto)")


def _terminate(number: int, frame: FrameType | None) -> None:
    """Let a termination clean up temporary files, as Ctrl-C does."""
    raise KeyboardInterrupt


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb; a user's mistake ends with one message and exit code 2, an interruption with 130."""
    arguments = parser().parse_args(argv)
    logging.basicConfig(format="%(message)s", stream=sys.stderr)
    logging.getLogger("tsal").setLevel(logging.INFO)
    signal.signal(signal.SIGTERM, _terminate)
    try:
        arguments.run(arguments)
    except KeyboardInterrupt:
        print(f"tsal {arguments.verb}: interrupted; run the same command again to go on", file=sys.stderr)
        return INTERRUPTED
    except InputError as error:
        return _fail(arguments, error)
    except OSError as error:
        if is_disk_full(error):
            return _fail(arguments, disk_full(error.filename or getattr(arguments, "output", "output")))
        if error.filename is None:
            raise
        return _fail(arguments, f"{error.filename}: {error.strerror}")
    return 0


def _fail(arguments: argparse.Namespace, error: object) -> int:
    print(f"tsal {arguments.verb}: error: {error}", file=sys.stderr)
    return USER_ERROR


if __name__ == "__main__":
    sys.exit(main())

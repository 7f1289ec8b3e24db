"""The verbs from raw data to packed crops and their flow.

Like those of `cli`, they import what is heavy only where it is used.
"""

import argparse
import os
from functools import partial
from pathlib import Path

from tsal import datasets
from tsal.bounds import INPUT_PX
from tsal.bounds.texts import read_yaml
from tsal.cli.processes import add_machine
from tsal.cli.study import Verb
from tsal.cli.values import number, threads, whole
from tsal.data.faces import read_faces
from tsal.datasets.own.dataset import OwnDataset, read_recorded
from tsal.errors import InputError
from tsal.flow import needs_network

_RAW_DIR = "holds <benchmark>/<archive>"


def download(arguments: argparse.Namespace) -> None:
    """Download a benchmark's archives into raw_dir, where its owners give plain addresses."""
    benchmark = datasets.get(arguments.benchmark)
    wanted = benchmark.only(arguments.archives) if arguments.archives else benchmark
    print(*wanted.download(arguments.raw_dir), sep="\n")


def render(arguments: argparse.Namespace) -> None:
    """Render one shard of a benchmark that is rendered."""
    benchmark = datasets.get(arguments.benchmark)
    benchmark.render(arguments.settings, arguments.shard, arguments.shards, arguments.output)


def index(arguments: argparse.Namespace) -> None:
    """Turn a benchmark's raw data, the shards that were rendered, or data of one's own, into a table of faces."""
    if arguments.output.suffix != ".parquet":
        raise InputError(f"{arguments.output}: expected a name that ends with .parquet")
    own = read_recorded(arguments.benchmark, arguments.settings) if arguments.settings else None
    benchmark = own or datasets.get(arguments.benchmark)
    if arguments.shards:
        benchmark.index_shards(arguments.shards, arguments.images, arguments.output)
        return
    settings = _read_yaml(arguments.settings) if arguments.settings else {}
    add = partial(_add_videos, arguments, benchmark) if isinstance(benchmark, OwnDataset) else None
    if settings.get("boxes") == datasets.FOUND:
        add = _take_found_boxes
    benchmark.index(arguments.raw_dir, arguments.images, arguments.output, settings.get("options", {}), add)


def _take_found_boxes(table: Path) -> None:
    """Give the faces of a table the boxes that the default face detector finds."""
    from tsal import face_detectors
    from tsal.face_detectors.tables import take_found_boxes

    take_found_boxes(table, face_detectors.create())


def _add_videos(arguments: argparse.Namespace, benchmark: OwnDataset, table: Path) -> None:
    """Add the faces of one's own videos without labels."""
    if not benchmark.settings.patterns:
        return
    from tsal.tracking.pool import add_videos
    from tsal.training.machine import be_deterministic, choose_device

    be_deterministic(0, arguments.threads)
    add_videos(table, benchmark, choose_device(arguments.device))


def _read_yaml(path: Path) -> dict:
    values = read_yaml(path, "settings in YAML")
    if not isinstance(values, dict) or not isinstance(values.get("options", {}), dict):
        raise InputError(f"{path}: found no section of settings; expected `options` with keys and values")
    return values


def crop(arguments: argparse.Namespace) -> None:
    """Cut the faces of one split out of their images into a packed store."""
    from tsal.data.crops import write_crops

    write_crops(
        read_faces(arguments.faces, split=arguments.split),
        arguments.output,
        input_px=arguments.input_px,
        expand=arguments.expand,
        margin=arguments.margin,
        workers=arguments.threads,
    )


def flow(arguments: argparse.Namespace) -> None:
    """Compute the optical flow between neighbouring frames of the clips of a store."""
    from tsal.data.crops import open_crops
    from tsal.flow.storage import write_flow
    from tsal.training.machine import choose_device, log_machine

    threads = arguments.threads or os.cpu_count() or 1
    device = choose_device(arguments.device if needs_network(arguments.tracker) else "cpu")
    log_machine(device, "float32", threads)
    store = open_crops(arguments.crops.parent, arguments.crops.stem)
    write_flow(store, arguments.output, arguments.tracker, threads, network=arguments.network, device=device)


def add_data_verbs(verb: Verb) -> None:
    """Add the verbs of this module."""
    added = verb(download, output=False)
    added.add_argument("benchmark")
    added.add_argument("--raw-dir", type=Path, required=True, help=_RAW_DIR)
    added.add_argument("--archives", nargs="+", metavar="NAME", help="those that are wanted (default: all)")
    added = verb(render, suffixes=(".zip",))
    added.add_argument("benchmark")
    added.add_argument("--settings", type=Path, required=True, help="index.yaml, which says what to render")
    added.add_argument("--shard", type=whole(), required=True, help="which one, from 0 on")
    added.add_argument("--shards", type=whole(1), required=True, help="how many there are")
    _index_arguments(verb(index))
    _crop_arguments(verb(crop))
    added = verb(flow)
    added.add_argument("crops", type=Path, help="CROPS/SPLIT.json")
    added.add_argument("--tracker", default="dis", help="optical flow by name: dis, pwc (default: dis)")
    added.add_argument("--network", type=Path, help="weights of pwc, by train-flow")
    add_machine(added)


def _index_arguments(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("benchmark")
    source = verb.add_mutually_exclusive_group()
    source.add_argument("--raw-dir", type=Path, help=_RAW_DIR)
    source.add_argument("--shards", type=Path, nargs="+", metavar="ZIP", help="all shards, of a rendered benchmark")
    verb.add_argument("--images", type=Path, required=True, help="folder to unpack the images into")
    verb.add_argument("--settings", type=Path, help="index.yaml, whose `options` say what to take, or all of own data")
    add_machine(verb)


def _crop_arguments(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("faces", type=Path, help="face table")
    verb.add_argument("--split", required=True, choices=("train", "validation", "test"))
    verb.add_argument("--input-px", type=whole(1, INPUT_PX), required=True, help="side of the network's input")
    verb.add_argument("--expand", type=number(0, 2), required=True, help="share of the box added on each side")
    verb.add_argument("--margin", type=number(1, 2), required=True, help="stored side over the network's input")
    verb.add_argument("--threads", type=threads)

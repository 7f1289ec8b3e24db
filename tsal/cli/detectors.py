"""The verbs for trained detectors.

Like those of `cli`, they import what is heavy only where it is used.
"""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from tsal.cli.outputs import CSV, SAFETENSORS
from tsal.cli.processes import add_machine
from tsal.cli.study import Verb
from tsal.cli.values import seed, whole
from tsal.data.faces import read_faces
from tsal.errors import InputError

if TYPE_CHECKING:
    import torch

    from tsal.detectors.predict import LandmarkDetector

CHECKPOINT = "checkpoint.safetensors (default: the detector that comes with tsal)"


def detector_of(arguments: argparse.Namespace) -> tuple["LandmarkDetector", "torch.device"]:
    """The detector that the arguments name, or else the released one, and the device that they name."""
    from tsal.detectors.predict import load_detector
    from tsal.settings.released import released_checkpoint
    from tsal.training.machine import be_deterministic, choose_device

    be_deterministic(0, arguments.threads)
    device = choose_device(arguments.device)
    checkpoint = arguments.checkpoint or released_checkpoint()
    detector = load_detector(checkpoint, device)
    if getattr(arguments, "flip_test", False):
        try:
            detector = detector.with_flip_test()
        except InputError as error:
            raise InputError(f"{checkpoint}: --flip-test: {error}") from error
    return detector, device


def predict(arguments: argparse.Namespace) -> None:
    """Find the landmarks of faces, in image pixels: of a table of faces, or of packed crops."""
    from tsal.data.crops import open_crops
    from tsal.detectors.predict import predict_crops, predict_faces, write_predictions
    from tsal.training.machine import log_machine

    detector, device = detector_of(arguments)
    log_machine(device, detector.network.precision)
    if arguments.faces.suffix == ".json":
        found = predict_crops(detector, open_crops(arguments.faces.parent, arguments.faces.stem), device)
    else:
        found = [predict_faces(detector, read_faces(arguments.faces, need_points=False), device)]
    write_predictions(found, arguments.output)


def release(arguments: argparse.Namespace) -> None:
    """Write a checkpoint in half precision, as the one that comes with tsal."""
    from tsal.detectors.released import release as write

    write(arguments.checkpoint, arguments.output)


def export(arguments: argparse.Namespace) -> None:
    """Write a checkpoint as one ONNX file, from crops to landmarks, which onnxruntime alone can use."""
    from tsal.detectors.export import export as write
    from tsal.settings.released import released_checkpoint

    agreement = write(arguments.checkpoint or released_checkpoint(), arguments.output)
    compared = agreement.landmarks - agreement.unsettled
    print(
        f"{arguments.output}: {arguments.output.stat().st_size / 1e6:.1f} MB; {compared:,} landmarks of random crops "
        f"are within {agreement.px:.1g} px of PyTorch's, their confidences within {agreement.confidence:.1g}"
    )


def suggest(arguments: argparse.Namespace) -> None:
    """Choose the frames of one's own pictures and videos that are worth a label next, for an annotation tool."""
    import torch

    from tsal.config import read_own
    from tsal.suggesting.suggest import suggest as write

    found = {dataset.name: dataset for dataset in read_own(arguments.config)}
    name = arguments.benchmark or next(iter(found))
    if name not in found or (len(found) > 1 and not arguments.benchmark):
        which = f"found {arguments.benchmark!r}, " if arguments.benchmark else ""
        raise InputError(f"--benchmark: {which}expected one of {', '.join(found)}, as {arguments.config} has them")
    detector, device = detector_of(arguments)
    count = write(
        found[name], detector, arguments.number, arguments.output, device, torch.get_num_threads(), arguments.seed
    )
    print(f"{arguments.output}: {count.frames:,} frames, chosen from {count.faces:,} faces without labels")


def add_flip_test(verb: argparse.ArgumentParser) -> None:
    """Add --flip-test, which `detector_of` reads."""
    text = "look at the mirror image of each face too, and take the mean: less error and jitter, twice the work"
    verb.add_argument("--flip-test", action="store_true", help=text)


def add_detector_verbs(verb: Verb) -> None:
    """Add the verbs of this module."""
    added = verb(predict, suffixes=CSV)
    added.add_argument("checkpoint", type=Path, nargs="?", help=CHECKPOINT)
    added.add_argument(
        "faces",
        type=Path,
        help=".csv or .parquet with image (and frame, where it is a video), box_x0, box_y0, box_x1, box_y1; "
        "or packed crops, SPLIT.json",
    )
    add_flip_test(added)
    add_machine(added)
    verb(release, suffixes=SAFETENSORS).add_argument("checkpoint", type=Path, help="checkpoint.safetensors")
    verb(export).add_argument("checkpoint", type=Path, nargs="?", help=CHECKPOINT)
    added = verb(suggest)
    added.add_argument("config", type=Path, help="configuration with a benchmark of one's own data")
    added.add_argument("-n", "--number", type=whole(1, 100_000), default=50, help="how many faces (default: 50)")
    added.add_argument("--checkpoint", type=Path, metavar="FILE", help=CHECKPOINT)
    added.add_argument("--benchmark", help="its name, where there are several")
    added.add_argument("--seed", type=seed, default=0, help="of what is random in the choice (default: 0)")
    add_machine(added)

"""The verbs for pictures and videos of one's own.

Like those of `cli`, they import what is heavy only where it is used.
"""

import argparse
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from tsal.bounds.texts import parse_yaml
from tsal.cli.detectors import CHECKPOINT, add_flip_test, detector_of
from tsal.cli.outputs import HTML, refuse_overwriting
from tsal.cli.processes import add_machine
from tsal.cli.study import Verb
from tsal.cli.values import number, threads, whole
from tsal.errors import InputError
from tsal.files import check_file, temporary_path
from tsal.tracking.smooth import OneEuro

if TYPE_CHECKING:
    from tsal.face_detectors import Finder

_NEAR = {"smallest": 0.15}  # of the picture's height, who sits before a camera is: a search takes a fifth of the time


def find(arguments: argparse.Namespace) -> None:
    """Find the faces of pictures and videos: the table of boxes that predict takes."""
    import cv2

    from tsal.data.faces import table_suffix, write_table
    from tsal.face_detectors.finding import files_in, find_faces

    table_suffix(arguments.output)  # now rather than after the work
    finder = _finder(arguments)
    if arguments.threads:
        cv2.setNumThreads(arguments.threads)
    found = find_faces(finder, files_in(arguments.files), arguments.threads or 1)
    write_table(found, arguments.output)
    without = int(found["confidence"].isna().sum())
    pictures = len(found.drop_duplicates(["image", "frame"]))
    print(
        f"{arguments.output}: {len(found) - without:,} faces in {pictures:,} pictures, {without:,} of them without one"
    )


def track(arguments: argparse.Namespace) -> None:
    """Find and follow the faces of pictures, videos or a camera, and write their landmarks, with a confidence each."""
    if arguments.webcam is None:
        _track_files(arguments)
    else:
        _track_camera(arguments)


def _track_files(arguments: argparse.Namespace) -> None:
    import torch

    from tsal.face_detectors.finding import files_in
    from tsal.tracking.track import track as follow

    if not arguments.files:
        raise InputError("found nothing to track; expected videos, pictures or folders of them, or --webcam")
    files = files_in(arguments.files)
    output = arguments.output or Path(f"{Path(files[0]).stem}_landmarks.csv")
    _check_files(arguments, files, output)  # now rather than after the work
    detector, device = detector_of(arguments)
    with ExitStack() as stack:
        overlay, page = arguments.overlay, None
        if arguments.report:
            from tsal.report.video import VideoReport  # which imports what draws curves

            page = VideoReport(detector.scheme)
            overlay = overlay or stack.enter_context(temporary_path(arguments.report.with_suffix(".mp4")))
        count = follow(
            files,
            detector,
            _finder(arguments),
            device,
            output,
            overlay=overlay,
            threads=torch.get_num_threads(),
            watch=page and page.see,
            **_how(arguments),
        )
        if page:
            page.write(arguments.report, files[0], overlay)
    print(f"{output}: {count.frames:,} pictures or frames, {count.empty:,} without a face; faces: {count.faces:,}")
    for also in filter(None, (arguments.overlay, arguments.report)):
        print(also)


def _track_camera(arguments: argparse.Namespace) -> None:
    from tsal.tracking.camera import open_camera
    from tsal.tracking.formats import check_format
    from tsal.tracking.window import Window

    others = (("files", "files"), ("overlay", "--overlay"), ("report", "--report"))
    if found := [name for key, name in others if getattr(arguments, key)]:
        raise InputError(f"found --webcam and {found[0]}, expected one of them")
    if arguments.output:
        check_format(arguments.output)
    with Window(f"tsal track --webcam {arguments.webcam}") as window, open_camera(arguments.webcam) as camera:
        # Only now what takes seconds to import.
        from tsal.tracking.live import track_camera
        from tsal.tracking.track import locator

        detector, device = detector_of(arguments)
        find, locate = _finder(arguments, _NEAR).find_calibrated, locator(detector, device)
        count = track_camera(camera, window, find, locate, detector.scheme, arguments.output, **_how(arguments))
    print(f"{arguments.output or camera.name}: {count.frames:,} frames, {count.empty:,} without a face")


def _how(arguments: argparse.Namespace) -> dict[str, Any]:
    """How faces are followed, smoothed and written."""
    from tsal.tracking.follow import Following

    return {
        "following": Following(search_every=arguments.search_every, most=arguments.faces),
        "smooth": None if arguments.smooth is None else OneEuro(arguments.smooth),
        "keep_empty": not arguments.skip_empty,
    }


def _check_files(arguments: argparse.Namespace, files: Sequence[str], output: Path) -> None:
    """Refuse what cannot be written of some files.

    Raises:
        InputError: a suffix that does not fit; an output that is an input or another output, or within one; a folder.
    """
    from tsal.tracking.formats import check_format
    from tsal.tracking.overlay import check_overlay
    from tsal.tracking.track import overlays

    check_format(output)
    drawn = overlays(files, arguments.overlay)
    for path, target in zip(files, drawn, strict=True):
        if target is not None:
            check_overlay(target, path)
    if arguments.report:
        _check_report(arguments.report, arguments.overlay, files)
    also = [path for path in (*drawn, arguments.report) if path is not None]
    for path in also:
        check_file(path)
    refuse_overwriting([output, *also], [*files, *filter(None, [arguments.checkpoint])])


def _check_report(report: Path, overlay: Path | None, files: Sequence[str]) -> None:
    """Refuse what no page can be made of.

    Raises:
        InputError: another suffix; several files, or a picture; a drawn video that browsers do not show.
    """
    from tsal.data.video import is_video

    if report.suffix.lower() not in HTML:
        raise InputError(f"{report}: found suffix {report.suffix or 'none'!r}, expected .html")
    if len(files) != 1 or not is_video(files[0]):
        found = f"{len(files):,} files" if len(files) > 1 else f"a picture, {files[0]}"
        raise InputError(f"{report}: found {found}, expected one video, which --report is of")
    if overlay is not None and overlay.suffix.lower() == ".mkv":
        raise InputError(f"{overlay}: browsers do not show .mkv; expected --overlay as .mp4 with --report")


def _finder(arguments: argparse.Namespace, default: Mapping[str, Any] | None = None) -> "Finder":
    """The face detector that the arguments name; without a name the default one, whose keys may begin otherwise."""
    from tsal import face_detectors

    options = _options(arguments.set)
    if arguments.detector is None:
        return face_detectors.create(face_detectors.DEFAULT, {**(default or {}), **options})
    return face_detectors.create(arguments.detector, options)


def _options(texts: Sequence[str]) -> dict:
    """Keys and values of KEY=VALUE."""
    options = {}
    for text in texts:
        key, sign, value = text.partition("=")
        try:
            options[key] = parse_yaml(value)
        except yaml.YAMLError:
            sign = ""
        if not sign or not key:
            raise InputError(f"--set: found {text[:80]!r}, expected KEY=VALUE, such as smallest=0.15")
    return options


def add_media_verbs(verb: Verb) -> None:
    """Add the verbs of this module."""
    _track_arguments(verb(track, output=False))
    added = verb(find)
    added.add_argument("files", type=Path, nargs="+", help="pictures, videos, or folders of them")
    _finder_arguments(added)
    added.add_argument("--threads", type=threads)


def _finder_arguments(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("--detector", help="face detector by name: blazeface, yunet (default: blazeface)")
    verb.add_argument("--set", nargs="+", default=[], metavar="KEY=VALUE", help="keys of the face detector")


def _track_arguments(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("files", type=Path, nargs="*", help="videos, pictures, folders of them, 'a*.png'")
    verb.add_argument(
        "--webcam",
        nargs="?",
        const=0,
        type=whole(0, 99),
        metavar="N",
        help="show landmarks live over the pictures of a camera (default: 0) until q is pressed; -o writes them, too",
    )
    verb.add_argument("--checkpoint", type=Path, metavar="FILE", help=CHECKPOINT)
    verb.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="FILE",
        help="landmarks as .csv, .parquet, .json (COCO), .dlc.csv (DeepLabCut), or .pts (a folder); "
        "default: NAME_landmarks.csv; none of --webcam",
    )
    verb.add_argument(
        "--overlay", type=Path, metavar="FILE", help="video or picture with landmarks drawn; of several files a folder"
    )
    verb.add_argument("--report", type=Path, metavar="FILE.html", help="a page of one video: drawn, and over time")
    verb.add_argument(
        "--smooth",
        nargs="?",
        const=OneEuro.min_cutoff,
        type=number(0.01, 1000),
        metavar="HZ",
        help=f"One Euro filter; cut-off at rest (default: {OneEuro.min_cutoff:g})",
    )
    verb.add_argument("--faces", type=whole(1), help="at most so many in a frame, the largest (default: all)")
    verb.add_argument("--search-every", type=whole(1), default=15, metavar="FRAMES", help="look for new faces so often")
    verb.add_argument("--skip-empty", action="store_true", help="write no rows of frames without a face")
    add_flip_test(verb)
    _finder_arguments(verb)
    add_machine(verb)

"""The verbs for pictures and videos of one's own.

Like those of `cli`, they import what is heavy only where it is used.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import yaml

from tsal.bounds.texts import parse_yaml
from tsal.cli.study import Verb
from tsal.cli.values import threads
from tsal.errors import InputError


def find(arguments: argparse.Namespace) -> None:
    """Find the faces of pictures and videos: the table of boxes that predict takes."""
    import cv2

    from tsal import face_detectors
    from tsal.data.faces import table_suffix, write_table
    from tsal.face_detectors.finding import files_in, find_faces

    table_suffix(arguments.output)  # now rather than after the work
    finder = face_detectors.create(arguments.detector or face_detectors.DEFAULT, _options(arguments.set))
    if arguments.threads:
        cv2.setNumThreads(arguments.threads)
    found = find_faces(finder, files_in(arguments.files), arguments.threads or 1)
    write_table(found, arguments.output)
    without = int(found["confidence"].isna().sum())
    pictures = len(found.drop_duplicates(["image", "frame"]))
    print(
        f"{arguments.output}: {len(found) - without:,} faces in {pictures:,} pictures, {without:,} of them without one"
    )


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
    added = verb(find)
    added.add_argument("files", type=Path, nargs="+", help="pictures, videos, or folders of them")
    added.add_argument("--detector", help="face detector by name: blazeface, yunet (default: blazeface)")
    added.add_argument("--set", nargs="+", default=[], metavar="KEY=VALUE", help="keys of the face detector")
    added.add_argument("--threads", type=threads)

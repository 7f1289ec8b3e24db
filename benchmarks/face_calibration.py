"""Fits the calibration of a face detector: python benchmarks/face_calibration.py RAW_DIR [--rendered N].

RAW_DIR/300w holds the archives of 300W. The pictures are those that train: helen/trainset, lfpw/trainset and afw; with
--rendered also N rendered faces. Prints shift and scale for the detector's file, those that single sets would give,
and what remains between its boxes and the bounds of the landmarks, in the terms of augmentation: shift as a share of
the landmark detector's window, size as a change of its side. `covered` is the share of faces whose rest lies within
what training draws (see config.yaml); below it stand the ranges that a share of the faces needs.

Options of the detector: --set KEY=VALUE, such as --set file=face_detection_yunet_2023mar.onnx.
"""

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import yaml
from faces import TRAINING, faces_of

from tsal import face_detectors
from tsal.data.faces import boxes_of
from tsal.data.pictures import read_image
from tsal.face_detectors.boxes import overlap
from tsal.face_detectors.calibration import fit, spread
from tsal.settings.models import Augmentation, DetectorSettings
from tsal.synth.plan import Shot

SETS = (*TRAINING, "afw/")
SHARES = (0.5, 0.9, 0.95, 0.99)
Pictures = Iterator[tuple[str, np.ndarray, np.ndarray]]  # the set, the picture, and the bounds of its landmarks


def photographs(raw_dir: Path, limit: int | None) -> Pictures:
    with tempfile.TemporaryDirectory() as folder:
        table = faces_of(raw_dir, Path(folder))
        for part in SETS:
            rows = table[table["face"].str.startswith(part)].iloc[:limit]
            for path, box in zip(rows["image"], boxes_of(rows), strict=True):
                yield part.rstrip("/"), read_image(path), box


def rendered(count: int) -> Pictures:
    """Stills of as many people, every fourth with a large pose, occlusion or low light, as `synth` has them."""
    from tsal.synth.scene import render_person  # here, since it needs the extra `synth`

    for person in range(count):
        (still,) = render_person(0, person, [Shot(person, 0, 1, person % 4 == 3)], 160)
        image = cv2.imdecode(np.frombuffer(still.jpegs[0], np.uint8), cv2.IMREAD_COLOR)
        points = still.points[0]
        yield (
            "rendered",
            cv2.cvtColor(image, cv2.COLOR_BGR2RGB),
            np.concatenate([points.min(axis=0), points.max(axis=0)]),
        )


def pairs_of(finder: face_detectors.Finder, pictures: Pictures) -> tuple[dict[str, list], dict[str, int]]:
    """By set: (found box, bounds of the landmarks) of the faces that are found at all, and how many there are."""
    pairs: dict[str, list] = {}
    counts: dict[str, int] = {}
    for part, image, box in pictures:
        counts[part] = counts.get(part, 0) + 1
        boxes, _ = finder.find(image)
        near = overlap(box[None], boxes)[0]
        if near.max(initial=0) > 0.25:
            pairs.setdefault(part, []).append((boxes[near.argmax()], box))
    return pairs, counts


def report(pairs: list, title: str, count: int, calibration: face_detectors.Calibration) -> None:
    """A row of the table: what a set alone would give, and what remains after the calibration of all."""
    found, wanted = (np.array(part) for part in zip(*pairs, strict=True))
    own, drawn = fit(found, wanted), Augmentation()
    rest = spread(calibration.apply(found), wanted, DetectorSettings().expand)
    numbers = [f"{len(pairs) / count:.1%}", *(f"{number:.3f}" for number in (*own.shift, *own.scale))]
    numbers += [f"{rest.shift[:, 0].std():.3f}", f"{rest.shift[:, 1].std():.3f}", f"{rest.size.std():.3f}"]
    print("|", " | ".join([title, str(count), *numbers, f"{rest.covered(drawn.shift, drawn.scale):.1%}"]), "|")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("raw_dir", type=Path, metavar="RAW_DIR")
    options.add_argument("--detector", default=face_detectors.DEFAULT, choices=face_detectors.names())
    options.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE", help="options of the detector")
    options.add_argument("--rendered", type=int, default=0, help="rendered faces besides")
    options.add_argument("--limit", type=int, help="photographs of a set")
    chosen = options.parse_args()
    keys = {key: yaml.safe_load(value) for key, _, value in (pair.partition("=") for pair in chosen.set)}
    finder = face_detectors.create(chosen.detector, keys)
    pairs, counts = pairs_of(finder, photographs(chosen.raw_dir, chosen.limit))
    real = [pair for part in pairs.values() for pair in part]
    calibration = fit(*(np.array(part) for part in zip(*real, strict=True)))
    more, extra = pairs_of(finder, rendered(chosen.rendered))
    print(f"{chosen.detector}, of all photographs: {calibration}\n")
    print("| set | faces | found | shift x | y | scale w | h | rest: sd of shift x | y | of size | covered |")
    print("|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|")
    report(real, "all photographs", sum(counts.values()), calibration)
    for part in {**pairs, **more}:
        report({**pairs, **more}[part], part, {**counts, **extra}[part], calibration)
    found, wanted = (np.array(part) for part in zip(*real, strict=True))
    rest = spread(calibration.apply(found), wanted, DetectorSettings().expand)
    print("\n| of the photographs' faces | largest shift | largest change of size |\n|---:|---:|---:|")
    for share in SHARES:
        shift, size = np.quantile(np.abs(rest.shift).max(axis=1), share), np.quantile(np.abs(rest.size), share)
        print(f"| {share:.0%} | {shift:.3f} | {size:.3f} |")
    drawn = Augmentation()
    print(f"\ntraining draws a shift of -+ {drawn.shift} and a size of 1 -+ {drawn.scale}")


if __name__ == "__main__":
    main()

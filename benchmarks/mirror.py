"""How far the labels of a benchmark lie beside the face: python benchmarks/mirror.py CROPS.

CROPS is a folder of packed crops, data/BENCHMARK/crops/GEOMETRY, of whose training faces alone is measured how far to
the right their labels lie in the picture, as `training.augmentation.mirror_shift` wants it.

- The reference is a detector (default: that of rendered faces, which comes with tsal), run on each crop and on its
  mirror image; both answers are averaged, see tsal/evaluation/label_shift.py.
- Boxes that are bounds of labels are shifted with them. So the detector looks twice, the second time at a window about
  its first answer.
- A set's shift is the mean over its faces without the tenth at either end, of faces that are found at all. `ahead` are
  those that look ahead. Intervals hold 95 % of 1,000 draws of as many persons with replacement.
"""

import argparse
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from tsal.data.augment import View, apply_view, draw_view, from_view
from tsal.data.crops import CropStore, open_crops
from tsal.detectors.predict import BATCH, LandmarkDetector, load_detector
from tsal.evaluation.label_shift import along_the_face, are_found, deviation_with, interval, look_ahead, trimmed_mean
from tsal.settings.models import NO_AUGMENTATION
from tsal.settings.released import released_checkpoint

FEW = (10, 30, 100)  # labelled faces
LEAST = 100  # faces of a set


def symmetric_answers(detector: LandmarkDetector, images: np.ndarray) -> np.ndarray:
    """Landmarks (N, K, 2) in px of crops (N, S, S, 3), which of their mirror images are the mirror images."""
    crops, centre = torch.from_numpy(np.ascontiguousarray(images)), None
    detector.network.eval()
    with torch.inference_mode():
        for _ in range(2):
            points = sum(answers(detector, crops, flip, centre) for flip in (0.0, 1.0)) / 2
            centre = (points.amin(1) + points.amax(1)) / 2
    return points.double().numpy()


def answers(detector: LandmarkDetector, crops: torch.Tensor, flip: float, centre: torch.Tensor | None) -> torch.Tensor:
    """Landmarks (N, K, 2) in px of crops, found in them, or in a mirror, in the window about a centre (N, 2)."""
    input_px, augmentation = detector.settings.input_px, NO_AUGMENTATION.replace(flip=flip)
    view = draw_view(len(crops), crops.shape[1], input_px, augmentation, torch.Generator())
    view = view if centre is None else about(view, centre, input_px)
    output = detector.network(apply_view(crops, view, input_px))
    return from_view(detector.network.decode(output), view, detector.scheme)


def about(view: View, centre: torch.Tensor, input_px: int) -> View:
    """The view moved so that its middle shows a place (N, 2) of each crop."""
    linear = view.matrix[:, :, :2]
    offset = (input_px - 1) / 2 - linear @ centre.unsqueeze(-1)
    return replace(view, matrix=torch.cat([linear, offset], -1))


def sets_of(names: np.ndarray, points: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """Names of sets of faces, and which (N,) are in them: all, the folders that their names begin with, and those that
    look ahead, where the landmarks (N, K, 2) tell.
    """
    yield "all", np.ones(len(names), bool)
    folders, counts = np.unique([name.partition("/")[0] for name in names], return_counts=True)
    for folder in folders[counts >= LEAST]:
        yield folder, np.array([name.startswith(f"{folder}/") for name in names])
    if points.shape[1] == 68:
        yield "ahead", look_ahead(points)


def between(values: np.ndarray, persons: np.ndarray, digits: int) -> str:
    low, high = interval(values, persons)
    return f"{trimmed_mean(values):.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


def say_sets(
    names: np.ndarray, persons: np.ndarray, found: np.ndarray, relative: np.ndarray, share: np.ndarray
) -> None:
    print("| set | faces | persons | % of the eyes' distance | of half of the faces | share of the input |")
    print("|---|---:|---:|---|---|---|")
    for name, chosen in sets_of(names, found):
        x, of = relative[chosen, 0], persons[chosen]
        low, high = np.percentile(x, [25, 75])
        numbers = f"{chosen.sum():,} | {len(set(of)):,} | {between(x, of, 2)} | {low:.2f} to {high:.2f}"
        print(f"| {name} | {numbers} | {between(share[chosen], of, 4)} |")


def say_turned(persons: np.ndarray, found: np.ndarray, relative: np.ndarray) -> None:
    """Print which way labels are shifted on turned faces, if they are."""
    low, high = interval(relative[:, 0], persons)
    if low < 0 < high:
        return
    both = np.concatenate([relative[:, None], found], 1)
    low, high = interval(both, persons, lambda some: along_the_face(some[:, 0], some[:, 1:]))
    along = along_the_face(relative, found)
    print(f"\nAlong the picture 0, along the line of the eyes 1: {along:.2f} ({low:.2f} to {high:.2f})")


def say_few(share: np.ndarray) -> None:
    print("\n| labelled faces | standard deviation of the share of the input |\n|---:|---|")
    for count in (count for count in FEW if count <= len(share)):
        print(f"| {count} | {deviation_with(share, count):.4f} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("crops", type=Path)
    parser.add_argument("--detector", type=Path, help="a checkpoint (default: the detector that comes with tsal)")
    parser.add_argument("--most", type=int, default=5000, help="faces, spread evenly")
    arguments = parser.parse_args()
    detector = load_detector(arguments.detector or released_checkpoint(), torch.device("cpu"))
    store: CropStore = open_crops(arguments.crops, "train")
    rows = np.linspace(0, len(store) - 1, min(len(store), arguments.most)).astype(int)
    batches = (rows[start : start + BATCH] for start in range(0, len(rows), BATCH))
    found = np.concatenate([symmetric_answers(detector, store.images[some]) for some in batches])
    labels, scheme = store.points[rows].astype(np.float64), detector.scheme
    sizes = scheme.distances(next(iter(scheme.normalisers)), labels, store.box[rows])
    good = are_found(labels, found, sizes)
    print(f"{good.sum():,} of {len(good):,} training faces are found\n")
    shifts, found, persons = (labels - found).mean(1)[good], found[good], np.asarray(store.person[rows[good]])
    relative, share = 100 * shifts / sizes[good, None], shifts[:, 0] / store.input_px
    say_sets(np.asarray(store.face[rows[good]]), persons, found, relative, share)
    if scheme.n_points == 68:
        say_turned(persons, found, relative)
    say_few(share)


if __name__ == "__main__":
    main()

"""The way of faces and clips to lightning-pose, and of its landmarks back.

    python peers/lightning_pose/exchange.py export data/ytf/crops/96px_0.2_1.3333333 --labels 0.01 --seed 0 -o FOLDER
    python peers/lightning_pose/exchange.py import points.npy --crops data/ytf/crops/96px_0.2_1.3333333 -o FILE

FOLDER then holds, in lightning-pose's layout, what a run of `tsal` trains on: CollectedData.csv and labelled-data/ (the
faces of the label budget), videos/ (every clip of two frames or more, without labels) and about.json. Images are the
windows of the stored crops that the network sees. FILE, predictions.csv, has what train.py found in packed crops, in
pixels of the images.
"""

import argparse
import json
import sys
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from tsal.data.cropping import apply_affine
from tsal.data.crops import CropStore, open_crops
from tsal.data.faces import point_columns
from tsal.data.labels import labelled_rows, parse_budget
from tsal.errors import InputError
from tsal.files import atomic_path
from tsal.progress import Progress

FRAMES_A_SECOND = 25  # a number that mp4 files need and nothing reads


def export(store: CropStore, labels: str, seed: int, folder: Path) -> None:
    """Write what the label budget shows of the training faces, and all their clips.

    Args:
        store: the training crops.
        labels: a label budget, see tsal.data.labels.
        seed: chooses the labelled faces, as it does for `tsal`.
        folder: a new one; about.json is written last.

    Raises:
        InputError: the folder exists; no budget; a budget without faces; no clip of two consecutive frames, which the
            temporal loss needs.
    """
    if folder.exists():
        raise InputError(f"{folder}: exists already; delete it or name another folder")
    rows, clips = labelled_rows(store, parse_budget(labels), seed), clips_of(store)
    if not len(rows) or not clips:
        found = "no clip of two consecutive frames" if len(rows) else f"no face in the label budget {labels}"
        raise InputError(f"{folder}: {found}; lightning-pose needs labelled faces and clips for its temporal loss")
    for part in ("labelled-data", "videos"):
        (folder / part).mkdir(parents=True)
    files = [f"labelled-data/{row:07d}.png" for row in rows.tolist()]
    for row, file in zip(rows.tolist(), files, strict=True):
        _write(cv2.imwrite(str(folder / file), window(store, row)), folder / file)
    label_table(files, points_of_window(store, rows)).to_csv(folder / "CollectedData.csv")
    with Progress(len(clips), "export", "clip") as progress:
        for clip in clips:
            write_video(folder / f"videos/{clip[0]:07d}.mp4", [window(store, row) for row in clip])
            progress.update()
    about = {"crop_px": store.input_px, "landmarks": store.points.shape[1], "labelled": len(rows)}
    (folder / "about.json").write_text(json.dumps(about))


def clips_of(store: CropStore) -> list[list[int]]:
    """Rows of every unbroken sequence of two or more frames."""
    clips = []
    for first in np.setdiff1d(np.arange(len(store)), store.next).tolist():
        clip = [first]
        while (following := int(store.next[clip[-1]])) >= 0:
            clip.append(following)
        if len(clip) > 1:
            clips.append(clip)
    return clips


def window(store: CropStore, row: int) -> np.ndarray:
    """What the network sees of a stored crop without augmentation: (P, P, 3), uint8 BGR."""
    offset = (store.size - store.input_px) / 2
    shift = np.array([[1.0, 0.0, -offset], [0.0, 1.0, -offset]])
    crop = np.ascontiguousarray(store.images[row][..., ::-1])
    return cv2.warpAffine(crop, shift, (store.input_px,) * 2)


def points_of_window(store: CropStore, rows: np.ndarray) -> np.ndarray:
    """Landmarks (N, K, 2) in px of the window from the corner of its first pixel, as imgaug counts; NaN: unknown."""
    return store.points[rows].astype(np.float64) - (store.size - store.input_px) / 2 + 0.5


def label_table(files: list[str], points: np.ndarray) -> pd.DataFrame:
    """CollectedData.csv: a row an image, columns (scorer, bodyparts, coords)."""
    names = [f"landmark{k}" for k in range(points.shape[1])]
    columns = pd.MultiIndex.from_product([["tsal"], names, ["x", "y"]], names=["scorer", "bodyparts", "coords"])
    return pd.DataFrame(points.reshape(len(points), -1), index=files, columns=columns)


def write_video(path: Path, frames: list[np.ndarray]) -> None:
    """Write frames (H, W, 3), uint8 BGR, as MPEG-4."""
    height, width = frames[0].shape[:2]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"mp4v"), FRAMES_A_SECOND, (width, height))
    _write(writer.isOpened(), path)
    for frame in frames:
        writer.write(frame)
    writer.release()


def _write(succeeded: bool, path: Path) -> None:
    if not succeeded:
        raise InputError(f"{path}: cannot be written; is there space left, and does this OpenCV write it?")


def read_points(path: Path, store: CropStore) -> np.ndarray:
    """Landmarks (N, K, 2) as train.py writes them, one row a crop of the store.

    Raises:
        InputError: unreadable; of other crops or landmarks; not finite; the crops have a margin.
    """
    if store.size != store.input_px:
        raise InputError(f"{path}: test crops of {store.size} px, {store.input_px} expected: crop with --margin 1")
    try:
        points = np.load(path)
    except (OSError, ValueError, EOFError) as error:
        raise InputError(f"{path}: no readable landmarks ({error}); run train.py again") from error
    expected = store.points.shape
    if points.shape != expected or not np.isfinite(points).all():
        found = f"landmarks {points.shape}" if points.shape != expected else "landmarks that are no numbers"
        raise InputError(f"{path}: {found} found, finite ones {expected} expected; run train.py on these crops")
    return points


def predictions(store: CropStore, points: np.ndarray) -> pd.DataFrame:
    """The table that `tsal score` reads.

    Args:
        store: test crops, stored without margin.
        points: (N, K, 2) px of the crops from the corner of the first pixel, as imgaug counts.

    Returns:
        Columns face, x0, y0, x1, y1, ...: image px, pixel centres at integers.
    """
    in_image = apply_affine(store.to_image, points - 0.5)
    table = pd.DataFrame(in_image.reshape(len(store), -1), columns=point_columns(points.shape[1]))
    table.insert(0, "face", np.asarray(store.face))
    return table


def write_predictions(store: CropStore, points: Path, path: Path) -> None:
    table = predictions(store, read_points(points, store))
    with atomic_path(path) as temporary:
        table.to_csv(temporary, index=False, float_format="%.3f")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    out = verbs.add_parser("export", help="write what a run trains on in lightning-pose's layout")
    out.add_argument("crops", type=Path, help="folder with train.json")
    out.add_argument("--labels", required=True, help="label budget, such as 0.01")
    out.add_argument("--seed", type=int, required=True)
    out.add_argument("-o", "--output", type=Path, required=True, help="folder")
    back = verbs.add_parser("import", help="turn landmarks that it found into predictions")
    back.add_argument("points", type=Path, help="landmarks that train.py found: .npy")
    back.add_argument("--crops", type=Path, required=True, help="folder with test.json")
    back.add_argument("-o", "--output", type=Path, required=True, help="predictions.csv")
    arguments = parser.parse_args()
    try:
        if arguments.verb == "export":
            export(open_crops(arguments.crops, "train"), arguments.labels, arguments.seed, arguments.output)
        else:
            write_predictions(open_crops(arguments.crops, "test"), arguments.points, arguments.output)
    except InputError as error:
        sys.exit(f"exchange.py {arguments.verb}: error: {error}")


if __name__ == "__main__":
    main()

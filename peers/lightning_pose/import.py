"""Turn landmarks that lightning-pose found in packed crops into predictions.csv, in pixels of the images.

python peers/lightning_pose/import.py points.npy --crops data/ytf/crops/96px_0.2_1.3333333 -o predictions.csv
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import pandas as pd

from tsal.data.cropping import apply_affine
from tsal.data.crops import CropStore, open_crops
from tsal.data.faces import point_columns
from tsal.errors import InputError
from tsal.files import atomic_path


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
    table.insert(0, "face", store.face)
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("points", type=Path, help="landmarks that train.py found: .npy")
    parser.add_argument("--crops", type=Path, required=True, help="folder with test.npy")
    parser.add_argument("-o", "--output", type=Path, required=True, help="predictions.csv")
    arguments = parser.parse_args()
    try:
        store = open_crops(arguments.crops, "test")
        table = predictions(store, read_points(arguments.points, store))
        with atomic_path(arguments.output) as temporary:
            table.to_csv(temporary, index=False, float_format="%.3f")
    except InputError as error:
        sys.exit(f"import.py: error: {error}")


if __name__ == "__main__":
    main()

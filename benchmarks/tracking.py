"""How noisy the tracking source is: optical flow of a tracker against the exact flow of rendered clips.

    python benchmarks/tracking.py [DATA_DIR] [--tracker dis] [--network FILE] [--split validation]

DATA_DIR is the folder that the workflow leaves, data/synth: shards/*.zip, crops/GEOMETRY/ and, where it is there,
flow/TRACKER/GEOMETRY/SPLIT.npy; otherwise, and where a network is named, the tracker is run on the crops. All is in px
of the stored crops, over all pairs of neighbouring frames. Zero flow, and landmarks that are left, stay at their place
in the crop, which follows the face.

Landmarks of frame t are brought to frame t + 1 in four ways. Left: not at all. Carried: by the flow from t to t + 1.
Warped: to where a flawless detector would see them in frame t warped onto frame t + 1 by the flow back, as the tracking
source does; of all, and of those that pass its round-trip test. Exact: by the exact flow, between the pixels that are
not occluded; a check of the truth, as far as pixels beside a lid or lip do not show something else that moves.
Points of the contour slide over the skin, which no flow can tell.
"""

import argparse
import tempfile
import zipfile
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from tsal.data.augment import sample
from tsal.data.cropping import apply_affine, invert_affine
from tsal.data.crops import CropStore, open_crops
from tsal.data.faces import SPLITS
from tsal.data.landmarks import SCHEMES
from tsal.flow import TRACKERS
from tsal.flow.fields import flow_at, follow, to_tensor
from tsal.flow.storage import open_flow, pairs, write_flow
from tsal.synth.shards import read_flow
from tsal.training.machine import choose_device

NEAR = 2.0  # px from a landmark
STEPS = 20  # of the search for what the flow back brings to a landmark
GROUPS = {
    "contour (0 to 16)": range(17),
    "brows": range(17, 27),
    "nose": range(27, 36),
    "eyes": range(36, 48),
    "mouth": range(48, 68),
    "all but the contour": range(17, 68),
}
MOTIONS = (0, 0.5, 1, 2, 4, np.inf)  # px
WAYS = ("left", "carried", "warped", "exact")


def exact_flows(shards: list[Path], store: CropStore, rows: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """For each pair of frames the flow (H, W, 2) in px of the image, and the pixels (H, W) that it hides."""
    holder = {}
    for path in sorted(shards, key=lambda path: path.stat().st_mtime):
        with zipfile.ZipFile(path) as archive:
            holder |= {Path(name).stem: path for name in archive.namelist() if name.startswith("flow/")}
    opened, flows, occluded = None, None, None
    for row in rows[:, 0]:
        clip = str(store.clip[row])
        if clip != opened:
            opened, (flows, occluded) = clip, read_flow(holder.get(clip, shards), clip)
        yield flows[store.frame[row]], occluded[store.frame[row]]


def compare_pixels(
    store: CropStore, pair: np.ndarray, exact: np.ndarray, occluded: np.ndarray, there: Tensor
) -> tuple[np.ndarray, np.ndarray]:
    """The tracker's flow, at the pixels of the image within the face's box that are not occluded.

    Args:
        there: (1, 2, S / 2, S / 2) the tracker's flow from the first frame to the second.

    Returns:
        (N, 2) end-point errors of the tracker and of zero flow, px of the crop; (N, 2) bool, whether a visible landmark
        of the contour, and one of the others, is near.
    """
    first, second = pair
    x0, y0, x1, y1 = store.box[first]
    rows, columns = np.nonzero(~occluded)
    inside = (columns >= x0) & (columns <= x1) & (rows >= y0) & (rows <= y1)
    rows, columns = rows[inside], columns[inside]
    pixels = np.stack([columns, rows], -1).astype(float)
    places = apply_affine(invert_affine(store.to_image[first]), pixels)
    arrived = apply_affine(invert_affine(store.to_image[second]), pixels + exact[rows, columns])
    truth = arrived - places
    tracked = flow_at(there, torch.from_numpy(places[None]).float())[0].numpy()
    errors = np.stack([np.linalg.norm(tracked - truth, axis=1), np.linalg.norm(truth, axis=1)], 1)
    near = np.zeros((len(places), 2), bool)
    for column, group in enumerate(("contour (0 to 16)", "all but the contour")):
        points = store.points[first][GROUPS[group]][store.visible[first][GROUPS[group]]]
        distance = np.linalg.norm(places[:, None] - points, axis=-1)
        near[:, column] = (distance <= NEAR).any(1)
    return errors, near


def exact_motion(exact: np.ndarray, occluded: np.ndarray, points: np.ndarray) -> np.ndarray:
    """The exact flow (K, 2) at points (K, 2) of the image, bilinear over the pixels that are not occluded, if any."""
    seen = np.where(occluded, np.float32(1e-4), np.float32(1))[..., None]
    weighted = torch.from_numpy(np.concatenate([exact * seen, seen], -1)).permute(2, 0, 1)[None]
    found = sample(weighted, torch.from_numpy(points[None, None]).float())[0, :, 0].T.numpy()
    return found[:, :2] / found[:, 2:]


def compare_landmarks(
    store: CropStore, pair: np.ndarray, exact: np.ndarray, occluded: np.ndarray, there: Tensor, back: Tensor
) -> tuple[np.ndarray, np.ndarray]:
    """Where landmarks of the first frame are brought to in the second.

    Returns:
        (K, 4) errors of WAYS in px of the crop; (K,) bool, whether the landmark passes the round-trip test.
    """
    first, second = pair
    start, truth = (store.points[row].astype(np.float64) for row in (first, second))
    points = torch.from_numpy(start[None]).float()
    carried = points + flow_at(there, points)
    warped = points
    for _ in range(STEPS):
        warped = points - flow_at(back, warped)
    _, _, kept = follow(warped, back, there)
    in_image = apply_affine(store.to_image[first], start)
    moved = apply_affine(invert_affine(store.to_image[second]), in_image + exact_motion(exact, occluded, in_image))
    ways = [start, carried[0].numpy(), warped[0].numpy(), moved]
    return np.stack([np.linalg.norm(way - truth, axis=1) for way in ways], 1), kept[0].numpy()


def both(errors: np.ndarray) -> str:
    """Mean and median; nothing where there is nothing."""
    return f"{errors.mean():.2f} ({np.median(errors):.2f})" if len(errors) else ""


def print_pixels(errors: np.ndarray, near: np.ndarray, tracker: str) -> None:
    print(f"End-point error in px of the crop, mean (median); near: within {NEAR:g} px\n")
    print("| flow | all pixels of the face box | near landmarks 17 to 67 | near the contour |")
    print("|---|---:|---:|---:|")
    for column, name in enumerate((tracker, "zero")):
        of_one = errors[:, column]
        cells = [both(of_one), both(of_one[near[:, 1]]), both(of_one[near[:, 0]])]
        print(f"| {name} | {' | '.join(cells)} |")
    print(f"| pixels | {len(errors):,} | {near[:, 1].sum():,} | {near[:, 0].sum():,} |\n")


def print_landmarks(parts: dict[str, np.ndarray], errors: np.ndarray, kept: np.ndarray, of: str) -> None:
    """A row for each part, which are masks of the landmarks (N, 4) and (N,)."""
    print(f"| {of} | landmarks | left | carried | warped | warped, kept | kept | exact |")
    print("|---|" + "---:|" * 7)
    for name, part in parts.items():
        if not part.any():
            continue
        left, carried, warped, exact = (both(errors[part, way]) for way in range(len(WAYS)))
        passed = both(errors[part & kept, WAYS.index("warped")])
        share = f"{100 * kept[part].mean():.1f} %"
        print(f"| {name} | {part.sum():,} | {left} | {carried} | {warped} | {passed} | {share} | {exact} |")
    print()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data_dir", type=Path, nargs="?", default=Path("data/synth"), help="default data/synth")
    parser.add_argument("--tracker", default="dis", choices=TRACKERS)
    parser.add_argument("--network", type=Path, help="weights of the tracker, where it has a network")
    parser.add_argument("--device", default="cpu", help="of the network: cpu (default), cuda or auto")
    parser.add_argument("--geometry", default="96px_0.2_1.3333333", help="of the crops (default: those of config.yaml)")
    parser.add_argument("--split", default="validation", choices=SPLITS)
    parser.add_argument("--threads", type=int, default=1, help="that the tracker may use (default 1)")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    store = open_crops(arguments.data_dir / "crops" / arguments.geometry, arguments.split)
    shards = sorted((arguments.data_dir / "shards").glob("*of*.zip"))
    rows = pairs(store)
    if not shards or not len(rows):
        parser.error(f"{arguments.data_dir}: no shards, or no clip in split {arguments.split}")
    with tempfile.TemporaryDirectory() as folder:
        stored = arguments.data_dir / "flow" / arguments.tracker / arguments.geometry / f"{arguments.split}.npy"
        if arguments.network or not stored.is_file():
            stored = Path(folder) / "flow.npy"
            ran_on = {"network": arguments.network, "device": choose_device(arguments.device)}
            write_flow(store, stored, arguments.tracker, arguments.threads, **ran_on)
        flow = open_flow(stored, store)
        pixels, landmarks = [], []
        for index, (exact, occluded) in enumerate(exact_flows(shards, store, rows)):
            there, back = to_tensor(flow, [index], torch.device("cpu")).unbind(1)
            pixels.append(compare_pixels(store, rows[index], exact, occluded, there))
            landmarks.append(compare_landmarks(store, rows[index], exact, occluded, there, back))
        del flow
    first, second = rows.T
    print(f"{len(rows):,} pairs of frames of {len(set(store.clip[first]))} clips, {arguments.split}\n")
    print_pixels(*(np.concatenate(part) for part in zip(*pixels, strict=True)), arguments.tracker)

    visible = store.visible[first] & store.visible[second]
    errors, kept = (np.stack(part) for part in zip(*landmarks, strict=True))
    distance = SCHEMES["68"].distances("inter-ocular", store.points[second], store.box[second])
    percent = (100 * errors / distance[:, None, None])[visible]
    motion, number = errors[visible][:, WAYS.index("left")], np.nonzero(visible)[1]
    print("Error of visible landmarks in % of the inter-ocular distance, mean (median)\n")
    groups = {name: np.isin(number, list(group)) for name, group in GROUPS.items()}
    print_landmarks(groups, percent, kept[visible], "group")
    bins = {
        f"{low:g} to {high:g} px" if np.isfinite(high) else f"over {low:g} px": (motion >= low) & (motion < high)
        for low, high in pairwise(MOTIONS)
    }
    inner = groups["all but the contour"]
    print_landmarks(
        {name: part & inner for name, part in bins.items()}, percent, kept[visible], "motion, all but the contour"
    )
    contour = groups["contour (0 to 16)"]
    print_landmarks({name: part & contour for name, part in bins.items()}, percent, kept[visible], "motion, contour")


if __name__ == "__main__":
    main()

"""How fast tracker pwc learns: end-point error on rendered clips of other people, against steps and seconds.

    python benchmarks/flow_training.py [DATA_DIR] [--steps 3000] [--seed 0] [--threads 1] [--out pwc.safetensors]

DATA_DIR is the folder that the workflow leaves, data/synth: shards/*.zip and crops/GEOMETRY/. The network is trained on
the pairs of the training split and measured ten times on some pairs of the validation split, as in tracking.py; DIS and
zero flow are measured on the same. The time of measuring counts in the seconds.
"""

import argparse
import functools
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from tracking import compare_pixels, exact_flows

from tsal.data.crops import CropStore, open_crops
from tsal.flow.pwc import FlowNetwork
from tsal.flow.storage import pairs
from tsal.flow.tracking import open_tracker
from tsal.methods.flow_adaptation import flow_between
from tsal.training.flow import STEPS, train_flow
from tsal.training.machine import choose_device

EVERY = 6  # the validation pairs that are measured
Exact = list[tuple[int, np.ndarray, np.ndarray]]  # index of a pair, its exact flow, and what that hides
Track = Callable[[np.ndarray, np.ndarray], np.ndarray | Tensor]  # as of `Tracker`, of one pair


def measure_flow(store: CropStore, exact: Exact, track: Track) -> dict[str, float]:
    """End-point error in px of a tracker, mean and median, and of zero flow, over the pixels of some pairs."""
    rows, errors = pairs(store), []
    for index, *truth in exact:
        both = torch.as_tensor(track(*(store.images[row][None] for row in rows[index])))
        errors.append(compare_pixels(store, rows[index], *truth, both[:, 0].cpu())[0])
    tracked, zero = np.concatenate(errors).T
    return {"error": float(tracked.mean()), "median": float(np.median(tracked)), "zero": float(zero.mean())}


def track_with(network: FlowNetwork, first: np.ndarray, second: np.ndarray) -> Tensor:
    device = next(network.parameters()).device
    both = flow_between(network, *(torch.from_numpy(images).to(device) for images in (first, second)))
    return torch.stack(both, 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data_dir", type=Path, nargs="?", default=Path("data/synth"), help="default data/synth")
    parser.add_argument("--geometry", default="96px_0.2_1.3333333", help="of the crops (default: those of config.yaml)")
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--out", type=Path, help="keep the network in this .safetensors file, its log beside it")
    arguments = parser.parse_args()
    train, store = (
        open_crops(arguments.data_dir / "crops" / arguments.geometry, split) for split in ("train", "validation")
    )
    shards = sorted((arguments.data_dir / "shards").glob("*of*.zip"))
    exact = [
        (index, *truth) for index, truth in enumerate(exact_flows(shards, store, pairs(store))) if index % EVERY == 0
    ]
    dis = measure_flow(store, exact, open_tracker("dis", None, torch.device("cpu")).track)
    with tempfile.TemporaryDirectory() as folder:
        out = arguments.out or Path(folder) / "pwc.safetensors"
        log = out.with_suffix(".csv")
        train_flow(
            train,
            out,
            log,
            seed=arguments.seed,
            steps=arguments.steps,
            device=choose_device(arguments.device),
            threads=arguments.threads,
            measure=lambda network: measure_flow(store, exact, functools.partial(track_with, network)),
        )
        curve = pd.read_csv(log).dropna(subset=["error"])
    print(f"End-point error in px of the crop, every {EVERY}th pair of the validation split: mean and median")
    print(f"zero flow {dis['zero']:.3f}; dis {dis['error']:.3f} ({dis['median']:.3f})\n")
    print("| steps | seconds | error | median | of dis |")
    print("|---:|---:|---:|---:|---:|")
    for row in curve.itertuples():
        ratio = row.error / dis["error"]
        print(f"| {row.iteration:,} | {row.seconds:.0f} | {row.error:.3f} | {row.median:.3f} | {ratio:.2f} |")


if __name__ == "__main__":
    main()

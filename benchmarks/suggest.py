"""How many labels `tsal suggest` saves: errors after as many labels, chosen by it and at random.

    snakemake --cores 2 data/ytf/crops/96px_0.2_1.3333333/{train,validation,test}.json \\
        --configfile config/few_labels.yaml --config raw_dir=PATH
    python benchmarks/suggest.py ytf --config config/few_labels.yaml -o suggest.csv
    python benchmarks/suggest.py 300w --config config/300w_part.yaml --method supervised_wild_released -o suggest.csv

The training faces of a benchmark are taken as without labels. Some are chosen at random, or by the released detector as
`tsal suggest` chooses them; labels only, from the released detector, is trained on these; and its test faces are
scored. A row of the output is a training; what is there already is not trained again. The table has means over seeds,
and the labels that random choice needs for the error of 100 suggested ones, between the numbers that were measured.
"""

import argparse
import tempfile
from itertools import product
from pathlib import Path
from unittest import mock

import numpy as np
import pandas as pd
import torch

from tsal import config as configuration
from tsal import datasets, methods
from tsal.data.cropping import apply_affine
from tsal.data.crops import CropStore, open_crops
from tsal.data.labels import labelled_places
from tsal.detectors.predict import load_detector, predict_store
from tsal.evaluation.metrics import nme
from tsal.methods import common
from tsal.settings.models import Settings, parse_settings
from tsal.settings.released import released_checkpoint
from tsal.suggesting.choice import choose
from tsal.suggesting.evidence import Evidence, gather_evidence
from tsal.training import batches
from tsal.training.train import train_method, train_warm_up

CPU = torch.device("cpu")
ROOT = Path(__file__).parents[1]
WAYS = ("random", "suggested")
SAVED_AT = 100  # labels


def chosen_rows(way: str, count: int, seed: int, store: CropStore, rows: np.ndarray, evidence: Evidence) -> np.ndarray:
    """Rows of the store, of those in `rows`, that get a label."""
    if way == "random":
        return np.sort(rows[labelled_places([store.face[row] for row in rows], f"n{count}", seed)])
    return np.sort(rows[choose(evidence.disagreement, evidence.features, count, seed)])


def error_of(settings: Settings, crops: Path, rows: np.ndarray, seed: int) -> float:
    """NME in % on the test faces of labels only, from the released detector, with the labels of some rows."""
    with tempfile.TemporaryDirectory() as folder, mock.patch.object(batches, "labelled_rows", lambda *_: rows):
        warm, log, out = Path(folder) / "warm.safetensors", Path(folder) / "log.csv", Path(folder) / "out.safetensors"
        train_warm_up(common.warm_up, settings, crops, warm, log, seed, 1, CPU, released_checkpoint())
        method = methods.get("supervised")
        train_method(method, settings, warm, crops, None, None, None, out, log, seed, 1, CPU)
        detector = load_detector(out, CPU)
    store, dataset = open_crops(crops, "test"), datasets.get(settings.benchmark)
    rows = np.flatnonzero(store.visible.any(1))
    truth = apply_affine(store.to_image[rows], store.points[rows].astype(np.float64))
    distance = dataset.landmarks.distances(dataset.normalisers[0], truth, store.box[rows])
    return float(nme(predict_store(detector, store, rows, CPU), truth, store.visible[rows], distance).mean())


def show(table: pd.DataFrame) -> None:
    for benchmark, rows in table.groupby("benchmark"):
        means = rows.groupby(["labels", "way"])["nme"].agg(["mean", "std", "count"]).unstack()
        print(f"\nNME (%) on {benchmark}, labels only from the released detector\n")
        print("| labels | random | suggested | seeds |\n|---:|---:|---:|---:|")
        for labels, row in means.iterrows():
            cells = [f"{row['mean', way]:.2f} ± {row['std', way]:.2f}" for way in WAYS]
            print(f"| {labels} | {' | '.join(cells)} | {row['count', 'random']:.0f} |")
        mean = means["mean"]
        if SAVED_AT in mean.index:
            wanted, rising = mean.loc[SAVED_AT, "suggested"], np.maximum.accumulate(mean["random"].to_numpy()[::-1])
            needed = np.interp(wanted, rising, np.log(mean.index.to_numpy()[::-1]))
            print(f"\n{SAVED_AT} suggested labels do as well as {np.exp(needed):.0f} random ones.")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("benchmarks", nargs="+")
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--method", default="supervised", help="labels only, or a variant of it (default: supervised)")
    parser.add_argument("--labels", type=int, nargs="+", default=[25, 50, 100, 200])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("-o", "--output", type=Path, required=True)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    config = configuration.read_config([ROOT / "config.yaml", arguments.config], ROOT / "config")
    table = pd.read_csv(arguments.output) if arguments.output.exists() else pd.DataFrame()
    keys = ["benchmark", "way", "labels", "seed"]
    done = set() if table.empty else set(table[keys].itertuples(index=False, name=None))
    for benchmark in arguments.benchmarks:
        values = configuration.resolve_run(config, benchmark, arguments.method, 1.0)
        settings = parse_settings(values, methods.get("supervised").settings, benchmark)
        crops = Path(f"data/{benchmark}/crops") / configuration.geometry_of(config, benchmark, arguments.method)
        store = open_crops(crops, "train")
        rows = np.flatnonzero(store.visible.any(1))
        evidence = gather_evidence(load_detector(released_checkpoint(), CPU), store, rows, CPU)
        for seed, labels, way in product(arguments.seeds, arguments.labels, WAYS):
            if (benchmark, way, labels, seed) not in done:
                error = error_of(settings, crops, chosen_rows(way, labels, seed, store, rows, evidence), seed)
                row = {"benchmark": benchmark, "way": way, "labels": labels, "seed": seed, "nme": round(error, 4)}
                table = pd.concat([table, pd.DataFrame([row])], ignore_index=True)
                table.to_csv(arguments.output, index=False)
    show(table)


if __name__ == "__main__":
    main()

"""Training runs of the methods that TSAL is compared with: they repeat, resume and learn."""

import functools

import numpy as np
import pandas as pd
import pytest
import torch
from archives import ytf_files, ytf_raw_dir
from safetensors.torch import load_file
from trainings import train_method, train_warm_up

from tsal import datasets, methods
from tsal.data.cropping import apply_affine
from tsal.data.crops import open_crops, write_crops
from tsal.data.faces import read_faces
from tsal.data.landmarks import SCHEMES
from tsal.detectors.predict import load_detector, predict_store
from tsal.evaluation.metrics import nme
from tsal.flow.storage import write_flow
from tsal.methods import pseudo_labels, self_training
from tsal.settings.models import parse_settings

CPU = torch.device("cpu")
METHODS = ("self_training", "mean_teacher", "sbr", "stld")
FAST = {"warmup_steps": 4, "steps": 8, "batch": 4, "evaluate_every": 4, "probe": 0, "precision": "float32"}


def settings_of(method, own=None, labels=0.5, input_px=32, **training):
    values = {
        "benchmark": "ytf",
        "method": method,
        "algorithm": method,
        "labels": labels,
        "detector": {"input_px": input_px},
        "training": FAST | training,
    }
    own = {"clips": 2} | ({"rounds": 2} if method == "self_training" else {}) | (own or {})
    shared = {key: own.pop(key) for key in ("clips", "pool_share") if key in own}
    return parse_settings(values | {"unlabelled": shared, "options": own}, methods.get(method).settings, method)


@pytest.fixture(scope="module")
def paths(ytf_tiny, tmp_path_factory):
    """Crops, flow and the finished warm-up. They are shared: read them only."""
    folder = tmp_path_factory.mktemp("start")
    crops, flow, warmup = ytf_tiny / "crops", folder / "flow.json", folder / "warmup.safetensors"
    write_flow(open_crops(crops, "train"), flow, "dis", 1)
    train_warm_up(settings_of("supervised"), crops, warmup, folder / "warmup.csv", 0, None, CPU)
    return crops, flow, warmup


@pytest.fixture(scope="module")
def other_paths(paths, tmp_path_factory):
    """The same with the warm-up of seed 1."""
    folder = tmp_path_factory.mktemp("other_start")
    crops, flow, _ = paths
    warmup = folder / "warmup.safetensors"
    train_warm_up(settings_of("supervised"), crops, warmup, folder / "warmup.csv", 1, None, CPU)
    return crops, flow, warmup


@pytest.fixture(scope="module")
def finished(paths, tmp_path_factory):
    """The checkpoint of a finished run of a method, trained once for all tests. It is shared: read it only."""
    folder = tmp_path_factory.mktemp("finished")
    return functools.cache(lambda method: run(paths, folder / f"{method}.safetensors", settings_of(method)))


def run(paths, out, settings, seed=0):
    crops, flow, warmup = paths
    flow = flow if settings.algorithm == "sbr" else None
    train_method(settings, warmup, crops, None, flow, None, out, out.with_suffix(".csv"), seed, None, CPU)
    return out


@pytest.mark.parametrize("method", METHODS)
def test_the_same_seed_gives_the_same_weights_and_networks_are_measured(tmp_path, paths, finished, method):
    again = run(paths, tmp_path / "again.safetensors", settings_of(method))
    assert again.read_bytes() == finished(method).read_bytes()
    log = pd.read_csv(tmp_path / "again.csv")
    measured = {column for column in log.columns if column.startswith("val_nme_")}
    names = ("student", "teacher") if method == "mean_teacher" else ("raw", "averaged")
    assert measured == {f"val_nme_{name}" for name in names}
    assert np.isfinite(log["loss"]).all() and log.iloc[-1]["iteration"] == 12


@pytest.mark.parametrize("method", METHODS)
def test_the_seed_the_weight_and_the_pool_matter(tmp_path, paths, other_paths, finished, method):
    weights = "shrink_weights" if method == "stld" else "weight"
    variants = {
        "heavy": settings_of(method, {weights: (9.0, 9.0, 9.0) if method == "stld" else 9.0}),
        "small pool": settings_of(method, {"pool_share": 0.3}),
    }
    ends = [run(paths, tmp_path / f"{name}.safetensors", value) for name, value in variants.items()]
    ends += [finished(method), run(other_paths, tmp_path / "other.safetensors", settings_of(method), seed=1)]
    assert len({end.read_bytes() for end in ends}) == 4


def test_self_training_without_pseudo_labels_is_the_supervised_baseline(tmp_path, paths, finished):
    none = run(paths, tmp_path / "none.safetensors", settings_of("self_training", {"pseudo_labels": 0.0}))
    ends = [load_file(path) for path in (none, finished("supervised"))]
    assert all(torch.equal(value, ends[1][name]) for name, value in ends[0].items())


@pytest.mark.parametrize("method", ["self_training", "stld"])
def test_with_all_labels_nothing_is_left_to_be_labelled_and_labels_teach_alone(
    tmp_path, paths, finished, method, monkeypatch
):
    monkeypatch.setattr("tsal.training.batches.TrainingData.hidden_rows", np.empty(0, int))
    all_labels = run(paths, tmp_path / "all.safetensors", settings_of(method))
    ends = [load_file(path) for path in (all_labels, finished("supervised"))]
    assert all(torch.equal(value, ends[1][name]) for name, value in ends[0].items())


# The step to go on from is 9, or 8: each begins a round of one of those that have rounds; 10 is within one.
@pytest.mark.parametrize(
    ("method", "killed_in"),
    [
        *((method, 9) for method in METHODS),
        *((method, step) for method in ("self_training", "stld") for step in (8, 10)),
    ],
)
def test_an_interrupted_run_goes_on_and_ends_with_the_same_weights(
    tmp_path, paths, finished, interrupted, method, killed_in
):
    settings, whole = settings_of(method), finished(method)
    killed = tmp_path / "killed.safetensors"
    with interrupted(killed_in):
        run(paths, killed, settings)
    assert killed.with_name(f"{killed.name}.partial").exists() and not killed.exists()
    assert run(paths, killed, settings).read_bytes() == whole.read_bytes()
    logs = [pd.read_csv(path.with_suffix(".csv")).drop(columns="seconds") for path in (whole, killed)]
    pd.testing.assert_frame_equal(*logs)


def test_the_pool_is_labelled_anew_by_the_averaged_network_once_a_round(tmp_path, paths, monkeypatch):
    labelled, chosen = [], []
    real = pseudo_labels.label_pool

    def spy(detector, data):
        labelled.append(next(detector.parameters()).detach().clone())
        return real(detector, data)

    monkeypatch.setattr(pseudo_labels, "label_pool", spy)
    added_in = self_training.added_in
    monkeypatch.setattr(self_training, "added_in", lambda *given: chosen.append(added_in(*given)) or chosen[-1])
    run(paths, tmp_path / "out.safetensors", settings_of("self_training", {"rounds": 4, "pseudo_labels": 1.0}))
    start = load_file(paths[2])
    assert torch.equal(labelled[0], start["network/averaged/trunk.stem.0.weight"])
    assert len(labelled) == 4 and not torch.equal(labelled[1], labelled[0])
    n = len(chosen[-1])
    assert [len(part) for part in chosen] == [round(n / 4), round(n / 2), round(3 * n / 4), n]


# --- they learn ---


@pytest.fixture(scope="module")
def faces(tmp_path_factory):
    """Crops of 26 drawn people, two clips each, their flow, and a short warm-up with 20 labelled faces."""
    folder = tmp_path_factory.mktemp("faces")
    raw = ytf_raw_dir(folder / "raw", ytf_files(people=26, clips=2))
    datasets.get("ytf").index(raw, folder / "images", folder / "faces.parquet")
    table = read_faces(folder / "faces.parquet")
    for split in ("train", "validation", "test"):
        of_split = table[table["split"] == split]
        write_crops(of_split, folder / "crops" / f"{split}.json", input_px=32, expand=0.2, margin=4 / 3)
    crops, flow, warmup = folder / "crops", folder / "flow.json", folder / "warmup.safetensors"
    write_flow(open_crops(crops, "train"), flow, "dis", 1)
    train_warm_up(learning("supervised"), crops, warmup, folder / "warmup.csv", 0, None, CPU)
    paths = crops, flow, warmup
    return paths, run(paths, folder / "start.safetensors", learning("supervised", steps=0))


def learning(method, steps=60):
    training = {"warmup_steps": 60, "steps": steps, "batch": 8, "evaluate_every": 1000}
    return settings_of(method, {"clips": 2}, labels="n20", input_px=32, **training)


def errors(checkpoint, crops):
    """NME in per cent of each annotated test face."""
    store = open_crops(crops, "test")
    rows = np.flatnonzero(store.visible.any(1))
    found = predict_store(load_detector(checkpoint, CPU), store, rows, CPU)
    truth = apply_affine(store.to_image[rows], store.points[rows].astype(float))
    return nme(found, truth, store.visible[rows], SCHEMES["68"].distances("inter-ocular", truth, store.box[rows]))


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_each_method_beats_its_starting_point(tmp_path, faces, method):
    """By more than three standard errors of the difference, face by face: by chance once in a thousand times."""
    paths, start = faces
    out = run(paths, tmp_path / "out.safetensors", learning(method))
    gained = errors(start, paths[0]) - errors(out, paths[0])
    assert gained.mean() > 3 * gained.std(ddof=1) / np.sqrt(len(gained))

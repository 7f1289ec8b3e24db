"""Training on a GPU: it ends, goes on where it was, is the same each time, and computes what a CPU computes."""

import copy

import pytest
import torch
from safetensors.torch import load_file
from trainings import train_method, train_warm_up, write_settings

from tsal import methods
from tsal.data.crops import open_crops
from tsal.detectors import build
from tsal.detectors.predict import load_detector
from tsal.flow.storage import open_flow, write_flow
from tsal.methods.common import supervised_loss
from tsal.training.batches import TrainingData

CPU, GPU = torch.device("cpu"), torch.device("cuda")
FAST = {"warmup_steps": 4, "steps": 8, "batch": 4, "evaluate_every": 4, "probe": 6, "precision": "float32"}
on_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here")


def read_settings(folder, method, **training):
    unlabelled = {} if method == "supervised" else {"unlabelled": {"clips": 2}}
    path = write_settings(folder, method, detector={"input_px": 32}, training=FAST | training, **unlabelled)
    return methods.read_settings(path)


@pytest.fixture(scope="module")
def paths(ytf_tiny, tmp_path_factory):
    """Crops, flow, and a warm-up that was trained on the GPU. They are shared: read them only."""
    folder = tmp_path_factory.mktemp("gpu")
    crops, flow, warmup = ytf_tiny / "crops", folder / "flow.json", folder / "warmup.safetensors"
    write_flow(open_crops(crops, "train"), flow, "dis", 1)
    train_warm_up(read_settings(folder, "supervised"), crops, warmup, folder / "warmup.csv", 0, None, GPU)
    return crops, flow, warmup


def train(folder, paths, method, name, device=GPU, **training):
    crops, flow, warmup = paths
    settings, out = read_settings(folder, method, **training), folder / name / "checkpoint.safetensors"
    train_method(settings, warmup, crops, None, flow, None, out, out.with_name("log.csv"), 0, None, device)
    return out


@on_gpu
@pytest.mark.parametrize("method", methods.names())
def test_the_same_seed_gives_the_same_weights(tmp_path, paths, method):
    one, two = (train(tmp_path, paths, method, name) for name in ("one", "two"))
    assert one.read_bytes() == two.read_bytes()
    assert all(value.isfinite().all() for value in load_file(one).values())
    assert load_detector(one, CPU).network.trunk  # what a GPU trained predicts anywhere


@on_gpu
@pytest.mark.parametrize("method", ["supervised", "tsal"])
def test_an_interrupted_run_goes_on_and_ends_with_the_same_weights(tmp_path, paths, interrupted, method):
    whole = train(tmp_path, paths, method, "whole")
    with interrupted(9):
        train(tmp_path, paths, method, "killed")
    assert train(tmp_path, paths, method, "killed").read_bytes() == whole.read_bytes()


@on_gpu
def test_a_run_from_a_gpus_warm_up_ends_on_a_cpu(tmp_path, paths):
    assert train(tmp_path, paths, "supervised", "cpu", CPU).exists()


@on_gpu
def test_batches_are_those_of_a_cpu(tmp_path, paths):
    store, settings = open_crops(paths[0], "train"), read_settings(tmp_path, "tsal")
    flow = open_flow(paths[1], store)
    cpu, gpu = (TrainingData(settings, store, flow, 0, device) for device in (CPU, GPU))
    for step in (0, 1, 2, 7):
        labelled = [data.labelled_batch(step) for data in (cpu, gpu)]
        unlabelled = [data.unlabelled_batch(step) for data in (cpu, gpu)]
        for name in ("images", "points", "annotated"):
            one, other = (getattr(batch, name) for batch in labelled)
            torch.testing.assert_close(other.cpu(), one, rtol=1e-4, atol=1e-3)
        for name in ("images", "neighbours", "there", "back", "tracked"):
            one, other = (getattr(batch.frames, name) for batch in unlabelled)
            assert torch.equal(other.cpu(), one)
        torch.testing.assert_close(unlabelled[1].images.cpu(), unlabelled[0].images, rtol=1e-4, atol=1e-3)


def loss_and_gradient(detector, data, settings, device):
    detector = copy.deepcopy(detector).to(device)
    batch = data.labelled_batch(0)
    loss = supervised_loss(settings, detector, detector(batch.images), batch)
    loss.backward()
    return loss.item(), torch.cat([p.grad.flatten().cpu() for p in detector.parameters() if p.grad is not None])


@on_gpu
@pytest.mark.parametrize("name", ["compact", "vgg16_cpm"])
def test_float32_is_that_of_a_cpu_and_tf32_is_not(tmp_path, paths, name):
    """Float32 rounds to 2^-24, TF32 the factors of products to 2^-11: between both lie three digits."""
    torch.manual_seed(0)
    detector = build(name, 68, "float32", weights=None)
    settings = read_settings(tmp_path, "supervised")
    store = open_crops(paths[0], "train")
    cpu, gpu = (TrainingData(settings, store, None, 0, device) for device in (CPU, GPU))
    expected, wanted = loss_and_gradient(detector, cpu, settings, CPU)
    loss, gradient = loss_and_gradient(detector, gpu, settings, GPU)
    assert loss == pytest.approx(expected, rel=1e-4)
    assert (gradient - wanted).norm() < 0.01 * wanted.norm()

    images = gpu.labelled_batch(0).images
    exact = copy.deepcopy(detector).double().eval()
    network = copy.deepcopy(detector).to(GPU).eval()
    with torch.no_grad():
        truth = exact(images.cpu().double()).stages[0]
        error = {}
        for network.precision in ("float32", "tf32") if torch.cuda.get_device_capability() >= (8, 0) else ("float32",):
            found = network(images).stages[0].cpu()
            error[network.precision] = ((found - truth).norm() / truth.norm()).item()
    assert error["float32"] < 1e-5
    assert error.get("tf32", 1.0) > 10 * error["float32"]

"""What trainings compute, before they do, and how long that takes on this machine."""

import time
from functools import cache

import torch

from tsal.data.landmarks import scheme_of
from tsal.detectors.predict import create_network
from tsal.settings.models import DetectorSettings, Settings
from tsal.training.flops import FlopCounter
from tsal.training.method import LEARNING, Method, warm_up_passes
from tsal.training.train import MOST_MEASURED, WARM_UP

_TRIED = 8  # images of a measured step


def warm_up_flops(settings: Settings, validation: int) -> float:
    """Floating-point operations of a warm-up; `validation`: faces that are measured on."""
    measured = _measured(settings, settings.training.warmup_steps, len(WARM_UP), validation)
    return (warm_up_passes(settings) + measured) * forward_flops(settings)


def method_flops(method: Method, settings: Settings, validation: int) -> float:
    """Floating-point operations of a method's training after the warm-up, without those of optical flow."""
    steps = settings.training.steps
    images = steps * method.passes_a_step(settings)
    return (images + _measured(settings, steps, len(method.networks), validation)) * forward_flops(settings)


def training_tflop(method: Method, settings: Settings) -> float:
    """What all steps of a training multiply and add, those of its warm-up among them, in 10^12; no measurements."""
    return (warm_up_flops(settings, 0) + method_flops(method, settings, 0)) / 1e12


def _measured(settings: Settings, steps: int, networks: int, validation: int) -> float:
    """Images that are looked at in all measurements on validation faces."""
    times = -(-steps // settings.training.evaluate_every)
    return times * networks * min(validation, MOST_MEASURED)


def forward_flops(settings: Settings) -> int:
    """Floating-point operations of a forward pass on one image."""
    return _forward_flops(settings.detector, scheme_of(settings.scheme).n_points)


@cache
def _forward_flops(detector: DetectorSettings, n_points: int) -> int:
    network = _network(detector, n_points, "float32").eval()
    with FlopCounter() as counter, torch.inference_mode():
        network(torch.rand(1, 3, detector.input_px, detector.input_px))
    return counter.flops


def _network(detector: DetectorSettings, n_points: int, precision: str) -> torch.nn.Module:
    return create_network(detector.replace(weights="none"), n_points, precision)


def training_rate(settings: Settings, device: torch.device, seconds: float = 1.5) -> float:
    """Floating-point operations a second of forward and backward passes here, with as many threads as PyTorch has now.

    A training step does more than that, by a few per cent.

    Args:
        settings: of the training whose detector, precision and input are measured.
        seconds: that are spent on it.
    """
    network = _network(settings.detector, scheme_of(settings.scheme).n_points, settings.training.precision).to(device)
    side = settings.detector.input_px
    images = torch.rand(_TRIED, 3, side, side, device=device)

    def step() -> None:
        output = network(images)
        (output.stages[-1].mean() + output.centre.mean() + output.offsets.mean()).backward()
        if device.type == "cuda":
            torch.cuda.synchronize(device)

    step()
    start, done = time.perf_counter(), 0
    while time.perf_counter() - start < seconds:
        step()
        done += 1
    return done * LEARNING * _TRIED * forward_flops(settings) / (time.perf_counter() - start)

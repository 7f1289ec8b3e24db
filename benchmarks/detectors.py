"""What a detector costs: python benchmarks/detectors.py [--device cuda] [--precision bfloat16] [--threads 1]

Prints a table, for compact at 96 px and vgg16_cpm at 256 px, 68 points: parameters, multiply-adds an image (counted
from the layers that run), activations that a training pass keeps, images a second of a forward pass and of forward and
backward, the floating-point rate achieved, and its ratio to the rate of large matrix products on the same device in
the same precision, measured between the passes. Then what the detector costs in a step of the paper's release.
Settings are those of training (deterministic algorithms). Times are the best of several; on a CPU, processor time over
threads, so that other work on the same machine counts little.
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks
from torch.utils.flop_counter import FlopCounterMode

from tsal.detectors import Detector, Output, build, mixed_precision
from tsal.training.machine import be_deterministic, choose_device

INPUT_PX = {"compact": 96, "vgg16_cpm": 256}
BATCH = {("compact", "cpu"): 32, ("vgg16_cpm", "cpu"): 2, ("compact", "cuda"): 1024, ("vgg16_cpm", "cuda"): 80}
CLIPS, FRAMES = 8, 10  # a step of the release


@dataclass(frozen=True)
class Cost:
    """Of a batch: floating-point operations and seconds of a forward pass and of both.

    kept: bytes kept between the two, for all images but one (the first also brings weights in another precision).
    rate: operations a second of large matrix products meanwhile.
    """

    images: int
    forward_operations: int
    both_operations: int
    forward_seconds: float
    both_seconds: float
    kept: int
    rate: float


def best_seconds(works: list[Callable[[], object]], device: torch.device, repeats: int) -> list[float]:
    """The least time of each work, done in turns, after one round that warms up."""

    def now() -> float:
        if device.type == "cpu":
            return time.process_time() / torch.get_num_threads()
        torch.cuda.synchronize()
        return time.perf_counter()

    best = [float("inf")] * len(works)
    for turn in range(repeats + 1):
        for i, work in enumerate(works):
            start = now()
            work()
            if turn:
                best[i] = min(best[i], now() - start)
    return best


def total(output: Output) -> Tensor:
    """A loss that reaches every output."""
    return sum(part.square().mean() for part in (*output.stages, output.centre, output.offsets))


def operations(detector: Detector, images: Tensor, *, backward: bool) -> int:
    with FlopCounterMode(display=False) as counter, torch.set_grad_enabled(backward):
        output = detector(images)
        if backward:
            total(output).backward()
    return counter.get_total_flops()


def kept_bytes(detector: Detector, images: Tensor) -> int:
    """Bytes that a forward pass keeps for the backward pass, besides the weights."""
    known = {parameter.untyped_storage().data_ptr() for parameter in detector.parameters()}
    kept: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in known:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with saved_tensors_hooks(keep, lambda tensor: tensor):
        loss = total(detector(images))
    del loss
    return sum(kept.values())


def product(device: torch.device, precision: str) -> tuple[Callable[[], object], int]:
    """A large matrix product in the type of a precision, and its operations."""
    n = 8192 if device.type == "cuda" else 2048
    with mixed_precision(precision, device):
        mixed = torch.is_autocast_enabled(device.type)
    dtype = torch.get_autocast_dtype(device.type) if mixed else torch.float32
    factor = torch.randn(n, n, device=device, dtype=dtype)
    return lambda: factor @ factor, 2 * n**3


def measure(detector: Detector, images: Tensor, repeats: int) -> Cost:
    """Cost of a batch: predicting it, and learning from it."""

    def predict() -> None:
        detector.eval()
        with torch.inference_mode():
            detector(images)

    def learn() -> None:
        detector.train()
        detector.zero_grad(set_to_none=True)
        total(detector(images)).backward()

    multiply, product_operations = product(images.device, detector.precision)
    forward_seconds, both_seconds, product_seconds = best_seconds([predict, learn, multiply], images.device, repeats)
    return Cost(
        images=len(images),
        forward_operations=operations(detector, images, backward=False),
        both_operations=operations(detector, images, backward=True),
        forward_seconds=forward_seconds,
        both_seconds=both_seconds,
        kept=kept_bytes(detector, images) - kept_bytes(detector, images[:1]),
        rate=product_operations / product_seconds,
    )


def rows(name: str, detector: Detector, cost: Cost) -> list[str]:
    parameters = sum(parameter.numel() for parameter in detector.parameters()) / 1e6
    about = f"{name:10}{INPUT_PX[name]:5}{parameters:9.2f}{cost.forward_operations / 2e9 / cost.images:9.2f}"
    about += f"{cost.kept / 1e6 / (cost.images - 1):9.1f}{cost.images:7}"
    passes = {
        "forward": (cost.forward_operations, cost.forward_seconds),
        "both": (cost.both_operations, cost.both_seconds),
    }
    lines = []
    for label, (work, seconds) in passes.items():
        achieved = work / seconds
        line = f"{label:>9}{cost.images / seconds:10.2f}{achieved / 1e12:9.3f}"
        line += f"{cost.rate / 1e12:9.3f}{achieved / cost.rate:7.2f}"
        lines.append((about if not lines else " " * len(about)) + line)
    return lines


def release_step_seconds(cost: Cost) -> float:
    """Student and teacher: both passes over all frames, and a forward pass over the warped ones."""
    frames, warped = CLIPS * FRAMES, CLIPS * (FRAMES - 1)
    return 2 * (frames * cost.both_seconds + warped * cost.forward_seconds) / cost.images


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--device", default="auto")
    options.add_argument("--precision", default="float32", choices=("float32", "bfloat16", "auto"))
    options.add_argument("--threads", type=int)
    options.add_argument("--batch", type=int, help="images a batch, at least 2; default: what fits a small machine")
    options.add_argument("--repeats", type=int, default=3)
    chosen = options.parse_args()
    device = choose_device(chosen.device)
    be_deterministic(0, chosen.threads)
    if device.type == "cuda":  # where convolutions in float32 may use TensorFloat-32, the products should do so too
        torch.set_float32_matmul_precision("high" if torch.backends.cudnn.allow_tf32 else "highest")
    where = torch.cuda.get_device_name(device) if device.type == "cuda" else f"{torch.get_num_threads()} threads"
    print(f"{device} ({where}), {chosen.precision}\n")
    print(f"{'detector':10}{'px':>5}{'M param.':>9}{'GMAC/im.':>9}{'MB/im.':>9}{'batch':>7}", end="")
    print(f"{'pass':>9}{'images/s':>10}{'TFLOP/s':>9}{'products':>9}{'ratio':>7}")
    for name, side in INPUT_PX.items():
        detector = build(name, 68, chosen.precision, weights=None).to(device)
        images = torch.randn(chosen.batch or BATCH[name, device.type], 3, side, side, device=device)
        cost = measure(detector, images, chosen.repeats)
        print("\n".join(rows(name, detector, cost)), flush=True)
    print(f"\nvgg16_cpm in a step of the release ({CLIPS} clips of {FRAMES}): {release_step_seconds(cost):.2f} s")


if __name__ == "__main__":
    main()

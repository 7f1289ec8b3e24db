"""What every detector shares: the two heads' output, the two decodes, the precision of a forward pass."""

import contextlib
import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from tsal.detectors import parallel
from tsal.detectors.heatmaps import NOTHING, decode_expectation, decode_peaks, mass_at_peak, peaks
from tsal.errors import InputError

PRECISIONS = ("auto", "float32", "tf32", "bfloat16")  # see mixed_precision
CANDIDATES = 32  # strongest facial centres that decode 2 looks at


@dataclass(frozen=True)
class Output:
    """What a detector gives for a batch.

    stages: heatmaps after each stage (B, M, h, w); M = K + 1 regressed Gaussians with background, or M = K logits
        of distributions over the cells, as `Detector.distribution` says. The last stage is the one that is decoded.
    centre: (B, 1, h', w') logits of the facial-centre heatmap.
    offsets: (B, 2 K, h', w') offsets x0, y0, x1, ... from the centre to each landmark, in cells of that grid.
    """

    stages: list[Tensor]
    centre: Tensor
    offsets: Tensor

    def split(self, *sizes: int) -> list["Output"]:
        """The same of the first so many images of the batch, of the next, and so on.

        All parts at once: a part by itself has a gradient of the whole batch's size, mostly zeros.
        """
        stages = [stage.split(sizes) for stage in self.stages]
        centre, offsets = self.centre.split(sizes), self.offsets.split(sizes)
        return [Output([stage[i] for stage in stages], centre[i], offsets[i]) for i in range(len(sizes))]


class Detector(nn.Module):
    """A trunk with a heatmap head and a centre-offset head."""

    def __init__(
        self,
        trunk: nn.Module,
        heatmap_head: nn.Module,
        centre_head: nn.Module,
        *,
        n_points: int,
        heatmap_stride: int,
        centre_stride: int,
        distribution: bool,
        decode: str,
        sigma: float,
    ) -> None:
        super().__init__()
        self.trunk = trunk
        self.heatmap_head = heatmap_head
        self.centre_head = centre_head
        self.n_points = n_points
        self.heatmap_stride = heatmap_stride
        self.centre_stride = centre_stride
        self.distribution = distribution
        self.decode_name = decode
        self.sigma = sigma
        self.precision = "float32"

    def forward(self, images: Tensor) -> Output:
        """Output of ImageNet-normalised RGB (B, 3, P, P)."""
        return self.forward_with(images)[0]

    def forward_with(self, images: Tensor, second_head: nn.Module | None = None) -> tuple[Output, list[Tensor]]:
        """The output, and the stages of a second heatmap head on the same features; none without one.

        Where several processes train together each computes it for its share of the images; see `detectors.parallel`.
        """
        n = images.shape[0]  # len() would make it a constant of what torch.export traces
        if self.training and n < parallel.count():
            raise InputError(
                f"found a batch of {n} images for {parallel.count()} processes, expected as many images at least; use "
                "fewer processes, or a larger training.batch"
            )
        images = parallel.own_share(images)
        # Channels last is the layout in which convolutions of this size run fastest on CPUs and tensor cores.
        images = images.contiguous(memory_format=torch.channels_last)
        with mixed_precision(self.precision, images.device):
            fine, coarse = self.trunk(images)
            stages = self.heatmap_head(fine)
            second = [] if second_head is None else second_head(fine)
            centre, offsets = self.centre_head(coarse)
        parts = (*stages, *second, centre, offsets)
        # Maps lie one after the other, as decodes and losses read them, who would copy them once each.
        found = parallel.gather([part.to(torch.float32, memory_format=torch.contiguous_format) for part in parts], n)
        *found, centre, offsets = found
        return Output(found[: len(stages)], centre, offsets), found[len(stages) :]

    def maps(self, output: Output, stage: int = -1) -> Tensor:
        """Heatmaps (B, K, h, w) of a stage without background: regressed Gaussians, or distributions summing to 1."""
        logits = output.stages[stage]
        if self.distribution:
            return logits.flatten(2).softmax(-1).view_as(logits)
        return logits[:, : self.n_points]

    def decode(self, output: Output) -> Tensor:
        """Decode 1: landmarks (B, K, 2) in input pixels from the last stage's heatmaps."""
        if self.decode_name == "expectation":
            return decode_expectation(self.maps(output), self.heatmap_stride)
        maps = output.stages[-1][:, : self.n_points]
        return decode_peaks(maps, self.heatmap_stride, self.sigma, refine=self.decode_name, logits=self.distribution)

    def confidence(self, output: Output) -> Tensor:
        """Confidence (B, K) in [0, 1] of the landmarks of decode 1.

        Of distributions the probability of the cells within two sigma of the peak, beyond what a uniform one has there;
        of regressed Gaussians the height of the peak. Both are near 1 where a map looks as it was trained to, and fall
        to 0 as it spreads or fades.
        """
        maps = output.stages[-1][:, : self.n_points]
        if not self.distribution:
            return peaks(maps)[1].clamp(0, 1)
        radius = math.ceil(2 * self.sigma / self.heatmap_stride)
        uniform = min((2 * radius + 1) ** 2 / (maps.shape[-2] * maps.shape[-1]), 1 - NOTHING)
        return ((mass_at_peak(maps, radius) - uniform) / (1 - uniform)).clamp(0, 1)

    def decode_offsets(self, output: Output, near: Tensor) -> Tensor:
        """Decode 2: landmarks (B, K, 2) from the centre and offsets, see `decode_centre_offsets`."""
        return decode_centre_offsets(output.centre, output.offsets, self.centre_stride, near)


def resolve_precision(name: str, device: torch.device) -> str:
    """What a precision comes to on a device: "auto" is bfloat16 where the device multiplies it, else float32."""
    if name != "auto":
        return name
    if device.type == "cuda":
        fast = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        # Not public, but what PyTorch itself asks; where a release lacks it, float32 is right, only slower.
        fast = device.type == "cpu" and getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)()
    return "bfloat16" if fast else "float32"


def mixed_precision(name: str, device: torch.device) -> contextlib.AbstractContextManager:
    """Precision of a forward pass, and of the backward pass that follows it, by name. Weights stay float32.

    "float32": that on a GPU too, where PyTorch by itself rounds the factors of convolutions to TF32 (10 bits). "tf32":
    those of convolutions and matrix products, where the device has it. "bfloat16". "auto": see `resolve_precision`.
    """
    if device.type == "cuda":
        # For the process: the backward pass, which is outside of every context, computes as its forward pass did.
        torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = name == "tf32"
    bfloat16 = resolve_precision(name, device) == "bfloat16"
    return torch.autocast(device.type, torch.bfloat16) if bfloat16 else contextlib.nullcontext()


def has_tf32(device: torch.device) -> bool:
    """Whether a device multiplies in TF32: GPUs since Ampere."""
    return device.type == "cuda" and torch.cuda.get_device_capability(device) >= (8, 0)


def check_precision(name: str, device: torch.device) -> None:
    """Refuse to train in a precision that was asked for by name and that the device does not have.

    Raises:
        InputError: "tf32" on a CPU or an older GPU.
    """
    if name == "tf32" and not has_tf32(device):
        raise InputError(
            f"training.precision: found tf32, which device {device} does not have; expected float32, bfloat16 or auto "
            "there, or a GPU of compute capability 8.0 or newer"
        )


def decode_centre_offsets(centre: Tensor, offsets: Tensor, stride: int, near: Tensor) -> Tensor:
    """Decode 2: each of the 32 strongest facial centres plus its offsets is one candidate; keep the nearest to `near`.

    A centre is a cell that none of its eight neighbours exceeds (Zhou et al. 2019, section 4). Of equal ones the first
    by rows counts as the stronger. Distance is Euclidean over all 2 K coordinates.

    Args:
        centre: (B, 1, h, w) logits of the centre heatmap.
        offsets: (B, 2 K, h, w) in cells.
        stride: input pixels a cell.
        near: (B, K, 2) landmarks of decode 1 in input pixels.

    Returns:
        (B, K, 2) landmarks in input pixels.
    """
    # Logits, not their sigmoid: the order is the same, and float32 cannot tell sigmoid(17) from sigmoid(18).
    peak = functional.max_pool2d(centre, 3, 1, 1) == centre
    strength = torch.where(peak, centre, -torch.inf).flatten(1)
    # A stable sort where topk would do: which of several equal cells topk takes depends on the device.
    strength, cells = strength.sort(dim=1, descending=True, stable=True)
    strength, cells = strength[:, :CANDIDATES], cells[:, :CANDIDATES]
    width = centre.shape[-1]
    xy = torch.stack([cells % width, cells // width], -1).to(offsets.dtype)
    at = cells.unsqueeze(1).expand(-1, offsets.shape[1], -1)
    chosen = offsets.flatten(2).gather(2, at).transpose(1, 2).unflatten(2, (-1, 2))  # (B, C, K, 2)
    candidates = (xy.unsqueeze(2) + chosen) * stride + (stride - 1) / 2
    distance = (candidates - near.unsqueeze(1)).square().sum((2, 3))
    best = distance.masked_fill(strength == -torch.inf, torch.inf).argmin(1)
    return candidates[torch.arange(len(best), device=best.device), best]

"""`compact`: a small residual feature pyramid with both heads, for CPUs."""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from tsal.detectors.detector import Detector
from tsal.detectors.trunk_weights import load_trunk


def conv_norm_relu(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)
    )


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions with a shortcut (He et al. 2016, the basic block)."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.first = conv_norm_relu(inputs, outputs, stride)
        self.second = nn.Sequential(nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False), nn.BatchNorm2d(outputs))
        self.shortcut = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.shortcut = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.second(self.first(x)) + self.shortcut(x))


class FeaturePyramid(nn.Module):
    """Residual stages at strides 4, 8, 16, 32 merged top-down (Lin et al. 2017); returns strides 4 and 8."""

    def __init__(self, widths: tuple[int, ...], blocks: int, features: int) -> None:
        super().__init__()
        self.stem = conv_norm_relu(3, widths[0], 2)
        self.stages = nn.ModuleList(
            nn.Sequential(
                ResidualBlock(inputs, outputs, 2),
                *(ResidualBlock(outputs, outputs, 1) for _ in range(blocks - 1)),
            )
            for inputs, outputs in pairwise(widths)
        )
        self.lateral = nn.ModuleList(nn.Conv2d(width, features, 1) for width in widths[1:])

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        x = self.stem(images)
        levels = []
        for stage in self.stages:
            x = stage(x)
            levels.append(x)
        merged = self.lateral[-1](levels[-1])
        for level, lateral in zip(levels[-2::-1], list(self.lateral)[-2::-1], strict=True):
            coarse = merged
            merged = lateral(level) + functional.interpolate(coarse, size=level.shape[-2:], mode="nearest")
        return merged, coarse


class SmallHeatmapHead(nn.Module):
    def __init__(self, features: int, maps: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(conv_norm_relu(features, features), nn.Conv2d(features, maps, 1))

    def forward(self, features: Tensor) -> list[Tensor]:
        return [self.layers(features)]


class SmallCentreHead(nn.Module):
    def __init__(self, features: int, n_points: int) -> None:
        super().__init__()
        self.shared = conv_norm_relu(features, features)
        self.centre = nn.Conv2d(features, 1, 1)
        self.offsets = nn.Conv2d(features, 2 * n_points, 1)
        nn.init.constant_(self.centre.bias, -2.19)  # a prior of 0.1 for a centre keeps the focal loss calm at first

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        x = self.shared(features)
        return self.centre(x), self.offsets(x)


def compact(
    n_points: int,
    decode: str = "gaussian",
    sigma: float = 4.0,
    weights: str | None = None,
    width: int = 32,
    blocks: int = 2,
) -> Detector:
    """A residual feature pyramid, for 48 to 128 px input; heatmaps are distributions, stride 4.

    With width 32 it has 2.9 M parameters, with 16 a quarter of them, and a quarter of the work. Chosen among trunks of
    several sizes by NME against what they compute: benchmarks/compact.py.

    Args:
        n_points: K.
        decode: "gaussian", "expectation" or "centroid".
        sigma: of the target heatmaps, in input pixels.
        weights: a .safetensors file of the trunk, or None for random weights.
        width: channels at stride 2; twice as many at each further one, and 2 x width in the pyramid and the heads.
        blocks: residual blocks a stride.
    """
    features = 2 * width
    trunk = FeaturePyramid(tuple(width << level for level in range(4)), blocks, features)
    if weights is not None:
        load_trunk(trunk, weights)
    return Detector(
        trunk,
        SmallHeatmapHead(features, n_points),
        SmallCentreHead(features, n_points),
        n_points=n_points,
        heatmap_stride=4,
        centre_stride=8,
        distribution=True,
        decode=decode,
        sigma=sigma,
    )

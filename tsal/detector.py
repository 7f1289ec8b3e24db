"""The landmark detector: trunk, heatmap head and centre-offset head, by name.

`vgg16_cpm` is the detector of the paper; `compact` has a small trunk with the same two heads and decodes, for CPUs.
Both take (B, 3, input_px, input_px) ImageNet-normalised RGB and return an `Output`.
"""

import contextlib
import logging
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import torch
import torchvision
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional
from torchvision.models.resnet import Bottleneck

from tsal.errors import InputError
from tsal.heatmaps import decode_expectation, decode_peaks

logger = logging.getLogger(__name__)
CANDIDATES = 32  # strongest facial centres that decode 2 looks at


@dataclass(frozen=True)
class Output:
    """What a detector sees in a batch.

    stages: heatmaps after each stage (B, M, h, w); M = K + 1 regressed Gaussians with background, or M = K logits
        of distributions over the cells, as `Detector.distribution` says. The last stage is the one that is decoded.
    centre: (B, 1, h', w') logits of the facial-centre heatmap.
    offsets: (B, 2 K, h', w') offsets x0, y0, x1, ... from the centre to each landmark, in cells of that grid.
    """

    stages: list[Tensor]
    centre: Tensor
    offsets: Tensor

    def rows(self, rows: slice) -> "Output":
        """The same of some images of the batch."""
        return Output([stage[rows] for stage in self.stages], self.centre[rows], self.offsets[rows])


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
        # Channels last is the layout in which convolutions of this size run fastest on CPUs and tensor cores.
        images = images.contiguous(memory_format=torch.channels_last)
        with mixed_precision(self.precision, images.device):
            fine, coarse = self.trunk(images)
            stages = self.heatmap_head(fine)
            centre, offsets = self.centre_head(coarse)
        return Output([stage.float() for stage in stages], centre.float(), offsets.float())

    def maps(self, output: Output, stage: int = -1) -> Tensor:
        """Heatmaps (B, K, h, w) of a stage without background: regressed Gaussians, or distributions summing to 1."""
        logits = output.stages[stage]
        if self.distribution:
            return logits.flatten(2).softmax(-1).view_as(logits)
        return logits[:, : self.n_points]

    def decode(self, output: Output) -> Tensor:
        """Decode 1: landmarks (B, K, 2) in input pixels from the last stage's heatmaps."""
        maps = self.maps(output)
        if self.decode_name == "expectation":
            return decode_expectation(maps, self.heatmap_stride)
        return decode_peaks(maps, self.heatmap_stride, self.sigma, refine=self.decode_name)

    def decode_offsets(self, output: Output, near: Tensor) -> Tensor:
        """Decode 2: landmarks (B, K, 2) from the centre and offsets, see `decode_centre_offsets`."""
        return decode_centre_offsets(output.centre, output.offsets, self.centre_stride, near)


def mixed_precision(name: str, device: torch.device) -> contextlib.AbstractContextManager:
    """Precision of a forward pass by name: "float32", "bfloat16", or "auto": bfloat16 where the device multiplies it.

    Weights stay float32.
    """
    bfloat16 = name == "bfloat16"
    if name == "auto" and device.type == "cuda":
        bfloat16 = torch.cuda.is_bf16_supported(including_emulation=False)
    elif name == "auto" and device.type == "cpu":
        # Not public, but what PyTorch itself asks; where a release lacks it, float32 is right, only slower.
        bfloat16 = getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)()
    return torch.autocast(device.type, torch.bfloat16) if bfloat16 else contextlib.nullcontext()


def decode_centre_offsets(centre: Tensor, offsets: Tensor, stride: int, near: Tensor) -> Tensor:
    """Each strong facial centre plus its offsets is one candidate face; keep the one nearest to `near`.

    Args:
        centre: (B, 1, h, w) logits of the centre heatmap.
        offsets: (B, 2 K, h, w) in cells.
        stride: input pixels a cell.
        near: (B, K, 2) landmarks of decode 1 in input pixels.

    Returns:
        (B, K, 2) landmarks in input pixels.
    """
    score = centre.sigmoid()
    score = torch.where(functional.max_pool2d(score, 3, 1, 1) == score, score, 0.0).flatten(1)
    width = centre.shape[-1]
    cells = score.topk(min(CANDIDATES, score.shape[1]), 1).indices  # (B, C)
    xy = torch.stack([cells % width, cells // width], -1).to(offsets.dtype)
    at = cells.unsqueeze(1).expand(-1, offsets.shape[1], -1)
    chosen = offsets.flatten(2).gather(2, at).transpose(1, 2).unflatten(2, (-1, 2))  # (B, C, K, 2)
    candidates = (xy.unsqueeze(2) + chosen) * stride + (stride - 1) / 2
    distance = (candidates - near.unsqueeze(1)).norm(dim=-1).mean(-1)
    best = distance.argmin(1)
    return candidates[torch.arange(len(best), device=best.device), best]


# --- compact -------------------------------------------------------------------------------------------------------


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
    widths: tuple[int, ...] = (32, 64, 128, 256),
    blocks: int = 2,
    features: int = 64,
) -> Detector:
    """A residual feature pyramid, 2.9 M parameters, for 96 to 128 px input; heatmaps are distributions, stride 4.

    Chosen among trunks of several sizes by NME against training time: benchmarks/compact.py.

    Args:
        n_points: K.
        decode: "gaussian", "expectation" or "centroid".
        sigma: of the target heatmaps, in input pixels.
        weights: a .safetensors file of the trunk, or None for random weights.
        widths: channels at strides 2, 4, 8, ...
        blocks: residual blocks a stride.
        features: channels of the pyramid and the heads.
    """
    trunk = FeaturePyramid(widths, blocks, features)
    if weights is not None:
        _load_trunk(trunk, weights)
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


# --- vgg16_cpm -----------------------------------------------------------------------------------------------------


class VggTrunk(nn.Module):
    """VGG-16 up to conv4_3 (stride 8, 512 channels), then two 3x3 convolutions to 128 channels."""

    def __init__(self) -> None:
        super().__init__()
        self.vgg = torchvision.models.vgg16().features[:23]
        self.reduce = nn.Sequential(
            nn.Conv2d(512, 256, 3, 1, 1),
            nn.ReLU(inplace=True),
            nn.Conv2d(256, 128, 3, 1, 1),
            nn.ReLU(inplace=True),
        )

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        features = self.reduce(self.vgg(images))
        return features, features


def _conv_relu(inputs: int, outputs: int, kernel: int) -> list[nn.Module]:
    return [nn.Conv2d(inputs, outputs, kernel, 1, kernel // 2), nn.ReLU(inplace=True)]


class PoseMachineHead(nn.Module):
    """Convolutional pose machine (Wei et al. 2016): three stages, each refining the maps of the one before."""

    def __init__(self, maps: int) -> None:
        super().__init__()
        first = [layer for _ in range(4) for layer in _conv_relu(128, 128, 3)]
        self.stage1 = nn.Sequential(*first, *_conv_relu(128, 512, 1), nn.Conv2d(512, maps, 1))
        self.stage2 = self._refinement(maps)
        self.stage3 = self._refinement(maps)

    @staticmethod
    def _refinement(maps: int) -> nn.Sequential:
        wide = _conv_relu(128 + maps, 128, 7) + _conv_relu(128, 128, 7) + _conv_relu(128, 128, 7)
        narrow = [layer for _ in range(4) for layer in _conv_relu(128, 128, 3)]
        return nn.Sequential(*wide, *narrow, *_conv_relu(128, 128, 1), nn.Conv2d(128, maps, 1))

    def forward(self, features: Tensor) -> list[Tensor]:
        one = self.stage1(features)
        two = self.stage2(torch.cat([features, one], 1))
        three = self.stage3(torch.cat([features, two], 1))
        return [one, two, three]


class CentreNetHead(nn.Module):
    """Facial centre and offsets (Zhou et al. 2019, "Objects as Points"): bottlenecks down, deconvolutions up."""

    def __init__(self, n_points: int) -> None:
        super().__init__()
        self.down = nn.Sequential(
            self._bottlenecks(128, 256, 6),
            self._bottlenecks(1024, 512, 3),
        )
        ups = []
        for inputs in (2048, 256, 256):
            ups += [
                nn.ConvTranspose2d(inputs, 256, 4, 2, 1, bias=False),
                nn.BatchNorm2d(256),
                nn.ReLU(inplace=True),
            ]
        self.up = nn.Sequential(*ups)
        self.centre = self._output(1)
        self.offsets = self._output(2 * n_points)
        nn.init.constant_(self.centre[-1].bias, -2.19)

    @staticmethod
    def _bottlenecks(inputs: int, planes: int, blocks: int) -> nn.Sequential:
        outputs = planes * Bottleneck.expansion
        shortcut = nn.Sequential(nn.Conv2d(inputs, outputs, 1, 2, bias=False), nn.BatchNorm2d(outputs))
        rest = [Bottleneck(outputs, planes) for _ in range(blocks - 1)]
        return nn.Sequential(Bottleneck(inputs, planes, 2, shortcut), *rest)

    @staticmethod
    def _output(channels: int) -> nn.Sequential:
        return nn.Sequential(nn.Conv2d(256, 128, 3, 2, 1), nn.ReLU(inplace=True), nn.Conv2d(128, channels, 1))

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        x = self.up(self.down(features))
        return self.centre(x), self.offsets(x)


def vgg16_cpm(
    n_points: int, decode: str = "centroid", sigma: float = 6.0, weights: str | None = "imagenet"
) -> Detector:
    """The detector of the paper: 256 px input, stride 8, regressed heatmaps with background.

    Args:
        n_points: K.
        decode: "centroid" (the paper's), or "gaussian" (exact at borders too).
        sigma: of the target heatmaps, in input pixels.
        weights: "imagenet" for torchvision's VGG-16 (downloaded once; if it cannot be had, random weights with a
            warning), a .safetensors file of VGG-16's `features`, or None for random weights.
    """
    trunk = VggTrunk()
    if weights == "imagenet":
        _load_imagenet(trunk)
    elif weights is not None:
        _load_trunk(trunk.vgg, weights)
    return Detector(
        trunk,
        PoseMachineHead(n_points + 1),
        CentreNetHead(n_points),
        n_points=n_points,
        heatmap_stride=8,
        centre_stride=8,
        distribution=False,
        decode=decode,
        sigma=sigma,
    )


def _load_imagenet(trunk: VggTrunk) -> None:
    weights = torchvision.models.VGG16_Weights.IMAGENET1K_V1
    try:
        state = weights.get_state_dict(check_hash=True, weights_only=True)
    except OSError as error:  # urllib's errors are OSErrors
        logger.warning(
            "vgg16_cpm: the ImageNet weights could not be had from %s (%s): the trunk starts from RANDOM weights and "
            "will be less accurate. Put that file into %s, or set detector.weights to a .safetensors file.",
            weights.url,
            error,
            Path(torch.hub.get_dir()) / "checkpoints",
        )
        return
    prefix = "features."
    features = {name[len(prefix) :]: value for name, value in state.items() if name.startswith(prefix)}
    trunk.vgg.load_state_dict({name: features[name] for name in trunk.vgg.state_dict()})


def _load_trunk(module: nn.Module, path: str) -> None:
    try:
        module.load_state_dict(load_file(path))
    except Exception as error:
        raise InputError(
            f"{path}: cannot be used as trunk weights ({str(error).splitlines()[0]}); expected a .safetensors file "
            f"with the {len(module.state_dict())} tensors of {type(module).__name__}"
        ) from error


DETECTORS = {"compact": compact, "vgg16_cpm": vgg16_cpm}


def build(name: str, n_points: int, precision: str = "float32", **options) -> Detector:
    """Create a detector by name; precision as in `mixed_precision`, options as its function has them.

    Raises:
        InputError: unknown name.
    """
    if name not in DETECTORS:
        raise InputError(f"detector {name!r} is not known; known: {', '.join(DETECTORS)}")
    detector = DETECTORS[name](n_points, **options)
    detector.precision = precision
    return detector.to(memory_format=torch.channels_last)

"""`vgg16_cpm`: the detector of the paper, a VGG-16 trunk with a convolutional pose machine and a CenterNet head."""

import torch
from torch import Tensor, nn

from tsal.detectors.detector import Detector
from tsal.detectors.parallel import SharedBatchNorm
from tsal.detectors.trunk_weights import load_imagenet, load_trunk


def _conv_relu(inputs: int, outputs: int, kernel: int) -> list[nn.Module]:
    return [nn.Conv2d(inputs, outputs, kernel, 1, kernel // 2), nn.ReLU(inplace=True)]


def vgg16_features() -> nn.Sequential:
    """Layers, names and random weights of torchvision's `vgg16().features[:23]`, conv1_1 to conv4_3 with its ReLU.

    Made here because vgg16() fills 0.5 GB with the classifier that is then thrown away.
    """
    layers: list[nn.Module] = []
    inputs = 3
    for widths in ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512)):
        if layers:
            layers.append(nn.MaxPool2d(2, 2))
        for outputs in widths:
            layers += _conv_relu(inputs, outputs, 3)
            nn.init.kaiming_normal_(layers[-2].weight, mode="fan_out", nonlinearity="relu")
            nn.init.zeros_(layers[-2].bias)
            inputs = outputs
    return nn.Sequential(*layers)


class VggTrunk(nn.Module):
    """VGG-16 up to conv4_3 (stride 8, 512 channels), then two 3x3 convolutions to 128 channels."""

    def __init__(self) -> None:
        super().__init__()
        self.vgg = vgg16_features()
        self.reduce = nn.Sequential(*_conv_relu(512, 256, 3), *_conv_relu(256, 128, 3))

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        features = self.reduce(self.vgg(images))
        return features, features


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
                SharedBatchNorm(256),
                nn.ReLU(inplace=True),
            ]
        self.up = nn.Sequential(*ups)
        self.centre = self._output(1)
        self.offsets = self._output(2 * n_points)
        nn.init.constant_(self.centre[-1].bias, -2.19)

    @staticmethod
    def _bottlenecks(inputs: int, planes: int, blocks: int) -> nn.Sequential:
        from torchvision.models.resnet import Bottleneck  # imported here, since it takes as long as PyTorch itself

        outputs = planes * Bottleneck.expansion
        shortcut = nn.Sequential(nn.Conv2d(inputs, outputs, 1, 2, bias=False), SharedBatchNorm(outputs))
        rest = [Bottleneck(outputs, planes, norm_layer=SharedBatchNorm) for _ in range(blocks - 1)]
        return nn.Sequential(Bottleneck(inputs, planes, 2, shortcut, norm_layer=SharedBatchNorm), *rest)

    @staticmethod
    def _output(channels: int) -> nn.Sequential:
        return nn.Sequential(nn.Conv2d(256, 128, 3, 2, 1), nn.ReLU(inplace=True), nn.Conv2d(128, channels, 1))

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        x = self.up(self.down(features))
        return self.centre(x), self.offsets(x)


def vgg16_cpm(n_points: int, decode: str = "centroid", sigma: float = 6.0, weights: str | None = "auto") -> Detector:
    """The detector of the paper: 256 px input, stride 8, regressed heatmaps with background.

    Args:
        n_points: K.
        decode: "centroid" (the paper's), or "gaussian" (exact at borders too).
        sigma: of the target heatmaps, in input pixels.
        weights: "imagenet" for torchvision's VGG-16, downloaded once; "auto" for the same, or random weights with a
            warning if they cannot be had; a .safetensors file of VGG-16's `features`; or None for random weights.
    """
    trunk = VggTrunk()
    if weights in ("auto", "imagenet"):
        load_imagenet(trunk.vgg, or_random=weights == "auto")
    elif weights is not None:
        load_trunk(trunk.vgg, weights)
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

"""A small network for optical flow: pyramid, warping, cost volume (after PWC-Net, Sun et al. 2018, arXiv 1709.02371).

Both frames go through one pyramid of features. From the coarsest level to the finest, the features of the second
frame are warped by the flow found so far, compared with those of the first within a few cells around, and a few
convolutions read the rest of the flow from the comparison. The finest flow has the resolution that is stored, where
a context network with dilated convolutions smooths it.
"""

from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from tsal.data.augment import sample
from tsal.detectors import checkpoints, mixed_precision, parallel
from tsal.errors import InputError
from tsal.flow.fields import REDUCTION

NETWORK = "tsal flow network, version 1"

STRIDES = (2, 4, 8, 16)  # of the pyramid's levels, px
WIDTHS = (24, 32, 64, 96)  # channels of the pyramid's levels
REACH = (2, 3, 4, 4)  # cells around that are compared, at each level
CARRIED = 32  # channels that each estimator hands on to the next level, its last
ESTIMATORS = ((48, 48, CARRIED), *[(96, 96, 64, CARRIED)] * 3)  # channels of the convolutions
BLOCK = 8  # side in cells of the blocks that are compared at once
CONTEXT = (CARRIED + 2, 48, 48, 32, 32)  # channels of the context network
DILATIONS = (1, 2, 4, 1)  # of its convolutions


class FlowNetwork(nn.Module):
    """Flow in px between RGB frames of any size; 1.3 M parameters.

    precision: see `mixed_precision`; weights, comparisons and flow are float32 in any case.
    """

    def __init__(self, precision: str = "auto") -> None:
        super().__init__()
        self.precision = precision
        self.pyramid = nn.ModuleList(_level(*widths) for widths in pairwise((3, *WIDTHS)))
        self.estimators = nn.ModuleList(
            _Estimator(width, reach, channels) for width, reach, channels in zip(WIDTHS, REACH, ESTIMATORS, strict=True)
        )
        self.context = nn.Sequential(
            *(_convolution(*widths, dilation=step) for widths, step in zip(pairwise(CONTEXT), DILATIONS, strict=True)),
            _to_flow(CONTEXT[-1]),
        )

    def forward(self, first: Tensor, second: Tensor) -> list[Tensor]:
        """Flow in both directions at all levels; each process computes its share, see `detectors.parallel`.

        Args:
            first, second: float (B, 3, H, W) RGB in [0, 1].

        Returns:
            Per level, finest first, flow (B, 2 directions, 2 (x, y), H / stride, W / stride) in px of the frames,
            from the first to the second and back; strides are STRIDES, sizes rounded up to those of the frames
            padded to a multiple of the coarsest stride. The finest is `REDUCTION` times smaller than the frames.
        """
        n = len(first)
        frames = torch.cat([parallel.own_share(first), parallel.own_share(second)])
        height, width = frames.shape[-2:]
        pad = (0, -width % STRIDES[-1], 0, -height % STRIDES[-1])
        frames = functional.pad(frames - frames.mean((2, 3), keepdim=True), pad, mode="replicate")
        x = 2 * frames.contiguous(memory_format=torch.channels_last)
        levels = []
        with mixed_precision(self.precision, x.device):
            for level in self.pyramid:
                x = level(x)
                levels.append(x)
            flow = x.new_zeros((len(x), 2, *x.shape[-2:]), dtype=torch.float32)
            carried = x.new_zeros((len(x), CARRIED, *x.shape[-2:]))
            flows = []
            for stride, features, estimator in reversed(list(zip(STRIDES, levels, self.estimators, strict=True))):
                flow, carried = estimator(features, *(_fit(part, features) for part in (flow, carried)), stride)
                flows.append(flow)
            correction = self.context(torch.cat([carried, flow / STRIDES[0]], 1))
            flows[-1] = flow + STRIDES[0] * _bounded(correction.float(), REACH[0])
        return parallel.gather([torch.stack(flow.chunk(2), 1) for flow in reversed(flows)], n)

    def track(self, first: Tensor, second: Tensor) -> Tensor:
        """Flow (B, 2 directions, 2 (x, y), H // 2, W // 2) in px as it is stored, of frames as in `forward`."""
        flow = self(first, second)[0]
        return flow[..., : first.shape[-2] // REDUCTION, : first.shape[-1] // REDUCTION]


def save_network(network: FlowNetwork, path: Path, about: dict[str, Any]) -> None:
    """Write a network as safetensors, with what is to be said of its training."""
    checkpoints.save(path, NETWORK, network.state_dict(), about)


def load_network(path: Path) -> FlowNetwork:
    """Read a network that `save_network` wrote, on the CPU, ready to track.

    Raises:
        InputError: missing, damaged, or no such network.
    """
    tensors, _ = checkpoints.read(path, NETWORK)
    network = FlowNetwork()
    try:
        network.load_state_dict(tensors)
    except RuntimeError as error:
        raise InputError(
            f"{path}: found a flow network of another structure ({str(error).splitlines()[0]}); train it again"
        ) from error
    return network.to(memory_format=torch.channels_last).eval()


def _convolution(inputs: int, outputs: int, stride: int = 1, dilation: int = 1) -> nn.Sequential:
    convolution = nn.Conv2d(inputs, outputs, 3, stride, dilation, dilation)
    nn.init.kaiming_normal_(convolution.weight, 0.1, nonlinearity="leaky_relu")
    nn.init.zeros_(convolution.bias)
    return nn.Sequential(convolution, nn.LeakyReLU(0.1, inplace=True))


def _level(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(_convolution(inputs, outputs, stride=2), _convolution(outputs, outputs))


def _to_flow(inputs: int) -> nn.Conv2d:
    """The last convolution; it starts near zero, so that the flow does."""
    convolution = nn.Conv2d(inputs, 2, 3, 1, 1)
    nn.init.normal_(convolution.weight, std=1e-3)
    nn.init.zeros_(convolution.bias)
    return convolution


def _fit(field: Tensor, finer: Tensor) -> Tensor:
    """A field (B, C, h, w) at the resolution of a finer level."""
    if field.shape[-2:] == finer.shape[-2:]:
        return field
    return functional.interpolate(field, size=finer.shape[-2:], mode="bilinear", align_corners=False)


def pixels(like: Tensor) -> Tensor:
    """Positions (1, h, w, 2) of the cells of a field (B, C, h, w), in cells."""
    y, x = torch.meshgrid(
        *(torch.arange(n, device=like.device, dtype=torch.float32) for n in like.shape[-2:]), indexing="ij"
    )
    return torch.stack([x, y], -1).unsqueeze(0)


def compare(first: Tensor, second: Tensor, reach: int) -> Tensor:
    """Cost volume: mean over the channels of the product of each cell with those around it in the other field.

    Blocks of cells are multiplied with all that lies around the block, as matrices, and the products that are wanted
    are read off: more products, but many times faster than one pass over the field for each displacement.

    Args:
        first, second: float32 features (B, C, h, w).

    Returns:
        (B, (2 reach + 1)^2, h, w); displacements of the second field by -reach to reach cells, row by row.
    """
    batch, channels, height, width = first.shape
    fill = (0, -width % BLOCK, 0, -height % BLOCK)
    own = functional.pad(first, fill).unfold(2, BLOCK, BLOCK).unfold(3, BLOCK, BLOCK)
    rows, columns = own.shape[2:4]
    around = BLOCK + 2 * reach
    others = functional.pad(second, (reach, fill[1] + reach, reach, fill[3] + reach))
    others = others.unfold(2, around, BLOCK).unfold(3, around, BLOCK)
    own = own.permute(0, 2, 3, 4, 5, 1).reshape(-1, BLOCK * BLOCK, channels)
    others = others.permute(0, 2, 3, 1, 4, 5).reshape(-1, channels, around * around)
    with torch.autocast(first.device.type, enabled=False):
        products = (own / channels) @ others
    n = 2 * reach + 1
    # Cell (y, x) of a block meets displacement (dy, dx) at (y + dy, x + dx) of what lies around the block.
    strides = (BLOCK**2 * around**2, BLOCK * around**2 + around, around**2 + 1, around, 1)
    cost = products.as_strided((len(products), BLOCK, BLOCK, n, n), strides)
    cost = cost.reshape(batch, rows, columns, BLOCK, BLOCK, n * n).permute(0, 5, 1, 3, 2, 4)
    return cost.reshape(batch, n * n, rows * BLOCK, columns * BLOCK)[..., :height, :width]


class _Estimator(nn.Module):
    """Flow of one level from that of the next coarser one."""

    def __init__(self, features: int, reach: int, channels: tuple[int, ...]) -> None:
        super().__init__()
        self.reach = reach
        inputs = (2 * reach + 1) ** 2 + features + 2 + CARRIED
        self.layers = nn.Sequential(*(_convolution(*widths) for widths in pairwise((inputs, *channels))))
        self.flow = _to_flow(channels[-1])

    def forward(self, features: Tensor, flow: Tensor, carried: Tensor, stride: int) -> tuple[Tensor, Tensor]:
        """The flow in px, and the last features, which are carried on."""
        own = features.float()
        own = (own - own.mean((2, 3), keepdim=True)) / (own.var((1, 2, 3), keepdim=True) + 1e-6).sqrt()
        others = torch.cat(own.chunk(2)[::-1])
        warped = sample(others, pixels(flow) + flow.permute(0, 2, 3, 1) / stride)
        cost = functional.leaky_relu(compare(own, warped, self.reach), 0.1)
        last = self.layers(torch.cat([cost, own, flow / stride, carried], 1))
        return flow + stride * _bounded(self.flow(last).float(), self.reach), last


def _bounded(cells: Tensor, reach: int) -> Tensor:
    """A correction of the flow in cells, at most what the comparison reaches: early training cannot run away."""
    return reach * torch.tanh(cells / reach)

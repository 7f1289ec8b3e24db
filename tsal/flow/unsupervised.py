"""What a flow network learns from without labels: terms of the loss on pairs of frames, and known motions.

Photometric term by the census transform with a mask of what is occluded (Meister et al. 2018, UnFlow, arXiv
1711.07837); smoothness where the picture has no edge; and pairs made from one frame by a random motion, whose flow
is known exactly (self-supervision by transformation, as in Liu et al. 2020, ARFlow, arXiv 2003.13045).
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from tsal.data.augment import sample
from tsal.data.device import constant, to_device
from tsal.flow.fields import REDUCTION, passes_round_trip
from tsal.flow.pwc import pixels

CENSUS_REACH = 3  # px: a census patch has 7 x 7
CENSUS_NOISE = 3.0  # grey levels: differences well below are noise, well above count in full


def enlarge(flow: Tensor, like: Tensor) -> Tensor:
    """Flow (B, 2, h, w) in px of the frames, at the resolution of frames (B, C, H, W)."""
    return functional.interpolate(flow, size=like.shape[-2:], mode="bilinear", align_corners=False)


def census(images: Tensor, phase: tuple[int, int] = (0, 0), step: int = 1) -> Tensor:
    """How far the neighbours of pixels are above or below them: the ternary transform, made smooth.

    Args:
        images: float (B, 3, H, W) RGB in [0, 1].
        phase, step: the pixels are those of rows phase[0], phase[0] + step, .. and columns phase[1], ...

    Returns:
        (B, 48, h, w) in (-1, 1): d / sqrt(noise^2 + d^2) of differences d in grey levels.
    """
    side = 2 * CENSUS_REACH + 1
    luminance = constant((0.299, 0.587, 0.114), images.device, images.dtype).view(1, 3, 1, 1)
    grey = 255 * (images * luminance).sum(1, keepdim=True)
    height, width = grey.shape[-2:]
    padded = functional.pad(grey, (CENSUS_REACH,) * 4, mode="replicate")
    places = [(y, x) for y in range(side) for x in range(side) if (y, x) != (CENSUS_REACH, CENSUS_REACH)]
    windows = ((slice(y + phase[0], y + height, step), slice(x + phase[1], x + width, step)) for y, x in places)
    difference = (
        torch.cat([padded[..., *window] for window in windows], 1) - grey[..., phase[0] :: step, phase[1] :: step]
    )
    return difference * (CENSUS_NOISE**2 + difference.square()).rsqrt()


def census_distance(first: Tensor, second: Tensor) -> Tensor:
    """Share of neighbours (B, H, W), 0 to 1, by which two census transforms (B, N, H, W) differ (soft Hamming)."""
    squared = (first - second).square()
    return (squared / (0.1 + squared)).mean(1)


def stays_inside(flow: Tensor) -> Tensor:
    """Pixels (B, H, W), 1 or 0, whose flow (B, 2, H, W) in px of that resolution ends in the frame."""
    arrived = pixels(flow) + flow.permute(0, 2, 3, 1)
    size = constant((flow.shape[-1] - 1, flow.shape[-2] - 1), arrived.device, arrived.dtype)
    return ((arrived >= 0) & (arrived <= size)).all(-1).float()


@torch.no_grad()
def seen_in_both(there: Tensor, back: Tensor) -> Tensor:
    """Pixels (B, H, W), 1 or 0, whose flow stays in the frame and returns; no gradient.

    Args:
        there, back: flow (B, 2, H, W) in px, at the resolution of the frames.
    """
    returned = sample(back, pixels(there) + there.permute(0, 2, 3, 1))
    return stays_inside(there) * passes_round_trip(there, returned, dim=1)


def photometric_loss(first: Tensor, second: Tensor, flow: Tensor, phase: tuple[int, int]) -> Tensor:
    """Census distance of each frame from the other warped onto it, mean over the pixels seen in both.

    Every second pixel of every second row is asked: as many as flow has values.

    Args:
        first, second: float (B, 3, H, W) RGB in [0, 1].
        flow: (B, 2 directions, 2, h, w) in px.
        phase: row and column, 0 or 1 each, of the first pixel that is asked.
    """
    there = enlarge(torch.cat(flow.unbind(1)), first)
    own, other = torch.cat([first, second]), torch.cat([second, first])
    seen = seen_in_both(there, torch.cat(there.chunk(2)[::-1]))
    warped = sample(other, pixels(there) + there.permute(0, 2, 3, 1))
    distance = census_distance(*(census(images, phase, REDUCTION) for images in (own, warped)))
    seen = seen[:, phase[0] :: REDUCTION, phase[1] :: REDUCTION]
    return (distance * seen).sum() / seen.sum().clamp_min(1)


def smoothness_loss(images: Tensor, flow: Tensor, edge: float, order: int) -> Tensor:
    """Mean absolute difference, of first or second order, of neighbouring flow; less where the picture has an edge.

    Args:
        images: float (B, 3, H, W) RGB in [0, 1] that the flow leads from.
        flow: (B, 2, h, w) in px.
        edge: weights are exp(-edge |gradient|), the picture's gradient as it is in pixels of the flow.
    """
    picture = functional.adaptive_avg_pool2d(images, flow.shape[-2:])
    loss = flow.new_zeros(())
    for axis in (-1, -2):
        change = flow.diff(dim=axis)
        weight = torch.exp(-edge * picture.diff(dim=axis).abs().mean(1, keepdim=True))
        if order == 2:
            change = change.diff(dim=axis)
            length = weight.shape[axis] - 1
            weight = torch.minimum(weight.narrow(axis, 0, length), weight.narrow(axis, 1, length))
        loss = loss + (weight * (change.square() + 1e-6).sqrt()).mean() / 2
    return loss


@dataclass(frozen=True)
class Motions:
    """Random smooth motions; sizes are shares of the frame's side, each motion times a factor from 10^-1 to 1.

    shift: of the whole frame (standard deviation). turn: radians, and relative change of size (standard deviation).
    bend: of local motions (standard deviation), at nodes 1/4, 1/8 and 1/16 of the side apart, half as large at each.
    """

    shift: float = 0.015
    turn: float = 0.04
    bend: float = 0.012


def draw_motion(
    n: int, size: int, motions: Motions, generator: torch.Generator, device: torch.device | None = None
) -> Tensor:
    """Draw n flows (n, 2, size, size) in px. Random numbers are drawn on the CPU: a seed means the same everywhere."""

    def normal(*shape: int) -> Tensor:
        return to_device(torch.randn(n, *shape, generator=generator), device)

    factor = 10 ** -to_device(torch.rand(n, 1, 1, 1, generator=generator), device)
    axis = (torch.arange(size, device=device) + 0.5) / size - 0.5
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    turn, zoom = normal(2, 1, 1).mul(motions.turn).unbind(1)
    flow = torch.stack([zoom * x - turn * y, turn * x + zoom * y], 1) + motions.shift * normal(2, 1, 1)
    for power, nodes in enumerate((4, 8, 16)):
        bend = motions.bend * 0.5**power * normal(2, nodes + 1, nodes + 1)
        flow = flow + functional.interpolate(bend, size=(size, size), mode="bicubic", align_corners=True)
    return size * factor * flow


def invert_flow(flow: Tensor, rounds: int = 8) -> Tensor:
    """The way back b(y) = -f(y + b(y)) of smooth flow f (B, 2, H, W) in px, by iteration."""
    back = -flow
    for _ in range(rounds):
        back = -sample(flow, pixels(flow) + back.permute(0, 2, 3, 1))
    return back


def distance_from_known(flows: list[Tensor], known: Tensor, inside: Tensor) -> Tensor:
    """Mean distance in px of flow at all levels from known flow, where it is known; the finest counts most.

    Args:
        flows: of `FlowNetwork.forward`.
        known: (B, 2 directions, 2, H, W) in px; inside: (B, 2 directions, H, W), 1 where it is known, else 0.
    """
    loss = known.new_zeros(())
    known, inside = known.flatten(0, 1), inside.flatten(0, 1).unsqueeze(1)
    for level, flow in enumerate(flows):
        found = flow.flatten(0, 1)
        target = functional.adaptive_avg_pool2d(known * inside, found.shape[-2:])
        share = functional.adaptive_avg_pool2d(inside, found.shape[-2:])
        whole = (share > 0.99).float()
        error = ((found - target).square().sum(1, keepdim=True) + 1e-4).sqrt()
        loss = loss + 0.5**level * (error * whole).sum() / whole.sum().clamp_min(1)
    return loss

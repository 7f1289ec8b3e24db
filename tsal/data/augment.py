"""Augmentation of packed crops: whole batches, on the training device.

A `View` says what of a crop is the network's input: an affine from store pixels to network pixels and an optional
mirroring. Everything that lives in the crop (landmarks, flow, warped frames) is mapped through it. Landmarks alone have
a shift besides: where labels lie beside the face, they lie on the same side of a mirrored one.
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional

from tsal.data.device import constant, to_device
from tsal.data.landmarks import Scheme
from tsal.settings.models import NO_AUGMENTATION, Augmentation

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class View:
    """What a picture shows, for B crops.

    matrix: (B, 2, 3) store px -> network px.
    mirrored: (B,) bool.
    scale: (B,) network px a store px.
    mirror_shift: store px by which landmarks lie to the right of the places that they name, in a mirrored picture too.
    """

    matrix: Tensor
    mirrored: Tensor
    scale: Tensor
    mirror_shift: float = 0.0

    def to(self, device: torch.device) -> "View":
        parts = {name: to_device(getattr(self, name), device) for name in ("matrix", "mirrored", "scale")}
        return replace(self, **parts)


def _uniform(n: int, limit: float, generator: torch.Generator) -> Tensor:
    return (torch.rand(n, generator=generator) * 2 - 1) * limit


def draw_view(n: int, store_px: int, input_px: int, augmentation: Augmentation, generator: torch.Generator) -> View:
    """Draw n views. Random numbers are drawn on the CPU, so that a seed means the same on every device."""
    scale = 1 + _uniform(n, augmentation.scale, generator)
    angle = torch.deg2rad(_uniform(n, augmentation.rotation, generator))
    shift = torch.stack([_uniform(n, augmentation.shift * input_px, generator) for _ in range(2)], -1)
    mirrored = torch.rand(n, generator=generator) < augmentation.flip
    sign = torch.where(mirrored, -1.0, 1.0)
    cos, sin = scale * angle.cos(), scale * angle.sin()
    linear = torch.stack([torch.stack([cos * sign, -sin], -1), torch.stack([sin * sign, cos], -1)], -2)
    middle = torch.full((n, 2), (store_px - 1) / 2)
    offset = (input_px - 1) / 2 + shift - (linear @ middle.unsqueeze(-1)).squeeze(-1)
    matrix = torch.cat([linear, offset.unsqueeze(-1)], -1)
    return View(matrix, mirrored, scale, augmentation.mirror_shift * input_px)  # in px of the store: of scale 1


def turn(view: View, input_px: int, degrees: float) -> View:
    """The same view turned clockwise about its middle."""
    angle = torch.deg2rad(torch.tensor(degrees))
    rotation = torch.tensor([[angle.cos(), -angle.sin()], [angle.sin(), angle.cos()]])
    rotation = to_device(rotation, view.matrix.device)
    middle = torch.full((2, 1), (input_px - 1) / 2, device=view.matrix.device)
    matrix = rotation @ view.matrix
    matrix[:, :, 2:] += middle - rotation @ middle
    return replace(view, matrix=matrix)


def flip(scheme: Scheme, device: torch.device) -> Tensor:
    """`Scheme.flip` (K,) on a device."""
    return constant(tuple(scheme.flip.tolist()), device, torch.int64)


def inverse(view: View) -> Tensor:
    """(B, 2, 2), the way back of a view's linear part. Without a test for singular ones, whose answer a GPU's queue
    would be waited for: no view is.
    """
    return torch.linalg.inv_ex(view.matrix[:, :, :2]).inverse


def _mirror_offset(view: View) -> Tensor:
    """(B, 1, 2) store px by which the label in a mirrored view differs from the label's own mirror image.

    A label p = t + s lies s to the right of its place t. In a mirror it has to lie to the right of M(t), at
    M(t) + s = M(p - 2 s), as M turns right to left.
    """
    along_x = 2 * view.mirror_shift * view.mirrored
    return torch.stack([along_x, torch.zeros_like(along_x)], -1).unsqueeze(1)


def landmarks_to_px(points: Tensor, view: View) -> Tensor:
    """Landmarks (B or 1, K, 2) in store px -> (B, K, 2) in network px, under the names that they have."""
    if view.mirror_shift:
        points = points - _mirror_offset(view)
    return points @ view.matrix[:, :, :2].transpose(1, 2) + view.matrix[:, None, :, 2]


def landmarks_from_px(points: Tensor, view: View) -> Tensor:
    """The inverse of `landmarks_to_px`."""
    points = (points - view.matrix[:, None, :, 2]) @ inverse(view).transpose(1, 2)
    return points + _mirror_offset(view) if view.mirror_shift else points


def to_view(points: Tensor, view: View, scheme: Scheme) -> Tensor:
    """Landmarks (B, K, 2) in store px -> (B, K, 2) in network px, renamed where the view is mirrored."""
    mapped = landmarks_to_px(points, view)
    return torch.where(view.mirrored[:, None, None], mapped[:, flip(scheme, mapped.device)], mapped)


def from_view(points: Tensor, view: View, scheme: Scheme) -> Tensor:
    """Landmarks (B, K, 2) in network px -> (B, K, 2) in store px: the inverse of `to_view`."""
    points = torch.where(view.mirrored[:, None, None], points[:, flip(scheme, points.device)], points)
    return landmarks_from_px(points, view)


def rename_mirrored(values: Tensor, view: View, scheme: Scheme) -> Tensor:
    """Values per landmark (B, K) under a view's names <-> under the scheme's names (its own inverse)."""
    return torch.where(view.mirrored[:, None], values[:, flip(scheme, values.device)], values)


def sampling_grid(view: View, input_px: int) -> Tensor:
    """Store px (B, input_px, input_px, 2) that each network pixel shows."""
    axis = torch.arange(input_px, device=view.matrix.device, dtype=torch.float32)
    x, y = (axis.view(1, -1, 1) - view.matrix[:, None, :, 2]).unbind(-1)
    back = inverse(view)[:, None]
    # An affine map is the sum of what each axis gives: no product for each pixel. Each plane by itself, since a CPU is
    # slow to add pairs that lie side by side.
    grid = x.new_empty(len(x), input_px, input_px, 2)
    for i in range(2):
        torch.add((y * back[..., i, 1]).unsqueeze(2), (x * back[..., i, 0]).unsqueeze(1), out=grid[..., i])
    return grid


def sample(images: Tensor, grid: Tensor) -> Tensor:
    """Bilinear values (B, C, h, w) of images (B, C, S, S) at pixels (B, h, w, 2); border pixels go on outside."""
    size = images.shape[-1]
    normalised = (2 / size * grid).add_(1 / size - 1)
    return functional.grid_sample(images, normalised, padding_mode="border", align_corners=False)


def as_float(images: Tensor) -> Tensor:
    """uint8 (B, S, S, 3) -> float (B, 3, S, S) in [0, 1]."""
    return images.permute(0, 3, 1, 2).float().div_(255)


def normalise(images: Tensor) -> Tensor:
    """RGB in [0, 1] -> zero mean and unit variance of ImageNet."""
    mean, std = (constant(values, images.device).view(1, 3, 1, 1) for values in (IMAGENET_MEAN, IMAGENET_STD))
    return (images - mean) / std


def change_colours(images: Tensor, augmentation: Augmentation, generator: torch.Generator) -> Tensor:
    """Brightness, contrast, saturation, per-channel gain, blur and erasing of RGB (B, 3, h, w) in [0, 1]."""
    n, strength = len(images), augmentation.colour

    def draw(limit: float, *shape: int) -> Tensor:
        return to_device((torch.rand(n, *shape, generator=generator) * 2 - 1) * limit, images.device)

    if strength > 0:
        images = images * (1 + draw(0.15 * strength, 3, 1, 1))  # from here on in place: memory is what takes time
        images.lerp_(images.mean(1, keepdim=True), -draw(strength, 1, 1, 1))
        level, contrast = images.mean((1, 2, 3), keepdim=True), 1 + draw(strength, 1, 1, 1)
        images.mul_(contrast).add_(level - contrast * level + draw(0.3 * strength, 1, 1, 1))
        images.clamp_(0, 1)
        images.lerp_(_blur(images), draw(strength, 1, 1, 1).clamp_min(0) * 2)
    if augmentation.erase > 0:
        images = _erase(images, augmentation.erase, generator)
    return images


def _blur(images: Tensor) -> Tensor:
    """The mean of the 3 x 3 pixels around each one that lie in the image.

    What avg_pool2d gives without counting the padding, but for rounding, in a sixth of its time on a CPU.
    """
    total, weight = images, torch.ones((), device=images.device)
    for axis in (-2, -1):
        size = images.shape[axis]
        before, after = total.narrow(axis, 0, size - 1), total.narrow(axis, 1, size - 1)
        total = total.clone()
        total.narrow(axis, 1, size - 1).add_(before)
        total.narrow(axis, 0, size - 1).add_(after)
        weight = weight.unsqueeze(-1) / _neighbours(size, images.device)
    return total.mul_(weight)


def _neighbours(size: int, device: torch.device) -> Tensor:
    """How many of an axis's pixels are each one (size,) or next to it."""
    position = torch.arange(size, device=device)
    return 1.0 + (position > 0) + (position < size - 1)


def _erase(images: Tensor, chance: float, generator: torch.Generator) -> Tensor:
    n, _, height, width = images.shape
    numbers = to_device(torch.rand(n, 5, generator=generator), images.device)
    colour = to_device(torch.rand(n, 3, 1, 1, generator=generator), images.device)
    inside = []
    for axis, size in enumerate((height, width)):
        length = size * (0.1 + 0.3 * numbers[:, axis])
        start = numbers[:, 2 + axis] * (size - length)
        position = torch.arange(size, device=images.device)
        inside.append((position >= start[:, None]) & (position < (start + length)[:, None]))
    rows, columns = inside[0] & (numbers[:, 4:] < chance), inside[1]
    # Weights of 0 and 1, with which lerp gives one or the other exactly: where takes ten times as long on a CPU.
    return images.lerp(colour, (rows.to(images.dtype).unsqueeze(2) * columns.unsqueeze(1)).unsqueeze(1))


def apply_view(
    images: Tensor,
    view: View,
    input_px: int,
    augmentation: Augmentation = NO_AUGMENTATION,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Network input (B, 3, input_px, input_px) that shows uint8 crops (B, S, S, 3) under a view."""
    shown = sample(as_float(images), sampling_grid(view, input_px))
    return normalise(change_colours(shown, augmentation, generator) if generator is not None else shown)

"""Several processes that train together, each with a share of the images of every forward pass (torch.distributed).

All processes do the same: they draw the same batches, take the same losses and steps, and hold the same weights. Only
what a network computes is divided: each process passes its share of the images through the network, and the outputs
of all shares are gathered, so that every process goes on with the output of the whole batch. What follows needs not
know of it. A process alone computes as if nothing of this were there.

Gradients: beyond the gathered outputs each process has the whole gradient of the loss. Within the network it has that
of its share, times the number of processes, so that the mean over the processes (`average_gradients`) is the gradient
of the whole batch, of parameters within and beyond the network alike.
"""

from collections.abc import Callable, Iterable, Iterator

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn import functional

BUCKET = 1 << 23  # numbers that are reduced at once, 32 MB: a whole network in one piece would be held twice


class PeerLost(Exception):
    """Another process of the training has ended; it says itself why."""


def count() -> int:
    """How many processes train together."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def rank() -> int:
    """The number of this process, from 0 on; the first one alone writes files and shows progress."""
    return dist.get_rank() if count() > 1 else 0


def is_first() -> bool:
    return rank() == 0


def _communicate(operation: Callable[..., object], *arguments: object) -> None:
    """Call an operation of torch.distributed, which has no error of its own for a process that has ended."""
    try:
        operation(*arguments)
    except RuntimeError as error:
        raise PeerLost(str(error)) from error


def any_says(yes: bool) -> bool:
    """Whether any of the processes says yes; all of them have to ask."""
    if count() == 1:
        return yes
    answer = torch.tensor([yes], dtype=torch.uint8)
    _communicate(dist.all_reduce, answer, dist.ReduceOp.MAX)
    return bool(answer.item())


def all_agree(yes: Tensor) -> Tensor:
    """Whether all processes have a true tensor (), which stays on its device; all of them have to ask."""
    if count() == 1:
        return yes
    answer = yes.to(torch.uint8)
    _communicate(dist.all_reduce, answer, dist.ReduceOp.MIN)
    return answer.bool()


def meet() -> None:
    """Wait until all processes are here."""
    any_says(False)


def take_from_first(modules: Iterable[nn.Module]) -> None:
    """Give all processes the parameters and buffers of the first one."""
    if count() == 1:
        return
    for module in modules:
        for tensor in module.state_dict().values():
            values = tensor.contiguous()  # of the layout that all processes communicate
            _communicate(dist.broadcast, values, 0)
            tensor.copy_(values)


def average_gradients(parameters: Iterable[Tensor]) -> None:
    """Replace the gradients of parameters by their mean over the processes."""
    if count() == 1:
        return
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    for bucket in _buckets(gradients):
        flat = torch.cat([gradient.flatten() for gradient in bucket])
        _communicate(dist.all_reduce, flat)
        flat /= count()
        for gradient, mean in zip(bucket, flat.split([gradient.numel() for gradient in bucket]), strict=True):
            gradient.copy_(mean.view(gradient.shape))


def _buckets(tensors: list[Tensor]) -> Iterator[list[Tensor]]:
    bucket, size = [], 0
    for tensor in tensors:
        if bucket and size + tensor.numel() > BUCKET:
            yield bucket
            bucket, size = [], 0
        bucket.append(tensor)
        size += tensor.numel()
    if bucket:
        yield bucket


def _share(images: int, of: int) -> slice:
    """The images of a process; shares differ by one image at most."""
    return slice(images * of // count(), images * (of + 1) // count())


def is_divided(images: int) -> bool:
    """Whether a pass of so many images is divided. Of fewer images than processes each process computes all."""
    return 1 < count() <= images


def own_share(images: Tensor) -> Tensor:
    """This process's share of images (B, ...), all of them where the pass is not divided.

    Gradient passes to the images of all shares, in all processes.
    """
    if not is_divided(images.shape[0]):  # len() would make it a constant of what torch.export traces
        return images
    return _OwnShare.apply(images) if images.requires_grad else images[_share(len(images), rank())]


def gather(outputs: list[Tensor], images: int) -> list[Tensor]:
    """The outputs (B, ...) of a pass of `images` images, given those of this process's share, with gradient."""
    if not is_divided(images):
        return outputs
    flat = torch.cat([output.flatten(1) for output in outputs], 1)  # one message, not one for each output
    parts = _Gather.apply(flat, images).split([output[0].numel() for output in outputs], 1)
    return [part.unflatten(1, output.shape[1:]) for part, output in zip(parts, outputs, strict=True)]


def _gather_rows(own: Tensor, rows: int) -> Tensor:
    """All rows (B, ...) of which each process has its share."""
    shares = [_share(rows, of) for of in range(count())]
    sizes = [share.stop - share.start for share in shares]
    own = functional.pad(own, (0, 0) * (own.ndim - 1) + (0, max(sizes) - len(own))).contiguous()
    padded = own.new_empty(len(sizes) * max(sizes), *own.shape[1:])
    _communicate(dist.all_gather_into_tensor, padded, own)
    if min(sizes) == max(sizes):
        return padded
    return torch.cat([part[:size] for part, size in zip(padded.split(max(sizes)), sizes, strict=True)])


class _OwnShare(torch.autograd.Function):
    @staticmethod
    def forward(ctx, images: Tensor) -> Tensor:
        ctx.rows = len(images)
        return images[_share(ctx.rows, rank())].clone()

    @staticmethod
    def backward(ctx, gradient: Tensor) -> Tensor:
        return _gather_rows(gradient, ctx.rows) / count()


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx, own: Tensor, rows: int) -> Tensor:
        ctx.rows = rows
        return _gather_rows(own, rows)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, None]:
        return gradient[_share(ctx.rows, rank())] * count(), None


class SharedBatchNorm(nn.BatchNorm2d):
    """Batch normalisation that has, in training, the statistics of the images of all shares.

    What `nn.SyncBatchNorm` is on GPUs, on any device.
    """

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or count() == 1:
            return super().forward(x)
        with torch.no_grad():
            mean, variance, values = self._statistics(x)
            self.num_batches_tracked.add_(1)
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance * (values / (values - 1)), self.momentum)
        return _Normalise.apply(x, self.weight, self.bias, mean, variance, values, self.eps)

    def _statistics(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Mean and biased variance (C,) of x (B, C, h, w) over all shares, and of how many values each is, a scalar."""
        # The running ones do not move with momentum 0; they are there for the precision of what is returned.
        mean, variance = torch.batch_norm_update_stats(x, self.running_mean, self.running_var, 0.0)
        values = mean.new_tensor([x.numel() // x.shape[1]])
        own = torch.cat([mean, variance, values])
        every = own.new_empty(count() * len(own))
        _communicate(dist.all_gather_into_tensor, every, own)
        means, variances, sizes = every.view(count(), -1).double().split([len(mean), len(mean), 1], 1)
        total = sizes.sum()
        mean = (means * sizes).sum(0) / total
        # Of the squared distances from the common mean, not of squares: these would cancel (Chan et al. 1979).
        variance = ((variances + (means - mean).square()) * sizes).sum(0) / total
        return mean.to(own), variance.to(own), total.to(own)


class _Normalise(torch.autograd.Function):
    """(x - mean) / sqrt(variance + eps) * weight + bias, with the gradient through the statistics of all shares."""

    @staticmethod
    def forward(ctx, x, weight, bias, mean, variance, values, eps):
        ctx.save_for_backward(x, weight, mean, variance, values)
        ctx.eps = eps
        return functional.batch_norm(x, mean, variance, weight, bias, False, 0.0, eps)

    @staticmethod
    def backward(ctx, gradient):
        x, weight, mean, variance, values = ctx.saved_tensors
        # That of fixed statistics, by PyTorch's own kernel, and what passes through mean and variance on top of it.
        fixed, of_weight, of_bias = torch.ops.aten.native_batch_norm_backward(
            gradient, x, weight, mean, variance, None, None, False, ctx.eps, [True, True, True]
        )
        total = torch.cat([of_weight, of_bias])
        _communicate(dist.all_reduce, total)
        through_variance, through_mean = (total / values).chunk(2)
        inverse = (variance + ctx.eps).rsqrt()
        slope = -weight * inverse.square() * through_variance
        level = -weight * inverse * through_mean - slope * mean
        slope, level = slope.view(-1, 1, 1), level.view(-1, 1, 1)
        return (fixed + (x * slope + level)).to(x.dtype), of_weight, of_bias, None, None, None, None

"""The flow network within TSAL's loop: it is adapted to the detector whose frames it warps (arXiv 2012.06711).

The paper's terms: smooth flow, and heatmaps that agree on the real frame and on its neighbour warped onto it. The
detector stands still, and so do its maps of the real frame, so that only the flow can make them agree: the gradient
passes from the maps of the warped frame through the detector and the warp.
"""

from pathlib import Path

import torch
from torch import Tensor

from tsal.data.augment import View, as_float, draw_view, from_view, normalise, sample, sampling_grid
from tsal.data.device import to_device
from tsal.data.landmarks import Scheme
from tsal.detectors import Detector, Output
from tsal.detectors.losses import distribution_distance, squared_distance
from tsal.errors import InputError
from tsal.flow.fields import follow, warp
from tsal.flow.pwc import FlowNetwork, load_network
from tsal.flow.unsupervised import photometric_loss, smoothness_loss
from tsal.settings.models import NO_AUGMENTATION
from tsal.training.batches import TrainingData
from tsal.training.run import Run, make_optimizer

EDGE, ORDER = 20.0, 2  # of the smoothness, as in training
NETWORKS = ("student_flow", "teacher_flow")
RATE = 1e-5  # of learning, at its highest; at ten times that the flow becomes worse, see docs/flow.md


def add_flow_networks(run: Run, data: TrainingData, path: Path | None) -> None:
    """Give student and teacher a flow network each, as parts of the run, with an optimiser.

    Raises:
        InputError: no network is given, or the file is none.
    """
    if path is None:
        raise InputError(
            f"{data.settings.method}: adapt_flow needs the tracker's network; expected --flow-network FILE"
        )
    schedule = run.training.optimizer
    for name in NETWORKS:
        run.parts[name] = load_network(path).to(run.device)
        run.optimizers[name] = make_optimizer(run.parts[name], schedule.replace(name="adamw"))
        for group in run.optimizers[name].param_groups:
            group["rate"] = RATE / schedule.learning_rate


@torch.no_grad()
def flow_between(network: FlowNetwork, images: Tensor, neighbours: Tensor) -> tuple[Tensor, Tensor]:
    """The flow of the network of the moment, in the format of `training.batches.Frames`, without gradient.

    Args:
        images, neighbours: uint8 (N, S, S, 3) crops.

    Returns:
        there, back: float32 (N, 2, S // 2, S // 2) in store px from the frame to its neighbour, and back.
    """
    there, back = network.track(as_float(images), as_float(neighbours)).unbind(1)
    return there, back


def adaptation_loss(
    network: FlowNetwork,
    detector: Detector,
    images: Tensor,
    neighbours: Tensor,
    tracked: Tensor,
    scheme: Scheme,
    input_px: int,
    *,
    smoothness: float = 0.1,
    photometric: float = 0.0,
) -> Tensor:
    """Loss by which a step adapts the flow network; the detector's parameters get no gradient.

    Consistency is that of the teacher's loss, summed over the stages: squared distance of heatmaps, or the divergence
    of distributions. It counts landmarks that the frame shows in both pictures, by the round-trip test.

    Args:
        images, neighbours: uint8 (N, S, S, 3) crops.
        tracked: (N,) bool, on the CPU: how many there are is known without waiting for a GPU.
        input_px: side of the detector's input.
        smoothness: weight of the smoothness of both flows.
        photometric: weight of the photometric term of training, which the paper leaves out.

    Returns:
        Scalar loss; 0, with a gradient of zeros, where no frame is tracked.
    """
    flow = network.track(as_float(images), as_float(neighbours))
    if not tracked.any():
        return 0 * flow.sum()
    rows = to_device(tracked.nonzero().squeeze(1), flow.device)
    flow, first, second = flow[rows], as_float(images[rows]), as_float(neighbours[rows])
    loss = _consistency(detector, flow, first, second, scheme, input_px)
    frames, flows = torch.cat([first, second]), torch.cat(flow.unbind(1))
    loss = loss + smoothness * smoothness_loss(frames, flows, EDGE, ORDER)
    if photometric:
        loss = loss + photometric * photometric_loss(first, second, flow, (0, 0))
    return loss


def _consistency(
    detector: Detector, flow: Tensor, first: Tensor, second: Tensor, scheme: Scheme, input_px: int
) -> Tensor:
    there, back = flow.unbind(1)
    view = draw_view(len(first), first.shape[-1], input_px, NO_AUGMENTATION, torch.Generator()).to(first.device)
    grid = sampling_grid(view, input_px)
    was_training = detector.training
    detector.eval()
    with torch.no_grad():
        wanted = detector(normalise(sample(first, grid)))
        visible = _visible(detector, wanted, there, back, view, scheme)
    fixed = {name: tensor.detach() for name, tensor in detector.state_dict(keep_vars=True).items()}
    warped = normalise(warp(second, there, back, grid))
    found: Output = torch.func.functional_call(detector, fixed, (warped,))
    detector.train(was_training)
    loss = flow.new_zeros(())
    for stage, target in zip(found.stages, wanted.stages, strict=True):
        if detector.distribution:
            target = target.flatten(2).softmax(-1).view_as(target)
            loss = loss + distribution_distance(stage, target, visible)
        else:
            counted = torch.cat([visible, visible.amin(1, keepdim=True)], 1)
            loss = loss + squared_distance(stage, target, counted)
    return loss


def _visible(detector: Detector, output: Output, there: Tensor, back: Tensor, view: View, scheme: Scheme) -> Tensor:
    """Landmarks (N, K), 1 or 0, that pass the round-trip test where the detector finds them."""
    points = from_view(detector.decode(output), view, scheme)
    return follow(points, there, back)[2].float()

"""Trackers by name: pairs of frames -> flow in both directions, at the resolution that is stored."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch

from tsal.data.augment import as_float
from tsal.errors import InputError
from tsal.flow import needs_network
from tsal.flow.fields import REDUCTION
from tsal.flow.pwc import FlowNetwork, load_network

PWC_BATCH = 8  # pairs tracked at once: 1.5 GB for crops of 455 px


@dataclass(frozen=True)
class Tracker:
    """How to track, and with how many pairs at a time.

    track: first and second frames, uint8 (B, S, S, 3) RGB each -> flow (B, 2 directions, 2 (x, y), S/2, S/2) in px of
        the frames, from the first to the second and back.
    batch: pairs B that are tracked best together.
    one_thread: a call keeps one thread busy, and several calls may run at once.
    """

    track: Callable[[np.ndarray, np.ndarray], np.ndarray]
    batch: int
    one_thread: bool


def dis(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Dense inverse search (Kroeger et al. 2016) by OpenCV: flow (S, S, 2) from `first` to `second` (S, S) uint8."""
    tracker = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    return tracker.calc(first, second, None)


def _dis_both_ways(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    flows = []
    for pair in zip(first, second, strict=True):
        grey = [cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2GRAY) for image in pair]
        size = tuple(side // REDUCTION for side in grey[0].shape[::-1])
        both = [dis(*ends) for ends in (grey, grey[::-1])]
        flows.append([cv2.resize(flow, size, interpolation=cv2.INTER_AREA) for flow in both])
    return np.array(flows).transpose(0, 1, 4, 2, 3)


def open_tracker(name: str, network: Path | None, device: torch.device) -> Tracker:
    """A tracker that is ready to track.

    Args:
        name: see `tsal.flow.TRACKERS`.
        network: for "pwc" the file that `train_flow` wrote; None for "dis".
        device: that a network runs on.

    Raises:
        InputError: unknown tracker; its network is missing or does not fit; "dis" is given one.
    """
    needs_network(name)  # knows the names
    if name == "dis":
        if network is not None:
            raise InputError(f"{network}: tracker 'dis' has no network; leave the file out, or name its tracker")
        return Tracker(_dis_both_ways, batch=1, one_thread=True)
    if network is None:
        raise InputError("tracker 'pwc' has no network yet; train one on the crops, and name its file")
    return _by_network(load_network(network).to(device), device)


def _by_network(network: FlowNetwork, device: torch.device) -> Tracker:
    """A network on a device, which tracks frames in [0, 1], as a tracker of crops in memory."""

    @torch.inference_mode()
    def both_ways(first: np.ndarray, second: np.ndarray) -> np.ndarray:
        frames = (as_float(torch.from_numpy(images).to(device)) for images in (first, second))
        return network.track(*frames).cpu().numpy()

    return Tracker(both_ways, batch=PWC_BATCH, one_thread=False)

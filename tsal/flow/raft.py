"""RAFT (Teed and Deng 2020, arXiv 2003.12039) by torchvision, with its published weights.

They were trained with the flow of rendered scenes as labels (FlyingChairs, FlyingThings3D and others), of no face.
"""

import pickle
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional
from torchvision.models import WeightsEnum
from torchvision.models.optical_flow import Raft_Large_Weights, Raft_Small_Weights, raft_large, raft_small

from tsal.errors import InputError
from tsal.files import sha256
from tsal.flow.fields import REDUCTION

RAFTS: dict[str, tuple[Callable[[], nn.Module], WeightsEnum]] = {
    "raft": (raft_large, Raft_Large_Weights.C_T_SKHT_V2),
    "raft_small": (raft_small, Raft_Small_Weights.C_T_V2),
}
STRIDE = 8  # sides have to be divisible by it
LEAST_SIDE = 128  # px: below, the coarsest correlations have no size


def load_raft(name: str, path: Path | None) -> nn.Module:
    """torchvision's network, ready to track.

    Args:
        name: "raft" (the large one) or "raft_small".
        path: .pth or .safetensors file of the weights; None for the file in PyTorch's hub folder (TORCH_HOME).

    Raises:
        InputError: no such file; damaged; other names or shapes than the network's. Nothing is downloaded.
    """
    build, weights = RAFTS[name]
    if path is None:
        path = Path(torch.hub.get_dir()) / "checkpoints" / Path(weights.url).name
        _check_cached(path, name, weights.url)
    network = build()
    try:
        network.load_state_dict(_read(path))
    except (OSError, EOFError, RuntimeError, TypeError, SafetensorError, pickle.UnpicklingError) as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(
            f"{path}: cannot be used as weights of tracker {name!r} ({reason}); expected the file from {weights.url}"
        ) from error
    return network.eval()


def _check_cached(path: Path, name: str, address: str) -> None:
    """The name of torchvision's file ends in the first digits of its SHA-256."""
    if not path.is_file():
        raise InputError(
            f"{path}: no such file; tracker {name!r} needs torchvision's weights: put {address} there, or name a file "
            "of them"
        )
    expected, found = path.stem.rpartition("-")[2], sha256(path)
    if not found.startswith(expected):
        raise InputError(
            f"{path}: SHA-256 {found[:12]}..., expected {expected}...: truncated, or other weights; put {address} there"
        )


def _read(path: Path) -> dict[str, Tensor]:
    return load_file(path) if path.suffix == ".safetensors" else torch.load(path, "cpu", weights_only=True)


def track_by_raft(network: nn.Module, first: Tensor, second: Tensor) -> Tensor:
    """Flow in both directions as it is stored.

    Args:
        network: of `load_raft`.
        first, second: float (B, 3, H, W) RGB in [0, 1].

    Returns:
        (B, 2 directions, 2 (x, y), H // 2, W // 2) in px of the frames, from the first to the second and back.
    """
    height, width = first.shape[-2:]
    pad = [max(LEAST_SIDE, side + -side % STRIDE) - side for side in (height, width)]
    frames = 2 * functional.pad(torch.cat([first, second]), (0, pad[1], 0, pad[0]), mode="replicate") - 1
    flow = network(frames, torch.cat(frames.chunk(2)[::-1]))[-1]
    flow = flow[..., : height // REDUCTION * REDUCTION, : width // REDUCTION * REDUCTION]
    return torch.stack(functional.avg_pool2d(flow.float(), REDUCTION).chunk(2), 1)

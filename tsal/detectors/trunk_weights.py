"""Pretrained weights of a trunk, from a .safetensors file or from torchvision."""

import logging
from pathlib import Path
from pickle import UnpicklingError

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from tsal.bounds import reason
from tsal.detectors.checkpoints import check_header
from tsal.errors import InputError
from tsal.files import sha256

# Publicly known. The name has its first eight digits alone, which other files can be made to have.
_DIGESTS = {"vgg16-397923af.pth": "397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0"}
# What reading a file raises that holds something else than tensors by name.
_UNREADABLE = (UnpicklingError, KeyError, AttributeError, TypeError, ValueError, EOFError, IndexError, MemoryError)
logger = logging.getLogger(__name__)


def load_imagenet(vgg: nn.Module, or_random: bool) -> None:
    """Load torchvision's ImageNet weights of VGG-16 into its first layers.

    The file is downloaded once into PyTorch's hub folder (TORCH_HOME), or put there by hand. Its name ends in the first
    eight digits of its SHA-256, and its bytes have to agree with them before they are read.

    Args:
        vgg: layers with the names and shapes of vgg16().features, from the first on.
        or_random: whether to keep the random weights, with a warning, where the file cannot be had.

    Raises:
        InputError: the file in the hub folder is not the one that its name says; or it cannot be had.
    """
    from torchvision.models import VGG16_Weights  # imported here, since it takes as long as PyTorch itself

    weights = VGG16_Weights.IMAGENET1K_V1
    file = Path(torch.hub.get_dir()) / "checkpoints" / Path(weights.url).name
    if file.exists():
        _check_hash(file)
    try:
        state = weights.get_state_dict(map_location="cpu", check_hash=True, weights_only=True)
        own = {name: state[f"features.{name}"] for name in vgg.state_dict()}
    except _UNREADABLE as error:
        raise _unreadable(file, error) from error
    except (OSError, RuntimeError) as error:  # urllib's errors are OSErrors; RuntimeError: the download's hash
        problem = f"vgg16_cpm: the ImageNet weights could not be had from {weights.url} ({error})"
        remedy = f"Put that file into {file.parent}, or set detector.weights to a .safetensors file"
        if not or_random:
            raise InputError(f"{problem}. {remedy}") from error
        logger.warning("%s: the trunk starts from RANDOM weights and will be less accurate. %s", problem, remedy)
        return
    try:
        vgg.load_state_dict(own)
    except (RuntimeError, *_UNREADABLE) as error:
        raise _unreadable(file, error) from error


def _unreadable(file: Path, error: Exception) -> InputError:
    """PyTorch's own words advise to let the file run code, which is not done for any file."""
    found = "something else than tensors" if isinstance(error, UnpicklingError) else reason(error)
    return InputError(
        f"{file}: holds no weights of vgg16 ({found}); delete it to have it downloaded again, or set detector.weights "
        "to a .safetensors file"
    )


def _check_hash(file: Path) -> None:
    """torch.hub compares the hash of what it downloads, never of what it finds."""
    expected = _DIGESTS.get(file.name, file.stem.rpartition("-")[2])
    found = sha256(file)
    if not found.startswith(expected):
        raise InputError(
            f"{file}: SHA-256 {found[:12]}..., expected {expected[:12]}...: truncated, or other weights; delete it to "
            "have it downloaded again, or set detector.weights to a .safetensors file"
        )


def load_trunk(module: nn.Module, path: str) -> None:
    """Load a trunk's weights from a .safetensors file.

    Raises:
        InputError: missing, damaged, or other names or shapes than the module's.
    """
    try:
        if Path(path).is_file():
            check_header(path)
        module.load_state_dict(load_file(path))
    except (OSError, RuntimeError, SafetensorError, ValueError, OverflowError, MemoryError) as error:
        raise InputError(
            f"{path}: cannot be used as trunk weights ({reason(error)}); expected a .safetensors file with the "
            f"{len(module.state_dict())} tensors of {type(module).__name__}"
        ) from error

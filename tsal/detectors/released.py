"""How a trained detector is written to be handed on, as the one that comes with the project."""

from pathlib import Path

import torch

from tsal.detectors import checkpoints
from tsal.detectors.predict import DETECTOR, load_detector
from tsal.errors import InputError
from tsal.files import sha256

MOST_BYTES = 6_000_000  # of weights, which are part of the repository


def release(checkpoint: str | Path, output: str | Path) -> None:
    """Write a checkpoint's weights in half precision, with what it says of itself and the digest of what it was.

    Biases and the statistics of batch norm, which are few, stay as they are.

    Raises:
        InputError: it is no checkpoint, or the file would be larger than MOST_BYTES.
    """
    detector = load_detector(checkpoint, torch.device("cpu"))
    about = checkpoints.read_about(Path(checkpoint), DETECTOR)
    tensors = {name: _halved(tensor) for name, tensor in detector.network.state_dict().items()}
    size = sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())
    if size > MOST_BYTES:
        raise InputError(f"{checkpoint}: found weights of {size:,} bytes, expected {MOST_BYTES:,} at most")
    checkpoints.save(Path(output), DETECTOR, tensors, {**about, "of": sha256(Path(checkpoint))})


def _halved(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.half() if tensor.ndim > 1 else tensor

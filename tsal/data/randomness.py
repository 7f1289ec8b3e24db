"""Random numbers that depend on what they are for, so that a run that resumes draws what it would have drawn."""

import hashlib

import torch


def generator(seed: int, purpose: str, step: int) -> torch.Generator:
    """A CPU generator whose numbers depend on its arguments only."""
    digest = hashlib.sha256(f"{seed}/{purpose}/{step}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "big") >> 1)

"""Small arithmetic that all hair shares."""

import numpy as np


def unit(vectors: np.ndarray) -> np.ndarray:
    """Vectors (..., 3), each divided by its length; zero stays zero."""
    return vectors / (length_of(vectors)[..., None] + 1e-9)


def length_of(vectors: np.ndarray) -> np.ndarray:
    """(...,) of vectors (..., 3)."""
    return np.sqrt(np.einsum("...x,...x->...", vectors, vectors))  # several times as fast as np.linalg.norm


def smooth(low: float, high: float, value: np.ndarray) -> np.ndarray:
    """0 below low, 1 above high, smooth between; high may be the lower one."""
    share = np.clip((value - low) / (high - low), 0, 1)
    return share * share * (3 - 2 * share)

"""Boxes (N, 4), x0, y0, x1, y1: how much they overlap, and one for each face."""

import numpy as np


def overlap(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Intersection over union of boxes (N, 4) and (M, 4): (N, M) in [0, 1]; 0 of boxes without area."""
    low = np.maximum(first[:, None, :2], second[None, :, :2])
    high = np.minimum(first[:, None, 2:], second[None, :, 2:])
    both = np.clip(high - low, 0, None).prod(axis=2)
    either = area(first)[:, None] + area(second)[None] - both
    return np.divide(both, either, out=np.zeros_like(both), where=either > 0)


def area(boxes: np.ndarray) -> np.ndarray:
    """(N,) in square px."""
    return np.clip(boxes[:, 2:] - boxes[:, :2], 0, None).prod(axis=1)


def one_for_each(boxes: np.ndarray, confidences: np.ndarray, most: float) -> tuple[np.ndarray, np.ndarray]:
    """Non-maximum suppression by averages (Bazarevsky et al. 2019, section 3.4), which jitter less from frame to frame.

    The most confident box and those that overlap it are averaged, weighted by confidence; then the next of the rest.

    Args:
        most: overlap beyond which two boxes are of one face.

    Returns:
        Boxes (M, 4) and the highest confidence of each (M,), the most confident first.
    """
    order = np.argsort(-confidences, kind="stable")
    boxes, confidences = boxes[order], confidences[order]
    kept, highest = [], []
    while len(boxes):
        same = overlap(boxes[:1], boxes)[0] > most
        same[0] = True
        kept.append(np.average(boxes[same], axis=0, weights=confidences[same]))
        highest.append(confidences[0])
        boxes, confidences = boxes[~same], confidences[~same]
    return np.reshape(kept, (-1, 4)), np.array(highest, np.float64)

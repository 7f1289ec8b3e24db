"""Face boxes of one's own data: the bounds of the landmarks, also where only some of them are annotated."""

import numpy as np

from tsal.data.faces import bounds_of

_SMALLEST_SHARE = 0.01  # of a face's own box, that its landmarks reach over where there are _SEVERAL
_SEVERAL = 3
SMALLEST = 1.0  # px of a side: a smaller face shows nothing


def face_boxes(points: np.ndarray, own: np.ndarray, prefer_own: bool) -> np.ndarray:
    """Boxes x0, y0, x1, y1 (N, 4), NaN where nothing tells one.

    The bounds of a face's landmarks. Where some are not annotated, bounds of the others would be too small a box: the
    mean face is laid onto them (shift, turn and size by least squares), and tells where the others are.

    Args:
        points: (N, K, 2), NaN where not annotated.
        own: (N, 4) the labels' own boxes, NaN where there is none.
        prefer_own: whether a face has its own box where there is one; without, only faces that have no other.
    """
    boxes = _bounds(points)
    partial = np.flatnonzero(np.isnan(points).any(axis=(1, 2)) & np.isfinite(points).any(axis=(1, 2)))
    mean = mean_face(points) if len(partial) else None
    for row in partial:
        whole = None if mean is None else completed(points[row], mean)
        boxes[row] = np.full(4, np.nan) if whole is None else bounds_of(whole)
    boxes[~_has_area(boxes)] = np.nan
    has_own = _has_area(own)
    take = has_own if prefer_own else has_own & np.isnan(boxes).any(axis=1)
    boxes[take] = own[take]
    return boxes


def fits_own_box(points: np.ndarray, own: np.ndarray) -> np.ndarray:
    """Whether landmarks lie about their face's own box, (N,) bool; true also where there is no box, or no point.

    Their middle lies in the box, widened on each side by its size; and three points or more reach over a hundredth of
    its longer side: those that are shares of the picture or the box do not.

    Args:
        points: (N, K, 2) in px, NaN where not annotated.
        own: (N, 4) the labels' own boxes, NaN where there is none.
    """
    known = np.isfinite(points).all(axis=2)
    fits = np.ones(len(points), bool)
    for row in np.flatnonzero(known.any(axis=1) & _has_area(own)):
        bounds, box = bounds_of(points[row, known[row]]), own[row]
        reach, side = bounds[2:] - bounds[:2], box[2:] - box[:2]
        middle = (bounds[:2] + bounds[2:]) / 2
        near = ((box[:2] - side <= middle) & (middle <= box[2:] + side)).all()
        fits[row] = near and (known[row].sum() < _SEVERAL or reach.max() >= _SMALLEST_SHARE * side.max())
    return fits


def _bounds(points: np.ndarray) -> np.ndarray:
    return bounds_of(points) if points.shape[1] else np.full((len(points), 4), np.nan)


def _has_area(boxes: np.ndarray) -> np.ndarray:
    """(N,) bool; false also of NaN."""
    return (boxes[:, 2:] - boxes[:, :2] >= SMALLEST).all(axis=1)


def mean_face(points: np.ndarray) -> np.ndarray | None:
    """The mean (K, 2) of faces, each brought to a box of unit size; NaN of a point that none of them has.

    Of the faces with all points; where there is none, of those with at least half of them.

    Returns:
        None where there are no such faces.
    """
    known = np.isfinite(points).all(axis=2)
    complete = known.all(axis=1)
    chosen = complete if complete.any() else known.mean(axis=1) >= 0.5
    some, some_known = points[chosen], known[chosen]
    if not len(some):
        return None
    low, high = np.nanmin(some, axis=1), np.nanmax(some, axis=1)
    side = (high - low).max(axis=1)
    good = side >= SMALLEST
    unit = (some[good] - low[good, None]) / side[good, None, None]
    count = some_known[good].sum(axis=0)
    total = np.where(some_known[good][..., None], unit, 0).sum(axis=0)
    return np.where(count[:, None] > 0, total / np.maximum(count, 1)[:, None], np.nan) if good.any() else None


def completed(face: np.ndarray, mean: np.ndarray) -> np.ndarray | None:
    """A face (K, 2) with those points filled in that are not annotated; those that the mean face lacks left out.

    Returns:
        None where fewer than two points tell where the mean face lies.
    """
    known = np.isfinite(face).all(axis=1)
    both = known & np.isfinite(mean).all(axis=1)
    source, target = (side[both] @ [1, 1j] for side in (mean, face))  # as complex numbers: a product turns and scales
    if len(source) < 2:
        return None
    spread = source - source.mean()
    size = (np.abs(spread) ** 2).sum()
    if size <= 1e-12:
        return None
    factor = (spread.conj() * (target - target.mean())).sum() / size
    if abs(factor) < SMALLEST:
        return None
    laid = (mean @ [1, 1j] - source.mean()) * factor + target.mean()
    filled = np.where(known[:, None], face, np.stack([laid.real, laid.imag], 1))
    return filled[np.isfinite(filled).all(axis=1)]

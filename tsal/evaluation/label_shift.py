"""How far labels lie beside the face, given landmarks that cannot prefer a side.

Such are those that a detector finds in a picture and in its mirror image, averaged.

Where such landmarks follow another convention than the labels, they do so on both sides of the face: over a face that
looks ahead, and over as many that look to the left as to the right, this cancels. Up and down have no mirror, so that
of a shift in that direction nothing can be said.
"""

from collections.abc import Callable

import numpy as np

FAR_OFF = 0.14  # of the distance of the eyes: a median error at which a face was not found
TRIMMED = 0.1  # of the faces, at either end
DRAWS = 1000
_LEFT_EYE, _RIGHT_EYE, _NOSE = 36, 45, 30  # outer corners, and the tip, of the 68
_AHEAD = 0.08  # of the distance of the eyes: how far from their middle the tip of the nose is


def are_found(labels: np.ndarray, found: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """(N,) bool: all landmarks (N, K, 2) are annotated, and most of them found near, by the size of each face (N,) px.

    Without all of them one side of a face would count more.
    """
    errors = np.linalg.norm(labels - found, axis=2) / sizes[:, None]
    return np.isfinite(errors).all(1) & (np.median(errors, axis=1) < FAR_OFF)


def trimmed_mean(values: np.ndarray) -> float:
    """The mean of values (N,) without those TRIMMED at either end."""
    cut = int(TRIMMED * len(values))
    return float(np.sort(values)[cut : len(values) - cut].mean())


def interval(
    values: np.ndarray, persons: np.ndarray, statistic: Callable[[np.ndarray], float] = trimmed_mean
) -> tuple[float, float]:
    """The 95 % interval of a statistic of values (N, ...), by draws of as many persons (N,) with replacement."""
    random = np.random.default_rng(0)
    order = np.argsort(persons, kind="stable")
    of_person = np.split(order, np.unique(persons[order], return_index=True)[1][1:])
    draws = (random.integers(len(of_person), size=len(of_person)) for _ in range(DRAWS))
    found = [statistic(values[np.concatenate([of_person[i] for i in drawn])]) for drawn in draws]
    low, high = np.percentile(found, [2.5, 97.5])
    return float(low), float(high)


def deviation_with(values: np.ndarray, count: int) -> float:
    """Standard deviation of `trimmed_mean` of `count` of the values (N,)."""
    random = np.random.default_rng(0)
    return float(np.std([trimmed_mean(random.choice(values, count, replace=False)) for _ in range(DRAWS)]))


def along_the_face(shifts: np.ndarray, points: np.ndarray) -> float:
    """Which way labels are shifted on turned faces: 0 along the picture, 1 along the line of the eyes.

    Of a face that is turned by r, labels that are shifted by s along the picture, and placed lower on the face by b,
    are off by (s - b sin r, b cos r); those shifted along the face by (s cos r - b sin r, s sin r + b cos r). So the
    part of y that goes with sin r, over s, tells one from the other.

    Args:
        shifts: (N, 2) to the right and down, over each face's size.
        points: (N, 68, 2) of the faces.
    """
    line = _line_of_eyes(points)
    cosine, sine = (line / np.linalg.norm(line, axis=1)[:, None]).T
    with_sine, _ = np.linalg.lstsq(np.stack([sine, cosine], 1), shifts[:, 1], rcond=None)[0]
    return float(with_sine / trimmed_mean(shifts[:, 0]))


def look_ahead(points: np.ndarray) -> np.ndarray:
    """(N,) bool of faces (N, 68, 2)."""
    line = _line_of_eyes(points)
    nose = points[:, _NOSE] - points[:, [_LEFT_EYE, _RIGHT_EYE]].mean(1)
    return np.abs((nose * line).sum(1)) < _AHEAD * (line**2).sum(1)


def _line_of_eyes(points: np.ndarray) -> np.ndarray:
    return points[:, _RIGHT_EYE] - points[:, _LEFT_EYE]

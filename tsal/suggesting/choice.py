"""From the evidence of many frames to the few that are worth a label.

Clusters of frames, in which those that the signals disagree on weigh more, and of each cluster the frame nearest to its
middle: after CLUE (Prabhu et al., Active Domain Adaptation via Clustering Uncertainty-weighted Embeddings, ICCV 2021,
arXiv 2010.08666). The most uncertain frames alone would be many alike, and some that hold no face at all.
"""

import numpy as np

_ROUNDS = 30  # of moving the middles of clusters; they rest long before
_MOST = 4.0  # times the median disagreement: what disagrees more, such as no face at all, weighs no more


def choose(
    disagreement: np.ndarray, features: np.ndarray, count: int, seed: int = 0, known: np.ndarray | None = None
) -> np.ndarray:
    """Choose frames that are uncertain and not alike.

    Args:
        disagreement: (N,) of the signals, at least 0.
        features: (N, D).
        count: how many, of N at most.
        seed: of the first middles.
        known: (M, D) features of frames that are labelled already: middles that stay where they are, so that what is
            like them is not chosen.

    Returns:
        (count,) places of the chosen frames, the largest cluster's, by weight, first.
    """
    count = min(count, len(features))
    if not count:
        return np.empty(0, np.int64)
    known = np.empty((0, features.shape[1])) if known is None else known
    weight = _weights(disagreement)
    nearest = _squared_distances(features, known).min(1) if len(known) else np.full(len(features), np.inf)
    middles = _spread_out(features, weight, nearest, count, np.random.default_rng(seed))
    for _ in range(_ROUNDS):
        total, moved = _moved(features, weight, middles, known)
        if np.array_equal(moved, middles):
            break
        middles = moved
    distances = _squared_distances(features, middles)
    chosen: list[int] = []
    for middle in np.argsort(-total, kind="stable").tolist():  # a frame may be nearest to two middles
        free = distances[:, middle].copy()
        free[chosen] = np.inf
        chosen.append(int(free.argmin()))
    return np.array(chosen)


def _moved(
    features: np.ndarray, weight: np.ndarray, middles: np.ndarray, known: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The weight of each middle's cluster, and the middles moved to the means of their clusters."""
    count = len(middles)
    cluster = _squared_distances(features, np.concatenate([middles, known])).argmin(1)
    own = cluster < count
    total = np.bincount(cluster[own], weight[own], count)
    sums = np.zeros_like(middles)
    np.add.at(sums, cluster[own], features[own] * weight[own, None])
    return total, np.where(total[:, None] > 0, sums / np.maximum(total, 1e-12)[:, None], middles)


def _weights(disagreement: np.ndarray) -> np.ndarray:
    median = float(np.median(disagreement))
    if median <= 0:
        return np.ones(len(disagreement))
    return np.clip(disagreement / median, 1 / _MOST, _MOST)


def _spread_out(
    features: np.ndarray, weight: np.ndarray, nearest: np.ndarray, count: int, random: np.random.Generator
) -> np.ndarray:
    """First middles far from each other and from what is known (k-means++, Arthur and Vassilvitskii 2007), (count, D).

    Args:
        nearest: (N,) squared distance from what is known; infinite where nothing is.
    """
    places: list[int] = []
    while len(places) < count:
        chance = weight * np.where(np.isinf(nearest), 1.0, nearest)
        chance[places] = 0
        if chance.sum() <= 0:  # the rest is like what is chosen
            chance = np.ones(len(features))
            chance[places] = 0
        places.append(int(random.choice(len(features), p=chance / chance.sum())))
        nearest = np.minimum(nearest, _squared_distances(features, features[places[-1:]])[:, 0])
    return features[places].astype(np.float64)


def _squared_distances(features: np.ndarray, middles: np.ndarray) -> np.ndarray:
    """(N, M) of features (N, D) from middles (M, D)."""
    middles = middles.astype(np.float64)
    squares = (features.astype(np.float64) ** 2).sum(1)[:, None] + (middles**2).sum(1)
    return np.maximum(squares - 2 * features @ middles.T, 0)

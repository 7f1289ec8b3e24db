"""From the evidence of many frames to the few that are worth a label.

Clusters of frames, in which those that the signals disagree on weigh more, and of each cluster the frame nearest to its
middle: after CLUE (Prabhu et al., Active Domain Adaptation via Clustering Uncertainty-weighted Embeddings, ICCV 2021,
arXiv 2010.08666). The most uncertain frames alone would be many alike, and some that hold no face at all.
"""

import numpy as np

_ROUNDS = 30  # of moving the middles of clusters; they rest long before
_MOST = 4.0  # times the median disagreement: what disagrees more, such as no face at all, weighs no more


def choose(disagreement: np.ndarray, features: np.ndarray, count: int, seed: int = 0) -> np.ndarray:
    """Choose frames that are uncertain and not alike.

    Args:
        disagreement: (N,) of the signals, at least 0.
        features: (N, D).
        count: how many, of N at most.
        seed: of the first middles.

    Returns:
        (count,) places of the chosen frames, the largest cluster's, by weight, first.
    """
    count = min(count, len(features))
    if not count:
        return np.empty(0, np.int64)
    weight = _weights(disagreement)
    middles = _spread_out(features, weight, count, np.random.default_rng(seed))
    for _ in range(_ROUNDS):
        cluster = _squared_distances(features, middles).argmin(1)
        total = np.bincount(cluster, weight, count)
        moved = np.zeros_like(middles)
        np.add.at(moved, cluster, features * weight[:, None])
        moved = np.where(total[:, None] > 0, moved / np.maximum(total, 1e-12)[:, None], middles)
        if np.array_equal(moved, middles):
            break
        middles = moved
    distances = _squared_distances(features, middles)
    total = np.bincount(distances.argmin(1), weight, count)
    chosen: list[int] = []
    for middle in np.argsort(-total, kind="stable").tolist():  # a frame may be nearest to two middles
        free = distances[:, middle].copy()
        free[chosen] = np.inf
        chosen.append(int(free.argmin()))
    return np.array(chosen)


def _weights(disagreement: np.ndarray) -> np.ndarray:
    median = float(np.median(disagreement))
    if median <= 0:
        return np.ones(len(disagreement))
    return np.clip(disagreement / median, 1 / _MOST, _MOST)


def _spread_out(features: np.ndarray, weight: np.ndarray, count: int, random: np.random.Generator) -> np.ndarray:
    """First middles far from each other (k-means++, Arthur and Vassilvitskii 2007), (count, D)."""
    places = [int(random.choice(len(features), p=weight / weight.sum()))]
    nearest = _squared_distances(features, features[places])[:, 0]
    while len(places) < count:
        chance = weight * nearest
        chance[places] = 0
        whole = chance.sum()
        free = np.setdiff1d(np.arange(len(features)), places)
        place = int(random.choice(len(features), p=chance / whole) if whole > 0 else free[0])
        places.append(place)
        nearest = np.minimum(nearest, _squared_distances(features, features[[place]])[:, 0])
    return features[places].astype(np.float64)


def _squared_distances(features: np.ndarray, middles: np.ndarray) -> np.ndarray:
    """(N, M) of features (N, D) from middles (M, D)."""
    middles = middles.astype(np.float64)
    squares = (features.astype(np.float64) ** 2).sum(1)[:, None] + (middles**2).sum(1)
    return np.maximum(squares - 2 * features @ middles.T, 0)

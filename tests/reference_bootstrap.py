"""The paired bootstrap of one pair, one draw after the other: what that of tsal.tables.significance is held against."""

from collections.abc import Sequence

import numpy as np

from tsal.tables.significance import Comparison


def paired_bootstrap(
    a: np.ndarray, b: np.ndarray, groups: Sequence[str] | None = None, *, draws: int = 10_000, seed: int = 0
) -> Comparison:
    """Compare two methods by their errors (N,) on the same faces; with groups (N,) whole groups are resampled."""
    difference = np.asarray(a, float) - np.asarray(b, float)
    labels = np.arange(len(difference)) if groups is None else np.asarray(groups)
    members = [difference[labels == label] for label in np.unique(labels)]
    random = np.random.default_rng(seed)
    sums, sizes = np.array([part.sum() for part in members]), np.array([len(part) for part in members])
    means = np.empty(draws)
    for number in range(draws):
        chosen = random.integers(len(members), size=len(members))
        means[number] = sums[chosen].sum() / sizes[chosen].sum()
    tail = min((means <= 0).sum(), (means >= 0).sum())
    p_value = min(1.0, max(2 * (tail + 1) / (draws + 1), 2.0 ** (1 - len(members))))
    return Comparison(difference.mean(), *np.percentile(means, [2.5, 97.5]), p_value)

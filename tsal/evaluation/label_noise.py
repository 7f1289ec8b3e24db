"""The noise of a benchmark's labels, from labels of neighbouring frames: a floor under the error of any detector.

The label of frame t, carried to frame t + 1 by optical flow, is compared with the label of frame t + 1:

    difference = noise of t + 1 - noise of t + error of tracking.

Two independent noises of one strength n, measured as an NME and spread as Gaussians, differ by sqrt(2) n on average.
The error of tracking grows in proportion to how much the face changes its shape between the frames, x (turns of the
head, expressions), and adds up as independent errors do:

    mean difference at x = sqrt(2) sqrt(n^2 + (c x)^2),

which is fitted by least squares to the calmer half of all pairs; n is what is left without change. x is taken from the
flow alone, in which the labels have no part. What both frames share, such as the habit of an annotator or of a machine,
is not seen, nor is noise that neighbouring frames have in common. Errors of tracking that do not go with x are counted;
on rendered clips, whose labels are exact, they leave n = 0.1 % of the inter-ocular distance.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from math import nan, sqrt

import numpy as np
import pandas as pd
import torch

from tsal.data.cropping import apply_affine
from tsal.data.crops import CropStore
from tsal.data.landmarks import Scheme
from tsal.data.shards import ShardedArray
from tsal.errors import InputError
from tsal.flow.fields import follow, to_tensor
from tsal.flow.storage import pairs

# Numbers in the 68-point scheme.
GROUPS = {
    "jaw": range(17),
    "brows": range(17, 27),
    "nose": range(27, 36),
    "eyes": range(36, 48),
    "mouth": range(48, 68),
}
CALM = 0.5  # share of the pairs that is fitted: those with the least change
ENOUGH = 0.5  # share of a group's landmarks that must be tracked for a pair to count
DRAWS = 10_000  # of the bootstrap over people
_PAIRS_AT_ONCE = 128  # bounds the memory: 30 MB of flow for crops of 341 px
_DRAWS_AT_ONCE = 500
_CPU = torch.device("cpu")
Distances = Callable[[np.ndarray, np.ndarray], np.ndarray]  # of points (N, K, 2) and boxes (N, 4), both in image px
# (c / n)^2 in units of the median change, between no error of tracking and nothing else.
_RATIOS = np.concatenate([[0.0], np.geomspace(1e-3, 1e6, 181)])


@dataclass(frozen=True)
class Differences:
    """Labels of P pairs of neighbouring frames that are both labelled, K landmarks each.

    Attributes:
        percent: (P, K) distance between the label and that of the frame before, carried by the flow, in percent of
            the face's distance; NaN where a landmark is not labelled and visible in both, or fails the round-trip test.
        change: (P,) mean distance of the carried landmarks from the best turned, scaled and shifted copy of what they
            were, in percent of the same; NaN with fewer than three.
        person: (P,) str.
    """

    percent: np.ndarray
    change: np.ndarray
    person: np.ndarray


@dataclass(frozen=True)
class Floor:
    """The noise of the labels of some landmarks, in percent, as an NME.

    Attributes:
        landmarks: the group, "all" or a key of GROUPS.
        n_pairs, n_people: that were fitted.
        difference: mean distance between neighbouring labels, with the error of tracking.
        floor: noise n of one label; NaN without a pair.
        low, high: its 95 % interval over people, percentiles of the bootstrap; NaN with fewer than two.
    """

    landmarks: str
    n_pairs: int
    n_people: int
    difference: float
    floor: float
    low: float
    high: float


def label_differences(
    store: CropStore, flow: np.ndarray | ShardedArray, scheme: Scheme, normaliser: str
) -> Differences:
    """Compare the labels of neighbouring frames.

    Args:
        store: crops with clips.
        flow: of its pairs, see `tsal.flow.storage.open_flow`.
        scheme: of the landmarks.
        normaliser: its name in the scheme; taken at the later frame.

    Raises:
        InputError: no two neighbouring frames are labelled.
    """
    rows = pairs(store)
    labelled = (store.visible[rows[:, 0]] & store.visible[rows[:, 1]]).any(axis=1)
    chosen = np.flatnonzero(labelled)
    if not len(chosen):
        raise InputError(
            f"found {len(store)} faces, no two of them labelled neighbouring frames of one clip; expected a benchmark "
            "of labelled clips: the noise of labels cannot be told from single images"
        )
    distances = partial(scheme.distances, normaliser)
    percent, change = np.empty((len(chosen), store.points.shape[1]), np.float32), np.empty(len(chosen))
    for start in range(0, len(chosen), _PAIRS_AT_ONCE):
        block = slice(start, start + _PAIRS_AT_ONCE)
        percent[block], change[block] = _compare(store, rows[chosen[block]], flow, chosen[block], distances)
    return Differences(percent, change, np.asarray(store.person[rows[chosen, 0]]))


def _compare(
    store: CropStore, rows: np.ndarray, flow: np.ndarray | ShardedArray, places: np.ndarray, distances: Distances
) -> tuple[np.ndarray, np.ndarray]:
    """`percent` and `change` of Differences for B pairs: rows (B, 2) of the store, places (B,) in the flow."""
    before, after = rows.T
    there, back = to_tensor(flow, places, _CPU).unbind(1)
    start = np.nan_to_num(store.points[before])
    arrived, _, passed = follow(torch.from_numpy(start), there, back)
    old, new = (apply_affine(store.to_image[row], at) for row, at in ((before, start), (after, arrived.numpy())))
    label = apply_affine(store.to_image[after], store.points[after].astype(float))
    distance = distances(label, store.box[after])
    distance = np.where(distance > 0, distance, nan)
    counted = store.visible[before] & store.visible[after] & passed.numpy() & np.isfinite(distance)[:, None]
    percent = np.where(counted, 100 * np.linalg.norm(label - new, axis=-1) / distance[:, None], nan)
    return percent, 100 * _change_of_shape(old, new, counted) / distance


def _change_of_shape(old: np.ndarray, new: np.ndarray, counted: np.ndarray) -> np.ndarray:
    """(B,) mean distance of points (B, K, 2) from the similarity transform that brings the old ones nearest to them."""
    weights = counted / np.maximum(counted.sum(axis=1, keepdims=True), 1)
    # As complex numbers, a similarity is new = a * old + b.
    z, w = (points[..., 0] + 1j * points[..., 1] for points in (old, new))
    z, w = (points - (weights * points).sum(axis=1, keepdims=True) for points in (z, w))
    spread = (weights * np.abs(z) ** 2).sum(axis=1)
    a = (weights * w * z.conj()).sum(axis=1) / np.where(spread > 0, spread, 1)
    change = (weights * np.abs(w - a[:, None] * z)).sum(axis=1)
    return np.where(counted.sum(axis=1) > 2, change, nan)


def noise_floors(differences: Differences, scheme: Scheme, seed: int = 0) -> pd.DataFrame:
    """The noise of all landmarks, and of each group that the scheme has.

    Args:
        scheme: of the K landmarks.
        seed: of the bootstrap.

    Returns:
        A row for each, whose columns are the attributes of Floor.
    """
    number = {point: place for place, point in enumerate(scheme.of_68)}
    groups = {name: [number[point] for point in points if point in number] for name, points in GROUPS.items()}
    groups = {"all": list(range(scheme.n_points)), **{name: places for name, places in groups.items() if places}}
    return pd.DataFrame([_floor(differences, name, places, seed) for name, places in groups.items()])


def _floor(differences: Differences, name: str, places: Sequence[int], seed: int) -> Floor:
    of_group = differences.percent[:, places].astype(float)
    tracked = np.isfinite(of_group)
    usable = (tracked.mean(axis=1) >= ENOUGH) & np.isfinite(differences.change)
    if not usable.any():
        return Floor(name, 0, 0, nan, nan, nan, nan)
    usable &= differences.change <= np.quantile(differences.change[usable], CALM)
    mean = np.where(tracked, of_group, 0).sum(axis=1)[usable] / tracked.sum(axis=1)[usable]
    people, member = np.unique(differences.person[usable], return_inverse=True)
    sums = _sums(differences.change[usable], mean, member)
    floor = float(_fit(*(total.sum(axis=0, keepdims=True) for total in sums))[0])
    low, high = _interval(sums, seed) if len(people) > 1 else (nan, nan)
    return Floor(name, int(usable.sum()), len(people), float(mean.mean()), floor, low, high)


def _sums(change: np.ndarray, difference: np.ndarray, member: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What the fit needs to know of each person, for each of R ratios r of the shape g(x) = sqrt(1 + r x^2).

    Returns:
        (people, R) sums of g^2, and of g times the difference.
    """
    unit = np.median(change) or 1.0
    squares, products = np.zeros((2, member.max() + 1, len(_RATIOS)))
    for column, ratio in enumerate(_RATIOS):
        shape = np.sqrt(1 + ratio * (change / unit) ** 2)
        squares[:, column] = np.bincount(member, shape**2)
        products[:, column] = np.bincount(member, shape * difference)
    return squares, products


def _fit(squares: np.ndarray, products: np.ndarray) -> np.ndarray:
    """Noise n of M samples by least squares of the differences, from sums (M, R) over their pairs.

    For a given ratio the factor sqrt(2) n of the shape has a closed form, products / squares, which takes
    products^2 / squares from the squared error: the best ratio is that with the most.
    """
    best = np.argmax(products**2 / squares, axis=1)
    rows = np.arange(len(best))
    return products[rows, best] / squares[rows, best] / sqrt(2)


def _interval(sums: tuple[np.ndarray, np.ndarray], seed: int) -> tuple[float, float]:
    """95 % interval of the noise when people are resampled with replacement."""
    people = len(sums[0])
    rng = np.random.default_rng(seed)
    noises = []
    for _ in range(0, DRAWS, _DRAWS_AT_ONCE):
        times = rng.multinomial(people, np.full(people, 1 / people), size=_DRAWS_AT_ONCE).astype(float)
        noises.append(_fit(*(times @ total for total in sums)))
    low, high = np.percentile(np.concatenate(noises), [2.5, 97.5])
    return float(low), float(high)

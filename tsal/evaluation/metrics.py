"""Scores: NME, failure rate, AUC, jitter and cumulative error curves.

Everything is computed in float64 from predictions and face tables in image pixels; the model is never needed.
An input for which a score is undefined raises InputError and names the face: no score is silently NaN.
"""

import logging
from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from tsal.data.crops import following_frames
from tsal.data.faces import boxes_of, n_points, points_of, visibility_of
from tsal.data.landmarks import Scheme
from tsal.errors import InputError

logger = logging.getLogger(__name__)
THRESHOLD = 8.0  # the tau of FR@0.08 and AUC@0.08, in percent
SCORE_COLUMNS = ["face", "clip", "frame", "subset", "normaliser", "nme", "jitter"]


def nme(
    predicted: ArrayLike,
    truth: ArrayLike,
    visible: ArrayLike,
    normaliser: ArrayLike,
    faces: Sequence[str] | None = None,
) -> np.ndarray:
    """Normalised mean error of each face: 100 * mean_k |p_k - y_k| / d over its visible landmarks.

    Args:
        predicted: (N, K, 2) landmarks in px; not looked at where not visible.
        truth: (N, K, 2) landmarks in px; not looked at where not visible.
        visible: (N, K) bool, the landmarks that count.
        normaliser: (N,) the distance d in px.
        faces: N names for error messages.

    Returns:
        (N,) NME in percent, finite.

    Raises:
        InputError: a face has no visible landmark, a NaN or infinite prediction or truth at a visible one, or
            a normaliser that is not a positive number; the message names the first such face.
    """
    predicted, truth = np.asarray(predicted, float), np.asarray(truth, float)
    visible, distance = np.asarray(visible, bool), np.asarray(normaliser, float)
    if predicted.shape != truth.shape or visible.shape != truth.shape[:2] or distance.shape != truth.shape[:1]:
        raise InputError(
            f"shapes disagree: predicted {predicted.shape}, truth {truth.shape}, visible {visible.shape}, "
            f"normaliser {distance.shape}; expected (N, K, 2), (N, K, 2), (N, K), (N,)"
        )
    _refuse(~visible.any(axis=1), faces, "no visible landmark to score; leave the face out")
    _check_distances(distance, faces)
    _check_points(predicted, visible, faces, "predicted")
    _check_points(truth, visible, faces, "true")
    offset = _offsets(predicted, truth, visible)
    errors = 100 * np.hypot(offset[..., 0], offset[..., 1]).sum(axis=1) / visible.sum(axis=1) / distance
    _refuse(~np.isfinite(errors), faces, "the NME is not finite: coordinates far too large for the normaliser")
    return errors


def failure_rate(errors: ArrayLike, threshold: float = THRESHOLD) -> float:
    """Share of faces, in percent, whose NME is strictly above the threshold (FR@tau).

    Args:
        errors: (N,) NME of each face in percent.
        threshold: tau in percent.

    Raises:
        InputError: no faces, or an NME that is not finite.
    """
    return float(100 * np.mean(_checked_errors(errors) > threshold))


def auc(errors: ArrayLike, threshold: float = THRESHOLD) -> float:
    """Area under the cumulative error curve on [0, tau], divided by tau, in percent (AUC@tau).

    The curve is a step function that each face raises by 1/N at its own NME, so that the area is the mean of
    max(0, tau - NME_i): exact, without a grid.

    Args:
        errors: (N,) NME of each face in percent.
        threshold: tau in percent, above 0.

    Raises:
        InputError: no faces, or an NME that is not finite.
    """
    return float(100 * np.mean(np.clip(threshold - _checked_errors(errors), 0, None)) / threshold)


def ced(errors: ArrayLike, thresholds: ArrayLike) -> np.ndarray:
    """Cumulative error distribution: share of faces, in percent, whose NME is at most each threshold.

    Args:
        errors: (N,) NME of each face in percent.
        thresholds: (M,) in percent.

    Returns:
        (M,) shares in [0, 100].

    Raises:
        InputError: no faces, or an NME that is not finite.
    """
    errors = np.sort(_checked_errors(errors))
    return 100 * np.searchsorted(errors, np.asarray(thresholds, float), side="right") / len(errors)


def _offsets(predicted: np.ndarray, truth: np.ndarray, visible: np.ndarray) -> np.ndarray:
    """predicted - truth (N, K, 2), zero where not visible: there NaN is allowed."""
    offset = np.zeros_like(predicted)
    offset[visible] = predicted[visible] - truth[visible]
    return offset


def _second_difference(
    error: np.ndarray, visible: np.ndarray, distance: np.ndarray, neighbours: np.ndarray
) -> np.ndarray:
    """Jitter of frames: 100 * mean_k |e_{t+1} - 2 e_t + e_{t-1}| / d_t over the landmarks visible in all three frames.

    Args:
        error: (N, K, 2) e = predicted - true landmarks of the N faces in px, zero where not visible.
        visible: (N, K) bool.
        distance: (N,) the normaliser d in px.
        neighbours: (3, M) rows of the frames t - 1, t, t + 1.

    Returns:
        (M,) percent; NaN where no landmark is visible three times.
    """
    before, at, after = neighbours
    counted = visible[before] & visible[at] & visible[after]
    bend = np.where(counted[..., None], error[after] - 2 * error[at] + error[before], 0)
    total, count = np.hypot(bend[..., 0], bend[..., 1]).sum(axis=1), counted.sum(axis=1)
    return np.where(count > 0, 100 * total / np.maximum(count, 1) / distance[at], np.nan)


def score_predictions(
    predictions: pd.DataFrame,
    faces: pd.DataFrame,
    scheme: Scheme,
    normalisers: Sequence[str],
    is_video: bool,
) -> pd.DataFrame:
    """Score every test face that has at least one visible landmark.

    Left out: faces without a visible landmark (unlabelled), and predictions of faces of other splits. A face
    that belongs to several subsets ("common+full") is scored in each. Of a normaliser, faces are left out, and
    counted in a warning, that lack a point which it measures between. Jitter is given for a frame whose
    neighbours t - 1 and t + 1 of the same clip are scored too, on the landmarks visible in all three.

    Args:
        predictions: columns face, x0, y0, ..., x{K-1}, y{K-1} in image px.
        faces: the face table.
        scheme: of the K landmarks.
        normalisers: names in scheme.normalisers.
        is_video: whether to measure jitter.

    Returns:
        The scores, one row per (face, subset, normaliser): columns SCORE_COLUMNS; nme and jitter in percent,
        jitter NaN where not defined.

    Raises:
        InputError: a normaliser without any face; a face without prediction, or twice predicted, or unknown to the
            face table; wrong number of landmarks; unknown normaliser; no face to score; anything that makes an NME
            undefined (see nme).
    """
    _check_tables(predictions, faces, scheme, normalisers)
    if faces.empty:
        return pd.DataFrame(columns=SCORE_COLUMNS)
    scored = faces[(faces["split"] == "test").to_numpy() & visibility_of(faces).any(axis=1)].reset_index(drop=True)
    if scored.empty:
        raise InputError("no face to score: the face table has no labelled face in split 'test'")
    known = predictions.set_index("face")
    missing = scored["face"][~scored["face"].isin(known.index)]
    if len(missing):
        raise InputError(f"no prediction for face '{missing.iloc[0]}' ({len(missing)} of {len(scored)} are missing)")
    predicted = points_of(known.loc[scored["face"]].reset_index(drop=True))
    truth, visible = points_of(scored), visibility_of(scored)
    names = scored["face"].tolist()
    _refuse((scored["subset"] == "").to_numpy(), names, "its subset is empty; expected one such as 'full'")
    offset = _offsets(predicted, truth, visible)
    neighbours = _triplets(scored) if is_video else np.empty((3, 0), int)
    tables = []
    for name in normalisers:
        distance = scheme.distances(name, truth, boxes_of(scored))
        known = _known(distance, name)
        table = scored[["face", "clip", "frame", "subset"]].assign(normaliser=name, nme=np.nan, jitter=np.nan)
        some = [face for face, is_known in zip(names, known, strict=True) if is_known]
        table.loc[known, "nme"] = nme(predicted[known], truth[known], visible[known], distance[known], some)
        table.loc[neighbours[1], "jitter"] = _second_difference(offset, visible, distance, neighbours)
        tables.append(table[known])
    table = pd.concat(tables, ignore_index=True)
    table = table.assign(subset=table["subset"].str.split("+")).explode("subset", ignore_index=True)
    return table[SCORE_COLUMNS]


def _known(distance: np.ndarray, normaliser: str) -> np.ndarray:
    """Which faces have the distance that errors are divided by (N,) bool; those that lack a point of it are counted.

    Raises:
        InputError: none has.
    """
    known = ~np.isnan(distance)
    if not known.any():
        raise InputError(f"{normaliser}: found no face with all points that it measures between; choose another one")
    if not known.all():
        logger.warning(
            "%s: %d of %d faces are left out, since points that it measures between are not annotated",
            *(normaliser, (~known).sum(), len(known)),
        )
    return known


def _check_tables(predictions, faces, scheme, normalisers) -> None:
    """Refuse tables that do not belong together."""
    for table, what in ((predictions, "predictions"), (faces, "the face table")):
        if n_points(table) != scheme.n_points:
            raise InputError(f"{what}: {n_points(table)} landmarks, but scheme '{scheme.name}' has {scheme.n_points}")
    twice = predictions["face"][predictions["face"].duplicated()]
    if len(twice):
        raise InputError(f"predictions: face '{twice.iloc[0]}' is there twice; each face is predicted once")
    strange = predictions["face"][~predictions["face"].isin(faces["face"])]
    if len(strange):
        raise InputError(f"predictions: face '{strange.iloc[0]}' is not in the face table; was it re-indexed?")
    unknown = [name for name in normalisers if name not in scheme.normalisers]
    if unknown:
        raise InputError(f"no normaliser '{unknown[0]}' in scheme '{scheme.name}': {', '.join(scheme.normalisers)}")


def _triplets(faces: pd.DataFrame) -> np.ndarray:
    """(3, M) rows of the frames t - 1, t, t + 1 of one clip, for each t where all three are in the table."""
    twice = np.flatnonzero(faces.duplicated(["clip", "frame"]) & (faces["frame"] >= 0))
    if len(twice):
        clip, frame = faces["clip"].iloc[twice[0]], faces["frame"].iloc[twice[0]]
        raise InputError(f"clip '{clip}' has frame {frame} twice, so that its jitter is not defined")
    after = following_frames(faces)
    before = np.full(len(faces), -1)
    before[after[after >= 0]] = np.flatnonzero(after >= 0)
    inner = np.flatnonzero((before >= 0) & (after >= 0))
    return np.stack([before[inner], inner, after[inner]])


def _refuse(wrong: np.ndarray, faces: Sequence[str] | None, why: str) -> None:
    """Raise InputError naming the first face for which `wrong` (N,) holds, and how many there are."""
    if wrong.any():
        first = int(np.argmax(wrong))
        name = f"row {first}" if faces is None else f"'{faces[first]}'"
        raise InputError(f"face {name}: {why} ({int(wrong.sum())} of {len(wrong)} faces)")


def _check_distances(distance: np.ndarray, faces: Sequence[str] | None) -> None:
    wrong = ~(np.isfinite(distance) & (distance > 0))
    found = distance[np.argmax(wrong)] if wrong.any() else None
    _refuse(wrong, faces, f"the normaliser is {found} px; expected a positive distance, check the annotation")


def _check_points(points: np.ndarray, visible: np.ndarray, faces: Sequence[str] | None, what: str) -> None:
    wrong = visible & ~np.isfinite(points).all(axis=-1)
    landmark = int(np.argmax(wrong[np.argmax(wrong.any(axis=1))])) if wrong.any() else None
    _refuse(wrong.any(axis=1), faces, f"{what} landmark {landmark} is NaN or infinite")


def _checked_errors(errors: ArrayLike) -> np.ndarray:
    errors = np.asarray(errors, float)
    if errors.ndim != 1 or not len(errors):
        raise InputError(f"no faces to score: NME of shape {errors.shape}, expected (N,) with N > 0")
    _refuse(~np.isfinite(errors), None, "the NME is NaN or infinite")
    return errors

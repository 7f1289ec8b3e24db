"""Label budgets: which of the training faces count as labelled.

A budget is written in config.yaml and in paths as one of

- `0.05`: a share of the annotated training faces, 0 to 1;
- `n50`: that many of them;
- `every10`: of each video every tenth annotated frame, from its first on; `first`: its first alone. A still image is
  a first frame.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

import numpy as np

from tsal.errors import InputError

if TYPE_CHECKING:
    from tsal.data.crops import CropStore

Budget = float | str
EXPECTED = "a share from 0 to 1, n50 (faces), every10 (frames of a video) or first (frame of a video)"
_FACES, _FRAMES, _FIRST = re.compile(r"n([1-9][0-9]{0,8})"), re.compile(r"every([1-9][0-9]{0,8})"), "first"


def parse_budget(text: str | float) -> Budget:
    """A budget as a float where it is a share, else as text.

    Raises:
        InputError: it is none.
    """
    if text == _FIRST or _FACES.fullmatch(str(text)) or _FRAMES.fullmatch(str(text)):
        return text
    try:
        share = float(text)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise InputError(f"label budget {text!r:.60}: expected {EXPECTED}")
    return share


def labelled_faces(
    faces: Sequence[str],
    budget: Budget,
    seed: int,
    clips: Sequence[str] | None = None,
    frames: Sequence[int] | None = None,
) -> list[str]:
    """Choose the faces whose landmarks a method may see; all others are unlabelled.

    Shares and numbers of faces take the first of a ranking by the SHA-256 digest of "seed:face", so that the choice
    is independent of order and platform, and nested: a smaller budget of one seed is contained in every larger one.
    Frames of a video are counted, and so the same for every seed; every tenth is contained in every fifth.

    Args:
        faces: ids of the annotated training faces.
        budget: as parse_budget returns it; 0 for what learns from no label at all.
        seed: chooses the ranking.
        clips, frames: of the faces, N each, for budgets by frames; default: each face is a still image.

    Returns:
        round(share * N) ids, at least one unless the share is 0; or so many; or those of the frames.

    Raises:
        ValueError: no faces.
        InputError: no budget; or more faces than there are.
    """
    return [faces[place] for place in labelled_places(faces, budget, seed, clips, frames)]


def labelled_places(
    faces: Collection[str],
    budget: Budget,
    seed: int,
    clips: Collection[str] | None = None,
    frames: Collection[int] | None = None,
) -> list[int]:
    """As labelled_faces, but where among `faces` the chosen ones stand.

    Besides the result, ranked faces take 40 bytes each; those of clips are held as they are.
    """
    if not len(faces):
        raise ValueError("no annotated training faces to choose from")
    budget = parse_budget(budget)
    if isinstance(budget, str) and not _FACES.fullmatch(budget):
        step = len(faces) if budget == _FIRST else int(_FRAMES.fullmatch(budget)[1])
        frames = [-1] * len(faces) if frames is None else frames
        return _every(step, faces, faces if clips is None else clips, frames)
    digests = (hashlib.sha256(f"{seed}:{face}".encode()).digest() for face in faces)
    ranked = np.argsort(np.fromiter(digests, "S32", len(faces)), kind="stable")
    if isinstance(budget, str):
        check_number(budget, len(faces))
        return ranked[: int(budget[1:])].tolist()
    return ranked[: max(1, round(budget * len(faces))) if budget else 0].tolist()


def check_number(budget: Budget, found: int) -> None:
    """Refuse a number of faces of which there are fewer: its results would stand under a number that is not theirs.

    Args:
        found: annotated training faces.
    """
    asked = _FACES.fullmatch(str(budget))
    if asked and int(asked[1]) > found:
        raise InputError(
            f"label budget {budget}: found {found:,} annotated training faces, expected the {int(asked[1]):,} that it "
            "asks for; lower it, or write 1 for all of them"
        )


def labelled_rows(store: CropStore, budget: Budget, seed: int) -> np.ndarray:
    """Rows, ascending, of a store's faces whose landmarks a method may see; see labelled_faces.

    Raises:
        InputError: no face is annotated; names the store.
    """
    annotated = np.flatnonzero(store.visible.any(1))
    if not len(annotated):
        where = getattr(store.images, "path", "the crop store")
        raise InputError(f"{where}: found no annotated face among {len(store):,}, expected some to learn from")
    faces, clips, frames = (column[annotated] for column in (store.face, store.clip, store.frame))
    return np.sort(annotated[labelled_places(faces, budget, seed, clips, frames)])


def _every(step: int, faces: Collection[str], clips: Collection[str], frames: Collection[int]) -> list[int]:
    """Where the first, and then every step-th, face of each clip, by frame, stand."""
    chosen, seen = [], {}
    for frame, face, clip, place in sorted(zip(frames, faces, clips, range(len(faces)), strict=True)):
        nth = seen[clip] = seen.get(clip, -1) + 1
        if nth % step == 0:
            chosen.append((clip, frame, face, place))
    return [place for *_, place in sorted(chosen)]


def budget_order(budget: str | float) -> float:
    """Sort key: budgets by frames, then by number of faces, then by share, each the smaller first."""
    value = parse_budget(budget)
    if isinstance(value, float):
        return 2 + value
    if value == _FIRST:
        return -1.0
    return 2 - 1 / float(value[1:]) if _FACES.fullmatch(value) else 1 / float(value.removeprefix("every")) - 1


def budget_share(budget: str) -> str:
    """A budget for people: "0.05" is "5 %", "n50" "50 faces"."""
    value = parse_budget(budget)
    if isinstance(value, float):
        return f"{100 * value:g} %"
    if value == _FIRST:
        return "first frames"
    return f"{value[1:]} faces" if _FACES.fullmatch(value) else f"1 of {value.removeprefix('every')} frames"


def budget_name(budget: str) -> str:
    """A budget in a title: "0.05" is "5 % of the labels"."""
    value = parse_budget(budget)
    if not isinstance(value, float):
        return f"{budget_share(budget)} labelled"
    return {0.0: "no labels", 1.0: "all labels"}.get(value) or f"{budget_share(budget)} of the labels"

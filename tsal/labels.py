"""Label budgets: which of the training faces count as labelled."""

import hashlib
from collections.abc import Sequence


def labelled_faces(faces: Sequence[str], fraction: float, seed: int) -> list[str]:
    """Choose the faces whose landmarks a method may see; all others are unlabelled.

    Faces are ranked by the SHA-256 digest of "seed:face", so that the choice is independent of their order and
    platform, and nested: a smaller budget of one seed is contained in every larger one.

    Args:
        faces: ids of the annotated training faces.
        fraction: label budget in [0, 1]; 0 for what learns from no label at all.
        seed: chooses the ranking.

    Returns:
        round(fraction * len(faces)) ids, at least one unless the fraction is 0, in ranked order.

    Raises:
        ValueError: fraction outside [0, 1], or no faces.
    """
    if not 0 <= fraction <= 1:
        raise ValueError(f"a label budget is a fraction in [0, 1], not {fraction}")
    if not len(faces):
        raise ValueError("no annotated training faces to choose from")
    ranked = sorted(faces, key=lambda face: hashlib.sha256(f"{seed}:{face}".encode()).hexdigest())
    return ranked[: max(1, round(fraction * len(faces))) if fraction else 0]

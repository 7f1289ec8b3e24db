"""Where annotators put the points of a face, against the places on the skin that tsal.synth.landmarks names.

`ibug`: what annotators of 300W do otherwise, as offsets in the head's frame that were measured on its training faces:
brows reach farther out, the tip of the nose sits higher, the chin's points stay at its front when the head turns. The
numbers are means over some 2,000 faces (benchmarks/convention.py); no picture is needed to use them.
"""

from functools import cache
from importlib import resources

import numpy as np

SURFACE = "surface"
CONVENTIONS = (SURFACE, "ibug")
_OUTER_EYE_CORNERS = (36, 45)


def annotated(points: np.ndarray, head: np.ndarray, convention: str) -> np.ndarray:
    """Landmarks as a convention has them.

    Args:
        points: (68, 3) places on the skin, in the camera's frame (x right, y up, z to the viewer).
        head: (3, 3) rotation from the head's frame to the camera's.
        convention: one of CONVENTIONS.

    Returns:
        (68, 3) in the camera's frame; of `surface` the points themselves.
    """
    if convention == SURFACE:
        return points
    resting, turning = _offsets(convention)
    left, right = points[list(_OUTER_EYE_CORNERS)]
    offsets = (resting + head[0, 2] * turning) * np.linalg.norm(left - right)  # head[0, 2]: sine of the turn
    return points + offsets @ head.T


@cache
def _offsets(convention: str) -> tuple[np.ndarray, np.ndarray]:
    """Two of (68, 3) in the head's frame, as shares of the distance of the outer eye corners: what is always added, and
    what is added times the sine of the head's turn to its left."""
    with resources.files(__package__).joinpath(f"convention_{convention}.csv").open(encoding="utf-8") as file:
        table = np.loadtxt(file, delimiter=",", skiprows=1)
    return table[:, 1:4] / 100, table[:, 4:7] / 100

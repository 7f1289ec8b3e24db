"""From a face detector's box to the bounds of the landmarks, the box that a landmark detector is trained with.

Each face detector draws its boxes in its own way: one with the forehead, another from brow to chin. Its calibration is
a shift and a scale in units of its own box, fitted on training pictures. What then remains of the difference, from face
to face, is for training to cover by drawing its views with some shift and size.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Calibration:
    """Shift and scale of a box.

    Attributes:
        shift: of the centre, x and y, in widths and heights of the found box.
        scale: of width and height.
    """

    shift: tuple[float, float] = (0.0, 0.0)
    scale: tuple[float, float] = (1.0, 1.0)

    def apply(self, boxes: np.ndarray) -> np.ndarray:
        """Boxes (N, 4) as the detector found them -> (N, 4) float64 around the landmarks, in px."""
        boxes = np.asarray(boxes, np.float64).reshape(-1, 4)
        sides = boxes[:, 2:] - boxes[:, :2]
        centres = (boxes[:, :2] + boxes[:, 2:]) / 2 + sides * self.shift
        return np.concatenate([centres - sides * self.scale / 2, centres + sides * self.scale / 2], axis=1)


def fit(found: np.ndarray, wanted: np.ndarray) -> Calibration:
    """The calibration by which most found boxes meet the wanted ones: medians, which a few misses do not move.

    Args:
        found: (N, 4) boxes of the face detector; wanted: (N, 4) of the same faces. N > 0, all with area.
    """
    sides = found[:, 2:] - found[:, :2]
    shift = np.median((wanted[:, :2] + wanted[:, 2:] - found[:, :2] - found[:, 2:]) / 2 / sides, axis=0)
    scale = np.median((wanted[:, 2:] - wanted[:, :2]) / sides, axis=0)
    return Calibration(tuple(shift.tolist()), tuple(scale.tolist()))


@dataclass(frozen=True)
class Spread:
    """How windows around found boxes differ from those around the wanted ones.

    Attributes:
        shift: (N, 2) from the centre of the wanted to that of the found one, as a share of the wanted window's side,
            which is what `augmentation.shift` counts.
        size: (N,) side of the found window over that of the wanted one, minus 1: as `augmentation.scale`.
    """

    shift: np.ndarray
    size: np.ndarray

    def covered(self, shift: float, scale: float) -> float:
        """The share of the faces whose difference lies within what training draws: -+ shift and 1 -+ scale."""
        return float(((np.abs(self.shift) <= shift).all(axis=1) & (np.abs(self.size) <= scale)).mean())


def spread(calibrated: np.ndarray, wanted: np.ndarray, expand: float) -> Spread:
    """What remains between calibrated boxes (N, 4) and the wanted ones (N, 4), in the landmark detector's window.

    Args:
        expand: share of the box's longer side that the window adds on each side, see tsal.data.cropping.
    """
    sides = (wanted[:, 2:] - wanted[:, :2]).max(axis=1)
    centres = (calibrated[:, :2] + calibrated[:, 2:] - wanted[:, :2] - wanted[:, 2:]) / 2
    size = (calibrated[:, 2:] - calibrated[:, :2]).max(axis=1) / sides - 1
    return Spread(centres / (sides * (1 + 2 * expand))[:, None], size)

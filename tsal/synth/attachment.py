"""Things that a head wears, or that are held before it: triangles that hang on the mesh or on the skull."""

from dataclasses import dataclass

import numpy as np

# What surfaces are like: texture slot (see tsal.synth.paint), strength and width of the highlight, and how far light
# seeps through, all 0 to 1.
FINISHES: dict[str, tuple[str, float, float, float]] = {
    "skin": ("skin", 0.5, 0.55, 1.0),
    "left_eye": ("left_eye", 1.0, 0.14, 0.2),
    "right_eye": ("right_eye", 1.0, 0.14, 0.2),
    "teeth": ("plain", 0.7, 0.3, 0.3),
    "tongue": ("plain", 0.6, 0.35, 0.8),
    "lashes": ("plain", 0.1, 0.6, 0.0),
    "cloth": ("cloth", 0.05, 0.9, 0.1),
    "hair": ("strands", 0.6, 0.45, 0.0),
    "plain": ("plain", 0.1, 0.8, 0.1),  # matt, of one colour: paper, felt, foam
    "plastic": ("plain", 0.7, 0.3, 0.0),
    "metal": ("plain", 1.0, 0.25, 0.0),
    "lens": ("plain", 1.0, 0.08, 0.0),  # dark lenses, opaque; clear ones are drawn after everything else
    "limb": ("plain", 0.4, 0.55, 1.0),  # skin without a painted texture: hands
    "print": ("cloth", 0.2, 0.7, 0.0),  # patterned things
}
FINISH_NUMBERS = {name: number for number, name in enumerate(FINISHES)}


@dataclass(frozen=True)
class Attachment:
    """n vertices and m triangles.

    anchors: (n,) rows of Anatomy.vertices that the vertices move with; -1: with the skull, whatever the face does.
    offsets: (n, 3) float32 dm in the head's frame: from the anchor's place, or for -1 the place itself in the frame
        of Person.neutral.
    triangles: (m, 3) int32 rows of these vertices.
    uv: (m, 3, 2) float32 0 to 1 in the texture slot of the finish; for hair u runs across a strand, v from root to tip.
    tint: (m, 3) float32 linear RGB, which the texture multiplies.
    finish: (m,) int, see FINISH_NUMBERS.
    strand: (n, 3) float32 unit direction of hair strands in the head's frame; zero for everything else.
    """

    anchors: np.ndarray
    offsets: np.ndarray
    triangles: np.ndarray
    uv: np.ndarray
    tint: np.ndarray
    finish: np.ndarray
    strand: np.ndarray

    @staticmethod
    def join(parts: "list[Attachment]") -> "Attachment":
        """One attachment of several (none: an empty one)."""
        starts = np.cumsum([0, *(len(part.anchors) for part in parts)])
        empty = Attachment(
            np.zeros(0, int), np.zeros((0, 3), np.float32), np.zeros((0, 3), np.int32), np.zeros((0, 3, 2), np.float32),
            np.zeros((0, 3), np.float32), np.zeros(0, int), np.zeros((0, 3), np.float32),
        )  # fmt: skip
        every = [empty, *parts]
        return Attachment(
            np.concatenate([part.anchors for part in every]),
            np.concatenate([part.offsets for part in every]),
            np.concatenate([empty.triangles, *(p.triangles + start for p, start in zip(parts, starts, strict=False))]),
            np.concatenate([part.uv for part in every]),
            np.concatenate([part.tint for part in every]),
            np.concatenate([part.finish for part in every]),
            np.concatenate([part.strand for part in every]),
        )

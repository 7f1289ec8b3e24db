"""A folder of plug-ins, as a user would have it: each data set and each method is one file outside of the package."""

import zipfile
from pathlib import Path

import cv2
import numpy as np

# Landmarks of a face of unit size: eyes, nose, corners of the mouth. Left and right are those of the picture.
FACE = np.array([[0.25, 0.3], [0.75, 0.3], [0.5, 0.55], [0.3, 0.8], [0.7, 0.8]])
COLOURS = np.array([[230, 60, 60], [60, 230, 60], [60, 60, 230], [230, 230, 60], [60, 230, 230]])

TOY5 = '''\
"""toy5: five coloured dots on grey. In toy5.zip, images/*.png and points.csv: image, person, x0, y0, ..., x4, y4."""

import pandas as pd

from tsal.data.faces import make_faces, write_faces
from tsal.data.landmarks import Scheme
from tsal.data.splits import split_people
from tsal.datasets import Dataset
from tsal.files import extract_zip, open_zip

SCHEME = Scheme(
    name="toy5",
    n_points=5,
    names=("left eye", "right eye", "nose", "left corner of the mouth", "right corner of the mouth"),
    mirror_pairs=((0, 1), (3, 4)),
    edges=((0, 2, 1), (3, 4)),
    normalisers={"eye-distance": ([0], [1]), "face-size": "box"},
)


def index(sources, images_dir, out_parquet, options):
    """Write the face table of the archive and put its images into images_dir."""
    with open_zip(sources["toy5.zip"]) as archive:
        table = pd.read_csv(archive.open("points.csv"))
    extract_zip(sources["toy5.zip"], images_dir, {f"images/{name}": name for name in table["image"]})
    points = table.filter(regex=r"[xy]\\d").to_numpy().reshape(len(table), 5, 2)
    boxes = [[*face.min(axis=0), *face.max(axis=0)] for face in points]
    split_of = split_people(table["person"])
    faces = make_faces(
        [str(images_dir / name) for name in table["image"]],
        boxes,
        points,
        person=table["person"],
        split=[split_of[person] for person in table["person"]],
    )
    write_faces(faces, out_parquet)


DATASET = Dataset(
    name="toy5",
    title="Five dots",
    archives={"toy5.zip": ()},
    how_to_get="draw it",
    indexer=index,
    scheme=SCHEME,
    normalisers=("eye-distance", "face-size"),
    has_clips=False,
)
'''


def write_toy5(plugins: Path, raw_dir: Path, *, mirror: bool = True, faces: int = 40) -> None:
    """Write the data set toy5, PLUGINS/datasets/toy5.py, and its archive.

    Args:
        mirror: False: a data set whose scheme has no mirror images.
    """
    (plugins / "datasets").mkdir(parents=True, exist_ok=True)
    pairs = "((0, 1), (3, 4))" if mirror else "None"
    source = TOY5.replace("mirror_pairs=((0, 1), (3, 4))", f"mirror_pairs={pairs}")
    (plugins / "datasets/toy5.py").write_text(source, encoding="utf-8")
    path = raw_dir / "toy5/toy5.zip"
    path.parent.mkdir(parents=True)
    rows = [["image", "person", *(f"{axis}{k}" for k in range(5) for axis in "xy")]]
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(faces):
            image, points = draw_dots(np.random.default_rng(number))
            archive.writestr(f"images/{number}.png", cv2.imencode(".png", image[..., ::-1])[1].tobytes())
            rows.append([f"{number}.png", f"p{number}", *(f"{value:.2f}" for value in points.ravel())])
        archive.writestr("points.csv", "\n".join(",".join(row) for row in rows) + "\n")


def draw_dots(random: np.random.Generator, face: np.ndarray = FACE, size: int = 48) -> tuple[np.ndarray, np.ndarray]:
    """An RGB image (size, size, 3) uint8 with a dot at each landmark of a face, and these landmarks (K, 2) in px.

    Args:
        face: (K, 2) landmarks of a face of unit size.
    """
    colours = COLOURS[np.arange(len(face)) % len(COLOURS)]
    points = face * random.uniform(0.55, 0.7) * size + random.uniform(0.1, 0.2, 2) * size
    image = random.integers(90, 120, (size, size, 3), dtype=np.uint8)
    for point, colour in zip(points, colours.tolist(), strict=True):
        cv2.circle(image, tuple(np.round(point * 16).astype(int).tolist()), 32, colour, -1, cv2.LINE_AA, 4)
    return image, points

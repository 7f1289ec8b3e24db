"""A folder of plug-ins, as a user would have it: each data set and each method is one file outside of the package."""

import re
import zipfile
from pathlib import Path

import cv2
import numpy as np

PAGE = Path(__file__).parents[1] / "CONTRIBUTING.md"
# Landmarks of a face of unit size: eyes, nose, corners of the mouth. Left and right are those of the picture.
FACE = np.array([[0.25, 0.3], [0.75, 0.3], [0.5, 0.55], [0.3, 0.8], [0.7, 0.8]])
COLOURS = np.array([[230, 60, 60], [60, 230, 60], [60, 60, 230], [230, 230, 60], [60, 230, 230]])


def example(name: str) -> str:
    """The block of CONTRIBUTING.md that defines a name: METHOD or DATASET in Python, methods or benchmarks in YAML."""
    blocks = re.findall(r"^```(?:python|yaml)\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    (found,) = (block for block in blocks if re.search(rf"^{name}( = |:)", block, re.MULTILINE))
    return found


TOY5 = example("DATASET")


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

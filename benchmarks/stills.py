"""How fast still images are indexed and cropped, in faces a second and core, beside the floors of both.

    python benchmarks/stills.py ytf RAW_DIR [--max-people 60]
    python benchmarks/stills.py 300w OUT_DIR [--share 1]

`ytf` measures its archive in RAW_DIR as it is, and with some people's images as PNG with alpha, as ytf is published, at
96 px. `300w` writes the five archives of a full-size 300W into OUT_DIR (about 5 GB with what is made of them; 3,837
JPEGs of 1 MP, of which a few are repeated), and measures them at 256 px.

The floor of indexing is unpacking the same images, that of cropping is reading and decoding them, both in the same run:
what no implementation can leave out. Rates count the CPU time of the whole process, which is what a second core would
not make shorter.
"""

import argparse
import shutil
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from archives import draw_face, mean_face
from archives_300vw import pts_bytes
from archives_300w import BOXES, box_records, mat_bytes, name_of

from tsal import datasets
from tsal.data.crops import write_crops
from tsal.data.faces import SPLITS, read_faces
from tsal.data.pictures import read_image

PER_FOLDER = {
    "afw": 337,
    "helen/trainset": 2000,
    "lfpw/trainset": 811,
    "helen/testset": 330,
    "lfpw/testset": 224,
    "ibug": 135,
}
WIDTH, HEIGHT, FACE = 1200, 850, 400  # px
DISTINCT = 24  # images, repeated in turn
MOST_SECONDS, LEAST_FACES = 60, 150  # to index 300W; a second and core
GEOMETRY = {"expand": 0.2, "margin": 4 / 3}
HEAD = """\
| step | faces | wall s | CPU s | faces/s/core | floor, wall s | floor, CPU s | of floor | bar met |
|---|---|---|---|---|---|---|---|---|"""


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """Wall and CPU seconds of a piece of work."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - cpu


def best_of_two(work: Callable[[], object]) -> tuple[float, float]:
    """Wall and CPU seconds of the attempt that took less of the CPU."""
    return min((timed(work) for _ in range(2)), key=lambda both: both[1])


def row(step: str, faces: int, measured: tuple[float, float], floor: tuple[float, float], met: bool) -> str:
    (wall, cpu), (floor_wall, floor_cpu) = measured, floor
    return (
        f"| {step} | {faces:,} | {wall:.1f} | {cpu:.1f} | {faces / cpu:.0f} | {floor_wall:.1f} | {floor_cpu:.1f} "
        f"| {cpu / floor_cpu:.2f} | {'yes' if met else 'NO'} |"
    )


# --- ytf ---


def unpack(archive: Path, folder: Path, names: list[str]) -> None:
    """The floor of indexing."""
    with zipfile.ZipFile(archive) as file:
        for name in names:
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(file.read(name))


def measure_ytf(raw_dir: Path, work: Path, label: str) -> list[str]:
    """Rows of the table: index and crop ytf once each, with their floors."""
    dataset, table = datasets.get("ytf"), work / "faces.parquet"
    index = timed(lambda: dataset.index(raw_dir, work / "images", table))
    faces = read_faces(table)
    names = [str(Path(path).relative_to(work / "images")) for path in faces["image"]]
    archive = dataset.sources(raw_dir)["train-test-data.zip"]
    floor = best_of_two(lambda: unpack(archive, work / "floor", names))
    rows = [row(f"index ytf, {label}", len(faces), index, floor, len(faces) / index[1] > LEAST_FACES)]
    crop = timed(lambda: crop_all(faces, work / "crops"))
    floor = best_of_two(lambda: [read_image(path) for path in faces["image"]])
    return [*rows, row(f"crop ytf, {label}, 96 px", len(faces), crop, floor, len(faces) / crop[1] > LEAST_FACES)]


def crop_all(faces: pd.DataFrame, folder: Path) -> None:
    """Crop every split, as the workflow does."""
    for split in SPLITS:
        write_crops(faces[faces["split"] == split], folder / f"{split}.json", input_px=96, **GEOMETRY)


def as_png(raw_dir: Path, out_dir: Path, max_people: int) -> Path:
    """A raw_dir with some people's images re-encoded as PNG with alpha under their .jpg names."""
    archive = datasets.get("ytf").sources(raw_dir)["train-test-data.zip"]
    out = out_dir / "ytf" / archive.name
    out.parent.mkdir(parents=True)
    with zipfile.ZipFile(archive) as source, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as target:
        people = sorted({_person(name) for name in source.namelist() if name.endswith(".jpg")})[:max_people]
        for name in source.namelist():
            content = source.read(name)
            if name.endswith(".csv"):
                lines = content.decode().splitlines(keepends=True)
                content = "".join(lines[:1] + [line for line in lines[1:] if _person(line) in people]).encode()
            elif _person(name) in people:
                image = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
                content = cv2.imencode(".png", cv2.cvtColor(image, cv2.COLOR_BGR2BGRA))[1].tobytes()
            else:
                continue
            target.writestr(name, content)
    return out_dir


def _person(name: str) -> str:
    """First_Last of `folder/First_Last_CF.jpg`, or of a row that begins so."""
    return name.split(",")[0].rpartition("/")[2].rpartition("_")[0]


def of_ytf(raw_dir: Path, max_people: int) -> list[str]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows = measure_ytf(raw_dir, folder / "as_is", "as it is")
        png_dir = as_png(raw_dir, folder / "raw", max_people)
        return [*rows, *measure_ytf(png_dir, folder / "png", "PNG with alpha")]


# --- 300W ---


def photographs(random: np.random.Generator) -> list[tuple[bytes, np.ndarray]]:
    """JPEGs with as much detail as photographs have, and the points (68, 2) of the face in each."""
    shots = []
    for number in range(DISTINCT):
        corner = random.uniform((100, 50), (WIDTH - FACE - 100, HEIGHT - FACE - 50))
        points = mean_face() * FACE + corner
        fine, coarse = (random.normal(0, 14, (HEIGHT // k, WIDTH // k, 3)) for k in (1, 10))
        grain = cv2.GaussianBlur(fine, (0, 0), 0.7) + cv2.resize(2 * coarse, (WIDTH, HEIGHT))
        image = np.clip(draw_face(points, WIDTH, HEIGHT, 60 + number) + grain, 0, 255).astype(np.uint8)
        shots.append((cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 96])[1].tobytes(), points))
    return shots


def write_archives(folder: Path, per_folder: dict[str, int]) -> None:
    """300W in its owners' layout, of JPEGs also where its owners have PNGs."""
    shots = photographs(np.random.default_rng(0))
    folder.mkdir(parents=True)
    for place, count in per_folder.items():
        name, _, _ = place.partition("/")
        names = [str(Path(name_of(place, number)).with_suffix(".jpg")) for number in range(count)]
        truth = np.array([shots[number % DISTINCT][1] for number in range(count)])
        with zipfile.ZipFile(folder / f"{name}.zip", "a", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            for number, image in enumerate(names):
                content, points = shots[number % DISTINCT]
                archive.writestr(f"{place}/{image}", content)
                archive.writestr(f"{place}/{Path(image).stem}.pts", pts_bytes(points))
        bounds = np.concatenate([truth.min(axis=1), truth.max(axis=1)], axis=1)
        with zipfile.ZipFile(folder / BOXES, "a") as archive:
            path = f"Bounding Boxes/bounding_boxes_{place.replace('/', '_')}.mat"
            archive.writestr(path, mat_bytes(bounding_boxes=box_records(names, bounds, bounds)))


def unpack_alone(folder: Path, target: Path) -> None:
    for path in sorted(folder.glob("*.zip")):
        with zipfile.ZipFile(path) as archive:
            for number, name in enumerate(archive.namelist()):
                content = archive.read(name)
                if name.endswith(".jpg"):
                    (target / f"{path.stem}{number}.jpg").write_bytes(content)


def decode_alone(paths: list[str]) -> None:
    for path in paths:
        assert cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_COLOR) is not None


def of_300w(out_dir: Path, share: float) -> list[str]:
    raw, out = out_dir / "raw", out_dir / "out"
    per_folder = {name: max(2, round(share * count)) for name, count in PER_FOLDER.items()}
    write_archives(raw / "300w", per_folder)
    (out / "floor").mkdir(parents=True)
    options = {"counts": per_folder}
    index = timed(lambda: datasets.get("300w").index(raw, out / "images", out / "faces.parquet", options))
    index_floor = timed(lambda: unpack_alone(raw / "300w", out / "floor"))
    shutil.rmtree(out / "floor")
    faces = read_faces(out / "faces.parquet")
    crop = timed(lambda: write_crops(faces, out / "crops.json", input_px=256, **GEOMETRY))
    crop_floor = timed(lambda: decode_alone(list(faces["image"])))
    return [
        row("index 300W", len(faces), index, index_floor, index[0] < MOST_SECONDS),
        row("crop 300W, 256 px", len(faces), crop, crop_floor, len(faces) / crop[1] > LEAST_FACES),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    kinds = parser.add_subparsers(dest="kind", required=True)
    ytf = kinds.add_parser("ytf")
    ytf.add_argument("raw_dir", type=Path, help="folder that holds ytf/train-test-data.zip")
    ytf.add_argument("--max-people", type=int, default=60, help="people in the PNG variant (default 60)")
    full = kinds.add_parser("300w")
    full.add_argument("out_dir", type=Path, help="a new folder")
    full.add_argument("--share", type=float, default=1, help="of the full number of images")
    arguments = parser.parse_args()
    if arguments.kind == "ytf":
        rows = of_ytf(arguments.raw_dir, arguments.max_people)
    else:
        rows = of_300w(arguments.out_dir, arguments.share)
    print(HEAD, *rows, sep="\n")


if __name__ == "__main__":
    main()

"""How fast a full-size 300W is indexed and cropped, beside the floors of both.

    python benchmarks/stills.py OUT_DIR [--share 1]

Writes the five archives of 300W into OUT_DIR (about 5 GB with what is made of them; 3,837 JPEGs of 1 MP, of which a few
are repeated), then measures `index` with everything that it unpacks, and `write_crops` at 256 px. The floor of indexing
is reading the images out of the archives and writing them, that of cropping is reading and decoding them, both in the
same run. Rates count the CPU time of the whole process, which is what a second core would not make shorter.
"""

import argparse
import shutil
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from archives import draw_face, mean_face
from archives_300vw import pts_bytes
from archives_300w import BOXES, box_records, mat_bytes, name_of

from tsal import datasets
from tsal.data.crops import write_crops
from tsal.data.faces import read_faces

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
MOST_SECONDS, LEAST_FACES = 60, 150  # to index; to crop a second and core


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


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """Wall and CPU seconds of a piece of work."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - cpu


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


def row(step: str, faces: int, measured: tuple[float, float], floor: tuple[float, float], met: bool) -> str:
    (wall, cpu), (floor_wall, floor_cpu) = measured, floor
    return (
        f"| {step} | {faces:,} | {wall:.1f} | {cpu:.1f} | {faces / cpu:.0f} | {floor_wall:.1f} | {floor_cpu:.1f} "
        f"| {cpu / floor_cpu:.2f} | {'yes' if met else 'NO'} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out_dir", type=Path, help="a new folder")
    parser.add_argument("--share", type=float, default=1, help="of the full number of images")
    arguments = parser.parse_args()
    raw, out = arguments.out_dir / "raw", arguments.out_dir / "out"
    per_folder = {name: max(2, round(arguments.share * count)) for name, count in PER_FOLDER.items()}
    write_archives(raw / "300w", per_folder)
    (out / "floor").mkdir(parents=True)
    options = {"counts": per_folder}
    index = timed(lambda: datasets.get("300w").index(raw, out / "images", out / "faces.parquet", options))
    index_floor = timed(lambda: unpack_alone(raw / "300w", out / "floor"))
    shutil.rmtree(out / "floor")
    faces = read_faces(out / "faces.parquet")
    crop = timed(lambda: write_crops(faces, out / "crops.npy", input_px=256, expand=0.2, margin=4 / 3))
    crop_floor = timed(lambda: decode_alone(list(faces["image"])))
    print("| step | faces | wall s | CPU s | faces/s/core | floor, wall s | floor, CPU s | of floor | bar met |")
    print("|---|---|---|---|---|---|---|---|---|")
    print(row("index 300W", len(faces), index, index_floor, index[0] < MOST_SECONDS))
    print(row("crop 300W, 256 px", len(faces), crop, crop_floor, len(faces) / crop[1] > LEAST_FACES))


if __name__ == "__main__":
    main()

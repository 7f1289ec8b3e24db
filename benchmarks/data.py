"""How fast `tsal index` and `tsal crop` are, in faces a second and core, beside their floors.

    python benchmarks/data.py RAW_DIR [--max-people 60]

The floor of indexing is unpacking the same images, that of cropping is decoding them: what no implementation
can leave out. The archive is measured as it is, and re-encoded as PNG with alpha, as ytf is published. Rates
count the CPU time of the whole process, which is what a second core would not make shorter.
"""

import argparse
import tempfile
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from tsal import datasets
from tsal.data.cropping import read_image
from tsal.data.crops import write_crops
from tsal.data.faces import SPLITS, read_faces

REQUIRED = 150  # faces a second and core


@dataclass(frozen=True)
class Measurement:
    """One row of the table: a step and its floor, over the same faces."""

    step: str
    faces: int
    wall: float
    cpu: float
    floor_cpu: float

    def row(self) -> str:
        rate, floor = self.faces / self.cpu, self.faces / self.floor_cpu
        return (
            f"| {self.step} | {self.faces} | {self.wall:.2f} | {self.cpu:.2f} | {rate:.0f} | {floor:.0f} "
            f"| {100 * rate / floor:.0f} % | {'yes' if rate > REQUIRED else 'NO'} |"
        )


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """Wall and CPU seconds of a piece of work."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - cpu


def floor_of(work: Callable[[], object]) -> float:
    """CPU seconds of the faster of two attempts."""
    return min(timed(work)[1] for _ in range(2))


def unpack(archive: Path, folder: Path, names: list[str]) -> None:
    """The floor of indexing."""
    with zipfile.ZipFile(archive) as file:
        for name in names:
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(file.read(name))


def measure(raw_dir: Path, work: Path, label: str, max_people: int | None) -> list[Measurement]:
    """Index and crop ytf once each, with their floors."""
    benchmark = datasets.get("ytf")
    table = work / "faces.parquet"
    index = timed(lambda: benchmark.index(raw_dir, work / "images", table, {"max_people": max_people}))
    faces = read_faces(table)
    names = [str(Path(path).relative_to(work / "images")) for path in faces["image"]]
    archive = benchmark.sources(raw_dir)["train-test-data.zip"]
    floor = floor_of(lambda: unpack(archive, work / "floor", names))
    measurements = [Measurement(f"index, {label}", len(faces), *index, floor)]
    crop = timed(lambda: crop_all(faces, work / "crops"))
    floor = floor_of(lambda: [read_image(path) for path in faces["image"]])
    return [*measurements, Measurement(f"crop, {label}", len(faces), *crop, floor)]


def crop_all(faces: pd.DataFrame, folder: Path) -> None:
    """Crop every split, as the workflow does."""
    for split in SPLITS:
        write_crops(faces[faces["split"] == split], folder / f"{split}.npy", input_px=96, expand=0.2, margin=4 / 3)


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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("raw_dir", type=Path, help="folder that holds ytf/train-test-data.zip")
    parser.add_argument("--max-people", type=int, default=60, help="people in the PNG variant (default 60)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        measurements = measure(arguments.raw_dir, folder / "as_is", "as it is", None)
        png_dir = as_png(arguments.raw_dir, folder / "raw", arguments.max_people)
        measurements += measure(png_dir, folder / "png", "PNG with alpha", None)
    print("| step | faces | wall s | CPU s | faces/s/core | floor, faces/s/core | of floor | over 150 |")
    print("|---|---|---|---|---|---|---|---|")
    for measurement in measurements:
        print(measurement.row())


if __name__ == "__main__":
    main()

"""How fast faces are cropped out of videos and photographs and 300VW is indexed, and how much memory that takes.

    python benchmarks/video.py OUT_DIR [--frames 400] [--annotations 218595]

The floor of cropping is decoding the same frames or photographs: what no implementation can leave out. Rates count the
CPU time of the whole process, which is what a second core would not make shorter. Memory is the peak of a process of
its own, pages of files included. The archive that is indexed has as many annotations as 300VW, and tiny frames.
"""

import argparse
import multiprocessing
import shutil
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from tsal import datasets
from tsal.data.crops import write_crops
from tsal.data.faces import make_faces
from tsal.data.pictures import read_image
from tsal.data.video import frames
from tsal.datasets.ibug_300vw import LISTS

REQUIRED, REQUIRED_STILLS = 120, 150  # faces a second and core
FLAT = 1.05  # how much larger the peak of memory may be for five times the frames
LONGEST = 600.0  # seconds that indexing may take
WIDTH, HEIGHT = 1280, 720
CODECS = {"MJPG": "MJPG", "MPEG-4": "XVID"}
GEOMETRY = {"input_px": 256, "expand": 0.2, "margin": 4 / 3}


def picture(width: int, height: int) -> np.ndarray:
    """Noise with detail at several scales, (height, width, 3) uint8."""
    random, layers = np.random.default_rng(0), np.zeros((height, width, 3), np.float32)
    for sigma in (2, 8, 32):
        layer = cv2.GaussianBlur(random.normal(size=layers.shape).astype(np.float32), (0, 0), sigma)
        layers += layer / layer.std()
    return cv2.normalize(layers, None, 0, 255, cv2.NORM_MINMAX).astype(np.uint8)


def write_video(path: Path, codec: str, count: int, size: tuple[int, int] = (WIDTH, HEIGHT)) -> Path:
    """A picture that moves to the side."""
    still, writer = picture(*size), cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*codec), 25, size)
    for number in range(count):
        writer.write(np.roll(still, 2 * number, axis=1))
    writer.release()
    return path


def write_stills(folder: Path, count: int) -> Path:
    """As many JPEG files of 1.1 megapixels: 0.jpg, 1.jpg, ..."""
    folder.mkdir(exist_ok=True)
    still = picture(1200, 900)
    for number in range(count):
        cv2.imwrite(str(folder / f"{number}.jpg"), np.roll(still, 2 * number, axis=1), [cv2.IMWRITE_JPEG_QUALITY, 90])
    return folder


def faces_of(source: Path, count: int) -> pd.DataFrame:
    """A face of 300 px in each frame of a video, or photograph of a folder."""
    box = np.tile([450, 200, 750, 500], (count, 1))
    stills = source.is_dir()
    images = [str(source / f"{number}.jpg") if stills else str(source) for number in range(count)]
    clips = images if stills else ["v"] * count
    return make_faces(images, box, np.full((count, 68, 2), 600.0), frame=range(count), clip=clips)


def cpu_seconds(work: Callable[[], object]) -> float:
    """CPU seconds of the faster of two attempts."""
    found = []
    for _ in range(2):
        start = time.process_time()
        work()
        found.append(time.process_time() - start)
    return min(found)


def crop(source: Path, count: int, out: Path) -> None:
    """Crop one face a frame on one thread, anew."""
    shutil.rmtree(out.with_suffix(""), ignore_errors=True)
    write_crops(faces_of(source, count), out, workers=1, **GEOMETRY)


def decode(source: Path, count: int) -> None:
    """The floor of cropping."""
    if source.is_dir():
        for number in range(count):
            read_image(source / f"{number}.jpg")
    else:
        for _ in frames(source, range(count)):
            pass


def measure(name: str, source: Path, count: int, required: int, out: Path) -> str:
    """A row of the table."""
    floor = count / cpu_seconds(lambda: decode(source, count))
    rate = count / cpu_seconds(lambda: crop(source, count, out))
    short, long = (peak_of(crop, source, length, out) for length in (count // 5, count))
    fast, flat = ("yes" if good else "NO" for good in (rate > required, long < FLAT * short))
    share = f"{100 * rate / floor:.0f} %"
    return f"| {name} | {floor:.0f} | {rate:.0f} | {share} | {required} | {fast} | {short:.0f} | {long:.0f} | {flat} |"


def peak_of(work: Callable[..., None], *arguments: object) -> float:
    """The peak of memory, in MB, of a new process that does this work."""
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        return pool.apply(_peak, (work, arguments))


def _peak(work: Callable[..., None], arguments: tuple[object, ...]) -> float:
    work(*arguments)
    status = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in status if line.startswith("VmHWM")).split()[1]) / 1e3


def write_archive(raw_dir: Path, annotations: int) -> int:
    """An archive of all videos with `annotations` in all, or a few more; returns how many there are."""
    names = [name for videos in LISTS.values() for name in videos]
    count = -(-annotations // len(names))
    archive = raw_dir / "300vw" / "300VW_Dataset_2015_12_14.zip"
    archive.parent.mkdir(parents=True)
    video = write_video(raw_dir / "tiny.avi", "MJPG", count, (16, 16)).read_bytes()
    points = "\n".join(f"{x:.6f} {y:.6f}" for x, y in np.random.default_rng(0).uniform(1, 999, (68, 2)))
    content = f"version: 1\nn_points: 68\n{{\n{points}\n}}\n"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as file:
        for name in names:
            file.writestr(f"{name}/vid.avi", video)
            for number in range(1, count + 1):
                file.writestr(f"{name}/annot/{number:06d}.pts", content)
    return count * len(names)


def index(raw_dir: Path, out: Path) -> None:
    """Index 300VW."""
    datasets.get("300vw").index(raw_dir, out / "images", out / "faces.parquet")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out_dir", type=Path, help="empty or new folder for what is measured; some 2 GB")
    parser.add_argument("--frames", type=int, default=400, help="of each video (default 400)")
    parser.add_argument("--annotations", type=int, default=218_595, help="of the archive (default: as 300VW has)")
    arguments = parser.parse_args()
    out, count = arguments.out_dir, arguments.frames
    out.mkdir(parents=True, exist_ok=True)
    cv2.setNumThreads(1)
    rows = []
    for name, codec in CODECS.items():
        video = write_video(out / f"{codec}.avi", codec, count)
        kilobytes = video.stat().st_size / count / 1e3
        rows.append(measure(f"{name} 720p, {kilobytes:.0f} kB a frame", video, count, REQUIRED, out / "crops.json"))
    stills = write_stills(out / "stills", count)
    rows.append(measure("JPEG 1200 x 900", stills, count, REQUIRED_STILLS, out / "crops.json"))
    annotations = write_archive(out / "raw", arguments.annotations)
    start = time.perf_counter()
    peak = peak_of(index, out / "raw", out)
    seconds = time.perf_counter() - start
    print("| source | decoded /s/core | cropped /s/core | of floor | bar | over it | MB, fifth | MB, whole | flat |")
    print("|---|---|---|---|---|---|---|---|---|", *rows, sep="\n", end="\n\n")
    print("| index | annotations | s | annotations/s | peak MB | under 10 min |")
    print("|---|---|---|---|---|---|")
    quick = "yes" if seconds < LONGEST else "NO"
    print(f"| 300vw | {annotations} | {seconds:.0f} | {annotations / seconds:.0f} | {peak:.0f} | {quick} |")


if __name__ == "__main__":
    main()

"""Write small raw archives of the paper's three benchmarks, in their owners' layouts, with rendered faces.

    python tests/miniature.py RAW_DIR

config/miniature.yaml knows their counts. With them, everything that `snakemake paper` makes can be made, in minutes:

    snakemake --cores 2 paper --configfile config/miniature.yaml --config raw_dir=RAW_DIR
"""

import sys
from pathlib import Path

import cv2
import numpy as np
from archives_300vw import VideoPlan, ibug_300vw_files, ibug_300vw_raw_dir
from archives_300w import ibug_300w_files, ibug_300w_raw_dir
from archives_aflw import aflw_files, aflw_raw_dir

from tsal.synth.plan import Shot
from tsal.synth.scene import render_person

PER_FOLDER = {"afw": 8, "helen/trainset": 24, "lfpw/trainset": 8, "helen/testset": 6, "lfpw/testset": 4, "ibug": 4}
AFLW_FACES = 52
VIDEOS = {
    "001": VideoPlan(12, 12),
    "002": VideoPlan(12, 12, "XVID"),
    "003": VideoPlan(14, 13),
    "004": VideoPlan(12, 12),
    "019": VideoPlan(3, 3),
    "114": VideoPlan(13, 12, "XVID"),
    "124": VideoPlan(11, 12),
    "203": VideoPlan(12, 12),
    "410": VideoPlan(12, 12),
}


def rendered_scene(seed: int, width: int, height: int, frames: int) -> tuple[list[np.ndarray], np.ndarray]:
    """A still or clip of a rendered person, of another one for each seed; beyond its picture the edge is repeated."""
    side = min(width, height)
    (shot,) = render_person(0, seed, [Shot(seed, 0, frames, False)], side)
    left, top = (width - side) // 2, (height - side) // 2
    border = (top, height - side - top, left, width - side - left, cv2.BORDER_REPLICATE)
    images = [cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR) for jpeg in shot.jpegs]
    return [cv2.copyMakeBorder(image, *border) for image in images], shot.points + [left, top]


def write(raw_dir: Path) -> None:
    """Write 300w, aflw and 300vw into a raw_dir."""
    ibug_300w_raw_dir(raw_dir, ibug_300w_files(PER_FOLDER, rendered_scene, (192, 160)).files)
    aflw_raw_dir(raw_dir, aflw_files(AFLW_FACES, rendered_scene, (160, 144)))
    ibug_300vw_raw_dir(raw_dir, ibug_300vw_files(VIDEOS, rendered_scene, (192, 160)).files)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    write(Path(sys.argv[1]))

"""Pack what benchmarks/gpu.sh takes to a machine with a GPU: python benchmarks/pack.py RAW_DIR -o data/gpu

RAW_DIR holds 300w/afw.zip and so on. The folder that is made holds a part of 300W under a limit of megabytes, evenly
from its training and validation faces: images/, faces.parquet (boxes are the bounds of the landmarks), and
settings.yaml, a labels-only training by the preset `paper`. With PyTorch's copy of VGG-16's weights on this machine the
trunk goes along, else the training starts from random weights. `--wheels` unpacks Python packages that the other
machine lacks into site/, so that nothing has to be installed there.
"""

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import yaml
from safetensors.torch import save_file

from tsal import datasets
from tsal.data.archives import extract_zip
from tsal.data.faces import read_faces, write_faces
from tsal.detectors.trunk_weights import load_imagenet
from tsal.detectors.vgg16_cpm import vgg16_features
from tsal.errors import InputError

PRESETS = Path(__file__).parents[1] / "config" / "presets.yaml"
TRUNK = "trunk.safetensors"
PACKED = ("train", "validation")
STEPS, EVALUATE_EVERY = 500, 100


def choose(faces: pd.DataFrame, sizes: np.ndarray, limit: float) -> np.ndarray:
    """Rows of as many faces, every so many-th of each split, as fit into a limit of bytes, given those of each."""
    for every in np.arange(1.0, len(faces) + 1, 0.25):
        of_splits = [np.flatnonzero(faces["split"] == split) for split in PACKED]
        rows = np.concatenate([part[np.arange(0, len(part), every).astype(int)] for part in of_splits])
        if sizes[rows].sum() <= limit:
            return rows
    raise InputError(f"--megabytes: found {limit / 1e6:.1f} for pictures, expected room for one of each split at least")


def pack_faces(raw_dir: Path, out: Path, limit: float) -> pd.DataFrame:
    """Write images/ and faces.parquet, whose paths are relative to the folder; returns the faces."""
    benchmark = datasets.get("300w")
    sources = benchmark.sources(raw_dir)
    if missing := [name for name in benchmark.missing(raw_dir) if name != "bounding_boxes.zip"]:
        raise InputError(f"{benchmark.folder(raw_dir)}: found no {', '.join(missing)}; expected the archives of 300W")
    options = benchmark.options(box="GTL", counts=None).model_dump()
    with tempfile.TemporaryDirectory() as folder:
        benchmark.indexer(sources, Path(folder), Path(folder) / "faces.parquet", options)
        faces = read_faces(Path(folder) / "faces.parquet")
        rows = choose(faces, np.array([Path(path).stat().st_size for path in faces["image"]]), limit)
        faces = faces.iloc[rows].reset_index(drop=True)
        names = [Path("images") / Path(path).relative_to(folder) for path in faces["image"]]
        for path, name in zip(faces["image"], names, strict=True):
            (out / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, out / name)
    write_faces(faces.assign(image=[str(name) for name in names]), out / "faces.parquet")
    return faces


def pack_trunk(path: Path) -> bool:
    """Write the first layers of VGG-16, where PyTorch's hub folder has its weights; says whether it has."""
    vgg = vgg16_features()
    if not any((Path(torch.hub.get_dir()) / "checkpoints").glob("vgg16-*.pth")):
        return False
    load_imagenet(vgg, or_random=False)
    save_file(vgg.state_dict(), path)
    return True


def settings_of(trunk: bool) -> dict:
    """A labels-only training of STEPS steps by the preset `paper`."""
    preset = yaml.safe_load(PRESETS.read_text(encoding="utf-8"))["presets"]["paper"]
    return {
        "benchmark": "300w",
        "method": "supervised",
        "algorithm": "supervised",
        "labels": 1.0,
        "detector": preset["detector"] | {"weights": TRUNK if trunk else "none"},
        "training": preset["training"] | {"warmup_steps": STEPS, "steps": 0, "evaluate_every": EVALUATE_EVERY},
    }


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("raw_dir", type=Path, metavar="RAW_DIR", help="holds 300w/<archive>")
    options.add_argument("-o", "--output", type=Path, required=True, metavar="FOLDER")
    options.add_argument("--megabytes", type=float, default=50.0, help="limit of all that is packed")
    options.add_argument("--wheels", type=Path, nargs="*", default=[], help="of packages that the machine lacks")
    chosen = options.parse_args()
    out = chosen.output
    if out.exists() and any(out.iterdir()):
        raise InputError(f"{out}: found files in it, expected a new or an empty folder")
    out.mkdir(parents=True, exist_ok=True)
    for wheel in chosen.wheels:
        extract_zip(wheel, out / "site")
    trunk = pack_trunk(out / TRUNK)
    (out / "settings.yaml").write_text(yaml.safe_dump(settings_of(trunk), sort_keys=False), encoding="utf-8")
    used = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
    faces = pack_faces(chosen.raw_dir, out, chosen.megabytes * 1e6 - used - 2e6)
    size = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
    start = "VGG-16's weights" if trunk else "no weights of VGG-16 (none found here)"
    print(f"{out}: {size / 1e6:.1f} MB, {start}, faces: {faces['split'].value_counts().to_dict()}")


if __name__ == "__main__":
    try:
        main()
    except (InputError, OSError) as error:
        sys.exit(f"pack.py: error: {error}")

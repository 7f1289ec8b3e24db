"""What raw data is, wherever it lies: moving an archive should re-run nothing, replacing it everything."""

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tsal.datasets import Dataset
from tsal.datasets.own.dataset import OwnDataset

_TAIL = 1 << 20  # bytes


def fingerprint(benchmark: Dataset, raw_dir: str | Path) -> dict[str, Any] | None:
    """Describe the raw data of a benchmark by its content, not by its place, and without reading all of it.

    Archives are known by size and by the digest of their last mebibyte: there a zip lists the checksums of
    its members, and a gzip ends with its own. An unpacked archive is known by the names and sizes of what lies in the
    folders that it is known by: changes below these go unnoticed.

    Returns:
        Archive -> size in bytes and SHA-256 of the tail, or name -> size in bytes (None for a folder) of what it was
        unpacked into; None where the raw data is not there, or where there is none since images are rendered. Of one's
        own data see OwnDataset.fingerprint.
    """
    if isinstance(benchmark, OwnDataset):
        return benchmark.fingerprint()
    if benchmark.renderer or benchmark.status(raw_dir) != "present":
        return None
    found: dict[str, Any] = {}
    for archive, source in benchmark.sources(raw_dir).items():
        found[archive] = _of_folder(source, benchmark.archives[archive]) if source.is_dir() else _of_archive(source)
    return found


def _of_folder(folder: Path, contents: Iterable[str]) -> dict[str, int | None]:
    """Size of each file by which the content is known, and of each file at the top level of each folder."""
    sizes: dict[str, int | None] = {}
    for name in contents:
        entries = sorted((folder / name).iterdir()) if (folder / name).is_dir() else [folder / name]
        sizes |= {str(path.relative_to(folder)): path.stat().st_size if path.is_file() else None for path in entries}
    return sizes


def _of_archive(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - _TAIL))
        return {"bytes": size, "sha256_of_tail": hashlib.sha256(file.read()).hexdigest()}

"""What raw data is, wherever it lies: moving an archive should re-run nothing, replacing it everything."""

import hashlib
import os
from pathlib import Path
from typing import Any

from tsal.benchmarks import Benchmark

_TAIL = 1 << 20  # bytes


def fingerprint(benchmark: Benchmark, raw_dir: str | Path) -> dict[str, Any] | None:
    """Describe the raw data of a benchmark by its content, not by its place, and without reading all of it.

    Archives are known by size and by the digest of their last mebibyte: there a zip lists the checksums of
    its members, and a gzip ends with its own. An unpacked folder is known by the names of its entries and the
    sizes of its files, at its top level alone: changes below it go unnoticed.

    Returns:
        Name -> size in bytes and SHA-256 of the tail of each archive, or name -> size (None for a folder) of
        each entry; None where the raw data is not there, or where there is none since images are rendered.
    """
    if benchmark.renderer or benchmark.status(raw_dir) != "present":
        return None
    raw = benchmark.raw_input(raw_dir)
    archives = [benchmark.folder(raw_dir) / name for name in benchmark.archives]
    if raw.is_dir() and not all(archive.is_file() for archive in archives):
        entries = sorted(os.scandir(raw), key=lambda entry: entry.name)
        return {entry.name: entry.stat().st_size if entry.is_file() else None for entry in entries}
    return {archive.name: _of_archive(archive) for archive in archives}


def _of_archive(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - _TAIL))
        return {"bytes": size, "sha256_of_tail": hashlib.sha256(file.read()).hexdigest()}

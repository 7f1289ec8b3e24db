"""The data set that follows from a section of one's own data, and what it is made of."""

import glob
import hashlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from tsal.bounds.texts import read_yaml
from tsal.data.landmarks import Scheme, as_setting, scheme_of
from tsal.datasets import Dataset, readers
from tsal.datasets.own.options import OwnData, own_options
from tsal.datasets.own.scheme import own_scheme
from tsal.datasets.readers.annotations import Points
from tsal.datasets.readers.pictures import Pictures, is_named_picture, is_named_video
from tsal.errors import InputError, one_line
from tsal.settings.released import released_checkpoint
from tsal.settings.section import read_section

_BEGIN = 4096  # bytes of a picture, and as many of its end, by which a change is noticed
_MADE = ("data", "results", "logs")  # folders of the workflow: what it makes is no picture of the user's


@dataclass(frozen=True, kw_only=True)
class OwnDataset(Dataset):
    """Of one's own data; raw_dir has no part in it.

    Attributes:
        settings: the section.
    """

    settings: OwnData

    def status(self, raw_dir: str | Path) -> str:
        """'present' or 'missing', see Dataset."""
        return "missing" if self._missing() else "present"

    def missing_message(self, raw_dir: str | Path) -> str:
        """One line for the user, see Dataset."""
        return f"{self.name}: {self._missing()}"

    def _missing(self) -> str:
        """What is not there, with what to do about it; empty where all is."""
        options, again = self.settings, "put it there, or correct the key; paths are relative to the current folder"
        if not os.path.isdir(options.images):
            return f"images: {options.images}/ not found; {again}"
        if not (os.path.isfile(options.label_path) or os.path.isdir(options.label_path)):
            return f"labels: {options.label_path} not found; {again}"
        for pattern in options.patterns:
            if not _fitting(pattern):
                return f"videos: {pattern} fits no file; {again}"
        if options.checkpoint is not None and options.patterns and not os.path.isfile(options.checkpoint):
            return f"checkpoint: {options.checkpoint} not found; {again}"
        return ""

    def download(self, raw_dir: str | Path) -> list[Path]:
        """See Dataset: there is nothing to download."""
        raise InputError(f"{self.name}: there is nothing to download; its labels are {self.settings.label_path}")

    def index(
        self,
        raw_dir: str | Path | None,
        images_dir: str | Path,
        out_parquet: str | Path,
        options: Mapping[str, Any] | None = None,
        add: Callable[[Path], None] | None = None,
    ) -> None:
        """See Dataset; the options are those of the section, the pictures stay where they are."""
        from tsal.datasets.own.faces import write_own_faces  # which loads pandas

        if self._missing():
            raise InputError(self.missing_message(""))
        if Path(self.settings.label_path).is_dir() != readers.get(self.settings.reader).in_folder:
            expected = "a folder" if readers.get(self.settings.reader).in_folder else "a file"
            raise InputError(f"{self.settings.label_path}: is not {expected}, which {self.settings.reader} reads")
        out = Path(out_parquet)
        write = lambda: write_own_faces(self.settings, self.landmarks, out)  # noqa: E731
        self._write(write, Path(images_dir), out, add)

    @property
    def made_of(self) -> dict[str, Any]:
        """What the table of faces depends on beside the labels, pictures and videos, in the types of YAML."""
        return {"options": self.settings.model_dump(mode="json"), "scheme": as_setting(self.landmarks)}

    def fingerprint(self) -> dict[str, Any] | None:
        """What labels, pictures and videos are: see tsal.datasets.reading.fingerprint. None where they are not there.

        Labels are known by all their bytes, a picture or video by its name, its size, its begin and its end.
        """
        if self._missing():
            return None
        options = self.settings
        inside = Pictures(options.images).all_files()
        pictures = [file for file in inside if is_named_picture(file) or is_named_video(file)]
        pictures = [file for file in pictures if not _is_made(os.path.join(options.images, file))]
        videos = sorted({path for pattern in options.patterns for path in _fitting(pattern)})
        found = {
            "labels": _digest_of_labels(Path(options.label_path)),
            "pictures": _digest({file: os.path.join(options.images, file) for file in pictures}),
        }
        if videos:
            found["videos"] = _digest({path: path for path in videos})
            found["checkpoint"] = _digest({"": str(options.checkpoint or released_checkpoint())})
        return found


def _fitting(pattern: str) -> list[str]:
    """The files that a pattern fits; of a folder, the files in it."""
    found = [pattern] if os.path.exists(pattern) else glob.glob(pattern, recursive=True)
    inside = (os.path.join(path, name) for path in found if os.path.isdir(path) for name in sorted(os.listdir(path)))
    return [path for path in (*found, *inside) if os.path.isfile(path)]


def _is_made(path: str) -> bool:
    """Whether a file lies in a folder in which the workflow, run from the current folder, puts what it makes."""
    here = os.path.relpath(path).split(os.sep)
    return here[0] in _MADE and len(here) > 1


def _digest_of_labels(path: Path) -> str:
    if not path.is_dir():
        return _digest_of_file(str(path), *_stamp(path))
    files = [file for file in Pictures(path).all_files() if file.lower().endswith(".pts")]
    parts = [f"{file}\0{_digest_of_file(str(path / file), *_stamp(path / file))}" for file in files]
    return hashlib.sha256("\n".join(parts).encode(errors="surrogateescape")).hexdigest()


def _digest(files: Mapping[str, str]) -> str:
    """Of the names of files, and of each its size, begin and end."""
    whole = hashlib.sha256()
    for name, path in files.items():
        size, time = _stamp(Path(path))
        whole.update(f"{name}\0{size}\0{_digest_of_ends(path, size, time)}\n".encode(errors="surrogateescape"))
    return whole.hexdigest()


def _stamp(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_size, status.st_mtime_ns


# Within a process a file is read once, as long as its size and time stay.
@lru_cache(maxsize=1 << 17)
def _digest_of_file(path: str, size: int, time: int) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@lru_cache(maxsize=1 << 20)
def _digest_of_ends(path: str, size: int, time: int) -> str:
    with open(path, "rb") as file:
        begin = file.read(_BEGIN)
        file.seek(max(0, size - _BEGIN))
        return hashlib.sha256(begin + file.read(_BEGIN)).hexdigest()[:16]


def own_dataset(name: str, options: Mapping[str, Any], scheme: Scheme | None = None) -> OwnDataset:
    """The data set of a section.

    Args:
        name: as in the configuration.
        options: the section's keys, but for those that any benchmark has.
        scheme: its landmarks, where they are known; else they follow from the section and from its labels.

    Raises:
        InputError: one line for each mistake, `NAME: KEY: ...`; or the labels do not fit the section.
    """
    reader = options.get("reader")
    if not isinstance(reader, str):
        raise InputError(f"{name}: reader: found {reader!r}, expected one of {', '.join(readers.names())}")
    settings = read_section(own_options(reader), options, name)
    found = _points_of(settings) if scheme is None else None
    if scheme is None and found is None:
        scheme = _recorded_scheme(name, settings)
    if scheme is None:
        try:
            scheme, _ = own_scheme(name, settings, found)
        except InputError as error:
            raise InputError(f"{name}: {error}") from error
    return OwnDataset(
        name=name,
        title=name,
        scheme=scheme,
        normalisers=(next(iter(scheme.normalisers)),),
        options=own_options(reader),
        is_video=settings.jitter,
        settings=settings,
    )


def _points_of(settings: OwnData) -> Points | None:
    """What the labels say of their points, where that matters; None where they are not there."""
    path = Path(settings.label_path)
    section = settings.landmarks
    if settings.landmarks in (68, 19) or (not isinstance(section, int) and section.names and section.lines is not None):
        return Points()
    if not path.exists():
        return None
    return _points(settings, str(path), *_stamp(path))


@lru_cache(maxsize=64)
def _points(settings: OwnData, path: str, size: int, time: int) -> Points:
    return readers.get(settings.reader).points(Path(path), settings)


def _recorded_scheme(name: str, settings: OwnData) -> Scheme | None:
    """The landmarks that data/NAME/index.yaml tells of, of the same section, whose labels are not there any more."""
    path = Path(f"data/{name}/index.yaml")
    values = read_yaml(path, "what the face table is made of") if path.is_file() else None
    options = values.get("options") if isinstance(values, dict) else None
    now = settings.model_dump(mode="json")
    same = isinstance(options, dict) and all(options.get(key) == now[key] for key in ("landmarks", "normaliser"))
    return scheme_of(values["scheme"]) if same and "scheme" in values else None


def recorded(name: str) -> OwnDataset | None:
    """The data set of which data/NAME/index.yaml, below the current folder, tells; None where it tells of none."""
    path = Path(f"data/{name}/index.yaml")
    return read_recorded(name, path) if path.is_file() else None


def read_recorded(name: str, path: Path) -> OwnDataset | None:
    """The data set of one's own that an index.yaml tells of; None where it tells of another one.

    Raises:
        InputError: it is no such file.
    """
    values = read_yaml(path, "what the face table is made of")
    options = values.get("options") if isinstance(values, dict) else None
    if not isinstance(options, dict) or "reader" not in options:
        return None
    try:
        scheme = values.get("scheme")
        return own_dataset(name, options, None if scheme is None else scheme_of(scheme))
    except InputError as error:
        raise InputError(f"{path}: {one_line(error)}") from error

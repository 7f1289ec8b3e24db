"""Archives from elsewhere, zip and tar: unpacked whole or not at all, and never out of their folder."""

import gzip
import os
import re
import shutil
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from tsal.bounds import MEMBER_BYTES, MEMBERS, check
from tsal.bounds.archives import Bounded, BoundedHeader, check_zip, most_unpacked
from tsal.errors import InputError
from tsal.files import check_space, temporary_path
from tsal.progress import Progress

_CHUNK = 1 << 20
_DAMAGED_ZIP = (
    *(zipfile.BadZipFile, zlib.error, struct.error, EOFError),
    *(NotImplementedError, RuntimeError, UnicodeDecodeError),
)


@contextmanager
def open_zip(archive: str | os.PathLike[str], again: str = "download or copy it again") -> Iterator[zipfile.ZipFile]:
    """Open a zip archive for reading.

    Args:
        again: how the user gets another one, in the error for a damaged archive.

    Raises:
        InputError: the archive is missing, or (also while reading in the block) truncated, damaged, encrypted
            or packed in a way that Python cannot read; or declares too much, see tsal.bounds.
    """
    if not Path(archive).exists():
        raise InputError(f"{archive}: no such file; expected a zip archive")
    try:
        with _opened_zip(archive) as file:
            check_zip(archive, file, Path(archive).stat().st_size)
            yield file
    except _DAMAGED_ZIP as error:
        raise InputError(
            f"{archive}: truncated or damaged zip archive ({found(archive)}; {error}). Delete it and {again}"
        ) from error


def _opened_zip(archive: str | os.PathLike[str]) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(archive)
    except (ValueError, OverflowError, OSError) as error:  # places and names that cannot be
        if isinstance(error, OSError) and error.filename is not None:
            raise
        raise zipfile.BadZipFile(str(error)) from error


@contextmanager
def open_tar(archive: str | os.PathLike[str], again: str = "download or copy it again") -> Iterator[tarfile.TarFile]:
    """Open a tar archive, gzipped or not, to read its members once, in their order; shows progress.

    Once the block has ended without an error, the whole file has been read and its checksum, if it has one, is right.

    Args:
        again: how the user gets another one, in the error for a damaged archive.

    Raises:
        InputError: the archive is missing, or (also while reading in the block) truncated, damaged or no tar archive.
    """
    path = Path(archive)
    if not path.is_file():
        raise InputError(f"{archive}: no such file; expected a tar archive")
    try:
        with open(path, "rb") as file, Progress(path.stat().st_size, f"unpack {path.name}", "B") as progress:
            watched = _Watched(file, progress)
            # Some browsers unpack the gzip of a download but keep its name.
            content = gzip.GzipFile(fileobj=watched, mode="rb") if _begins_with(path, b"\x1f\x8b") else watched
            content = Bounded(content, most_unpacked(path))
            with tarfile.open(fileobj=content, mode="r|", tarinfo=BoundedHeader) as tar:
                yield tar
            while content.read(_CHUNK):
                pass  # the checksum of gzip comes last
    except (tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise InputError(
            f"{archive}: truncated or damaged tar archive ({found(path)}; {error}). Delete it and {again}"
        ) from error


class _Watched:
    """A file whose reading moves a progress on."""

    def __init__(self, file: BinaryIO, progress: Progress) -> None:
        self._file, self._progress = file, progress

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        self._progress.update(len(data))
        return data


def _begins_with(path: Path, signature: bytes) -> bool:
    with open(path, "rb") as file:
        return file.read(len(signature)) == signature


def found(path: str | os.PathLike[str]) -> str:
    """What a damaged file is, for an error: its size, and whether it is the page that a site answered with instead."""
    path = Path(path)
    with open(path, "rb") as file:
        begin = file.read(256)
    return f"{path.stat().st_size:,} bytes found" + (", a web page" if is_page(begin) else "")


def is_page(begin: bytes) -> bool:
    """Whether a file that begins so is a web page."""
    return begin.lstrip(b"\xef\xbb\xbf \r\n\t").lower().startswith((b"<!doctype", b"<html"))


def check_archive(file: str | os.PathLike[str], name: str) -> None:
    """Read all of a file that should be an archive of the kind that its name says: zip, tar, or a Matlab file.

    Of other names, which may be files of any kind, nothing is known.

    Raises:
        InputError: it is none, it is not whole, or it declares too much.
    """
    lower = name.lower()
    if lower.endswith(".zip"):
        with open_zip(file) as archive:
            damaged = archive.testzip()
            if damaged is not None:
                raise InputError(f"{file}: member {damaged!r} is damaged: its checksum is another")
    elif lower.endswith((".tar", ".tar.gz", ".tgz")):
        with open_tar(file) as tar:
            for _ in iter(tar.next, None):
                tar.members = []  # type: ignore[assignment]  # else every header is kept
    elif lower.endswith(".mat"):
        with open(file, "rb") as content:
            header = content.read(128)
        if header[126:] not in (b"IM", b"MI") and not header.startswith(b"\x89HDF"):
            raise InputError(f"{file}: is no Matlab file ({found(file)}, which begins with {header[:12]!r})")


def extract_zip(
    archive: str | os.PathLike[str],
    folder: str | os.PathLike[str],
    members: Iterable[str] | Mapping[str, str] | None = None,
    largest: int = MEMBER_BYTES,
) -> None:
    """Unpack a zip archive, or some members of it, into `folder`; on any error `folder` is left as it was.

    Files are first unpacked beside `folder` and then moved. A folder that already exists keeps its other
    files.

    Args:
        members: names in the archive; or a mapping from these to their paths under `folder`. Default: every
            file.
        largest: bytes that a member may have, unpacked.

    Raises:
        InputError: the archive is missing, truncated or damaged, or a member is too large; it lacks a member; a path or
            a link in it would leave `folder`; the device is full.
    """
    folder = Path(folder)
    with open_zip(archive) as file:
        targets = _targets(archive, file, members)
        for info in targets:
            check(f"{archive}: member {info.filename!r}", info.file_size, largest, "bytes unpacked")
        size = sum(info.file_size for info in targets)
        check_space(archive, folder, size)
        with _staged(folder) as temporary, Progress(size, f"unpack {Path(archive).name}", "B") as progress:
            for info, target in targets.items():
                destination = temporary / target
                destination.parent.mkdir(parents=True, exist_ok=True)
                with file.open(info) as source, open(destination, "wb") as out:
                    shutil.copyfileobj(source, out, _CHUNK)
                progress.update(info.file_size)


def extract_tar(
    archive: str | os.PathLike[str],
    folder: str | os.PathLike[str],
    choose: Callable[[str], str | None] | None = None,
    needed: Collection[str] = (),
    largest: int = MEMBER_BYTES,
) -> None:
    """Unpack a tar archive, gzipped or not, into `folder`, in one pass; on any error `folder` is left as it was.

    Files are first unpacked beside `folder` and then moved. A folder that already exists keeps its other files. Room
    is demanded for as much as the archive itself takes.

    Args:
        choose: path of a file in the archive -> its path under `folder`, or None to leave it out. Default: every file.
        needed: paths under `folder` that have to be found.
        largest: bytes that a file may have.

    Raises:
        InputError: see open_tar; a file is too large; a path leaves `folder`; what is chosen is no plain file, or has
            the path of another; not all that is needed is found; the device is full.
    """
    folder = Path(folder)
    with _staged(folder) as temporary, open_tar(archive) as tar:
        check_space(archive, folder, Path(archive).stat().st_size)
        for number, member in enumerate(iter(tar.next, None), 1):
            tar.members = []  # type: ignore[assignment]  # else every header is kept
            check(archive, number, MEMBERS, "members")
            target = member.name if choose is None else choose(member.name)
            if target is None or member.isdir():
                continue
            check(f"{archive}: member {member.name!r}", member.size, largest, "bytes unpacked")
            destination = temporary / _safe_target(archive, member, target)
            if destination.exists():
                raise InputError(f"{archive}: holds two files for {target}, the second is {member.name!r}")
            destination.parent.mkdir(parents=True, exist_ok=True)
            with tar.extractfile(member) as source, open(destination, "wb") as out:
                shutil.copyfileobj(source, out, _CHUNK)
        missing = [name for name in needed if not (temporary / name).is_file()]
        if missing:
            raise InputError(
                f"{archive}: {len(missing):,} of {len(needed):,} files are missing, such as {min(missing)}; "
                "is it whole, and the right archive?"
            )


def _safe_target(archive: str | os.PathLike[str], member: tarfile.TarInfo, target: str) -> str:
    for name in (member.name, target):
        _refuse_unsafe(archive, name)
    if not member.isreg():
        raise InputError(f"{archive}: member {member.name!r} is a link or device; refusing to unpack this archive")
    return target


def copy_files(source: str | os.PathLike[str], folder: str | os.PathLike[str], paths: Mapping[str, str]) -> None:
    """Copy some files of one folder into another, which on any error is left as it was.

    Args:
        paths: path under `source` -> path under `folder`.

    Raises:
        InputError: a path would leave its folder; the device is full.
    """
    for path in (*paths, *paths.values()):
        _refuse_unsafe(source, path)
    folder, size = Path(folder), sum((Path(source) / path).stat().st_size for path in paths)
    check_space(source, folder, size)
    with _staged(folder) as temporary, Progress(len(paths), f"copy {Path(source).name}", "file") as progress:
        for path, target in paths.items():
            (temporary / target).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(Path(source) / path, temporary / target)
            progress.update()


@contextmanager
def _staged(folder: Path) -> Iterator[Path]:
    """A folder beside `folder`, of which the content is moved there if the block ends without an error."""
    with temporary_path(folder) as temporary:
        try:
            temporary.mkdir()
            yield temporary
            _move_into(temporary, folder)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


def _targets(
    archive: str | os.PathLike[str], file: zipfile.ZipFile, members: Iterable[str] | Mapping[str, str] | None
) -> dict[zipfile.ZipInfo, str]:
    """The wanted members, each with its safe path relative to the folder."""
    if members is None:
        members = [info.filename for info in file.infolist() if not info.is_dir()]
    pairs = members if isinstance(members, Mapping) else {name: name for name in members}
    targets = {}
    for name, target in pairs.items():
        try:
            info = file.getinfo(name)
        except KeyError:
            raise InputError(f"{archive}: has no member {name!r}; is it the right archive?") from None
        for path in (name, target):
            _refuse_unsafe(archive, path)
        if stat.S_ISLNK(info.external_attr >> 16):
            raise InputError(f"{archive}: member {name!r} is a link; refusing to unpack this archive")
        targets[info] = target
    return targets


def _refuse_unsafe(archive: str | os.PathLike[str], name: str) -> None:
    path = PurePosixPath(name.replace("\\", "/"))
    drive = re.match(r"[A-Za-z]:", name)
    if path.is_absolute() or ".." in path.parts or drive or not path.parts:
        raise InputError(f"{archive}: member {name!r} would leave the folder; refusing to unpack this archive")


def _move_into(source: Path, folder: Path) -> None:
    """Move the content of `source` to `folder`: in one step where nothing is there, else file by file."""
    if not folder.exists():
        source.replace(folder)
        return
    for path in sorted(source.rglob("*")):
        destination = folder / path.relative_to(source)
        if path.is_dir():
            destination.mkdir(exist_ok=True)
        else:
            path.replace(destination)

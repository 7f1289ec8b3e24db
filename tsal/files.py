"""Files that are either whole or absent: atomic writing, digests, safe unpacking of archives."""

import fcntl
import gzip
import hashlib
import itertools
import os
import re
import secrets
import shutil
import stat
import struct
import tarfile
import tempfile
import threading
import time
import zipfile
import zlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import BinaryIO, ClassVar

import numpy as np

from tsal.bounds import MEMBER_BYTES, MEMBERS, check
from tsal.bounds.archives import Bounded, BoundedHeader, check_zip, most_unpacked
from tsal.errors import InputError, disk_full, is_disk_full
from tsal.progress import Progress

LEFT = 24 * 3600.0  # seconds after which an unfinished file counts as left, where the file system has no locks
_CHUNK = 1 << 20
_LOCK = "lock"  # in a workplace
_numbers = itertools.count()
_DAMAGED_ZIP = (
    *(zipfile.BadZipFile, zlib.error, struct.error, EOFError),
    *(NotImplementedError, RuntimeError, UnicodeDecodeError),
)


@contextmanager
def atomic_path(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Write a file under a temporary name, which becomes `path` only if the block ends without an error.

    The temporary file lies in a hidden folder beside `path`, ends as `path` does (writers go by the suffix) and is
    removed on any error. What a killed process left beside `path` is removed too. Missing parent folders are made.
    Errors within the block that name the temporary file name `path` instead. A link stays one: what it leads to is
    written. A pipe or a terminal gets the bytes once they are whole.

    Raises:
        InputError: the device is full; `path` is a disk or a socket.
    """
    path = Path(path)
    if _is_stream(path):
        with tempfile.TemporaryDirectory() as folder:
            yield (temporary := Path(folder) / f"0{path.suffix}")
            with open(temporary, "rb") as whole, open(path, "wb") as stream:
                shutil.copyfileobj(whole, stream, _CHUNK)
        return
    path = path.resolve() if path.is_symlink() else path
    with _temporary(path) as temporary:
        try:
            yield temporary
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


def _is_stream(path: Path) -> bool:
    """Whether a path is a pipe, a terminal or /dev/null, which has to stay what it is.

    Raises:
        InputError: it is a disk or a socket.
    """
    try:
        mode = path.stat().st_mode
    except OSError:  # nothing is there
        return False
    if stat.S_ISBLK(mode) or stat.S_ISSOCK(mode):
        raise InputError(f"{path}: found a disk or a socket, expected the name of a file to write")
    return stat.S_ISCHR(mode) or stat.S_ISFIFO(mode)


@contextmanager
def _temporary(path: Path) -> Iterator[Path]:
    """An unused name, with the suffix of `path`, for a file or folder that the block makes and moves or removes.

    It lies in the workplace of this process beside `path`, by which errors within the block are called.
    """
    temporary = None
    new = [folder for folder in path.absolute().parents if not folder.exists()]  # the deepest first
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        workplace = _Workplace.enter(path.parent)
        temporary = workplace.folder / f"{next(_numbers)}{path.suffix}"  # of any name that the file system takes
        try:
            yield temporary
        except BaseException:
            workplace.leave()
            _remove_empty(new)
            raise
        workplace.leave()
    except OSError as error:
        if is_disk_full(error):
            raise disk_full(path) from error
        raise _named(error, temporary, path) from error.__cause__
    except InputError as error:
        raise type(error)(str(error).replace(str(temporary), str(path))) from error


def _remove_empty(folders: Iterable[Path]) -> None:
    """Remove folders that were made for a file that came to nothing, unless another process has put something in."""
    with suppress(OSError):
        for folder in folders:
            folder.rmdir()


def _named(error: OSError, temporary: Path | None, path: Path) -> Exception:
    """The error, with the file that the user knows in place of its hidden temporary name."""
    if error.filename is not None:
        error.filename = str(error.filename).replace(str(temporary), str(path))
        error.filename2 = None if error.filename2 is None else str(path)
        return error
    if temporary is None or temporary.name not in str(error):
        return error
    # Libraries put the name into their words.
    said = " ".join(str(error).split()).replace(str(temporary), str(path))
    return InputError(f"{path}: could not be written ({said})")


class _Workplace:
    """The hidden folder in which a process writes what will lie beside it, one a process and folder, while it writes.

    A lock on a file in it says that the process lives. It ends with the process, whatever ends it: others know by it
    what they may remove. One for all files, since many may be unfinished, and only few can be open.
    """

    _all: ClassVar[dict[Path, "_Workplace"]] = {}
    _swept: ClassVar[set[Path]] = set()
    _guard = threading.Lock()

    def __init__(self, parent: Path) -> None:
        self._parent, self._users = parent, 0
        while True:
            self.folder = parent / f".tsal-{secrets.token_hex(4)}.tmp"
            self.folder.mkdir(parents=True)  # another process may have removed its parent, which was empty
            try:
                self._lock = os.open(self.folder / _LOCK, os.O_RDWR | os.O_CREAT, 0o666)
            except FileNotFoundError:  # just swept away by another process
                continue
            try:
                with suppress(OSError):  # a file system without locks
                    try_lock(self._lock)
                if is_file(self._lock, self.folder / _LOCK):
                    return
            except BaseException:
                os.close(self._lock)
                raise
            os.close(self._lock)

    @classmethod
    def enter(cls, parent: Path) -> "_Workplace":
        parent = parent.absolute()
        with cls._guard:
            if parent not in cls._swept:
                remove_leftovers(parent)
                cls._swept.add(parent)
            if parent not in cls._all:
                cls._all[parent] = cls(parent)
            workplace = cls._all[parent]
            workplace._users += 1
            return workplace

    def leave(self) -> None:
        with self._guard:
            self._users -= 1
            if self._users == 0:
                del self._all[self._parent]
                shutil.rmtree(self.folder, ignore_errors=True)
                os.close(self._lock)


def remove_leftovers(folder: str | os.PathLike[str]) -> None:
    """Remove from a folder what processes that were killed have left unfinished there."""
    for path in Path(folder).glob(".tsal-????????.tmp"):
        with suppress(OSError):  # another process is at it, or it is another user's
            _remove_if_left(path)


def _remove_if_left(workplace: Path) -> None:
    try:
        lock = os.open(workplace / _LOCK, os.O_RDWR)
    except FileNotFoundError:
        workplace.rmdir()  # its process was killed before it wrote anything
        return
    try:
        if _is_left(lock):
            shutil.rmtree(workplace)
    finally:
        os.close(lock)


def _is_left(lock: int) -> bool:
    """Whether no process holds an open lock file; without locks, whether it has been there for LEFT seconds."""
    try:
        return try_lock(lock)
    except OSError:
        return time.time() - os.fstat(lock).st_mtime > LEFT


def try_lock(file: int) -> bool:
    """Whether the system gives the lock of an open file to this process, until it ends or closes the file."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def is_file(file: int, path: Path) -> bool:
    """Whether an open file is the one that has this path now."""
    try:
        return os.path.samestat(os.fstat(file), os.stat(path))
    except FileNotFoundError:
        return False


def new_mapped_array(path: Path, dtype: type, shape: tuple[int, ...]) -> np.memmap:
    """Create a .npy file of zeros to be filled through memory, with all of its space claimed now.

    A full device is then an error here, rather than a killed process at the first page without a block.
    """
    array = np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=shape)
    if hasattr(os, "posix_fallocate"):
        with open(path, "r+b") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
    return array


def sha256(path: str | os.PathLike[str]) -> str:
    """The SHA-256 digest of a file, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


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
    with _temporary(folder) as temporary:
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


def check_space(archive: str | os.PathLike[str], folder: Path, needed: int) -> None:
    """Say before the work, rather than in its middle, that files of `needed` bytes will not fit into a folder.

    Args:
        archive: what needs the space.

    Raises:
        InputError: they will not.
    """
    existing = next(parent for parent in folder.absolute().parents if parent.exists())
    free = shutil.disk_usage(existing).free
    if needed > free:
        raise InputError(
            f"{folder}: no space left on the device: {archive} needs {needed / 1e6:,.0f} MB, "
            f"{free / 1e6:,.0f} MB are free. Free some space and run the same command again"
        )


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

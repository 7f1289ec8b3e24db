"""Files that are either whole or absent: atomic writing, locks, digests, room on the device."""

import fcntl
import hashlib
import itertools
import os
import secrets
import shutil
import stat
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import ClassVar

import numpy as np

from tsal.errors import InputError, disk_full, is_disk_full

LEFT = 24 * 3600.0  # seconds after which an unfinished file counts as left, where the file system has no locks
_CHUNK = 1 << 20
_LOCK = "lock"  # in a workplace
_numbers = itertools.count()


@contextmanager
def atomic_path(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Write a file under a temporary name, which becomes `path` only if the block ends without an error.

    The temporary file lies in a hidden folder beside `path`, ends as `path` does (writers go by the suffix) and is
    removed on any error. What a killed process left beside `path` is removed too. Missing parent folders are made.
    Errors within the block that name the temporary file name `path` instead. A link stays one: what it leads to is
    written. A pipe or a terminal gets the bytes once they are whole.

    Raises:
        InputError: the device is full; see `check_file`.
    """
    path = Path(path)
    check_file(path)
    if is_stream(path):
        with tempfile.TemporaryDirectory() as folder:
            yield (temporary := Path(folder) / f"0{path.suffix}")
            with open(temporary, "rb") as whole, open(path, "wb") as stream:
                shutil.copyfileobj(whole, stream, _CHUNK)
        return
    path = follow_link(path)
    with temporary_path(path) as temporary:
        try:
            yield temporary
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: Path, old_files: Callable[[Path], list[Path]]) -> Iterator[Path]:
    """As `atomic_path`, a folder, which the block makes; of the folder that it replaces, only known files are removed.

    The old folder is moved aside until the new one has its name: a process that is killed meanwhile leaves it beside
    `path`, as old-XXXXXXXX with the suffix of `path`.

    Args:
        old_files: the files of a folder that may be removed, which are all that is in it, else it raises InputError. It
            is called before the block and again after it, when others may have put something there.

    Raises:
        InputError: the device is full; a link that leads back to itself; what `old_files` refuses.
    """
    path = follow_link(path)
    if path.exists():
        old_files(path)
    with temporary_path(path) as temporary:
        yield temporary
        if not path.exists():
            temporary.rename(path)
            return
        old_files(path)
        # Not into the workplace, which is removed with all that is in it.
        old = path.with_name(f"old-{secrets.token_hex(4)}{path.suffix}")
        try:
            path.rename(old)
            known = old_files(old)
            temporary.rename(path)
        except BaseException:
            if old.exists() and not path.exists():
                old.rename(path)
            raise
        for file in known:
            file.unlink()
        old.rmdir()


def follow_link(path: Path) -> Path:
    """Where a link ends, whether or not something is there; any other path as it is.

    Raises:
        InputError: a link that leads back to itself.
    """
    if not path.is_symlink():
        return path
    end = Path(os.path.realpath(path))
    if end.is_symlink():
        raise InputError(f"{path}: found a link that leads back to itself, expected the name of a file to write")
    return end


def check_file(path: Path) -> None:
    """Refuse a path at which no file can be written, before the work rather than after it.

    Raises:
        InputError: there is a folder, a disk, a socket, or a link that leads back to itself.
    """
    if path.is_dir():
        raise InputError(f"{path}: found a folder, expected the name of a file to write")
    is_stream(follow_link(path))


def is_stream(path: Path) -> bool:
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
def temporary_path(path: Path) -> Iterator[Path]:
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

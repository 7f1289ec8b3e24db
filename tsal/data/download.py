"""Download an archive: with progress, resumed after an interruption, checked by size and digest."""

import http.client
import os
import re
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import BinaryIO

from tsal import files
from tsal.errors import InputError, disk_full, is_disk_full
from tsal.progress import Progress

_CHUNK = 1 << 18
_RETRY_STATUS = frozenset({408, 425, 429, 500, 502, 503, 504})


class MismatchError(InputError):
    """A file is not the one that was expected: its size or digest differ."""


class _Interrupted(Exception):
    """The transfer failed in a way that another attempt may mend."""


def download(
    url: str,
    path: str | os.PathLike[str],
    size: int | None = None,
    sha256: str | None = None,
    *,
    attempts: int = 5,
    pause: float = 1.0,
    timeout: float = 30.0,
) -> None:
    """Download `url` to `path`, which appears only when it is complete and checked.

    What has come so far is kept in `path` + ".part", from which a later attempt or run goes on. A file that
    is already at `path` is checked and kept.

    Args:
        size: expected number of bytes.
        sha256: expected hexadecimal digest.
        attempts: give up after so many in a row that brought nothing.
        pause: seconds before the second attempt; doubled before each further one.
        timeout: seconds without data after which an attempt is given up.

    Raises:
        InputError: the address cannot be reached or refuses, the size or digest differ, or the device is
            full. It names the address, and where to put the file by hand.
    """
    path = Path(path)
    part = path.with_name(path.name + ".part")
    if path.exists():
        _verify(path, path, url, size, sha256)
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _fetch_all(url, path, part, size, attempts, pause, timeout)
    except OSError as error:
        raise disk_full(part) if is_disk_full(error) else error from None
    try:
        _verify(part, path, url, size, sha256)
    except InputError:
        part.unlink()  # it can never be completed to the right file
        raise
    part.replace(path)


def _fetch_all(url: str, path: Path, part: Path, size: int | None, attempts: int, pause: float, timeout: float) -> None:
    """Fetch into `part` until it is complete; attempts that bring data are not counted."""
    failed = 0
    while True:
        before = _size(part)
        try:
            _fetch(url, path, part, size, timeout)
            return
        except _Interrupted as error:
            failed = 0 if _size(part) > before else failed + 1
            if failed >= attempts:
                raise InputError(
                    f"{path}: could not be downloaded from {url} ({error}). Run the same command again to "
                    f"go on from {_size(part):,} bytes, or get the file by other means and put it at {path}"
                ) from error
            seconds = pause * 2 ** max(failed - 1, 0)
            print(f"download {path.name}: {error}; trying again in {seconds:g} s", file=sys.stderr)
            time.sleep(seconds)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _fetch(url: str, path: Path, part: Path, size: int | None, timeout: float) -> None:
    """One request for what `part` still lacks."""
    have = _size(part)
    if size is not None and have == size:
        return
    if size is not None and have > size:
        part.unlink()
        have = 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    try:
        with urllib.request.urlopen(request, timeout=timeout) as response:
            have, total = _position(response, have)
            if size is not None and total is not None and total != size:
                raise MismatchError(
                    f"{path}: {url} offers {total:,} bytes; expected {size:,}. "
                    f"Get the right file by other means and put it at {path}"
                )
            _receive(response, part, path.name, have, total if total is not None else size)
    except urllib.error.HTTPError as error:
        if error.code == 416:  # "range not satisfiable": the part is as long as the file, or longer
            if error.headers.get("Content-Range") == f"bytes */{have}" and size in (None, have):
                return
            part.unlink()
            raise _Interrupted("the part kept so far does not fit the file") from error
        if error.code in _RETRY_STATUS:
            raise _Interrupted(f"the server answered {error.code} {error.reason}") from error
        raise InputError(
            f"{path}: {url} answered {error.code} {error.reason}. Get the file by other means and put it at {path}"
        ) from error
    except urllib.error.URLError as error:
        raise _Interrupted(f"no connection: {error.reason}") from error
    except (http.client.HTTPException, ConnectionError, TimeoutError) as error:
        raise _Interrupted(str(error) or type(error).__name__) from error


def _position(response: http.client.HTTPResponse, have: int) -> tuple[int, int | None]:
    """Where the response begins in the file (0: the server does not resume), and the file's size if known."""
    if response.status == 206:
        match = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", ""))
        if not match or int(match[1]) != have:
            raise _Interrupted("the server sent another range than asked for")
        return have, None if match[2] == "*" else int(match[2])
    length = response.headers.get("Content-Length")
    return 0, int(length) if length is not None else None


def _receive(response: BinaryIO, part: Path, name: str, have: int, total: int | None) -> None:
    with (
        open(part, "ab" if have else "wb") as out,
        Progress(total, f"download {name}", "B", initial=have) as progress,
    ):
        while chunk := response.read(_CHUNK):
            out.write(chunk)
            have += len(chunk)
            progress.update(len(chunk))
    if total is not None and have < total:
        raise _Interrupted(f"the connection ended after {have:,} of {total:,} bytes")


def _verify(file: Path, path: Path, url: str, size: int | None, sha256: str | None) -> None:
    found = _size(file)
    if size is not None and found != size:
        raise MismatchError(
            f"{path}: {found:,} bytes found; expected {size:,} from {url}. "
            "Delete what is left of it and run the same command again"
        )
    if sha256 is not None and (digest := files.sha256(file)) != sha256.lower():
        raise MismatchError(
            f"{path}: SHA-256 {digest} found; expected {sha256.lower()} from {url}. "
            "Delete what is left of it and run the same command again"
        )

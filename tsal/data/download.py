"""Download an archive: with progress, resumed after an interruption, checked by size and digest.

A server is not believed: what it sends is never more than was declared, a web page in place of the file is an error,
and what has come is gone on with only where the server says that it is still the same file, or a digest will tell.
"""

import contextlib
import http.client
import ipaddress
import json
import os
import re
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from email.message import Message
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import urlsplit

from tsal import files
from tsal.bounds import DOWNLOAD_BYTES, JSON_BYTES, reason
from tsal.bounds.texts import parse_json
from tsal.data import archives
from tsal.errors import InputError, disk_full, is_disk_full, one_line
from tsal.progress import Progress

_CHUNK = 1 << 18
_RETRY_STATUS = frozenset({408, 425, 429, 500, 502, 503, 504})
_PAGES = ("text/html", "application/xhtml+xml")


class MismatchError(InputError):
    """A file is not the one that was expected: its size or digest differ."""


class _Interrupted(Exception):
    """The transfer failed in a way that another attempt may mend."""


@dataclass(frozen=True)
class _Wanted:
    """What is to be downloaded.

    Attributes:
        url, path: whence and where to.
        part: what has come so far.
        size, sha256: that are expected, None where they are not known.
    """

    url: str
    path: Path
    size: int | None
    sha256: str | None

    @property
    def part(self) -> Path:
        return self.path.with_name(self.path.name + ".part")

    @property
    def tag(self) -> Path:
        """Beside the part: which state of the file it is of, by the words of the server."""
        return self.path.with_name(self.path.name + ".part.tag")

    def refused(self, problem: str) -> InputError:
        return InputError(f"{self.path}: {self.url} {problem}. Get the file by other means and put it at {self.path}")

    def forget(self) -> None:
        """Remove what has come so far."""
        self.part.unlink(missing_ok=True)
        self.tag.unlink(missing_ok=True)


def download(
    url: str,
    path: str | os.PathLike[str],
    size: int | None = None,
    sha256: str | None = None,
    *,
    accept: Callable[[Path], None] | None = None,
    attempts: int = 5,
    pause: float = 1.0,
    timeout: float = 30.0,
) -> None:
    """Download `url` to `path`, which appears only when it is complete and checked.

    What has come so far is kept in `path` + ".part", from which a later attempt or run goes on, if the server says by
    its ETag or Last-Modified that it is still the same file, or if a digest is known. A file that is already at `path`
    is checked and kept.

    Args:
        size: expected number of bytes.
        sha256: expected hexadecimal digest. Without one the address has to be https.
        accept: called with the complete file before it is called `path`; refuses it by an InputError.
        attempts: give up after so many in a row that brought nothing.
        pause: seconds before the second attempt; doubled before each further one.
        timeout: seconds without data after which an attempt is given up.

    Raises:
        InputError: the address cannot be reached, refuses, or could be tampered with on the way; the size or digest
            differ; it is a web page, or empty; or the device is full. It names the address, and where to put the file
            by hand.
    """
    wanted = _Wanted(url, Path(path), size, sha256)
    if wanted.path.exists():
        _verify(wanted.path, wanted)
        wanted.forget()  # of a download that was killed, or that was done by hand since
        return
    if problem := untrusted(url, sha256):
        raise wanted.refused(problem)
    made = [folder for folder in wanted.path.parents if not folder.exists()]
    try:
        _fetch_all(wanted, attempts, pause, timeout)
        _check_whole(wanted, accept)
    except OSError as error:
        raise disk_full(wanted.part) if is_disk_full(error) else error from None
    except InputError:
        for folder in made:
            with contextlib.suppress(OSError):  # it holds what has come so far
                folder.rmdir()
        raise
    wanted.part.replace(wanted.path)
    wanted.tag.unlink(missing_ok=True)


def _check_whole(wanted: _Wanted, accept: Callable[[Path], None] | None) -> None:
    try:
        _verify(wanted.part, wanted)
        if accept is not None:
            accept(wanted.part)
    except InputError:
        wanted.forget()  # it can never be completed to the right file
        raise


def untrusted(url: str, sha256: str | None) -> str | None:
    """Why what comes from an address could be anybody's, or None: without a digest, all but https.

    Plain http to this machine itself crosses no network.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https"):
        return f"is no web address; found {parts.scheme or 'no scheme'}, expected https"
    if parts.scheme == "https" or sha256 is not None or _is_local(parts.hostname):
        return None
    return "is plain http, which anybody on the way can change, and no digest of the file is known"


def _is_local(host: str | None) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return False


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows to addresses alone that could have been given in the first place."""

    def __init__(self, wanted: _Wanted) -> None:
        self._wanted = wanted

    def redirect_request(
        self, req: urllib.request.Request, fp: Any, code: int, msg: str, headers: Message, newurl: str
    ) -> urllib.request.Request | None:
        problem = untrusted(newurl, self._wanted.sha256)
        host = urlsplit(newurl).hostname
        if _is_local(host) and not _is_local(urlsplit(req.full_url).hostname):
            problem = "is this machine itself"
        if problem:
            raise self._wanted.refused(f"leads on to {newurl[:200]}, which {problem}")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _fetch_all(wanted: _Wanted, attempts: int, pause: float, timeout: float) -> None:
    """Fetch into the part until it is complete; attempts that bring data are not counted."""
    failed = 0
    while True:
        before = _size(wanted.part)
        try:
            _fetch(wanted, timeout)
            return
        except _Interrupted as error:
            failed = 0 if _size(wanted.part) > before else failed + 1
            if failed >= attempts:
                raise InputError(
                    f"{wanted.path}: could not be downloaded from {wanted.url} ({error}). Run the same command again "
                    f"to {_go_on(wanted)}, or get the file by other means and put it at {wanted.path}"
                ) from error
            seconds = pause * 2 ** max(failed - 1, 0)
            print(one_line(f"download {wanted.path.name}: {error}; trying again in {seconds:g} s"), file=sys.stderr)
            time.sleep(seconds)


def _go_on(wanted: _Wanted) -> str:
    have = _size(wanted.part)
    known = wanted.sha256 is not None or _read_tag(wanted) is not None
    return f"go on from {have:,} bytes" if known and have else "begin anew"


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _read_tag(wanted: _Wanted) -> str | None:
    """The ETag or Last-Modified of the file that the part is of; None where it is not known."""
    try:
        if _size(wanted.tag) > JSON_BYTES:
            return None
        kept = parse_json(wanted.tag.read_text(encoding="utf-8"))
        same = kept["url"] == wanted.url and isinstance(kept["tag"], str)
        return kept["tag"] if same else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _tag_of(headers: Message) -> str | None:
    """What a server calls this state of the file. A weak ETag (W/"...") stands for files of other bytes too."""
    etag = headers.get("ETag")
    return etag if etag and not etag.startswith("W/") else headers.get("Last-Modified")


def _fetch(wanted: _Wanted, timeout: float) -> None:
    """One request for what the part still lacks."""
    have, tag = _size(wanted.part), _read_tag(wanted)
    if wanted.sha256 is None and tag is None:
        have = 0  # nothing tells whether what would follow is of the same file
    if wanted.size is not None and have == wanted.size:
        return
    if wanted.size is not None and have > wanted.size:
        have = 0
    headers = {"Range": f"bytes={have}-"} if have else {}
    request = urllib.request.Request(wanted.url, headers=headers | ({"If-Range": tag} if have and tag else {}))
    try:
        with urllib.request.build_opener(_Redirects(wanted)).open(request, timeout=timeout) as response:
            _receive_checked(response, wanted, have, tag)
    except urllib.error.HTTPError as error:
        if error.code == 416:  # "range not satisfiable": the part is as long as the file, or longer
            if error.headers.get("Content-Range") == f"bytes */{have}" and wanted.size in (None, have):
                return
            wanted.forget()
            raise _Interrupted("the part kept so far does not fit the file") from error
        if error.code in _RETRY_STATUS:
            raise _Interrupted(f"the server answered {error.code} {error.reason}") from error
        raise wanted.refused(f"answered {error.code} {' '.join(str(error.reason).split())[:100]}") from error
    except urllib.error.URLError as error:
        raise _Interrupted(f"no connection: {error.reason}") from error
    except (http.client.HTTPException, ConnectionError, TimeoutError) as error:
        raise _Interrupted(reason(error)) from error
    except (ValueError, UnicodeError) as error:  # an address, or a header, that is none
        raise wanted.refused(f"cannot be used ({' '.join(str(error).split())[:200]})") from error


def _receive_checked(response: http.client.HTTPResponse, wanted: _Wanted, have: int, tag: str | None) -> None:
    """Look at an answer before what has come so far is touched, and receive its content."""
    if response.status not in (200, 206):
        raise wanted.refused(f"answered {response.status} {response.reason}; expected the file (200)")
    start, total = _position(response, wanted, have)
    told = _tag_of(response.headers)
    if start and tag is not None and told is not None and told != tag:
        wanted.forget()
        raise _Interrupted("the file has changed since its first part came")
    if total is not None and wanted.size is not None and total != wanted.size:
        raise MismatchError(
            f"{wanted.path}: {wanted.url} offers {total:,} bytes; expected {wanted.size:,}. "
            f"Get the right file by other means and put it at {wanted.path}"
        )
    kind = response.headers.get_content_type() if response.headers.get("Content-Type") else ""
    first = response.read(_CHUNK)
    is_page = archives.is_page(first) or (kind in _PAGES and wanted.sha256 is None)
    if is_page and not start and wanted.path.suffix.lower() not in (".html", ".htm"):
        raise wanted.refused("answered with a web page in place of the file")
    if not first and not start and total in (None, 0):
        raise wanted.refused("answered with nothing")
    size = total if total is not None else wanted.size
    files.check_space(wanted.url, wanted.path, (size or 0) - start)
    wanted.path.parent.mkdir(parents=True, exist_ok=True)
    if not start:
        wanted.forget()
        if told is not None:
            with files.atomic_path(wanted.tag) as temporary:
                temporary.write_text(json.dumps({"url": wanted.url, "tag": told}), encoding="utf-8")
    try:
        _receive(_Peeked(first, response), wanted.part, wanted.path.name, start, size)
    except InputError:
        wanted.forget()
        raise


def _position(response: http.client.HTTPResponse, wanted: _Wanted, have: int) -> tuple[int, int | None]:
    """Where the response begins in the file (0: the server does not resume), and the file's size if known."""
    if response.status == 206:
        match = re.fullmatch(r"bytes (\d{1,20})-\d{1,20}/(\d{1,20}|\*)", response.headers.get("Content-Range", ""))
        if not have or not match or int(match[1]) != have:
            raise _Interrupted("the server sent another range than asked for")
        return have, None if match[2] == "*" else _declared(match[2], wanted)
    length = response.headers.get("Content-Length")
    return 0, None if length is None or response.chunked else _declared(length, wanted)


def _declared(length: str, wanted: _Wanted) -> int:
    if not re.fullmatch(r"[0-9]{1,20}", length) or int(length) > DOWNLOAD_BYTES:
        raise wanted.refused(f"declares a size of {length[:40]!r} bytes; at most {DOWNLOAD_BYTES:,} are allowed")
    return int(length)


class _Peeked:
    """A response of which the first bytes have been read."""

    def __init__(self, first: bytes, response: BinaryIO) -> None:
        self._first, self._response = first, response

    def read(self, size: int) -> bytes:
        first, self._first = self._first, b""
        return first or self._response.read(size)


def _receive(response: BinaryIO, part: Path, name: str, have: int, total: int | None) -> None:
    """Append to the part what comes, but never more than the file is said to have."""
    most = DOWNLOAD_BYTES if total is None else total
    with (
        open(part, "ab" if have else "wb") as out,
        Progress(total, f"download {name}", "B", initial=have) as progress,
    ):
        while chunk := response.read(_CHUNK):
            have += len(chunk)
            if have > most:
                raise InputError(
                    f"{part.with_suffix('')}: the server sends more than the {most:,} bytes that are allowed. "
                    "Get the file by other means"
                )
            out.write(chunk)
            progress.update(len(chunk))
    if total is not None and have < total:
        raise _Interrupted(f"the connection ended after {have:,} of {total:,} bytes")


def _verify(file: Path, wanted: _Wanted) -> None:
    found, path, url = _size(file), wanted.path, wanted.url
    if wanted.size is not None and found != wanted.size:
        raise MismatchError(
            f"{path}: {found:,} bytes found; expected {wanted.size:,} from {url}. "
            "Delete what is left of it and run the same command again"
        )
    if wanted.sha256 is not None and (digest := files.sha256(file)) != wanted.sha256.lower():
        raise MismatchError(
            f"{path}: SHA-256 {digest} found; expected {wanted.sha256.lower()} from {url}. "
            "Delete what is left of it and run the same command again"
        )

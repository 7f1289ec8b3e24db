"""Archives that are published at an address: what is known of each, and what its first download adds to that."""

import json
import re
from dataclasses import dataclass
from pathlib import Path

from tsal.bounds import DOWNLOAD_BYTES
from tsal.bounds.texts import parse_json
from tsal.data.archives import check_archive
from tsal.data.download import MismatchError, download
from tsal.errors import InputError
from tsal.files import atomic_path, sha256


@dataclass(frozen=True)
class Published:
    """What is publicly known of a file: its size in bytes, its SHA-256 in hexadecimal; None of either that is not."""

    size: int | None = None
    sha256: str | None = None


def download_published(url: str | None, path: Path, published: Published) -> Path:
    """Get one archive, unless it, or its unpacked content, is there already and nothing is known to check it by.

    What comes first is opened as an archive of its kind. Its size and digest are kept in a lock file beside it, and are
    then demanded in the place of what is published.

    Args:
        url: where it is; None where it has no public address, and nothing is done.
        path: the archive, or the folder of its content.

    Returns:
        `path`.

    Raises:
        InputError: see tsal.data.download; what came is no such archive; or the lock file is damaged.
    """
    if path.is_dir() or url is None:
        return path
    lock = path.with_name(path.name + ".lock")
    known = _read_lock(lock, url)
    if path.exists() and not known:
        return path  # the user's own file: there is nothing to check it against

    def accept(part: Path) -> None:
        _check_and_lock(part, path, url, lock)

    expected = known or published
    try:
        download(url, path, expected.size, expected.sha256, accept=None if known else accept)
    except MismatchError as error:
        hint = f". If the owners have published a new version, delete {lock}" if known else ""
        raise InputError(f"{error}{hint}") from error
    return path


def _check_and_lock(part: Path, path: Path, url: str, lock: Path) -> None:
    """Look at what came for the first time, whole, before its digest is demanded of all that comes later."""
    try:
        check_archive(part, path.name)
    except InputError as error:
        said = re.split(r"\. (?:Delete|Is) it", str(error).removeprefix(f"{part}: "))[0]
        raise InputError(f"{path}: {url} sent something else: {said}. Get it by other means, put it there") from error
    with atomic_path(lock) as temporary:
        entry = {"url": url, "size": part.stat().st_size, "sha256": sha256(part)}
        temporary.write_text(json.dumps(entry, indent=2) + "\n", encoding="utf-8")


def _read_lock(lock: Path, url: str) -> Published | None:
    """The size and digest that the file at `url` had when it was first downloaded; None if it never was."""
    if not lock.is_file():
        return None
    try:
        entry = parse_json(lock.read_text(encoding="utf-8"))
        size, digest = int(entry["size"]), str(entry["sha256"])
        if not re.fullmatch("[0-9a-fA-F]{64}", digest) or not 0 < size <= DOWNLOAD_BYTES:
            raise ValueError(f"size {size} and digest {digest[:80]!r} cannot be")
        return Published(size, digest) if entry["url"] == url else None
    except (OSError, ValueError, KeyError, TypeError, OverflowError) as error:
        raise InputError(f"{lock}: damaged lock file ({error}); delete it and run the same command again") from error

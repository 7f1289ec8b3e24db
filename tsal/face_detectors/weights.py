"""Files with weights, which are read only if they are those that are known."""

import os
from collections.abc import Collection
from pathlib import Path

from tsal.bounds import MIB, check
from tsal.errors import InputError
from tsal.files import sha256

_MOST_BYTES = 64 * MIB  # a face detector for CPUs has some 0.2 to 2


def check_weights(path: str | os.PathLike[str], digests: Collection[str], what: str, again: str) -> None:
    """Refuse a file whose SHA-256 digest is none of those that are known.

    Args:
        digests: in hexadecimal.
        what: the file should be, such as "the face detector YuNet".
        again: what the user does about another one.

    Raises:
        InputError: missing, too large, or with another digest: names file, found and expected digest.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such file; expected {what}. {again}")
    check(path, path.stat().st_size, _MOST_BYTES, "bytes")
    found = sha256(path)
    if found not in digests:
        raise InputError(f"{path}: its SHA-256 is {found}, expected that of {what}, {' or '.join(digests)}. {again}")

"""Archives from elsewhere: what a zip or tar archive declares is bounded before it is unpacked."""

import os
import tarfile
import zipfile
from pathlib import Path
from typing import BinaryIO, Self

from tsal.bounds import (
    MEMBER_BYTES,
    MEMBERS,
    TAR_HEADER_BYTES,
    UNPACKED_FREE,
    UNPACKED_RATIO,
    check,
)
from tsal.errors import InputError

_CHUNK = 1 << 20
_METHODS = {zipfile.ZIP_STORED: "stored", zipfile.ZIP_DEFLATED: "deflated"}
_EXTENDED = (
    *(tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK, tarfile.XHDTYPE, tarfile.XGLTYPE),
    tarfile.SOLARIS_XHDTYPE,
)


def most_unpacked(archive: str | os.PathLike[str] | int) -> int:
    """Bytes that an archive, or one of a size, may unpack to in all."""
    size = archive if isinstance(archive, int) else Path(archive).stat().st_size
    return UNPACKED_FREE + UNPACKED_RATIO * size


def check_zip(where: object, archive: zipfile.ZipFile, size: int) -> None:
    """Refuse a zip archive that declares too much; nothing of it is unpacked.

    Args:
        where: the file, for errors.
        size: of the archive in bytes.

    Raises:
        InputError: too many members, too large a one, too much in all for the archive's size, or a packing of which
            the memory that it takes is not known.
    """
    members = archive.infolist()
    check(where, len(members), MEMBERS, "members")
    for member in members:
        check(f"{where}: member {member.filename!r}", member.file_size, MEMBER_BYTES, "bytes unpacked")
        if member.compress_type not in _METHODS:
            raise InputError(
                f"{where}: member {member.filename!r}: is packed by method {member.compress_type}; expected 0 (stored) "
                "or 8 (deflated). Pack the archive anew"
            )
    largest = max(members, key=lambda member: member.file_size, default=None)
    which = f"{where}: member {largest.filename!r} and others" if largest else where
    check(which, sum(member.file_size for member in members), most_unpacked(size), "bytes unpacked")


def read_member(archive: zipfile.ZipFile, name: str, most: int, where: object) -> bytes:
    """The content of a member, which is never unpacked beyond the size that it declares.

    `ZipFile.read` would: it unpacks up to 2 GiB before it looks at the size.

    Args:
        most: bytes that it may have.
        where: the archive, for errors.

    Raises:
        InputError: it is larger.
        KeyError: there is no such member. Or what else `zipfile` raises of a damaged one.
    """
    member = archive.getinfo(name)
    check(f"{where}: member {member.filename!r}", member.file_size, most, "bytes unpacked")
    with archive.open(member) as file:
        return b"".join(iter(lambda: file.read(_CHUNK), b""))


def read_file(path: Path, most: int) -> bytes:
    """The content of a file of at most so many bytes.

    Raises:
        InputError: it is larger, or no plain file.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file, or no plain one; unpack or copy it again")
    check(path, path.stat().st_size, most, "bytes")
    return path.read_bytes()


class BoundedHeader(tarfile.TarInfo):
    """Takes a damaged or missing header for an error, where tarfile takes it for the end of the archive.

    Sparse members are refused, since 108 bytes of them can fill any disk, and extended headers that are too long.
    """

    @classmethod
    def frombuf(cls, buf: bytes, encoding: str, errors: str) -> Self:
        header = super().frombuf(buf, encoding, errors)
        if header.type == tarfile.GNUTYPE_SPARSE:
            raise tarfile.ReadError(f"member {header.name!r} is sparse, with holes; expected whole files")
        allowed = TAR_HEADER_BYTES if header.type in _EXTENDED else MEMBER_BYTES
        if not 0 <= header.size <= allowed:
            raise tarfile.ReadError(
                f"member {header.name!r} declares {header.size:,} bytes; at most {allowed:,} are allowed"
            )
        return header

    @classmethod
    def fromtarfile(cls, tar: tarfile.TarFile) -> Self:
        try:
            header = super().fromtarfile(tar)
        except tarfile.EOFHeaderError:
            raise
        except (tarfile.HeaderError, ValueError, KeyError, OverflowError, RecursionError) as error:
            raise tarfile.ReadError(str(error) or type(error).__name__) from error
        if header.sparse is not None:
            raise tarfile.ReadError(f"member {header.name!r} is sparse, with holes; expected whole files")
        if not 0 <= header.size <= MEMBER_BYTES:  # a PAX header may have said another size
            raise tarfile.ReadError(
                f"member {header.name!r} declares {header.size:,} bytes; at most {MEMBER_BYTES:,} are allowed"
            )
        return header


class Bounded:
    """A stream of what an archive unpacks to, which ends in an error beyond a number of bytes."""

    def __init__(self, file: BinaryIO, most: int) -> None:
        self._file, self._most, self._count = file, most, 0

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        self._count += len(data)
        if self._count > self._most:
            raise tarfile.ReadError(f"unpacks to more than {self._most:,} bytes, which an archive of its size may")
        return data

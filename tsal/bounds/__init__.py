"""What a file from elsewhere may declare: sizes, counts and depths that are checked before anything is read or written.

Archives, tables, pictures and weights may come from strangers, and what they say of themselves may be a lie: a few
bytes can declare what fills any memory or disk. Each bound is several times what the largest data of this project
needs, so that an honest file does not meet it. All of them stand here; the modules of this room apply them, each to one
kind of file. An error names the file, the member, what was found and what is allowed.
"""

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from tsal.errors import InputError

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30

# --- archives: zip and tar
MEMBERS = 2_000_000  # of an archive: 300VW, the largest, has 218,000
MEMBER_BYTES = 16 * GIB  # of one, unpacked: the longest videos of 300VW have some 100 MB
UNPACKED_RATIO = 200  # bytes unpacked over bytes packed: pictures and videos have 1, texts some 10, a bomb 1,000
UNPACKED_FREE = 64 * MIB  # that any archive may unpack to, however small it is
TAR_HEADER_BYTES = MIB  # of an extended header, which holds names: those of systems have 4 KiB at most
DOWNLOAD_BYTES = 1 << 40  # of a file whose size nobody has pinned: 300VW, the largest, has some 30 GB

# --- texts: annotations, tables, settings
PTS_BYTES = 256 * KIB  # of one face: 68 points take 2 KiB
CSV_BYTES = GIB  # of a table in an archive: that of ytf has 4 MB
CSV_LINE_BYTES = MIB  # of its header: a face of 68 points has 216 columns, some 2 KiB
YAML_BYTES = MIB  # the longest file of settings here has 26 kB; PyYAML takes ten seconds for a mebibyte
YAML_VALUES = 100_000  # once aliases are followed, which a bomb nests
JSON_BYTES = 64 * MIB  # of the index of an array: 40 bytes for 128 MiB of it
XML_BYTES = 256 * MIB  # of annotations: a face of 68 points takes 10 KiB
XML_TAG_BYTES = MIB  # of one tag or text: the longest hold some hundred points
XML_ELEMENTS = 100_000  # of one picture's annotation: faces of 68 points have 69 each
LARGEST_SETTING = 1_000_000_000  # a number in settings, seeds included: the largest here are steps, some 100,000
DEPTH = 50  # lists in lists in ...: settings have six

# --- numbers in binary files
MAT_BYTES = 256 * MIB  # of a Matlab file: that of aflw has 8 MB
MAT_RATIO = 30  # bytes unpacked over bytes packed of one variable, beyond UNPACKED_FREE: annotations have some 5
MAT_AXES = 32  # of an array of it: as many as NumPy 1 had, annotations have two
NPZ_BYTES = 4 * GIB  # of one array of a shard of rendered faces: flow of 100 frames of 2048 px has 1.7 GB
TABLE_COLUMNS = 20_000  # of a face table: 216 of 68 points
CELLS_PER_BYTE = 200  # of a packed table: constant columns take nearly nothing, names of faces some bytes a row
CELLS_FREE = 10_000_000  # that any table may have, however small it is
HEADER_BYTES = 64 * MIB  # of weights (safetensors): those of a million steps have 20 MB, most of it their log

# --- pictures and videos
PIXELS = 1 << 27  # of a picture or frame, 134 million (0.4 GB as RGB): the largest cameras have 150, AFLW's largest 14
PICTURE_BYTES = 512 * MIB  # of a file
FRAMES = 2_000_000  # of a video: 22 hours of 25 a second; those of 300VW have 4,000 at most
INPUT_PX = 4096  # side of the input of a detector that is read: the paper's is 256
POINTS = 10_000  # of a scheme of landmarks: dense ones have some hundreds


@contextmanager
def reading(where: object, what: str, again: str) -> Iterator[None]:
    """Turn whatever a parser raises on a strange file into one line that names it.

    For blocks that do nothing but parse: parsers raise KeyError, OverflowError, RecursionError, MemoryError and more on
    files that they were not made for.

    Args:
        where: the file, and what of it.
        what: it should be, such as "a face table".
        again: what the user does next.

    Raises:
        InputError: the block raised an error. Errors that are one already, and those of the system, stay as they are.
    """
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno in _OF_THE_SYSTEM:
            raise
        raise InputError(f"{where}: cannot be read as {what} ({reason(error)}). {again}") from error


# Parsers raise OSErrors too, of content that they cannot read.
_OF_THE_SYSTEM = (errno.EACCES, errno.EPERM, errno.EISDIR, errno.EIO, errno.EMFILE, errno.ENOSPC, errno.EDQUOT)


def reason(error: BaseException, longest: int = 200) -> str:
    """What an error says, in one line that is not too long."""
    if isinstance(error, MemoryError):
        return "it asks for more memory than there is"
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    said = " ".join(str(error).split()) or type(error).__name__
    said = said if len(said) <= longest else f"{said[:longest]}..."
    return f"it lacks {said}" if isinstance(error, KeyError) else said


def check(where: object, found: float, allowed: float, what: str) -> None:
    """Refuse more than is allowed.

    Args:
        where: the file, and the member of it.
        what: is counted, such as "bytes unpacked".

    Raises:
        InputError: says what was found and what is allowed.
    """
    if not 0 <= found <= allowed:
        raise InputError(f"{where}: found {found:,} {what}, at most {allowed:,} are allowed. Is it the owners' file?")

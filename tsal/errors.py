"""The errors that a user can cause and mend."""

import errno
import re
from os import PathLike

# What a terminal acts on instead of showing it: controls, marks that turn the direction of text, ends of lines, halves
# of characters.
CONTROLS = "\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff"
_CONTROL = re.compile(f"[{CONTROLS}]")


class InputError(Exception):
    """A user's mistake or broken input.

    The message has one or two lines: the file, what was found, what was expected and what to do next. The
    command line prints it without a traceback.
    """


def is_disk_full(error: BaseException) -> bool:
    """Whether `error` says that a device or a user's quota of it is full."""
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)


def is_memory_full(error: BaseException) -> bool:
    """Whether `error` says that memory, of the machine or of a GPU, is full."""
    said = str(error)
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and ("can't allocate memory" in said or "out of memory" in said)
    )


def disk_full(path: str | PathLike[str]) -> InputError:
    """The error for a `path` that could not be written since its device is full."""
    return InputError(f"{path}: no space left on the device. Free some space and run the same command again")


def printable(text: object) -> str:
    """A message whose control characters are shown, as \\x1b, but for the ends of its lines.

    Names of files, of members of archives, answers of servers and values of configurations come from others; raw, they
    could set a terminal's title, hide what was said before, or worse.
    """
    return "\n".join(map(one_line, str(text).split("\n")))


def one_line(text: object) -> str:
    """As printable, but the ends of lines are shown too: a name within a message."""
    return _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), str(text))

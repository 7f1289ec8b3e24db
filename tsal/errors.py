"""The errors that a user can cause and mend."""

import errno
from os import PathLike


class InputError(Exception):
    """A user's mistake or broken input.

    The message has one or two lines: the file, what was found, what was expected and what to do next. The
    command line prints it without a traceback.
    """


def is_disk_full(error: BaseException) -> bool:
    """Whether `error` says that a device or a user's quota of it is full."""
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)


def disk_full(path: str | PathLike[str]) -> InputError:
    """The error for a `path` that could not be written since its device is full."""
    return InputError(f"{path}: no space left on the device. Free some space and run the same command again")

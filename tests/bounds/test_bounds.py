"""What is refused, and in which words; whatever a parser raises is one line."""

import errno

import pytest

from tsal import bounds
from tsal.bounds import check, reading
from tsal.errors import InputError


def test_what_is_refused_says_file_found_and_allowed():
    check("a.zip", 5, 5, "members")
    with pytest.raises(InputError, match=r"a\.zip: found 1,000 members, at most 5 are allowed"):
        check("a.zip", 1000, 5, "members")
    with pytest.raises(InputError, match="found -1 bytes"):
        check("a.zip", -1, 5, "bytes")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (KeyError("nose"), "it lacks 'nose'"),
        (MemoryError(), "it asks for more memory than there is"),
        (RecursionError("maximum"), "it is nested too deeply"),
        (OverflowError("two\n  lines"), "two lines"),
        (AttributeError(), "AttributeError"),
        (ValueError("9" * 5000), "9" * 200 + r"\.\.\."),
        (OSError(22, "Invalid argument"), "Invalid argument"),
    ],
)
def test_whatever_a_parser_raises_is_one_line_that_names_the_file(error, said):
    expected = rf"^a\.pts: cannot be read as landmarks \(.*{said}\)\. Get it again$"
    with pytest.raises(InputError, match=expected), reading("a.pts", "landmarks", "Get it again"):
        raise error


@pytest.mark.parametrize(
    "error",
    [InputError("as it is"), KeyboardInterrupt(), PermissionError(errno.EACCES, "no"), OSError(errno.ENOSPC, "")],
)
def test_errors_that_are_no_parsers_stay_what_they_are(error):
    with pytest.raises(type(error)) as caught, reading("a.pts", "landmarks", "Get it again"):
        raise error
    assert caught.value is error


def test_no_bound_is_below_what_the_data_sets_need():
    """Twice at least: 218,595 frames of 300VW in its archive of 30 GB, the 4,000 frames of its longest video, AFLW's
    largest picture (14 million px), 68 points."""
    assert min(bounds.MEMBERS / 218_595, bounds.FRAMES / 4_000, bounds.PIXELS / 14e6, bounds.POINTS / 68) >= 2
    assert bounds.DOWNLOAD_BYTES >= 60e9 and bounds.UNPACKED_RATIO >= 20

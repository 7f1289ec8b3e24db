import errno

import pytest

from tsal.errors import InputError, disk_full, is_disk_full


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_device_or_quota_is_recognised(code):
    assert is_disk_full(OSError(code, "full"))


@pytest.mark.parametrize("error", [OSError(errno.EACCES, "denied"), OSError("no code"), ValueError(errno.ENOSPC)])
def test_other_errors_are_not_taken_for_a_full_device(error):
    assert not is_disk_full(error)


def test_the_message_names_the_file_and_the_way_out():
    error = disk_full("a/b.npy")
    assert isinstance(error, InputError)
    assert str(error).startswith("a/b.npy: no space left on the device")
    assert "Free some space" in str(error)

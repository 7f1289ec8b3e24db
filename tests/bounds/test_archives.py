"""Archives that say less, or more, than they hold."""

import struct
import tracemalloc
import zipfile

import pytest
from archives import write_zip
from hostile.of_archives import declare

from tsal.bounds import GIB, MIB, UNPACKED_FREE
from tsal.bounds.archives import check_zip, read_file, read_member
from tsal.data.archives import open_zip
from tsal.errors import InputError


def test_a_member_is_never_unpacked_beyond_the_size_that_it_declares(tmp_path):
    path = write_zip({"a": bytes(200 * MIB)}, tmp_path / "a.zip")
    declare(path, "a", 10)
    tracemalloc.start()
    with pytest.raises(InputError, match=r"a\.zip: truncated or damaged"), open_zip(path) as archive:
        read_member(archive, "a", 100, path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 16 * MIB


def test_a_member_has_at_most_as_many_bytes_as_are_asked_for(tmp_path):
    with open_zip(write_zip({"a": b"12345"}, tmp_path / "a.zip")) as archive:
        assert read_member(archive, "a", 5, "a.zip") == b"12345"
        with pytest.raises(InputError, match=r"a\.zip: member 'a': found 5 bytes unpacked, at most 4"):
            read_member(archive, "a", 4, "a.zip")
        with pytest.raises(KeyError):
            read_member(archive, "b", 4, "a.zip")


def test_what_an_archive_unpacks_to_is_bounded_by_its_own_size(tmp_path):
    path = write_zip({"small": b"1", "large": b"2"}, tmp_path / "a.zip")
    declare(path, "large", UNPACKED_FREE)
    with open_zip(path):
        pass  # little enough, however small the archive is
    declare(path, "large", GIB)
    expected = r"a\.zip: member 'large' and others: found 1,073,741,825 bytes unpacked"
    with pytest.raises(InputError, match=expected), open_zip(path):
        pass


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_packing_that_asks_for_any_memory_is_refused(tmp_path, method):
    with zipfile.ZipFile(tmp_path / "a.zip", "w", method) as archive:
        archive.writestr("a", b"1" * 1000)
        with pytest.raises(InputError, match=rf"a\.zip: member 'a': is packed by method {method}; expected 0"):
            check_zip("a.zip", archive, 1000)


def test_more_members_than_any_archive_has_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("tsal.bounds.archives.MEMBERS", 2)
    path = write_zip({"a": b"", "b": b"", "c": b""}, tmp_path / "a.zip")
    with pytest.raises(InputError, match=r"a\.zip: found 3 members, at most 2"), open_zip(path):
        pass


def test_a_directory_of_members_that_cannot_be_is_a_damaged_archive(tmp_path):
    (tmp_path / "a.zip").write_bytes(b"PK\x05\x06" + struct.pack("<HHHHIIH", 0, 0, 1, 1, 1 << 31, 5, 0))
    with pytest.raises(InputError, match=r"a\.zip: truncated or damaged"), open_zip(tmp_path / "a.zip"):
        pass


def test_a_file_that_is_read_whole_is_a_plain_one_of_bounded_size(tmp_path):
    (tmp_path / "a").write_bytes(b"123")
    assert read_file(tmp_path / "a", 3) == b"123"
    with pytest.raises(InputError, match="a: found 3 bytes, at most 2"):
        read_file(tmp_path / "a", 2)
    with pytest.raises(InputError, match="no plain one"):
        read_file(tmp_path, 2)

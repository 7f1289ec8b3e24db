import errno
import os
import shutil
import stat
import zipfile

import pytest
from archives import write_zip

from tsal import files
from tsal.errors import InputError
from tsal.files import atomic_path, extract_zip, open_zip, sha256


def test_a_file_appears_only_when_its_block_ends(tmp_path):
    path = tmp_path / "new" / "folder" / "a.csv"
    with atomic_path(path) as temporary:
        temporary.write_text("whole")
        assert not path.exists()
        assert temporary.parent == path.parent
        assert temporary.suffix == ".csv"
    assert path.read_text() == "whole"
    assert os.listdir(path.parent) == ["a.csv"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_error_leaves_the_old_file_and_nothing_else(tmp_path, error):
    path = tmp_path / "a.csv"
    path.write_text("old")
    with pytest.raises(error), atomic_path(path) as temporary:
        temporary.write_text("half")
        raise error
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["a.csv"]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="the system has no /dev/full")
def test_a_full_device_is_an_input_error_that_names_the_file(tmp_path):
    path = tmp_path / "a.csv"
    with (
        pytest.raises(InputError, match=r"a\.csv: no space left on the device"),
        atomic_path(path) as temporary,
    ):
        temporary.write_text("half")
        with open("/dev/full", "w") as full:
            full.write("rest")
    assert os.listdir(tmp_path) == []


def test_other_system_errors_stay_what_they_are(tmp_path):
    with pytest.raises(IsADirectoryError), atomic_path(tmp_path / "a") as temporary:
        temporary.write_text("")
        raise IsADirectoryError(errno.EISDIR, "a folder")


def test_new_files_have_the_modes_that_the_user_asked_for(tmp_path):
    before = os.umask(0o027)
    try:
        with atomic_path(tmp_path / "a") as temporary:
            temporary.write_text("")
        extract_zip(write_zip({"b/c": b""}, tmp_path / "a.zip"), tmp_path / "folder")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o640
    assert stat.S_IMODE((tmp_path / "folder" / "b").stat().st_mode) == 0o750


def test_sha256_is_that_of_fips_180_2(tmp_path):
    path = tmp_path / "abc"
    path.write_bytes(b"abc")  # FIPS 180-2, appendix B.1
    assert sha256(path) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_an_archive_is_unpacked_with_its_folders(tmp_path):
    archive = write_zip({"a.txt": b"one", "b/c.txt": b"two"}, tmp_path / "a.zip")
    extract_zip(archive, tmp_path / "out")
    assert (tmp_path / "out" / "a.txt").read_bytes() == b"one"
    assert (tmp_path / "out" / "b" / "c.txt").read_bytes() == b"two"


def test_members_can_be_chosen_and_renamed(tmp_path):
    archive = write_zip({"a.txt": b"one", "b/c.txt": b"two", "d": b""}, tmp_path / "a.zip")
    extract_zip(archive, tmp_path / "some", ["a.txt"])
    extract_zip(archive, tmp_path / "renamed", {"b/c.txt": "e/f.txt"})
    assert _tree(tmp_path / "some") == ["a.txt"]
    assert _tree(tmp_path / "renamed") == ["e/f.txt"]


def test_a_folder_that_exists_keeps_its_other_files(tmp_path):
    archive = write_zip({"a.txt": b"new", "b/c.txt": b"new"}, tmp_path / "a.zip")
    (tmp_path / "out" / "b").mkdir(parents=True)
    (tmp_path / "out" / "a.txt").write_text("old")
    (tmp_path / "out" / "b" / "mine").write_text("mine")
    extract_zip(archive, tmp_path / "out")
    assert _tree(tmp_path / "out") == ["a.txt", "b/c.txt", "b/mine"]
    assert (tmp_path / "out" / "a.txt").read_text() == "new"
    assert sorted(os.listdir(tmp_path)) == ["a.zip", "out"]


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9, 0.999])
def test_a_truncated_archive_is_named_with_its_size(tmp_path, share):
    archive = write_zip({f"{k}.bin": os.urandom(1000) for k in range(20)}, tmp_path / "a.zip")
    content = archive.read_bytes()[: int(share * archive.stat().st_size)]
    archive.write_bytes(content)
    with pytest.raises(InputError, match=rf"a\.zip: truncated or damaged .*{len(content):,} bytes.*again"):
        extract_zip(archive, tmp_path / "out")
    assert os.listdir(tmp_path) == ["a.zip"]


def test_a_damaged_member_is_found_by_its_checksum(tmp_path):
    archive = tmp_path / "a.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("first", b"fine")
        file.writestr("second", b"content")
    archive.write_bytes(archive.read_bytes().replace(b"content", b"c0ntent"))
    with pytest.raises(InputError, match=r"a\.zip: truncated or damaged"):
        extract_zip(archive, tmp_path / "out")
    assert os.listdir(tmp_path) == ["a.zip"]


def test_an_encrypted_archive_is_refused(tmp_path):
    archive = write_zip({"a": b"content"}, tmp_path / "a.zip")
    content = bytearray(archive.read_bytes())
    for signature, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(signature) + flags] |= 1
    archive.write_bytes(content)
    with pytest.raises(InputError, match=r"a\.zip: .*encrypted"):
        extract_zip(archive, tmp_path / "out")


@pytest.mark.parametrize("name", ["../evil", "a/../../evil", "/tmp/evil", "..\\evil", "C:\\evil", "C:/evil"])
def test_a_member_that_would_leave_the_folder_is_refused(tmp_path, name):
    archive = write_zip({"fine": b"", name: b"evil"}, tmp_path / "sub" / "a.zip")
    with pytest.raises(InputError, match="would leave the folder"):
        extract_zip(archive, tmp_path / "sub" / "out")
    assert _tree(tmp_path) == ["sub/a.zip"]


def test_a_link_in_an_archive_is_refused(tmp_path):
    archive = tmp_path / "a.zip"
    link = zipfile.ZipInfo("link")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr(link, "/etc/passwd")
    with pytest.raises(InputError, match="'link' is a link"):
        extract_zip(archive, tmp_path / "out")
    assert os.listdir(tmp_path) == ["a.zip"]


def test_a_missing_archive_or_member_is_named(tmp_path):
    with pytest.raises(InputError, match=r"none\.zip: no such file"), open_zip(tmp_path / "none.zip"):
        pass
    archive = write_zip({"a": b""}, tmp_path / "a.zip")
    with pytest.raises(InputError, match=r"a\.zip: has no member 'b'"):
        extract_zip(archive, tmp_path / "out", ["b"])


def test_a_device_that_fills_up_while_unpacking_leaves_nothing(tmp_path, monkeypatch):
    archive = write_zip({"a": b"1", "b": b"2"}, tmp_path / "a.zip")
    copy = shutil.copyfileobj

    def fail_at_second(source, out, length):
        if out.name.endswith("b"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        copy(source, out, length)

    monkeypatch.setattr(files.shutil, "copyfileobj", fail_at_second)
    with pytest.raises(InputError, match="out: no space left on the device"):
        extract_zip(archive, tmp_path / "out")
    assert os.listdir(tmp_path) == ["a.zip"]


def test_an_archive_that_cannot_fit_is_refused_before_the_work(tmp_path, monkeypatch):
    archive = write_zip({"a": bytes(3_000_000)}, tmp_path / "a.zip")
    monkeypatch.setattr(files.shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10, 8, 2_000_000))
    with pytest.raises(InputError, match=r"no space left on the device: .*needs 3 MB, 2 MB are free"):
        extract_zip(archive, tmp_path / "out")
    assert os.listdir(tmp_path) == ["a.zip"]


def _tree(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())

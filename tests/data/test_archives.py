"""Archives and folders are unpacked and copied whole or not at all, and never out of their folder."""

import errno
import gzip
import os
import shutil
import stat
import tarfile
import zipfile

import pytest
from archives import write_folder, write_zip
from archives_aflw import tar_bytes

from tsal import files
from tsal.data.archives import copy_files, extract_tar, extract_zip, open_tar, open_zip
from tsal.errors import InputError


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


# --- tar archives


def write_tar(files, path, compressed=True):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(tar_bytes(files, compressed))
    return path


@pytest.mark.parametrize("compressed", [True, False])
def test_a_tar_is_unpacked_with_its_folders_whether_it_is_gzipped_or_not(tmp_path, compressed):
    content = os.urandom(3_000_000)
    archive = write_tar({"a.txt": b"one", "b/c.bin": content}, tmp_path / "a.tar.gz", compressed)
    extract_tar(archive, tmp_path / "out")
    assert (tmp_path / "out" / "a.txt").read_bytes() == b"one"
    assert (tmp_path / "out" / "b" / "c.bin").read_bytes() == content


def test_files_of_a_tar_can_be_chosen_and_renamed_and_a_folder_keeps_its_others(tmp_path):
    archive = write_tar({"top/a.txt": b"new", "top/b": b"", "top/c": b"two"}, tmp_path / "a.tar.gz")
    write_folder({"a.txt": b"old", "mine": b""}, tmp_path / "out")
    targets = {"top/a.txt": "a.txt", "top/c": "d/e"}
    extract_tar(archive, tmp_path / "out", targets.get, ["d/e"])
    assert _tree(tmp_path / "out") == ["a.txt", "d/e", "mine"]
    assert (tmp_path / "out" / "a.txt").read_text() == "new"
    with pytest.raises(InputError, match=r"a\.tar\.gz: 1 of 2 files are missing, such as x/y; is it whole"):
        extract_tar(archive, tmp_path / "new", targets.get, ["d/e", "x/y"])
    assert sorted(os.listdir(tmp_path)) == ["a.tar.gz", "out"]


@pytest.mark.parametrize("compressed", [True, False])
def test_a_tar_is_known_to_be_truncated_wherever_it_ends(tmp_path, compressed):
    archive = write_tar({f"{k}.bin": os.urandom(700) for k in range(6)}, tmp_path / "a.tar", compressed)
    whole = archive.read_bytes()
    content = 6 * (512 + 1024)  # of headers and padded files; tar's end mark follows
    for size in range(0, len(whole) if compressed else content + 512, 64):
        archive.write_bytes(whole[:size])
        with pytest.raises(InputError, match=rf"a\.tar: truncated or damaged tar archive \({size:,} bytes found"):
            extract_tar(archive, tmp_path / "out")
        assert os.listdir(tmp_path) == ["a.tar"]


def test_damage_in_a_gzipped_tar_is_found_by_its_checksum_though_all_headers_are_whole(tmp_path):
    stored = tarfile_of_stored_gzip(tmp_path / "a.tar.gz", b"content")
    stored.write_bytes(stored.read_bytes().replace(b"content", b"c0ntent"))
    with pytest.raises(InputError, match=r"a\.tar\.gz: truncated or damaged .*CRC"):
        extract_tar(stored, tmp_path / "out")
    assert os.listdir(tmp_path) == ["a.tar.gz"]


def tarfile_of_stored_gzip(path, content):
    path.write_bytes(gzip.compress(tar_bytes({"a": content}, compressed=False), compresslevel=0))
    return path


def test_damage_in_a_header_of_a_plain_tar_is_not_taken_for_its_end(tmp_path):
    archive = write_tar({"a": b"1", "b": b"2", "c": b"3"}, tmp_path / "a.tar", compressed=False)
    content = bytearray(archive.read_bytes())
    content[2 * 512 + 150] ^= 1  # in the checksum of the second file's header
    archive.write_bytes(content)
    with pytest.raises(InputError, match=r"a\.tar: truncated or damaged"):
        extract_tar(archive, tmp_path / "out")


@pytest.mark.parametrize("name", ["../evil", "a/../../evil", "/tmp/evil", "..\\evil", "C:/evil"])
def test_a_file_of_a_tar_that_would_leave_the_folder_is_refused(tmp_path, name):
    archive = write_tar({"fine": b"", name: b"evil"}, tmp_path / "sub" / "a.tar.gz")
    for choose in (None, lambda member: "harmless" if "evil" in member else None):
        with pytest.raises(InputError, match="would leave the folder"):
            extract_tar(archive, tmp_path / "sub" / "out", choose)
        assert _tree(tmp_path) == ["sub/a.tar.gz"]
    with pytest.raises(InputError, match="would leave the folder"):
        extract_tar(archive, tmp_path / "sub" / "out", {"fine": name}.get)


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
def test_a_link_or_device_in_a_tar_is_refused(tmp_path, kind):
    archive = tmp_path / "a.tar"
    with tarfile.open(archive, "w") as file:
        info = tarfile.TarInfo("odd")
        info.type, info.linkname = kind, "/etc/passwd"
        file.addfile(info)
    with pytest.raises(InputError, match=r"a\.tar: member 'odd' is a link or device"):
        extract_tar(archive, tmp_path / "out")
    extract_tar(archive, tmp_path / "out", {}.get)  # not asked for
    assert _tree(tmp_path) == ["a.tar"]


def test_a_missing_tar_or_a_page_in_its_place_is_named(tmp_path):
    with pytest.raises(InputError, match=r"none\.tar: no such file; expected a tar archive"):
        extract_tar(tmp_path / "none.tar", tmp_path / "out")
    page = write_folder({"a.tar.gz": b"\n<html>" + bytes(2000)}, tmp_path) / "a.tar.gz"
    with pytest.raises(InputError, match=r"a\.tar\.gz: .*\(2,007 bytes found, a web page; .*Delete it and ask"):  # noqa: SIM117
        with open_tar(page, "ask"):
            pass


def test_a_tar_that_cannot_fit_is_refused_before_the_work(tmp_path, monkeypatch):
    archive = write_tar({"a": os.urandom(3_000_000)}, tmp_path / "a.tar.gz")
    monkeypatch.setattr(files.shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10, 8, 2_000_000))
    with pytest.raises(InputError, match=r"no space left on the device: .*needs 3 MB, 2 MB are free"):
        extract_tar(archive, tmp_path / "out")
    assert os.listdir(tmp_path) == ["a.tar.gz"]


# --- folders


def test_files_of_a_folder_are_copied_under_other_names_or_not_at_all(tmp_path):
    source = write_folder({"a": b"1", "b/c": b"2", "d": b"3"}, tmp_path / "source")
    copy_files(source, tmp_path / "out", {"a": "x/a", "b/c": "c"})
    assert _tree(tmp_path / "out") == ["c", "x/a"]
    assert _tree(source) == ["a", "b/c", "d"]
    with pytest.raises(InputError, match=r"member '\.\./e' would leave the folder"):
        copy_files(source, tmp_path / "out", {"d": "../e"})
    with pytest.raises(FileNotFoundError):
        copy_files(source, tmp_path / "out", {"d": "d", "none": "none"})
    assert _tree(tmp_path / "out") == ["c", "x/a"]


def _tree(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())

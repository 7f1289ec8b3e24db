"""Files that are whole or absent; the errors of a full device."""

import errno
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from contextlib import ExitStack
from pathlib import Path

import pytest
from archives import write_zip

from tsal import files
from tsal.data.archives import extract_zip
from tsal.errors import InputError, disk_full, is_disk_full
from tsal.files import atomic_folder, atomic_path, sha256


def test_a_file_appears_only_when_its_block_ends(tmp_path):
    path = tmp_path / "new" / "folder" / "a.csv"
    with atomic_path(path) as temporary:
        temporary.write_text("whole")
        assert not path.exists()
        assert temporary.is_relative_to(path.parent)
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


WRITER = """
import os, signal, sys
from tsal.files import atomic_path

with atomic_path(sys.argv[1]) as temporary:
    temporary.write_text("half")
    print("writing", flush=True)
    sys.stdin.read()
    if sys.argv[2] == "dies":
        os.kill(os.getpid(), signal.SIGKILL)
"""


def writer(path, ends):
    """A process that has begun to write a file, and dies or finishes when its input is closed."""
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path), ends], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout.readline() == b"writing\n"
    return process


def test_what_a_killed_process_left_is_removed_by_the_next_that_writes_there(tmp_path):
    writer(tmp_path / "a.csv", "dies").communicate()
    assert len(os.listdir(tmp_path)) == 1 and not (tmp_path / "a.csv").exists()
    with atomic_path(tmp_path / "b.csv") as temporary:
        temporary.write_text("whole")
    assert os.listdir(tmp_path) == ["b.csv"]


def test_what_a_living_process_writes_is_left_alone(tmp_path):
    process = writer(tmp_path / "a.csv", "finishes")
    with atomic_path(tmp_path / "b.csv") as temporary:
        temporary.write_text("whole")
    process.communicate()
    assert (tmp_path / "a.csv").read_text() == "half"
    assert sorted(os.listdir(tmp_path)) == ["a.csv", "b.csv"]


def test_without_locks_only_what_is_old_counts_as_left(tmp_path, monkeypatch):
    def no_locks(*arguments):
        raise OSError(errno.ENOLCK, "no locks")

    monkeypatch.setattr(files.fcntl, "flock", no_locks)
    now = time.time()
    for name, age in (("11111111", 60), ("22222222", files.LEFT + 60)):
        lock = tmp_path / f".tsal-{name}.tmp" / "lock"
        lock.parent.mkdir()
        lock.touch()
        os.utime(lock, (now - age, now - age))
    with atomic_path(tmp_path / "a.csv") as temporary:
        temporary.write_text("whole")
    assert sorted(os.listdir(tmp_path)) == [".tsal-11111111.tmp", "a.csv"]


def test_a_users_own_hidden_files_stay(tmp_path):
    own = [".tsal-notes", ".a-0123abcd.tmp.csv", ".tsal-0123abcd.tmp"]
    for name in own:
        (tmp_path / name).write_text("mine")
    with atomic_path(tmp_path / "a.csv") as temporary:
        temporary.write_text("whole")
    assert sorted(os.listdir(tmp_path)) == sorted([*own, "a.csv"])


def test_many_unfinished_files_take_one_open_file(tmp_path):
    before = len(os.listdir("/proc/self/fd"))
    with ExitStack() as stack:
        for number in range(50):
            stack.enter_context(atomic_path(tmp_path / f"{number}.csv")).touch()
        assert len(os.listdir("/proc/self/fd")) == before + 1
    assert len(os.listdir(tmp_path)) == 50


def test_errors_name_the_file_and_not_the_temporary_one(tmp_path):
    with pytest.raises(FileNotFoundError) as error, atomic_path(tmp_path / "a.csv") as temporary:
        temporary.read_text()
    assert error.value.filename == str(tmp_path / "a.csv")
    with pytest.raises(InputError, match=rf"^{tmp_path}/a\.csv: odd$"), atomic_path(tmp_path / "a.csv") as temporary:
        raise InputError(f"{temporary}: odd")


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


def test_a_pipe_stays_one_and_gets_the_bytes(tmp_path):
    os.mkfifo(path := tmp_path / "pipe.csv")
    got = []
    reader = threading.Thread(target=lambda: got.append(path.read_bytes()))
    reader.start()
    with atomic_path(path) as temporary:
        assert temporary.suffix == ".csv"
        temporary.write_bytes(b"whole")
    reader.join(10)
    assert got == [b"whole"] and stat.S_ISFIFO(path.stat().st_mode)
    assert [each.name for each in tmp_path.iterdir()] == ["pipe.csv"]


def test_a_device_stays_one(tmp_path):
    try:
        os.mknod(path := tmp_path / "null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    except PermissionError:
        pytest.skip("only root makes devices")
    with atomic_path(path) as temporary:
        temporary.write_bytes(b"lost")
    assert stat.S_ISCHR(path.stat().st_mode)


def test_a_socket_is_refused(tmp_path):
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "socket"))
        expected = "socket: found a disk or a socket, expected the name of a file"
        with pytest.raises(InputError, match=expected), atomic_path(tmp_path / "socket") as temporary:
            temporary.write_bytes(b"nobody reads it")
    assert stat.S_ISSOCK((tmp_path / "socket").stat().st_mode)


@pytest.mark.parametrize("there", [True, False])
def test_what_a_link_leads_to_is_written_and_the_link_stays(tmp_path, there):
    target = tmp_path / "elsewhere/target.txt"
    target.parent.mkdir()
    if there:
        target.write_text("old")
    (link := tmp_path / "link.txt").symlink_to("elsewhere/target.txt")
    with atomic_path(link) as temporary:
        temporary.write_text("new")
    assert os.readlink(link) == "elsewhere/target.txt" and target.read_text() == "new"
    assert sorted(each.name for each in tmp_path.rglob("*")) == ["elsewhere", "link.txt", "target.txt"]


def test_a_link_that_leads_to_itself_and_a_folder_are_refused_before_the_block(tmp_path):
    (tmp_path / "loop.csv").symlink_to("loop.csv")
    (tmp_path / "folder.csv").mkdir()
    for name, found in (("loop.csv", "a link that leads back to itself"), ("folder.csv", "a folder")):
        with (
            pytest.raises(InputError, match=f"{name}: found {found}, expected the name of a file"),
            atomic_path(tmp_path / name),
        ):
            raise AssertionError
    assert sorted(os.listdir(tmp_path)) == ["folder.csv", "loop.csv"]


def old_folder(path):
    path.mkdir()
    (path / "old.txt").write_text("old")
    return path


def test_a_folder_is_replaced_whole(tmp_path):
    path = old_folder(tmp_path / "a.txts")
    with atomic_folder(path, lambda folder: list(folder.iterdir())) as temporary:
        temporary.mkdir()
        (temporary / "new.txt").write_text("new")
        assert os.listdir(path) == ["old.txt"]
    assert os.listdir(path) == ["new.txt"] and os.listdir(tmp_path) == ["a.txts"]


def test_the_old_folder_comes_back_where_the_new_one_cannot_get_its_name(tmp_path, monkeypatch):
    path = old_folder(tmp_path / "a.txts")
    rename = Path.rename

    def failing(self, target):
        if self.parent != tmp_path:  # the new one
            raise OSError(errno.EIO, "broken", str(self))
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", failing)
    with (
        pytest.raises(OSError, match="broken"),
        atomic_folder(path, lambda folder: list(folder.iterdir())) as temporary,
    ):
        temporary.mkdir()
    assert (path / "old.txt").read_text() == "old" and os.listdir(tmp_path) == ["a.txts"]


def test_a_process_that_is_killed_between_two_folders_leaves_the_old_one(tmp_path):
    path = old_folder(tmp_path / "a.txts")
    killed = """
import os, signal, sys
from pathlib import Path
from tsal.files import atomic_folder

rename = Path.rename

def dying(self, target):
    rename(self, target)
    os.kill(os.getpid(), signal.SIGKILL)

Path.rename = dying
with atomic_folder(Path(sys.argv[1]), lambda folder: list(folder.iterdir())) as temporary:
    temporary.mkdir()
"""
    assert subprocess.run([sys.executable, "-c", killed, str(path)]).returncode == -signal.SIGKILL
    with atomic_path(tmp_path / "b.csv") as temporary:  # which removes what is left
        temporary.write_text("whole")
    assert [file.read_text() for file in tmp_path.glob("old-????????.txts/old.txt")] == ["old"]


def test_folders_that_were_made_for_a_file_that_came_to_nothing_are_removed(tmp_path):
    (tmp_path / "old").mkdir()
    with pytest.raises(ValueError), atomic_path(tmp_path / "old/new/newer/a.txt"):
        raise ValueError
    assert [each.name for each in tmp_path.rglob("*")] == ["old"]


def test_a_name_may_be_as_long_as_the_system_has_it(tmp_path):
    path = tmp_path / f"{'x' * 251}.csv"
    with atomic_path(path) as temporary:
        temporary.write_text("a")
    assert path.read_text() == "a"


def test_other_system_errors_stay_what_they_are(tmp_path):
    with pytest.raises(IsADirectoryError), atomic_path(tmp_path / "a") as temporary:
        temporary.write_text("")
        raise IsADirectoryError(errno.EISDIR, "a folder")


def test_errors_name_the_file_and_not_its_temporary_name(tmp_path):
    with pytest.raises(OSError) as caught, atomic_path(tmp_path / "a.csv") as temporary:
        (temporary / "b").write_text("")
    assert caught.value.filename == str(tmp_path / "a.csv" / "b")
    expected = r"/a\.csv: could not be written \(no '.*/a\.csv'\)$"
    with pytest.raises(InputError, match=expected) as caught, atomic_path(tmp_path / "a.csv") as temporary:
        raise OSError(f"no '{temporary}'")  # as pyarrow says it
    assert ".tmp" not in str(caught.value)
    archive = write_zip({"n" * 300: b""}, tmp_path / "a.zip")
    with pytest.raises(OSError) as caught:
        extract_zip(archive, tmp_path / "folder")
    assert caught.value.filename == str(tmp_path / "folder" / ("n" * 300))


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

"""A lock beside what a run writes, so that two processes never train the same run into the same files.

A process that is alive holds it twice: by a lock of the system, which ends with the process, whatever ends it; and by a
sign of life, the age of the file, since on some shared file systems locks do not reach other nodes.
"""

import json
import logging
import os
import platform
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

from tsal.errors import InputError
from tsal.files import is_file, try_lock

logger = logging.getLogger(__name__)
BEAT = 15.0  # seconds between signs of life
DEAD = 90.0  # seconds without one after which a process on another node counts as dead
PAUSE = 5.0  # seconds between two looks whether it lives


@contextmanager
def locked(out: Path) -> Iterator[None]:
    """Hold the lock of the run that writes `out`: the file `out`.lock, which is gone afterwards.

    What a dead process left is taken over: at once on the same node, else when no sign of life came for DEAD seconds.

    Raises:
        InputError: another process, alive, trains this run.
    """
    path = out.with_name(out.name + ".lock")
    path.parent.mkdir(parents=True, exist_ok=True)
    file = _take(path)
    ended = threading.Event()
    beat = threading.Thread(target=_beat, args=(path, ended), daemon=True)
    beat.start()
    try:
        yield
    finally:
        ended.set()
        beat.join()
        path.unlink(missing_ok=True)
        os.close(file)


def _take(path: Path) -> int:
    """The open file, locked, with this process written into it."""
    while True:
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666)  # never into a file that a link leads to
        try:
            if not _lock(file):
                raise _held(path, _read(file))
            if not is_file(file, path):  # its holder has just ended and removed it
                os.close(file)
                continue
            holder = _read(file)
            if holder and holder.get("node") != platform.node():
                _wait_for_death(path, holder)
            _write(file)
            return file
        except BaseException:
            with suppress(OSError):
                os.close(file)
            raise


def _lock(file: int) -> bool:
    """`try_lock`; also where the file system has no locks, and signs of life alone count."""
    try:
        return try_lock(file)
    except OSError as error:
        logger.warning("no locks on this file system (%s): two processes that start at once are not told apart", error)
        return True


def _wait_for_death(path: Path, holder: dict) -> None:
    """Return when a process on another node has shown no life for DEAD seconds, by the clock of the file system, or by
    this node's own, should the other one be ahead.
    """
    first, told, start = path.stat().st_mtime, False, time.monotonic()
    while (age := max(_now_beside(path) - path.stat().st_mtime, time.monotonic() - start)) < DEAD:
        if path.stat().st_mtime != first:
            raise _held(path, holder)
        if not told:
            logger.info("%s: %s; waiting for a sign of life from it, %.0f s at most", path, _who(holder), DEAD - age)
            told = True
        time.sleep(PAUSE)


def _now_beside(path: Path) -> float:
    """The time that a file written now beside `path` gets: clocks of nodes differ."""
    probe = path.with_name(f".{path.name}-{os.getpid()}.tmp")
    try:
        probe.touch()
        return probe.stat().st_mtime
    finally:
        probe.unlink(missing_ok=True)


def _beat(path: Path, ended: threading.Event) -> None:
    while not ended.wait(BEAT):
        with suppress(OSError):  # removed by hand: the run goes on
            os.utime(path)


def _read(file: int) -> dict:
    try:
        os.lseek(file, 0, os.SEEK_SET)
        holder = json.loads(os.read(file, 4096))
    except (OSError, ValueError):
        return {}
    return holder if isinstance(holder, dict) else {}


def _write(file: int) -> None:
    holder = {"node": platform.node(), "pid": os.getpid(), "since": datetime.now().isoformat(" ", "seconds")}
    if job := os.environ.get("SLURM_JOB_ID"):
        holder["slurm_job"] = job
    os.ftruncate(file, 0)
    os.lseek(file, 0, os.SEEK_SET)
    os.write(file, json.dumps(holder).encode())


def _who(holder: dict) -> str:
    if not holder:
        return "held by another process"
    job = f", SLURM job {holder['slurm_job']}" if "slurm_job" in holder else ""
    return f"held by process {holder.get('pid')} on {holder.get('node')}{job} since {holder.get('since')}"


def _held(path: Path, holder: dict) -> InputError:
    end = f"scancel {holder['slurm_job']}" if "slurm_job" in holder else f"kill {holder.get('pid', 'PID')}"
    return InputError(
        f"{path}: {_who(holder)}, which trains this run; wait for its end, or end it ({end}), and run the same command "
        "again: it goes on from there"
    )

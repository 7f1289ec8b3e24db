"""GPUs of a machine for its jobs: each job claims those that it computes on, and no two have the same one.

A claim is a lock on a file that stands for the GPU. The system gives it back when the process ends, however it ends.
"""

import fcntl
import logging
import os
import random
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tsal.errors import InputError
from tsal.files import try_lock

logger = logging.getLogger(__name__)
FOLDER = Path(tempfile.gettempdir()) / "tsal-gpus"  # of all users of the machine
LOOK_EVERY = 1.0  # seconds between two looks for a free GPU


def visible_gpus() -> list[str]:
    """The GPUs that this process may use, as CUDA_VISIBLE_DEVICES names them: set by the user or the scheduler, else
    all of the machine, by their numbers.
    """
    import torch  # imported here, since it takes long

    number, named = torch.cuda.device_count(), os.environ.get("CUDA_VISIBLE_DEVICES")
    names = [name.strip() for name in named.split(",")] if named else [str(index) for index in range(number)]
    return names[:number]


@contextmanager
def claimed(count: int, gpus: list[str], folder: Path = FOLDER, every: float = LOOK_EVERY) -> Iterator[list[str]]:
    """Claim `count` of these GPUs for the time of the block; while there are not so many free ones, wait.

    Jobs within one step of a SLURM job share the GPUs that SLURM gave it. Those of another have others, even where
    SLURM calls them by the same numbers, so that their claims have nothing to do with each other.

    Raises:
        InputError: there are fewer.
    """
    if count > len(gpus):
        raise InputError(
            f"found {len(gpus)} GPUs ({', '.join(gpus) or 'none'}), expected {count}, one for each process: ask for "
            "fewer (gpu: N in the configuration, --processes N), or show more in CUDA_VISIBLE_DEVICES"
        )
    _make(folder)
    within = "-".join(os.environ.get(name, "") for name in ("SLURM_JOB_ID", "SLURM_STEP_ID"))
    paths = {gpu: folder / f"{within}-{gpu.replace('/', '_')}.lock" for gpu in gpus}
    with ExitStack() as held:
        waiting = False
        while (free := _take(count, paths, folder / "claiming.lock", held)) is None:
            if not waiting:
                logger.info("waiting for %d of the GPUs %s, which other jobs compute on", count, ", ".join(gpus))
                waiting = True
            time.sleep(every * random.uniform(0.5, 1.5))
        yield free


def _take(count: int, paths: dict[str, Path], turn: Path, held: ExitStack) -> list[str] | None:
    """Lock the first `count` GPUs that are free; none at all where they are fewer."""
    # One job at a time looks: two that take half of what each needs would wait for each other.
    with _opened(turn) as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with ExitStack() as taken:
            free = []
            for gpu, path in paths.items():
                if len(free) < count and try_lock(taken.enter_context(_opened(path))):
                    free.append(gpu)
            if len(free) < count:
                return None
            held.enter_context(taken.pop_all())
            return free


def _make(folder: Path) -> None:
    """Make the folder of the locks, in which every user may add some."""
    try:
        folder.mkdir(parents=True)
        folder.chmod(0o1777)
    except FileExistsError:
        pass


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    """A file, made where there is none; another user's can be read, which is enough to lock it."""
    try:
        file = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        file = os.open(path, os.O_RDONLY | os.O_CREAT, 0o644)
    try:
        yield file
    finally:
        os.close(file)

"""Verbs that train, as one process or as several that share the work: started anew by PyTorch's elastic launcher, which
is also that of torchrun, and told of as if they were one.
"""

import argparse
import functools
import json
import logging
import os
import signal
import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

from tsal.cli.values import threads

# Exit codes: a traceback; a user's mistake; another process of the training ended.
FAILED, USER_ERROR, LOST = 1, 2, 3
# Signals upon which a verb ends as upon Ctrl-C, temporary files removed: of schedulers; of a closed terminal.
ENDING = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name))
ERROR_FILE = "TORCHELASTIC_ERROR_FILE"  # variable: ATTEMPT/RANK/error.json, of a process that was launched
SAID = "said"  # file that stands for: the user was told why the training ends

Verb = Callable[[argparse.Namespace], int | None]


def add_processes(verb: argparse.ArgumentParser) -> None:
    verb.add_argument(
        "--processes",
        type=_number,
        metavar="N",
        help="that share the work, each on a GPU of its own that no other job has, or on the CPU; without it one "
        "process, on a GPU that others may have too",
    )


def add_machine(verb: argparse.ArgumentParser) -> None:
    """Options for where a verb computes."""
    verb.add_argument("--threads", type=threads)
    verb.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1, mps (default: auto)")


def _number(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"found {text!r}, expected a whole number of at least 1")
    return int(text)


def shared(verb: Verb) -> Verb:
    """A verb that trains, as `arguments.processes` says; its arguments then hold its device and threads."""

    @functools.wraps(verb)
    def run(arguments: argparse.Namespace) -> int | None:
        from tsal.detectors.parallel import PeerLost
        from tsal.training.processes import joined, launched

        if arguments.processes is None or launched():
            try:
                with joined(arguments.device, arguments.threads) as (arguments.device, arguments.threads):
                    return verb(arguments)
            except PeerLost as error:
                _record(error)
                return LOST
            finally:
                if launched():  # it ends already; the launcher, which ends the others, is not to disturb it
                    for number in ENDING:
                        signal.signal(number, signal.SIG_IGN)
        return _start(verb, arguments)

    return run


def _start(verb: Verb, arguments: argparse.Namespace) -> int | None:
    from tsal.training.gpus import claimed, visible_gpus
    from tsal.training.processes import joined

    gpus = visible_gpus() if arguments.device in ("auto", "cuda") else []
    with claimed(arguments.processes, gpus) if gpus else nullcontext() as own:
        if arguments.processes > 1:
            return launch(arguments.command, arguments.processes, own)
        device = f"cuda:{gpus.index(own[0])}" if own else arguments.device
        with joined(device, arguments.threads) as (arguments.device, arguments.threads):
            return verb(arguments)


def launch(command: list[str], processes: int, gpus: list[str] | None = None) -> int:
    """Run a command of tsal as several processes on this machine; returns its exit code.

    Args:
        gpus: that they may use, as CUDA_VISIBLE_DEVICES names them.
    """
    from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs, SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    launcher = logging.getLogger("torch.distributed.elastic")
    launcher.addHandler(logging.NullHandler())
    launcher.propagate = False  # the processes themselves say what is to be said
    if gpus is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(gpus)
    with tempfile.TemporaryDirectory(prefix="tsal-") as folder:
        config = LaunchConfig(
            *(1, 1, processes),
            run_id=uuid.uuid4().hex,
            rdzv_backend="c10d",
            rdzv_endpoint="localhost:0",
            local_addr="localhost",
            max_restarts=0,
            logs_specs=DefaultLogsSpecs(log_dir=folder),
        )
        try:
            elastic_launch(config, sys.executable)("-m", "tsal.cli", *command)
        except ChildFailedError as error:
            return _exit_code(
                command[0], {rank: (fail.exitcode, fail.message) for rank, fail in error.failures.items()}
            )
        except SignalException as error:
            if any(Path(folder).rglob(SAID)):
                return interrupted(error.sigval)
            raise KeyboardInterrupt(error.sigval) from None
    return 0


def interrupted(number: int) -> int:
    """The exit code of a verb that a signal ended."""
    return 128 + number


def _exit_code(verb: str, failures: dict[int, tuple[int, str]]) -> int:
    """The exit code of a training of which processes failed, by that failure which is behind the others.

    Args:
        failures: exit code and message of the processes, by their ranks.
    """
    codes = {code for code, _ in failures.values()}
    for code in (USER_ERROR, FAILED):
        if code in codes:
            return code  # it was told
    for rank, (code, _) in failures.items():
        if code < 0:
            name = signal.Signals(-code).name
            hint = ", as the system does where memory is full" if name == "SIGKILL" else ""
            again = "run the same command again to go on from the last saved state"
            print(f"tsal {verb}: error: process {rank} was ended by {name}{hint}; {again}", file=sys.stderr)
            return 128 - code
    if ended := codes & {interrupted(number) for number in (signal.SIGINT, *ENDING)}:
        return max(ended)
    rank, (code, message) = next(iter(failures.items()))
    print(f"tsal {verb}: error: process {rank} lost the others: {message}", file=sys.stderr)
    return code


def _record(error: Exception) -> None:
    """Leave a message to the launcher, for the case that no other process has a better one."""
    if file := os.environ.get(ERROR_FILE):
        Path(file).write_text(json.dumps({"message": str(error), "timestamp": int(time.time())}), encoding="utf-8")


def speaks() -> bool:
    """Whether this process is to tell the user why it ends: of several that train together, the first to ask."""
    file = os.environ.get(ERROR_FILE)
    if not file:
        return True
    try:
        (Path(file).parents[1] / SAID).touch(exist_ok=False)
    except FileExistsError:
        return False
    except OSError:
        pass  # rather twice than not at all
    return True

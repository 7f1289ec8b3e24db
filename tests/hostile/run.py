"""Give each hostile input to the command line, and see that it is refused: python tests/hostile/run.py [WORD ...]

Prints a table of the kinds; with words, only the inputs whose kind or name has one of them, and what each was told.
A case is given to a copy (fork) of a process that has imported everything, which takes no time; some, and at least one
of each kind, to a process of their own, as from a shell.
"""

import argparse
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parents[1])]

from hostile.cases import CANARY, FOUND, Case  # noqa: E402

import tsal  # noqa: E402, F401  # before OpenCV, which reads the bounds that it sets

for _module in ("archives", "annotations", "labels", "pictures", "weights", "tables", "settings", "servers"):
    __import__(f"hostile.of_{_module}")

# That a refusal may take: of a processor, since other work may run beside it, and beyond what the process begins with.
SECONDS, MEGABYTES = 10, 500
PATIENCE = 60  # seconds of a clock after which a process that waits is ended
LINES = 2
LONGEST = 1000  # characters of a line


@dataclass
class Outcome:
    """What became of a case.

    code: exit status; said: standard error; seconds, megabytes: that it took; left: files that were made or changed.
    """

    kind: str
    name: str
    named: str
    code: int
    said: str
    seconds: float
    megabytes: float
    left: list[str]

    @property
    def problems(self) -> list[str]:
        """What is not as it has to be."""
        lines = [line for line in self.said.splitlines() if line.strip()]
        checks = {
            f"ended with status {self.code}": self.code == 2,
            f"said {len(lines)} lines": 1 <= len(lines) <= LINES,
            f"said a line of {max(map(len, lines), default=0)} characters": max(map(len, lines), default=0) <= LONGEST,
            f"does not name {self.named}": self.named in self.said,
            "shows a traceback": "Traceback" not in self.said,
            "names a hidden temporary file": ".tmp" not in self.said,
            "advises to turn weights_only off": "weights_only" not in self.said,
            f"took {self.seconds:.1f} s": self.seconds <= SECONDS,
            f"took {self.megabytes:.0f} MB": self.megabytes <= MEGABYTES,
            f"ran code ({CANARY} is there)": not any(path.endswith(CANARY) for path in self.left),
            f"left {', '.join(self.left[:5])}": not self.left,
        }
        return [problem for problem, right in checks.items() if not right]


def run(case: Case, folder: Path) -> Outcome:
    """Make the input in an empty folder, give it to the command line, and look at what is left."""
    argv = _make(case, folder)
    before = _listing(folder)
    with tempfile.TemporaryDirectory() as aside:
        said = Path(aside) / "said"
        process = os.fork()
        if process == 0:
            _be_the_command(case, argv, folder, said)
        code, usage = _wait(process, PATIENCE)
        text = said.read_text(errors="replace")
        began = float(said.with_name("began").read_text())
    seconds = usage.ru_utime + usage.ru_stime
    megabytes = max(0.0, usage.ru_maxrss / 1024 - began)
    after = _listing(folder)
    left = sorted(path for path in before.keys() | after.keys() if before.get(path) != after.get(path))
    return Outcome(case.kind, case.name, case.named, code, _without_progress(text), seconds, megabytes, left)


def _make(case: Case, folder: Path) -> list[str]:
    """Make the input: in a process of its own, so that what that takes is not there when the command is measured.

    But for servers, which have to go on.
    """
    if case.kind == "server answers":
        return case.make(folder)
    read, write = os.pipe()
    process = os.fork()
    if process == 0:
        try:
            os.write(write, json.dumps(case.make(folder)).encode())
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(0)
    os.close(write)
    with open(read) as pipe:
        said = pipe.read()
    os.waitpid(process, 0)
    if not said:
        raise RuntimeError(f"{case.name}: could not be made")
    return json.loads(said)


def _be_the_command(case: Case, argv: list[str], folder: Path, said: Path) -> None:
    """The rest of a copy of this process: run the command, and end."""
    code = 70
    try:
        os.chdir(folder)
        os.environ.update(dict(case.environment), OMP_NUM_THREADS="1")
        os.environ["PYTHONPATH"] = str(Path(__file__).parents[2])
        out = os.open(said, os.O_WRONLY | os.O_CREAT)
        os.dup2(out, 2)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        given = said.with_name("given")
        given.write_text(case.stdin)
        os.dup2(os.open(given, os.O_RDONLY), 0)
        if case.alone:
            said.with_name("began").write_text(str(_alone()))
            main = "import sys; from tsal.cli import main; sys.exit(main())"
            os.execv(sys.executable, [sys.executable, "-c", main, *argv])
        said.with_name("began").write_text(str(_resident_mb()))
        sys.stdin, sys.stderr = open(0), open(2, "w")  # noqa: SIM115
        code = _main(argv)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


@cache
def _alone() -> float:
    """Megabytes of a process that has imported what the command line needs, PyTorch too, and done nothing."""
    code = "import tsal.detectors.predict; print(open('/proc/self/status').read())"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    return int(next(line for line in said.splitlines() if line.startswith("VmHWM")).split()[1]) / 1024


def _main(argv: list[str]) -> int:
    from tsal.cli import main

    try:
        return main(argv)
    except SystemExit as error:
        return error.code if isinstance(error.code, int) else 1


def _wait(process: int, seconds: float) -> tuple[int, object]:
    """Exit status (that of the signal, below nothing, where one ended it) and what it used."""
    end = time.monotonic() + seconds
    while True:
        done, status, usage = os.wait4(process, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status), usage
        if time.monotonic() > end:
            os.kill(process, signal.SIGKILL)
            end += seconds
        time.sleep(0.01)


def _resident_mb() -> float:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / (1 << 20)


def _listing(folder: Path) -> dict[str, tuple[int, int]]:
    """Path -> size and time of all that is in a folder, hidden files too."""
    found = {}
    for path in folder.rglob("*"):
        status = path.lstat()
        changed = 0 if path.is_dir() else status.st_mtime_ns
        found[str(path.relative_to(folder))] = (0 if path.is_dir() else status.st_size, changed)
    return found


def _without_progress(said: str) -> str:
    """What a command says besides how far it has come, which is told in lines that end in its speed."""
    lines = said.replace("\r", "\n").splitlines()
    return "\n".join(line for line in lines if not line.endswith(" in all") and "trying again in" not in line)


def outcomes(cases: list[Case]) -> Iterator[Outcome]:
    """What becomes of each case."""
    _alone()
    import tsal.cli
    import tsal.data.crops
    import tsal.detectors.predict
    import tsal.figures
    import tsal.tables
    import tsal.training.train  # noqa: F401

    for case in cases:
        with tempfile.TemporaryDirectory(prefix="hostile-", ignore_cleanup_errors=True) as folder:
            yield run(case, Path(folder).resolve())


def table(found: list[Outcome]) -> str:
    """The summary: a line a kind, and one of all."""
    rows = [("kind", "inputs", "refused", "slowest, s", "most memory, MB")]
    kinds = list(dict.fromkeys(outcome.kind for outcome in found))
    for kind in [*kinds, "all"]:
        some = [outcome for outcome in found if kind in (outcome.kind, "all")]
        refused = sum(not outcome.problems for outcome in some)
        slowest, most = max(o.seconds for o in some), max(o.megabytes for o in some)
        rows.append((kind, str(len(some)), str(refused), f"{slowest:.1f}", f"{most:.0f}"))
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([lines[0], "| --- | ---: | ---: | ---: | ---: |", *lines[1:]])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("words", nargs="*", help="of the kinds or names of the inputs to run")
    parser.add_argument("--json", type=Path, help="write what became of each input")
    arguments = parser.parse_args()
    cases = [case for case in FOUND if not arguments.words or any(w in case.kind + case.name for w in arguments.words)]
    found = []
    with contextlib.ExitStack() as stack:
        out = stack.enter_context(open(arguments.json, "w")) if arguments.json else None
        for outcome in outcomes(cases):
            found.append(outcome)
            if out:
                print(json.dumps(asdict(outcome) | {"problems": outcome.problems}), file=out, flush=True)
            if outcome.problems or arguments.words:
                print(f"{outcome.kind}: {outcome.name}: {'; '.join(outcome.problems) or 'refused'}")
                print("    " + outcome.said[-1500:].replace("\n", "\n    "))
    print(table(found))
    return int(any(outcome.problems for outcome in found))


if __name__ == "__main__":
    sys.exit(main())

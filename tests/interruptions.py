"""A training on SLURM is interrupted in each way that clusters know, and has to end as one that was not.

    python tests/interruptions.py                      all five, in a cluster that it starts (slurm/cluster.sh)
    python tests/interruptions.py scancel --folder F   one of them, in a folder that is kept

The first interruption comes while `all` of tests/slurm/config.yaml is made through sbatch, up to the report. For each
other one, and where the folder holds that report, the run is deleted and trained once more. Each comes in the middle of
the training. What it is compared with is trained without SLURM. Prints a table; ends with 1 where scores or weights are
others.
"""

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from archives import ytf_raw_dir

ROOT = Path(__file__).parents[1]
SLURM = ROOT / "tests/slurm"
RUN = "results/runs/ytf/slow_tsal/0.5/seed0"
RESULTS = ("checkpoint.safetensors", "scores.csv")
REPORT = "results/report.html"
WARM_UP = 10  # steps before the first
STEPS = 60  # of the training
SOME = 15
PATIENCE = 600  # seconds
PROFILE = ("--workflow-profile", "slurm-cpu", "--slurm-init-seconds-before-status-checks", "2", "--latency-wait", "10")
# Snakemake, but for the time between two looks at its jobs, which the plugin lets grow to three minutes.
IMPATIENT = """
import asyncio
from snakemake.cli import main
from snakemake_interface_executor_plugins.executors.remote import RemoteExecutor
RemoteExecutor.sleep = lambda self: asyncio.sleep(2)
main()
"""


def run(*command: str, **options) -> str:
    """The output of a command, which has to succeed."""
    process = subprocess.run(command, capture_output=True, text=True, **options)
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)}: {process.stdout}{process.stderr}")
    return process.stdout.strip()


def wait_until(what: str, holds: Callable[[], object]) -> None:
    start = time.monotonic()
    while not holds():
        if time.monotonic() > start + PATIENCE:
            raise TimeoutError(f"waited {PATIENCE} s until {what}")
        time.sleep(0.5)


class Cluster:
    """A cluster of one node and a working directory on it; ends with the `with` block."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.work = folder / "work"
        self.work.mkdir(parents=True, exist_ok=True)
        if not (self.work / "data").exists():
            ytf_raw_dir(self.work / "data/raw")

    def __enter__(self) -> "Cluster":
        start = ("bash", str(SLURM / "cluster.sh"), "start", str(self.folder / "slurm"))
        conf = run(*start, env=os.environ | {"NODE_CPUS": "8"})  # so that jobs of four CPUs run side by side
        path = [str(self.folder / "slurm/bin"), str(Path(sys.executable).parent), os.environ["PATH"]]
        paths = {"PATH": os.pathsep.join(path), "PYTHONPATH": os.pathsep.join([str(SLURM / "site"), str(ROOT)])}
        self.environment = os.environ | paths | {"SLURM_CONF": conf, "TSAL_PLUGINS": str(SLURM / "plugins")}
        return self

    def __exit__(self, *_: object) -> None:
        run("bash", str(SLURM / "cluster.sh"), "stop", str(self.folder / "slurm"))

    def command(self, *command: str) -> str:
        return run(*command, cwd=self.work, env=self.environment)

    def snakemake(self, *arguments: str, **environment: str) -> subprocess.Popen:
        """Start `snakemake` in the working directory; what it says is added to head.log."""
        command = [sys.executable, "-c", IMPATIENT, *arguments, "--snakefile", ROOT / "Snakefile"]
        command += ["--directory", self.work, "--configfile", SLURM / "config.yaml"]
        with (self.folder / "head.log").open("a") as log:
            return subprocess.Popen(
                [*map(str, command)], cwd=self.work, env=self.environment | environment, stdout=log, stderr=log
            )

    def finish(self, head: subprocess.Popen) -> None:
        if head.wait(2 * PATIENCE):
            log = (self.folder / "head.log").read_text()
            raise RuntimeError(f"snakemake failed:\n{log[-5000:]}")

    def job(self, rule: str) -> str:
        """The number of the running job of a rule; waits for it."""
        found: list[str] = []

        def is_there() -> bool:
            jobs = self.command("squeue", "-h", "-t", "RUNNING", "-o", "%i %k").splitlines()
            found[:] = [job.split()[0] for job in jobs if f"rule_{rule}" in job]
            return bool(found)

        wait_until(f"a job of {rule} runs", is_there)
        return found[0]

    def steps(self) -> list[tuple[str, int]]:
        """Process and number of each step of the training so far."""
        path = self.work / "steps.txt"
        lines = path.read_text().splitlines() if path.exists() else []
        return [(process, int(step)) for process, step in map(str.split, lines)]

    def is_under_way(self) -> bool:
        """Whether the training has done some steps, and has saved a state."""
        return (self.work / RUN / "checkpoint.safetensors.partial").exists() and len(self.steps()) >= SOME

    def results(self) -> list[bytes]:
        return [(self.work / RUN / name).read_bytes() for name in RESULTS]

    def forget(self) -> None:
        """Delete the run, but for its settings."""
        for path in (self.work / RUN).glob("*"):
            if path.name != "settings.yaml":
                path.unlink()
        (self.work / "steps.txt").unlink(missing_ok=True)


# Each takes the cluster, the running snakemake and its target, and returns the snakemake that has to end well.


def cancel(cluster: Cluster, head: subprocess.Popen, target: str) -> subprocess.Popen:
    cluster.command("scancel", cluster.job("train"))
    return head


def requeue(cluster: Cluster, head: subprocess.Popen, target: str) -> subprocess.Popen:
    cluster.command("scontrol", "requeue", cluster.job("train"))
    return head


def take_memory(cluster: Cluster, head: subprocess.Popen, target: str) -> subprocess.Popen:
    (cluster.work / "take_memory").touch()
    return head


def do_nothing(cluster: Cluster, head: subprocess.Popen, target: str) -> subprocess.Popen:
    return head


def kill_head(cluster: Cluster, head: subprocess.Popen, target: str) -> subprocess.Popen:
    """As docs/cluster.md says: what was submitted is cancelled, the folder unlocked, and the same command run again."""
    head.send_signal(signal.SIGKILL)
    head.wait()
    time.sleep(5)
    for job in cluster.command("squeue", "-h", "-o", "%i %j").splitlines():
        if job.split()[1].startswith("tsal_"):
            cluster.command("scancel", job.split()[0])
    wait_until("no job is left", lambda: not cluster.command("squeue", "-h"))
    cluster.finish(cluster.snakemake(*PROFILE, "--unlock"))
    return cluster.snakemake(*PROFILE, target)


@dataclass(frozen=True)
class Interruption:
    """How a training is interrupted: what is done once it has a state, and how it was started."""

    title: str
    interrupt: Callable[[Cluster, subprocess.Popen, str], subprocess.Popen]
    options: tuple[str, ...] = ()
    pause: float = 0.3  # seconds a step


INTERRUPTIONS = {
    "scancel": Interruption("`scancel` of the job", cancel),
    "requeue": Interruption("`scontrol requeue` of the job", requeue),
    "head": Interruption("`kill -9` of snakemake, `scancel`, `--unlock`, the same command", kill_head),
    "memory": Interruption("more memory than asked for", take_memory, ("--set-resources", "train:mem_mb=4000*attempt")),
    # A limit of one minute, of two at the second attempt, and of three at the third.
    "time": Interruption("the time limit", do_nothing, ("--set-resources", "train:runtime=attempt"), pause=2.0),
}


def interrupted(cluster: Cluster, interruption: Interruption, target: str) -> tuple[int, int, float]:
    """Make a target, with an interruption of its training; returns the steps done before, those it went on
    after, and seconds."""
    start = time.monotonic()
    head = cluster.snakemake(target, *PROFILE, *interruption.options, SLOW_TSAL_PAUSE=str(interruption.pause))
    wait_until("the training is under way", lambda: cluster.is_under_way() or head.poll() is not None)
    cluster.finish(interruption.interrupt(cluster, head, target))
    steps = cluster.steps()
    breaks = [i for i in range(1, len(steps)) if steps[i][0] != steps[i - 1][0]]
    if not breaks:
        raise RuntimeError(f"{interruption.title}: the training was not interrupted")
    return steps[breaks[0] - 1][1] + 1 - WARM_UP, steps[breaks[0]][1] - WARM_UP, time.monotonic() - start


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(INTERRUPTIONS)} (default: all)")
    parser.add_argument("--folder", type=Path, help="where to work; kept (default: a temporary one)")
    arguments = parser.parse_args()
    if unknown := set(arguments.names) - set(INTERRUPTIONS):
        parser.error(f"found {', '.join(sorted(unknown))}, expected some of {', '.join(INTERRUPTIONS)}")
    folder = arguments.folder or Path(tempfile.mkdtemp(prefix="tsal-slurm-"))
    with Cluster(folder.resolve()) as cluster:
        found = {}
        print(f"| interruption of a training of {STEPS} steps | steps before | went on after |")
        print("| --- | ---: | ---: |", flush=True)
        for name in arguments.names or INTERRUPTIONS:
            cluster.forget()
            target = f"{RUN}/scores.csv" if (cluster.work / REPORT).exists() else REPORT
            before, after, seconds = interrupted(cluster, INTERRUPTIONS[name], target)
            print(f"| {INTERRUPTIONS[name].title} | {before} | {after} |", flush=True)
            print(f"{name}: {seconds:.0f} s", file=sys.stderr, flush=True)
            found[name] = cluster.results()
        cluster.forget()
        cluster.finish(cluster.snakemake("--cores", "all", f"{RUN}/scores.csv", SLOW_TSAL_PAUSE="0"))
        undisturbed = cluster.results()
    differ = [name for name, results in found.items() if results != undisturbed]
    print(f"Other scores or weights than without SLURM: {', '.join(differ) or 'none'}")
    if arguments.folder is None:
        shutil.rmtree(folder)
    return int(bool(differ))


if __name__ == "__main__":
    sys.exit(main())

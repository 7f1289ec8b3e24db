"""`kill -9` at random moments in every stage: what the next `snakemake` makes has to equal what nobody disturbed.

    python tests/stress/kill.py --rounds 10 --together 2    # make stress

In each round everything is made from nothing: from the download of an archive, and the rendering of faces, to a table
and a figure. In each stage the process is killed once, at a moment drawn uniformly from the time that it takes: it
alone, as the kernel does when memory runs out, or together with snakemake, as when the power fails. Then snakemake is
started again, and so on to the end. All files have to be those of an undisturbed run, byte for byte, and no other file
may lie beside them. Rounds run side by side, so that the pauses of one, such as between two starts of snakemake, are
another's time. Prints a table; ends with 1 where something differs.
"""

import argparse
import contextlib
import hashlib
import http.server
import io
import json
import os
import random
import re
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pandas as pd
import psutil

ROOT = Path(__file__).parents[2]
STRESS = ROOT / "tests/stress"
sys.path.insert(0, str(ROOT / "tests"))

from archives import write_zip, ytf_files  # noqa: E402

STAGES = ("download", "render", "index", "crop", "flow", "warmup", "train", "predict", "score", "table", "figure")
TARGETS = ("data/synth/shards/0of1.zip", "results/local_nme.csv", "results/figures/local_ced.png")
ARCHIVE = "train-test-data.zip"
PATIENCE = 600  # seconds
DIGEST = 16  # bytes at the end of a shard, of what it is made of
# What differs between any two runs: how long things took, and what is said meanwhile.
TIMES = re.compile(r"results/timings/.*|logs/.*|\.snakemake/.*|snakemake\.txt")


class SlowServer(http.server.BaseHTTPRequestHandler):
    """Serves one file, from any byte on, in pieces with pauses, so that a download can be killed in its middle."""

    content = b""
    pieces = 20
    pause = 0.05

    def do_GET(self) -> None:
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        start, size = int(asked[1]) if asked else 0, len(self.content)
        if start >= size:
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{size}")
            self.end_headers()
            return
        self.send_response(206 if asked else 200)
        self.send_header("ETag", f'"{hashlib.sha256(self.content).hexdigest()}"')
        self.send_header("Content-Length", str(size - start))
        if asked:
            self.send_header("Content-Range", f"bytes {start}-{size - 1}/{size}")
        self.end_headers()
        step = -(-size // self.pieces)
        with contextlib.suppress(OSError):  # the one who asked was killed
            for begin in range(start, size, step):
                self.wfile.write(self.content[begin : begin + step])
                self.wfile.flush()
                time.sleep(self.pause)

    def log_message(self, *_: object) -> None:
        pass


@contextlib.contextmanager
def served(content: bytes) -> Iterator[str]:
    """The address of a server of a file."""
    handler = type("Handler", (SlowServer,), {"content": content})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/{ARCHIVE}"
        server.shutdown()


class Workplace:
    """A working directory, in which everything is made from nothing."""

    def __init__(self, folder: Path, url: str, content: bytes) -> None:
        self.folder = folder
        raw = folder / "data/raw/local"
        raw.mkdir(parents=True)
        # Plain http is downloaded from only where it is known what has to come.
        known = {"url": url, "size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        (raw / f"{ARCHIVE}.lock").write_text(json.dumps(known))
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        own = {"PATH": path, "PYTHONPATH": str(ROOT), "TSAL_PLUGINS": str(STRESS / "plugins"), "STRESS_URL": url}
        self.environment = os.environ | own

    def snakemake(self, *arguments: str) -> psutil.Popen:
        command = [sys.executable, "-m", "snakemake", *arguments, "--snakefile", str(ROOT / "Snakefile")]
        command += ["--directory", str(self.folder), "--configfile", str(STRESS / "config.yaml"), "--cores", "2"]
        with (self.folder / "snakemake.txt").open("a") as log:
            return psutil.Popen(command, cwd=self.folder, env=self.environment, stdout=log, stderr=log)

    def said(self) -> str:
        return (self.folder / "snakemake.txt").read_text(errors="replace")

    def files(self) -> dict[str, str]:
        """A digest of each file, by its path."""
        paths = (path for path in self.folder.rglob("*") if path.is_file() or path.is_symlink())
        named = ((path.relative_to(self.folder).as_posix(), path) for path in sorted(paths))
        return {name: hashlib.sha256(content_of(path)).hexdigest() for name, path in named if not TIMES.match(name)}

    def durations(self) -> dict[str, float]:
        """Seconds that a process of each stage took, of those that Snakemake measured."""
        found: dict[str, list[float]] = {stage: [] for stage in STAGES}
        for path in (self.folder / "results/timings").rglob("*.tsv"):
            name = path.relative_to(self.folder / "results/timings").as_posix()
            stage = next((stage for stage, part in PLACES.items() if re.search(part, name)), None)
            if stage:
                found[stage].append(float(pd.read_csv(path, sep="\t")["s"].iloc[0]))
        return {stage: max(seconds, default=2.0) for stage, seconds in found.items()}


RULES = {"table": "nme"}  # of stages that are called otherwise

# Where the measurements of each stage lie.
PLACES = {
    "warmup": r"/train/warmup",
    "table": r"nme\.tsv$",
    "figure": r"/figures/",
    **{stage: rf"/{stage}\b" for stage in ("download", "render", "index", "crop", "flow", "train", "predict", "score")},
}


def content_of(path: Path) -> bytes:
    """The content of a file, without the seconds that a training took, and without what tells crops and flow of images
    that were unpacked at one time from those of another.
    """
    if path.is_symlink():
        return os.readlink(path).encode()
    content = path.read_bytes()
    if path.name == "log.csv":
        return pd.read_csv(io.BytesIO(content)).drop(columns="seconds").to_csv().encode()
    if {"crops", "flow"} & set(path.parts):
        if path.suffix == ".json":
            index = json.loads(content)
            return json.dumps({key: value for key, value in index.items() if key not in ("shards", "crops")}).encode()
        if path.suffix == ".npy":
            return content[:-DIGEST]
    return content


def stage_of(process: psutil.Process) -> str | None:
    """The stage that a process computes."""
    try:
        words = process.cmdline()
    except psutil.Error:
        return None
    place = next((place for place, word in enumerate(words[:3]) if Path(word).name == "tsal"), None)
    stage = words[place + 1] if place is not None and len(words) > place + 1 else None
    return stage if stage in STAGES else None


def kill_one(head: psutil.Popen, left: dict[str, float], draw: random.Random) -> str | None:
    """Kill the process of one of the stages that are left, after a part of its time; returns its stage, None where
    snakemake ended before.
    """
    moments: dict[int, float] = {}
    while head.poll() is None:
        for process in head.children(recursive=True):
            stage = stage_of(process)
            if stage not in left:
                continue
            try:
                if process.pid not in moments:
                    moments[process.pid] = process.create_time() + draw.random() * left[stage]
                if time.time() < moments[process.pid]:
                    continue
                for each in [head, *head.children(recursive=True)] if draw.random() < 0.5 else [process]:
                    with contextlib.suppress(psutil.Error):
                        each.kill()
            except psutil.Error:  # it has just ended
                continue
            return stage
        time.sleep(0.03)
    return None


def undisturbed(place: Workplace) -> None:
    if place.snakemake(*TARGETS).wait(PATIENCE):
        raise RuntimeError(f"snakemake failed:\n{place.said()[-5000:]}")


def disturbed(place: Workplace, durations: dict[str, float], draw: random.Random) -> Counter[str]:
    """Make everything, with a kill in each stage; returns how often each was killed."""
    left, killed = dict(durations), Counter[str]()
    again: list[str] = []
    for _ in range(4 * len(STAGES)):
        head = place.snakemake(*TARGETS, *again)
        stage = kill_one(head, left, draw)
        if stage is not None:
            killed[stage] += 1
            del left[stage]
        code = head.wait(PATIENCE)
        if code == 0 and not left:
            return killed
        # What ended before its moment is made once more, and sooner. Killed meanwhile, the same command follows.
        if code == 0:
            again = ["--forcerun", *(RULES.get(stage, stage) for stage in left)]
        left = {stage: seconds * (0.7 if code == 0 else 1) for stage, seconds in left.items()}
        if code < 0:  # killed itself, and has left its lock
            place.snakemake("--unlock").wait(PATIENCE)
        elif stage is None and code:
            raise RuntimeError(f"snakemake failed, and nothing had been killed:\n{place.said()[-5000:]}")
    raise RuntimeError(f"snakemake did not come to its end:\n{place.said()[-5000:]}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=10, help="kills of each stage (default: 10)")
    parser.add_argument("--together", type=int, default=2, help="rounds side by side (default: 2)")
    parser.add_argument("--seed", type=int, default=0, help="of the moments (default: 0)")
    arguments = parser.parse_args()
    killed, wrong = Counter[str](), []
    with tempfile.TemporaryDirectory(prefix="tsal-stress-") as folder:
        content = write_zip(ytf_files(), Path(folder) / ARCHIVE).read_bytes()
        with served(content) as url:
            reference = Workplace(Path(folder) / "undisturbed", url, content)
            undisturbed(reference)
            expected, durations = reference.files(), reference.durations()

            def play(number: int) -> tuple[Counter[str], list[str]]:
                start = time.monotonic()
                place = Workplace(Path(folder) / f"round{number}", url, content)
                this = disturbed(place, durations, random.Random(f"{arguments.seed}, {number}"))
                found = place.files()
                differing = sorted(name for name in expected | found if expected.get(name) != found.get(name))
                seconds = time.monotonic() - start
                print(f"round {number + 1}: {this.total()} kills, {seconds:.0f} s", file=sys.stderr, flush=True)
                return this, [f"round {number + 1}: {name}" for name in differing]

            with ThreadPoolExecutor(arguments.together) as pool:
                for this, differing in pool.map(play, range(arguments.rounds)):
                    killed += this
                    wrong += differing
    print("| stage | seconds | `kill -9` |\n| --- | ---: | ---: |")
    for stage in STAGES:
        print(f"| {stage} | {durations[stage]:.1f} | {killed[stage]} |")
    print(f"\nOf {len(expected)} files, other bytes, missing or left over: {', '.join(wrong) or 'none'}")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())

"""Stands in for the command `tsal` in tests of the workflow: writes the files that each verb would."""

import json
import os
import sys
import time
from pathlib import Path


def outputs(verb: str, arguments: list[str]) -> list[Path]:
    """The files of a verb, given its arguments."""
    named = {arguments[i]: Path(arguments[i + 1]) for i in range(len(arguments) - 1)}
    if verb == "download":
        return [named["--raw-dir"] / "ytf/train-test-data.zip"]
    out = named["-o"]
    beside = {
        "index": [named.get("--images", out) / "face.png"],
        "warmup": [named.get("--log", out)],
        "train": [named.get("--log", out)],
        "figure": [out.with_suffix(".pdf")],
        "table": tables(named, out),
        "floor": [out.with_suffix(".md"), out.with_suffix(".tex")],
        "train-flow": [named.get("--log", out)],
    }
    return [out, *beside.get(verb, [])]


def tables(named: dict[str, Path], out: Path) -> list[Path]:
    """What is written beside a table."""
    if "--kind" in named:
        return [out.with_suffix(".md"), out.with_suffix(".tex")]
    names = ("nme.md", "nme.tex", "significance.csv")
    return [out.parent / "tables" / f"{named.get('--benchmark')}_{name}" for name in names]


def main() -> None:
    verb, *arguments = sys.argv[1:]
    if record := os.environ.get("STUB_RECORDS"):
        with open(record, "a") as file:
            file.write(json.dumps(sys.argv[1:]) + "\n")
    if verb == os.environ.get("STUB_WAITS"):
        Path("waits").touch()
        time.sleep(5)
    if verb == "estimate":
        Path("plan.json").write_text(sys.stdin.read())
        print("To do: what the plan says")
        return
    content = f"{verb} {time.time_ns()}\n"
    if verb == "settings":
        content = json.dumps(json.loads(arguments[arguments.index("--json") + 1]))
    if verb == os.environ.get("STUB_FAILS") == "render":
        if outputs(verb, arguments)[0].name == os.environ["STUB_FAILS_AT"]:
            sys.exit("killed")
    elif verb == os.environ.get("STUB_FAILS"):
        # As a training that is killed: its state lies beside the checkpoint, its log is not finished.
        out, log = outputs(verb, arguments)
        out.with_name(f"{out.name}.partial").write_text("state")
        log.write_text("iteration\n")
        sys.exit("killed")
    for path in outputs(verb, arguments):
        if verb == "download" and path.exists():
            continue  # the user's own
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)


main()

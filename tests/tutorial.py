"""Types docs/tutorial.md line by line: writes its files and runs its commands, with a video and few steps of training.

    python tests/tutorial.py VIDEO

in a clone whose set-up is done. What it makes beside data/ and results/ is removed in the end.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
MADE = ("video.mp4", "mine.yaml", "mine.onnx", "few_steps.yaml", "to_label", "to_label_next")
WRITTEN = [f"{name}.{suffix}" for name in ("before", "after") for suffix in ("csv", "mp4", "html")]
# Over the tutorial's own: a training of a few steps shows that everything runs.
FEW_STEPS = "benchmarks: {mine: {training: {warmup_steps: 2, steps: 3, evaluate_every: 2, batch: 4}}}\n"
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def blocks(page: Path) -> list[tuple[str, str]]:
    """Language and text of each block of code."""
    return _BLOCK.findall(page.read_text(encoding="utf-8"))


def commands(text: str) -> list[str]:
    """The commands of a block, one that goes on in the next line as one."""
    return [line for line in text.replace("\\\n", " ").splitlines() if line.strip()]


def main(video: str) -> None:
    if taken := [name for name in MADE + tuple(WRITTEN) if (ROOT / name).exists()]:
        sys.exit(f"{ROOT / taken[0]}: is there already, expected a clone in which the tutorial was not tried")
    shutil.copyfile(video, ROOT / "video.mp4")
    (ROOT / "few_steps.yaml").write_text(FEW_STEPS, encoding="utf-8")
    environment = os.environ | {"PATH": f"{ROOT / '.venv/bin'}:{os.environ['PATH']}"}
    try:
        for language, text in blocks(ROOT / "docs/tutorial.md"):
            if language == "yaml":
                (ROOT / re.match(r"# (\S+)\n", text)[1]).write_text(text, encoding="utf-8")
                continue
            for command in commands(text):
                command = command.replace("--configfile mine.yaml", "--configfile mine.yaml few_steps.yaml")
                print(f"$ {command}", flush=True)
                subprocess.run(["bash", "-ec", command], cwd=ROOT, env=environment, check=True)
        for name in WRITTEN + ["to_label/labels.json", "results/mine_nme.csv", "mine.onnx"]:
            if not (ROOT / name).stat().st_size:
                sys.exit(f"{name}: is empty")
    finally:
        for name in (*MADE, *WRITTEN):
            shutil.rmtree(ROOT / name, ignore_errors=True) if (ROOT / name).is_dir() else (ROOT / name).unlink(True)


if __name__ == "__main__":
    main(sys.argv[1])

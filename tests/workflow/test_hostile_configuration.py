"""A configuration full of quotes, blanks, commands and mark-up is planned and run as what it is: text."""

import json
import re
import shutil
from pathlib import Path

import pytest
import yaml
from hostile_texts import CANARY, MARKED, ODD, UNFIT
from planning import ROOT, errors, new_folder, planned, snakemake
from run_files import scores_table
from snakemake.common.configfile import load_configfile
from snakemake.report import publish_parts

from tsal.config.outputs import as_words, in_rst
from tsal.evaluation.kept import KeptRun, write_kept

KEPT = 'kept & $(touch canary) `x` l\'été; "ü"  (1)'
RAW = 'raw {wildcards} <a> $(touch canary) l\'été & "ü"; -x'
NOTE = " ".join([ODD[7], ODD[4], ODD[5]])
WEIGHTS = "w {x} $(touch canary)'\"&;.safetensors"
STUDIES = {f"study{n}": {"title": title, "methods": ["supervised", f"tsal{n}"]} for n, title in enumerate(ODD)}
METHODS = {f"tsal{n}": {"base": "tsal", "run": False, "weight": 0.1 * n, "title": t} for n, t in enumerate(ODD)}
SWEPT = {name: study | {"parameter": "weight"} for name, study in STUDIES.items()}
CONFIG = {
    "raw_dir": RAW,
    "methods": METHODS,
    "studies": SWEPT,
    "detector": {"name": "vgg16_cpm", "weights": WEIGHTS},
    "benchmarks": {"synth": {"shards": 1, "notes": {"full": NOTE}}},
}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working directory in which tables and figures with such titles were made. It is shared."""
    folder = new_folder(tmp_path_factory.mktemp("odd") / "wörk")
    (folder / "data/raw").rename(folder / RAW)
    (folder / "odd é.yaml").write_text(yaml.safe_dump(CONFIG))
    targets = [f"results/tables/synth_study{n}.csv" for n in range(len(ODD))]
    targets += [f"results/figures/synth_study{n}.png" for n in range(len(ODD))]
    arguments = ("--cores", "2", "--quiet", "all", "--configfile", "odd é.yaml", "--", "data/ytf/faces.parquet")
    process = snakemake(folder, *arguments, *targets, STUB_RECORDS=str(folder / "commands"))
    assert process.returncode == 0, process.stdout + process.stderr
    return folder


def options(folder: Path, verb: str, name: str) -> list[str]:
    """The values that commands of a verb were given for an option."""
    commands = [json.loads(line) for line in (folder / "commands").read_text().splitlines()]
    found = [command for command in commands if command[0] == verb]
    pairs = [(word, after) for command in found for word, after in zip(command, [*command[1:], ""], strict=True)]
    joined = [(f"--{name}", word.partition("=")[2]) for word, _ in pairs if word.startswith(f"--{name}=")]
    return [after for word, after in [*pairs, *joined] if word == f"--{name}"]


def no_canary(folder: Path) -> bool:
    return not list(folder.parent.rglob(CANARY))


def test_every_text_reaches_its_command_as_one_word_and_none_is_run(built):
    assert no_canary(built)
    assert sorted(options(built, "table", "title")) == sorted(ODD)
    assert set(options(built, "index", "raw-dir")) == set(options(built, "download", "raw-dir")) == {RAW}
    notes = [json.loads(text) for verb in ("table", "figure") for text in options(built, verb, "notes")]
    notes += [json.loads(text)["synth"] for text in options(built, "report", "notes")]
    assert {each["subsets"]["full"] for each in notes} == {NOTE}
    names = [json.loads(text) for text in options(built, "table", "names")]
    assert sorted(title for each in names for title in each.values() if title in ODD) == sorted(ODD)
    settings = [json.loads(text) for text in options(built, "settings", "json")]
    assert {each["detector"]["weights"] for each in settings if "detector" in each} == {WEIGHTS}


def test_nothing_is_made_twice_of_it(built):
    process = snakemake(built, "-n", "--configfile", "odd é.yaml", "--", "results/tables/synth_study0.csv")
    assert "Nothing to be done" in process.stdout + process.stderr


def test_snakemakes_report_shows_it_and_neither_runs_nor_includes_anything(built, tmp_path):
    targets = [f"results/figures/synth_study{n}.png" for n in range(len(ODD))]
    arguments = ("--configfile", "odd é.yaml", "--report", str(tmp_path / "report.html"), "--", *targets)
    process = snakemake(built, *arguments)
    assert process.returncode == 0, process.stdout + process.stderr
    page = (tmp_path / "report.html").read_text()
    assert "root:x:" not in page and no_canary(built)
    results = json.loads(re.search(r'<script id="results">\s*var results = (.*);\n', page)[1])
    labels = [each["labels"]["figure"].replace("\u2060", "") for each in results.values()]
    assert sorted(labels) == sorted(ODD)
    assert not re.search(r"<[a-zA-Z/!?]", json.dumps([{**each, "caption": ""} for each in results.values()]))
    for each in results.values():
        assert "<script" not in each["caption"] and "system-message" not in each["caption"]


@pytest.mark.parametrize("text", [*ODD, *MARKED])
def test_captions_show_a_title_as_it_is_written(text):
    shown = publish_parts(f"{in_rst(text)}: NME of `difference`.", writer_name="html")["body"].strip()
    plain = re.sub(r"<[^>]*>", "", shown)
    for entity, character in (("&lt;", "<"), ("&gt;", ">"), ("&quot;", '"'), ("&#64;", "@"), ("&amp;", "&")):
        plain = plain.replace(entity, character)
    assert plain == f"{text}: NME of difference."
    assert set(re.findall(r"<(\w+)", shown)) == {"p", "cite"}


def test_kept_runs_may_lie_in_a_folder_of_any_name_that_is_no_pattern(built, tmp_path):
    folder = tmp_path / "again"
    shutil.copytree(built, folder, symlinks=True)
    settings = sorted(folder.glob("results/runs/synth/[!w]*/*/*/settings.yaml"))
    scores = scores_table([5.0]).assign(person="")
    runs = [KeptRun(*p.parts[-4:-2], int(p.parts[-2][4:]), 1, json.loads(p.read_text()), "", scores) for p in settings]
    write_kept(folder / KEPT / "synth.parquet", runs, json.loads((folder / "data/synth/index.yaml").read_text()))
    shutil.rmtree(folder / "results")
    (folder / "commands").unlink()
    (folder / "kept.yaml").write_text(yaml.safe_dump(CONFIG | {"finished": KEPT}))
    arguments = ("--cores", "1", "--configfile", "kept.yaml", "--", "results/tables/synth_study0.csv")
    process = snakemake(folder, *arguments, STUB_RECORDS=str(folder / "commands"))
    assert process.returncode == 0, process.stdout + process.stderr
    (command,) = [json.loads(line) for line in (folder / "commands").read_text().splitlines() if '["table"' in line]
    assert f"{KEPT}/synth.parquet/supervised/0.02/seed0/scores.csv" in command
    assert no_canary(folder)


@pytest.mark.parametrize("text", [*UNFIT[:-1], "{kept}", "-kept", "</script>"])
def test_what_would_not_do_ends_with_one_line_that_a_terminal_can_show(tmp_path, text):
    (tmp_path / "mine.yaml").write_text(json.dumps({"finished": text}))
    output = errors(snakemake(tmp_path, "-n", "--configfile", "mine.yaml"))
    (line,) = [line for line in output.split("\n") if "finished" in line]
    assert line.startswith("mine.yaml: finished: found ") and "expected the path of a folder, in one line" in line
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u202e]", output)


@pytest.mark.parametrize(
    "target",
    [
        "results/figures/$(touch canary)_ced.png",
        "results/synth;touch canary;_nme.csv",
        "results/runs/synth/`touch canary`/0.1/seed0/scores.csv",
        "results/runs/synth/tsal/0.1&touch canary&/seed0/scores.csv",
        "results/runs/synth/tsal/0.1/seed0;touch canary/scores.csv",
        "data/synth/crops/96px_..$(touch canary)_1/train.json",
        "data/synth/crops/96px_.._../train.json",
        "data/synth/shards/0of1;touch canary.zip",
        "results/tables/synth_on_$(touch canary).csv",
        "results/figures/synth_a\ntouch canary\n.png",
    ],
)
def test_a_target_of_the_command_line_names_what_there_is_or_nothing(tmp_path, target):
    folder = new_folder(tmp_path)
    process = snakemake(folder, "--cores", "1", "--quiet", "all", "--", target)
    assert process.returncode != 0 and no_canary(folder)
    assert "Traceback" not in process.stdout + process.stderr


def test_every_value_that_a_rule_gives_to_a_shell_is_quoted():
    count = 0
    for file in sorted((ROOT / "workflow/rules").glob("*.smk")):
        for command in re.findall(r"    shell:\n((?: +\".*\"\n)+)", file.read_text()):
            for placeholder in re.findall(r"\{([^}]*)\}", command):
                assert placeholder.endswith(":q"), f"{file.name}: {{{placeholder}}}"
                count += 1
    assert count > 100


def test_options_are_words_of_which_none_is_read_as_another_option():
    options = {"title": "-x", "floor": [], "faces": None, "steps": 0, "thresholds": [8, 10]}
    assert as_words(options) == ["--title=-x", "--steps", "0", "--thresholds", "8", "10"]


def test_a_file_can_run_code_by_a_key_that_snakemake_obeys_and_docs_say_so(tmp_path):
    """Why docs/configuration.md calls a configuration from a stranger a program."""
    file = tmp_path / "mine.yaml"
    file.write_text(f'__use_yte__: true\n__definitions__:\n  - open({str(tmp_path / CANARY)!r}, "w").close()\n')
    load_configfile(file)
    assert (tmp_path / CANARY).exists()
    assert "`__use_yte__: true`" in (ROOT / "docs/configuration.md").read_text()


def test_that_key_is_refused_afterwards(tmp_path):
    (tmp_path / "mine.yaml").write_text("__use_yte__: true\nlabels: [0.1]\n")
    output = errors(snakemake(tmp_path, "-n", "--configfile", "mine.yaml"))
    assert "mine.yaml: __use_yte__: unknown key" in output


def test_a_title_is_no_reason_to_train_again(built):
    changed = CONFIG | {"methods": {name: entry | {"title": "Another"} for name, entry in METHODS.items()}}
    (built / "changed.yaml").write_text(yaml.safe_dump(changed))
    jobs = planned(snakemake(built, "-n", "--configfile", "changed.yaml", "--", "results/tables/synth_study0.csv"))
    assert set(jobs) == {"table"}

"""The study of what is claimed, as a workflow: what it is made of, and what finished runs save.

Jobs are planned, or run with a stand-in for `tsal`; what the commands do is tested elsewhere.
"""

import copy
import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from configurations import DEFAULT as CONFIG
from planning import errors, new_folder, planned, snakemake
from run_files import scores_table

from tsal import cli
from tsal.evaluation.kept import KeptRun, write_kept

STUDIES = CONFIG["studies"]
SMALL = {
    "claims": {"benchmarks": ["synth"], "studies": ["comparison", "pool_share"]},
    "studies": {
        "comparison": {"methods": ["tsal", "supervised"], "labels": [0.05, 1], "seeds": [0, 1]},
        "pool_share": {"methods": ["supervised", "tsal_pool_share_025", "tsal"], "seeds": [0]},
    },
}
RUNS = 2 * 2 * 2 + 1  # of the comparison, and of a quarter of the pool


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return new_folder(tmp_path)


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> subprocess.CompletedProcess:
    """A dry run of `claims` with the configuration of the repository, where nothing has been made yet."""
    return snakemake(new_folder(tmp_path_factory.mktemp("claims")), "-n", "claims")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working directory in which a small study was done: its runs are kept in kept/, results/ is gone.

    It is shared: plan in it only.
    """
    folder = new_folder(tmp_path_factory.mktemp("small"))
    (folder / "small.yaml").write_text(yaml.safe_dump(SMALL))
    process = snakemake(folder, "--cores", "2", "--quiet", "all", "--configfile", "small.yaml", "--", "claims")
    assert process.returncode == 0, process.stdout + process.stderr
    scores = scores_table([5.0]).assign(person="")
    runs = [
        KeptRun(*path.parts[-4:-2], int(path.parts[-2][4:]), 1, json.loads(path.read_text()), "", scores)
        for path in folder.glob("results/runs/synth/[!w]*/*/*/settings.yaml")
    ]
    write_kept(folder / "kept/synth.parquet", runs, json.loads((folder / "data/synth/index.yaml").read_text()))
    shutil.rmtree(folder / "results")
    return folder


def plan_again(folder: Path, change: dict | None = None, *arguments: str) -> subprocess.CompletedProcess:
    """Plan the small study with the kept runs, after a change of the configuration."""
    values = copy.deepcopy(SMALL) | {"finished": "kept"} | (change or {})
    (folder / "again.yaml").write_text(yaml.safe_dump(values))
    return snakemake(folder, "-n", "--configfile", "again.yaml", *arguments, "--", "claims")


def commands(process: subprocess.CompletedProcess, verb: str) -> list[str]:
    return re.findall(rf"^Shell command: tsal ({verb} .*) 2>&1 \| tee -i logs/", process.stdout, re.MULTILINE)


def studies_of(benchmark: str) -> list[str]:
    """The studies of `claims` that are built on a benchmark."""
    return [name for name in CONFIG["claims"]["studies"] if benchmark in STUDIES[name].get("benchmarks", [benchmark])]


def runs_of(*studies: str) -> set[str]:
    runs = set()
    for entry in map(STUDIES.get, studies):
        seeds = entry.get("seeds", CONFIG["seeds"])
        runs |= {f"{m}/{p}/seed{s}" for m in entry["methods"] for p in entry["labels"] for s in seeds}
    return runs


def test_each_run_of_the_study_is_trained_once_for_all_its_tables(plan):
    wanted = [f"{b}/{run}" for b in CONFIG["claims"]["benchmarks"] for run in runs_of(*studies_of(b))]
    trained = [re.search(r"runs/(.*)/settings", command)[1] for command in commands(plan, "train")]
    assert sorted(trained) == sorted(wanted)


def test_the_study_makes_the_tables_and_figures_of_every_claim(plan):
    made = set(re.findall(r"-o (results/(?:claims|tables|figures)/\S+)", plan.stdout))
    tables = [f"claims/{{}}_{name}.csv" for name in ("nme", "significance", "gap", "cost")]
    figures = ["ema_decay", "mu", "pseudo_labels", "pool_share", "claim_budgets", "claim_signals"]
    files = [*tables, *(f"figures/{{}}_{name}.png" for name in figures)]
    for benchmark in ("ytf", "synth"):
        studies = [f"tables/{{}}_{study}.csv" for study in studies_of(benchmark)]
        assert {f"results/{file.format(benchmark)}" for file in [*files, *studies]} <= made
    assert "results/figures/synth_claim_jitter.png" in made
    assert "results/figures/ytf_claim_jitter.png" not in made  # its frames lie apart


def test_each_command_of_the_study_is_understood(plan):
    found = commands(plan, r"[\w-]+")
    assert len(found) == sum(planned(plan).values())
    parsed = [cli.parser().parse_args(shlex.split(command)) for command in found]
    claims = {p.output.name: p for p in parsed if p.verb == "table" and p.output.parent.name == "claims"}
    assert {p.kind for p in claims.values()} == {"runs", "significance", "gap", "cost"}
    given = {name: claims[f"ytf_{name}.csv"].inputs for name in ("nme", "gap", "cost")}
    runs = {name: {"/".join(path.parts[3:6]) for path in paths} for name, paths in given.items()}
    full = {f"supervised/1/seed{seed}" for seed in STUDIES["comparison"]["seeds"]}  # which the gap is measured from
    assert runs["gap"] == runs["cost"] == runs_of("comparison") | full
    assert runs["nme"] == runs_of(*studies_of("ytf"))


def test_kept_runs_are_not_trained_and_their_scores_and_logs_are_read_where_they_lie(built):
    process = plan_again(built)
    jobs = planned(process)
    assert not {"settings", "warmup", "train", "predict", "score"} & set(jobs)
    assert (jobs["table"], jobs["figure"]) == (4 + 2, 3 + 1)  # of the claims and of the two studies
    (nme,) = commands(process, "table --kind runs")
    assert nme.count("kept/synth.parquet/") == RUNS and "results/runs" not in nme
    (cost,) = commands(process, "table --kind cost")
    assert "kept/synth.parquet/tsal/0.05/seed1/log.csv" in cost


def test_kept_runs_with_other_settings_are_trained_and_one_line_a_method_says_so(built):
    process = plan_again(
        built, {"methods": {"tsal_pool_share_025": {"weight": 0.5}, "supervised": {"detector": {"sigma": 3.0}}}}
    )
    trained = {re.search(r"synth/(\w+)/", command)[1] for command in commands(process, "train")}
    assert trained == {"supervised", "tsal_pool_share_025"}
    said = re.findall(r"kept/\S+: runs with another \S+ than the configuration's", process.stdout + process.stderr)
    assert sorted(said) == [
        "kept/synth.parquet/supervised: runs with another detector.sigma than the configuration's",
        "kept/synth.parquet/tsal_pool_share_025: runs with another options.weight than the configuration's",
    ]


def test_kept_runs_on_other_faces_are_trained_anew(built):
    process = plan_again(built, {"benchmarks": {"synth": {"people": 30}}})
    assert planned(process)["train"] == RUNS
    assert (process.stdout + process.stderr).count("measured on other faces than the configuration's") == 1


def test_a_seed_that_is_not_kept_is_trained_beside_those_that_are(built):
    studies = copy.deepcopy(SMALL["studies"])
    studies["pool_share"]["seeds"] = [0, 1]
    process = plan_again(built, {"studies": studies})
    (command,) = commands(process, "train")
    assert "tsal_pool_share_025/0.05/seed1" in command
    assert "trained anew" not in process.stdout + process.stderr


def test_a_folder_of_kept_runs_that_is_not_there_is_named(folder):
    output = errors(snakemake(folder, "-n", "--config", "finished=docs/none", "--", "claims"))
    assert "finished: found docs/none, expected a folder with kept runs or null; fill it with `tsal keep`" in output

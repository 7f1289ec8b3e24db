"""The workflow: what is made from what, what a change makes anew, and what a user is told.

Jobs are planned, or run with a stand-in for `tsal`; what the commands do is tested elsewhere.
"""

import argparse
import json
import re
import shlex
import shutil
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import yaml
from archives import write_zip
from planning import ARCHIVE, ROOT, errors, new_folder, planned, snakemake, write_archive
from snakemake.cli import parse_args

from tsal.data.faces import make_faces, write_faces
from tsal.synth import RENDERER

BENCHMARKS = ("synth", "ytf")
FIGURES = ("faces", "ced", "training", "signals", "overlay")
AFTER_TRAINING = {"figure", "nme", "report"}


def patched(folder: Path, *lines: str) -> Path:
    """A PYTHONPATH with which Python runs some lines before all else."""
    (folder / "site").mkdir()
    (folder / "site/sitecustomize.py").write_text("\n".join([*lines, ""]))
    return folder / "site"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return new_folder(tmp_path)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working directory in which everything has been made. It is shared: plan in it only."""
    folder = new_folder(tmp_path_factory.mktemp("built"))
    process = snakemake(folder, "--cores", "2", "--quiet", "all")
    assert process.returncode == 0, process.stdout + process.stderr
    return folder


@pytest.fixture(scope="module")
def first_plan(tmp_path_factory: pytest.TempPathFactory) -> subprocess.CompletedProcess:
    """A dry run where nothing has been made yet."""
    return snakemake(new_folder(tmp_path_factory.mktemp("fresh")), "-n", "all")


@pytest.fixture
def plan(built: Path, tmp_path: Path) -> Callable[..., dict[str, int]]:
    """Plan `all` in the built directory after a change of the configuration."""

    def plan(change: dict | None = None, *arguments: str) -> dict[str, int]:
        override = tmp_path / "override.yaml"
        override.write_text(yaml.safe_dump(change or {"raw_dir": "data/raw"}))
        return planned(snakemake(built, "-n", "--configfile", str(override), *arguments))

    return plan


# --- what is made ---


@pytest.mark.parametrize("benchmark", BENCHMARKS)
def test_all_goes_from_the_archive_or_from_nothing_to_table_figures_and_report(built, benchmark):
    runs = built / "results/runs" / benchmark
    assert {path.name for path in runs.iterdir()} == {"warmup", "supervised", "tsal"}
    for method in ("supervised", "tsal"):
        files = {path.name for path in (runs / method / "0.02/seed0").iterdir()}
        assert files == {
            "settings.yaml",
            "checkpoint.safetensors",
            "log.csv",
            "predictions.csv",
            "scores.csv",
        }
    for name in FIGURES:
        for kind in ("png", "pdf"):
            assert (built / f"results/figures/{benchmark}_{name}.{kind}").exists()
    assert (built / f"results/{benchmark}_nme.csv").exists()
    assert (built / "results/report.html").exists()


def test_a_run_begins_with_what_it_will_do(built):
    plan = json.loads((built / "plan.json").read_text())
    config = yaml.safe_load((ROOT / "config.yaml").read_text())
    faces = config["benchmarks"]["synth"]
    assert plan["pictures"] == faces["stills"] + faces["clips"] * faces["clip_frames"]
    assert plan["jobs"]["render"] == faces["shards"] and plan["jobs"]["train"] == 4 and plan["cores"] > 0
    assert sorted(run["settings"]["method"] for run in plan["trainings"]) == [
        *["supervised"] * 2,
        *["tsal"] * 2,
        *["warmup"] * 2,
    ]


def test_every_run_says_with_which_settings_it_was_trained(built):
    settings = yaml.safe_load((built / "results/runs/ytf/tsal/0.02/seed0/settings.yaml").read_text())
    config = yaml.safe_load((ROOT / "config.yaml").read_text())
    expected = config["training"]
    expected["augmentation"] |= config["benchmarks"]["ytf"]["training"]["augmentation"]
    assert settings["training"] == expected
    assert settings["detector"] == config["detector"]
    assert (settings["method"], settings["labels"], settings["benchmark"]) == ("tsal", 0.02, "ytf")
    assert settings["options"] == {key: value for key, value in config["methods"]["tsal"].items() if key != "run"}
    assert settings["unlabelled"] == config["unlabelled"]


def test_every_step_leaves_a_log_and_its_cost(built):
    rules = [
        "download",
        "index",
        "crop/96px_0.2_1.3333333/train",
        "flow/dis/96px_0.2_1.3333333/train",
        "train/tsal/0.02/seed0",
        "scores/runs/tsal/0.02/seed0",
        "nme",
        "figures/ced",
    ]
    steps = [f"ytf/{rule}" for rule in rules] + ["synth/render/3of4", "synth/figures/faces"]
    for step in steps:
        assert (built / f"logs/{step}.log").exists()
        assert "max_rss" in (built / f"results/timings/{step}.tsv").read_text()


def test_what_is_rendered_is_known_by_its_settings_and_its_renderer(built):
    made_of = yaml.safe_load((built / "data/synth/index.yaml").read_text())
    config = yaml.safe_load((ROOT / "config.yaml").read_text())["benchmarks"]["synth"]
    config.pop("shards")
    assert made_of == {"benchmark": "synth", "renderer": RENDERER, "settings": config}


def test_the_face_table_is_made_of_all_shards_and_of_no_raw_data(built, first_plan):
    assert {path.name for path in (built / "data/synth/shards").iterdir()} == {f"{i}of4.zip" for i in range(4)}
    (command,) = re.findall(r"^Shell command: tsal index synth (.*)$", first_plan.stdout, re.MULTILINE)
    assert re.findall(r"\d+of\d+", command) == [f"{i}of4" for i in range(4)]
    assert "--raw-dir" not in command
    assert not (built / "data/synth/raw.ok").exists()


def test_only_methods_that_track_are_given_flow(first_plan):
    commands = re.findall(r"^Shell command: (tsal train .*)$", first_plan.stdout, re.MULTILINE)
    given = {re.search(r"runs/(\w+/\w+)/", command)[1]: "--flow" in command for command in commands}
    assert given == {f"{name}/{method}": method == "tsal" for name in BENCHMARKS for method in ("supervised", "tsal")}


def test_each_job_runs_one_command_that_is_printed_and_understood(first_plan):
    from tsal import cli

    commands = re.findall(r"^Shell command: tsal (.*) 2>&1 \| tee -i logs/", first_plan.stdout, re.MULTILINE)
    assert len(commands) == sum(planned(first_plan).values())
    verbs = set()
    for command in commands:
        verbs.add(cli.parser().parse_args(shlex.split(command)).verb)
    assert verbs == {
        *("download", "settings", "render", "index", "crop", "flow", "warmup", "train"),
        *("floor", "predict", "score", "table", "figure", "report"),
    }


def test_a_training_has_a_process_for_each_gpu_that_its_job_asks_for(folder, first_plan):
    assert "--processes" not in first_plan.stdout
    plan = snakemake(folder, "-n", "all", "--config", "gpu=2", "--resources", "gpu=4")
    commands = re.findall(r"^Shell command: tsal (\S+) .* --device (\S+) (.*?)--save-every", plan.stdout, re.MULTILINE)
    assert {verb for verb, _, _ in commands} == {"warmup", "train"}
    assert {(device, processes) for _, device, processes in commands} == {("cuda", "--processes 2 ")}


def test_single_keys_can_be_set_on_the_command_line(folder):
    arguments = ("seeds=[0,1,2]", "labels=[0.05, n7]", "methods={tsal: {ema_decay: 0.6}}")
    assert planned(snakemake(folder, "-n", "--config", *arguments))["train"] == 3 * 2 * 2 * len(BENCHMARKS)


def test_methods_keep_the_order_of_the_configuration(folder):
    (folder / "override.yaml").write_text("methods: {tsal: {ema_decay: 0.5}}")
    process = snakemake(folder, "-n", "--configfile", "override.yaml")
    table, _ = re.findall(r"^Shell command: tsal table .*$", process.stdout, re.MULTILINE)
    assert table.index("/supervised/") < table.index("/tsal/")


def test_methods_that_train_alike_share_a_warm_up(folder):
    methods = {
        "calm": {"base": "tsal", "ema_decay": 0.999},
        "small": {"base": "tsal", "training": {"batch": 8}},
        "small_supervised": {"base": "supervised", "training": {"batch": 8}},
    }
    (folder / "override.yaml").write_text(yaml.safe_dump({"methods": methods, "labels": [0.05, 1], "seeds": [0, 1]}))
    jobs = planned(snakemake(folder, "-n", "--configfile", "override.yaml"))
    assert jobs["train"] == 5 * 4 * len(BENCHMARKS)
    assert jobs["warmup"] == 2 * 4 * len(BENCHMARKS)


# --- what a change makes anew ---


def test_nothing_is_made_twice(plan):
    assert plan() == {}


def test_how_it_is_computed_is_no_reason_to_compute_it_again(plan):
    assert plan({"threads": 1, "device": "cpu", "gpu": 1, "download": True}) == {}


@pytest.mark.parametrize(
    "notes", ["a part of it", {"training": "10 of 20 faces", "full": "crops of another set, < x {1} & 'y'"}]
)
def test_a_note_makes_tables_figures_and_the_report_anew_and_nothing_else(plan, notes):
    jobs = plan({"benchmarks": {"ytf": {"notes": notes}}})
    assert jobs == {"floor": 1, "nme": 1, "figure": len(FIGURES), "report": 1}


def test_an_archive_in_another_place_is_the_same_archive(plan, built, tmp_path):
    shutil.copytree(built / "data/raw", tmp_path / "elsewhere")
    assert plan({"raw_dir": str(tmp_path / "elsewhere")}) == {}


def test_an_archive_that_has_gone_is_not_missed_where_it_was_indexed(plan, tmp_path):
    assert plan({"raw_dir": str(tmp_path / "nowhere")}) == {}


@pytest.mark.slow
def test_nothing_is_made_twice_after_a_download_either(folder):
    shutil.rmtree(folder / "data/raw")
    process = snakemake(folder, "--cores", "2", "data/ytf/faces.parquet")
    assert process.returncode == 0, process.stderr
    assert (folder / "data/raw" / ARCHIVE).exists()
    raw = yaml.safe_load((folder / "data/ytf/index.yaml").read_text())["raw"]
    assert raw["train-test-data.zip"]["bytes"] == (folder / "data/raw" / ARCHIVE).stat().st_size
    assert planned(snakemake(folder, "-n", "data/ytf/faces.parquet")) == {}


def test_the_order_of_keys_is_no_reason_to_compute_it_again(plan):
    config = yaml.safe_load((ROOT / "config.yaml").read_text())
    backwards = dict(reversed(config["training"].items()))
    assert plan({"training": backwards}) == {}


def test_another_archive_makes_everything_anew(plan, tmp_path):
    write_archive(tmp_path / "elsewhere", "b")
    jobs = plan({"raw_dir": str(tmp_path / "elsewhere")})
    assert {"index", "crop", "flow", "warmup", "train", "predict", "score", *AFTER_TRAINING} <= set(jobs)


def test_fewer_people_make_everything_anew_but_the_download(plan):
    jobs = plan({"benchmarks": {"ytf": {"max_people": 20}}})
    assert {"index", "crop", "flow", "warmup", "train", *AFTER_TRAINING} <= set(jobs)
    assert not {"download", "render"} & set(jobs)


@pytest.mark.parametrize("change", [{"stills": 100}, {"seed": 1}, {"challenging": 0.5}])
def test_other_faces_to_render_make_everything_of_their_benchmark_anew(plan, change):
    jobs = plan({"benchmarks": {"synth": change}})
    assert (jobs["index_settings"], jobs["render"], jobs["index"], jobs["warmup"], jobs["train"]) == (1, 4, 1, 1, 2)
    assert set(jobs) >= AFTER_TRAINING


def test_the_released_detector_is_trained_on_rendered_faces_alone(folder):
    process = snakemake(folder, "-n", "release", "--configfile", ROOT / "config/release.yaml")
    jobs = planned(process)
    assert jobs["release"] == jobs["train"] == jobs["warmup"] == 1 and jobs["render"] == 28
    assert not {"download", "flow"} & set(jobs)


def test_a_start_from_the_released_detector_is_given_its_file(folder):
    about = {"benchmarks": {"synth": {"detector": {"width": 32}, "training": {"pretrained": "released"}}}}
    (folder / "from_released.yaml").write_text(json.dumps(about))
    process = snakemake(folder, "-n", "-p", "results/synth_nme.csv", "--configfile", "from_released.yaml")
    assert planned(process)["warmup"] == 1
    assert "--pretrained" in process.stdout and "weights/rendered.safetensors" in process.stdout


def test_a_flip_test_takes_over_the_training_of_its_base(folder):
    flips = {"base": "supervised", "run": True, "flip_test": True}
    about = {"benchmarks": {"synth": {"methods": ["supervised", "flips"]}, "ytf": {"methods": ["supervised"]}}}
    (folder / "flips.yaml").write_text(json.dumps({"methods": {"flips": flips}, **about}))
    process = snakemake(folder, "-n", "-p", "results/synth_nme.csv", "--configfile", "flips.yaml")
    jobs = planned(process)
    assert (jobs["train"], jobs["take_over"], jobs["predict"], jobs["settings"]) == (1, 1, 2, 3)  # and the warm-up's
    predictions = [line for line in process.stdout.splitlines() if "tsal predict" in line]
    assert sorted("--flip-test" in line and "/flips/" in line for line in predictions) == [False, True]


def test_another_number_of_shards_renders_the_same_faces_in_other_parts(plan):
    jobs = plan({"benchmarks": {"synth": {"shards": 3}}})
    assert (jobs["render"], jobs["index"]) == (3, 1)
    assert "index_settings" not in jobs


def test_another_renderer_renders_anew(built, tmp_path):
    site = patched(tmp_path, "import tsal.synth", "tsal.synth.RENDERER = -1")
    jobs = planned(snakemake(built, "-n", python_path=site))
    assert (jobs["index_settings"], jobs["render"], jobs["index"]) == (1, 4, 1)


@pytest.mark.slow
def test_a_killed_rendering_goes_on_with_the_shards_that_are_missing(folder):
    arguments = ("--cores", "1", "data/synth/faces.parquet")
    killed = snakemake(folder, "--keep-going", *arguments, STUB_FAILS="render", STUB_FAILS_AT="2of4.zip")
    assert killed.returncode != 0
    assert {path.name for path in (folder / "data/synth/shards").iterdir()} == {
        f"{i}of4.zip" for i in range(4) if i != 2
    }
    again = snakemake(folder, *arguments)
    assert again.returncode == 0, again.stderr
    assert re.findall(r"tsal render synth .* --shard (\d)", again.stderr) == ["2"]


def test_another_crop_geometry_keeps_the_index(plan):
    jobs = plan({"detector": {"expand": 0.3}})
    assert {"crop", "flow", "warmup", "train"} <= set(jobs)
    assert not {"download", "index", "index_settings"} & set(jobs)


def test_an_option_of_a_method_trains_that_method_alone(plan):
    jobs = plan({"methods": {"tsal": {"ema_decay": 0.123}}})
    each = dict.fromkeys(["settings", "train", "predict", "score", "nme"], len(BENCHMARKS))
    figures = len(FIGURES) - 1  # all but the faces
    assert jobs == {**each, "figure": figures * len(BENCHMARKS), "report": 1}


def test_a_training_key_trains_everything_on_the_same_crops(plan):
    jobs = plan({"training": {"steps": 7}})
    n = len(BENCHMARKS)
    assert (jobs["warmup"], jobs["train"], jobs["settings"]) == (n, 2 * n, 3 * n)
    assert not {"index", "crop", "flow"} & set(jobs)


def test_a_new_method_is_trained_alone(plan):
    jobs = plan({"methods": {"tsal_heavy": {"base": "tsal", "weight": 3.0}}})
    assert (jobs["train"], jobs["settings"], jobs["score"]) == (len(BENCHMARKS),) * 3
    assert set(jobs) >= AFTER_TRAINING
    assert "warmup" not in jobs


def test_a_method_that_is_not_run_leaves_its_runs_and_the_table_is_made_anew(plan):
    jobs = plan({"methods": {"tsal": {"run": False}}})
    assert "train" not in jobs
    assert "nme" in jobs


# --- the paper ---


@pytest.fixture(scope="module")
def listed(tmp_path_factory: pytest.TempPathFactory) -> subprocess.CompletedProcess:
    """A dry run of `paper` where none of its raw data is there."""
    return snakemake(new_folder(tmp_path_factory.mktemp("paper")), "-n", "paper")


def test_the_paper_can_be_listed_without_its_data_and_says_what_is_needed(listed):
    jobs = planned(listed)
    assert jobs["nme"] == 3
    output = listed.stdout + listed.stderr
    for name, archive in (("300w", "afw.zip"), ("aflw", "aflw.tar.gz"), ("300vw", "300VW_Dataset_2015_12_14.zip")):
        assert output.count(f"Needed: {name}: {archive}") == (name != "300w")  # that can be downloaded
    assert jobs["download"] == 4  # the pool of ytf, too
    published = [f"tables/{name}_published.csv" for name in ("300w", "aflw", "300vw")]
    figures = ["figures/aflw_ema_decay.png", "figures/300vw_trajectory.png"]
    for target in ("tables/300vw_categories.csv", "tables/300w_on_300vw.csv", *published, *figures):
        assert f"results/{target}" in output


def test_each_command_of_the_paper_is_understood(listed):
    from tsal import cli

    commands = re.findall(r"^Shell command: tsal (.*) 2>&1 \| tee -i logs/", listed.stdout, re.MULTILINE)
    assert len(commands) == sum(planned(listed).values())
    parsed = [cli.parser().parse_args(shlex.split(command)) for command in commands]
    assert {p.kind for p in parsed if p.verb == "table"} == {
        "nme",
        "runs",
        "published",
        "categories",
        "budgets",
        "study",
    }
    (study,) = (p for p in parsed if p.verb == "table" and p.output.name == "300vw_parts.csv")
    assert next(iter(json.loads(study.names))) == "tsal"
    assert json.loads(study.names)["tsal_no_raf"] == "without averaging (RAF)"
    (sweep,) = (p for p in parsed if p.verb == "figure" and p.output.name == "300vw_mu.png")
    assert sorted(json.loads(sweep.values).values()) == [0, 0.25, 0.5, 0.75, 1]


def test_methods_of_another_preset_see_other_crops_and_pools_are_given_with_their_flow(listed):
    commands = re.findall(r"^Shell command: tsal (train .*) 2>&1 \| tee", listed.stdout, re.MULTILINE)
    of = {re.search(r"runs/(\w+/\w+/[\w.]+)/", command)[1]: command for command in commands}
    pooled = of["300w/tsal_pool_300vw/1"]
    crops = "crops/256px_0.2_1.3333333"
    assert f"--crops data/300w/{crops} --pool data/300vw/{crops}" in pooled
    assert "--flow data/300vw/flow/dis/256px_0.2_1.3333333/train.json" in pooled
    assert "--flow " not in of["300w/tsal/1"]  # still images
    paper = of["300vw/tsal_paper/1"]
    flow = "data/300vw/flow/pwc/256px_0.2_1.3333333"
    assert f"--flow {flow}/train.json --flow-network {flow}/network.safetensors" in paper
    assert "--flow-network" not in of["300w/tsal_paper/1"]


def test_the_paper_is_not_begun_without_its_data(folder):
    process = snakemake(folder, "--cores", "1", "paper")
    assert process.returncode != 0
    assert "aflw: aflw.tar.gz, AFLWinfo_release.mat not found in data/raw/aflw/" in process.stderr
    assert "Traceback" not in process.stderr
    assert not (folder / "data/aflw").exists()


# --- what is kept ---


def test_not_even_a_forced_run_touches_the_archive_of_the_user(folder):
    archive = folder / "data/raw" / ARCHIVE
    before = (archive.read_bytes(), archive.stat().st_mtime_ns)
    process = snakemake(folder, "--cores", "2", "--forceall", "data/ytf/faces.parquet")
    assert process.returncode == 0, process.stderr
    assert "tsal download ytf" in process.stderr
    assert (archive.read_bytes(), archive.stat().st_mtime_ns) == before
    assert {path.name for path in archive.parent.iterdir()} == {archive.name}


@pytest.mark.slow
def test_a_killed_training_leaves_its_state_for_the_next_run(folder):
    arguments = ("--cores", "2", "results/runs/ytf/supervised/0.05/seed0/checkpoint.safetensors")
    state = folder / "results/runs/ytf/supervised/0.05/seed0/checkpoint.safetensors.partial"
    killed = snakemake(folder, *arguments, STUB_FAILS="train")
    assert killed.returncode != 0
    assert state.exists()
    again = snakemake(folder, *arguments)
    assert again.returncode == 0, again.stderr
    assert state.exists()


# --- what a user is told ---


def test_a_benchmark_that_is_not_known_is_named_with_those_that_are(folder):
    output = errors(snakemake(folder, "-n", "results/nosuch_nme.csv"))
    assert "unknown benchmark 'nosuch'; expected one of " in output
    assert "ytf" in output


def test_a_method_that_is_not_known_is_named(folder):
    output = errors(snakemake(folder, "-n", "results/runs/ytf/tsl/0.05/seed0/scores.csv"))
    assert "unknown method 'tsl'; did you mean 'tsal'?" in output


def test_mistakes_in_the_configuration_are_listed(folder):
    (folder / "mine.yaml").write_text("training: {batch: -3, steps: 4, steps: 5}\ntraning: {}\n")
    output = errors(snakemake(folder, "-n", "--configfile", "mine.yaml", "--config", "threads=two"))
    assert "mine.yaml: training.steps: found twice, on lines 1 and 1; keep one\n" in output
    assert "mine.yaml: training.batch: found -3, expected a whole number of at least 1\n" in output
    assert "mine.yaml: traning: unknown key; did you mean 'training'?\n" in output
    assert '--config: threads: found "two", expected a whole number of at least 1\n' in output


@pytest.fixture
def private_benchmark(tmp_path: Path) -> Path:
    """A PYTHONPATH with which there is a benchmark whose data cannot be downloaded."""
    return patched(
        tmp_path,
        "import dataclasses",
        "from tsal import datasets",
        "changes = {'name': 'private', 'urls': {}, 'how_to_get': 'ask its owners for it'}",
        "datasets._registry._all()['private'] = dataclasses.replace(datasets.get('ytf'), **changes)",
    )


@pytest.fixture
def without_anny(tmp_path: Path) -> Path:
    """A PYTHONPATH with which the extra `synth` is not installed."""
    return patched(
        tmp_path,
        "import importlib.util",
        "find_spec = importlib.util.find_spec",
        "importlib.util.find_spec = lambda name, *rest: None if name == 'anny' else find_spec(name, *rest)",
    )


NO_ANNY = "synth: rendering the benchmark synth needs the package anny: pip install 'tsal[synth]'"
MISSING = (
    "private: train-test-data.zip not found in data/raw/private/; for train-test-data.zip, ask its owners for it; "
    "then put it there as it is"
)


def test_all_skips_what_is_missing_and_says_so_once(folder, private_benchmark):
    (folder / "override.yaml").write_text("benchmarks: {private: {}}")
    process = snakemake(folder, "-n", "--configfile", "override.yaml", python_path=private_benchmark)
    jobs = planned(process)
    assert (jobs["nme"], jobs["report"]) == (len(BENCHMARKS), 1)
    assert (process.stdout + process.stderr).count(f"Skipped {MISSING}\n") == 1


def test_all_downloads_nothing_unless_it_may_and_says_so_once(folder):
    shutil.rmtree(folder / "data/raw")
    process = snakemake(folder, "-n")
    assert "download" not in planned(process)
    assert "index ytf" not in process.stdout
    said = re.findall(r"Skipped (.*)", process.stdout + process.stderr)
    assert len(said) == 1
    assert said[0].startswith(
        "ytf: train-test-data.zip not found in data/raw/ytf/; download train-test-data.zip from h"
    )
    assert said[0].endswith("; then put it there as it is, or set download: true to have it downloaded")


def test_all_downloads_what_is_missing_where_it_may(folder):
    shutil.rmtree(folder / "data/raw")
    process = snakemake(folder, "-n", "--config", "download=true")
    assert planned(process)["download"] == 1
    assert "Skipped" not in process.stdout + process.stderr


def test_what_is_asked_for_by_name_is_downloaded(folder):
    shutil.rmtree(folder / "data/raw")
    assert planned(snakemake(folder, "-n", "results/ytf_nme.csv"))["download"] == 1


@pytest.fixture
def part_of_300w(folder) -> Path:
    """A working directory with two of the archives of 300W, and a configuration that says so."""
    for name in ("afw", "helen"):
        write_zip({"1.txt": b""}, folder / f"data/raw/300w/{name}.zip")
    (folder / "part.yaml").write_text("benchmarks: {300w: {sets: [helen, afw], box: GTL, labels: [0.1]}}\n")
    return folder


def test_a_part_of_the_archives_is_enough_where_the_configuration_says_so(part_of_300w):
    (part_of_300w / "all.yaml").write_text("paper: []\n")
    process = snakemake(part_of_300w, "-n", "--configfile", "all.yaml", "part.yaml")
    assert "Skipped 300w" not in process.stdout + process.stderr
    assert "results/300w_nme.csv" in process.stdout
    process = snakemake(part_of_300w, "-n", "--configfile", "all.yaml")
    missing = r"Skipped 300w: ibug\.zip, lfpw\.zip, bounding_boxes\.zip not .*: sets, counts, and box: GTL"
    assert re.search(missing, process.stdout + process.stderr)


def test_only_the_archives_that_are_wanted_are_downloaded(part_of_300w):
    (part_of_300w / "data/raw/300w/afw.zip").unlink()
    process = snakemake(part_of_300w, "-n", "data/300w/faces.parquet", "--configfile", "part.yaml")
    assert re.search("tsal download 300w .*--archives afw.zip helen.zip 2>&1", process.stdout)
    assert "--archives" not in snakemake(part_of_300w, "-n", "data/300w/faces.parquet").stdout


@pytest.mark.slow
def test_an_archive_that_was_not_wanted_before_is_missed_where_the_others_are_gone(part_of_300w):
    def build(*arguments):
        return snakemake(part_of_300w, "data/300w/faces.parquet", *arguments, "--configfile", "part.yaml")

    assert build("--cores", "2").returncode == 0
    assert list(yaml.safe_load((part_of_300w / "data/300w/index.yaml").read_text())["raw"]) == ["afw.zip", "helen.zip"]
    shutil.rmtree(part_of_300w / "data/raw/300w")
    assert planned(build("-n")) == {}
    (part_of_300w / "part.yaml").write_text("benchmarks: {300w: {sets: [helen, lfpw], box: GTL}}\n")
    assert "300w: helen.zip, lfpw.zip not found in data/raw/300w/; download helen.zip from" in errors(build("-n"))


def test_without_the_extra_synth_is_skipped_with_how_to_install_it(folder, without_anny):
    process = snakemake(folder, "-n", python_path=without_anny)
    assert "render" not in planned(process)
    assert (process.stdout + process.stderr).count(f"Skipped {NO_ANNY}\n") == 1


@pytest.mark.parametrize("target", ["results/synth_nme.csv", "data/synth/faces.parquet", "data/synth/shards/0of4.zip"])
def test_a_target_that_cannot_be_rendered_fails_with_the_same_text(folder, without_anny, target):
    assert NO_ANNY in errors(snakemake(folder, "-n", target, python_path=without_anny))


def test_a_method_that_would_not_train_is_refused_when_it_is_planned(folder):
    (folder / "mine.yaml").write_text("methods: {mine: {base: tsal, fusion: 0.3}}\n")
    output = errors(snakemake(folder, "-n", "--configfile", "mine.yaml"))
    assert "mine.yaml: methods.mine.fusion: found 0.3, which mixes the sources tracking and offsets" in output


def test_a_run_that_would_not_train_is_refused_when_it_is_asked_for(folder):
    target = "results/runs/ytf/mean_teacher/0.05/seed0/scores.csv"
    output = errors(snakemake(folder, "-n", target, "--config", "detector={name: vgg16_cpm}"))
    assert "methods.mean_teacher.distance: found kl, which compares distributions" in output


def test_a_label_budget_of_more_faces_than_there_are_is_refused_when_it_is_planned(folder):
    indexed = snakemake(folder, "--cores", "1", "--quiet", "all", "--", "data/ytf/faces.parquet")
    assert indexed.returncode == 0, indexed.stderr
    (folder / "data/ytf/faces.parquet").unlink()
    names, points = [f"{n}.jpg" for n in range(30)], np.ones((30, 68, 2))
    points[27:] = np.nan
    faces = make_faces(names, np.tile([0, 0, 9, 9], (30, 1)), points, person=names, split=["train"] * 30)
    write_faces(faces, folder / "data/ytf/faces.parquet")
    target = "results/runs/ytf/supervised/{}/seed0/settings.yaml"
    said = errors(snakemake(folder, "-n", target.format("n9999")))
    assert "ytf: label budget n9999: found 27 annotated training faces, expected the 9,999 that it asks for" in said
    assert planned(snakemake(folder, "-n", target.format("n27")))["settings"] == 1
    # Other faces will be indexed first, of which nothing is known yet.
    more = json.dumps({"benchmarks": {"ytf": {"max_people": 90}}})
    (folder / "more.json").write_text(more)
    planned(snakemake(folder, "-n", "--configfile", "more.json", "--", target.format("n9999")))


def test_raw_data_may_lie_in_a_folder_that_is_named_by_digits(folder):
    (folder / "data/raw").rename(folder / "300")
    assert planned(snakemake(folder, "-n", "--config", "raw_dir=300"))["nme"] == len(BENCHMARKS)


def test_a_study_is_built_by_the_name_of_its_table(folder):
    jobs = planned(snakemake(folder, "-n", "results/tables/synth_parts.csv"))
    assert (jobs["train"], jobs["warmup"]) == (7, 3)


@pytest.mark.parametrize("target", ["results/private_nme.csv", "data/private/faces.parquet"])
def test_a_target_whose_data_is_missing_fails_with_the_same_text(folder, private_benchmark, target):
    assert MISSING in errors(snakemake(folder, "-n", target, python_path=private_benchmark))


def test_nothing_to_build_at_all_is_an_error(folder, private_benchmark):
    shutil.rmtree(folder / "data/raw/ytf")
    shutil.copy(ROOT / "config.yaml", folder / "config.yaml")
    config = yaml.safe_load((folder / "config.yaml").read_text())
    config["benchmarks"] = {"private": {}}
    (folder / "config.yaml").write_text(json.dumps(config))
    arguments = ("-n", "--configfile", "config.yaml", "--replace-workflow-config")
    output = errors(snakemake(folder, *arguments, python_path=private_benchmark))
    assert f"No benchmark of the configuration can be built:\n{MISSING}" in output


def test_snakemakes_report_lists_a_figure_by_its_title_with_what_it_shows(built, tmp_path):
    process = snakemake(built, "--report", tmp_path / "report.zip", "--", "results/figures/ytf_ced.png")
    assert process.returncode == 0, process.stdout + process.stderr
    with zipfile.ZipFile(tmp_path / "report.zip") as archive:
        page = archive.read("report/report.html").decode()
    assert '"labels": {"figure": "Cumulative error curves"}' in page
    assert "Cumulative error curves on ytf: the share of test faces whose NME is at most x." in page


def test_the_workflow_is_in_good_condition(folder):
    process = snakemake(folder, "--lint")
    assert process.returncode == 0, process.stdout + process.stderr


# --- profiles ---


def parse_profile(*arguments: str) -> argparse.Namespace:
    return parse_args(["--snakefile", str(ROOT / "Snakefile"), *arguments])[1]


def test_the_default_profile_is_found_by_itself(folder):
    options = parse_profile("--directory", str(folder))
    assert options.printshellcmds
    assert options.resources["gpu"].value == 1
    assert options.executor is None

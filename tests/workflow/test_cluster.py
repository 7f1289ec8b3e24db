"""What is submitted to a cluster: how many jobs, and with what they ask for; and what a user is told."""

import re
from pathlib import Path

import pytest
import yaml
from planning import ROOT, errors, new_folder, planned, snakemake

NAMES = ("slurm", "slurm-cpu")
TEXTS = {name: (ROOT / f"workflow/profiles/{name}/config.yaml").read_text() for name in NAMES}
LOCAL = {"all", "paper", "claims", "download", "settings", "index_settings", "take_over"}
ON_GPUS = {"train_flow", "warmup", "train", "predict", "lightning_pose_train"}
SLURM = ("--workflow-profile", "slurm", "--slurm-init-seconds-before-status-checks", "1")
TRAIN = "results/runs/ytf/tsal/0.05/seed0/checkpoint.safetensors"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return new_folder(tmp_path)


# --- how many ---


def submitted(process) -> int:
    """Number of jobs that a plan would submit: groups, and what is in none and not made on the login node."""
    counts = planned(process)
    alone = len(re.findall(r"^Job \d+:", process.stdout, re.MULTILINE))
    local = sum(count for rule, count in counts.items() if rule in LOCAL)
    return len(re.findall(r"Group job ", process.stdout)) + alone - local


@pytest.mark.parametrize("profile", NAMES)
def test_a_study_submits_two_jobs_a_run_at_most(folder, profile):
    study = ("seeds=[0,1,2,3,4,5,6,7,8,9]", "labels=[0.05,1]")
    process = snakemake(folder, "-n", "--workflow-profile", profile, "results/ytf_nme.csv", "--config", *study)
    counts = planned(process)
    assert (counts["warmup"], counts["train"], counts["predict"], counts["score"]) == (20, 40, 40, 40)
    assert submitted(process) <= 2 * (counts["warmup"] + counts["train"])


def test_tables_and_figures_of_a_benchmark_are_one_job(folder):
    process = snakemake(folder, "-n", "--workflow-profile", "slurm", "all")
    groups = re.findall(r"Group job (\w+)", process.stdout)
    assert sorted(groups) == [*["evaluation"] * 4, "outputs_synth", "outputs_ytf"]


def test_every_rule_is_submitted_or_known_to_be_light():
    """A group may have no rule that is made on the login node: all of it would be made there."""
    for text in TEXTS.values():
        assert not LOCAL & set(yaml.safe_load(text)["groups"])


# --- what they ask for ---


def write_command(folder: Path, name: str, *lines: str) -> None:
    path = folder / "bin" / name
    path.write_text("\n".join(["#!/bin/sh", *lines, ""]))
    path.chmod(0o755)


@pytest.fixture
def cluster(folder: Path) -> Path:
    """A folder with a stand-in for SLURM: each submission is written to `submitted`, and its job fails."""
    for name in ("sacct", "sacctmgr", "sinfo"):
        write_command(folder, name)
    write_command(folder, "scontrol", "echo MinJobAge = 300 sec")
    write_command(folder, "sbatch", 'echo "$@" >> submitted', "wc -l < submitted")
    write_command(folder, "squeue", "seq $(wc -l < submitted) | sed 's/$/|FAILED/'")
    return folder


def test_each_try_asks_for_more_memory_and_time(cluster):
    errors(snakemake(cluster, *SLURM, "--retries", "1", "data/ytf/faces.parquet"))
    first, second = (cluster / "submitted").read_text().splitlines()
    memory, minutes = (int(re.search(rf" {option} (\d+)", first)[1]) for option in ("--mem", "-t"))
    assert f" --mem {2 * memory} " in second
    assert f" -t {2 * minutes} " in second


def test_every_submitted_rule_says_its_memory_and_time():
    for file in sorted((ROOT / "workflow/rules").glob("*.smk")):
        for name, body in re.findall(r"^rule (\w+):\n(.*?)(?=^\S|\Z)", file.read_text(), re.DOTALL | re.MULTILINE):
            local = "localrule: True" in body
            assert local == (name in LOCAL), name
            assert local or {"mem_mb", "runtime"} <= set(re.findall(r"(\w+)=growing\(\d+\)", body)), name


def test_profiles_are_the_same_but_for_the_gpus():
    with_gpus, without = (yaml.safe_load(TEXTS[name]) for name in NAMES)
    assert {rule for rule, needs in with_gpus.pop("set-resources").items() if needs == {"gpu": 1}} == ON_GPUS
    assert with_gpus == without
    assert set(TEXTS["slurm-cpu"].splitlines()[3:]) <= set(TEXTS["slurm"].splitlines())


# --- threads ---


def test_a_training_with_fewer_threads_than_configured_is_warned_of(folder):
    process = snakemake(folder, "-n", "--cores", "2", TRAIN, "--config", "threads=4")
    assert process.returncode == 0
    assert (process.stdout + process.stderr).count("threads: 4 in the configuration, but 2 on ") == 1


@pytest.mark.parametrize("arguments", [("--cores", "4"), ("--workflow-profile", "slurm")])
def test_a_training_with_the_threads_that_are_configured_is_not_warned_of(folder, arguments):
    process = snakemake(folder, "-n", *arguments, TRAIN)
    assert process.returncode == 0
    assert "in the configuration" not in process.stdout + process.stderr


def test_a_job_of_a_cluster_with_fewer_threads_than_configured_fails(folder):
    process = snakemake(folder, "--mode", "remote", "--cores", "2", "--nolock", TRAIN, "--config", "threads=4")
    assert "threads: 4 in the configuration, but 2 on " in errors(process)
    assert not (folder / TRAIN).exists()


# --- what a user is told ---


def test_a_cluster_without_gpus_is_answered_with_how_to_train_on_cpus(cluster):
    refusal = "sbatch: error: Invalid generic resource (gres) specification"
    write_command(cluster, "sbatch", f"echo '{refusal}' >&2", "exit 1")
    process = snakemake(cluster, *SLURM, "--retries", "0", "data/ytf/faces.parquet")
    assert "--workflow-profile slurm-cpu. See docs/cluster.md" in errors(process)

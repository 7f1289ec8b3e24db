"""A training by several processes is one command: it starts, ends and is told of as one."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from tsal import cli
from tsal.cli import processes

BREAKS = """
from tsal.errors import InputError
from tsal.training.method import Method, later

parallel, common = later("tsal.detectors.parallel"), later("tsal.methods.common")

def train(run, data, start, stop):
    if parallel.rank() == 1:
        raise InputError("this one alone")
    common.warm_up(run, data, start, stop)
    return "raw"

METHOD = Method(title="Breaks", train=train)
"""


def write_settings(folder: Path, method: str, **training: object) -> Path:
    training = {"batch": 2, "evaluate_every": 1000, "probe": 0, "precision": "float32"} | training
    about = {"benchmark": "ytf", "method": method, "algorithm": method, "labels": 0.5}
    path = folder / f"{method}.yaml"
    path.write_text(yaml.safe_dump(about | {"detector": {"width": 8, "input_px": 32}, "training": training}))
    return path


def command(verb: str, folder: Path, crops: Path, settings: Path, *more: object) -> list[object]:
    outputs = "-o", folder / "out.safetensors", "--log", folder / "log.csv"
    return [
        sys.executable,
        "-m",
        "tsal.cli",
        verb,
        "--settings",
        settings,
        "--crops",
        crops,
        "--seed",
        "0",
        *outputs,
        *more,
    ]


@pytest.mark.slow
def test_a_signal_ends_all_processes_with_one_state_from_which_one_goes_on(ytf_tiny, tmp_path):
    settings = write_settings(tmp_path, "supervised", warmup_steps=40)
    arguments = "warmup", tmp_path, ytf_tiny / "crops", settings, "--threads", "1", "--save-every", "0"
    started = [*command(*arguments), "--processes", "2"]
    process = subprocess.Popen(started, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    while not (tmp_path / "out.safetensors.partial").exists() and process.poll() is None:
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    printed, said = process.communicate(timeout=120)
    assert process.returncode == 128 + signal.SIGTERM, said
    assert said.count("interrupted; run the same command again to go on") == 1 and said.count(", 1 thread") == 1
    assert "Traceback" not in said and not printed
    assert not (tmp_path / "out.safetensors").exists()
    again = subprocess.run(command(*arguments), capture_output=True, text=True, timeout=300)
    assert again.returncode == 0, again.stderr
    machines = yaml.safe_load((tmp_path / "machine.yaml").read_text())
    assert [part["processes"] for part in machines] == [2, 1] and machines[1]["from_step"] > 0


@pytest.mark.slow
def test_a_process_that_fails_ends_all_with_its_message_alone(ytf_tiny, plugin_folder, tmp_path):
    (plugin_folder / "methods").mkdir()
    (plugin_folder / "methods/breaks.py").write_text(BREAKS)
    settings = write_settings(tmp_path, "breaks", warmup_steps=0, steps=1000)
    crops, warmup = ytf_tiny / "crops", tmp_path / "warmup"
    warmup.mkdir()
    assert cli.main([str(word) for word in command("warmup", warmup, crops, settings)[3:]]) == 0
    start = "--warmup", warmup / "out.safetensors", "--processes", "2"
    done = subprocess.run(command("train", tmp_path, crops, settings, *start), capture_output=True, text=True)
    assert done.returncode == cli.USER_ERROR, done.stderr
    assert done.stderr.count("error") == 1 and "tsal train: error: this one alone" in done.stderr
    assert "Traceback" not in done.stderr


def test_of_processes_that_were_launched_together_one_speaks(tmp_path, monkeypatch):
    assert processes.speaks() and processes.speaks()  # alone
    for rank in range(2):
        (tmp_path / str(rank)).mkdir()
    said = []
    for rank in (1, 0, 1):
        monkeypatch.setenv("TORCHELASTIC_ERROR_FILE", str(tmp_path / str(rank) / "error.json"))
        said.append(processes.speaks())
    assert said == [True, False, False]


def test_the_failure_behind_the_others_gives_the_exit_code(capsys):
    def code(*codes):
        return processes._exit_code("train", {rank: (code, "closed") for rank, code in enumerate(codes)})

    lost = processes.LOST
    assert code(lost, processes.USER_ERROR) == processes.USER_ERROR
    assert code(-signal.SIGKILL, processes.FAILED) == processes.FAILED
    assert code(lost, 128 + signal.SIGHUP) == 128 + signal.SIGHUP
    assert capsys.readouterr().err == ""  # it was told
    assert code(lost, -signal.SIGSEGV) == 128 + signal.SIGSEGV
    assert "process 1 was ended by SIGSEGV; run the same command again" in capsys.readouterr().err
    assert code(lost, lost) == lost
    assert capsys.readouterr().err == "tsal train: error: process 0 lost the others: closed\n"


@pytest.mark.parametrize("number", ["0", "-1", "two"])
def test_a_number_of_processes_that_is_none_is_refused(number, capsys):
    with pytest.raises(SystemExit):
        cli.main(
            [
                "warmup",
                "--settings",
                "s",
                "--crops",
                "c",
                "--seed",
                "0",
                "--log",
                "l",
                "-o",
                "o",
                f"--processes={number}",
            ]
        )
    assert f"found {number!r}, expected a whole number of at least 1" in capsys.readouterr().err


def test_a_job_with_one_process_computes_on_a_gpu_that_it_has_claimed(tmp_path, monkeypatch):
    """On a machine with three GPUs, of which the jobs before it have two."""
    import torch

    from tsal.training import gpus, train

    used = []
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 3)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(train, "train_warm_up", lambda *arguments: used.append(arguments[7]))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    names = gpus.visible_gpus()
    claimed = gpus.claimed
    monkeypatch.setattr(gpus, "claimed", lambda count, found: claimed(count, found, tmp_path))
    settings = write_settings(tmp_path, "supervised")
    words = [
        str(word)
        for word in command("warmup", tmp_path, tmp_path, settings, "--processes", "1", "--device", "cuda")[3:]
    ]
    with claimed(2, names, tmp_path):
        assert cli.main(words) == 0
    assert cli.main(words) == 0
    assert [str(device) for device in used] == ["cuda:2", "cuda:0"]
    assert os.environ.get("CUDA_VISIBLE_DEVICES") is None

"""Jobs side by side on a machine with several GPUs: each has its own."""

import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from tsal.errors import InputError
from tsal.training.gpus import claimed, visible_gpus

FOUR = ["0", "1", "2", "3"]


@pytest.fixture(autouse=True)
def outside_of_slurm(monkeypatch):
    for name in ("SLURM_JOB_ID", "SLURM_STEP_ID", "CUDA_VISIBLE_DEVICES"):
        monkeypatch.delenv(name, raising=False)


def test_jobs_side_by_side_have_different_gpus(tmp_path):
    with claimed(1, FOUR, tmp_path) as first, claimed(2, FOUR, tmp_path) as second, claimed(1, FOUR, tmp_path) as third:
        assert (first, second, third) == (["0"], ["1", "2"], ["3"])


def test_a_job_waits_with_one_line_until_a_gpu_is_free(tmp_path, caplog):
    got = threading.Event()

    def wait():
        with claimed(1, ["0"], tmp_path, every=0.01):
            got.set()

    with caplog.at_level("INFO"), ThreadPoolExecutor(1) as pool:
        with claimed(1, ["0"], tmp_path):
            pool.submit(wait)
            assert not got.wait(0.2)
        assert got.wait(10)
    assert caplog.messages == ["waiting for 1 of the GPUs 0, which other jobs compute on"]


def test_jobs_that_need_several_gpus_neither_share_them_nor_wait_for_each_other(tmp_path):
    busy, lock, most = set(), threading.Lock(), []

    def job(count):
        with claimed(count, FOUR, tmp_path, every=0.01) as own:
            with lock:
                assert len(own) == count and not busy & set(own)
                busy.update(own)
                most.append(len(busy))
            time.sleep(0.01)
            with lock:
                busy.difference_update(own)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(job, [3, 1, 2, 4, 2, 3, 1, 2]))
    assert max(most) == 4


def test_a_job_that_was_killed_holds_nothing(tmp_path):
    code = "import sys, time; from pathlib import Path; from tsal.training.gpus import claimed\n"
    code += "with claimed(1, ['0'], Path(sys.argv[1])):\n    print('has it', flush=True); time.sleep(60)"
    process = subprocess.Popen([sys.executable, "-c", code, tmp_path], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "has it\n"
    with claimed(1, ["0", "1"], tmp_path) as other:
        assert other == ["1"]
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    with claimed(1, ["0", "1"], tmp_path) as again:
        assert again == ["0"]


def test_more_gpus_than_there_are_is_a_mistake_not_a_wait(tmp_path):
    with pytest.raises(InputError, match=r"found 2 GPUs \(4, 5\), expected 3, one for each process"):
        claimed(3, ["4", "5"], tmp_path).__enter__()


def test_slurm_jobs_call_different_gpus_by_the_same_numbers(tmp_path, monkeypatch):
    monkeypatch.setenv("SLURM_JOB_ID", "17")
    with claimed(1, ["0"], tmp_path) as one:
        monkeypatch.setenv("SLURM_JOB_ID", "18")
        with claimed(1, ["0", "1"], tmp_path) as other:
            assert (one, other) == (["0"], ["0"])
            with claimed(1, ["0", "1"], tmp_path) as beside:  # within one allocation
                assert beside == ["1"]


def test_what_may_be_claimed_is_what_the_user_or_the_scheduler_shows(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert visible_gpus() == ["0", "1"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3, GPU-8a1e")
    assert visible_gpus() == ["3", "GPU-8a1e"]
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    assert visible_gpus() == []


def test_the_folder_of_claims_serves_all_users(tmp_path):
    with claimed(1, ["0"], tmp_path / "claims"):
        assert (tmp_path / "claims").stat().st_mode & 0o7777 == 0o1777

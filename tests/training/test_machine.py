"""What a job says of the machine that it computes on."""

import platform
import subprocess
import sys

import pytest
import torch

from tsal.detectors.detector import resolve_precision
from tsal.errors import InputError
from tsal.training import machine

CPU = torch.device("cpu")


def test_a_gpu_that_is_not_there_is_refused_naming_the_node_and_what_to_do(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3")
    with pytest.raises(InputError, match="finds no GPU on ") as error:
        machine.choose_device("cuda")
    text = str(error.value)
    assert platform.node() in text and "CUDA_VISIBLE_DEVICES='3'" in text and "slurm-cpu" in text
    assert machine.choose_device("auto") == CPU


def test_auto_precision_is_bfloat16_only_where_the_processor_multiplies_it(monkeypatch):
    for has_it, precision in ((True, "bfloat16"), (False, "float32")):
        monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda has_it=has_it: has_it)
        assert resolve_precision("auto", CPU) == precision
    assert resolve_precision("bfloat16", CPU) == "bfloat16"


def test_the_first_line_names_node_device_precision_and_threads(caplog):
    with caplog.at_level("INFO"):
        described = machine.log_machine(CPU, "float32")
    assert described["threads"] == torch.get_num_threads() and described["processor"]
    words = f"{platform.node()}: cpu, {described['processor']}, float32, {described['threads']} thread"
    assert caplog.messages[0].startswith(words)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="mallopt is glibc's")
def test_what_a_training_frees_is_used_again_without_asking_the_system():
    """In a process of its own, since how its memory is given back stays so."""
    program = """
import resource
import torch
from tsal.training.machine import reuse_memory
def step():
    kept = [torch.ones(1 << 20) for _ in range(8)]
    del kept
reuse_memory()
step()
step()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    step()
print((resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) / 10)
"""
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert float(found.stdout) < 8192 / 20  # a step's 32 MiB are 8,192 pages; a buffer or two may come late

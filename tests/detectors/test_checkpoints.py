"""Tensors on disk: whole or absent, and known by their kind."""

import pytest
import torch
from safetensors import SafetensorError

from tsal.detectors import checkpoints
from tsal.errors import InputError


def test_tensors_and_what_is_said_of_them_come_back(tmp_path):
    tensors = {"a": torch.arange(6).view(2, 3), "b": torch.ones(2)}
    checkpoints.save(tmp_path / "x", "thing", tensors, {"n": 1, "list": [1.5, None]})
    read, about = checkpoints.read(tmp_path / "x", "thing")
    assert about == checkpoints.read_about(tmp_path / "x", "thing") == {"n": 1, "list": [1.5, None]}
    assert read.keys() == tensors.keys() and all(torch.equal(read[name], tensors[name]) for name in read)


def test_the_same_content_gives_the_same_bytes(tmp_path):
    for name in "xy":
        checkpoints.save(tmp_path / name, "thing", {"a": torch.ones(3)}, {k: k for k in "fedcba"})
    assert (tmp_path / "x").read_bytes() == (tmp_path / "y").read_bytes()


def test_others_may_read_what_the_umask_lets_them(tmp_path):
    checkpoints.save(tmp_path / "x", "thing", {"a": torch.ones(3)}, {})
    (tmp_path / "plain").touch()
    assert (tmp_path / "x").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_a_full_disk_is_one_message_and_leaves_the_old_file(tmp_path, monkeypatch):
    checkpoints.save(tmp_path / "x", "thing", {"a": torch.ones(3)}, {})
    before = (tmp_path / "x").read_bytes()

    def full(*arguments):
        raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")

    monkeypatch.setattr(checkpoints, "save_file", full)
    with pytest.raises(InputError, match="x: no space left"):
        checkpoints.save(tmp_path / "x", "thing", {"a": torch.zeros(3)}, {})
    assert (tmp_path / "x").read_bytes() == before and [p.name for p in tmp_path.iterdir()] == ["x"]


def test_missing_damaged_and_other_files_are_refused_in_words(tmp_path):
    checkpoints.save(tmp_path / "other", "thing", {"a": torch.ones(3)}, {})
    (tmp_path / "damaged").write_bytes((tmp_path / "other").read_bytes()[:40])
    for name, said in (("none", "no such file"), ("damaged", "damaged"), ("other", "of another kind")):
        with pytest.raises(InputError, match=rf"{name}: .*{said}.*expected a gadget"):
            checkpoints.read(tmp_path / name, "gadget")

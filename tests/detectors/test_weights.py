"""Weights on disk: checkpoints, whole or absent and known by their kind; pretrained weights of the trunk."""

import logging
from pathlib import Path

import pytest
import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torchvision.models import VGG16_Weights
from torchvision.models.vgg import cfgs, make_layers

from tsal.detectors import checkpoints, trunk_weights
from tsal.detectors.vgg16_cpm import vgg16_cpm, vgg16_features
from tsal.errors import InputError
from tsal.files import sha256


def test_tensors_and_what_is_said_of_them_come_back(tmp_path):
    tensors = {"data/a": torch.arange(6).view(2, 3), "b": torch.ones(2), "num_batches_tracked": torch.tensor(3)}
    checkpoints.save(tmp_path / "x", "thing", tensors, {"n": 1, "list": [1.5, None]})
    read, about = checkpoints.read(tmp_path / "x", "thing")
    assert about == checkpoints.read_about(tmp_path / "x", "thing") == {"n": 1, "list": [1.5, None]}
    assert read.keys() == tensors.keys() and all(torch.equal(read[name], tensors[name]) for name in read)


@pytest.mark.parametrize("kind", [torch.int64, torch.bool, torch.complex64, torch.uint8])
def test_weights_are_floating_point_numbers(tmp_path, kind):
    with pytest.raises(InputError, match=rf"x: not written, a is of type {str(kind).removeprefix('torch.')}"):
        checkpoints.save(tmp_path / "x", "thing", {"a": torch.ones(2, 3).to(kind)}, {})
    assert not (tmp_path / "x").exists()


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


WEIGHTS = VGG16_Weights.IMAGENET1K_V1


@pytest.fixture
def hub(tmp_path) -> Path:
    """An empty hub folder for weight files; torch.hub is left as it was afterwards."""
    before = torch.hub.get_dir()
    torch.hub.set_dir(tmp_path / "hub")
    yield tmp_path / "hub" / "checkpoints"
    torch.hub.set_dir(before)


@pytest.fixture
def published(tmp_path, monkeypatch) -> Path:
    """Random weights as torchvision publishes them: vgg16's state_dict under a name that ends in its hash.

    The address of the weights is changed to that file, since no random weights have the hash of the real ones.
    """
    torch.manual_seed(0)
    state = {f"features.{name}": value for name, value in make_layers(cfgs["D"]).state_dict().items()}
    state["classifier.0.bias"] = torch.zeros(4096)
    unnamed = tmp_path / "weights"
    # The format of the real file, which was written in 2017.
    torch.save(state, unnamed, _use_new_zipfile_serialization=False)
    file = unnamed.rename(tmp_path / f"vgg16-{sha256(unnamed)[:8]}.pth")
    monkeypatch.setattr(WEIGHTS.value, "url", file.as_uri())
    return file


def has_weights_of(detector, file: Path) -> bool:
    state = torch.load(file, weights_only=True)
    mine = detector.trunk.vgg.state_dict()
    assert {"0.weight", "21.weight", "21.bias"} <= mine.keys()  # conv1_1 to conv4_3
    return all(torch.equal(value, state[f"features.{name}"]) for name, value in mine.items())


def test_the_address_of_the_weights_is_the_one_of_the_release():
    assert WEIGHTS.url == "https://download.pytorch.org/models/vgg16-397923af.pth"


def test_a_weight_file_put_into_the_hub_folder_is_used_without_a_download(hub, published, monkeypatch):
    hub.mkdir(parents=True)
    published.rename(hub / published.name)
    assert has_weights_of(vgg16_cpm(5), hub / published.name)


def test_weights_are_downloaded_into_the_hub_folder_once(hub, published):
    assert has_weights_of(vgg16_cpm(5), published)
    published.unlink()
    assert has_weights_of(vgg16_cpm(5), hub / published.name)


def test_a_damaged_weight_file_is_refused_before_it_is_read(hub, published):
    hub.mkdir(parents=True)
    (hub / published.name).write_bytes(published.read_bytes()[:1_000_000])
    digits = published.stem.removeprefix("vgg16-")
    with pytest.raises(
        InputError, match=rf"{published.name}: SHA-256 .*expected {digits}.*delete it.*detector\.weights"
    ):
        vgg16_cpm(5)


class _Other:
    """Something else than a tensor."""


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({0: torch.ones(2)}, "it lacks 'features.0.weight'"),
        ([torch.ones(2)], "list indices"),
        ({"features.0.weight": 3}, "it lacks 'features.0.bias'"),
        ({"a": _Other()}, "something else than tensors"),
        (3, "int"),
    ],
)
def test_a_file_of_something_else_is_refused_without_the_advice_to_trust_it(hub, tmp_path, monkeypatch, content, said):
    torch.save(content, tmp_path / "weights")
    hub.mkdir(parents=True)
    file = (tmp_path / "weights").rename(hub / f"vgg16-{sha256(tmp_path / 'weights')[:8]}.pth")
    monkeypatch.setattr(WEIGHTS.value, "url", file.as_uri())
    with pytest.raises(InputError, match=rf"{file.name}: holds no weights of vgg16 \(.*{said}.*\); delete it") as error:
        vgg16_cpm(5)
    assert "weights_only" not in str(error.value) and "\n" not in str(error.value)


def test_the_weights_of_the_release_are_known_by_their_whole_digest(hub, tmp_path, monkeypatch):
    hub.mkdir(parents=True)
    (hub / "vgg16-397923af.pth").write_bytes(b"other weights")
    monkeypatch.setattr(trunk_weights, "sha256", lambda path: "397923af" + "0" * 56)  # as others can be made to have
    with pytest.raises(InputError, match=r"SHA-256 397923af0000\.\.\., expected 397923af8e79\.\.\."):
        vgg16_cpm(5)


@pytest.mark.parametrize("problem", ["missing", "other bytes"])
def test_weights_that_cannot_be_had_leave_random_ones_and_a_clear_warning(hub, published, problem, caplog):
    published.unlink()
    if problem == "other bytes":  # such as the page of a proxy that asks for a password
        published.write_bytes(b"<html>log in</html>")
    with caplog.at_level(logging.WARNING):
        detector = vgg16_cpm(5)
    assert "RANDOM" in caplog.text and published.name in caplog.text and "detector.weights" in caplog.text
    assert str(hub) in caplog.text
    assert detector.trunk.vgg[21].weight.std().item() == pytest.approx(
        (2 / (9 * 512)) ** 0.5, rel=0.01
    )  # He et al. 2015
    assert not list(hub.glob("*.pth"))  # nothing is left that a later run would take for the weights


def test_weights_that_are_asked_for_by_name_are_never_replaced_by_random_ones(hub, published):
    published.unlink()
    with pytest.raises(InputError, match=rf"could not be had from .*{published.name}.*Put that file into .*weights to"):
        vgg16_cpm(5, weights="imagenet")


def test_trunk_weights_come_from_a_safetensors_file(tmp_path):
    vgg = vgg16_features()
    save_file(vgg.state_dict(), tmp_path / "vgg.safetensors")
    detector = vgg16_cpm(5, weights=str(tmp_path / "vgg.safetensors"))
    assert torch.equal(detector.trunk.vgg[0].weight, vgg[0].weight)


@pytest.mark.parametrize("problem", ["not weights", "other layers", "missing"])
def test_a_file_that_holds_no_trunk_is_refused_in_one_line(tmp_path, problem):
    file = tmp_path / "other.safetensors"
    if problem == "not weights":
        file.write_bytes(b"not weights")
    elif problem == "other layers":
        save_file({"0.weight": torch.zeros(64, 3, 3, 3)}, file)
    with pytest.raises(
        InputError, match=r"other\.safetensors.*expected a \.safetensors file with the 20 tensors"
    ) as error:
        vgg16_cpm(5, weights=str(file))
    assert "\n" not in str(error.value)

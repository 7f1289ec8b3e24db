"""Detectors: layer shapes from the paper, decode 2, precision, weights."""

import logging
from itertools import pairwise
from urllib.error import URLError

import pytest
import torch
import torchvision
from safetensors.torch import save_file

from tsal.detector import VggTrunk, build, decode_centre_offsets, vgg16_cpm
from tsal.errors import InputError


def conv(inputs, outputs, kernel, bias=True):
    return inputs * outputs * kernel**2 + (outputs if bias else 0)


def count(module):
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.fixture(scope="module")
def paper():
    return vgg16_cpm(68, weights=None)


def test_the_trunk_of_the_paper_has_its_parameters(paper):
    widths = [3, 64, 64, 128, 128, 256, 256, 256, 512, 512, 512]
    vgg = sum(conv(a, b, 3) for a, b in pairwise(widths))
    assert count(paper.trunk) == vgg + conv(512, 256, 3) + conv(256, 128, 3)


def test_the_pose_machine_of_the_paper_has_its_parameters(paper):
    maps = 69
    first = 4 * conv(128, 128, 3) + conv(128, 512, 1) + conv(512, maps, 1)
    refine = conv(128 + maps, 128, 7) + 2 * conv(128, 128, 7) + 4 * conv(128, 128, 3)
    refine += conv(128, 128, 1) + conv(128, maps, 1)
    assert count(paper.heatmap_head) == first + 2 * refine


def test_the_centre_offset_head_of_the_paper_has_its_parameters(paper):
    def norm(channels):
        return 2 * channels

    def bottleneck(inputs, planes):
        out = 4 * planes
        layers = [(inputs, planes, 1), (planes, planes, 3), (planes, out, 1)]
        own = sum(conv(*layer, bias=False) + norm(layer[1]) for layer in layers)
        return own + (conv(inputs, out, 1, bias=False) + norm(out) if inputs != out else 0)

    down = bottleneck(128, 256) + 5 * bottleneck(1024, 256) + bottleneck(1024, 512) + 2 * bottleneck(2048, 512)
    up = sum(conv(inputs, 256, 4, bias=False) + norm(256) for inputs in (2048, 256, 256))
    outputs = sum(conv(256, 128, 3) + conv(128, channels, 1) for channels in (1, 136))
    assert count(paper.centre_head) == down + up + outputs


@pytest.mark.slow
def test_the_detector_of_the_paper_sees_256_px_on_a_32_by_32_grid(paper):
    with torch.inference_mode():
        output = paper.eval()(torch.zeros(1, 3, 256, 256))
    assert [tuple(stage.shape) for stage in output.stages] == [(1, 69, 32, 32)] * 3
    assert output.centre.shape == (1, 1, 32, 32) and output.offsets.shape == (1, 136, 32, 32)
    assert paper.decode(output).shape == (1, 68, 2)


def test_the_compact_detector_has_the_same_heads_on_its_own_grids():
    detector = build("compact", 68).eval()
    output = detector(torch.zeros(2, 3, 96, 96))
    assert [tuple(stage.shape) for stage in output.stages] == [(2, 68, 24, 24)]
    assert output.centre.shape == (2, 1, 12, 12) and output.offsets.shape == (2, 136, 12, 12)
    assert detector.maps(output).sum((2, 3)).flatten().tolist() == pytest.approx([1] * 136, abs=1e-4)


def test_decode_2_takes_the_candidate_nearest_to_decode_1():
    centre, offsets = torch.full((1, 1, 12, 12), -9.0), torch.zeros(1, 4, 12, 12)
    centre[0, 0, 3, 3], centre[0, 0, 8, 8] = (
        5.0,
        4.0,
    )  # two faces; the stronger is not the one that is looked for
    offsets[0, :, 3, 3] = torch.tensor([1.0, 0.0, 0.0, 2.0])
    offsets[0, :, 8, 8] = torch.tensor([-1.0, 0.0, 0.0, -2.0])
    near = torch.tensor([[[59.0, 68.0], [66.0, 50.0]]])
    assert decode_centre_offsets(centre, offsets, 8, near)[0].tolist() == [[59.5, 67.5], [67.5, 51.5]]
    near = torch.tensor([[[36.0, 28.0], [28.0, 44.0]]])
    assert decode_centre_offsets(centre, offsets, 8, near)[0].tolist() == [[35.5, 27.5], [27.5, 43.5]]


def test_only_local_maxima_of_the_centre_map_are_candidates():
    centre, offsets = torch.full((1, 1, 12, 12), -9.0), torch.zeros(1, 2, 12, 12)
    centre[0, 0, 5, 5], centre[0, 0, 5, 6] = 5.0, 4.9  # a neighbour of the peak, nearer to decode 1
    near = torch.tensor([[[51.5, 43.5]]])
    assert decode_centre_offsets(centre, offsets, 8, near)[0, 0].tolist() == [43.5, 43.5]


def test_mixed_precision_keeps_weights_and_output_in_float32():
    detector = build("compact", 68, "bfloat16").eval()
    image = torch.randn(2, 3, 96, 96, generator=torch.Generator().manual_seed(0))
    rough = detector(image).stages[0]
    detector.precision = "float32"
    exact = detector(image).stages[0]
    assert rough.dtype == torch.float32 and {p.dtype for p in detector.parameters()} == {torch.float32}
    assert 0 < (rough - exact).abs().max() < 0.05 * exact.abs().max()


def test_imagenet_weights_are_read_in_torchvisions_format(monkeypatch):
    torch.manual_seed(0)
    saved = torchvision.models.vgg16().state_dict()
    monkeypatch.setattr(torchvision.models.VGG16_Weights, "get_state_dict", lambda *_, **__: saved)
    detector = vgg16_cpm(5, weights="imagenet")
    assert torch.equal(detector.trunk.vgg[21].weight, saved["features.21.weight"])  # conv4_3
    assert torch.equal(detector.trunk.vgg[0].bias, saved["features.0.bias"])


def test_imagenet_weights_that_cannot_be_had_leave_a_clear_warning(monkeypatch, caplog):
    def offline(*_, **__):
        raise URLError("no route to host")

    monkeypatch.setattr(torchvision.models.VGG16_Weights, "get_state_dict", offline)
    with caplog.at_level(logging.WARNING):
        vgg16_cpm(5, weights="imagenet")
    assert "RANDOM" in caplog.text and "no route to host" in caplog.text and "detector.weights" in caplog.text


def test_trunk_weights_come_from_a_safetensors_file(tmp_path):
    vgg = VggTrunk().vgg
    save_file(vgg.state_dict(), tmp_path / "vgg.safetensors")
    detector = vgg16_cpm(5, weights=str(tmp_path / "vgg.safetensors"))
    assert torch.equal(detector.trunk.vgg[0].weight, vgg[0].weight)
    (tmp_path / "other.safetensors").write_bytes(b"not weights")
    with pytest.raises(InputError, match=r"other\.safetensors.*expected"):
        vgg16_cpm(5, weights=str(tmp_path / "other.safetensors"))


def test_an_unknown_detector_is_refused_with_the_known_names():
    with pytest.raises(InputError, match="compact, vgg16_cpm"):
        build("resnet", 68)

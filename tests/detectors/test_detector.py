"""What all detectors share: heads by name, decode 2, precision."""

import math
from contextlib import nullcontext
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from tsal.detectors import Detector, Output, build, check_precision, decode_centre_offsets, mixed_precision
from tsal.detectors.detector import resolve_precision
from tsal.detectors.heatmaps import encode_distribution
from tsal.errors import InputError

CPU, GPU = torch.device("cpu"), torch.device("cuda")


def test_the_compact_detector_has_the_same_heads_on_its_own_grids():
    detector = build("compact", 68).eval()
    output = detector(torch.zeros(2, 3, 96, 96))
    assert [tuple(stage.shape) for stage in output.stages] == [(2, 68, 24, 24)]
    assert output.centre.shape == (2, 1, 12, 12) and output.offsets.shape == (2, 136, 12, 12)
    assert detector.maps(output).sum((2, 3)).flatten().tolist() == pytest.approx([1] * 136, abs=1e-4)


def test_decode_2_takes_the_candidate_nearest_to_decode_1():
    centre, offsets = torch.full((1, 1, 12, 12), -9.0), torch.zeros(1, 4, 12, 12)
    centre[0, 0, 3, 3], centre[0, 0, 8, 8] = 5.0, 4.0  # two faces; the stronger is not the one that is looked for
    offsets[0, :, 3, 3] = torch.tensor([1.0, 0.0, 0.0, 2.0])
    offsets[0, :, 8, 8] = torch.tensor([-1.0, 0.0, 0.0, -2.0])
    near = torch.tensor([[[59.0, 68.0], [66.0, 50.0]]])
    assert decode_centre_offsets(centre, offsets, 8, near)[0].tolist() == [[59.5, 67.5], [67.5, 51.5]]
    near = torch.tensor([[[36.0, 28.0], [28.0, 44.0]]])
    assert decode_centre_offsets(centre, offsets, 8, near)[0].tolist() == [[35.5, 27.5], [27.5, 43.5]]


def test_a_cell_that_a_neighbour_exceeds_is_no_candidate_however_few_there_are():
    y, x = np.mgrid[:12, :12]
    centre = torch.from_numpy(-np.hypot(x - 5, y - 5)).float()[None, None]  # one peak, a slope everywhere else
    near = torch.tensor([[[8 * 9 + 3.5, 8 * 9 + 3.5]]])
    assert decode_centre_offsets(centre, torch.zeros(1, 2, 12, 12), 8, near)[0, 0].tolist() == [43.5, 43.5]


# --- confidence ---


def confidence_of(name: str, maps: torch.Tensor) -> list[float]:
    """Of logits, or of regressed Gaussians, (K, h, w)."""
    detector = build(name, len(maps), **({} if name == "compact" else {"weights": None}))
    return detector.confidence(Output([maps[None]], torch.zeros(1), torch.zeros(1)))[0].tolist()


def test_confidence_of_a_distribution_falls_from_1_to_0_as_it_spreads():
    points = torch.tensor([[[40.0, 50.0]]])
    sigmas = (4.0, 8.0, 16.0, 1000.0)  # the first as it was trained
    maps = torch.cat([encode_distribution(points, (24, 24), 4, sigma)[0] for sigma in sigmas]).clamp_min(1e-12).log()
    found = confidence_of("compact", maps)
    assert found[0] > 0.95 and found[-1] == pytest.approx(0, abs=1e-3)
    assert sorted(found, reverse=True) == found
    # Two sigma around the peak of a Gaussian of four, in two dimensions; the cells' edges lie half a cell further out.
    exact = math.erf(2.5 * 4 / 16 / math.sqrt(2)) ** 2
    assert found[2] == pytest.approx((exact - 25 / 576) / (1 - 25 / 576), abs=0.02)


def test_a_landmark_that_could_be_at_two_places_is_half_confident():
    ends = [encode_distribution(torch.tensor([[[x, 50.0]]]), (24, 24), 4, 4.0)[0] for x in (20.0, 70.0)]
    maps = (0.501 * ends[0] + 0.499 * ends[1]).clamp_min(1e-12).log()
    assert confidence_of("compact", maps)[0] == pytest.approx(0.48, abs=0.03)


def test_confidence_of_a_regressed_gaussian_is_its_height():
    maps = torch.zeros(4, 8, 8)  # the last is the background
    maps[0, 3, 3], maps[1, 0, 7], maps[2, 5, 5] = 0.7, 1.2, -0.1
    detector = SimpleNamespace(n_points=3, distribution=False)
    found = Detector.confidence(detector, Output([maps[None]], torch.zeros(1), torch.zeros(1)))
    assert found[0].tolist() == pytest.approx([0.7, 1.0, 0.0])


def centre_maps() -> dict[str, np.ndarray]:
    """Logits (n, 10, 13) of facial centres."""
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 3, (12, 10, 13))
    edges = np.full((4, 10, 13), -5.0)
    for edge, (y, x) in zip(edges, [(0, 0), (0, 12), (9, 0), (9, 12)], strict=True):
        edge[y, x] = 2.0
    maps = {
        "noise": noise,
        "ties": np.round(noise / 3),
        "flat": np.stack([np.full((10, 13), value) for value in (0.0, -200.0, 200.0)]),
        "peaks in corners": edges,
        "sure of everything": 40 + noise,  # sigmoid is 1 in float32
        "rounded to bfloat16": torch.from_numpy(noise).bfloat16().double().numpy(),
    }
    return {name: value.astype(np.float32) for name, value in maps.items()}


@pytest.mark.parametrize(("name", "maps"), centre_maps().items(), ids=centre_maps())
def test_decode_2_agrees_with_a_double_precision_reference_by_loops(name, maps):
    rng = np.random.default_rng(1)
    offsets = rng.normal(0, 4, (len(maps), 10, *maps.shape[1:])).astype(np.float32)
    near = rng.uniform(0, 100, (len(maps), 5, 2)).astype(np.float32)
    found = decode_centre_offsets(
        torch.from_numpy(maps)[:, None], torch.from_numpy(offsets), 8, torch.from_numpy(near)
    ).numpy()
    for centre, offset, wanted, points in zip(maps, offsets, near, found, strict=True):
        expected = nearest_candidate(centre.astype(float), offset.astype(float), 8, wanted.astype(float))
        assert np.abs(points - expected).max() < 1e-4, name


def nearest_candidate(centre: np.ndarray, offsets: np.ndarray, stride: int, near: np.ndarray) -> np.ndarray:
    """Landmarks (K, 2) px: 3x3 non-maximum suppression, 32 strongest, nearest over all coordinates; first of equals."""
    height, width = centre.shape
    peaks = []
    for y in range(height):
        for x in range(width):
            around = centre[max(0, y - 1) : y + 2, max(0, x - 1) : x + 2]
            if all(value <= centre[y, x] for value in around.flat):
                peaks.append((-centre[y, x], y, x))
    best, least = None, np.inf
    for _, y, x in sorted(peaks)[:32]:
        landmarks = np.empty_like(near)
        for k in range(len(near)):
            landmarks[k, 0] = (x + offsets[2 * k, y, x]) * stride + (stride - 1) / 2
            landmarks[k, 1] = (y + offsets[2 * k + 1, y, x]) * stride + (stride - 1) / 2
        distance = float(np.sqrt(((landmarks - near) ** 2).sum()))
        if distance < least:
            best, least = landmarks, distance
    return best


def test_mixed_precision_keeps_weights_and_output_in_float32():
    detector = build("compact", 68, "bfloat16").eval()
    image = torch.randn(2, 3, 96, 96, generator=torch.Generator().manual_seed(0))
    rough = detector(image).stages[0]
    detector.precision = "float32"
    exact = detector(image).stages[0]
    assert rough.dtype == torch.float32 and {p.dtype for p in detector.parameters()} == {torch.float32}
    assert 0 < (rough - exact).abs().max() < 0.05 * exact.abs().max()


@pytest.mark.parametrize("multiplies", [True, False])
def test_auto_is_bfloat16_where_a_gpu_multiplies_it_and_float32_on_others(monkeypatch, multiplies):
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: multiplies)
    assert resolve_precision("auto", GPU) == ("bfloat16" if multiplies else "float32")
    assert resolve_precision("float32", GPU) == "float32"


@pytest.mark.parametrize("name", ["float32", "tf32"])
def test_a_gpu_rounds_factors_to_tf32_where_that_is_asked_for_by_name_and_nowhere_else(name):
    cudnn, matmul = torch.backends.cudnn, torch.backends.cuda.matmul
    before = cudnn.allow_tf32, matmul.allow_tf32
    try:
        cudnn.allow_tf32 = matmul.allow_tf32 = name != "tf32"
        with mixed_precision(name, GPU):
            assert not torch.is_autocast_enabled("cuda")
        assert cudnn.allow_tf32 == matmul.allow_tf32 == (name == "tf32")
    finally:
        cudnn.allow_tf32, matmul.allow_tf32 = before


def test_tf32_is_refused_by_a_device_without_it(monkeypatch):
    with pytest.raises(InputError, match=r"training.precision: found tf32, which device cpu does not have; expected"):
        check_precision("tf32", CPU)
    for capability in ((7, 5), (8, 0)):
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device, found=capability: found)
        with pytest.raises(InputError, match="device cuda") if capability < (8, 0) else nullcontext():
            check_precision("tf32", GPU)
    for name in ("auto", "float32", "bfloat16"):
        check_precision(name, CPU)


def test_an_unknown_detector_is_refused_with_the_known_names():
    with pytest.raises(InputError, match="compact, vgg16_cpm"):
        build("resnet", 68)

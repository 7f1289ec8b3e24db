"""The detector of the paper, layer by layer, against tables of its layers (arXiv 2012.06711).

A row of a table is one convolution: kernel k, input channels, output channels, side of its grid (of the output; of the
input for a deconvolution). It has k k in out weights, and `out` biases or the 2 `out` parameters of a normalisation,
and costs k k in out multiply-adds a cell of that grid.
"""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode
from torchvision.models.vgg import cfgs, make_layers

from tsal.detectors import build
from tsal.detectors.vgg16_cpm import vgg16_features

SCHEMES = [68, 19]


def trunk_layers() -> list[tuple[int, ...]]:
    conv1 = [(3, 3, 64, 256), (3, 64, 64, 256)]
    conv2 = [(3, 64, 128, 128), (3, 128, 128, 128)]
    conv3 = [(3, 128, 256, 64), (3, 256, 256, 64), (3, 256, 256, 64)]
    conv4 = [(3, 256, 512, 32), (3, 512, 512, 32), (3, 512, 512, 32)]
    return conv1 + conv2 + conv3 + conv4 + [(3, 512, 256, 32), (3, 256, 128, 32)]


def pose_machine_layers(maps: int) -> list[tuple[int, ...]]:
    narrow = [(3, 128, 128, 32)] * 4
    first = [*narrow, (1, 128, 512, 32), (1, 512, maps, 32)]
    wide = [(7, 128 + maps, 128, 32), (7, 128, 128, 32), (7, 128, 128, 32)]
    refinement = [*wide, *narrow, (1, 128, 128, 32), (1, 128, maps, 32)]
    return first + refinement + refinement


def bottleneck_layers(inputs: int, planes: int, side: int, stride: int) -> list[tuple[int, ...]]:
    out = side // stride
    layers = [(1, inputs, planes, side), (3, planes, planes, out), (1, planes, 4 * planes, out)]
    return layers + ([(1, inputs, 4 * planes, out)] if inputs != 4 * planes else [])


def normalised_layers() -> list[tuple[int, ...]]:
    """The part of the centre-offset head without biases: bottlenecks from 32 to 16 to 8, deconvolutions back to 64."""
    down = bottleneck_layers(128, 256, 32, 2) + 5 * bottleneck_layers(1024, 256, 16, 1)
    down += bottleneck_layers(1024, 512, 16, 2) + 2 * bottleneck_layers(2048, 512, 8, 1)
    return down + [(4, 2048, 256, 8), (4, 256, 256, 16), (4, 256, 256, 32)]


def output_layers(n_points: int) -> list[tuple[int, ...]]:
    return [row for maps in (1, 2 * n_points) for row in ((3, 256, 128, 32), (1, 128, maps, 32))]


def with_biases(layers: list[tuple[int, ...]]) -> int:
    return sum(k * k * inputs * outputs + outputs for k, inputs, outputs, _ in layers)


def with_normalisations(layers: list[tuple[int, ...]]) -> int:
    return sum(k * k * inputs * outputs + 2 * outputs for k, inputs, outputs, _ in layers)


def count(module: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.fixture(scope="module", params=SCHEMES)
def paper(request):
    """The detector without memory for its weights: shapes and costs only."""
    with torch.device("meta"):
        return build("vgg16_cpm", request.param, weights=None)


def test_each_part_has_the_parameters_of_the_papers_layers(paper):
    k = paper.n_points
    assert count(paper.trunk) == with_biases(trunk_layers())
    assert count(paper.heatmap_head) == with_biases(pose_machine_layers(k + 1))
    assert count(paper.centre_head) == with_normalisations(normalised_layers()) + with_biases(output_layers(k))


def test_256_px_are_seen_on_grids_of_32_by_32(paper):
    k = paper.n_points
    output = paper(torch.empty(2, 3, 256, 256, device="meta"))
    assert [tuple(stage.shape) for stage in output.stages] == [(2, k + 1, 32, 32)] * 3
    assert output.centre.shape == (2, 1, 32, 32) and output.offsets.shape == (2, 2 * k, 32, 32)
    assert paper.maps(output).shape == (2, k, 32, 32)  # the background is no landmark
    assert (paper.heatmap_stride, paper.centre_stride) == (8, 8)


def test_an_image_costs_the_multiply_adds_of_the_papers_layers(paper):
    with FlopCounterMode(display=False) as counter:
        paper(torch.empty(1, 3, 256, 256, device="meta"))
    layers = trunk_layers() + pose_machine_layers(paper.n_points + 1) + normalised_layers()
    layers += output_layers(paper.n_points)
    assert counter.get_total_flops() == 2 * sum(k * k * i * o * side**2 for k, i, o, side in layers)


def test_every_hidden_layer_is_rectified_and_no_output_is(paper):
    hidden = [name for name, module in paper.named_modules() if isinstance(module, torch.nn.ReLU)]
    # trunk 10 + 2, stage 1 five, stages 2 and 3 eight each; bottlenecks one module each (used three times), and the
    # deconvolutions three, the outputs one each
    assert len(hidden) == 12 + 5 + 2 * 8 + 9 + 3 + 2
    ends = [head[-1] for head in (paper.heatmap_head.stage1, paper.heatmap_head.stage2, paper.heatmap_head.stage3)]
    ends += [paper.centre_head.centre[-1], paper.centre_head.offsets[-1]]
    assert all(isinstance(end, torch.nn.Conv2d) and end.kernel_size == (1, 1) for end in ends)


def test_a_refinement_stage_sees_the_features_and_the_maps_before_it():
    head = build("vgg16_cpm", 19, weights=None).heatmap_head
    features = torch.randn(1, 128, 4, 4, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        one, two, three = head(features)
        assert torch.equal(two, head.stage2(torch.cat([features, one], 1)))
        assert torch.equal(three, head.stage3(torch.cat([features, two], 1)))


def test_the_trunk_is_torchvisions_vgg16_up_to_conv4_3():
    torch.manual_seed(0)
    theirs, mine = make_layers(cfgs["D"], batch_norm=False)[:23], vgg16_features()
    shapes = {name: value.shape for name, value in theirs.state_dict().items()}
    assert {name: value.shape for name, value in mine.state_dict().items()} == shapes
    mine.load_state_dict(theirs.state_dict())
    images = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        assert torch.equal(mine(images), theirs(images))


@pytest.mark.slow
def test_the_detector_of_the_paper_runs_from_256_px_to_landmarks():
    torch.manual_seed(0)
    detector = build("vgg16_cpm", 68, weights=None).eval()
    with torch.inference_mode():
        output = detector(torch.randn(1, 3, 256, 256))
        near = detector.decode(output)
        points = detector.decode_offsets(output, near)
    assert near.shape == points.shape == (1, 68, 2) and points.isfinite().all()
    assert near.min() >= 3.5 and near.max() <= 8 * 31 + 3.5  # a centroid stays between the outermost cells

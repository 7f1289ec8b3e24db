"""Views of crops: geometry maps points, pictures and names alike."""

import numpy as np
import pytest
import torch
from torch.nn import functional
from views import mirror

from tsal.data.augment import (
    _blur,
    apply_view,
    change_colours,
    draw_view,
    from_view,
    normalise,
    sample,
    sampling_grid,
    to_view,
    turn,
)
from tsal.data.landmarks import SCHEMES
from tsal.settings.models import NO_AUGMENTATION, Augmentation

SCHEME = SCHEMES["68"]
STRONG = Augmentation(scale=0.2, rotation=30, shift=0.1, flip=0.5, colour=0.5, erase=0.5)


def views(n=16, augmentation=STRONG, seed=0):
    return draw_view(n, 128, 96, augmentation, torch.Generator().manual_seed(seed))


def test_points_come_back_from_a_view():
    points = torch.rand(16, 68, 2) * 127
    view = views()
    assert view.mirrored.any() and not view.mirrored.all()
    assert (from_view(to_view(points, view, SCHEME), view, SCHEME) - points).abs().max() < 1e-3


SHIFTED = STRONG.replace(mirror_shift=0.05)  # of 96 px


def test_points_come_back_from_a_view_that_is_mirrored_beside_the_face():
    points = torch.rand(16, 68, 2) * 127
    view = views(augmentation=SHIFTED)
    assert view.mirrored.any() and not view.mirrored.all()
    assert (from_view(to_view(points, view, SCHEME), view, SCHEME) - points).abs().max() < 1e-3


def test_labels_to_the_right_of_the_face_lie_to_the_right_of_a_mirrored_face():
    """The picture is upright, then turned: to the right in the one is along the turned axis in the other."""
    places = torch.rand(16, 68, 2) * 60 + 34
    labels = places + torch.tensor([0.05 * 96, 0.0])
    shown = to_view(places, views(), SCHEME)  # where the view has them: a picture has no shift
    view = views(augmentation=SHIFTED)
    beside = to_view(labels, view, SCHEME) - shown
    right = view.matrix[:, :, 0] * torch.where(view.mirrored, -1.0, 1.0).unsqueeze(1)
    assert (beside - 0.05 * 96 * right.unsqueeze(1)).abs().max() < 1e-3


def test_the_shift_of_labels_is_none_of_the_pictures():
    for augmentation in (STRONG, SHIFTED):
        view = views(augmentation=augmentation)
        assert torch.equal(sampling_grid(view, 96), sampling_grid(views(), 96))
    assert turn(view, 96, 30.0).mirror_shift == view.mirror_shift == pytest.approx(4.8)


def test_a_shift_is_none_where_nothing_is_mirrored():
    assert Augmentation(flip=0.0, mirror_shift=0.02) == Augmentation(flip=0.0)
    assert Augmentation(mirror_shift=0.02).replace(flip=0.0).mirror_shift == 0


def test_the_plain_view_is_the_crop_without_its_margin():
    points = torch.tensor([[[63.5, 63.5], [16.0, 111.0]]]).expand(1, 2, 2)
    shown = (
        points @ views(1, NO_AUGMENTATION).matrix[:, :, :2].transpose(1, 2)
        + views(1, NO_AUGMENTATION).matrix[:, None, :, 2]
    )
    assert shown[0].tolist() == [[47.5, 47.5], [0.0, 95.0]]


def test_the_picture_shows_a_landmark_where_the_view_says():
    """A white dot of each crop is looked for in the view's picture."""
    crops = torch.zeros(16, 128, 128, 3, dtype=torch.uint8)
    dots = torch.randint(45, 83, (16, 2), generator=torch.Generator().manual_seed(1))
    for crop, (x, y) in zip(crops, dots, strict=True):
        crop[y - 1 : y + 2, x - 1 : x + 2] = 255
    view = views()
    brightness = sample(crops.permute(0, 3, 1, 2).float(), sampling_grid(view, 96))[:, 0]
    axis = torch.arange(96.0)
    total = brightness.sum((1, 2))
    found = torch.stack([(brightness.sum(1) * axis).sum(1), (brightness.sum(2) * axis).sum(1)], -1) / total[:, None]
    points = dots.float()[:, None].expand(-1, 68, -1)
    assert (found - to_view(points, view, SCHEME)[:, 0]).abs().max() < 0.1


def test_a_mirrored_face_swaps_left_and_right():
    face = torch.rand(1, 68, 2) * 60 + 34
    plain = views(1, NO_AUGMENTATION)
    seen = to_view(face, mirror(plain, 96), SCHEME)
    straight = to_view(face, plain, SCHEME)
    assert seen[0, 36].tolist() == pytest.approx([95 - straight[0, 45, 0].item(), straight[0, 45, 1].item()], abs=1e-3)


def test_a_turned_view_turns_the_picture_about_its_middle():
    plain = views(1, NO_AUGMENTATION)
    points = torch.tensor([[63.5, 63.5], [93.5, 63.5]]).repeat(1, 34, 1)
    seen = to_view(points, turn(plain, 96, 30.0), SCHEME)[0, :2]
    expected = [47.5 + 30 * np.cos(np.pi / 6), 47.5 + 30 * np.sin(np.pi / 6)]
    assert seen[0].tolist() == pytest.approx([47.5, 47.5], abs=1e-3)
    assert seen[1].tolist() == pytest.approx(expected, abs=1e-3)


def test_scale_rotation_and_shift_stay_in_their_ranges():
    view = views(2000, Augmentation(scale=0.2, rotation=30, shift=0.1, flip=0, colour=0, erase=0))
    linear = view.matrix[:, :, :2]
    scale = torch.linalg.det(linear).sqrt()
    angle = torch.rad2deg(torch.atan2(linear[:, 1, 0], linear[:, 0, 0]))
    middle = linear @ torch.tensor([63.5, 63.5]) + view.matrix[:, :, 2] - 47.5
    assert 0.8 <= scale.min() < 0.81 and 1.19 < scale.max() <= 1.2
    assert 29 < angle.abs().max() <= 30.001
    assert 9.4 < middle.abs().max() <= 9.6 + 1e-3


def test_the_same_seed_gives_the_same_pictures():
    crops = torch.randint(0, 256, (4, 128, 128, 3), dtype=torch.uint8)

    def picture(seed):
        random = torch.Generator().manual_seed(seed)
        return apply_view(crops, draw_view(4, 128, 96, STRONG, random), 96, STRONG, random)

    assert torch.equal(picture(5), picture(5))
    assert not torch.equal(picture(5), picture(6))


def test_colours_stay_in_range_and_no_strength_changes_nothing():
    images = torch.rand(8, 3, 32, 32)
    changed = change_colours(images, STRONG, torch.Generator().manual_seed(0))
    assert changed.min() >= 0 and changed.max() <= 1 and not torch.equal(changed, images)
    assert torch.equal(change_colours(images, NO_AUGMENTATION, torch.Generator().manual_seed(0)), images)


def test_normalisation_is_that_of_imagenet():
    grey = normalise(torch.full((1, 3, 1, 1), 0.5)).flatten().tolist()
    expected = (0.5 - np.array([0.485, 0.456, 0.406])) / np.array([0.229, 0.224, 0.225])
    assert grey == pytest.approx(expected.tolist(), rel=1e-5)


@pytest.mark.parametrize("size", [(1, 1), (2, 5), (9, 8)])
def test_blur_is_the_mean_of_the_pixels_around_that_lie_in_the_image(size):
    images = torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(0))
    expected = functional.avg_pool2d(images.double(), 3, 1, 1, count_include_pad=False)
    assert (_blur(images) - expected).abs().max() < 2e-7  # three roundings of numbers below 1


def test_colours_change_by_gain_saturation_contrast_and_brightness_as_drawn_in_that_order():
    images = torch.rand(4, 3, 9, 8, generator=torch.Generator().manual_seed(0))
    changed = change_colours(images, Augmentation(colour=0.5, erase=0.0), torch.Generator().manual_seed(1))
    random = torch.Generator().manual_seed(1)
    gain, saturation, contrast, brightness, blur = (
        (torch.rand(4, channels, 1, 1, generator=random) * 2 - 1) * limit * 0.5
        for channels, limit in ((3, 0.15), (1, 1), (1, 1), (1, 0.3), (1, 1))
    )
    images = images * (1 + gain)
    grey = images.mean(1, keepdim=True)
    images = grey + (1 + saturation) * (images - grey)
    level = images.mean((1, 2, 3), keepdim=True)
    images = (level + (1 + contrast) * (images - level) + brightness).clamp(0, 1)
    softened = functional.avg_pool2d(images, 3, 1, 1, count_include_pad=False)
    expected = images + 2 * blur.clamp_min(0) * (softened - images)
    assert (changed - expected).abs().max() < 1e-6


def test_changing_colours_leaves_the_images_that_it_is_given():
    images = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    before = images.clone()
    changed = change_colours(images, Augmentation(), torch.Generator().manual_seed(1))
    assert torch.equal(images, before) and not torch.equal(changed, before)

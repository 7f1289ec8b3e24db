"""What a detector makes of frames: disagreement in per cent of the face, features without scale, one row a frame."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from tsal.data.crops import open_crops, write_crops
from tsal.data.faces import make_faces
from tsal.data.landmarks import SCHEMES
from tsal.detectors.predict import LandmarkDetector, create_network
from tsal.methods.signals import Signal
from tsal.settings.models import DetectorSettings
from tsal.suggesting import evidence as module
from tsal.suggesting.evidence import gather_evidence

CPU = torch.device("cpu")
SETTINGS = DetectorSettings(weights="none", width=8, input_px=32)


@pytest.fixture(scope="module")
def detector():
    torch.manual_seed(0)
    return LandmarkDetector(create_network(SETTINGS, 68, "float32"), SETTINGS, SCHEMES["68"])


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """Five frames of a clip and three stills, all of noise."""
    import cv2

    folder, random = tmp_path_factory.mktemp("frames"), np.random.default_rng(0)
    paths = [str(folder / f"{number}.png") for number in range(8)]
    for path in paths:
        cv2.imwrite(path, cv2.GaussianBlur(random.integers(0, 256, (64, 64, 3), np.uint8), (0, 0), 2))
    table: pd.DataFrame = make_faces(
        paths,
        np.tile([12.0, 12, 52, 52], (8, 1)),
        np.full((8, 68, 2), np.nan),
        frame=[0, 1, 2, 3, 4, -1, -1, -1],
        clip=["clip"] * 5 + ["a", "b", "c"],
        split="train",
    )
    write_crops(table, folder / "train.json", input_px=32, expand=0.2, margin=4 / 3, workers=1)
    return open_crops(folder, "train")


def test_each_frame_has_its_row_whatever_the_others_are(detector, store):
    everything = gather_evidence(detector, store, np.arange(8), CPU)
    assert everything.points.shape == (8, 68, 2) and everything.confidences.shape == (8, 68)
    assert everything.disagreement.shape == (8,) and (everything.disagreement > 0).all()
    expected = detector.landmarks(store.images[np.arange(8)], CPU)
    assert np.allclose(everything.points, expected, atol=1e-3)
    few = gather_evidence(detector, store, np.array([6, 2]), CPU)
    assert np.allclose(few.points, everything.points[[6, 2]], atol=1e-3)


def test_features_have_no_scale_of_their_own(detector, store):
    features = gather_evidence(detector, store, np.arange(8), CPU).features
    assert np.allclose(features.mean(0), 0, atol=1e-3)
    assert np.allclose(features.std(0), 1, atol=1e-3)


def test_the_same_seed_sees_the_same_and_training_mode_is_left_as_it_was(detector, store):
    detector.network.train()
    first, second = (gather_evidence(detector, store, np.arange(8), CPU, seed=3) for _ in range(2))
    assert detector.network.training
    assert np.array_equal(first.disagreement, second.disagreement)


def test_no_frames_are_no_error(detector, store):
    assert len(gather_evidence(detector, store, np.empty(0, int), CPU).disagreement) == 0


def test_neighbours_are_the_next_frame_or_else_the_one_before(store):
    assert module._neighbours(store).tolist() == [1, 2, 3, 4, 3, -1, -1, -1]


def test_disagreement_is_the_distance_from_the_mean_of_the_signals_that_know_a_landmark():
    points = torch.zeros(2, 3, 2)
    near = Signal(points, torch.ones(2, 3))
    far = Signal(points + torch.tensor([6.0, 8.0]), torch.ones(2, 3))  # 10 px away: each is 5 from the mean
    assert module._disagreement([near, far]) == pytest.approx([5.0, 5.0])
    unknown = replace(far, variance=torch.tensor([[1.0] * 3, [torch.inf] * 3]))
    assert module._disagreement([near, unknown]) == pytest.approx([5.0, 0.0])


@pytest.mark.parametrize(("shift", "flip"), [(0.02, 0.5), (None, 0.0)])
def test_views_are_mirrored_as_in_the_detectors_training(detector, shift, flip):
    augmentation = module._augmentation(replace(detector, mirror_shift=shift))
    assert (augmentation.flip, augmentation.mirror_shift) == (flip, shift or 0.0)

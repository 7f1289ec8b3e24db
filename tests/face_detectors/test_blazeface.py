"""BlazeFace: which faces it finds, in rendered pictures."""

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from tsal.errors import InputError
from tsal.face_detectors import Finder, blazeface, create
from tsal.face_detectors.blazeface import tiles
from tsal.face_detectors.boxes import overlap
from tsal.synth.plan import Shot

GREY = (110, 110, 110)


@pytest.fixture(scope="module")
def finder() -> Finder:
    return create("blazeface")


@pytest.fixture(scope="module")
def faces() -> list[tuple[np.ndarray, np.ndarray]]:
    """Pictures of 160 px with one rendered face each, RGB, and the bounds of its landmarks."""
    if importlib.util.find_spec("anny") is None:
        pytest.skip("needs the package anny")
    from tsal.synth.scene import render_person

    shots = []
    for person in (4, 6, 9):
        (still,) = render_person(0, person, [Shot(person, 0, 1, False)], 160)
        image = cv2.cvtColor(cv2.imdecode(np.frombuffer(still.jpegs[0], np.uint8), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
        shots.append((image, np.concatenate([still.points[0].min(axis=0), still.points[0].max(axis=0)])))
    return shots


def scene(
    face: tuple[np.ndarray, np.ndarray], size: tuple[int, int], centre: tuple[float, float], height: float, turn=0
):
    """A grey picture (width, height) with a face of a height in px, turned in degrees; and the bounds, not turned."""
    image, bounds = face
    factor = height / (bounds[3] - bounds[1])
    if factor < 1:
        image = cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
    middle = (bounds[:2] + bounds[2:]) / 2 * min(factor, 1)
    affine = cv2.getRotationMatrix2D(tuple(middle), turn, max(factor, 1))
    affine[:, 2] += centre - middle
    half = (bounds[2:] - bounds[:2]) / 2 * factor
    picture = cv2.warpAffine(image, affine, size, borderMode=cv2.BORDER_CONSTANT, borderValue=GREY)
    return picture, np.concatenate([centre - half, centre + half])


def finds(finder: Finder, picture: np.ndarray, bounds: np.ndarray, most: float = 0.5) -> bool:
    boxes, _ = finder.find(picture)
    return bool(overlap(bounds[None], finder.calibration.apply(boxes)).max(initial=0) > most)


def test_each_face_is_found_once(finder, faces):
    for image, bounds in faces:
        boxes, confidences = finder.find(image)
        assert boxes.shape == (1, 4) and confidences.shape == (1,)
        assert overlap(bounds[None], finder.calibration.apply(boxes))[0, 0] > 0.6


def test_no_face_is_found_in_noise_or_in_one_colour(finder):
    rng = np.random.default_rng(0)
    for picture in (
        rng.integers(0, 256, (240, 320, 3), np.uint8),
        cv2.resize(rng.integers(0, 256, (60, 80, 3), np.uint8), (320, 240), interpolation=cv2.INTER_CUBIC),
        np.zeros((240, 320, 3), np.uint8),
        np.full((240, 320, 3), 255, np.uint8),
    ):
        boxes, confidences = finder.find(picture)
        assert boxes.shape == (0, 4) and boxes.dtype == np.float64
        assert confidences.shape == (0,) and confidences.dtype == np.float64


@pytest.mark.parametrize("share", [0.06, 0.1, 0.2, 0.4, 0.7, 1.0])
@pytest.mark.parametrize("size", [(640, 480), (1280, 720), (480, 640)])
def test_faces_of_6_to_100_percent_of_the_height_are_found(finder, faces, share, size):
    if share * size[1] > size[0]:
        pytest.skip("wider than the picture")
    half = share * size[1] / 2
    centre = (min(size[0] * 0.3 + half, size[0] / 2), min(size[1] * 0.2 + half, size[1] / 2))
    picture, bounds = scene(faces[1], size, centre, share * size[1])
    assert finds(finder, picture, bounds)


def test_small_faces_are_found_only_if_they_are_looked_for(finder, faces):
    picture, bounds = scene(faces[1], (1280, 720), (700, 400), 0.06 * 720)
    assert finds(finder, picture, bounds)
    assert not finds(create("blazeface", {"smallest": 0.5}), picture, bounds)


def test_all_of_several_faces_are_found_the_most_confident_first(finder, faces):
    picture = np.full((480, 640, 3), 110, np.uint8)
    everyone = []
    for face, centre, height in zip(faces, [(120, 130), (480, 150), (320, 350)], (60, 100, 140), strict=True):
        one, bounds = scene(face, (640, 480), centre, height)
        drawn = (one != 110).any(axis=2)
        picture[drawn] = one[drawn]
        everyone.append(bounds)
    boxes, confidences = finder.find(picture)
    best = overlap(np.array(everyone), finder.calibration.apply(boxes))
    assert sorted(best.argmax(axis=1).tolist()) == [0, 1, 2]
    assert (best.max(axis=1) > 0.5).all()
    assert (np.diff(confidences) <= 0).all() and (confidences <= 1).all()


@pytest.mark.parametrize("corner", [(0, 0), (1, 0), (0, 1), (1, 1)])
def test_a_face_in_a_corner_is_found(finder, faces, corner):
    _, bounds = scene(faces[1], (640, 480), (320, 240), 150)
    half = (bounds[2:] - bounds[:2]) / 2
    centre = half + np.array(corner) * (np.array([639, 479]) - 2 * half)
    picture, bounds = scene(faces[1], (640, 480), centre, 150)
    assert finds(finder, picture, bounds)


@pytest.mark.parametrize("turn", [-30, 30])
def test_a_turned_face_is_found(finder, faces, turn):
    for face in faces:
        picture, bounds = scene(face, (640, 480), (320, 240), 150, turn)
        assert finds(finder, picture, bounds)


def test_grey_and_dark_faces_are_found(finder, faces):
    picture, bounds = scene(faces[0], (640, 480), (320, 240), 150)
    grey = cv2.cvtColor(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    assert finds(finder, grey, bounds)
    assert finds(finder, (picture * 0.2).astype(np.uint8), bounds)


def test_a_box_follows_the_face_when_the_picture_grows(finder, faces):
    """Pixel centres are integers: px p of a picture is px (p + 0.5) 2 - 0.5 of one of twice the size."""
    picture, _ = scene(faces[1], (400, 300), (180, 140), 100)
    twice = cv2.resize(picture, None, fx=2, fy=2, interpolation=cv2.INTER_NEAREST)
    (small,), (large,) = finder.find(picture)[0], finder.find(twice)[0]
    assert large == pytest.approx((small + 0.5) * 2 - 0.5, abs=3)


@pytest.mark.parametrize("shape", [(1, 1), (1, 50), (50, 1), (3, 3000)])
def test_pictures_of_any_shape_can_be_searched(finder, shape):
    boxes, _ = finder.find(np.zeros((*shape, 3), np.uint8))
    assert boxes.shape == (0, 4)


def test_a_face_in_a_picture_of_20_000_px_is_found(finder, faces):
    picture, bounds = scene(faces[1], (20_000, 400), (15_000, 200), 300)
    assert finds(create("blazeface", {"smallest": 0.5}), picture, bounds)


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((8, 8), np.uint8),
        np.zeros((8, 8, 4), np.uint8),
        np.zeros((8, 8, 3), np.uint16),
        np.zeros((0, 8, 3), np.uint8),
    ],
)
def test_what_is_no_rgb_picture_of_8_bits_is_refused(finder, image):
    with pytest.raises(ValueError, match=r"expected a picture \(H, W, 3\) uint8"):
        finder.find(image)


def test_boxes_do_not_depend_on_threads_or_on_what_was_searched_before(faces):
    before = cv2.getNumThreads()
    found = []
    try:
        for threads in (1, 2):
            cv2.setNumThreads(threads)
            fresh = create("blazeface")
            found += [fresh.find(faces[0][0]), (fresh.find(faces[1][0]), fresh.find(faces[0][0]))[1]]
    finally:
        cv2.setNumThreads(before)
    for boxes, confidences in found[1:]:
        assert np.array_equal(boxes, found[0][0]) and np.array_equal(confidences, found[0][1])


@pytest.mark.parametrize("size", [(640, 480), (1280, 720), (720, 1280), (3000, 400), (20_000, 15_000)])
@pytest.mark.parametrize("smallest", [0.02, 0.05, 0.2])
def test_each_face_that_is_too_small_lies_whole_in_a_tile_that_is_fine_enough(size, smallest):
    """For faces from the smallest to 7 % of the longer side: some tile holds it and has it between 7 and 30 %."""
    width, height = size
    rng = np.random.default_rng(0)
    lowest, highest = max(smallest * height, 10), 0.07 * max(size)
    known = list(tiles(width, height, smallest))
    if lowest >= highest:
        assert not known
        return
    for face in np.geomspace(lowest, highest * 0.999, 10):
        if face > min(size):
            continue
        for x0, y0 in rng.uniform(0, 1, (20, 2)) * (np.array(size) - face):
            assert any(
                0.069 * side <= face <= 0.3 * side
                and x <= x0
                and y <= y0
                and x0 + face <= x + side
                and y0 + face <= y + side
                for x, y, side in known
            ), (face, x0, y0)


def test_damaged_weights_are_one_line_with_both_digests(tmp_path, monkeypatch):
    shutil.copytree(Path(blazeface.__file__).parent / "weights", tmp_path / "weights")
    path = tmp_path / "weights" / "blazeface_back.tflite"
    path.write_bytes(path.read_bytes()[:-1] + b"\0")
    monkeypatch.setattr(blazeface, "_WEIGHTS", tmp_path / "weights")
    with pytest.raises(InputError) as error:
        create("blazeface")
    said = str(error.value)
    assert said.startswith(f"{path}: its SHA-256 is ") and "expected" in said and "e376cf6b168d" in said
    assert "\n" not in said and "Install tsal again" in said


def test_missing_weights_are_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr(blazeface, "_WEIGHTS", tmp_path)
    with pytest.raises(
        InputError, match=r"blazeface_short\.tflite: no such file; expected the face detector BlazeFace"
    ):
        create("blazeface")


def test_it_takes_the_networks_boxes_as_they_are_meant(finder):
    """Of a network that says one box alone: 32 px wide, 64 high, 8 px right of the centre of its cell."""
    network = blazeface._Candidates(blazeface._BACK, 0.5)
    row = 2 * (16 * 3 + 5) + 1  # the second box of cell x = 5, y = 3 of 16 x 16
    places, scores = np.zeros((1, 896, 16), np.float32), np.full((1, 896, 1), -100, np.float32)
    places[0, row, :4], scores[0, row] = [8, 0, 32, 64], 100

    class Net:
        def setInput(self, blob):
            assert blob.shape == (1, 3, 256, 256) and blob.min() >= -1 and blob.max() <= 1

        def forward(self, names):
            return places, scores

    network.net = Net()
    boxes, confidences = network(np.zeros((256, 512, 3), np.uint8))
    x, y = 5.5 * 16 + 8, 3.5 * 16 - 64  # the picture lies in the middle of the square, 64 px from its top
    assert boxes == pytest.approx(np.array([[x - 16, y - 32, x + 16, y + 32]]) * 2 - 0.5)
    assert confidences == pytest.approx([1.0])


def test_pytorch_is_not_loaded():
    code = "import sys; from tsal.face_detectors import create; create(); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0

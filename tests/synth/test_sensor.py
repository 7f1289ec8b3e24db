"""The camera of the renderer: exposure, noise, tone, blur, compression."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from tsal.synth.people import linear
from tsal.synth.sensor import Sensor, compress, draw_sensor, expose, exposure

CLEAN = Sensor(
    blur=0.0, shutter=0.0, balance=np.ones(3, np.float32), brightness=0.2, photons=1e12, read_noise=0.0, contrast=0.0,
    saturation=1.0, coarse=1.0, quality=95,
)  # fmt: skip
STILL = np.zeros(2)


def shoot(
    light: np.ndarray, sensor: Sensor, gain: float = 1.0, motion: np.ndarray = STILL, seed: int = 0
) -> np.ndarray:
    return expose(light.astype(np.float32), sensor, gain, motion, np.random.default_rng(seed))


def flat(value: float, size: int = 64) -> np.ndarray:
    return np.full((size, size, 3), value, np.float32)


def texture(size: int = 64) -> np.ndarray:
    noise = cv2.GaussianBlur(np.random.default_rng(0).random((size, size, 3)).astype(np.float32), (0, 0), 3)
    return 0.1 + 0.5 * (noise - noise.min()) / np.ptp(noise)


@pytest.mark.parametrize("brightness", [0.04, 0.2, 0.4])
@pytest.mark.parametrize("level", [0.01, 1.0, 30.0])
def test_exposure_brings_the_face_to_the_set_brightness(brightness, level):
    sensor = replace(CLEAN, brightness=brightness)
    light = texture() * np.float32(level)
    gain = exposure(light.reshape(-1, 3), sensor)
    assert (light * gain).mean() == pytest.approx(brightness, rel=1e-3)
    assert linear(shoot(light, sensor, gain) / 255).mean() == pytest.approx(brightness, rel=0.03)


def test_a_highlight_does_not_darken_the_exposure():
    light = texture().reshape(-1, 3)
    glare = light.copy()
    glare[:20] = 1e4
    assert exposure(glare, CLEAN) == pytest.approx(exposure(light, CLEAN), rel=0.1)
    assert np.isfinite(exposure(np.zeros((10, 3), np.float32), CLEAN))


@pytest.mark.parametrize("level", [0.1, 0.3, 0.6])
@pytest.mark.parametrize(("photons", "read_noise"), [(200, 0.0), (1000, 0.0), (1e9, 0.02), (400, 0.03)])
def test_noise_is_shot_noise_and_read_noise(level, photons, read_noise):
    sensor = replace(CLEAN, photons=photons, read_noise=read_noise)
    seen = linear(shoot(flat(level, 128), sensor) / 255)
    assert seen.mean() == pytest.approx(level, rel=0.02)
    assert seen.var() == pytest.approx(level / photons + read_noise**2, rel=0.06)


def test_the_tone_curve_is_srgb_without_contrast_and_always_rises():
    steps = np.linspace(0, 1, 400) ** 2.2
    ramp = np.repeat(np.repeat(steps[None, :, None], 4, 0), 3, 2)
    square = cv2.resize(ramp.astype(np.float32), (400, 400), interpolation=cv2.INTER_NEAREST)
    for contrast in (0.0, 0.35, 0.7):
        seen = shoot(square, replace(CLEAN, contrast=contrast))[0, :, 0].astype(int)
        assert (np.diff(seen) >= 0).all()
        assert seen[0] == 0 and seen[-1] == 255
        if contrast == 0:
            assert np.abs(linear(seen / 255) - steps).max() < 0.006
    assert np.ptp(shoot(texture(), replace(CLEAN, contrast=0.7)).astype(int)) > np.ptp(shoot(texture(), CLEAN))


@pytest.mark.parametrize("motion", [(3, 0), (0, -5), (4, 4), (-2, 7)])
def test_motion_blur_keeps_the_mean(motion):
    sensor = replace(CLEAN, shutter=0.9)
    sharp, blurred = (linear(shoot(texture(), sensor, motion=np.array(m, float)) / 255) for m in ((0, 0), motion))
    assert blurred.mean() == pytest.approx(sharp.mean(), rel=0.01)
    assert np.abs(blurred - sharp).max() > 0.01


def test_motion_smears_along_its_direction_by_the_open_shutters_share():
    bar = flat(0.0, 65)
    bar[:, 32] = 0.8
    for shutter in (0.4, 0.8):
        sensor = replace(CLEAN, shutter=shutter)
        along = linear(shoot(bar, sensor, motion=np.array([10.0, 0])) / 255)[32, :, 0]
        assert (along > 0.4 * along.max()).sum() == pytest.approx(10 * shutter, abs=2)
        assert np.arange(65) @ along / along.sum() == pytest.approx(32, abs=0.1)  # the exposure's middle
        across = linear(shoot(bar, sensor, motion=np.array([0, 10.0])) / 255)[32, :, 0]
        assert (across > 0.4).sum() == 1


def test_balance_and_saturation():
    grey = flat(0.2)
    seen = linear(shoot(grey, replace(CLEAN, balance=np.float32([1.2, 1.0, 0.8]))) / 255).mean((0, 1))
    assert seen.tolist() == pytest.approx([0.24, 0.2, 0.16], rel=0.02)
    seen = shoot(texture(), replace(CLEAN, saturation=0.0)).astype(int)
    assert np.abs(seen - seen[..., :1]).max() <= 1


def test_lens_blur_and_small_pictures_soften():
    noise = np.random.default_rng(0).uniform(0.1, 0.6, (64, 64, 3))
    sharp = shoot(noise, CLEAN).std()
    assert shoot(noise, replace(CLEAN, blur=1.0)).std() < 0.6 * sharp
    small = shoot(noise, replace(CLEAN, coarse=2.0))
    assert small.shape == (64, 64, 3) and small.std() < 0.7 * sharp


def test_too_much_light_is_white_and_none_is_black():
    assert (shoot(flat(50.0), CLEAN) == 255).all()
    assert (shoot(flat(0.0), CLEAN) == 0).all()
    assert shoot(flat(0.2), CLEAN).dtype == np.uint8


@pytest.mark.parametrize(("quality", "error"), [(95, 1.5), (45, 5.0)])
def test_jpegs_decode_to_about_the_same_picture(quality, error):
    picture = shoot(texture(), CLEAN)
    data = compress(picture, replace(CLEAN, quality=quality))
    decoded = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
    assert decoded.shape == picture.shape
    assert np.abs(decoded.astype(int) - picture).mean() < error
    red = np.full((16, 16, 3), (200, 30, 30), np.uint8)
    decoded = cv2.imdecode(np.frombuffer(compress(red, CLEAN), np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
    assert np.abs(decoded.astype(int) - red).max() < 8  # channels keep their order


def test_drawn_cameras_differ_and_dark_ones_are_darker_and_noisier():
    usual, dark = ([draw_sensor(np.random.default_rng(n), d) for n in range(60)] for d in (False, True))
    assert max(s.brightness for s in dark) < min(s.brightness for s in usual)
    assert max(s.photons for s in dark) <= min(s.photons for s in usual)
    assert len({s.quality for s in usual}) > 20
    assert all(45 <= s.quality <= 96 and 0 <= s.shutter < 1 and s.coarse >= 1 for s in usual + dark)
    assert draw_sensor(np.random.default_rng(3), False).photons == usual[3].photons


def test_the_same_numbers_give_the_same_picture():
    sensor = replace(CLEAN, photons=300, read_noise=0.01)
    np.testing.assert_array_equal(shoot(texture(), sensor), shoot(texture(), sensor))
    assert (shoot(texture(), sensor) != shoot(texture(), sensor, seed=1)).any()

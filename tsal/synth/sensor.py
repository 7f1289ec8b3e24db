"""What a camera makes of the light: lens and motion blur, exposure, white balance, noise, tone curve, JPEG."""

from dataclasses import dataclass

import cv2
import numpy as np


@dataclass(frozen=True)
class Sensor:
    """blur: px of the lens's spread; shutter: share of the frame time that it is open; balance: (3,) gains of the
    channels; brightness: mean linear value that exposure brings the face to; photons: full-well capacity, which sets
    the shot noise; read_noise: linear; contrast: steepness of the tone curve; saturation; coarse: factor by which the
    picture was smaller once; quality: of JPEG, 1 to 100."""

    blur: float
    shutter: float
    balance: np.ndarray
    brightness: float
    photons: float
    read_noise: float
    contrast: float
    saturation: float
    coarse: float
    quality: int


def draw_sensor(random: np.random.Generator, dark: bool) -> Sensor:
    """Draw a camera; `dark`: one that has too little light."""
    warm = random.normal(0, 0.08)
    photons = np.exp(random.uniform(np.log(150), np.log(900)) if dark else random.uniform(np.log(900), np.log(20000)))
    return Sensor(
        blur=float(random.choice([random.uniform(0, 0.5), random.uniform(0.5, 1.1)], p=[0.75, 0.25])),
        shutter=float(random.uniform(0.0, 0.9)),
        balance=np.array([np.exp(warm), np.exp(random.normal(0, 0.03)), np.exp(-warm)], np.float32),
        brightness=float(random.uniform(0.035, 0.11) if dark else np.exp(random.uniform(np.log(0.12), np.log(0.42)))),
        photons=float(photons),
        read_noise=float(random.uniform(0.004, 0.012) if dark else random.uniform(0.0, 0.004)),
        contrast=float(random.uniform(0.0, 0.7)),
        saturation=float(0.0 if random.uniform() < 0.04 else random.uniform(0.6, 1.1)),
        coarse=float(1.0 if random.uniform() < 0.8 else random.uniform(1.3, 2.2)),
        quality=int(random.integers(45, 97)),
    )


def expose(
    light: np.ndarray, sensor: Sensor, gain: float, motion: np.ndarray, random: np.random.Generator
) -> np.ndarray:
    """The picture (P, P, 3) uint8 RGB, before compression, of light (P, P, 3) float32 linear.

    Args:
        gain: exposure, see `exposure`.
        motion: (2,) px a frame that the subject moves by.
    """
    light = light * (sensor.balance * np.float32(gain))
    streak = motion * sensor.shutter
    if np.hypot(*streak) > 0.7:
        light = cv2.filter2D(light, -1, _line(streak), borderType=cv2.BORDER_REPLICATE)
    if sensor.blur > 0.2:
        light = cv2.GaussianBlur(light, (0, 0), sensor.blur)
    if sensor.coarse > 1:
        size = len(light)
        small = max(8, round(size / sensor.coarse))
        light = cv2.resize(light, (small, small), interpolation=cv2.INTER_AREA)
        light = cv2.resize(light, (size, size), interpolation=cv2.INTER_LINEAR)
    light = np.minimum(light, 1.5)
    spread = np.sqrt(np.maximum(light, 0) / np.float32(sensor.photons) + np.float32(sensor.read_noise**2))
    light = light + spread * random.standard_normal(light.shape, dtype=np.float32)
    if sensor.saturation != 1:
        grey = light @ np.array([0.2126, 0.7152, 0.0722], np.float32)
        light = grey[..., None] + np.float32(sensor.saturation) * (light - grey[..., None])
    index = np.clip(light, 0, 1) ** np.float32(0.5) * np.float32(len(_curve(0.0)) - 1)
    return _curve(round(sensor.contrast, 2))[index.astype(np.int32)]


def exposure(light: np.ndarray, sensor: Sensor) -> float:
    """The gain that brings the mean of a face's light (N, 3) to the sensor's brightness."""
    return sensor.brightness / max(float(np.minimum(light, 4 * np.median(light) + 1e-6).mean()), 1e-6)


def compress(picture: np.ndarray, sensor: Sensor) -> bytes:
    """A picture (P, P, 3) uint8 RGB as a JPEG file."""
    done, data = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, sensor.quality])
    if not done:
        raise RuntimeError("OpenCV could not encode a JPEG")
    return data.tobytes()


_CURVES: dict[float, np.ndarray] = {}


def _curve(contrast: float) -> np.ndarray:
    """(2048,) uint8: sRGB's tone curve with an S-shape of the given strength, over square roots of linear values."""
    if contrast not in _CURVES:
        value = np.linspace(0, 1, 2048) ** 2
        value = np.where(value <= 0.0031308, 12.92 * value, 1.055 * value ** (1 / 2.4) - 0.055)
        steep = value * value * (3 - 2 * value)
        _CURVES[contrast] = np.round(255 * ((1 - contrast) * value + contrast * steep)).astype(np.uint8)
    return _CURVES[contrast]


def _line(streak: np.ndarray) -> np.ndarray:
    """A kernel that smears along `streak` (2,) px."""
    half = np.ceil(np.abs(streak).max() / 2).astype(int) + 1
    kernel = np.zeros((2 * half + 1, 2 * half + 1), np.uint8)
    ends = np.round((np.stack([-streak, streak]) / 2 + half) * 256).astype(np.int32)
    cv2.line(kernel, tuple(map(int, ends[0])), tuple(map(int, ends[1])), 255, 1, cv2.LINE_AA, 8)
    return kernel.astype(np.float32) / max(kernel.sum(), 1)

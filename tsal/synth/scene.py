"""One still or clip from its seed: light, camera, pictures and the truth."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np
from threadpoolctl import ThreadpoolController

from tsal.synth import paint, raster
from tsal.synth.convention import SURFACE, annotated
from tsal.synth.frame import SAMPLES, Frame, optical_flow, picture
from tsal.synth.plan import Shot
from tsal.synth.sensor import Sensor, compress, draw_sensor, expose, exposure
from tsal.synth.shading import Light, Surroundings
from tsal.synth.stage import Look, draw_look, draw_stage

BACKGROUND_PX = 224  # the background is mostly out of focus


@dataclass(frozen=True)
class Rendered:
    """A shot of T frames of P x P pixels.

    jpegs: T encoded pictures. points: (T, 68, 2) float64 px, pixel centres at integers. points_3d: (T, 68, 3)
    float64 dm in the camera's frame. cameras: (T, 4) focal length, c_x, c_y in px, and 0: a point is seen at
    (c_x + f x / -z, c_y - f y / -z). visible: (T, 68) bool. flow: (T - 1, P, P, 2) float16 px (x, y) to where each
    pixel's surface is in the next frame. occluded: (T - 1, P, P) bool, not seen there.
    """

    jpegs: list[bytes]
    points: np.ndarray
    points_3d: np.ndarray
    cameras: np.ndarray
    visible: np.ndarray
    flow: np.ndarray
    occluded: np.ndarray


def render_person(
    seed: int, person: int, shots: Sequence[Shot], image_px: int, convention: str = SURFACE
) -> Iterator[Rendered]:
    """Render shots of one person, one after the other; each is a function of (seed, shot, image_px, convention) alone.

    In one thread: with several, the last bits of matrix products would depend on their number.
    """
    with _threads().limit(limits=1):
        look = draw_look(seed, person)
    for shot in shots:
        with _threads().limit(limits=1):
            rendered = render_shot(seed, look, shot, image_px, convention)
        yield rendered


@cache
def _threads() -> ThreadpoolController:
    """What sets the number of threads of the libraries beneath NumPy."""
    return ThreadpoolController()


def draw_light(random: np.random.Generator, dark: bool) -> tuple[list[Light], Surroundings]:
    """One to three lights and the light of the surroundings."""

    def colour(spread: float) -> np.ndarray:
        warm = random.normal(0, spread)
        return np.array([np.exp(warm), np.exp(random.normal(0, spread / 5)), np.exp(-warm)], np.float32)

    def direction(azimuth: float, height: float) -> np.ndarray:
        a, h = np.radians(azimuth), np.radians(height)
        return np.array([np.sin(a) * np.cos(h), np.sin(h), np.cos(a) * np.cos(h)], np.float32)

    key = random.uniform(0.5, 3.0) if not dark else random.uniform(0.5, 5.0)
    lights = [
        Light(direction(random.normal(0, 45), random.uniform(-5, 70)), key * colour(0.09), random.uniform(0.8, 5.0))
    ]
    if random.uniform() < 0.55:  # from the other side, softer
        azimuth = -np.sign(lights[0].direction[0]) * random.uniform(20, 110)
        lights.append(
            Light(direction(azimuth, random.uniform(-10, 60)), key * random.uniform(0.1, 0.6) * colour(0.2), None)
        )
    if random.uniform() < 0.35:  # on hair and cheek, from behind
        azimuth = random.choice([-1, 1]) * random.uniform(110, 165)
        lights.append(
            Light(direction(azimuth, random.uniform(0, 60)), key * random.uniform(0.3, 1.5) * colour(0.25), None)
        )
    level = random.uniform(0.15, 1.0)
    slope = random.normal(0, [0.15, 0.12, 0.12])[:, None] * colour(0.25) * level
    slope[1] += level * random.uniform(0.0, 0.4)  # more from above than from below
    return lights, Surroundings(np.concatenate([level * colour(0.1)[None], slope]).astype(np.float32))


@dataclass(frozen=True)
class Composition:
    """A shot before a camera has seen it: its frames, the light on them, and what is behind."""

    frames: list[Frame]
    lights: list[Light]
    surroundings: Surroundings
    behind: np.ndarray
    sensor: Sensor

    def light(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Linear light (P, P, 3) float32 of a frame, and that of the face's skin (N, 3)."""
        return picture(self.frames[index], self.lights, self.surroundings, self.behind)

    def flow(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Motion (P, P, 2) float64 px from a frame to the next, and where it leads behind something, (P, P) bool."""
        return optical_flow(self.frames[index], self.frames[index + 1])


def compose(look: Look, shot: Shot, image_px: int, random: np.random.Generator) -> Composition:
    """Draw all that makes a shot."""
    stage, dark = draw_stage(look, shot, image_px, random)
    lights, surroundings = draw_light(random, dark)
    sensor = draw_sensor(random, dark)
    level = 2 * np.exp(random.normal(-0.2, 0.5)) * surroundings.light(np.array([[0, 0, 1.0]])).mean()
    behind = paint.background(random, BACKGROUND_PX) * np.float32(level)
    wide = round(1.3 * image_px * SAMPLES)
    behind = cv2.resize(
        behind, (wide, wide), interpolation=cv2.INTER_AREA if wide < BACKGROUND_PX else cv2.INTER_LINEAR
    )
    frames = [Frame(stage, frame, image_px) for frame in range(shot.frames)]
    return Composition(frames, lights, surroundings, behind, sensor)


def render_shot(seed: int, look: Look, shot: Shot, image_px: int, convention: str = SURFACE) -> Rendered:
    """Render a shot with its truth; a function of its arguments only.

    A convention moves the landmarks alone: pictures, and which landmarks are seen, are those of the places on the skin.
    """
    random = np.random.default_rng((seed, 2, shot.person, shot.number))
    made = compose(look, shot, image_px, random)
    focal, pairs = made.frames[0].stage.focal, shot.frames - 1
    surface = raster.project(np.stack([frame.points for frame in made.frames]), focal, image_px)
    points_3d = np.stack([annotated(frame.points, frame.head, convention) for frame in made.frames])
    flow = np.zeros((pairs, image_px, image_px, 2), np.float16)
    occluded = np.zeros((pairs, image_px, image_px), bool)
    for index in range(pairs):
        flow[index], occluded[index] = made.flow(index)
    moved = np.gradient(surface.mean(1), axis=0) if pairs else random.normal(0, 0.6, (1, 2))
    jpegs, gain = [], None
    for index in range(shot.frames):
        light, face = made.light(index)
        gain = gain or exposure(face, made.sensor)
        jpegs.append(compress(expose(light, made.sensor, gain, moved[index], random), made.sensor))
    middle = (image_px - 1) / 2
    return Rendered(
        jpegs,
        raster.project(points_3d, focal, image_px),
        points_3d,
        np.tile([focal, middle, middle, 0.0], (shot.frames, 1)),
        np.stack([frame.visible(surface[index]) for index, frame in enumerate(made.frames)]),
        flow,
        occluded,
    )

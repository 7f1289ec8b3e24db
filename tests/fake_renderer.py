"""Stands in for the renderer in tests: drawn faces instead of rendered ones, in no time."""

import sys
import types
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from archives import draw_face, encode, mean_face

from tsal.synth.convention import SURFACE
from tsal.synth.plan import Shot, SynthSettings

SMALL = SynthSettings(people=10, stills=20, clips=10, clip_frames=3, image_px=48, challenging=0.3, seed=0)


def render_person(
    seed: int, person: int, shots: Sequence[Shot], image_px: int, convention: str = SURFACE
) -> Iterator[types.SimpleNamespace]:
    """A face for each shot; in clips it moves. A third of the landmarks is hidden."""
    for shot in shots:
        random = np.random.default_rng([seed, person, shot.number])
        corner = random.uniform(0.15, 0.25, 2) * image_px
        step = random.uniform(-0.8, 0.8, 2)
        corners = corner + np.arange(shot.frames)[:, None] * step
        points = mean_face() * 0.6 * image_px + corners[:, None]
        pairs = shot.frames - 1
        yield types.SimpleNamespace(  # as tsal.synth.scene.Rendered
            jpegs=[encode(draw_face(frame, image_px, image_px, 10 * (person % 20)), "jpg") for frame in points],
            points=points,
            points_3d=random.normal(size=(shot.frames, 68, 3)),
            cameras=random.uniform(1, 2, (shot.frames, 4)),
            visible=random.random((shot.frames, 68)) > 1 / 3,
            flow=random.normal(size=(pairs, image_px, image_px, 2)).astype(np.float16),
            occluded=random.random((pairs, image_px, image_px)) > 0.5,
        )


def install(monkeypatch) -> None:
    """Let tsal render with the stand-in, whether or not the extra `synth` is installed."""
    scene, anatomy = types.ModuleType("tsal.synth.scene"), types.ModuleType("tsal.synth.anatomy")
    scene.render_person, anatomy.data_folder = render_person, Path
    monkeypatch.setitem(sys.modules, "tsal.synth.scene", scene)
    monkeypatch.setitem(sys.modules, "tsal.synth.anatomy", anatomy)

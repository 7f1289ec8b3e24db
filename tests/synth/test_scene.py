"""Rendered shots: reproducible, and their points, visibility and flow agree with the pictures."""

import hashlib
import importlib.util
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from tsal.synth import raster
from tsal.synth.attachment import FINISH_NUMBERS, Attachment
from tsal.synth.frame import Frame
from tsal.synth.landmarks import landmark_map
from tsal.synth.motion import Motion
from tsal.synth.plan import Shot
from tsal.synth.scene import (
    Composition,
    Rendered,
    compose,
    draw_light,
    render_person,
    render_shot,
)
from tsal.synth.stage import Look, Stage, draw_look

pytestmark = pytest.mark.skipif(importlib.util.find_spec("anny") is None, reason="needs the package anny")

SEED, SIZE, CLIPS = 0, 96, 6
AWAY = 20.0  # dm


@pytest.fixture(scope="module")
def looks() -> list[Look]:
    return [draw_look(SEED, number) for number in range(CLIPS)]


@pytest.fixture(scope="module")
def clips(looks) -> list[Composition]:
    """Shots of four frames, before the camera; some are challenging."""
    return [
        compose(look, Shot(number, 1, 4, number % 3 == 0), SIZE, np.random.default_rng((SEED, 2, number, 1)))
        for number, look in enumerate(looks)
    ]


def bare(look: Look, yaw: float = 0.0, thing: Attachment | None = None) -> Stage:
    """A still of a person with hair but without expression; `thing` is held."""
    still = np.zeros((1, 3))
    motion = Motion(np.array([[yaw, 0.0, 0.0]]), still, still, [{}], np.zeros((1, 2)), still)
    thing = thing or Attachment.join([])
    stage = Stage(look, look.hair, thing, still, None, motion, SIZE * AWAY / 3.0, np.zeros(3))
    return replace(stage, place=np.array([0, 0, -AWAY]) - [0, 0.6, 0])


def plate(look: Look, points: tuple[int, ...], half: float) -> Attachment:
    """A square, half a dm before some landmarks of the neutral face."""
    neutral = look.person.neutral[landmark_map().inner].mean(1)
    centre = neutral[np.array(points) - 17].mean(0)
    corners = centre + half * np.array([[-1, -1, 0], [1, -1, 0], [1, 1, 0], [-1, 1, 0]]) + [0, 0, 0.5]
    return Attachment(
        np.full(4, -1), corners.astype(np.float32), np.array([[0, 1, 2], [0, 2, 3]], np.int32),
        np.zeros((2, 3, 2), np.float32), np.full((2, 3), 0.5, np.float32), np.full(2, FINISH_NUMBERS["plain"]),
        np.zeros((4, 3), np.float32),
    )  # fmt: skip


def seen(stage: Stage) -> np.ndarray:
    """(68,) bool: which landmarks are visible."""
    frame = Frame(stage, 0, SIZE)
    return frame.visible(raster.project(frame.points, stage.focal, SIZE))


def digest(rendered: Rendered) -> str:
    arrays = (rendered.points, rendered.points_3d, rendered.cameras, rendered.visible, rendered.flow, rendered.occluded)
    parts = [*rendered.jpegs, *(np.ascontiguousarray(array).tobytes() for array in arrays)]
    return hashlib.sha256(b"".join(parts)).hexdigest()


def test_the_same_arguments_give_the_same_bytes_whatever_was_rendered_before(looks):
    shots = [Shot(1, 0, 1, True), Shot(1, 1, 1, False), Shot(1, 2, 3, True)]
    together = [digest(rendered) for rendered in render_person(SEED, 1, shots, 64)]
    assert len(set(together)) == 3
    for rendered in render_person(SEED, 2, [Shot(2, 0, 1, True)], 96):
        assert digest(rendered) not in together
    backwards = [digest(rendered) for rendered in render_person(SEED, 1, shots[::-1], 64)]
    assert backwards[::-1] == together
    assert digest(render_shot(SEED, looks[1], shots[2], 64)) == together[2]
    assert digest(render_shot(SEED + 1, looks[1], shots[2], 64)) != together[2]


@pytest.mark.slow
@pytest.mark.parametrize("threads", ["1", "2"])
def test_another_process_gives_the_same_bytes_whatever_its_threads(tmp_path, threads):
    shots = [Shot(3, 0, 1, False), Shot(3, 1, 3, True)]
    here = [digest(rendered) for rendered in render_person(5, 3, shots, 64)]
    script = tmp_path / "render.py"
    script.write_text(
        f"""
import sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from test_scene import Shot, digest, render_person
for shot in (Shot(3, 1, 3, True), Shot(3, 0, 1, False)):
    print(*(digest(rendered) for rendered in render_person(5, 3, [shot], 64)))
""",
        encoding="utf-8",
    )
    some = {**os.environ, "OMP_NUM_THREADS": threads, "OPENBLAS_NUM_THREADS": threads}
    found = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True, env=some)
    assert found.stdout.split()[::-1] == here


@pytest.mark.parametrize("size", [64, 160])
def test_pictures_and_truth_have_the_size_asked_for(looks, size):
    rendered = render_shot(SEED, looks[0], Shot(0, 0, 2, False), size)
    assert len(rendered.jpegs) == 2
    for jpeg in rendered.jpegs:
        picture = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
        assert picture.shape == (size, size, 3)
        assert picture.std() > 5
    assert rendered.points.shape == (2, 68, 2) and rendered.points_3d.shape == (2, 68, 3)
    assert rendered.points.dtype == rendered.points_3d.dtype == np.float64
    assert rendered.visible.shape == (2, 68) and rendered.visible.dtype == bool
    assert rendered.flow.shape == (1, size, size, 2) and rendered.flow.dtype == np.float16
    assert rendered.occluded.shape == (1, size, size) and rendered.occluded.dtype == bool
    middle = rendered.points.mean((0, 1)) / size
    assert np.abs(middle - 0.5).max() < 0.2
    assert 0.3 < np.ptp(rendered.points[0, :, 1]) / size < 0.9


def test_a_still_has_no_flow(looks):
    rendered = render_shot(SEED, looks[2], Shot(2, 0, 1, True), 64)
    assert len(rendered.jpegs) == 1
    assert rendered.flow.shape == (0, 64, 64, 2) and rendered.occluded.shape == (0, 64, 64)


def test_points_are_where_the_camera_sees_the_points_in_space(looks):
    for number, look in enumerate(looks[:4]):
        rendered = render_shot(SEED, look, Shot(number, 1, 3, number % 2 == 0), 64)
        x, y, z = np.moveaxis(rendered.points_3d, -1, 0)
        assert z.max() < 0
        focal, across, down, zero = rendered.cameras.T[:, :, None]
        found = np.stack([across + focal * x / -z, down - focal * y / -z], -1)
        assert np.abs(found - rendered.points).max() < 1e-3
        assert (zero == 0).all() and (across == 31.5).all() and (down == 31.5).all()


def test_flow_carries_the_next_frame_back_onto_a_frame(clips):
    """Photometric: light itself, on a tone curve, where nothing comes between. Highlights and shadows do move."""
    rows, columns = np.mgrid[0:SIZE, 0:SIZE]
    home = np.stack([columns, rows], -1)
    moved = 0
    for clip in clips:
        errors, still, motion = [], [], []
        for index in range(3):
            (first, face), (second, _) = clip.light(index), clip.light(index + 1)
            flow, occluded = clip.flow(index)
            assert np.isfinite(flow).all() and occluded.mean() < 0.5
            warped = cv2.remap(second, (home + flow).astype(np.float32), None, cv2.INTER_CUBIC)
            first, second, warped = (np.clip(p / (2 * face.mean()), 0, 1) ** 0.45 for p in (first, second, warped))
            errors.append(np.abs(warped - first).mean(-1)[~occluded].mean())
            still.append(np.abs(second - first).mean(-1)[~occluded].mean())
            motion.append(np.linalg.norm(flow, axis=-1).mean())
        assert np.mean(errors) < 0.04
        assert np.mean(errors) <= 1.05 * np.mean(still)
        if np.mean(motion) > 1:
            moved += 1
            assert np.mean(errors) < 0.5 * np.mean(still)
    assert moved >= 2


def test_flow_at_landmarks_is_the_landmarks_own_motion(clips):
    """Points 17 to 67 that are visible and not at an edge of what moves alike."""
    differences = []
    for clip in clips:
        focal = clip.frames[0].stage.focal
        for index in range(3):
            before, after = (raster.project(clip.frames[k].points, focal, SIZE) for k in (index, index + 1))
            flow, _ = clip.flow(index)
            visible = clip.frames[index].visible(before)
            for number in np.flatnonzero(visible[17:]) + 17:
                column, row = np.round(before[number]).astype(int)
                around = flow[max(row - 1, 0) : row + 2, max(column - 1, 0) : column + 2].reshape(-1, 2)
                if np.ptp(around, axis=0).max() < 1:
                    differences.append(np.linalg.norm(flow[row, column] - (after - before)[number]))
    assert len(differences) > 300
    assert np.median(differences) < 0.35
    assert np.quantile(differences, 0.9) < 1.0


def test_nothing_flows_where_nothing_moves(looks):
    stage = bare(looks[1])
    two = Motion(*(np.repeat(getattr(stage.motion, n), 2, 0) for n in ("turn", "lean", "drift")), [{}, {}],
                 np.zeros((2, 2)), np.zeros((2, 3)))  # fmt: skip
    stage = replace(stage, motion=two, held_motion=np.zeros((2, 3)))
    frames = [Frame(stage, index, SIZE) for index in range(2)]
    light = Composition(frames, *draw_light(np.random.default_rng(0), False), np.zeros((300, 300, 3), np.float32), None)
    flow, occluded = light.flow(0)
    assert np.abs(flow).max() < 0.02
    assert occluded.mean() < 0.01
    np.testing.assert_array_equal(light.light(0)[0], light.light(1)[0])


def test_a_turn_of_the_camera_moves_the_background_with_it(looks):
    stage = bare(looks[1])
    turns = np.array([[0, 0, 0], [1.0, 0, 0]])
    two = Motion(*(np.repeat(getattr(stage.motion, n), 2, 0) for n in ("turn", "lean", "drift")), [{}, {}],
                 np.zeros((2, 2)), turns)  # fmt: skip
    stage = replace(stage, motion=two, held_motion=np.zeros((2, 3)))
    frames = [Frame(stage, index, SIZE) for index in range(2)]
    flow, _ = Composition(frames, [], None, None, None).flow(0)
    expected = stage.focal * np.tan(np.radians(1.0))
    assert flow[2, 2].tolist() == pytest.approx([-expected, 0], abs=0.3)  # a corner: background
    assert flow[SIZE // 2, SIZE // 2].tolist() == pytest.approx([-expected, 0], abs=0.3)  # the face


def test_from_the_front_a_bare_face_hides_next_to_nothing(looks):
    for look in looks:
        bald = replace(look, hair=Attachment.join([]))
        visible = seen(bare(bald))
        assert np.delete(visible[17:], [33 - 17, 60 - 17, 64 - 17]).all()  # these may lie in a fold
        assert visible[:17].sum() >= 14


def test_the_far_eye_is_hidden_when_the_head_is_turned_far(looks):
    for look in looks:
        bald = replace(look, hair=Attachment.join([]))
        left, right = seen(bare(bald, 75.0)), seen(bare(bald, -75.0))
        assert not left[45] and not right[36]
        assert left[[30, 36, 48, 8]].all() and right[[30, 45, 54, 8]].all()
        assert left[:9].all() and right[8:17].all()


@pytest.mark.parametrize(("hidden", "shown"), [((48, 51, 54, 57), (36, 39, 42, 45)), ((36, 39, 42, 45), (31, 48, 57))])
def test_what_is_held_before_a_face_hides_its_landmarks(looks, hidden, shown):
    for look in looks[:3]:
        bald = replace(look, hair=Attachment.join([]))
        visible = seen(bare(bald, thing=plate(look, hidden, 0.25 if 48 in hidden else 0.55)))
        inner = (48, 51, 54, 57, 62, 66) if 48 in hidden else (39, 42, 36, 45)
        near = [n for n in inner if abs(_aside(look, n, hidden)) < (0.2 if 48 in hidden else 0.5)]
        assert len(near) >= 3 and not visible[near].any()
        if 48 in hidden:
            assert visible[list(shown)].all()


def _aside(look: Look, number: int, points: tuple[int, ...]) -> float:
    """How far a landmark lies from the middle of others, dm, across or up."""
    neutral = look.person.neutral[landmark_map().inner].mean(1)
    return float(np.abs(neutral[number - 17] - neutral[np.array(points) - 17].mean(0))[:2].max())


def test_a_point_out_of_the_picture_is_not_visible(looks):
    stage = bare(looks[0])
    for shift, expected in (([3.0, 0, 0], 0), ([0, 3.0, 0], 0)):
        frame = Frame(replace(stage, place=stage.place + shift), 0, SIZE)
        assert frame.visible(raster.project(frame.points, stage.focal, SIZE)).sum() == expected


def test_challenging_shots_hide_more_than_others(looks):
    shares = {}
    for hard in (False, True):
        shots = [Shot(number, 0, 1, hard) for number in range(CLIPS) for _ in range(3)]
        every = [
            render_shot(SEED, looks[shot.person], replace(shot, number=place), 64).visible.mean()
            for place, shot in enumerate(shots)
        ]
        shares[hard] = np.mean(every)
    assert shares[True] < shares[False] - 0.03
    assert shares[False] > 0.8


def test_lights_are_finite_and_shine_from_somewhere():
    for number in range(60):
        lights, surroundings = draw_light(np.random.default_rng(number), number % 2 == 0)
        assert 1 <= len(lights) <= 3
        for light in lights:
            assert np.linalg.norm(light.direction) == pytest.approx(1, abs=1e-5)
            assert light.colour.min() > 0
        assert lights[0].blur is not None  # the key casts a shadow
        assert np.isfinite(surroundings.coefficients).all() and surroundings.coefficients[0].min() > 0

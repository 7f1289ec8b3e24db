"""What people of the benchmark synth wear and hold: where it lies on and before the head."""

import importlib.util
from dataclasses import fields

import numpy as np
import pytest

from tsal.synth import props
from tsal.synth.anatomy import load
from tsal.synth.attachment import FINISH_NUMBERS, Attachment
from tsal.synth.landmarks import landmark_map
from tsal.synth.people import Person, draw_person
from tsal.synth.props.fitting import find_places
from tsal.synth.props.hands import load_hand
from tsal.synth.props.held import FASTEST
from tsal.synth.raster import hidden

pytestmark = pytest.mark.skipif(importlib.util.find_spec("anny") is None, reason="needs the package anny")

AWAY = 10.0  # dm from the lens to the front of the head
EYES, MOUTH = np.arange(36, 48), np.arange(48, 68)


@pytest.fixture(scope="module")
def people() -> list[Person]:
    return [draw_person(5, number) for number in range(8)]


def placed(person: Person, thing: Attachment) -> np.ndarray:
    """(n, 3) in the frame of Person.neutral."""
    return thing.offsets + np.where(thing.anchors[:, None] >= 0, person.neutral[thing.anchors], 0)


def before_the_lens(person: Person, points: np.ndarray) -> np.ndarray:
    """Seen frontally, in the camera's frame."""
    centre = np.array([0, *landmarks(person)[30, 1:]])
    return points - centre - [0, 0, AWAY]


def landmarks(person: Person) -> np.ndarray:
    return landmark_map().points(person.neutral - np.array([0, 7, 20], np.float32), np.eye(3)) + [0, 7, 20]


def hides(person: Person, thing: Attachment, shift: np.ndarray | float = 0.0) -> np.ndarray:
    """(68,) which landmarks a thing hides from the front, apart from what the face itself hides."""
    corners = before_the_lens(person, placed(person, thing) + shift)[thing.triangles]
    return hidden(before_the_lens(person, landmarks(person)), corners, 0.01)


def in_skin(person: Person, points: np.ndarray) -> np.ndarray:
    """(n,) which points the skin hides from the front."""
    anatomy = load()
    corners = before_the_lens(person, person.neutral)[anatomy.triangles[anatomy.faces_of("skin")]]
    return hidden(before_the_lens(person, points), corners, 0.0)


def only(monkeypatch: pytest.MonkeyPatch, **shares: float) -> None:
    """Let nothing be worn but what is named."""
    names = ("GLASSES", "HATS", "HEADSCARVES", "HEADBANDS", "HEADPHONES", "MASKS", "MASKS_CHALLENGING", "EARRINGS")
    for name in names:
        monkeypatch.setattr(props, name, shares.get(name, 0.0))
    monkeypatch.setattr(props, "DARK", shares.get("DARK", 0.0))


def wear(person: Person, seed: int = 0) -> props.Worn:
    return props.wear(person, np.random.default_rng(seed), challenging=False)


def assert_valid(thing: Attachment) -> None:
    count, triangles = len(thing.anchors), len(thing.triangles)
    assert thing.offsets.shape == thing.strand.shape == (count, 3)
    assert thing.uv.shape == (triangles, 3, 2)
    assert thing.tint.shape == (triangles, 3)
    assert thing.finish.shape == (triangles,)
    assert np.isfinite(thing.offsets).all()
    assert thing.offsets.dtype == thing.tint.dtype == thing.uv.dtype == np.float32
    assert (np.unique(thing.triangles) == np.arange(count)).all()
    assert thing.uv.size == 0 or (thing.uv.min() >= 0 and thing.uv.max() <= 1)
    assert thing.tint.size == 0 or (thing.tint.min() >= 0 and thing.tint.max() <= 1)


@pytest.mark.parametrize("kind", ["GLASSES", "HATS", "HEADSCARVES", "HEADBANDS", "HEADPHONES", "MASKS", "EARRINGS"])
def test_whatever_is_worn_is_a_valid_attachment_near_the_head(kind, people, monkeypatch):
    only(monkeypatch, **{kind: 1.0})
    for seed, person in enumerate(people):
        worn = wear(person, seed)
        assert_valid(worn.things)
        assert len(worn.things.triangles) > 0 or (kind == "EARRINGS" and person.male >= 0.5)
        assert np.abs(placed(person, worn.things) - landmarks(person)[27]).max(initial=0) < 3.2


def test_the_same_numbers_draw_the_same_things(people):
    for make in (
        lambda seed: props.wear(people[0], np.random.default_rng(seed), True).things,
        lambda seed: props.hold(people[0], np.random.default_rng(seed), 20).thing,
    ):
        for seed in range(12):
            first, second = make(seed), make(seed)
            assert all((getattr(first, f.name) == getattr(second, f.name)).all() for f in fields(Attachment))


def test_about_a_fifth_wear_glasses_and_masks_are_commoner_in_challenging_shots(people):
    random = np.random.default_rng(0)
    lens, draws = FINISH_NUMBERS["lens"], 150
    plain = [props.wear(people[0], random, False) for _ in range(draws)]
    hard = [props.wear(people[0], random, True) for _ in range(draws)]
    glasses = sum(w.clear_lenses is not None or (w.things.finish == lens).any() for w in plain)
    assert 0.1 < glasses / draws < 0.3

    def masks(every: list[props.Worn]) -> int:
        # Only masks have vertices that hang on the chin.
        return sum((w.things.anchors == find_places().chin).any() for w in every)

    assert masks(hard) > masks(plain)


def test_glasses_lie_before_the_eyes_and_outside_the_skin(people, monkeypatch):
    only(monkeypatch, GLASSES=1.0)
    for seed, person in enumerate(people):
        worn = wear(person, seed)
        lenses = worn.clear_lenses
        assert lenses is not None and (lenses.finish == FINISH_NUMBERS["lens"]).all()
        points = landmarks(person)
        pupils = np.stack([points[36:42].mean(0), points[42:48].mean(0)])
        corners = before_the_lens(person, placed(person, lenses))[lenses.triangles]
        assert hidden(before_the_lens(person, pupils), corners, 0.0).all()
        assert not in_skin(person, placed(person, lenses)).any()
        frame = placed(person, worn.things)
        front = frame[:, 2] > pupils[:, 2].mean()
        assert not in_skin(person, frame[front]).any()
        assert frame[front][:, 2].max() < points[27, 2] + 0.5  # not far off the nose either


def test_clear_lenses_hide_nothing_and_dark_ones_hide_the_eyes(people, monkeypatch):
    for dark in (0.0, 1.0):
        only(monkeypatch, GLASSES=1.0, DARK=dark)
        worn = wear(people[1])
        assert (worn.clear_lenses is None) == bool(dark)
        assert (hides(people[1], worn.things)[EYES].mean() > 0.8) == bool(dark)


def test_temples_reach_the_ears(people, monkeypatch):
    only(monkeypatch, GLASSES=1.0)
    anatomy = load()
    for person in people:
        frame = placed(person, wear(person).things)
        for side in "lr":
            moved = np.linalg.norm(anatomy.morphs[anatomy.names[f"ears/{side}-ear-wing-incr"]], axis=1)
            ear = person.neutral[moved > 0.5 * moved.max()]
            assert np.linalg.norm(frame[:, None] - ear[None], axis=2).min() < 0.15
            assert frame[:, 2].min() < ear[:, 2].max()


def test_a_mask_covers_the_mouth_and_not_the_eyes(people, monkeypatch):
    only(monkeypatch, MASKS=1.0)
    for seed, person in enumerate(people):
        worn = wear(person, seed)
        seen = hides(person, worn.things)
        assert seen[MOUTH].all()
        assert not seen[EYES].any()
        assert not worn.hides_hair


def test_a_mask_follows_the_opening_jaw(people, monkeypatch):
    only(monkeypatch, MASKS=1.0)
    person, anatomy = people[0], load()
    mask = wear(person).things
    move = anatomy.morphs[anatomy.names["face/jawOpen"]]
    moved = np.where(mask.anchors[:, None] >= 0, move[mask.anchors], 0)
    before = placed(person, mask)
    nose, chin = before[:, 1] > landmarks(person)[30, 1], before[:, 1] < landmarks(person)[57, 1]
    assert np.abs(moved[nose]).max() == 0
    assert moved[chin, 1].min() < -0.2


def test_hats_and_scarves_say_where_hair_goes_and_leave_the_face_free(people, monkeypatch):
    for kind in ("HATS", "HEADSCARVES"):
        only(monkeypatch, **{kind: 1.0})
        for seed, person in enumerate(people):
            worn = wear(person, seed)
            assert worn.hides_hair and worn.hair_below is not None
            assert worn.hair_below < person.neutral[:, 1].max()
            top = placed(person, worn.things)[:, 1].max()
            assert top > person.neutral[:, 1].max()
            assert hides(person, worn.things)[27:68].sum() == 0


def test_held_things_hide_some_landmarks_in_most_draws_and_seldom_all(people):
    counts = []
    for seed in range(60):
        held = props.hold(people[seed % len(people)], np.random.default_rng(seed), 40)
        assert_valid(held.thing)
        assert (held.thing.anchors == -1).all()
        counts.append(int(hides(people[seed % len(people)], held.thing).sum()))
    counts = np.array(counts)
    assert (counts > 0).mean() > 0.7
    assert (counts == 68).mean() < 0.05


@pytest.mark.parametrize("frames", [1, 2, 30, 200])
def test_held_things_move_smoothly_and_slowly(frames, people):
    for seed in range(30):
        motion = props.hold(people[0], np.random.default_rng(seed), frames).motion
        assert motion.shape == (frames, 3) and motion.dtype == np.float32
        speed = np.linalg.norm(np.diff(motion, axis=0), axis=1)
        assert speed.max(initial=0) < 1.2 * FASTEST
        assert np.abs(np.diff(motion, 2, axis=0)).max(initial=0) < 0.25 * FASTEST


def test_a_hand_is_as_large_as_a_hand_and_of_the_persons_colour(people):
    hand = load_hand()
    tip, wrist = hand.points[:, 1].max(), hand.wrist[1]
    assert 1.5 < tip - wrist < 2.1  # dm
    assert len(hand.triangles) <= 1500
    found = 0
    for seed in range(20):
        thing = props.hold(people[2], np.random.default_rng(seed), 5).thing
        limb = thing.finish == FINISH_NUMBERS["limb"]
        if limb.any():
            found += 1
            np.testing.assert_allclose(
                thing.tint[limb] / people[2].skin, thing.tint[limb][0, 0] / people[2].skin[0], 1e-4
            )
    assert found > 10

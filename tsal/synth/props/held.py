"""What is held in front of faces: hands, phones, microphones, cups, paper and scarves; and how it moves."""

from dataclasses import dataclass

import numpy as np

from tsal.synth.attachment import Attachment
from tsal.synth.motion import FPS
from tsal.synth.people import Person, linear
from tsal.synth.props.fitting import Face, elevation_at, find_places, lift_off, on_shell, pushed
from tsal.synth.props.hands import draw_arm, draw_flat_hand, grip, place_parts
from tsal.synth.props.solids import CLOTHES, METALS, attach, ball, draw_colour, grid, join, lathe, plate, rotation

FASTEST = 0.1  # dm a frame: the speed of held things


@dataclass(frozen=True)
class Held:
    """What is held in front of a face.

    thing: all anchors -1: placed in the head's frame as at frame 0 without motion.
    motion: (T, 3) float32 dm in the head's frame, how far the whole thing is from there at each frame.
    """

    thing: Attachment
    motion: np.ndarray


def hold(person: Person, random: np.random.Generator, frames: int) -> Held:
    """Draw something that is held in front of the face for a number of frames (25 a second)."""
    face = Face.of(person)
    makers = (_hand_on_face, _phone, _microphone, _cup, _sheet, _shawl)
    maker = makers[random.choice(len(makers), p=[0.45, 0.1, 0.13, 0.12, 0.15, 0.05])]
    thing, away = maker(person, face, random)
    return Held(thing, _motion(random, frames, away))


def _motion(random: np.random.Generator, frames: int, away: np.ndarray) -> np.ndarray:
    """(T, 3) offsets: a slow wander, and often an arrival from, or departure to, the direction `away` (3,)."""
    time = np.arange(frames)[:, None] / FPS
    rate = random.uniform(0.15, 0.6, (3, 3))
    phase = random.uniform(0, 2 * np.pi, (3, 3))
    reach = random.uniform(0.005, 0.02)
    waves = np.sin(2 * np.pi * rate * time[:, None] + phase).sum(2) * reach  # (T, 3), of three waves each
    motion = waves - waves[:1]
    # Away from the face rather than into it.
    motion += away * np.sqrt((motion**2).sum(1, keepdims=True) + reach**2)
    kind = random.choice(["steady", "arrives", "leaves", "passes"], p=[0.5, 0.2, 0.2, 0.1])
    if kind != "steady":
        distance = random.uniform(1.2, 2.2)
        # A cosine ramp is fastest in its middle, pi / 2 times its mean speed; the wander needs some of the limit.
        length = distance * np.pi / 2 / random.uniform(0.35, 0.65) / FASTEST
        number = np.arange(frames)
        begin = random.uniform(-0.3 * length, max(frames - 0.8 * length, 0))
        out = 0.5 + 0.5 * np.cos(np.pi * np.clip((number - begin) / length, 0, 1))
        if kind == "leaves":
            out = out[::-1]
        if kind == "passes":
            rest = begin + length + random.uniform(5, 30)
            out = np.maximum(out, 0.5 - 0.5 * np.cos(np.pi * np.clip((number - rest) / length, 0, 1)))
        motion = motion + out[:, None] * distance * away
    return motion.astype(np.float32)


def _hand_on_face(person: Person, face: Face, random: np.random.Generator) -> tuple[Attachment, np.ndarray]:
    """A hand on cheek, chin, mouth, nose or eye, with the forearm leading away."""
    right = random.uniform() < 0.5
    sign = -1 if right else 1
    mouth = 0.5 * (face.landmark(51) + face.landmark(57))
    eye = face.pupils[0 if right else 1]
    kind = random.choice(["cheek", "chin", "mouth", "eye", "nose"], p=[0.3, 0.2, 0.25, 0.15, 0.1])
    # In-plane angle of a left hand's fingers from upwards towards the face's middle; where the palm's centre lies
    # relative to a point of the face, in the hand's own plane; and how far the palm turns to face the cheek.
    x, y, angles, turns = {
        "cheek": (0.62, mouth[1] + 0.1, (-10, 35), (15, 45)),
        "chin": (0.15, mouth[1] - 0.6, (25, 70), (0, 20)),
        "mouth": (0.35, mouth[1] - 0.12, (35, 75), (0, 25)),
        "eye": (0.45, eye[1] - 0.25, (-5, 40), (5, 25)),
        "nose": (0.15, mouth[1] - 0.35, (-15, 50), (0, 15)),
    }[kind]
    goal, angle, turn = np.array([sign * x, y, 0.0]), random.uniform(*angles), random.uniform(*turns)
    goal[:2] += random.normal(0, 0.07, 2)
    goal[0] += face.pupils[:, 0].mean()
    goal[2] = mouth[2]
    # Elbows hang: the forearm bends downwards where the hand lies sideways.
    bend = random.uniform(0.4, 0.7) * max(angle - 10, 0)
    wrist = rotation("z", -bend) @ rotation("x", random.uniform(-30, 10))
    parts = draw_arm(person, random, draw_flat_hand(random), wrist)
    # The palm is turned so that the hand lies closest, once it is clear of the face.
    best, least = None, np.inf
    for tip in (-12, 4):
        for turned in turn + np.array([-24.0, -8.0, 8.0, 24.0]):
            posture = rotation("y", sign * turned) @ rotation("z", sign * angle) @ rotation("x", tip)
            shift, gap = lift_off(face, parts[0][0].points * [sign, 1, 1] @ posture.T + goal)
            if gap < least:
                best, least = (posture, goal + [0, 0, shift]), gap
    thing = place_parts(parts, right, *best)
    return thing, _direction(sign * random.uniform(0.1, 0.8), -1.0, random.uniform(0.35, 0.8))


def _held_in_hand(
    person: Person, random: np.random.Generator, parts: list[tuple], radius: float, goal: np.ndarray,
    tilt: np.ndarray, right: bool,
) -> Attachment:  # fmt: skip
    """Something of a hand's frame, along x from the little finger to the thumb, put with its hand at a place.

    Args:
        parts: (solid, tint, finish) about an axis along x through the hollow of the hand.
        radius: of the thing in dm. goal: (3,) of the hollow. tilt: (3, 3) rotation in the head's frame of what stands.
    """
    hollow = np.array([0.0, 0.12, -0.18 - radius])
    moved = [(solid.moved(np.eye(3), hollow), tint, finish) for solid, tint, finish in parts]
    # A grip is diagonal: what is held stands while the forearm hangs.
    slant = rotation("z", -random.uniform(25, 45))
    wrist = rotation("z", -random.uniform(5, 30)) @ rotation("x", random.uniform(-15, 25))
    arm = draw_arm(person, random, grip(radius), wrist)
    every = [*((solid.moved(slant, hollow - slant @ hollow), tint, finish) for solid, tint, finish in arm), *moved]
    sign = -1 if right else 1
    # The thumb's side up: x to y; then fingers run from the hand's side across the picture, the palm to the face.
    stand = rotation("z", sign * 90)
    upright = tilt @ rotation("y", sign * random.uniform(-10, 55)) @ stand
    shift = goal - upright @ (hollow * [sign, 1, 1])
    return place_parts(every, right, upright, shift)


def _microphone(person: Person, face: Face, random: np.random.Generator) -> tuple[Attachment, np.ndarray]:
    right = random.uniform() < 0.5
    head = random.uniform(0.22, 0.32)
    onto_x = rotation("z", -90)  # what is turned about y lies along x
    stick = lathe(np.array([(0.0, -1.1), (0.11, -1.1), (0.12, -0.4), (0.16, 0.55), (0.0, 0.56)]), 12)
    top = ball(head, 16).moved(np.eye(3), np.array([0, 0.55 + 0.8 * head, 0]))
    foam = random.uniform() < 0.4
    finish = "plain" if foam else "metal"
    parts = [
        (stick.moved(onto_x, np.zeros(3)), draw_colour(random, ((20, 20, 22), (30, 30, 34))), "plastic"),
        (top.moved(onto_x, np.zeros(3)), draw_colour(random, CLOTHES if foam else METALS), finish),
    ]
    chin = face.landmark(57)
    tilt = rotation("z", random.uniform(-25, 25)) @ rotation("x", random.uniform(-35, -5))
    # So that the ball ends in front of the lips or the chin.
    ball_at = chin + [random.normal(0, 0.08), random.uniform(-0.25, 0.15), 0.35 + head]
    goal = ball_at - tilt @ np.array([0, 0.55 + 0.8 * head, 0])
    thing = _held_in_hand(person, random, parts, 0.13, goal, tilt, right)
    return pushed(face, thing, 0.02), _direction(random.uniform(-0.6, 0.6), -1.0, 0.6)


def _cup(person: Person, face: Face, random: np.random.Generator) -> tuple[Attachment, np.ndarray]:
    right = random.uniform() < 0.5
    radius, height = random.uniform(0.33, 0.42), random.uniform(0.8, 1.3)
    narrow = random.uniform(0.7, 1.0)
    outside = [(0.0, -0.5), (narrow, -0.5), (1.0, 0.5), (0.96, 0.5), (narrow * 0.95, -0.4), (0.0, -0.4)]
    profile = np.array(outside) * [radius, height]
    cup = lathe(np.repeat(profile, 2, 0)[1:-1], 20)
    finish = "plastic" if random.uniform() < 0.5 else "print"
    parts = [(cup.moved(rotation("z", -90), np.zeros(3)), draw_colour(random, CLOTHES), finish)]
    lip = face.landmark(66)
    # Tilted towards the mouth as when drinking.
    tilt = rotation("z", random.uniform(-8, 8)) @ rotation("x", random.uniform(-50, -5))
    rim = tilt @ np.array([0, 0.5 * height, -radius])
    goal = lip + [random.normal(0, 0.04), random.uniform(-0.06, 0.04), 0.06] - rim
    thing = _held_in_hand(person, random, parts, radius, goal, tilt, right)
    return pushed(face, thing, 0.0), _direction(random.uniform(-0.5, 0.5), -1.0, 0.6)


def _phone(person: Person, face: Face, random: np.random.Generator) -> tuple[Attachment, np.ndarray]:
    """At the ear and along the cheek, or in front of the face as for a picture."""
    right = random.uniform() < 0.5
    sign = -1 if right else 1
    body = plate(0.74, 1.5, 0.09, 0.09)
    colour = draw_colour(random, ((16, 16, 18), (30, 32, 36), (210, 208, 204), (120, 40, 50), (60, 80, 120)))
    if random.uniform() < 0.5:
        screen = plate(0.68, 1.42, 0.094, 0.06)
    else:
        screen = plate(0.2, 0.2, 0.12, 0.06).moved(np.eye(3), np.array([0.2, 0.58, 0.0]))
    # In the hand's frame its length lies along x and its face to the palm.
    along = rotation("z", -90)
    parts = [(body.moved(along, np.zeros(3)), colour, "plastic"),
             (screen.moved(along, np.zeros(3)), np.full(3, 0.008), "plastic")]  # fmt: skip
    if random.uniform() < 0.5:
        ear = face.neutral[find_places().lobe[0 if right else 1]].astype(np.float64)
        corner = face.landmark(48 if right else 54)
        goal = 0.45 * ear + 0.55 * corner + [sign * 0.22, 0.05, 0.2]
        tilt = rotation("y", sign * random.uniform(35, 60)) @ rotation("z", sign * random.uniform(-30, -5))
    else:
        aside = [sign * random.uniform(-0.1, 0.6), random.uniform(-0.5, 0.3), random.uniform(0.5, 1.2)]
        goal = face.landmark(30) + aside
        tilt = rotation("z", random.uniform(-15, 15)) @ rotation("x", random.uniform(-15, 5))
    thing = _held_in_hand(person, random, parts, 0.3, goal, tilt, right)
    return pushed(face, thing, 0.02), _direction(sign * random.uniform(0.2, 0.9), -0.8, 0.7)


def _sheet(person: Person, face: Face, random: np.random.Generator) -> tuple[Attachment, np.ndarray]:
    """Paper, a book or a card that covers a part of the face, with the hand that holds it below."""
    right = random.uniform() < 0.5
    sign = -1 if right else 1
    kind = random.choice(["paper", "book", "card"])
    width, height = {"paper": (2.1, 2.97), "book": (2.6, 2.0), "card": (0.86, 0.54)}[kind]
    if kind == "paper" and random.uniform() < 0.5:
        width, height = height, width
    x, y = np.meshgrid(np.linspace(-0.5, 0.5, 9), np.linspace(-0.5, 0.5, 7))
    fold = random.uniform(0.1, 0.5)
    if kind == "book":
        z = -fold * (1 - np.abs(2 * x)) + fold * 0.5
    else:
        z = random.uniform(-0.3, 0.3) * (x + random.uniform(-0.5, 0.5) * y) ** 2 * (kind == "paper")
    points = np.stack([x * width, y * height, z], -1)
    solid = join(grid(points), grid((points - [0, 0, 0.015 if kind != "book" else 0.06])[:, ::-1]))
    tint = linear(np.array([236, 234, 228]) / 255) if kind == "paper" else draw_colour(random, CLOTHES)
    finish = "plain" if kind == "paper" and random.uniform() < 0.5 else "print"
    # Its upper edge ends somewhere between the chin and the eyes; or it covers one side.
    slant = rotation("z", random.uniform(-18, 18)) @ rotation("y", random.uniform(-25, 25))
    slant = slant @ rotation("x", random.uniform(-25, 10))
    if kind == "card":
        spot = face.points[random.integers(len(face.points))] + [0, 0, 0.2]
        centre = spot + [random.normal(0, 0.1), random.normal(0, 0.1), 0]
    elif random.uniform() < 0.65:
        upper = random.uniform(face.landmark(57)[1] - 0.1, face.landmark(28)[1])
        centre = np.array([random.normal(0, 0.25), upper - height / 2, face.landmark(30)[2] + 0.1])
    else:
        inner = random.uniform(-0.15, 0.35)
        centre = face.landmark(30) + [sign * (inner + width / 2), random.normal(0, 0.3), 0.1]
    thing = pushed(face, attach(solid.moved(slant, centre), tint, finish), 0.03)
    # Fingers behind, thumb in front of the lower edge.
    centre = thing.offsets.reshape(2, -1, 3)[0].mean(0)
    hold_at = centre + slant @ np.array([sign * width * random.uniform(0.0, 0.35), -0.45 * height, 0.0])
    curl = np.tile([18.0, 20.0, 12.0], (5, 1))
    arm = draw_arm(person, random, curl, rotation("x", random.uniform(-30, 5)))
    turn = slant @ rotation("z", sign * random.uniform(5, 40))
    hand = place_parts(arm, right, turn, hold_at + slant @ np.array([0.0, -0.55, 0.22]))
    return Attachment.join([thing, hand]), _direction(sign * random.uniform(0.0, 0.8), -1.0, 0.5)


def _shawl(person: Person, face: Face, random: np.random.Generator) -> tuple[Attachment, np.ndarray]:
    """A scarf drawn up over the chin, mouth or nose."""
    goal = (57, 51, 30, 28)[random.integers(4)]
    upper = face.landmark(goal)[1] + random.uniform(-0.08, 0.08)
    shell = face.shell(ears=False, fill=2)
    azimuth = np.linspace(-150, 150, 41)
    chin = float(face.neutral[find_places().chin, 1]) - 0.1
    height = upper - 0.35 * np.clip(np.abs(azimuth) / 100, 0, 1) ** 1.5
    rows = np.array([0.0, 0.1, 0.25, 0.4, 0.55, 0.75, 0.9, 0.99, 1.0])[:, None]
    level = chin - 0.9 + rows * (height - chin + 0.9)
    elevation = np.stack([elevation_at(face, shell, azimuth, row) for row in np.maximum(level, chin)])
    folds = 0.04 * np.sin(6 * np.pi * rows + 0.04 * azimuth + random.uniform(0, 6)) * (1 - rows)
    off = np.where(rows == 1.0, -0.02, 0.09) + folds
    points = on_shell(face, shell, np.broadcast_to(azimuth, elevation.shape), elevation, off)
    # Below the chin it narrows towards the neck.
    below = np.clip((chin - level) / 0.9, 0, 1)
    middle = face.centre * [1, 0, 1] + [0, 0, 0.1]
    points[..., [0, 2]] = (middle + (points - middle) * (1 - 0.22 * np.sin(np.pi * below))[..., None])[..., [0, 2]]
    points[..., 1] -= 0.9 * below
    return attach(grid(points), draw_colour(random, CLOTHES), "cloth"), _direction(0.2, -1.0, 0.9)


def _direction(x: float, y: float, z: float) -> np.ndarray:
    """(3,) of length 1."""
    return np.array([x, y, z]) / np.sqrt(x * x + y * y + z * z)

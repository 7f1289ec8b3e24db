"""How head, face, eyes and camera move over the frames of a shot, 25 a second; a still is a shot of one frame."""

from dataclasses import dataclass

import numpy as np

FPS = 25.0
# Expressions as mixtures of ARKit's face units: name, chance, units with their strength.
_EXPRESSIONS: tuple[tuple[str, float, dict[str, float]], ...] = (
    ("neutral", 0.30, {}),
    ("smile", 0.16, {"mouthSmile": 0.8, "cheekSquint": 0.5, "mouthDimple": 0.2}),
    ("laugh", 0.10, {"mouthSmile": 0.9, "jawOpen": 0.4, "cheekSquint": 0.7, "eyeSquint": 0.5, "mouthUpperUp": 0.4}),
    ("speak", 0.16, {"jawOpen": 0.25, "mouthFunnel": 0.25, "mouthLowerDown": 0.3}),
    ("surprise", 0.06, {"browInnerUp": 0.9, "browOuterUp": 0.9, "eyeWide": 0.8, "jawOpen": 0.5}),
    ("anger", 0.06, {"browDown": 0.9, "noseSneer": 0.5, "mouthPress": 0.5, "eyeSquint": 0.4}),
    ("sad", 0.06, {"browInnerUp": 0.8, "mouthFrown": 0.8, "mouthShrugLower": 0.4}),
    ("shout", 0.04, {"jawOpen": 1.0, "mouthStretch": 0.5, "mouthUpperUp": 0.4, "mouthLowerDown": 0.4}),
    ("pout", 0.06, {"mouthPucker": 0.8, "mouthFunnel": 0.2}),
)
_UNITS = [
    "browDownLeft", "browDownRight", "browInnerUp", "browOuterUpLeft", "browOuterUpRight", "cheekPuff",
    "cheekSquintLeft", "cheekSquintRight", "eyeSquintLeft", "eyeSquintRight", "eyeWideLeft", "eyeWideRight",
    "jawForward", "jawLeft", "jawRight", "jawOpen", "mouthDimpleLeft", "mouthDimpleRight", "mouthFrownLeft",
    "mouthFrownRight", "mouthFunnel", "mouthLeft", "mouthLowerDownLeft", "mouthLowerDownRight", "mouthPressLeft",
    "mouthPressRight", "mouthPucker", "mouthRight", "mouthRollLower", "mouthRollUpper", "mouthShrugLower",
    "mouthShrugUpper", "mouthSmileLeft", "mouthSmileRight", "mouthStretchLeft", "mouthStretchRight",
    "mouthUpperUpLeft", "mouthUpperUpRight", "noseSneerLeft", "noseSneerRight",
]  # fmt: skip


@dataclass(frozen=True)
class Motion:
    """T frames.

    turn: (T, 3) yaw, pitch, roll of the head in degrees: to the person's left, down, towards their right shoulder.
    lean: (T, 3) the same of the torso.
    drift: (T, 3) dm, shift of the whole person in the camera's frame.
    units: T dictionaries of face units, 0 to 1.
    gaze: (T, 2) degrees to the person's left and up, relative to the head.
    shake: (T, 3) turns of the camera about its y, x and optical axis, degrees.
    """

    turn: np.ndarray
    lean: np.ndarray
    drift: np.ndarray
    units: list[dict[str, float]]
    gaze: np.ndarray
    shake: np.ndarray


def _wander(random: np.random.Generator, frames: int, reach: np.ndarray, fastest: float = 1.5) -> np.ndarray:
    """(T, n) smooth paths that start at 0: sums of three slow waves with amplitudes of about `reach` (n,)."""
    time = np.arange(frames)[:, None] / FPS
    path = np.zeros((frames, len(reach)))
    for _ in range(3):
        frequency = random.uniform(0.2, fastest, len(reach))
        phase = random.uniform(0, 2 * np.pi, len(reach))
        path += random.normal(0, 0.6, len(reach)) * (np.sin(2 * np.pi * frequency * time + phase) - np.sin(phase))
    return path * reach


def _sided(units: dict[str, float], random: np.random.Generator) -> dict[str, float]:
    """Units by their full names: those with two sides on both, not quite evenly."""
    result = {}
    for name, value in units.items():
        if name in _UNITS:
            result[name] = value
        else:
            lop = random.normal(0, 0.12)
            result[f"{name}Left"], result[f"{name}Right"] = value * (1 + lop), value * (1 - lop)
    return result


def draw_expression(random: np.random.Generator) -> dict[str, float]:
    """A facial expression: one of the usual ones, some other units with it, and eyelids."""
    chances = np.array([chance for _, chance, _ in _EXPRESSIONS])
    _, _, units = _EXPRESSIONS[random.choice(len(_EXPRESSIONS), p=chances / chances.sum())]
    strength = random.uniform(0.4, 1.1)
    result = {name: value * strength for name, value in _sided(units, random).items()}
    for name in random.choice(_UNITS, 4, replace=False):
        result[name] = result.get(name, 0.0) + random.uniform(0, 0.45)
    return result


def draw_motion(random: np.random.Generator, frames: int, far: bool) -> Motion:
    """Draw the motion of a shot.

    Args:
        far: whether the head is turned far away, by 30 to 75 degrees.
    """
    if far:
        yaw = random.choice([-1, 1]) * (30 + 45 * random.beta(1.2, 1.8))
        pitch, roll = np.clip(random.normal(0, 12), -28, 28), np.clip(random.normal(0, 11), -30, 30)
    else:
        yaw = np.clip(random.normal(0, 17), -40, 40)
        pitch, roll = np.clip(random.normal(2, 8), -20, 22), np.clip(random.normal(0, 6), -20, 20)
    lively = min(random.gamma(1.5, 0.55), 2.2)
    turn = np.array([yaw, pitch, roll]) + _wander(random, frames, lively * np.array([11.0, 6.0, 5.0]))
    turn[:, 0] = np.clip(turn[:, 0], -75, 75)
    lean = turn * random.uniform(0.2, 0.55, 3) * [1, 0.2, 0.4] + random.normal(0, [8, 3, 2])
    drift = _wander(random, frames, lively * np.array([0.25, 0.12, 0.3]))
    units = _face(random, frames, lively)
    eyes = np.clip(random.normal(0, [11, 6]), -28, 28) + _wander(random, frames, np.array([3.0, 1.5]))
    if frames > 3 and random.uniform() < 0.3:  # a saccade
        eyes[random.integers(1, frames) :] += random.normal(0, [10, 4])
    shake = _wander(random, frames, min(random.gamma(1.2, 0.4), 1.5) * np.array([0.3, 0.3, 0.3]), 5.0)
    return Motion(turn, lean, drift, units, np.clip(eyes, -32, 32), shake)


def _face(random: np.random.Generator, frames: int, lively: float) -> list[dict[str, float]]:
    """The face units of every frame: from one expression to another, speech and blinks on top."""
    first, second = draw_expression(random), draw_expression(random)
    rate = random.uniform(0, 1.2) * lively
    start = random.uniform(0, 0.5)
    closed = np.zeros(frames)
    if frames == 1:
        closed[:] = random.choice([0.0, random.uniform(0.2, 0.7), 1.0], p=[0.84, 0.1, 0.06])
    elif random.uniform() < 0.4:  # a blink of 0.2 to 0.35 s, faster down than up
        middle, half = random.uniform(-1, frames), random.uniform(2.2, 4.0)
        ahead = np.arange(frames) - middle
        closed = np.clip(1.35 * (1 - np.abs(ahead) / np.where(ahead < 0, 0.75 * half, 1.25 * half)), 0, 1)
    droop = np.clip(random.normal(0.05, 0.1), 0, 0.35)
    speaks = frames > 1 and random.uniform() < 0.55
    syllables, phases = random.uniform(3.0, 6.0), random.uniform(0, 2 * np.pi, 3)
    loud = random.uniform(0.15, 0.55)
    result = []
    for frame in range(frames):
        time = frame / FPS
        share = float(np.clip(start + rate * time, 0, 1))
        share = share * share * (3 - 2 * share)
        units: dict[str, float] = {}
        for part, amount in ((first, 1 - share), (second, share)):
            for name, value in part.items():
                units[name] = units.get(name, 0.0) + amount * value
        if speaks:
            wave = 0.5 + 0.5 * np.sin(2 * np.pi * syllables * time + phases[0])
            units["jawOpen"] = units.get("jawOpen", 0) * 0.5 + loud * wave
            units["mouthFunnel"] = units.get("mouthFunnel", 0) + 0.35 * loud * (1 + np.sin(11 * time + phases[1]))
            stretch = 0.4 * loud * (1 + np.sin(14 * time + phases[2]))
            for side in ("Left", "Right"):
                units[f"mouthStretch{side}"] = units.get(f"mouthStretch{side}", 0) + stretch
        for side in ("Left", "Right"):
            wide = units.get(f"eyeWide{side}", 0.0)
            units[f"eyeBlink{side}"] = float(np.clip(max(droop - wide, closed[frame]), 0, 1))
            units[f"eyeWide{side}"] = wide * (1 - closed[frame])
        result.append({name: float(np.clip(value, 0, 1.1)) for name, value in units.items() if value > 1e-3})
    return result


def rotation(degrees: np.ndarray) -> np.ndarray:
    """(3, 3) rotation of yaw, pitch, roll (3,) degrees: roll first, then pitch, then yaw."""
    yaw, pitch, roll = np.radians(degrees)
    c, s = np.cos(yaw), np.sin(yaw)
    about_y = np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])
    c, s = np.cos(pitch), np.sin(pitch)
    about_x = np.array([[1, 0, 0], [0, c, -s], [0, s, c]])
    c, s = np.cos(roll), np.sin(roll)
    about_z = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])
    return about_y @ about_x @ about_z

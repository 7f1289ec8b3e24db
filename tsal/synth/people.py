"""Who is shown: shape of head and face, colours of skin, hair and eyes, drawn evenly over ages, sexes and tones."""

from dataclasses import dataclass
from functools import cache
from itertools import pairwise

import numpy as np

from tsal.synth.anatomy import AGES, Anatomy, load

RACES = ("african", "asian", "caucasian")
# sRGB skin tones from light to dark, spread over the Fitzpatrick types.
_TONES = np.array(
    [
        (248, 220, 206), (238, 204, 184), (224, 184, 158), (204, 160, 130),
        (174, 128, 100), (140, 98, 74), (104, 71, 54), (72, 49, 38),
    ]
) / 255.0  # fmt: skip
# sRGB colours of hair: black, dark brown, brown, light brown, blond, red, and the grey of age.
_HAIR = np.array([(22, 19, 18), (45, 32, 25), (78, 54, 38), (120, 88, 60), (188, 152, 104), (128, 62, 34)]) / 255.0
_GREY = np.array((176, 174, 172)) / 255.0
_EYES = np.array([(58, 36, 22), (84, 56, 32), (104, 88, 48), (92, 112, 84), (96, 130, 156), (120, 132, 140)]) / 255.0


def linear(srgb: np.ndarray) -> np.ndarray:
    """Linear RGB of sRGB values, both 0 to 1 (IEC 61966-2-1)."""
    srgb = np.asarray(srgb, np.float32)
    return np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4).astype(np.float32)


@dataclass(frozen=True)
class Person:
    """One person.

    age: years; male: 0 (female) to 1; tone: 0 (lightest skin) to 1; skin, hair, eyes: linear RGB.
    grey: share of the hair that has lost its colour, 0 to 1.
    neutral: (V, 3) vertices without expression, dm.
    """

    number: int
    age: float
    male: float
    tone: float
    skin: np.ndarray
    hair: np.ndarray
    grey: float
    eyes: np.ndarray
    neutral: np.ndarray


def draw_person(seed: int, number: int) -> Person:
    """The person of that number; a function of its arguments only."""
    random = np.random.default_rng((seed, 1, number))
    anatomy = load()
    age = float(
        random.choice([random.uniform(4, 14), random.uniform(15, 40), random.uniform(40, 85)], p=[0.1, 0.5, 0.4])
    )
    male = float(np.clip(random.choice([0.12, 0.88]) + random.normal(0, 0.12), 0, 1))
    race = random.dirichlet([0.45, 0.45, 0.45])
    tone = float(random.uniform())
    weights = macro_weights(age, male, race, random.uniform(0.2, 0.8), random.beta(2, 2))
    for name, value in _draw_details(random, anatomy).items():
        weights[name] = weights.get(name, 0.0) + value
    row = np.zeros(len(anatomy.names), np.float32)
    for name, value in weights.items():
        row[anatomy.names[name]] = value
    place = tone * (len(_TONES) - 1)
    low = min(int(place), len(_TONES) - 2)
    skin = _TONES[low] * (1 - place + low) + _TONES[low + 1] * (place - low)
    skin = linear(np.clip(skin * (1 + random.normal(0, 0.03, 3)), 0, 1))
    dark = tone > 0.55
    hair = _HAIR[random.choice(6, p=[0.75, 0.22, 0.03, 0, 0, 0] if dark else [0.17, 0.22, 0.22, 0.17, 0.15, 0.07])]
    grey = float(np.clip((age - random.uniform(35, 70)) / 25, 0, 1))
    hair = hair * (1 - grey) + _GREY * grey * random.uniform(0.6, 1.0)
    eyes = _EYES[random.choice(6, p=[0.7, 0.25, 0.05, 0, 0, 0] if dark else [0.2, 0.2, 0.15, 0.15, 0.2, 0.1])]
    neutral = anatomy.vertices + np.tensordot(row, anatomy.morphs, 1)
    return Person(number, age, male, tone, skin, linear(hair), grey, linear(eyes), neutral.astype(np.float32))


def macro_weights(age: float, male: float, race: np.ndarray, muscle: float, weight: float) -> dict[str, float]:
    """Weights of MakeHuman's macro morphs: products of the shares of each trait.

    Args:
        age: years; male: 0 to 1; race: (3,) shares of RACES; muscle, weight: 0 to 1, 0.5 the average.
    """
    ages = dict(zip(("baby", "child", "young", "old"), _interpolation(age, AGES), strict=True))
    sexes = {"female": 1 - male, "male": male}
    muscles = dict(zip(("minmuscle", "averagemuscle", "maxmuscle"), _interpolation(muscle, (0, 0.5, 1)), strict=True))
    heavy = dict(zip(("minweight", "averageweight", "maxweight"), _interpolation(weight, (0, 0.5, 1)), strict=True))
    result = {}
    for sex, a in sexes.items():
        for years, b in ages.items():
            for name, c in zip(RACES, race, strict=True):
                result[f"{name}-{sex}-{years}"] = a * b * c
            for strength, d in muscles.items():
                for size, e in heavy.items():
                    result[f"universal-{sex}-{years}-{strength}-{size}"] = a * b * d * e
    return {name: float(value) for name, value in result.items() if value > 1e-4}


def _interpolation(value: float, knots: tuple[float, ...]) -> np.ndarray:
    """Shares of the knots in a value between them, all in [0, 1] with sum 1."""
    value = float(np.clip(value, knots[0], knots[-1]))
    shares = np.zeros(len(knots))
    for index, (low, high) in enumerate(pairwise(knots)):
        if low <= value <= high:
            shares[index + 1] = (value - low) / (high - low)
            shares[index] = 1 - shares[index + 1]
            break
    return shares


_OPPOSITES = (
    ("decr", "incr"), ("down", "up"), ("in", "out"), ("backward", "forward"), ("concave", "convex"),
    ("compress", "uncompress"),
)  # fmt: skip
# How far morphs may go, by the start of their name (one standard deviation); what is not named: 0.2.
_REACH = {
    "head/head-trans": 0.0,
    "head/head-scale": 0.15,
    "head/head-angle": 0.1,
    "head/head-back": 0.2,
    "neck/": 0.1,
    "mouth/mouth-trans": 0.18,
    "nose/nose-trans": 0.18,
    "eyes/l-eye-push": 0.15,
    "eyes/l-eye-trans": 0.2,
    "eyes/l-eye-scale": 0.25,
    "forehead/": 0.17,
    "asym/asymm": 0.0,
    "mouth/mouth-dimples": 0.0,
    "eyebrows/eyebrows-trans": 0.25,
}
_SHAPES = ("diamond", "invertedtriangular", "oval", "rectangular", "round", "square", "triangular")


@cache
def _pairs() -> tuple[tuple[str, str, float], ...]:
    """Opposite morphs of one trait and their reach; of sided ones, those of the left."""
    names = load().names
    found = []
    for name in names:
        for low, high in _OPPOSITES:
            other = name[: len(name) - len(low)] + high
            if name.endswith(f"-{low}") and other in names and not name.split("/")[-1].startswith("r-"):
                reach = next((value for start, value in _REACH.items() if name.startswith(start)), 0.2)
                if reach:
                    found.append((name, other, reach))
    return tuple(found)


def _draw_details(random: np.random.Generator, anatomy: Anatomy) -> dict[str, float]:
    """Weights of the local morphs: identity, the same on both sides, and a little asymmetry."""
    weights: dict[str, float] = {}
    for low, high, reach in _pairs():
        value = float(np.clip(random.normal(0, reach), -1, 1))
        sided = low.split("/")[-1].startswith("l-")
        slip = random.normal(0, 0.05) if sided else 0.0
        for side, amount in (("l", value + slip), ("r", value - slip)) if sided else (("", value),):
            name = high if amount > 0 else low
            weights[name.replace("/l-", f"/{side}-") if sided else name] = abs(float(amount))
    shape = f"head/head-{_SHAPES[random.integers(len(_SHAPES))]}"
    weights[shape] = float(random.uniform(0, 0.5))
    for name in anatomy.names:
        if name.startswith("asym/asym-") and random.uniform() < 0.3:
            weights[name] = float(abs(random.normal(0, 0.12)))
    return weights

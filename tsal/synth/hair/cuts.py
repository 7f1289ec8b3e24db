"""The table of cuts and beards: who wears which, and how each is combed and cut."""

from dataclasses import dataclass, replace

import numpy as np

from tsal.synth.people import Person

CUTS = (
    "bald", "ring", "receding", "buzz", "parted", "swept", "fringe", "spiky", "medium", "bob", "long", "long fringe",
    "wavy", "curly", "afro", "ponytail", "bun", "side fringe",
)  # fmt: skip
BEARDS = ("", "stubble", "moustache", "goatee", "short beard", "long beard")
_BARE_FACE = ((0, -0.38), (28, -0.36), (44, -0.2), (58, 0.05))  # short hair: nothing below the hairline in front


@dataclass(frozen=True)
class Cut:
    """How hair of the head is combed and cut. Lengths in dm of a head of neutral size.

    comb: "whorl" (from the crown all round), "parted", "across" (the forehead), "swept" (back), "gathered" (to a knot).
    ribbons: how many; quads: of each; width: of each; length: at the top; sides: length at the sides and the nape.
    volume: how high it stands; gravity: 0 to 1, how readily it hangs; ears: whether it covers them.
    edge: (n, 2) degrees around the axis, from -180 (towards the person's right) to 180, and the height to which it is
    cut there, in faces (brows to chin) below the brows; from 0 on if both sides are the same.
    wave: amplitude, and period: length of its waves.
    part: x of the parting, or of the fringe's side. knot: (3,) where gathered hair leads, from the centre.
    """

    comb: str
    ribbons: int = 350
    quads: int = 5
    width: float = 0.08
    length: float = 0.6
    sides: float = 0.3
    volume: float = 0.06
    gravity: float = 0.4
    ears: bool = False
    edge: tuple[tuple[float, float], ...] = ((0, 0.0), (180, 0.9))
    wave: float = 0.0
    period: float = 0.6
    part: float = 0.25
    knot: tuple[float, float, float] = (0.0, 0.4, -0.8)


def mirror(*edge: tuple[float, float]) -> tuple[tuple[float, float], ...]:
    """The edge of both sides, from that of the person's left, from 0 degrees on."""
    return tuple((-degrees, below) for degrees, below in reversed(edge)) + edge


def draw_cut(random: np.random.Generator, person: Person) -> str:
    """The name of a cut, by age, sex and chance."""
    curly = 0.05 + 0.25 * max(0.0, person.tone - 0.5)
    if person.male > 0.5:
        weights = {
            "buzz": 0.12, "parted": 0.16, "swept": 0.13, "fringe": 0.12, "spiky": 0.09, "medium": 0.07, "long": 0.03,
            "wavy": 0.03, "curly": curly, "afro": curly, "ponytail": 0.02, "bun": 0.02, "side fringe": 0.07,
        }  # fmt: skip
        if person.age > 22:
            weights |= {"bald": 0.05 + 0.002 * max(0.0, person.age - 30)}
        if person.age > 35:
            weights |= {
                "ring": 0.004 * (person.age - 35), "receding": 0.07 + 0.003 * (person.age - 35), "spiky": 0.03
            }  # fmt: skip
        return _pick(random, weights)
    weights = {
        "bob": 0.15, "medium": 0.08, "long": 0.16, "long fringe": 0.12, "wavy": 0.16, "curly": curly * 1.2,
        "afro": curly * 0.8, "ponytail": 0.10, "bun": 0.09, "side fringe": 0.10, "fringe": 0.05, "parted": 0.04,
        "swept": 0.04, "buzz": 0.015, "bald": 0.01,
    }  # fmt: skip
    if person.age > 60:
        weights |= {"long": 0.06, "long fringe": 0.03, "wavy": 0.12, "parted": 0.12, "curly": curly * 2}
    return _pick(random, weights)


def _pick(random: np.random.Generator, weights: dict[str, float]) -> str:
    names = list(weights)
    shares = np.array([weights[name] for name in names])
    return names[int(random.choice(len(names), p=shares / shares.sum()))]


def draw_beard(random: np.random.Generator, person: Person) -> str:
    """The name of a beard, by age, sex and chance."""
    chance = random.uniform()  # always drawn, so that the hair does not depend on the beard
    if person.male <= 0.5 or person.age <= 18:
        return ""
    limits = np.cumsum([0.42, 0.2, 0.07, 0.1, 0.14, 0.07])
    return BEARDS[int(np.searchsorted(limits, chance))]


def draw_short_cut(random: np.random.Generator, name: str) -> Cut:
    """A cut that ends above the jaw."""
    side = float(random.choice([-1, 1]))
    sides = random.uniform(0.14, 0.3)
    cut = Cut(
        "parted", length=random.uniform(0.4, 0.7), sides=sides, volume=random.uniform(0.03, 0.1),
        part=side * random.uniform(0.0, 0.38), edge=(*_BARE_FACE, (66, 0.3), (100, 0.3), (120, 0.75), (180, 0.85)),
    )  # fmt: skip
    if name == "swept":
        return replace(cut, comb="swept", length=random.uniform(0.5, 0.9), volume=random.uniform(0.04, 0.16))
    if name == "receding":
        comb = str(random.choice(["swept", "parted"]))
        return replace(cut, comb=comb, length=random.uniform(0.4, 0.7), sides=sides + 0.1, volume=0.03, ribbons=460)
    if name == "ring":
        return replace(cut, comb="whorl", length=0.4, sides=sides + 0.1, volume=0.05, ribbons=950, quads=3)
    if name == "spiky":
        return replace(cut, comb="whorl", length=0.22, sides=sides, volume=0.03, ribbons=260, quads=3)
    if name == "fringe":
        brow = random.uniform(-0.2, 0.02)
        edge = ((0, brow), (35, brow), (50, 0.0), (66, 0.35), (100, 0.3), (120, 0.7), (180, 0.85))
        return replace(cut, comb="whorl", length=random.uniform(1.0, 1.5), sides=sides + 0.1, edge=edge)
    if name == "side fringe":
        # Combed over from the far side, so that it hangs across one temple, the brow and rarely an eye.
        deep = float(random.choice([-0.12, 0.0, 0.06, 0.25], p=[0.3, 0.35, 0.25, 0.1]))
        edge = (
            (-180, 0.8), (-110, 0.5), (-60, 0.1), (-44, -0.15), (-20, -0.34), (0, -0.25), (18, deep - 0.1), (40, deep),
            (58, deep + 0.15), (70, 0.4), (110, 0.6), (180, 0.8),
        )  # fmt: skip
        if side < 0:
            edge = tuple((-degrees, below) for degrees, below in reversed(edge))
        return replace(
            cut, comb="across", length=random.uniform(1.2, 1.6), sides=random.uniform(0.3, 0.8), part=-side * 0.3,
            edge=edge, ears=True, gravity=0.5,
        )  # fmt: skip
    return cut


def draw_long_cut(random: np.random.Generator, name: str) -> Cut:
    """A cut that hangs over the ears."""
    opening = random.uniform(40, 58)  # degrees at which it begins to hang beside the face
    part = float(random.choice([-1, 1]) * random.uniform(0.0, 0.35))
    fringe = name == "long fringe" or (name in ("bob", "medium") and random.uniform() < 0.3)
    brow = random.uniform(-0.2, -0.03)
    front = ((0, brow), (30, brow), (37, 0.1)) if fringe else ((0, -0.38), (28, -0.36), (opening - 6, -0.1))
    cut = Cut(
        "whorl" if fringe else "parted", part=part, length=2.0, sides=1.1, ears=True, gravity=0.9, ribbons=350, quads=6,
        volume=random.uniform(0.05, 0.15), width=0.09,
    )  # fmt: skip
    if name in ("medium", "bob"):
        low = random.uniform(0.35, 0.6) if name == "medium" else random.uniform(0.65, 1.0)
        wave = random.uniform(0.01, 0.035) * (random.uniform() < 0.4)
        edge = (*front, (opening + 4, low * 0.7), (opening + 14, low), (180, max(low, 0.75)))
        return replace(cut, wave=wave, edge=edge)
    low = random.uniform(1.3, 2.1)
    edge = (*front, (opening + 2, 0.35), (opening + 10, 1.0), (opening + 18, low), (180, low))
    cut = replace(cut, length=3.2, sides=2.3, gravity=1.0, ribbons=300, quads=7, width=0.1, edge=edge)
    if name == "wavy":
        return replace(
            cut, wave=random.uniform(0.05, 0.09), period=random.uniform(0.9, 1.3), quads=9, ribbons=245,
            volume=random.uniform(0.1, 0.2), width=0.115,
        )  # fmt: skip
    return cut

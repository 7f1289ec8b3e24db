"""What is rendered: which people there are, how many stills and clips show each, and which of these are hard.

A pure function of the settings. People are known by their number alone, so that a person's split does not depend on
the seed, which makes them look otherwise.
"""

import hashlib
from dataclasses import dataclass, fields
from pathlib import Path

import yaml

from tsal.bounds import YAML_BYTES
from tsal.bounds.texts import parse_yaml, read_text
from tsal.data.splits import split_people
from tsal.errors import InputError
from tsal.synth.convention import CONVENTIONS, SURFACE


@dataclass(frozen=True)
class SynthSettings:
    """What the pictures depend on; config.yaml comments each and its schema bounds it.

    people: how many there are; image_px: side of the pictures.
    stills, clips: how many there are in all; clip_frames: frames of a clip.
    challenging: share of the shots with a large pose, occlusion or low light.
    seed: of everything random.
    convention: where the landmarks are, one of tsal.synth.convention.CONVENTIONS; the pictures are the same.
    """

    people: int
    stills: int
    clips: int
    clip_frames: int
    image_px: int
    challenging: float
    seed: int
    convention: str = SURFACE

    def __post_init__(self) -> None:
        """Refuses what would never end; what is of use, a configuration is checked for."""
        if self.convention not in CONVENTIONS:
            found, expected = str(self.convention)[:40], ", ".join(CONVENTIONS)
            raise ValueError(f"convention: found {found!r}, expected one of {expected}")
        for name, most in _MOST.items():
            found = getattr(self, name)
            kinds = (int, float) if name == "challenging" else (int,)
            if type(found) not in kinds or not 0 <= found <= most:
                raise ValueError(f"{name}: found {str(found)[:40]}, expected a number from 0 to {most:,}")


# Bounds of settings from elsewhere; those of a configuration are in tsal.datasets.synth.
_MOST = {"people": 99_999, "stills": 10_000_000, "clips": 1_000_000, "clip_frames": 100, "image_px": 4096}
_MOST |= {"challenging": 1, "seed": 1 << 63}


@dataclass(frozen=True)
class Shot:
    """A still or a clip, as tsal.synth.scene is asked for it.

    person: number of the person; number: of the shot among this person's, stills first.
    frames: 1 for a still. challenging: large pose, occlusion or low light.
    """

    person: int
    number: int
    frames: int
    challenging: bool

    @property
    def name(self) -> str:
        """Such as "p00012_s003"; it is unique, and names the clip."""
        return f"{person_name(self.person)}_s{self.number:03d}"

    @property
    def subset(self) -> str:
        """As in the face table: common+full or challenging+full for a still, video for a clip."""
        if self.frames > 1:
            return "video"
        return "challenging+full" if self.challenging else "common+full"

    def frame_names(self) -> list[str]:
        """Names of the shot's frames, such as "p00012/s003_00": of its faces, and of the pictures without suffix."""
        return [f"{person_name(self.person)}/s{self.number:03d}_{frame:02d}" for frame in range(self.frames)]


@dataclass(frozen=True)
class Person:
    """One person of the plan: number, split (train, validation or test) and shots, in order."""

    number: int
    split: str
    shots: tuple[Shot, ...]

    @property
    def name(self) -> str:
        return person_name(self.number)


def person_name(number: int) -> str:
    """Such as "p00012"."""
    return f"p{number:05d}"


def plan(settings: SynthSettings) -> list[Person]:
    """The data set: all people, by number, with all their shots.

    Stills, clips and what is challenging of either are dealt evenly: two people differ by one still at most, and every
    split gets the share of its people, give or take one. From ten people, 20 stills and ten clips on, every split has
    stills and the test split a clip.
    """
    numbers = {person_name(number): number for number in range(settings.people)}
    split_of = split_people(numbers)
    ranked = [numbers[name] for name in split_of]  # people of one split follow one another
    stills = _deal(settings, "stills", settings.stills, ranked)
    clips = _deal(settings, "clips", settings.clips, ranked)
    return [
        Person(
            number,
            split_of[name],
            tuple(
                Shot(number, place, frames, hard)
                for place, (frames, hard) in enumerate(
                    [(1, hard) for hard in stills[number]] + [(settings.clip_frames, hard) for hard in clips[number]]
                )
            ),
        )
        for name, number in numbers.items()
    ]


def _deal(settings: SynthSettings, kind: str, count: int, ranked: list[int]) -> dict[int, list[bool]]:
    """For each person whether each of their shots of a kind is challenging."""
    hard = set(_spread(round(settings.challenging * count), count, f"{settings.seed}/challenging/{kind}"))
    shots: dict[int, list[bool]] = {number: [] for number in ranked}
    for position, rank in enumerate(_spread(count, len(ranked), f"{settings.seed}/{kind}")):
        shots[ranked[rank]].append(position in hard)
    return shots


def _spread(count: int, places: int, key: str) -> list[int]:
    """`count` places out of range(places), evenly spaced, ascending; the key shifts them all (systematic sampling)."""
    shift = int(hashlib.sha256(key.encode()).hexdigest(), 16) % places if places else 0
    return [(index * places + shift) // count for index in range(count)]


def read_settings(path: str | Path) -> SynthSettings:
    """The settings in an index.yaml, under the key `settings`.

    Raises:
        InputError: missing, or holds other keys.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such file; expected what to render, as the workflow writes it to index.yaml")
    try:
        return SynthSettings(**parse_yaml(read_text(path, YAML_BYTES, "what to render"))["settings"])
    except (yaml.YAMLError, KeyError, TypeError, ValueError) as error:
        keys = ", ".join(field.name for field in fields(SynthSettings))
        said = f" ({error})" if isinstance(error, ValueError) else ""
        raise InputError(
            f"{path}: says not what to render{said}; expected a section settings with the keys {keys}"
        ) from error

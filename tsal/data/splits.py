"""Who trains, who validates, who tests: whole people or whole videos, never single faces of them."""

import hashlib
from collections.abc import Iterable, Mapping

SHARES = {"test": 0.2, "validation": 0.1}  # the rest is train
FEWEST_PEOPLE = 10  # with fewer, one of the splits would be empty


def ranked_people(people: Iterable[str]) -> list[str]:
    """The people (or videos, or images), each once, by the SHA-256 hex digest of their name.

    An order without meaning, the same everywhere.
    """
    return sorted(set(people), key=lambda person: hashlib.sha256(person.encode()).hexdigest())


def split_people(people: Iterable[str], shares: Mapping[str, float] = SHARES) -> dict[str, str]:
    """Assign each person to test (the first 20 %), validation (the next 10 %) or train (the rest), in digest order.

    Args:
        shares: of the people in other splits than train, in the order of their digests, rounded down.
    """
    ranked = ranked_people(people)
    counts = {split: int(share * len(ranked)) for split, share in shares.items()}
    splits = [split for split, count in counts.items() for _ in range(count)]
    splits += ["train"] * (len(ranked) - len(splits))
    return dict(zip(ranked, splits, strict=True))


def held_out(groups: Iterable[str], share: float) -> set[str]:
    """Those of the training groups (people, videos or images) that validate instead: the first in digest order.

    Benchmarks whose owners state what trains and what tests leave nothing to choose a model by but the test faces.

    Args:
        share: of the groups, in [0, 1), rounded; at least one group unless it is 0.
    """
    ranked = ranked_people(groups)
    return set(ranked[: max(1, round(share * len(ranked))) if share else 0])

"""People are split as wholes, in an order without meaning."""

import hashlib

from tsal.splits import split_people


def test_people_are_split_in_the_order_of_their_digests():
    people = [f"First_{number}" for number in range(25)]
    ranked = sorted(people, key=lambda name: hashlib.sha256(name.encode()).hexdigest())
    split = split_people(reversed(people))
    assert [split[name] for name in ranked] == ["test"] * 5 + ["validation"] * 2 + ["train"] * 18

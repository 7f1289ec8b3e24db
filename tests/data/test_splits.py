"""People are split as wholes, in an order without meaning."""

import hashlib

from tsal.data.splits import held_out, split_people


def test_people_are_split_in_the_order_of_their_digests():
    people = [f"First_{number}" for number in range(25)]
    ranked = sorted(people, key=lambda name: hashlib.sha256(name.encode()).hexdigest())
    split = split_people(reversed(people))
    assert [split[name] for name in ranked] == ["test"] * 5 + ["validation"] * 2 + ["train"] * 18


def test_held_out_groups_are_the_same_everywhere_and_grow_with_the_share():
    videos = [f"{number:03d}" for number in range(50)]
    assert len(held_out(videos, 0.1)) == 5
    assert held_out(videos, 0.1) == held_out(reversed(videos), 0.1) < held_out(videos, 0.2)
    assert len(held_out(videos, 0.001)) == 1
    assert held_out(videos, 0) == set()

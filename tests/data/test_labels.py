"""Label budgets; and people who are split as wholes, in an order without meaning."""

import hashlib

import pytest

from tsal.data.labels import budget_name, budget_order, budget_share, labelled_faces, parse_budget
from tsal.data.splits import held_out, split_people
from tsal.errors import InputError

FACES = [f"face{i}" for i in range(200)]


def test_a_budget_is_the_rounded_share_of_the_faces_and_at_least_one():
    assert len(labelled_faces(FACES, 0.05, 0)) == 10
    assert len(labelled_faces(FACES, 0.0001, 0)) == 1
    assert sorted(labelled_faces(FACES, 1.0, 0)) == sorted(FACES)


def test_no_budget_leaves_no_label():
    assert labelled_faces(FACES, 0, 0) == []


def test_smaller_budgets_are_contained_in_larger_ones():
    assert set(labelled_faces(FACES, 0.05, 3)) < set(labelled_faces(FACES, 0.2, 3))


def test_the_choice_depends_on_the_seed_and_not_on_the_order_of_the_faces():
    assert set(labelled_faces(FACES, 0.1, 0)) == set(labelled_faces(FACES[::-1], 0.1, 0))
    assert set(labelled_faces(FACES, 0.1, 0)) != set(labelled_faces(FACES, 0.1, 1))


@pytest.mark.parametrize("fraction", [-0.1, 1.5])
def test_an_impossible_budget_is_refused(fraction):
    with pytest.raises(InputError, match="label budget"):
        labelled_faces(FACES, fraction, 0)


def video(clip, count):
    return [f"{clip}{i}" for i in range(count)], [clip] * count, list(range(count))


def test_a_number_of_faces_is_a_budget_nested_with_shares():
    fifty = labelled_faces(FACES, "n50", 0)
    assert len(fifty) == 50
    assert set(labelled_faces(FACES, 0.2, 0)) < set(fifty) == set(labelled_faces(FACES, 0.25, 0))
    assert set(labelled_faces(FACES, "n200", 0)) == set(FACES)
    with pytest.raises(InputError, match=r"n9999: found 200 annotated training faces, expected the 9,999 that it asks"):
        labelled_faces(FACES, "n9999", 0)


def test_every_nth_frame_counts_the_annotated_frames_of_each_video_from_its_first():
    (a, clips_a, frames_a), (b, clips_b, frames_b) = video("a", 12), video("b", 3)
    faces, clips, frames = b + a, clips_b + clips_a, frames_b + frames_a
    assert labelled_faces(faces, "every5", 0, clips, frames) == ["a0", "a5", "a10", "b0"]
    assert labelled_faces(faces, "first", 7, clips, frames) == ["a0", "b0"]
    assert set(labelled_faces(faces, "every10", 0, clips, frames)) < set(
        labelled_faces(faces, "every5", 0, clips, frames)
    )
    gaps = [2 * frame + 3 for frame in frames]  # annotated frames need not be neighbours
    assert labelled_faces(faces, "every5", 0, clips, gaps) == ["a0", "a5", "a10", "b0"]


def test_a_still_image_is_the_first_frame_of_its_own_clip():
    assert labelled_faces(FACES, "every10", 0) == sorted(FACES)


@pytest.mark.parametrize("text", ["n0", "every0", "5 %", "half", "-1", "every", "1.5"])
def test_other_budgets_are_refused(text):
    with pytest.raises(InputError, match=r"label budget .*expected a share from 0 to 1"):
        parse_budget(text)


def test_budgets_are_ordered_by_size_within_their_kind():
    ordered = ["first", "every20", "every5", "n10", "n50", "0", "0.05", "1"]
    assert sorted(ordered[::-1], key=budget_order) == ordered


def test_budgets_are_named_for_people():
    assert [budget_share(b) for b in ("0.05", "n50", "every10", "first")] == [
        "5 %",
        "50 faces",
        "1 of 10 frames",
        "first frames",
    ]
    assert budget_name("n50") == "50 faces labelled"


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

"""Label budgets."""

import pytest

from tsal.labels import labelled_faces

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
    with pytest.raises(ValueError, match="fraction"):
        labelled_faces(FACES, fraction, 0)

import json

import numpy as np
import pytest
import yaml
from archives import mean_face

from tsal.data.landmarks import AFLW_NAMES, SCHEMES, Scheme, as_setting, part_of, scheme_of
from tsal.errors import InputError


@pytest.fixture(params=sorted(SCHEMES))
def any_scheme(request):
    return SCHEMES[request.param]


@pytest.fixture(params=["49", "51", "68"])
def scheme(request):
    """One of iBUG's."""
    return SCHEMES[request.param]


def test_sizes_agree_with_the_names():
    assert {name: scheme.n_points for name, scheme in SCHEMES.items()} == {"68": 68, "51": 51, "49": 49, "19": 19}
    assert all(len(scheme.flip) == scheme.n_points for scheme in SCHEMES.values())


def test_flipping_twice_changes_nothing(any_scheme):
    np.testing.assert_array_equal(any_scheme.flip[any_scheme.flip], np.arange(any_scheme.n_points))


def test_a_mirrored_symmetric_face_is_itself_after_the_flip(scheme):
    points = mean_face()[list(scheme.of_68)]
    np.testing.assert_allclose((points * [-1, 1] + [1, 0])[scheme.flip], points, atol=1e-12)


def test_only_points_on_the_axis_are_their_own_mirror_image():
    on_axis = np.flatnonzero(SCHEMES["68"].flip == np.arange(68))
    np.testing.assert_array_equal(on_axis, [8, 27, 28, 29, 30, 33, 51, 57, 62, 66])


def test_every_point_is_drawn_by_some_edge(any_scheme):
    drawn = {point for chain in any_scheme.edges for point in chain}
    assert drawn == set(range(any_scheme.n_points))


def test_edges_join_neighbours(scheme):
    points = mean_face()[list(scheme.of_68)]
    for chain in scheme.edges:
        steps = np.linalg.norm(np.diff(points[list(chain)], axis=0), axis=1)
        assert steps.min() > 0
        assert steps.max() < 0.15  # in widths of the face


def test_eyes_and_lips_are_drawn_closed(scheme):
    assert [chain[0] == chain[-1] for chain in scheme.edges[-4:]] == [True] * 4
    assert sum(chain[0] == chain[-1] for chain in scheme.edges) == 4


def test_normalisers_measure_eye_corners_eye_centres_and_box():
    points = np.zeros((1, 68, 2))
    points[0, 36], points[0, 45] = (10, 20), (40, 60)
    boxes = np.array([[5.0, 5.0, 41.0, 21.0]])
    scheme = SCHEMES["68"]
    assert scheme.distances("inter-ocular", points, boxes) == pytest.approx([50.0])  # 3-4-5 triangle
    # Each eye's centre is the mean of its six points, of which five lie at the origin.
    assert scheme.distances("inter-pupil", points, boxes) == pytest.approx([50 / 6])
    assert scheme.distances("face-size", points, boxes) == pytest.approx([24.0])  # sqrt(36 * 16)


def test_subsets_measure_the_same_distances_as_all_68_points(scheme):
    points = np.random.default_rng(0).uniform(0, 100, (5, 68, 2))
    boxes = np.array([[0.0, 0.0, 10.0, 20.0]] * 5)
    for name in scheme.normalisers:
        expected = SCHEMES["68"].distances(name, points, boxes)
        np.testing.assert_allclose(scheme.distances(name, points[:, list(scheme.of_68)], boxes), expected)


def test_a_missing_eye_corner_gives_no_distance():
    points = np.ones((1, 68, 2))
    points[0, 36] = np.nan
    assert np.isnan(SCHEMES["68"].distances("inter-ocular", points, np.zeros((1, 4)))).all()


def test_the_points_of_a_part_are_found_by_their_number_in_the_68():
    np.testing.assert_array_equal(part_of(SCHEMES["51"], SCHEMES["68"]), np.arange(17, 68))
    np.testing.assert_array_equal(part_of(SCHEMES["49"], SCHEMES["51"])[-7:], [42, 44, 45, 46, 48, 49, 50])
    with pytest.raises(InputError, match="68 points are not part of the 51"):
        part_of(SCHEMES["68"], SCHEMES["51"])


def test_the_19_points_mirror_as_in_the_literature():
    # The pairs of Sun et al. 2019 (HRNet), 1-based: all other points lie on the axis.
    pairs = [(1, 6), (2, 5), (3, 4), (7, 12), (8, 11), (9, 10), (13, 15), (16, 18)]
    expected = np.arange(1, 20)
    for left, right in pairs:
        expected[left - 1], expected[right - 1] = right, left
    np.testing.assert_array_equal(SCHEMES["19"].flip, expected - 1)
    assert [AFLW_NAMES[k] for k in np.flatnonzero(SCHEMES["19"].flip == np.arange(19))] == [
        "NoseCenter",
        "MouthCenter",
        "ChinCenter",
    ]


def test_the_19_points_are_measured_by_the_face_size_first_and_by_the_eyes():
    points = np.full((1, 19, 2), np.nan)
    points[0, [6, 11]] = [[10, 20], [40, 60]]
    points[0, [7, 10]] = [[13, 24], [19, 32]]
    scheme = SCHEMES["19"]
    assert next(iter(scheme.normalisers)) == "face-size"
    assert scheme.distances("face-size", points, np.array([[5.0, 5.0, 41.0, 21.0]])) == pytest.approx([24.0])
    assert scheme.distances("inter-ocular", points, np.zeros((1, 4))) == pytest.approx([50.0])
    assert scheme.distances("inter-pupil", points, np.zeros((1, 4))) == pytest.approx([10.0])


def test_the_19_points_are_no_part_of_the_68():
    with pytest.raises(InputError, match="19 points are not part of the 68"):
        part_of(SCHEMES["19"], SCHEMES["68"])


# --- schemes of a data set's own

FIVE = {"name": "five", "n_points": 5, "normalisers": {"eyes": ((0,), (1,)), "face-size": "box"}}


@pytest.fixture
def five():
    return Scheme(**FIVE, mirror_pairs=((0, 1), (3, 4)), edges=((0, 2, 1),), names=("le", "re", "n", "lm", "rm"))


@pytest.mark.parametrize("write", [lambda values: json.dumps(values, sort_keys=True), yaml.safe_dump])
def test_a_scheme_is_the_same_after_it_was_written_and_read(five, any_scheme, write):
    for scheme in (five, any_scheme, Scheme(**FIVE, mirror_pairs=None)):
        again = scheme_of(yaml.safe_load(write(scheme.to_dict())))
        assert again == scheme
        assert list(again.normalisers) == list(scheme.normalisers)


def test_settings_name_a_built_in_scheme_and_hold_any_other(five, any_scheme):
    assert as_setting(any_scheme) == any_scheme.name
    assert as_setting(five) == five.to_dict()
    changed = Scheme.from_dict(SCHEMES["68"].to_dict() | {"edges": []})  # of the same name
    assert as_setting(changed) == changed.to_dict()


def test_points_without_a_pair_are_their_own_mirror_images(five):
    assert five.flip.tolist() == [1, 0, 2, 4, 3]
    assert Scheme(**FIVE, mirror_pairs=None).flip.tolist() == [0, 1, 2, 3, 4]


def test_a_scheme_without_the_68_points_has_no_part_of_them(five):
    with pytest.raises(InputError, match="51 points are not part of the five"):
        part_of(SCHEMES["51"], five)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n_points": 0}, "n_points: found 0, expected a whole number of at least 1"),
        ({"n_points": "5"}, "n_points: found '5', expected"),
        ({"mirror_pairs": [[0, 5]]}, r"mirror_pairs: found \[0, 5\], expected 2 of the points 0 to 4"),
        ({"mirror_pairs": [[0, 1, 2]]}, r"mirror_pairs: found \[0, 1, 2\], expected 2 of"),
        ({"mirror_pairs": [[0, 1], [1, 2]]}, "mirror_pairs: point 1 is there twice"),
        ({"mirror_pairs": [0, 1]}, r"mirror_pairs: found \[0, 1\], expected groups of points"),
        ({"edges": [[]]}, r"edges: found \[\], expected some of the points 0 to 4"),
        ({"edges": [[0, "a"]]}, "edges: found .*'a'.*, expected groups of points"),
        ({"names": ["a", "b"]}, "names: found 2, expected one for each of the 5 points"),
        ({"names": ["a"] * 5}, "names: 'a' is there twice"),
        ({"of_68": [0, 1, 2, 3, 68]}, r"of_68: found \[0, 1, 2, 3, 68\], expected some of the points 0 to 67"),
        ({"of_68": [0, 1, 2, 3, 3]}, "of_68: 3 is there twice"),
        ({"normalisers": {}}, "normalisers: found {}, expected at least one"),
        ({"normalisers": {"eyes": [[0], [7]]}}, r"normalisers: eyes: found \[7\], expected some of the points 0 to 4"),
        ({"normalisers": {"eyes": [[0]]}}, "normalisers: eyes: found .*, expected 'box' or two groups of points"),
        ({"normalisers": {"eyes": "pupils"}}, "normalisers: eyes: found .*pupils"),
        ({"normalisers": [["eyes", "box"]]}, "normalisers: found .*expected 'name' and 'between' of each"),
        ({"points": 5}, "unknown key 'points'; known: name, n_points"),
    ],
)
def test_a_scheme_that_cannot_be_says_what_is_wrong(change, message):
    with pytest.raises(InputError, match=f"scheme.*{message}"):
        Scheme.from_dict(FIVE | change)


def test_only_distances_that_the_scheme_has_are_measured(five):
    with pytest.raises(InputError, match="no normaliser 'inter-ocular' in scheme 'five': eyes, face-size"):
        five.distances("inter-ocular", np.zeros((1, 5, 2)), np.zeros((1, 4)))

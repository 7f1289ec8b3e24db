"""The noise of labels: found where it was put, and nothing else taken for it."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from archives import mean_face
from run_files import scores_table, write_run_scores
from scipy.optimize import curve_fit

from tsal import cli
from tsal.data.crops import CropStore, open_crops
from tsal.data.faces import make_faces, write_faces
from tsal.data.landmarks import SCHEMES
from tsal.errors import InputError
from tsal.evaluation.label_noise import GROUPS, Differences, label_differences, noise_floors
from tsal.flow.storage import write_flow
from tsal.tables import write_budgets, write_floor, write_study, write_table

SCHEME = SCHEMES["68"]
INTER_OCULAR = SCHEME, "inter-ocular"
SIDE, PX = 64, 1.5  # of a crop; px of the image for one of the crop
MIDDLE = np.full(2, (SIDE - 1) / 2)
FACE = 34 * mean_face() + 15
DISTANCE = np.linalg.norm(FACE[36] - FACE[45])


def affine(linear, shift):
    """Motions (..., 2, 3) of a crop about its middle."""
    return np.concatenate([linear, (MIDDLE - linear @ MIDDLE + shift)[..., None]], axis=-1)


def moved(motion, points):
    return points @ motion[..., :2].swapaxes(-1, -2) + motion[..., None, :, 2]


def flow_of(motion):
    """Stored flow (P, 2, 2, SIDE / 2, SIDE / 2) of motions (P, 2, 3): linear, so that it reads exactly."""
    x, y = np.meshgrid(*[2 * np.arange(SIDE // 2) + 0.5] * 2)
    grid = np.stack([x.ravel(), y.ravel()], 1)
    back = np.linalg.inv(motion[..., :2])
    back = np.concatenate([back, -back @ motion[..., 2:]], axis=-1)
    both = np.stack([moved(way, grid) - grid for way in (motion, back)], 1)
    return both.swapaxes(-1, -2).reshape(len(motion), 2, 2, SIDE // 2, SIDE // 2).astype(np.float32)


def store_of(labels, person):
    """Crops of the pairs of frames whose labels are (P, 2, 68, 2) crop px."""
    pairs = len(labels)
    rows = np.arange(2 * pairs)
    return CropStore(
        images=np.zeros((2 * pairs, SIDE, SIDE, 3), np.uint8),
        face=rows.astype(str),
        clip=(rows // 2).astype(str),
        person=np.repeat(person, 2),
        frame=rows % 2,
        box=np.zeros((2 * pairs, 4)),
        to_image=np.tile(np.array([[PX, 0, 7], [0, PX, 3]]), (2 * pairs, 1, 1)),
        points=labels.reshape(2 * pairs, 68, 2).astype(np.float32),
        visible=np.ones((2 * pairs, 68), bool),
        next=np.where(rows % 2, -1, rows + 1),
        input_px=48,
        margin=SIDE / 48,
    )


def clips(*, noise=0.0, bias=0.0, slip=0.0, people=60, per_person=12, seed=2):
    """Crops whose labels follow a known motion, and their flow.

    Args:
        noise: of each label, as an NME in percent; a number, or one for each landmark.
        bias: deviation of what a person's labels share, in percent.
        slip: by how much the flow drags the face aside, as a multiple of how much it is stretched.
    """
    rng = np.random.default_rng(seed)
    pairs = people * per_person
    turn, scale = rng.normal(0, 0.05, pairs), np.exp(rng.normal(0, 0.03, pairs))
    similarity = scale * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    stretch = rng.uniform(-0.12, 0.12, (pairs, 1, 1))
    linear = similarity.transpose(2, 0, 1) + stretch * np.array([[1.0, 0.5], [0.5, -1.0]])
    shift = rng.normal(0, 1.5, (pairs, 2))
    shared = rng.normal(0, bias / 100 * DISTANCE, (people, 68, 2))
    first = FACE + np.repeat(shared, per_person, axis=0)
    labels = np.stack([first, moved(affine(linear, shift), first)], 1)
    distance = np.linalg.norm(labels[..., 36, :] - labels[..., 45, :], axis=-1)
    # The mean length of a Gaussian vector is sigma sqrt(pi / 2).
    sigma = distance[..., None] * np.broadcast_to(noise, 68) / 100 * np.sqrt(2 / np.pi)
    labels = labels + rng.normal(size=labels.shape) * sigma[..., None]
    dragged = slip * DISTANCE * stretch[:, 0] * rng.normal(size=(pairs, 2))
    flow = flow_of(affine(linear, shift + dragged))
    return store_of(labels, np.repeat([f"person{i:03}" for i in range(people)], per_person)), flow


def floors_of(store, flow):
    return noise_floors(label_differences(store, flow, *INTER_OCULAR), SCHEME).set_index("landmarks")


@pytest.mark.parametrize("noise", [1.0, 3.0])
def test_gaussian_noise_of_labels_that_move_is_found_in_every_group(noise):
    found = floors_of(*clips(noise=noise))
    assert found.index.tolist() == ["all", *GROUPS]
    assert found.loc["all", "low"] < noise < found.loc["all", "high"]
    assert found["floor"].to_numpy() == pytest.approx(np.full(6, noise), rel=0.03)
    assert found["difference"].to_numpy() == pytest.approx(np.full(6, noise * np.sqrt(2)), rel=0.03)


def test_groups_of_landmarks_have_their_own_noise():
    noise = np.full(68, 1.0)
    noise[GROUPS["jaw"]] = 4.0
    found = floors_of(*clips(noise=noise))["floor"]
    assert found["jaw"] == pytest.approx(4, rel=0.05)
    assert found["eyes"] == pytest.approx(1, rel=0.05)
    assert found["all"] == pytest.approx((17 * 4 + 51) / 68, rel=0.05)


def test_what_both_labels_share_is_not_seen():
    assert floors_of(*clips(bias=5.0))["difference"].max() < 0.01  # float32 of the labels
    found = floors_of(*clips(noise=2.0, bias=5.0)).loc["all"]
    assert found["low"] < 2 < found["high"]


@pytest.mark.parametrize("noise", [0.0, 2.0])
def test_the_error_of_tracking_is_not_counted(noise):
    found = floors_of(*clips(noise=noise, slip=1.0)).loc["all"]
    assert found["difference"] > np.sqrt(2) * noise + 0.4
    assert abs(found["floor"] - noise) < 0.12


def test_differences_are_nme_between_the_later_label_and_the_carried_one():
    motion = affine(np.eye(2)[None], np.array([[3.0, -2.0]]))
    labels = np.stack([FACE, moved(motion[0], FACE)])[None]
    labels[0, 1, 30] += [1.0, -2.0]
    found = label_differences(store_of(labels, ["ann"]), flow_of(motion), *INTER_OCULAR)
    expected = np.zeros(68)
    expected[30] = 100 * np.hypot(1, 2) / DISTANCE
    assert found.percent[0] == pytest.approx(expected, abs=1e-4)
    assert found.change == pytest.approx([0], abs=1e-4)


def test_change_is_what_no_turn_scale_or_shift_explains():
    turned = 1.1 * np.array([[np.cos(0.2), -np.sin(0.2)], [np.sin(0.2), np.cos(0.2)]])
    stretched = turned @ np.diag([1.03, 0.97])
    motion = affine(np.stack([turned, stretched]), np.array([[2.0, 1], [2, 1]]))
    labels = np.stack([np.broadcast_to(FACE, (2, 68, 2)), moved(motion, FACE)], 1)
    found = label_differences(store_of(labels, ["ann", "bob"]), flow_of(motion), *INTER_OCULAR)
    # Of z -> a z + b conj(z), the best similarity of centred points leaves b (conj(z) - mean(conj(z)^2)/mean|z|^2 z).
    z = (FACE - FACE.mean(0)) @ [1, 1j]
    left = np.abs(z.conj() - (z.conj() ** 2).mean() / (np.abs(z) ** 2).mean() * z).mean() * 1.1 * 0.03
    distance = np.linalg.norm(labels[1, 1, 36] - labels[1, 1, 45])
    assert found.change == pytest.approx([0, 100 * left / distance], abs=1e-3)


def test_landmarks_that_fail_the_round_trip_or_are_hidden_do_not_count():
    store, flow = clips(noise=2.0, people=2)
    flow[0, 1, :, :, : SIDE // 4] += 9  # the way back misses, on the left half
    store.visible[2, :17] = False
    percent = label_differences(store, flow, *INTER_OCULAR).percent
    left = store.points[1, :, 0] < SIDE / 2 - 3
    assert left.sum() > 10 and np.isnan(percent[0, left]).all()
    assert np.isfinite(percent[0, store.points[1, :, 0] > SIDE / 2 + 3]).all()
    assert np.isnan(percent[1, :17]).all() and np.isfinite(percent[1, 17:]).all()


def test_the_noise_is_that_of_a_least_squares_fit_of_the_calmer_half():
    rng = np.random.default_rng(3)
    change = rng.uniform(0.2, 5, 4000)
    mean = np.sqrt(2 * (1.5**2 + (0.4 * change) ** 2))
    differences = Differences(
        (mean * rng.normal(1, 0.2, 4000))[:, None].repeat(19, 1), change, rng.integers(40, size=4000).astype(str)
    )
    found = noise_floors(differences, SCHEMES["19"]).iloc[0]
    calm = change <= np.median(change)
    (noise, _), _ = curve_fit(
        lambda x, n, c: np.sqrt(2 * (n**2 + (c * x) ** 2)), change[calm], differences.percent[calm, 0], p0=(1, 1)
    )
    assert (found["n_pairs"], found["n_people"]) == (2000, 40)
    assert found["floor"] == pytest.approx(abs(noise), rel=0.003)  # the grid of ratios


@pytest.mark.slow
def test_the_interval_holds_the_noise_of_most_samples():
    held = 0
    for seed in range(30):
        rng = np.random.default_rng(seed)
        strength = rng.gamma(9, 2 / 9, 40)  # people differ in how well they are labelled
        change, person = rng.uniform(0.2, 4, 800), rng.integers(40, size=800)
        mean = np.sqrt(2 * (strength[person] ** 2 + (0.5 * change) ** 2))
        percent = (mean * rng.normal(1, 0.2, 800))[:, None].repeat(19, 1)
        found = noise_floors(Differences(percent, change, person.astype(str)), SCHEMES["19"], seed).iloc[0]
        held += found["low"] < 2 < found["high"]
    assert held >= 25  # of 30 at 95 %: fewer happen by chance once in 500 times


def test_labels_of_single_frames_are_refused():
    store, flow = clips(people=1)
    store.visible[1::2] = False
    with pytest.raises(InputError, match="no two of them labelled neighbouring frames"):
        label_differences(store, flow, *INTER_OCULAR)


def test_where_nothing_can_be_tracked_nothing_is_claimed(tmp_path):
    store, flow = clips(people=2)
    flow[:, 1] += 20
    floors = noise_floors(label_differences(store, flow, *INTER_OCULAR), SCHEME)
    assert floors["floor"].isna().all() and (floors["n_pairs"] == 0).all()
    csv, text, _ = write_floor("toy", "inter-ocular", floors, tmp_path / "toy_floor.csv")
    assert pd.read_csv(csv)["floor"].isna().all() and "| all | 0 | 0 |  |  |  |" in text.read_text()
    assert "made by a machine" not in budgets(tmp_path, csv)


def test_one_person_has_no_interval():
    found = floors_of(*clips(noise=2.0, people=1)).loc["all"]
    assert found["floor"] > 1 and np.isnan(found["low"]) and np.isnan(found["high"])


@pytest.fixture
def floor(tmp_path):
    """Noise of the labels of benchmark toy."""
    rows = [("all", 90, 30, 4.56, 2.735, 2.59, 2.867), ("jaw", 80, 30, 6.0, 3.2, 2.9, 3.5)]
    table = pd.DataFrame(rows, columns=["landmarks", "n_pairs", "n_people", "difference", "floor", "low", "high"])
    return write_floor("toy", "inter-ocular", table, tmp_path / "toy_floor.csv")[0]


def budgets(root, floor, **cell):
    path = write_run_scores(root, "tsal", "0.05", 0, scores_table([3.0, 4, 5], **cell))
    return write_budgets("toy", [path], root / "toy_budgets.csv", floor=floor)[1].read_text()


NOTE = "neighbouring frames differ by 4.6 % after tracking. Their own noise is 2.73 % (95 % interval over people 2.59"


def test_the_floor_stands_below_tables_of_errors(tmp_path, floor):
    points = np.full((4, 2, 2), 50.0)
    faces = make_faces(
        ["a.png"] * 4,
        np.tile([0.0, 0, 90, 90], (4, 1)),
        points,
        face=["f0", "f1", "f2", "of training"],
        split=["test"] * 3 + ["train"],
    )
    write_faces(faces, tmp_path / "faces.parquet")
    path = write_run_scores(tmp_path, "tsal", "0.05", 0, scores_table([3.0, 4, 5]))
    given = [path], tmp_path / "faces.parquet"
    written = [
        write_table("toy", *given, tmp_path / "toy_nme.csv", floor=floor)[1],
        write_study("Parts", "toy", *given, {"tsal": "TSAL"}, "tsal", tmp_path / "toy_parts.csv", floor=floor)[1],
    ]
    for text in (*(path.read_text() for path in written), budgets(tmp_path, floor)):
        assert text.count(NOTE) == 1
    assert r"Their own noise is 2.73 \% (95 \% interval" in written[0].with_suffix(".tex").read_text()
    assert "machine" not in write_table("toy", *given, tmp_path / "toy_nme.csv")[1].read_text()


def test_a_floor_in_another_unit_is_not_named(tmp_path, floor):
    assert "machine" not in budgets(tmp_path, floor, normaliser="inter-pupil")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "cannot be read as the noise of labels"),
        ("a,b\n1,2\n", "found no noise of labels; expected columns benchmark"),
        (None, "the noise of labels of 'toy', but the table is of 'other'"),
    ],
    ids=["empty", "another table", "another benchmark"],
)
def test_a_file_that_is_no_floor_of_the_benchmark_is_refused(tmp_path, floor, content, said):
    if content is not None:
        floor.write_text(content)
    path = write_run_scores(tmp_path, "tsal", "0.05", 0, scores_table([3.0]))
    other = path.parent.parent.parent.parent.parent / "other"
    (tmp_path / "toy").rename(other)
    path = other / path.relative_to(tmp_path / "toy")
    with pytest.raises(InputError, match=rf"toy_floor\.csv: {said}"):
        write_budgets("other", [path], tmp_path / "other_budgets.csv", floor=floor)


def test_the_verb_measures_the_labels_of_crops(ytf_data, tmp_path):
    crops, flow, out = ytf_data / "crops/train.json", tmp_path / "flow.json", tmp_path / "tables/ytf_floor.csv"
    write_flow(open_crops(crops.parent, "train"), flow, "dis", 1)
    arguments = [crops, "--flow", flow, "--benchmark", "ytf", "--threads", 1, "-o", out]
    assert cli.main(["floor", *map(str, arguments)]) == 0
    table = pd.read_csv(out)
    assert table["landmarks"].tolist() == ["all", *GROUPS] and set(table["benchmark"]) == {"ytf"}
    assert out.with_suffix(".md").exists() and out.with_suffix(".tex").exists()


def test_the_floor_does_not_change_with_the_size_of_the_image():
    store, flow = clips(noise=2.0, people=5)
    larger = replace(store, to_image=3 * store.to_image)
    pd.testing.assert_frame_equal(floors_of(store, flow), floors_of(larger, flow))

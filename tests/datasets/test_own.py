"""One's own data: a section of a configuration becomes a table of faces."""

import json
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
import yaml
from planning import ROOT

from tsal import datasets
from tsal.cli import main
from tsal.config import index_made_of, labels_of, read_config, resolve_run
from tsal.data.faces import bounds_of, boxes_of, make_faces, points_of, read_faces, visibility_of, write_faces
from tsal.data.landmarks import SCHEMES
from tsal.data.video import read_frame
from tsal.datasets.own import faces as own_faces
from tsal.datasets.own.boxes import completed, face_boxes, fits_own_box, mean_face
from tsal.datasets.own.dataset import own_dataset
from tsal.datasets.own.scheme import order_of
from tsal.errors import InputError

NAMES = ("left eye", "right eye", "nose", "left corner", "right corner")
FACE = np.array([[0.25, 0.3], [0.75, 0.3], [0.5, 0.55], [0.3, 0.8], [0.7, 0.8]])  # of unit size


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch) -> Path:
    """The current folder; what is declared in a test is forgotten after it."""
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    datasets.declare([])


def write_coco(count: int = 20, hidden: dict[int, list[int]] | None = None, name: str = "p{}/a.png") -> np.ndarray:
    """photos/ and labels.json with a face a picture, of a person in each folder; its landmarks (N, 5, 2)."""
    points = np.array([FACE * 20 + [10 + k, 12] for k in range(count)])
    images, annotations = [], []
    for k, face in enumerate(points.tolist()):
        path = Path("photos", name.format(k))
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), np.full((48, 64, 3), 5 * k, np.uint8))
        images.append({"id": k, "file_name": name.format(k), "width": 64, "height": 48})
        seen = [0 if j in (hidden or {}).get(k, []) else 2 for j in range(5)]
        keypoints = [value for (x, y), v in zip(face, seen, strict=True) for value in ((x, y, v) if v else (0, 0, 0))]
        box = {"bbox": [2, 3, 50, 40]} if k % 2 else {}
        annotations.append({"id": k, "image_id": k, "category_id": 1, "keypoints": keypoints, **box})
    categories = [{"id": 1, "name": "face", "keypoints": list(NAMES), "skeleton": [[1, 3], [3, 2]]}]
    labels = {"images": images, "annotations": annotations, "categories": categories}
    Path("labels.json").write_text(json.dumps(labels))
    return points


def section(**keys: object) -> dict:
    return {"reader": "coco", "images": "photos", "labels": "labels.json", "landmarks": 5, **keys}


def indexed(**keys: object) -> pd.DataFrame:
    own_dataset("mine", section(**keys)).index(None, "images", "faces.parquet")
    return read_faces("faces.parquet")


def config_of(**keys: object) -> dict:
    Path("mine.yaml").write_text(yaml.safe_dump({"benchmarks": {"mine": section(**keys)}}))
    return read_config([ROOT / "config.yaml", "mine.yaml"], ROOT / "config")


# --- the table of faces ---


def test_a_section_becomes_a_table_of_faces_whose_people_are_in_one_split_each():
    points = write_coco()
    faces = indexed(person="folder")
    np.testing.assert_allclose(points_of(faces), points)
    np.testing.assert_allclose(boxes_of(faces), bounds_of(points))
    assert faces["image"].tolist()[:2] == ["photos/p0/a.png", "photos/p1/a.png"]
    assert faces["face"].tolist()[:2] == ["p0/a.png", "p1/a.png"]
    assert faces["person"].tolist()[:2] == ["p0", "p1"]
    assert (faces["frame"] == -1).all() and faces["clip"].is_unique
    assert faces["split"].value_counts().to_dict() == {"train": 14, "test": 4, "validation": 2}


def test_more_pictures_of_the_same_people_move_nobody_to_another_split():
    write_coco(20)
    first = indexed(person="folder").set_index("person")["split"].to_dict()
    labels = json.loads(Path("labels.json").read_text())
    labels["images"].reverse()
    Path("labels.json").write_text(json.dumps(labels))
    assert indexed(person="folder").set_index("person")["split"].to_dict() == first


def test_shares_are_what_the_configuration_says():
    write_coco(20)
    counts = indexed(test=0.5, validation=0.25)["split"].value_counts().to_dict()
    assert counts == {"test": 10, "validation": 5, "train": 5}
    with pytest.raises(
        InputError, match=r"labels\.json: found 20 people .*none of them in validation; .*validation: 0"
    ):
        indexed(validation=0.01)


def test_a_pattern_tells_who_and_what_belongs_together():
    write_coco(20, name="film_{:03d}.png")
    faces = indexed(person={"pattern": "_0([01])"}, clip={"pattern": "(.*)_[0-9]+"}, test=0.5, validation=0)
    assert faces["person"].tolist() == ["0"] * 10 + ["1"] * 10
    assert (faces["clip"] == "film").all() and faces["frame"].tolist() == list(range(20))
    with pytest.raises(InputError, match=r"person: the pattern 'x\(.\)' finds nothing in 'film_000\.png'"):
        indexed(person={"pattern": "x(.)"})


def test_numbered_pictures_are_no_clip_unless_one_says_so():
    write_coco(20, name="film_{:03d}.png")
    assert (indexed()["frame"] == -1).all()


def test_boxes_are_the_labels_own_where_one_says_so_and_they_have_one():
    points = write_coco()
    boxes = boxes_of(indexed(box="own"))
    np.testing.assert_allclose(boxes[1::2], [[2, 3, 52, 43]] * 10)
    np.testing.assert_allclose(boxes[::2], bounds_of(points[::2]))


def test_points_that_are_not_annotated_are_unknown_and_do_not_make_the_box_smaller(capfd):
    points = write_coco(hidden={0: [0, 3], 1: [1, 2, 3, 4], 2: [0, 1, 2, 3, 4], 4: [0, 1, 2, 3]})
    faces = indexed()
    assert len(faces) == 18  # the third has none; of the fifth, one point tells no box, and it has none of its own
    assert "labels.json: 1 faces left out: too few points to tell where the face is" in capfd.readouterr().err
    assert visibility_of(faces)[0].tolist() == [False, True, True, False, True]
    assert np.isnan(points_of(faces)[0, [0, 3]]).all()
    np.testing.assert_allclose(boxes_of(faces)[0], bounds_of(points[0]), atol=1e-6)
    np.testing.assert_allclose(boxes_of(faces)[1], [2, 3, 52, 43])  # its own, since one point tells none


def test_the_mean_face_is_laid_onto_the_points_that_are_there():
    random = np.random.default_rng(0)
    turn = np.array([[0.9, 0.3], [-0.3, 0.9]])
    faces = np.array([FACE @ turn.T * size + random.uniform(0, 99, 2) for size in (20, 30, 90)])
    mean = mean_face(faces)
    face = faces[2].copy()
    face[[0, 4]] = np.nan
    np.testing.assert_allclose(completed(face, mean), faces[2], atol=1e-9)
    face[1:4] = np.nan, np.nan
    assert completed(face, mean) is None
    half = faces.copy()
    half[0, 0] = half[1, 1] = half[2, 2] = np.nan  # no face has all points
    assert np.isfinite(face_boxes(half, np.full((3, 4), np.nan), False)).all()


def test_pictures_of_another_size_than_was_labelled_are_refused():
    write_coco()
    cv2.imwrite("photos/p3/a.png", np.zeros((64, 48, 3), np.uint8))
    with pytest.raises(
        InputError, match=r"p3/a\.png was labelled at 64 x 48 px, which is how it is stored.*48 x 64 px"
    ):
        indexed()


def label_frames(size: tuple[int, int], frames: list[int]) -> None:
    """Add faces of frames of photos/film.avi, of 64 x 48 px, said to be of another size."""
    writer = cv2.VideoWriter("photos/film.avi", cv2.VideoWriter_fourcc(*"MJPG"), 25, (64, 48))
    for _ in range(4):
        writer.write(np.zeros((48, 64, 3), np.uint8))
    writer.release()
    labels = json.loads(Path("labels.json").read_text())
    for frame in frames:
        head = {"id": f"film{frame}", "file_name": f"film/frame_{frame:06d}.png"}
        labels["images"].append(head | {"width": size[0], "height": size[1]})
        labels["annotations"].append({**labels["annotations"][0], "id": frame, "image_id": head["id"]})
    Path("labels.json").write_text(json.dumps(labels))


def test_frames_of_another_size_than_was_labelled_are_refused():
    write_coco()
    label_frames((128, 96), [1, 3])
    with pytest.raises(InputError, match=r"frame 1 of film\.avi was labelled at 128 x 96 px; found 64 x 48 px"):
        indexed()


def test_frames_of_the_size_that_was_labelled_are_decoded_once(monkeypatch):
    write_coco()
    label_frames((64, 48), [1, 2, 3])
    read = []
    monkeypatch.setattr(own_faces, "read_frame", lambda path, frame: read.append(frame) or read_frame(path, frame))
    assert (indexed()["frame"] >= 0).sum() == 3 and read == [1]


def change_face(number: int, points: np.ndarray, box: list[float], seen: int = 5) -> None:
    """Set landmarks (5, 2) of which the first `seen` are annotated, and the box x, y, width, height."""
    labels = json.loads(Path("labels.json").read_text())
    values = [[*point, 2 * (k < seen)] for k, point in enumerate(points.tolist())]
    labels["annotations"][number] |= {"keypoints": np.concatenate(values).tolist(), "bbox": box}
    Path("labels.json").write_text(json.dumps(labels))


@pytest.mark.parametrize("box", ["own", "landmarks"])
@pytest.mark.parametrize(
    ("points", "found"), [(FACE * 0.5 + 0.2, r"0\.325, 0\.35 to 0\.575, 0\.6"), (FACE * 20 + 44, r"49, 50 to 59, 60")]
)
def test_landmarks_that_lie_elsewhere_than_their_own_box_are_refused(points, found, box):
    """Such as shares of the picture beside a box in px."""
    write_coco()
    cv2.imwrite("photos/p4/a.png", np.zeros((96, 96, 3), np.uint8))
    labels = json.loads(Path("labels.json").read_text())
    labels["images"][4] |= {"width": 96, "height": 96}
    Path("labels.json").write_text(json.dumps(labels))
    change_face(4, points, [2, 1, 60, 60] if points.max() < 1 else [2, 3, 20, 16])
    with pytest.raises(InputError, match=rf"labels\.json: p4/a\.png: found landmarks at {found}, expected them in px"):
        indexed(**{"box": box})


@pytest.mark.parametrize("seen", [1, 2, 5])
def test_few_landmarks_of_a_face_may_lie_anywhere_about_its_own_box(seen):
    write_coco()
    change_face(4, FACE * 20 + [28, 12], [2, 3, 20, 16], seen)
    assert len(indexed()) == 20


def test_landmarks_fit_their_box_by_middle_and_reach():
    points = np.array([[[10.0, 10], [10.5, 10], [10, 10.5]]])
    assert fits_own_box(points, np.array([[0.0, 0, 50, 50]])).tolist() == [True]
    assert fits_own_box(points, np.array([[0.0, 0, 51, 50]])).tolist() == [False]
    points[0, 2] = np.nan  # two may be as near to each other as they are
    assert fits_own_box(points, np.array([[0.0, 0, 51, 50]])).tolist() == [True]
    assert fits_own_box(points, np.full((1, 4), np.nan)).tolist() == [True]
    assert fits_own_box(np.full((1, 3, 2), np.nan), np.array([[0.0, 0, 51, 50]])).tolist() == [True]


def test_a_face_beyond_its_picture_is_named():
    write_coco()
    labels = json.loads(Path("labels.json").read_text())
    labels["annotations"][4]["keypoints"] = [1000, 1000, 2, 1010, 1000, 2, 1005, 1010, 2, 1000, 1020, 2, 1010, 1020, 2]
    Path("labels.json").write_text(json.dumps(labels))
    with pytest.raises(InputError, match=r"labels\.json: p4/a\.png: found a face at 1000, 1000 to 1010, 1020, outside"):
        indexed()


# --- our own table ---


def write_table(split: list[str] | None = None, person: list[str] | None = None) -> None:
    write_coco(10)
    names = [f"photos/p{k}/a.png" for k in range(10)]
    points = np.array([FACE * 20 + [10 + k, 12] for k in range(10)])
    split = split or ["train"] * 6 + ["validation"] * 2 + ["test"] * 2
    write_faces(make_faces(names, bounds_of(points), points, split=split, person=person or names), "faces.csv")


def test_a_table_says_who_is_who_and_who_trains():
    write_table()
    faces = indexed(reader="table", labels="faces.csv", person="column")
    assert faces["split"].tolist() == ["train"] * 6 + ["validation"] * 2 + ["test"] * 2
    assert faces["person"].tolist()[3] == "photos/p3/a.png" and faces["face"].tolist()[3] == "p3/a.png"


def test_a_person_in_two_splits_is_refused_by_name():
    write_table(person=[*"aabbccddbe"])
    with pytest.raises(InputError, match=r"faces\.csv: person 'b' is in train and in test; expected nobody in two"):
        indexed(reader="table", labels="faces.csv", person="column")


# --- landmarks ---


@pytest.mark.parametrize(("count", "normaliser"), [(68, "inter-ocular"), (19, "face-size")])
def test_built_in_landmarks_are_those_of_other_data_sets(count, normaliser):
    Path("photos").mkdir()
    dataset = own_dataset("mine", section(reader="pts", labels=None, landmarks=count))
    assert dataset.landmarks == SCHEMES[str(count)] and dataset.normalisers == (normaliser,)


def test_the_normaliser_that_is_chosen_comes_first():
    write_coco()
    boxed = own_dataset("mine", section(reader="pts", labels=None, landmarks=68, normaliser="box"))
    assert next(iter(boxed.landmarks.normalisers)) == "face-size" and boxed.landmarks.same_points(SCHEMES["68"])
    eyes = own_dataset("mine", section(reader="pts", labels=None, landmarks=68, normaliser=[36, 45]))
    assert eyes.normalisers == ("inter-ocular",) and eyes.landmarks == SCHEMES["68"]
    named = own_dataset("mine", section(normaliser=["left eye", "right eye"]))
    assert named.landmarks.normalisers["left eye-right eye"] == ((0,), (1,))


def test_points_mirror_only_where_the_pairs_are_given():
    write_coco()
    assert own_dataset("mine", section()).landmarks.mirror_pairs is None
    pairs = {"points": 5, "mirror": [["left eye", "right eye"], [3, 4]]}
    assert own_dataset("mine", section(landmarks=pairs)).landmarks.mirror_pairs == ((0, 1), (3, 4))


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"landmarks": 4}, r"mine: labels\.json: found 5 points .*expected 4, as `landmarks` says"),
        (
            {"landmarks": {"points": 5, "mirror": [["left ear", 1]]}},
            r"mirror: found the point 'left ear', expected a nu",
        ),
        ({"landmarks": {"points": 5, "lines": [[0, 5]]}}, r"lines: found the point 5, expected a number from 0 to 4"),
        ({"normaliser": [1, 1]}, r"normaliser: found the point 1 twice"),
        ({"normaliser": "eyes"}, r"normaliser: found 'eyes', expected box, face-size, or two points"),
    ],
)
def test_landmarks_that_do_not_fit_are_refused(keys, message):
    write_coco()
    with pytest.raises(InputError, match=message):
        own_dataset("mine", section(**keys))


def test_names_that_do_not_agree_are_refused():
    write_coco()
    names = [*NAMES[:4], "chin"]
    with pytest.raises(InputError, match=r"labels\.json: found the point 'right corner', expected .*: left eye"):
        indexed(landmarks={"names": names, "lines": []})


def test_numbers_count_from_0_or_1_and_some_may_be_missing():
    scheme = own_dataset("mine", section(reader="pts", labels=None, landmarks=4, images=".")).landmarks
    assert order_of(scheme, ["0", "1", "2", "3"], "a").tolist() == [0, 1, 2, 3]
    assert order_of(scheme, ["1", "2", "3", "4"], "a").tolist() == [0, 1, 2, 3]
    assert order_of(scheme, ["0", "2", "3"], "a").tolist() == [0, -1, 1, 2]
    assert order_of(scheme, ["2", "4"], "a").tolist() == [-1, 0, -1, 1]
    with pytest.raises(InputError, match="a: found 2 points"):
        order_of(scheme, ["0", "9"], "a")


# --- the configuration ---


def test_a_configuration_makes_its_data_sets_known_and_the_next_one_replaces_them():
    write_coco()
    config = config_of(budgets=[0.5], methods=["supervised"])
    assert "mine" in datasets.names() and labels_of(config, "mine") == [0.5]
    settings = resolve_run(config, "mine", "supervised", 0.5)
    assert settings["scheme"]["names"] == list(NAMES)
    read_config([ROOT / "config.yaml"], ROOT / "config")
    assert "mine" not in datasets.names()


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"reader": "cocos"}, r"mine\.yaml: benchmarks\.mine\.reader: unknown reader \"cocos\"; did you mean 'coco'"),
        ({"lables": 1}, r"benchmarks\.mine\.lables: unknown key; did you mean 'labels'"),
        (
            {"landmarks": "all"},
            r"benchmarks\.mine\.landmarks: found \"all\", expected a number of points, or a section",
        ),
        ({"landmarks": {"names": ["a"], "mirrors": []}}, r"benchmarks\.mine\.landmarks\.mirrors: unknown key"),
        ({"landmarks": {}}, r"benchmarks\.mine\.landmarks\.points: missing, expected a number of points, or names"),
        (
            {"person": {"pattern": "("}},
            r"benchmarks\.mine\.person\.pattern: found \"\(\", expected a regular expression",
        ),
        ({"labels": None}, r"benchmarks\.mine\.labels: missing, expected the path of a file"),
        ({"person": "column"}, r"benchmarks\.mine\.person: found column, which only a table has"),
        ({"test": 0.8, "validation": 0.3}, r"benchmarks\.mine\.test: found 0\.8 beside validation 0\.3, expected less"),
        ({"score_on": ["ytf"]}, r"benchmarks\.mine\.score_on: found ytf, which has 68 landmarks, expected"),
        ({"category": "cat"}, r"benchmarks\.mine: labels\.json: categories with keypoints: found face; expected one"),
    ],
)
def test_mistakes_in_a_section_are_named_by_file_and_key(keys, message):
    write_coco()
    with pytest.raises(InputError, match=message):
        config_of(**keys)


@pytest.mark.parametrize("name", ["ytf", "my_faces", "Mine"])
def test_a_name_that_cannot_be_one_is_refused(name):
    Path("a.yaml").write_text(yaml.safe_dump({"benchmarks": {name: section()}}))
    with pytest.raises(InputError, match=rf"a\.yaml: benchmarks\.{name}"):
        read_config([ROOT / "config.yaml", "a.yaml"], ROOT / "config")


def test_labels_that_are_not_there_are_told_of_where_they_are_needed():
    config = config_of(normaliser=["left eye", "right eye"])
    dataset = datasets.get("mine")
    assert dataset.status("") == "missing" and index_made_of(config, "mine")["scheme"]["n_points"] == 5
    assert "mine: images: photos/ not found; put it there" in dataset.missing_message("")
    write_coco()
    assert datasets.get("mine").status("") == "present"
    config_of(videos="clips/*.mp4")
    assert datasets.get("mine").missing_message("").startswith("mine: videos: clips/*.mp4 fits no file")


# --- the command line ---


def test_verbs_know_it_by_its_index_settings(capfd):
    write_coco()
    config = config_of(normaliser=["left eye", "right eye"], person="folder")
    made_of = {"benchmark": "mine", **index_made_of(config, "mine"), "raw": datasets.get("mine").fingerprint()}
    datasets.declare([])
    with pytest.raises(InputError, match="unknown benchmark 'mine'"):
        datasets.get("mine")
    Path("data/mine").mkdir(parents=True)
    Path("data/mine/index.yaml").write_text(yaml.safe_dump(made_of))
    arguments = ["index", "mine", "--settings", "data/mine/index.yaml", "--images", "images", "-o", "faces.parquet"]
    assert main(arguments) == 0, capfd.readouterr().err
    assert len(read_faces("faces.parquet")) == 20
    assert datasets.get("mine").normalisers == ("left eye-right eye",)
    assert datasets.get("mine").landmarks.names == NAMES


# --- what it is made of ---


def test_only_a_change_of_labels_pictures_or_videos_changes_what_it_is_made_of(tmp_path):
    write_coco()
    Path("clip.mp4").write_bytes(b"a" * 10_000)

    def made_of():
        return own_dataset("mine", section(images="photos", videos="*.mp4")).fingerprint()

    first = made_of()
    Path("photos/p0/note.txt").write_text("no picture")
    Path("results").mkdir()
    assert made_of() == first
    Path("labels.json").touch()
    assert made_of() == first
    changes = [
        lambda: Path("labels.json").write_text(Path("labels.json").read_text() + " "),
        lambda: cv2.imwrite("photos/p3/a.png", np.full((48, 64, 3), 99, np.uint8)),
        lambda: cv2.imwrite("photos/new.png", np.full((48, 64, 3), 99, np.uint8)),
        lambda: Path("photos/new.png").rename("photos/other.png"),
        lambda: Path("clip.mp4").write_bytes(b"a" * 9_999 + b"b"),
    ]
    for change in changes:
        change()
        now = made_of()
        assert now != first
        first = now
    Path("labels.json").unlink()
    assert made_of() is None


def test_what_the_workflow_makes_is_no_picture_of_the_users():
    write_coco()
    first = own_dataset("mine", section(images=".")).fingerprint()
    Path("results/figures").mkdir(parents=True)
    cv2.imwrite("results/figures/mine_faces.png", np.zeros((9, 9, 3), np.uint8))
    assert own_dataset("mine", section(images=".")).fingerprint() == first

import errno
import os

import numpy as np
import pandas as pd
import pytest

from tsal.data import faces as faces_module
from tsal.data.faces import (
    BOX_COLUMNS,
    boxes_of,
    check_faces,
    labelled_of,
    make_faces,
    n_points,
    points_of,
    read_faces,
    visibility_of,
    write_faces,
)
from tsal.errors import InputError


@pytest.fixture
def table():
    """Three faces with two points: all annotated; one annotated but hidden, one not annotated; unlabelled."""
    points = np.array([[[1.5, 2], [3, 4.1]], [[-7, 1e4], [np.nan, np.nan]], np.full((2, 2), np.nan)])
    return make_faces(
        ["a b/1.jpg", "a b/1.jpg", "2.png"],
        np.array([[0, 0, 10, 20], [1 / 3, 2, 3, 4], [5, 6, 7, 8]]),
        points,
        np.array([[True, True], [False, False], [False, False]]),
        face=["007", "nan", "é,1"],
        video=["", "v", "v"],
        frame=[-1, 0, 1],
        clip=["007", "c", "c"],
        person=["None", "", "001"],
        split=["train", "validation", "test"],
        subset=["full", "common+full", "full"],
    )


@pytest.mark.parametrize("suffix", ["parquet", "csv", "CSV"])
def test_a_table_is_read_as_it_was_written(tmp_path, table, suffix):
    path = tmp_path / f"faces.{suffix}"
    write_faces(table, path)
    again = read_faces(path)
    pd.testing.assert_frame_equal(again, table)
    assert os.listdir(tmp_path) == [path.name]


def test_columns_come_in_the_documented_order(tmp_path, table):
    write_faces(table[list(reversed(table.columns))], tmp_path / "faces.csv")
    assert (tmp_path / "faces.csv").read_text().splitlines()[0] == (
        "face,image,video,frame,clip,person,split,subset,box_x0,box_y0,box_x1,box_y1,x0,y0,x1,y1,v0,v1"
    )


def test_arrays_have_their_documented_shapes_and_values(table):
    assert n_points(table) == 2
    assert points_of(table).shape == (3, 2, 2)
    np.testing.assert_array_equal(points_of(table)[1], [[-7, 1e4], [np.nan, np.nan]])
    np.testing.assert_array_equal(visibility_of(table), [[True, True], [False, False], [False, False]])
    np.testing.assert_array_equal(boxes_of(table)[2], [5, 6, 7, 8])
    np.testing.assert_array_equal(labelled_of(table), [True, True, False])


def test_a_minimal_table_gets_defaults(tmp_path):
    path = tmp_path / "mine.csv"
    path.write_text("image,box_x0,box_y0,box_x1,box_y1,note\na.jpg,0,0,9,9,x\nb.jpg,1,1,5,5,\na.jpg,2,2,7,7,y\n")
    table = read_faces(path, need_points=False)
    assert table["face"].tolist() == ["a.jpg", "b.jpg", "a.jpg#1"]
    assert table["clip"].tolist() == table["face"].tolist()
    assert table["frame"].tolist() == [-1, -1, -1]
    assert set(table["split"]) == {"test"}
    assert n_points(table) == 0
    assert points_of(table).shape == (3, 0, 2)
    np.testing.assert_array_equal(boxes_of(table)[2], [2, 2, 7, 7])


def test_a_minimal_table_is_not_enough_where_points_are_needed(tmp_path):
    path = tmp_path / "mine.csv"
    path.write_text("image,box_x0,box_y0,box_x1,box_y1\na.jpg,0,0,9,9\n")
    with pytest.raises(InputError, match=r"mine\.csv: column 'face' is missing"):
        read_faces(path)


@pytest.mark.parametrize(("mark", "name"), [(";", "semicolons"), ("\t", "tabs"), ("|", "bars")])
def test_columns_that_are_separated_by_something_else_are_told(tmp_path, mark, name):
    columns = ["image", *BOX_COLUMNS]
    (tmp_path / "t.csv").write_text(mark.join(columns) + "\n" + mark.join(["a.jpg", "1", "2", "30", "40"]) + "\n")
    with pytest.raises(InputError, match=rf"t\.csv: found columns separated by {name}, expected commas"):
        read_faces(tmp_path / "t.csv", need_points=False)


def test_blanks_after_commas_belong_to_no_name(tmp_path):
    (tmp_path / "t.csv").write_text("image, box_x0, box_y0, box_x1, box_y1\na b.jpg, 1, 2, 30, 40\n")
    faces = read_faces(tmp_path / "t.csv", need_points=False)
    assert faces["image"].tolist() == ["a b.jpg"] and boxes_of(faces).tolist() == [[1, 2, 30, 40]]


def test_a_missing_column_is_told_with_those_that_there_are(tmp_path):
    (tmp_path / "t.csv").write_text("image,x,y,w,h\na.jpg,1,2,30,40\n")
    with pytest.raises(InputError, match="'box_x0' is missing; found image, x, y, w, h; expected image, box_x0"):
        read_faces(tmp_path / "t.csv", need_points=False)


@pytest.mark.parametrize(
    ("box", "message"),
    [
        ("0.1,0.2,0.5,0.6", r"'box_x1', row 1: a box of 0.4 px; these boxes seem to be shares of the image"),
        ("100,200,101,300", r"'box_x1', row 1: a box of 1 px; expected 2 px at least"),
        ("100,200,300,201", r"'box_y1', row 1: a box of 1 px; expected 2 px at least"),
        ("1,,30,40", "'box_y1', row 1: 40; expected more than box_y0, nan"),
    ],
)
def test_a_box_that_can_be_none_is_told(tmp_path, box, message):
    (tmp_path / "t.csv").write_text(f"image,box_x0,box_y0,box_x1,box_y1\na.jpg,{box}\n")
    with pytest.raises(InputError, match=message):
        read_faces(tmp_path / "t.csv", need_points=False)


def test_an_empty_box_is_a_frame_without_a_face_where_no_landmarks_are_needed(tmp_path, table):
    (tmp_path / "t.csv").write_text("image,box_x0,box_y0,box_x1,box_y1\na.jpg,,,,\nb.jpg,1,2,30,40\n")
    faces = read_faces(tmp_path / "t.csv", need_points=False)
    assert np.isnan(boxes_of(faces)[0]).all() and np.isfinite(boxes_of(faces)[1]).all()
    whole = table.copy()
    whole.loc[0, list(BOX_COLUMNS)] = np.nan
    whole.to_parquet(tmp_path / "w.parquet")
    with pytest.raises(InputError, match="row 1: nan"):
        read_faces(tmp_path / "w.parquet")


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_header_alone_is_a_table_of_no_face(tmp_path, table, suffix):
    for name, columns in (("minimal", ["image", *BOX_COLUMNS]), ("whole", list(table.columns))):
        empty, path = pd.DataFrame(columns=columns), tmp_path / f"{name}{suffix}"
        empty.to_csv(path, index=False) if suffix == ".csv" else empty.to_parquet(path)
        assert len(read_faces(path, need_points=name == "whole")) == 0


def test_without_visibility_columns_whatever_is_annotated_is_visible(tmp_path):
    path = tmp_path / "mine.csv"
    path.write_text("image,box_x0,box_y0,box_x1,box_y1,x0,y0,x1,y1\na.jpg,0,0,9,9,1,2,,\n")
    np.testing.assert_array_equal(visibility_of(read_faces(path, need_points=False)), [[True, False]])


GOOD = {"face": "f", "image": "a.jpg", "box_x0": "0", "box_y0": "0", "box_x1": "9", "box_y1": "9"}
GOOD |= {"video": "", "frame": "3", "clip": "c", "person": "p", "split": "test", "subset": "full"}
GOOD |= {"x0": "1", "y0": "2", "v0": "1"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"box_x1": "wide"}, "column 'box_x1', row 2: 'wide' is not a number"),
        ({"box_x1": ""}, "column 'box_x1', row 2: nan; expected more than box_x0, 0"),
        ({"box_y1": "0"}, "column 'box_y1', row 2: 0; expected more than box_y0, 0"),
        ({"box_y0": "inf"}, "column 'box_y0', row 2: infinite"),
        ({"x0": "left"}, "column 'x0', row 2: 'left' is not a number"),
        ({"x0": "", "v0": "0"}, "column 'x0', row 2: empty, while the point's other coordinate is not"),
        ({"y0": "", "v0": "0"}, "column 'y0', row 2: empty, while"),
        ({"x0": "", "y0": ""}, "column 'v0', row 2: 1.0; expected 1 for an annotated"),
        ({"v0": "2"}, "column 'v0', row 2: 2.0; expected 1"),
        ({"v0": ""}, "column 'v0', row 2: nan; expected 1"),
        ({"frame": "1.5"}, "column 'frame', row 2: 1.5; expected 0, 1, 2"),
        ({"frame": "0"}, "column 'frame', row 2: clip 'c' has frame 0 twice"),
        ({"frame": "-2"}, "column 'frame', row 2: -2; expected"),
        ({"image": ""}, "column 'image', row 2: empty"),
        ({"face": ""}, "column 'face', row 2: empty"),
        ({"face": "first"}, "column 'face', row 2: 'first' occurs twice"),
        ({"split": "dev"}, "column 'split', row 2: 'dev'; expected one of train, validation, test"),
    ],
)
def test_bad_cells_are_named_with_file_column_and_row(tmp_path, changes, message):
    path = tmp_path / "faces.csv"
    rows = [GOOD | {"face": "first", "frame": "0"}, GOOD | changes]
    pd.DataFrame(rows).to_csv(path, index=False)
    with pytest.raises(InputError) as caught:
        read_faces(path)
    assert str(caught.value).startswith(f"{path}: {message}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("column", ["box_x1", "x0", "frame"])
@pytest.mark.parametrize(
    "values",
    [
        [True, True, True],
        pd.array([True, None, True], "boolean"),
        np.array([True, 3.0, 4.0], object),
        pd.to_timedelta([9, 9, 9], "s"),
        pd.to_datetime(["2024-01-01"] * 3),
    ],
    ids=["bool", "boolean", "mixed", "duration", "time"],
)
def test_what_only_pandas_takes_for_numbers_is_named(table, column, values):
    table[column] = values
    with pytest.raises(InputError, match=rf"a\.parquet: column '{column}', row 1: .* is not a number"):
        check_faces(table, "a.parquet")


def test_columns_of_true_and_false_say_what_is_visible(tmp_path, table):
    for kind in (bool, "boolean", np.int8, float):
        table.astype({"v0": kind, "v1": kind}).to_parquet(tmp_path / "a.parquet")
        np.testing.assert_array_equal(visibility_of(read_faces(tmp_path / "a.parquet")), visibility_of(table))


@pytest.mark.parametrize("column", ["y1", "v7", "x2"])
def test_a_column_without_its_partners_is_named(tmp_path, column):
    path = tmp_path / "faces.csv"
    pd.DataFrame([GOOD | {column: "1"}]).to_csv(path, index=False)
    with pytest.raises(InputError, match=rf"column '{column}' has no partner"):
        read_faces(path)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("faces.csv", b""),
        ("faces.csv", b"image,box_x0\na.jpg,1,2,3\n"),
        ("faces.csv", b"image,box_x0\n\xff\xfe,1\n"),
        ("faces.parquet", b"PAR1 but no more"),
        ("faces.parquet", b""),
    ],
)
def test_a_file_that_is_no_table_is_named(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InputError, match=rf"{name}: cannot be read as a face table"):
        read_faces(path)


def test_missing_files_and_unknown_suffixes_are_named(tmp_path, table):
    with pytest.raises(InputError, match=r"none\.csv: no such file"):
        read_faces(tmp_path / "none.csv")
    with pytest.raises(InputError, match=r"faces\.txt: a face table is a \.parquet or \.csv file"):
        write_faces(table, tmp_path / "faces.txt")


def test_an_invalid_table_is_not_written(tmp_path, table):
    table.loc[2, "box_x1"] = 0
    with pytest.raises(InputError, match="column 'box_x1', row 3"):
        write_faces(table, tmp_path / "faces.parquet")
    assert os.listdir(tmp_path) == []


def test_a_full_device_leaves_no_table(tmp_path, table, monkeypatch):
    def fail(self, path, **options):
        path.write_bytes(b"half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(faces_module.pd.DataFrame, "to_parquet", fail)
    with pytest.raises(InputError, match=r"faces\.parquet: no space left on the device"):
        write_faces(table, tmp_path / "faces.parquet")
    assert os.listdir(tmp_path) == []


def test_arrays_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="2 images do not fit"):
        make_faces(["a", "b"], np.zeros((1, 4)))
    with pytest.raises(ValueError, match="1 images do not fit"):
        make_faces(["a"], np.zeros((1, 4)), np.zeros((1, 3)))

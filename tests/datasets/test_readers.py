"""Formats of annotations: each as its tool writes it, read to the pixels that were meant."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from tsal.data.faces import bounds_of
from tsal.data.landmarks import Scheme
from tsal.datasets import readers
from tsal.datasets.own.dataset import own_dataset
from tsal.datasets.own.faces import read_annotations
from tsal.datasets.readers.annotations import Annotations
from tsal.errors import InputError
from tsal.tracking.follow import Face
from tsal.tracking.formats import Frame, open_writer

NAMES = ("left eye", "right eye", "nose")
THREE = Scheme(
    name="mine", n_points=3, normalisers={"face-size": "box"}, edges=((0, 2), (2, 1)), names=NAMES, mirror_pairs=None
)
NAN = float("nan")


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch) -> Path:
    """The current folder, with pictures a.png and b/c.png, and a video d.avi of 6 frames, of 64 x 48 px."""
    monkeypatch.chdir(tmp_path)
    for name in ("photos/a.png", "photos/b/c.png"):
        put_picture(name)
    writer = cv2.VideoWriter("photos/d.avi", cv2.VideoWriter_fourcc(*"MJPG"), 25, (64, 48))
    for grey in range(6):
        writer.write(np.full((48, 64, 3), 40 * grey, np.uint8))
    writer.release()
    return tmp_path


def put_picture(name: str) -> None:
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(name, np.zeros((48, 64, 3), np.uint8))


def read(reader: str, labels: str, content: str | dict | None = None, **keys: object) -> Annotations:
    """The faces of a file, in px with pixel centres at integers, points in the order of the scheme."""
    if content is not None:
        Path(labels).write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    options = {"reader": reader, "images": "photos", "labels": labels, "landmarks": 3, **keys}
    dataset = own_dataset("mine", options)
    return read_annotations(dataset.settings, dataset.landmarks)


def scheme(reader: str, labels: str, **keys: object) -> Scheme:
    return own_dataset(
        "mine", {"reader": reader, "images": "photos", "labels": labels, "landmarks": 3, **keys}
    ).landmarks


# --- COCO ---

COCO = {
    "info": {"description": "faces"},
    "images": [
        {"id": 10, "file_name": "a.png", "width": 64, "height": 48, "license": 1},
        {"id": "x", "file_name": "b/c.png", "width": 64, "height": 48},
        {"id": 11, "file_name": "d/frame_000004.png"},
    ],
    "annotations": [
        {
            "id": 1,
            "image_id": 10,
            "category_id": 5,
            "iscrowd": 0,
            "num_keypoints": 2,
            "bbox": [5, 6, 20, 30],
            "keypoints": [10, 11.5, 2, 20, 21, 1, 0, 0, 0],
        },
        {"id": 2, "image_id": 10, "category_id": 5, "iscrowd": 0, "keypoints": [1, 2, 2, 3, 4, 2, 5, 6, 2]},
        {"id": 3, "image_id": 10, "category_id": 5, "iscrowd": 1, "keypoints": [1, 2, 2] * 3},
        {"id": 4, "image_id": 10, "category_id": 5, "keypoints": [0] * 9},
        {"id": 5, "image_id": 10, "category_id": 6, "bbox": [0, 0, 9, 9], "iscrowd": 0},
        {"id": 6, "image_id": 11, "category_id": 5, "track_id": 3, "keypoints": [7, 7, 2, 8, 8, 2, 9, 9, 2]},
        {"id": 7, "image_id": "x", "category_id": 5, "keypoints": [7, 8, 2, 8, 8, 2, 9, 9, 2], "bbox": [1, 1, 0, 0]},
    ],
    "categories": [
        {"id": 6, "name": "car"},
        {"id": 5, "name": "face", "keypoints": list(NAMES), "skeleton": [[1, 3], [3, 2]]},
    ],
}


def test_coco_has_several_faces_a_picture_hidden_points_and_frames_of_videos():
    found = read("coco", "labels.json", COCO)
    assert found.files == ["a.png", "a.png", "d.avi", "b/c.png"]
    assert found.frames.tolist() == [-1, -1, 4, -1]
    np.testing.assert_array_equal(found.points[0], [[10, 11.5], [20, 21], [NAN, NAN]])
    assert found.visible.tolist() == [[True, False, False], *[[True] * 3] * 3]
    np.testing.assert_array_equal(found.boxes[0], [5, 6, 25, 36])
    assert np.isnan(found.boxes[1:]).all()
    assert found.tracks == ["", "", "3", ""]
    assert found.sizes == {("a.png", -1): (64, 48), ("b/c.png", -1): (64, 48)}


def test_names_and_lines_of_coco_are_those_of_the_category():
    Path("labels.json").write_text(json.dumps(COCO))
    assert scheme("coco", "labels.json") == THREE


def test_points_are_put_in_the_order_of_the_configuration():
    found = read("coco", "labels.json", COCO, landmarks={"names": ["nose", "left eye", "right eye"], "lines": []})
    np.testing.assert_array_equal(found.points[1], [[5, 6], [1, 2], [3, 4]])


def test_coco_of_cvat_has_pixel_centres_at_halves():
    found = read("coco", "labels.json", COCO, first_pixel=0.5)
    np.testing.assert_array_equal(found.points[1], [[0.5, 1.5], [2.5, 3.5], [4.5, 5.5]])
    np.testing.assert_array_equal(found.boxes[0], [4.5, 5.5, 24.5, 35.5])


def test_true_is_no_id_though_it_equals_1():
    one = changed(images=[{**COCO["images"][0], "id": 1}], annotations=[{**COCO["annotations"][1], "image_id": True}])
    with pytest.raises(InputError, match=r"annotations\.0: image_id: found True, expected the id of one of the images"):
        read("coco", "labels.json", one)


def changed(**changes: object) -> dict:
    return {**COCO, **changes}


def face(**changes: object) -> dict:
    return changed(annotations=[{**COCO["annotations"][1], **changes}])


def with_size(place: int, width: object, height: object = 48) -> dict:
    images = [{**image} for image in COCO["images"]]
    images[place] |= {"width": width, "height": height}
    return changed(images=images)


@pytest.mark.parametrize("width", [64, 64.0, "64", "64.0"])
def test_sizes_are_whole_numbers_however_they_are_written(width):
    found = read("coco", "labels.json", with_size(2, width, "48.0"))
    assert found.sizes["d.avi", 4] == (64, 48)
    text = CVAT_IMAGES.replace('"a.png" width="64"', f'"a.png" width="{width}"')
    assert read("cvat", "annotations.xml", text).sizes == {("a.png", -1): (64, 48)}
    text = DLIB.replace("width='64'", f"width='{width}'")
    assert read("dlib", "faces.xml", text, landmarks={"names": list(NAMES)}).sizes == {("a.png", -1): (64, 48)}


def test_a_size_that_is_not_given_is_none():
    assert ("a.png", -1) not in read("coco", "labels.json", with_size(0, None, None)).sizes


@pytest.mark.parametrize(
    "width", [64.5, 0, -64, True, NAN, [64], "wide", "", None, 1e300], ids=lambda width: repr(width)[:9]
)
def test_what_is_given_as_a_size_and_is_none_is_refused(width):
    with pytest.raises(InputError, match=r"labels\.json: images\.0: width: found .*, expected"):
        read("coco", "labels.json", with_size(0, width))


def test_an_annotation_of_a_category_that_is_there_but_is_not_the_face_is_left_out():
    assert len(read("coco", "labels.json", face(category_id=6))) == 0
    assert len(read("coco", "labels.json", face(category_id=5.0))) == 1  # as pandas writes it


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[]", r"labels\.json: found list, expected keypoints as COCO"),
        ("{", r"labels\.json: cannot be read as JSON"),
        ("{}", r"labels\.json: images: found nothing, expected a list"),
        (changed(images=[COCO["images"][0]] * 2), r"images\.1: id: found 10 twice"),
        (changed(images=[*COCO["images"], {**COCO["images"][0], "id": 3}]), r"images\.3: file_name: .*twice"),
        (changed(images=[{"id": 1, "file_name": "z.png"}]), r"names 'z\.png', which is not there; .*photos"),
        (changed(images=[{"id": 1, "file_name": "../labels.json"}]), r"lies outside of `images`, photos"),
        (changed(images=[{"id": 1, "file_name": "/etc/hostname"}]), r"lies outside of `images`, photos"),
        (changed(images=[{"id": 1, "file_name": "a\0b"}]), r"found 'a.*x00b' as the name of a picture"),
        (changed(images=[{"id": 1, "file_name": "d/frame_1.png"}, {"id": 2}]), r"images\.1: found"),
        (changed(categories=[]), r"categories with keypoints: found none; expected one"),
        (changed(categories=[{"id": 5, "keypoints": ["a", "a"]}]), r"keypoint 'a' is there twice"),
        (face(image_id=99), r"annotations\.0: image_id: found 99"),
        (face(image_id=[1]), r"annotations\.0: image_id: found \[1\]"),
        (changed(images=[{**COCO["images"][0], "id": True}]), r"images\.0: found"),
        (face(category_id="5"), r"annotations\.0: category_id: found '5', expected the id of one of the categories"),
        (face(category_id=7), r"annotations\.0: category_id: found 7"),
        (face(category_id=None), r"annotations\.0: category_id: found None"),
        (face(keypoints=[1, 2, 2]), r"keypoints: found 3 values, expected x, y and visibility of 3 points"),
        (face(keypoints=[NAN, 2, 2] * 3), r"keypoints: found nan, expected a number of px"),
        (face(keypoints=[1e300, 2, 2] * 3), r"keypoints: found 1e\+300, expected a number of px"),
        (face(keypoints=[1, 2, 7] * 3), r"found visibility 7, expected 0 \(not labelled\), 1 \(hidden\) or 2"),
        (face(bbox=[1, 2]), r"bbox: found \[1, 2\], expected x, y, width and height"),
    ],
)
def test_what_is_wrong_in_coco_is_named(content, message):
    with pytest.raises(InputError, match=message):
        read("coco", "labels.json", content)


# --- CVAT ---

CVAT_META = """<?xml version="1.0" encoding="utf-8"?>
<annotations><version>1.1</version><meta><task><id>4</id><name>faces</name><size>3</size><mode>{mode}</mode><labels>
<label><name>face</name><color>#c06060</color><type>skeleton</type><attributes></attributes>
<svg>&lt;line x1="1" y1="2" stroke="black" data-type="edge" data-node-from="1" data-node-to="3"&gt;&lt;/line&gt;
&lt;line data-type="edge" data-node-from="3" data-node-to="2"&gt;&lt;/line&gt;
&lt;circle r="0.75" data-type="element node" data-element-id="1" data-node-id="1" data-label-name="left eye"&gt;
&lt;circle data-type="element node" data-node-id="2" data-label-name="right eye"&gt;&lt;circle data-node-id="3"
data-label-name="nose"&gt;</svg></label>
<label><name>left eye</name><type>points</type><parent>face</parent></label>
<label><name>right eye</name><type>points</type><parent>face</parent></label>
<label><name>nose</name><type>points</type><parent>face</parent></label>
<label><name>head</name><type>rectangle</type></label></labels>{source}</task><dumped>2024-01-01</dumped></meta>
"""
CVAT_IMAGES = (
    CVAT_META.format(mode="annotation", source="")
    + """
<image id="0" name="a.png" width="64" height="48">
  <skeleton label="face" source="manual" z_order="0">
    <points label="nose" source="manual" outside="0" occluded="1" points="20.50,21.50"></points>
    <points label="left eye" source="manual" outside="0" occluded="0" points="10.50,11.00"></points>
    <points label="right eye" source="manual" outside="1" occluded="0" points="1.00,1.00"></points>
  </skeleton>
  <box label="head" source="manual" occluded="0" xtl="5.50" ytl="6.50" xbr="30.50" ybr="40.50" z_order="0"></box>
</image>
<image id="1" name="b/c.png" width="64" height="48"></image></annotations>"""
)


def test_cvat_for_images_has_skeletons_whose_points_are_named():
    found = read("cvat", "annotations.xml", CVAT_IMAGES)
    assert found.files == ["a.png"] and found.frames.tolist() == [-1]
    np.testing.assert_array_equal(found.points[0], [[10, 10.5], [NAN, NAN], [20, 21]])
    assert found.visible.tolist() == [[True, False, False]]
    np.testing.assert_array_equal(found.boxes, [[5, 6, 30, 40]])
    assert found.sizes == {("a.png", -1): (64, 48)}
    assert scheme("cvat", "annotations.xml") == THREE


def test_cvat_has_shapes_of_several_points_which_are_numbered():
    text = """<annotations><version>1.1</version><image id="0" name="a.png" width="64" height="48">
    <points label="face" source="manual" occluded="0" points="1.5,2.5;3.5,4.5;5.5,6.5" z_order="0"></points>
    <points label="hand" occluded="0" points="9.5,9.5;9.5,9.5;9.5,9.5"></points></image></annotations>"""
    found = read("cvat", "annotations.xml", text, label="face")
    np.testing.assert_array_equal(found.points, [[[1, 2], [3, 4], [5, 6]]])


def test_cvat_has_single_points_of_a_group_which_are_called_by_their_labels():
    point = '<points label="{}" source="manual" occluded="0" points="{},{}" z_order="0" group_id="{}"></points>'
    points = [("nose", 5.5, 6.5, 2), ("right eye", 3.5, 4.5, 2), ("left eye", 1.5, 2.5, 2), ("nose", 8.5, 9.5, 1)]
    shapes = "".join(point.format(*one) for one in points)
    text = f'<annotations><image id="0" name="a.png" width="64" height="48">{shapes}</image></annotations>'
    found = read("cvat", "annotations.xml", text, landmarks={"names": list(NAMES)})
    np.testing.assert_array_equal(found.points[0], [[1, 2], [3, 4], [5, 6]])
    np.testing.assert_array_equal(found.points[1], [[NAN, NAN], [NAN, NAN], [8, 9]])


def test_a_box_that_holds_no_point_of_the_face_is_that_of_something_else():
    text = CVAT_IMAGES.replace('xtl="5.50" ytl="6.50"', 'xtl="25.50" ytl="30.50"')
    assert np.isnan(read("cvat", "annotations.xml", text).boxes).all()


TRACK = """<track id="{id}" label="face" source="manual">
  <skeleton frame="{frame}" keyframe="1" z_order="0">
    <points label="left eye" keyframe="1" outside="0" occluded="0" points="1.50,2.50"></points>
    <points label="nose" keyframe="1" outside="0" occluded="0" points="5.50,6.50"></points>
    <points label="right eye" keyframe="1" outside="1" occluded="0" points="3.50,4.50"></points></skeleton>
  <skeleton frame="5" keyframe="0" z_order="0">
    <points label="left eye" keyframe="0" outside="0" occluded="0" points="9.50,9.50"></points></skeleton>
</track>"""


def test_cvat_for_video_has_tracks_of_which_the_frames_that_a_person_drew_count():
    text = CVAT_META.format(mode="interpolation", source="<source>d.avi</source>")
    text += TRACK.format(id=0, frame=2) + TRACK.format(id=1, frame=2) + "</annotations>"
    found = read("cvat", "annotations.xml", text)
    assert (found.files, found.frames.tolist(), found.tracks) == (["d.avi"] * 2, [2, 2], ["0", "1"])
    np.testing.assert_array_equal(found.points[0], [[1, 2], [NAN, NAN], [5, 6]])
    assert read("cvat", "annotations.xml", interpolated=True).frames.tolist() == [2, 5, 2, 5]


def test_cvat_tells_the_size_of_a_tasks_video():
    size = "<original_size><width>64</width><height>48</height></original_size>"
    text = CVAT_META.format(mode="interpolation", source=f"{size}<source>d.avi</source>")
    text += TRACK.format(id=0, frame=2) + "</annotations>"
    assert read("cvat", "annotations.xml", text).sizes == {("d.avi", 2): (64, 48)}
    with pytest.raises(InputError, match=r"annotations\.xml: original_size: width: found 'x'"):
        read("cvat", "annotations.xml", text.replace("<width>64", "<width>x"))


def test_frames_of_a_video_are_images_to_cvat():
    text = CVAT_IMAGES.replace("</labels>", "</labels><source>d.avi</source>").replace('"a.png"', '"frame_000003"')
    found = read("cvat", "annotations.xml", text)
    assert (found.files, found.frames.tolist()) == (["d.avi"], [3])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("10.50,11.00", "10.50"), r"image a\.png: points: found '10\.50', expected x,y;x,y"),
        (("10.50,11.00", "nan,1"), r"image a\.png: points: found 'nan', expected a number of px"),
        (("10.50,11.00", "1,2;3,4"), r"points 'left eye': found 2 places, expected one"),
        (('label="nose" source', 'label="left eye" source'), r"image a\.png: point 'left eye' is there twice"),
        (('name="a.png"', 'name="../../a.png"'), r"lies outside of `images`"),
        (('name="a.png"', ""), r"image: found no name"),
        (("<annotations>", "<!DOCTYPE a [<!ENTITY b 'c'>]><annotations>"), r"found a document type"),
        (("annotations>", "annotation>"), r"found <annotation>, expected annotations as CVAT"),
        (('label="nose" source', 'label="chin" source'), r"found 4 points|found the point 'chin'"),
    ],
)
def test_what_is_wrong_in_cvat_is_named(change, message):
    with pytest.raises(InputError, match=message):
        read("cvat", "annotations.xml", CVAT_IMAGES.replace(*change))


# --- DeepLabCut ---

DLC = """scorer,,,ann,ann,ann,ann,ann,ann
bodyparts,,,left eye,left eye,right eye,right eye,nose,nose
coords,,,x,y,x,y,x,y
labeled-data,b,c.png,1.5,2,3,4,,
labeled-data,.,a.png,5,6,7,8,9,10
"""


def test_deeplabcut_has_empty_cells_where_nothing_is_annotated():
    found = read("deeplabcut", "CollectedData_ann.csv", DLC)
    assert found.files == ["b/c.png", "a.png"]
    np.testing.assert_array_equal(found.points, [[[1.5, 2], [3, 4], [NAN, NAN]], [[5, 6], [7, 8], [9, 10]]])
    assert scheme("deeplabcut", "CollectedData_ann.csv").names == NAMES


def test_deeplabcut_names_pictures_in_one_column_too_and_with_the_slashes_of_windows():
    text = DLC.replace(",,,", ",", 3).replace("labeled-data,b,", "labeled-data\\b\\").replace("labeled-data,.,", "")
    assert read("deeplabcut", "labels.csv", text).files == ["b/c.png", "a.png"]


def test_deeplabcut_has_individuals():
    rows = [
        ["scorer", *["ann"] * 12],
        ["individuals", *["p"] * 6, *["q"] * 6],
        ["bodyparts", *[name for name in NAMES for _ in "xy"] * 2],
        ["coords", *"xyxyxyxyxyxy"],
        ["a.png", *"123456", *[""] * 4, "7", "8"],
        ["b/c.png", *[""] * 12],
    ]
    found = read("deeplabcut", "labels.csv", "\n".join(map(",".join, rows)))
    assert (found.files, found.tracks) == (["a.png", "a.png"], ["p", "q"])
    np.testing.assert_array_equal(found.points[1], [[NAN, NAN], [NAN, NAN], [7, 8]])


def test_points_of_little_likelihood_are_not_annotated_if_one_says_so():
    rows = [
        ["scorer", *["net"] * 9],
        ["bodyparts", *[name for name in NAMES for _ in range(3)]],
        ["coords", *["x", "y", "likelihood"] * 3],
        ["2", "1", "2", "0.9", "3", "4", "0.3", "5", "6", "1"],
    ]
    found = read("deeplabcut", "labels.csv", "\n".join(map(",".join, rows)), likelihood=0.5)
    assert (found.files, found.frames.tolist()) == (["d.avi"], [2])
    np.testing.assert_array_equal(found.points, [[[1, 2], [NAN, NAN], [5, 6]]])
    assert np.isfinite(read("deeplabcut", "labels.csv").points).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("scorer", "a"), r"found 'a' where its header should be"),
        (("1.5,2,", "1.5,,"), r"row 1: left eye y: found None, expected a number of px"),
        (("1.5,2,", "inf,2,"), r"row 1: left eye x: found 'inf'"),
        (("right eye", "left eye"), r"body part 'left eye' has x twice"),
        ((",9,10", ",9"), r"row 2: found 8 columns, expected 9"),
        (("x,y,x", "x,z,x"), r"coords: found 'z', expected x, y, likelihood, visible"),
        (("b,c.png", "..,..,c.png"), r"labels\.csv"),
        (("b,c.png", "b,z.png"), r"names 'b/z\.png', which is not there"),
    ],
)
def test_what_is_wrong_in_deeplabcut_is_named(change, message):
    with pytest.raises(InputError, match=message):
        read("deeplabcut", "labels.csv", DLC.replace(*change))


# --- dlib ---

DLIB = """<?xml version='1.0' encoding='ISO-8859-1'?>
<?xml-stylesheet type='text/xsl' href='image_metadata_stylesheet.xsl'?>
<dataset><name>imglab dataset</name><comment>Created by imglab tool.</comment><images>
<image file='a.png' width='64' height='48'>
  <box top='6' left='5' width='20' height='30'>
    <part name='nose' x='5' y='6'/><part name='left eye' x='1' y='2'/></box>
  <box top='1' left='1' width='9' height='9' ignore='1'><part name='nose' x='5' y='6'/></box>
  <box top='1' left='1' width='9' height='9'/>
</image>
<image file='b/c.png'><box top='0' left='0' width='10' height='10'><part name='right eye' x='3' y='4'/></box></image>
</images></dataset>"""


def test_dlib_has_boxes_of_whole_pixels_with_named_parts():
    found = read("dlib", "faces.xml", DLIB, landmarks={"names": list(NAMES)})
    assert found.files == ["a.png", "b/c.png"]
    np.testing.assert_array_equal(found.points[0], [[1, 2], [NAN, NAN], [5, 6]])
    np.testing.assert_array_equal(found.boxes, [[5, 6, 24, 35], [0, 0, 9, 9]])
    assert scheme("dlib", "faces.xml").names == ("left eye", "nose", "right eye")


@pytest.mark.parametrize("first", [0, 1])
def test_parts_that_are_numbered_are_in_the_order_of_their_numbers(first):
    parts = "".join(f"<part name='{k + first:02d}' x='{k}' y='{2 * k}'/>" for k in range(11, -1, -1))
    text = f"<dataset><images><image file='a.png'><box top='0' left='0' width='9' height='9'>{parts}</box></image>"
    found = read("dlib", "faces.xml", text + "</images></dataset>", landmarks=12)
    np.testing.assert_array_equal(found.points[0], [[k, 2 * k] for k in range(12)])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("dataset>", "data>"), r"found <data>, expected the XML of imglab"),
        (("x='5'", "x='NaN'"), r"part nose: found 'NaN', expected a number of px"),
        (("x='5'", ""), r"part nose: found None"),
        (("top='6'", "top='1e999'"), r"box top: found '1e999'"),
        (("file='a.png'", "file='/etc/passwd'"), r"lies outside of `images`"),
        (("name='left eye'", "name='nose'"), r"point 'nose' is there twice"),
    ],
)
def test_what_is_wrong_in_dlib_is_named(change, message):
    with pytest.raises(InputError, match=message):
        read("dlib", "faces.xml", DLIB.replace(*change), landmarks={"names": list(NAMES)})


# --- .pts ---


def test_pts_files_lie_beside_their_pictures_and_count_from_1():
    for name, first in (("a", 1), ("b/c", 11)):
        lines = "\n".join(f"{first + k} {first + 2 * k}" for k in range(3))
        Path(f"photos/{name}.pts").write_text(f"version: 1\nn_points: 3\n{{\n{lines}\n}}\n")
    found = read("pts", "photos")
    assert found.files == ["a.png", "b/c.png"]
    np.testing.assert_array_equal(found.points, [[[0, 0], [1, 2], [2, 4]], [[10, 10], [11, 12], [12, 14]]])
    Path("photos/z.pts").write_text("version: 1\nn_points: 3\n{\n1 1\n2 2\n3 3\n}\n")
    with pytest.raises(InputError, match=r"z\.pts: found no picture of that name"):
        read("pts", "photos")


@pytest.mark.parametrize("name", ["a.pts", "a_1.pts"])
def test_which_of_two_pictures_of_a_name_was_labelled_nobody_knows(name):
    put_picture("photos/a.jpg")
    Path("photos", name).write_text("version: 1\nn_points: 3\n{\n1 1\n2 2\n3 3\n}\n")
    with pytest.raises(InputError, match=rf"{name}: found a\.jpg, a\.png of that name below `images`, .*expected one"):
        read("pts", "photos")


# --- what `tsal track` writes ---


def tracked(id: int, seed: int) -> Face:
    random = np.random.default_rng(seed)
    points, confidences = random.uniform(3, 40, (3, 2)), random.uniform(0, 1, 3)
    return Face(id, bounds_of(points[None])[0], float(confidences.mean()), points, confidences)


VIDEO = [
    Frame("photos/d.avi", 0, 0.0, (64, 48), [tracked(0, 1)]),
    Frame("photos/d.avi", 1, 0.04, (64, 48), []),
    Frame("photos/d.avi", 2, 0.08, (64, 48), [tracked(0, 2), tracked(3, 3)]),
]
PICTURE = Frame("photos/a.png", -1, NAN, (64, 48), [tracked(0, 4)])


@pytest.mark.parametrize("suffix", ["csv", "parquet", "json", "dlc.csv", "pts"])
def test_what_following_writes_reads_back_to_the_same_landmarks(suffix):
    frames = VIDEO if suffix == "dlc.csv" else [*VIDEO, PICTURE]
    with open_writer(Path(f"out.{suffix}"), THREE) as write:
        for frame in frames:
            write(frame)
    reader = {"json": "coco", "dlc.csv": "deeplabcut", "pts": "pts"}.get(suffix, "table")
    found = read(reader, f"out.{suffix}")
    expected = {(Path(frame.image).name, frame.number, face.id): face for frame in frames for face in frame.faces}
    assert sorted(zip(found.files, found.frames.tolist(), strict=True)) == sorted((file, n) for file, n, _ in expected)
    for row, (file, number) in enumerate(zip(found.files, found.frames.tolist(), strict=True)):
        id = int(found.tracks[row].removeprefix("face") or 0) if found.tracks[row] else None
        same = [
            face
            for (name, n, other), face in expected.items()
            if (name, n) == (file, number) and (id is None or other == id or number < 0)
        ]
        errors = [np.abs(found.points[row] - face.points).max() for face in same]
        assert min(errors) < 6e-4
        if suffix in ("csv", "parquet", "json"):
            assert min(np.abs(found.boxes[row] - face.box).max() for face in same) < 2e-3
    assert found.visible.all()


def test_every_reader_says_what_its_coordinates_are():
    for name in readers.names():
        reader = readers.get(name)
        assert reader.first_pixel in (0, 0.5, 1) and reader.title and reader.about
    with pytest.raises(
        InputError, match="unknown reader 'via'; expected one of coco, cvat, deeplabcut, dlib, pts, tab"
    ):
        readers.get("via")

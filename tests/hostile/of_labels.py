"""Labels of one's own data: XML that is a bomb, JSON of another kind, pictures that are not there or lie elsewhere."""

import json
from pathlib import Path

from hostile.cases import case, put
from hostile.of_pictures import encoded

CVAT = (
    '<annotations><image id="0" name="{name}" width="8" height="8"><points label="{label}" points="{points}"/></image>'
)
DLC = "scorer,{0}\nbodyparts,{1}\ncoords,{2}\n"


def labelled(folder: Path, reader: str, name: str, content: bytes | str, **keys: object) -> list[str]:
    """The command that reads labels, of pictures in photos/."""
    put(folder, name, content)
    put(folder, "photos/a.png", bytes(encoded(".png")))
    options = {"reader": reader, "images": "photos", "labels": name, "landmarks": {"names": ["p", "q"], "lines": []}}
    put(folder, "index.yaml", json.dumps({"options": {**options, **keys}}))
    return ["index", "mine", "--settings", "index.yaml", "--images", "images", "-o", "faces.parquet"]


def cvat(folder: Path, name: str = "a.png", label: str = "p", points: str = "1,2;3,4") -> list[str]:
    text = CVAT.format(name=name, label=label, points=points)
    return labelled(folder, "cvat", "labels.xml", text + "</annotations>")


def coco(folder: Path, keypoints: str = "[1, 2, 2, 5, 6, 2]", name: str = "a.png", **parts: str) -> list[str]:
    values = {
        "images": json.dumps([{"id": 1, "file_name": name}]),
        "annotations": f'[{{"image_id": 1, "category_id": 1, "keypoints": {keypoints}}}]',
        "categories": json.dumps([{"id": 1, "keypoints": ["p", "q"]}]),
    } | parts
    text = ", ".join(f'"{part}": {value}' for part, value in values.items())
    return labelled(folder, "coco", "labels.json", f"{{{text}}}")


# --- XML ---


@case("labels", "XML whose entities unpack to gigabytes", "labels.xml", alone=True)
def _(folder):
    entities = "".join(f'<!ENTITY e{k} "{f"&e{k - 1};" * 10}">' for k in range(1, 12))
    text = f'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY e0 "aaaaaaaaaa">{entities}]><annotations>&e11;</annotations>'
    return labelled(folder, "cvat", "labels.xml", text)


@case("labels", "XML that names a file of the machine as an entity", "labels.xml")
def _(folder):
    text = '<!DOCTYPE a [<!ENTITY e SYSTEM "file:///etc/hostname">]><dataset><image file="&e;"/></dataset>'
    return labelled(folder, "dlib", "labels.xml", text)


@case("labels", "XML with a document type elsewhere", "labels.xml")
def _(folder):
    return labelled(folder, "dlib", "labels.xml", '<!DOCTYPE a SYSTEM "http://localhost:9/a.dtd"><dataset/>')


@case("labels", "XML nested a million deep", "labels.xml")
def _(folder):
    return labelled(folder, "cvat", "labels.xml", "<annotations>" + "<a>" * 1_000_000)


@case("labels", "XML of a tag with a million attributes", "labels.xml")
def _(folder):
    attributes = " ".join(f"a{k}=''" for k in range(1_000_000))
    return labelled(folder, "dlib", "labels.xml", f"<dataset {attributes}/>")


@case("labels", "XML of a picture with a million points", "labels.xml")
def _(folder):
    return labelled(folder, "dlib", "labels.xml", "<dataset><image file='a.png'>" + "<box/>" * 1_000_000)


@case("labels", "XML that is noise", "labels.xml")
def _(folder):
    return labelled(folder, "cvat", "labels.xml", bytes(range(256)) * 20)


@case("labels", "XML of something else", "labels.xml")
def _(folder):
    return labelled(folder, "cvat", "labels.xml", "<html><body/></html>")


@case("labels", "CVAT with a point of NaN", "labels.xml")
def _(folder):
    return cvat(folder, points="nan,1;2,3")


@case("labels", "CVAT with a point of 5,000 digits", "labels.xml")
def _(folder):
    return cvat(folder, points="9" * 5000 + ",1;2,3")


@case("labels", "CVAT with more points than there are", "labels.xml")
def _(folder):
    return cvat(folder, points=";".join(["1,2"] * 200_000))


@case("labels", "CVAT that names a picture beyond the folder", "../a.png")
def _(folder):
    return cvat(folder, name="../a.png")


# --- JSON ---


@case("labels", "JSON nested a million deep", "labels.json")
def _(folder):
    return labelled(folder, "coco", "labels.json", "[" * 1_000_000)


@case("labels", "JSON that is a list", "labels.json")
def _(folder):
    return labelled(folder, "coco", "labels.json", "[1, 2]")


@case("labels", "JSON with a coordinate of NaN", "labels.json")
def _(folder):
    return coco(folder, keypoints="[NaN, 1, 2, 3, 4, 2]")


@case("labels", "JSON with a coordinate of 5,000 digits", "labels.json")
def _(folder):
    return coco(folder, keypoints=f"[{'9' * 5000}, 1, 2, 3, 4, 2]")


@case("labels", "JSON with points far outside of the picture", "a.png")
def _(folder):
    return coco(folder, keypoints="[900000, 900000, 2, 900050, 900050, 2]")


@case("labels", "JSON whose keypoints are called the same", "labels.json")
def _(folder):
    return coco(folder, categories='[{"id": 1, "keypoints": ["p", "p"]}]')


@case("labels", "JSON that names a picture that is not there", "b.png")
def _(folder):
    return coco(folder, name="b.png")


@case("labels", "JSON that names a file of the machine as a picture", "/etc/hostname")
def _(folder):
    return coco(folder, name="/etc/hostname")


@case("labels", "JSON that leads out of the folder and back", "photos/../../a.png")
def _(folder):
    return coco(folder, name="photos/../../a.png")


@case("labels", "JSON with a name that no file can have", "labels.json")
def _(folder):
    return coco(folder, name="a\0\ud800" + "b" * 5000)


@case("labels", "JSON whose picture's id is a list", "labels.json")
def _(folder):
    return coco(folder, images='[{"id": [1], "file_name": "a.png"}]')


# --- tables ---


@case("labels", "a table of DeepLabCut with a million columns", "labels.csv")
def _(folder):
    return labelled(folder, "deeplabcut", "labels.csv", "scorer" + "," * 1_000_000)


@case("labels", "a table of DeepLabCut with a quote that never ends", "labels.csv")
def _(folder):
    return labelled(folder, "deeplabcut", "labels.csv", DLC.format("a,a", "p,p", "x,y") + 'a.png,"' + "x" * 2_000_000)


@case("labels", "a table of DeepLabCut with an infinite coordinate", "labels.csv")
def _(folder):
    content = DLC.format("a,a,a,a", "p,p,q,q", "x,y,x,y") + "a.png,1,inf,2,3\n"
    return labelled(folder, "deeplabcut", "labels.csv", content)


@case("labels", "a table of DeepLabCut that is a pickle", "labels.csv")
def _(folder):
    return labelled(folder, "deeplabcut", "labels.csv", b"\x80\x04\x95\x00\x00\x00")


@case("labels", "a face table that is a pickle", "labels.pkl")
def _(folder):
    return labelled(folder, "table", "labels.pkl", b"\x80\x04\x95\x00\x00\x00")


@case("labels", ".pts files of no picture", "b.pts")
def _(folder):
    put(folder, "pts/b.pts", "version: 1\nn_points: 2\n{\n1 1\n2 2\n}\n")
    command = labelled(folder, "pts", "unused", "")
    put(
        folder,
        "index.yaml",
        json.dumps({"options": {"reader": "pts", "images": "photos", "labels": "pts", "landmarks": 2}}),
    )
    return command


# --- settings ---


@case("labels", "index settings whose reader is a module elsewhere", "index.yaml")
def _(folder):
    return labelled(folder, "../../evil", "labels.json", "{}")


@case("labels", "index settings whose landmarks are 10 million", "index.yaml")
def _(folder):
    return labelled(folder, "coco", "labels.json", "{}", landmarks=10_000_000)

"""Tables and stores: faces, predictions, scores, kept runs, rendered faces, crops."""

import io
import json
import pickle
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from hostile.cases import case, put
from hostile.of_pictures import FACES, encoded
from hostile.of_weights import Runs
from pyarrow import parquet

RUN = "runs/ytf/tsal/0.05/seed0"
POINTS = ",".join(f"x{k},y{k}" for k in range(68))
CROP = ["--split", "train", "--input-px", "32", "--expand", "0.2", "--margin", "1", "-o", "crops/train.json"]


def crop_table(folder: Path, name: str, content: bytes | str) -> list[str]:
    put(folder, name, content)
    put(folder, "a.png", bytes(encoded(".png")))
    return ["crop", name, *CROP]


@case("tables", "a face table of 60 million rows in a few kB", "faces.parquet", alone=True)
def _(folder):
    column = pa.DictionaryArray.from_arrays(np.zeros(60_000_000, np.int8), pa.array(["train"]))
    parquet.write_table(pa.table({"split": column, "image": column}), folder / "faces.parquet", row_group_size=1 << 30)
    return ["crop", "faces.parquet", *CROP]


@case("tables", "a face table that is noise", "faces.parquet")
def _(folder):
    return crop_table(folder, "faces.parquet", b"PAR1" + bytes(range(256)) + b"\xff\xff\xff\x7fPAR1")


@case("tables", "a face table whose footer is damaged", "faces.parquet")
def _(folder):
    pd.DataFrame({"image": ["a"], "split": ["train"]}).to_parquet(folder / "faces.parquet")
    content = bytearray((folder / "faces.parquet").read_bytes())
    content[-60:-20] = bytes(40)
    return crop_table(folder, "faces.parquet", bytes(content))


@case("tables", "a face table whose columns hold lists", "faces.parquet")
def _(folder):
    names = FACES.strip().split(",")
    pd.DataFrame({name: [[1, 2], [3]] for name in names}).to_parquet(folder / "faces.parquet")
    return ["crop", "faces.parquet", *CROP]


@case("tables", "a face table of a million columns", "faces.csv")
def _(folder):
    return crop_table(folder, "faces.csv", "," * 1_000_000 + "\n")


@case("tables", "a face table with a frame of 300 digits", "faces.csv")
def _(folder):
    return crop_table(folder, "faces.csv", FACES + f"a.png,{'9' * 300},1,1,9,9,2,2,1,a,,a,p,train,full\n")


@case("tables", "a face table with a box of 5,000 digits", "faces.csv")
def _(folder):
    return crop_table(folder, "faces.csv", FACES + f"a.png,-1,1,1,{'9' * 5000},9,2,2,1,a,,a,p,train,full\n")


@case("tables", "a face table with a box of NaN", "faces.csv")
def _(folder):
    return crop_table(folder, "faces.csv", FACES + "a.png,-1,nan,1,9,9,2,2,1,a,,a,p,train,full\n")


@case("tables", "a face table that is no text", "faces.csv")
def _(folder):
    return crop_table(folder, "faces.csv", bytes(range(256)) * 100)


@case("tables", "a face table with a box of 10^300 px", "faces.csv")
def _(folder):
    return crop_table(folder, "faces.csv", FACES + "a.png,-1,1,1,1e300,9,2,2,1,a,,a,p,train,full\n")


def score(folder: Path, predictions: bytes | str) -> list[str]:
    put(folder, f"{RUN}/predictions.csv", predictions)
    row = "a.png,-1,1,1,9,9," + "2," * 136 + "1," * 68 + "a,,a,p,test,full\n"
    visible = ",".join(f"v{k}" for k in range(68))
    head = f"image,frame,box_x0,box_y0,box_x1,box_y1,{POINTS},{visible},face,video,clip,person,split,subset\n"
    put(folder, "faces.csv", head + row)
    return ["score", f"{RUN}/predictions.csv", "--faces", "faces.csv", "--benchmark", "ytf", "-o", f"{RUN}/scores.csv"]


@case("tables", "predictions that are infinite", "predictions.csv")
def _(folder):
    return score(folder, f"face,{POINTS}\na{',inf' * 136}\n")


@case("tables", "predictions that are texts", "predictions.csv")
def _(folder):
    return score(folder, f"face,{POINTS}\na{',x' * 136}\n")


@case("tables", "predictions that are no text", "predictions.csv")
def _(folder):
    return score(folder, b"\xff\xfe" * 1000)


@case("tables", "predictions with a quote that never ends", "predictions.csv")
def _(folder):
    return score(folder, f'face,{POINTS}\n"' + "x" * 1_000_000)


@case("tables", "predictions of 3 MB that unpack to 3 GB", "predictions.csv.gz", alone=True)
def _(folder):
    command = score(folder, "")
    packer = zlib.compressobj(1, wbits=31)
    content = b"".join([*(packer.compress(bytes(1 << 24)) for _ in range(192)), packer.flush()])
    return [command[0], str(put(folder, f"{RUN}/predictions.csv.gz", content).relative_to(folder)), *command[2:]]


def table_of(folder: Path, scores: bytes | str) -> list[str]:
    put(folder, f"{RUN}/scores.csv", scores)
    faces = score(folder, "")[3]
    return ["table", f"{RUN}/scores.csv", "--benchmark", "ytf", "--faces", faces, "-o", "tables/ytf_nme.csv"]


@case("tables", "scores that are no numbers", "scores.csv")
def _(folder):
    return table_of(folder, "face,clip,frame,subset,normaliser,nme,jitter\na,a,0,full,inter-ocular,x,1\n")


@case("tables", "scores that are infinite", "scores.csv")
def _(folder):
    return table_of(folder, "face,clip,frame,subset,normaliser,nme,jitter\na,a,0,full,inter-ocular,inf,1\n")


@case("tables", "scores that are less than nothing", "scores.csv")
def _(folder):
    return table_of(folder, "face,clip,frame,subset,normaliser,nme,jitter\na,a,0,full,inter-ocular,-1,1\n")


@case("tables", "scores of another table", "scores.csv")
def _(folder):
    return table_of(folder, "a,b\n1,2\n")


@case("tables", "kept runs that hold no JSON", "ytf.parquet")
def _(folder):
    texts = {name: pa.array(["x"]) for name in ("method", "labels", "settings", "log")}
    lists = {name: pa.array([["x"]]) for name in ("face", "clip", "subset", "normaliser", "person")}
    numbers = {name: pa.array([1], pa.int32()) for name in ("seed", "labelled")}
    nested = {name: pa.array([[1]], pa.list_(pa.int64())) for name in ("frame", "nme", "jitter")}
    table = pa.table(texts | numbers | lists | nested).replace_schema_metadata({"version": "1", "made_of": "["})
    (folder / "kept").mkdir()
    parquet.write_table(table, folder / "kept/ytf.parquet")
    return ["figure", "training", "kept/ytf.parquet/tsal/0.05/seed0/log.csv", "-o", "figure.png"]


# --- rendered faces

SETTINGS = {"people": 10, "stills": 20, "clips": 10, "clip_frames": 3, "image_px": 32, "challenging": 0.0, "seed": 0}


def shard(path: Path, members: dict[str, bytes], settings: dict | None = None, faces: bytes | None = None) -> None:
    from tsal.synth.plan import SynthSettings
    from tsal.synth.shards import all_shots

    names = [name for shot in all_shots(SynthSettings(**SETTINGS)) for name in shot.frame_names()]
    count = len(names)
    arrays = {"points": np.zeros((count, 68, 2)), "points_3d": np.zeros((count, 68, 3)), "cameras": np.ones((count, 4))}
    np.savez(file := io.BytesIO(), name=np.array(names), visible=np.ones((count, 68), bool), **arrays)
    made = {"renderer": 1, "settings": settings or SETTINGS, "shard": 0, "shards": 1}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("settings.json", json.dumps(made))
        archive.writestr("faces.npz", file.getvalue() if faces is None else faces)
        for name, content in members.items():
            archive.writestr(name, content)


INDEX = ["index", "synth", "--shards", "0of1.zip", "--images", "images", "-o", "faces.parquet"]


@case("tables", "rendered faces of a trillion people", "0of1.zip")
def _(folder):
    shard(folder / "0of1.zip", {}, SETTINGS | {"people": 10**12})
    return INDEX


@case("tables", "rendered faces whose points have a shape of 10^15 numbers", "0of1.zip")
def _(folder):
    head = b"{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000000,), }"
    content = b"\x93NUMPY\x01\x00" + (len(head) + 1).to_bytes(2, "little") + head + b"\n"
    with zipfile.ZipFile(file := io.BytesIO(), "w") as archive:
        for name in ("name", "points", "points_3d", "cameras", "visible"):
            archive.writestr(f"{name}.npy", content)
    shard(folder / "0of1.zip", {}, faces=file.getvalue())
    return INDEX


@case("tables", "rendered faces whose names are a pickle that runs a command", "0of1.zip")
def _(folder):
    head = b"{'descr': '|O', 'fortran_order': False, 'shape': (1,), }\n"
    content = b"\x93NUMPY\x01\x00" + len(head).to_bytes(2, "little") + head + pickle.dumps([Runs()])
    with zipfile.ZipFile(file := io.BytesIO(), "w") as archive:
        for name in ("name", "points", "points_3d", "cameras", "visible"):
            archive.writestr(f"{name}.npy", content)
    shard(folder / "0of1.zip", {}, faces=file.getvalue())
    return INDEX


# --- crops


def floor(folder: Path, **changes: object) -> list[str]:
    """Read a store of crops whose index says something else."""
    from tsal.data.crops import write_crops
    from tsal.data.faces import read_faces

    crop_table(folder, "faces.csv", FACES + "a.png,-1,1,1,9,9,2,2,1,a,,a,p,train,full\n")
    faces = read_faces(folder / "faces.csv").assign(image=str(folder / "a.png"))
    write_crops(faces, folder / "crops/train.json", input_px=32, expand=0.2, margin=1)
    about = json.loads((folder / "crops/train.json").read_text()) | changes
    put(folder, "crops/train.json", json.dumps(about))
    return ["floor", "crops/train.json", "--flow", "flow.json", "--benchmark", "ytf", "--threads", "1", "-o", "f.csv"]


@case("tables", "crops of 10^18 rows", "train.json")
def _(folder):
    return floor(folder, rows=10**18, shard_rows=10**18)


@case("tables", "crops that hold objects", "train.json")
def _(folder):
    return floor(folder, dtype="object")


@case("tables", "crops whose rows are larger than can be counted", "train.json")
def _(folder):
    return floor(folder, shape=[1 << 32, 1 << 32, 3])


@case("tables", "crops of less than no rows", "train.json")
def _(folder):
    return floor(folder, rows=-5, shards=[])


@case("tables", "crops whose index is nested 100,000 deep", "train.json")
def _(folder):
    command = floor(folder)
    put(folder, "crops/train.json", "[" * 100_000)
    return command


@case("tables", "crops whose shard has a header of nested brackets", "00000.npy")
def _(folder):
    command = floor(folder)
    path = folder / "crops/train/00000.npy"
    put(folder, str(path), b"\x93NUMPY\x01\x00" + (9000).to_bytes(2, "little") + b"(" * 9000 + path.read_bytes())
    return command


@case("tables", "crops whose texts lie beyond their file", "faces.arrow")
def _(folder):
    command = floor(folder)
    path = folder / "crops/train/faces.arrow"
    content = path.read_bytes()
    offsets = (0).to_bytes(8, "little") + (1).to_bytes(8, "little")
    assert offsets in content
    put(folder, str(path), content.replace(offsets, (0).to_bytes(8, "little") + (1 << 40).to_bytes(8, "little")))
    return command

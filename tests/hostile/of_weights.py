"""Weights: headers and shapes that fill any memory, pickles in their place, metadata that is not what it has to be."""

import io
import json
import os
import pickle
import struct
import zipfile

import numpy as np
import torch
from hostile.cases import CANARY, case, put
from hostile.of_pictures import FACES, clip, encoded
from PIL import Image
from safetensors.torch import save_file

from tsal.data.landmarks import SCHEMES
from tsal.detectors.predict import LandmarkDetector, create_network
from tsal.settings.models import DetectorSettings

DETECTOR = "tsal detector, version 1"
ABOUT = {"detector": {"name": "compact", "width": 8, "input_px": 32}, "scheme": "68", "precision": "float32"}


class Runs:
    """A pickle of it makes the canary."""

    def __reduce__(self) -> tuple:
        return os.system, (f"touch {CANARY}",)


def predict(folder, content: bytes, name: str = "weights.safetensors") -> list[str]:
    put(folder, name, content)
    put(folder, "a.png", bytes(encoded(".png")))
    put(folder, "faces.csv", FACES + "a.png,-1,1,1,9,9,2,2,1,a,,a,p,test,full\n")
    return ["predict", name, "faces.csv", "--device", "cpu", "--threads", "1", "-o", "predictions.csv"]


def safetensors(tensors: dict, about: object, kind: str = DETECTOR, data: bytes = b"") -> bytes:
    text = about if isinstance(about, str) else json.dumps(about)
    header = json.dumps({"__metadata__": {kind: text}, **tensors}).encode()
    return struct.pack("<Q", len(header)) + header + data


@case("weights", "a .safetensors whose header says it has 2^63 bytes", "weights.safetensors", alone=True)
def _(folder):
    return predict(folder, b"\xff" * 7 + b"\x7f" + b"{}")


@case("weights", "a .safetensors with a header of 60 MB", "weights.safetensors")
def _(folder):
    return predict(folder, struct.pack("<Q", 60_000_000) + b'{"a":{},' * 7_500_000)


@case("weights", "a .safetensors whose tensor reaches beyond the file", "weights.safetensors")
def _(folder):
    tensor = {"dtype": "F32", "shape": [1 << 40], "data_offsets": [0, 1 << 42]}
    return predict(folder, safetensors({"a": tensor}, ABOUT))


@case("weights", "a .safetensors whose tensor has more numbers than can be counted", "weights.safetensors")
def _(folder):
    tensor = {"dtype": "F32", "shape": [1 << 40, 1 << 40, 0], "data_offsets": [0, 0]}
    return predict(folder, safetensors({"a": tensor}, ABOUT))


@case("weights", "a .safetensors of which the metadata is nested 100,000 deep", "weights.safetensors")
def _(folder):
    return predict(folder, safetensors({}, "[" * 100_000))


@case("weights", "a .safetensors of which the metadata has a number of 5,000 digits", "weights.safetensors")
def _(folder):
    return predict(folder, safetensors({}, '{"detector": ' + "9" * 5000 + "}"))


@case("weights", "a detector of a billion landmarks", "weights.safetensors")
def _(folder):
    scheme = {"name": "many", "n_points": 10**9, "normalisers": [{"name": "a", "between": "box"}]}
    return predict(folder, safetensors({}, ABOUT | {"scheme": scheme}))


@case("weights", "a detector of a million channels", "weights.safetensors")
def _(folder):
    return predict(folder, safetensors({}, ABOUT | {"detector": ABOUT["detector"] | {"width": 8_000_000}}))


@case("weights", "a detector whose settings are a list", "weights.safetensors")
def _(folder):
    return predict(folder, safetensors({}, ABOUT | {"detector": [1]}))


@case("weights", "a detector without any tensor", "weights.safetensors")
def _(folder):
    return predict(folder, safetensors({}, ABOUT))


def trained(folder, sigma: float = 4.0, **changes: torch.Tensor) -> list[str]:
    """A whole detector but for some tensors, of names in which "__" stands for a dot."""
    from tsal.detectors.predict import create_network
    from tsal.settings.models import DetectorSettings

    network = create_network(DetectorSettings(width=8, input_px=32, weights="none"), 68, "float32")
    tensors = {name: tensor.contiguous() for name, tensor in network.state_dict().items()}
    tensors |= {name.replace("__", "."): tensor for name, tensor in changes.items()}
    about = ABOUT | {"detector": ABOUT["detector"] | {"sigma": sigma}}
    save_file(tensors, folder / "weights.safetensors", {DETECTOR: json.dumps(about)})
    return predict(folder, (folder / "weights.safetensors").read_bytes())


STEM, VARIANCE = "trunk__stem__0__weight", "trunk__stem__1__running_var"
OF_STEM = (8, 3, 3, 3)


@case("weights", "weights that are integers of 10^15", "weights.safetensors")
def _(folder):
    return trained(folder, **{STEM: torch.full(OF_STEM, 10**15)})


@case("weights", "weights that are complex", "weights.safetensors")
def _(folder):
    return trained(folder, **{STEM: torch.full(OF_STEM, torch.nan, dtype=torch.complex64)})


@case("weights", "weights that are true or false", "weights.safetensors")
def _(folder):
    return trained(folder, **{STEM: torch.ones(OF_STEM, dtype=torch.bool)})


@case("weights", "weights of eight bits", "weights.safetensors")
def _(folder):
    return trained(folder, **{STEM: torch.ones(OF_STEM).to(torch.float8_e5m2)})


@case("weights", "variances below nothing", "weights.safetensors")
def _(folder):
    return trained(folder, **{VARIANCE: torch.full((8,), -5.0)})


@case("weights", "a detector whose heatmaps are wider than any picture", "weights.safetensors")
def _(folder):
    return trained(folder, sigma=1e308)


@case("weights", "a pickle that runs a command, in place of weights", "weights.safetensors")
def _(folder):
    return predict(folder, pickle.dumps(Runs()))


@case("weights", "a .pth that runs a command, as PyTorch packs them", "weights.pth")
def _(folder):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps(Runs()))
        archive.writestr("archive/version", "3\n")
    return predict(folder, file.getvalue(), "weights.pth")


def warm_up(folder, detector: dict, points: object = 9.0) -> list[str]:
    """Train a detector on crops whose landmarks are all there; NaN: none is."""
    from tsal.data.crops import write_crops
    from tsal.data.faces import make_faces

    put(folder, "a.png", bytes(encoded(".png")))
    for split in ("train", "validation"):
        boxes = np.array([[1.0, 1, 14, 14]] * 4)
        faces = make_faces([str(folder / "a.png")] * 4, boxes, np.full((4, 68, 2), points), split=split)
        write_crops(faces, folder / f"crops/{split}.json", input_px=32, expand=0.2, margin=1.3333333)
    about = {"benchmark": "ytf", "method": "supervised", "algorithm": "supervised", "labels": 1}
    training = {"warmup_steps": 1, "steps": 1, "batch": 2}
    put(folder, "settings.yaml", json.dumps(about | {"detector": {"input_px": 32} | detector, "training": training}))
    options = ["--crops", "crops", "--seed", "0", "--threads", "1", "--device", "cpu", "--log", "log.csv"]
    return ["warmup", "--settings", "settings.yaml", *options, "-o", "warmup.safetensors"]


VGG = "vgg16-397923af.pth"


@case("weights", "weights of vgg16 that run a command", VGG, environment=(("TORCH_HOME", "hub"),))
def _(folder):
    put(folder, f"hub/hub/checkpoints/{VGG}", pickle.dumps(Runs()))
    return warm_up(folder, {"name": "vgg16_cpm", "weights": "imagenet"})


@case("weights", "weights of a trunk that are a pickle", "trunk.pth")
def _(folder):
    put(folder, "trunk.pth", pickle.dumps(Runs()))
    return warm_up(folder, {"name": "vgg16_cpm", "weights": "trunk.pth"})


@case("annotations", "crops of which no face is annotated", "crops/train.json")
def _(folder):
    return warm_up(folder, {"width": 8}, np.nan)


# --- what follows faces, once its weights are right ---


def track(folder, *arguments: str) -> list[str]:
    """Follow the faces of a file with an untrained detector."""
    settings = DetectorSettings(width=8, input_px=32)
    LandmarkDetector(create_network(settings, 68, "float32"), settings, SCHEMES["68"]).save(folder / "d.safetensors")
    return ["track", *arguments, "--checkpoint", "d.safetensors", "--device", "cpu", "--threads", "1"]


@case("videos", "a playlist that is called a video, to be followed and drawn", "v.mp4")
def _(folder):
    put(folder, "other.avi", bytes(clip()))
    put(folder, "v.mp4", b"#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nother.avi\n#EXT-X-ENDLIST\n")
    return track(folder, "v.mp4", "--overlay", "drawn.mp4", "-o", "landmarks.csv")


@case("videos", "noise that is called a video, to be followed and drawn", "v.mkv")
def _(folder):
    put(folder, "v.mkv", np.random.default_rng(0).bytes(100_000))
    return track(folder, "v.mkv", "--overlay", "drawn.mp4", "-o", "landmarks.json")


@case("videos", "landmarks to be put into a folder of other things", "out.pts")
def _(folder):
    put(folder, "v.avi", bytes(clip()))
    put(folder, "out.pts/notes.txt", "mine")
    return track(folder, "v.avi", "-o", "out.pts")


@case("videos", "a frame that is gone from the middle of an animated picture", "v.gif")
def _(folder):
    images = [Image.fromarray(np.full((64, 64, 3), 20 * number, np.uint8)) for number in range(9)]
    images[0].save(content := io.BytesIO(), "gif", save_all=True, append_images=images[1:])
    put(folder, "v.gif", content.getvalue()[: len(content.getvalue()) // 2])
    return track(folder, "v.gif", "-o", "landmarks.parquet")

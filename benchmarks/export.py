"""What a face costs by an exported file: python benchmarks/export.py CHECKPOINT VIDEO

Exports the checkpoint, finds the faces of some frames of a video, and prints one table: milliseconds of processor time
a face, on one core, of landmarks and confidences from crops

- by PyTorch, one face at a time, as `tsal track` does, and 16 at once;
- by onnxruntime with the exported file, one at a time and 16 at once;
- by dlib's predictor (shape_predictor_68), from the frame and a box, where it is installed (`pip install dlib-bin
  face-recognition-models`);
- the floor: the multiply-adds of the exported network at the rate of a plain convolution, 3 x 3 on 64 channels;

and of each the largest distance of its landmarks from PyTorch's in float32, in px of the crop, on faces and on noise.
All take turns; the best of several turns counts.
"""

import argparse
import importlib.util
import os
import platform
import tempfile
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import onnxruntime
import torch
from detectors import best_seconds, operations
from torch.nn import functional

from tsal import face_detectors
from tsal.data.cropping import crop_image
from tsal.data.video import all_frames
from tsal.detectors.export import export
from tsal.detectors.predict import LandmarkDetector, load_detector

CPU = torch.device("cpu")
BATCH = 16
STEP = 5  # of the video's frames one is taken


def faces_of(video: Path, count: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Frames (H, W, 3) RGB, and the box (4,) of the face on each."""
    find = face_detectors.create(options={"smallest": 0.15}).find_calibrated
    found = ((image, find(image)[0]) for _, _, image in islice(all_frames(video)[1], 0, None, STEP))
    faces = list(islice(((image, boxes[0]) for image, boxes in found if len(boxes)), count))
    return (faces * -(-count // len(faces)))[:count]


def dlib_predictor() -> Callable[[np.ndarray, np.ndarray], object] | None:
    if not all(map(importlib.util.find_spec, ("dlib", "face_recognition_models"))):
        return None
    import dlib

    package = Path(importlib.util.find_spec("face_recognition_models").submodule_search_locations[0])
    predictor = dlib.shape_predictor(str(package / "models" / "shape_predictor_68_face_landmarks.dat"))
    return lambda image, box: predictor(image, dlib.rectangle(*np.round(box).astype(int).tolist())).parts()


def session_of(path: Path) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def one_by_one(find: Callable[[np.ndarray], np.ndarray]) -> Callable[[np.ndarray], np.ndarray]:
    return lambda crops: np.concatenate([find(crop[None]) for crop in crops])


def exported_operations(detector: LandmarkDetector) -> int:
    """Floating-point operations a face, of what the file holds: of the trunk and the heatmap head."""
    image = torch.zeros(1, 3, detector.settings.input_px, detector.settings.input_px)
    network = detector.network
    with torch.inference_mode():
        features = network.trunk(image)[1]
    return operations(network, image, backward=False) - operations(network.centre_head, features, backward=False)


def convolution() -> tuple[Callable[[], object], int]:
    """A plain convolution, and its floating-point operations."""
    images = torch.randn(BATCH, 64, 48, 48).contiguous(memory_format=torch.channels_last)
    weight = torch.randn(64, 64, 3, 3).contiguous(memory_format=torch.channels_last)

    def run() -> object:
        with torch.inference_mode():
            return functional.conv2d(images, weight, padding=1)

    return run, 2 * BATCH * 48 * 48 * 64 * 64 * 9


def measure(checkpoint: Path, video: Path, repeats: int) -> list[list[str]]:
    """Rows of the table."""
    detector, exact = load_detector(checkpoint, CPU), load_detector(checkpoint, CPU)
    exact.network.precision = "float32"
    settings = detector.settings
    geometry = {"input_px": settings.input_px, "expand": settings.expand, "margin": 1.0}
    faces = faces_of(video, BATCH)
    crops = np.stack([crop_image(image, box, **geometry)[0] for image, box in faces])
    noise = np.random.default_rng(0).integers(0, 256, crops.shape, dtype=np.uint8)
    with tempfile.TemporaryDirectory() as folder:
        export(checkpoint, path := Path(folder) / "model.onnx")
        size, session = path.stat().st_size, session_of(path)

    def by_torch(images: np.ndarray) -> np.ndarray:
        return detector.landmarks_and_confidences(images, CPU)[0]

    def by_file(images: np.ndarray) -> np.ndarray:
        return session.run(["landmarks", "confidence"], {"images": images})[0]

    ways = {
        f"PyTorch ({detector.network.precision}), one at a time": one_by_one(by_torch),
        f"PyTorch ({detector.network.precision}), {BATCH} at once": by_torch,
        "onnxruntime, one at a time": one_by_one(by_file),
        f"onnxruntime, {BATCH} at once": by_file,
    }
    works = {name: lambda find=find: find(crops) for name, find in ways.items()}
    if (predictor := dlib_predictor()) is not None:
        works["dlib"] = lambda: [predictor(image, box) for image, box in faces]
    convolve, convolved = convolution()
    *seconds, convolving = best_seconds([*works.values(), convolve], CPU, repeats)
    rows = []
    for name, spent in zip(works, seconds, strict=True):
        row = [name, f"{1000 * spent / BATCH:.2f}", "", "", ""]
        if name in ways:
            row[2:] = ["" if "PyTorch" in name else f"{size / 1e6:.1f}"]
            for images in (crops, noise):
                expected = exact.landmarks_and_confidences(images, CPU)[0]
                row.append(f"{np.linalg.norm(ways[name](images) - expected, axis=-1).max():.1g}")
        rows.append(row)
    work = exported_operations(detector)
    rate = convolved / convolving
    about = f"floor: {work / 2e9:.2f} G multiply-adds at {rate / 1e9:.0f} GFLOP/s"
    rows.append([about, f"{1000 * work / rate:.2f}", "", "", ""])
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("video", type=Path)
    parser.add_argument("--repeats", type=int, default=20)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    versions = f"PyTorch {torch.__version__}, onnxruntime {onnxruntime.__version__}"
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, {versions}\n")
    columns = ["", "ms a face", "file, MB", "px, faces", "px, noise"]
    print(f"| {' | '.join(columns)} |\n|---|{'---:|' * (len(columns) - 1)}")
    for row in measure(arguments.checkpoint, arguments.video, arguments.repeats):
        print(f"| {' | '.join(row)} |")


if __name__ == "__main__":
    main()

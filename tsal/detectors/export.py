"""A detector as one ONNX file, from crops to landmarks, which needs neither this project nor PyTorch to be used.

What normalises the pixels and what decodes the heatmaps is inside, and what a stranger needs to know of the crops is in
the file's metadata; docs/export.md has an example.
"""

import contextlib
import importlib.util
import json
import logging
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from tsal import __version__
from tsal.bounds import reason
from tsal.data.augment import as_float, normalise
from tsal.detectors import Detector, Output
from tsal.detectors.predict import LandmarkDetector, load_detector
from tsal.errors import InputError
from tsal.files import atomic_path, sha256

if TYPE_CHECKING:
    from onnx import ModelProto

SUFFIX = ".onnx"
TOLERANCE_PX = 1e-3  # between a landmark of the file and PyTorch's
TOLERANCE_CONFIDENCE = 1e-4
BATCHES = (1, 7)  # that are compared
_PACKAGES = ("onnx", "onnxscript", "onnxruntime")
_INPUT, _OUTPUTS, _AXIS = "images", ("landmarks", "confidence"), "faces"
_ROUNDING = 1e-5  # share of a heatmap's range by which two runtimes may differ in it
_NOISES = 8  # draws of rounding that a landmark has to bear
WINDOW = (
    "images: uint8 RGB (faces, input_px, input_px, 3). A crop shows a square around the middle of a face's box, of "
    "side max(width, height) (1 + 2 expand) px of the picture: with scale = side / input_px, pixel (u, v) of the crop "
    "is pixel middle + scale ((u, v) - (input_px - 1) / 2) of the picture. It is resampled bilinearly; where scale is "
    "over 1.5, from the picture shrunk by it by averaging areas. Beyond the picture's edges its outermost pixels are "
    "repeated. landmarks: float (faces, K, 2), x and y in px of the crop. Pixel centres lie at integers. confidence: "
    "float (faces, K), from 0 to 1"
)


@dataclass(frozen=True)
class Agreement:
    """How far the file is from PyTorch on random crops.

    Attributes:
        landmarks: that were compared.
        unsettled: of them, those that rounding alone moves by more than is allowed; they were not held to it.
        px: the largest distance of the others.
        confidence: the largest difference of their confidences.
    """

    landmarks: int
    unsettled: int
    px: float
    confidence: float


class CropsToLandmarks(nn.Module):
    """From uint8 RGB crops (N, P, P, 3) to landmarks (N, K, 2) in their px, and confidences (N, K) in [0, 1]."""

    def __init__(self, network: Detector) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        output = self.heatmaps(images)
        return self.network.decode(output), self.network.confidence(output)

    def heatmaps(self, images: Tensor) -> Output:
        """What the network gives for uint8 crops."""
        return self.network(normalise(as_float(images)))


def export(checkpoint: Path, output: Path) -> Agreement:
    """Write a checkpoint as an ONNX file that agrees with it; see WINDOW for inputs and outputs.

    It computes in float32, whatever precision the detector was trained in.

    Raises:
        InputError: another suffix than .onnx; a package is missing; no checkpoint; an operator that ONNX has not;
            onnxruntime finds other landmarks than PyTorch.
    """
    check_export(output)
    detector = load_detector(checkpoint, torch.device("cpu"))
    detector.network.precision = "float32"
    module = CropsToLandmarks(detector.network.eval())
    with atomic_path(output) as temporary:
        model = _as_onnx(module, detector.settings.input_px, output)
        _describe(model, detector, sha256(checkpoint))
        temporary.write_bytes(model.SerializeToString())
        return _compare(module, temporary, detector.settings.input_px, output)


def check_export(output: Path) -> None:
    """Refuse what cannot be written before the work begins.

    Raises:
        InputError: another suffix than .onnx, or a package is missing.
    """
    if output.suffix.lower() != SUFFIX:
        raise InputError(f"{output}: found suffix {output.suffix or 'none'!r}, expected {SUFFIX}")
    if missing := [name for name in _PACKAGES if importlib.util.find_spec(name) is None]:
        raise InputError(
            f"ONNX files need {', '.join(missing)}, found none installed; type: pip install 'tsal[export]'"
        )


def _as_onnx(module: CropsToLandmarks, input_px: int, output: Path) -> "ModelProto":
    images = torch.zeros(2, input_px, input_px, 3, dtype=torch.uint8)  # of one image, the number would be a constant
    try:
        with _quiet(), torch.no_grad():
            module(images)  # makes the constants of `data.device`, which would else be made of what is only traced
            program = torch.export.export(module, (images,), dynamic_shapes={_INPUT: {0: torch.export.Dim(_AXIS)}})
            program = program.run_decompositions({torch.ops.aten.linalg_solve_ex.default: _solve})
            written = torch.onnx.export(
                program, input_names=[_INPUT], output_names=list(_OUTPUTS), dynamo=True, verbose=False
            )
        model = written.model_proto
    except MemoryError:
        raise
    except Exception as error:  # of an operator that it has not, the exporter raises any kind
        raise InputError(f"{output}: this detector cannot be written as ONNX ({_cause(error)})") from error
    _tidy(model)
    return model


def _cause(error: BaseException) -> str:
    """What is at the bottom of the exporter's error: it wraps that in pages of advice."""
    while error.__cause__ is not None:
        error = error.__cause__
    return reason(error)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without the remarks of the exporter, which are on its own insides."""
    disabled = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(action="ignore"):
            yield
    finally:
        logging.disable(disabled)


def _solve(a: Tensor, b: Tensor, *, left: bool = True, check_errors: bool = False) -> tuple[Tensor, Tensor]:
    """`torch.linalg.solve_ex` of positive definite matrices (..., n, n), in operators that ONNX has.

    Gaussian elimination written out, without pivots: of such matrices it is stable (Higham 2002, section 10.1).
    """
    rows = [list(row.unbind(-1)) for row in a.unbind(-2)]
    right = list(b.unbind(-1))
    n = len(rows)
    for pivot in range(n):
        for below in range(pivot + 1, n):
            factor = rows[below][pivot] / rows[pivot][pivot]
            for column in range(pivot + 1, n):
                rows[below][column] = rows[below][column] - factor * rows[pivot][column]
            right[below] = right[below] - factor * right[pivot]
    found: list[Tensor] = []
    for row in reversed(range(n)):
        rest = right[row]
        for column, value in zip(range(n - 1, row, -1), found, strict=True):
            rest = rest - rows[row][column] * value
        found.append(rest / rows[row][row])
    return torch.stack(found[::-1], -1), a.new_zeros(a.shape[:-2], dtype=torch.int32)


def _tidy(model: "ModelProto") -> None:
    """Take out where each node comes from, which names files of this machine, and name the axis of the faces."""
    graph = model.graph
    for part in (*graph.node, *graph.initializer, *graph.value_info, *graph.input, *graph.output):
        part.ClearField("metadata_props")
        part.ClearField("doc_string")
    del graph.value_info[:]  # shapes between, which a runtime finds anew
    for value in (*graph.input, *graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = _AXIS
    graph.name = "tsal"
    model.producer_name, model.producer_version = "tsal", __version__


def _describe(model: "ModelProto", detector: LandmarkDetector, digest: str) -> None:
    """Say in the file's metadata what it is, and how the crops are cut that it takes."""
    import onnx

    scheme = detector.scheme.to_dict()
    about = {
        "scheme": json.dumps({key: scheme[key] for key in ("name", "n_points", "names", "mirror_pairs", "edges")}),
        "input_px": str(detector.settings.input_px),
        "expand": repr(detector.settings.expand),
        "window": WINDOW,
        "detector": detector.settings.name,
        "decode": detector.settings.decode,
        "tsal_version": __version__,
        "checkpoint_sha256": digest,
    }
    onnx.helper.set_model_props(model, about)
    model.doc_string = "Facial landmarks of crops; the metadata says how crops are cut (window)."


def _compare(module: CropsToLandmarks, written: Path, input_px: int, output: Path) -> Agreement:
    """Find the landmarks of random crops by the file and by PyTorch.

    Raises:
        InputError: onnxruntime does not take the file, or the two differ.
    """
    import onnxruntime

    try:
        session = onnxruntime.InferenceSession(written, providers=["CPUExecutionProvider"])
        crops = _random_crops(sum(BATCHES), input_px)
        ends = np.cumsum(BATCHES)[:-1]
        parts = [session.run(list(_OUTPUTS), {_INPUT: part}) for part in np.split(crops, ends)]
    except Exception as error:  # its classes are not public, and of no common kind
        raise InputError(f"{output}: onnxruntime {onnxruntime.__version__} refuses it ({reason(error)})") from error
    found, found_confidence = map(np.concatenate, zip(*parts, strict=True))
    with torch.inference_mode():
        heatmaps = module.heatmaps(torch.from_numpy(crops))
        points, confidence = module.network.decode(heatmaps).numpy(), module.network.confidence(heatmaps).numpy()
    settled = _settled(module.network, heatmaps)
    agreement = Agreement(
        landmarks=settled.size,
        unsettled=int((~settled).sum()),
        px=_largest(np.linalg.norm(found - points, axis=-1)[settled]),
        confidence=_largest(np.abs(found_confidence - confidence)[settled]),
    )
    # NaN is not within any bound.
    if not (agreement.px <= TOLERANCE_PX and agreement.confidence <= TOLERANCE_CONFIDENCE):
        raise InputError(
            f"{output}: not written: by onnxruntime {onnxruntime.__version__} landmarks are up to {agreement.px:.2g} "
            f"px and confidences up to {agreement.confidence:.2g} from PyTorch's; expected {TOLERANCE_PX:g} px and "
            f"{TOLERANCE_CONFIDENCE:g}. Try other versions of {', '.join(_PACKAGES)}"
        )
    return agreement


def _largest(values: np.ndarray) -> float:
    return float(values.max(initial=0.0))


def _random_crops(count: int, side: int) -> np.ndarray:
    """Crops (count, side, side, 3) uint8 of noise in patches of a few px, which heatmaps answer to as to pictures."""
    coarse = np.random.default_rng(0).integers(0, 256, (count, -(-side // 8), -(-side // 8), 3), dtype=np.uint8)
    return np.ascontiguousarray(coarse.repeat(8, 1).repeat(8, 2)[:, :side, :side])


def _settled(network: Detector, output: Output) -> np.ndarray:
    """Which landmarks (N, K) do not depend on rounding: they stay where they are though heatmaps change a little.

    Where two cells of a map are equally high, either of them is a right answer.
    """
    with torch.inference_mode():
        maps = output.stages[-1]
        amplitude = _ROUNDING * (maps.amax((2, 3), keepdim=True) - maps.amin((2, 3), keepdim=True))
        points, moved = network.decode(output), torch.zeros(())
        random = torch.Generator().manual_seed(0)
        for _ in range(_NOISES):
            noisy = maps + amplitude * (torch.rand(maps.shape, generator=random) - 0.5)
            found = network.decode(replace(output, stages=[noisy]))
            moved = torch.maximum(moved, (found - points).norm(dim=-1))
    return (moved <= TOLERANCE_PX).numpy()

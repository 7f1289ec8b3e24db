"""From a checkpoint to landmarks: detectors on disk, and prediction for packed crops and for tables of faces."""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch

from tsal.bounds import INPUT_PX, check, reason
from tsal.data.ahead import ahead
from tsal.data.augment import View, apply_view, draw_view, from_view, rename_mirrored
from tsal.data.cropping import apply_affine, cut_faces, image_files, one_thread_of_opencv
from tsal.data.crops import CropStore
from tsal.data.faces import boxes_of, point_columns
from tsal.data.landmarks import Scheme, as_setting, scheme_of
from tsal.data.video import is_video
from tsal.detectors import Detector, Output, build, checkpoints
from tsal.detectors.detector import PRECISIONS, has_tf32
from tsal.errors import InputError
from tsal.files import atomic_path
from tsal.progress import Progress
from tsal.settings.models import NO_AUGMENTATION, Augmentation, DetectorSettings
from tsal.settings.section import read_section

logger = logging.getLogger(__name__)
BATCH = 64
_CHECKED = 1000  # faces of a store, all of which have one geometry
DETECTOR = "tsal detector, version 1"


class _Face(NamedTuple):
    """A face of a table, cut out: its row, the crop (P, P, 3), the affine (2, 3) to image px."""

    row: int
    crop: np.ndarray
    to_image: np.ndarray


@dataclass
class LandmarkDetector:
    """A trained detector with all that is needed to use it.

    Attributes:
        mirror_shift: how far its landmarks lie to the right of where a mirror would show them, as a share of its input;
            None: its training mirrored no face.
        flip_test: whether landmarks are means over the face and its mirror image, at twice the work.
    """

    network: Detector
    settings: DetectorSettings
    scheme: Scheme
    mirror_shift: float | None = 0.0
    flip_test: bool = False

    @property
    def mirrors(self) -> bool:
        """Whether it knows mirrored faces."""
        return self.mirror_shift is not None and self.scheme.mirror_pairs is not None

    def with_flip_test(self) -> "LandmarkDetector":
        """This detector, which looks at the mirror image of each face too.

        Raises:
            InputError: it knows no mirrored faces.
        """
        if not self.mirrors:
            raise InputError("found a detector whose training mirrored no face, expected another one")
        return replace(self, flip_test=True)

    def save(self, path: Path, **about: str) -> None:
        """Write the weights as safetensors; `about` (benchmark, method, ...) goes into the metadata.

        So does the scheme, whole where it is not a built-in one: a checkpoint needs no data set to be used.
        """
        metadata = {
            "detector": self.settings.model_dump(),
            "scheme": as_setting(self.scheme),
            "precision": self.network.precision,
            "mirror_shift": self.mirror_shift,
            **about,
        }
        checkpoints.save(path, DETECTOR, self.network.state_dict(), metadata)

    def landmarks(self, crops: np.ndarray, device: torch.device) -> np.ndarray:
        """Landmarks (N, K, 2), float64 px of the crops, of uint8 RGB crops (N, S, S, 3)."""
        return self._over_views(crops, device, self._landmarks)

    def landmarks_and_confidences(self, crops: np.ndarray, device: torch.device) -> tuple[np.ndarray, np.ndarray]:
        """Landmarks as `landmarks`, and the confidence of each, (N, K) float64 in [0, 1]: see `Detector.confidence`."""

        def both(output: Output, view: View) -> torch.Tensor:
            confidences = rename_mirrored(self.network.confidence(output), view, self.scheme)
            return torch.cat([self._landmarks(output, view), confidences.unsqueeze(-1)], -1)

        found = self._over_views(crops, device, both)
        return found[..., :2], found[..., 2]

    def _landmarks(self, output: Output, view: View) -> torch.Tensor:
        """Landmarks (N, K, 2) in px of the crops, under the names that they have there."""
        return from_view(self.network.decode(output), view, self.scheme)

    def _over_views(
        self, crops: np.ndarray, device: torch.device, read: Callable[[Output, View], torch.Tensor]
    ) -> np.ndarray:
        """The mean, in float64, of what is read of the crops and, in a flip test, of their mirror images."""
        images, input_px = torch.from_numpy(np.ascontiguousarray(crops)).to(device), self.settings.input_px
        augmentations = [NO_AUGMENTATION]
        if self.flip_test:
            augmentations.append(NO_AUGMENTATION.replace(flip=1.0, mirror_shift=self.mirror_shift))
        was_training = self.network.training
        self.network.eval()
        found = []
        with torch.inference_mode():
            for augmentation in augmentations:
                view = draw_view(len(images), images.shape[1], input_px, augmentation, torch.Generator()).to(device)
                found.append(read(self.network(apply_view(images, view, input_px)), view).double())
        self.network.train(was_training)
        return torch.stack(found).mean(0).cpu().numpy()


def load_detector(path: str | Path, device: torch.device) -> LandmarkDetector:
    """Read a checkpoint.

    Raises:
        InputError: missing, damaged, or not a checkpoint of this project.
    """
    tensors, metadata = checkpoints.read(Path(path), DETECTOR)
    settings, scheme, precision, mirror_shift = _described(metadata, path)
    try:
        plain = settings.replace(weights="none")
        _check_shapes(tensors, plain, scheme.n_points)
        network = create_network(plain, scheme.n_points, precision)
        network.load_state_dict(tensors)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    except (RuntimeError, TypeError, ValueError, MemoryError) as error:
        raise InputError(f"{path}: weights do not fit a {settings.name} detector ({reason(error)})") from error
    if precision == "tf32" and not has_tf32(device):
        logger.info("%s: trained in tf32, which device %s does not have; it predicts in float32", path, device)
    return LandmarkDetector(network.to(device), settings, scheme, mirror_shift)


def _check_shapes(tensors: Mapping[str, torch.Tensor], settings: DetectorSettings, n_points: int) -> None:
    """Compare tensors with those of the network that settings describe, which takes no memory yet.

    Raises:
        ValueError: they differ.
    """
    with torch.device("meta"):
        network = create_network(settings, n_points, "float32").state_dict()
    found, expected = ({name: tuple(value.shape) for name, value in some.items()} for some in (tensors, network))
    differing = sorted(name for name in found.keys() | expected.keys() if found.get(name) != expected.get(name))
    if differing:
        name = differing[0]
        raise ValueError(f"{name[:100]}: found {found.get(name, 'none')}, expected {expected.get(name, 'none')}")


def _described(metadata: dict[str, Any], path: str | Path) -> tuple[DetectorSettings, Scheme, str, float | None]:
    """Settings, scheme, precision and mirror shift of the detector that a checkpoint's metadata describes."""
    missing = [key for key in ("detector", "scheme", "precision") if key not in metadata]
    if missing:
        raise InputError(f"{path}: its metadata lacks {missing[0]!r}; expected what `tsal train` writes, train it anew")
    if not isinstance(metadata["detector"], dict) or metadata["precision"] not in PRECISIONS:
        raise InputError(
            f"{path}: its metadata has detector {metadata['detector']!r} and precision {metadata['precision']!r}; "
            f"expected settings, and one of {', '.join(PRECISIONS)}"
        )
    try:
        # Checkpoints from before the width was a setting have 32.
        settings = read_section(DetectorSettings, {"width": 32} | metadata["detector"], "detector")
        check("detector.input_px", settings.input_px, INPUT_PX, "px")
        mirror_shift = metadata.get("mirror_shift", 0.0)  # which those from before it was a setting lack
        if mirror_shift is not None:
            mirror_shift = read_section(Augmentation, {"mirror_shift": mirror_shift}, "training").mirror_shift
        return settings, scheme_of(metadata["scheme"]), metadata["precision"], mirror_shift
    except InputError as error:
        raise InputError(f"{path}: its metadata: {error}") from error


def create_network(settings: DetectorSettings, n_points: int, precision: str) -> Detector:
    """A new, untrained network as the settings describe it."""
    options = {"sigma": settings.sigma, "decode": settings.decode}
    if settings.name == "compact":
        options["width"] = settings.width
    if settings.weights != "auto":
        options["weights"] = None if settings.weights == "none" else settings.weights
    return build(settings.name, n_points, precision, **options)


def predict_store(detector: LandmarkDetector, store: CropStore, rows: np.ndarray, device: torch.device) -> np.ndarray:
    """Landmarks (len(rows), K, 2) in image px of packed crops."""
    found = [detector.landmarks(store.images[rows[i : i + BATCH]], device) for i in range(0, len(rows), BATCH)]
    points = np.concatenate(found) if found else np.empty((0, detector.scheme.n_points, 2))
    return apply_affine(store.to_image[rows], points)


def predict_crops(detector: LandmarkDetector, store: CropStore, device: torch.device) -> Iterator[pd.DataFrame]:
    """Landmarks of all faces of a store, of which the network sees the central window, however many there are.

    Returns:
        Tables as of predict_faces, of some faces each, in the order of the store; at least one.

    Raises:
        InputError: the crops were made for another input size or with another expansion of the box than the detector's.
    """
    _check_geometry(detector.settings, store)

    def tables() -> Iterator[pd.DataFrame]:
        with Progress(len(store), "predict", "face") as progress:
            for start in range(0, len(store) or 1, BATCH):
                rows = np.arange(start, min(start + BATCH, len(store)))
                yield _predictions(np.asarray(store.face[rows]), predict_store(detector, store, rows, device))
                progress.update(len(rows))

    return tables()


def predict_faces(detector: LandmarkDetector, faces: pd.DataFrame, device: torch.device) -> pd.DataFrame:
    """Landmarks of a table of faces, read from its images and videos.

    Each file is decoded once, videos from their start on, whatever the order of the rows. A few batches of crops are
    in memory at a time, whatever the length of the table.

    Args:
        faces: columns face, image, frame, box_x0, box_y0, box_x1, box_y1; see `faces.read_faces`.

    Returns:
        Columns face, x0, y0, x1, y1, ...: image px, pixel centres at integers, in the order of the table; NaN of a
            row whose box is NaN, a frame without a face.

    Raises:
        InputError: an image or video that is missing or cannot be decoded, a frame that a video does not have, or a
            box outside of its image.
    """
    points = np.full((len(faces), detector.scheme.n_points, 2), np.nan)
    with_box = int(np.isfinite(boxes_of(faces)).all(axis=1).sum())
    with Progress(with_box, "predict", "face") as progress, one_thread_of_opencv():
        for rows, crops, to_image in ahead(_batches(_cut(detector.settings, faces, torch.get_num_threads()))):
            points[rows] = apply_affine(to_image, detector.landmarks(crops, device))
            progress.update(len(rows))
    return _predictions(faces["face"].to_numpy(), points)


def _check_geometry(settings: DetectorSettings, store: CropStore) -> None:
    found = f"{store.input_px} px"
    expected = f"{settings.input_px} px"
    if found == expected and len(store):
        some = np.arange(min(len(store), _CHECKED))
        sides = (store.box[some, 2:] - store.box[some, :2]).max(axis=1)
        expand = float(np.median(store.to_image[some, 0, 0] * store.input_px / sides) - 1) / 2
        if abs(expand - settings.expand) > 1e-6:
            found, expected = f"boxes expanded by {expand:.4g}", f"{settings.expand:g}"
    if found != expected:
        raise InputError(f"the crops were made for {found}, the detector expects {expected}; crop with its settings")


def _predictions(face: np.ndarray, points: np.ndarray) -> pd.DataFrame:
    k = points.shape[1]
    table = pd.DataFrame(points.reshape(len(points), 2 * k), columns=point_columns(k))
    table.insert(0, "face", face)
    return table


def _cut(settings: DetectorSettings, faces: pd.DataFrame, threads: int) -> Iterator[_Face]:
    """The faces of all files, video by video and then the images, which are decoded ahead by threads."""
    geometry = {"input_px": settings.input_px, "expand": settings.expand, "margin": 1.0}
    frames, boxes = faces["frame"].to_numpy(), boxes_of(faces)
    there = np.flatnonzero(np.isfinite(boxes).all(axis=1))
    rows_of = {path: there[rows] for path, rows in image_files(faces.iloc[there]).items()}

    def of_file(path: str) -> Iterator[_Face]:
        rows = rows_of[path]
        crops = cut_faces(path, frames[rows], boxes[rows], threads, **geometry)
        return (_Face(row, *crop) for row, crop in zip(rows.tolist(), crops, strict=True))

    for path in filter(is_video, rows_of):
        yield from of_file(path)
    stills = [path for path in rows_of if not is_video(path)]
    with ThreadPoolExecutor(threads) as pool:
        for start in range(0, len(stills), BATCH):
            for cut in pool.map(lambda path: list(of_file(path)), stills[start : start + BATCH]):
                yield from cut


def _batches(cut: Iterator[_Face]) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Rows (B,), crops (B, P, P, 3) and affines (B, 2, 3)."""
    while batch := list(islice(cut, BATCH)):
        yield (
            np.array([face.row for face in batch]),
            np.stack([face.crop for face in batch]),
            np.stack([face.to_image for face in batch]),
        )


def write_predictions(tables: Iterable[pd.DataFrame], path: str | Path) -> None:
    """Write predictions.csv, to a thousandth of a pixel, of tables as they come."""
    with atomic_path(path) as temporary, open(temporary, "w", encoding="utf-8", newline="") as file:
        for number, table in enumerate(tables):
            table.to_csv(file, index=False, header=not number, float_format="%.3f")

"""From a checkpoint to landmarks: detectors on disk, and prediction for packed crops and for tables of faces."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from tsal import checkpoints
from tsal.augment import NONE, draw_view, from_view, look
from tsal.crops import CropStore, apply_affine, crop_image, read_image
from tsal.detector import Detector, build
from tsal.errors import InputError
from tsal.faces import boxes_of, point_columns
from tsal.files import atomic_path
from tsal.landmarks import SCHEMES, Scheme
from tsal.progress import Progress
from tsal.settings import DetectorSettings, from_dict

BATCH = 64
DETECTOR = "tsal detector, version 1"


@dataclass
class LandmarkDetector:
    """A trained detector with all that is needed to use it."""

    network: Detector
    settings: DetectorSettings
    scheme: Scheme

    def save(self, path: Path, **about: str) -> None:
        """Write the weights as safetensors; `about` (benchmark, method, ...) goes into the metadata."""
        metadata = {
            "detector": asdict(self.settings),
            "scheme": self.scheme.name,
            "precision": self.network.precision,
            **about,
        }
        checkpoints.save(path, DETECTOR, self.network.state_dict(), metadata)

    def landmarks(self, crops: np.ndarray, device: torch.device) -> np.ndarray:
        """Landmarks (N, K, 2), float64 px of the crops, of uint8 RGB crops (N, S, S, 3)."""
        images = torch.from_numpy(np.ascontiguousarray(crops)).to(device)
        view = draw_view(len(images), images.shape[1], self.settings.input_px, NONE, torch.Generator()).to(device)
        was_training = self.network.training
        self.network.eval()
        with torch.inference_mode():
            output = self.network(look(images, view, self.settings.input_px))
            points = from_view(self.network.decode(output), view, self.scheme)
        self.network.train(was_training)
        return points.double().cpu().numpy()


def load_detector(path: str | Path, device: torch.device) -> LandmarkDetector:
    """Read a checkpoint.

    Raises:
        InputError: missing, damaged, or not a checkpoint of this project.
    """
    tensors, metadata = checkpoints.read(Path(path), DETECTOR)
    settings = from_dict(DetectorSettings, metadata["detector"], str(path))
    scheme = SCHEMES[metadata["scheme"]]
    network = create_network(replace(settings, weights="none"), scheme, metadata["precision"])
    try:
        network.load_state_dict(tensors)
    except RuntimeError as error:
        raise InputError(f"{path}: weights do not fit a {settings.name} detector ({str(error)[:200]})") from error
    return LandmarkDetector(network.to(device), settings, scheme)


def create_network(settings: DetectorSettings, scheme: Scheme, precision: str) -> Detector:
    """A new, untrained network as the settings describe it."""
    options = {"sigma": settings.sigma, "decode": settings.decode}
    if settings.weights != "auto":
        options["weights"] = None if settings.weights == "none" else settings.weights
    return build(settings.name, scheme.n_points, precision, **options)


def predict_store(detector: LandmarkDetector, store: CropStore, rows: np.ndarray, device: torch.device) -> np.ndarray:
    """Landmarks (len(rows), K, 2) in image px of packed crops."""
    found = [detector.landmarks(store.images[rows[i : i + BATCH]], device) for i in range(0, len(rows), BATCH)]
    points = np.concatenate(found) if found else np.empty((0, detector.scheme.n_points, 2))
    return apply_affine(store.to_image[rows], points)


def predict_faces(detector: LandmarkDetector, faces: pd.DataFrame, device: torch.device) -> pd.DataFrame:
    """Landmarks of a table of faces, read from its images.

    Args:
        faces: columns face, image, box_x0, box_y0, box_x1, box_y1; see `faces.read_faces`.

    Returns:
        Columns face, x0, y0, x1, y1, ...: image px, pixel centres at integers, in the order of the table.

    Raises:
        InputError: an image that is missing or cannot be decoded, or a box outside of it.
    """
    found = []
    with Progress(len(faces), "predict", "face") as progress:
        for crops, to_image in _batches(detector.settings, faces):
            found.append(apply_affine(to_image, detector.landmarks(crops, device)))
            progress.update(len(crops))
    k = detector.scheme.n_points
    points = np.concatenate(found) if found else np.empty((0, k, 2))
    table = pd.DataFrame(points.reshape(len(faces), 2 * k), columns=point_columns(k))
    table.insert(0, "face", faces["face"].to_numpy())
    return table


def _batches(settings: DetectorSettings, faces: pd.DataFrame) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Batches of crops (B, P, P, 3) and their affines (B, 2, 3), decoded ahead by threads."""
    geometry = {"input_px": settings.input_px, "expand": settings.expand, "margin": 1.0}
    boxes, images = boxes_of(faces), faces["image"].tolist()

    def cut(row: int) -> tuple[np.ndarray, np.ndarray]:
        try:
            return crop_image(read_image(images[row]), boxes[row], **geometry)
        except InputError as error:
            message = str(error)
            raise InputError(message if images[row] in message else f"{images[row]}: {message}") from error

    with ThreadPoolExecutor() as pool:
        for start in range(0, len(faces), BATCH):
            crops, affines = zip(*pool.map(cut, range(start, min(start + BATCH, len(faces)))), strict=True)
            yield np.stack(crops), np.stack(affines)


def write_predictions(table: pd.DataFrame, path: str | Path) -> None:
    """Write predictions.csv, to a thousandth of a pixel."""
    with atomic_path(path) as temporary:
        table.to_csv(temporary, index=False, float_format="%.3f")

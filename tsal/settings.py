"""The settings of a run, as training reads them from settings.yaml.

Every field has one meaning and one place here; config.yaml comments them for users, and its schema bounds them.
"""

from dataclasses import MISSING, dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any, get_type_hints

import yaml

from tsal.augment import Augmentation
from tsal.errors import InputError


@dataclass(frozen=True)
class DetectorSettings:
    """See `detectors.build`; expand and margin are the geometry of the crops, see `crops`.

    weights: what the trunk starts from: "imagenet" (vgg16_cpm), a .safetensors file, "none" for random weights, or
    "auto": imagenet where the detector has such weights and they can be had, else random ones with a warning.
    """

    name: str = "compact"
    input_px: int = 96
    expand: float = 0.2
    margin: float = 4 / 3
    sigma: float = 4.0
    decode: str = "gaussian"
    weights: str = "auto"


@dataclass(frozen=True)
class OptimizerSettings:
    """adamw or sgd (Nesterov); rates of biases and of the heatmap head are multiples of learning_rate.

    schedule: "cosine" to zero after `linear_steps` of linear growth, or "halving" at 60, 73 and 87 % of
    the steps after the warm-up.
    """

    name: str = "adamw"
    learning_rate: float = 2e-3
    weight_decay: float = 0.05
    momentum: float = 0.9
    bias_rate: float = 1.0
    heatmap_rate: float = 1.0
    schedule: str = "cosine"
    linear_steps: int = 50


@dataclass(frozen=True)
class LossSettings:
    """Weights of the terms of L_sup; sic_literal keeps the paper's form of SIC, which is not scale-free."""

    heatmap: float = 1.0
    coordinate: float = 1.0
    centre: float = 1.0
    offset: float = 0.1
    sic: float = 0.01
    sic_literal: bool = False


@dataclass(frozen=True)
class TsalSettings:
    """The asynchronous loop.

    sources: signals the student learns from, see `sources`.
    teacher_source: the one signal the teacher learns from.
    observer: which network observes the student's signals, "student" (the paper) or "teacher".
    fusion: the paper's fixed mu in [0, 1], or "confidence".
    loss: "mse" of coordinates in px^2 (the paper) or "robust": the terms of L_sup, weighted by confidence.
    trust_px: with "robust", the disagreement (network px) of the signals at which a landmark counts half.
    weight, teacher_weight: the largest weights of the unlabelled terms of student and teacher.
    ramp_up, ramp_down: shares of the method's steps at which the weight is fully up, and starts to fall.
    teacher_rate: the teacher's learning rate as a multiple of the student's (the paper: 1).
    filter: lambda of recursive average filtering; 1 keeps the teacher to itself.
    filter_back: the student keeps this share of itself and takes the rest from the teacher; null leaves it alone.
    clip_frames: frames a clip, T; unlabelled_clips: clips a step.
    tracker: optical flow by name, see `flow.TRACKERS`.
    adapt_flow: the tracker's networks, one of the student and one of the teacher, go on learning (the paper); with pwc.
    pool: benchmark whose training frames are the unlabelled ones; null for the run's own.
    neighbours: "previous" tracks each frame from the one before (the paper), "both" the first frame from the next.
    """

    sources: tuple[str, ...] = ("tracking", "offsets")
    teacher_source: str = "tracking"
    observer: str = "student"
    fusion: float | str = 0.5
    loss: str = "mse"
    trust_px: float = 2.0
    weight: float = 1.0
    teacher_weight: float = 1.0
    ramp_up: float = 0.4
    ramp_down: float = 0.73
    teacher_rate: float = 1.0
    filter: float = 0.6
    filter_back: float | None = None
    clip_frames: int = 2
    unlabelled_clips: int = 8
    tracker: str = "dis"
    neighbours: str = "both"
    adapt_flow: bool = False
    pool: str | None = None

    def __post_init__(self) -> None:
        if self.fusion != "confidence" and set(self.sources) != {"tracking", "offsets"}:
            raise InputError(
                f"fusion {self.fusion} mixes the sources tracking and offsets, found {', '.join(self.sources)}; "
                "name these two, or use fusion: confidence"
            )
        if self.adapt_flow and self.tracker != "pwc":
            raise InputError(f"adapt_flow: found tracker {self.tracker}; expected pwc, the one that can learn")


@dataclass(frozen=True)
class TrainingSettings:
    """warmup_steps, then steps of the method; batch labelled faces a step.

    pretrained: benchmark whose supervised detector, trained with all its labels, is the start; None for a new network.
    precision: "float32", "bfloat16" (mixed, weights stay float32), or "auto": bfloat16 where the device has it.
    averaging: decay of the averaged weights of the supervised baseline.
    evaluate_every: steps between measurements on validation people; probe: unlabelled frames on which the noise of
    the signals is measured then, 0 for none.
    """

    warmup_steps: int = 400
    steps: int = 800
    batch: int = 32
    pretrained: str | None = None
    precision: str = "auto"
    averaging: float = 0.99
    evaluate_every: int = 100
    probe: int = 128
    optimizer: OptimizerSettings = field(default_factory=OptimizerSettings)
    augmentation: Augmentation = field(default_factory=Augmentation)
    loss: LossSettings = field(default_factory=LossSettings)


@dataclass(frozen=True)
class Settings:
    """What a run depends on besides its data and its seed; labels is a budget, see `labels`."""

    benchmark: str
    method: str
    algorithm: str
    labels: float | str
    scheme: str = "68"
    detector: DetectorSettings = field(default_factory=DetectorSettings)
    training: TrainingSettings = field(default_factory=TrainingSettings)
    tsal: TsalSettings = field(default_factory=TsalSettings)


def from_dict(kind: type, values: dict[str, Any], where: str) -> Any:
    """Build a settings dataclass from nested dictionaries.

    Raises:
        InputError: a key that the dataclass has not, or one missing; `where` names the file and section.
    """
    hints = get_type_hints(kind)
    unknown = set(values) - set(hints)
    if unknown:
        raise InputError(f"{where}: unknown key {sorted(unknown)[0]!r}; known: {', '.join(hints)}")
    built = {}
    for name, value in values.items():
        if is_dataclass(hints[name]):
            value = from_dict(hints[name], value or {}, f"{where}: {name}")
        elif isinstance(value, list):
            value = tuple(value)
        built[name] = value
    missing = [f.name for f in fields(kind) if f.name not in built and _required(f)]
    if missing:
        raise InputError(f"{where}: {missing[0]!r} is missing")
    return kind(**built)


def _required(field_: Any) -> bool:
    return field_.default is MISSING and field_.default_factory is MISSING


def read_settings(path: Path) -> Settings:
    """Read a run's settings.yaml.

    Raises:
        InputError: missing, not YAML, or with keys that are not known.
    """
    try:
        values = yaml.safe_load(Path(path).read_text())
    except (OSError, yaml.YAMLError) as error:
        raise InputError(f"{path}: cannot be read as settings ({error})") from error
    if not isinstance(values, dict):
        raise InputError(f"{path}: found {type(values).__name__}, expected the settings of a run")
    return from_dict(Settings, values, str(path))

"""The settings of a run, as training reads them from settings.yaml.

Every field has one meaning and one place here; config.yaml comments them for users, and its schema bounds them.
"""

from dataclasses import MISSING, dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any, get_type_hints

import yaml

from tsal.data.augment import Augmentation
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
class UnlabelledSettings:
    """Where a method's unlabelled batches come from.

    clip_frames: frames a clip, T; unlabelled_clips: clips a step.
    pool: benchmark whose training frames are the unlabelled ones; null for the run's own.
    pool_share: share of the pool's clips (a still image is one) that gives unlabelled frames, in (0, 1]; chosen by the
        seed, a smaller share is part of a larger one.
    """

    clip_frames: int = 2
    unlabelled_clips: int = 8
    pool: str | None = None
    pool_share: float = 1.0
    neighbours = "both"  # no setting but TSAL's: the paper tracks first frames and stills in a way of its own

    @property
    def unlabelled_frames(self) -> int:
        """Unlabelled frames a step."""
        return self.unlabelled_clips * self.clip_frames


@dataclass(frozen=True)
class TsalSettings(UnlabelledSettings):
    """The asynchronous loop.

    sources: signals the student learns from, see `sources`.
    teacher_source: the one signal the teacher learns from.
    observer: which network observes the student's signals, "student" (the paper) or "teacher".
    fusion: the paper's fixed mu in [0, 1], or "confidence".
    loss: "mse" of coordinates in px^2 (the paper) or "robust": the terms of L_sup, weighted by confidence.
    trust_px: with "robust", the disagreement (network px) of the signals at which a landmark counts half.
    weight, teacher_weight: the largest weights of the unlabelled terms of student and teacher.
    weight_faces: labelled faces at which the student's is `weight`; it falls with the root of their number. null: it is
        the same for any number (the paper).
    ramp_up, ramp_down: shares of the method's steps at which the weight is fully up, and starts to fall.
    teacher_rate: the teacher's learning rate as a multiple of the student's (the paper: 1).
    teacher_every: the teacher takes a gradient step at every so many of the student's (the paper: 1).
    filter: lambda of recursive average filtering; 1 keeps the teacher to itself.
    filter_back: the student keeps this share of itself and takes the rest from the teacher; null leaves it alone.
    tracker: optical flow by name, see `flow.TRACKERS`.
    reach: of the source tracks: frames of the clip before and after that are carried to a frame.
    memory: of the source tracks: share of what was said of a frame before that stays when it is seen again, in [0, 1).
    carry_labels: labelled frames of the pool give their labels to the frames around them; with tracks.
    adapt_flow: the tracker's networks, one of the student and one of the teacher, go on learning (the paper); with pwc.
    neighbours: "previous" tracks each frame from the one before (the paper), "both" the first frame from the next.
    """

    sources: tuple[str, ...] = ("tracking", "offsets")
    teacher_source: str = "tracking"
    observer: str = "student"
    fusion: float | str = 0.5
    loss: str = "mse"
    trust_px: float = 2.0
    weight: float = 1.0
    weight_faces: float | None = None
    teacher_weight: float = 1.0
    ramp_up: float = 0.4
    ramp_down: float = 0.73
    teacher_rate: float = 1.0
    teacher_every: int = 1
    filter: float = 0.6
    filter_back: float | None = None
    tracker: str = "dis"
    neighbours: str = "both"
    reach: int = 3
    memory: float = 0.5
    carry_labels: bool = True
    adapt_flow: bool = False

    def __post_init__(self) -> None:
        if self.fusion != "confidence" and set(self.sources) != {"tracking", "offsets"}:
            raise InputError(
                f"fusion {self.fusion} mixes the sources tracking and offsets, found {', '.join(self.sources)}; "
                "name these two, or use fusion: confidence"
            )
        if set(self.sources) == {"tracks"}:
            raise InputError("sources: found tracks alone; expected another one with it, which says what it remembers")
        if self.adapt_flow and self.tracker != "pwc":
            raise InputError(f"adapt_flow: found tracker {self.tracker}; expected pwc, the one that can learn")


@dataclass(frozen=True)
class SelfTrainingSettings(UnlabelledSettings):
    """See `baselines.self_training`.

    rounds: times that the pool is labelled anew; the steps are split evenly over them.
    pseudo_labels: share of the pool's unlabelled frames that is added in the last round, in [0, 1]; round r of R adds
        r / R of it.
    weight: of the supervised loss of pseudo-labelled frames, as a multiple of that of labelled ones.
    """

    rounds: int = 3
    pseudo_labels: float = 0.5
    weight: float = 1.0


@dataclass(frozen=True)
class MeanTeacherSettings(UnlabelledSettings):
    """See `baselines.mean_teacher`.

    distance: of heatmaps, "mse" or "kl"; kl needs a detector whose heatmaps are distributions.
    weight: of the consistency loss, at its highest; ramp_up: share of the method's steps after which it is.
    decay: of the exponential average of weights, in [0, 1).
    """

    distance: str = "mse"
    weight: float = 1.0
    ramp_up: float = 0.4
    decay: float = 0.99


@dataclass(frozen=True)
class SbrSettings(UnlabelledSettings):
    """See `baselines.sbr`.

    tracker: optical flow by name, see `flow.TRACKERS`.
    distance: "l2", squared px (the paper), or "l1", per cent of the network's input.
    weight: of the registration loss, at its highest; ramp_up: share of the method's steps after which it is.
    """

    tracker: str = "dis"
    distance: str = "l2"
    weight: float = 0.1
    ramp_up: float = 0.4


@dataclass(frozen=True)
class StldSettings(UnlabelledSettings):
    """See `baselines.stld`; the defaults are those of the authors' heatmap models.

    shrink: width of the pseudo-labels' target heatmaps in each round of shrink regression, as a multiple of the
        labels' width; one round of pseudo-label pre-training and labels alone comes before.
    shrink_weights: weight of the shrink regression in each of these rounds.
    pretraining: length of the later rounds' pseudo-label pre-training, as a multiple of what follows it.

    Raises:
        InputError: shrink and shrink_weights are of different length.
    """

    shrink: tuple[float, ...] = (1.2, 1.0, 1.0)
    shrink_weights: tuple[float, ...] = (0.1, 1.0, 1.0)
    pretraining: float = 0.2

    def __post_init__(self) -> None:
        if len(self.shrink) != len(self.shrink_weights):
            raise InputError(
                f"shrink_weights: found {len(self.shrink_weights)} of them for {len(self.shrink)} rounds of shrink; "
                "expected a weight for each round"
            )


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
    """What a run depends on besides its data and its seed.

    labels: a budget, see `labels`.
    scheme: of the landmarks: the name of a built-in one, or all of another, see `data.landmarks.scheme_of`.
    """

    benchmark: str
    method: str
    algorithm: str
    labels: float | str
    scheme: str | dict[str, Any] = "68"
    detector: DetectorSettings = field(default_factory=DetectorSettings)
    training: TrainingSettings = field(default_factory=TrainingSettings)
    tsal: TsalSettings = field(default_factory=TsalSettings)
    self_training: SelfTrainingSettings = field(default_factory=SelfTrainingSettings)
    mean_teacher: MeanTeacherSettings = field(default_factory=MeanTeacherSettings)
    sbr: SbrSettings = field(default_factory=SbrSettings)
    stld: StldSettings = field(default_factory=StldSettings)

    @property
    def unlabelled(self) -> UnlabelledSettings:
        """The settings of the algorithm's unlabelled batches; the defaults where it has none, as `supervised`."""
        own = getattr(self, self.algorithm, None)
        return own if isinstance(own, UnlabelledSettings) else UnlabelledSettings()


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

"""The settings of a run: every key is declared here, or in its method's file, and nowhere else.

A default is what is best known for two CPU cores; what the paper has instead is said in the key's description.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, SerializeAsAny, model_validator

from tsal.bounds.texts import read_yaml
from tsal.errors import CONTROLS, InputError
from tsal.settings.mistakes import Expected, as_lines, problems_of
from tsal.settings.section import Section

OtherBenchmark = Annotated[str | None, Expected("the name of a benchmark or null")]
Start = Annotated[str | None, Expected("the name of a benchmark, released, or null")]
SAVE_EVERY = 30.0  # seconds between two saved states of a training
# What the heatmaps of each detector are: "distribution" over the cells, or "regressed" Gaussians.
HEATMAPS = {"compact": "distribution", "vgg16_cpm": "regressed"}


class DetectorSettings(Section):
    """The network, the same for all methods, and for student and teacher."""

    name: Literal["compact", "vgg16_cpm"] = Field(
        "compact", description="compact: small, for CPUs; vgg16_cpm: the paper's"
    )
    width: int = Field(
        16,
        ge=8,
        multiple_of=8,
        description="channels of compact at stride 2, twice as many at each further one; half is a quarter of the "
        "work. vgg16_cpm has its own",
    )
    input_px: int = Field(
        96,
        ge=32,
        multiple_of=16,
        description="side of its square input; of vgg16_cpm a multiple of 32 (paper: 256)",
    )
    expand: float = Field(0.2, ge=0, le=2, description="the face box is made larger by this share on each side")
    margin: float = Field(
        1.3333333, ge=1, le=2, description="crops are stored this much larger still, for the augmentation to draw from"
    )
    sigma: float = Field(4.0, gt=0, le=1000, description="of the target heatmaps, in pixels of the input")
    decode: Literal["gaussian", "expectation", "centroid"] = Field(
        "gaussian", description="heatmap to landmark; the paper's is centroid"
    )
    weights: Annotated[str, Expected("auto, none, imagenet or the path of a .safetensors file, in one line")] = Field(
        "auto",
        pattern=f"^[^{CONTROLS}]+$",
        description="start of the trunk: imagenet (vgg16_cpm), a .safetensors file, none; auto: imagenet if it can be "
        "had, else random weights with a warning",
    )

    @model_validator(mode="before")
    @classmethod
    def _of_compact(cls, values: Any) -> Any:
        """Another width of `compact` is no reason to train vgg16_cpm again."""
        if isinstance(values, dict) and values.get("name") == "vgg16_cpm":
            return {key: value for key, value in values.items() if key != "width"}
        return values

    @model_validator(mode="after")
    def _input_fits(self) -> Self:
        if self.name == "vgg16_cpm" and self.input_px % 32:
            raise ValueError(f"input_px: found {self.input_px}, expected a multiple of 32 for vgg16_cpm")
        return self

    @model_validator(mode="after")
    def _decode_fits(self) -> Self:
        if self.decode == "expectation" and self.heatmaps != "distribution":
            raise ValueError(
                f"decode: found expectation, which is of distributions, with regressed heatmaps ({self.name}); "
                "expected gaussian or centroid"
            )
        return self

    @property
    def architecture(self) -> dict[str, Any]:
        """What the weights' shapes follow from: a detector may start from another that has the same, at any input."""
        return {"name": self.name, "width": self.width} if self.name == "compact" else {"name": self.name}

    @property
    def heatmaps(self) -> str:
        """A value of HEATMAPS."""
        return HEATMAPS[self.name]


class OptimizerSettings(Section):
    """How weights follow gradients."""

    name: Literal["adamw", "sgd"] = Field("adamw", description="adamw, or sgd with Nesterov momentum (the paper's)")
    learning_rate: float = Field(2e-3, gt=0, description="at its highest")
    weight_decay: float = Field(0.05, ge=0, description="not on biases")
    momentum: float = Field(0.9, ge=0, lt=1, description="of sgd")
    bias_rate: float = Field(1.0, gt=0, description="learning rate of biases, as a multiple (paper: 2)")
    heatmap_rate: float = Field(1.0, gt=0, description="learning rate of the heatmap head, as a multiple (paper: 4)")
    schedule: Literal["cosine", "halving"] = Field(
        "cosine", description="cosine to 0, or halving at 60, 73 and 87 % of the steps after the warm-up (the paper)"
    )
    linear_steps: int = Field(50, ge=0, description="of linear growth, at the start of a cosine")


class Augmentation(Section):
    """Ranges that views of a crop are drawn from."""

    scale: float = Field(0.15, ge=0, le=0.9, description="relative change of size, drawn from 1 -+ scale")
    rotation: float = Field(25.0, ge=0, le=180, description="degrees, drawn from -+ rotation")
    shift: float = Field(0.06, ge=0, le=0.5, description="share of the network's input, drawn from -+ shift")
    flip: float = Field(0.5, ge=0, le=1, description="chance of mirroring, landmarks renamed accordingly")
    mirror_shift: float = Field(
        0.0,
        ge=-0.1,
        le=0.1,
        description="how far labels lie to the right of where a mirror would show them, as a share of the network's "
        "input",
    )
    colour: float = Field(
        0.6, ge=0, le=1, description="strength of brightness, contrast, saturation and blur changes, 0 to 1"
    )
    erase: float = Field(
        0.5, ge=0, le=1, description="chance that a rectangle of up to 40 % of each side is replaced by noise"
    )

    @model_validator(mode="before")
    @classmethod
    def _never_mirrored(cls, values: Any) -> Any:
        """Where nothing is mirrored another shift is no reason to train again."""
        if isinstance(values, dict) and values.get("flip") == 0:
            return {key: value for key, value in values.items() if key != "mirror_shift"}
        return values


NO_AUGMENTATION = Augmentation(scale=0.0, rotation=0.0, shift=0.0, flip=0.0, colour=0.0, erase=0.0)


class LossSettings(Section):
    """Weights of the terms of the supervised loss."""

    heatmap: float = Field(1.0, ge=0, description="distance of the heatmaps")
    coordinate: float = Field(1.0, ge=0, description="distance of the landmarks (paper: 0)")
    likelihood: float = Field(
        0.0, ge=0, description="of the landmarks, by the heatmaps' own means and spreads; best with decode: expectation"
    )
    centre: float = Field(1.0, ge=0, description="focal loss of the facial centre")
    offset: float = Field(0.1, ge=0, description="distance of the offsets from the centre")
    sic: float = Field(0.01, ge=0, description="structure-invariance constraint over the frames of a clip")
    sic_literal: bool = Field(False, description="the paper's form of it, which changes with the face's size")


class TrainingSettings(Section):
    """How every method trains."""

    warmup_steps: int = Field(
        400, ge=0, description="supervised steps before the methods part; those that train alike share them"
    )
    steps: int = Field(900, ge=0, description="optimiser steps of each network after the warm-up")
    batch: int = Field(16, ge=1, description="labelled faces a step")
    pretrained: Start = Field(
        None,
        pattern="^[a-z0-9]+$",
        description="start from the labels-only detector of this benchmark, such as synth, trained with all its "
        "labels; or from the detector that comes with tsal: released. Name and width of "
        "the detector have to be the same",
    )
    precision: Literal["auto", "float32", "tf32", "bfloat16"] = Field(
        "auto",
        description="float32, tf32 (GPUs since Ampere; never unless asked for), bfloat16 (mixed), or auto: bfloat16 "
        "where the device has it, else float32",
    )
    ema_decay: float = Field(
        0.99, ge=0, lt=1, description="of the exponential moving average of the weights of labels only"
    )
    evaluate_every: int = Field(100, ge=1, description="steps between two measurements on the validation people")
    probe: int = Field(
        64, ge=0, description="unlabelled frames on which the noise of the signals is measured then; 0: none"
    )
    optimizer: OptimizerSettings = OptimizerSettings()
    augmentation: Augmentation = Augmentation()
    loss: LossSettings = LossSettings()


class UnlabelledSettings(Section):
    """Where the unlabelled frames of a step come from, the same for all methods that use some."""

    clip_frames: int = Field(2, ge=1, description="consecutive frames a clip (paper: 10)")
    clips: int = Field(4, ge=1, description="clips a step")
    neighbours: Literal["both", "previous"] = Field(
        "both", description="previous: track from the frame before (the paper); both: a clip's first from the next"
    )
    pool: OtherBenchmark = Field(
        None,
        pattern="^[a-z0-9]+$",
        description="benchmark whose training frames are the unlabelled ones",
    )
    pool_share: float = Field(
        1.0,
        gt=0,
        le=1,
        description="share of the pool's clips and stills whose frames are taken; a smaller one is part of a larger",
    )

    @property
    def frames(self) -> int:
        """Unlabelled frames a step."""
        return self.clips * self.clip_frames


class NoOptions(Section):
    """Of a method without keys of its own."""


class Settings(Section):
    """What a run depends on besides its data and its seed: the content of settings.yaml.

    labels: a budget, see data.labels. algorithm: the method whose file trains it; method: what it is called, which
    for a variant is another name. options: the algorithm's own keys. flip_test: whether its landmarks are means over
    a face and its mirror image, which is no matter of training.
    """

    benchmark: str
    method: str
    algorithm: str
    labels: int | float | str
    scheme: str | dict[str, Any] = "68"
    detector: DetectorSettings = DetectorSettings()
    training: TrainingSettings = TrainingSettings()
    unlabelled: UnlabelledSettings = UnlabelledSettings()
    options: SerializeAsAny[Section] = NoOptions()
    flip_test: bool = False


def parse_settings(values: Mapping[str, Any], options: type[Section], where: str) -> Settings:
    """The settings of a run from nested mappings.

    Args:
        options: the model of the algorithm's own keys.
        where: for messages.

    Raises:
        InputError: one line for each mistake.
    """
    common = {key: value for key, value in values.items() if key != "options"}
    own = values.get("options", {})
    if problems := [*problems_of(Settings, common), *problems_of(options, own, ("options",))]:
        raise InputError("\n".join(as_lines(problems, where)))
    return Settings(**common, options=options.model_validate(own))


def read_mapping(path: str | Path, what: str = "the settings of a run") -> dict[str, Any]:
    """The mapping that a YAML file holds.

    Raises:
        InputError: missing, not YAML, or no mapping.
    """
    values = read_yaml(path, what)
    if not isinstance(values, dict):
        raise InputError(f"{path}: found {type(values).__name__}, expected {what}")
    return values

"""What a method is: the one object that its file defines, and modules that are imported when they are first used."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from tsal.settings.models import NoOptions, Settings
from tsal.settings.section import Section

if TYPE_CHECKING:
    from tsal.training.batches import TrainingData
    from tsal.training.run import Run

LEARNING = 3  # forward passes that an image costs which is learned from: the backward pass is twice the forward one

Problem = tuple[str, str]  # key, as "options.distance"; what was found and what was expected


class _Later(ModuleType):
    def __getattr__(self, name: str) -> Any:
        return getattr(importlib.import_module(self.__name__), name)


def later(module: str) -> ModuleType:
    """A module that is imported when something of it is first used.

    The workflow plans its steps from the settings that methods declare; with this, what trains them, PyTorch above
    all, is not loaded for that.
    """
    return _Later(module)


def warm_up_passes(settings: Settings) -> int:
    """Forward passes on one image that a warm-up costs."""
    return LEARNING * settings.training.warmup_steps * settings.training.batch


@dataclass(frozen=True, kw_only=True)
class Method:
    """A method of training, as `METHOD` of tsal/methods/NAME.py.

    Attributes:
        title: what it is called in tables and figures.
        colour: of its curves, "#RRGGBB"; None: a spare one.
        settings: the model of its own keys.
        networks: its networks by name, each with the network of the warm-up that it starts from: "raw", or "averaged"
            (the exponential moving average of raw), which has no optimiser.
        train: trains run.networks over steps start to stop, and returns the name of the one that is shipped.
        images: how many images its networks see a step, from which costs are told before anything is trained: that are
            only looked at, and that are learned from. None: it learns from the labelled and, where it uses some, the
            unlabelled ones.
        uses_unlabelled: whether it learns from unlabelled frames, so that it has the keys of UnlabelledSettings.
        tracker: the tracker whose optical flow it reads, given its own keys; None for none.
        adapts_flow: whether it trains the tracker's network further, given its own keys.
        measures_signals: whether it measures the noise of supervision signals on the probe, given its own keys.
        check: mistakes in the settings of a run that one section alone does not show, found before anything is made.
        prepare: called once before `train`, on networks that hold their start: adds to run.parts what else the run
            keeps; the path is that of the tracker's network, where there is one.
        measure: more figures for the log, beside the error of every network on validation people.
    """

    title: str
    train: Callable[[Run, TrainingData, int, int], str]
    networks: Mapping[str, str] = field(default_factory=lambda: {"raw": "raw", "averaged": "averaged"})
    settings: type[Section] = NoOptions
    colour: str | None = None
    images: Callable[[Settings], tuple[float, float]] | None = None
    uses_unlabelled: bool = True
    tracker: Callable[[Any], str | None] = lambda options: None
    adapts_flow: Callable[[Any], bool] = lambda options: False
    measures_signals: Callable[[Any], bool] = lambda options: False
    check: Callable[[Settings], Iterable[Problem]] = lambda settings: ()
    prepare: Callable[[Run, TrainingData, Path | None], None] | None = None
    measure: Callable[[Run, TrainingData], dict[str, float]] | None = None

    def images_a_step(self, settings: Settings) -> tuple[float, float]:
        """Images that its networks only look at, and those that they learn from, a step."""
        if self.images is not None:
            return self.images(settings)
        return 0, settings.training.batch + (settings.unlabelled.frames if self.uses_unlabelled else 0)

    def passes_a_step(self, settings: Settings) -> float:
        """Forward passes on one image that a step costs, without those of optical flow."""
        looked_at, learned = self.images_a_step(settings)
        return looked_at + LEARNING * learned

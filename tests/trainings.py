"""Trainings by a run's settings alone: the method is that of its algorithm."""

from pathlib import Path
from typing import Any

import yaml

from tsal import methods
from tsal.methods import common
from tsal.settings.models import Settings
from tsal.training import train


def write_settings(folder: Path, method: str, **sections: Any) -> Path:
    """The settings of a run of half of ytf's labels, with `sections` beside."""
    path = folder / f"{method}.yaml"
    about = {"benchmark": "ytf", "method": method, "algorithm": method, "labels": 0.5}
    path.write_text(yaml.safe_dump(about | sections))
    return path


def train_warm_up(settings: Settings, *arguments) -> None:
    train.train_warm_up(common.warm_up, settings, *arguments)


def train_method(settings: Settings, *arguments) -> None:
    train.train_method(methods.get(settings.algorithm), settings, *arguments)

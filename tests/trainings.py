"""Trainings by a run's settings alone: the method is that of its algorithm."""

from tsal import methods
from tsal.methods import common
from tsal.settings.models import Settings
from tsal.training import train


def train_warm_up(settings: Settings, *arguments) -> None:
    train.train_warm_up(common.warm_up, settings, *arguments)


def train_method(settings: Settings, *arguments) -> None:
    train.train_method(methods.get(settings.algorithm), settings, *arguments)

"""Figures from the files of runs, each as PNG and PDF.

Every function takes the files of any number of methods, label budgets and seeds. Several seeds are drawn as their
mean with a band, or bars, over their range.
"""

from tsal.figures.ced import draw_ced
from tsal.figures.cost import draw_cost
from tsal.figures.sweeps import draw_budgets, draw_sweep
from tsal.figures.training import draw_signals, draw_training
from tsal.figures.video import draw_jitter, draw_trajectory

__all__ = [
    "draw_budgets",
    "draw_ced",
    "draw_cost",
    "draw_jitter",
    "draw_signals",
    "draw_sweep",
    "draw_training",
    "draw_trajectory",
]

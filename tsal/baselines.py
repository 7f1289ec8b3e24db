"""What TSAL is compared with. All share its detector, data, augmentation, schedule and number of steps."""

from tsal.learning import warm_up
from tsal.training_data import TrainingData
from tsal.training_run import Run


def supervised(run: Run, data: TrainingData, start: int, stop: int) -> str:
    """Labelled faces only: the warm-up goes on to the end of the schedule.

    Returns:
        Which network is better on validation people at the end, "raw" or "averaged"; the averaged one after no step,
        when they are one, and where nobody validates.
    """
    warm_up(run, data, start, stop)
    last = run.log[-1] if start < stop else {}
    if "val_nme_raw" not in last:
        return "averaged"
    return min(("averaged", "raw"), key=lambda name: last[f"val_nme_{name}"])

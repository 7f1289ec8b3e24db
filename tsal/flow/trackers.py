"""Trackers by name, for those who only have to name them: the workflow plans its steps without PyTorch."""

from tsal.errors import InputError

TRACKERS = ("dis", "pwc")
TRAINED = ("pwc",)


def needs_network(tracker: str) -> bool:
    """Whether a tracker has a network, which `training.flow.train_flow` has to train before it can track.

    Raises:
        InputError: unknown tracker.
    """
    if tracker not in TRACKERS:
        raise InputError(f"tracker {tracker!r} is not known; known: {', '.join(TRACKERS)}")
    return tracker in TRAINED

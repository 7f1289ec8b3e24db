"""Trackers by name, for those who only have to name them: the workflow plans its steps without PyTorch."""

from tsal.errors import InputError

TRACKERS = ("dis", "pwc", "raft", "raft_small")
TRAINED = ("pwc",)


def needs_network(tracker: str) -> bool:
    """Whether a tracker's network is trained here, by `flow.training.train_flow`, before it can track.

    RAFT comes with weights of its own, and DIS has none.

    Raises:
        InputError: unknown tracker.
    """
    if tracker not in TRACKERS:
        raise InputError(f"tracker {tracker!r} is not known; known: {', '.join(TRACKERS)}")
    return tracker in TRAINED

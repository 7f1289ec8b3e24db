"""Optical flow between the frames of a clip: trackers, warping, occlusion.

Flow is computed once per clip on the packed crops, in store pixels, and stored at half resolution:
`flow[p, 0]` leads from frame t to t+1 (forward), `flow[p, 1]` from t+1 back to t (backward), for the pair p of the
store's p-th face that has a following frame.

fields: flow at positions, occlusion, warping. tracking: the trackers. storage: the file of a store's pairs. pwc,
unsupervised: a network of this project, and the losses that it is trained with without labels. Here stand the trackers'
names alone, for the workflow, which plans its steps without PyTorch.
"""

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

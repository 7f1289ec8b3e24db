"""Optical flow between the frames of a clip: trackers, warping, occlusion.

Flow is computed once per clip on the packed crops, in store pixels, and stored at half resolution:
`flow[p, 0]` leads from frame t to t+1 (forward), `flow[p, 1]` from t+1 back to t (backward), for the pair p of the
store's p-th face that has a following frame.

fields: flow at positions, occlusion, warping. tracking: the trackers by name. storage: the file of a store's pairs.
pwc, unsupervised, adaptation: a network of this project, its training without labels, and its share in TSAL's loop.
raft: torchvision's.
"""

from tsal.flow.fields import REDUCTION, flow_at, follow, passes_round_trip, to_tensor, warp
from tsal.flow.storage import open_flow, pairs, write_flow
from tsal.flow.tracking import dis, open_tracker
from tsal.trackers import TRACKERS, needs_network

__all__ = [
    "REDUCTION",
    "TRACKERS",
    "dis",
    "flow_at",
    "follow",
    "needs_network",
    "open_flow",
    "open_tracker",
    "pairs",
    "passes_round_trip",
    "to_tensor",
    "warp",
    "write_flow",
]

"""The memory of targets: the landmarks of every unlabelled frame as the networks placed them so far.

The source `tracks` reads it: the places of the landmarks in the frames up to `reach` steps before and after, carried to
a frame by optical flow, step by step, and averaged with its own. Labelled frames of the pool hold their labels instead,
so that a label is carried to the frames around it.
"""

import numpy as np
import torch
from torch import Tensor, nn

from tsal.data.device import to_device
from tsal.flow.fields import follow
from tsal.methods.signals import Signal, carrying_noise, fuse_by_confidence
from tsal.training.batches import TrainingData

LABEL_VARIANCE = 0.05  # px^2: an annotation, where the networks' own claims begin at 0.25
TARGET_NOISE = 3.0  # px^2, added to the networks' variance where a label was carried to: their errors are of this size


class Memory(nn.Module):
    """Landmarks and their variance of frames of the pool; a module, so that it is saved with the run.

    Of N frames, M at most come in the steps of a run or are labelled: those are held, each in a place of its own from 1
    on. Place 0 is that of all others, of which nothing is known.

    Buffers, of K landmarks: place (N,) int32, on the CPU; placed, how many have one; points (M + 1, K, 2) in store px,
    variance (M + 1, K) in store px^2 (infinite where nothing is known yet), labelled (M + 1,) bool.
    """

    def __init__(self, data: TrainingData) -> None:
        super().__init__()
        store, count, settings = data.unlabelled, data.scheme.n_points, data.settings
        known = data.labelled if data.pool is None and settings.options.carry_labels else data.labelled[:0]
        held = 1 + min(len(store), len(known) + settings.training.steps * settings.unlabelled.frames)
        points, variance = torch.zeros(held, count, 2), torch.full((held, count), torch.inf)
        labelled = torch.zeros(held, dtype=torch.bool)
        if len(known):
            truth = torch.from_numpy(store.points[known])
            annotated = truth.isfinite().all(-1)
            points[1 : len(known) + 1] = truth.nan_to_num()
            variance[1 : len(known) + 1] = torch.where(annotated, LABEL_VARIANCE, torch.inf)
            labelled[1 : len(known) + 1] = True
        self.register_buffer("points", points)
        self.register_buffer("variance", variance)
        self.register_buffer("labelled", labelled)
        self.to(data.device)
        self.register_buffer("place", torch.zeros(len(store), dtype=torch.int32))
        self.register_buffer("placed", torch.tensor(0, dtype=torch.int32))
        self._give_places(torch.from_numpy(known))

    def _give_places(self, rows: Tensor) -> None:
        new = rows[self.place[rows] == 0].unique()
        self.place[new] = self.placed + torch.arange(1, len(new) + 1, dtype=torch.int32)
        self.placed += len(new)

    def _places(self, rows: np.ndarray) -> Tensor:
        return to_device(self.place[torch.from_numpy(rows)].long(), self.points.device)

    @torch.no_grad()
    def update(self, rows: np.ndarray, target: Signal, decay: float) -> None:
        """Average the target of some frames into what is remembered of them, but for labelled ones.

        Args:
            rows: (B,) of the pool.
            target: of these frames.
            decay: share of the old that stays, in [0, 1); all of it where the target is unknown.
        """
        self._give_places(torch.from_numpy(rows))
        at = self._places(rows)
        points, variance = self.points[at], self.variance[at]
        new, old = target.variance.isfinite(), variance.isfinite()
        share = torch.where(new, torch.where(old, decay, 0.0), 1.0)
        points = torch.lerp(target.points, points, share.unsqueeze(-1))
        # Infinity times zero is no number: a variance that has no share is left out.
        finite = torch.lerp(target.variance.nan_to_num(posinf=0.0), variance.nan_to_num(posinf=0.0), share)
        # Labelled ones are written as they are: to leave them out, their number would have to be known first.
        labelled = self.labelled[at].unsqueeze(-1)
        self.points[at] = torch.where(labelled.unsqueeze(-1), self.points[at], points)
        self.variance[at] = torch.where(labelled, self.variance[at], torch.where(new | old, finite, torch.inf))

    @torch.no_grad()
    def tracks(self, data: TrainingData, rows: np.ndarray, reach: int) -> tuple[Signal, Signal]:
        """What is remembered of frames and of those around them, carried there by the flow.

        Args:
            rows: (B,) of the pool.
            reach: steps of the clip before and after.

        Returns:
            The signal of the networks' estimates, and that of labels, infinite in variance where none arrives.
        """
        at = self._places(rows)
        own = self.points[at].unsqueeze(1), self.variance[at].unsqueeze(1), self.labelled[at].unsqueeze(1)
        ways = [self._carry(data, rows, step, reach) for step in (data.unlabelled.next, data.previous)]
        points, variance, labelled = (torch.cat(parts, 1) for parts in zip(own, *ways, strict=True))
        labelled = labelled.unsqueeze(-1)
        estimates, labels = (variance.masked_fill(hidden, torch.inf) for hidden in (labelled, ~labelled))
        return _fuse(points, estimates), _fuse(points, labels)

    def _carry(
        self, data: TrainingData, rows: np.ndarray, step: np.ndarray, reach: int
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Points (B, reach, K, 2), variance (B, reach, K) and labelled (B, reach) of the next `reach` frames in one
        direction, all at the first frame: each hop of the way carries everything that comes from beyond it at once.
        """
        path = [rows]
        for _ in range(reach):
            path.append(np.where(path[-1] >= 0, step[path[-1]], -1).astype(np.int64))
        device, count = self.points.device, self.points.shape[1]
        points = torch.zeros(len(rows), 0, count, 2, device=device)
        variance, labelled = points[..., 0], torch.zeros(len(rows), 0, dtype=torch.bool, device=device)
        for near, far in zip(path[-2::-1], path[:0:-1], strict=True):
            there = to_device(torch.from_numpy(far >= 0), device)
            at = self._places(np.maximum(far, 0))
            here = torch.where(there.unsqueeze(1), self.variance[at], torch.inf)
            points = torch.cat([points, self.points[at].unsqueeze(1)], 1)
            variance = torch.cat([variance, here.unsqueeze(1)], 1)
            labelled = torch.cat([labelled, self.labelled[at].unsqueeze(1)], 1)
            near = np.maximum(near, 0)
            forth, back = data.flow_between(np.where(far >= 0, far, near), near)
            arrived, round_trip, visible = follow(points, forth, back)
            variance = torch.where(visible, variance + carrying_noise(points, arrived, round_trip), torch.inf)
            points = arrived
        return points, variance, labelled


def _fuse(points: Tensor, variance: Tensor) -> Signal:
    """The fusion of what several frames tell of one: points (B, R, K, 2), variance (B, R, K)."""
    both = enumerate(zip(points.unbind(1), variance.unbind(1), strict=True))
    return fuse_by_confidence({str(i): Signal(*one) for i, one in both})


def correct(fused: Signal, labels: Signal) -> Signal:
    """A fused target where labels were carried to it: the product of both Gaussians."""
    known = labels.variance.isfinite()
    from_networks = 1 / (fused.variance + TARGET_NOISE)
    from_labels = torch.where(known, 1 / labels.variance, 0.0)
    total = from_networks + from_labels
    points = (from_networks.unsqueeze(-1) * fused.points + from_labels.unsqueeze(-1) * labels.points) / total.unsqueeze(
        -1
    )
    return Signal(torch.where(known.unsqueeze(-1), points, fused.points), torch.where(known, 1 / total, fused.variance))

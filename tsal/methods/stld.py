"""Self-training without selection, by a curriculum of tasks: STLD (Jin et al. 2024, arXiv 2404.04556).

Every pseudo-label is used in every round, in a task that asks little of it at first. Round 1: pre-training on the
pseudo-labels alone, then labels alone. Each later round: a short pre-training on new pseudo-labels, then labels
together with *shrink regression*, which is coarse to fine: for heatmap models the pseudo-labels are targets of a
second output, as Gaussians that shrink from round to round to the width of the labels' own (the authors' code: 1.2, 1,
1 times it, weighted 0.1, 1, 1), so that only what both outputs share learns from them there.

The authors' round 0, labels alone, is the warm-up that all methods share. Not carried over: they begin a round with a
network new from ImageNet (later ones with the one last pre-trained) and a learning rate of its own, for as many epochs
again; here, where all methods have the same steps and schedule, network and learning rate go on. Their second output
is another last layer, here it is a copy of the whole heatmap head. They pre-train heatmaps, here pre-training takes
all terms of the supervised loss, since this detector has more outputs.
"""

import copy
from itertools import accumulate

import torch
from torch import Tensor, nn

from tsal.detectors import Detector, Output, losses
from tsal.methods.common import average, better_network, see
from tsal.methods.pseudo_labels import label_anew
from tsal.methods.tsal import supervised_loss
from tsal.settings.models import StldSettings
from tsal.training.batches import LabelledBatch, TrainingData
from tsal.training.run import Run, parameter_groups


def stld(run: Run, data: TrainingData, start: int, stop: int) -> str:
    """The curriculum, its stages in proportion to the source's epochs. Ships the better of raw and averaged.

    Where every frame of the pool is labelled, all stages learn from labels alone.
    """
    method, raw = data.settings.stld, run.networks["raw"]
    add_second_head(run)
    labelled_in, pool = 0, None
    for n in run.steps(start, stop):
        (now, pretraining), (before, _) = (stage_at(step - start, stop - start, method) for step in (n, n - 1))
        if now != labelled_in:
            pool, labelled_in = label_anew(run, data, now != before), now

        weight = 0.0 if pretraining or now == 1 else method.shrink_weights[now - 2]
        if pretraining and len(pool):
            pseudo = data.pseudo_labelled_batch(pool.rows, pool.points, n)
            loss = supervised_loss(data.settings, raw, raw(pseudo.images), pseudo)
        elif weight and len(pool):
            pseudo = data.pseudo_labelled_batch(pool.rows, pool.points, n)
            sup, coarse = see_with_both_heads(run, data, data.labelled_batch(n), pseudo, method.shrink[now - 2])
            loss = sup + weight * coarse
        else:
            labelled = data.labelled_batch(n)
            loss, _ = see(data, raw, labelled, labelled.images[:0])
        run.optimizer_step("raw", loss, n)
        average(run, n)
        run.finish_step(n, loss=loss, round=now, pretraining=float(pretraining), weight=weight)
    return better_network(run, start, stop)


def stage_at(step: int, steps: int, method: StldSettings) -> tuple[int, bool]:
    """The round, from 1 on, of a step of `steps` (from 0 on), and whether it is pre-training; round 0 before the first.

    Lengths, in units of the source's 60 epochs: 1 + 1 in round 1, `pretraining` + 1 in those with shrink regression.
    """
    if step < 0:
        return 0, False
    lengths = [1.0, 1.0] + [method.pretraining, 1.0] * len(method.shrink)
    ends = [round(end / sum(lengths) * steps) for end in accumulate(lengths)]
    stage = next(i for i, end in enumerate(ends) if step < end)
    return stage // 2 + 1, stage % 2 == 0


class _BothHeads(nn.Module):
    """The stages of one heatmap head, then those of another, from the same features."""

    def __init__(self, first: nn.Module, second: nn.Module) -> None:
        super().__init__()
        self.first, self.second = first, second

    def forward(self, features: Tensor) -> list[Tensor]:
        return [*self.first(features), *self.second(features)]


def add_second_head(run: Run) -> None:
    """Give the run a copy of the raw network's heatmap head, saved with it, which the same optimiser trains."""
    # In a dictionary, for its parameters to have the names by which those of heatmap heads are known.
    head = nn.ModuleDict({"heatmap_head": copy.deepcopy(run.networks["raw"].heatmap_head)})
    run.networks["second_head"] = head
    for group in parameter_groups(head, run.training.optimizer):
        run.optimizers["raw"].add_param_group(group)


def see_with_both_heads(
    run: Run, data: TrainingData, labelled: LabelledBatch, pseudo: LabelledBatch, shrink: float
) -> tuple[Tensor, Tensor]:
    """Show both batches at once: the supervised loss of the labelled faces by the first head, and the shrink regression
    of the pseudo-labelled ones by the second, their heatmaps' distance from Gaussians `shrink` times as wide.
    """
    raw, head = run.networks["raw"], run.networks["second_head"]["heatmap_head"]
    both = Detector(
        raw.trunk,
        _BothHeads(raw.heatmap_head, head),
        raw.centre_head,
        n_points=raw.n_points,
        heatmap_stride=raw.heatmap_stride,
        centre_stride=raw.centre_stride,
        distribution=raw.distribution,
        decode=raw.decode_name,
        sigma=shrink * raw.sigma,
    )
    both.precision = raw.precision
    output, n = both(torch.cat([labelled.images, pseudo.images])), len(labelled.images)
    stages = len(output.stages) // 2
    first = Output(output.stages[:stages], output.centre, output.offsets)
    second = Output(output.stages[stages:], output.centre, output.offsets)
    sup = supervised_loss(data.settings, raw, first.rows(slice(n)), labelled)
    coarse = losses.heatmap_loss(both, second.rows(slice(n, None)), pseudo.points, pseudo.annotated)
    return sup, data.settings.training.loss.heatmap * coarse

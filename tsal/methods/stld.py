"""Self-training without selection, by a curriculum of tasks: STLD (Jin et al. 2024, arXiv 2404.04556).

Every pseudo-label is used in every round, in a task that asks little of it at first. Round 1: pre-training on the
pseudo-labels alone, then labels only. Each later round: a short pre-training on new pseudo-labels, then labels
together with *shrink regression*, which is coarse to fine: for heatmap models the pseudo-labels are targets of a
second output, as Gaussians that shrink from round to round to the width of the labels' own (the authors' code: 1.2, 1,
1 times it, weighted 0.1, 1, 1), so that only what both outputs share learns from them there.

The authors' round 0, labels only, is the warm-up that all methods share. Not carried over: they begin a round with a
network new from ImageNet (later ones with the one last pre-trained) and a learning rate of its own, for as many epochs
again; here, where all methods have the same steps and schedule, network and learning rate go on. Their second output
is another last layer, here it is a copy of the whole heatmap head. They pre-train heatmaps, here pre-training takes
all terms of the supervised loss, since this detector has more outputs.
"""

from __future__ import annotations

import copy
from itertools import accumulate
from typing import TYPE_CHECKING, Annotated

from pydantic import Field, model_validator

from tsal.settings.section import Listed, Section
from tsal.training.method import Method, later

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

    from tsal.training.batches import LabelledBatch, TrainingData
    from tsal.training.run import Run

torch, common, labels = later("torch"), later("tsal.methods.common"), later("tsal.methods.pseudo_labels")
detectors, losses, training_run = later("tsal.detectors"), later("tsal.detectors.losses"), later("tsal.training.run")


class Options(Section):
    """Keys of stld; the defaults are those of the authors' heatmap models."""

    shrink: Listed[Annotated[float, Field(gt=0)]] = Field(
        (1.2, 1.0, 1.0),
        description="width of the pseudo-labels' heatmaps, round by round, as a multiple of `sigma`",
    )
    shrink_weights: Listed[Annotated[float, Field(ge=0)]] = Field(
        (0.1, 1.0, 1.0), description="of their loss, round by round"
    )
    pretraining: float = Field(
        0.2, ge=0, description="length of these rounds' pre-training, as a multiple of what follows it"
    )

    @model_validator(mode="after")
    def _one_weight_a_round(self) -> Options:
        if len(self.shrink) != len(self.shrink_weights):
            raise ValueError(
                f"shrink_weights: found {len(self.shrink_weights)} of them, expected one for each of the "
                f"{len(self.shrink)} rounds of shrink"
            )
        return self


def train(run: Run, data: TrainingData, start: int, stop: int) -> str:
    """The curriculum, its stages in proportion to the source's epochs. Ships the better of raw and averaged.

    Where every frame of the pool is labelled, all stages learn from labels only.
    """
    options, raw = data.settings.options, run.networks["raw"]
    labelled_in, pool = 0, None
    for n in run.steps(start, stop):
        (now, pretraining), (before, _) = (stage_at(step - start, stop - start, options) for step in (n, n - 1))
        if now != labelled_in:
            pool, labelled_in = labels.label_anew(run, data, now != before), now

        weight = 0.0 if pretraining or now == 1 else options.shrink_weights[now - 2]
        if pretraining and len(pool):
            pseudo = data.pseudo_labelled_batch(pool.rows, pool.points, n)
            loss = common.supervised_loss(data.settings, raw, raw(pseudo.images), pseudo)
        elif weight and len(pool):
            pseudo = data.pseudo_labelled_batch(pool.rows, pool.points, n)
            supervised, coarse = forward_both_heads(run, data, data.labelled_batch(n), pseudo, options.shrink[now - 2])
            loss = supervised + weight * coarse
        else:
            labelled = data.labelled_batch(n)
            loss, _ = common.forward_both(data, raw, labelled, labelled.images[:0])
        run.optimizer_step("raw", loss, n)
        common.average_raw(run, n)
        run.finish_step(n, loss=loss, round=now, pretraining=float(pretraining), weight=weight)
    return common.better_network(run, start, stop)


def stage_at(step: int, steps: int, options: Options) -> tuple[int, bool]:
    """The round, from 1 on, of a step of `steps` (from 0 on), and whether it is pre-training; round 0 before the first.

    Lengths, in units of the source's 60 epochs: 1 + 1 in round 1, `pretraining` + 1 in those with shrink regression.
    """
    if step < 0:
        return 0, False
    lengths = [1.0, 1.0] + [options.pretraining, 1.0] * len(options.shrink)
    ends = [round(end / sum(lengths) * steps) for end in accumulate(lengths)]
    stage = next(i for i, end in enumerate(ends) if step < end)
    return stage // 2 + 1, stage % 2 == 0


def prepare(run: Run, data: TrainingData, flow_network: Path | None) -> None:
    """Add the network that labels the pool, and a copy of the raw network's heatmap head, trained with it."""
    labels.add_labeller(run)
    # In a dictionary, for its parameters to have the names by which those of heatmap heads are known.
    head = torch.nn.ModuleDict({"heatmap_head": copy.deepcopy(run.networks["raw"].heatmap_head)})
    run.parts["second_head"] = head
    for group in training_run.parameter_groups(head, run.training.optimizer):
        run.optimizers["raw"].add_param_group(group)


def forward_both_heads(
    run: Run, data: TrainingData, labelled: LabelledBatch, pseudo: LabelledBatch, shrink: float
) -> tuple[Tensor, Tensor]:
    """One forward pass on both batches: the supervised loss of the labelled faces by the first head, and the shrink
    regression of the pseudo-labelled ones by the second, their heatmaps' distance from Gaussians `shrink` times as
    wide.
    """
    raw, second = run.networks["raw"], run.parts["second_head"]["heatmap_head"]
    sizes = len(labelled.images), len(pseudo.images)
    output, second_stages = raw.forward_with(torch.cat([labelled.images, pseudo.images]), second)
    supervised = common.supervised_loss(data.settings, raw, output.split(*sizes)[0], labelled)
    coarse = detectors.Output(second_stages, output.centre, output.offsets).split(*sizes)[1]
    loss = losses.heatmap_loss(raw, coarse, pseudo.points, pseudo.annotated, sigma=shrink * raw.sigma)
    return supervised, data.settings.training.loss.heatmap * loss


METHOD = Method(title="STLD", settings=Options, prepare=prepare, train=train)

"""Self-training in rounds: the most confident pseudo-labels join the labels, more of them in each round.

At the start of a round the averaged network labels the pool; round r of R adds the r / R * `pseudo_labels` most
confident of these, whose frames are learned from like labelled faces.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from tsal.settings.section import Section
from tsal.training.method import Method, later

if TYPE_CHECKING:
    from pathlib import Path

    from tsal.methods.pseudo_labels import PseudoLabels
    from tsal.training.batches import TrainingData
    from tsal.training.run import Run

common, labels = later("tsal.methods.common"), later("tsal.methods.pseudo_labels")


class Options(Section):
    """Keys of self_training."""

    rounds: int = Field(
        3, ge=1, description="times that the unlabelled frames are labelled anew by the averaged network"
    )
    pseudo_labels: float = Field(
        1.0,
        ge=0,
        le=1,
        description="share of the unlabelled frames, the most confident, that is added in the last round",
    )
    weight: float = Field(1.0, ge=0, description="of their loss, as a multiple of that of labelled faces")


def prepare(run: Run, data: TrainingData, flow_network: Path | None) -> None:
    """Add the network that labels the pool."""
    labels.add_labeller(run)


def train(run: Run, data: TrainingData, start: int, stop: int) -> str:
    """L_sup of labelled faces + weight * L_sup of pseudo-labelled frames. Ships the better of raw and averaged.

    The steps are split evenly over the rounds, and the learning rate goes on over all of them. A round that adds no
    frame learns from labels only.
    """
    options, raw = data.settings.options, run.networks["raw"]
    labelled_in, added = 0, None
    for n in run.steps(start, stop):
        now, before = (round_at(step - start, stop - start, options) for step in (n, n - 1))
        if now != labelled_in:
            added, labelled_in = added_in(now, options, labels.label_anew(run, data, now != before)), now

        labelled = data.labelled_batch(n)
        if len(added):
            pseudo = data.pseudo_labelled_batch(added.rows, added.points, n)
            supervised, output = common.forward_both(data, raw, labelled, pseudo.images)
            from_pseudo = common.supervised_loss(data.settings, raw, output, pseudo)
        else:
            supervised, _ = common.forward_both(data, raw, labelled, labelled.images[:0])
            from_pseudo = supervised.new_zeros(())
        loss = supervised + options.weight * from_pseudo
        run.optimizer_step("raw", loss, n)
        common.average_raw(run, n)
        run.finish_step(n, loss=loss, loss_supervised=supervised, loss_pseudo=from_pseudo, pseudo_labels=len(added))
    return common.better_network(run, start, stop)


def round_at(step: int, steps: int, options: Options) -> int:
    """The round, from 1 on, that a step of `steps` (from 0 on) belongs to; 0 before the first."""
    return step * options.rounds // steps + 1


def added_in(round_: int, options: Options, pool: PseudoLabels) -> PseudoLabels:
    """The pseudo-labels that a round adds: the most confident r / R * `pseudo_labels` of the pool."""
    return pool.most_confident(round(options.pseudo_labels * round_ / options.rounds * len(pool)))


METHOD = Method(title="Self-training", colour="#009E73", settings=Options, prepare=prepare, train=train)

"""Self-training in rounds: the most confident pseudo-labels join the labels, more of them in each round.

At the start of a round the averaged network labels the pool; round r of R adds the r / R * `pseudo_labels` most
confident of these, whose frames are learned from like labelled faces.
"""

from tsal.methods.common import average, better_network, see
from tsal.methods.pseudo_labels import PseudoLabels, label_anew
from tsal.methods.tsal import supervised_loss
from tsal.settings.models import SelfTrainingSettings
from tsal.training.batches import TrainingData
from tsal.training.run import Run


def self_training(run: Run, data: TrainingData, start: int, stop: int) -> str:
    """L_sup of labelled faces + weight * L_sup of pseudo-labelled frames. Ships the better of raw and averaged.

    The steps are split evenly over the rounds, and the learning rate goes on over all of them. A round that adds no
    frame learns from labels alone.
    """
    method, raw = data.settings.self_training, run.networks["raw"]
    labelled_in, added = 0, None
    for n in run.steps(start, stop):
        now, before = (round_at(step - start, stop - start, method) for step in (n, n - 1))
        if now != labelled_in:
            added, labelled_in = added_in(now, method, label_anew(run, data, now != before)), now

        labelled = data.labelled_batch(n)
        if len(added):
            pseudo = data.pseudo_labelled_batch(added.rows, added.points, n)
            sup, output = see(data, raw, labelled, pseudo.images)
            from_pseudo = supervised_loss(data.settings, raw, output, pseudo)
        else:
            sup, _ = see(data, raw, labelled, labelled.images[:0])
            from_pseudo = sup.new_zeros(())
        run.optimizer_step("raw", sup + method.weight * from_pseudo, n)
        average(run, n)
        run.finish_step(n, loss=sup, loss_supervised=sup, loss_pseudo=from_pseudo, pseudo_labels=len(added))
    return better_network(run, start, stop)


def round_at(step: int, steps: int, method: SelfTrainingSettings) -> int:
    """The round, from 1 on, that a step of `steps` (from 0 on) belongs to; 0 before the first."""
    return step * method.rounds // steps + 1


def added_in(round_: int, method: SelfTrainingSettings, pool: PseudoLabels) -> PseudoLabels:
    """The pseudo-labels that a round adds: the most confident r / R * `pseudo_labels` of the pool."""
    return pool.most_confident(round(method.pseudo_labels * round_ / method.rounds * len(pool)))

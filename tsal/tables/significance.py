"""Whether two methods differ: the paired bootstrap, of all pairs on the same draws."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd

from tsal.config.targets import method_name
from tsal.data.faces import read_faces
from tsal.data.labels import budget_share
from tsal.evaluation.runs import Run, people_of
from tsal.tables.layout import MINUS, Block, Column, Number, beside, write_blocks, write_csv
from tsal.tables.scores import CELL, errors_of_runs, in_order, load_runs, seeds_of_runs

SIGNIFICANCE_COLUMNS = [
    *["benchmark", "subset", "normaliser", "labels", "method", "reference", "seeds", "n_faces", "n_people"],
    *["difference", "low", "high", "p_value", "low_people", "high_people", "p_value_people"],
]
LEVEL = 0.05  # p-values below this are called significant
DRAWS = 10_000  # of the bootstrap
_BLOCK = 4_000_000  # random numbers at a time: bounds the memory, changes no result
_ZERO = 1e-9  # percentage points: what rounding makes of two equal methods


@dataclass(frozen=True)
class Comparison:
    """Paired comparison of two methods a and b.

    Attributes:
        difference: mean NME of a minus that of b, in percentage points; negative if a is better.
        low, high: its 95 % interval, percentiles of the bootstrap.
        p_value: two-sided, of no difference.
    """

    difference: float
    low: float
    high: float
    p_value: float


def significance_table(
    benchmark: str,
    runs: Mapping[Run, pd.DataFrame],
    people: Mapping[str, str],
    *,
    reference: str | None = None,
) -> pd.DataFrame:
    """Compare methods of one label budget, face by face, with the paired bootstrap.

    A face's NME is first averaged over the seeds that both methods have, since a seed chooses the labelled faces. The
    p-values are not corrected for the number of comparisons.

    Args:
        benchmark: its name.
        runs: scores by run, as load_runs returns them.
        people: person of each face, for the bootstrap over people.
        reference: compare every method with this one; default: every two methods.

    Returns:
        One row per (subset, normaliser, labels, pair) with SIGNIFICANCE_COLUMNS, for pairs that share a seed: seeds =
        how many they share; difference = NME of method minus NME of reference in percentage points (negative: method
        is better), its 95 % interval and two-sided p-value, when single faces are resampled, and, as *_people, when
        people are.
    """
    pairs = _pairs(seeds_of_runs(runs), reference)
    wanted = dict.fromkeys(key for pair in pairs for key in pair)
    rows = []
    for (subset, normaliser), errors in errors_of_runs(runs).items():
        persons = [people[face] for face in errors.index]
        means = {key: errors[[(*key[:2], number) for number in key[2]]].mean(axis=1) for key in wanted}
        by_face = compare_pairs(means, pairs)
        by_person = compare_pairs(means, pairs, persons)
        for ((labels, method, shared), (_, other, _)), face, person in zip(pairs, by_face, by_person, strict=True):
            row = [benchmark, subset, normaliser, labels, method, other, len(shared), len(errors), len(set(persons))]
            row += [face.difference, face.low, face.high, face.p_value]
            rows.append([*row, person.low, person.high, person.p_value])
    table = pd.DataFrame(rows, columns=SIGNIFICANCE_COLUMNS)
    return in_order(table, ["subset", "normaliser", "labels"])


_Mean = tuple[str, str, tuple[int, ...]]  # labels, method, and the seeds that are averaged


def _pairs(seeds: Mapping[tuple[str, str], set[int]], reference: str | None) -> list[tuple[_Mean, _Mean]]:
    """What is compared: methods of one label budget, each over the seeds that both have."""
    methods: dict[str, list[str]] = {}
    for labels, method in seeds:
        methods.setdefault(labels, []).append(method)
    pairs = []
    for labels, known in methods.items():
        if reference is None:
            named = [(b, a) for a, b in combinations(known, 2)]
        else:
            named = [(method, reference) for method in known if reference in known and method != reference]
        for pair in named:
            shared = tuple(sorted(set.intersection(*(seeds[labels, method] for method in pair))))
            if shared:
                pairs.append(tuple((labels, method, shared) for method in pair))
    return pairs


def compare_pairs(
    errors: Mapping[Hashable, Sequence[float]],
    pairs: Sequence[tuple[Hashable, Hashable]],
    groups: Sequence[str] | None = None,
    *,
    draws: int = DRAWS,
    seed: int = 0,
) -> list[Comparison]:
    """Compare pairs of methods on the same faces by resampling the faces with replacement; pairs share the draws.

    Faces of one person are alike, which makes an interval over faces too narrow for a statement about new people: with
    `groups` whole groups are resampled instead (the cluster bootstrap).

    Args:
        errors: NME of N faces in percent, by what is compared.
        pairs: keys of errors, of a method and its reference; negative differences if the method is better.
        groups: N labels, resampled as wholes; None resamples single faces.
        draws: number of bootstrap samples.
        seed: of the random generator.
    """
    if not pairs:
        return []
    values = np.column_stack(list(errors.values()))
    member = np.arange(len(values)) if groups is None else np.unique(np.asarray(groups), return_inverse=True)[1]
    means = bootstrap_means(values, member, draws, seed)
    place = {key: column for column, key in enumerate(errors)}
    compared = []
    for method, reference in pairs:
        a, b = place[method], place[reference]
        difference = means[:, a] - means[:, b]
        difference[np.abs(difference) < _ZERO] = 0
        tail = min(np.sum(difference <= 0), np.sum(difference >= 0))
        low, high = np.percentile(difference, [2.5, 97.5])
        p_value = _p_value_of(tail, draws, int(member.max()) + 1)
        compared.append(Comparison(float(np.mean(values[:, a] - values[:, b])), float(low), float(high), p_value))
    return compared


def _p_value_of(tail: int, draws: int, groups: int) -> float:
    """Two-sided p-value of a bootstrap in which `tail` of the draws lie on the far side of no difference.

    It is never below that of the sign test on groups that all agree, 2^(1 - groups): draws from three videos that all
    have the same sign never lie on the other side, and still say little. Nor is it zero, as finitely many draws
    cannot show.
    """
    return float(min(1.0, max(2 * (tail + 1) / (draws + 1), 2.0 ** (1 - groups))))


def bootstrap_means(values: np.ndarray, member: np.ndarray, draws: int, seed: int) -> np.ndarray:
    """Means of resampled rows.

    Args:
        values: (N, M), any unit.
        member: (N,) numbers from 0 on; rows of one number are resampled together (the cluster bootstrap).
        draws: number of bootstrap samples.
        seed: of the random generator.

    Returns:
        (draws, M) means over the rows of each sample.
    """
    size = int(member.max()) + 1
    sums = np.zeros((size, values.shape[1] + 1))
    np.add.at(sums, member, np.column_stack([values, np.ones(len(values))]))
    rng = np.random.default_rng(seed)
    means = np.empty((draws, values.shape[1]))
    block = max(1, _BLOCK // size)
    for start in range(0, draws, block):
        chosen = rng.integers(size, size=(min(block, draws - start), size))
        rows = np.arange(len(chosen))[:, None] * size
        times = np.bincount((chosen + rows).ravel(), minlength=chosen.size).reshape(chosen.shape)
        totals = times.astype(float) @ sums
        means[start : start + len(chosen)] = totals[:, :-1] / totals[:, -1:]
    return means


def holm(p_values: Sequence[float]) -> np.ndarray:
    """Correct p-values for their number: rejecting those below alpha, one or more wrongly with at most alpha.

    Holm (1979), "A simple sequentially rejective multiple test procedure": the i-th smallest of m times m - i + 1, at
    least as large as the ones before it, at most 1. Needs no assumption on how the comparisons hang together.

    Args:
        p_values: M of them, in [0, 1].

    Returns:
        (M,) in [0, 1], in the same order.
    """
    values = np.asarray(p_values, dtype=float)
    order = np.argsort(values, kind="stable")
    corrected = np.empty(len(values))
    corrected[order] = np.maximum.accumulate(values[order] * np.arange(len(values), 0, -1))
    return np.minimum(corrected, 1.0)


def write_significance(
    benchmark: str, scores: Sequence[str | Path], faces: str | Path, output: str | Path
) -> list[Path]:
    """Write whether every two methods of a label budget differ: a block for each subset.

    Args:
        benchmark: its name, as in the paths of the runs.
        scores: the runs' scores.csv.
        faces: the face table, for the people.
        output: results/claims/{benchmark}_significance.csv; .md and .tex are written beside it.

    Returns:
        The three paths. Columns of the CSV: SIGNIFICANCE_COLUMNS; p_value_holm, the p-value over people corrected for
        the number of pairs with the same subset, normaliser and labels (holm); and better, the method
        that is better with that below LEVEL, empty where neither is.

    Raises:
        InputError: see load_runs; or a scored face that is not in the face table.
    """
    runs = load_runs(benchmark, scores)
    table = significance_table(benchmark, runs, people_of(runs, read_faces(faces), faces))
    families = table.groupby([*CELL, "labels"], sort=False)["p_value_people"]
    table["p_value_holm"] = families.transform(holm)
    better = table["method"].where(table["difference"] < 0, table["reference"])
    table["better"] = better.where(table["p_value_holm"] < LEVEL, "")
    blocks = [_block(benchmark, cell) for _, cell in table.groupby(CELL, sort=False)]
    return [write_csv(table, output), *write_blocks(blocks, *beside(output), Path(output).stem)]


def resampled(row: pd.Series) -> str:
    """What a bootstrap over people resampled: "80 people", or "734 faces" where nobody is known."""
    return f"{row['n_people']} {'people' if row['n_people'] < row['n_faces'] else 'faces'}"


def _block(benchmark: str, cell: pd.DataFrame) -> Block:
    heads = ("Labels", "Method", "Compared with")
    columns = [*(Column(head, is_text=True) for head in heads), *map(Column, ("Difference", "95 %", "p", "p (Holm)"))]
    columns.append(Column("Better", is_text=True))
    rows = [
        [
            *[budget_share(row.labels), method_name(row.method), method_name(row.reference)],
            Number(row.difference, signed=True),
            f"[{row.low_people:+.2f}, {row.high_people:+.2f}]".replace("-", MINUS),
            *map(_p_value, (row.p_value_people, row.p_value_holm)),
            method_name(row.better) if row.better else "",
        ]
        for row in cell.itertuples()
    ]
    first = cell.iloc[0]
    note = (
        f"Difference of the NME (by {first['normaliser']} distance) in percentage points, negative: the method is "
        f"better than what it is compared with; paired bootstrap over {resampled(first)}, faces averaged over the "
        f"seeds that both have; better: where p < {LEVEL:g} after Holm's correction for the number of pairs."
    )
    return Block(f"{benchmark}, {first['subset']}: every two methods", columns, rows, cell["labels"].tolist(), [note])


def _p_value(p_value: float) -> str:
    return "<0.001" if p_value < 0.001 else f"{p_value:.3f}"

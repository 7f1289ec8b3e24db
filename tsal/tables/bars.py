"""What TSAL has to reach, measured against the tables of a study: each bar with its number and whether it holds."""

import operator
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from math import isnan, nan
from pathlib import Path

import pandas as pd

from tsal.data.labels import budget_share, parse_budget
from tsal.errors import InputError
from tsal.evaluation.runs import method_name
from tsal.tables.layout import MINUS, Block, Column, beside, write_blocks, write_csv
from tsal.tables.significance import LEVEL

METHOD, SUPERVISED = "tsal", "supervised"
BUDGETS, LEAST_BUDGETS = (0.01, 0.05, 0.1, 0.2), (0.01, 0.05)  # shares of the labels
NEAR_BUDGET = 0.1  # at which TSAL is to come near full supervision
GAP, GAP_VIDEO, NEAR, JITTER, POOL, COST = 50.0, 70.0, 3.0, 0.5, 3.0, 3.0
_HOLDS = {"<": operator.lt, "<=": operator.le, ">=": operator.ge}
_SIGNS = {"<": "<", "<=": "≤", ">=": "≥"}


@dataclass(frozen=True)
class Bar:
    """One bar.

    Attributes:
        bar: what is measured, with its unit.
        subset: of the test faces; empty where it is not about faces.
        labels: the label budget, empty where it is not about one.
        measured: NaN where runs are missing.
        relation, limit: holds if measured < limit, or <=, or >=.
        note: what else there is to know, such as which method comes next.
    """

    bar: str
    subset: str
    labels: str
    measured: float
    relation: str
    limit: float
    note: str = ""

    @property
    def state(self) -> str:
        """Whether it holds: "reached", "not reached" or "runs missing"."""
        if isnan(self.measured):
            return "runs missing"
        return "reached" if _HOLDS[self.relation](self.measured, self.limit) else "not reached"


BAR_COLUMNS = ["benchmark", "bar", "subset", "labels", "measured", "relation", "limit", "state", "note"]


@dataclass(frozen=True)
class StudyTables:
    """The tables of a study that bars are read from, NME by one normaliser.

    Attributes:
        nme: with NME_COLUMNS, of all runs.
        significance: with SIGNIFICANCE_COLUMNS, of every two methods that are compared.
        gap: with GAP_COLUMNS.
        cost: with COST_COLUMNS.
        pool: NME of the methods of the study that sweeps the share of the unlabelled frames, of the same seeds each;
            empty where it was not swept.
        shares: these shares, by method.
    """

    nme: pd.DataFrame
    significance: pd.DataFrame
    gap: pd.DataFrame
    cost: pd.DataFrame
    pool: pd.DataFrame
    shares: Mapping[str, float]

    def baselines(self) -> list[str]:
        """The methods that TSAL is compared with."""
        both = pd.concat([self.significance["reference"], self.significance["method"]])
        return [method for method in dict.fromkeys(both) if method != METHOD]

    def nme_of(self, subset: str, budget: float) -> pd.DataFrame:
        """Figures by method, of one subset and label budget."""
        table = self.nme[(self.nme["subset"] == subset) & _is_budget(self.nme, budget)]
        return table.set_index("method")


def _is_budget(table: pd.DataFrame, budget: float) -> pd.Series:
    return table["labels"].map(lambda labels: parse_budget(labels) == budget)


def bars(tables: StudyTables) -> list[Bar]:
    """Every bar, on the whole test set and on videos; on all subsets where there is neither."""
    video = set(tables.nme["subset"][tables.nme["jitter"].notna()])
    known = list(dict.fromkeys(tables.nme["subset"]))
    subsets = [subset for subset in known if subset == "full" or subset in video] or known
    found = [bar for subset in subsets for bar in _lowest(tables, subset)]
    found += [bar for subset in subsets for bar in _significant(tables, subset)]
    found += [bar for subset in subsets for bar in _gap_closed(tables, subset, GAP_VIDEO if subset in video else GAP)]
    found += [_near(tables, subset) for subset in subsets]
    found += [bar for subset in subsets if subset in video for bar in _jitter(tables, subset)]
    found += [bar for subset in subsets for bar in _pool(tables, subset)]
    return [*found, _cost(tables)]


def _lowest(tables: StudyTables, subset: str) -> Iterator[Bar]:
    for budget in BUDGETS:
        nme = tables.nme_of(subset, budget)["nme"]
        others, measured, note = nme.reindex(tables.baselines()), nan, ""
        if METHOD in nme.index and len(others) and others.notna().all():
            measured, note = nme[METHOD] - others.min(), f"next: {method_name(str(others.idxmin()))}"
        yield Bar("NME minus that of the best baseline (points)", subset, f"{budget:g}", measured, "<", 0.0, note)


def _significant(tables: StudyTables, subset: str) -> Iterator[Bar]:
    """The largest p-value of all baselines; 1 for one that is not worse than TSAL.

    Not corrected for their number: the bar takes all of them to be below the level, not any.
    """
    for budget in LEAST_BUDGETS:
        table = tables.significance
        table = table[(table["subset"] == subset) & _is_budget(table, budget)]
        p_values = {}
        for row in table.itertuples():
            if METHOD in (row.method, row.reference):
                other = row.reference if row.method == METHOD else row.method
                ahead = -row.difference if row.method == METHOD else row.difference
                p_values[other] = row.p_value_people if ahead > 0 else 1.0
        measured, note = nan, ""
        if p_values and set(p_values) == set(tables.baselines()):
            measured = max(p_values.values())
            failed = [method_name(method) for method, p_value in p_values.items() if p_value >= LEVEL]
            note = f"not against {', '.join(failed)}" if failed else ""
        yield Bar("largest p-value against a baseline", subset, f"{budget:g}", measured, "<", LEVEL, note)


def _gap_closed(tables: StudyTables, subset: str, limit: float) -> Iterator[Bar]:
    for budget in LEAST_BUDGETS:
        table = tables.gap
        rows = table[(table["subset"] == subset) & _is_budget(table, budget) & (table["method"] == METHOD)]
        measured, note = nan, ""
        if len(rows):
            measured, low, high = (float(rows.iloc[0][name]) for name in ("gap", "low", "high"))
            note = "" if isnan(low) else f"95 % interval {low:.0f} to {high:.0f}"
        yield Bar("gap closed (%)", subset, f"{budget:g}", measured, ">=", limit, note)


def _near(tables: StudyTables, subset: str) -> Bar:
    own, full = tables.nme_of(subset, NEAR_BUDGET)["nme"], tables.nme_of(subset, 1.0)["nme"]
    measured = 100 * (own.get(METHOD, nan) / full.get(SUPERVISED, nan) - 1)
    return Bar("NME above full supervision (%)", subset, f"{NEAR_BUDGET:g}", measured, "<=", NEAR)


def _jitter(tables: StudyTables, subset: str) -> Iterator[Bar]:
    for budget in BUDGETS:
        jitter = tables.nme_of(subset, budget)["jitter"]
        measured = jitter.get(METHOD, nan) / jitter.get(SUPERVISED, nan)
        yield Bar("jitter, as a multiple of that of supervised", subset, f"{budget:g}", measured, "<=", JITTER)


def _pool(tables: StudyTables, subset: str) -> Iterator[Bar]:
    """Over shares of the unlabelled frames: the spread of the NME, and whether all are as good as the fewest."""
    shares = sorted(tables.shares, key=lambda method: tables.shares[method])
    names = "spread of the NME over the pool (%)", "NME with the whole pool minus that with the least (points)"
    rows = tables.pool[(tables.pool["subset"] == subset) & tables.pool["method"].isin(shares)]
    swept = rows.groupby("labels", sort=False) if len(shares) > 1 else ()
    complete = [(labels, cell) for labels, cell in swept if len(cell) == len(shares)]
    if not complete:
        yield Bar(names[0], subset, "", nan, "<", POOL)
        yield Bar(names[1], subset, "", nan, "<=", 0.0)
    for labels, cell in complete:
        nme = cell.set_index("method")["nme"].reindex(shares)
        note = ", ".join(f"{100 * tables.shares[method]:g} %: {nme[method]:.2f}" for method in shares)
        spread = 100 * (nme.max() - nme.min()) / nme.iloc[-1]
        yield Bar(names[0], subset, str(labels), spread, "<", POOL, note)
        yield Bar(names[1], subset, str(labels), nme.iloc[-1] - nme.iloc[0], "<=", 0.0)


def _cost(tables: StudyTables) -> Bar:
    ratio = tables.cost.set_index("method")["ratio"].get(METHOD, nan)
    return Bar("wall time a step, as a multiple of that of supervised", "", "", ratio, "<=", COST)


def write_bars(
    benchmark: str,
    nme: str | Path,
    significance: str | Path,
    gap: str | Path,
    cost: str | Path,
    output: str | Path,
    *,
    pool: str | Path | None = None,
    shares: Mapping[str, float] | None = None,
) -> list[Path]:
    """Write every bar with what was measured.

    Args:
        benchmark: its name.
        nme, significance, gap, cost: the CSV tables of the study; of several normalisers the first counts.
        output: results/claims/{benchmark}_bars.csv, with BAR_COLUMNS; .md and .tex are written beside it.
        pool: the CSV table of the study that sweeps the share of the unlabelled frames. `nme` has all runs of a method,
            which may be of more seeds for one share than for another; a study has the same for all.
        shares: these shares, by method.

    Returns:
        The three paths.

    Raises:
        InputError: a table that cannot be read.
    """
    known = [_read_table(path) for path in (nme, significance, gap, cost)]
    unit = known[0]["normaliser"].iloc[0]
    swept = _read_table(pool) if pool else known[0].iloc[:0]
    nmes, pairs, gaps, pools = (table[table["normaliser"] == unit] for table in (*known[:3], swept))
    found = bars(StudyTables(nmes, pairs, gaps, known[3], pools, shares or {}))
    table = pd.DataFrame([asdict(bar) | dict(benchmark=benchmark, state=bar.state) for bar in found])
    heads = ("Bar", "Subset", "Labels")
    columns = [*(Column(head, is_text=True) for head in heads), Column("Measured"), Column("To reach")]
    columns += [Column("State", is_text=True), Column("Note", is_text=True)]
    rows = [
        [
            *[bar.bar, bar.subset, budget_share(bar.labels) if bar.labels else "", _shown(bar.measured)],
            *[f"{_SIGNS[bar.relation]} {bar.limit:g}", bar.state, bar.note],
        ]
        for bar in found
    ]
    note = f"Of TSAL, NME by {unit} distance, means over seeds; p-values of the bootstrap over people."
    block = Block(f"{benchmark}: what is to be reached", columns, rows, notes=[note])
    return [write_csv(table[BAR_COLUMNS], output), *write_blocks([block], *beside(output), Path(output).stem)]


def _shown(measured: float) -> str:
    return "" if isnan(measured) else f"{measured:.3g}".replace("-", MINUS)


def _read_table(path: str | Path) -> pd.DataFrame:
    expected = "expected the CSV of `tsal claim` or `tsal table`"
    try:
        table = pd.read_csv(path, dtype={"labels": str}, keep_default_na=False, na_values=[""])
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read as a table ({error}); {expected}") from error
    if table.empty:
        raise InputError(f"{path}: a header without rows; {expected}")
    return table

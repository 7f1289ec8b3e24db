"""The tables, from the scores of runs: each as CSV for programs, as Markdown and as LaTeX for people."""

from tsal.tables.categories import write_categories
from tsal.tables.cost import write_cost
from tsal.tables.floor import floor_notes, write_floor
from tsal.tables.gap import write_gap
from tsal.tables.nme import (
    NME_COLUMNS,
    cell_title,
    markdown,
    nme_table,
    readable,
    write_nme_of_runs,
    write_table,
)
from tsal.tables.notes import Notes, noted, parse_notes
from tsal.tables.published import PUBLISHED, read_published, write_published
from tsal.tables.scores import load_runs
from tsal.tables.significance import SIGNIFICANCE_COLUMNS, significance_table, write_significance
from tsal.tables.studies import write_budgets, write_study

__all__ = [
    "NME_COLUMNS",
    "PUBLISHED",
    "SIGNIFICANCE_COLUMNS",
    "Notes",
    "cell_title",
    "floor_notes",
    "load_runs",
    "markdown",
    "nme_table",
    "noted",
    "parse_notes",
    "read_published",
    "readable",
    "significance_table",
    "write_budgets",
    "write_categories",
    "write_cost",
    "write_floor",
    "write_gap",
    "write_nme_of_runs",
    "write_published",
    "write_significance",
    "write_study",
    "write_table",
]

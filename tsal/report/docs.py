"""The numbers in Markdown pages, filled in from kept runs and models: tables, and values within sentences.

A page has them between comments, which its readers do not see:

    <!-- table: NAME -->
    ...
    <!-- end -->
    an NME of <!-- value: METHOD BENCHMARK/SUBSET/FIGURE/LABELS -->4.91<!-- / -->

and a file of tables (YAML) says what the table NAME shows, see `Tables`.
"""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tsal.bounds.texts import read_yaml
from tsal.config.reference import configuration_table
from tsal.data.labels import budget_share
from tsal.errors import InputError
from tsal.files import atomic_path
from tsal.report.kept_figures import FIGURES, KeptFigures, Wanted
from tsal.tables.layout import Block, Cell, Column, Number, markdown_rows

_TABLE = re.compile(r"(<!-- table: (?P<name>[\w-]+) -->\n)(?P<content>.*?)(<!-- end -->)", re.DOTALL)
_VALUE = re.compile(r"(<!-- value: (?P<name>[^>]+?) -->)(?P<content>[^<]*)(<!-- / -->)")
CONFIGURATION = "configuration"
_KEYS = {"labels", "seeds", "rows", "columns", "reference", "pairs", "supervised", "head", "groups", "note", "bold"}
_ROW = {"method", "best", "name", "labels", "seeds", "reference", "only"}
_COLUMN = {"of", "head", "without"}
_RECORDED = {"recorded", "columns", "rows", "note"}


class Tables:
    """The tables of a file.

    The file is a mapping with `kept` (the folder of kept runs, beside it), `names` (of methods, and of places
    BENCHMARK/SUBSET) and `tables`. A table has

        rows: methods; or {method: ..., name: ..., labels: ..., seeds: ..., reference: ..., only: [BENCHMARK]}, method
            and reference one or {BENCHMARK: ...}; {best: [...], name: ...} is in each column the one of lowest NME
        columns: BENCHMARK/SUBSET/FIGURE[/LABELS], FIGURE one of `FIGURES`; or {of: ..., head: ..., without: CLIP}
        labels, seeds, reference: of all rows that name none
        pairs: true corrects p-values for every two rows, not for the comparisons of a column
        supervised: the method that gaps are measured from
        head: of the first column; note: a line below the table; bold: false to mark no best cells
        groups: a key a row: of neighbouring rows that share it the best is marked

    or, where it was measured by something else than runs, {recorded: COMMAND, columns: [...], rows: [[...], ...]}.
    The table CONFIGURATION is that of all keys of a configuration, and stands in no file.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        try:
            values = read_yaml(self.path, "YAML with kept, names and tables")
            self._tables: Mapping[str, Mapping[str, Any]] = values["tables"]
            self._names: Mapping[str, str] = values["names"]
            self._figures = KeptFigures(self.path.parent / values["kept"])
        except (KeyError, TypeError) as error:
            raise InputError(f"{path}: cannot be read ({error}); expected YAML with kept, names and tables") from error

    def table(self, name: str) -> str:
        """A table as Markdown.

        Raises:
            InputError: no such table, or one that cannot be made; names file and table.
        """
        if name == CONFIGURATION:
            return configuration_table()
        if name not in self._tables:
            raise InputError(f"{self.path}: no table '{name}'; expected one of {', '.join(self._tables)}")
        try:
            spec = self._tables[name]
            return markdown_rows(_recorded(spec) if "recorded" in spec else self._block(spec))
        except (InputError, KeyError, TypeError, ValueError) as error:
            raise InputError(f"{self.path}: table {name}: {error}") from error

    def value(self, name: str) -> str:
        """One number: METHOD BENCHMARK/SUBSET/FIGURE/LABELS, of the seeds 0 to 2, or of those in METHOD:0,1."""
        try:
            method, column = name.split()
            method, _, seeds = method.partition(":")
            benchmark, subset, figure, labels = column.split("/")
            numbers = tuple(map(int, seeds.split(","))) if seeds else (0, 1, 2)
            cell = self._figures.cell(Wanted(method, labels, numbers, benchmark, subset, figure))
        except (InputError, KeyError, ValueError) as error:
            raise InputError(f"{self.path}: value {name}: {error}") from error
        return cell.mean if isinstance(cell, Number) else cell

    def _block(self, spec: Mapping[str, Any]) -> Block:
        _check_keys(spec, _KEYS)
        rows, columns = _rows(spec), [self._column(entry) for entry in spec["columns"]]
        shown: list[list[Cell]] = [[row.name or self._name(row.method)] for row in rows]
        for _, place, labels in columns:
            benchmark = place["benchmark"]
            about = {"family": _family(rows, benchmark, spec.get("pairs", False))}
            about |= {"supervised": spec["supervised"]} if "supervised" in spec else {}
            for cells, row in zip(shown, rows, strict=True):
                method, reference = row.methods_on(benchmark)
                wanted = (method, row.labels or labels or str(spec["labels"]), row.seeds)
                cell = Wanted(*wanted, **place, reference=reference, **about) if row.is_on(benchmark) else None
                cells.append(self._figures.cell(cell) if cell else "")
        first = Column(spec.get("head", "method"), is_text=True)
        notes = [spec["note"]] if "note" in spec else []
        marked = spec.get("bold", True)
        heads = [first, *(column if marked else replace(column, best="") for column, _, _ in columns)]
        return Block("", heads, shown, spec.get("groups", ()), notes)

    def _column(self, entry: str | Mapping[str, Any]) -> tuple[Column, dict[str, str], str]:
        """A column, what its cells have in common, and its label budget, empty where it has none of its own."""
        entry = {"of": entry} if isinstance(entry, str) else entry
        _check_keys(entry, _COLUMN)
        benchmark, subset, figure, *labels = entry["of"].split("/")
        name, _, detail = figure.partition(":")
        if name not in FIGURES:
            raise InputError(f"no figure '{name}'; expected one of {', '.join(FIGURES)}")
        where = self._names.get(f"{benchmark}/{subset}", f"{benchmark} {subset}")
        parts = [where, FIGURES[name].head.format(detail), *map(budget_share, labels)]
        head = entry.get("head") or ", ".join(filter(None, parts))
        place = {"benchmark": benchmark, "subset": subset, "figure": figure, "without": entry.get("without", "")}
        return Column(head, FIGURES[name].best), place, "".join(labels)

    def _name(self, method: str) -> str:
        return self._names.get(method, f"`{method}`")


@dataclass(frozen=True)
class _Row:
    """A row of a table.

    Attributes:
        method: one, several of which the best is taken, or one a benchmark.
        reference: what it is compared with, also one a benchmark; empty: nothing.
        name: default that of the method.
        labels: empty where those of the column or of the table count.
        only: the benchmarks that it has cells of; empty: all.
    """

    method: str | tuple[str, ...] | Mapping[str, str]
    reference: str | Mapping[str, str]
    name: str
    labels: str
    seeds: tuple[int, ...]
    only: Sequence[str]

    def methods_on(self, benchmark: str) -> tuple[Any, str]:
        """Method and reference on a benchmark."""
        both = (self.method, self.reference)
        return tuple(value[benchmark] if isinstance(value, Mapping) else value for value in both)

    def is_on(self, benchmark: str) -> bool:
        """Whether it has cells of a benchmark."""
        return not self.only or benchmark in self.only


def _rows(spec: Mapping[str, Any]) -> list[_Row]:
    rows = []
    for entry in spec["rows"]:
        entry = entry if isinstance(entry, Mapping) else {"method": entry}
        _check_keys(entry, _ROW)
        method = tuple(entry["best"]) if "best" in entry else entry["method"]
        reference = entry.get("reference", spec.get("reference", ""))
        seeds, labels = tuple(entry.get("seeds", spec["seeds"])), str(entry.get("labels", ""))
        rows.append(_Row(method, reference, entry.get("name", ""), labels, seeds, entry.get("only", ())))
    return rows


def _family(rows: Sequence[_Row], benchmark: str, pairs: bool) -> tuple[tuple[str, str], ...]:
    """The comparisons of a column that p-values are corrected for: of each row, or of every two rows."""
    compared = [row.methods_on(benchmark) for row in rows if row.reference and row.is_on(benchmark)]
    family = [pair for pair in compared if pair[0] != pair[1]]
    if pairs:
        others = [method for method, _ in family]
        family += [(a, b) for place, a in enumerate(others) for b in others[:place]]
    return tuple(family)


def _recorded(spec: Mapping[str, Any]) -> Block:
    _check_keys(spec, _RECORDED)
    rows = [[str(cell) for cell in row] for row in spec["rows"]]
    heads = spec["columns"]
    if wrong := next((row for row in rows if len(row) != len(heads)), None):
        raise InputError(f"row '{wrong[0]}' has {len(wrong)} cells; expected {len(heads)}")
    columns = [Column(head, is_text=any(row[place][:1].isalpha() for row in rows)) for place, head in enumerate(heads)]
    return Block("", columns, rows, notes=[f"Measured by {spec['recorded']}.", *filter(None, [spec.get("note")])])


def _check_keys(spec: Mapping[str, Any], known: Collection[str]) -> None:
    if unknown := set(spec) - set(known):
        raise InputError(f"unknown key {min(unknown)}; expected some of {', '.join(sorted(known))}")


def fill(text: str, tables: Tables) -> tuple[str, list[str]]:
    """A page with its numbers as they are now.

    Returns:
        The text; and the tables and values that were other, such as "table main" or "value tsal ytf/full/nme/0.05".

    Raises:
        InputError: a table or value that cannot be made; or a comment without its end.
    """
    changed: list[str] = []

    def put(kind: str, make: Callable[[str], str]) -> Callable[[re.Match[str]], str]:
        def one(found: re.Match[str]) -> str:
            content = make(found["name"])
            if content != found["content"]:
                changed.append(f"{kind} {found['name']}")
            return found[1] + content + found[4]

        return one

    for kind, pattern in (("table", _TABLE), ("value", _VALUE)):
        opened, closed = text.count(f"<!-- {kind}: "), len(pattern.findall(text))
        if opened != closed:
            raise InputError(f"{opened - closed} of {opened} comments <!-- {kind}: ... --> are not closed")
    text = _TABLE.sub(put("table", tables.table), text)
    return _VALUE.sub(put("value", tables.value), text), changed


def fill_page(page: str | Path, tables: Tables) -> list[str]:
    """Bring the numbers of a page up to date.

    Args:
        page: a Markdown file; one that would not change is not touched.
        tables: what they are made of.

    Returns:
        What was other, as `fill`.

    Raises:
        InputError: names the page.
    """
    text = Path(page).read_text(encoding="utf-8")
    try:
        filled, changed = fill(text, tables)
    except InputError as error:
        raise InputError(f"{page}: {error}") from error
    if changed:
        with atomic_path(page) as temporary:
            temporary.write_text(filled, encoding="utf-8")
    return changed

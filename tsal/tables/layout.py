"""Tables for people: blocks of rows, written as Markdown and as LaTeX (package booktabs).

The same blocks make both, so that they cannot disagree. An unknown number is an empty cell.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from math import isnan, nan
from pathlib import Path

import pandas as pd

from tsal.files import atomic_path
from tsal.tables.notes import notes

MINUS = "\N{MINUS SIGN}"
_LATEX = {
    **{character: f"\\{character}" for character in "%&_#${}"},
    **{"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"},
    **{"<": "$<$", ">": "$>$", "±": r"$\pm$", MINUS: "$-$", "×": r"$\times$", "≤": r"$\leq$", "≥": r"$\geq$"},
    **{"\n": " ", "–": "--", "—": "---", "λ": r"$\lambda$", "μ": r"$\mu$", "†": r"$^\dagger$"},
}


@dataclass(frozen=True)
class Number:
    """A number in a table.

    Attributes:
        value: NaN is an empty cell.
        std: shown after ±; NaN for none.
        decimals: of both.
        signed: whether to show a plus.
        mark: of a note; a number with a mark is never the best of its column.
    """

    value: float
    std: float = nan
    decimals: int = 2
    signed: bool = False
    mark: str = ""

    @property
    def mean(self) -> str:
        """The value alone, for people."""
        if isnan(self.value):
            return ""
        return f"{self.value:{'+' if self.signed else ''}.{self.decimals}f}".replace("-", MINUS)

    @property
    def deviation(self) -> str:
        """The standard deviation alone, for people."""
        return "" if isnan(self.std) or isnan(self.value) else f"{self.std:.{self.decimals}f}"

    def __str__(self) -> str:
        return self.mean + (f" ± {self.deviation}" if self.deviation else "") + self.mark


Cell = str | Number


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes:
        head: its heading.
        best: "low" or "high" where its best number is set in bold.
        is_text: whether its cells are aligned to the left.
        span: a heading above those of neighbouring columns that share it.
    """

    head: str
    best: str = ""
    is_text: bool = False
    span: str = ""


@dataclass(frozen=True)
class Block:
    """One table.

    Attributes:
        title: its caption.
        columns: C.
        rows: of C cells each.
        groups: a key a row: of neighbouring rows that share it the best is set in bold, and a rule parts them from
            the others. Default: all rows are one group.
        notes: lines below.
    """

    title: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell]]
    groups: Sequence[str] = ()
    notes: Sequence[str] = ()

    def ranges(self) -> list[range]:
        """The rows of each group."""
        found, start = [], 0
        for _, members in groupby(self.groups or [""] * len(self.rows)):
            found.append(range(start, start := start + len(list(members))))
        return found

    def best(self) -> set[tuple[int, int]]:
        """The cells (row, column) that are the best of at least two; numbers that read the same share the place."""
        found = set()
        for place, column in enumerate(self.columns):
            for rows in self.ranges() if column.best else ():
                cells = {row: self.rows[row][place] for row in rows}
                numbers = {
                    row: round(cell.value, cell.decimals)
                    for row, cell in cells.items()
                    if isinstance(cell, Number) and not isnan(cell.value) and not cell.mark
                }
                if len(numbers) > 1:
                    best = (min if column.best == "low" else max)(numbers.values())
                    found |= {(row, place) for row, number in numbers.items() if number == best}
        return found


def write_blocks(blocks: Sequence[Block], markdown: str | Path, latex: str | Path, label: str) -> list[Path]:
    """Write the blocks in both forms, with the notes on what they show (tsal.tables.notes) below each.

    Args:
        markdown, latex: paths to write.
        label: of the LaTeX tables, without their number.

    Returns:
        The two paths.
    """
    blocks = [replace(block, notes=[*block.notes, *notes().lines]) for block in blocks]
    for path, text in ((markdown, to_markdown(blocks)), (latex, to_latex(blocks, label))):
        with atomic_path(path) as temporary:
            temporary.write_text(text, encoding="utf-8")
    return [Path(markdown), Path(latex)]


def write_csv(table: pd.DataFrame, path: str | Path) -> Path:
    """Write a table with four decimals; NaN is an empty cell."""
    with atomic_path(path) as temporary:
        table.to_csv(temporary, index=False, float_format="%.4f", lineterminator="\n")
    return Path(path)


def beside(output: str | Path) -> tuple[Path, Path]:
    """The .md and .tex paths beside a .csv."""
    return Path(output).with_suffix(".md"), Path(output).with_suffix(".tex")


def to_markdown(blocks: Sequence[Block]) -> str:
    """The blocks as Markdown tables under headings of the third level."""
    return "\n".join(_markdown(block) for block in blocks)


def _markdown(block: Block) -> str:
    return f"### {_cell(block.title)}\n\n{markdown_rows(block)}"


def markdown_rows(block: Block) -> str:
    """A block as a Markdown table without its title, the notes below."""
    best = block.best()
    heads = [f"{column.span}: {column.head}" if column.span else column.head for column in block.columns]
    lines = [f"| {' | '.join(map(_cell, heads))} |"]
    lines.append("|" + "|".join("---" if column.is_text else "---:" for column in block.columns) + "|")
    for number, row in enumerate(block.rows):
        shown = [_cell(str(cell)) for cell in row]
        shown = [f"**{text}**" if (number, place) in best else text for place, text in enumerate(shown)]
        lines.append(f"| {' | '.join(shown)} |")
    notes = [line for note in block.notes for line in ("", note)]
    return "\n".join([*lines, *notes, ""])


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def to_latex(blocks: Sequence[Block], label: str) -> str:
    """The blocks as tabular environments to be put into table environments, with caption and label as comments."""
    lines = ["% Needs \\usepackage{booktabs}."]
    for number, block in enumerate(blocks, 1):
        name = label if len(blocks) == 1 else f"{label}_{number}"
        lines += ["", *([r"\par\bigskip"] if number > 1 else [])]
        lines += [rf"% \caption{{{escape(block.title)}}}", rf"% \label{{tab:{name}}}"]
        lines += _tabular(block)
        lines += [rf"\par\smallskip{{\noindent\footnotesize {escape(note)}\par}}" for note in block.notes]
    return "\n".join([*lines, ""])


def _tabular(block: Block) -> Iterator[str]:
    """A number is a column of its mean, to the right, and one of what follows it, to the left: so points align."""
    places = range(len(block.columns))
    split = [
        any(isinstance(row[p], Number) and (row[p].deviation or row[p].mark) for row in block.rows) for p in places
    ]
    kinds = [
        "l" if column.is_text else "r@{}l" if two else "r" for column, two in zip(block.columns, split, strict=True)
    ]
    yield rf"\begin{{tabular}}{{@{{}}{''.join(kinds)}@{{}}}}"
    yield r"\toprule"
    if any(column.span for column in block.columns):
        yield from _spans(block.columns, split)
    yield _line(_head(column, two) for column, two in zip(block.columns, split, strict=True))
    yield r"\midrule"
    best = block.best()
    for group, rows in enumerate(block.ranges()):
        if group:
            yield r"\addlinespace"
        for row in rows:
            yield _line(_latex_cell(block.rows[row][p], split[p], (row, p) in best) for p in places)
    yield r"\bottomrule"
    yield r"\end{tabular}"


def _line(cells: Iterator[str]) -> str:
    return " & ".join(cells) + r" \\"


def _head(column: Column, two: bool) -> str:
    text = escape(column.head)
    return (
        rf"\multicolumn{{2}}{{c}}{{{text}}}"
        if two
        else text
        if column.is_text
        else rf"\multicolumn{{1}}{{c}}{{{text}}}"
    )


def _spans(columns: Sequence[Column], split: Sequence[bool]) -> Iterator[str]:
    cells, rules, start = [], [], 1
    for span, members in groupby(zip(columns, split, strict=True), key=lambda member: member[0].span):
        width = sum(1 + two for _, two in members)
        cells.append(rf"\multicolumn{{{width}}}{{c}}{{{escape(span)}}}" if span else "& " * (width - 1))
        if span:
            rules.append(rf"\cmidrule(lr){{{start}-{start + width - 1}}}")
        start += width
    yield _line(iter(cells))
    yield "".join(rules)


def _latex_cell(cell: Cell, two: bool, bold: bool) -> str:
    if isinstance(cell, str):
        text = escape(cell)
        return rf"\multicolumn{{2}}{{r}}{{{text}}}" if two else text
    mean = rf"\textbf{{{escape(cell.mean)}}}" if bold else escape(cell.mean)
    after = (rf"\,$\pm$\,{cell.deviation}" if cell.deviation else "") + escape(cell.mark)
    return f"{mean} & {after}" if two else mean


def escape(text: str) -> str:
    """Text that LaTeX prints as it stands."""
    return re.sub("|".join(map(re.escape, _LATEX)), lambda found: _LATEX[found[0]], text)

"""Cells, rules and letters of the tables for people; LaTeX that compiles."""

import re
import shutil
import subprocess
from math import nan

import pytest

from tsal.tables.layout import Block, Column, Number, escape, to_latex, to_markdown

HARD = "50% of a_b & c#d $5 {x} ~ ^ \\ ± − † λ <0.001\nand a second line"


def table(rows, groups=(), **column):
    columns = [Column("Method", is_text=True), *(Column("NME", "low", **column) for _ in rows[0][1:])]
    return Block("title", columns, rows, groups)


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        (Number(4.5), "4.50"),
        (Number(4.5, 0.049), "4.50 ± 0.05"),
        (Number(4.5, nan), "4.50"),
        (Number(nan, 0.1), ""),
        (Number(-0.126, signed=True), "−0.13"),
        (Number(0.126, signed=True), "+0.13"),
        (Number(43.75, decimals=1), "43.8"),
        (Number(4.36, mark="†"), "4.36†"),
    ],
)
def test_numbers_for_people(number, shown):
    assert str(number) == shown


def test_the_best_of_each_group_is_bold_and_what_reads_the_same_shares_the_place():
    block = table([["a", Number(4.004)], ["b", Number(3.996)], ["c", Number(5)], ["d", Number(6)]], "xxyy")
    assert block.best() == {(0, 1), (1, 1), (2, 1)}
    high = Block("", [Column("AUC", "high")], [[Number(1)], [Number(2)]])
    assert high.best() == {(1, 0)}


def test_a_lone_number_is_not_the_best_nor_is_a_flagged_or_unknown_one():
    assert table([["a", Number(4)]]).best() == set()
    assert table([["a", Number(4)], ["b", Number(nan)]]).best() == set()
    assert table([["a", Number(4)], ["b", Number(3, mark="†")], ["c", Number(5)]]).best() == {(0, 1)}


def test_markdown_keeps_its_columns_whatever_the_names():
    lines = to_markdown([table([["a | b", Number(nan)], ["c", Number(3)]], span="full")]).splitlines()
    assert lines[2:6] == ["| Method | full: NME |", "|---|---:|", r"| a \| b |  |", "| c | 3.00 |"]


def columns_of(tabular):
    """Number of columns that each line of a tabular fills, and that its head announces."""
    spec = re.search(r"\\begin\{tabular\}\{(.*)\}\n", tabular)[1].replace("@{}", "")
    lines = [line for line in tabular.splitlines() if line.endswith(r"\\")]
    widths = []
    for line in lines:
        cells = re.split(r"(?<!\\)&", line)
        spans = [int(width) for width in re.findall(r"\\multicolumn\{(\d+)\}", line)]
        widths.append(len(cells) + sum(spans) - len(spans))
    return len(spec), widths


def test_every_line_of_a_latex_table_fills_all_columns():
    columns = [
        *[Column("Method", is_text=True), Column("Seeds"), Column("NME", "low", span="A"), Column("p", span="A")],
        Column("NME", "low", span="B"),
    ]
    rows = [[HARD, "3", Number(4, 0.1), "<0.001", Number(3)], ["b", "", Number(nan), "", Number(5, mark="†")]]
    announced, filled = columns_of(to_latex([Block("t", columns, rows, ["x", "y"])], "toy"))
    # Means and deviations are columns of their own, where there is a deviation or a mark.
    assert announced == 7 and filled == [7, 7, 7, 7]


def test_numbers_of_latex_are_aligned_at_their_points():
    text = to_latex([table([["a", Number(4.5, 0.1)], ["b", Number(12.25)]])], "toy")
    assert r"\begin{tabular}{@{}lr@{}l@{}}" in text
    assert "a & \\textbf{4.50} & \\,$\\pm$\\,0.10 \\\\" in text
    assert "b & 12.25 &  \\\\" in text


def test_caption_and_label_are_comments_and_labels_are_unique():
    block = table([["a", Number(4)]])
    assert "% \\caption{title}\n% \\label{tab:toy}\n" in to_latex([block], "toy")
    assert re.findall(r"tab:\w+", to_latex([block, block], "toy")) == ["tab:toy_1", "tab:toy_2"]


def test_letters_that_latex_takes_for_commands_are_escaped():
    assert escape(r"50% a_b & c#d $5 {x} ~ ^ \ ±") == (
        r"50\% a\_b \& c\#d \$5 \{x\} \textasciitilde{} \textasciicircum{} \textbackslash{} $\pm$"
    )


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="needs pdflatex")
def test_latex_compiles(tmp_path):
    columns = [
        Column("Method", is_text=True),
        Column("NME (%)", "low", span="A & B"),
        Column("n_1", "high", span="A & B"),
    ]
    rows = [[HARD, Number(4.5, 0.1), Number(-1, signed=True)], ["b", Number(5, mark="†"), ""]]
    block = Block(HARD, columns, rows, ["x", "y"], [HARD])
    (tmp_path / "table.tex").write_text(to_latex([block, block], "toy"), encoding="utf-8")
    body = r"\begin{document}\begin{table}\input{table}\end{table}\end{document}"
    (tmp_path / "page.tex").write_text(rf"\documentclass{{article}}\usepackage{{booktabs}}{body}")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "page.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:]

"""The report: one HTML page that holds tables, figures and configuration, and needs no other file."""

import base64
import os
import platform
from collections.abc import Mapping, Sequence
from functools import partial
from html import escape
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from string import Template

import pandas as pd

import tsal
from tsal.bounds import YAML_BYTES, reading
from tsal.bounds.texts import read_text
from tsal.config.targets import method_name
from tsal.data.labels import budget_name, budget_share
from tsal.errors import InputError
from tsal.files import atomic_path
from tsal.tables import NME_COLUMNS, SIGNIFICANCE_COLUMNS, Notes, cell_title, floor_notes, readable
from tsal.tables.significance import LEVEL

_PACKAGES = (
    "torch",
    "torchvision",
    "numpy",
    "pandas",
    "opencv-python-headless",
    "opencv-python",
    "matplotlib",
)

_TABLE_AGAIN = "Make it anew with `tsal table`"
_TEXTS = ("benchmark", "subset", "normaliser", "method", "reference", "labels")  # columns

_CAPTIONS = {
    "faces": (
        "Training faces, evenly drawn: every second one with its landmarks (filled: visible; rings: hidden), then "
        "clips, frame by frame."
    ),
    "ced": (
        "Cumulative error curves of the test faces: the share of faces whose NME is at most the value on "
        "the horizontal axis. The area under the curve up to 8 % (AUC@8) is in the legend, as mean and "
        "standard deviation over seeds."
    ),
    "training": (
        "NME on the validation people over training. Strong lines: the network that is evaluated (the "
        "teacher, or the better of raw and averaged weights); thin lines: the others."
    ),
    "signals": (
        "Noise of the supervision: error of each signal that the student learns from, of the fused target "
        "and of the teacher, against the held-back ground truth of a fixed set of unlabelled training frames."
    ),
    "overlay": (
        "Test faces at percentiles of the NME (averaged over the methods), and the worst ones of each "
        "method. Black: ground truth; colour: prediction, tied to the true position; number: NME in "
        "percent. Of several seeds the first is shown."
    ),
}
_BANDS = " Lines are means over seeds, bands their range."

_PAGE = Template("""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$title</title>
<style>
body { margin: 0 auto; padding: 2rem 1.25rem 4rem; max-width: 62rem; color: #222; background: #fff;
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
h1 { font-size: 1.7rem; line-height: 1.25; margin: 0 0 .4rem; }
h2 { font-size: 1.3rem; margin: 3rem 0 .8rem; padding-bottom: .25rem; border-bottom: 1px solid #ddd; }
h3 { font-size: 1.05rem; margin: 2rem 0 .5rem; }
p { max-width: 46rem; }
a { color: #0072b2; text-underline-offset: .15em; }
nav a { margin-right: 1.1rem; }
.scroll { overflow-x: auto; margin: 1rem 0 1.6rem; }
table { border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums; }
caption { text-align: left; padding-bottom: .5rem; color: #444; }
th { font-weight: 600; text-align: left; border-top: 1.5px solid #222; border-bottom: 1px solid #222; }
th, td { padding: .32rem .9rem .32rem 0; white-space: nowrap; vertical-align: baseline; }
th.number, td.number { text-align: right; }
tbody tr:last-child td { border-bottom: 1.5px solid #222; }
tbody tr.rule td { border-top: 1px solid #ccc; }
figure { margin: 1.5rem 0 2.2rem; }
figure img { display: block; max-width: 100%; height: auto; }
figcaption { max-width: 46rem; margin-top: .5rem; font-size: .9rem; color: #444; }
pre { overflow-x: auto; padding: .8rem 1rem; background: #f6f6f6; font-size: .82rem; line-height: 1.45; }
summary { cursor: pointer; }
@media print { body { max-width: none; padding: 0; } figure, .scroll { break-inside: avoid; } }
</style>
</head>
<body>
<h1>$title</h1>
<p>$summary</p>
<nav>$links</nav>
$sections
</body>
</html>
""")


def write_report(output: str | Path, inputs: Sequence[str | Path], notes: Mapping[str, Notes] | None = None) -> None:
    """Write the page. It is the same for the same inputs and environment: it carries no date.

    Args:
        output: the .html path; links are relative to its folder.
        inputs: in any order: tables {benchmark}_nme.csv and {benchmark}_significance.csv, {benchmark}_floor.csv for
            a note below errors, figures {benchmark}_{kind}.png (with a .pdf beside each to link to), and .yaml files
            of the configuration.
        notes: on the numbers of benchmarks, which the tables and figures were made with: said of each once more.

    Raises:
        InputError: an input that is missing or none of these, or a table with other columns.
    """
    output = Path(output)
    tables, floors, figures, settings = _sort_inputs(inputs)
    benchmarks = list(dict.fromkeys(_benchmark(path) for path in (*tables, *figures)))
    sections, links = [], []
    for benchmark in benchmarks:
        floor, said = floors.get(benchmark), (notes or {}).get(benchmark, Notes()).lines
        own = [path for path in tables if _benchmark(path) == benchmark]
        parts = [*(f"<p>{escape(line)}</p>" for line in said), _in_short(own)]
        parts += [_table(path, output, floor, said) for path in own]
        parts += [_figure(path, output, said) for path in figures if _benchmark(path) == benchmark]
        sections.append(_section(benchmark, benchmark, parts))
        links.append((benchmark, benchmark))
    if settings:
        sections.append(_section("configuration", "Configuration", [_settings(path) for path in settings]))
        links.append(("configuration", "Configuration"))
    sections.append(_section("environment", "Environment", [_environment()]))
    links.append(("environment", "Environment"))
    summary = (
        "Teacher-student asynchronous learning for facial landmark detection "
        '(<a href="https://arxiv.org/abs/2012.06711">arXiv 2012.06711</a>), trained and scored by the '
        "workflow of this project. NME: mean distance between predicted and true landmarks, divided by the "
        "normalising distance."
    )
    page = _PAGE.substitute(
        title="TSAL: facial landmarks in video",
        summary=summary,
        links="\n".join(f'<a href="#{escape(anchor)}">{escape(name)}</a>' for anchor, name in links),
        sections="\n".join(sections),
    )
    with atomic_path(output) as temporary:
        temporary.write_text(page, encoding="utf-8")


def _sort_inputs(inputs: Sequence[str | Path]) -> tuple[list[Path], dict[str, Path], list[Path], list[Path]]:
    """Tables, floors by benchmark, figures (in the order of _CAPTIONS), settings; refuses what is missing or else."""
    kinds: dict[str, list[Path]] = {".csv": [], ".png": [], ".yaml": []}
    for path in map(Path, inputs):
        if not path.is_file():
            raise InputError(f"{path}: no such file; make it first, or leave it out of the report")
        if path.suffix not in kinds:
            raise InputError(f"{path}: a report is made of .csv tables, .png figures and .yaml files")
        kinds[path.suffix].append(path)
    order = list(_CAPTIONS)
    figures = sorted(kinds[".png"], key=lambda path: order.index(_kind(path)) if _kind(path) in order else len(order))
    floors = {_benchmark(path): path for path in kinds[".csv"] if _kind(path) == "floor"}
    tables = [path for path in kinds[".csv"] if _kind(path) != "floor"]
    return sorted(tables, key=lambda path: _kind(path) != "nme"), floors, figures, kinds[".yaml"]


def _benchmark(path: Path) -> str:
    return path.stem.rpartition("_")[0] or path.stem


def _kind(path: Path) -> str:
    return path.stem.rpartition("_")[2]


def _section(anchor: str, name: str, parts: Sequence[str]) -> str:
    body = "\n".join(parts)
    return f'<section id="{escape(anchor)}">\n<h2>{escape(name)}</h2>\n{body}\n</section>'


def _in_short(paths: Sequence[Path]) -> str:
    """What a benchmark's tables say, in a sentence a label budget: of the first subset and normaliser."""
    tables = {_kind(path): _read_table(path) for path in paths}
    nme, compared = tables.get("nme", pd.DataFrame()), tables.get("significance", pd.DataFrame())
    if list(nme.columns) != NME_COLUMNS or nme.empty:
        return ""
    first = nme.iloc[0]
    cell = nme[(nme["subset"] == first["subset"]) & (nme["normaliser"] == first["normaliser"]) & nme["nme"].notna()]
    lines = [_sentence(rows, compared) for _, rows in cell.groupby("labels", sort=False)]
    what = f"In short, on {first['subset']}, by {first['normaliser']} distance:"
    items = "\n".join(f"<li>{line}</li>" for line in lines)
    return f"<p>{escape(what)}</p>\n<ul>\n{items}\n</ul>" if lines else ""


def _sentence(rows: pd.DataFrame, compared: pd.DataFrame) -> str:
    """Which method has the lowest error of a label budget, and whether that is sure."""
    ordered = rows.sort_values("nme", kind="stable")
    best, budget = ordered.iloc[0], budget_name(ordered.iloc[0]["labels"])
    said = ", ".join(f"{escape(method_name(row.method))} {row.nme:.2f} %" for row in ordered.itertuples())
    said = f"{escape(budget[0].upper() + budget[1:])}: <b>{said.replace(', ', '</b>, ', 1)}"
    if len(ordered) == 1:
        return f"{said}</b>."
    if list(compared.columns) != SIGNIFICANCE_COLUMNS:
        return f"{said}."
    pair, where = {best["method"], ordered.iloc[1]["method"]}, ["subset", "normaliser", "labels"]
    for row in compared[(compared[where] == best[where]).all(axis=1)].itertuples():
        if {row.method, row.reference} == pair:
            p = _p_value(row.p_value_people)
            verdict = "more than chance" if row.p_value_people < LEVEL else "which may be chance"
            p = p if p.startswith("&lt;") else f"= {p}"
            return f"{said}. The first leads the second by {abs(row.difference):.2f}, {verdict} (p {p}, over people)."
    return f"{said}."


def _read_table(path: Path) -> pd.DataFrame:
    with reading(path, "a table", _TABLE_AGAIN):
        table = pd.read_csv(path, dtype=dict.fromkeys(_TEXTS, str), compression=None)
    if list(table.columns) in (NME_COLUMNS, SIGNIFICANCE_COLUMNS):
        with reading(path, "a table of numbers", _TABLE_AGAIN):
            numbers = [name for name in table.columns if name not in _TEXTS]
            table[numbers] = table[numbers].apply(pd.to_numeric)
    return table


def _table(path: Path, output: Path, floor: Path | None, said: Sequence[str]) -> str:
    table = _read_table(path)
    source = " ".join([*map(escape, said), _link(path, output, path.name)])
    rendering = {tuple(NME_COLUMNS): partial(_nme_html, floor=floor), tuple(SIGNIFICANCE_COLUMNS): _significance_html}
    if render := rendering.get(tuple(table.columns)):
        with reading(path, "a table of numbers", _TABLE_AGAIN):
            return "\n".join(render(cell, source) for _, cell in table.groupby(["subset", "normaliser"], sort=False))
    raise InputError(f"{path}: columns {', '.join(table.columns[:5])}, ...; expected an NME or a significance table")


def _nme_html(cell: pd.DataFrame, source: str, floor: Path | None) -> str:
    heads, rows, best = readable(cell)
    place = heads.index("NME (%)")
    for row, bold in zip(rows, best, strict=True):
        row[:] = [
            f"<strong>{escape(value)}</strong>" if bold and i == place else escape(value) for i, value in enumerate(row)
        ]
    first = cell.iloc[0]
    notes = ["Means ± standard deviation over seeds; bold: lowest NME of a label budget."]
    notes += floor_notes(first["benchmark"], first["normaliser"], floor)
    caption = f"{escape(cell_title(cell))}. {escape(' '.join(notes))} {source}"
    return _html_table(heads, rows, caption, n_text=2, starts=_starts(cell["labels"]))


def _significance_html(cell: pd.DataFrame, source: str) -> str:
    """The rows of a significance table that share subset and normaliser."""
    heads = ["Methods", "Labels", "Difference", "95 %, faces", "p, faces", "95 %, people", "p, people"]
    rows = []
    for row in cell.itertuples():
        methods = f"{method_name(row.method)} − {method_name(row.reference)}"
        rows.append([escape(methods), budget_share(row.labels), _signed(row.difference)])
        rows[-1] += [f"{_signed(row.low)} to {_signed(row.high)}", _p_value(row.p_value)]
        rows[-1] += [f"{_signed(row.low_people)} to {_signed(row.high_people)}", _p_value(row.p_value_people)]
    first = cell.iloc[0]
    what = f"{first['benchmark']}, {first['subset']}: difference in NME by {first['normaliser']} distance"
    caption = (
        f"{escape(what)} in percentage points (negative: the first method is better), with the 95 % interval "
        f"and p-value of the paired bootstrap: 10,000 draws of the {first['n_faces']:.0f} faces, or of the "
        f"{first['n_people']:.0f} people with all their faces. Faces are averaged over the seeds that both have; "
        f"the p-values are not corrected for the number of comparisons. {source}"
    )
    return _html_table(heads, rows, caption, n_text=2, starts=_starts(cell["labels"]))


def _signed(value: float) -> str:
    return f"{value:+.2f}".replace("-", "−")


def _p_value(p: float) -> str:
    return "&lt; 0.001" if p < 0.001 else f"{p:.3f}"


def _starts(labels: pd.Series) -> list[bool]:
    """Whether a row begins a new label budget, other than the first."""
    return [i > 0 and labels.iloc[i] != labels.iloc[i - 1] for i in range(len(labels))]


def _html_table(
    heads: Sequence[str], rows: Sequence[Sequence[str]], caption: str, *, n_text: int, starts: Sequence[bool]
) -> str:
    """A table of cells that are HTML already; the columns after the first n_text are aligned as numbers."""

    def cells(tag: str, values: Sequence[str]) -> str:
        kinds = ["" if i < n_text else ' class="number"' for i in range(len(values))]
        return "".join(f"<{tag}{kind}>{value}</{tag}>" for kind, value in zip(kinds, values, strict=True))

    lines = [
        f"<caption>{caption}</caption>",
        f"<thead><tr>{cells('th', [escape(h) for h in heads])}</tr></thead>",
    ]
    opening = ['<tr class="rule">' if start else "<tr>" for start in starts]
    body = "\n".join(f"{tag}{cells('td', row)}</tr>" for tag, row in zip(opening, rows, strict=True))
    return "\n".join(['<div class="scroll"><table>', *lines, f"<tbody>\n{body}\n</tbody>", "</table></div>"])


def _figure(path: Path, output: Path, said: Sequence[str]) -> str:
    kind = _kind(path)
    caption = _CAPTIONS.get(kind, path.stem.replace("_", " "))
    if kind in ("ced", "training", "signals"):
        caption += _BANDS
    caption = " ".join([caption, *said])
    data = path.read_bytes()
    encoded = base64.b64encode(data).decode()
    # 200 px to an inch of paper are many for a screen: two thirds make text as large as the page's.
    width = int.from_bytes(data[16:20], "big") * 2 // 3
    pdf = path.with_suffix(".pdf")
    link = f" {_link(pdf, output, 'PDF')}" if pdf.is_file() else ""
    return (
        f'<figure><img src="data:image/png;base64,{encoded}" style="width: {width}px" '
        f'alt="{escape(_benchmark(path))}: {escape(caption)}">\n'
        f"<figcaption>{escape(caption)}{link}</figcaption></figure>"
    )


def _link(path: Path, output: Path, name: str) -> str:
    target = Path(os.path.relpath(path, output.parent)).as_posix()
    return f'<a href="{escape(target)}">{escape(name)}</a>'


def _settings(path: Path) -> str:
    text = escape(read_text(path, YAML_BYTES, "a configuration in YAML").strip())
    return f"<details><summary>{escape(path.as_posix())}</summary>\n<pre>{text}</pre></details>"


def _environment() -> str:
    """Versions of what made the numbers; the packages are looked up, not imported."""
    rows = [["tsal", tsal.__version__], ["Python", platform.python_version()]]
    for package in _PACKAGES:
        try:
            rows.append([package, version(package)])
        except PackageNotFoundError:
            continue
    rows.append(["System", f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores"])
    cells = [[escape(value) for value in row] for row in rows]
    return _html_table(["What", "Version"], cells, "", n_text=2, starts=[False] * len(cells))

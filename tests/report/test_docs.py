"""The numbers of the docs: made of the kept runs, and nowhere else; the keys of a configuration: of the models."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from run_files import scores_table
from torch.utils.flop_counter import FlopCounterMode

from tsal import cli
from tsal.config.reference import configuration_table
from tsal.detectors.predict import create_network
from tsal.errors import InputError
from tsal.evaluation.kept import KeptRun, write_kept
from tsal.report.docs import Tables, fill, fill_page
from tsal.settings.models import DetectorSettings
from tsal.tables.significance import compare_pairs, holm

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
FACES, PEOPLE = 24, 8
LOG = "iteration,seconds,val_nme_raw,val_nme_averaged\n0,0,9,9.5\n10,{seconds},{raw},4.5\n"


def kept_run(method, labels, seed, shift, seconds=10):
    """A run whose faces err by 4 to 12 %, and all by `shift` more, each person a little differently."""
    errors = (np.linspace(4, 12, FACES) + shift + 0.1 * shift * (np.arange(FACES) % PEOPLE)).round(6)
    scores = scores_table(errors, jitter=1.5).assign(person=[f"p{i % PEOPLE}" for i in range(FACES)])
    settings = {"algorithm": method, "training": {"warmup_steps": 5, "steps": 10}}
    return KeptRun(method, labels, seed, 7, settings, LOG.format(seconds=seconds, raw=5 + shift), scores)


@pytest.fixture
def tables(tmp_path):
    """What makes the file of tables from its content; beside it kept runs of toy: `a` is best, then `b`."""
    shifts = {"supervised": 1.0, "a": 0.0, "b": 0.2}
    runs = [kept_run(method, "0.1", s, shift + 0.1 * s) for method, shift in shifts.items() for s in (0, 1)]
    runs += [kept_run("supervised", "1", s, -1 + 0.1 * s) for s in (0, 1)]
    runs[2] = kept_run("a", "0.1", 0, 0.0, seconds=25)
    runs[3] = kept_run("a", "0.1", 1, 0.1, seconds=25)
    write_kept(tmp_path / "runs/toy.parquet", runs, {"benchmark": "toy"})

    def make(**content):
        path = tmp_path / "tables.yaml"
        spec = {"labels": 0.1, "seeds": [0, 1], "rows": ["supervised", "a", "b"], "columns": ["toy/full/nme"]} | content
        names = {"a": "method A", "toy/full": "toy"}
        path.write_text(yaml.safe_dump({"kept": "runs", "names": names, "tables": {"main": spec}}))
        return Tables(path)

    return make


def rows(table):
    """The cells of a Markdown table, by the first of each row."""
    lines = [line.strip("|").split("|") for line in table.splitlines() if line.startswith("|")]
    return {cells[0].strip(): [cell.strip() for cell in cells[1:]] for cells in lines}


@pytest.fixture(scope="module")
def of_docs():
    """The tables of the docs; their figures are worked out once for all pages."""
    return Tables(ROOT / "docs/results/tables.yaml")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_numbers_of_a_page_are_those_of_the_kept_runs(of_docs, page):
    _, changed = fill(page.read_text(), of_docs)
    assert not changed, f"{page.name} differs from the kept runs in {', '.join(changed)}; run `make docs`"


@pytest.mark.parametrize("name", ["results.md", "results_appendix.md"])
def test_a_page_of_results_has_no_table_that_is_written_by_hand(name):
    page = (ROOT / "docs" / name).read_text()
    by_hand = re.sub(r"<!-- table: .*?<!-- end -->", "", page, flags=re.DOTALL)
    assert not re.findall(r"^\|.*", by_hand, re.MULTILINE)


def test_no_table_is_made_for_nobody():
    used = {name for page in PAGES for name in re.findall(r"<!-- table: ([\w-]+) -->", page.read_text())}
    assert used == {"configuration", *yaml.safe_load((ROOT / "docs/results/tables.yaml").read_text())["tables"]}


def test_the_results_are_few_files_and_their_findings_short():
    assert sum(path.is_file() for path in (ROOT / "docs/results").rglob("*")) <= 20
    assert len((ROOT / "docs/results.md").read_text().splitlines()) <= 150


def test_a_number_that_was_changed_by_hand_is_found_and_put_right(tables, tmp_path, capsys):
    page = tmp_path / "page.md"
    page.write_text("# T\n<!-- table: main -->\n<!-- end -->\nof <!-- value: a:0,1 toy/full/nme/0.1 -->?<!-- / --> %\n")
    made = tables()
    assert fill_page(page, made) == ["table main", "value a:0,1 toy/full/nme/0.1"]
    right = page.read_text()
    assert "of <!-- value: a:0,1 toy/full/nme/0.1 -->8.07<!-- / --> %" in right
    page.write_text(right.replace("8.07 ±", "7.07 ±"))
    arguments = ["docs", str(page), "--tables", str(tmp_path / "tables.yaml")]
    assert cli.main(arguments) == 0
    assert capsys.readouterr().out == f"{page}: table main\n"
    assert page.read_text() == right
    assert cli.main(arguments) == 0
    assert capsys.readouterr().out == ""


def test_figures_are_what_they_are_called(tables):
    columns = ["nme", "fr08", "jitter", "validation", "validation:0", "labelled", "cost", "time"]
    table = rows(tables(columns=[f"toy/full/{figure}" for figure in columns]).table("main"))
    errors = [np.linspace(4, 12, FACES) + s + 0.1 * s * (np.arange(FACES) % PEOPLE) for s in (0.0, 0.1)]
    means = [e.mean() for e in errors]
    failures = np.mean([100 * np.mean(e > 8) for e in errors])
    # The better of raw and averaged weights: 4.5 at the end, 9 at the start; 25 s where `supervised` takes 10.
    nme, cost = f"**{np.mean(means):.2f} ± {np.std(means, ddof=1):.2f}**", (5 + 10 * 2.5) / (5 + 10)
    assert table["method A"] == [
        nme,
        f"**{failures:.1f}**",
        "**1.50**",
        "**4.50**",
        "**9.00**",
        "7",
        "2.5",
        f"{cost:.1f}",
    ]
    assert list(table) == ["method", "---", "`supervised`".strip(), "method A", "`b`"]


def test_tflop_is_what_pytorch_counts_for_the_images_of_all_steps(of_docs):
    settings = of_docs._figures.of_benchmark("ytf")["supervised/0.01/seed0"].settings
    network = create_network(DetectorSettings(**settings["detector"] | {"weights": "none"}), 68, "float32").eval()
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        network(torch.zeros(1, 3, 96, 96))
    training = settings["training"]
    images = (training["warmup_steps"] + training["steps"]) * training["batch"]
    expected = 3 * counter.get_total_flops() * images / 1e12  # backward costs twice what forward does
    assert float(of_docs.value("supervised:0 ytf/full/tflop/0.01")) == pytest.approx(expected, abs=0.06)


def test_the_gap_is_the_share_of_the_way_to_all_labels(tables):
    table = rows(tables(columns=["toy/full/gap"]).table("main"))
    assert table["method A"][0].startswith("50 % (") and table["`supervised`"] == [""]  # from +1 to 0, of +1 to -1


def test_differences_are_corrected_for_all_comparisons_of_their_column(tables):
    made = tables(reference="a", columns=["toy/full/difference"], pairs=False)
    shifts = {"supervised": 1.05, "a": 0.05, "b": 0.25}  # means of two seeds
    means = {m: np.linspace(4, 12, FACES) + s + 0.1 * s * (np.arange(FACES) % PEOPLE) for m, s in shifts.items()}
    compared = compare_pairs(means, [("supervised", "a"), ("b", "a")], [f"p{i % PEOPLE}" for i in range(FACES)])
    p_value = holm([one.p_value for one in compared])[1]
    assert rows(made.table("main"))["`b`"] == [f"+{compared[1].difference:.2f} (p {p_value:.2g})"]
    among_pairs = tables(reference="a", columns=["toy/full/difference"], pairs=True)
    three = rows(among_pairs.table("main"))["`b`"][0]
    assert float(re.search(r"p ([\d.]+)", three)[1]) == pytest.approx(3 * compared[1].p_value, rel=0.1)


def test_the_best_of_several_methods_is_chosen_in_each_column(tables):
    made = tables(rows=[{"best": ["supervised", "b"], "name": "others"}], columns=["toy/full/nme", "toy/full/nme/1"])
    with pytest.raises(InputError, match=r"tables\.yaml: table main: .*toy\.parquet: keeps no run b/1/seed0"):
        made.table("main")
    made = tables(rows=[{"best": ["supervised", "b"], "name": "others"}])
    assert rows(made.table("main"))["others"] == rows(tables(rows=["b"]).table("main"))["`b`"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"columns": ["toy/full/nm"]}, "table main: no figure 'nm'; expected one of nme, fr08"),
        (
            {"columns": ["toy/video/nme"]},
            "table main: supervised/0.1/seed0: no faces of subset 'video'; expected one of full",
        ),
        ({"colums": []}, "table main: unknown key colums; expected some of bold, columns"),
        ({"rows": [{"method": "a", "note (x)": None}]}, r"table main: unknown key note \(x\); expected some of best"),
        ({"columns": ["toy/full/difference"]}, "table main: figure 'difference': the table names no `reference`"),
    ],
)
def test_a_table_that_cannot_be_made_says_why(tables, content, message):
    with pytest.raises(InputError, match=r"tables\.yaml: " + message):
        tables(**content).table("main")


def test_pages_that_name_no_table_or_leave_one_open_are_named(tables, tmp_path):
    page = tmp_path / "page.md"
    page.write_text("<!-- table: none -->\n<!-- end -->\n")
    with pytest.raises(InputError, match=r"page\.md: .*tables\.yaml: no table 'none'; expected one of main"):
        fill_page(page, tables())
    page.write_text("<!-- table: main -->\n| a |\n")
    with pytest.raises(InputError, match=r"page\.md: 1 of 1 comments <!-- table: \.\.\. --> are not closed"):
        fill_page(page, tables())


# --- docs/configuration.md ---


def test_the_tables_are_those_of_the_models():
    text = (ROOT / "docs/configuration.md").read_text()
    _, _, rest = text.partition("<!-- table: configuration -->\n")
    assert rest.partition("<!-- end -->")[0] == configuration_table()


@pytest.mark.parametrize(
    "row",
    [
        "| `training.batch` | a whole number of at least 1 | `16` | labelled faces a step |",
        "| `unlabelled.pool` | the name of a benchmark or null | `null` | benchmark whose training frames are",
        "| `benchmarks.synth.people` | a whole number from 10 to 99999 | `200` |",
        '| `methods.tsal.fusion` | confidence or a number from 0 to 1 | `"confidence"` |',
        "| `methods.NAME.base` | a word |  | of a variant",
    ],
)
def test_a_row_has_key_values_default_and_meaning(row):
    assert row in configuration_table()

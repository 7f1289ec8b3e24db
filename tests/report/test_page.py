"""The report: one page that stands alone and says what the tables say."""

import base64
import re
from html.parser import HTMLParser

import cv2
import numpy as np
import pandas as pd
import pytest
from run_files import scores_table, write_run_scores

from tsal.errors import InputError
from tsal.report.page import write_report
from tsal.tables import Notes, load_runs, nme_table, significance_table, write_floor

VOID = {"meta", "img", "br", "link", "input"}


class Page(HTMLParser):
    """Cells of each table, images, links and text of a page whose tags must be balanced."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tables, self.images, self.links, self.text = [], [], [], [], ""
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        if tag not in VOID:
            self.open.append(tag)
        if tag == "table":
            self.tables.append([])
        if tag == "tr":
            self.tables[-1].append([])
        if tag in ("th", "td"):
            self.tables[-1][-1].append("")
        if tag == "img":
            self.images.append(attributes)
        if tag == "a":
            self.links.append(attributes["href"])

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data
        if self.open and {"th", "td"} & set(self.open):
            self.tables[-1][-1][-1] += data


@pytest.fixture
def inputs(tmp_path):
    """Tables and figures of two benchmarks, and a configuration."""
    rng = np.random.default_rng(1)
    paths = [
        write_run_scores(tmp_path, method, labels, seed, scores_table(rng.uniform(2, 9, 30)))
        for method in ("supervised", "tsal")
        for labels in ("0.05", "1")
        for seed in (0, 1)
    ]
    runs = load_runs("toy", paths)
    people = {f"f{i}": str(i // 5) for i in range(30)}
    made = []
    for benchmark in ("toy", "other_set"):
        nme, significance = (
            tmp_path / f"{benchmark}_nme.csv",
            tmp_path / f"tables/{benchmark}_significance.csv",
        )
        significance.parent.mkdir(exist_ok=True)
        nme_table(benchmark, runs, {"0.05": 3, "1": 60}).to_csv(nme, index=False)
        significance_table(benchmark, runs, people).to_csv(significance, index=False)
        figures = [tmp_path / "figures" / f"{benchmark}_{kind}.png" for kind in ("overlay", "ced")]
        figures[0].parent.mkdir(exist_ok=True)
        for figure in figures:
            cv2.imwrite(str(figure), rng.integers(0, 255, (30, 660, 3), np.uint8))
            figure.with_suffix(".pdf").write_bytes(b"%PDF")
        made += [significance, *figures, nme]
    (tmp_path / "config.yaml").write_text("seeds: [0, 1]\nnote: <b>&amp;\n")
    return [*made, tmp_path / "config.yaml"]


def report(inputs, tmp_path):
    write_report(tmp_path / "report.html", inputs)
    return Page((tmp_path / "report.html").read_text(encoding="utf-8"))


def test_the_page_needs_no_other_file(inputs, tmp_path):
    page = report(inputs, tmp_path)
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert not re.search(r"<(script|link|iframe)\b|@import|url\(|src=\"(?!data:)", text)
    embedded = [base64.b64decode(image["src"].removeprefix("data:image/png;base64,")) for image in page.images]
    figures = sorted(path.read_bytes() for path in inputs if path.suffix == ".png")
    assert sorted(embedded) == figures
    assert all(len(image["alt"]) > 40 for image in page.images)


def test_links_lead_to_files_beside_the_page(inputs, tmp_path):
    page = report(inputs, tmp_path)
    files = [link for link in page.links if not link.startswith(("#", "https://arxiv.org/"))]
    assert files and all((tmp_path / link).is_file() for link in files)
    assert "figures/toy_ced.pdf" in files and "toy_nme.csv" in files
    anchors = [link[1:] for link in page.links if link.startswith("#")]
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert anchors[:2] == ["toy", "other_set"] and all(f'id="{anchor}"' in text for anchor in anchors)


def test_tables_show_the_numbers_of_the_csv_files(inputs, tmp_path):
    page = report(inputs, tmp_path)
    nme, significance = page.tables[:2]
    assert nme[0][:2] == ["Method", "Labels"]
    table = pd.read_csv(tmp_path / "toy_nme.csv", dtype={"labels": str})
    shown = [[row[0], row[1], row[2], row[4]] for row in nme[1:]]
    assert shown == [
        [
            {"tsal": "TSAL", "supervised": "Labels only"}[row.method],
            f"{100 * float(row.labels):g} %",
            str(row.n_labelled),
            f"{row.nme:.2f} ± {row.nme_std:.2f}",
        ]
        for row in table.itertuples()
    ]
    first = pd.read_csv(tmp_path / "tables/toy_significance.csv").iloc[0]
    assert significance[1][0] == "TSAL − Labels only"
    assert significance[1][2].replace("−", "-") == f"{first['difference']:+.2f}"
    assert significance[1][3].replace("−", "-") == f"{first['low']:+.2f} to {first['high']:+.2f}"
    assert "30 faces" in page.text and "6 people" in page.text


def test_errors_are_shown_with_the_noise_of_the_labels_where_it_is_known(inputs, tmp_path):
    noise = dict(landmarks="all", n_pairs=40, n_people=9, difference=4.6, floor=2.74, low=2.59, high=2.87)
    made = write_floor("toy", "inter-ocular", pd.DataFrame([noise]), tmp_path / "tables/toy_floor.csv")
    page = report([made[0], *inputs], tmp_path)
    assert page.text.count("Their own noise is 2.74 % (95 % interval over people 2.59 to 2.87)") == 1
    assert page.tables == report(inputs, tmp_path).tables
    assert "Their own noise" not in page.text[page.text.index("other_set, full: NME") :]


def test_the_best_method_of_each_budget_is_bold(inputs, tmp_path):
    report(inputs, tmp_path)
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    table = pd.read_csv(tmp_path / "toy_nme.csv", dtype={"labels": str})
    best = table.loc[table.groupby("labels")["nme"].idxmin()]
    expected = {f"{row.nme:.2f} ± {row.nme_std:.2f}" for row in best.itertuples()}
    assert set(re.findall(r"<strong>(.*?)</strong>", text)) == expected


def test_figures_come_in_the_papers_order_with_their_captions(inputs, tmp_path):
    page = report(inputs, tmp_path)
    assert [image["alt"].split(" ")[1] for image in page.images] == ["Cumulative", "Test"] * 2
    assert page.text.index("Cumulative error curves") < page.text.index("Test faces at percentiles")


def test_a_benchmark_begins_with_what_its_tables_say_in_short(inputs, tmp_path):
    page = report(inputs, tmp_path)
    table = pd.read_csv(tmp_path / "toy_nme.csv", dtype={"labels": str})
    names = {"tsal": "TSAL", "supervised": "Labels only"}
    for labels, words in (("0.05", "5 % of the labels"), ("1", "All labels")):
        first, second = table[table["labels"] == labels].sort_values("nme").itertuples()
        said = f"{words}: {names[first.method]} {first.nme:.2f} %, {names[second.method]} {second.nme:.2f} %."
        assert said in page.text
        assert f"leads the second by {second.nme - first.nme:.2f}, " in page.text[page.text.index(said) :][:200]
    assert page.text.index("In short, on full") < page.text.index("toy, full: NME")


def test_a_lead_that_may_be_chance_is_said_to_be(inputs, tmp_path):
    significance = tmp_path / "tables/toy_significance.csv"
    table = pd.read_csv(significance)
    for p, words in ((0.6, "which may be chance (p = 0.600, over people)"), (0.0, "more than chance (p < 0.001")):
        table.assign(p_value_people=p).to_csv(significance, index=False)
        assert words in report(inputs, tmp_path).text


def test_configuration_and_versions_are_shown_as_they_are(inputs, tmp_path):
    page = report(inputs, tmp_path)
    assert "note: <b>&amp;" in page.text
    versions = {row[0]: row[1] for row in page.tables[-1][1:]}
    assert versions["pandas"] == pd.__version__ and versions["numpy"] == np.__version__


def test_names_are_escaped(inputs, tmp_path):
    table = pd.read_csv(tmp_path / "toy_nme.csv", dtype={"labels": str}).assign(subset="<script>", method="a<i>b")
    table.to_csv(tmp_path / "toy_nme.csv", index=False)
    page = report(inputs, tmp_path)
    assert "<script>" in page.text and page.tables[0][1][0] == "a<i>b"


def test_notes_are_said_of_a_benchmark_and_in_each_of_its_captions(inputs, tmp_path):
    notes = {"toy": Notes({}, ("Note on toy: 3 of <b> & 4.",))}
    write_report(tmp_path / "report.html", inputs, notes)
    page = Page((tmp_path / "report.html").read_text(encoding="utf-8"))
    own, other = page.text.partition("other_set, full")[::2]
    assert own.count("Note on toy: 3 of <b> & 4.") == 1 + 2 + 2  # the section, its tables, its figures
    assert "Note on" not in other
    assert own.index("Note on toy") < own.index("In short")
    assert ["Note on toy: 3 of <b> & 4." in image["alt"] for image in page.images] == [True, True, False, False]


@pytest.mark.parametrize("column", ["n_faces", "n_people", "difference", "p_value", "low_people"])
def test_texts_where_numbers_belong_are_refused(inputs, tmp_path, column):
    significance = tmp_path / "tables/toy_significance.csv"
    pd.read_csv(significance).assign(**{column: "<script>"}).to_csv(significance, index=False)
    with pytest.raises(InputError, match=r"toy_significance\.csv: cannot be read as a table of numbers"):
        write_report(tmp_path / "report.html", [significance])


@pytest.mark.parametrize("content", [b"", b"\x00\xff" * 50, b'"' * 3])
@pytest.mark.parametrize("name", ["toy_nme.csv", "settings.yaml"])
def test_what_is_no_text_is_one_line(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    if name == "settings.yaml" and b"\xff" not in content:
        return
    with pytest.raises(InputError, match=name):
        write_report(tmp_path / "report.html", [tmp_path / name])


def test_the_same_inputs_give_the_same_page(inputs, tmp_path):
    report(inputs, tmp_path)
    first = (tmp_path / "report.html").read_bytes()
    report(inputs, tmp_path)
    assert (tmp_path / "report.html").read_bytes() == first


def test_a_benchmark_with_one_method_has_no_significance_table(inputs, tmp_path):
    significance = tmp_path / "tables/toy_significance.csv"
    pd.read_csv(significance).iloc[:0].to_csv(significance, index=False)
    page = report([tmp_path / "toy_nme.csv", significance], tmp_path)
    assert len(page.tables) == 2  # NME and versions


def test_a_missing_input_is_named(tmp_path):
    with pytest.raises(InputError, match=r"toy_nme\.csv: no such file"):
        write_report(tmp_path / "report.html", [tmp_path / "toy_nme.csv"])
    assert not (tmp_path / "report.html").exists()


def test_inputs_of_another_kind_are_refused(inputs, tmp_path):
    (tmp_path / "toy_ced.svg").write_text("")
    with pytest.raises(InputError, match=r"toy_ced\.svg"):
        write_report(tmp_path / "report.html", [tmp_path / "toy_ced.svg"])
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    with pytest.raises(InputError, match=r"other\.csv: columns a, b"):
        write_report(tmp_path / "report.html", [tmp_path / "other.csv"])

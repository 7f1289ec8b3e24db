"""Our numbers beside published ones: what may be compared, what is flagged, what is refused."""

import pandas as pd
import pytest
from run_files import scores_table, write_run_scores

from tsal.errors import InputError
from tsal.tables import PUBLISHED, read_published, write_published

HEADER = "benchmark,subset,normaliser,method,labels,nme,source\n"


@pytest.fixture
def scores(tmp_path):
    cells = [scores_table([4.0, 6.0], subset=subset) for subset in ("common", "full")]
    return [write_run_scores(tmp_path, "tsal", "1", seed, *cells) for seed in (0, 1)]


def written(tmp_path, scores, rows, benchmark="toy"):
    published = tmp_path / "published.csv"
    published.write_text(HEADER + rows, encoding="utf-8")
    paths = write_published(benchmark, scores, tmp_path / "toy_published.csv", published=published)
    return pd.read_csv(paths[0], dtype=str, keep_default_na=False), *(
        path.read_text(encoding="utf-8") for path in paths[1:]
    )


def test_the_package_brings_the_published_figures_of_hrnet_with_their_source():
    # Sun et al., README of HRNet/HRNet-Facial-Landmark-Detection: 300W common 2.91, challenging 5.11, full 3.34.
    table = read_published(PUBLISHED)
    found = table[(table["benchmark"] == "300w") & (table["method"] == "HRNetV2-W18")].set_index("subset")
    assert found["nme"].to_dict() == {"common": 2.91, "challenging": 5.11, "full": 3.34}
    assert (found["normaliser"] == "inter-ocular").all()
    assert (table["source"] != "").all()


def test_one_row_a_method_one_column_a_subset_and_unknown_cells_are_empty(tmp_path, scores):
    rows = "toy,full,inter-ocular,Net,full set,3.34,a README\ntoy,common,inter-ocular,Net,full set,2.91,a README\n"
    rows += "toy,full,inter-ocular,Other,full set,3.49,a page\nelsewhere,full,inter-ocular,Net,full set,1,a README\n"
    table, markdown, latex = written(tmp_path, scores, rows)
    assert table["method"].tolist() == ["TSAL", "Net", "Other"]
    assert table["seeds"].tolist() == ["2", "", ""]
    assert table["nme_full_inter-ocular"].tolist() == ["5.0000", "3.3400", "3.4900"]
    assert table["nme_common_inter-ocular"].tolist() == ["5.0000", "2.9100", ""]
    assert table["nme_full_inter-ocular_std"].tolist() == ["0.0000", "", ""]
    assert table["source"].tolist() == ["", "a README", "a page"]
    assert "| Other [2] | full set |  |  | 3.49 |" in markdown and "[2] a page" in markdown
    assert "| Net [1] | full set |  | **2.91** | **3.34** |" in markdown
    assert "[1] a README" in latex
    assert "nan" not in markdown + latex


@pytest.mark.parametrize("normaliser", ["unknown", "inter-pupil"])
def test_a_figure_by_another_normaliser_is_flagged_in_a_column_of_its_own(tmp_path, scores, normaliser):
    rows = f"toy,full,{normaliser},Net,full set,1.00,a page\n"
    table, markdown, latex = written(tmp_path, scores, rows)
    assert table["nme_full_inter-ocular"].tolist() == ["5.0000", ""]
    assert table[f"nme_full_{normaliser}"].tolist() == ["", "1.0000"]
    assert table["flagged"].tolist() == ["", "yes"]
    assert f"{normaliser}: full†" in markdown and "| 1.00† |" in markdown
    assert "† By a normaliser that is unknown or not ours" in markdown
    assert "1.00 & $^\\dagger$" in latex
    assert "**" not in markdown  # never the best


def test_without_published_figures_our_methods_stand_alone(tmp_path, scores):
    table, markdown, _ = written(tmp_path, scores, "")
    assert table["method"].tolist() == ["TSAL"]
    assert "†" not in markdown


@pytest.mark.parametrize("value", ["", "3,5", "3.5 %", "nan", "inf", "-1", "0"])
def test_a_bad_number_is_refused_with_its_file_and_line(tmp_path, scores, value):
    # The quoted cell takes two lines of the file, so that the third row ends in line 5.
    rows = 'toy,full,inter-ocular,A,full set,3,"two\nlines"\ntoy,full,inter-ocular,B,full set,4,page\n'
    rows += f'toy,full,inter-ocular,C,full set,"{value}",page\n'
    with pytest.raises(InputError, match=r"published\.csv, line 5: nme is"):
        written(tmp_path, scores, rows)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("toy,full,inter-ocular,A,full set,3\n", "line 2: found 6 cells, expected 7"),
        ("toy,full,inter-ocular,A,full set,3,\n", "line 2: source is empty"),
        ("toy,full,,A,full set,3,page\n", "line 2: normaliser is empty"),
        ("toy,full,inter-ocular,A,full set,3,page\n" * 2, "line 3: this figure of 'A' is there twice"),
    ],
)
def test_other_broken_lines_are_refused(tmp_path, scores, rows, message):
    with pytest.raises(InputError, match=message):
        written(tmp_path, scores, rows)


def test_another_header_or_no_file_is_refused(tmp_path):
    path = tmp_path / "published.csv"
    with pytest.raises(InputError, match=r"published\.csv: cannot be read"):
        read_published(path)
    path.write_text("a,b\n")
    with pytest.raises(InputError, match=r"published\.csv, line 1: expected the columns benchmark,"):
        read_published(path)

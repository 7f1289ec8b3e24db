"""Tables that declare more than their files can hold."""

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from tsal.bounds.tables import check_csv, check_parquet
from tsal.data.faces import read_faces
from tsal.errors import InputError


def test_a_packed_table_may_have_some_cells_a_byte_and_no_more(tmp_path):
    path = tmp_path / "a.parquet"
    parquet.write_table(pa.table({"a": np.zeros(5_000_000, bool)}), path)
    check_parquet(path)
    zeros = pa.DictionaryArray.from_arrays(np.zeros(25_000_000, np.int8), pa.array(["train"]))
    parquet.write_table(pa.table(dict.fromkeys("abcd", zeros)), path, row_group_size=1 << 30)
    with pytest.raises(InputError, match=r"a\.parquet: found 100,000,000 cells \(in 25,000,000 rows\), at most"):
        check_parquet(path)


def test_a_million_columns_are_refused_before_they_are_read(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text(",".join(f"x{k}" for k in range(216)) + "\n")
    check_csv(path)
    path.write_text("," * 20_000 + "\n")
    with pytest.raises(InputError, match=r"a\.csv: found 20,001 columns, at most 20,000"):
        check_csv(path)
    path.write_text("x" * (1 << 21))
    with pytest.raises(InputError, match=r"a\.csv: its first line has more than 1,048,576 bytes"):
        check_csv(path)


@pytest.mark.parametrize("header", ["face,x0,y0,x0", 'face,"x0",y0, x0', "\ufeffx0,x0,face", "iteration,x0,x0\rface,a"])
def test_two_columns_of_one_name_are_refused(tmp_path, header):
    path = tmp_path / "a.csv"
    path.write_text(header + "\n", newline="")
    with pytest.raises(InputError, match=r"a\.csv: found column 'x0' twice, expected each once"):
        check_csv(path)


def test_a_face_table_has_a_column_once(tmp_path):
    path = tmp_path / "faces.csv"
    path.write_text("image,box_x0,box_y0,box_x1,box_y1,x0,y0,x0\na.png,1,1,9,9,5,5,7\n")
    with pytest.raises(InputError, match=r"faces\.csv: found column 'x0' twice, expected each once"):
        read_faces(path)


@pytest.mark.parametrize("header", ["face,x0,,", 'face,"x0,x0",x0', "face,x0\rx0,x0", ""])
def test_other_headers_are_taken(tmp_path, header):
    path = tmp_path / "a.csv"
    path.write_text(header + "\n", newline="")
    check_csv(path)
    path.write_text("scorer,me,me\n")
    check_csv(path, has_names=False)

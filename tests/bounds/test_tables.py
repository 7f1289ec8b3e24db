"""Tables that declare more than their files can hold."""

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from tsal.bounds.tables import check_csv, check_parquet
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

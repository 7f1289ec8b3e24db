"""Tables from elsewhere (.parquet, .csv): the rows and columns that they declare are bounded before any is read."""

import csv
from collections import Counter
from pathlib import Path

from pyarrow import parquet

from tsal.bounds import CELLS_FREE, CELLS_PER_BYTE, CSV_LINE_BYTES, TABLE_COLUMNS, check, reading
from tsal.errors import InputError


def check_parquet(path: str | Path) -> None:
    """Refuse a table that declares more than a file of its size can hold.

    Raises:
        InputError: it does. Or what pyarrow raises of a file that is no such table.
    """
    about = parquet.read_metadata(path)
    check(path, about.num_columns, TABLE_COLUMNS, "columns")
    most = CELLS_FREE + CELLS_PER_BYTE * Path(path).stat().st_size
    check(path, about.num_rows * max(1, about.num_columns), most, f"cells (in {about.num_rows:,} rows)")


def check_csv(path: str | Path, has_names: bool = True) -> None:
    """Refuse a table with a header that no table has: each column of it takes memory and time.

    Args:
        has_names: whether its first line names the columns, each once.

    Raises:
        InputError: it is too long, has too many columns, or two of one name.
    """
    with open(path, "rb") as file:
        header = file.readline(CSV_LINE_BYTES + 1)
    if len(header) > CSV_LINE_BYTES:
        raise InputError(f"{path}: its first line has more than {CSV_LINE_BYTES:,} bytes; expected names of columns")
    check(path, header.count(b",") + 1, TABLE_COLUMNS, "columns")
    if not has_names:
        return
    # Read as CSV is by pandas, which would call a second x0 x0.1, and leave it out.
    line = header.decode("utf-8-sig", "surrogateescape").replace("\r", "\n").split("\n")[0]
    with reading(path, "CSV", "Make it anew"):
        names = next(csv.reader([line], skipinitialspace=True), [])
    twice = next((name for name, count in Counter(names).items() if name and count > 1), None)
    if twice is not None:
        raise InputError(f"{path}: found column {twice[:80]!r} twice, expected each once; remove or rename one")

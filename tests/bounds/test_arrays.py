"""Arrays whose headers are lies."""

import io

import numpy as np
import pytest

from tsal.bounds.arrays import read_array, read_npz
from tsal.errors import InputError


def npy(header: str, content: bytes = b"") -> bytes:
    head = header.encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + len(head).to_bytes(2, "little") + head + content


@pytest.mark.parametrize("array", [np.arange(6.0).reshape(2, 3), np.array(["a", "bcd"]), np.zeros((0, 68), bool)])
def test_an_array_comes_back_as_numpy_wrote_it(array):
    np.savez_compressed(file := io.BytesIO(), a=array)
    found = read_npz(file.getvalue(), ["a"], "a.npz")["a"]
    assert found.dtype == array.dtype and np.array_equal(found, array)


@pytest.mark.parametrize(
    ("header", "problem"),
    [
        (
            "{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000,), }",
            r"8,000,000,000,000 bytes, but holds 0",
        ),
        ("{'descr': '<f8', 'fortran_order': False, 'shape': (4294967296, 4294967296), }", "bytes, but holds 0"),
        ("{'descr': '<f8', 'fortran_order': False, 'shape': (-1,), }", "holds float64"),
        ("{'descr': '|O', 'fortran_order': False, 'shape': (1,), }", "holds object"),
        ("{'descr': '<f8', 'fortran_order': False, 'shape': (2.5,), }", None),
        ("(" * 5000, "its header is damaged"),
        ("__import__('os').system('touch canary')", None),
    ],
)
def test_a_header_that_lies_or_is_none_is_a_value_error(header, problem):
    with pytest.raises(ValueError, match=problem):
        read_array(npy(header))


def test_what_is_no_archive_of_arrays_is_an_error():
    with pytest.raises(ValueError):
        read_npz(b"PK no", ["a"], "a.npz")
    np.savez(file := io.BytesIO(), a=np.zeros(3))
    with pytest.raises(KeyError):
        read_npz(file.getvalue(), ["b"], "a.npz")
    np.savez_compressed(file := io.BytesIO(), a=np.zeros(20_000_000))
    with pytest.raises(InputError, match=r"a\.npz: member 'a\.npy' and others: found 160,000,128 bytes"):
        read_npz(file.getvalue(), ["a"], "a.npz")

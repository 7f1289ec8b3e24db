"""MATLAB files and annotations (.pts, csv): shapes that cannot be, nesting, numbers that are none."""

import struct
import zlib

from archives import csv_bytes, write_zip, ytf_files
from hostile.cases import case, index, put

MAT = "raw/aflw/AFLWinfo_release.mat"
HEADER = b"MATLAB 5.0 MAT-file".ljust(124) + b"\x00\x01IM"
VW = "raw/300vw/300VW_Dataset_2015_12_14.zip"
YTF = "raw/ytf/train-test-data.zip"
TABLE = "training_frames_keypoints.csv"


def element(kind: int, content: bytes) -> bytes:
    return struct.pack("<II", kind, len(content)) + content + bytes(-len(content) % 8)


def array(sides: list[int], *parts: bytes, kind: int = 6, name: bytes = b"nameList") -> bytes:
    """An array of a MATLAB file; kind 6: numbers, 1: cells."""
    flags = element(6, struct.pack("<II", kind, 0))
    sides = element(5, struct.pack(f"<{len(sides)}i", *sides))
    return element(14, flags + sides + element(1, name) + b"".join(parts))


def mat(folder, content: bytes) -> list[str]:
    put(folder, MAT, HEADER + content)
    put(folder, "raw/aflw/aflw.tar.gz", b"")
    return index("aflw")


@case("MATLAB files", "an array of a million dimensions", MAT, alone=True)
def _(folder):
    return mat(folder, element(15, zlib.compress(array([2**31 - 1] * 1_000_000, element(9, bytes(8))))))


@case("MATLAB files", "an array of 4 quintillion numbers", MAT)
def _(folder):
    return mat(folder, array([2**31 - 1, 2**31 - 1], element(9, bytes(8))))


@case("MATLAB files", "an array of negative size", MAT)
def _(folder):
    return mat(folder, array([-1, -1], element(9, bytes(8))))


@case("MATLAB files", "a variable of 1 MB that unpacks to 1 GB", MAT)
def _(folder):
    packer = zlib.compressobj(1)
    return mat(folder, element(15, b"".join([*(packer.compress(bytes(1 << 24)) for _ in range(64)), packer.flush()])))


@case("MATLAB files", "500 cells within each other", MAT)
def _(folder):
    inner = array([1, 1], element(9, bytes(8)))
    for _ in range(500):
        inner = array([1, 1], inner, kind=1)
    return mat(folder, inner)


@case("MATLAB files", "an element that reaches beyond the file", MAT)
def _(folder):
    return mat(folder, struct.pack("<II", 14, 2**31) + bytes(64))


@case("MATLAB files", "a file of version 7.3", MAT)
def _(folder):
    put(folder, MAT, b"\x89HDF\r\n\x1a\n" + bytes(600))
    put(folder, "raw/aflw/aflw.tar.gz", b"")
    return index("aflw")


@case("MATLAB files", "noise", MAT)
def _(folder):
    return mat(folder, bytes(range(256)) * 20)


def pts(folder, content: bytes) -> list[str]:
    write_zip({"001/vid.avi": b"", "001/annot/000001.pts": content}, folder / VW)
    put(folder, "index.yaml", "options: {counts: null}\n")
    return index("300vw", "--settings", "index.yaml")


@case("annotations", "a .pts that has a number of points of 5,000 digits", "000001.pts", alone=True)
def _(folder):
    return pts(folder, b"version: 1\nn_points: " + b"9" * 5000 + b"\n{\n1 1\n}\n")


@case("annotations", "a .pts whose points are NaN", "000001.pts")
def _(folder):
    return pts(folder, b"version: 1\nn_points: 68\n{\n" + b"nan nan\n" * 68 + b"}\n")


@case("annotations", "a .pts whose points have 5,000 digits", "000001.pts")
def _(folder):
    return pts(folder, b"version: 1\nn_points: 68\n{\n" + (b"9" * 5000 + b" 1\n") * 40 + b"}\n")


@case("annotations", "a .pts of 50 MB", "000001.pts")
def _(folder):
    return pts(folder, b"version: 1\nn_points: 68\n{\n" + b"1 1\n" * 12_000_000 + b"}\n")


@case("annotations", "a .pts that is no text", "000001.pts")
def _(folder):
    return pts(folder, bytes(range(256)))


def csv_of(folder, content: bytes) -> list[str]:
    write_zip(ytf_files(10) | {TABLE: content}, folder / YTF)
    return index("ytf")


ROW = ["First_A_00.jpg", *["9"] * 136]


@case("annotations", "a csv with an infinite coordinate", TABLE)
def _(folder):
    return csv_of(folder, csv_bytes([["", *map(str, range(136))], [*ROW[:-1], "inf"]]))


@case("annotations", "a csv whose coordinate has 5,000 digits", TABLE)
def _(folder):
    return csv_of(folder, csv_bytes([["", *map(str, range(136))], [*ROW[:-1], "9" * 5000]]))


@case("annotations", "a csv with a quote that never ends", TABLE)
def _(folder):
    return csv_of(folder, b'a,b\n"' + b"x" * 1_000_000)


@case("annotations", "a csv of bytes that are no text", TABLE)
def _(folder):
    return csv_of(folder, b"a\n\xff\xfe\x00\x00")


@case("annotations", "a csv that names a picture outside of the archive", TABLE)
def _(folder):
    return csv_of(folder, csv_bytes([["", *map(str, range(136))], ["../../../etc/hostname", *ROW[1:]]]))

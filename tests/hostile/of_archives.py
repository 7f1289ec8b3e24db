"""Zip and tar archives: sizes that are lies, holes, links, names that leave the folder, packing that asks for much."""

import gzip
import io
import struct
import tarfile
import zipfile
import zlib
from pathlib import Path

from archives import write_zip, ytf_files
from hostile.cases import CANARY, aflw_mat, case, index, put

GIB = 1 << 30
VW = "raw/300vw/300VW_Dataset_2015_12_14.zip"
YTF = "raw/ytf/train-test-data.zip"
AFLW = "raw/aflw/aflw.tar.gz"
PICTURE = "aflw/data/flickr/0/image00001.jpg"


def declare(path: Path, member: str, size: int) -> None:
    """Let a member of a zip say that it is so large, unpacked, in both of its headers."""
    content = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        local = archive.getinfo(member).header_offset
    central = next(
        place
        for place in range(len(content) - 4)
        if content[place : place + 4] == b"PK\x01\x02"
        and content[place + 46 : place + 46 + len(member)] == member.encode()
    )
    content[local + 22 : local + 26] = content[central + 24 : central + 28] = struct.pack("<I", size)
    path.write_bytes(content)


def tar_of(folder: Path, *headers: bytes) -> list[str]:
    """An aflw whose archive of images has these headers."""
    put(folder, "raw/aflw/AFLWinfo_release.mat", aflw_mat())
    put(folder, AFLW, gzip.compress(b"".join(headers) + bytes(1024)))
    return index("aflw", *put_counts(folder))


def put_counts(folder: Path) -> list[str]:
    put(folder, "index.yaml", "options: {counts: {train: 1, test: 1}}\n")
    return ["--settings", "index.yaml"]


def header(name: str, size: int = 0, kind: bytes = tarfile.REGTYPE) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.size, info.type = size, kind
    return info


def checked(block: bytearray) -> bytes:
    """A header of tar with its checksum."""
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


# --- zip


def of_4_gb(folder, member: str) -> list[str]:
    """An archive of ytf of which a member declares nearly 4 GB."""
    declare(write_zip(ytf_files(10), folder / YTF), member, 4 * GIB - 1)
    return index("ytf")


@case("archives", "a zip whose annotation is the frame 999,999,999", "annot/999999999.pts", alone=True)
def _(folder):
    write_zip({"001/vid.avi": b"", "001/annot/000001.pts": b"", "001/annot/999999999.pts": b""}, folder / VW)
    return index("300vw")


@case("archives", "a zip whose annotation has a number of 5,000 digits", VW)
def _(folder):
    write_zip({"001/vid.avi": b"", f"001/annot/{'9' * 5000}.pts": b""}, folder / VW)
    return index("300vw")


@case("archives", "a zip whose table declares 4 GB", "training_frames_keypoints.csv")
def _(folder):
    return of_4_gb(folder, "training_frames_keypoints.csv")


@case("archives", "a zip whose annotation unpacks to 256 MB and declares 10 bytes", VW)
def _(folder):
    path = write_zip({"001/vid.avi": b"x", "001/annot/000001.pts": bytes(1 << 28)}, folder / VW)
    declare(path, "001/annot/000001.pts", 10)
    put(folder, "index.yaml", "options: {counts: null}\n")
    return index("300vw", "--settings", "index.yaml")


@case("archives", "a zip whose picture declares 4 GB", "First_A_00.jpg")
def _(folder):
    return of_4_gb(folder, "training/First_A_00.jpg")


@case("archives", "a zip of 100 members of 1 GB, a megabyte in all", YTF)
def _(folder):
    names = [f"training/First_A_{number:02d}.jpg" for number in range(100)]
    path = write_zip(dict.fromkeys(names, bytes(10_000)), folder / YTF)
    for name in names:
        declare(path, name, GIB)
    return index("ytf")


@case("archives", "a zip packed by LZMA with a dictionary of 4 GB", YTF)
def _(folder):
    path = folder / YTF
    path.parent.mkdir(parents=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_LZMA) as archive:
        for name, content in ytf_files(10).items():
            archive.writestr(name, content)
    content = bytearray(path.read_bytes())
    properties = content.index(b"\x09\x04\x05\x00\x5d")
    content[properties + 5 : properties + 9] = b"\xff\xff\xff\xff"
    path.write_bytes(content)
    return index("ytf")


@case("archives", "a zip with a link to a file of the machine", "First_A_00.jpg")
def _(folder):
    path = folder / YTF
    path.parent.mkdir(parents=True)
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in ytf_files(10).items():
            info = zipfile.ZipInfo(name)
            if name.endswith("training/First_A_00.jpg"):
                info.external_attr, content = 0o120777 << 16, b"/etc/hostname"
            archive.writestr(info, content)
    return index("ytf")


@case("archives", "a zip of which the end is missing", YTF)
def _(folder):
    content = write_zip(ytf_files(10), folder / YTF).read_bytes()
    put(folder, YTF, content[:-500])
    return index("ytf")


@case("archives", "a zip of which a picture is none", "First_A_00.jpg")
def _(folder):
    write_zip(ytf_files(10) | {"training/First_A_00.jpg": b"no picture"}, folder / YTF)
    return index("ytf")


@case("archives", "a zip whose directory lies before its beginning", YTF)
def _(folder):
    put(folder, YTF, b"PK\x05\x06" + struct.pack("<HHHHIIH", 0, 0, 1, 1, 1 << 31, 5, 0))
    return index("ytf")


@case("archives", "a zip of which a name is no text", YTF)
def _(folder):
    path = write_zip({"abcdefgh": b"1"}, folder / YTF)
    content = path.read_bytes().replace(b"abcdefgh", b"\xff\xfe\xfd\xfc\xfb\xfa\xf9\xf8")
    place = content.index(b"PK\x01\x02")
    put(folder, YTF, content[: place + 8] + b"\x00\x08" + content[place + 10 :])
    return index("ytf")


@case("archives", "a web page in place of a zip", YTF)
def _(folder):
    put(folder, YTF, "<!DOCTYPE html><title>Sign in</title>")
    return index("ytf")


@case("archives", "rendered faces of which a picture leaves the folder", "0of1.zip")
def _(folder):
    from hostile.of_tables import shard

    shard(folder / "0of1.zip", {"images/../../canary": b"x"})
    return ["index", "synth", "--shards", "0of1.zip", "--images", "images", "-o", "faces.parquet"]


# --- tar


@case("archives", "a tar of 108 bytes with a hole of 1 EB", AFLW, alone=True)
def _(folder):
    block = bytearray(header(PICTURE, kind=tarfile.GNUTYPE_SPARSE).tobuf(tarfile.GNU_FORMAT))
    block[483:495] = b"\x80" + (1 << 60).to_bytes(11, "big")
    return tar_of(folder, checked(block))


@case("archives", "a tar with a hole, in the words of PAX", AFLW)
def _(folder):
    info = header(PICTURE)
    info.pax_headers = {"GNU.sparse.map": f"{1 << 60},0", "GNU.sparse.size": str(1 << 60)}
    return tar_of(folder, info.tobuf(tarfile.PAX_FORMAT))


@case("archives", "a tar whose extended header declares 8 GB", AFLW)
def _(folder):
    return tar_of(folder, header("x", 8 * GIB - 1, tarfile.XHDTYPE).tobuf(tarfile.GNU_FORMAT))


@case("archives", "a tar of 4 MB that unpacks to 1 GB", AFLW)
def _(folder):
    put(folder, "raw/aflw/AFLWinfo_release.mat", aflw_mat())
    packer = zlib.compressobj(1, wbits=31)
    path = put(folder, AFLW, packer.compress(header("other", GIB).tobuf(tarfile.GNU_FORMAT)))
    with open(path, "ab") as file:
        for _ in range(64):
            file.write(packer.compress(bytes(1 << 24)))
        file.write(packer.flush())
    return index("aflw", *put_counts(folder))


@case("archives", "a tar whose picture has a size below nothing", AFLW)
def _(folder):
    block = bytearray(header(PICTURE).tobuf(tarfile.GNU_FORMAT))
    block[124:136] = b"\xff" * 11 + b"\x00"
    return tar_of(folder, checked(block))


@case("archives", "a tar with a link to a file of the machine", AFLW)
def _(folder):
    info = header(PICTURE, kind=tarfile.SYMTYPE)
    info.linkname = "/etc/hostname"
    return tar_of(folder, info.tobuf(tarfile.GNU_FORMAT))


@case("archives", "a tar with 3,000 long names within each other", AFLW)
def _(folder):
    block = header("././@LongLink", 5, tarfile.GNUTYPE_LONGNAME).tobuf(tarfile.GNU_FORMAT)
    return tar_of(folder, *[block + b"name\0" + bytes(507)] * 3000)


@case("archives", "a tar whose picture leaves the folder", AFLW)
def _(folder):
    name = f"../../{CANARY}/flickr/0/image00001.jpg"
    return tar_of(folder, header(name, 1).tobuf(tarfile.GNU_FORMAT), b"x" + bytes(511))


@case("archives", "a tar that ends within a picture", AFLW)
def _(folder):
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as tar:
        tar.addfile(header(PICTURE, 5000), io.BytesIO(bytes(5000)))
    put(folder, "raw/aflw/AFLWinfo_release.mat", aflw_mat())
    put(folder, AFLW, gzip.compress(file.getvalue()[:3000])[:-20])
    return index("aflw", *put_counts(folder))

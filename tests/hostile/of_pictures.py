"""Pictures and videos: sizes that fill any memory, what is no picture, playlists that name other files."""

import struct
import zlib

import cv2
import numpy as np
from archives_300vw import drawn_scene, video_bytes
from hostile.cases import case, put

FACES = "image,frame,box_x0,box_y0,box_x1,box_y1,x0,y0,v0,face,video,clip,person,split,subset\n"


def crop(folder, name: str, content: bytes | None, *rows: str) -> list[str]:
    """Crop the face of one picture."""
    if content is not None:
        put(folder, name, content)
    frame = "0" if name.endswith(("avi", "mp4")) else "-1"
    put(folder, "faces.csv", FACES + "".join(rows or [f"{name},{frame},1,1,9,9,2,2,1,a,,a,p,train,full\n"]))
    geometry = ["--input-px", "32", "--expand", "0.2", "--margin", "1", "--threads", "1"]
    return ["crop", "faces.csv", "--split", "train", *geometry, "-o", "crops/train.json"]


def png(width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")


def encoded(suffix: str) -> bytearray:
    return bytearray(cv2.imencode(suffix, np.zeros((16, 16, 3), np.uint8))[1].tobytes())


@case("pictures", "a .png of 60,000 x 60,000 px", "a.png", alone=True)
def _(folder):
    return crop(folder, "a.png", png(60_000, 60_000))


@case("pictures", "a .png of 13,000 x 13,000 px", "a.png")
def _(folder):
    return crop(folder, "a.png", png(13_000, 13_000))


@case("pictures", "a .jpg of 65,500 x 65,500 px", "a.jpg")
def _(folder):
    content = encoded(".jpg")
    place = content.index(b"\xff\xc0")
    content[place + 5 : place + 9] = struct.pack(">HH", 65_500, 65_500)
    return crop(folder, "a.jpg", bytes(content))


@case("pictures", "a .bmp of 40,000 x 40,000 px", "a.bmp")
def _(folder):
    content = encoded(".bmp")
    content[18:26] = struct.pack("<ii", 40_000, 40_000)
    return crop(folder, "a.bmp", bytes(content))


@case("pictures", "a .tiff of 100,000 x 100,000 px", "a.tiff")
def _(folder):
    sides = struct.pack("<HHII", 256, 4, 1, 100_000) + struct.pack("<HHII", 257, 4, 1, 100_000)
    strip = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in ((258, 8), (259, 1), (262, 1), (273, 8)))
    more = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in ((277, 1), (278, 100_000), (279, 8)))
    return crop(folder, "a.tiff", b"II*\0" + struct.pack("<IH", 8, 9) + sides + strip + more + bytes(4))


@case("pictures", "a .ppm of 99,999 x 99,999 px", "a.ppm")
def _(folder):
    return crop(folder, "a.ppm", b"P6\n99999 99999\n255\n" + bytes(100))


@case("pictures", "a .hdr of 60,000 x 60,000 px, a format of which Pillow knows nothing", "a.hdr")
def _(folder):
    return crop(folder, "a.hdr", b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y 60000 +X 60000\n" + bytes(100))


@case("pictures", "a .gif of 65,535 x 65,535 px", "a.gif")
def _(folder):
    return crop(folder, "a.gif", b"GIF89a" + struct.pack("<HHBBB", 65_535, 65_535, 0xF0, 0, 0) + bytes(6) + b",")


@case("pictures", "a picture that is cut off", "a.png")
def _(folder):
    return crop(folder, "a.png", bytes(encoded(".png")[:40]))


@case("pictures", "a picture that is a text", "a.jpg")
def _(folder):
    return crop(folder, "a.jpg", b"no picture")


@case("pictures", "a picture that is empty", "a.jpg")
def _(folder):
    return crop(folder, "a.jpg", b"")


@case("pictures", "a face of /dev/zero, which never ends", "/dev/zero")
def _(folder):
    return crop(folder, "/dev/zero", None)


# --- videos


def clip() -> bytearray:
    images, _ = drawn_scene(0, 64, 64, 6)
    return bytearray(video_bytes(images, "MJPG"))


@case("videos", "a video of 30,000 x 30,000 px", "v.avi", alone=True)
def _(folder):
    content = clip()
    place = content.index(b"avih") + 8
    content[place + 32 : place + 40] = struct.pack("<II", 30_000, 30_000)
    place = content.index(b"strf") + 8
    content[place + 4 : place + 12] = struct.pack("<ii", 30_000, 30_000)
    start = 0
    while (start := content.find(b"\xff\xc0\x00\x11", start + 1)) > 0:
        content[start + 5 : start + 9] = struct.pack(">HH", 30_000, 30_000)
    return crop(folder, "v.avi", bytes(content))


@case("videos", "a video that says it has 4 billion frames", "v.avi")
def _(folder):
    content = clip()
    place = content.index(b"avih") + 8
    content[place + 16 : place + 20] = b"\xff\xff\xff\xff"
    row = "v.avi,4000000,1,1,9,9,2,2,1,a,v,a,p,train,full\n"
    return crop(folder, "v.avi", bytes(content), row)


@case("videos", "a playlist of the machine's files that is called a video", "v.mp4")
def _(folder):
    put(folder, "other.avi", bytes(clip()))
    return crop(folder, "v.mp4", b"#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nother.avi\n#EXT-X-ENDLIST\n")


@case("videos", "a list of videos to join that is called a video", "v.mp4")
def _(folder):
    put(folder, "other.avi", bytes(clip()))
    return crop(folder, "v.mp4", b"ffconcat version 1.0\nfile other.avi\n")


@case("videos", "a list of videos to join, with a byte that no text has", "v.mp4")
def _(folder):
    put(folder, "other.avi", bytes(clip()))
    return crop(folder, "v.mp4", b"ffconcat version 1.0\n# \xff\nfile other.avi\n")


@case("videos", "a video whose name is a way to read another one", "file:other.avi")
def _(folder):
    put(folder, "other.avi", bytes(clip()))
    return crop(folder, "file:other.avi", b"no video")


@case("videos", "a video that is cut off in its header", "v.avi")
def _(folder):
    return crop(folder, "v.avi", bytes(clip()[:100]))


@case("videos", "a video of noise", "v.avi")
def _(folder):
    return crop(folder, "v.avi", np.random.default_rng(0).bytes(100_000))


@case("videos", "a video that is a picture of 60,000 x 60,000 px", "v.avi")
def _(folder):
    return crop(folder, "v.avi", png(60_000, 60_000))

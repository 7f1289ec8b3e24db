"""One video file, decoded by FFmpeg: its frames one after the other, their times, and the way to one of them."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import av
import numpy as np
from av.video.reformatter import Interpolation, VideoReformatter

from tsal.bounds import FRAMES, PIXELS, check
from tsal.data.pictures import turn_upright
from tsal.errors import InputError

# FFmpeg goes by the content: a playlist that is called a video would make it read the files that it names.
_FORMATS = (
    *("mov", "mp4", "m4a", "3gp", "3g2", "mj2", "avi", "matroska", "webm", "mpeg", "mpegts", "mpegvideo", "asf", "flv"),
    *("ogg", "h264", "hevc", "m4v", "mjpeg", "gif", "dv", "mxf", "nut", "ivf", "av1", "obu", "vc1", "yuv4mpegpipe"),
)
OPTIONS = {"format_whitelist": ",".join(_FORMATS), "protocol_whitelist": "file"}
BEGIN = 1024  # bytes, among which every container of videos has some that no text has
_MATRIX = "DISPLAYMATRIX"
_COLOURS = Interpolation.BICUBIC | Interpolation.FULL_CHR_H_INT  # the exact way, for what has no faster one
# What the matrix of a file does with a frame, as the EXIF orientation of such a picture: by whether rows and columns
# change places, and the signs of what becomes x and y (ISO/IEC 14496-12, 8.3.2).
_ORIENTATIONS = {
    (False, 1, 1): 1,
    (False, -1, 1): 2,
    (False, -1, -1): 3,
    (False, 1, -1): 4,
    (True, 1, 1): 5,
    (True, -1, 1): 6,
    (True, -1, -1): 7,
    (True, 1, -1): 8,
}


class Decoder:
    """A video that is open.

    Attributes:
        declared: how many frames its header tells of, 0 where it does not.
        rate: frames a second, as its header says; 0 where it does not.
        lost: how many packets so far have not decoded.
        damaged: how many frames so far FFmpeg gave although something in them is missing or wrong.
    """

    def __init__(self, path: str | os.PathLike[str], container: av.container.InputContainer, threads: int) -> None:
        streams = [s for s in container.streams.video if av.stream.Disposition.attached_pic not in s.disposition]
        if not streams or streams[0].codec_context is None:
            raise _no_video(path)
        self.path, self._container, self._stream = path, container, streams[0]
        self._check_size(self._stream.codec_context)
        self._stream.codec_context.thread_count, self._stream.codec_context.thread_type = threads, "AUTO"
        self.rate = float(self._stream.guessed_rate or 0)
        seconds = (container.duration or 0) / av.time_base
        self.declared = self._stream.frames or round(seconds * self.rate)
        self.lost, self.damaged = 0, 0
        self._frame: av.VideoFrame | None = None
        self._orientation: int | None = None
        self._frames, self._convert = self._decoded(), VideoReformatter()

    def grab(self) -> bool:
        """Decode the next frame, and say whether there was one."""
        self._frame = next(self._frames, None)
        return self._frame is not None

    @property
    def time(self) -> int | None:
        """That of the frame that was decoded last, in ticks of `milliseconds`; None where the file has none."""
        return None if self._frame is None else self._frame.pts

    @property
    def seconds(self) -> float | None:
        """The same in seconds."""
        return None if self.time is None else self.time * self.milliseconds / 1000

    @property
    def milliseconds(self) -> float:
        """A tick's."""
        return float(self._stream.time_base * 1000)

    def retrieve(self) -> np.ndarray:
        """The frame that was decoded last, (H, W, 3) uint8 RGB, upright. The lines of an interlaced one are woven."""
        self._check_size(self._frame)
        image = self._convert.reformat(self._frame, format="rgb24", interpolation=_COLOURS).to_ndarray()
        if self._orientation is None:  # once: a frame that was asked for it is kept until the next garbage collection
            self._orientation = _orientation(self._frame)
        return np.ascontiguousarray(turn_upright(image, self._orientation))

    def times(self) -> list[int] | None:
        """Those of all stored frames, in the order of the file, without decoding them; None where one has none."""
        found = []
        with suppress(av.FFmpegError):  # the file ends there
            for packet in self._container.demux(self._stream):
                if packet.size and not packet.is_discard:
                    found.append(packet.dts if packet.pts is None else packet.pts)
                    check(self.path, len(found), FRAMES, "frames")
        return None if None in found else found

    def seek(self, time: int) -> bool:
        """Decode the first frame that is not before a time, in ticks, and say whether there was one."""
        try:
            self._container.seek(time, stream=self._stream)
        except av.FFmpegError:
            return False
        self._frames = self._decoded()
        while self.grab():
            if self.time is not None and self.time >= time:
                return True
        return False

    def forget(self) -> None:
        """Let go of the frames, which hold the decoder in turn."""
        self._frame, self._frames = None, iter(())

    def _decoded(self) -> Iterator[av.VideoFrame]:
        for packet in self._packets():
            try:
                found = self._stream.codec_context.decode(packet)
            except av.FFmpegError:
                self.lost += 1
                continue
            for frame in found:
                self.damaged += frame.is_corrupt
                yield frame

    def _packets(self) -> Iterator[av.Packet | None]:
        """Those that are not empty, which would end the decoder; then None, for the frames that it holds."""
        with suppress(av.FFmpegError):  # the file ends there
            for packet in self._container.demux(self._stream):
                if packet.size:
                    yield packet
        yield None

    def _check_size(self, of: av.VideoFrame | av.VideoCodecContext) -> None:
        check(f"{self.path}: {of.width:,} x {of.height:,} px", of.width * of.height, PIXELS, "pixels a frame")


def _orientation(frame: av.VideoFrame) -> int:
    """How a frame is stored, as in EXIF, by the matrix that its file has; angles between are rounded to a quarter."""
    found = next((bytes(data) for data in frame.side_data if data.type.name == _MATRIX), None)
    if found is None:
        return 1
    a, b, _, c, d = np.frombuffer(found, np.int32, 5).tolist()
    turned = abs(b) + abs(c) > abs(a) + abs(d)
    first, second = (c, b) if turned else (a, d)
    return _ORIENTATIONS[turned, -1 if first < 0 else 1, -1 if second < 0 else 1]


def _no_video(path: str | os.PathLike[str]) -> InputError:
    return InputError(
        f"{path}: cannot be opened as a video ({Path(path).stat().st_size:,} bytes found); "
        "expected a file that FFmpeg can decode. Get it again, or convert it"
    )


@contextmanager
def opened(path: str | os.PathLike[str], threads: int = 1) -> Iterator[Decoder]:
    """Open a video.

    Args:
        threads: of the decoder, each of which holds a frame.

    Raises:
        InputError: missing, no video, or its frames are larger than tsal.bounds allows.
    """
    if not Path(path).is_file():
        raise InputError(f"{path}: no such video; paths are relative to the current folder")
    _refuse_text(path)
    try:
        # A whole path, since FFmpeg takes what stands before a colon for a way to get the rest.
        container = av.open(os.path.abspath(path), options=OPTIONS, metadata_errors="replace")
    except (av.FFmpegError, ValueError) as error:
        raise _no_video(path) from error
    with container:
        decoder = Decoder(path, container, threads)
        try:
            yield decoder
        finally:
            decoder.forget()


def _refuse_text(path: str | os.PathLike[str]) -> None:
    """FFmpeg goes by the content: a playlist that is called a video would make it read the files that it names."""
    with open(path, "rb") as file:
        begin = file.read(BEGIN)
    if begin and not any(byte < 9 or byte > 126 for byte in begin):
        raise InputError(
            f"{path}: cannot be opened as a video ({Path(path).stat().st_size:,} bytes found): it is a text, such as a "
            "playlist. Get it again"
        )

"""The pictures and videos that labels name: each lies below one folder, whatever a file says."""

import os
import re
from functools import cache
from pathlib import Path, PurePosixPath

from tsal.errors import InputError, one_line

SUFFIXES = (".jpg", ".jpeg", ".jpe", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif")
VIDEO_SUFFIXES = (".avi", ".mp4", ".m4v", ".mov", ".mkv", ".webm", ".mpg", ".mpeg", ".wmv", ".3gp", ".gif")
_FRAME = re.compile(r"(?P<video>.+)/frame_(?P<frame>[0-9]{1,9})(\.[A-Za-z]{1,5})?")


class Pictures:
    """The pictures and videos below a folder.

    Args:
        folder: of the pictures, as seen from the current folder.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)
        self._listing = cache(self._list)

    def find(self, name: str, where: str) -> tuple[str, int]:
        """The file that labels name: (path below the folder, frame of a video or -1).

        A name is a path below the folder, or one as seen from the current folder. `VIDEO/frame_000012.png` is frame 12
        of VIDEO.mp4 (or .avi, ...), where there is such a video and no such picture.

        Args:
            where: the file of the labels and the place in it, for errors.

        Raises:
            InputError: there is no such file, or it lies elsewhere.
        """
        inside = self._below(name, where)
        if found := self._existing(inside):
            return found, -1
        here = os.path.relpath(os.path.abspath(name), os.path.abspath(self.folder)).replace(os.sep, "/")
        if not here.startswith("../") and (found := self._existing(here)):
            return found, -1
        if (frame := _FRAME.fullmatch(inside)) and (video := self.video(frame["video"])):
            return video, int(frame["frame"])
        raise InputError(
            f"{where}: names {one_line(name)[:200]!r}, which is not there; expected it below `images`, {self.folder}: "
            "put it there, or name another folder"
        )

    def video(self, stem: str) -> str | None:
        """The one video of that path without its suffix; None where there is none, or several."""
        folder, name = os.path.split(stem)
        found = [file for file in self._listing(folder) if PurePosixPath(file).stem == name and is_named_video(file)]
        return str(PurePosixPath(folder, found[0])) if len(found) == 1 else None

    def only_video(self, where: str, named: str | None = None) -> str:
        """The one video that numbers of frames can mean.

        Args:
            named: what the labels or the configuration call it; None where they do not say.

        Raises:
            InputError: there is none, or several.
        """
        if named:
            return self.find(named, where)[0]
        found = [file for file in self.all_files() if is_named_video(file)]
        if len(found) != 1:
            raise InputError(
                f"{where}: numbers frames, and does not say of which video; found {len(found)} videos below `images`, "
                f"{self.folder}, expected one, or its name as `video`"
            )
        return found[0]

    def all_files(self) -> list[str]:
        """Paths of all files below the folder, sorted; hidden ones left out."""
        found = []
        for folder, folders, files in os.walk(self.folder):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            below = os.path.relpath(folder, self.folder).replace(os.sep, "/")
            found += [str(PurePosixPath(below, file)) for file in sorted(files) if not file.startswith(".")]
        return found

    def beside(self, stem: str, where: str) -> str | None:
        """The picture of that path without its suffix; None where there is none.

        Args:
            where: the file of the labels, for errors.

        Raises:
            InputError: there are several.
        """
        folder, name = os.path.split(stem)
        found = [file for file in self._listing(folder) if PurePosixPath(file).stem == name and is_named_picture(file)]
        if len(found) > 1:
            raise InputError(
                f"{where}: found {', '.join(one_line(file)[:80] for file in found[:4])} of that name below `images`, "
                f"{self.folder}; expected one picture: take out those that were not labelled"
            )
        return str(PurePosixPath(folder, found[0])) if found else None

    def _list(self, folder: str) -> list[str]:
        try:
            return sorted(os.listdir(self.folder / folder))
        except OSError:
            return []

    def _existing(self, name: str) -> str | None:
        return name if (self.folder / name).is_file() else None

    def _below(self, name: str, where: str) -> str:
        """The name as a path below the folder, with / between its parts."""
        if "\0" in name or not name.strip() or max(map(len, name.encode(errors="replace").split(b"/"))) > 255:
            raise InputError(f"{where}: found {one_line(name)[:80]!r} as the name of a picture; correct the file")
        path = name if os.path.isfile(self.folder / name) else name.replace("\\", "/")  # as Windows writes it
        if os.path.isabs(path):
            path = os.path.relpath(path, os.path.abspath(self.folder))
        path = os.path.normpath(path).replace(os.sep, "/")
        outside = path == ".." or path.startswith("../")
        inside = os.path.relpath(os.path.abspath(name), os.path.abspath(self.folder)).replace(os.sep, "/")
        if outside and (inside == ".." or inside.startswith("../")):
            raise InputError(
                f"{where}: names {one_line(name)[:200]!r}, which lies outside of `images`, {self.folder}; expected a "
                "picture below it"
            )
        return inside if outside else path


def is_named_video(name: str) -> bool:
    return PurePosixPath(name).suffix.lower() in VIDEO_SUFFIXES


def is_named_picture(name: str) -> bool:
    return PurePosixPath(name).suffix.lower() in SUFFIXES

"""Annotated faces as a file has them, whatever its format."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from tsal.errors import InputError, one_line

Name = str


@dataclass(frozen=True)
class Points:
    """What a file says of the points of all faces: their names, in its order, and pairs that it connects by lines."""

    names: tuple[Name, ...] = ()
    edges: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True)
class Annotations:
    """N faces with K points, in the coordinates of their file.

    Attributes:
        names: of the points, K; texts of numbers where the file only counts them.
        files: of the picture or video of each face, as a path below the folder of pictures.
        frames: (N,) number of a video's frame, -1 of a picture.
        points: (N, K, 2), NaN where not annotated.
        visible: (N, K) bool, annotated and not hidden.
        boxes: (N, 4) x0, y0, x1, y1, NaN where the file has none.
        tracks: what tells a face of a video from others in it, over its frames; "" where the file does not say.
        columns: of a table, its columns `person`, `clip` and `split`, as far as it has them.
        sizes: width and height in px that the file gives of a picture, by its path and the number of its frame.
    """

    names: tuple[Name, ...]
    files: list[str]
    frames: np.ndarray
    points: np.ndarray
    visible: np.ndarray
    boxes: np.ndarray
    tracks: list[str]
    columns: Mapping[str, list[str]] = field(default_factory=dict)
    sizes: Mapping[tuple[str, int], tuple[int, int]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.files)


class Collector:
    """Gathers faces one after the other, of a file that names each of their points."""

    def __init__(self) -> None:
        self._number: dict[Name, int] = {}
        self._faces: list[tuple[str, int, np.ndarray, np.ndarray, np.ndarray, np.ndarray, str]] = []
        self._sizes: dict[tuple[str, int], tuple[int, int]] = {}

    def add(
        self,
        file: str,
        frame: int,
        points: Sequence[tuple[Name, float, float, bool]],
        where: str,
        *,
        box: Sequence[float] | None = None,
        track: str = "",
        size: tuple[int, int] | None = None,
    ) -> None:
        """Add a face.

        Args:
            points: name, x, y and visibility of those that are annotated; without any the face is left out.
            where: the file and the place in it, for errors.
            size: width and height in px that the file gives of the picture.

        Raises:
            InputError: a point is there twice.
        """
        if not points:
            return
        if size is not None:
            self._sizes[file, frame] = size
        names = [name for name, *_ in points]
        twice = next((name for name in names if names.count(name) > 1), None) if len(set(names)) < len(names) else None
        if twice is not None:
            raise InputError(f"{where}: point {one_line(twice)!r} is there twice, expected it once in a face")
        numbers = np.array([self._number.setdefault(name, len(self._number)) for name in names], np.int32)
        xy = np.array([point[1:3] for point in points], np.float64)
        visible = np.array([point[3] for point in points], bool)
        box = np.full(4, np.nan) if box is None else np.asarray(box, np.float64)
        self._faces.append((file, frame, numbers, xy, visible, box, track))

    def done(self, names: Sequence[Name] = ()) -> Annotations:
        """All faces.

        Args:
            names: of the points, in order, where the file says more than those that its faces have; else numbers are in
                their order, texts in that of the alphabet.
        """
        listed = list(dict.fromkeys([*names, *in_order(self._number)]))
        place = {name: number for number, name in enumerate(listed)}
        new = np.array([place[name] for name in self._number], np.int64)
        count = len(self._faces)
        points = np.full((count, len(listed), 2), np.nan)
        visible = np.zeros((count, len(listed)), bool)
        for row, (_, _, numbers, xy, seen, _, _) in enumerate(self._faces):
            points[row, new[numbers]] = xy
            visible[row, new[numbers]] = seen
        return Annotations(
            names=tuple(listed),
            files=[face[0] for face in self._faces],
            frames=np.array([face[1] for face in self._faces], np.int64),
            points=points,
            visible=visible,
            boxes=np.array([face[5] for face in self._faces]).reshape(-1, 4),
            tracks=[face[6] for face in self._faces],
            sizes=self._sizes,
        )


def in_order(names: Sequence[Name] | Mapping[Name, int]) -> list[Name]:
    """Numbers by their value, other names by the alphabet."""
    return sorted(names, key=(lambda name: (int(name), name)) if all(map(is_number, names)) else None)


def is_number(name: Name) -> bool:
    """Whether a point is called by a number."""
    return name.isascii() and name.isdecimal() and len(name) < 10


def numbered(count: int) -> tuple[Name, ...]:
    """The names of points that a file only counts."""
    return tuple(map(str, range(count)))

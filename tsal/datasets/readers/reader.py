"""What a reader of annotations is."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tsal.datasets.readers.annotations import Annotations, Points
from tsal.datasets.readers.pictures import Pictures
from tsal.settings.models import NoOptions
from tsal.settings.section import Section


@dataclass(frozen=True, kw_only=True)
class Reader:
    """A format of annotations, as its file declares it; tsal.datasets.readers says what each part is.

    Attributes:
        in_folder: whether the labels are a folder of files, by default that of the pictures.
    """

    title: str
    about: str
    first_pixel: float
    read: Callable[[Path, Pictures, Any, int], Annotations]
    points: Callable[[Path, Any], Points] = lambda labels, options: Points()
    options: type[Section] = NoOptions
    in_folder: bool = False

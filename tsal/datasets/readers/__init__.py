"""Readers of annotations: from the file that a tool writes to landmarks of pictures, by name.

Each stands in one file: NAME.py defines READER (see `reader`), and NAME is what configurations call it. It stands here,
or in `FOLDER/readers/` of a folder that the environment variable TSAL_PLUGINS names. Such a file has to say:

- `title`: for docs and messages; `about`: where the centre of the top left pixel is, in words;
- `options`: a Section with the keys that only it has;
- `first_pixel`: where in the file's coordinates that centre is: 0, 0.5 or 1;
- `read`: (labels, pictures, options, n_points) -> Annotations, in the file's coordinates;
- `points`: (labels, options) -> Points: their names in the file's order, and lines; of a file without, empty.

annotations: what is read. pictures: the files that labels name. numbers: values of texts.
"""

from tsal.datasets.readers.reader import Reader
from tsal.settings.plugins import ByModule

__all__ = ["Reader", "get", "names"]

# What readers share; every other module of this folder is one.
_SHARED = ("annotations", "numbers", "pictures", "reader")
_registry = ByModule(__name__, "READER", Reader, "tsal.datasets.readers.Reader", "reader", _SHARED)
names, get = _registry.names, _registry.get

"""Folders of the user's own methods and data sets: the environment variable TSAL_PLUGINS names them."""

import os
from pathlib import Path

VARIABLE = "TSAL_PLUGINS"


def plugin_folders(kind: str) -> list[str]:
    """The folders of that kind, "methods" or "datasets", within each folder that TSAL_PLUGINS lists (like PATH)."""
    listed = [Path(folder) / kind for folder in os.environ.get(VARIABLE, "").split(os.pathsep) if folder]
    return [str(folder.absolute()) for folder in listed if folder.is_dir()]

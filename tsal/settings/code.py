"""The version of the code that a training depends on: runs that other code trained are told apart by it."""

import ast
import hashlib
from functools import cache
from pathlib import Path

from tsal.settings.plugins import plugin_folders

PACKAGE = Path(__file__).parents[1]
ROOMS = ("data", "detectors", "flow", "methods", "settings", "training")  # from crops to a checkpoint


@cache
def training_code() -> str:
    """A digest of all that is executed in a training, plug-in methods and the modules beside their folder included; 12
    hexadecimal digits.

    Comments, docstrings and the layout of lines are left out: none of them changes a weight.
    """
    own = [Path(folder) for folder in plugin_folders("methods")]
    files = {folder: sorted(folder.rglob("*.py")) for folder in [*(PACKAGE / room for room in ROOMS), *own]}
    files |= {folder.parent: sorted(folder.parent.glob("*.py")) for folder in own}
    whole = hashlib.sha256()
    for folder, paths in files.items():
        for path in paths:
            whole.update(f"{folder.name}/{path.relative_to(folder)}\n{executed(path.read_text('utf-8'))}\n".encode())
    return whole.hexdigest()[:12]


def executed(source: str) -> str:
    """What a module does, as text."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):  # a string alone, such as a docstring, does nothing
            node.body = [part for part in body if not _is_text(part)]
    return ast.dump(tree)


def _is_text(part: ast.stmt) -> bool:
    return isinstance(part, ast.Expr) and isinstance(part.value, ast.Constant) and isinstance(part.value.value, str)

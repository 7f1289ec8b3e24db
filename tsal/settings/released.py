"""The detector that comes with the project: rendered faces alone trained it, see docs/model_card.md.

Planning looks at it too, so that PyTorch is not needed to read what it says of itself.
"""

import json
from functools import cache
from pathlib import Path
from typing import Any

from tsal.errors import InputError

RELEASED = "released"  # what configurations call it, where they start from it
_WEIGHTS = Path(__file__).parents[1] / "detectors" / "weights" / "rendered.safetensors"


def released_checkpoint() -> Path:
    """The file of the released detector.

    Raises:
        InputError: this installation lacks it.
    """
    if not _WEIGHTS.is_file():
        raise InputError(
            f"{_WEIGHTS}: no such file; expected the detector that comes with tsal. Install tsal again, or name a "
            "checkpoint of your own"
        )
    return _WEIGHTS


@cache
def released_about() -> dict[str, Any]:
    """What the released detector says of itself: `detector` (its settings), `scheme` and more.

    Raises:
        InputError: see released_checkpoint.
    """
    with open(released_checkpoint(), "rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    (about,) = header["__metadata__"].values()
    return json.loads(about)

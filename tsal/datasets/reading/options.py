"""What a configuration may say of several data sets."""

from typing import Annotated

from pydantic import Field

from tsal.settings.mistakes import Expected

Count = Annotated[int, Field(ge=0)]
NumbersByName = Expected("numbers by name, or null")
COUNTS = "what the archives must hold, such as {train: 20000} (default: what their owners state); null: anything"
VALIDATING = "share of the owners' training images, or videos, that validates; 0: all train, and nothing is measured"

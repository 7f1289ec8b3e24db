# Which code runs: that of the clone in which this Snakefile lies. Nothing here makes a file.

import importlib.util
import os
import sys
from pathlib import Path

from snakemake.logging import logger


def use_this_clone():
    """Let rules run the code that plans them, whatever clone their environment was made for; stop where that is another.

    Snakemake looks for modules beside the Snakefile, but not before those that PYTHONPATH names.
    """
    clone, package = Path(workflow.basedir).resolve(), importlib.util.find_spec("tsal")
    place = package and package.origin and Path(package.origin).resolve().parents[1]
    if place != clone:
        logger.error(
            f"The package tsal: found that of {place}, expected that of {clone}, whose Snakefile this is. "
            f"Leave {place} out of PYTHONPATH, or run the Snakefile that lies there"
        )
        sys.exit(1)
    paths = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    if str(clone) not in paths:
        os.environ.update(PYTHONPATH=os.pathsep.join(filter(None, [str(clone), *paths])))


use_this_clone()

"""The ytf of the tests, from a server that tests/stress/kill.py starts."""

import os
from dataclasses import replace

from tsal.datasets import ytf

ARCHIVE = next(iter(ytf.DATASET.archives))
DATASET = replace(ytf.DATASET, name="local", title="local", urls={ARCHIVE: os.environ["STRESS_URL"]})

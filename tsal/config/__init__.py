"""config.yaml: its check, what is built from it, and the settings of each run that follow from it."""

from tsal.config.check import check_config, load_schema, normalise
from tsal.config.resolve import (
    WARMUP,
    geometry_of,
    labels_of,
    measures_signals,
    merge,
    pool_of,
    pretraining,
    resolve_run,
    resolve_warmup,
    tracker_of,
    warmup_name,
)
from tsal.config.targets import (
    Study,
    index_options,
    methods_to_run,
    render_settings,
    runs_on,
    score_on,
    shards,
    studies_of,
    study,
)

__all__ = [
    "WARMUP",
    "Study",
    "check_config",
    "geometry_of",
    "index_options",
    "labels_of",
    "load_schema",
    "measures_signals",
    "merge",
    "methods_to_run",
    "normalise",
    "pool_of",
    "pretraining",
    "render_settings",
    "resolve_run",
    "resolve_warmup",
    "runs_on",
    "score_on",
    "shards",
    "studies_of",
    "study",
    "tracker_of",
    "warmup_name",
]

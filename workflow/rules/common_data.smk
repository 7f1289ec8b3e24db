# Input functions of raw data: whether it is there, what is indexed and cropped of it; nothing here makes a file.

import re

from tsal.datasets.own.dataset import OwnDataset
from tsal.datasets.reading.fingerprint import fingerprint
from tsal.flow import needs_network

# `snakemake -n paper` lists all that could be built, whether the raw data is there or not.
LISTING = "paper" in sys.argv and any(
    re.fullmatch("--dry-?run|-[a-zA-Z]*n[a-zA-Z]*", word) for word in sys.argv
)


def missing_message(name, may_download=True):
    """Why a benchmark cannot be built and what to do about it; None where it can be."""
    benchmark = dataset_of(name)
    status = benchmark.status(config["raw_dir"])
    if status == "present" or Path(f"data/{name}/faces.parquet").exists():
        return None
    message = benchmark.missing_message(config["raw_dir"])
    if status == "missing":
        return message
    return None if may_download else f"{message}, or set download: true to have it downloaded"


def require(benchmark):
    """Stop, with what to do about it, where a benchmark is unknown or its raw data missing.

    What is only listed needs none.
    """
    if reason := missing_message(benchmark):
        if not LISTING:
            stop(reason)
        warn_once(f"Needed: {reason}")


def check_raw_data(wildcards):
    require(wildcards.benchmark)
    return []


def download_options(wildcards, input):
    """Where archives are put, and which are wanted where not all are, as options; untracked: only what comes counts."""
    known = datasets.get(wildcards.benchmark)
    wanted = dataset_of(wildcards.benchmark).archives
    archives = wanted if len(wanted) < len(known.archives) else None
    return as_words({"raw-dir": config["raw_dir"], "archives": archives})


def is_own(benchmark):
    """Whether a benchmark is of data of the user's own."""
    return isinstance(datasets.get(benchmark), OwnDataset)


def raw_data_of(wildcards):
    """What says that a benchmark's raw data is there; nothing for one that is rendered, or of one's own data."""
    require(wildcards.benchmark)
    if datasets.get(wildcards.benchmark).renderer or is_own(wildcards.benchmark):
        return []
    return "data/{benchmark}/raw.ok"


def shards_of(wildcards):
    """The shards of a benchmark that is rendered; nothing for others."""
    require(wildcards.benchmark)
    if not datasets.get(wildcards.benchmark).renderer:
        return []
    count = shard_count(wildcards.benchmark)
    return [f"data/{{benchmark}}/shards/{shard}of{count}.zip" for shard in range(count)]


def index_source(wildcards, input):
    """What is indexed, as options; untracked, since another place of the same archive re-runs nothing."""
    if input.shards:
        return as_words({"shards": input.shards})
    if is_own(wildcards.benchmark):
        return as_words({"settings": input.settings})
    return as_words({"raw-dir": config["raw_dir"], "settings": input.settings})


def follows_videos(wildcards):
    """Whether the faces of videos without labels are looked for, with a network."""
    return is_own(wildcards.benchmark) and bool(datasets.get(wildcards.benchmark).settings.patterns)


def index_machine(wildcards, input, threads):
    """What videos without labels are followed with, as options; untracked, as it depends on the input for Snakemake."""
    return as_words({"threads": threads, "device": config["device"]}) if follows_videos(wildcards) else []


def threads_of_index(wildcards):
    return 4 if follows_videos(wildcards) else 1


def available_benchmarks():
    """The benchmarks that `all` builds: those of the configuration, but for the paper's, that can be built.

    Says once of each other one what it lacks.
    """
    names = [name for name in config["benchmarks"] if name not in config["paper"]]
    reasons = {name: missing_message(name, config["download"]) for name in names}
    skipped = [reason for reason in reasons.values() if reason]
    if len(skipped) == len(reasons):
        stop("\n".join(["No benchmark of the configuration can be built:", *skipped]))
    for reason in skipped:
        warn_once(f"Skipped {reason}")
    return [name for name, reason in reasons.items() if not reason]


def recorded_raw(path, benchmark):
    """What the raw data was when a face table was made of it, and the landmarks that were found in it.

    Stops where archives that are wanted now were not wanted then.
    """
    try:
        made_of = read_yaml(path, "what the face table is made of")
    except InputError as error:
        stop(f"{error}. Delete it, and bring the raw data again")
    if not isinstance(made_of, dict) or "raw" not in made_of:
        stop(
            f"{path}: found no `raw`, expected what a face table is made of. Delete it, and bring the raw data again"
        )
    recorded = {key: made_of[key] for key in ("raw", "scheme") if key in made_of}
    if benchmark.archives and isinstance(recorded["raw"], dict):
        if not set(benchmark.archives) <= set(recorded["raw"]):
            stop(benchmark.missing_message(config["raw_dir"]))
        recorded["raw"] = {archive: recorded["raw"][archive] for archive in benchmark.archives}
    return recorded


def index_settings_as_json(wildcards):
    """What a face table is made of. Where the raw data is gone, what it was when it was last there."""
    benchmark = dataset_of(wildcards.benchmark)
    if benchmark.renderer:
        try:
            rendered = settings.render_settings(config, benchmark.name)
        except InputError as error:
            stop(error)
        made_of = {"renderer": benchmark.renderer.version, "settings": rendered}
        return as_json({"benchmark": benchmark.name, **made_of})
    recorded = Path(f"data/{wildcards.benchmark}/index.yaml")
    raw = fingerprint(benchmark, config["raw_dir"])
    made_of = settings.index_made_of(config, wildcards.benchmark)
    if raw is None and recorded.exists():
        made_of |= recorded_raw(recorded, benchmark)
    else:
        made_of["raw"] = raw
    return as_json({"benchmark": wildcards.benchmark, **made_of})


def network_of_tracker(wildcards):
    """The network that a tracker needs, where it is trained here."""
    return f"{FLOW}/network.safetensors" if needs_network(wildcards.tracker) else []


def crop_options(wildcards):
    """Input, expansion and margin of stored crops. Test crops are only looked at as they are, and need no margin."""
    input_px, expand, margin = wildcards.geometry.split("_")
    margin = 1 if wildcards.split == "test" else margin
    return as_words({"input-px": input_px.removesuffix("px"), "expand": expand, "margin": margin})

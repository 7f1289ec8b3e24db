# The configuration, wildcard constraints and input functions; nothing here makes a file.

import json
import os
import re
import shlex
import sys
from pathlib import Path

import yaml
from snakemake.logging import logger

from tsal import datasets
from tsal import config as settings
from tsal.errors import InputError
from tsal.datasets.reading.fingerprint import fingerprint
from tsal.flow.trackers import TRACKERS, needs_network


def stop(reason):
    """End with a message alone. Snakemake prints a traceback with every exception that reaches it."""
    logger.error(str(reason))
    sys.exit(1)


def check_configuration():
    """Replace the global config by its checked form, with all defaults; stop with one line for each mistake.

    It is read anew, since Snakemake lets keys of overriding files come first, where methods keep the order of
    config.yaml, and drops keys that a file has twice.
    """
    global config
    command_line = workflow.config_settings
    own = [] if command_line.replace_workflow_config else [f"{workflow.basedir}/config.yaml"]
    files = [*own, *workflow.overwrite_configfiles]
    try:
        config = settings.read_config(files, f"{workflow.basedir}/config", command_line.config)
    except InputError as error:
        stop(error)


check_configuration()

SWEEPS = [name for name, study in config["studies"].items() if "parameter" in study]
STUDIES = [name for name in config["studies"] if name not in ("published", "budgets")]


# Benchmarks have no "_" in their names, so that results/{benchmark}_nme.csv and figures are read in one way.
wildcard_constraints:
    benchmark="[a-z0-9]+",
    run=r"[a-z][a-z0-9_]*(-[0-9a-f]{6})?",
    method="(?!warmup)[a-z][a-z0-9_]*",
    warmup="warmup(-[0-9a-f]{6})?",
    labels=r"[0-9]+(\.[0-9]+)?(e-[0-9]+)?|n[0-9]+|every[0-9]+|first",
    seed="[0-9]+",
    split="train|validation|test",
    geometry=r"[0-9]+px_[0-9.]+_[0-9.]+",
    target="[a-z0-9]+",
    tracker="|".join(TRACKERS),
    shard="[0-9]+",
    shards="[0-9]+",
    points="68|51|49",
    scores="scores(_51|_49)?",
    study="|".join(STUDIES) or "none",
    sweep="|".join(SWEEPS) or "none",


RUN = "results/runs/{benchmark}/{method}/{labels}/seed{seed}"
WARMUP = "results/runs/{benchmark}/{warmup}/{labels}/seed{seed}"
CROPS = "data/{benchmark}/crops/{geometry}"
FLOW = "data/{benchmark}/flow/{tracker}/{geometry}"
# `snakemake -n paper` lists all that could be built, whether the raw data is there or not.
LISTING = "paper" in sys.argv and any(
    re.fullmatch("--dry-?run|-[a-zA-Z]*n[a-zA-Z]*", word) for word in sys.argv
)
REPORTED = set()  # what has been said


def untracked(value):
    """A parameter whose change does not re-run the rule: where and how something is computed, not what.

    Snakemake leaves out of its records what depends on the input, as far as the signature tells.
    """
    return lambda wildcards, input: value


def missing_message(name, may_download=True):
    """Why a benchmark cannot be built and what to do about it; None where it can be."""
    try:
        benchmark = datasets.get(name)
    except InputError as error:
        return str(error)
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


def warn_once(message):
    if message not in REPORTED:
        logger.warning(message)
        REPORTED.add(message)


def check_raw_data(wildcards):
    require(wildcards.benchmark)
    return []


def raw_data_of(wildcards):
    """What says that a benchmark's raw data is there; nothing for one that is rendered."""
    require(wildcards.benchmark)
    return [] if datasets.get(wildcards.benchmark).renderer else "data/{benchmark}/raw.ok"


def shards_of(wildcards):
    """The shards of a benchmark that is rendered; nothing for others."""
    require(wildcards.benchmark)
    if not datasets.get(wildcards.benchmark).renderer:
        return []
    try:
        count = settings.shards(config, wildcards.benchmark)
    except InputError as error:
        stop(error)
    return [f"data/{{benchmark}}/shards/{shard}of{count}.zip" for shard in range(count)]


def index_source(wildcards, input):
    """What is indexed, as options; untracked, since another place of the same archive re-runs nothing."""
    if input.shards:
        return f"--shards {input.shards}"
    return f"--raw-dir {shlex.quote(config['raw_dir'])} --settings {input.settings}"


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


def runs_of(benchmark, file, warmups=False):
    """`file` of every run of a benchmark; with the warm-up that all methods share, if asked for."""
    require(benchmark)
    runs = settings.methods_to_run(config, benchmark)
    if warmups and any(settings.warmup_name(config, benchmark, method) == settings.WARMUP for method in runs):
        runs = [settings.WARMUP, *runs]
    return expand(
        "results/runs/{benchmark}/{run}/{labels}/seed{seed}/{file}",
        benchmark=benchmark,
        run=runs,
        labels=settings.labels_of(config, benchmark),
        seed=config["seeds"],
        file=file,
    )


def scores_of_transfer(wildcards):
    """Scores on a benchmark of detectors from rendered faces: alone (no labels), as a start, and not at all."""
    require(wildcards.benchmark)
    file = "scores.csv" if wildcards.points == "68" else f"scores_{wildcards.points}.csv"
    runs = [("supervised_synth_alone", 0)]
    runs += [
        (method, labels)
        for labels in settings.labels_of(config, wildcards.benchmark)
        for method in ("supervised", "supervised_from_synth")
    ]
    return [
        f"results/runs/{wildcards.benchmark}/{method}/{labels}/seed{seed}/{file}"
        for method, labels in runs
        for seed in config["seeds"]
    ]


def figures_of(benchmark):
    """The figures of a benchmark: of the signals where a method measures some, of training where somebody validates."""
    names = ["faces", "ced", "training", "signals", "overlay"]
    if settings.index_options(config, benchmark).get("validation") == 0:
        names.remove("training")
    if not any(
        settings.measures_signals(config, benchmark, method)
        for method in settings.methods_to_run(config, benchmark)
    ):
        names.remove("signals")
    return [f"results/figures/{benchmark}_{name}.png" for name in names]


def all_tables(wildcards):
    return [f"results/{benchmark}_nme.csv" for benchmark in available_benchmarks()]


def all_significance_tables(wildcards):
    return [f"results/tables/{benchmark}_significance.csv" for benchmark in available_benchmarks()]


def all_figures(wildcards):
    return [figure for benchmark in available_benchmarks() for figure in figures_of(benchmark)]


def settings_of_methods(wildcards):
    """Settings of one run of each method, and what the faces are made of: what the report says of the numbers."""
    files = []
    for benchmark in available_benchmarks():
        files.append(f"data/{benchmark}/index.yaml")
        for method in settings.methods_to_run(config, benchmark):
            run = f"{method}/{settings.labels_of(config, benchmark)[0]}/seed{config['seeds'][0]}"
            files.append(f"results/runs/{benchmark}/{run}/settings.yaml")
    return files


def as_json(values):
    """The same text for the same values: their order in a configuration is no reason to compute anything again."""
    return json.dumps(values, sort_keys=True)


def settings_as_json(wildcards):
    """The settings of a run or warm-up, as far as its training depends on them."""
    resolve = settings.resolve_warmup if wildcards.run.startswith("warmup") else settings.resolve_run
    try:
        resolved = resolve(config, wildcards.benchmark, wildcards.run, wildcards.labels)
    except InputError as error:
        stop(error)
    return as_json(resolved)


def index_settings_as_json(wildcards):
    """What a face table is made of. Where the raw data is gone, what it was when it was last there."""
    benchmark = datasets.get(wildcards.benchmark)
    if benchmark.renderer:
        try:
            rendered = settings.render_settings(config, benchmark.name)
        except InputError as error:
            stop(error)
        made_of = {"renderer": benchmark.renderer.version, "settings": rendered}
        return as_json({"benchmark": benchmark.name, **made_of})
    recorded = Path(f"data/{wildcards.benchmark}/index.yaml")
    raw = fingerprint(benchmark, config["raw_dir"])
    if raw is None and recorded.exists():
        raw = yaml.safe_load(recorded.read_text())["raw"]
    options = settings.index_options(config, wildcards.benchmark)
    return as_json({"benchmark": wildcards.benchmark, "options": options, "raw": raw})


def warmup_of(wildcards):
    """The warm-up that a method starts from."""
    try:
        warmup = settings.warmup_name(config, wildcards.benchmark, wildcards.method)
    except InputError as error:
        stop(error)
    return f"results/runs/{{benchmark}}/{warmup}/{{labels}}/seed{{seed}}/checkpoint.safetensors"


def pretrained_of(wildcards):
    """The detector that a warm-up starts from, if any."""
    try:
        source = settings.pretraining(config, wildcards.benchmark, wildcards.warmup)
    except InputError as error:
        stop(error)
    if source is None:
        return []
    benchmark, labels = source
    return f"results/runs/{benchmark}/supervised/{labels}/seed{wildcards.seed}/checkpoint.safetensors"


def geometry_of(wildcards):
    """The name of the crops that a run works on."""
    run = wildcards.get("method") or wildcards.get("warmup")
    try:
        return settings.geometry_of(config, wildcards.benchmark, run)
    except InputError as error:
        stop(error)


def crops_of(wildcards, splits=("train", "validation"), benchmark=None):
    """The packed crops of splits, as a run sees them."""
    folder = f"data/{benchmark or wildcards.benchmark}/crops/{geometry_of(wildcards)}"
    return [f"{folder}/{split}.{kind}" for split in splits for kind in ("npy", "npz")]


def pool_of(wildcards):
    """The crops of the benchmark whose frames a method takes as unlabelled ones, if it is not its own."""
    pool = settings.pool_of(config, wildcards.benchmark, wildcards.method)
    return [] if pool == wildcards.benchmark else crops_of(wildcards, ["train"], pool)


def flow_of(wildcards):
    """The optical flow of the unlabelled frames that a method trains on, if any."""
    tracker = settings.tracker_of(config, wildcards.benchmark, wildcards.method)
    pool = settings.pool_of(config, wildcards.benchmark, wildcards.method)
    return f"data/{pool}/flow/{tracker}/{geometry_of(wildcards)}/train.npy" if tracker else []


def flow_network_of(wildcards):
    """The network of the tracker, of a method that adapts it."""
    if not settings.adapts_flow(config, wildcards.benchmark, wildcards.method):
        return []
    return os.path.join(os.path.dirname(flow_of(wildcards)), "network.safetensors")


def network_of_tracker(wildcards):
    """The network that a tracker needs, where it is trained here."""
    return f"{FLOW}/network.safetensors" if needs_network(wildcards.tracker) else []


def crop_options(wildcards):
    """Input, expansion and margin of stored crops. Test crops are only looked at as they are, and need no margin."""
    input_px, expand, margin = wildcards.geometry.split("_")
    margin = 1 if wildcards.split == "test" else margin
    return f"--input-px {input_px.removesuffix('px')} --expand {expand} --margin {margin}"

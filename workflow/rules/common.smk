# The configuration, wildcard constraints and input functions; nothing here makes a file.

import inspect
import json
import os
import sys
from functools import cache
from pathlib import Path
from types import SimpleNamespace

from snakemake.logging import logger
from snakemake.settings.types import DeploymentMethod

from tsal import datasets
from tsal import config as settings
from tsal.bounds.texts import read_yaml
from tsal.config import as_words
from tsal.errors import InputError, printable
from tsal.data.labels import check_number
from tsal.flow import TRACKERS
from tsal.settings.released import RELEASED, released_checkpoint


def stop(reason):
    """End with a message alone. Snakemake prints a traceback with every exception that reaches it."""
    logger.error(printable(reason))
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


def of_configuration(function):
    """A function of tsal.config as one of names alone: asked once for each; a mistake ends with a message alone."""

    @cache
    def answer(*names):
        try:
            return function(config, *names)
        except InputError as error:
            stop(error)

    return answer


adapts_flow = of_configuration(settings.adapts_flow)
dataset_of = of_configuration(settings.dataset_of)
geometry_of = of_configuration(settings.geometry_of)
labels_of = of_configuration(settings.labels_of)
methods_to_run = of_configuration(settings.methods_to_run)
pool_name = of_configuration(settings.pool_of)
pretraining = of_configuration(settings.pretraining)
resolve = of_configuration(settings.resolve)
shard_count = of_configuration(settings.shards)
tracker_of = of_configuration(settings.tracker_of)
trained_as = of_configuration(settings.trained_as)
warmup_name = of_configuration(settings.warmup_name)


def folders_of_outputs():
    """Folders of tables, as a regular expression: each followed by what is made there, so that nothing else matches."""
    names = {folder: "|".join(settings.output_names(config, folder)) for folder in ("tables", "claims")}
    return "|".join(f"{folder}(?=/[a-z0-9]+_({known})[.])" for folder, known in names.items())


# Benchmarks have no "_" in their names, so that results/{benchmark}_nme.csv and figures are read in one way.
wildcard_constraints:
    benchmark="[a-z0-9]+",
    run=r"[a-z][a-z0-9_]*(-[0-9a-f]{6})?",
    method="(?!warmup)[a-z][a-z0-9_]*",
    warmup="warmup(-[0-9a-f]{6})?",
    labels=r"[0-9]+(\.[0-9]+)?(e-[0-9]+)?|n[0-9]+|every[0-9]+|first",
    seed="[0-9]+",
    split="train|validation|test",
    geometry=r"[0-9]+px(_[0-9]+(\.[0-9]+)?(e-[0-9]+)?){2}",
    on="(on_[a-z0-9]+/)?",
    kept_in="runs|peers",
    tracker="|".join(TRACKERS),
    shard="[0-9]+",
    shards="[0-9]+",
    scores="scores(_51|_49)?",
    transfer="(transfer/(68|51|49)/)?",
    folder=folders_of_outputs(),
    figure="|".join(settings.output_names(config, "figures")),


RUN = "results/runs/{benchmark}/{method}/{labels}/seed{seed}"
SCORED = "results/{kept_in}/{benchmark}/{method}/{labels}/seed{seed}"  # runs and the detectors of others
WARMUP = "results/runs/{benchmark}/{warmup}/{labels}/seed{seed}"
CROPS = "data/{benchmark}/crops/{geometry}"
FLOW = "data/{benchmark}/flow/{tracker}/{geometry}"
LIGHTNING_POSE = f"{workflow.basedir}/peers/lightning_pose"
LIGHTNING_POSE_RUN = "results/peers/{benchmark}/lightning_pose/{labels}/seed{seed}"
REPORTED = set()  # what has been said


def with_signature(function):
    """The function, its signature found: Snakemake asks each input function for it a dozen times a job."""
    function.__signature__ = inspect.signature(function)
    return function


def untracked(value):
    """A parameter whose change does not re-run the rule: where and how something is computed, not what.

    Snakemake leaves out of its records what depends on the input, as far as the signature tells.
    """
    return with_signature(lambda wildcards, input: value)


def warn_once(message):
    if message not in REPORTED:
        logger.warning(printable(message))
        REPORTED.add(message)


def as_json(values):
    """The same text for the same values: their order in a configuration is no reason to compute anything again."""
    return json.dumps(values, sort_keys=True)


@cache
def check_budget(benchmark, labels):
    """Stop where a label budget asks for more faces than there are, as far as a face table is there that stays."""
    table, index = (Path(f"data/{benchmark}/{name}") for name in ("faces.parquet", "index.yaml"))
    if not labels.startswith("n") or not (table.exists() and index.exists()):
        return
    try:
        made_of = read_yaml(index, "what the face table is made of")
    except InputError:
        return  # the rule that writes it does so anew
    if made_of != json.loads(index_settings_as_json(SimpleNamespace(benchmark=benchmark))):
        return
    from tsal.data.faces import read_faces, visibility_of  # which loads pandas

    try:
        annotated = visibility_of(read_faces(table, split="train")).any(axis=1)
    except InputError:
        return  # the step that reads it says so
    try:
        check_number(labels, int(annotated.sum()))
    except InputError as error:
        stop(f"{benchmark}: {error}")


def settings_as_json(wildcards):
    """The settings of a run or warm-up, as far as its training depends on them."""
    check_budget(wildcards.benchmark, wildcards.labels)
    return as_json(resolve(wildcards.benchmark, wildcards.run, wildcards.labels))


def warmup_of(wildcards):
    """The warm-up that a method starts from."""
    warmup = warmup_name(wildcards.benchmark, wildcards.method)
    return f"results/runs/{{benchmark}}/{warmup}/{{labels}}/seed{{seed}}/checkpoint.safetensors"


def taken_over(wildcards):
    """The training of a method that only reads its landmarks off otherwise than its base."""
    run = f"results/runs/{{benchmark}}/{trained_as(wildcards.method)}/{{labels}}/seed{{seed}}"
    return {"checkpoint": f"{run}/checkpoint.safetensors", "log": f"{run}/log.csv"}


def flip_test_of(wildcards):
    """The option of a method whose landmarks are means over a face and its mirror image, as words."""
    return [] if trained_as(wildcards.method) == wildcards.method else ["--flip-test"]


def pretrained_of(wildcards):
    """The detector that a warm-up starts from, if any."""
    source = pretraining(wildcards.benchmark, wildcards.warmup)
    if source is None:
        return []
    benchmark, labels = source
    if benchmark == RELEASED:
        return os.path.relpath(released_checkpoint())
    return f"results/runs/{benchmark}/supervised/{labels}/seed{wildcards.seed}/checkpoint.safetensors"


def geometry_of_run(wildcards):
    """The name of the crops that a run or warm-up works on."""
    return geometry_of(wildcards.benchmark, wildcards.get("method") or wildcards.get("warmup"))


def crops_of(wildcards, splits=("train", "validation"), benchmark=None):
    """The packed crops of splits, as a run sees them."""
    folder = f"data/{benchmark or wildcards.benchmark}/crops/{geometry_of_run(wildcards)}"
    return [f"{folder}/{split}.json" for split in splits]


def pool_of(wildcards):
    """The crops of the benchmark whose frames a method takes as unlabelled ones, if it is not its own."""
    pool = pool_name(wildcards.benchmark, wildcards.method)
    return [] if pool == wildcards.benchmark else crops_of(wildcards, ["train"], pool)


def flow_of(wildcards):
    """The optical flow of the unlabelled frames that a method trains on, if any."""
    tracker = tracker_of(wildcards.benchmark, wildcards.method)
    pool = pool_name(wildcards.benchmark, wildcards.method)
    return f"data/{pool}/flow/{tracker}/{geometry_of_run(wildcards)}/train.json" if tracker else []


def start_options(wildcards, input):
    """What a training starts from, as options: each input but the settings, crops by their folder."""
    options = {"warmup": input.get("warmup"), "pretrained": input.get("pretrained")}
    options |= {name: os.path.dirname(input[name][0]) for name in ("crops", "pool") if input.get(name)}
    options |= {"flow": input.get("flow"), "flow-network": input.get("flow_network")}
    return as_words(options)


def flow_network_of(wildcards):
    """The network of the tracker, of a method that adapts it."""
    if not adapts_flow(wildcards.benchmark, wildcards.method):
        return []
    return os.path.join(os.path.dirname(flow_of(wildcards)), "network.safetensors")


def tested_on(wildcards):
    """The benchmark on whose test faces a run is scored: its own or another, in whose folder on_{target}/ this lies."""
    return wildcards.on[len("on_") : -1] or wildcards.benchmark


def test_crops_of(wildcards):
    return crops_of(wildcards, ["test"], tested_on(wildcards))


def test_faces_of(wildcards):
    return f"data/{tested_on(wildcards)}/faces.parquet"


def scored_on(wildcards):
    """Benchmark and, where they are some alone, landmarks that a run is scored on; as options."""
    points = wildcards.scores.removeprefix("scores").removeprefix("_")
    return as_words({"benchmark": tested_on(wildcards), "points": points or None})


# --- detectors of others ---


def crops_of_supervised(split):
    """Input function: the packed crops of a split, as `supervised` sees them."""

    def crops(wildcards):
        require(wildcards.benchmark)
        folder = f"data/{wildcards.benchmark}/crops"
        geometry = geometry_of(wildcards.benchmark, "supervised")
        return [f"{folder}/{geometry}/{split}.json"]

    return crops


def lightning_pose_python(wildcards, input):
    """The interpreter with lightning-pose: of the rule's conda environment, else the one that a user made."""
    if DeploymentMethod.CONDA in workflow.deployment_settings.deployment_method:
        return "python"
    python = os.environ.get("LIGHTNING_POSE_PYTHON", f"{LIGHTNING_POSE}/.venv/bin/python")
    if not os.path.exists(python):
        stop(
            f"{python}: no such file; expected a Python with lightning-pose: make it as "
            f"{LIGHTNING_POSE}/README.md says, or name one in LIGHTNING_POSE_PYTHON, or use --sdm conda"
        )
    return python


def lightning_pose_budget(wildcards):
    """As many steps, with as many labelled faces each, as `supervised` has with its warm-up."""
    run = resolve(wildcards.benchmark, "supervised", wildcards.labels)
    training = run["training"]
    return as_words({"steps": training["warmup_steps"] + training["steps"], "batch": training["batch"]})

# What is said at the start of a run: what it will do, and about how long that takes here; nothing here makes a file.

import subprocess
from collections import Counter

from tsal.data.splits import SHARES

TRAINS = ("warmup", "train")


@cache
def validation_faces(benchmark):
    """About how many validation faces a benchmark has; 0 where that is not known yet."""
    if datasets.get(benchmark).renderer:
        return round(SHARES["validation"] * pictures_of(benchmark))
    table = Path(f"data/{benchmark}/faces.parquet")
    if not table.exists():
        return 0
    import pandas as pd

    return int((pd.read_parquet(table, columns=["split"])["split"] == "validation").sum())


def pictures_of(benchmark):
    """How many pictures are rendered of a benchmark."""
    rendered = settings.render_settings(config, benchmark)
    return rendered["stills"] + rendered["clips"] * rendered["clip_frames"]


def training_of(job):
    """What tells the cost of a training."""
    names, is_warm_up = job.wildcards, job.rule.name == "warmup"
    resolved = resolve(names.benchmark, names.warmup if is_warm_up else names.method, names.labels)
    return {"warmup": is_warm_up, "settings": resolved, "validation": validation_faces(names.benchmark)}


def plan_of(jobs):
    """What `tsal estimate` reads, of jobs that are to be run."""
    shards = Counter(job.wildcards.benchmark for job in jobs if job.rule.name == "render")
    pictures = sum(pictures_of(name) * count // shard_count(name) for name, count in shards.items())
    # What is submitted elsewhere runs on machines that are not known here.
    here = workflow.local_exec
    return {
        "jobs": Counter(job.rule.name for job in jobs if job.rule.name not in ("all", "paper", "claims")),
        "trainings": [training_of(job) for job in jobs if job.rule.name in TRAINS],
        "pictures": pictures,
        "cores": workflow.resource_settings.cores or 1 if here else 0,
        "threads": config["threads"],
        "gpus": gpu_jobs(),
        "device": config["device"],
    }


def gpu_jobs():
    """How many jobs with GPUs run side by side; 0 where none are asked for."""
    there = dict(workflow.global_resources.unwrapped_items()).get("gpu") or 0
    return there // config["gpu"] if config["gpu"] else 0


def say_plan():
    """Tell what this run will do. Whatever is in the way of that, the run goes on."""
    if not workflow.is_main_process:
        return
    try:
        plan = as_json(plan_of(list(workflow.dag.needrun_jobs())))
        told = subprocess.run(["tsal", "estimate"], input=plan, capture_output=True, text=True, timeout=120)
    except Exception as error:
        logger.warning(printable(f"what this run will take could not be told: {error}"))
        return
    for line in told.stdout.splitlines() if told.returncode == 0 else told.stderr.splitlines()[-1:]:
        logger.info(printable(line))

# Input functions of detectors of others; nothing here makes a file.

from snakemake.settings.types import DeploymentMethod

LIGHTNING_POSE = f"{workflow.basedir}/peers/lightning_pose"
LIGHTNING_POSE_RUN = "results/peers/{benchmark}/lightning_pose/{labels}/seed{seed}"


def crops_of_supervised(split):
    """Input function: the packed crops of a split, as `supervised` sees them."""

    def crops(wildcards):
        require(wildcards.benchmark)
        folder = f"data/{wildcards.benchmark}/crops"
        geometry = geometry_of(wildcards.benchmark, "supervised")
        return [f"{folder}/{geometry}/{split}.{kind}" for kind in ("npy", "npz")]

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
    return shlex.quote(python)


def lightning_pose_budget(wildcards):
    """As many steps, with as many labelled faces each, as `supervised` has with its warm-up."""
    run = resolve_run(wildcards.benchmark, "supervised", wildcards.labels)
    training = run["training"]
    return f"--steps {training['warmup_steps'] + training['steps']} --batch {training['batch']}"

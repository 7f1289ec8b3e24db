# What a job gets of the machine that runs it: device, processes, threads, memory and time; and what is said where a
# cluster refuses it. Nothing here makes a file.

import platform
import signal

# A scheduler that ends a job sends SIGTERM to all of its processes, and kills them half a minute later. `tsal` saves its
# state meanwhile: the shell that waits for it and `tee`, into which it prints, have to outlive the signal. Commands
# start with it ignored; `tsal` has a handler of its own. A closed terminal sends SIGHUP to all of them: the shell catches
# it, which leaves it to its commands what they do.
shell.prefix("set -euo pipefail; trap '' TERM; trap : HUP; ")


def heed_hangup():
    """End upon SIGHUP as upon SIGTERM, unless it is ignored (nohup): killed, Snakemake would leave its folder locked."""
    if signal.getsignal(signal.SIGHUP) is signal.SIG_DFL:
        signal.signal(signal.SIGHUP, signal.getsignal(signal.SIGTERM))


SAVE_EVERY = untracked(config["save_every"])


def device_of(wildcards, input, resources):
    """The device of a job, untracked: where the scheduler gave it a GPU, "auto" is no CPU.

    The name of the parameter `input` is what leaves it out of Snakemake's records, see `untracked`.
    """
    asked = config["device"]
    return "cuda" if asked == "auto" and resources.get("gpu", 0) else asked


def processes_of(wildcards, input, resources):
    """How many processes train together, as options, untracked too: one for each GPU that the job asks for."""
    return as_words({"processes": resources.get("gpu") or None})


# What SLURM says of a job that no node can run, and what to do about it.
REFUSED = {
    "Invalid generic resource": "This cluster has no GPUs, or calls them otherwise. To train on its CPUs: --workflow-profile slurm-cpu.",
    "Requested node configuration is not available": "No node of the partition has the CPUs, memory or GPUs that were "
    "asked for. To train without a GPU: --workflow-profile slurm-cpu.",
}


def advise(log):
    """Say what to do where SLURM refused a job; `log`: the files that hold what Snakemake said."""
    said = [Path(path).read_text(encoding="utf-8", errors="replace") for path in log]
    for refusal, advice in REFUSED.items():
        if any(refusal in text for text in said):
            logger.error(f"{advice} See docs/cluster.md.")


def growing(amount):
    """A resource of a job: so much at first, twice and three times as much when it is tried again."""
    return with_signature(lambda wildcards, attempt: amount * attempt)


def threads_of_training(wildcards, input, threads):
    """The threads of a training: as many as the configuration says, since sums in another order give other weights.

    Snakemake takes fewer in silence where there are fewer cores: that is a warning here, and an error in a job of a
    cluster, whose results would depend on the node. With `input` as an argument, this is untracked.
    """
    unknown = workflow.dryrun and workflow.cores == 1  # Snakemake's way to plan for a cluster
    if threads != config["threads"] and not unknown:
        difference = (
            f"threads: {config['threads']} in the configuration, but {threads} on {platform.node()}: the same seed "
            "gives slightly different weights"
        )
        if workflow.remote_exec:
            stop(
                f"{difference}. Set `threads` to what the nodes have, and leave out --cores and --set-threads"
            )
        warn_once(difference)
    return threads

# Input functions of the floor; nothing here makes a file.


def labelled_clips_of(wildcards):
    """The training crops of a benchmark as its warm-up sees them, and their flow; stops where there are no clips."""
    require(wildcards.benchmark)
    if not benchmarks.get(wildcards.benchmark).has_clips:
        stop(
            f"{wildcards.benchmark}: has no clips; the noise of labels is measured on neighbouring frames, "
            "leave its floor out"
        )
    geometry = settings.geometry_of(config, wildcards.benchmark, settings.WARMUP)
    crops = f"data/{wildcards.benchmark}/crops/{geometry}/train"
    flow = f"data/{wildcards.benchmark}/flow/dis/{geometry}/train.npy"
    return {"images": f"{crops}.npy", "faces": f"{crops}.npz", "flow": flow}


def floor_of(wildcards):
    """The noise of a benchmark's labels, where a machine made them: what its errors are shown with."""
    return (
        "results/tables/{benchmark}_floor.csv"
        if benchmarks.get(wildcards.benchmark).labels_by_machine
        else []
    )


def all_floors(wildcards):
    """The floors of `all`, for the notes of the report."""
    known = [benchmark for benchmark in available_benchmarks() if benchmarks.get(benchmark).labels_by_machine]
    return [f"results/tables/{benchmark}_floor.csv" for benchmark in known]


def floor_option(wildcards, input):
    return f"--floor {input.floor}" if input.floor else ""

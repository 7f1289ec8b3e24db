# Input functions of the floor; nothing here makes a file.


def labelled_clips_of(wildcards):
    """The training crops of a benchmark as its warm-up sees them, and their flow; stops where there are no clips."""
    require(wildcards.benchmark)
    if not datasets.get(wildcards.benchmark).has_clips:
        stop(
            f"{wildcards.benchmark}: has no clips; the noise of labels is measured on neighbouring frames, "
            "leave its floor out"
        )
    geometry = settings.geometry_of(config, wildcards.benchmark, settings.WARMUP)
    crops = f"data/{wildcards.benchmark}/crops/{geometry}/train"
    flow = f"data/{wildcards.benchmark}/flow/dis/{geometry}/train.npy"
    return {"images": f"{crops}.npy", "faces": f"{crops}.npz", "flow": flow}


def floors_of(known):
    """The noise of the labels of benchmarks, where a machine made them: what their errors are shown with."""
    machine = [benchmark for benchmark in known if datasets.get(benchmark).labels_by_machine]
    return [f"results/tables/{benchmark}_floor.csv" for benchmark in machine]


def floor_of(wildcards):
    return floors_of([wildcards.benchmark])


def all_floors(wildcards):
    return floors_of(available_benchmarks())


def floor_option(wildcards, input):
    return f"--floor {input.floor}" if input.floor else ""

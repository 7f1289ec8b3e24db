# Input functions of tables, figures and the report: which runs they are made of; nothing here makes a file.


def runs_of(benchmark, file, warmups=False):
    """`file` of every run of a benchmark; with the warm-up that all methods share, if asked for."""
    require(benchmark)
    runs = methods_to_run(benchmark)
    if warmups and any(warmup_name(benchmark, method) == settings.WARMUP for method in runs):
        runs = [settings.WARMUP, *runs]
    return expand(
        "results/runs/{benchmark}/{run}/{labels}/seed{seed}/{file}",
        benchmark=benchmark,
        run=runs,
        labels=labels_of(benchmark),
        seed=config["seeds"],
        file=file,
    )


def scores_of_table(wildcards):
    """Scores, kept or made, of a benchmark's table; of a transfer, of detectors of rendered faces: alone, as a start, and not at all."""
    benchmark, transfer = wildcards.benchmark, wildcards.transfer
    if not transfer:
        return kept_or_made(runs_of(benchmark, "scores.csv"))
    require(benchmark)
    points = transfer.split("/")[1]
    file = "scores.csv" if points == "68" else f"scores_{points}.csv"
    runs = [("supervised_synth_alone", 0)]  # no labels
    runs += [
        (method, labels)
        for labels in labels_of(benchmark)
        for method in ("supervised", "supervised_from_synth")
    ]
    return [
        f"results/runs/{benchmark}/{method}/{labels}/seed{seed}/{file}"
        for method, labels in runs
        for seed in config["seeds"]
    ]


def settings_of_table(wildcards):
    """Settings of the runs of a benchmark's table, kept or not; of a transfer, none."""
    return [] if wildcards.transfer else runs_of(wildcards.benchmark, "settings.yaml")


def floors_of(known):
    """The noise of the labels of benchmarks, where a machine made them: what their errors are shown with."""
    machine = [benchmark for benchmark in known if datasets.get(benchmark).labels_by_machine]
    return [f"results/tables/{benchmark}_floor.csv" for benchmark in machine]


def floor_of_table(wildcards):
    return [] if wildcards.transfer else floors_of([wildcards.benchmark])


def all_floors(wildcards):
    return floors_of(available_benchmarks())


def labelled_clips_of(wildcards):
    """The training crops of a benchmark as its warm-up sees them, and their flow; stops where there are no clips."""
    require(wildcards.benchmark)
    if not datasets.get(wildcards.benchmark).has_clips:
        stop(
            f"{wildcards.benchmark}: has no clips; the noise of labels is measured on neighbouring frames, "
            "leave its floor out"
        )
    geometry = geometry_of(wildcards.benchmark, settings.WARMUP)
    crops = f"data/{wildcards.benchmark}/crops/{geometry}/train"
    flow = f"data/{wildcards.benchmark}/flow/dis/{geometry}/train.npy"
    return {"images": f"{crops}.npy", "faces": f"{crops}.npz", "flow": flow}


def figures_of(benchmark):
    """The figures of a benchmark: of the signals where a method measures some, of training where somebody validates."""
    names = ["faces", "ced", "training", "signals", "overlay"]
    if settings.index_options(config, benchmark).get("validation") == 0:
        names.remove("training")
    if not any(settings.measures_signals(config, benchmark, method) for method in methods_to_run(benchmark)):
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
        for method in methods_to_run(benchmark):
            run = f"{method}/{labels_of(benchmark)[0]}/seed{config['seeds'][0]}"
            files.append(f"results/runs/{benchmark}/{run}/settings.yaml")
    return files


# --- by the name of a table or figure ---


@cache
def output_of(folder, name):
    """What a table or figure is, by the name of its file."""
    try:
        return settings.find_output(config["studies"], folder, name)
    except InputError as error:
        stop(error)


def runs_of_output(output, benchmark, name, file):
    """`file` of every run that a table or figure is made of; where a kept one will do, in its place."""
    if output.runs == "study":
        return runs_of_study(benchmark, name, file)
    if output.runs == "comparison":
        return runs_of_comparison(benchmark, file)
    if output.runs == "claims":
        return runs_of_claims(benchmark, file)
    if output.runs == "target":
        return runs_on(benchmark, settings.target_of(name), file)
    paths = runs_of(benchmark, file, output.warmups)
    return paths if output.beside else kept_or_made(paths)  # what lies beside is not kept


def given_to_output(output, benchmark, name):
    """What the command of a table or figure is given: a file of each run, or the face table."""
    faces = f"data/{benchmark}/faces.parquet"
    return runs_of_output(output, benchmark, name, output.file) if output.runs else [faces]


def inputs_of_output(output, benchmark, name):
    """All files that a table or figure is made of."""
    faces, images = f"data/{benchmark}/faces.parquet", f"data/{benchmark}/images"
    inputs = {"files": stored(given_to_output(output, benchmark, name))}
    if output.beside:
        inputs["beside"] = runs_of_output(output, benchmark, name, output.beside)
    if output.images:
        inputs["images"] = images
    named = {"faces": [faces], "floor": floors_of([benchmark])}
    return inputs | {option: named[option] for option in settings.named_inputs(output)}


def name_of_output(wildcards):
    """(folder, name) of a table or figure."""
    return (
        ("figures", wildcards.figure) if "figure" in wildcards.keys() else (wildcards.folder, wildcards.table)
    )


def made_of(wildcards):
    """Input function of tables and figures."""
    folder, name = name_of_output(wildcards)
    return inputs_of_output(output_of(folder, name), wildcards.benchmark, name)


def given_to(wildcards):
    """What the command of a table or figure is given; a parameter, since kept runs lie in one file."""
    folder, name = name_of_output(wildcards)
    return given_to_output(output_of(folder, name), wildcards.benchmark, name)


def kind_of(wildcards):
    return output_of(*name_of_output(wildcards)).kind


def options_of(wildcards):
    """What the configuration tells the command of a table or figure."""
    folder, name = name_of_output(wildcards)
    try:
        return settings.output_options(config, wildcards.benchmark, output_of(folder, name), name)
    except InputError as error:
        stop(error)


def file_options(wildcards, input):
    """Those inputs of a table or figure that its command is told by name."""
    return " ".join(f"--{name} {input[name]}" for name in ("faces", "floor") if input.get(name))


def titles_of(wildcards):
    """How the report lists a table or figure."""
    folder, name = name_of_output(wildcards)
    title, _ = settings.in_words(config, wildcards.benchmark, output_of(folder, name), name)
    return {"figure" if folder == "figures" else "table": title}


def caption_of(wildcards, input):
    """What the report says below a table or figure; as a parameter, untracked: other words make nothing anew."""
    folder, name = name_of_output(wildcards)
    return settings.in_words(config, wildcards.benchmark, output_of(folder, name), name)[1]


def section_of(wildcards):
    """Under what the report lists a table or figure."""
    folder, name = name_of_output(wildcards)
    return "Claims" if folder == "claims" or name.startswith("claim_") else folder.capitalize()

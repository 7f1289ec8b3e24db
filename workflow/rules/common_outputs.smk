# Input functions of tables, figures and the report, of `paper` and `claims`: which runs they are made of; nothing here
# makes a file.

from tsal.evaluation import keep
from tsal.settings.code import training_code

if config["finished"] is not None and not Path(config["finished"]).is_dir():
    stop(
        f"finished: found {config['finished']}, expected a folder with kept runs or null; fill it with `tsal keep`"
    )


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


def notes_of(wildcards):
    """What is noted of a benchmark's numbers, or of those of each benchmark of the report, as options."""
    if "benchmark" in wildcards.keys():
        notes = settings.notes_on(config, wildcards.benchmark)
    else:
        noted = {benchmark: settings.notes_on(config, benchmark) for benchmark in available_benchmarks()}
        notes = {benchmark: found for benchmark, found in noted.items() if any(found.values())}
    return as_words({"notes": settings.notes_as_option(notes)})


def note_lines(wildcards, input):
    """What Snakemake's report says below a table of a benchmark; as a parameter, untracked, beside notes_of."""
    return " ".join(map(settings.in_rst, settings.notes_on(config, wildcards.benchmark)["lines"]))


def labelled_clips_of(wildcards):
    """The training crops of a benchmark as its warm-up sees them, and their flow; stops where there are no clips."""
    require(wildcards.benchmark)
    if not datasets.get(wildcards.benchmark).has_clips:
        stop(
            f"{wildcards.benchmark}: has no clips; the noise of labels is measured on neighbouring frames, "
            "leave its floor out"
        )
    geometry = geometry_of(wildcards.benchmark, settings.WARMUP)
    crops = f"data/{wildcards.benchmark}/crops/{geometry}/train.json"
    return {"crops": crops, "flow": f"data/{wildcards.benchmark}/flow/dis/{geometry}/train.json"}


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


# --- studies, kept runs ---


def runs_of_study(benchmark, name, file):
    """`file` of every run of a study: see kept_or_made."""
    require(benchmark)
    study = settings.study(config, benchmark, name)
    return kept_or_made(
        expand(
            "results/runs/{benchmark}/{method}/{labels}/seed{seed}/{file}",
            benchmark=benchmark,
            method=study.methods,
            labels=study.labels,
            seed=study.seeds,
            file=file,
        )
    )


def kept_or_made(paths):
    """Of files of runs those that are kept, where their run is finished, in the place of those still to be made.

    A kept one is named as if it lay in a folder, KEPT/ytf.parquet/tsal/0.05/seed0/scores.csv, as `tsal` reads it. It is
    no file: a rule takes these names as parameters, and what they are `stored` in as input.
    """
    return [kept_file(*Path(path).parts[-5:]) or path for path in paths] if config["finished"] else paths


def stored(paths):
    """The files on disk in which lie those that kept_or_made names."""
    return list(dict.fromkeys(str(keep.on_disk(path)) for path in paths))


@cache
def kept_file(benchmark, method, labels, seed, file):
    """The kept file of a finished run; None where it is not kept, or with other settings than the configuration's."""
    if file not in keep.FILES or method not in config["methods"]:
        return None  # such as warm-ups, which only unfinished runs need
    wanted, made_of = wanted_settings(benchmark, method, labels), faces_made_of(benchmark)
    try:
        run, word = keep.find_kept(
            config["finished"], f"{benchmark}/{method}/{labels}/{seed}", wanted, made_of, training_code()
        )
    except InputError as error:
        stop(error)
    if word:
        warn_once(word)
    return str(run / file) if run else None


@cache
def wanted_settings(benchmark, method, labels):
    """The settings that a run would have now, in the types of JSON."""
    return json.loads(as_json(settings.resolve_run(config, benchmark, method, labels)))


@cache
def faces_made_of(benchmark):
    """What the faces of a benchmark are made of now, in the types of JSON."""
    return json.loads(index_settings_as_json(SimpleNamespace(benchmark=benchmark)))


def runs_of_comparison(benchmark, file):
    """`file` of every run of the comparison, and of `supervised` with all labels, from which the gap is measured."""
    study = settings.study(config, benchmark, settings.COMPARISON)
    full = [
        f"results/runs/{benchmark}/supervised/1/seed{seed}/{file}"
        for seed in study.seeds
        if 1 not in study.labels
    ]
    return [*runs_of_study(benchmark, settings.COMPARISON, file), *kept_or_made(full)]


def runs_of_claims(benchmark, file):
    """`file` of every run of the studies of `claims`."""
    names = [study.name for study in settings.claim_studies(config, benchmark)]
    paths = [path for name in names for path in runs_of_study(benchmark, name, file)]
    return list(dict.fromkeys([*paths, *runs_of_comparison(benchmark, file)]))


def runs_on(benchmark, target, file):
    """`file` of every run of a benchmark that is scored on another one's test faces."""
    require(benchmark)
    return [
        f"results/runs/{benchmark}/{method}/{labels}/seed{seed}/on_{target}/{file}"
        for method, labels in settings.runs_on(config, benchmark, target)
        for seed in config["seeds"]
    ]


# --- `paper` and `claims` ---


def claim_files(wildcards):
    """All tables and figures of `claims`."""
    files = []
    for benchmark in config["claims"]["benchmarks"]:
        require(benchmark)
        studies = settings.claim_studies(config, benchmark)
        tables = ["nme", "significance", "gap", "cost"]
        figures = ["claim_budgets", "claim_signals", *(study.name for study in studies if study.parameter)]
        figures += ["claim_jitter"] if datasets.get(benchmark).is_video else []
        files += [f"results/claims/{benchmark}_{name}.csv" for name in tables]
        files += [f"results/tables/{benchmark}_{study.name}.csv" for study in studies]
        files += [f"results/figures/{benchmark}_{name}.png" for name in figures]
    return files


def paper_benchmarks():
    """The benchmarks of the paper; their raw data has to be there."""
    for benchmark in config["paper"]:
        require(benchmark)
    return config["paper"]


def paper_tables(wildcards):
    tables = []
    for benchmark in paper_benchmarks():
        names = [study.name for study in settings.paper_studies(config, benchmark)]
        names += ["categories"] if datasets.get(benchmark).is_video else []
        names += [f"on_{target}" for target in settings.score_on(config, benchmark)]
        tables.append(f"results/{benchmark}_nme.csv")
        tables += [f"results/tables/{benchmark}_{name}.csv" for name in names]
    return tables


def paper_figures(wildcards):
    figures = []
    for benchmark in paper_benchmarks():
        names = [study.name for study in settings.paper_studies(config, benchmark) if study.parameter]
        names += ["budgets"] if "budgets" in config["studies"] else []
        names += ["trajectory", "jitter"] if datasets.get(benchmark).is_video else []
        figures += [*figures_of(benchmark), *(f"results/figures/{benchmark}_{name}.png" for name in names)]
    return figures


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
        return runs_of_study(benchmark, settings.study_of(config["studies"], name), file)
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
    return as_words({name: input.get(name) for name in ("faces", "floor")})


def titles_of(wildcards):
    """How the report lists a table or figure. Snakemake fills in wildcards there: a word joiner keeps braces of a title."""
    folder, name = name_of_output(wildcards)
    title, _ = settings.in_words(config, wildcards.benchmark, output_of(folder, name), name)
    return {"figure" if folder == "figures" else "table": title.replace("{", "{\u2060")}


def caption_of(wildcards, input):
    """What the report says below a table or figure; as a parameter, untracked: other words make nothing anew."""
    folder, name = name_of_output(wildcards)
    return settings.in_words(config, wildcards.benchmark, output_of(folder, name), name)[1]


def section_of(wildcards):
    """Under what the report lists a table or figure."""
    folder, name = name_of_output(wildcards)
    return "Claims" if folder == "claims" or name.startswith("claim_") else folder.capitalize()

# Input functions of `paper`, of the studies and of `claims`; nothing here makes a file.

from types import SimpleNamespace

from tsal.evaluation import keep

if config["finished"] is not None and not Path(config["finished"]).is_dir():
    stop(
        f"finished: found {config['finished']}, expected a folder with kept runs or null; fill it with `tsal keep`"
    )


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
        run, reason = keep.find_kept(
            config["finished"], f"{benchmark}/{method}/{labels}/{seed}", wanted, made_of
        )
    except InputError as error:
        stop(error)
    if reason:
        warn_once(reason)
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


def runs_on(benchmark, target, file):
    """`file` of every run of a benchmark that is scored on another one's test faces."""
    require(benchmark)
    return [
        f"results/runs/{benchmark}/{method}/{labels}/seed{seed}/on_{target}/{file}"
        for method, labels in settings.runs_on(config, benchmark, target)
        for seed in config["seeds"]
    ]


def paper_benchmarks():
    """The benchmarks of the paper; their raw data has to be there."""
    for benchmark in config["paper"]:
        require(benchmark)
    return config["paper"]


def paper_tables(wildcards):
    tables = []
    for benchmark in paper_benchmarks():
        names = [study.name for study in settings.studies_of(config, benchmark)]
        names += ["categories"] if datasets.get(benchmark).is_video else []
        names += [f"on_{target}" for target in settings.score_on(config, benchmark)]
        tables.append(f"results/{benchmark}_nme.csv")
        tables += [f"results/tables/{benchmark}_{name}.csv" for name in names]
    return tables


def paper_figures(wildcards):
    figures = []
    for benchmark in paper_benchmarks():
        names = [study.name for study in settings.studies_of(config, benchmark) if study.parameter]
        names += ["budgets"] if "budgets" in config["studies"] else []
        names += ["trajectory", "jitter"] if datasets.get(benchmark).is_video else []
        figures += [*figures_of(benchmark), *(f"results/figures/{benchmark}_{name}.png" for name in names)]
    return figures

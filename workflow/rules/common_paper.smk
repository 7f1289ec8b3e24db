# Input functions of `paper`, of the studies and of `claims`; nothing here makes a file.

from functools import cache
from types import SimpleNamespace

from tsal.evaluation import keep

if config["finished"] is not None and not Path(config["finished"]).is_dir():
    stop(
        f"finished: found {config['finished']}, expected a folder with kept runs or null; fill it with `tsal keep`"
    )


def runs_of_study(benchmark, name, file):
    """`file` of every run of a study."""
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
    """Of files of runs those that are kept, where their run is finished, in the place of those still to be made."""
    return [kept_file(*Path(path).parts[-5:]) or path for path in paths] if config["finished"] else paths


@cache
def kept_file(benchmark, method, labels, seed, file):
    """The kept file of a finished run; None where it is not kept, or with other settings than the configuration's."""
    if file not in keep.KEPT_AS or method not in config["methods"]:
        return None  # such as warm-ups, which only unfinished runs need
    wanted, made_of = wanted_settings(benchmark, method, labels), faces_made_of(benchmark)
    try:
        folder, reason = keep.find_kept(
            config["finished"], f"{benchmark}/{method}/{labels}/{seed}", wanted, made_of
        )
    except InputError as error:
        stop(error)
    if reason:
        warn_once(reason)
    return str(folder / keep.KEPT_AS[file]) if folder else None


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


def pool_study(benchmark):
    """The study of `claims` that sweeps the share of the unlabelled frames; None where there is none."""
    known = settings.claim_studies(config, benchmark)
    return next((study for study in known if study.parameter == "pool_share"), None)


def pool_table(wildcards):
    """The table of that study, for the bars on the pool."""
    study = pool_study(wildcards.benchmark)
    return [f"results/tables/{wildcards.benchmark}_{study.name}.csv"] if study else []


def pool_options(wildcards, input):
    """That table and, in JSON, the share of each of its methods; as options."""
    study = pool_study(wildcards.benchmark)
    return f"--pool {input.pool} --shares {shlex.quote(as_json_in_order(study.values))}" if study else ""


def claim_files(wildcards):
    """All tables and figures of `claims`."""
    files = []
    for benchmark in config["claims"]["benchmarks"]:
        require(benchmark)
        studies = settings.claim_studies(config, benchmark)
        tables = ["nme", "significance", "gap", "cost", "bars"]
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


def names_in_study(wildcards, name=None):
    """JSON: how each method of a study is called."""
    return as_json_in_order(settings.study(config, wildcards.benchmark, name or wildcards.study).methods)


def values_in_study(wildcards):
    """JSON: the value of what is swept, by method."""
    return as_json_in_order(settings.study(config, wildcards.benchmark, wildcards.sweep).values)


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


def as_json_in_order(values):
    """Text for values whose order counts."""
    return json.dumps(values, ensure_ascii=False)

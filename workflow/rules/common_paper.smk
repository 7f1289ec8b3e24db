# Input functions of `paper` and of the studies; nothing here makes a file.


def runs_of_study(benchmark, name, file):
    """`file` of every run of a study."""
    require(benchmark)
    study = settings.study(config, benchmark, name)
    return expand(
        "results/runs/{benchmark}/{method}/{labels}/seed{seed}/{file}",
        benchmark=benchmark,
        method=study.methods,
        labels=study.labels,
        seed=config["seeds"],
        file=file,
    )


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
        names += ["categories"] if benchmarks.get(benchmark).is_video else []
        names += [f"on_{target}" for target in settings.score_on(config, benchmark)]
        tables.append(f"results/{benchmark}_nme.csv")
        tables += [f"results/tables/{benchmark}_{name}.csv" for name in names]
    return tables


def paper_figures(wildcards):
    figures = []
    for benchmark in paper_benchmarks():
        names = [study.name for study in settings.studies_of(config, benchmark) if study.parameter]
        names += ["budgets"] if "budgets" in config["studies"] else []
        names += ["trajectory", "jitter"] if benchmarks.get(benchmark).is_video else []
        figures += [*figures_of(benchmark), *(f"results/figures/{benchmark}_{name}.png" for name in names)]
    return figures


def as_json_in_order(values):
    """Text for values whose order counts."""
    return json.dumps(values, ensure_ascii=False)

# The tables and figures of the paper: comparisons of any methods, from the scores of their runs.


rule table_published:
    input:
        scores=stored(lambda wildcards: runs_of_study(wildcards.benchmark, "published", "scores.csv")),
        faces=rules.index.output.faces,
    output:
        csv=report(
            "results/tables/{benchmark}_published.csv",
            caption="../report/published.rst",
            category="{benchmark}",
            subcategory="Tables",
            labels={"table": "Published figures"},
        ),
        markdown="results/tables/{benchmark}_published.md",
        latex="results/tables/{benchmark}_published.tex",
    log:
        "logs/{benchmark}/table_published.log",
    benchmark:
        "results/timings/{benchmark}/table_published.tsv"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        runs=lambda wildcards: runs_of_study(wildcards.benchmark, "published", "scores.csv"),
    message:
        "Tabulating the errors on {wildcards.benchmark} beside the published ones"
    shell:
        "tsal table --kind published --benchmark {wildcards.benchmark} --faces {input.faces} -o {output.csv}"
        " {params.runs} 2>&1 | tee -i {log}"


rule table_categories:
    input:
        scores=lambda wildcards: runs_of(wildcards.benchmark, "scores.csv"),
        inner=lambda wildcards: runs_of(wildcards.benchmark, "scores_49.csv"),
        faces=rules.index.output.faces,
    output:
        csv=report(
            "results/tables/{benchmark}_categories.csv",
            caption="../report/categories.rst",
            category="{benchmark}",
            subcategory="Tables",
            labels={"table": "Categories"},
        ),
        markdown="results/tables/{benchmark}_categories.md",
        latex="results/tables/{benchmark}_categories.tex",
    log:
        "logs/{benchmark}/table_categories.log",
    benchmark:
        "results/timings/{benchmark}/table_categories.tsv"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        thresholds=config["thresholds"],
    message:
        "Tabulating the categories of {wildcards.benchmark}"
    shell:
        "tsal table --kind categories --benchmark {wildcards.benchmark} --faces {input.faces}"
        " --thresholds {params.thresholds} -o {output.csv} {input.scores} 2>&1 | tee -i {log}"


rule table_budgets:
    input:
        scores=stored(lambda wildcards: runs_of_study(wildcards.benchmark, "budgets", "scores.csv")),
        faces=rules.index.output.faces,
        floor=floor_of,
    output:
        csv=report(
            "results/tables/{benchmark}_budgets.csv",
            caption="../report/budgets.rst",
            category="{benchmark}",
            subcategory="Tables",
            labels={"table": "Label budgets"},
        ),
        markdown="results/tables/{benchmark}_budgets.md",
        latex="results/tables/{benchmark}_budgets.tex",
    log:
        "logs/{benchmark}/table_budgets.log",
    benchmark:
        "results/timings/{benchmark}/table_budgets.tsv"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        runs=lambda wildcards: runs_of_study(wildcards.benchmark, "budgets", "scores.csv"),
        names=lambda wildcards: names_in_study(wildcards, "budgets"),
        floor=floor_option,
    message:
        "Tabulating the label budgets of {wildcards.benchmark}"
    shell:
        "tsal table --kind budgets --benchmark {wildcards.benchmark} --faces {input.faces}"
        " --names {params.names:q} {params.floor} -o {output.csv} {params.runs} 2>&1 | tee -i {log}"


rule table_study:
    input:
        scores=stored(lambda wildcards: runs_of_study(wildcards.benchmark, wildcards.study, "scores.csv")),
        faces=rules.index.output.faces,
        floor=floor_of,
    output:
        csv=report(
            "results/tables/{benchmark}_{study}.csv",
            caption="../report/study.rst",
            category="{benchmark}",
            subcategory="Tables",
            labels={"table": "{study}"},
        ),
        markdown="results/tables/{benchmark}_{study}.md",
        latex="results/tables/{benchmark}_{study}.tex",
    log:
        "logs/{benchmark}/table_{study}.log",
    benchmark:
        "results/timings/{benchmark}/table_{study}.tsv"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        runs=lambda wildcards: runs_of_study(wildcards.benchmark, wildcards.study, "scores.csv"),
        title=lambda wildcards: config["studies"][wildcards.study]["title"],
        names=names_in_study,
        floor=floor_option,
        thresholds=config["thresholds"],
    message:
        "Tabulating the study {wildcards.study} on {wildcards.benchmark}"
    shell:
        "tsal table --kind study --benchmark {wildcards.benchmark} --faces {input.faces} --title {params.title:q}"
        " --names {params.names:q} --thresholds {params.thresholds} {params.floor} -o {output.csv}"
        " {params.runs} 2>&1 | tee -i {log}"


rule table_on:
    input:
        scores=lambda wildcards: runs_on(wildcards.benchmark, wildcards.target, "scores.csv"),
        faces=rules.index.output.faces,
    output:
        csv=report(
            "results/tables/{benchmark}_on_{target}.csv",
            caption="../report/on.rst",
            category="{benchmark}",
            subcategory="Tables",
            labels={"table": "On {target}"},
        ),
        markdown="results/tables/{benchmark}_on_{target}.md",
        latex="results/tables/{benchmark}_on_{target}.tex",
    log:
        "logs/{benchmark}/table_on_{target}.log",
    benchmark:
        "results/timings/{benchmark}/table_on_{target}.tsv"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=2000,
        runtime=30,
    message:
        "Tabulating the errors on {wildcards.target} of what was trained on {wildcards.benchmark}"
    shell:
        "tsal table --kind on --benchmark {wildcards.benchmark} --faces {input.faces} -o {output.csv}"
        " {input.scores} 2>&1 | tee -i {log}"


rule figure_sweep:
    input:
        stored(lambda wildcards: runs_of_study(wildcards.benchmark, wildcards.sweep, "scores.csv")),
    output:
        png=report(
            "results/figures/{benchmark}_{sweep}.png",
            caption="../report/sweep.rst",
            category="{benchmark}",
            subcategory="Figures",
            labels={"figure": "{sweep}"},
        ),
        pdf="results/figures/{benchmark}_{sweep}.pdf",
    log:
        "logs/{benchmark}/figure_{sweep}.log",
    benchmark:
        "results/timings/{benchmark}/figure_{sweep}.tsv"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=1000,
        runtime=15,
    params:
        runs=lambda wildcards: runs_of_study(wildcards.benchmark, wildcards.sweep, "scores.csv"),
        parameter=lambda wildcards: config["studies"][wildcards.sweep]["parameter"],
        values=values_in_study,
    message:
        "Drawing the error on {wildcards.benchmark} over {params.parameter}"
    shell:
        "tsal figure sweep --parameter {params.parameter} --values {params.values:q} -o {output.png} {params.runs}"
        " 2>&1 | tee -i {log}"


rule figure_budgets:
    input:
        scores=rules.table_budgets.input.scores,
        faces=rules.index.output.faces,
    output:
        png=report(
            "results/figures/{benchmark}_budgets.png",
            caption="../report/budgets.rst",
            category="{benchmark}",
            subcategory="Figures",
            labels={"figure": "Label budgets"},
        ),
        pdf="results/figures/{benchmark}_budgets.pdf",
    log:
        "logs/{benchmark}/figure_budgets.log",
    benchmark:
        "results/timings/{benchmark}/figure_budgets.tsv"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=1000,
        runtime=15,
    params:
        runs=rules.table_budgets.params.runs,
    message:
        "Drawing the error on {wildcards.benchmark} over label budgets"
    shell:
        "tsal figure budgets --faces {input.faces} -o {output.png} {params.runs} 2>&1 | tee -i {log}"


rule figure_trajectory:
    input:
        predictions=rules.figure_overlay.input.predictions,
        scores=rules.figure_overlay.input.scores,
        faces=rules.index.output.faces,
    output:
        png=report(
            "results/figures/{benchmark}_trajectory.png",
            caption="../report/trajectory.rst",
            category="{benchmark}",
            subcategory="Figures",
            labels={"figure": "Trajectories"},
        ),
        pdf="results/figures/{benchmark}_trajectory.pdf",
    log:
        "logs/{benchmark}/figure_trajectory.log",
    benchmark:
        "results/timings/{benchmark}/figure_trajectory.tsv"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=2000,
        runtime=15,
    message:
        "Drawing the paths of landmarks through a video of {wildcards.benchmark}"
    shell:
        "tsal figure trajectory --faces {input.faces} -o {output.png} {input.predictions} 2>&1 | tee -i {log}"


rule figure_jitter:
    input:
        lambda wildcards: runs_of(wildcards.benchmark, "scores.csv"),
    output:
        png=report(
            "results/figures/{benchmark}_jitter.png",
            caption="../report/jitter.rst",
            category="{benchmark}",
            subcategory="Figures",
            labels={"figure": "Jitter"},
        ),
        pdf="results/figures/{benchmark}_jitter.pdf",
    log:
        "logs/{benchmark}/figure_jitter.log",
    benchmark:
        "results/timings/{benchmark}/figure_jitter.tsv"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=1000,
        runtime=15,
    message:
        "Drawing jitter against error on {wildcards.benchmark}"
    shell:
        "tsal figure jitter -o {output.png} {input} 2>&1 | tee -i {log}"

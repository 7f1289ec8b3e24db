# Tables, figures and the report: from scores, logs and predictions to what a reader looks at.


rule table:
    input:
        scores=stored(lambda wildcards: kept_or_made(runs_of(wildcards.benchmark, "scores.csv"))),
        settings=lambda wildcards: runs_of(wildcards.benchmark, "settings.yaml"),
        faces=rules.index.output.faces,
        floor=floor_of,
    output:
        nme=report(
            "results/{benchmark}_nme.csv",
            caption="../report/nme.rst",
            category="{benchmark}",
            subcategory="Tables",
            labels={"table": "NME"},
        ),
        markdown="results/tables/{benchmark}_nme.md",
        latex="results/tables/{benchmark}_nme.tex",
        significance=report(
            "results/tables/{benchmark}_significance.csv",
            caption="../report/significance.rst",
            category="{benchmark}",
            subcategory="Tables",
            labels={"table": "Significance"},
        ),
    log:
        "logs/{benchmark}/table.log",
    benchmark:
        "results/timings/{benchmark}/table.tsv"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        runs=lambda wildcards: kept_or_made(runs_of(wildcards.benchmark, "scores.csv")),
        floor=floor_option,
    message:
        "Tabulating the errors on {wildcards.benchmark}"
    shell:
        "tsal table --benchmark {wildcards.benchmark} --faces {input.faces} {params.floor} -o {output.nme}"
        " {params.runs} 2>&1 | tee -i {log}"


# What rendered faces are worth on another benchmark, on all 68 points or some of them.
rule table_transfer:
    input:
        scores=scores_of_transfer,
        faces=rules.index.output.faces,
    output:
        nme="results/transfer/{points}/{benchmark}_nme.csv",
        markdown="results/transfer/{points}/tables/{benchmark}_nme.md",
        latex="results/transfer/{points}/tables/{benchmark}_nme.tex",
        significance="results/transfer/{points}/tables/{benchmark}_significance.csv",
    log:
        "logs/{benchmark}/table_transfer_{points}.log",
    benchmark:
        "results/timings/{benchmark}/table_transfer_{points}.tsv"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=2000,
        runtime=30,
    message:
        "Tabulating what rendered faces are worth on {wildcards.benchmark}"
    shell:
        "tsal table --benchmark {wildcards.benchmark} --faces {input.faces} -o {output.nme} {input.scores}"
        " 2>&1 | tee -i {log}"


rule figure_faces:
    input:
        faces=rules.index.output.faces,
        images=rules.index.output.images,
    output:
        png=report(
            "results/figures/{benchmark}_faces.png",
            caption="../report/faces.rst",
            category="{benchmark}",
            subcategory="Figures",
            labels={"figure": "Faces"},
        ),
        pdf="results/figures/{benchmark}_faces.pdf",
    log:
        "logs/{benchmark}/figure_faces.log",
    benchmark:
        "results/timings/{benchmark}/figure_faces.tsv"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=1000,
        runtime=15,
    message:
        "Drawing the contact sheet of {wildcards.benchmark}"
    shell:
        "tsal figure faces {input.faces} -o {output.png} 2>&1 | tee -i {log}"


rule figure_ced:
    input:
        stored(lambda wildcards: kept_or_made(runs_of(wildcards.benchmark, "scores.csv"))),
    output:
        png=report(
            "results/figures/{benchmark}_ced.png",
            caption="../report/ced.rst",
            category="{benchmark}",
            subcategory="Figures",
            labels={"figure": "Cumulative error curves"},
        ),
        pdf="results/figures/{benchmark}_ced.pdf",
    log:
        "logs/{benchmark}/figure_ced.log",
    benchmark:
        "results/timings/{benchmark}/figure_ced.tsv"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=1000,
        runtime=15,
    params:
        runs=lambda wildcards: kept_or_made(runs_of(wildcards.benchmark, "scores.csv")),
        thresholds=config["thresholds"],
    message:
        "Drawing the cumulative error curves of {wildcards.benchmark}"
    shell:
        "tsal figure ced --thresholds {params.thresholds} -o {output.png} {params.runs} 2>&1 | tee -i {log}"


rule figure_training:
    input:
        stored(lambda wildcards: kept_or_made(runs_of(wildcards.benchmark, "log.csv", warmups=True))),
    output:
        png=report(
            "results/figures/{benchmark}_training.png",
            caption="../report/training.rst",
            category="{benchmark}",
            subcategory="Figures",
            labels={"figure": "NME over training"},
        ),
        pdf="results/figures/{benchmark}_training.pdf",
    log:
        "logs/{benchmark}/figure_training.log",
    benchmark:
        "results/timings/{benchmark}/figure_training.tsv"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=1000,
        runtime=15,
    params:
        runs=lambda wildcards: kept_or_made(runs_of(wildcards.benchmark, "log.csv", warmups=True)),
    message:
        "Drawing the error over training on {wildcards.benchmark}"
    shell:
        "tsal figure training -o {output.png} {params.runs} 2>&1 | tee -i {log}"


rule figure_signals:
    input:
        stored(lambda wildcards: kept_or_made(runs_of(wildcards.benchmark, "log.csv"))),
    output:
        png=report(
            "results/figures/{benchmark}_signals.png",
            caption="../report/signals.rst",
            category="{benchmark}",
            subcategory="Figures",
            labels={"figure": "Noise of the signals"},
        ),
        pdf="results/figures/{benchmark}_signals.pdf",
    log:
        "logs/{benchmark}/figure_signals.log",
    benchmark:
        "results/timings/{benchmark}/figure_signals.tsv"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=1000,
        runtime=15,
    params:
        runs=lambda wildcards: kept_or_made(runs_of(wildcards.benchmark, "log.csv")),
    message:
        "Drawing the noise of the supervision signals on {wildcards.benchmark}"
    shell:
        "tsal figure signals -o {output.png} {params.runs} 2>&1 | tee -i {log}"


rule figure_overlay:
    input:
        predictions=lambda wildcards: runs_of(wildcards.benchmark, "predictions.csv"),
        scores=lambda wildcards: runs_of(wildcards.benchmark, "scores.csv"),
        faces=rules.index.output.faces,
        images=rules.index.output.images,
    output:
        png=report(
            "results/figures/{benchmark}_overlay.png",
            caption="../report/overlay.rst",
            category="{benchmark}",
            subcategory="Figures",
            labels={"figure": "Test faces"},
        ),
        pdf="results/figures/{benchmark}_overlay.pdf",
    log:
        "logs/{benchmark}/figure_overlay.log",
    benchmark:
        "results/timings/{benchmark}/figure_overlay.tsv"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=2000,
        runtime=15,
    message:
        "Drawing test faces of {wildcards.benchmark} with their predictions"
    shell:
        "tsal figure overlay --faces {input.faces} -o {output.png}" " {input.predictions} 2>&1 | tee -i {log}"


rule report:
    input:
        tables=all_tables,
        significance=all_significance_tables,
        floors=all_floors,
        figures=all_figures,
        settings=settings_of_methods,
    output:
        "results/report.html",
    log:
        "logs/report.log",
    benchmark:
        "results/timings/report.tsv"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=2000,
        runtime=15,
    message:
        "Writing the report"
    shell:
        "tsal report -o {output} {input} 2>&1 | tee -i {log}"

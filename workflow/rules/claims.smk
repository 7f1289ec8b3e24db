# What TSAL claims, measured: tables and figures of the studies of `claims`.


rule claim_nme:
    input:
        scores=stored(lambda wildcards: runs_of_claims(wildcards.benchmark, "scores.csv")),
        faces=rules.index.output.faces,
    output:
        report(
            "results/claims/{benchmark}_nme.csv",
            caption="../report/claim_nme.rst",
            category="{benchmark}",
            subcategory="Claims",
            labels={"table": "NME of all runs"},
        ),
    log:
        "logs/{benchmark}/claim_nme.log",
    benchmark:
        "results/timings/{benchmark}/claim_nme.tsv"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        runs=lambda wildcards: runs_of_claims(wildcards.benchmark, "scores.csv"),
    message:
        "Tabulating the errors of all runs of the study on {wildcards.benchmark}"
    shell:
        "tsal claim nme --benchmark {wildcards.benchmark} --faces {input.faces} -o {output} {params.runs}"
        " 2>&1 | tee -i {log}"


rule claim_significance:
    input:
        scores=stored(lambda wildcards: runs_of_comparison(wildcards.benchmark, "scores.csv")),
        faces=rules.index.output.faces,
    output:
        csv=report(
            "results/claims/{benchmark}_significance.csv",
            caption="../report/significance.rst",
            category="{benchmark}",
            subcategory="Claims",
            labels={"table": "Significance"},
        ),
        markdown="results/claims/{benchmark}_significance.md",
        latex="results/claims/{benchmark}_significance.tex",
    log:
        "logs/{benchmark}/claim_significance.log",
    benchmark:
        "results/timings/{benchmark}/claim_significance.tsv"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        runs=lambda wildcards: runs_of_comparison(wildcards.benchmark, "scores.csv"),
    message:
        "Comparing every two methods on {wildcards.benchmark}"
    shell:
        "tsal claim significance --benchmark {wildcards.benchmark} --faces {input.faces} -o {output.csv}"
        " {params.runs} 2>&1 | tee -i {log}"


rule claim_gap:
    input:
        scores=rules.claim_significance.input.scores,
        faces=rules.index.output.faces,
    output:
        csv=report(
            "results/claims/{benchmark}_gap.csv",
            caption="../report/claim_gap.rst",
            category="{benchmark}",
            subcategory="Claims",
            labels={"table": "Gap closed"},
        ),
        markdown="results/claims/{benchmark}_gap.md",
        latex="results/claims/{benchmark}_gap.tex",
    log:
        "logs/{benchmark}/claim_gap.log",
    benchmark:
        "results/timings/{benchmark}/claim_gap.tsv"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        runs=rules.claim_significance.params.runs,
    message:
        "Measuring the gap to all labels that each method closes on {wildcards.benchmark}"
    shell:
        "tsal claim gap --benchmark {wildcards.benchmark} --faces {input.faces} -o {output.csv} {params.runs}"
        " 2>&1 | tee -i {log}"


rule claim_cost:
    input:
        stored(lambda wildcards: runs_of_comparison(wildcards.benchmark, "log.csv")),
    output:
        csv=report(
            "results/claims/{benchmark}_cost.csv",
            caption="../report/claim_cost.rst",
            category="{benchmark}",
            subcategory="Claims",
            labels={"table": "Cost of training"},
        ),
        markdown="results/claims/{benchmark}_cost.md",
        latex="results/claims/{benchmark}_cost.tex",
    log:
        "logs/{benchmark}/claim_cost.log",
    benchmark:
        "results/timings/{benchmark}/claim_cost.tsv"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=1000,
        runtime=15,
    params:
        runs=lambda wildcards: runs_of_comparison(wildcards.benchmark, "log.csv"),
    message:
        "Tabulating the cost of training on {wildcards.benchmark}"
    shell:
        "tsal claim cost --benchmark {wildcards.benchmark} -o {output.csv} {params.runs} 2>&1 | tee -i {log}"


rule claim_bars:
    input:
        nme=rules.claim_nme.output,
        significance=rules.claim_significance.output.csv,
        gap=rules.claim_gap.output.csv,
        cost=rules.claim_cost.output.csv,
        pool=pool_table,
    output:
        csv=report(
            "results/claims/{benchmark}_bars.csv",
            caption="../report/claim_bars.rst",
            category="{benchmark}",
            subcategory="Claims",
            labels={"table": "What is to be reached"},
        ),
        markdown="results/claims/{benchmark}_bars.md",
        latex="results/claims/{benchmark}_bars.tex",
    log:
        "logs/{benchmark}/claim_bars.log",
    benchmark:
        "results/timings/{benchmark}/claim_bars.tsv"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=1000,
        runtime=15,
    params:
        pool=pool_options,
    message:
        "Holding what was measured on {wildcards.benchmark} against what is to be reached"
    shell:
        "tsal bars --benchmark {wildcards.benchmark} --nme {input.nme} --significance {input.significance}"
        " --gap {input.gap} --cost {input.cost} {params.pool} -o {output.csv} 2>&1 | tee -i {log}"


rule figure_claim_budgets:
    input:
        scores=rules.claim_significance.input.scores,
        faces=rules.index.output.faces,
    output:
        png=report(
            "results/figures/{benchmark}_claim_budgets.png",
            caption="../report/budgets.rst",
            category="{benchmark}",
            subcategory="Claims",
            labels={"figure": "Label budgets"},
        ),
        pdf="results/figures/{benchmark}_claim_budgets.pdf",
    log:
        "logs/{benchmark}/figure_claim_budgets.log",
    benchmark:
        "results/timings/{benchmark}/figure_claim_budgets.tsv"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=1000,
        runtime=15,
    params:
        runs=rules.claim_significance.params.runs,
    message:
        "Drawing the error of all methods on {wildcards.benchmark} over label budgets"
    shell:
        "tsal figure budgets --faces {input.faces} -o {output.png} {params.runs} 2>&1 | tee -i {log}"


rule figure_claim_signals:
    input:
        rules.claim_cost.input,
    output:
        png=report(
            "results/figures/{benchmark}_claim_signals.png",
            caption="../report/signals.rst",
            category="{benchmark}",
            subcategory="Claims",
            labels={"figure": "Noise of the signals"},
        ),
        pdf="results/figures/{benchmark}_claim_signals.pdf",
    log:
        "logs/{benchmark}/figure_claim_signals.log",
    benchmark:
        "results/timings/{benchmark}/figure_claim_signals.tsv"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=1000,
        runtime=15,
    params:
        runs=rules.claim_cost.params.runs,
    message:
        "Drawing the noise of the supervision signals on {wildcards.benchmark}, by label budget"
    shell:
        "tsal figure signals -o {output.png} {params.runs} 2>&1 | tee -i {log}"


rule figure_claim_jitter:
    input:
        rules.claim_significance.input.scores,
    output:
        png=report(
            "results/figures/{benchmark}_claim_jitter.png",
            caption="../report/jitter.rst",
            category="{benchmark}",
            subcategory="Claims",
            labels={"figure": "Jitter"},
        ),
        pdf="results/figures/{benchmark}_claim_jitter.pdf",
    log:
        "logs/{benchmark}/figure_claim_jitter.log",
    benchmark:
        "results/timings/{benchmark}/figure_claim_jitter.tsv"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=1000,
        runtime=15,
    params:
        runs=rules.claim_significance.params.runs,
    message:
        "Drawing jitter against error of all methods on {wildcards.benchmark}"
    shell:
        "tsal figure jitter -o {output.png} {params.runs} 2>&1 | tee -i {log}"

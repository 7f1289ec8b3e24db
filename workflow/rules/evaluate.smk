# predict -> score: from a checkpoint to the error of every test face.


rule predict:
    input:
        checkpoint=f"{RUN}/checkpoint.safetensors",
        faces=rules.index.output.faces,
        images=rules.index.output.images,
    output:
        f"{RUN}/predictions.csv",
    log:
        "logs/{benchmark}/predict/{method}/{labels}/seed{seed}.log",
    benchmark:
        "results/timings/{benchmark}/predict/{method}/{labels}/seed{seed}.tsv"
    conda:
        "../../environment.yml"
    threads: config["threads"]
    resources:
        mem_mb=3000,
        runtime=60,
    params:
        device=untracked(config["device"]),
    message:
        "Predicting the test faces of {wildcards.benchmark} with {wildcards.method}"
        " (labels {wildcards.labels}, seed {wildcards.seed})"
    shell:
        "tsal predict {input.checkpoint} {input.faces} --split test"
        " --threads {threads} --device {params.device} -o {output} 2>&1 | tee -i {log}"


rule score:
    input:
        predictions=rules.predict.output,
        faces=rules.index.output.faces,
    output:
        f"{RUN}/scores.csv",
    log:
        "logs/{benchmark}/score/{method}/{labels}/seed{seed}.log",
    benchmark:
        "results/timings/{benchmark}/score/{method}/{labels}/seed{seed}.tsv"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=1000,
        runtime=30,
    message:
        "Scoring {wildcards.method} on {wildcards.benchmark} (labels {wildcards.labels}, seed {wildcards.seed})"
    shell:
        "tsal score {input.predictions} --faces {input.faces} --benchmark {wildcards.benchmark} -o {output}"
        " 2>&1 | tee -i {log}"


# Some of the landmarks alone, such as 51: all but the jaw line.
rule score_points:
    input:
        predictions=rules.predict.output,
        faces=rules.index.output.faces,
    output:
        f"{RUN}/scores_{{points}}.csv",
    log:
        "logs/{benchmark}/score_{points}/{method}/{labels}/seed{seed}.log",
    benchmark:
        "results/timings/{benchmark}/score_{points}/{method}/{labels}/seed{seed}.tsv"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=1000,
        runtime=30,
    message:
        "Scoring {wildcards.points} landmarks of {wildcards.method} on {wildcards.benchmark}"
        " (labels {wildcards.labels}, seed {wildcards.seed})"
    shell:
        "tsal score {input.predictions} --faces {input.faces} --benchmark {wildcards.benchmark}"
        " --points {wildcards.points} -o {output} 2>&1 | tee -i {log}"

# predict -> score: from a checkpoint to the error of every test face.


rule predict:
    input:
        checkpoint=f"{RUN}/checkpoint.safetensors",
        crops=lambda wildcards: crops_of(wildcards, ["test"]),
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
        "tsal predict {input.checkpoint} {input.crops[0]} --threads {threads} --device {params.device}"
        " -o {output} 2>&1 | tee -i {log}"


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


# The test faces of another benchmark, such as the videos of 300VW for a detector that was trained on 300W.
rule predict_on:
    input:
        checkpoint=f"{RUN}/checkpoint.safetensors",
        crops=lambda wildcards: crops_of(wildcards, ["test"], wildcards.target),
    output:
        f"{RUN}/on_{{target}}/predictions.csv",
    log:
        "logs/{benchmark}/predict_on_{target}/{method}/{labels}/seed{seed}.log",
    benchmark:
        "results/timings/{benchmark}/predict_on_{target}/{method}/{labels}/seed{seed}.tsv"
    conda:
        "../../environment.yml"
    threads: config["threads"]
    resources:
        mem_mb=3000,
        runtime=60,
    params:
        device=untracked(config["device"]),
    message:
        "Predicting the test faces of {wildcards.target} with {wildcards.method} of {wildcards.benchmark}"
        " (labels {wildcards.labels}, seed {wildcards.seed})"
    shell:
        "tsal predict {input.checkpoint} {input.crops[0]} --threads {threads} --device {params.device}"
        " -o {output} 2>&1 | tee -i {log}"


rule score_on:
    input:
        predictions=rules.predict_on.output,
        faces="data/{target}/faces.parquet",
    output:
        f"{RUN}/on_{{target}}/{{scores}}.csv",
    log:
        "logs/{benchmark}/{scores}_on_{target}/{method}/{labels}/seed{seed}.log",
    benchmark:
        "results/timings/{benchmark}/{scores}_on_{target}/{method}/{labels}/seed{seed}.tsv"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=1000,
        runtime=30,
    params:
        points=lambda wildcards: wildcards.scores.replace("scores", "").replace("_", "--points "),
    message:
        "Scoring {wildcards.method} of {wildcards.benchmark} on {wildcards.target}"
        " (labels {wildcards.labels}, seed {wildcards.seed})"
    shell:
        "tsal score {input.predictions} --faces {input.faces} --benchmark {wildcards.target} {params.points}"
        " -o {output} 2>&1 | tee -i {log}"

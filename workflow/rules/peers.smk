# Detectors of others, trained on the same faces and clips, each in an environment of its own. No part of `all`:
#   snakemake --cores all results/peers/ytf/lightning_pose/0.01/seed0/scores.csv
# peers/lightning_pose/README.md says how its environment is made, and what came of it.


rule lightning_pose_export:
    input:
        crops_of_supervised("train"),
    output:
        temp(directory(f"{LIGHTNING_POSE_RUN}/export")),
    log:
        "logs/{benchmark}/lightning_pose/export/{labels}/seed{seed}.log",
    benchmark:
        "results/timings/{benchmark}/lightning_pose/export/{labels}/seed{seed}.tsv"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=growing(1000),
        runtime=growing(60),
    params:
        script=untracked(f"{LIGHTNING_POSE}/exchange.py"),
        crops=lambda wildcards, input: os.path.dirname(input[0]),
    message:
        "Exporting {wildcards.benchmark} (labels {wildcards.labels}, seed {wildcards.seed}) to lightning-pose"
    shell:
        "python {params.script:q} export {params.crops:q} --labels {wildcards.labels:q} --seed {wildcards.seed:q} -o {output:q}"
        " 2>&1 | tee -i {log:q}"


rule lightning_pose_train:
    input:
        export=rules.lightning_pose_export.output,
        crops=crops_of_supervised("test"),
    output:
        points=f"{LIGHTNING_POSE_RUN}/points.npy",
        log=f"{LIGHTNING_POSE_RUN}/metrics.csv",
    log:
        "logs/{benchmark}/lightning_pose/train/{labels}/seed{seed}.log",
    benchmark:
        "results/timings/{benchmark}/lightning_pose/train/{labels}/seed{seed}.tsv"
    conda:
        "../../peers/lightning_pose/environment.yml"
    threads: config["threads"]
    resources:
        mem_mb=growing(4000),
        runtime=growing(720),
        gpu=config["gpu"],
    params:
        threads=threads_of_training,
        python=lightning_pose_python,
        script=untracked(f"{LIGHTNING_POSE}/train.py"),
        budget=lightning_pose_budget,
    message:
        "Training lightning-pose on {wildcards.benchmark} (labels {wildcards.labels}, seed {wildcards.seed})"
    shell:
        "{params.python:q} {params.script:q} {input.export:q} --crops {input.crops[0]:q} {params.budget:q}"
        " --seed {wildcards.seed:q} --threads {params.threads:q} -o {output.points:q} 2>&1 | tee -i {log:q}"


rule lightning_pose_import:
    input:
        points=rules.lightning_pose_train.output.points,
        crops=crops_of_supervised("test"),
    output:
        f"{LIGHTNING_POSE_RUN}/predictions.csv",
    log:
        "logs/{benchmark}/lightning_pose/import/{labels}/seed{seed}.log",
    benchmark:
        "results/timings/{benchmark}/lightning_pose/import/{labels}/seed{seed}.tsv"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=growing(1000),
        runtime=growing(30),
    params:
        script=untracked(f"{LIGHTNING_POSE}/exchange.py"),
        crops=lambda wildcards, input: os.path.dirname(input.crops[0]),
    message:
        "Reading what lightning-pose found in {wildcards.benchmark}"
        " (labels {wildcards.labels}, seed {wildcards.seed})"
    shell:
        "python {params.script:q} import {input.points:q} --crops {params.crops:q} -o {output:q} 2>&1 | tee -i {log:q}"

# warm-up -> method: supervised, tsal and every variant of them in the configuration.
#
# A killed training goes on where it was: its state lies beside the checkpoint, in a file that is no output, since
# Snakemake deletes the outputs of a job that failed.


# The settings hold what a training depends on, so that a change of the configuration re-runs only what it concerns.
rule settings:
    output:
        "results/runs/{benchmark}/{run}/{labels}/seed{seed}/settings.yaml",
    log:
        "logs/{benchmark}/settings/{run}/{labels}/seed{seed}.log",
    benchmark:
        "results/timings/{benchmark}/settings/{run}/{labels}/seed{seed}.tsv"
    localrule: True
    conda:
        "../../environment.yml"
    resources:
        mem_mb=500,
        runtime=5,
    params:
        json=settings_as_json,
    message:
        "Writing the settings of {wildcards.run} ({wildcards.benchmark}, labels {wildcards.labels}, seed {wildcards.seed})"
    shell:
        "tsal settings --json {params.json:q} -o {output:q} 2>&1 | tee -i {log:q}"


rule warmup:
    input:
        settings=f"{WARMUP}/settings.yaml",
        crops=crops_of,
        pretrained=pretrained_of,
    output:
        checkpoint=f"{WARMUP}/checkpoint.safetensors",
        log=f"{WARMUP}/log.csv",
    log:
        "logs/{benchmark}/train/{warmup}/{labels}/seed{seed}.log",
    benchmark:
        "results/timings/{benchmark}/train/{warmup}/{labels}/seed{seed}.tsv"
    conda:
        "../../environment.yml"
    threads: config["threads"]
    resources:
        mem_mb=growing(8000),
        runtime=growing(240),
        gpu=config["gpu"],
    params:
        threads=threads_of_training,
        start=start_options,
        device=device_of,
        save_every=SAVE_EVERY,
        processes=processes_of,
    message:
        "Warming up on {wildcards.benchmark} (labels {wildcards.labels}, seed {wildcards.seed})"
    shell:
        "tsal warmup --settings {input.settings:q} {params.start:q} --seed {wildcards.seed:q}"
        " --threads {params.threads:q} --device {params.device:q} {params.processes:q} --save-every {params.save_every:q}"
        " -o {output.checkpoint:q} --log {output.log:q} 2>&1 | tee -i {log:q}"


rule train:
    input:
        settings=f"{RUN}/settings.yaml",
        warmup=warmup_of,
        crops=crops_of,
        pool=pool_of,
        flow=flow_of,
        flow_network=flow_network_of,
    output:
        checkpoint=f"{RUN}/checkpoint.safetensors",
        log=f"{RUN}/log.csv",
    log:
        "logs/{benchmark}/train/{method}/{labels}/seed{seed}.log",
    benchmark:
        "results/timings/{benchmark}/train/{method}/{labels}/seed{seed}.tsv"
    conda:
        "../../environment.yml"
    threads: config["threads"]
    resources:
        mem_mb=growing(8000),
        runtime=growing(720),
        gpu=config["gpu"],
    params:
        threads=threads_of_training,
        start=start_options,
        device=device_of,
        save_every=SAVE_EVERY,
        processes=processes_of,
    message:
        "Training {wildcards.method} on {wildcards.benchmark} (labels {wildcards.labels}, seed {wildcards.seed})"
    shell:
        "tsal train --settings {input.settings:q} {params.start:q} --seed {wildcards.seed:q} --threads {params.threads:q}"
        " --device {params.device:q} {params.processes:q} --save-every {params.save_every:q}"
        " -o {output.checkpoint:q} --log {output.log:q} 2>&1 | tee -i {log:q}"


# A method with flip_test is trained as its base is: it reads landmarks off otherwise.
rule take_over:
    input:
        unpack(taken_over),
        settings=f"{RUN}/settings.yaml",
    output:
        checkpoint=f"{RUN}/checkpoint.safetensors",
        log=f"{RUN}/log.csv",
    log:
        "logs/{benchmark}/take_over/{method}/{labels}/seed{seed}.log",
    benchmark:
        "results/timings/{benchmark}/take_over/{method}/{labels}/seed{seed}.tsv"
    wildcard_constraints:
        method="|".join(name for name in config["methods"] if trained_as(name) != name) or "(?!)",
    localrule: True
    conda:
        "../../environment.yml"
    resources:
        mem_mb=500,
        runtime=5,
    params:
        # What the training says of its machine and code, which older ones do not.
        machine=lambda wildcards, input: f"{os.path.dirname(input.log)}/machine.yaml",
        folder=lambda wildcards, output: os.path.dirname(output.log),
    message:
        "Taking over the training of {input.checkpoint}"
    shell:
        "{{ cp {input.checkpoint:q} {output.checkpoint:q} && cp {input.log:q} {output.log:q}"
        " && if [ -e {params.machine:q} ]; then cp {params.machine:q} {params.folder:q}; fi; }}"
        " 2>&1 | tee -i {log:q}"


ruleorder: take_over > train


# The labels-only detector of rendered faces, with all their labels, as a file to hand on: see docs/model_card.md.
rule release:
    input:
        "results/runs/synth/supervised/1/seed0/checkpoint.safetensors",
    output:
        "results/release/rendered.safetensors",
    log:
        "logs/release.log",
    benchmark:
        "results/timings/release.tsv"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=growing(2000),
        runtime=growing(10),
    message:
        "Writing the detector of rendered faces in half precision"
    shell:
        "tsal release {input:q} -o {output:q} 2>&1 | tee -i {log:q}"

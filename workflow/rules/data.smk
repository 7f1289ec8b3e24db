# download or render -> index -> crop -> flow: from a raw archive, or from nothing, to packed crops.


# The archive itself is no output: Snakemake deletes outputs before it makes them anew, and the archive may be the
# user's own. Where it already lies in raw_dir, it is only checked. The output says that it is there.
rule download:
    input:
        check_raw_data,  # no file: stops where there is nothing to download and nothing in raw_dir
    output:
        touch("data/{benchmark}/raw.ok"),
    log:
        "logs/{benchmark}/download.log",
    benchmark:
        "results/timings/{benchmark}/download.tsv"
    localrule: True  # compute nodes of clusters often cannot reach the internet
    conda:
        "../../environment.yml"
    resources:
        mem_mb=500,
        runtime=120,
    params:
        wanted=download_options,
    message:
        "Making sure that the raw data of {wildcards.benchmark} is there"
    shell:
        "tsal download {wildcards.benchmark:q} {params.wanted:q} 2>&1 | tee -i {log:q}"


# Archives are known by their content, so that a new place re-runs nothing and a new archive everything. What is
# rendered is known by its settings and the version of the renderer.
rule index_settings:
    input:
        raw_data_of,
    output:
        "data/{benchmark}/index.yaml",
    log:
        "logs/{benchmark}/index_settings.log",
    benchmark:
        "results/timings/{benchmark}/index_settings.tsv"
    localrule: True
    conda:
        "../../environment.yml"
    resources:
        mem_mb=500,
        runtime=5,
    params:
        json=index_settings_as_json,
    message:
        "Writing down what the faces of {wildcards.benchmark} are made of"
    shell:
        "tsal settings --json {params.json:q} -o {output:q} 2>&1 | tee -i {log:q}"


# A shard is whole or absent: a rendering that was killed goes on with the shards that are not there yet.
rule render:
    input:
        rules.index_settings.output,
    output:
        "data/{benchmark}/shards/{shard}of{shards}.zip",
    log:
        "logs/{benchmark}/render/{shard}of{shards}.log",
    benchmark:
        "results/timings/{benchmark}/render/{shard}of{shards}.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=growing(1500),
        runtime=growing(120),
    message:
        "Rendering shard {wildcards.shard} of {wildcards.shards} of {wildcards.benchmark}"
    shell:
        "tsal render {wildcards.benchmark:q} --settings {input:q} --shard {wildcards.shard:q}"
        " --shards {wildcards.shards:q} -o {output:q} 2>&1 | tee -i {log:q}"


rule index:
    input:
        settings=rules.index_settings.output,
        shards=shards_of,
    output:
        faces="data/{benchmark}/faces.parquet",
        images=directory("data/{benchmark}/images"),
    log:
        "logs/{benchmark}/index.log",
    benchmark:
        "results/timings/{benchmark}/index.tsv"
    conda:
        "../../environment.yml"
    threads: threads_of_index
    resources:
        mem_mb=growing(4000),
        runtime=growing(60),
    params:
        source=index_source,
        machine=index_machine,
    message:
        "Indexing the faces of {wildcards.benchmark}"
    shell:
        "tsal index {wildcards.benchmark:q} {params.source:q} {params.machine:q} --images {output.images:q}"
        " -o {output.faces:q} 2>&1 | tee -i {log:q}"


# The output is the index of the crops, or of their flow, which is written last. The shards lie in the folder beside it
# and are no outputs: Snakemake deletes the outputs of a job that failed or runs again, while a step that was killed goes
# on with the shards that are not there yet.
rule crop:
    input:
        faces=rules.index.output.faces,
        images=rules.index.output.images,
    output:
        f"{CROPS}/{{split}}.json",
    log:
        "logs/{benchmark}/crop/{geometry}/{split}.log",
    benchmark:
        "results/timings/{benchmark}/crop/{geometry}/{split}.tsv"
    conda:
        "../../environment.yml"
    threads: 4
    resources:
        mem_mb=growing(2000),
        runtime=growing(60),
    params:
        geometry=crop_options,
    message:
        "Cropping the {wildcards.split} faces of {wildcards.benchmark}"
    shell:
        "tsal crop {input.faces:q} --split {wildcards.split:q} {params.geometry:q} --threads {threads:q}"
        " -o {output:q} 2>&1 | tee -i {log:q}"


# A network that tracks, trained on the training videos without a label.
rule train_flow:
    input:
        f"{CROPS}/train.json",
    output:
        network=f"{FLOW}/network.safetensors",
        log=f"{FLOW}/log.csv",
    log:
        "logs/{benchmark}/train_flow/{tracker}/{geometry}.log",
    benchmark:
        "results/timings/{benchmark}/train_flow/{tracker}/{geometry}.tsv"
    conda:
        "../../environment.yml"
    threads: config["threads"]
    resources:
        mem_mb=growing(8000),
        runtime=growing(240),
        gpu=config["gpu"],
    params:
        threads=threads_of_training,
        steps=config["flow"]["steps"],
        seed=config["flow"]["seed"],
        device=device_of,
        save_every=SAVE_EVERY,
        processes=processes_of,
    message:
        "Training tracker {wildcards.tracker} on {wildcards.benchmark}"
    shell:
        "tsal train-flow {input:q} --steps {params.steps:q} --seed {params.seed:q} --threads {params.threads:q}"
        " --device {params.device:q} {params.processes:q} --save-every {params.save_every:q} -o {output.network:q} --log {output.log:q} 2>&1 | tee -i {log:q}"


rule flow:
    input:
        crops=f"{CROPS}/{{split}}.json",
        network=network_of_tracker,
    output:
        f"{FLOW}/{{split}}.json",
    log:
        "logs/{benchmark}/flow/{tracker}/{geometry}/{split}.log",
    benchmark:
        "results/timings/{benchmark}/flow/{tracker}/{geometry}/{split}.tsv"
    conda:
        "../../environment.yml"
    threads: 4
    resources:
        mem_mb=growing(2000),
        runtime=growing(60),
    params:
        network=lambda wildcards, input: as_words({"network": input.network}),
        device=device_of,
    message:
        "Tracking the {wildcards.split} faces of {wildcards.benchmark} by {wildcards.tracker}"
    shell:
        "tsal flow {input.crops:q} --tracker {wildcards.tracker:q} {params.network:q} --threads {threads:q}"
        " --device {params.device:q} -o {output:q} 2>&1 | tee -i {log:q}"

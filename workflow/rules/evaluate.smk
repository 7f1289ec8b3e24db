# predict -> score: from a checkpoint to the error of every test face; and the noise of labels, below which no error is.


# The test faces of the run's own benchmark or, in on_{target}/, of another, such as the videos of 300VW for a detector
# that was trained on 300W.
rule predict:
    input:
        checkpoint=f"{RUN}/checkpoint.safetensors",
        crops=test_crops_of,
    output:
        f"{RUN}/{{on}}predictions.csv",
    log:
        "logs/{benchmark}/predict/{method}/{labels}/{on}seed{seed}.log",
    benchmark:
        "results/timings/{benchmark}/predict/{method}/{labels}/{on}seed{seed}.tsv"
    conda:
        "../../environment.yml"
    threads: config["threads"]
    resources:
        mem_mb=growing(4000),
        runtime=growing(120),
        gpu=config["gpu"],
    params:
        device=device_of,
        flip_test=flip_test_of,
    message:
        "Predicting {input.crops[0]} with {wildcards.method} of {wildcards.benchmark}"
        " (labels {wildcards.labels}, seed {wildcards.seed})"
    shell:
        "tsal predict {input.checkpoint:q} {input.crops[0]:q} --threads {threads:q} --device {params.device:q}"
        " {params.flip_test:q} -o {output:q} 2>&1 | tee -i {log:q}"


# scores_51.csv: some of the landmarks alone, all but the jaw line.
rule score:
    input:
        predictions=f"{SCORED}/{{on}}predictions.csv",
        faces=test_faces_of,
    output:
        f"{SCORED}/{{on}}{{scores}}.csv",
    log:
        "logs/{benchmark}/{scores}/{kept_in}/{method}/{labels}/{on}seed{seed}.log",
    benchmark:
        "results/timings/{benchmark}/{scores}/{kept_in}/{method}/{labels}/{on}seed{seed}.tsv"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=growing(1000),
        runtime=growing(30),
    params:
        scored=scored_on,
    message:
        "Scoring {wildcards.method} of {wildcards.benchmark} on {input.faces}"
        " (labels {wildcards.labels}, seed {wildcards.seed})"
    shell:
        "tsal score {input.predictions:q} --faces {input.faces:q} {params.scored:q} -o {output:q}"
        " 2>&1 | tee -i {log:q}"


rule floor:
    input:
        unpack(labelled_clips_of),
    output:
        csv=report(
            "results/tables/{benchmark}_floor.csv",
            caption="../report/floor.rst",
            category="{benchmark}",
            subcategory="Tables",
            labels={"table": "Noise of the labels"},
        ),
        markdown="results/tables/{benchmark}_floor.md",
        latex="results/tables/{benchmark}_floor.tex",
    log:
        "logs/{benchmark}/floor.log",
    benchmark:
        "results/timings/{benchmark}/floor.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=growing(3000),
        runtime=growing(60),
    params:
        notes=notes_of,
        caption=note_lines,
    message:
        "Measuring the noise of the labels of {wildcards.benchmark}"
    shell:
        "tsal floor {input.crops:q} --flow {input.flow:q} --benchmark {wildcards.benchmark:q} --threads {threads:q}"
        " {params.notes:q} -o {output.csv:q} 2>&1 | tee -i {log:q}"

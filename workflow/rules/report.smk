# Tables, figures and the report: from scores, logs and predictions to what a reader looks at.
#
# One rule makes all tables and one all figures: tsal/config/outputs.py says of each name what it is made of.


# The errors of a benchmark's methods; in transfer/{points}/, of detectors of rendered faces on that many landmarks.
rule nme:
    input:
        scores=lambda wildcards: stored(scores_of_table(wildcards)),
        settings=settings_of_table,
        faces=rules.index.output.faces,
        floor=floor_of_table,
    output:
        nme=report(
            "results/{transfer}{benchmark}_nme.csv",
            caption="../report/nme.rst",
            category="{benchmark}",
            subcategory="Tables",
            labels={"table": "NME {transfer}"},
        ),
        markdown="results/{transfer}tables/{benchmark}_nme.md",
        latex="results/{transfer}tables/{benchmark}_nme.tex",
        significance=report(
            "results/{transfer}tables/{benchmark}_significance.csv",
            caption="../report/nme.rst",
            category="{benchmark}",
            subcategory="Tables",
            labels={"table": "Significance {transfer}"},
        ),
    log:
        "logs/{benchmark}/{transfer}nme.log",
    benchmark:
        "results/timings/{benchmark}/{transfer}nme.tsv"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=growing(2000),
        runtime=growing(30),
        drawing=1,
    params:
        scores=scores_of_table,
        floor=lambda wildcards, input: as_words({"floor": input.floor}),
        notes=notes_of,
        caption=note_lines,
    message:
        "Tabulating the errors on {wildcards.benchmark}"
    shell:
        "tsal table --benchmark {wildcards.benchmark:q} --faces {input.faces:q} {params.floor:q} {params.notes:q}"
        " -o {output.nme:q} {params.scores:q} 2>&1 | tee -i {log:q}"


rule table:
    input:
        unpack(made_of),
    output:
        csv=report(
            "results/{folder}/{benchmark}_{table}.csv",
            caption="../report/output.rst",
            category="{benchmark}",
            subcategory=section_of,
            labels=titles_of,
        ),
        markdown="results/{folder}/{benchmark}_{table}.md",
        latex="results/{folder}/{benchmark}_{table}.tex",
    log:
        "logs/{benchmark}/{folder}/{table}.log",
    benchmark:
        "results/timings/{benchmark}/{folder}/{table}.tsv"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=growing(2000),
        runtime=growing(30),
        drawing=1,
    params:
        given=given_to,
        kind=kind_of,
        options=options_of,
        files=file_options,
        caption=caption_of,
    message:
        "Tabulating {wildcards.table} of {wildcards.benchmark}"
    shell:
        "tsal table --kind {params.kind:q} --benchmark {wildcards.benchmark:q} {params.files:q} {params.options:q}"
        " -o {output.csv:q} {params.given:q} 2>&1 | tee -i {log:q}"


rule figure:
    input:
        unpack(made_of),
    output:
        png=report(
            "results/figures/{benchmark}_{figure}.png",
            caption="../report/output.rst",
            category="{benchmark}",
            subcategory=section_of,
            labels=titles_of,
        ),
        pdf="results/figures/{benchmark}_{figure}.pdf",
    log:
        "logs/{benchmark}/figures/{figure}.log",
    benchmark:
        "results/timings/{benchmark}/figures/{figure}.tsv"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=growing(2000),
        runtime=growing(15),
        drawing=1,
    params:
        given=given_to,
        kind=kind_of,
        options=options_of,
        files=file_options,
        caption=caption_of,
    message:
        "Drawing {wildcards.figure} of {wildcards.benchmark}"
    shell:
        "tsal figure {params.kind:q} {params.files:q} {params.options:q} -o {output.png:q} {params.given:q}"
        " 2>&1 | tee -i {log:q}"


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
        mem_mb=growing(2000),
        runtime=growing(15),
    params:
        notes=notes_of,
    message:
        "Writing the report"
    shell:
        "tsal report {params.notes:q} -o {output:q} {input:q} 2>&1 | tee -i {log:q}"

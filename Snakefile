# From raw archives to tables, figures and a report:
#   snakemake --cores all all                       every benchmark of config.yaml that is rendered or whose data is there
#   snakemake --cores all results/ytf_nme.csv       one table
#   snakemake --cores all paper                     every table and figure of the paper, see docs/paper.md
#   snakemake --cores 2 claims                      every table and figure of what TSAL claims, see docs/results.md
# Every rule runs one `tsal` command, which is printed and can be copied. README.md says how to start.

import gc
import inspect

from snakemake.utils import min_version

min_version("9.1")


configfile: f"{workflow.basedir}/config.yaml"


include: "workflow/rules/clone.smk"
include: "workflow/rules/common.smk"
include: "workflow/rules/common_data.smk"
include: "workflow/rules/machines.smk"
include: "workflow/rules/common_outputs.smk"
include: "workflow/rules/start.smk"
include: "workflow/rules/data.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/evaluate.smk"
include: "workflow/rules/report.smk"
include: "workflow/rules/peers.smk"


# A plan is a large graph in which nothing is garbage until the end: looking for garbage seldom, and for each signature
# once, takes a fifth off a large plan.
gc.set_threshold(200_000, 50, 100)
for function in filter(inspect.isfunction, list(globals().values())):
    with_signature(function)


report: "workflow/report/workflow.rst"


onstart:
    heed_hangup()
    say_plan()


onerror:
    advise(log)


rule all:
    default_target: True
    input:
        all_tables,
        all_figures,
        "results/report.html",


rule paper:
    input:
        paper_tables,
        paper_figures,


rule claims:
    input:
        claim_files,

# make all      set up, then build every table, figure and the report of config.yaml
# make paper    set up, then build every table and figure of the paper, see docs/paper.md
# make claims   set up, then build the study of what TSAL claims, see docs/results.md
# make release  set up, then train the detector that comes with tsal anew, see docs/model_card.md
# make docs     set up, then write the tables of README.md and docs/ from the runs kept in docs/results/runs
# make test     set up, then run the tests
# make stress   set up, then kill every stage at random moments, see docs/reliability.md
# make lint     set up, then check code and workflow; `make format` mends what can be mended
#
#   RAW_DIR=PATH    where raw archives lie, instead of raw_dir of config.yaml; none is needed for synth
#   CONFIG=FILE     a configuration that overrides parts of config.yaml, e.g. config/quick.yaml
#   ARGS="..."      more options, for snakemake (make all, paper, claims), pytest (make test) or the script (make stress)
#   CORES=N         CPU cores to use; default: all
#   PYTHON=PROGRAM  the Python (3.11 or newer) that .venv is made with

PYTHON ?= python3
CORES ?= all
VENV := .venv
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)

# What a user gives is taken as it is written: $(value) leaves "$" alone, the shell sees one word, and Snakemake one text
# in YAML, between blanks, since it takes quotes off the ends of a value.
define NEWLINE


endef
one_line = $(if $(findstring $(NEWLINE),$(value $(1))),$(error $(1): found a line break, expected one line),$(value $(1)))
quoted = '$(subst ','\'',$(1))'
RAW_TEXT := $(subst ",\",$(subst \,\\,$(call one_line,RAW_DIR)))
RAW := $(if $(RAW_TEXT),raw_dir=$(call quoted, "$(RAW_TEXT)" ))
CONFIG_FILE := $(call one_line,CONFIG)
WORDS := $(call one_line,ARGS)
PROCESSORS := $(call quoted,$(call one_line,CORES))
# Else make computes them once more, for the environment of each line.
unexport RAW_DIR CONFIG ARGS CORES
MAKEOVERRIDES :=
# Snakemake heeds its last --config only: where ARGS has one, RAW_DIR joins it.
OPTIONS := $(if $(findstring --config ,$(WORDS)),$(subst --config ,--config $(if $(RAW),$(RAW) ),$(WORDS)),$(WORDS) $(if $(RAW),--config $(RAW)))

# Programs in .venv name the folder that it was made in: a clone that was renamed cannot run them, and a copy would run
# the code that it was copied from. One that is a link is somebody else's.
MADE_IN := $(shell test -L $(VENV) || cat $(VENV)/.installed 2>/dev/null)
MOVED := $(if $(MADE_IN),$(if $(subst x$(CURDIR)x,,x$(MADE_IN)x),$(MADE_IN)))

.PHONY: all paper claims release docs test stress lint format

all paper claims: $(VENV)/.installed
	snakemake --cores $(PROCESSORS) $@ $(if $(CONFIG_FILE),--configfile $(call quoted,$(CONFIG_FILE))) $(OPTIONS)

release: $(VENV)/.installed
	snakemake --cores $(PROCESSORS) $@ --configfile config/release.yaml $(OPTIONS)

docs: $(VENV)/.installed
	tsal docs README.md docs/*.md --tables docs/results/tables.yaml

test: $(VENV)/.installed
	python -m pytest --numprocesses auto --maxprocesses 4 --dist loadscope $(WORDS)

stress: $(VENV)/.installed
	python tests/stress/kill.py $(WORDS)

lint: $(VENV)/.installed
	ruff check .
	ruff format --check .
	snakefmt --check Snakefile workflow
	snakemake --lint

format: $(VENV)/.installed
	ruff check --fix .
	ruff format .
	snakefmt Snakefile workflow

# Made anew only when the lock or the package's metadata change, or the clone was moved.
$(VENV)/.installed: requirements.lock pyproject.toml $(if $(MOVED),moved)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "error: $(PYTHON) is not Python 3.11 or newer; install one and name it: make PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
	  { echo "error: $(PYTHON) cannot make virtual environments; on Debian: sudo apt install python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv $(if $(MOVED),--clear )$(VENV)
	$(VENV)/bin/python -m pip install --requirement requirements.lock
	$(VENV)/bin/python -m pip install --no-deps --editable .
	@printf '%s\n' $(call quoted,$(CURDIR)) > $@

.PHONY: moved
moved:
	@printf '%s\n' $(call quoted,$(VENV) was made in $(MOVED) and this is $(CURDIR): making it anew)

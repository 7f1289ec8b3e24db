# make all      set up, then build every table, figure and the report of config.yaml
# make paper    set up, then build every table and figure of the paper, see docs/paper.md
# make claims   set up, then build the study of what TSAL claims, see docs/results.md
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

# Snakemake heeds its last --config only: where ARGS has one, RAW_DIR joins it.
RAW := $(if $(RAW_DIR),raw_dir='$(RAW_DIR)')
OPTIONS := $(if $(findstring --config ,$(ARGS)),$(subst --config ,--config $(RAW) ,$(ARGS)),$(ARGS) $(if $(RAW),--config $(RAW)))

.PHONY: all paper claims docs test stress lint format

all paper claims: $(VENV)/.installed
	snakemake --cores $(CORES) $@ $(if $(CONFIG),--configfile $(CONFIG)) $(OPTIONS)

docs: $(VENV)/.installed
	tsal docs README.md docs/*.md --tables docs/results/tables.yaml

test: $(VENV)/.installed
	python -m pytest --numprocesses auto --maxprocesses 4 --dist loadscope $(ARGS)

stress: $(VENV)/.installed
	python tests/stress/kill.py $(ARGS)

lint: $(VENV)/.installed
	ruff check .
	ruff format --check .
	snakefmt --check Snakefile workflow
	snakemake --lint

format: $(VENV)/.installed
	ruff check --fix .
	ruff format .
	snakefmt Snakefile workflow

# Made anew only when the lock or the package's metadata change.
$(VENV)/.installed: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "error: $(PYTHON) is not Python 3.11 or newer; install one and name it: make PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
	  { echo "error: $(PYTHON) cannot make virtual environments; on Debian: sudo apt install python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --requirement requirements.lock
	$(VENV)/bin/python -m pip install --no-deps --editable .
	@touch $@

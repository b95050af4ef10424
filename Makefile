# Everything a person runs. A machine needs Python 3.11 or newer and make; the rest is fetched.

.DEFAULT_GOAL := help
SHELL := /bin/sh
VENV := .venv
RUN := $(VENV)/bin/python
# The newest Python that runs, is new enough and can make an environment: a name on the PATH may be a
# version manager's shim for a missing version. If none will do, python3: set-up says what it lacks.
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3; do \
	$$p -c 'import sys, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { command -v $$p; exit; }; \
	done; command -v python3)
PIP := $(RUN) -m pip install --disable-pip-version-check --no-input --require-hashes
SOURCES := schemas producers streams dashboards infra tests
GENERATED := docs/settings.md docs/schemas docs/sql docs/samples CATALOG.md
# Arguments for the command: make up ARGS=--no-live
ARGS ?=

.PHONY: help setup up down status test check page format generated audit bench bench-big mutants chaos suites boards catalog lock clean ci

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' $(MAKEFILE_LIST) | \
		while IFS='|' read -r name text; do printf '%-18s %s\n' "$$name" "$$text"; done

setup: $(VENV)/.ready ## fetch and install everything, pinned; nothing to do when it is done

up: setup ## start Kafka, ClickHouse and the workers, and show the figures; Ctrl-C stops
	@exec $(VENV)/bin/gulou up $(ARGS)

down: ## stop what `gulou up --detach` started
	@$(VENV)/bin/gulou down

status: ## what runs, and where it listens
	@$(VENV)/bin/gulou status

# Three files at a time: tests often wait for a server or a browser, so two leave a machine of two
# cores idle. Not one per core of a larger one: each starts a Kafka and a ClickHouse of its own.
test: $(VENV)/.ready $(VENV)/.ready-test ## every test, on real servers; those that took longest are named
	@$(RUN) -m pytest --numprocesses 3 --dist loadfile --no-loadscope-reorder --durations=40 --durations-min=5 $(ARGS)

check: $(VENV)/.ready-test generated ## ruff, format, mypy; generated files as committed
	@$(RUN) -m ruff check .
	@$(RUN) -m ruff format --check .
	@$(RUN) -m mypy
	@$(RUN) -m dashboards.boards --check
	@git diff --exit-code --stat -- $(GENERATED) || \
		{ echo 'Generated files were out of date; they are renewed now: commit them.' >&2; exit 1; }

format: $(VENV)/.ready-test ## format the code as check wants it
	@$(RUN) -m ruff check --fix .
	@$(RUN) -m ruff format .

generated: $(VENV)/.ready
	@$(RUN) -m infra.settings
	@$(RUN) -m schemas.catalog

audit: $(VENV)/.ready-test ## known holes of the pinned packages, as far as advisories can be had
	@$(RUN) -m tests.audit locks/test.txt locks/viewer.txt locks/bench.txt

bench: $(VENV)/.ready-test $(VENV)-bench/.ready ## speed and size, into docs/benchmarks.md (about 50 min)
	@$(RUN) -m tests.bench $(ARGS)

bench-big: $(VENV)/.ready-test $(VENV)-bench/.ready ## the same with a larger history (hours)
	@$(RUN) -m tests.bench --big $(ARGS)

mutants: $(VENV)/.ready-test ## put small faults in and count those the tests notice (hours)
	@$(RUN) -m tests.mutants $(ARGS)

chaos: $(VENV)/.ready-test ## at least 50 kills under load, hostile statements and packets, a soak (hours)
	@$(RUN) -m tests.chaos $(ARGS)

suites: $(VENV)/.ready-test ## clients' own test suites against the embedded ClickHouse (an hour)
	@$(RUN) -m tests.suites $(ARGS)

boards: $(VENV)/.ready ## write the boards into dashboards/json
	@$(RUN) -m dashboards.boards

catalog: $(VENV)/.ready ## write CATALOG.md, docs/schemas and docs/sql from the event classes
	@$(RUN) -m schemas.catalog

lock: $(VENV)/.ready-test ## pin the newest versions that fit, into locks/
	@for name in run test viewer; do \
		case $$name in run) more= ;; *) more="--extra $$name -c locks/run.txt" ;; esac; \
		$(RUN) -m uv $(LOCK) pyproject.toml locks/build.in $$more -o locks/$$name.txt || exit 1; \
	done
	@$(RUN) -m uv $(LOCK) locks/bench.in -o locks/bench.txt
LOCK := pip compile --quiet --universal --generate-hashes --python-version 3.11 --no-header --no-annotate --no-emit-index-url

clean: ## remove what can be rebuilt; data in var/ stays
	rm -rf $(VENV) $(VENV)-bench build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis var/cache
	find $(SOURCES) -name __pycache__ -type d -prune -exec rm -rf {} +

page: $(VENV)/.ready-viewer ## build the boards' page and compare it with the committed one
	@$(RUN) -m dashboards.viewer.build --check

ci: check page audit test ## what CI runs

# -- set-up: each stamp stands for one lock file, so the second run has nothing to do

# Packages take 1.5 GB, and pip writes as much again while it installs them; an update takes far less.
room = df -Pk "$(dir $(VENV))" | { read -r titles; read -r disk size used free rest; \
	test "$$free" -ge $$(( $(1) * 1024 )) || { \
	echo "Only $$(( free / 1024 )) MB are free where $(VENV) lies; Gulou needs $(1) MB to install: free some space, then run make again." >&2; exit 1; }; }

$(VENV)/.python:
	@if [ -z "$(PYTHON)" ]; then \
		echo 'Gulou needs Python 3.11 or newer, and none was found: install it, or name it with make PYTHON=/path/to/python3.' >&2; exit 1; fi
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "Gulou needs Python 3.11 or newer, but $(PYTHON) is $$($(PYTHON) -V 2>&1): install a newer one, or name it with make PYTHON=/path/to/python3." >&2; exit 1; }
	@$(call room,3072)
	@echo "Making the virtual environment with $(PYTHON)"
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
		echo "$(PYTHON) cannot make a virtual environment: install its venv package (Debian, Ubuntu: python3-venv), then run make again." >&2; exit 1; }
	@touch $@

$(VENV)/.ready: $(VENV)/.python locks/run.txt pyproject.toml infra/broker/jars.txt
	@$(call room,1024)
	@echo 'Installing the pinned packages (about 300 MB the first time)'
	@$(PIP) -r locks/run.txt
	@$(RUN) -m pip install --disable-pip-version-check --no-input --quiet --no-deps --no-build-isolation --editable .
	@$(VENV)/bin/gulou setup
	@touch $@

$(VENV)/.ready-test: $(VENV)/.ready locks/test.txt
	@echo 'Installing the pinned packages that only tests need'
	@$(PIP) --quiet -r locks/test.txt
	@touch $@

$(VENV)/.ready-viewer: $(VENV)/.ready locks/viewer.txt
	@echo 'Installing Node, which only the build of the page needs'
	@$(PIP) --quiet -r locks/viewer.txt
	@touch $@

$(VENV)-bench/.ready: $(VENV)/.ready locks/bench.txt
	@echo 'Installing what the bench compares with'
	@$(PYTHON) -m venv $(VENV)-bench
	@$(VENV)-bench/bin/python -m pip install --disable-pip-version-check --no-input --quiet --require-hashes -r locks/bench.txt
	@touch $@

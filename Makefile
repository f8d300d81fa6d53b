# `make` lists the targets. Every target does its own set-up.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEMO ?= demo
RANKS ?= 4
MINUTES ?= 3
KILLS ?= 100
PORT ?= 8080

SERVICES := mariadb-server mariadb-client libmariadb-dev gcc pkg-config postgresql slapd slurmctld slurmd slurm-client munge openssl shellcheck locales chromium
PROGRAMS := mariadbd mariadb-install-db mariadb mariadb_config gcc pkg-config initdb postgres psql slapd slapadd openssl slurmctld slurmd sbatch munged shellcheck chromium

.PHONY: help setup services run works lake ledger test constraints lint docs night soak attack bench bench-store bench-scale bench-tree clean bench-serve bench-works bench-lake bench-ledger kills serve screenshots

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "%-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# Each stamp stands for some extras. A file that names the packages is newer than them: they are installed again.
PIP_INSTALL := $(BIN)/pip install --quiet --disable-pip-version-check --editable
# What apt or pip cannot install is missing: tests say so and are skipped, but not in CI.
OR_SKIP := || { [ -z "$$CI" ] && echo "Installing failed: tests of what is missing are skipped." >&2; }

$(VENV)/.run: setup.cfg pyproject.toml
	@echo "Setting up, about a minute."
	@$(PYTHON) -m venv $(VENV) || { [ "$$(id -u)" = 0 ] && apt-get update && apt-get install -y --no-install-recommends python3-venv && $(PYTHON) -m venv $(VENV); }
	@$(PIP_INSTALL) '.[mpi]'
	@touch $@

$(VENV)/.serve: $(VENV)/.run
	@$(PIP_INSTALL) '.[serve]'
	@touch $@

$(VENV)/.lint: $(VENV)/.serve
	@$(PIP_INSTALL) '.[lint,lake,ledger]'
	@touch $@

$(VENV)/.done: $(VENV)/.lint
	@$(PIP_INSTALL) '.[ldap,s3,lake,ledger,test]'
	@touch $@

setup: $(VENV)/.done  ## make the virtual environment, with MPI and everything else

run: $(VENV)/.run  ## scan two trees of this machine, report on them with 4 ranks, and look at one
	@scripts/demo.sh $(BIN) $(DEMO) $(RANKS)

works: $(VENV)/.run  ## make up works in states, count them, and show where they are
	@scripts/works.sh $(BIN) $(DEMO)-works

$(VENV)/.lake: $(VENV)/.run
	@$(PIP_INSTALL) '.[lake]'
	@touch $@

lake: $(VENV)/.lake  ## make up inventories of buckets, load them, and report on them beside a tree of this machine
	@scripts/lake.sh $(BIN) $(DEMO)-lake

$(VENV)/.ledger: $(VENV)/.run
	@$(PIP_INSTALL) '.[ledger,broker]'
	@touch $@

ledger: $(VENV)/.ledger  ## send made-up events over a broker, apply them with two instances, and show what came of them
	@scripts/ledger.sh $(BIN) $(DEMO)-ledger

serve: $(VENV)/.serve  ## show what `make run` reported as pages, at PORT
	@[ -e $(DEMO)/lurge.toml ] || $(MAKE) --no-print-directory run
	$(BIN)/lurge serve --config $(DEMO)/lurge.toml --port $(PORT)

$(VENV)/.services: $(VENV)/.done
	@if PATH="$$PATH:/usr/sbin:$$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | tail -n 1)" sh -c 'for one in $(PROGRAMS); do command -v $$one || exit 1; done' >/dev/null; then :; \
	elif [ "$$(id -u)" != 0 ]; then echo "Tests of what is missing here are skipped; install: $(SERVICES)"; \
	else { apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $(SERVICES); } $(OR_SKIP); fi >&2
	@$(PIP_INSTALL) '.[services,broker,postgresql]'
	@$(PIP_INSTALL) '.[mysql]' $(OR_SKIP)
	@touch $@

services: $(VENV)/.services  ## install what tests start: MariaDB, PostgreSQL, slapd, Slurm and more (as root)

test: services  ## run every test
	$(BIN)/python -m pytest -n 2 --dist loadfile

constraints: services  ## pin what CI installs to the versions of this environment
	$(BIN)/python -m tests.pins

lint: $(VENV)/.lint  ## check style, types and the generated documents
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m docs.generate --check

docs: $(VENV)/.run  ## write the generated documents
	$(BIN)/python -m docs.generate

screenshots: services  ## take the pictures of docs/pages.md, of synthetic data
	$(BIN)/python -m docs.screenshots

night: services  ## rehearse ten nights with real servers, some of which die
	$(BIN)/python -m tests.night

soak: setup  ## read random worlds for MINUTES minutes and compare with the plain twin
	$(BIN)/python -m tests.soak --minutes $(MINUTES)

attack: setup  ## attack with hostile names, streams, kills and links for MINUTES minutes
	$(BIN)/python -m tests.attack --minutes $(MINUTES)

kills: services  ## kill importer and service of the ledger KILLS times, and compare the end with a model
	$(BIN)/python -m tests.ledger --kills $(KILLS)

$(VENV)/.bench: $(VENV)/.done
	@if command -v igzip >/dev/null; then :; \
	elif [ "$$(id -u)" != 0 ]; then echo "Install igzip, of the package isal."; exit 1; \
	else apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends isal; fi >&2
	@$(PIP_INSTALL) '.[bench]'
	@touch $@

bench: $(VENV)/.bench  ## time a report of 20 million records beside igzip, rapidgzip, DuckDB and a plain loop
	$(BIN)/python -m benchmarks.report

bench-store: services  ## time the swap beside bulk loaders, and a volume of five million directories
	$(BIN)/python -m benchmarks.swap
	$(BIN)/python -m benchmarks.wide

# What cannot be installed is left out of the comparison.
$(VENV)/.bench-tree: $(VENV)/.done
	@if [ "$$(id -u)" = 0 ] && ! sh -c 'for one in duc ncdu gdu; do command -v $$one || exit 1; done' >/dev/null; then \
	apt-get update -q; for one in duc-nox ncdu gdu; do DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $$one || true; done; fi >&2
	@$(PIP_INSTALL) '.[bench]'
	@touch $@

bench-tree: $(VENV)/.bench-tree  ## time the tree index: building it, and questions beside DuckDB, duc, ncdu and gdu
	$(BIN)/python -m benchmarks.tree

bench-scale: $(VENV)/.run  ## simulate jobs of many ranks, checked against runs with up to 8
	$(BIN)/python -m benchmarks.scale

bench-works: setup  ## walk works beside find, and load a backlog of a million lines
	$(BIN)/python -m benchmarks.works

bench-lake: $(VENV)/.bench  ## load an inventory of 10 million rows beside pyarrow, DuckDB and Polars
	$(BIN)/python -m benchmarks.lake

bench-ledger: services  ## time events from CSV to the journal, beside a plain loop and COPY
	$(BIN)/python -m benchmarks.ledger

bench-serve: services  ## time the pages with 8 months of history and 5 million directories, for 50 clients
	@$(PIP_INSTALL) '.[serve]'
	$(BIN)/python -m benchmarks.serve
	$(BIN)/python -m benchmarks.serve --mariadb

clean:  ## remove the virtual environment and what `make run` wrote
	rm -rf $(VENV) $(DEMO) $(DEMO)-works $(DEMO)-lake $(DEMO)-ledger

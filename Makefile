# `make` lists the targets. Every target does its own set-up.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEMO ?= demo
RANKS ?= 4

.PHONY: help setup run test lint docs clean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "%-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(VENV)/.done: setup.cfg pyproject.toml
	$(PYTHON) -m venv $(VENV) || { [ "$$(id -u)" = 0 ] && apt-get update && apt-get install -y --no-install-recommends python3-venv && $(PYTHON) -m venv $(VENV); }
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[mpi,test,lint]'
	@touch $@

setup: $(VENV)/.done  ## make the virtual environment, with MPI and everything else

run: setup  ## scan two trees of this machine and report on them with 4 ranks
	@scripts/demo.sh $(BIN) $(DEMO) $(RANKS)

test: setup  ## run every test
	$(BIN)/python -m pytest

lint: setup  ## check style, types and the generated documents
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m docs.generate --check

docs: setup  ## write the generated documents
	$(BIN)/python -m docs.generate

clean:  ## remove the virtual environment and what `make run` wrote
	rm -rf $(VENV) $(DEMO)

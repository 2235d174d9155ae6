# A bare `make` lists the targets.
PYTHON ?= python3.11
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-full calibrate lint types bench docs lock clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-11s %s\n", $$1, $$2}'

setup: $(READY) ## install what the project needs into .venv, from the lock file
	@$(BIN)/python -m tests.chromium

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' || { echo "Python 3.11 is needed: set PYTHON"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $(READY)

demo: $(READY) ## run the sample city from raw files to gaps, recurring-call areas and a map
	$(BIN)/unmet demo

test: setup ## all tests but the slow ones, browser tests included
	$(BIN)/python -m pytest -m "not slow" tests

test-full: setup ## every test: calibration, torture and large inputs too
	$(BIN)/python -m pytest tests

calibrate: $(READY) ## 400 null cities: the scan's family-wise error with its exact interval
	$(BIN)/python -m pipelines.calibrate --cities 400

lint: $(READY) ## ruff: style and formatting
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(READY) ## mypy, strict
	$(BIN)/mypy

bench: $(READY) ## one million calls, beside the same job done the plain way
	$(BIN)/python -m tests.bench

docs: $(READY) ## rewrite the generated pages of docs/ (tables, commands)
	$(BIN)/python -m tests.make_docs

lock: ## resolve the dependencies again into requirements.lock
	$(PYTHON) -m pip install --quiet uv
	uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 --generate-hashes --no-header --quiet -o requirements.lock

clean: ## remove what was built, made and cached
	rm -rf $(VENV) build dist out store .mypy_cache .ruff_cache .pytest_cache .hypothesis

# Everything a developer does, one command each. `make help` lists them.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
TOOLS := build/tools
UV := $(TOOLS)/bin/uv
# What is tested on an object store as well: a server on this machine, so only the protocol costs.
ON_S3 := $(addprefix tests/contract/test_,backfill.py checkpoints.py errors.py groups.py) \
	$(addprefix tests/storage/test_,conflicts.py lineage.py failed_rows_moved.py)
EXTRAS := --extra demo --extra s3-test --extra ray --extra console --extra otel

# Without compiled bytecode every start of a worker takes about twice as long.
export UV_COMPILE_BYTECODE := 1
export UV_PYTHON_DOWNLOADS := never

.DEFAULT_GOAL := help
.PHONY: help env browser demo test test-cluster simulate chaos check format bench bench-curve docs clean

help:  ## List the commands
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

$(UV):
	@echo "Creating the environment; this takes half a minute once ..."
	@$(PYTHON) -m venv $(TOOLS)
	@$(TOOLS)/bin/python -m pip install --quiet --disable-pip-version-check 'uv>=0.9'

$(VENV)/.synced: $(UV) pyproject.toml uv.lock
	@$(UV) sync --quiet --frozen --python $(PYTHON) $(EXTRAS)
	@touch $@

env: $(VENV)/.synced  ## Create the environment (.venv) from the lock file

browser:  ## Install the browser that the console's tests look with, if there is none
	@command -v chromium chromium-browser google-chrome >/dev/null || \
	  (apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium >/dev/null) || \
	  echo "Install Chromium: the tests of the console need it. As root on Debian, make does."

demo: env  ## Fill real computed columns and search them
	@$(BIN)/geneva demo

test: env browser  ## Run the whole default test suite
	@$(BIN)/pytest -n 3 --dist loadfile
	@$(BIN)/pytest -n 3 --store s3 --runner inline $(ON_S3)

test-cluster: env  ## Run the long tests on real Ray clusters: lost nodes, heads, memory, networks
	@$(BIN)/pytest -m long tests
	@$(BIN)/pytest -m same_on_ray --runner ray tests/contract

simulate: env  ## Simulate 10,000 schedules of jobs that share clusters; none may hang
	@$(BIN)/python -m tests.property.simulate

chaos: env  ## Run 1,000 schedules of crashes and concurrent writers; all must end right
	@$(BIN)/python -m tests.chaos

check: env  ## Lint, format check, types, import layers
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo

format: env  ## Format and fix what can be fixed
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

bench: env  ## Run the benchmarks against their floor and write benchmarks/results
	@$(BIN)/python -m benchmarks

bench-curve: env  ## Measure cost per row from 100k to 10M rows and from 1 to 1,000 fragments
	@$(BIN)/python -m benchmarks.curve

docs: env  ## Write the API reference (docs/reference.md) from the docstrings
	@$(BIN)/python docs/build_reference.py

clean:  ## Remove everything that can be made again
	rm -rf build dist $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache

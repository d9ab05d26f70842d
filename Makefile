# Needs only Python 3.11 or newer and make: everything else is installed into .venv from locks with hashes.

PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3; do \
	command -v $$p >/dev/null 2>&1 && $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& { echo $$p; break; }; done)
VENV := .venv
BIN := $(VENV)/bin
OUT ?= demo-out
JOBS ?= 2

.PHONY: help demo test test-long check bench docs lock schemas clean

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

$(VENV)/run.stamp: requirements/run.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed. Install it, or name it: make PYTHON=/path/to/python3.11"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing the run-time packages into $(VENV) …"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/run.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/dev.stamp: requirements/dev.lock $(VENV)/run.stamp
	@echo "Installing the development packages into $(VENV) …"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.lock
	@touch $@

$(VENV)/spark.stamp: requirements/spark-build.lock requirements/spark.lock $(VENV)/dev.stamp
	@echo "Installing PySpark into $(VENV): 450 MB, once …"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/spark-build.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-build-isolation -r requirements/spark.lock
	@touch $@

demo: $(VENV)/run.stamp  ## clone to decision: serve, log, collect, join, evaluate, decide (leaves OUT=demo-out)
	$(BIN)/recsys-demo --out $(OUT)

test: $(VENV)/dev.stamp  ## all tests but the long ones (under 10 minutes on 2 cores)
	$(BIN)/python -m pytest -n $(JOBS) --dist worksteal -m "not long" $(ARGS)

test-long: $(VENV)/spark.stamp  ## the tests that take minutes or more tools (Spark's need Java 17)
	$(BIN)/python -m pytest -n $(JOBS) --dist worksteal -m long $(ARGS)

check: $(VENV)/dev.stamp  ## format, lint, types, layers, generated files
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright
	$(BIN)/lint-imports
	$(BIN)/python -m recsys.contracts.schema --check schemas
	$(BIN)/python docs/reference/generate.py --check

bench: $(VENV)/dev.stamp  ## the measured ratios (minutes; ARGS=--quick for a short form)
	$(BIN)/python -m benchmarks $(ARGS)

docs: $(VENV)/dev.stamp  ## write the generated reference pages and the schemas
	$(BIN)/python -m recsys.contracts.schema schemas
	$(BIN)/python docs/reference/generate.py

lock: $(VENV)/dev.stamp  ## make the locks anew (hashes only, no registry named)
	$(BIN)/python requirements/lock.py

clean:  ## remove what the targets above made
	rm -rf $(VENV) $(OUT) .pytest_cache .ruff_cache .hypothesis test-artifacts dist build

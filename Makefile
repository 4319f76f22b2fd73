.DEFAULT_GOAL := help
PYTHON ?= $(shell for p in python3.11 python3.12 python3; do $$p -c '' 2>/dev/null && echo $$p && break; done)
VENV   ?= .venv
BIN    := $(VENV)/bin

.PHONY: help demo serve test chaos lint format bench clean

help:  ## Show the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

# One stamp a set of extras, so that each target installs only what it needs, once.
$(VENV)/installed-%: pyproject.toml $(wildcard app/kernels/native/*)
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[$*]'
	@touch $@

demo: $(VENV)/installed-embedded  ## Rank simulated ads with the shipped model, then keep serving
	$(BIN)/ctr-serve demo

serve: $(VENV)/installed-embedded  ## Serve the model store (settings: CTR_* variables)
	$(BIN)/ctr-serve serve

test: $(VENV)/installed-dev  ## Run every test
	$(BIN)/python -m pytest

chaos: $(VENV)/installed-dev  ## Break Redis in every way under load, and print what requests saw of it
	$(BIN)/python -m pytest -m "chaos or not chaos" tests/chaos tests/features/test_redis_sentinel.py

lint: $(VENV)/installed-dev  ## Check style, types and architecture
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/installed-dev  ## Format and fix what can be fixed
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/installed-dev  ## Race other model servers on this machine (BENCH=--quick: minutes)
	$(BIN)/python -m bench.race --output docs/benchmarks/results.json --docs docs $(BENCH)

clean:  ## Remove the virtual environment and caches
	rm -rf $(VENV) build *.egg-info .*_cache .hypothesis

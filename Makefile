# Development of spirl: `make` lists the targets.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
WORKERS ?= 2
PYTEST_ARGS ?=
BENCH_ARGS ?=
CASES ?= 20000
TORTURE_ARGS ?=

# two test processes with one thread each suit two cores; more threads would only wait for one another
export OMP_NUM_THREADS = 1

.DEFAULT_GOAL := help
.PHONY: help install demo test test-fast check format bench bench-sac house tables torture clean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(STAMP)  ## create .venv with the tested versions, the package (editable) and its tools

# made anew when the requirements change, so that nothing outside them is left behind
$(STAMP): pyproject.toml .ci/constraints.txt
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/pip install --quiet --constraint .ci/constraints.txt --editable '.[dev]'
	@touch $@

demo: $(STAMP)  ## learn to find the goal of a small maze, from nothing: numbers, a plot, paths and a video
	@evaluation=$$($(BIN)/spirl run maze --profile demo) && $(BIN)/spirl list && echo && echo "figures and videos:" \
		&& find "$$evaluation" -name '*.png' -o -name '*.mp4'

test: $(STAMP)  ## run all tests (WORKERS=2 processes; PYTEST_ARGS are passed on)
	$(BIN)/python -m pytest -q -n $(WORKERS) $(PYTEST_ARGS)

test-fast: $(STAMP)  ## run the tests that take a few seconds at most
	$(BIN)/python -m pytest -q -n $(WORKERS) -m 'not slow' $(PYTEST_ARGS)

check: $(STAMP)  ## lint, check the formatting and the types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(STAMP)  ## sort imports and format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(STAMP)  ## measure training speed, replay memory and the start of commands
	$(BIN)/python -m benchmarks

bench-sac: $(STAMP)  ## compare with stable-baselines3's SAC (hours; BENCH_ARGS="--env Pendulum-v1 --steps 2000" shortens it)
	$(BIN)/pip install --quiet --constraint .ci/constraints.txt --editable '.[bench]'
	$(BIN)/python -m benchmarks.sac $(BENCH_ARGS)

house: $(STAMP)  ## count what keeps the code small: lines, imports, who knows which domain, dangling references
	$(BIN)/python -m benchmarks.house

tables: $(STAMP)  ## renew the tables of results in docs/results.md and README.md
	$(BIN)/python -m benchmarks.tables --docs docs/results.md --readme README.md

torture: $(STAMP)  ## kills, power cuts, full disks, flipped bits, sharing, random inputs (TORTURE_ARGS="--only kills")
	$(BIN)/python -m benchmarks.torture --cases $(CASES) $(TORTURE_ARGS)

clean:  ## remove the virtual environment, builds and caches (not artifacts)
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache
	find spirl_cli benchmarks tests -name __pycache__ -type d -prune -exec rm -rf {} +

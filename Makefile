# make demo   robots, a daemon and a URL to see them at; Ctrl-C ends it
# make test   everything that a change must pass
# make check  the part of it that takes seconds: ruff and mypy
# make bench  rerund beside Rerun, Foxglove's SDK and Zenoh: what a call costs, rows a second, latency; 11 minutes
#
# All of it works on a fresh machine with Python 3.10 or newer: what is needed is put into .venv, and what only the
# system can give (browser, X server) is installed with apt where that is possible.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

# Tests start hundreds of processes: none of them should compile the modules again
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.PHONY: help demo test check bench system-packages clean

help:
	@sed -n 's/^# make/make/p' Makefile

demo: $(VENV)/.installed
	$(BIN)/rerund demo $(DEMO)

test: $(VENV)/.installed-test system-packages
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/pytest --numprocesses=2 --dist=worksteal $(PYTEST)

check: $(VENV)/.installed-test
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

bench: $(VENV)/.installed-bench
	$(BIN)/python -m tests.bench $(BENCH)

system-packages:
	@sh tests/system_packages.sh

$(VENV)/.installed: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
		{ echo "rerund needs Python 3.10 or newer, $(PYTHON) is older: make $(MAKECMDGOALS) PYTHON=/path/to/a/newer/one"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || \
		{ echo "no virtual environment could be made: on Debian and Ubuntu, apt install python3-venv"; exit 1; }
	$(BIN)/pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(VENV)/.installed-test: pyproject.toml | $(VENV)/.installed
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[test]'
	@touch $@

$(VENV)/.installed-bench: pyproject.toml | $(VENV)/.installed-test
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[test,bench]'
	@touch $@

clean:
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis

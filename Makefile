# SPDX-License-Identifier: Apache-2.0
# Two commands matter: `make run` starts Video Home, `make test` runs the whole suite.
# Both install what they need on a fresh Debian 12 or Ubuntu (root or sudo for the system packages).

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
RUN_STAMP := $(VENV)/.installed
TEST_STAMP := $(VENV)/.installed-test
SOURCES := $(shell git ls-files 2>/dev/null -- pyproject.toml constraints.txt hatch_build.py mediaserver transcribe storage web || true)

.PHONY: help run test lint unit clean

help: ## Show what can be made
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

run: $(RUN_STAMP) ## Start everything on this machine and print its addresses
	@exec $(VENV)/bin/videohome serve

$(VENV)/bin/python:
	@./.ci/install.sh python "$(PYTHON)" "$(VENV)"

$(RUN_STAMP): $(VENV)/bin/python $(SOURCES)
	$(VENV)/bin/pip install --disable-pip-version-check -q -c constraints.txt .
	@touch $@

$(TEST_STAMP): $(VENV)/bin/python $(SOURCES)
	@./.ci/install.sh test
	$(VENV)/bin/pip install --disable-pip-version-check -q -c constraints.txt ".[test]"
	@touch $@ $(RUN_STAMP)

test: $(TEST_STAMP) lint unit ## Run every check and test

lint: $(TEST_STAMP) ## Style, types, layers, sizes
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports

unit: $(TEST_STAMP) ## All Python tests
	$(VENV)/bin/python -m pytest

clean: ## Remove what was built (never the data folder)
	rm -rf $(VENV) web/ui/dist web/ui/node_modules build dist

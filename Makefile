# SPDX-License-Identifier: Apache-2.0
# Two commands matter: `make run` starts Video Home, `make test` runs the whole suite.
# Both install what they need on a fresh Debian 12 or Ubuntu (root or sudo for the system packages).

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
PYTHON ?= python3
SECONDS ?= 60
MINUTES ?= 60
INPUTS ?=
PROCESSES ?= $(shell nproc)
VENV := .venv
RUN_STAMP := $(VENV)/.installed
TEST_STAMP := $(VENV)/.installed-test
ON_POSTGRESQL := $(addprefix tests/web/sessions/test_,consent_and_recording.py custody.py caucus.py)
WHOLE := pyproject.toml constraints.txt hatch_build.py mediaserver transcribe storage web
# Without git, or where git refuses a folder of somebody else: an update has to be seen there, too.
SOURCES := $(shell git ls-files 2>/dev/null -- $(WHOLE) || \
	find $(WHOLE) \( -name node_modules -o -name dist -o -name __pycache__ \) -prune -o -type f ! -name '*.so' -print)

define WITHOUT_PLANE
from mediaserver import native
if native.load() is None:
    print(f"Without the compiled media plane: all works, at about twice the CPU time. To have it, {native.HOW}")
endef
export WITHOUT_PLANE

.PHONY: help run test lint unit fuzz soak faults clean

help: ## Show what can be made
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

run: $(RUN_STAMP) ## Start everything on this machine and print its addresses
	@exec $(VENV)/bin/videohome serve

$(VENV)/bin/python:
	@./.ci/install.sh python "$(PYTHON)" "$(VENV)"

$(RUN_STAMP): $(VENV)/bin/python $(SOURCES)
	@echo "Installing Video Home and what it needs into $(VENV) (the first time takes some minutes) ..."
	@$(VENV)/bin/pip install --disable-pip-version-check -q -c constraints.txt .
	@$(VENV)/bin/python -P -c "$$WITHOUT_PLANE"
	@touch $@

$(TEST_STAMP): $(VENV)/bin/python $(SOURCES)
	@./.ci/install.sh test
	@echo "Installing Video Home, what it needs and its test tools into $(VENV) (the first time takes some minutes) ..."
	@$(VENV)/bin/pip install --disable-pip-version-check -q -c constraints.txt ".[test]"
	@touch $@ $(RUN_STAMP)

test: $(TEST_STAMP) prepare lint unit ## Run every check and test

.PHONY: prepare
prepare: $(TEST_STAMP)
	@$(VENV)/bin/python -m tests.prepare --beside & # beside lint and calls; what is not there after them is waited for

lint: $(TEST_STAMP) ## Style, types, layers, sizes
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports

# A test that fails is held once more, because the machine itself may have disturbed it; the log shows how it failed, and
# it is to be mended. Twice is a fault.
unit: $(TEST_STAMP) ## All Python tests: real calls one after another, with the machine to themselves, then the others side by side
	$(VENV)/bin/python -m pytest -m alone --reruns 1 --rerun-show-tracebacks --durations=15
	@$(VENV)/bin/python -m tests.prepare || true # what cannot be built is said by the test that needs it
	$(VENV)/bin/python -m pytest -m "not alone" -n 3 --dist loadfile --reruns 1 --rerun-show-tracebacks --durations=25
	VIDEOHOME_TEST_DATABASE=postgresql $(VENV)/bin/python -m pytest -q -n 3 --dist loadfile --reruns 1 --rerun-show-tracebacks $(ON_POSTGRESQL)

fuzz: $(TEST_STAMP) ## Broken input for a minute at every door (SECONDS=600 for longer, or INPUTS=10000000 in all)
	$(VENV)/bin/python -m tests.fuzz --processes $(PROCESSES) $(if $(INPUTS),--inputs $(INPUTS),--seconds $(SECONDS))
	$(VENV)/bin/python -m tests.fuzz.sanitized

# The suite holds a short form of some seconds, because all of its tests together must stay short.
soak: $(TEST_STAMP) ## A meeting of an hour in virtual time: leaks, stuck layers, orphans, counters (make soak MINUTES=600)
	$(VENV)/bin/python -m tests.soak --minutes $(MINUTES)

faults: $(TEST_STAMP) ## Power cuts at thousands of moments, kill -9 of recorder, mediaserver, web and store in real calls, a store that does wrong
	$(VENV)/bin/python -m tests.faults

clean: ## Remove what was built (never the data folder)
	rm -rf $(VENV) web/ui/dist web/ui/node_modules build dist

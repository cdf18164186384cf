# make          install everything into .venv
# make demo     the whole story on this machine; HEADLESS=1 plays it without a person
# make test     all tests but those of test-frameworks; the training environment is built first (once, into the user's cache)
SHELL := /bin/sh
.DELETE_ON_ERROR:
.DEFAULT_GOAL := install
.PHONY: install demo test test-quick test-frameworks check bench soak environment environment-tfod lock help

BIN := .venv/bin
INSTALLED := .venv/.installed
# Files are handed out whole, so that fixtures of one file are made once. Four, where two cores are what everybody has: many tests wait.
PYTEST := $(BIN)/python -m pytest -n 4 --dist loadfile --no-loadscope-reorder --ignore=tests/benchmarks
# What really trains, evaluates, predicts and exports with a framework.
REAL := tests/frameworks
COMPILE := --extra test --strip-extras --allow-unsafe --generate-hashes \
           --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --no-emit-options

install: $(INSTALLED)  ## install Signalbox and its tests into .venv
	@echo 'Signalbox is installed in .venv/bin/. Next: `make demo` plays the whole story, `.venv/bin/signalbox --help` shows the commands.'

demo: $(INSTALLED)  ## a Slack workspace, a GPU server and a training, all on this machine (HEADLESS=1: without a person)
	$(BIN)/signalbox demo $(if $(filter-out 0,$(HEADLESS)),--headless)

test: $(INSTALLED) environment  ## all tests but those of test-frameworks
	$(PYTEST) --ignore=$(REAL)

test-frameworks: $(INSTALLED) environment environment-tfod  ## real trainings of every framework that can be installed here
	$(PYTEST) $(REAL)

test-quick: $(INSTALLED)  ## the tests that take no time: no training environment, no browser
	$(PYTEST) --ignore=$(REAL) -m 'not slow and not environment and not browser'

check: $(INSTALLED)  ## style, types, directions of imports, documents against the code
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest tests/test_documents.py tests/test_architecture.py

bench: $(INSTALLED)  ## measure; tests/benchmarks/RESULTS.md keeps the figures
	$(BIN)/python -m pytest -s --timeout=1200 tests/benchmarks

N ?= 1000
soak: $(INSTALLED)  ## N (1000) kills of the runner at random moments, then everything is judged; SIGNALBOX_SOAK_SEED=… repeats the choices
	SIGNALBOX_SOAK_KILLS=$(N) $(BIN)/python -m pytest -s tests/soak/test_soak.py

environment: $(INSTALLED)  ## build the training environment (torch, mmdet, mmcv) into the user's cache, once
	$(BIN)/python -m runner.environments build

environment-tfod: $(INSTALLED)  ## build the TensorFlow 2 Object Detection API's environment (Python 3.10), once
	$(BIN)/python -m runner.environments build tfod

lock: $(INSTALLED)  ## pin anew what pyproject.toml asks for
	$(BIN)/python -m venv .venv/lock
	.venv/lock/bin/python -m pip install -q pip-tools
	CUSTOM_COMPILE_COMMAND='make lock' .venv/lock/bin/pip-compile -q $(COMPILE) --output-file requirements.lock pyproject.toml

help:  ## show this
	@sed -n 's/^\([a-z-]*\):.*  ## /  make \1\t/p' Makefile | expand -t 22

$(INSTALLED): requirements.lock pyproject.toml
	@set -e; python=$$(sh deploy/find-python.sh); \
	sh deploy/install-system-packages.sh "$$python"; \
	$(BIN)/python -m pip --version >/dev/null 2>&1 || "$$python" -m venv --clear .venv
	$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps --require-hashes -r requirements.lock
	PYTHONWARNINGS=ignore $(BIN)/python -m pip install -q --disable-pip-version-check --no-deps -e .
	@touch $@

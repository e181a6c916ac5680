# make demo    train a small model, export it, verify it, show the report
# make demos   train five small models, export each as a page for the browser: kexport serve build/demos
# make test    what every change must pass; what it runs in a browser needs one: make browser
# make backends  train models on every framework that can be had, export each to every target, show what came of it
# Everything runs in .venv, which `make setup` makes.

PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3; do \
	command -v $$p >/dev/null 2>&1 && $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
JOBS ?= auto
DEMO := build/demo
WEB := runtimes/web
WEB_PACKAGES := $(WEB)/node_modules/.package-lock.json
WEB_BUILT := targets/kexport_targets/web/static/build.json
NODE_20 := node -e 'process.exit(parseInt(process.versions.node) < 20 ? 1 : 0)' >/dev/null 2>&1 && command -v npm >/dev/null 2>&1

# Tests and tools compute on the CPU alone, and say nothing of it.
export CUDA_VISIBLE_DEVICES := -1
export TF_CPP_MIN_LOG_LEVEL := 3
export JAX_PLATFORMS := cpu

.PHONY: setup browser demo demos backends r test test-all lint docs-coverage engine-core bench clean

setup: $(STAMP) $(WEB_BUILT)

$(STAMP): pyproject.toml
	@test -n "$(PYTHON)" || { echo "Python 3.11 or later is needed (on Debian: apt install python3.11 python3-venv)." >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { \
		rm -rf $(VENV); \
		echo "$(PYTHON) can't make a virtual environment. On Debian and Ubuntu: apt install python3-venv, then again." >&2; exit 1; }
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

# The runtime of web bundles. Without Node all the rest works, and the web target says what it lacks (exit code 7).
$(WEB_BUILT): $(WEB_PACKAGES) $(shell find $(WEB)/src $(WEB)/engine $(WEB)/build.mjs -type f)
	@if $(NODE_20); then node $(WEB)/build.mjs; else \
		echo "The web target is left out: it needs Node 20 or later with npm (on Debian 13: apt install nodejs npm)." >&2; fi

$(WEB_PACKAGES): $(WEB)/package-lock.json
	@if $(NODE_20); then cd $(WEB) && npm ci --loglevel=error && touch node_modules/.package-lock.json; fi

# A browser, for the tests that run web bundles. Chrome, Edge and Firefox do as well.
browser:
	@PYTHONPATH=runtimes $(PYTHON) -c 'import sys; from kexport_runtimes.browser.programs import find; sys.exit(find() is None)' || \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium >/dev/null; \
	else echo "No browser was found: install Chromium, Chrome, Edge or Firefox (on Debian: sudo apt install chromium)." >&2; exit 1; fi

demo: setup
	@mkdir -p $(DEMO)
	$(BIN)/python examples/train_digits.py $(DEMO)/digits.keras 2>$(DEMO)/train.log || { cat $(DEMO)/train.log >&2; exit 1; }
	$(BIN)/kexport --target tflite $(DEMO)/digits.keras --output $(DEMO)/digits_export

# DEMOS="digits lines": only these.
demos: setup browser
	$(BIN)/python -W ignore examples/demos/build.py build/demos $(DEMOS)

# BACKENDS="theano cntk": only these.
backends: setup
	$(BIN)/python -W ignore examples/train/all_backends.py --folder build/backends $(BACKENDS:%=--backend %)

test: lint
	$(BIN)/python -m pytest -q -n $(JOBS) --dist worksteal -m "not slow"

# R, for the example that trains and exports from it.
r:
	@Rscript -e 'library(reticulate)' >/dev/null 2>&1 || \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends r-base-core r-cran-reticulate >/dev/null; \
	else echo "R with reticulate was not found (on Debian: sudo apt install r-base-core r-cran-reticulate); its example is not tested." >&2; fi

test-all: lint r
	$(BIN)/python -m pytest -q -n $(JOBS) --dist worksteal

lint: setup
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

# Writes docs/coverage.md anew from the tables that the tests run.
docs-coverage: setup
	PYTHONPATH=tests $(BIN)/python -m conformance.coverage

# Finds anew which functions of the web engine the conformance table's models call: after a new version of the engine.
engine-core: $(STAMP) $(WEB_PACKAGES)
	node $(WEB)/engine/choose.mjs
	node $(WEB)/build.mjs
	node $(WEB)/build.mjs --package
	PYTHONPATH=tests $(BIN)/python -W ignore -m conformance.engine_core
	node $(WEB)/build.mjs

bench: setup
	$(BIN)/python benchmarks/run.py
	$(BIN)/python benchmarks/saved_model.py
	$(BIN)/python benchmarks/onnx_files.py
	$(BIN)/python benchmarks/coreml.py
	$(BIN)/python benchmarks/web.py

clean:
	rm -rf $(VENV) build dist .cache .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

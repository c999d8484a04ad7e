# A fresh machine needs Python 3.11, git and make; everything else goes into .venv.
PYTHON ?= python3.11
# Package index with the builds of torch that you want, such as CPU or CUDA ones; empty for pip's own.
TORCH_INDEX_URL ?=
PORT ?= 5000
# Processes of the tests; more than two CPUs' worth, since many tests wait for processes that they start.
WORKERS ?= 3
BIN := .venv/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: help install repro test test-nodes portability portability-quick ui docs gallery qgis check format
help:  ## List the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 20

install: .venv/installed  ## Make .venv with pinned dependencies, torch first

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --disable-pip-version-check $(if $(TORCH_INDEX_URL),--index-url $(TORCH_INDEX_URL)) -c constraints.txt torch
	$(BIN)/pip install --disable-pip-version-check -c constraints.txt -e '.[all,dev,docs]'
	touch $@

repro: install  ## Run the pipeline: from rasters to registered models
	dvc repro

test: install  ## Run all tests, in three processes (WORKERS=... for another number)
	pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder

test-nodes: install  ## Run the long tests of a cluster of two nodes (three minutes)
	DEMSR_TEST_TWO_NODES=1 DEMSR_TEST_SERVICES_REQUIRED=1 tests/services.sh pytest -n0 tests/test_two_nodes.py

portability: install  ## Run all tests with other instruction sets and numbers of threads (half an hour)
	tests/portability.sh

portability-quick: install  ## The same for the tests of the net, the metrics and the tiles, under two settings
	tests/portability.sh --quick

ui: install  ## Open the MLflow UI on http://127.0.0.1:5000 (PORT=... for another port)
	demsr models --links http://127.0.0.1:$(PORT)
	MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false MLFLOW_DISABLE_TELEMETRY=true \
	mlflow server --backend-store-uri sqlite:///$(CURDIR)/mlflow.db --port $(PORT)

docs: install  ## Build the documentation in site/; warnings are errors
	NO_MKDOCS_2_WARNING=1 mkdocs build --strict

gallery: install  ## Build the documentation with all examples run, also those with a training, a server or a cluster
	NO_MKDOCS_2_WARNING=1 GALLERY=/ mkdocs build --strict

qgis:  ## Zip the QGIS plugin as it is committed: integrations/qgis/demsr_qgis.zip
	git archive --format=zip --prefix=demsr_qgis/ --output=integrations/qgis/demsr_qgis.zip HEAD:integrations/qgis/demsr_qgis

check: install  ## Lint, types, layers
	hadolint Dockerfile
	ruff check .
	ruff format --check .
	mypy
	lint-imports

format: install  ## Format the code
	ruff check --fix .
	ruff format .

# A fresh machine needs Python 3.11, git and make; everything else goes into .venv.
PYTHON ?= python3.11
# Package index with the builds of torch that you want, such as CPU or CUDA ones; empty for pip's own.
TORCH_INDEX_URL ?=
PORT ?= 5000
BIN := .venv/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: help install repro test ui docs check format
help:  ## List the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 12

install: .venv/installed  ## Make .venv with pinned dependencies, torch first

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check $(if $(TORCH_INDEX_URL),--index-url $(TORCH_INDEX_URL)) -c constraints.txt torch
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[cluster,sweep,pipeline,dev,docs]'
	touch $@

repro: install  ## Run the pipeline: from rasters to registered models
	dvc repro

test: install  ## Run all tests
	pytest

ui: install  ## Open the MLflow UI on http://127.0.0.1:5000 (PORT=... for another port)
	demsr models
	MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false MLFLOW_DISABLE_TELEMETRY=true \
	mlflow server --backend-store-uri sqlite:///$(CURDIR)/mlflow.db --port $(PORT)

docs: install  ## Build the documentation in site/; warnings are errors
	NO_MKDOCS_2_WARNING=1 mkdocs build --strict --quiet

check: install  ## Lint, types, layers
	ruff check .
	ruff format --check .
	mypy
	lint-imports

format: install  ## Format the code
	ruff check --fix .
	ruff format .

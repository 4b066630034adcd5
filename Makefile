# Everything a newcomer needs; `make help` lists it. Nothing outside this directory is touched.

PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
CONFIG ?= configs/ml100k.toml
MODEL_DIR ?= runs/ml100k/published
PORT ?= 8500
REST_PORT ?= 8501
TITLES ?= runs/ml100k/prepared/candidates.parquet
QUERY ?= 196
EXCLUDE ?= 242,302
SIZE ?= 1M
PRISM := .runners/prism
PRISM_MODULE := github.com/apache/beam/sdks/v2
PRISM_VERSION := v2.77.0
PRISM_SUM := h1:RsC61pHEvtySEHAURQyP/+CVOJm/hy5hewuG9JF0+Ow=

.DEFAULT_GOAL := help
.PHONY: help setup run serve ask test test-runners check lock clean bench-beam

help: ## Lists the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

setup: $(VENV)/.installed ## Creates .venv from requirements.lock

$(VENV)/.installed: requirements.lock setup.py
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $@

run: setup $(if $(findstring ml100k,$(CONFIG)),data/ml-100k/manifest.json) ## MovieLens-100K, from the logs to a published model
	$(BIN)/python -m pipeline run $(CONFIG)

data/ml-100k/manifest.json: | setup
	$(BIN)/python -m pipeline fetch ml-100k

serve: setup ## Serves the published model: gRPC on 8500, REST on 8501
	$(BIN)/python -m serving serve --port=$(PORT) --rest_api_port=$(REST_PORT) --model_name=candidates \
	  --model_base_path=$(abspath $(MODEL_DIR))

ask: setup ## Asks the server for ten candidates of one query
	$(BIN)/python -m serving ask --target localhost:$(PORT) --query $(QUERY) --k 10 --exclude $(EXCLUDE) \
	  $(if $(TITLES),--titles $(TITLES))

test: setup ## Runs all tests but those of the next line
	$(BIN)/python -m pytest

test-runners: setup $(PRISM) data/ml-100k/manifest.json ## Runs the preparation with workers of its own
	$(BIN)/python -m pytest -m runners tests/runners

# The sum is of the module's source, which pins its dependencies; Go checks theirs.
$(PRISM):
	@command -v go >/dev/null || { echo "error: Prism is built with Go, and there is no program 'go'; install Go 1.26 or newer." >&2; exit 2; }
	GOBIN=$(abspath $(@D))/build go install $(PRISM_MODULE)/go/cmd/prism@$(PRISM_VERSION)
	@go version -m $(@D)/build/prism | grep -qF '$(PRISM_SUM)' || \
	  { echo "error: Prism $(PRISM_VERSION) was not built from $(PRISM_SUM); what was fetched is another source." >&2; exit 2; }
	mv $(@D)/build/prism $@

check: setup ## Format, lint, types and the direction of imports
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports
	$(BIN)/pyright

lock: setup ## Resolves the requirements anew
	$(BIN)/uv pip compile setup.py --extra train --extra serve --extra s3 --extra dev \
	  --generate-hashes --python-version 3.11 --python-platform x86_64-manylinux_2_28 --custom-compile-command "make lock" \
	  --output-file requirements.lock
	$(BIN)/uv pip compile setup.py --extra serve --constraints requirements.lock --generate-hashes \
	  --python-version 3.11 --python-platform x86_64-manylinux_2_28 \
	  --custom-compile-command "make lock" --output-file requirements-serve.lock

bench-beam: setup ## The preparation beside DuckDB, polars and element-wise Beam; SIZE=10M for more
	$(BIN)/python -m benchmarks.beam $(SIZE)

clean: ## Removes the environment, build leftovers, fetched data and runs
	rm -rf $(VENV) build *.egg-info data runs benchmarks/data benchmarks/results .runners .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

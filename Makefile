# QuantumLayer: make help lists what there is. Everything runs in .venv, from the hashed locks.
PYTHON ?= python3
BIN := .venv/bin
UV := $(BIN)/uv --system-certs --quiet
UV_VERSION := 0.13.8
PROMPT ?= tests/flow/prompts/bookshelf.txt
OUT ?= out
SEED ?= 1

# Where it is set, each process compiles what it imports: 2 s of CPU for litellm alone, and all tests four times.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help setup demo up test check chaos soak bench bench-full lock schemas docs clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  \1\t\2/' | expand -t 12

$(BIN)/uv:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 13) and "QuantumLayer needs Python 3.11 or 3.12: make PYTHON=python3.12 demo")'
	@echo "making .venv" >&2
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)

.venv/.runtime: $(BIN)/uv requirements.lock pyproject.toml
	@echo "installing from requirements.lock" >&2
	@$(UV) pip install --require-hashes --requirement requirements.lock
	@$(UV) pip install --no-deps --no-build-isolation --editable .
	@touch $@

.venv/.dev: .venv/.runtime requirements-dev.lock
	@echo "installing from requirements-dev.lock" >&2
	@$(UV) pip install --require-hashes --requirement requirements-dev.lock
	@touch $@

.venv/.sandbox:
	@sh deploy/local/bubblewrap.sh
	@mkdir -p .venv && if command -v bwrap >/dev/null; then touch $@; fi

setup: .venv/.dev .venv/.sandbox ## install everything, tools of development too

demo: .venv/.runtime .venv/.sandbox ## start the factory, send a sample prompt, write the package into out/
	@$(BIN)/ql generate @$(PROMPT) --out $(OUT)

up: .venv/.runtime .venv/.sandbox ## start the whole factory and keep it running
	@$(BIN)/ql up

test: setup ## run the tests, on real servers
	$(BIN)/python -m pytest -q -n 3 --dist loadfile --no-loadscope-reorder

check: setup ## types, lint, layers, generated files, API documents, compose file and Dockerfile
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy .
	$(BIN)/lint-imports
	$(BIN)/python -m contracts.generate --check
	$(BIN)/python -m contracts.compatibility
	$(BIN)/python -m tests.documents
	$(BIN)/ql prompt test > /dev/null
	$(BIN)/python docs/generate.py --check
	$(BIN)/check-jsonschema --builtin-schema vendor.compose-spec docker-compose.yml
	$(BIN)/hadolint deploy/Dockerfile

chaos: setup ## break everything on purpose, and print the fault matrix (about 15 minutes)
	$(BIN)/python -m tests.chaos

soak: setup ## random faults from one seed: make soak SEED=7
	$(BIN)/python -m tests.chaos.soak --seed $(SEED)

bench: setup ## measure, and print a table (about 10 minutes)
	$(BIN)/python -m tests.bench

bench-full: setup ## measure the long ones too: every peer, a million workflows, all mutants
	$(BIN)/python -m tests.bench --full

lock: $(BIN)/uv ## resolve requirements.lock and requirements-dev.lock again
	$(UV) pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate pyproject.toml --extra embedded --extra build --output-file requirements.lock
	$(UV) pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate pyproject.toml --all-extras --constraint requirements.lock --output-file requirements-dev.lock

schemas: .venv/.runtime ## write contracts/schemas/ again
	$(BIN)/python -m contracts.generate

docs: .venv/.runtime ## write docs/reference/ again
	$(BIN)/python docs/generate.py

clean: ## remove what was made here (the factory's data stays)
	rm -rf .venv build dist out .mypy_cache .ruff_cache .pytest_cache .hypothesis

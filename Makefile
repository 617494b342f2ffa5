# Every target works in a fresh clone: it makes .venv first and never asks anything.
.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3
BIN := .venv/bin
SYSTEM ?= secure_network
# The editors' schema, and all that says what it is.
SCHEMA := stacksets/tapgen.schema.json
SHAPES := $(shell find tapgen/config tapgen/blueprints tapgen/model tapgen/template/schemas.py -name '*.py')
# For `make scan`: a checkout of AWS's registry of Guard rules.
GUARD ?= ../aws-guard-rules-registry
# For `make soak`: how many random systems.
SOAK ?= 200
# And the oldest boto3 that the engine in AWS supports: it has conditional writes of S3.
BOTO3 := .tapgen/boto3-1.35.69
# For `make bench`: --runs N, --json.
BENCH ?=
# Enough processes to keep every core busy; xdist counts the cores itself. Files in their
# own order: the slow ones come first, and thousands of quick tests even out the end.
PYTEST := $(BIN)/pytest -n auto --dist loadfile --no-loadscope-reorder $(RERUNS)
# CI tries a failed test once more and lists it (decision 46); here it fails.
RERUNS ?=
# Tests start hundreds of commands, each slower by a third without its bytecode.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help rollout test soak clients templates lint validate check style types fresh format picture scan bench clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.venv/.ready: setup.cfg pyproject.toml constraints.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "installing into .venv …"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@

rollout: .venv/.ready ## Roll the secure network out to two regions of the embedded AWS
	$(BIN)/tapgen rollout $(SYSTEM) --local --yes --timings
	$(BIN)/tapgen status $(SYSTEM) --local

test: .venv/.ready ## Run all tests
	$(PYTEST)

soak: .venv/.ready ## Long sweeps: plans against what happens, kills at every call (SOAK=200)
	@test -d $(BOTO3)/boto3 || $(BIN)/pip install --quiet --disable-pip-version-check --no-deps --target $(BOTO3) boto3==1.35.69 botocore==1.35.69 s3transfer==0.10.4 jmespath python-dateutil urllib3 six
	TAPGEN_SOAK=$(SOAK) TAPGEN_OLDEST_BOTO3=$(CURDIR)/$(BOTO3) $(BIN)/pytest -n auto --dist load $$(grep -rlE 'TAPGEN_SOAK|TAPGEN_OLDEST_BOTO3|^from hypothesis' tests --include='test_*.py')

clients: .venv/.ready ## Let real clients use the embedded AWS: CDK, SAM, Sceptre, AWS CLI, Troposphere's examples
	$(PYTEST) -m clients tests/clients

templates: .venv/.ready $(SCHEMA) ## Bring templates_out/, generated code and the editors' schema up to date
	$(BIN)/python -m tools.generate
	$(BIN)/tapgen templates

$(SCHEMA): .venv/.ready $(SHAPES)
	$(BIN)/tapgen schema > $@.new
	mv $@.new $@

lint: .venv/.ready ## cfn-lint every template for its target regions
	$(BIN)/tapgen lint

validate: .venv/.ready ## Check every template with AWS's cloudformation-validate too
	$(BIN)/tapgen lint --quick

check: ## Everything a merge needs, as CI runs it: style types fresh validate lint test
	@$(MAKE) --no-print-directory -j 2 --output-sync style types fresh validate lint
	@$(MAKE) --no-print-directory test

scan: .venv/.ready ## What Checkov and AWS's Guard rules find (GUARD=checkout of aws-guard-rules-registry)
	@test -x .tapgen/checkov/bin/checkov || $(PYTHON) -m venv .tapgen/checkov
	.tapgen/checkov/bin/pip install --quiet --disable-pip-version-check checkov==3.3.30
	$(BIN)/python -m tools.scan --guard $(GUARD) --checkov .tapgen/checkov/bin/checkov

style: .venv/.ready ## Fail when the code is not formatted as `make format` does
	$(BIN)/black --check tapgen tests benchmarks tools
	$(BIN)/isort --check tapgen tests benchmarks tools
	$(BIN)/flake8 tapgen tests benchmarks tools

types: .venv/.ready ## Check all types
	$(BIN)/mypy

fresh: .venv/.ready ## Fail when templates_out/ or generated code is not what it comes from
	$(BIN)/tapgen templates --check
	$(BIN)/python -m tools.generate --check

format: .venv/.ready ## Format the code
	$(BIN)/isort --quiet tapgen tests benchmarks tools
	$(BIN)/black --quiet tapgen tests benchmarks tools

picture: .venv/.ready ## Make the pictures in the documents: of systems, of a rollout, of pages
	$(BIN)/python -m tools.generate
	$(BIN)/python -m tests.emulated.picture
	$(BIN)/python -m tests.emulated.page_pictures

bench: .venv/.ready ## Measure speed against a peer in the same run (BENCH="--runs N --json")
	$(BIN)/python -m benchmarks.run $(BENCH)

clean: ## Stop the embedded AWS and remove everything made here
	@test ! -x $(BIN)/tapgen || $(BIN)/tapgen local stop --quiet || true
	rm -rf .venv .tapgen build dist *.egg-info .pytest_cache .mypy_cache .hypothesis
	find tapgen tests benchmarks tools -name __pycache__ -type d -prune -exec rm -rf {} +

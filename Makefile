# Every command works from a fresh clone: it sets up what it needs first. No virtual environment need be active.

PYTHON ?= python3
CDK_FLAGS ?=
PYTEST_FLAGS ?=
LOCK_FLAGS ?=

VENV := .venv
MINISTACK := .venv-ministack
AWSCLI := .venv-awscli
BENCH := .venv-bench
RUN := $(VENV)/bin/python -m
CDK := PATH="$(CURDIR)/$(VENV)/bin:$$PATH" node_modules/.bin/cdk
LOCKS := requirements requirements-dev local/requirements examples/requirements benchmarks/requirements

NOT_LOCAL := [ -z "$$DISCOVERY_EXPORTS_DOUBLE" ] || { \
  echo "This shell points to the local AWS (.local/env): deploy from another one." >&2; exit 1; }
# Node.js 20 still serves, although jsii greets it with a banner at every start.
export JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION := 20

# What is installed, side by side: each waits for the network more than for the others.
BASE := node_modules/installed $(VENV)/installed $(MINISTACK)/installed
SIDE_BY_SIDE := --silent --jobs=4 INSTALLS=1

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
ifndef INSTALLS
.NOTPARALLEL:
endif
.SUFFIXES:
.PHONY: help setup bootstrap demo local local-stop test soak audit check format bench bench-polling bench-cold-start bench-tables bench-sweep synth deploy destroy lock clean

help: ## Say what can be made (this)
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-17s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: setup ## Start exports on a local AWS, store them, show what landed
	@$(RUN) local.demo

local: setup ## Bring up the local AWS with the stack deployed; then: . .local/env
	@$(RUN) local.aws up

local-stop: ## End the local AWS and forget what it held
	@if [ -x $(VENV)/bin/python ]; then $(RUN) local.aws down; else echo "Nothing to stop: nothing was set up."; fi

test: ## Run every test, on local AWSs of its own
	@$(MAKE) $(SIDE_BY_SIDE) $(BASE) $(AWSCLI)/installed
	@$(RUN) pytest --numprocesses=3 $(PYTEST_FLAGS)

soak: setup ## Kill, crowd and trouble the deployed stack, a quarter of an hour; SEED=n for another order
	@SOAK=1 KILLS=20 $(RUN) pytest --quiet $(PYTEST_FLAGS) $(addprefix tests/local/,test_soak.py test_carrying.py privileges.py test_secret.py)

audit: setup ## Look the locked dependencies up in the database of known vulnerabilities
	@if told=$$($(RUN) pip_audit --strict --progress-spinner off --disable-pip $(LOCKS:%=--requirement %.txt) 2>&1); \
	then echo "$$told"; \
	else echo "$$told"; case "$$told" in \
	  *"Found "*) echo "The audit found what its last lines tell of.";; \
	  *) echo "The audit could not reach its database: nothing was audited, so nothing is known to be safe.";; \
	  esac >&2; exit 1; \
	fi

check: setup ## Format, lint, types and the fast tests
	@$(RUN) ruff format --check
	@$(RUN) ruff check
	@$(RUN) mypy
	@$(RUN) bandit --quiet --configfile pyproject.toml --recursive functions infra local
	@$(RUN) pytest --quiet --numprocesses=auto $(PYTEST_FLAGS) tests/unit tests/infra

format: setup ## Format the code and mend what the linter can
	@$(RUN) ruff check --fix-only
	@$(RUN) ruff format

bench: $(BENCH)/installed ## Measure the copy beside others, 20 minutes; QUICK=1 ends within two and writes nothing
	@$(BENCH)/bin/python -m benchmarks $(if $(QUICK),--quick)

bench-polling: setup ## Simulate what waiting costs and how late it notices, beside other ways
	@PYTHONPATH=functions $(RUN) benchmarks.polling

bench-cold-start: setup ## Measure imports and clients of each function beside a bare boto3 script
	@$(RUN) benchmarks.cold_start

bench-tables: setup ## Measure what keeping tables costs while an export is unpacked, under a minute
	@PYTHONPATH=functions $(RUN) benchmarks.tables_cost

bench-sweep: setup ## Sweep 10,000 exports on a local AWS, a quarter of an hour
	@PYTHONPATH=functions $(RUN) benchmarks.sweep

synth: setup ## Write the CloudFormation template to cdk.out; needs no account
	@$(CDK) synth --quiet $(CDK_FLAGS)
	@ls cdk.out/*.template.json

bootstrap: setup ## Prepare an AWS account and region for deployments, once, with your credentials
	@$(NOT_LOCAL)
	@$(CDK) bootstrap $(CDK_FLAGS)

deploy: setup ## Deploy to AWS with your credentials; CDK_FLAGS="-c key=value" is passed on
	@$(NOT_LOCAL)
	@$(CDK) deploy $(CDK_FLAGS)

destroy: setup ## Remove the stack from AWS, after saying which data it keeps
	@$(NOT_LOCAL)
	@$(RUN) infra.kept $(CDK_FLAGS)
	@$(CDK) destroy $(CDK_FLAGS)

setup: ## Install what everything else needs (all of them do so themselves)
	@$(MAKE) $(SIDE_BY_SIDE) $(BASE)

lock: setup ## Write the locks anew from the .in files; LOCK_FLAGS=--upgrade takes newer versions
	@for name in $(LOCKS); do \
	  echo "Locking $$name.txt"; \
	  $(VENV)/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	    $(LOCK_FLAGS) --custom-compile-command "make lock" --output-file $$name.txt $$name.in || exit 1; \
	done
	@npm install --package-lock-only --no-audit --no-fund --loglevel=error

clean: local-stop ## Remove everything that was made here
	rm -rf $(VENV) $(MINISTACK) $(AWSCLI) $(BENCH) node_modules cdk.out .local .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# --- what `setup` installs; each again when its lock is newer than its stamp ---

define needs_python
@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
  echo "Python 3.11 or newer is needed; '$(PYTHON)' says: $$($(PYTHON) --version 2>&1 || true)"; \
  echo "Install it, or name it: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; } >&2
endef

define needs_node
@node -e 'process.exit(parseInt(process.versions.node) < 20 ? 1 : 0)' 2>/dev/null && command -v npm >/dev/null || { \
  echo "Node.js 20 or newer with npm is needed (the AWS CDK runs on it); found: $$(node --version 2>&1 || true)."; exit 1; } >&2
endef

# $(1): the environment, $(2): its lock
define install
$(needs_python)
@echo "Setting up $(1) from $(2): about a minute the first time"
@$(PYTHON) -m venv --clear $(1)
@$(1)/bin/python -m pip install -qq --no-compile --disable-pip-version-check --require-hashes -r $(2)
@touch $@
endef

# An environment whose Python is gone, perhaps with an upgrade of it, is made again too.
.PHONY: $(foreach env,$(VENV) $(MINISTACK) $(AWSCLI),$(if $(realpath $(env)/bin/python),,$(env)/installed))

$(VENV)/installed: requirements-dev.txt
	$(call install,$(VENV),requirements-dev.txt)

$(MINISTACK)/installed: local/requirements.txt
	$(call install,$(MINISTACK),local/requirements.txt)

$(AWSCLI)/installed: examples/requirements.txt
	$(call install,$(AWSCLI),examples/requirements.txt)

$(BENCH)/installed: benchmarks/requirements.txt
	$(call install,$(BENCH),benchmarks/requirements.txt)

node_modules/installed: package-lock.json
	$(needs_node)
	@echo "Setting up the CDK CLI in node_modules"
	@npm ci --no-audit --no-fund --loglevel=error
	@touch $@

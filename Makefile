# Every command works from a fresh clone: it installs what it needs first. No virtual environment need be active.

PYTHON ?= python3
PYTHONS ?= 3.11 3.12 3.13 3.14
TESTS ?= tests/unit tests/infra
CDK_FLAGS ?=
PYTEST_FLAGS ?=
LOCK_FLAGS ?=

VENV := .venv
MINISTACK := .venv-ministack
AWSCLI := .venv-awscli
BENCH := .venv-bench
RUN := $(VENV)/bin/python -m
# `uv venv` asks for no pip; `--only-binary` runs no code of a package while it is installed.
UV := $(RUN) tools.uv
UV_INSTALL := $(UV) pip install --quiet --require-hashes --only-binary :all:
CDK := PATH="$(CURDIR)/$(VENV)/bin:$$PATH" node_modules/.bin/cdk
LOCKS := requirements requirements-dev local/requirements examples/requirements benchmarks/requirements

# What commands need beside $(VENV), which all of them need.
DEPLOYING := $(VENV)/installed node_modules/installed
LOCAL_AWS := $(DEPLOYING) $(MINISTACK)/installed

NOT_LOCAL := [ -z "$$DISCOVERY_EXPORTS_DOUBLE" ] || { \
  echo "This shell points to the local AWS (.local/env): deploy from another one." >&2; exit 1; }
# Node.js 20 still serves, although jsii greets it with a banner at every start.
export JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION := 20

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:
.SUFFIXES:
.PHONY: help setup bootstrap demo local local-stop test test-more test-pythons soak audit scan check format bench bench-polling \
  bench-cold-start bench-tables bench-sweep synth deploy destroy lock clean

help: ## Say what can be made (this)
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-17s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(LOCAL_AWS) ## Start exports on a local AWS, store them, show what landed
	@$(RUN) local.demo

local: $(LOCAL_AWS) ## Bring up the local AWS with the stack deployed; then: . .local/env
	@$(RUN) local.stack.aws up

local-stop: ## End the local AWS and forget what it held
	@if [ -x $(VENV)/bin/python ]; then $(RUN) local.stack.aws down; else echo "Nothing to stop: nothing was set up."; fi

check: setup ## Format, lint, types, imports and the fast tests; TESTS=tests/unit/workflow/test_run_input.py runs that file alone
	@$(RUN) ruff format --check
	@$(RUN) ruff check
	@$(RUN) mypy
	@PYTHONPATH=functions $(VENV)/bin/lint-imports --no-logo > $(VENV)/imports.txt || { cat $(VENV)/imports.txt; exit 1; }
	@$(RUN) pytest --quiet --numprocesses=auto $(PYTEST_FLAGS) $(TESTS)

format: setup ## Format the code and mend what the linter can
	@$(RUN) ruff check --fix-only
	@$(RUN) ruff format

test: $(LOCAL_AWS) $(AWSCLI)/installed ## Run every test, on local AWSs of its own, about a quarter of an hour
	@$(RUN) pytest --numprocesses=3 $(PYTEST_FLAGS)

test-more: ## Run what is too slow for every change or needs the network: other Pythons, soak, scanners
	@$(MAKE) --no-print-directory --keep-going test-pythons soak scan audit

test-pythons: setup ## Run the fast tests on every other Python that is installed
	@for version in $(PYTHONS); do \
	  $(VENV)/bin/python -c "import sys; sys.exit(sys.version.startswith('$$version.'))" || continue; \
	  PATH="$$(printf '%s:' "$${PYENV_ROOT:-$$HOME/.pyenv}"/versions/*/bin)$$PATH" \
	    $(UV) venv --quiet --clear --no-python-downloads --python $$version .venv-$$version 2>/dev/null \
	    || { echo "Python $$version is not installed: left out"; continue; }; \
	  echo "Python $$version"; \
	  $(UV_INSTALL) --python .venv-$$version -r requirements-dev.txt || exit 1; \
	  .venv-$$version/bin/python -m pytest --quiet --numprocesses=auto $(PYTEST_FLAGS) $(TESTS) || exit 1; \
	done

soak: $(LOCAL_AWS) ## Kill, crowd and trouble the deployed stack, a quarter of an hour; SEED=n for another order
	@SOAK=1 KILLS=20 $(RUN) pytest --quiet $(PYTEST_FLAGS) $(addprefix tests/local/,test_soak.py test_carrying.py privileges.py test_secret.py)

scan: setup ## Look through the code for what invites attackers
	@$(RUN) bandit --quiet --configfile pyproject.toml --recursive functions infra local tools

audit: setup ## Look the locked dependencies up in the database of known vulnerabilities
	@if told=$$($(RUN) pip_audit --strict --progress-spinner off --disable-pip $(LOCKS:%=--requirement %.txt) 2>&1); \
	then echo "$$told"; \
	else echo "$$told"; case "$$told" in \
	  *"Found "*) echo "The audit found what its last lines tell of.";; \
	  *) echo "The audit could not reach its database: nothing was audited, so nothing is known to be safe.";; \
	  esac >&2; exit 1; \
	fi

bench: $(BENCH)/installed ## Measure the copy beside others, 10 minutes; QUICK=1 ends within two and writes nothing
	@$(BENCH)/bin/python -m benchmarks $(if $(QUICK),--quick)

bench-polling: setup ## Simulate what waiting costs and how late it notices, beside other ways
	@PYTHONPATH=functions $(RUN) benchmarks.polling

bench-cold-start: setup ## Measure imports and clients of each function beside a bare boto3 script
	@$(RUN) benchmarks.cold_start

bench-tables: setup ## Measure what keeping tables costs while an export is unpacked, under a minute
	@PYTHONPATH=functions $(RUN) benchmarks.tables_cost

bench-sweep: $(LOCAL_AWS) ## Sweep 10,000 exports on a local AWS, a quarter of an hour
	@PYTHONPATH=functions $(RUN) benchmarks.sweep

synth: $(DEPLOYING) ## Write the CloudFormation template to cdk.out; needs no account
	@$(CDK) synth --quiet $(CDK_FLAGS)
	@ls cdk.out/*.template.json

bootstrap: $(DEPLOYING) ## Prepare an AWS account and region for deployments, once, with your credentials
	@$(NOT_LOCAL)
	@$(RUN) tools.credentials $(CDK_FLAGS)
	@$(CDK) bootstrap $(CDK_FLAGS)

deploy: $(DEPLOYING) ## Deploy to AWS with your credentials; CDK_FLAGS="-c key=value" is passed on
	@$(NOT_LOCAL)
	@$(RUN) tools.credentials $(CDK_FLAGS)
	@$(CDK) deploy $(CDK_FLAGS)

destroy: $(DEPLOYING) ## Remove the stack from AWS, after saying which data it keeps
	@$(NOT_LOCAL)
	@$(RUN) tools.credentials $(CDK_FLAGS)
	@$(RUN) tools.retained_resources $(CDK_FLAGS)
	@$(CDK) destroy $(CDK_FLAGS)

setup: $(VENV)/installed ## Install what `make check` needs; every other command installs what it needs beside that

lock: setup ## Write the locks anew from the .in files; LOCK_FLAGS=--upgrade takes newer versions
	@for name in $(LOCKS); do \
	  echo "Locking $$name.txt"; \
	  $(VENV)/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	    $(LOCK_FLAGS) --custom-compile-command "make lock" --output-file $$name.txt $$name.in || exit 1; \
	done
	@npm install --package-lock-only --ignore-scripts --no-audit --no-fund --loglevel=error

clean: local-stop ## Remove everything that was made here
	rm -rf .venv .venv-* node_modules cdk.out .local .mypy_cache .import_linter_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# --- what is installed; each again when its lock is newer than its stamp ---

define needs_python
@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
  echo "Python 3.11 or newer is needed; '$(PYTHON)' says: $$($(PYTHON) --version 2>&1 || true)"; \
  echo "Install it, or name it: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; } >&2
endef

define needs_node
@node -e 'process.exit(parseInt(process.versions.node) < 20 ? 1 : 0)' 2>/dev/null && command -v npm >/dev/null || { \
  echo "Node.js 20 or newer with npm is needed (the AWS CDK runs on it); found: $$(node --version 2>&1 || true)."; exit 1; } >&2
endef

# An environment whose Python is gone, perhaps with an upgrade of it, is made again too.
.PHONY: $(foreach env,$(VENV) $(MINISTACK) $(AWSCLI) $(BENCH),$(if $(realpath $(env)/bin/python),,$(env)/installed))

# pip brings only uv, by that lock's own lines of it; uv installs everything else in a fraction of the time.
$(VENV)/installed: requirements-dev.txt
	$(needs_python)
	$(needs_node)
	@echo "Setting up $(VENV) from $<"
	@$(PYTHON) -m venv --clear $(VENV)
	@sed -n '/^uv==/,/[^\\]$$/p' $< > $(VENV)/uv.txt
	@$(RUN) pip install -qq --no-compile --disable-pip-version-check --require-hashes --only-binary :all: -r $(VENV)/uv.txt
	@$(UV_INSTALL) --python $(VENV) -r $<
	@touch $@

$(MINISTACK)/installed: local/requirements.txt
$(AWSCLI)/installed: examples/requirements.txt
$(BENCH)/installed: benchmarks/requirements.txt
$(MINISTACK)/installed $(AWSCLI)/installed $(BENCH)/installed: | $(VENV)/installed
	@echo "Setting up $(@D) from $<"
	@$(UV) venv --quiet --clear --python $(VENV)/bin/python $(@D)
	@$(UV_INSTALL) --python $(@D) -r $<
	@touch $@

node_modules/installed: package-lock.json
	$(needs_node)
	@echo "Setting up the CDK CLI in node_modules"
	@npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

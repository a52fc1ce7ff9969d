# Every command works in a fresh clone: it first installs what it needs. No virtual environment must be active.

PYTHON ?= python3
PYTHONS ?= 3.11 3.12 3.13 3.14
TESTS ?= tests/unit tests/infra
CDK_FLAGS ?=
PYTEST_FLAGS ?=
LOCK_FLAGS ?=
fuzz: FUZZ_EXAMPLES ?= 4000
fuzz: SEED ?= 1

VENV := .venv
MINISTACK := .venv-ministack
AWSCLI := .venv-awscli
BENCH := .venv-bench
JUDGES := .venv-judges
CHECKOV := .venv-checkov
BROWSER := .venv-browser
RUN := $(VENV)/bin/python -m
# `uv venv` needs no pip. With `--only-binary`, installing a package runs none of its code.
UV := $(RUN) tools.uv
UV_INSTALL := $(UV) pip install --quiet --require-hashes --only-binary :all:
CDK := PATH="$(CURDIR)/$(VENV)/bin:$$PATH" node_modules/.bin/cdk
# The first must be first: the next two contain it.
LOCKS := functions/requirements requirements requirements-dev local/requirements examples/requirements \
  benchmarks/requirements tests/judges/requirements tests/browser/requirements tools/checkov/requirements
# The packages of the Lambda asset for each architecture of Lambda, which this machine need not have.
LAMBDA_PACKAGES := .lambda/arm64/requirements.txt .lambda/x86_64/requirements.txt

# What commands need in addition to $(VENV), which all of them need.
DEPLOYING := $(VENV)/installed $(LAMBDA_PACKAGES) node_modules/installed
LOCAL_AWS := $(DEPLOYING) $(MINISTACK)/installed
JUDGING := $(DEPLOYING) $(JUDGES)/dynamodb/installed
BROWSING := $(BROWSER)/installed node_modules/installed chromium

NOT_LOCAL := [ -z "$$DISCOVERY_EXPORTS_DOUBLE" ] || { \
  echo "This shell uses the local AWS (.local/env). Use another shell to deploy." >&2; exit 1; }
# Only these commands use the caller's AWS account. The others get no profile, credentials, Region or endpoint, so that
# nothing of the caller can be read, changed or sent; but `make local` can use another service, with its certificate.
USING_AWS := bootstrap deploy destroy
ifeq ($(filter $(USING_AWS),$(MAKECMDGOALS)),)
unexport $(filter-out AWS_ENDPOINT_URL_APPLICATION_DISCOVERY_SERVICE AWS_CA_BUNDLE,$(filter AWS_%,$(.VARIABLES)))
export AWS_CONFIG_FILE := /dev/null
export AWS_SHARED_CREDENTIALS_FILE := /dev/null
export AWS_EC2_METADATA_DISABLED := true
endif
# cdk.json disables what else the CDK CLI sends.
export CDK_DISABLE_VERSION_CHECK := true
# Node.js 20 still works, but jsii prints a warning at every start.
export JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION := 20

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:
.SUFFIXES:
.PHONY: help setup bootstrap demo dist local local-stop test fuzz judges test-more test-pythons soak audit scan checkov chromium check format bench bench-polling \
  bench-cold-start bench-collecting bench-handoff bench-help bench-tables bench-sweep synth deploy destroy lock clean

help: ## List all commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-17s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

dist: setup ## Build the package that other CDK apps install: a wheel in dist/; the same code gives the same bytes
	@[ ! -e .git ] || files=$$(git ls-files --others --exclude-standard discovery_exports infra local/double docs/queries) && [ -z "$$files" ] || { \
	  printf 'These files are not in git, and would be in the package:\n%s\n' "$$files" >&2; exit 1; }
	@rm -rf dist
	@$(RUN) hatchling build --target wheel

demo: $(LOCAL_AWS) ## Start exports on a local AWS, store them, and show the result
	@$(RUN) local.demo

local: $(LOCAL_AWS) ## Start the local AWS and deploy the stack to it; then run: . .local/env
	@[ -z "$(CDK_FLAGS)" ] || { echo "The local AWS takes its settings from cdk.json: see docs/local-aws.md." >&2; exit 1; }
	@$(RUN) local.stack.aws up

local-stop: ## Stop the local AWS and delete its data
	@if [ -x $(VENV)/bin/python ]; then $(RUN) local.stack.aws down; else echo "Nothing to stop: nothing is installed."; fi

check: setup ## Check format, lint, types and imports, run the fast tests; TESTS=tests/unit/outcomes/test_outcome.py runs one file
	@$(RUN) ruff format --check
	@$(RUN) ruff check
	@$(RUN) mypy
	@PYTHONPATH=functions $(VENV)/bin/lint-imports --no-logo > $(VENV)/imports.txt || { cat $(VENV)/imports.txt; exit 1; }
	@$(RUN) pytest --quiet --numprocesses=auto $(PYTEST_FLAGS) $(TESTS)

format: setup ## Format the code, and fix what the linter can fix
	@$(RUN) ruff check --fix-only
	@$(RUN) ruff format

test: $(LOCAL_AWS) $(AWSCLI)/installed $(JUDGING) $(BROWSING) ## Run all tests, on local AWSs of their own; about 12 minutes
	@$(RUN) pytest --numprocesses=4 $(PYTEST_FLAGS)

fuzz: setup ## Run the fuzz tests with many examples; 10 minutes; FUZZ_EXAMPLES=n of each test, SEED=n draws others
	@echo "FUZZ_EXAMPLES=$(FUZZ_EXAMPLES) SEED=$(SEED)"
	@FUZZ_EXAMPLES=$(FUZZ_EXAMPLES) $(RUN) pytest --quiet --numprocesses=auto --hypothesis-seed=$(SEED) $(PYTEST_FLAGS) tests/fuzz

judges: $(JUDGING) ## Run the tests on servers and parsers that this project did not write; about 2 minutes
	@$(RUN) pytest --quiet $(PYTEST_FLAGS) tests/judges

test-more: ## Run what is slow or needs the network: tests on other Pythons, soak, scan, checkov, audit
	@$(MAKE) --no-print-directory --keep-going test-pythons soak scan checkov audit

test-pythons: setup ## Run the fast tests on every other installed Python
	@for version in $(PYTHONS); do \
	  $(VENV)/bin/python -c "import sys; sys.exit(sys.version.startswith('$$version.'))" || continue; \
	  PATH="$$(printf '%s:' "$${PYENV_ROOT:-$$HOME/.pyenv}"/versions/*/bin)$$PATH" \
	    $(UV) venv --quiet --clear --no-python-downloads --python $$version .venv-$$version 2>/dev/null \
	    || { echo "Python $$version is not installed: skipped"; continue; }; \
	  echo "Python $$version"; \
	  $(UV_INSTALL) --python .venv-$$version -r requirements-dev.txt || exit 1; \
	  .venv-$$version/bin/python -m pytest --quiet --numprocesses=auto $(PYTEST_FLAGS) $(TESTS) || exit 1; \
	done

soak: $(LOCAL_AWS) ## Kill, overload, disturb and upgrade the deployed stack; 25 minutes; SEED=n changes the order
	@SOAK=1 KILLS=20 $(RUN) pytest --quiet $(PYTEST_FLAGS) $(addprefix tests/local/,quota.py upgrade.py test_soak.py test_large_exports.py privileges.py test_secret.py) \
	  tests/slow/test_hostile.py

scan: setup ## Scan the code for security problems
	@$(RUN) bandit --quiet --configfile pyproject.toml --recursive functions infra local tools

checkov: setup $(CHECKOV)/installed ## Scan the template with every setting on; each accepted finding has a reason
	@$(RUN) pytest --quiet $(PYTEST_FLAGS) tests/infra/checkov.py

audit: setup ## Check the locked dependencies for known vulnerabilities
	@if output=$$($(RUN) pip_audit --strict --progress-spinner off --disable-pip $(LOCKS:%=--requirement %.txt) 2>&1); \
	then echo "$$output"; \
	else echo "$$output"; case "$$output" in \
	  *"Found "*) echo "The audit found the vulnerabilities that are listed above.";; \
	  *) echo "The audit could not reach its database. No dependency was checked.";; \
	  esac >&2; exit 1; \
	fi

bench: $(BENCH)/installed ## Compare the copy with other tools; 10 minutes; QUICK=1 takes 2 minutes and writes nothing
	@$(BENCH)/bin/python -m benchmarks.copy $(if $(QUICK),--quick)

bench-polling: setup ## Simulate the cost and the delay of polling, compared with other methods
	@PYTHONPATH=functions $(RUN) benchmarks.polling

bench-collecting: setup ## Simulate what the collector starts and covers in accounts with different limits; 10 minutes
	@PYTHONPATH=functions $(RUN) benchmarks.collecting

bench-cold-start: setup ## Measure imports and clients of each function, compared with a plain boto3 script
	@$(RUN) benchmarks.cold_start

bench-handoff: $(LOCAL_AWS) ## Measure hand-offs of 10,000 servers and 1,000,000 connections on a local AWS; 10 minutes
	@PYTHONPATH=functions $(RUN) benchmarks.handoff

bench-help: setup ## Measure the help of the command discovery-exports, compared with an empty Typer app
	@$(RUN) benchmarks.command_help

bench-tables: $(BENCH)/installed ## Compare the tables with other tools; 7 minutes; QUICK=1 takes 2 minutes and writes nothing
	@PYTHONPATH=functions $(BENCH)/bin/python -m benchmarks.tables $(if $(QUICK),--quick)

bench-sweep: $(LOCAL_AWS) ## Run a sweep of 10,000 exports on a local AWS; about 25 minutes
	@PYTHONPATH=functions $(RUN) benchmarks.sweep

synth: $(DEPLOYING) ## Write the CloudFormation template to cdk.out; needs no AWS account
	@$(CDK) synth --quiet $(CDK_FLAGS)
	@ls cdk.out/*.template.json

bootstrap: $(DEPLOYING) ## Prepare an AWS account and Region for deployments, once, with your credentials
	@$(NOT_LOCAL)
	@$(RUN) tools.credentials $(CDK_FLAGS)
	@$(CDK) bootstrap $(CDK_FLAGS)

deploy: $(DEPLOYING) ## Deploy to AWS with your credentials; CDK_FLAGS="-c key=value" is passed to the CDK
	@$(NOT_LOCAL)
	@$(RUN) tools.credentials $(CDK_FLAGS)
	@$(CDK) deploy $(CDK_FLAGS)

destroy: $(DEPLOYING) ## Print which data is kept, then delete the stack from AWS
	@$(NOT_LOCAL)
	@$(RUN) tools.credentials $(CDK_FLAGS)
	@$(RUN) tools.retained_resources $(CDK_FLAGS)
	@$(CDK) destroy $(CDK_FLAGS)

setup: $(VENV)/installed $(LAMBDA_PACKAGES) ## Install what `make check` needs; other commands install what else they need

lock: setup ## Write the lock files again from the .in files; LOCK_FLAGS=--upgrade selects newer versions
	@for name in $(LOCKS); do \
	  echo "Locking $$name.txt"; \
	  $(VENV)/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	    $(LOCK_FLAGS) --custom-compile-command "make lock" --output-file $$name.txt $$name.in || exit 1; \
	done
	@npm install --package-lock-only --ignore-scripts --no-audit --no-fund --loglevel=error

clean: local-stop ## Delete everything that make has created here
	rm -rf .venv .venv-* .lambda dist node_modules cdk.out .local .mypy_cache .import_linter_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# --- environments; each is installed again if its lock file is newer than its stamp file ---

define needs_python
@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
  echo "Python 3.11 or newer is required; '$(PYTHON)' is: $$($(PYTHON) --version 2>&1 || true)"; \
  echo "Install it, or set its path: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; } >&2
endef

define needs_node
@node -e 'process.exit(parseInt(process.versions.node) < 20 ? 1 : 0)' 2>/dev/null && command -v npm >/dev/null || { \
  echo "Node.js 20 or newer with npm is required (the AWS CDK runs on it); found: $$(node --version 2>&1 || true)."; exit 1; } >&2
endef

# An environment whose Python no longer exists, for example after an upgrade, is also created again.
.PHONY: $(foreach env,$(VENV) $(MINISTACK) $(AWSCLI) $(BENCH) $(JUDGES) $(CHECKOV) $(BROWSER),$(if $(realpath $(env)/bin/python),,$(env)/installed))

# pip installs only uv, from its lines in the lock file. uv installs everything else in a fraction of the time. The command
# of the package runs from the checkout.
$(VENV)/installed: requirements-dev.txt
	$(needs_python)
	$(needs_node)
	@echo "Setting up $(VENV) from $<"
	@$(PYTHON) -m venv --clear $(VENV)
	@sed -n '/^uv==/,/[^\\]$$/p' $< > $(VENV)/uv.txt
	@$(RUN) pip install -qq --no-compile --disable-pip-version-check --require-hashes --only-binary :all: -r $(VENV)/uv.txt
	@$(UV_INSTALL) --python $(VENV) -r $<
	@printf '#!/bin/sh\nPYTHONPATH="%s" exec "%s/bin/python" -P -m discovery_exports.cli "$$@"\n' "$(CURDIR)" "$(CURDIR)/$(VENV)" > $(VENV)/bin/discovery-exports
	@chmod +x $(VENV)/bin/discovery-exports
	@touch $@

# The folder's copy of the lock file is its stamp: `cdk synth` compares it with the lock file.
.lambda/arm64/requirements.txt: PLATFORM := aarch64-manylinux_2_28
.lambda/x86_64/requirements.txt: PLATFORM := x86_64-manylinux_2_28
$(LAMBDA_PACKAGES): functions/requirements.txt | $(VENV)/installed
	@echo "Setting up $(@D) from $<"
	@rm -rf $(@D)
	@$(UV_INSTALL) --python $(VENV) --target $(@D) --python-platform $(PLATFORM) --python-version 3.13 -r $<
	@cp $< $@

$(MINISTACK)/installed: local/requirements.txt
$(AWSCLI)/installed: examples/requirements.txt
$(BENCH)/installed: benchmarks/requirements.txt
$(JUDGES)/installed: tests/judges/requirements.txt
$(CHECKOV)/installed: tools/checkov/requirements.txt
$(BROWSER)/installed: tests/browser/requirements.txt
$(MINISTACK)/installed $(AWSCLI)/installed $(BENCH)/installed $(JUDGES)/installed $(CHECKOV)/installed $(BROWSER)/installed: | $(VENV)/installed
	@echo "Setting up $(@D) from $<"
	@$(UV) venv --quiet --clear --python $(VENV)/bin/python $(@D)
	@$(UV_INSTALL) --python $(@D) -r $<
	@touch $@

$(JUDGES)/dynamodb/installed: tests/judges/dynamodb_jar.py $(JUDGES)/installed
	@echo "Setting up DynamoDB Local in $(@D)"
	@$(RUN) tests.judges.dynamodb_jar $(@D)
	@touch $@

node_modules/installed: package-lock.json
	$(needs_node)
	@echo "Setting up the CDK CLI, JSONata and axe in node_modules"
	@npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

# Without a browser, its tests fail with the line that installs one: only root may do so.
chromium:
	@for name in chromium google-chrome; do ! command -v $$name >/dev/null || exit 0; done; \
	  [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null || exit 0; \
	  echo "Installing Chromium with apt-get"; export DEBIAN_FRONTEND=noninteractive; \
	  { apt-get -qq update && apt-get -qq install --no-install-recommends chromium; } >/dev/null || true

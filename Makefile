# Comity on a fresh machine needs make, Python 3.11 or later and, where Debian splits it off, python3-venv.
# Everything else is installed into .venv from requirements/*.txt, each file checked against its hash.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON ?= python3
WORKERS ?= 2
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input
INSTALL := $(PIP) install --quiet --no-build-isolation
# Debian keeps initdb out of PATH, one directory for each version.
INITDB = $(shell command -v initdb || ls /usr/lib/postgresql/*/bin/initdb 2>/dev/null | tail -n 1)

# What takes our lists in the tests: a name server, the kernel's filters, a reader of XML, a browser.
CONSUMERS := named:bind9 named-checkzone:bind9-utils nft:nftables ipset:ipset xmllint:libxml2-utils chromium:chromium rsyslogd:rsyslog rsyslogd:rsyslog-openssl dovecot:dovecot-imapd postfix:postfix

.PHONY: help demo test soak bench lint requirements wheel clean postgresql consumers

help:  ## say what there is
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /\1\t/' | expand -t 16

demo: $(VENV)/.runtime  ## one node, then three nodes and an accord, narrated; KEEP=1 leaves them running
	@$(BIN)/comity demo $(if $(KEEP),--keep)

test: $(VENV)/.dev postgresql consumers lint  ## lint, types, layers and all tests but the long ones
	@$(BIN)/pytest -q -rfEs -n $(WORKERS)

soak: $(VENV)/.dev  ## the long tests: many nodes, many statements, every fault
	@$(BIN)/pytest -q -rfEs -n $(WORKERS) -m soak

bench: $(VENV)/.dev  ## measure, beside a calibration made in the same run
	@for name in tlog stix store author ingest lookup sync idle misp text sensors warninglists retract intel; do echo "== $$name"; $(BIN)/python -m bench.$$name; done

lint: $(VENV)/.dev  ## ruff, mypy and the direction of imports
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --quiet --check .
	@$(BIN)/mypy --no-error-summary src/comity $(wildcard bench)
	@report=$$($(BIN)/lint-imports --no-logo) || { echo "$$report"; exit 1; }
	@find src -name '*.py' -exec wc -l {} + | awk '$$2 != "total" { all++; if ($$1 > 150) over++ } \
	  END { print over + 0 " of " all " modules are over the aim of 150 lines (they stop at 500)" }'

wheel: $(VENV)/.runtime  ## build the wheel and the source archive into dist/
	@$(BIN)/python -m hatchling build

clean:  ## remove what was built and measured, the environment too
	rm -rf $(VENV) .demo dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Comity needs Python 3.11 or later: make PYTHON=python3.12 …" >&2; exit 1; }
	@if ! $(PYTHON) -c 'import ensurepip, venv' 2>/dev/null; then \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq python3-venv >/dev/null; \
	  else echo "Python's venv module is missing: apt install python3-venv" >&2; exit 1; fi; fi
	@$(PYTHON) -m venv $(VENV)

# What builds comes first: one dependency is published as source only.
$(VENV)/.build: requirements/build.txt | $(VENV)/bin/python
	@echo "Installing Comity into $(VENV) …"
	@$(PIP) install --quiet --require-hashes -r requirements/build.txt
	@touch $@

$(VENV)/.runtime: requirements/runtime.txt pyproject.toml $(VENV)/.build
	@$(INSTALL) --require-hashes -r requirements/runtime.txt
	@$(INSTALL) --no-deps -e .
	@touch $@

$(VENV)/.dev: requirements/dev.txt $(VENV)/.runtime
	@$(INSTALL) --require-hashes -r requirements/dev.txt
	@touch $@

# The store's contract runs on PostgreSQL too, with a server that the tests start themselves.
postgresql:
	@if [ -z "$(INITDB)" ]; then \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && apt-get update -qq \
	    && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends postgresql >/dev/null; \
	  then echo "Installed PostgreSQL for the tests."; \
	  else echo "No PostgreSQL here: its half of tests/stores is skipped (apt install postgresql)."; fi; fi

consumers:
	@missing=; for pair in $(CONSUMERS); do \
	  PATH="$$PATH:/usr/sbin:/sbin" command -v $${pair%%:*} >/dev/null || missing="$$missing $${pair##*:}"; done; \
	if [ -n "$$missing" ]; then \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && apt-get update -qq \
	    && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing >/dev/null; \
	  then echo "Installed for the tests:$$missing."; \
	  else echo "Not here, and their tests are skipped:$$missing (apt install)."; fi; fi

COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --annotation-style line
UPGRADE ?=

requirements: $(VENV)/.build  ## pin anew what pyproject.toml asks for; UPGRADE=--upgrade takes newer versions
	@$(INSTALL) --require-hashes -r requirements/lock.txt
	$(COMPILE) $(UPGRADE) pyproject.toml --all-extras -o requirements/runtime.txt
	$(COMPILE) $(UPGRADE) pyproject.toml --all-extras --group dev -c requirements/runtime.txt -o requirements/dev.txt
	$(COMPILE) $(UPGRADE) --group build -o requirements/build.txt
	$(COMPILE) $(UPGRADE) --group lock -o requirements/lock.txt

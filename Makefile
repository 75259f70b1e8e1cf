# What a newcomer types.  Everything goes to .venv in this folder; running a target again is quick.
#
#   make run PYTHON=python3.12      another interpreter than python3
#   make run ARGS="--config FILE"   arguments for the gateway; tests, bench, fuzz, soak and chaos take them, too

PYTHON ?= python3
ARGS ?=
SECONDS ?= 60
SCHEDULES ?= 20000
# What the tests start beside twgw: Debian's packages.
SYSTEM_PACKAGES := faketime iproute2 mariadb-client mariadb-server-core memcached nftables postgresql samba-ad-dc samba-ad-provision slapd strace
# A client of OAuth2 for Node.js: its version and digest.
OAUTH_CLIENT := tests/wire/oauth4webapi/package-lock.json
STEPS := tests lint types docs changelog examples

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.ONESHELL:
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_NO_INPUT := 1

# A checkout that was moved or copied takes a new environment: scripts in the old one name the old place.
MOVED := $(shell [ ! -e .venv/checkout ] || [ "$$(cat .venv/checkout)" = "$$(pwd -P)" ] || { rm -rf .venv && echo moved; })

.PHONY: help install run test $(STEPS) coverage bench fuzz soak chaos clean

help:  ## this list
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' Makefile | while IFS=$$'\t' read -r name text; do
		printf '  make %-10s %s\n' "$$name" "$$text"
	done

install: .venv/installed  ## install twgw into .venv, which run does by itself

run: .venv/installed  ## start the gateway: traffic on port 8080, admin on 127.0.0.1:8081
	@exec .venv/bin/twistd -n --pidfile= twgw $(ARGS)

test: .venv/developed  ## tests, lint, types, docs, changelog, examples: all of them, then a summary
	@failed=
	for step in $(STEPS); do
		printf '\n== %s\n' "$$step"
		$(MAKE) "$$step" </dev/null || failed+=" $$step"
	done
	printf '\n== summary\n'
	for step in $(STEPS); do
		case "$$failed " in *" $$step "*) echo "FAILED  $$step   (again: make $$step)" ;; *) echo "passed  $$step" ;; esac
	done
	[ -z "$$failed" ]

tests: .venv/developed  ## the tests (choose: make tests ARGS="-k cors")
	@.venv/bin/python -m pytest $(ARGS)

lint: .venv/developed  ## ruff
	@.venv/bin/ruff check .

types: .venv/developed  ## mypy
	@.venv/bin/mypy

docs: .venv/developed  ## is docs/reference.md what the code says?  (write it anew: .venv/bin/python docs/generate.py)
	@.venv/bin/python docs/generate.py --check

changelog: .venv/developed  ## can the news fragments be assembled?
	@.venv/bin/towncrier build --draft --version next >/dev/null && echo "The news fragments are well formed."

examples: .venv/developed  ## build and test the policies in examples/, as a stranger would
	@found=
	for folder in examples/*/; do
		[ -e "$$folder/setup.cfg" ] || continue
		found=yes
		target="$$PWD/build/$$folder"
		rm -rf "$$target" "$$folder/build"
		.venv/bin/python -m pip install --quiet --no-deps --no-build-isolation --target "$$target" "./$$folder"
		(cd "$$folder" && PYTHONPATH="$$target" "$$OLDPWD/.venv/bin/python" -m pytest)
	done
	[ -n "$$found" ] || { echo "examples/ holds no package of a policy (a folder with a setup.cfg)" >&2; exit 1; }

coverage: .venv/developed  ## the tests with branch coverage
	@.venv/bin/coverage run -m pytest $(ARGS)
	.venv/bin/coverage report

bench: .venv/installed  ## CPU time per request beside the peers; about ten minutes (see bench/README.md; all: ARGS=--help)
	@exec bench/run $(ARGS)

fuzz: .venv/fuzzing  ## feed parsers, files and gateway with mutated bytes (each for: SECONDS=60; more: ARGS=--help)
	@exec .venv/bin/python tests/fuzz/run.py --seconds $(SECONDS) $(ARGS)

soak: .venv/developed  ## load a running gateway, watch its memory (longer: make soak ARGS="--minutes 30"; all: ARGS=--help)
	@exec .venv/bin/python tests/soak/run.py $(ARGS)

chaos: .venv/developed  ## let everything go wrong in a real cluster (shorter: make chaos ARGS="--minutes 5"; all: ARGS=--help)
	@.venv/bin/python tests/chaos/run.py $(ARGS)
	TWGW_TEST_SEED=$$RANDOM TWGW_TEST_SEEDS=$(SCHEDULES) .venv/bin/python -m pytest -q -s tests/cluster/test_simulation.py -k revoked

clean:  ## remove what make, the tools and Python have made (not twgw-data)
	@rm -rf .venv build dist .nox .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage .coverage.* *.egg-info
	rm -rf examples/*/build examples/*/*.egg-info examples/*/.pytest_cache examples/*/.hypothesis
	rm -rf $(dir $(OAUTH_CLIENT))node_modules
	find . -name __pycache__ -type d -prune -exec rm -rf {} +


# The environment: made, then with twgw, then with the tools.

.venv/made:
	@if ! $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
		echo "twgw needs Python 3.11 or newer, and $(PYTHON) is $$($(PYTHON) --version 2>/dev/null || echo missing)." >&2
		echo "Install one and name it, for example: make run PYTHON=python3.12" >&2
		exit 1
	fi
	if ! $(PYTHON) -c 'import ensurepip' 2>/dev/null; then
		package=$$($(PYTHON) -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')
		as_root=
		if [ "$$(id -u)" != 0 ]; then as_root="sudo -n"; fi
		if ! command -v apt-get >/dev/null || ! $$as_root true 2>/dev/null; then
			echo "$(PYTHON) cannot make environments.  Install its venv module, for example:" >&2
			echo "    sudo apt-get install $$package" >&2
			exit 1
		fi
		$$as_root apt-get update -q </dev/null
		$$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends "$$package" </dev/null
	fi
	$(PYTHON) -m venv .venv
	pwd -P >.venv/checkout
	touch $@

# Twisted looks for plugins in folders of sys.path: the checkout has to be one, or `twistd twgw` is unknown.
.venv/installed: .venv/made setup.cfg pyproject.toml
	@echo "Installing twgw into .venv ..."
	.venv/bin/python -m pip install --quiet --editable .
	pwd -P >"$$(.venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/twgw-checkout.pth"
	touch $@

# apt is asked only for what is missing.  Without the right to, the tests that need a server say so.
.venv/system: .venv/made Makefile
	@missing=
	for package in $(SYSTEM_PACKAGES); do
		dpkg-query -W -f '$${Status}' "$$package" 2>/dev/null | grep -q 'install ok installed' || missing+=" $$package"
	done
	as_root=
	if [ "$$(id -u)" != 0 ]; then as_root="sudo -n"; fi
	if [ -z "$$missing" ]; then
		:
	elif command -v apt-get >/dev/null && $$as_root true 2>/dev/null; then
		echo "Installing$$missing ..."
		$$as_root apt-get update -q </dev/null >/dev/null
		$$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends $$missing </dev/null >/dev/null
	else
		echo "Some tests need servers that are not here; install them: sudo apt-get install$$missing" >&2
	fi
	touch $@

.venv/developed: .venv/installed .venv/system $(wildcard $(OAUTH_CLIENT))
	@echo "Installing the tools of development into .venv ..."
	.venv/bin/python -m pip install --quiet --editable '.[dev]'
	.venv/bin/npm ci --silent --ignore-scripts --no-audit --no-fund --prefix $(dir $(OAUTH_CLIENT))
	touch $@

.venv/fuzzing: .venv/developed
	@echo "Installing the fuzzer into .venv ..."
	.venv/bin/python -m pip install --quiet --editable '.[fuzz]'
	touch $@

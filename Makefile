# Every target makes what it needs: a virtual environment with exactly what uv.lock says, renewed when that changes.
# Needs python3 (3.11 or newer), make and the package index; uv itself comes from there, in the locked version.

PYTHON ?= python3
VERSIONS := 3.11 3.12 3.13
UV_VERSION := $(shell sed -n '/^name = "uv"$$/{n;s/version = "\(.*\)"/\1/p;}' uv.lock)
BIN := .venv/bin
# What every command reads of the user's own settings stays theirs; these two only keep uv to the interpreter it is given.
export UV_PYTHON_DOWNLOADS := never
export UV_NO_MANAGED_PYTHON := 1

.DEFAULT_GOAL := help
.PHONY: help demo test test-slow test-all check lint audit-packages audit-workflows dist simulate bench fuzz race fix soak survive

help: ## Say what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' Makefile

demo: .venv/.synced ## Train two models for real in a throw-away copy, and ask them: 3 minutes on 2 cores
	@docs/demo.sh

test: .venv/.synced ## Run the fast tests
	$(BIN)/pytest -n 2 -m 'not slow'

test-slow: .venv/.synced ## Run the tests that train the small instruct model, minutes long
	$(BIN)/pytest -m slow

test-all: $(foreach version,$(VERSIONS),test-$(version)) ## Run the fast tests on every supported Python

# A version that is not installed is said, and in CI it fails: a green run must not mean less there than it says.
test-3.%:
	@if python3.$* -c '' 2>/dev/null; then \
		$(MAKE) --no-print-directory .venv-3.$*/.synced PYTHON=python3.$* && \
		echo "Python 3.$*:" && .venv-3.$*/bin/pytest -n 2 -m 'not slow'; \
	else \
		echo "Python 3.$*: not tested, for there is no python3.$* on the PATH" >&2; \
		test "$$CI" != true; \
	fi

check: lint ## All that CI checks: what `make lint` says, tests with coverage
	$(BIN)/pytest -n 2 -m 'not slow' --cov --cov-report=term --cov-fail-under=95

lint: .venv/.synced ## All that needs no test: lint, format, types, layers, lockfile, workflows
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/uv lock --check
	$(BIN)/python -m tests.github.lint

# These two ask others, so `make check` does not: advisories of packages, and what GitHub knows of the actions (GH_TOKEN).
audit-packages: .venv/.synced ## Look for advisories of the locked packages, online
	$(BIN)/uv audit --frozen

audit-workflows: .venv/.synced ## Look for what is known of the actions in workflows, online
	$(BIN)/zizmor --strict-collection --persona auditor .

dist: .venv/.synced ## Build what a release publishes, with what uv.lock says and nothing else
	rm -rf dist
	$(BIN)/uv build --quiet --no-build-isolation --python $(BIN)/python

SEEDS ?= 500
FIRST ?= 0
simulate: .venv/.synced ## Play SEEDS simulations from FIRST on, with faults everywhere: docs/reliability.md
	@$(BIN)/python -m tests.simulation --seeds $(SEEDS) --first $(FIRST)

bench: .venv/.synced ## Measure against the promised bounds, beside their yardsticks
	@failed=0; for script in plan startup data server refresh app_reviews workflows; do \
		$(BIN)/python -m bench.$$script || failed=1; \
	done; exit $$failed

# TARGET: one of tests/fuzz/targets.py, all of them without it. SECONDS: for each.
fuzz: .venv/.synced ## Fuzz with coverage, for long: `make fuzz TARGET=spec SECONDS=3600` (Linux)
	@UV_PROJECT_ENVIRONMENT=.venv $(BIN)/uv sync --quiet --frozen --group fuzz --python $(BIN)/python
	$(BIN)/python -m tests.fuzz $(or $(TARGET),--all) --seconds $(or $(SECONDS),600)

# What each machine does, and when it is killed, comes from SEED; what the operating system makes of it does not.
race: .venv/.synced ## Let five real processes race through one git remote, killed at random: `make race ROUNDS=100` (Linux)
	$(BIN)/python -m tests.machines --rounds $(or $(ROUNDS),10) --seed $(or $(SEED),1)

survive: .venv/.synced ## Kill the local server at random moments, nothing may be lost: `make survive ROUNDS=200` (Linux)
	$(BIN)/python -m bench.survive --rounds $(or $(ROUNDS),200) --seed $(or $(SEED),1)

soak: .venv/.synced ## Have 50 clients at the local server for long, nothing may grow: `make soak SECONDS=1800` (Linux)
	$(BIN)/python -m bench.soak --seconds $(or $(SECONDS),1800) --seed $(or $(SEED),1)

fix: .venv/.synced ## Mend by machine what can be: lint, format
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

# The environment of the checkout (.venv), and one for each other version (.venv-3.12).
.venv/.synced $(VERSIONS:%=.venv-%/.synced): pyproject.toml uv.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo "error: ftops needs Python 3.11 or newer, and \`$(PYTHON)\` is $$($(PYTHON) -V 2>/dev/null || echo missing)" >&2; \
		echo "hint: name a newer one, such as \`make PYTHON=python3.13 $(or $(MAKECMDGOALS),test)\`" >&2; exit 1; }
	@echo "Installing the locked packages into $(@D)"
	@$(@D)/bin/python -c 'import pip' 2>/dev/null || $(PYTHON) -m venv $(@D)
	@test -x $(@D)/bin/uv || $(@D)/bin/python -m pip install --quiet uv==$(UV_VERSION)
	@UV_PROJECT_ENVIRONMENT=$(@D) $(@D)/bin/uv sync --quiet --frozen --python $(@D)/bin/python
	@touch $@

# Everything runs from one virtual environment, .venv, that plain pip fills.
# `make setup` makes it; every other target makes it when it is missing or out of date.
.DEFAULT_GOAL := help
.PHONY: help setup demo test up down check lock dist soak fuzz bench bench-live bench-check bench-idle bench-stages
PYTHON ?= python3
MINUTES ?= 10
LINES ?= 500000
ROUNDS ?= 3
BIN := .venv/bin
SHELL := /bin/sh

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' Makefile | sed 's/:.*## /\t/' | sort

setup: .venv/ready ## make .venv and install the project into it

.venv/ready: requirements.txt pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit("auditship needs Python 3.11 or newer; set PYTHON=") if sys.version_info < (3, 11) else 0'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements.txt
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

demo: .venv/ready ## the product at work on real traffic; ends by itself
	PYTHONPATH=examples $(BIN)/python -m demo.run

test: .venv/ready ## the default test suite
	$(BIN)/python -m pytest -n auto --dist loadscope

check: .venv/ready ## linters, types, layer contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

up: .venv/ready ## leave node, agents and storage servers running; print their addresses
	PYTHONPATH=examples $(BIN)/python -m demo.run --stay

down: .venv/ready ## end what `make up` started
	PYTHONPATH=examples $(BIN)/python -m demo.run --down

lock: .venv/ready ## renew requirements.txt from pyproject.toml
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile pyproject.toml --extra companion --extra node --group test --group checks \
	  --group build --universal --generate-hashes --no-emit-index-url --no-header \
	  --python-version 3.11 --upgrade --quiet -o requirements.txt

dist: .venv/ready ## build the wheel
	$(BIN)/python -m hatchling build -t wheel

soak: .venv/ready ## minutes of rotation and kill -9 on agent and node; MINUTES=10
	$(BIN)/python -m bench.soak --minutes $(MINUTES)

fuzz: .venv/ready ## presets, framing, archives, replies fed with spoiled input; MINUTES=10
	@$(BIN)/python -c 'import atheris' 2>/dev/null \
	  || $(BIN)/python -m pip install --quiet --only-binary :all: $$($(BIN)/python -m bench.group fuzz) \
	  || { echo "make fuzz: atheris has no wheel for $$($(BIN)/python -V) on $$(uname -m);" \
	  "make a .venv of another Python (rm -r .venv; make fuzz PYTHON=python3.12)" >&2; exit 1; }
	$(BIN)/python -m bench.fuzz --minutes $(MINUTES) --keep

bench: .venv/ready ## the agent against rsyslog, syslog-ng and a naive script; LINES=500000 ROUNDS=3
	$(BIN)/python -m bench.throughput --lines $(LINES) --rounds $(ROUNDS)

bench-live: .venv/ready ## delay from write to arrival and CPU at 1,000 and 20,000 lines a second
	$(BIN)/python -m bench.live

bench-check: .venv/ready ## instructions a line of the hot path (valgrind); fails over +5 %
	$(BIN)/python -m bench.instructions check

bench-stages: .venv/ready ## what each stage of the way from line to document costs, ns a line
	$(BIN)/python -m bench.stages

bench-idle: .venv/ready ## what an agent costs that watches 1,000 quiet files
	$(BIN)/python -m bench.idle

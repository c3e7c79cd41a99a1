# `make demo` and `make test` are all that a newcomer needs; `make help` lists the rest.
.PHONY: help demo test test-cards test-mpich test-emulator test-simgrid4 bench docs setup setup-dev transcripts lock clean
.DEFAULT_GOAL := help

help: ## Show this list
	@sed -n 's/^\([a-z-]*\):.*## /make \1\t/p' $(firstword $(MAKEFILE_LIST)) | expand -t 20

demo: setup ## Set up, then bring a virtual cluster up and compute pi on it
	@.venv/bin/python scripts/demo.py

test: setup-dev ## Set up, then lint, types and every test that needs no emulator
	@scripts/test

test-cards: setup-dev ## Make real base systems for the boards and hold their cards against the programs that read them
	@scripts/setup cards
	@scripts/test-cards $(PYTEST)

test-mpich: setup-dev ## Compile MPICH from its source for a board, make a base with it and run a program in it
	@scripts/setup cards
	@scripts/setup mpich
	@scripts/test-cards -m mpich $(PYTEST)

test-emulator: setup-dev ## Boot real cards in QEMU, wired as a cluster
	@scripts/setup cards
	@scripts/setup emulator
	@scripts/test-emulator $(PYTEST)

test-simgrid4: setup-dev ## Test predictions with SimGrid 4, in a Debian trixie of its own (needs root)
	@scripts/setup release
	@scripts/test-release trixie -q tests/unit/test_simgrid.py tests/unit/advise/predict tests/unit/cli/test_predict.py $(PYTEST)

bench: ## Measure pibramble beside the tools people would use instead
	@scripts/setup bench
	@scripts/setup dev
	@scripts/setup gps
	@.venv/bin/python benchmarks/all.py

docs: ## Build the documentation site into site/
	@scripts/setup docs
	@NO_MKDOCS_2_WARNING=1 .venv/bin/mkdocs build --strict --quiet && echo "site/index.html"

setup: ## Install what is missing; leaves the command at .venv/bin/pibramble
	@scripts/setup

setup-dev:
	@scripts/setup dev
	@scripts/setup gps
	@scripts/setup swarm
	@scripts/setup hpcc

transcripts: setup-dev ## Run the commands in README and docs anew and write down what they print
	@.venv/bin/python scripts/transcripts.py

lock: ## Pin the requirements anew from pyproject.toml (UPGRADE=1: newest versions)
	@scripts/setup lock
	@UPGRADE=$(UPGRADE) scripts/lock

clean: ## Remove everything that make made here
	rm -rf web/node_modules .venv site dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .cache

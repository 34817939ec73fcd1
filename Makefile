# phage: the developer's interface. `make run` and `make test` set up what they need.
.DEFAULT_GOAL := help
SHELL := /bin/bash
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=

.PHONY: help run install dev test test-rust test-python test-neon lint format bench soak docs clean

help: ## List what can be made.
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

run: install ## Set everything up and watch the default interface (ARGS="-i eth1" for another).
	@exec $(BIN)/phage run $(ARGS)

install: ## Virtual environment, Rust build, package.
	@tools/setup.sh install

dev: ## The same with everything the tests and checks need.
	@tools/setup.sh dev

test: dev ## Run all tests; as root this installs the Debian packages that the system tests use.
	@tools/run-tests.sh

test-rust: dev
	@tools/run-tests.sh rust

test-python: dev
	@tools/run-tests.sh python

lint: dev ## ruff, mypy, import-linter, cargo fmt, clippy.
	$(BIN)/ruff check src tests tools
	$(BIN)/ruff format --check src tests tools
	$(BIN)/mypy
	$(BIN)/lint-imports
	@tools/cargo.sh fmt --all --check
	@tools/cargo.sh clippy --workspace --all-targets --locked -- -D warnings

format: dev ## Format all sources.
	$(BIN)/ruff check --fix-only src tests tools
	$(BIN)/ruff format src tests tools
	@tools/cargo.sh fmt --all

bench: dev ## Measure; prints figures with a peer's in the same run (ARGS="decode.full" for some).
	@$(BIN)/phage bench $(ARGS)

test-neon: ## The core's models on AArch64, emulated (needs a cross compiler and QEMU).
	@tools/test-neon.sh

soak: dev ## The long proofs whole: ten minutes of fuzzing a decoder, long property tests.
	@tools/soak.sh

docs: dev ## Build the documentation; warnings are errors.
	$(BIN)/mkdocs build --strict

clean: ## Remove what was built.
	rm -rf $(VENV) target build dist site

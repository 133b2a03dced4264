# `make up` runs the shop, `make test` runs the tests; each does all the set-up it needs (Python 3.11+ with venv is enough).
# `make up PORT=8081` takes another port for the gateway, `make up ISOLATED=1` free ports only; other options: ARGS="--no-watch".
.DEFAULT_GOAL := help
.PHONY: help setup up down shop test check format docs bench

BIN := .venv/bin
STAMP := .venv/.atoll-setup
# Only what is given to make itself counts: a PORT of the environment may be meant for something else.
UP_OPTIONS = $(if $(filter command,$(origin PORT)),--port $(PORT)) $(if $(filter command,$(origin ISOLATED)),--isolated) $(ARGS)
LOCKED := uv.lock pyproject.toml $(wildcard shop/*/pyproject.toml) scripts/setup

help: ## show these verbs
	@sed -n 's/^\([a-z]*\):.*## /\1|/p' Makefile | awk -F'|' '{ printf "  make %-8s %s\n", $$1, $$2 }'

setup: $(STAMP) ## make .venv with everything in it; the command is then .venv/bin/atoll

$(STAMP): $(LOCKED)
	@sh scripts/setup $(STAMP)

up: setup ## run the whole shop here (Ctrl-C stops it); PORT=8081 or ISOLATED=1 if a port is taken
	@$(BIN)/atoll up $(UP_OPTIONS)

down: setup ## stop the shop if it runs in the background
	@$(BIN)/atoll down

shop: up ## the same as up

test: setup ## run every test
	@$(BIN)/python -m pytest $(PYTEST)

check: setup ## formatting, lint, types, layers
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: setup ## put the code into its form
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: setup ## run the examples of the documentation
	@$(BIN)/python -m pytest tests/docs

bench: setup ## run every benchmark and print what was measured; scripts/peers install brings more to compare with
	@$(BIN)/python -m bench
